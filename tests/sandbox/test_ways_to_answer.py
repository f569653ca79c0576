"""A notebook that answers a question more than once, or under other names, is judged fairly."""

import pytest

from grader.authoring import case
from grader.judge.questions import judge_question, stand_ins
from grader.model import Outcome
from reference.week14 import ASSIGNMENT
from tests.sandbox.conftest import asking, seen
from tests.sandbox.test_follow_through import BLANK, INPUTS, LOOP, OWN_SOFTMAX, QKV, SEED

pytestmark = pytest.mark.kernel

QUESTIONS = ASSIGNMENT.notebooks["colab1"].questions

RIGHT = "def softmax(items_in):\n    e = np.exp(items_in)\n    return e / e.sum()"
HALF = "def softmax(items_in):\n    e = 2 ** np.array(items_in)\n    return e / e.sum()"
BLANK_QKV = """all_queries, all_keys, all_values = [], [], []
for x in all_x:
    all_queries.append(np.ones_like(x))
    all_keys.append(np.ones_like(x))
    all_values.append(np.ones_like(x))"""
BLANK_LOOP = """all_x_prime = []
for n in range(N):
    all_km_qn = []
    for key in all_keys:
        all_km_qn.append(1)
    attention = softmax(all_km_qn)
    x_prime = np.zeros((D, 1))
    all_x_prime.append(x_prime)"""


@pytest.fixture
def judged(observe):
    def judged(*cells, key=None, **limits):
        follows = lambda seen: stand_ins(QUESTIONS, seen, SEED)  # noqa: E731
        _, observed = observe(cells, *QUESTIONS, follows=follows, **limits)
        found = {q.key: judge_question(q, observed[q.key], SEED) for q in QUESTIONS}
        return found[key] if key else found

    return judged


def told(judgement):
    return judgement.outcome, judgement.earned, judgement.flags


def test_what_was_handed_out_hides_no_answer_above_it(judged):
    softmax = judged(INPUTS, RIGHT, BLANK, key="softmax")

    assert told(softmax) == (Outcome.PASSED, 6, ("redefined",))
    assert softmax.found.where.cell == 2
    assert softmax.found.note == (
        "softmax in cell 3 is as it was handed out; this was used in its place"
    )


def test_two_definitions_that_earn_different_points_are_a_persons_to_decide(judged):
    softmax = judged(INPUTS, RIGHT, HALF, BLANK, key="softmax")

    assert told(softmax) == (Outcome.NEEDS_REVIEW, None, ("redefined",))
    assert softmax.finding.advice == (
        "It is answered more than once, and a person has to say which answer counts. "
        "Of 6 points would earn: softmax in cell 3 1.5, softmax in cell 2 6."
    )


@pytest.mark.parametrize(
    "cells, outcome",
    [
        ([HALF, RIGHT], Outcome.PASSED),
        ([BLANK, RIGHT], Outcome.PASSED),
        ([HALF, HALF.replace("items_in)\n", "items_in)\n    # a draft\n\n")], Outcome.PARTIAL),
        ([BLANK.replace("items_out ;", "items_out"), BLANK], Outcome.BLANK),
        (["def softmax(items_in):\n    return 1 / 0", BLANK], Outcome.BLANK),
    ],
    ids=["a draft first", "as handed out first", "twice the same", "twice nothing", "worthless"],
)
def test_otherwise_the_last_definition_counts(judged, cells, outcome):
    softmax = judged(INPUTS, *cells, key="softmax")

    assert (softmax.outcome, softmax.flags) == (outcome, ())
    assert softmax.found.where.cell == 3


def test_a_whole_handout_below_the_answers_hides_none_of_them(judged):
    below = [BLANK_QKV, BLANK, BLANK_LOOP]

    found = judged(INPUTS, QKV, RIGHT, LOOP, OWN_SOFTMAX, *below)

    assert told(found["qkv"]) == (Outcome.PASSED, 6, ("redefined",))
    assert told(found["softmax"]) == (Outcome.PASSED, 6, ("redefined",))
    assert told(found["attention"]) == (Outcome.PASSED, 8, ("redefined",))
    assert told(found["self_attention"]) == (Outcome.PASSED, 10, ("follow_through",))
    assert [found[key].found.where.cell for key in ("qkv", "softmax", "attention")] == [2, 3, 4]


# where answers stand ------------------------------------------------------------------------------

PLACES = {
    "moved below what uses them": [INPUTS, OWN_SOFTMAX, LOOP, QKV, RIGHT],
    "all in one cell": ["\n".join([INPUTS, QKV, RIGHT, LOOP, OWN_SOFTMAX])],
    "in cells that fail at last": [
        INPUTS,
        *(f"{cell}\n1 / 0" for cell in (QKV, RIGHT, LOOP, OWN_SOFTMAX)),
    ],
    "in cells that fail at once": [
        INPUTS,
        *(f"1 / 0\n{cell}" for cell in (QKV, RIGHT, LOOP, OWN_SOFTMAX)),
    ],
    "after a cell that is no Python": [INPUTS, "def softmax(", QKV, RIGHT, LOOP, OWN_SOFTMAX],
    "after a crash": [INPUTS, QKV, "import os\nos._exit(0)", RIGHT, LOOP, OWN_SOFTMAX],
    "in a cell that crashes": [INPUTS, QKV, f"{RIGHT}\nimport os\nos._exit(0)", LOOP, OWN_SOFTMAX],
    "after a cell that never ends": [INPUTS, QKV, "while True: pass", RIGHT, LOOP, OWN_SOFTMAX],
    "in a cell that never ends": [INPUTS, QKV, f"{RIGHT}\nwhile True: pass\n{LOOP}", OWN_SOFTMAX],
}


