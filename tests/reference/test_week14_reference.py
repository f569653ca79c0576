"""The reference of week 14 against the printed true values, torch, and the formulas as written."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reference.week14 import (
    attention,
    generation,
    inputs,
    multihead,
    positional_encoding,
    qkv,
    self_attention,
    softmax,
)

SEEDS = pytest.mark.parametrize("seed", range(5))

# The printed true values ------------------------------------------------------------

COLAB1 = np.array(
    [
        [0.94744244, 1.64201168, 1.61949281],
        [-0.24348429, -0.08470004, -0.06641533],
        [-0.91310441, 4.02764044, 3.96863308],
        [-0.44522983, 2.18690791, 2.15858316],
    ]
)

COLAB2 = np.array(
    [
        [-21.207, -5.373, -20.933, -9.179, -11.319, -17.812],
        [-1.995, 7.906, -10.516, 3.452, 9.863, -7.24],
        [5.479, 1.115, 9.244, 0.453, 5.656, 7.089],
        [-7.413, -7.416, 0.363, -5.573, -6.736, -0.848],
        [-11.261, -9.937, -4.848, -8.915, -13.378, -5.761],
        [3.548, 10.036, -2.244, 1.604, 12.113, -2.557],
        [4.888, -5.814, 2.407, 3.228, -4.232, 3.71],
        [1.248, 18.894, -6.409, 3.224, 19.717, -5.629],
    ]
)


def test_the_loop_of_colab_1_gives_the_printed_values():
    given = inputs.colab1()

    queries, keys, values = qkv.qkv(**given)
    x_primes = attention.attention(queries, keys, values)

    assert [x.shape for x in x_primes] == [(4, 1)] * 3
    np.testing.assert_array_equal(np.round(np.hstack(x_primes), 8), COLAB1)


def test_the_matrix_form_of_colab_1_gives_the_printed_values():
    (case,) = self_attention.handed_out(None)

    np.testing.assert_array_equal(np.round(self_attention.self_attention(*case.args), 8), COLAB1)
    assert case.given == {"D": 4, "N": 3}


def test_colab_2_gives_the_printed_table():
    (case,) = multihead.handed_out(None)

    result = multihead.multihead_scaled_self_attention(*case.args)

    np.testing.assert_array_equal(np.round(result, 3), COLAB2)
    assert case.given == {"D": 8, "N": 6, "H": 2, "H_D": 4}


def test_the_handed_out_inputs_are_drawn_as_in_the_notebook():
    np.random.seed(3)
    all_x = [np.random.normal(size=(4, 1)) for _ in range(3)]
    np.random.seed(0)
    names = [f"{kind}_{which}" for kind in ("omega", "beta") for which in "qkv"]
    parameters = [np.random.normal(size=(4, 4 if "omega" in name else 1)) for name in names]

    given = inputs.colab1()

    assert all(np.array_equal(a, b) for a, b in zip(given["all_x"], all_x, strict=True))
    for name, value in zip(names, parameters, strict=True):
        np.testing.assert_array_equal(given[name], value)


# Against torch ----------------------------------------------------------------------


def torch_attention(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k, scale):
    """The same by torch, whose tokens are rows."""
    v, q, k = (
        torch.from_numpy(np.asarray(omega @ X + beta).T)
        for omega, beta in ((omega_v, beta_v), (omega_q, beta_q), (omega_k, beta_k))
    )
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=scale).numpy().T


@SEEDS
@pytest.mark.parametrize("D, N", [(4, 3), (7, 5), (3, 8), (1, 1)])
def test_self_attention_is_torchs_without_scale(D, N, seed):
    rng = np.random.default_rng(seed)
    X, parameters = inputs.tokens(rng, D, N), inputs.parameters(rng, D, D)

    result = self_attention.self_attention(X, *parameters)

    np.testing.assert_allclose(result, torch_attention(X, *parameters, scale=1.0), atol=1e-12)


@SEEDS
def test_the_loop_and_the_matrix_form_are_the_same(seed):
    given = inputs.notebook1(np.random.default_rng(seed), 5, 4)
    names = ("X", "omega_v", "omega_q", "omega_k", "beta_v", "beta_q", "beta_k")

    by_matrix = self_attention.self_attention(*(given[name] for name in names))
    by_loop = attention.attention(*qkv.qkv(**given))

    np.testing.assert_allclose(np.hstack(by_loop), by_matrix, atol=1e-12)


@SEEDS
@pytest.mark.parametrize("D, N", [(8, 6), (14, 5), (4, 7)])
def test_multihead_is_torchs_scaled_attention_per_head(D, N, seed):
    case = multihead.fresh(np.random.default_rng(seed), D, N)
    X, *heads, omega_c = case.args

    result = multihead.multihead_scaled_self_attention(*case.args)

    both = [torch_attention(X, *heads[i : i + 6], scale=None) for i in (0, 6)]
    np.testing.assert_allclose(result, omega_c @ np.vstack(both), atol=1e-12)
    scale = 1 / math.sqrt(D // 2)
    np.testing.assert_allclose(both[0], torch_attention(X, *heads[:6], scale=scale), atol=1e-12)


@SEEDS
@pytest.mark.parametrize("D, N", [(8, 6), (14, 5)])
def test_multihead_is_torchs_multihead_attention(D, N, seed):
    case = multihead.fresh(np.random.default_rng(seed), D, N)
    X, *heads, omega_c = case.args
    (v1, q1, k1, bv1, bq1, bk1), (v2, q2, k2, bv2, bq2, bk2) = heads[:6], heads[6:]
    module = torch.nn.MultiheadAttention(D, 2, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        module.in_proj_weight.copy_(torch.from_numpy(np.vstack([q1, q2, k1, k2, v1, v2])))
        bias = np.vstack([bq1, bq2, bk1, bk2, bv1, bv2]).ravel()
        module.in_proj_bias.copy_(torch.from_numpy(bias))
        module.out_proj.weight.copy_(torch.from_numpy(omega_c))
        module.out_proj.bias.zero_()
        rows = torch.from_numpy(np.ascontiguousarray(X.T))[None]
        theirs = module(rows, rows, rows, need_weights=False)[0][0].numpy().T

    ours = multihead.multihead_scaled_self_attention(*case.args)

    np.testing.assert_allclose(ours, theirs, atol=1e-12)


scores = st.lists(st.floats(-700, 700), min_size=1, max_size=12)


@given(scores)
def test_softmax_is_torchs(scores):
    theirs = torch.softmax(torch.tensor(scores, dtype=torch.float64), 0).numpy()

    np.testing.assert_allclose(softmax.softmax(scores), theirs, rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize(
    "form",
    [list, np.array, lambda x: [np.array([[s]]) for s in x], lambda x: np.array(x)[:, None]],
    ids=["list", "array", "list of (1, 1)", "column"],
)
def test_softmax_takes_every_form_of_scores(form):
    theirs = torch.softmax(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), 0).numpy()

    np.testing.assert_allclose(softmax.softmax(form([1.0, -2.0, 0.5])), theirs)


@SEEDS
def test_softmax_of_columns_is_torchs(seed):
    scores = np.random.default_rng(seed).normal(scale=300, size=(5, 7))

    theirs = torch.softmax(torch.from_numpy(scores), 0).numpy()

    np.testing.assert_allclose(self_attention.softmax_cols(scores), theirs, atol=1e-14)


# Positional encoding ----------------------------------------------------------------


def naive(length, d_model):
    table = np.zeros((length, d_model))
    for pos in range(length):
        for column in range(d_model):
            angle = pos / 10000 ** (2 * (column // 2) / d_model)
            table[pos, column] = math.cos(angle) if column % 2 else math.sin(angle)
    return table


SHAPES = pytest.mark.parametrize(
    "length, batch, d_model",
    [(1, 3, 4), (10, 2, 8), (35, 4, 20), (150, 2, 12), (5, 1, 2), (6, 2, 7)],
)


@SHAPES
def test_the_encoding_is_the_formula_as_it_is_written(length, batch, d_model):
    encoding = positional_encoding.encoding(length, d_model)

    np.testing.assert_allclose(encoding, naive(length, d_model), atol=1e-12)
    np.testing.assert_array_equal(encoding[0], ([0, 1] * d_model)[:d_model])


@SHAPES
def test_the_encoding_is_added_along_the_sequence(length, batch, d_model):
    x = np.random.default_rng(length).normal(size=(length, batch, d_model))
    right = np.stack([x[:, b] + naive(length, d_model) for b in range(batch)], axis=1)

    told = positional_encoding.positional_encoding(d_model, x)

    np.testing.assert_allclose(told["out"], right, atol=1e-12)
    np.testing.assert_allclose(told["out"] - told["bare"], x, atol=1e-12)


# Generation -------------------------------------------------------------------------


def drawn(rng, gaps, factor, count):
    """The ranks of `count` words that are drawn from three with their log-odds times `factor`."""
    weights = np.exp(-np.array(gaps) * factor)
    return rng.choice(len(gaps), size=count, p=weights / weights.sum()).tolist()


def text_of(rule, chosen):
    """What is seen of a loop that chose the words of these ranks."""
    text = [(rule[1] + generation.APART * rank) % generation.WORDS for rank in chosen]
    return {"rule": list(rule), "text": text, "fed": ["start", *text[:-1]]}


def choices(rule, factor, trials, count=None):
    """How often the choice is said as it is of a right loop's, of so many texts."""
    rng, right = np.random.default_rng(3), generation.seen(generation.right(*rule))
    texts = (text_of(rule, drawn(rng, rule[2], factor, count or rule[4])) for _ in range(trials))
    return sum(generation.seen(text)["choice"] == right["choice"] for text in texts)


