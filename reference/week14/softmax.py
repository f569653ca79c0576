"""softmax: from attention scores to attention weights (UDL, eq. 12.5)."""

import numpy as np

from grader.authoring import Check, Question, case


def softmax(items_in):
    """exp(x_m) / sum_m' exp(x_m').

    items_in  N scores
    returns   (N,)

    Subtracting max(x) first changes nothing in exact arithmetic and keeps exp finite.
    """
    x = np.asarray(items_in, float).ravel()
    exp = np.exp(x - np.max(x))
    return exp / np.sum(exp)


# How it is used, and on what --------------------------------------------------------


def as_the_notebook_does(softmax, scores):
    # the loop hands over a list of (1, 1) arrays, or of numbers where the student made them so
    forms = (
        [np.array([[s]]) for s in scores],
        [float(s) for s in scores],
        np.array(scores),
    )
    failures = []
    for form in forms:
        try:
            return softmax(form)
        except Exception as error:
            failures.append(error)
    raise failures[0]


def of_three(rng):
    yield case([1.0, 2.0, 0.0])
    for _ in range(3):
        yield case(rng.normal(size=3).tolist())


def of_any_number(rng):
    yield case([0.5, -0.5])
    for length in (1, 5, 8):
        yield case(rng.normal(size=length).tolist())


def large(rng):
    yield case([1000.0, 999.0, 998.0])


# Known misconceptions ---------------------------------------------------------------


def untouched(items_in):
    """The function still returns a copy of its input, as it was handed out."""
    return np.asarray(items_in, float)


def no_exponential(items_in):
    """You divide by the sum, but nowhere take exp(): scores below zero become negative weights.
    Divide np.exp(items_in) by its sum."""
    x = np.asarray(items_in, float)
    return x / np.sum(x)


def no_normalisation(items_in):
    """You take exp() but never divide by the sum, so the weights do not add up to one. Divide by
    np.sum(np.exp(items_in))."""
    return np.exp(np.asarray(items_in, float))


def each_alone(items_in):
    """Every weight is one: each score is divided by its own exp(), not by the sum over all scores.
    The sum runs over the whole list: np.sum(np.exp(items_in)), or axis=0."""
    return np.ones(len(items_in))


# The question -----------------------------------------------------------------------

QUESTION = Question(
    key="softmax",
    title="The softmax function",
    target="softmax",
    reference=softmax,
    call=as_the_notebook_does,
    untouched=untouched,
    form=np.ravel,
    checks=[
        Check("each weight is exp(score) divided by the sum of all exp(score)", of_three, points=4),
        Check("the weights add up to one", of_three, points=1, view=np.sum),
        Check("it works for any number of scores", of_any_number, points=1, other_sizes=True),
        Check("large scores do not overflow (subtract the largest first)", large, points=0),
    ],
    misconceptions=[no_exponential, no_normalisation, each_alone],
)
