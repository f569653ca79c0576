"""The attention loop: every output a weighted sum of all values (UDL, eqs. 12.3 and 12.5)."""

import numpy as np

from grader.authoring import Cell, Check, Question, case
from reference.week14 import inputs
from reference.week14.qkv import qkv
from reference.week14.softmax import softmax


def attention(all_queries, all_keys, all_values, **_):
    """x'_n = sum_m softmax_m[k_m^T q_n] v_m.

    all_*    N arrays of shape (D, 1)
    returns  N arrays of shape (D, 1)
    """
    all_x_prime = []
    for q in all_queries:
        weights = softmax([k.T @ q for k in all_keys])
        all_x_prime.append(sum(a * v for a, v in zip(weights, all_values, strict=True)))
    return all_x_prime


# Inputs, simplest first -------------------------------------------------------------


def derived(given, **fixed):
    """The case with queries, keys and values that belong to its other names."""
    queries, keys, values = qkv(**given)
    lists = {"all_queries": queries, "all_keys": keys, "all_values": values}
    return case(given=given | lists | fixed)


def handed_out(rng):
    yield derived(inputs.colab1())


def equal_values(rng):
    D, N = inputs.D, inputs.N
    for _ in range(2):
        given = inputs.notebook1(rng, D, N, omega_v=np.zeros((D, D)))
        yield derived(given)


def equal_scores(rng):
    D, N = inputs.D, inputs.N
    for _ in range(2):
        no_query = {"omega_q": np.zeros((D, D)), "beta_q": np.zeros((D, 1))}
        yield derived(inputs.notebook1(rng, D, N, **no_query))


def own_sizes(rng):
    for _ in range(3):
        yield derived(inputs.notebook1(rng, inputs.D, inputs.N))


def other_sizes(rng):
    for D, N in inputs.OTHER_SIZES:
        yield derived(inputs.notebook1(rng, D, N))


def as_rows(vectors):
    """An array of shape (N, D), whether the entries were columns, rows or flat."""
    return np.asarray(vectors, float).reshape(len(vectors), -1)


# Known misconceptions ---------------------------------------------------------------


def untouched(all_queries, **_):
    """The lines are as they were handed out: dot_product = 1 and x_prime = np.zeros((D,1))."""
    return [np.zeros_like(q) for q in all_queries]


def queries_and_keys_swapped(all_queries, all_keys, all_values, **_):
    """For output n you take key n with all queries. It is the other way round: output n takes query
    n, and its dot product with every key (eq. 12.5)."""
    return attention(all_keys, all_queries, all_values)


def scaled(all_queries, all_keys, all_values, **_):
    """You divide the dot products by sqrt(D). That is the scaled version, which comes in the next
    notebook; here leave the dot products as they are."""
    shrink = np.sqrt(len(all_queries[0]))
    return attention([q / shrink for q in all_queries], all_keys, all_values)


def no_softmax(all_queries, all_keys, all_values, **_):
    """You weight the values by the dot products themselves. The weights are softmax of the dot
    products, positive and adding up to one: use `attention`."""
    pairs = [[float((k.T @ q).item()) for k in all_keys] for q in all_queries]
    return [sum(s * v for s, v in zip(row, all_values, strict=True)) for row in pairs]


def last_value_only(all_queries, all_keys, all_values, **_):
    """Your output is the last weight times the last value: what the loop left over. Add up the
    products of all values with their weights, starting from zero."""
    last = [softmax([k.T @ q for k in all_keys])[-1] for q in all_queries]
    return [weight * all_values[-1] for weight in last]


# The question -----------------------------------------------------------------------

QUESTION = Question(
    key="attention",
    title="Dot products and weighted sums",
    target=Cell("all_x_prime"),
    reference=attention,
    untouched=untouched,
    form=as_rows,
    checks=[
        Check("the weights of each output add up to one", equal_values, points=1.5),
        Check("equal scores give the mean of the values", equal_scores, points=1.5),
        Check("each output is the weighted sum of all values", own_sizes, points=4),
        Check("it works for other N and D", other_sizes, points=1, other_sizes=True),
        Check("it gives the printed true values", handed_out, points=0, published=True),
    ],
    misconceptions=[queries_and_keys_swapped, scaled, no_softmax, last_value_only],
)