RULES = [
    case.args
    for cases in (generation.almost_even, generation.two_temperatures)
    for case in cases(np.random.default_rng(0))
]


@pytest.mark.parametrize("draws", [30, 50, 99, 100, 150, 400, 1000])
def test_a_right_loop_loses_a_claim_less_than_once_in_a_million(draws):
    lost = 0.0
    for *_, gaps, temperature, _ in RULES:
        weights = np.exp(-np.array(gaps) / temperature)
        each = weights / weights.sum()
        assert generation.share(gaps[2], temperature) == pytest.approx(each[2])
        low, high = generation.usual(draws, each[2])
        lost += stats.binom.cdf(low - 1, draws, each[2]) + stats.binom.sf(high, draws, each[2])
        lost += (each**draws).sum()  # always the same word

    assert lost < 1e-6


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"at {rule[3]:g}")
def test_right_draws_are_found_right(rule):
    assert choices(rule, 1 / rule[3], 2000) == 2000
    assert choices(rule, 1 / rule[3], 2000, count=60) == 2000


@pytest.mark.parametrize("rule", RULES[1:], ids=lambda rule: f"at {rule[3]:g}")
@pytest.mark.parametrize("scaled", ["not at all", "the wrong way round"])
def test_draws_at_another_temperature_are_found_wrong(rule, scaled):
    assert choices(rule, rule[3] if scaled == "the wrong way round" else 1.0, 2000) <= 2


@pytest.mark.parametrize("seed", range(8))
def test_the_chain_comes_round_to_each_word_before_it_comes_back(seed):
    _, chain = generation.settled(np.random.default_rng(seed))

    text = generation.right(*chain.args)["text"]

    assert len(set(text[: generation.WORDS])) == generation.WORDS
    assert text[generation.WORDS :] == text[: -generation.WORDS]


def test_what_a_text_is_told_of_holds_its_first_words():
    words = [f"word{i}" for i in range(32)]
    told = generation.account([text_of(rule, [0, 1, 2] * 50) | {"words": words} for rule in RULES])

    assert told.count("\n") == 2
    assert "the least likely 50 of 150 times (a right loop: 13 to 67)" in told
    chain = generation.generate(1, 1, [0.0], 1.0, 80, look_up=False) | {"words": words}
    assert "`#word6 #word7 " in generation.account([chain])
    assert "begins: `of the`" in generation.account([{"first": ["of", "the"], "length": 2}])
