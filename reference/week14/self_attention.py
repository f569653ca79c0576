"""self_attention: the same in matrix form (UDL, eqs. 12.6-12.8)."""

import numpy as np

from grader.authoring import Check, Question, Slip
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
    yield fresh(rng, inputs.D, inputs.N, zero=[0])


def equal_scores(rng):
    yield fresh(rng, inputs.D, inputs.N, zero=[1, 4])


def without_biases(rng):
    yield fresh(rng, inputs.D, inputs.N, zero=[3, 4, 5])


def own_sizes(rng):
    for _ in range(3):
        yield fresh(rng, inputs.D, inputs.N)


def other_sizes(rng):
    for D, N in inputs.OTHER_SIZES:
        yield fresh(rng, D, N)


def smallest(rng):
    """One token, then two of two entries, of small integers: a mistake that shows here is seen at
    a glance."""
    for N in (1, 2):
        X, *parameters = (
            rng.integers(-2, 3, size=shape).astype(float)
            for shape in ((2, N), *[(2, 2)] * 3, *[(2, 1)] * 3)
        )
        yield inputs.attention_case(X, parameters)


# Known misconceptions ---------------------------------------------------------------


def softmax_rows(scores):
    """Softmax along each row."""
    return softmax_cols(scores.T).T


def scores_of_columns(K, Q):
    """K^T Q: column n holds the scores of query n."""
    return K.T @ Q


def weighted(V, A):
    """V A: column n is the sum of the values, weighted by column n of A."""
    return V @ A


def as_it_is(result, **_):
    """What is returned where nothing is done to it."""
    return result


def untouched(X, *_):
    """The function still returns np.zeros_like(X), as it was handed out."""
    return np.zeros_like(X)


def with_slips(
    X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k,
    *, v="v", q="q", k="k", turn_v=False, turn_q=False, turn_k=False,
    add_v=True, add_q=True, add_k=True, scale=1.0, weights=softmax_cols,
    scores=scores_of_columns, applied=weighted, returned=as_it_is,
):  # fmt: skip
    """self_attention with a switch for each way to go wrong.

    v, q, k  whose parameters make the values, the queries and the keys
    turn_*   whether an omega is transposed
    add_*    whether a beta is added
    scale    of X to what the scores are divided by; or a number
    """
    turned = {"v": turn_v, "q": turn_q, "k": turn_k}
    omegas = {"v": omega_v, "q": omega_q, "k": omega_k}
    omegas = {name: omega.T if turned[name] else omega for name, omega in omegas.items()}
    betas = {"v": add_v * beta_v, "q": add_q * beta_q, "k": add_k * beta_k}
    V, Q, K = (betas[name] + omegas[name] @ X for name in (v, q, k))
    divisor = scale(X) if callable(scale) else scale
    A = weights(scores(K, Q) / divisor)
    return returned(applied(V, A), X=X, V=V, A=A)


ROLES_MIXED_UP = [  # of a head, in any program with the switches v, q and k
    Slip(
        "values_and_queries_swapped",
        """Your values are made with the parameters of the queries, and your queries with those of
        the values. Mind the order of the arguments: omega_v comes first.""",
        v="q",
        q="v",
    ),
    Slip(
        "values_and_keys_swapped",
        """Your values are made with the parameters of the keys, and your keys with those of the
        values. Mind the order of the arguments: v, q, k.""",
        v="k",
        k="v",
    ),
    Slip(
        "parameters_turned_round",
        """Your values, queries and keys each take the parameters of the next: values those of the
        queries, queries those of the keys, keys those of the values.""",
        v="q",
        q="k",
        k="v",
    ),
]

COPIED = [  # a line copied for the next of the three, in which a letter was not changed
    Slip(
        f"{made}_made_with_{letter}",
        f"""Your {made} are made with the parameters of the {others}. They take those that bear
        their own letter: omega_{own} and beta_{own}.""",
        **{own: letter},
    )
    for own, made, letter, others in (
        ("v", "values", "q", "queries"),
        ("v", "values", "k", "keys"),
        ("q", "queries", "k", "keys"),
        ("k", "keys", "q", "queries"),
    )
]

