"""Right programs in every style earn everything; wrong ones that no list knows never do."""

import math
import types

import numpy as np
import pytest
import torch

from grader.model import Outcome
from reference.week14 import (
    attention,
    generation,
    multihead,
    positional_encoding,
    qkv,
    self_attention,
    softmax,
)

QKV, SOFTMAX, ATTENTION = qkv.QUESTION, softmax.QUESTION, attention.QUESTION
MATRIX, HEADS = self_attention.QUESTION, multihead.QUESTION
ENCODING, GENERATION = positional_encoding.QUESTION, generation.QUESTION


def named(*programs):
    return pytest.mark.parametrize("program", programs, ids=lambda p: p.__name__)


def earns_everything(judgement):
    assert judgement.outcome is Outcome.PASSED, judgement.finding
    assert judgement.earned == judgement.possible
    assert judgement.finding is None
    assert judgement.flags == ()


def loses_points(judgement):
    assert judgement.outcome.decided
    assert judgement.earned < judgement.possible
    assert judgement.finding is not None
    assert judgement.finding.advice or judgement.finding.shown_by.said


# Queries, keys and values -----------------------------------------------------------


def by(linear):
    """The three lists, each entry made by linear(omega, x, beta)."""

    def program(all_x, omega_q, omega_k, omega_v, beta_q, beta_k, beta_v, **_):
        pairs = ((omega_q, beta_q), (omega_k, beta_k), (omega_v, beta_v))
        return [[linear(omega, x, beta) for x in all_x] for omega, beta in pairs]

    program.__name__ = linear.__name__
    return program


@by
def float32(omega, x, beta):
    return (omega.astype(np.float32) @ x.astype(np.float32)) + beta.astype(np.float32)


@by
def lists(omega, x, beta):
    return [[float(b) + sum(map(float, row * x.T[0]))] for row, b in zip(omega, beta, strict=True)]


@by
def flat(omega, x, beta):
    return np.einsum("ij,jk->i", omega, x) + beta[:, 0]


@by
def rows(omega, x, beta):
    return x.T @ omega.T + beta.T


@by
def tensors(omega, x, beta):
    return torch.nn.functional.linear(*map(torch.from_numpy, (x.T, omega, beta[:, 0])))


@by
def matrices(omega, x, beta):
    return np.asarray(omega).dot(x).view(np.matrix) + beta


@by
def homogeneous(omega, x, beta):
    return np.hstack([omega, beta]) @ np.vstack([x, [[1.0]]])


def tuples(**given):
    return tuple(map(tuple, qkv.qkv(**given)))


def arrays(**given):
    return [np.array(one) for one in qkv.qkv(**given)]


@named(float32, lists, flat, rows, tensors, matrices, homogeneous, tuples, arrays)
def test_right_queries_keys_and_values_earn_everything(judged, program):
    earns_everything(judged(QKV, program))


@by
def subtracted(omega, x, beta):
    return omega @ x - beta


@by
def twice_the_bias(omega, x, beta):
    return omega @ x + 2 * beta


@by
def only_the_bias(omega, x, beta):
    return beta


@by
def rounded(omega, x, beta):
    return np.round(omega @ x + beta, 1)


@by
def first_row_only(omega, x, beta):
    return omega[:1] @ x + beta


@by
def sum_of_all(omega, x, beta):
    return np.sum(omega @ x + beta)


@by
def nothing(omega, x, beta):
    return None


@by
def words(omega, x, beta):
    return "omega @ x + beta"


def first_input_for_all(all_x, **given):
    return qkv.qkv([all_x[0]] * len(all_x), **given)


def queries_for_all(**given):
    return [qkv.qkv(**given)[0]] * 3


def values_without_bias(**given):
    return qkv.qkv(**given | {"beta_v": 0 * given["beta_v"]})


def keys_by_query_matrix(**given):
    return qkv.qkv(**given | {"omega_k": given["omega_q"]})


def backwards(**given):
    return [one[::-1] for one in qkv.qkv(**given)]


@named(
    subtracted,
    twice_the_bias,
    only_the_bias,
    rounded,
    first_row_only,
    sum_of_all,
    nothing,
    words,
    first_input_for_all,
    queries_for_all,
    values_without_bias,
    keys_by_query_matrix,
    backwards,
)
def test_wrong_queries_keys_or_values_lose_points(judged, program):
    loses_points(judged(QKV, program))


# Softmax ----------------------------------------------------------------------------


def naive(items_in):
    return np.exp(items_in) / np.sum(np.exp(items_in))


def list_of_entries(items_in):
    total = sum(np.exp(item) for item in items_in)
    return [np.exp(item) / total for item in items_in]


def down_axis_0(items_in):
    return np.exp(items_in) / np.exp(items_in).sum(axis=0)


def by_math(items_in):
    e = [math.exp(float(item)) for item in items_in]
    return tuple(one / sum(e) for one in e)


