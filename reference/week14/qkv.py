"""Queries, keys and values: three linear maps of every input (UDL, eqs. 12.2 and 12.4)."""

import numpy as np

from grader.authoring import Cell, Check, Question, case
from reference.week14 import inputs


def qkv(all_x, omega_q, omega_k, omega_v, beta_q, beta_k, beta_v, **_):
    """q_n = beta_q + omega_q x_n, and keys and values likewise.

    all_x    N inputs of shape (D, 1)
    returns  three lists of N arrays of shape (D, 1): queries, keys, values
    """
    queries = [beta_q + omega_q @ x for x in all_x]
    keys = [beta_k + omega_k @ x for x in all_x]
    values = [beta_v + omega_v @ x for x in all_x]
    return [queries, keys, values]


# Inputs, simplest first -------------------------------------------------------------


def handed_out(rng):
    yield case(given=inputs.colab1())


def own_sizes(rng):
    for _ in range(3):
        yield case(given=inputs.notebook1(rng, inputs.D, inputs.N))


def other_sizes(rng):
    for D, N in inputs.OTHER_SIZES:
        yield case(given=inputs.notebook1(rng, D, N))


def as_rows(lists):
    """Three arrays of shape (N, D), whether the entries were columns, rows or flat."""
    return [np.asarray(vectors, float).reshape(len(vectors), -1) for vectors in lists]


def queries(lists):
    return lists[0]


def keys(lists):
    return lists[1]


def values(lists):
    return lists[2]


# Known misconceptions ---------------------------------------------------------------


def untouched(all_x, **_):
    """The three lines are as they were handed out: np.ones_like(x)."""
    return [[np.ones_like(x) for x in all_x]] * 3


def biases_forgotten(all_x, omega_q, omega_k, omega_v, **_):
    """You leave out the biases: each of the three is beta + omega x (eq. 12.2). Add beta_q, beta_k
    and beta_v."""
    return [[omega @ x for x in all_x] for omega in (omega_q, omega_k, omega_v)]


def queries_and_keys_swapped(all_x, omega_q, omega_k, omega_v, beta_q, beta_k, beta_v):
    """Your queries are made with omega_k and beta_k, and your keys with omega_q and beta_q. A query
    is what a token asks with, so it takes the parameters named q: exchange the two."""
    return qkv(all_x, omega_k, omega_q, omega_v, beta_k, beta_q, beta_v)


def elementwise(all_x, omega_q, omega_k, omega_v, beta_q, beta_k, beta_v):
    """You multiply omega * x entry by entry. omega x is the product of a matrix and a vector: write
    omega @ x (np.matmul)."""
    pairs = ((omega_q, beta_q), (omega_k, beta_k), (omega_v, beta_v))
    return [[beta + omega * x for x in all_x] for omega, beta in pairs]


def omega_transposed(all_x, omega_q, omega_k, omega_v, beta_q, beta_k, beta_v):
    """You multiply by the transposed matrix. The inputs are columns, so it is omega @ x, with
    omega as it is: leave out the .T, or put omega on the left of x."""
    return qkv(all_x, omega_q.T, omega_k.T, omega_v.T, beta_q, beta_k, beta_v)


# The question -----------------------------------------------------------------------


def plain(program):
    """`program` called with the names that it takes, of all that a case gives."""

    def taken(**given):
        names = ("all_x", "omega_q", "omega_k", "omega_v", "beta_q", "beta_k", "beta_v")
        return program(**{name: given[name] for name in names})

    taken.__name__, taken.__doc__ = program.__name__, program.__doc__
    return taken


QUESTION = Question(
    key="qkv",
    title="Queries, keys and values for each input",
    target=Cell("all_queries", "all_keys", "all_values"),
    reference=plain(qkv),
    untouched=plain(untouched),
    form=as_rows,
    checks=[
        Check("the queries are beta_q + omega_q x", own_sizes, points=1.75, view=queries),
        Check("the keys are beta_k + omega_k x", own_sizes, points=1.75, view=keys),
        Check("the values are beta_v + omega_v x", own_sizes, points=1.75, view=values),
        Check("it works for other N and D", other_sizes, points=0.75, other_sizes=True),
        Check("it is right for the handed-out inputs", handed_out, points=0, published=True),
    ],
    misconceptions=[
        plain(wrong)
        for wrong in (biases_forgotten, queries_and_keys_swapped, elementwise, omega_transposed)
    ],
)
