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
    names = loop.names
    models = {
        name: value
        for name, value in names.items()
        if isinstance(value, torch.nn.Module) and not name.startswith("_")  # noqa: F821
    }
    text = " ".join(statement["source"] for statement in loop.statements)
    used = [name for name in models if f"{name}(" in text] or list(models)
    if not used:
        raise RuntimeError("the notebook made no model that could predict a word")
    name = "model" if "model" in used else used[-1]
    model = models[name]

    def vocabulary(value):
        for one in (value, getattr(value, "dictionary", None), getattr(value, "vocab", None)):
            for attribute in ("idx2word", "itos", "index2word", "id2word"):
                table = getattr(one, attribute, None)
                if isinstance(table, (list, dict)) and len(table) > 10:
                    return table
        return None

    tables = [vocabulary(value) for key, value in names.items() if not key.startswith("_")]
    tables += [names[key] for key in ("idx2word", "itos", "id2word", "vocab") if key in names]
    word_of = next((table for table in tables if isinstance(table, (list, dict))), None)
    if word_of is None:
        raise RuntimeError("the notebook has no list of words to look an index up in")
    every = dict(enumerate(word_of)) if isinstance(word_of, list) else dict(word_of)
    number = {word: index for index, word in every.items()}
    spare = [w for w in every.values() if isinstance(w, str) and w not in words and "<" not in w]
    own = [word if word in number else spare[i] for i, word in enumerate(words)]
    follows = {number[a]: number[b] for a, b in zip(own, own[1:] + own[:1], strict=True)}
    real = model.forward

    def forward(x, *rest, **more):
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

    model.forward = forward
    try:
        made = loop(**{name: model})
    finally:
        del model.forward
    said = made.split() if isinstance(made, str) else [str(word) for word in made]
    label = dict(zip(own, words, strict=True))
    for word in own:  # the number in place of the word, which no other student's corpus shares
        label[str(number[word])] = label[f"tensor({number[word]})"] = "#" + label[word]
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


def missing_words(result):
    """How many words the text has too few, or (negative) too many."""
    return result["asked"] - len(result["words"])


def different_words(result):
    return sorted(set(result["words"]))


def turns(result):
    """Which word comes after which, each pair once."""
    words = [word.removeprefix("#") for word in result["words"]]
    return sorted({f"{a} -> {b}" for a, b in pairwise(words)})


# Known misconceptions ---------------------------------------------------------------


def untouched(words):
    """The loop is as it was handed out."""
    raise NameError("name 'word' is not defined")


def never_fed_back(words):
    """The chosen word is never added to the input, so the model predicts after the same word again
    and again. Feed it back: input = torch.cat([input, word_tensor], 0)."""
    return {"words": [words[0]] * ASKED, "asked": ASKED}


def index_in_place_of_word(words):
    """Your text holds the number of each word. Look the word up before you add it:
    word = corpus.dictionary.idx2word[word_idx]."""
    text = chain(words)
    return text | {"words": [f"#{word}" for word in text["words"]]}


# The question -----------------------------------------------------------------------

QUESTION = Question(
    key="generation",
    title="Generating text with the model",
    target=Cell("generated_text"),
    reference=chain,
    call=with_our_predictions,
    untouched=untouched,
    checks=[
        Check("the text has num_words words", one_word, points=2, view=missing_words),
        Check("each word is one that the model predicts", one_word, points=5, view=different_words),
        Check("the chosen word is fed back to the model", words_in_turn, points=5, view=turns),
    ],
    misconceptions=[never_fed_back, index_in_place_of_word],
)
