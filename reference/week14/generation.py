"""The generation loop: each next word sampled from what the model predicts after the last.

The notebook's own model stays in its place; only its answers are ours while the loop is asked.
"""

from itertools import pairwise

from grader.authoring import Cell, Check, Question, case

ASKED = 100  # words, in the handout


def chain(words):
    """The text of a model that after words[i] always predicts words[i + 1], round and round.

    returns  the words of the text, and how many were asked for
    """
    return {"words": [words[i % len(words)] for i in range(ASKED)], "asked": ASKED}


# How it is used, and on what --------------------------------------------------------


def with_our_predictions(loop, words):
    names = {k: v for k, v in loop.names.items() if not k.startswith("_")}
    modules = {k: v for k, v in names.items() if isinstance(v, torch.nn.Module)}  # noqa: F821

    def embeds(module):
        inside = any(isinstance(m, torch.nn.Embedding) for m in module.modules())  # noqa: F821
        return inside and not isinstance(module, torch.nn.Embedding)  # noqa: F821

    # our answer depends on the words alone, so every language model may give it
    models = {k: v for k, v in modules.items() if embeds(v)} or {
        k: v for k, v in modules.items() if next(v.parameters(), None) is not None
    }
    if not models:
        raise LookupError("the notebook made no model that could predict a word")
    sizes = {
        getattr(m, attribute, None)
        for model in models.values()
        for m in model.modules()
        for attribute in ("out_features", "num_embeddings")
    }

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

    others = [v for v in names.values() if not isinstance(v, torch.nn.Module)]  # noqa: F821
    found = [table for v in others for part in parts(v, 2) for table in tables(part)]
    every = next((table for table in found if len(table) in sizes), found[0] if found else None)
    if every is None:
        raise RuntimeError("no list of the notebook's words was found to look a number up in")
    number = {word: index for index, word in every.items()}
    spare = [w for w in every.values() if w not in words and "<" not in w]
    own = [word if word in number else spare[i] for i, word in enumerate(words)]
    follows = {number[a]: number[b] for a, b in zip(own, own[1:] + own[:1], strict=True)}
    first_fed = []

    def answering(real):
        def forward(x, *rest, **more):
            first_fed.append(int(x.reshape(-1)[-1]))
            try:
                with torch.no_grad():  # noqa: F821
                    shown = real(x, *rest, **more)
            except Exception:
                shown = None
            first = shown[0] if isinstance(shown, (tuple, list)) else shown
            known = torch.is_tensor(first) and first.dim() >= 1  # noqa: F821
            size = first.shape[-1] if known and first.shape[-1] >= len(every) else len(every)
            nexts = [follows.get(int(i), number[own[0]]) for i in x.reshape(-1)]
            answer = torch.full((len(nexts), size), -1e4)  # noqa: F821
            answer[torch.arange(len(nexts)), torch.tensor(nexts)] = 0.0  # noqa: F821
            answer = answer.reshape(*x.shape, size)
            if known and first.shape != answer.shape:
                if first.numel() != answer.numel():
                    answer = answer.reshape(-1, size)[-1:]
                elif x.dim() == 2 and first.shape[:2] == x.shape[::-1]:
                    answer = answer.transpose(0, 1)
                if first.numel() == answer.numel():
                    answer = answer.reshape(first.shape)
            return (answer, *shown[1:]) if isinstance(shown, (tuple, list)) else answer

        return forward

    for model in models.values():
        model.forward = answering(model.forward)
    try:
        made = loop(**models)
    finally:
        for model in models.values():
            vars(model).pop("forward", None)
    said = made.split() if isinstance(made, str) else [str(word) for word in made]
    if first_fed and said[:1] == [every.get(first_fed[0])] and len(said) > len(first_fed):
        said = said[1:]  # the word that the text starts from, which no prediction chose
    label = dict(zip(own, words, strict=True))
    for word in own:  # the number in place of the word, which no other student's corpus shares
        label[str(number[word])] = label[f"tensor({number[word]})"] = "number of " + label[word]
    asked = names.get("num_words", 100)
    return {
        "words": [label.get(word, word)[:40] for word in said[:1000]],
        "asked": asked if isinstance(asked, int) else 100,
    }


def one_word(rng):
    for word in ("the", "of", ","):
        yield case([word])


def words_in_turn(rng):
    yield case(["in", "the", "and"])
    yield case(["of", "a", "was", "to", "."])


def length(result):
    """How many words the text has; where it has as many as were asked for, as the reference."""
    words = len(result["words"])
    return ASKED if words == result["asked"] else words


def different_words(result):
    return sorted(set(result["words"]))


def turns(result):
    """Which word comes after which, each pair once."""
    words = [word.removeprefix("number of ") for word in result["words"]]
    return sorted({f"{a} -> {b}" for a, b in pairwise(words)})


# Known misconceptions ---------------------------------------------------------------


def untouched(words):
    """The loop is as it was handed out."""
    raise NameError("name 'word' is not defined")


def never_fed_back(words):
    """The model predicts after the same word again and again: either the chosen word is never added
    to the input, or not at its end, or you read the prediction of another position than the last.
    Append it, input = torch.cat([input, word_tensor], 0), and use output[-1]."""
    return {"words": [words[0]] * ASKED, "asked": ASKED}


def index_in_place_of_word(words):
    """Your text holds the number of each word. Look the word up before you add it:
    word = corpus.dictionary.idx2word[word_idx]."""
    text = chain(words)
    return text | {"words": [f"number of {word}" for word in text["words"]]}


# The question -----------------------------------------------------------------------

QUESTION = Question(
    key="generation",
    title="Generating text with the model",
    target=Cell("generated_text"),
    reference=chain,
    call=with_our_predictions,
    untouched=untouched,
    checks=[
        Check("the text has num_words words", one_word, points=2, view=length),
        Check("each word is one that the model predicts", one_word, points=5, view=different_words),
        Check("the chosen word is fed back to the model", words_in_turn, points=5, view=turns),
    ],
    misconceptions=[never_fed_back, index_in_place_of_word],
)