DIVIDED_BY_ROW_SUMS = Slip(
    "divided_by_row_sums",
    """You divide each column by the sums of the rows: numpy lays the sums of axis=1 along the
    columns. Column n has to add up to one by itself: sum over axis=0.""",
    weights=lambda S: np.exp(S) / np.exp(S).sum(axis=1),
)

SLIPS = [
    Slip(
        "scaled",
        """You divide the dot products by sqrt(D). That is the scaled version, which comes in the
        next notebook; here leave K.T @ Q as it is.""",
        scale=lambda X: np.sqrt(len(X)),
    ),
    Slip(
        "scaled_by_D",
        """You divide the dot products by D. Nothing is scaled in this notebook: leave K.T @ Q as it
        is.""",
        scale=len,
    ),
    Slip(
        "scaled_by_tokens",
        """You divide the dot products by sqrt(N), the root of the number of tokens. Nothing is
        scaled in this notebook: leave K.T @ Q as it is.""",
        scale=lambda X: np.sqrt(X.shape[1]),
    ),
    Slip(
        "normalised_along_rows",
        """Your softmax makes each row of K.T @ Q add up to one. Column n holds the weights of token
        n, so each column has to: sum over axis=0.""",
        weights=softmax_rows,
    ),
    DIVIDED_BY_ROW_SUMS,
    Slip(
        "one_softmax_over_all",
        """You divide by the sum over the whole matrix. Every token has weights of its own that add
        up to one: sum over axis=0 only, column by column.""",
        weights=lambda S: np.exp(S) / np.exp(S).sum(),
    ),
    Slip(
        "no_softmax",
        """You weight the values by the dot products themselves. The weights are the softmax of each
        column of K.T @ Q.""",
        weights=lambda S: S,
    ),
    Slip(
        "not_normalised",
        """You take exp() of the dot products but never divide by the sum, so the weights do not add
        up to one. Divide each column by its sum.""",
        weights=np.exp,
    ),
    Slip(
        "no_exponential",
        """You divide the dot products by their sum but nowhere take exp(). The weights of a token
        are exp() of its scores, divided by the sum of all exp().""",
        weights=lambda S: S / S.sum(axis=0),
    ),
    Slip(
        "queries_and_keys_swapped",
        """Your scores are Q.T @ K. Column n of the scores has to belong to query n, so it is
        K.T @ Q (eq. 12.8).""",
        q="k",
        k="q",
    ),
    *ROLES_MIXED_UP,
    *COPIED,
    Slip(
        "parameters_in_order_q_k_v",
        """You take the parameters in the order q, k, v. They come in the order v, q, k: omega_v
        first, then omega_q and omega_k, and the betas likewise.""",
        v="k",
        q="v",
        k="q",
    ),
    Slip(
        "biases_forgotten",
        """You leave out beta_v, beta_q and beta_k. Queries, keys and values are beta + omega X
        (eq. 12.6): add them; NumPy repeats a (D, 1) bias for every column.""",
        add_v=False,
        add_q=False,
        add_k=False,
    ),
    Slip(
        "value_bias_forgotten",
        """You leave out beta_v. The values are beta_v + omega_v X (eq. 12.6): add it; NumPy repeats
        a (D, 1) bias for every column.""",
        add_v=False,
    ),
    Slip(
        "query_bias_forgotten",
        """You leave out beta_q. The queries are beta_q + omega_q X (eq. 12.6): add it; NumPy
        repeats a (D, 1) bias for every column.""",
        add_q=False,
    ),
    Slip(
        "key_bias_forgotten",
        """You leave out beta_k. It adds the same to a whole column of scores, and softmax does not
        see that.""",
        unseen=True,
        add_k=False,
    ),
    Slip(
        "omegas_transposed",
        """You multiply by transposed matrices. Tokens are columns, so it is omega @ X, with each
        omega as it is: leave out the .T, and keep omega on the left of X.""",
        turn_v=True,
        turn_q=True,
        turn_k=True,
    ),
    Slip(
        "omega_v_transposed",
        """You multiply by the transposed omega_v. Tokens are columns, so the values are
        omega_v @ X, with omega_v as it is.""",
        turn_v=True,
    ),
    Slip(
        "omega_q_transposed",
        """You multiply by the transposed omega_q. Tokens are columns, so the queries are
        omega_q @ X, with omega_q as it is.""",
        turn_q=True,
    ),
    Slip(
        "omega_k_transposed",
        """You multiply by the transposed omega_k. Tokens are columns, so the keys are
        omega_k @ X, with omega_k as it is.""",
        turn_k=True,
    ),
    Slip(
        "tokens_as_rows",
        """Your weights are D x D: you compare the rows of Q and K, as if each row were a token.
        Here each column is a token: the scores are K.T @ Q (N x N), and the result is V @ A.""",
        scores=lambda K, Q: K @ Q.T,
        applied=lambda V, A: A.T @ V,
    ),
    Slip(
        "rows_compared",
        """Your scores are K @ Q.T, which is D x D: you compare the rows, as if each were a token.
        Here each column is a token: the scores are K.T @ Q (N x N), and the result is V @ A.""",
        scores=lambda K, Q: K @ Q.T,
        applied=lambda V, A: A @ V,
    ),
    Slip(
        "weights_transposed",
        """You multiply the values by the transposed weights. Column n of the weights belongs to
        output n, so it is V @ A, with A as it is.""",
        applied=lambda V, A: V @ A.T,
    ),
    Slip(
        "mean_of_values",
        """Every output is the mean of the values: your weights do not depend on the scores. Weight
        the values by the softmax of K.T @ Q.""",
        applied=lambda V, A: np.repeat(V.mean(axis=1, keepdims=True), V.shape[1], axis=1),
    ),
    Slip(
        "result_transposed",
        """Your result is right but transposed. Tokens are columns: return the shape of X.""",
        returned=lambda result, X, V, A: result.T,
    ),
    Slip(
        "input_added",
        """You add X to the result. That belongs to a transformer layer, round the self-attention:
        here return V @ A alone.""",
        returned=lambda result, X, V, A: X + result,
    ),
    Slip(
        "weights_returned",
        """You return the attention weights. Weight the values with them: return V @ A.""",
        returned=lambda result, X, V, A: A,
    ),
    Slip(
        "values_returned",
        """You return the values. Weight them by the attention first: return V @ A.""",
        returned=lambda result, X, V, A: V,
    ),
]


def right_or_transposed(claim, cases, points):
    """A claim that is worth its points for a result that is right but for a transpose too."""
    return Check(claim, cases, points=points, or_after=[np.transpose])


# The question -----------------------------------------------------------------------

QUESTION = Question(
    key="self_attention",
    title="Self-attention in matrix form",
    target="self_attention",
    reference=self_attention,
    needs=["softmax"],
    untouched=untouched,
    spellings=inputs.SPELLINGS,
    checks=[
        Check("the result has the shape of X", own_sizes, points=0.5, view=np.shape, alone=False),
        right_or_transposed("the weights of each token add up to one", equal_values, points=1.5),
        right_or_transposed("equal scores give the mean of the values", equal_scores, points=1.5),
        right_or_transposed("it is right when all biases are zero", without_biases, points=1.5),
        right_or_transposed("it is right but for a transpose", own_sizes, points=1),
        Check("it is right", own_sizes, points=3),
        Check("it works for other D and N", other_sizes, points=1, other_sizes=True),
        Check("it is right for the smallest inputs", smallest, points=0, other_sizes=True),
        Check("it gives the printed true values", handed_out, points=0, published=True),
    ],
    program=with_slips,
    misconceptions=SLIPS,
)