def by_torch(items_in):
    return torch.softmax(torch.tensor(np.array(items_in)).squeeze(), dim=-1)


def single_precision(items_in):
    return naive(np.array(items_in, np.float32))


def half_as_column(items_in):
    return naive(np.array(items_in, np.float32)).reshape(-1, 1, 1)


def by_matrix(items_in):
    return naive(np.asmatrix(np.ravel(items_in)))


def stable(items_in):
    shifted = np.array(items_in) - np.max(items_in)
    return np.exp(shifted) / np.exp(shifted).sum()


def in_place(items_in):
    out = items_in.copy()
    total = sum(np.exp(x) for x in items_in)
    for i in range(len(out)):
        out[i] = np.exp(items_in[i]) / total
    return out


def sigmoid_of_differences(items_in):
    x = np.ravel(items_in)
    return 1 / np.exp(x[None] - x[:, None]).sum(axis=1)


def with_the_total(items_in):
    return naive(items_in), np.sum(np.exp(items_in))


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@named(
    naive,
    list_of_entries,
    down_axis_0,
    by_math,
    by_torch,
    single_precision,
    half_as_column,
    by_matrix,
    stable,
    in_place,
    sigmoid_of_differences,
    with_the_total,
)
def test_a_right_softmax_earns_everything(judged, program):
    earns_everything(judged(SOFTMAX, program))


def uniform(items_in):
    return np.full(len(items_in), 1 / len(items_in))


def one_hot(items_in):
    x = np.ravel(items_in)
    return (x == x.max()).astype(float)


def hottest_first(items_in):
    return np.sort(naive(items_in).ravel())[::-1]


def softmin(items_in):
    return naive(-np.array(items_in))


def with_temperature(items_in):
    return naive(np.array(items_in) / 2)


def base_two(items_in):
    return 2 ** np.array(items_in) / np.sum(2 ** np.array(items_in))


def sigmoid(items_in):
    return 1 / (1 + np.exp(-np.array(items_in)))


def logarithm(items_in):
    return np.log(naive(items_in))


def by_length(items_in):
    return np.exp(items_in) / len(items_in)


def of_norm_one(items_in):
    e = np.exp(items_in)
    return e / np.sqrt(np.sum(e**2))


def two_decimals(items_in):
    return np.round(naive(items_in), 2)


def constant(items_in):
    return [0.24472847, 0.66524096, 0.09003057]


def only_its_sum(items_in):
    return [1.0]


def prints_it(items_in):
    str(naive(items_in))


@named(
    uniform,
    one_hot,
    hottest_first,
    softmin,
    with_temperature,
    base_two,
    sigmoid,
    logarithm,
    by_length,
    of_norm_one,
    two_decimals,
    constant,
    only_its_sum,
    prints_it,
)
def test_a_wrong_softmax_loses_points(judged, program):
    loses_points(judged(SOFTMAX, program))


@named(uniform, constant, only_its_sum, prints_it)
def test_what_looks_at_no_score_earns_nothing(judged, program):
    assert judged(SOFTMAX, program).earned == 0


# The attention loop -----------------------------------------------------------------


def over(weigh):
    """The outputs, each made by weigh(query, keys, values)."""

    def program(all_queries, all_keys, all_values, **_):
        return [weigh(query, all_keys, all_values) for query in all_queries]

    program.__name__ = weigh.__name__
    return program


@over
def loops(query, keys, values):
    e = [math.exp((key.T @ query).item()) for key in keys]
    x_prime = np.zeros_like(query)
    for weight, value in zip(e, values, strict=True):
        x_prime += weight / sum(e) * value
    return x_prime


@over
def in_float32(query, keys, values):
    a = naive([k[:, 0].astype("f4") @ query[:, 0].astype("f4") for k in keys])
    return (np.hstack(values).astype("f4") @ a.astype("f4"))[:, None]


@over
def as_lists(query, keys, values):
    a = naive([float(np.sum(key * query)) for key in keys])
    return [[sum(w * v[i, 0] for w, v in zip(a, values, strict=True))] for i in range(len(query))]


@over
def as_rows(query, keys, values):
    a = naive([np.vdot(key, query) for key in keys])
    return np.average(np.hstack(values), axis=1, weights=a)[None]


@over
def in_torch(query, keys, values):
    q, k, v = (torch.from_numpy(np.hstack(x).T.copy()) for x in ([query], keys, values))
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=1.0).squeeze()


@over
def by_einsum(query, keys, values):
    e = np.exp(np.einsum("mdo,do->m", np.array(keys), query))
    return np.einsum("m,mdo->do", e / e.sum(), np.array(values))


@over
def stacked(query, keys, values):
    return sum(a * v for a, v in zip(naive([k.T @ query for k in keys]), values, strict=True))


def as_columns(all_queries, all_keys, all_values, **_):
    K, Q, V = (np.hstack(x) for x in (all_keys, all_queries, all_values))
    return list((V @ self_attention.softmax_cols(K.T @ Q)).T)


