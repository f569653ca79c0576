"""PositionalEncoding: sines and cosines that tell positions apart (Vaswani et al. 2017, 3.5)."""

import numpy as np

from grader.authoring import Check, Question, case


def encoding(length, d_model):
    """PE of shape (length, d_model): PE[pos, 2i] = sin(pos / 10000^(2i/d_model)), PE[pos, 2i+1] the
    cosine of the same; d_model is even."""
    pos = np.arange(length)[:, None]
    angle = pos / 10000 ** (np.arange(0, d_model, 2) / d_model)
    return interleaved(np.sin(angle), np.cos(angle))


def interleaved(even, odd):
    """Columns of `even` and `odd` in turn: two of (length, d/2) to one of (length, d)."""
    return np.stack([even, odd], axis=-1).reshape(len(even), -1)


def sequence_first(d_model, x):
    """x + PE in evaluation mode, without dropout.

    x        (sequence, batch, d_model)
    returns  the same shape
    """
    return added(encoding, x)


def batch_first(d_model, x):
    """The same for x of shape (batch, sequence, d_model)."""
    return np.asarray(x, float) + encoding(x.shape[1], d_model)


# How it is used, and on what --------------------------------------------------------


def encode(PositionalEncoding, d_model, x):
    import inspect

    given = {}
    for name, parameter in inspect.signature(PositionalEncoding).parameters.items():
        said = name.lower()
        needed = parameter.default is parameter.empty
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if "drop" in said or said == "p":
            given[name] = 0.0
        elif any(word in said for word in ("len", "max", "seq", "pos")):
            given[name] = 5000
        elif needed or any(word in said for word in ("model", "dim", "emb", "hid", "inp")):
            given[name] = d_model
    layer = PositionalEncoding(**given)
    if hasattr(layer, "eval"):
        layer.eval()
    with torch.no_grad():  # noqa: F821  (the sandbox has it)
        return layer(torch.from_numpy(np.array(x)))  # noqa: F821


def silence(rng):
    for length, batch, d_model in ((4, 2, 6), (10, 3, 8), (20, 5, 64)):
        yield case(d_model, np.zeros((length, batch, d_model), np.float32))


def embeddings(rng):
    for length, batch, d_model in ((4, 2, 6), (12, 5, 16)):
        yield case(d_model, rng.normal(size=(length, batch, d_model)).astype(np.float32))


def other_sizes(rng):
    for length, batch, d_model in ((1, 3, 4), (35, 4, 20), (7, 11, 128), (150, 2, 12)):
        yield case(d_model, rng.normal(size=(length, batch, d_model)).astype(np.float32))


def even_columns(result):
    return np.asarray(result)[..., 0::2]


def odd_columns(result):
    return np.asarray(result)[..., 1::2]


# Known misconceptions ---------------------------------------------------------------


def added(table, x):
    """x + table(length, d_model), the positions along the first axis of x."""
    length, _, d_model = x.shape
    return np.asarray(x, float) + table(length, d_model)[:, None]


def untouched(d_model, x):
    """forward still returns self.dropout(x), as it was handed out."""
    return np.asarray(x, float)


def sine_and_cosine_swapped(d_model, x):
    """Sine and cosine are swapped: the even columns (0, 2, ...) hold the sines, the odd ones the
    cosines, so that position 0 is 0, 1, 0, 1, ..."""

    def table(length, d_model):
        pe = encoding(length, d_model)
        return interleaved(pe[:, 1::2], pe[:, 0::2])

    return added(table, x)


def halves(d_model, x):
    """Your sines fill the first half of the columns and your cosines the second. They take turns:
    pe[:, 0::2] for the sines, pe[:, 1::2] for the cosines."""

    def table(length, d_model):
        pe = encoding(length, d_model)
        return np.concatenate([pe[:, 0::2], pe[:, 1::2]], axis=1)

    return added(table, x)


def exponent_not_doubled(d_model, x):
    """Your exponent is i/d_model where the formula has 2i/d_model, so the wavelengths grow too
    slowly. With torch.arange(0, d_model, 2) the 2 is already in: divide that by d_model."""

    def table(length, d_model):
        angle = np.arange(length)[:, None] / 10000 ** (np.arange(d_model // 2) / d_model)
        return interleaved(np.sin(angle), np.cos(angle))

    return added(table, x)


def exponent_doubled_twice(d_model, x):
    """Your exponent is 4i/d_model where the formula has 2i/d_model: torch.arange(0, d_model, 2)
    already counts in twos, so it is not to be doubled again."""

    def table(length, d_model):
        angle = np.arange(length)[:, None] / 10000 ** (2 * np.arange(0, d_model, 2) / d_model)
        return interleaved(np.sin(angle), np.cos(angle))

    return added(table, x)


def counts_from_one(d_model, x):
    """Your positions start at 1. The first token is position 0, encoded as 0, 1, 0, 1, ...: use
    torch.arange(0, length)."""

    def table(length, d_model):
        return encoding(length + 1, d_model)[1:]

    return added(table, x)


def multiplied(d_model, x):
    """You multiply x by the encoding. It is added: x + pe."""
    length, _, width = x.shape
    return np.asarray(x, float) * encoding(length, width)[:, None]


def replaces_input(d_model, x):
    """You return the encoding itself, so the words are lost. Return x + pe."""
    length, batch, width = x.shape
    return np.broadcast_to(encoding(length, width)[:, None], (length, batch, width))


# The question -----------------------------------------------------------------------

QUESTION = Question(
    key="positional_encoding",
    title="Positional encoding",
    target="PositionalEncoding",
    parameters=("d_model", "dropout", "max_len"),
    reference=sequence_first,
    also_right=[batch_first],
    call=encode,
    untouched=untouched,
    checks=[
        Check("the result has the shape of x", embeddings, points=1, view=np.shape),
        Check("even columns hold the sines", silence, points=4, view=even_columns),
        Check("odd columns hold the cosines", silence, points=4, view=odd_columns),
        Check("the encoding is added to x", embeddings, points=2),
        Check("it works for other lengths and d_model", other_sizes, points=1, other_sizes=True),
    ],
    misconceptions=[
        sine_and_cosine_swapped,
        halves,
        exponent_not_doubled,
        exponent_doubled_twice,
        counts_from_one,
        multiplied,
        replaces_input,
    ],
)
