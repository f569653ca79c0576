"""multihead_scaled_self_attention: two scaled heads, put together (UDL, eqs. 12.9-12.11)."""

import numpy as np

from grader.authoring import Check, Question, Slip, case, whole
from reference.week14 import inputs
from reference.week14.self_attention import (
    COPIED,
    DIVIDED_BY_ROW_SUMS,
    ROLES_MIXED_UP,
    right_or_transposed,
    scores_of_columns,
    softmax_cols,
    softmax_rows,
    weighted,
)

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
    yield fresh(rng, D, N, zero=[0])


def equal_scores(rng):
    yield fresh(rng, D, N, zero=[1, 4])


def unmixed(rng):
    yield fresh(rng, D, N, mixing=np.eye(D))


def without_biases(rng):
    yield fresh(rng, D, N, zero=[3, 4, 5])


def own_sizes(rng):
    for _ in range(3):
        yield fresh(rng, D, N)


def other_sizes(rng):
    for width, tokens in OTHER_SIZES:
        yield fresh(rng, width, tokens)


def smallest(rng):
    """One token, then two, of two entries, with heads of one entry and small integers."""
    for N in (1, 2):
        X, *parameters = (
            rng.integers(-2, 3, size=shape).astype(float)
            for shape in ((2, N), *([(1, 2)] * 3 + [(1, 1)] * 3) * 2, (2, 2))
        )
        yield case(X, *parameters, given=inputs.sizes2(2, N))


# Known misconceptions ---------------------------------------------------------------


def root_of_query(X, Q):
    """sqrt(H_D), by which each head is scaled."""
    return np.sqrt(len(Q))


def stacked(one, two):
    """The first head above the second."""
    return np.vstack([one, two])


def untouched(X, *_):
    """The function still returns np.zeros_like(X), as it was handed out."""
    return np.zeros_like(X)


def with_slips(
    X, omega_v1, omega_q1, omega_k1, beta_v1, beta_q1, beta_k1,
    omega_v2, omega_q2, omega_k2, beta_v2, beta_q2, beta_k2, omega_c,
    *, v="v", q="q", k="k", add_v=True, add_q=True, add_k=True, add_second=True,
    omega_v_twice=False, omega_q_twice=False, omega_k_twice=False,
    beta_v_twice=False, beta_q_twice=False, beta_k_twice=False,
    scale=root_of_query, scale2=None, weights=softmax_cols, scores=scores_of_columns,
    applied=weighted, together=stacked, mixed=np.matmul, returned=whole,
):  # fmt: skip
    """multihead_scaled_self_attention with a switch for each way to go wrong.

    v, q, k     whose parameters make the values, the queries and the keys of each head
    add_*       whether a beta is added, in both heads; add_second whether any is in the second
    *_twice     whether the second head takes this parameter from the first
    scale       of X and a head's queries to what its scores are divided by
    """
    first = [omega_v1, omega_q1, omega_k1, beta_v1, beta_q1, beta_k1]
    second = [omega_v2, omega_q2, omega_k2, beta_v2, beta_q2, beta_k2]
    twice = (
        omega_v_twice, omega_q_twice, omega_k_twice, beta_v_twice, beta_q_twice, beta_k_twice,
    )  # fmt: skip
    second = [one if taken else two for one, two, taken in zip(first, second, twice, strict=True)]
    heads = []
    for own, added, divisor in ((first, True, scale), (second, add_second, scale2 or scale)):
        omegas = dict(zip("vqk", own[:3], strict=True))
        adds = (add_v, add_q, add_k)
        betas = {
            name: added * add * beta for name, add, beta in zip("vqk", adds, own[3:], strict=True)
        }
        V, Q, K = (betas[name] + omegas[name] @ X for name in (v, q, k))
        heads.append(applied(V, weights(scores(K, Q) / divisor(X, Q))))
    return returned(mixed(omega_c, together(*heads)))


NAMES = ("omega_v", "omega_q", "omega_k", "beta_v", "beta_q", "beta_k")


def taken_twice(name):
    """The slip that takes one parameter of the first head for the second too."""
    return Slip(
        f"{name}1_used_twice",
        f"""Your second head uses {name}1, which belongs to the first: it needs {name}2. Look for a
        1 that should be a 2.""",
        unseen=name == "beta_k",
        **{f"{name}_twice": True},
    )