def outputs_with_attentions(**given):
    return attention.attention(**given), 0


@named(
    loops,
    in_float32,
    as_lists,
    as_rows,
    in_torch,
    by_einsum,
    stacked,
    as_columns,
    outputs_with_attentions,
)
def test_right_attention_earns_everything(judged, program):
    earns_everything(judged(ATTENTION, program))


@over
def sharpest_value(query, keys, values):
    return values[int(np.argmax([np.vdot(k, query) for k in keys]))]


@over
def mean_of_values(query, keys, values):
    return sum(values) / len(values)


@over
def weighted_keys(query, keys, values):
    return sum(a * k for a, k in zip(naive([np.vdot(k, query) for k in keys]), keys, strict=True))


@over
def scores_by_values(query, keys, values):
    a = naive([np.vdot(v, query) for v in values])
    return sum(w * v for w, v in zip(a, values, strict=True))


@over
def exponentials_not_divided(query, keys, values):
    return sum(np.exp(np.vdot(k, query)) * v for k, v in zip(keys, values, strict=True))


@over
def elementwise_scores(query, keys, values):
    e = np.exp(np.array([k * query for k in keys]))
    return (e / e.sum(axis=0) * np.array(values)).sum(axis=0)


@over
def first_left_out(query, keys, values):
    a = naive([np.vdot(k, query) for k in keys])
    return sum(w * v for w, v in zip(a[1:], values[1:], strict=True))


@over
def scaled_by_d(query, keys, values):
    a = naive([np.vdot(k, query) / len(k) for k in keys])
    return sum(w * v for w, v in zip(a, values, strict=True))


def last_for_all(all_queries, **given):
    return attention.attention([all_queries[-1]] * len(all_queries), **given)


def only_the_last(**given):
    return attention.attention(**given)[-1:]


def accumulated(**given):
    return list(np.cumsum(np.array(attention.attention(**given)), axis=0))


@named(
    sharpest_value,
    mean_of_values,
    weighted_keys,
    scores_by_values,
    exponentials_not_divided,
    elementwise_scores,
    first_left_out,
    scaled_by_d,
    last_for_all,
    only_the_last,
    accumulated,
)
def test_wrong_attention_loses_points(judged, program):
    loses_points(judged(ATTENTION, program))


# Matrix form ------------------------------------------------------------------------


