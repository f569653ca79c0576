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


def exponential_below_only(items_in):
    """You divide the scores themselves by the sum of their exp(). Above the line stands exp() too:
    np.exp(items_in) / np.sum(np.exp(items_in))."""
    x = np.asarray(items_in, float)
    return x / np.sum(np.exp(x))


def exponential_above_only(items_in):
    """You divide exp() by the sum of the scores themselves. Below the line exp() comes first, then
    the sum: np.sum(np.exp(items_in))."""
    x = np.asarray(items_in, float)
    return np.exp(x) / np.sum(x)


def exponential_of_the_sum(items_in):
    """You divide by exp() of the sum. First exp() of each score, then the sum:
    np.sum(np.exp(items_in))."""
    x = np.asarray(items_in, float)
    return np.exp(x) / np.exp(np.sum(x))


def mean_in_place_of_sum(items_in):
    """You divide by the mean of exp(), so the weights add up to their number. Divide by the sum."""
    exp = np.exp(np.asarray(items_in, float))
    return exp / np.mean(exp)


def largest_in_place_of_sum(items_in):
    """You divide by the largest exp(), so the largest weight is one. Divide by the sum of all."""
    exp = np.exp(np.asarray(items_in, float))
    return exp / np.max(exp)


def length_in_place_of_sum(items_in):
    """You divide by the number of scores. Divide by the sum of exp() of all scores."""
    return np.exp(np.asarray(items_in, float)) / len(items_in)


def norm_in_place_of_sum(items_in):
    """You divide by the root of the sum of squares, which makes a unit vector. Divide by the sum,
    so that the weights add up to one."""
    exp = np.exp(np.asarray(items_in, float))
    return exp / np.sqrt(np.sum(exp**2))


def sum_of_the_others(items_in):
    """Your sum leaves the score itself out. The sum runs over all scores, this one too."""
    exp = np.exp(np.asarray(items_in, float))
    return exp / (np.sum(exp) - exp)


def sum_so_far(items_in):
    """You divide each exp() by the sum as it stands at that place of the loop. Finish the sum over
    all scores first, then divide."""
    exp = np.exp(np.asarray(items_in, float))
    return exp / np.cumsum(exp)


def sign_turned(items_in):
    """You take exp(-x), so the largest score gets the smallest weight. Take exp(x)."""
    return softmax(-np.asarray(items_in, float))


def base_two(items_in):
    """You raise 2 to each score. It is e: np.exp."""
    return softmax(np.log(2) * np.asarray(items_in, float))


def logarithm(items_in):
    """You return the logarithms of the weights. Return the weights themselves, which are positive
    and add up to one."""
    return np.log(softmax(items_in))


def sigmoid(items_in):
    """You compute 1 / (1 + exp(-x)) of each score alone. In softmax each exp() is divided by the
    sum of all of them."""
    return 1 / (1 + np.exp(-np.asarray(items_in, float)))


def largest_only(items_in):
    """The largest score gets all the weight. softmax is soft: every score gets
    exp(x) / np.sum(np.exp(x))."""
    x = np.asarray(items_in, float)
    return (x == np.max(x)).astype(float)


def equal_weights(items_in):
    """Every score gets the same weight. The weights are exp(x) / np.sum(np.exp(x))."""
    return np.full(len(items_in), 1 / len(items_in))


def squared(items_in):
    """You square where exp() belongs. The weights are exp(x) / np.sum(np.exp(x))."""
    square = np.asarray(items_in, float) ** 2
    return square / np.sum(square)


def largest_subtracted_once(items_in):
    """You subtract the largest score above the line, but not below it. Subtract it first, then use
    the same exp() in both places."""
    x = np.asarray(items_in, float)
    return np.exp(x - np.max(x)) / np.sum(np.exp(x))


# The question -----------------------------------------------------------------------


def keeping_the_form(items_in):
    if hasattr(items_in, "exp"):  # a tensor
        exp = items_in.exp()
        return exp / exp.sum(0)
    scores = np.array([np.asarray(item, float) for item in items_in])
    exp = np.exp(scores - scores.max(axis=0))
    return exp / exp.sum(axis=0)


QUESTION = Question(
    key="softmax",
    title="The softmax function",
    target="softmax",
    reference=softmax,
    call=as_the_notebook_does,
    untouched=untouched,
    form=np.ravel,
    checks=[
        Check("there is a weight for each score", of_three, points=0.5, view=np.shape, alone=False),
        Check(
            "each weight is exp(score) divided by the sum of all exp(score)",
            of_three,
            points=3.5,
        ),
        Check("the weights add up to one", of_three, points=1, view=np.sum),
        Check("it works for any number of scores", of_any_number, points=1, other_sizes=True),
        Check("large scores do not overflow (subtract the largest first)", large, points=0),
    ],
    misconceptions=[
        no_exponential,
        no_normalisation,
        each_alone,
        exponential_below_only,
        exponential_above_only,
        exponential_of_the_sum,
        mean_in_place_of_sum,
        largest_in_place_of_sum,
        length_in_place_of_sum,
        norm_in_place_of_sum,
        sum_of_the_others,
        sum_so_far,
        sign_turned,
        base_two,
        logarithm,
        sigmoid,
        largest_only,
        equal_weights,
        squared,
        largest_subtracted_once,
    ],
    stand_in=keeping_the_form,
)