SLIPS = [
    Slip(
        "not_scaled",
        """You do not scale the dot products. Divide K.T @ Q by sqrt(H_D), the square root of the
        length of a query, before the softmax: without it the softmax is too sharp for long
        queries.""",
        scale=lambda X, Q: 1,
    ),
    Slip(
        "scaled_by_D",
        """You divide by sqrt(D), the width of a token. Each head's queries and keys have H_D
        entries, so it is sqrt(H_D).""",
        scale=lambda X, Q: np.sqrt(len(X)),
    ),
    Slip(
        "scaled_without_root",
        """You divide by H_D itself. It is the square root, sqrt(H_D), that brings the dot products
        back to unit variance.""",
        scale=lambda X, Q: len(Q),
    ),
    Slip(
        "scaled_by_D_without_root",
        """You divide by D. Divide by sqrt(H_D): the square root, of the length of a query.""",
        scale=lambda X, Q: len(X),
    ),
    Slip(
        "scaled_by_tokens",
        """You divide by sqrt(N), the root of the number of tokens. Divide by sqrt(H_D), the root of
        the length of a query.""",
        scale=lambda X, Q: np.sqrt(X.shape[1]),
    ),
    Slip(
        "scaled_by_heads",
        """You divide by sqrt(H), the root of the number of heads. Divide by sqrt(H_D), the root of
        the length of a query.""",
        scale=lambda X, Q: np.sqrt(2),
    ),
    Slip(
        "multiplied_by_the_root",
        """You multiply the dot products by sqrt(H_D). Divide by it: it keeps the softmax from
        getting too sharp.""",
        scale=lambda X, Q: 1 / np.sqrt(len(Q)),
    ),
    Slip(
        "second_head_not_scaled",
        """You scale the dot products of the first head only. The second head's are divided by
        sqrt(H_D) as well.""",
        scale2=lambda X, Q: 1,
    ),
    Slip(
        "normalised_along_rows",
        """Your softmax makes each row of the scores add up to one. Column n holds the weights of
        token n, so each column has to: softmax_cols, or sum over axis=0.""",
        weights=softmax_rows,
    ),
    DIVIDED_BY_ROW_SUMS,
    Slip(
        "one_softmax_over_all",
        """You divide by the sum over the whole matrix. Every token has weights of its own that add
        up to one: softmax_cols, or sum over axis=0 only.""",
        weights=lambda S: np.exp(S) / np.exp(S).sum(),
    ),
    Slip(
        "no_softmax",
        """You weight the values by the dot products themselves. The weights are the softmax of each
        column of the scaled dot products: softmax_cols.""",
        weights=lambda S: S,
    ),
    Slip(
        "queries_and_keys_swapped",
        """Your scores are Q.T @ K. Column n of the scores has to belong to query n, so it is
        K.T @ Q.""",
        q="k",
        k="q",
    ),
    *ROLES_MIXED_UP,
    *COPIED,
    Slip(
        "parameters_in_order_q_k_v",
        """You take the parameters of a head in the order q, k, v. They come in the order v, q, k:
        omega_v first, then omega_q and omega_k, and the betas likewise.""",
        v="k",
        q="v",
        k="q",
    ),
    Slip(
        "biases_forgotten",
        """You leave out the biases of both heads. Queries, keys and values are beta + omega X: add
        beta_q, beta_k and beta_v of each head.""",
        add_v=False,
        add_q=False,
        add_k=False,
    ),
    Slip(
        "value_biases_forgotten",
        """You leave out beta_v1 and beta_v2. The values of each head are beta_v + omega_v X.""",
        add_v=False,
    ),
    Slip(
        "query_biases_forgotten",
        """You leave out beta_q1 and beta_q2. The queries of each head are beta_q + omega_q X.""",
        add_q=False,
    ),
    Slip(
        "key_biases_forgotten",
        """You leave out beta_k1 and beta_k2. They add the same to a whole column of scores, and
        softmax does not see that.""",
        unseen=True,
        add_k=False,
    ),
    Slip(
        "biases_of_the_second_head_forgotten",
        """You leave out the biases of the second head: add beta_q2, beta_k2 and beta_v2 as you do
        in the first.""",
        add_second=False,
    ),
    Slip(
        "weights_transposed",
        """You multiply the values by the transposed weights. Column n of the weights belongs to
        output n, so it is V @ A in each head, with A as it is.""",
        applied=lambda V, A: V @ A.T,
    ),
    Slip(
        "rows_compared",
        """Your scores are K @ Q.T: you compare the rows of K and Q, as if each were a token. Here
        each column is a token: the scores are K.T @ Q (N x N), and the result is V @ A.""",
        scores=lambda K, Q: K @ Q.T,
        applied=lambda V, A: A @ V,
    ),
    Slip(
        "tokens_as_rows",
        """Your weights compare the rows of Q and K, as if each row were a token. Here each column
        is a token: the scores are K.T @ Q (N x N), and the result is V @ A.""",
        scores=lambda K, Q: K @ Q.T,
        applied=lambda V, A: A.T @ V,
    ),
    Slip(
        "omega_c_forgotten",
        """You put the heads together but do not multiply by omega_c. Without it the heads are never
        mixed: return omega_c @ (the two heads one above the other).""",
        mixed=lambda omega_c, heads: heads,
    ),
    Slip(
        "omega_c_transposed",
        """You multiply by the transposed omega_c. Tokens are columns, so it is omega_c @ heads,
        with omega_c as it is.""",
        mixed=lambda omega_c, heads: omega_c.T @ heads,
    ),
    Slip(
        "omega_c_on_the_right",
        """You put omega_c on the right, heads.T @ omega_c. Tokens are columns, so it is
        omega_c @ heads, with omega_c as it is and on the left.""",
        mixed=lambda omega_c, heads: heads.T @ omega_c,
    ),
    Slip(
        "heads_added",
        """You add the heads to one another. They are put one above the other (np.vstack, or
        np.concatenate with axis=0): the first fills the upper H_D rows, the second the lower.""",
        together=lambda one, two: np.vstack([one + two, one + two]),
    ),
    Slip(
        "heads_averaged",
        """You take the mean of the heads. They are put one above the other (np.vstack, or
        np.concatenate with axis=0): the first fills the upper H_D rows, the second the lower.""",
        together=lambda one, two: np.vstack([(one + two) / 2, (one + two) / 2]),
    ),
    Slip(
        "heads_swapped",
        """You put the second head above the first. omega_c expects the first head in the upper H_D
        rows.""",
        together=lambda one, two: np.vstack([two, one]),
    ),
    Slip(
        "head_used_twice",
        """Both halves of your result come from the first head. The second half needs omega_v2,
        omega_q2, omega_k2 and their biases: look for a 1 that should be a 2.""",
        together=lambda one, two: np.vstack([one, one]),
    ),
    Slip(
        "second_head_used_twice",
        """Both halves of your result come from the second head. The first half needs omega_v1,
        omega_q1, omega_k1 and their biases: look for a 2 that should be a 1.""",
        together=lambda one, two: np.vstack([two, two]),
    ),
    Slip(
        "heads_interleaved",
        """The rows of your two heads take turns. Put the heads one above the other: all rows of the
        first, then all rows of the second (np.vstack, not np.stack and reshape).""",
        together=lambda one, two: np.stack([one, two], axis=1).reshape(-1, one.shape[1]),
    ),
    *map(taken_twice, NAMES),
    Slip(
        "result_transposed",
        """Your result is right but transposed. Tokens are columns: return the shape of X.""",
        returned=np.transpose,
    ),
]


# The question -----------------------------------------------------------------------

QUESTION = Question(
    key="multihead",
    title="Multi-head scaled self-attention",
    target="multihead_scaled_self_attention",
    reference=multihead_scaled_self_attention,
    untouched=untouched,
    spellings=inputs.SPELLINGS,
    checks=[
        Check("the result has the shape of X", own_sizes, points=1, view=np.shape, alone=False),
        right_or_transposed("the weights of each token add up to one", equal_values, points=4),
        right_or_transposed("equal scores give the mean of the values", equal_scores, points=4),
        right_or_transposed(
            "each head fills its own rows (omega_c the identity)", unmixed, points=4
        ),
        right_or_transposed("it is right when all biases are zero", without_biases, points=3),
        right_or_transposed("it is right but for a transpose", own_sizes, points=2),
        Check("it is right", own_sizes, points=10),
        Check("it works for other D, N and H_D", other_sizes, points=2, other_sizes=True),
        Check("it is right for the smallest inputs", smallest, points=0, other_sizes=True),
        Check("it gives the printed true values", handed_out, points=0, published=True),
    ],
    program=with_slips,
    misconceptions=SLIPS,
)
