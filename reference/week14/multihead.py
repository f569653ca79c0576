"""multihead_scaled_self_attention: two scaled heads, put together (UDL, eqs. 12.9-12.11)."""

import numpy as np

from grader.authoring import Check, Question, case
from reference.week14 import inputs
from reference.week14.self_attention import softmax_cols

D, N = 8, 6  # the handout's own sizes in colab 2
OTHER_SIZES = ((14, 5), (6, 3), (4, 7))  # (D, N)


def scaled_head(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    """V softmax(K^T Q / sqrt(H_D)), softmax over each column.

    X        (D, N)    one token per column
    omega_*  (H_D, D)  beta_* (H_D, 1)
    returns  (H_D, N)

    It is H_D, the length of a query, that scales, not D: the dot product of two H_D-vectors of
    unit variance has variance H_D.
    """
    V = beta_v + omega_v @ X
    Q = beta_q + omega_q @ X
    K = beta_k + omega_k @ X
    return V @ softmax_cols(K.T @ Q / np.sqrt(len(Q)))


def multihead_scaled_self_attention(
    X, omega_v1, omega_q1, omega_k1, beta_v1, beta_q1, beta_k1,
    omega_v2, omega_q2, omega_k2, beta_v2, beta_q2, beta_k2, omega_c,
):  # fmt: skip
    """omega_c [Sa_1^T, Sa_2^T]^T: the heads one above the other, then mixed.

    X (D, N); the parameters of each head as in scaled_head; omega_c (D, D); returns (D, N)
    """
    head1 = scaled_head(X, omega_v1, omega_q1, omega_k1, beta_v1, beta_q1, beta_k1)
    head2 = scaled_head(X, omega_v2, omega_q2, omega_k2, beta_v2, beta_q2, beta_k2)
    return omega_c @ np.vstack([head1, head2])


# Inputs, simplest first -------------------------------------------------------------


def handed_out(rng):
    X = np.random.RandomState(3).normal(size=(D, N))
    state, width, heads = np.random.RandomState(0), D // 2, []
    for _ in range(2):
        omega_q, omega_k, omega_v = (state.normal(size=(width, D)) for _ in range(3))
        beta_q, beta_k, beta_v = (state.normal(size=(width, 1)) for _ in range(3))
        heads += [omega_v, omega_q, omega_k, beta_v, beta_q, beta_k]
    omega_c = state.normal(size=(D, D))
    yield case(X, *heads, omega_c, given=inputs.sizes2(D, N))


def fresh(rng, D, N, zero=(), mixing=None):
    """A fresh case in which each head's parameters numbered in `zero` are zero."""
    X = inputs.tokens(rng, D, N)
    values = [p for _ in range(2) for p in inputs.parameters(rng, D // 2, D)]
    omega_c = rng.normal(scale=0.5, size=(D, D)) if mixing is None else mixing
    heads = [0 * p if i % 6 in zero else p for i, p in enumerate(values)]
    return case(X, *heads, omega_c, given=inputs.sizes2(D, N))


def equal_values(rng):
    for _ in range(2):
        yield fresh(rng, D, N, zero=[0])


def equal_scores(rng):
    for _ in range(2):
        yield fresh(rng, D, N, zero=[1, 4])


def unmixed(rng):
    for _ in range(2):
        yield fresh(rng, D, N, mixing=np.eye(D))


def without_biases(rng):
    for _ in range(2):
        yield fresh(rng, D, N, zero=[3, 4, 5])


def own_sizes(rng):
    for _ in range(3):
        yield fresh(rng, D, N)


def other_sizes(rng):
    for width, tokens in OTHER_SIZES:
        yield fresh(rng, width, tokens)


# Known misconceptions ---------------------------------------------------------------


def untouched(X, *_):
    """The function still returns np.zeros_like(X), as it was handed out."""
    return np.zeros_like(X)


def heads_by(head, X, parameters):
    """Both heads, each made by head(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k)."""
    return head(X, *parameters[:6]), head(X, *parameters[6:12])


def scaled_by(length):
    """A head that divides by sqrt(length(X, Q)) where scaled_head divides by sqrt(H_D)."""

    def head(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
        V, Q, K = beta_v + omega_v @ X, beta_q + omega_q @ X, beta_k + omega_k @ X
        return V @ softmax_cols(K.T @ Q / np.sqrt(length(X, Q)))

    return head


def not_scaled(X, *parameters):
    """You do not scale the dot products. Divide K.T @ Q by sqrt(H_D), the square root of the length
    of a query, before the softmax: without it the softmax is too sharp for long queries."""
    return parameters[12] @ np.vstack(heads_by(scaled_by(lambda X, Q: 1), X, parameters))


def scaled_by_D(X, *parameters):
    """You divide by sqrt(D), the width of a token. Each head's queries and keys have H_D entries,
    so it is sqrt(H_D)."""
    return parameters[12] @ np.vstack(heads_by(scaled_by(lambda X, Q: len(X)), X, parameters))


def scaled_without_root(X, *parameters):
    """You divide by H_D itself. It is the square root, sqrt(H_D), that brings the dot products back
    to unit variance."""
    squared = scaled_by(lambda X, Q: len(Q) ** 2)
    return parameters[12] @ np.vstack(heads_by(squared, X, parameters))


def normalised_along_rows(X, *parameters):
    """Your softmax makes each row of the scores add up to one. Column n holds the weights of token
    n, so each column has to: softmax_cols, or sum over axis=0."""

    def head(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
        V, Q, K = beta_v + omega_v @ X, beta_q + omega_q @ X, beta_k + omega_k @ X
        return V @ softmax_cols(Q.T @ K / np.sqrt(len(Q))).T

    return parameters[12] @ np.vstack(heads_by(head, X, parameters))


def queries_and_keys_swapped(X, *parameters):
    """Your scores are Q.T @ K. Column n of the scores has to belong to query n, so it is
    K.T @ Q."""

    def head(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
        return scaled_head(X, omega_v, omega_k, omega_q, beta_v, beta_k, beta_q)

    return parameters[12] @ np.vstack(heads_by(head, X, parameters))


def biases_forgotten(X, *parameters):
    """You leave out the biases of both heads. Queries, keys and values are beta + omega X: add
    beta_q, beta_k and beta_v of each head."""

    def head(X, omega_v, omega_q, omega_k, *_):
        return scaled_head(X, omega_v, omega_q, omega_k, 0, np.zeros((len(omega_q), 1)), 0)

    return parameters[12] @ np.vstack(heads_by(head, X, parameters))


def omega_c_forgotten(X, *parameters):
    """You put the heads together but do not multiply by omega_c. Without it the heads are never
    mixed: return omega_c @ (the two heads one above the other)."""
    return np.vstack(heads_by(scaled_head, X, parameters))


def omega_c_transposed(X, *parameters):
    """You multiply by the transposed omega_c. Tokens are columns, so it is omega_c @ heads, with
    omega_c as it is."""
    return parameters[12].T @ np.vstack(heads_by(scaled_head, X, parameters))


def heads_added(X, *parameters):
    """You add the heads to one another. They are put one above the other (np.vstack, or
    np.concatenate with axis=0): the first fills the upper H_D rows, the second the lower."""
    head1, head2 = heads_by(scaled_head, X, parameters)
    return parameters[12] @ np.vstack([head1 + head2, head1 + head2])


def heads_swapped(X, *parameters):
    """You put the second head above the first. omega_c expects the first head in the upper H_D
    rows."""
    return parameters[12] @ np.vstack(heads_by(scaled_head, X, parameters)[::-1])


def head_used_twice(X, *parameters):
    """Both halves of your result come from the first head. The second half needs omega_v2,
    omega_q2, omega_k2 and their biases: look for a 1 that should be a 2."""
    head1, _ = heads_by(scaled_head, X, parameters)
    return parameters[12] @ np.vstack([head1, head1])


# The question -----------------------------------------------------------------------

QUESTION = Question(
    key="multihead",
    title="Multi-head scaled self-attention",
    target="multihead_scaled_self_attention",
    reference=multihead_scaled_self_attention,
    untouched=untouched,
    checks=[
        Check("the weights of each token add up to one", equal_values, points=4),
        Check("equal scores give the mean of the values", equal_scores, points=4),
        Check("each head fills its own rows (omega_c the identity)", unmixed, points=4),
        Check("it is right when all biases are zero", without_biases, points=4),
        Check("it is right", own_sizes, points=12),
        Check("it works for other D, N and H_D", other_sizes, points=2, other_sizes=True),
        Check("it gives the printed true values", handed_out, points=0, published=True),
    ],
    misconceptions=[
        not_scaled,
        scaled_by_D,
        scaled_without_root,
        normalised_along_rows,
        queries_and_keys_swapped,
        biases_forgotten,
        omega_c_forgotten,
        omega_c_transposed,
        heads_added,
        heads_swapped,
        head_used_twice,
    ],
)
