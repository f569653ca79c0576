"""The generation loop: each next word sampled from what the model predicts after the last.

The notebook's own model stays in its place; only its predictions are ours while the loop is asked.
They follow one rule.  Words are numbered 0 to 15, and after a word of number s come the words

    start, start + 5, ...  (mod 16),  start = a s + b

each less likely than the first by one of `gaps`, in log-odds: with a = 0 the same words always,
with a > 0 and one gap a chain that shows what was fed.  Positions before the last predict the same
words of another alphabet, 16 to 31, so that a loop which reads one of those is known by it.

A right loop loses a claim with a probability below 1e-6, whatever its draws: all claims but two
look at what is certain, and those two draw their three lines where right draws cross each of them
once in ten million times.

A temperature that is a name of the notebook, or an argument of a function of it, is set to ours;
and so is a number that the loop divides by, where it names no temperature.  Only three words are
ever likely: top-k sampling with k >= 3, and top-p sampling with p > 0.75, are as right as plain
sampling; a smaller k never says what it should.

What is protected: nothing that goes in is a right text.  The rule reaches the kernel as numbers and
has to be followed word by word, as a loop does; a text that is not generated earns nothing,
whatever it is, and what comes back is compared out here.  What is not: code that takes our place in
the kernel and then does itself all that a right loop does is a right loop.
"""

import math
from functools import cache
from itertools import pairwise

from grader.authoring import Cell, Check, Question, Slip, case

WORDS = 16  # of each alphabet
APART = 5  # words of one prediction: a neighbour of one, looked up by mistake, is none of them
ASKED = 100  # words, in the handout
FEWEST = 30  # draws that tell anything
NEVER = 1e-7  # how often a right loop may cross one line of a claim
ALMOST_EVEN = 0.02  # a gap that is seen by argmax only
COOL, WARM, HOT = 0.1, 1.0, 10.0  # temperatures
NUMBER = 100  # added to a label: the number of that word, not the word


def share(gap, temperature):
    """How often the third of three words comes whose first two are about equally likely.

    `gap` is its log-odds against either.
    """
    rare = math.exp(-gap / temperature)
    return rare / (rare + 1 + math.exp(-ALMOST_EVEN / temperature))


# The program ------------------------------------------------------------------------


def generate(
    a,
    b,
    gaps,
    temperature,
    count,
    *,
    choose="sample",
    scale="divide",
    feed=True,
    position="last",
    look_up=True,
    add=True,
    missing=0,
):
    """What is seen of a loop that is asked for `count` words.

    rule    the arguments but `choose` and what follows it
    text    its words: the label 0 to 31 of ours, NUMBER more for the number of such a word, any
            other word as it is, "#..." for any other number, "?..." for what is neither
    fed     the last word of each input to the model, in the same way
    """
    factor = {"divide": 1 / temperature, "multiply": temperature}.get(scale, 1.0)
    weights = [math.exp(-gap * factor) for gap in gaps]
    drawn = [0] * len(gaps)
    state = 5  # of the word that the text starts from
    chosen, fed = [], []
    for i in range(count - missing):
        if choose == "uniform":
            word = f"any word, say {i}"
        else:
            # each as often as it should: draws that are no chance
            due = [w / sum(weights) * (i + 1) - n for w, n in zip(weights, drawn, strict=True)]
            rank = 0 if choose == "greedy" else due.index(max(due))
            drawn[rank] += 1
            word = (a * state + b + APART * rank) % WORDS
            if position == "first" and feed and i:
                word += WORDS
        fed.append(chosen[-1] if feed and chosen else "start")
        chosen.append(word)
        if feed and position == "last" and choose != "uniform":
            state = word
    text = chosen if look_up else [f"#{w}" if isinstance(w, str) else w + NUMBER for w in chosen]
    return {
        "rule": [a, b, gaps, temperature, count],
        "text": text if add else text[-1:],
        "fed": fed,
        "words": [],
    }


def right(*rule):
    """The right loop; and, without a rule, what was handed in of it."""
    return generate(*rule) if rule else {"first": [], "length": ASKED}


# How it is used, and on what --------------------------------------------------------


