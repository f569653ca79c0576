"""One mistake costs once: what uses a wrong answer is asked again with a right one in its place."""

from dataclasses import replace

import numpy as np
import pytest

from grader.authoring import case
from grader.judge.questions import judge_question, stand_ins
from grader.model import Outcome
from reference.week14 import ASSIGNMENT
from tests.sandbox.conftest import asking, seen

pytestmark = pytest.mark.kernel

SEED = 1  # with which the fixture draws cases
QUESTIONS = ASSIGNMENT.notebooks["colab1"].questions

INPUTS = """import numpy as np
np.random.seed(3)
N, D = 3, 4
all_x = [np.random.normal(size=(D, 1)) for _ in range(N)]
np.random.seed(0)
omega_q, omega_k, omega_v = (np.random.normal(size=(D, D)) for _ in range(3))
beta_q, beta_k, beta_v = (np.random.normal(size=(D, 1)) for _ in range(3))"""
QKV = """all_queries, all_keys, all_values = [], [], []
for x in all_x:
    all_queries.append(beta_q + omega_q @ x)
    all_keys.append(beta_k + omega_k @ x)
    all_values.append(beta_v + omega_v @ x)"""
LOOP = """all_x_prime = []
for n in range(N):
    all_km_qn = []
    for key in all_keys:
        all_km_qn.append(key.T @ all_queries[n])
    attention = softmax(all_km_qn)
    x_prime = np.zeros((D, 1))
    for m in range(N):
        x_prime = x_prime + attention[m] * all_values[m]
    all_x_prime.append(x_prime)"""
OWN_SOFTMAX = """def self_attention(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    V, Q, K = beta_v + omega_v @ X, beta_q + omega_q @ X, beta_k + omega_k @ X
    S = K.T @ Q
    return V @ np.stack([softmax(S[:, n]) for n in range(S.shape[1])], axis=1)"""
BLANK = "def softmax(items_in):\n    items_out = items_in.copy()\n    return items_out ;"
WRONG = {
    "no exp": "def softmax(items_in):\n    x = np.array(items_in)\n    return x / x.sum()",
    "not divided": "def softmax(items):\n    return [np.exp(x) for x in items]",
    "as handed out": BLANK,
    "raises": "def softmax(items_in):\n    return np.exp(items_in) / sum(items_on)",
    "not there": "softmax_is_missing = True",
    "of its own name": "def soft_max(items):\n    return np.exp(items)\nsoftmax = soft_max",
}


def follows(observed):
    return stand_ins(QUESTIONS, observed, SEED)


def judged(observe, cells, **more):
    _, observed = observe(cells, *QUESTIONS, follows=follows, **more)
    return {q.key: judge_question(q, observed[q.key], SEED) for q in QUESTIONS}


@pytest.mark.parametrize("style", WRONG)
def test_a_wrong_softmax_costs_its_own_points_only(observe, style):
    found = judged(observe, [INPUTS, QKV, WRONG[style], LOOP, OWN_SOFTMAX])

    assert found["softmax"].earned < 6
    for key in ("attention", "self_attention"):
        assert found[key].outcome is Outcome.PASSED, found[key]
        assert found[key].flags == ("follow_through",)
        assert found[key].finding is None


def test_a_mistake_of_its_own_still_costs_and_is_named(observe):
    swapped = LOOP.replace("all_keys:", "all_queries:").replace("all_queries[n]", "all_keys[n]")

    attention = judged(observe, [INPUTS, QKV, WRONG["not divided"], swapped])["attention"]

    assert attention.earned == 3
    assert attention.finding.misconception == "queries_and_keys_swapped"
    assert attention.flags == ("follow_through",)


def test_what_is_right_as_it_is_is_not_asked_again(observe):
    cells = [
        INPUTS,
        QKV,
        WRONG["not divided"],
        LOOP.replace("softmax(", "(lambda s: (np.exp(s) / np.exp(s).sum()))("),
    ]

    attention = judged(observe, cells)["attention"]

    assert (attention.outcome, attention.flags) == (Outcome.PASSED, ())


def test_a_right_softmax_stands_for_itself(observe):
    right = "def softmax(items_in):\n    return np.exp(items_in) / np.exp(items_in).sum()"

    found = judged(observe, [INPUTS, QKV, right, LOOP.replace("x_prime + att", "att")])

    assert found["softmax"].outcome is Outcome.PASSED
    assert found["attention"].outcome is Outcome.FAILED
    assert found["attention"].flags == ()


def test_what_cannot_be_asked_again_is_judged_as_it_was_seen(observe):
    # it ends the kernel as soon as ours is there, which has another name inside
    deadly = LOOP.replace(
        "    x_prime = np",
        "    import os\n    softmax.__code__.co_name == 'softmax' or os._exit(1)\n    x_prime = np",
    )
    _, observed = observe([INPUTS, QKV, BLANK, deadly], *QUESTIONS, follows=follows)

    assert follows(observed)["attention"] == ("softmax",)
    attention = judge_question(QUESTIONS[2], observed["attention"], SEED)
    assert attention.outcome is Outcome.FAILED
    assert attention.flags == ()


def test_the_stand_in_comes_after_every_answer(observe):
    # a softmax of its own that looks for a right one where functions may lie
    thief = """import gc
def softmax(items_in):
    for thing in gc.get_objects():
        if getattr(thing, '__name__', '') == 'keeping_the_form':
            return thing(items_in)
    return items_in"""

    found = judged(observe, [INPUTS, QKV, thief, LOOP])

    assert found["softmax"].outcome is Outcome.BLANK


def test_it_comes_after_every_other_answer_to_its_own_question_too(observe):
    """`last` needs `next`, which needs `first`, and the notebook has two answers to `next`."""
    thief = """import gc
def next(x):
    for thing in gc.get_objects():
        if getattr(thing, '__name__', '') == 'right_next':
            return thing(x)"""

    def right_first(x):
        return x + 1

    def right_next(x):
        return x + 2

    right = {"first": right_first, "next": right_next, "last": right_next}
    questions = [replace(asking(name, case(40)), stand_in=one) for name, one in right.items()]
    needed = {"next": ["first"], "last": ["next"]}
    cells = ["def first(x): return 0", thief, "def next(x): return first(x)"]

    _, observed = observe(
        [*cells, "def last(x): return next(x)"], *questions, follows=lambda seen: needed
    )

    (stolen,) = observed["next"].others
    assert [o.value for asked in stolen.helped.values() for o in asked.observations] == [None]
    helped = [o.value for o in observed["last"].helped.popitem()[1].observations]
    assert helped == [42]


def test_what_gives_another_result_the_second_time_is_flagged(observe):
    drawing = "import itertools\ncount = itertools.count()\ndef odd(x):\n    return x + next(count)"
    _, observed = observe([drawing], asking("odd", case(np.ones(3)), case(np.zeros(3))))

    first, _ = seen(observed["odd"])
    assert np.array_equal(observed["odd"].again.value, first.value + 2)


def test_the_same_result_the_second_time_is_noted_as_such(observe):
    _, observed = observe(["def same(x):\n    return 2 * x"], asking("same", case(3), case(4)))

    assert observed["same"].again.value == 6
