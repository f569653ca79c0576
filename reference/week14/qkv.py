"""Queries, keys and values: three linear maps of every input (UDL, eqs. 12.2 and 12.4)."""

import numpy as np

from grader.authoring import Cell, Check, Question, Slip, case
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


def with_slips(
    all_x, omega_q, omega_k, omega_v, beta_q, beta_k, beta_v,
    *, q="q", k="k", v="v", turn_q=False, turn_k=False, turn_v=False,
    add_q=True, add_k=True, add_v=True, product=np.matmul, inputs_of=list, **_,
):  # fmt: skip
    """qkv with a switch for each way to go wrong.

    q, k, v    whose parameters make the queries, the keys and the values
    turn_*     whether an omega is transposed
    add_*      whether a beta is added
    inputs_of  from all inputs to those that the loop takes
    """
    turned = {"q": turn_q, "k": turn_k, "v": turn_v}
    omegas = {"q": omega_q, "k": omega_k, "v": omega_v}
    omegas = {name: omega.T if turned[name] else omega for name, omega in omegas.items()}
    betas = {"q": add_q * beta_q, "k": add_k * beta_k, "v": add_v * beta_v}
    return [
        [betas[name] + product(omegas[name], x) for x in inputs_of(all_x)] for name in (q, k, v)
    ]


def one_of_three(name, said):
    """The slips that can befall one of the three alone."""
    return [
        Slip(
            f"beta_{name}_forgotten",
            f"""You leave out beta_{name}: the {said} are
            beta_{name} + omega_{name} x (eq. 12.2).""",
            **{f"add_{name}": False},
        ),
        Slip(
            f"omega_{name}_transposed",
            f"""You multiply by the transposed omega_{name}. The inputs are columns, so your {said}
            are omega_{name} @ x, with omega_{name} as it is.""",
            **{f"turn_{name}": True},
        ),
    ]


SLIPS = [
    Slip(
        "biases_forgotten",
        """You leave out the biases: each of the three is beta + omega x (eq. 12.2). Add beta_q,
        beta_k and beta_v.""",
        add_q=False,
        add_k=False,
        add_v=False,
    ),
    Slip(
        "queries_and_keys_swapped",
        """Your queries are made with omega_k and beta_k, and your keys with omega_q and beta_q. A
        query is what a token asks with, so it takes the parameters named q: exchange the two.""",
        q="k",
        k="q",
    ),
    Slip(
        "queries_and_values_swapped",
        """Your queries are made with omega_v and beta_v, and your values with omega_q and beta_q.
        Each takes the parameters that bear its letter: exchange the two.""",
        q="v",
        v="q",
    ),
    Slip(
        "keys_and_values_swapped",
        """Your keys are made with omega_v and beta_v, and your values with omega_k and beta_k. Each
        takes the parameters that bear its letter: exchange the two.""",
        k="v",
        v="k",
    ),
    Slip(
        "all_made_with_q",
        """All three are made with omega_q and beta_q. Keys take omega_k and beta_k, values omega_v
        and beta_v.""",
        k="q",
        v="q",
    ),
    Slip(
        "keys_made_with_q",
        """Your keys are made with omega_q and beta_q. They take omega_k and beta_k.""",
        k="q",
    ),
    Slip(
        "queries_made_with_k",
        """Your queries are made with omega_k and beta_k. They take omega_q and beta_q.""",
        q="k",
    ),
    Slip(
        "values_made_with_q",
        """Your values are made with omega_q and beta_q. They take omega_v and beta_v.""",
        v="q",
    ),
    Slip(
        "values_made_with_k",
        """Your values are made with omega_k and beta_k. They take omega_v and beta_v.""",
        v="k",
    ),
    Slip(
        "elementwise",
        """You multiply omega * x entry by entry. omega x is the product of a matrix and a vector:
        write omega @ x (np.matmul).""",
        product=np.multiply,
    ),
    Slip(
        "omega_transposed",
        """You multiply by the transposed matrix. The inputs are columns, so it is omega @ x, with
        omega as it is: leave out the .T, or put omega on the left of x.""",
        turn_q=True,
        turn_k=True,
        turn_v=True,
    ),
    *one_of_three("q", "queries"),
    *one_of_three("k", "keys"),
    *one_of_three("v", "values"),
    Slip(
        "last_input_only",
        """All three lists repeat the last input: a name that an earlier loop left over. Use the x
        of this loop.""",
        inputs_of=lambda all_x: [all_x[-1]] * len(all_x),
    ),
    Slip(
        "first_input_only",
        """All three lists repeat the first input. Use the x of the loop, not all_x[0].""",
        inputs_of=lambda all_x: [all_x[0]] * len(all_x),
    ),
]


# The question -----------------------------------------------------------------------


QUESTION = Question(
    key="qkv",
    title="Queries, keys and values for each input",
    target=Cell("all_queries", "all_keys", "all_values"),
    reference=qkv,
    untouched=untouched,
    form=as_rows,
    checks=[
        Check(
            "there are D entries for each input", own_sizes, points=0.75, view=np.shape, alone=False
        ),
        Check("the queries are beta_q + omega_q x", own_sizes, points=1.5, view=queries),
        Check("the keys are beta_k + omega_k x", own_sizes, points=1.5, view=keys),
        Check("the values are beta_v + omega_v x", own_sizes, points=1.5, view=values),
        Check("it works for other N and D", other_sizes, points=0.75, other_sizes=True),
        Check("it is right for the handed-out inputs", handed_out, points=0, published=True),
    ],
    program=with_slips,
    misconceptions=SLIPS,
)