def with_our_predictions(loop, a, b, gaps, temperature, count):
    import ast
    import functools
    import inspect
    import textwrap

    import numpy as np
    import torch

    cells = ("In", "Out")  # the notebook's own, as IPython keeps them
    names = {k: v for k, v in loop.names.items() if not k.startswith("_") and k not in cells}
    modules = {k: v for k, v in names.items() if isinstance(v, torch.nn.Module)}

    def embeds(module):
        inside = any(isinstance(m, torch.nn.Embedding) for m in module.modules())
        return inside and not isinstance(module, torch.nn.Embedding)

    # our answer depends on the words alone, so every language model may give it
    models = {k: v for k, v in modules.items() if embeds(v)} or {
        k: v for k, v in modules.items() if next(v.parameters(), None) is not None
    }

    # its words

    def tables(value):
        """Lists of words by their number."""
        if not isinstance(value, (list, dict)) or len(value) < 10:
            return
        pairs = list(enumerate(value)) if isinstance(value, list) else list(value.items())
        kinds = {(type(key), type(item)) for key, item in pairs}
        if kinds == {(int, str)}:
            yield dict(pairs)
        if kinds == {(str, int)}:
            yield {number: word for word, number in pairs}

    def parts(value, depth):
        yield value
        library = type(value).__module__ in ("builtins", "torch", "numpy")
        if depth and hasattr(value, "__dict__") and not callable(value) and not library:
            for part in list(vars(value).values())[:100]:
                yield from parts(part, depth - 1)

    sizes = {
        getattr(m, attribute, None)
        for model in models.values()
        for m in model.modules()
        for attribute in ("out_features", "num_embeddings")
    }
    others = [v for v in names.values() if not isinstance(v, torch.nn.Module)]
    found = [table for v in others for part in parts(v, 2) for table in tables(part)]
    every = next((table for table in found if len(table) in sizes), found[0] if found else None)
    if every is None:
        raise RuntimeError("no list of the notebook's words was found to look a number up in")
    number = {}
    for index in sorted(every):
        number.setdefault(every[index], index)
    plain = [word for word in number if "<" not in word and len(word.split()) == 1]
    letters = [word for word in plain if word.isalpha() and word == word.lower()]
    ours = (letters if len(letters) >= 32 else plain)[:32]
    if len(ours) < 32:
        raise RuntimeError(f"the notebook's list of words has {len(ours)}, too few to be asked for")
    ids = torch.tensor([number[word] for word in ours])
    label = {word: i for i, word in enumerate(ours)}
    state = torch.arange(max(every) + 1) % 16
    state[ids] = torch.arange(32) % 16

    # what is predicted

    odds = -np.array(gaps, float)
    odds -= np.log(np.exp(odds).sum())
    fed, forms = [], {}

    def form_of(real, x, args, more):
        """How the model itself answers such an input: what it arranges how, and what comes with
        it.  It need not be asked at each length."""
        key = (id(real), x.dim(), x.numel() > 1)
        if key not in forms:
            try:
                with torch.no_grad():
                    shown = real(*args, **more)
            except Exception:
                shown = None  # a model that fails is not the loop's mistake
            rest = shown[1:] if isinstance(shown, (tuple, list)) and len(shown) else None
            first = shown if rest is None else shown[0]
            if not torch.is_tensor(first) or not first.is_floating_point():
                first = torch.zeros(*x.shape, len(every))
            wide = [i for i, n in enumerate(first.shape) if n >= len(every)] or [first.dim() - 1]
            lead = [n for i, n in enumerate(first.shape) if i != wide[-1]]
            sums = first.sum(wide[-1])
            probabilities = bool((first >= 0).all() and (sums - 1).abs().max() < 1e-3)
            size = max(first.shape[wide[-1]], len(every))
            like = (first.dtype, first.device, probabilities)
            if len(lead) == 1 and lead[0] == x.numel():
                how = "flat"
            elif lead == list(x.shape):
                how = "same"
            elif lead == list(x.shape[::-1]):
                how = "turned"
            else:
                how = lead if np.prod(lead) == 1 else "same"
            forms[key] = how, wide[-1] - first.dim(), size, like, rest
        return forms[key]

    def answering(real):
        def forward(*args, **more):
            x = next(
                (
                    v
                    for v in (*args, *more.values())
                    if torch.is_tensor(v) and v.dtype in (torch.int64, torch.int32) and v.numel()
                ),
                None,
            )
            if x is None or not 0 <= int(x.min()) <= int(x.max()) < len(state):
                return real(*args, **more)  # and it says itself what is wrong with that
            how, axis, size, (dtype, device, probabilities), rest = form_of(real, x, args, more)
            flat = x.reshape(-1).cpu()
            fed.append(int(flat[-1]))
            last = torch.zeros(x.shape, dtype=torch.bool)
            for along, n in enumerate(x.shape):
                if n > 1:
                    last.select(along, -1).fill_(True)
            last = (last.reshape(-1) | (x.numel() == 1)).long()
            start = a * state[flat] + b
            answer = torch.full((len(flat), size), -1e4)
            rows, alphabet = torch.arange(len(flat)), 16 * (1 - last)
            for rank, log_p in enumerate(odds.tolist()):
                answer[rows, ids[(start + 5 * rank) % 16 + alphabet]] = log_p
            if probabilities:
                answer = answer.exp()
            if how == "same":
                answer = answer.reshape(*x.shape, size)
            elif how == "turned":
                answer = answer.reshape(*x.shape, size).transpose(0, 1)
            elif how != "flat":
                answer = answer[-1:].reshape(*how, size)
            answer = answer.movedim(-1, axis).to(device, dtype)
            return answer if rest is None else (answer, *rest)

        return forward

    # how it is set

    def is_temperature(name):
        return "temperature" in name.lower() or name.lower() in ("temp", "tau", "t")

    def is_set(name, value):
        """Whether `value` is a temperature: a count or a token may be called t, too."""
        if not is_temperature(name) or isinstance(value, bool):
            return False
        if torch.is_tensor(value):
            return value.numel() == 1 and value.is_floating_point()
        whole = isinstance(value, (int, np.integer))
        return isinstance(value, (float, np.floating)) or (whole and "temp" in name.lower())

    def of_a_library(value):
        return value.__module__ not in (None, "__main__")

    def divisors(tree):
        for node in ast.walk(tree):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
                yield node.right
            elif isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div):
                yield node.value
            elif isinstance(node, ast.Call) and node.args:
                divides = getattr(node.func, "attr", "") in ("div", "div_", "divide", "true_divide")
                yield from node.args[-1:] if divides else ()

    def numbers(tree, loops):
        """The numbers in code that are its temperature: those that a name of one is set to; where
        nothing that runs has such a name, those that its `loops` divide by."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                targets = [n.id for n in node.targets if isinstance(n, ast.Name)]
                if any(is_set(name, node.value.value) for name in targets):
                    yield node.value
        if named:
            return
        # inside of an f-string nothing has a place of its own
        texts = {
            part for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for part in ast.walk(n)
        }
        for number in {n for part in loops for n in divisors(part)} - texts:
            if isinstance(number, ast.Constant) and type(number.value) in (int, float):
                yield number

    def at_our_temperature(statement):
        """A statement of the loop, its temperatures that are numbers set to ours; no line moves."""
        lines = statement["source"].encode().split(b"\n")
        tree = parsed(statement)
        loops = [n for n in ast.walk(tree) if isinstance(n, (ast.For, ast.While))]
        for number in sorted(numbers(tree, loops), key=lambda n: (n.lineno, -n.col_offset)):
            line = lines[number.lineno - 1]
            before, after = line[: number.col_offset], line[number.end_col_offset :]
            lines[number.lineno - 1] = before + repr(temperature).encode() + after
        return {**statement, "source": b"\n".join(lines).decode()}

    def code_of(function):
        """What a function of the notebook runs; it may wrap one that is not written in Python."""
        return getattr(inspect.unwrap(function), "__code__", function.__code__)

    def is_own(value):
        return inspect.isfunction(value) and not of_a_library(value)

    def heatable(value):
        if not is_own(value):
            return False
        code = code_of(value)
        return code.co_name in called or any(map(is_temperature, code.co_varnames))

    def heated(function):
        """A function of the notebook whose temperature, an argument or set in it, is ours."""
        signature, code = inspect.signature(function), code_of(function)
        anew = function
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
            ast.increment_lineno(tree, code.co_firstlineno - 1)
            found = list(numbers(tree, [tree] if code.co_name in called else []))
            for number in found:
                number.value = temperature
            if found and not code.co_freevars:
                made = {}
                exec(compile(tree, code.co_filename, "exec"), loop.names, made)
                anew = made[function.__name__]
        except Exception:
            anew = function  # it cannot be made again as it was

        @functools.wraps(function)
        def call(*args, **kwargs):
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            for name, value in bound.arguments.items():
                if is_set(name, value):
                    bound.arguments[name] = temperature
            return anew(*bound.args, **bound.kwargs)

        return call

    def generators():
        """Those of the notebook, begun anew."""
        seed = int(torch.randint(2**31, (1,)))
        for name, value in names.items():
            if isinstance(value, torch.Generator):
                anew = torch.Generator(value.device).manual_seed(seed)
                yield name, anew
                if torch.is_tensor(names.get("initial_state")):
                    yield "initial_state", anew.get_state()
            elif isinstance(value, np.random.Generator):
                yield name, np.random.default_rng(seed)

    parse = functools.lru_cache(ast.parse)

    def parsed(statement):
        return parse(statement["source"]).body[statement["index"]]

    # what runs: the loop, and the functions that it calls itself
    nodes = [n for statement in loop.statements for n in ast.walk(parsed(statement))]
    called = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    words = {getattr(n, key, None) for n in nodes for key in ("id", "arg")}
    loose = {getattr(n, key, None) for n in nodes for key in ("attr", "value")}
    for code in map(code_of, filter(is_own, map(names.get, called))):
        words |= {*code.co_varnames, *code.co_freevars}
        loose |= {*code.co_names, *code.co_consts}
    words |= loose - {"t", "T"}  # x.t() turns a matrix
    named = any(is_temperature(w) for w in words if isinstance(w, str) and w.isidentifier())
    loop.statements = [at_our_temperature(statement) for statement in loop.statements]
    given = {}
    kept = []  # what is a part of something: args.temperature, config["temperature"], a method
    for name, value in names.items():
        if is_set(name, value):
            heat = torch.full_like if torch.is_tensor(value) else lambda _, t: t
            given[name] = heat(value, temperature)
        elif "temperature" in name.lower() and isinstance(value, (list, tuple)):
            given[name] = [temperature] * len(value)
        elif heatable(value):
            given[name] = heated(value)
        elif not inspect.ismodule(value) and not (isinstance(value, type) and of_a_library(value)):
            own = value if isinstance(value, dict) else getattr(value, "__dict__", {})
            for key, part in own.items():
                if isinstance(key, str) and is_set(key, part):
                    kept.append((value, key, part, temperature))
                elif isinstance(value, type) and heatable(part):
                    kept.append((value, key, part, heated(part)))

    def put(value, key, setting):
        if isinstance(value, dict):
            value[key] = setting
        else:
            setattr(value, key, setting)

    def words_of(made):
        if hasattr(made, "getvalue"):  # a StringIO
            made = made.getvalue()
        elif hasattr(made, "read") and isinstance(getattr(made, "name", None), str):
            with open(made.name, encoding="utf-8") as file:  # noqa: PTH123
                made = file.read()
        if torch.is_tensor(made):
            made = made.reshape(-1).tolist()
        if not isinstance(made, str):
            made = " ".join(str(word) for word in made)
        return made.split()

    def token(index):
        word = every.get(index, "?")
        return label.get(word, word[:40])

    def numbered(word):
        """The number that is written in place of a word, as a number or a tensor of one."""
        bare = word.strip("tensor([,])")
        return int(bare) if bare.isdigit() and len(bare) < 9 else None

    def written(words):
        # a corpus has numbers among its words, too
        numbers = sum(numbered(word) in every for word in words) > len(words) / 2
        for word in words:
            index = numbered(word) if numbers else None
            if index in every:
                yield label[every[index]] + 100 if every[index] in label else f"#{index}"
            else:
                yield token(number[word]) if word in number else "?" + word[:40]

    # how many words

    try:
        own = len(words_of(names[loop.assigns[0]]))
    except Exception:
        own = 0
    counts = ["num_words"] if isinstance(names.get("num_words"), int) else []
    if not counts and own < 80:  # under another name
        counts = [k for k, v in names.items() if type(v) is int and v == own > 0]
    given |= dict.fromkeys(counts, count)

    def generated():
        """The words of one text, the word that it starts from, or a heading, aside: no prediction
        chose them."""
        before = len(fed)
        text = words_of(loop(**models, **given, **dict(generators())))
        while len(text) > len(fed) - before > 0 and (
            text[0] == every.get(fed[before]) or text[0] not in label
        ):
            text = text[1:]
        return text

    reals = {name: model.forward for name, model in models.items()}
    for name, model in models.items():
        model.forward = answering(reals[name])
    for value, key, _, setting in kept:
        put(value, key, setting)
    try:
        try:
            text = generated()
        except NameError as error:
            # a model that was never made: its own cell failed, which is not the loop's mistake
            if models or not error.name or error.name in names:
                raise
            models = {error.name: torch.nn.Linear(1, 1)}
            models[error.name].forward = answering(lambda *args, **more: None)
            try:
                text = generated()
            except Exception:
                raise error from None
        texts = [text]
        while len(gaps) > 1 and 0 < len(fed) < 80:  # of so few draws none could tell anything
            text = generated()
            if text in texts:
                break  # it has a seed of its own, and no more draws to show
            texts.append(text)
    finally:
        for model in models.values():
            vars(model).pop("forward", None)
        for value, key, before, _ in kept:
            put(value, key, before)
    text = [word for text in texts for word in text]
    return {
        "rule": [a, b, gaps, temperature, count],
        "text": list(written(text[:1000])),
        "fed": [token(index) for index in fed[:1000]],
        "words": ours,
    }


def settled(rng):
    """Predictions that leave no choice."""
    yield case(
        0,
        int(rng.integers(WORDS)),
        [0.0],
        WARM,
        ASKED,
        said="a model that always predicts one word",
    )
    # round all words, and not by the same step each time
    a, b = 4 * int(rng.integers(1, 4)) + 1, 2 * int(rng.integers(WORDS // 2)) + 1
    yield case(
        a, b, [0.0], WARM, ASKED - 20, said="a model that predicts by the last word it is fed"
    )


def almost_even(rng):
    yield odds(rng, 1.5, WARM, ASKED)


def two_temperatures(rng):
    # as near to a third, and to never, as a temperature that is not divided by is not
    yield odds(rng, 4.0, HOT, 3 * ASKED // 2)
    yield odds(rng, 1.5, COOL, 3 * ASKED // 2)


def odds(rng, gap, temperature, count):
    gaps = [0.0, ALMOST_EVEN, gap]
    said = f"a model that predicts two words and, less, a third, at temperature {temperature:g}"
    return case(0, int(rng.integers(WORDS)), gaps, temperature, count, said=said)


# What is made of it -----------------------------------------------------------------


@cache
def usual(draws, p):
    """The fewest and the most hits in `draws` that are no wonder if each has probability p."""

    def at(hits):
        ways = math.lgamma(draws + 1) - math.lgamma(hits + 1) - math.lgamma(draws - hits + 1)
        return math.exp(ways + hits * math.log(p) + (draws - hits) * math.log1p(-p))

    low = high = 0
    below, above = at(0), 1 - at(0)
    while below <= NEVER:
        low += 1
        below += at(low)
    while above > NEVER and high < draws:
        high += 1
        above = sum(at(hits) for hits in range(high + 1, draws + 1))
    return low, high


def seen(result):
    """What a loop did at each of its steps, in words.

    What is drawn is said as right draws have it wherever right draws might have come out so.
    """
    if "rule" not in result:
        return result  # what was handed in
    a, _, gaps, temperature, count = result["rule"]
    text, fed = result["text"], result["fed"]
    found, chosen = _ranks(result)
    words, inputs = [_word(w) for w in text], [_word(w) for w in fed]
    appended = inputs[1 : len(words)] == words[: len(inputs) - 1]
    length = len(text) if len(text) > 1 else len(fed)  # an overwritten text is not a short one too
    return {
        "rule": repr(result["rule"]),
        "predicted": _predicted(text, fed, found, chosen),
        "choice": _choice(gaps, temperature, found),
        "fed back": not a or (len(set(inputs)) > 1 and (appended or found is not None)),
        "looked up": _looked_up(text, words, chosen),
        "added": "each word" if len(text) > 1 else counted(len(text)),
        "length": "num_words" if len(gaps) > 1 or length in (count, ASKED) else "another number",
    }


def _word(token):
    """The label of a word, or the word, whether it or its number was written."""
    return token % NUMBER if isinstance(token, int) else token.removeprefix("#")


def _ranks(result):
    """The chosen words by how likely they were, the likeliest 0, and those words; None and the text
    if one of them was not predicted, or not after what was fed before it."""
    a, b, gaps, _, _ = result["rule"]

    def ranks(words):
        if not words or any(isinstance(w, str) for w in words):
            return []
        words = [w % WORDS for w in words]
        if a and len(set(words)) == 1:
            return [0] * len(words)  # after one word, whichever it was
        steps = [(w - a * s - b) % WORDS for s, w in pairwise(words)]
        steps += [] if a else [(words[0] - b) % WORDS]
        known = {APART * rank % WORDS: rank for rank in range(len(gaps))}
        return [known[step] for step in steps] if known.keys() >= set(steps) else []

    if len(result["fed"]) < len(result["text"]):
        return None, [_word(w) for w in result["text"]]  # no model was asked for them
    # what was chosen shows in what was fed where the text has lost it
    both = [[_word(w) for w in words] for words in (result["text"], result["fed"][1:])]
    found = [ranks(words) for words in both]
    longest = 0 if len(found[0]) >= len(found[1]) else 1
    return found[longest] or None, both[longest]


def _predicted(text, fed, found, chosen):
    if len(fed) < len(text) or not text:
        return "none that the model was asked for"
    if all(isinstance(w, int) for w in chosen) and max(chosen) >= WORDS:
        return "words that are predicted at another position than the last"
    if found is None:
        return "another word" if len(set(chosen)) == 1 else "other words"
    return "words that are predicted"


def _choice(gaps, temperature, found):
    if len(gaps) == 1:
        return "the only one"
    if found is None:
        return "words that are not predicted"
    if len(found) < FEWEST:
        return "too few words to tell"
    if len(set(found)) == 1:
        return "always the same of three words"
    rare, p = found.count(2), share(gaps[2], temperature)
    low, high = usual(len(found), p)
    if temperature == HOT:
        if low <= rare <= high:
            return "the least likely of three words about every fourth time"
        rarely = rare < low
        return f"the least likely of three words {'hardly ever' if rarely else 'most of the time'}"
    if temperature == COOL and rare > high:
        often = "tenth" if rare < len(found) * 0.19 else "third"  # 0.10 and 0.30 are meant
        return f"the least likely of three words about every {often} time"
    return "now one, now the other of two words that are about equally likely"


def _looked_up(text, words, chosen):
    if any((isinstance(w, int) and w >= NUMBER) or str(w).startswith("#") for w in text):
        return "numbers"
    if sum(str(w).startswith("?") for w in text) > len(text) // 10:
        return "words that the corpus does not have"
    return "words" if words == chosen or len(text) < 2 else "other words than those chosen"


def counted(words):
    return "no word" if not words else "one word"


def part(key):
    """The view of one of the things that were seen."""

    def view(steps):
        return steps[key]

    return view


# What the student is shown ----------------------------------------------------------


def account(results):
    """The first words of the text, and what came of each model that was put in the place of theirs;
    in Markdown."""
    lines = []
    for result in results:
        if "rule" not in result:
            if result["length"]:
                lines.insert(0, f"As handed in, {_begins(result['first'], result['length'])}")
            continue
        a, _, gaps, temperature, _ = result["rule"]
        words = [_shown(token, result["words"]) for token in result["text"]]
        if len(gaps) == 1:
            model = "predicts the word by the one before it" if a else "always predicts one word"
            lines.append(f"With a model that {model}, {_begins(words, len(words))}")
            continue
        found, _ = _ranks(result)
        if found is not None:
            times = f"{found.count(2)} of {len(found)}"
            low, high = usual(len(found), share(gaps[2], temperature))
            usually = "" if temperature == WARM else f" (a right loop: {low} to {high})"
            lines.append(
                f"At temperature {temperature:g}, of three words the likeliest came "
                f"{found.count(0)}, the next {found.count(1)} and the least likely {times} "
                f"times{usually}."
            )
    return "\n".join(f"- {line}" for line in lines)


def _begins(words, length):
    if not words:
        return "there is no text."
    shown = " ".join(str(word) for word in words[:12]).replace("`", "'")
    return f"your text has {length} words and begins: `{shown}`"


def _shown(token, words):
    if isinstance(token, int):
        return words[token] if token < NUMBER else f"#{words[token - NUMBER]}"
    return token.removeprefix("#").removeprefix("?")


# Known misconceptions ---------------------------------------------------------------


def untouched(a, b, gaps, temperature, count):
    """The loop is as it was handed out."""
    raise NameError("name 'word' is not defined")


SLIPS = [
    Slip(
        "greedy",
        """You take the likeliest word each time, so nothing is sampled, and no temperature can have
        an effect. Draw the word: `torch.multinomial(weights, 1)`.""",
        choose="greedy",
    ),
    Slip(
        "uniform",
        """Your words have nothing to do with what the model predicts: all words come about equally
        often. Check that you sample with the model's probabilities for the last position, and that
        the softmax runs over the vocabulary (`dim=-1`), and once only.""",
        choose="uniform",
    ),
    Slip(
        "no_temperature",
        """The temperature has no effect on your text. Divide the logits, or the log-probabilities,
        by it before the exponential: `(output[-1, 0] / temperature).exp()`.""",
        scale="none",
    ),
    Slip(
        "probabilities_scaled",
        """You divide probabilities by the temperature. That changes all of them by the same
        factor, and sampling looks at their ratios only, so nothing changes. Divide the logits, or
        the log-probabilities, and take the exponential, or the softmax, after that.""",
        scale="probabilities",
    ),
    Slip(
        "multiplied_by_temperature",
        """You multiply by the temperature, so a higher one makes the text less surprising. Divide
        by it.""",
        scale="multiply",
    ),
    Slip(
        "never_fed_back",
        """The model predicts after the same word again and again: the chosen word is not added to
        the input, or not at its end. Append it:
        `input = torch.cat([input, word_idx.view(1, 1)], 0)`.""",
        feed=False,
    ),
    Slip(
        "wrong_position",
        """You read what the model predicts at another position than the last. The word after the
        whole input is predicted at its last position: `output[-1]`.""",
        position="first",
    ),
    Slip(
        "index_in_place_of_word",
        """Your text holds the number of each word. Look the word up before you add it:
        `word = corpus.dictionary.idx2word[word_idx]`.""",
        look_up=False,
    ),
    Slip(
        "text_overwritten",
        """Each word takes the place of the text before it, so that only the last is left. Add it:
        `generated_text = generated_text + word + " "`.""",
        add=False,
    ),
    Slip(
        "wrong_count",
        """The text has another number of words than `num_words`. Choose exactly one word in each
        turn of `for i in range(num_words)`.""",
        missing=1,
    ),
]


# The question -----------------------------------------------------------------------


def as_handed_in(loop):
    text = loop.names.get(loop.assigns[0])
    if isinstance(text, list):
        text = " ".join(map(str, text))
    words = text.split() if isinstance(text, str) else []
    return {"first": [word[:40] for word in words[:12]], "length": len(words)}


def the_notebooks_own(rng):
    yield case(said="the notebook's own model")


def number_of_words(result):
    return result["length"] or ASKED  # where there is none, that is said elsewhere


QUESTION = Question(
    key="generation",
    title="Generating text with the model",
    target=Cell("generated_text"),
    reference=right,
    program=generate,
    call=with_our_predictions,
    form=seen,
    untouched=untouched,
    account=account,
    checks=[
        Check(
            "each word is one that the model predicts after the last",
            settled,
            points=2,
            view=part("predicted"),
        ),
        Check(
            "a higher temperature brings unlikely words, a lower one hardly any",
            two_temperatures,
            points=2,
            view=part("choice"),
        ),
        Check("each word is sampled", almost_even, points=2, view=part("choice")),
        Check("the chosen word is added to the input", settled, points=2, view=part("fed back")),
        Check(
            "the word is looked up by its number",
            settled,
            points=1.5,
            view=part("looked up"),
            alone=False,
        ),
        Check(
            "each word is added to the text", settled, points=1.5, view=part("added"), alone=False
        ),
        Check("the text has num_words words", settled, points=1, view=part("length"), alone=False),
        Check(
            "the text that was handed in has 100 words",
            the_notebooks_own,
            points=0,
            view=number_of_words,
            call=as_handed_in,
            reference=right,
        ),
    ],
    misconceptions=SLIPS,
)
