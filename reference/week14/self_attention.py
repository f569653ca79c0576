"""self_attention: the same in matrix form (UDL, eqs. 12.6-12.8)."""

import numpy as np

from grader.authoring import Check, Question
from reference.week14 import inputs


def softmax_cols(scores):
    """Softmax down each column: (N, N) to (N, N), every column adding up to one."""
    exp = np.exp(scores - scores.max(axis=0))
    return exp / exp.sum(axis=0)


def self_attention(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    """V softmax(K^T Q), unscaled.

    X        (D, N)  one token per column
    omega_*  (D, D)  beta_* (D, 1)
    returns  (D, N)
    """
    V = beta_v + omega_v @ X
    Q = beta_q + omega_q @ X
    K = beta_k + omega_k @ X
    return V @ softmax_cols(K.T @ Q)  # column n: what token n attends to


# Inputs, simplest first -------------------------------------------------------------


def handed_out(rng):
    given = inputs.colab1()
    names = ("omega_v", "omega_q", "omega_k", "beta_v", "beta_q", "beta_k")
    yield inputs.attention_case(np.hstack(given["all_x"]), [given[name] for name in names])


def fresh(rng, D, N, zero=()):
    """A fresh case in which the parameters numbered in `zero` are zero."""
    X = inputs.tokens(rng, D, N)
    values = inputs.parameters(rng, D, D)
    return inputs.attention_case(X, [0 * p if i in zero else p for i, p in enumerate(values)])


def equal_values(rng):
    for _ in range(2):
        yield fresh(rng, inputs.D, inputs.N, zero=[0])


def equal_scores(rng):
    for _ in range(2):
        yield fresh(rng, inputs.D, inputs.N, zero=[1, 4])


def without_biases(rng):
    for _ in range(2):
        yield fresh(rng, inputs.D, inputs.N, zero=[3, 4, 5])


def own_sizes(rng):
    for _ in range(3):
        yield fresh(rng, inputs.D, inputs.N)


def other_sizes(rng):
    for D, N in inputs.OTHER_SIZES:
        yield fresh(rng, D, N)


# Known misconceptions ---------------------------------------------------------------


def untouched(X, *_):
    """The function still returns np.zeros_like(X), as it was handed out."""
    return np.zeros_like(X)


def scaled(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    """You divide the dot products by sqrt(D). That is the scaled version, which comes in the next
    notebook; here leave K.T @ Q as it is."""
    shrink = 1 / np.sqrt(len(X))
    return self_attention(X, omega_v, omega_q * shrink, omega_k, beta_v, beta_q * shrink, beta_k)


def normalised_along_rows(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    """Your softmax makes each row of K.T @ Q add up to one. Column n holds the weights of token n,
    so each column has to: sum over axis=0."""
    V, Q, K = beta_v + omega_v @ X, beta_q + omega_q @ X, beta_k + omega_k @ X
    return V @ softmax_cols(Q.T @ K).T


def queries_and_keys_swapped(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    """Your scores are Q.T @ K. Column n of the scores has to belong to query n, so it is K.T @ Q
    (eq. 12.8)."""
    return self_attention(X, omega_v, omega_k, omega_q, beta_v, beta_k, beta_q)


def biases_forgotten(X, omega_v, omega_q, omega_k, *_):
    """You leave out beta_v, beta_q and beta_k. Queries, keys and values are beta + omega X
    (eq. 12.6): add them; NumPy repeats a (D, 1) bias for every column."""
    return self_attention(X, omega_v, omega_q, omega_k, 0, 0, 0)


def result_transposed(X, *parameters):
    """Your result is right but transposed. Tokens are columns: return the shape of X."""
    return self_attention(X, *parameters).T


def tokens_as_rows(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    """Your weights are D x D: you compare the rows of Q and K, as if each row were a token. Here
    each column is a token: the scores are K.T @ Q (N x N), and the result is V @ A."""
    V, Q, K = beta_v + omega_v @ X, beta_q + omega_q @ X, beta_k + omega_k @ X
    return softmax_cols(K @ Q.T).T @ V


def no_softmax(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    """You weight the values by the dot products themselves. The weights are the softmax of each
    column of K.T @ Q."""
    V, Q, K = beta_v + omega_v @ X, beta_q + omega_q @ X, beta_k + omega_k @ X
    return V @ (K.T @ Q)


def one_softmax_over_all(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    """You divide by the sum over the whole matrix. Every token has weights of its own that add up
    to one: sum over axis=0 only, column by column."""
    V, Q, K = beta_v + omega_v @ X, beta_q + omega_q @ X, beta_k + omega_k @ X
    exp = np.exp(K.T @ Q)
    return V @ (exp / exp.sum())


# The question -----------------------------------------------------------------------

QUESTION = Question(
    key="self_attention",
    title="Self-attention in matrix form",
    target="self_attention",
    reference=self_attention,
    untouched=untouched,
    checks=[
        Check("the weights of each token add up to one", equal_values, points=2),
        Check("equal scores give the mean of the values", equal_scores, points=2),
        Check("it is right when all biases are zero", without_biases, points=2),
        Check("it is right", own_sizes, points=3),
        Check("it works for other D and N", other_sizes, points=1, other_sizes=True),
        Check("it gives the printed true values", handed_out, points=0, published=True),
    ],
    misconceptions=[
        scaled,
        normalised_along_rows,
        queries_and_keys_swapped,
        biases_forgotten,
        result_transposed,
        tokens_as_rows,
        no_softmax,
        one_softmax_over_all,
    ],
)
