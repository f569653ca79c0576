"""The inputs that the questions of week 14 share: the handout's own, and fresh ones like them.

D is the width of a token, N the number of tokens, H the number of heads, H_D = D / H.
"""

import numpy as np

from grader.authoring import case

D, N = 4, 3  # the handout's own sizes in colab 1
OTHER_SIZES = ((7, 5), (3, 4), (6, 3))  # (D, N); the handout's cell prints x_prime of three tokens

SPELLINGS = {  # of the words in the parameters' names
    "x": ("input", "inputs", "tokens"),
    "omega": ("w", "weight", "weights", "ω", "o", "om"),
    "beta": ("b", "bias", "biases", "offset", "β"),
    "q": ("query", "queries"),
    "k": ("key", "keys"),
    "v": ("value", "values"),
    "c": ("o", "out", "output", "combine", "concat"),
    "": ("head", "h", "matrix", "mat", "vector", "vec", "proj"),
}


def parameters(rng, width, D, scale=0.4):
    """omega_v, omega_q, omega_k of shape (width, D) and beta_v, beta_q, beta_k of (width, 1).

    Weights of about 0.4 make attention neither flat nor all on one token.
    """
    omegas = [rng.normal(scale=scale, size=(width, D)) for _ in range(3)]
    betas = [rng.normal(scale=scale, size=(width, 1)) for _ in range(3)]
    return [*omegas, *betas]


def tokens(rng, D, N):
    """X of shape (D, N): one token per column."""
    return rng.normal(size=(D, N))


def colab1():
    """all_x and the six parameters of the handout's colab 1, by name."""
    state = np.random.RandomState(3)
    all_x = [state.normal(size=(D, 1)) for _ in range(N)]
    state = np.random.RandomState(0)
    names = ("omega_q", "omega_k", "omega_v")
    given = {name: state.normal(size=(D, D)) for name in names}
    given |= {name: state.normal(size=(D, 1)) for name in ("beta_q", "beta_k", "beta_v")}
    return given | {"all_x": all_x, "N": N, "D": D}


def notebook1(rng, D, N, **fixed):
    """Fresh values for every name of colab 1, those derived from others among them."""
    X = tokens(rng, D, N)
    omega_v, omega_q, omega_k, beta_v, beta_q, beta_k = parameters(rng, D, D)
    given = {
        "N": N,
        "D": D,
        "all_x": [X[:, [n]] for n in range(N)],
        "X": X,
        "omega_q": omega_q,
        "omega_k": omega_k,
        "omega_v": omega_v,
        "beta_q": beta_q,
        "beta_k": beta_k,
        "beta_v": beta_v,
    }
    return given | fixed


def sizes1(D, N):
    """What a function of colab 1 may read from the notebook: its sizes."""
    return {"D": D, "N": N}


def sizes2(D, N):
    """What a function of colab 2 may read from the notebook: its sizes, for two heads."""
    return {"D": D, "N": N, "H": 2, "H_D": D // 2}


def attention_case(X, omegas_and_betas):
    """self_attention(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k), with sizes set."""
    return case(X, *omegas_and_betas, given=sizes1(*X.shape))