def plain(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    V, Q, K = omega_v @ X + beta_v, omega_q @ X + beta_q, omega_k @ X + beta_k
    e = np.exp(K.T @ Q)
    return V @ (e / e.sum(axis=0))


def rounded_to_float32(*args):
    return plain(*(a.astype(np.float32) for a in args))


def nested_lists(*args):
    return plain(*args).tolist()


def result_and_attention(*args):
    return plain(*args), np.eye(2)


def einsum(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    v, q, k = (
        np.einsum("ij,jn->in", o, X) + b
        for o, b in ((omega_v, beta_v), (omega_q, beta_q), (omega_k, beta_k))
    )
    e = np.exp(np.einsum("dm,dn->mn", k, q))
    return np.einsum("dm,mn->dn", v, e / np.einsum("mn->n", e))


def torch_tensor(X, *parameters):
    X, ov, oq, ok, bv, bq, bk = (torch.tensor(a) for a in (X, *parameters))
    return (ov @ X + bv) @ torch.softmax((ok @ X + bk).T @ (oq @ X + bq), dim=0)


def torch_with_gradient(X, *parameters):
    return torch_tensor(X, *parameters).float().requires_grad_()


def np_matrix(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    X = np.asmatrix(X)
    V, Q, K = omega_v * X + beta_v, omega_q * X + beta_q, omega_k * X + beta_k
    e = np.exp(K.T * Q)
    return V * (e / e.sum(axis=0))


def column_by_column(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    out = []
    for n in range(X.shape[1]):
        q = omega_q @ X[:, [n]] + beta_q
        e = [np.exp((omega_k @ X[:, [m]] + beta_k).T @ q).item() for m in range(X.shape[1])]
        values = [omega_v @ X[:, [m]] + beta_v for m in range(X.shape[1])]
        out.append(sum(w / sum(e) * v for w, v in zip(e, values, strict=True)))
    return np.concatenate(out, axis=1)


def as_rows_inside(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    x = X.T
    V, Q, K = x @ omega_v.T + beta_v.T, x @ omega_q.T + beta_q.T, x @ omega_k.T + beta_k.T
    e = np.exp(Q @ K.T)
    return ((e / e.sum(axis=1, keepdims=True)) @ V).T


def without_the_key_bias(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    return plain(X, omega_v, omega_q, omega_k, beta_v, beta_q, 0)


@pytest.mark.filterwarnings("ignore:the matrix subclass")
@named(
    plain,
    rounded_to_float32,
    nested_lists,
    result_and_attention,
    einsum,
    torch_tensor,
    torch_with_gradient,
    np_matrix,
    column_by_column,
    as_rows_inside,
    without_the_key_bias,
)
def test_a_right_matrix_form_earns_everything(judged, program):
    earns_everything(judged(MATRIX, program))


def parts(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    return beta_v + omega_v @ X, beta_q + omega_q @ X, beta_k + omega_k @ X


def hard_maximum(*args):
    V, Q, K = parts(*args)
    return V[:, np.argmax(K.T @ Q, axis=0)]


def scaled_by_tokens(*args):
    V, Q, K = parts(*args)
    return V @ self_attention.softmax_cols(K.T @ Q / np.sqrt(Q.shape[1]))


def without_query_bias(X, ov, oq, ok, bv, bq, bk):
    return plain(X, ov, oq, ok, bv, 0, bk)


def without_value_bias(X, ov, oq, ok, bv, bq, bk):
    return plain(X, ov, oq, ok, 0, bq, bk)


def weights_transposed(*args):
    V, Q, K = parts(*args)
    return V @ self_attention.softmax_cols(K.T @ Q).T


def residual(X, *args):
    return X + plain(X, *args)


def causal(*args):
    V, Q, K = parts(*args)
    scores = np.where(np.triu(np.ones((Q.shape[1],) * 2)) > 0, K.T @ Q, -1e9)
    return V @ self_attention.softmax_cols(scores)


def arguments_in_another_order(X, oq, ok, ov, bq, bk, bv):
    return plain(X, ov, oq, ok, bv, bq, bk)


def softmax_twice(*args):
    V, Q, K = parts(*args)
    return V @ self_attention.softmax_cols(self_attention.softmax_cols(K.T @ Q))


def keys_of_x(X, ov, oq, ok, bv, bq, bk):
    return plain(X, ov, oq, np.eye(len(X)), bv, bq, 0)


def values_only(*args):
    return parts(*args)[0]


def published(X, *args):
    (case,) = self_attention.handed_out(None)
    return self_attention.self_attention(*case.args)


def ones(X, *args):
    return np.ones_like(X)


def mean_of_x(X, *args):
    return np.repeat(X.mean(axis=1, keepdims=True), X.shape[1], axis=1)


def not_a_number(X, *args):
    return np.full_like(X, np.nan)


@named(
    hard_maximum,
    scaled_by_tokens,
    without_query_bias,
    without_value_bias,
    weights_transposed,
    residual,
    causal,
    arguments_in_another_order,
    softmax_twice,
    keys_of_x,
    values_only,
    published,
    ones,
    mean_of_x,
    not_a_number,
)
def test_a_wrong_matrix_form_loses_points(judged, program):
    loses_points(judged(MATRIX, program))


@named(published, ones, not_a_number)
def test_constants_earn_nothing_for_the_matrix_form(judged, program):
    assert judged(MATRIX, program).earned == 0


# Heads ------------------------------------------------------------------------------


def head(X, ov, oq, ok, bv, bq, bk):
    e = np.exp((ok @ X + bk).T @ (oq @ X + bq) / np.sqrt(oq.shape[0]))
    return (ov @ X + bv) @ (e / e.sum(axis=0))


def two(X, parameters, one=head):
    return one(X, *parameters[:6]), one(X, *parameters[6:12])


def stacked_heads(X, *p):
    return p[12] @ np.concatenate(two(X, p), axis=0)


def heads_float32(*args):
    return stacked_heads(*(a.astype(np.float32) for a in args))


def heads_filled_in(X, *p):
    D = X.shape[0]
    X_prime = np.zeros_like(X)
    X_prime[: D // 2], X_prime[D // 2 :] = two(X, p)
    return np.matmul(p[12], X_prime)


def heads_mixed_apart(X, *p):
    h1, h2 = two(X, p)
    return p[12][:, : len(h1)] @ h1 + p[12][:, len(h1) :] @ h2


def heads_as_lists(X, *p):
    h1, h2 = two(X, p)
    return (p[12] @ np.array([*h1.tolist(), *h2.tolist()])).tolist()


def heads_batched(X, *p):
    ov, oq, ok, bv, bq, bk = (np.stack([p[i], p[i + 6]]) for i in range(6))
    V, Q, K = ov @ X + bv, oq @ X + bq, ok @ X + bk
    e = np.exp(np.einsum("hdm,hdn->hmn", K, Q) / Q.shape[1] ** 0.5)
    heads = np.einsum("hdm,hmn->hdn", V, e / e.sum(axis=1, keepdims=True))
    return p[12] @ heads.reshape(-1, X.shape[1])


def heads_by_torch(X, *p):
    def one(X, ov, oq, ok, bv, bq, bk):
        v, q, k = (torch.from_numpy((o @ X + b).T) for o, b in ((ov, bv), (oq, bq), (ok, bk)))
        return torch.nn.functional.scaled_dot_product_attention(q, k, v).T

    return torch.from_numpy(p[12]) @ torch.vstack(two(X, p, one))


def heads_as_rows(X, *p):
    return (np.hstack([h.T for h in two(X, p)]) @ p[12].T).T


def heads_with_scaled_queries(X, *p):
    def one(X, ov, oq, ok, bv, bq, bk):
        root = math.sqrt(len(oq))
        V, Q, K = ov @ X + bv, (oq @ X + bq) / root, ok @ X + bk
        return V @ self_attention.softmax_cols(K.T @ Q)

    return p[12] @ np.r_[two(X, p, one)]


def heads_and_attentions(X, *p):
    return stacked_heads(X, *p), two(X, p)


@named(
    stacked_heads,
    heads_float32,
    heads_filled_in,
    heads_mixed_apart,
    heads_as_lists,
    heads_batched,
    heads_by_torch,
    heads_as_rows,
    heads_with_scaled_queries,
    heads_and_attentions,
)
def test_right_heads_earn_everything(judged, program):
    earns_everything(judged(HEADS, program))


def scaled_twice(X, *p):
    def one(X, ov, oq, ok, bv, bq, bk):
        return head(X, ov, oq / np.sqrt(len(oq)), ok, bv, bq / np.sqrt(len(oq)), bk)

    return p[12] @ np.vstack(two(X, p, one))


def scaled_by_tokens_each(X, *p):
    def one(X, ov, oq, ok, bv, bq, bk):
        more = np.sqrt(len(oq) / X.shape[1])
        return head(X, ov, oq * more, ok, bv, bq * more, bk)

    return p[12] @ np.vstack(two(X, p, one))


def second_not_scaled(X, *p):
    h1, _ = two(X, p)
    return p[12] @ np.vstack([h1, self_attention.self_attention(X, *p[6:12])])


def rows_interleaved(X, *p):
    h1, h2 = two(X, p)
    return p[12] @ np.stack([h1, h2], axis=1).reshape(X.shape)


def mixed_from_the_right(X, *p):
    heads = np.vstack(two(X, p))
    return heads @ np.resize(p[12], (X.shape[1],) * 2)


def first_head_alone(X, *p):
    h1, h2 = two(X, p)
    return p[12] @ np.vstack([h1, 0 * h2])


def second_key_from_first(X, *p):
    q = [*p]
    q[8] = p[2]
    return stacked_heads(X, *q)


def output_transposed(X, *p):
    return stacked_heads(X, *p).T


def heads_averaged(X, *p):
    h1, h2 = two(X, p)
    return p[12] @ np.vstack([(h1 + h2) / 2] * 2)


def query_bias_left_out(X, *p):
    q = [*p]
    q[4], q[10] = 0, 0
    return stacked_heads(X, *q)


def with_x_added(X, *p):
    return X + stacked_heads(X, *p)


def zeros_but_once(X, *p):
    return np.zeros((3, 3))


@named(
    scaled_twice,
    scaled_by_tokens_each,
    second_not_scaled,
    rows_interleaved,
    mixed_from_the_right,
    first_head_alone,
    second_key_from_first,
    output_transposed,
    heads_averaged,
    query_bias_left_out,
    with_x_added,
    zeros_but_once,
)
def test_wrong_heads_lose_points(judged, program):
    loses_points(judged(HEADS, program))


# Positional encoding ----------------------------------------------------------------


class Encoding(torch.nn.Module):
    """A layer by table(length, d_model) and how it is put to x."""

    def __init__(self, d_model, dropout=0.1, max_len=5000):
        super().__init__()
        self.dropout = torch.nn.Dropout(p=dropout)
        self.register_buffer("pe", self.table(max_len, d_model))

    def table(self, length, d_model):
        pe = torch.zeros(length, d_model)
        position = torch.arange(length).float().unsqueeze(1)
        div = torch.exp(torch.arange(0, d_model, 2).float() * (-math.log(10000.0) / d_model))
        pe[:, 0::2], pe[:, 1::2] = torch.sin(position * div), torch.cos(position * div)
        return pe

    def forward(self, x):
        return self.dropout(x + self.pe[: x.size(0)].unsqueeze(1))


class FirstBatch(Encoding):
    def forward(self, x):
        return self.dropout(x + self.pe[: x.size(1)])


class InPlace(Encoding):
    def forward(self, x):
        x = x.clone()
        x += self.pe[: x.size(0), None]
        return self.dropout(x)


class InDoublePrecision(Encoding):
    def table(self, length, d_model):
        return torch.from_numpy(positional_encoding.encoding(length, d_model))


class Doubles(InDoublePrecision):
    def forward(self, x):
        return super().forward(x).to(x.dtype)


class OneByOne(Encoding):
    def __init__(self, d_model, dropout=0.1, max_len=200):
        super().__init__(d_model, dropout, max_len)

    def table(self, length, d_model):
        rows = [
            [
                math.sin(p / 10000 ** (i / d_model))
                if i % 2 == 0
                else math.cos(p / 10000 ** ((i - 1) / d_model))
                for i in range(d_model)
            ]
            for p in range(length)
        ]
        return torch.tensor(rows)


class WithoutDefaults(Encoding):
    def __init__(self, d_model, dropout, max_len):
        super().__init__(d_model, dropout, max_len)


class OtherNames(torch.nn.Module):
    def __init__(self, width, p=0.0):
        super().__init__()
        self.width, self.drop = width, torch.nn.Dropout(p)

    def forward(self, tokens):
        n = torch.arange(tokens.shape[0], dtype=torch.float64)[:, None]
        i = torch.arange(self.width)
        angle = n / 10000.0 ** (2 * (i // 2) / self.width)
        pe = torch.where(i % 2 == 0, angle.sin(), angle.cos())
        return self.drop(tokens + pe[:, None, :].expand(tokens.shape).to(tokens.dtype))


class Parameter(Encoding):
    def __init__(self, d_model, dropout=0.1, max_len=5000):
        super().__init__(d_model, dropout, max_len)
        self.pe = torch.nn.Parameter(self._buffers.pop("pe"), requires_grad=False)


class AsTuple(Encoding):
    def forward(self, x):
        return super().forward(x), self.pe


@named(
    Encoding,
    FirstBatch,
    InPlace,
    Doubles,
    OneByOne,
    WithoutDefaults,
    OtherNames,
    Parameter,
    AsTuple,
)
def test_a_right_encoding_earns_everything(judged, program):
    earns_everything(judged(ENCODING, program))


class Radix1000(Encoding):
    def table(self, length, d_model):
        angle = torch.arange(length)[:, None] / 1000 ** (torch.arange(0, d_model, 2) / d_model)
        return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


class AlongBatch(Encoding):
    def forward(self, x):
        return self.dropout(x + self.pe[0])


class LastPosition(Encoding):
    def forward(self, x):
        return self.dropout(x + self.pe[x.size(0) - 1])


class Halved(Encoding):
    def forward(self, x):
        return self.dropout(x + 0.5 * self.pe[: x.size(0), None])


class ScaledX(Encoding):
    def forward(self, x):
        return self.dropout(x * math.sqrt(x.size(-1)) + self.pe[: x.size(0), None])


class SinesOnly(Encoding):
    def table(self, length, d_model):
        pe = super().table(length, d_model)
        pe[:, 1::2] = pe[:, 0::2]
        return pe


class CosinesMissing(Encoding):
    def table(self, length, d_model):
        pe = super().table(length, d_model)
        pe[:, 1::2] = 0
        return pe


class Learned(Encoding):
    def table(self, length, d_model):
        return torch.linspace(0, 1, length * d_model).reshape(length, d_model)


class AlwaysDropped(Encoding):
    def forward(self, x):
        return torch.zeros_like(x) + self.pe[: x.size(0), None] * x


class JustOnes(Encoding):
    def forward(self, x):
        return torch.ones_like(x)


class Concatenated(Encoding):
    def forward(self, x):
        return torch.cat([x, self.pe[: x.size(0), None].expand(x.shape)], dim=-1)


class Backwards(Encoding):
    def forward(self, x):
        return self.dropout(x + self.pe[: x.size(0)].flip(0)[:, None])


@named(
    InDoublePrecision,
    Radix1000,
    AlongBatch,
    LastPosition,
    Halved,
    ScaledX,
    SinesOnly,
    CosinesMissing,
    Learned,
    AlwaysDropped,
    JustOnes,
    Concatenated,
    Backwards,
)
def test_a_wrong_encoding_loses_points(judged, program):
    loses_points(judged(ENCODING, program))


# Generation -------------------------------------------------------------------------


def begin():
    return torch.randint(60, (1, 1))


def writing(choose, feed=lambda input, index: torch.cat([input, torch.tensor([[index]])], 0)):
    """The loop that takes choose(model, input, temperature), and goes on with feed(input, that)."""

    def program(model, corpus, num_words, temperature):
        input, text = begin(), ""
        for _ in range(num_words):
            index = int(choose(model, input, temperature))
            input = feed(input, index)
            text = text + corpus.dictionary.idx2word[index] + " "
        return text

    program.__name__ = choose.__name__
    return program


@writing
def multinomial(model, input, temperature):
    return torch.multinomial(model(input, False)[-1].squeeze().div(temperature).exp(), 1)[0]


@writing
def categorical(model, input, temperature):
    logits = model(input)[-1, 0] / temperature
    return torch.distributions.Categorical(logits=logits).sample()


@writing
def by_numpy(model, input, temperature):
    p = model(input)[-1, 0].detach().numpy().astype(float) / temperature
    p = np.exp(p) / np.exp(p).sum()
    return np.random.choice(len(p), p=p)


@writing
def by_powers(model, input, temperature):
    p = torch.softmax(model(input)[-1, 0], -1) ** (1 / temperature)
    return torch.multinomial(p / p.sum(), 1)


@writing
def gumbel(model, input, temperature):
    u = torch.rand(60).clamp(1e-9, 1 - 1e-7)
    return (model(input)[-1, 0] / temperature - torch.log(-torch.log(u))).argmax()


@writing
def top_ten(model, input, temperature):
    best, ids = (model(input)[-1, 0] / temperature).topk(10)
    return ids[torch.multinomial(torch.softmax(best, -1), 1)]


@writing
def in_a_window(model, input, temperature):
    return torch.multinomial(torch.softmax(model(input[-3:])[-1, 0] / temperature, -1), 1)


@writing
def asked_twice(model, input, temperature):
    model(input)
    return torch.multinomial((model(input)[-1, 0] / temperature).exp(), 1)


def softly(model, input, temperature):
    return torch.multinomial(torch.softmax(model(input).flatten()[-60:] / temperature, 0), 1)


last_word_alone = writing(softly, lambda input, index: torch.tensor([[index]]))
overwritten = writing(softly, lambda input, index: input.fill_(index))


def batch_in_front(model, corpus, num_words, temperature):
    input, text = begin(), ""
    for _ in range(num_words):
        index = torch.multinomial((model(input)[0, -1] / temperature).softmax(-1), 1)
        input = torch.cat([input, index.view(1, 1)], dim=1)
        text += corpus.dictionary.idx2word[index] + " "
    return text


def list_of_words(*notebook):
    return multinomial(*notebook).split()


def with_its_first_word(model, corpus, num_words, temperature):
    state = torch.random.get_rng_state()
    first = corpus.dictionary.idx2word[begin().item()]
    torch.random.set_rng_state(state)
    return "text: " + first + " " + multinomial(model, corpus, num_words, temperature)


def always_a_hundred(model, corpus, num_words, temperature):
    return multinomial(model, corpus, 100, temperature)


RIGHT_LOOPS = [
    multinomial,
    categorical,
    by_numpy,
    by_powers,
    gumbel,
    top_ten,
    in_a_window,
    asked_twice,
    last_word_alone,
    overwritten,
    batch_in_front,
    list_of_words,
    with_its_first_word,
    always_a_hundred,
]


@named(*RIGHT_LOOPS)
def test_a_right_loop_generates_for_everything(judged, loop, program):
    earns_everything(judged(GENERATION, loop(program)))


@named(multinomial, gumbel)
def test_a_right_loop_is_right_whatever_it_draws(judged, loop, program):
    for seed in range(8):
        earns_everything(judged(GENERATION, loop(program, seed), seed))


class Spoken(torch.nn.Module):
    """A model that answers in another way; what it says itself is as long as it should be."""

    def __init__(self, answer):
        super().__init__()
        self.table, self.answer = torch.nn.Embedding(60, 60), answer

    def forward(self, src):
        return self.answer(self.table(src))


def picking(pick):
    """The loop that takes pick(what the model answers) for the logits."""

    @writing
    def program(model, input, temperature):
        return torch.multinomial((pick(model(input)) / temperature).softmax(-1), 1)

    return program


@pytest.mark.parametrize(
    "answer, pick",
    [
        (lambda x: x, lambda y: y[-1, 0]),
        (lambda x: (x, None), lambda y: y[0][-1, 0]),
        (lambda x: [x.view(-1, 60), x], lambda y: y[0][-1]),
        (lambda x: x.view(-1, 60), lambda y: y[-1]),
        (lambda x: x.transpose(0, 1), lambda y: y[0, -1]),
        (lambda x: x[-1], lambda y: y[0]),
        (lambda x: x[-1, 0], lambda y: y),
        (lambda x: x.permute(0, 2, 1), lambda y: y[-1, :, 0]),
        (lambda x: x.softmax(-1), lambda y: y[-1, 0].log()),
        (lambda x: x.double(), lambda y: y[-1, 0]),
        (lambda x: x / 0, lambda y: y[-1, 0]),
        (lambda x: x @ torch.ones(3), lambda y: y[-1, 0]),
    ],
    ids=[
        "logits",
        "with a state",
        "a list",
        "one row a token",
        "batch first in the end",
        "the last position only",
        "the last word only",
        "words in the middle",
        "probabilities",
        "double",
        "nothing but nan",
        "a model that fails",
    ],
)
def test_a_loop_is_right_with_whatever_its_model_answers(judged, loop, answer, pick):
    earns_everything(judged(GENERATION, loop(picking(pick), model=Spoken(answer))))


def too_few(model, corpus, num_words, temperature):
    return multinomial(model, corpus, num_words - 1, temperature)


def too_many(model, corpus, num_words, temperature):
    return multinomial(model, corpus, num_words + 1, temperature)


def only_the_last(*notebook):
    return multinomial(*notebook).split()[-1]


def uniformly(model, corpus, num_words, temperature):
    return " ".join(corpus.dictionary.idx2word[i] for i in torch.randint(60, (num_words,)))


@writing
def greedy(model, input, temperature):
    return (model(input)[-1, 0] / temperature).argmax()


@writing
def least_likely(model, input, temperature):
    return model(input)[-1, 0].argmin()


@writing
def no_temperature(model, input, temperature):
    return torch.multinomial(model(input)[-1, 0].exp(), 1)


@writing
def scaled_probabilities(model, input, temperature):
    return torch.multinomial(model(input)[-1, 0].softmax(-1) / temperature, 1)


@writing
def multiplied(model, input, temperature):
    return torch.multinomial((model(input)[-1, 0] * temperature).exp(), 1)


@writing
def very_hot(model, input, temperature):
    return torch.multinomial(torch.softmax(model(input)[-1, 0] / 1e9, 0), 1)


@writing
def softmax_along_the_first_axis(model, input, temperature):
    return torch.multinomial(torch.softmax(model(input)[-1] / temperature, 0)[0], 1)


@writing
def any_of_the_best(model, input, temperature):
    return model(input)[-1, 0].topk(3).indices[torch.randint(3, (1,))]


@writing
def first_position(model, input, temperature):
    return torch.multinomial((model(input)[0, 0] / temperature).softmax(-1), 1)


@writing
def last_but_one(model, input, temperature):
    return torch.multinomial((model(input)[-2:][0, 0] / temperature).softmax(-1), 1)


fed_with_the_first = writing(softly, lambda input, index: torch.vstack([input, input[:1]]))
never_fed_back = writing(softly, lambda input, index: input)
fed_in_front = writing(softly, lambda input, index: torch.cat([torch.tensor([[index]]), input]))
fed_another = writing(softly, lambda input, index: torch.tensor([[(index + 1) % 60]]))


def numbers(model, corpus, num_words, temperature):
    corpus = types.SimpleNamespace(
        dictionary=types.SimpleNamespace(idx2word=[str(i) for i in range(60)])
    )
    return multinomial(model, corpus, num_words, temperature)


def tensors(model, corpus, num_words, temperature):
    return numbers(model, corpus, num_words, temperature).replace(" ", "]) tensor([")


def off_by_one(model, corpus, num_words, temperature):
    words = corpus.dictionary.idx2word
    corpus = types.SimpleNamespace(dictionary=types.SimpleNamespace(idx2word=words[1:] + words[:1]))
    return multinomial(model, corpus, num_words, temperature)


NAMED = {  # with what each loop earns, of 12
    greedy: ("greedy", 8),
    no_temperature: ("no_temperature or probabilities_scaled", 10),
    scaled_probabilities: ("no_temperature or probabilities_scaled", 10),
    multiplied: ("multiplied_by_temperature", 10),
    softmax_along_the_first_axis: ("uniform", 6),
    very_hot: ("uniform", 6),
    least_likely: ("", 6),
    any_of_the_best: ("", 8),
    never_fed_back: ("never_fed_back", 10),
    fed_with_the_first: ("never_fed_back", 10),
    fed_in_front: ("never_fed_back", 10),
    first_position: ("wrong_position", 10),
    last_but_one: ("wrong_position", 10),
    numbers: ("index_in_place_of_word", 10.5),
    tensors: ("index_in_place_of_word", 10.5),
    too_few: ("wrong_count", 11),
    too_many: ("wrong_count", 11),
    only_the_last: ("text_overwritten", 10.5),
}


@named(*NAMED)
def test_a_wrong_loop_is_told_what_is_wrong_and_loses_only_that(judged, loop, program):
    judgement = judged(GENERATION, loop(program))

    assert (judgement.finding.misconception or "", judgement.earned) == NAMED[program]


def by_hand(model, corpus, num_words, temperature):
    return "the of , " * 33 + "the"


def by_hand_beside_a_model(model, corpus, num_words, temperature):
    multinomial(model, corpus, num_words, temperature)
    return "the of , " * 33 + "the"


def nothing_at_all(model, corpus, num_words, temperature):
    return ""


def one_word(model, corpus, num_words, temperature):
    return multinomial(model, corpus, 1, temperature)


@named(
    uniformly, by_hand, by_hand_beside_a_model, nothing_at_all, off_by_one, fed_another, one_word
)
def test_a_wrong_loop_loses_points(judged, loop, program):
    loses_points(judged(GENERATION, loop(program)))


@named(uniformly, by_hand, nothing_at_all)
def test_a_text_without_a_model_earns_nothing(judged, loop, program):
    assert judged(GENERATION, loop(program)).earned == 0


# All together -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", [0, 1, 2**63])
@pytest.mark.parametrize(
    "question, program",
    [
        (QKV, float32),
        (SOFTMAX, single_precision),
        (ATTENTION, in_float32),
        (MATRIX, rounded_to_float32),
        (HEADS, heads_float32),
        (ENCODING, Encoding),
    ],
    ids=lambda value: getattr(value, "key", ""),
)
def test_single_precision_is_enough_whatever_the_seed(judged, question, program, seed):
    earns_everything(judged(question, program, seed))
