"""layer_norm: each row to mean 0 and variance 1, then scaled and shifted (Ba 2016)."""

import numpy as np

from grader.authoring import Check, Question, Slip, case

EPSILON = 1e-5


def layer_norm(x, scale, shift):
    """scale * (x - mean) / sqrt(variance + epsilon) + shift, mean and variance of each row.

    x            (batch, features)
    scale, shift (features,)
    returns      (batch, features)
    """
    centred = x - x.mean(axis=1, keepdims=True)
    variance = (centred**2).mean(axis=1, keepdims=True)
    return scale * centred / np.sqrt(variance + EPSILON) + shift


def with_slips(
    x, scale, shift, *, axis=1, centre=True, root=True, ddof=0, epsilon=EPSILON, scaled=True,
    shifted=True,
):  # fmt: skip
    """layer_norm with a switch for each way to go wrong."""
    mean = x.mean(axis=axis, keepdims=True)
    spread = x.var(axis=axis, ddof=ddof, keepdims=True) + epsilon
    normal = (x - mean if centre else x) / (np.sqrt(spread) if root else spread)
    return (scale if scaled else 1) * normal + (shift if shifted else 0)


# Inputs, simplest first -------------------------------------------------------------


def fresh(rng, batch, features, scale=None, shift=None):
    """Rows whose spread and place differ, so that no two slips look alike."""
    x = rng.normal(loc=1.0, scale=2.0, size=(batch, features))
    given = rng.normal(size=(2, features))
    return case(
        x,
        given[0] + 2 if scale is None else np.full(features, scale),
        given[1] if shift is None else np.full(features, shift),
    )


def plain(rng):
    for _ in range(2):
        yield fresh(rng, 4, 5, scale=1.0, shift=0.0)


def learned(rng):
    for _ in range(2):
        yield fresh(rng, 4, 5)


def flat(rng):
    for value in (2.0, -1.0):
        x = np.full((3, 4), value)
        yield case(x, *rng.normal(size=(2, 4)))


def other_sizes(rng):
    for batch, features in ((1, 4), (6, 7), (3, 8)):
        yield fresh(rng, batch, features)


def means(result):
    """The mean of each row."""
    return np.mean(result, axis=1)


# The question -----------------------------------------------------------------------


def untouched(x, scale, shift):
    """The function still returns x, as it was handed out."""
    return x


QUESTION = Question(
    key="layer_norm",
    title="Layer normalisation",
    target="layer_norm",
    reference=layer_norm,
    program=with_slips,
    untouched=untouched,
    checks=[
        Check("the mean of each row is that of the shift", plain, points=1, view=means),
        Check("each row is normalised", plain, points=2),
        Check("scale and shift are applied", learned, points=3),
        Check("a row of equal numbers becomes the shift", flat, points=1),
        Check("it works for other sizes", other_sizes, points=1, other_sizes=True),
    ],
    misconceptions=[
        Slip(
            "normalised_along_columns",
            "You normalise each column over the batch, which is batch normalisation. Here each row "
            "is normalised by itself: axis=1.",
            axis=0,
        ),
        Slip("not_centred", "You do not subtract the mean of the row: x - mean.", centre=False),
        Slip(
            "divided_by_the_variance",
            "You divide by the variance. Divide by its square root.",
            root=False,
        ),
        Slip(
            "sample_variance",
            "Your variance divides by features - 1. Layer normalisation divides by their number: "
            "leave ddof at 0.",
            ddof=1,
        ),
        Slip(
            "epsilon_forgotten",
            "You add no epsilon to the variance, so a row of equal numbers is divided by zero.",
            epsilon=0.0,
        ),
        Slip("scale_forgotten", "You do not multiply by scale.", scaled=False),
        Slip("shift_forgotten", "You do not add shift.", shifted=False),
    ],
)