@pytest.mark.parametrize("place", PLACES)
def test_answers_count_wherever_they_stand(judged, place):
    found = judged(*PLACES[place], cell_seconds=1)

    assert [judgement.outcome for judgement in found.values()] == [Outcome.PASSED] * 4, found


# arguments and names ------------------------------------------------------------------------------

ATTENTION = """def {name}({parameters}):
    V, Q, K = beta_v + omega_v @ X, beta_q + omega_q @ X, beta_k + omega_k @ X
    E = np.exp(K.T @ Q)
    return V @ (E / E.sum(axis=0))"""
HANDED_OUT = "X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k"
REORDERED = "X, omega_q, omega_k, omega_v, beta_q, beta_k, beta_v"
BY_NAME = f"its arguments were given by their names in it: {REORDERED}"
BY_POSITION = "its arguments were given in the handout's order, not by their names"
OTHER_NAME = "there is no self_attention; attend was used in its place"


def attention(name="self_attention", parameters=HANDED_OUT, **roles):
    """A function of this name and these parameters; `roles` are used in the place of others."""
    source = ATTENTION.format(name=name, parameters=parameters)
    head, body = source.split("\n", 1)
    for role in "vqk":
        for kind in ("omega_", "beta_"):
            body = body.replace(f"{kind}{role} ", f"{kind}[{roles.get(role, role)}] ")
    return f"{head}\n{body}".replace("[", "").replace("]", "")


def test_arguments_of_another_order_may_be_meant_by_name_or_by_position(judged):
    by_name = judged(INPUTS, attention(parameters=REORDERED), key="self_attention")
    # what is called omega_q comes second, where the handout gives the values' matrix
    by_position = judged(
        INPUTS, attention(parameters=REORDERED, v="q", q="k", k="v"), key="self_attention"
    )

    assert (told(by_name), by_name.found.note) == ((Outcome.PASSED, 10, ()), BY_NAME)
    assert (told(by_position), by_position.found.note) == ((Outcome.PASSED, 10, ()), BY_POSITION)


def test_what_is_right_in_no_order_of_its_arguments_earns_no_full_marks(judged):
    wrong = judged(INPUTS, attention(parameters=REORDERED, v="k", k="v"), key="self_attention")

    assert wrong.earned < 10
    assert wrong.finding.misconception == "values_and_keys_swapped"


@pytest.mark.parametrize("parameters, note", [(HANDED_OUT, ""), (REORDERED, f"; {BY_NAME}")])
def test_another_name_and_another_order_may_come_together(judged, parameters, note):
    found = judged(INPUTS, attention("attend", parameters), key="self_attention")

    assert told(found) == (Outcome.PASSED, 10, ())
    assert found.found.note == OTHER_NAME + note


def test_between_two_that_may_be_meant_under_other_names_a_person_decides(judged):
    found = judged(
        INPUTS, attention("attend"), attention("compare", q="k", k="q"), key="self_attention"
    )

    assert told(found)[0] is Outcome.NEEDS_REVIEW
    assert "compare in cell 3 " in found.finding.advice
    assert found.finding.advice.endswith(", attend in cell 2 10.")


def test_another_name_is_used_where_the_asked_one_is_as_it_was_handed_out(judged):
    handed_out = f"def self_attention({HANDED_OUT}):\n    return np.zeros_like(X)"

    filled = judged(INPUTS, handed_out, attention("attend"), key="self_attention")
    wrong = judged(INPUTS, attention(q="k", k="q"), attention("attend"), key="self_attention")

    assert told(filled) == (Outcome.PASSED, 10, ("redefined",))
    assert filled.found.note == (
        "self_attention in cell 2 is as it was handed out; this was used in its place"
    )
    assert (wrong.outcome, wrong.found.name) == (Outcome.PARTIAL, "self_attention")


def test_other_definitions_are_tried_without_changing_what_the_notebook_calls(observe):
    cells = [
        "def f(x):\n    return x + 1",
        "def f(x):\n    return x + 2",
        "def g(x):\n    return 10 * f(x)",
        "def g(x):\n    return 20 * f(x)",
    ]
    _, observed = observe(cells, asking("f", case(1)), asking("g", case(1)))

    def answers(one):
        return [seen(way)[0].value for way in (one, *one.others)]

    assert answers(observed["f"]) == [3, 2]
    assert answers(observed["g"]) == [60, 30]


def test_a_definition_that_ends_the_kernel_or_never_ends_costs_only_itself(observe):
    cells = [
        "def f(x):\n    import os\n    os._exit(1)",
        "def f(x):\n    while True:\n        pass",
        "def f(x):\n    return 1",
        "def g(x):\n    return 1",
    ]
    _, observed = observe(cells, asking("f", case(1)), asking("g", case(1)), call_seconds=0.3)

    assert seen(observed["f"])[0].value == seen(observed["g"])[0].value == 1
    assert [seen(other)[0].outcome for other in observed["f"].others] == [
        Outcome.TIMED_OUT,
        Outcome.RAISED,
    ]


def test_no_more_than_a_few_definitions_are_tried(observe):
    cells = [f"def f(x):\n    return {number}" for number in range(9)]
    _, observed = observe(cells, asking("f", case(1)))

    assert [seen(other)[0].value for other in observed["f"].others] == [7, 6, 5]
