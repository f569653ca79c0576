"""The attention loop: every output a weighted sum of all values (UDL, eqs. 12.3 and 12.5)."""

import numpy as np

from grader.authoring import Cell, Check, Question, Slip, case
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
    yield derived(inputs.notebook1(rng, D, N, omega_v=np.zeros((D, D))))


def equal_scores(rng):
    D, N = inputs.D, inputs.N
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


def first(outputs):
    return outputs[0]


# Known misconceptions ---------------------------------------------------------------


def weighted_sum(A, V):
    """Each output the sum of all values (N, D), with the weights of its row of A (N, N)."""
    return A @ V


def untouched(all_queries, **_):
    """The lines are as they were handed out: dot_product = 1 and x_prime = np.zeros((D,1))."""
    return [np.zeros_like(q) for q in all_queries]


def with_slips(
    all_queries, all_keys, all_values,
    *, q="q", k="k", v="v", scale=1.0, weights=softmax, summed=weighted_sum, **_,
):  # fmt: skip
    """attention with a switch for each way to go wrong.

    q, k, v  what is taken for the queries, the keys and the values
    scale    what the dot products are divided by, from the shape (N, D) of the queries
    weights  from the scores of one output to its weights
    summed   from all weights (N, N), a row an output, and all values (N, D) to the outputs
    """
    lists = {"q": all_queries, "k": all_keys, "v": all_values}
    Q, K, V = (as_rows(lists[role]) for role in (q, k, v))
    divisor = scale(*Q.shape) if callable(scale) else scale
    A = np.array([weights(row) for row in Q @ K.T / divisor])
    return summed(A, V)[:, :, None]


SLIPS = [
    Slip(
        "scaled",
        """You divide the dot products by sqrt(D). That is the scaled version, which comes in the
        next notebook; here leave the dot products as they are.""",
        scale=lambda N, D: np.sqrt(D),
    ),
    Slip(
        "scaled_by_D",
        """You divide the dot products by D. Nothing is scaled in this notebook: leave them as they
        are.""",
        scale=lambda N, D: D,
    ),
    Slip(
        "scaled_by_tokens",
        """You divide the dot products by sqrt(N), the root of the number of tokens. Nothing is
        scaled in this notebook: leave them as they are.""",
        scale=lambda N, D: np.sqrt(N),
    ),
    Slip(
        "queries_and_keys_swapped",
        """For output n you take key n with all queries. It is the other way round: output n takes
        query n, and its dot product with every key (eq. 12.5).""",
        q="k",
        k="q",
    ),
    Slip(
        "queries_for_keys",
        """You take the dot products of queries with queries. Each query meets the keys: key.T @
        all_queries[n].""",
        k="q",
    ),
    Slip(
        "keys_for_queries",
        """You take the dot products of keys with keys. Output n takes query n, and its dot product
        with every key.""",
        q="k",
    ),
    Slip(
        "values_for_keys",
        """You take the dot products of the queries with the values. They are taken with the keys;
        the values come in only when they are summed.""",
        k="v",
    ),
    Slip(
        "keys_for_values",
        """You sum the keys. The weights come from the keys, but what is summed are the values:
        all_values.""",
        v="k",
    ),
    Slip(
        "queries_for_values",
        """You sum the queries. What is summed are the values: all_values.""",
        v="q",
    ),
    Slip(
        "no_softmax",
        """You weight the values by the dot products themselves. The weights are softmax of the dot
        products, positive and adding up to one: use `attention`.""",
        weights=lambda scores: scores,
    ),
    Slip(
        "equal_weights",
        """Every value gets the same weight, whatever the query. The weights are softmax of the dot
        products: use `attention`.""",
        weights=lambda scores: np.full(len(scores), 1 / len(scores)),
    ),
    Slip(
        "unweighted_sum",
        """You add the values up without their weights. Each is multiplied by its entry of
        `attention` first.""",
        weights=np.ones_like,
    ),
    Slip(
        "last_value_only",
        """Your output is the last weight times the last value: what the loop left over. Add up the
        products of all values with their weights, starting from zero.""",
        summed=lambda A, V: A[:, -1:] * V[-1],
    ),
    Slip(
        "first_value_only",
        """Your output is the first weight times the first value. Add up the products of all values
        with their weights.""",
        summed=lambda A, V: A[:, :1] * V[0],
    ),
    Slip(
        "own_value_only",
        """Output n is its own weight times its own value. Every output is the sum over all values,
        each with its weight.""",
        summed=lambda A, V: np.diag(A)[:, None] * V,
    ),
    Slip(
        "mean_in_place_of_sum",
        """You take the mean of the weighted values. The weights add up to one already: take the
        sum.""",
        summed=lambda A, V: A @ V / len(V),
    ),
    Slip(
        "last_left_out",
        """Your sum stops before the last value. It runs over all of them: range(N).""",
        summed=lambda A, V: A[:, :-1] @ V[:-1],
    ),
    Slip(
        "weights_transposed",
        """For output n you take weight n of every token. All weights of one output come from its
        own query: softmax of the dot products with query n.""",
        summed=lambda A, V: A.T @ V,
    ),
    Slip(
        "first_query_only",
        """All your outputs are the first: the query does not change with n. Output n takes
        all_queries[n].""",
        summed=lambda A, V: np.repeat(A[:1], len(A), axis=0) @ V,
    ),
    Slip(
        "last_query_only",
        """All your outputs are the same, made with the last query: a name that an earlier loop left
        over. Output n takes all_queries[n].""",
        summed=lambda A, V: np.repeat(A[-1:], len(A), axis=0) @ V,
    ),
    Slip(
        "appended_once",
        """You append when the loop has ended, so only the last output is kept. Append x_prime at
        the end of each turn: the line belongs into the loop.""",
        summed=lambda A, V: A[-1:] @ V,
    ),
    Slip(
        "one_array_for_all",
        """All your outputs are one and the same array, to which every turn of the loop adds. Make a
        new x_prime of zeros in each turn.""",
        summed=lambda A, V: np.repeat([(A @ V).sum(axis=0)], len(A), axis=0),
    ),
    Slip(
        "sum_never_reset",
        """Your sum goes on from one output to the next. Set x_prime to zero before the sum of each
        output begins.""",
        summed=lambda A, V: np.cumsum(A @ V, axis=0),
    ),
]


# The question -----------------------------------------------------------------------

QUESTION = Question(
    key="attention",
    title="Dot products and weighted sums",
    target=Cell("all_x_prime"),
    reference=attention,
    untouched=untouched,
    form=as_rows,
    checks=[
        Check(
            "there is an output of D entries for each input",
            own_sizes,
            points=0.5,
            view=np.shape,
            alone=False,
        ),
        Check("the weights of each output add up to one", equal_values, points=1.25),
        Check("equal scores give the mean of the values", equal_scores, points=1.25),
        Check("the first output is right", own_sizes, points=1, view=first),
        Check("each output is the weighted sum of all values", own_sizes, points=3),
        Check("it works for other N and D", other_sizes, points=1, other_sizes=True),
        Check("it gives the printed true values", handed_out, points=0, published=True),
    ],
    program=with_slips,
    misconceptions=SLIPS,
    needs=["softmax"],
)
