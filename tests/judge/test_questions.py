"""From observations to verdicts, misconceptions, flags and points."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from grader.authoring import Cell, Check, Question, Tolerance, Written, case
from grader.judge.diagnose import diagnosis, explains
from grader.judge.expectations import expectations
from grader.judge.proof import handed_in, proof
from grader.judge.questions import (
    doubted,
    judge_question,
    judge_written,
    stand_ins,
    undecided,
)
from grader.judge.verdicts import as_typed, ignores_its_input, readings, same_result
from grader.model import Asked, Found, Judgement, Observation, Observed, Outcome, Place, Verdict
from reference.week14 import attention, multihead, qkv, self_attention, softmax
from reference.week14.generation import QUESTION as GENERATION

SEED = 7
FOUND = Found("double", Place(3, 1), 9)


# A small question -------------------------------------------------------------------


def double(x):
    return 2 * np.asarray(x, float)


def few(rng):
    for _ in range(3):
        yield case(rng.normal(size=3))


def one(rng):
    yield case(rng.normal(size=3))


def many(rng):
    for size in (2, 5):
        yield case(rng.normal(size=size), given={"N": size})


def printed(rng):
    yield case(np.ones(3))


def squared(x):
    """You square x."""
    return np.asarray(x) ** 2


def roots(x):
    """You take roots."""
    return np.sqrt(x)


def untouched(x):
    """It returns x as it was handed out."""
    return np.asarray(x)


def halved(x):
    return 2 * np.asarray(x) + 1


DOUBLE = Question(
    key="double",
    title="Twice x",
    target="double",
    reference=double,
    untouched=untouched,
    checks=[
        Check("it doubles", few, points=3),
        Check("the sum is doubled", few, points=1, view=np.sum),
        Check("for other sizes", many, points=1, other_sizes=True),
        Check("as printed", printed, points=0, published=True),
    ],
    misconceptions=[squared, roots],
)


def seen(program, question=DOUBLE, reads=(), change=None):
    """Observed, as if the student's code were `program`; change(n, observation) of each case."""
    trials, n = {}, 0
    for name, cases in expectations(question, SEED).cases.items():
        observations = []
        for each in cases:
            try:
                with np.errstate(all="ignore"):
                    made = Observation(Outcome.PASSED, question.run(program, each))
            except ArithmeticError as error:
                made = Observation(Outcome.RAISED, error=f"{type(error).__name__}: {error}")
            observations.append(change(n, made) if change else made)
            n += 1
        trials[name] = Asked("", tuple(observations))
    return Observed(FOUND, trials, reads)


def outcomes(judgement):
    return [verdict.outcome.value for verdict in judgement.verdicts]


# How a question can end -------------------------------------------------------------


@pytest.mark.parametrize(
    "observed, outcome, earned, advice",
    [
        (Observed(None), Outcome.MISSING, 0.0, "The notebook defines no double."),
        (Observed(None, error="the kernel died"), Outcome.ERROR, None, "the kernel died"),
        (
            Observed(FOUND, error="NameError: name 'np' is not defined"),
            Outcome.BLOCKED,
            0.0,
            "double could not be made: NameError: name 'np' is not defined",
        ),
        (seen(untouched), Outcome.BLANK, 0.0, "It returns x as it was handed out."),
        (seen(double), Outcome.PASSED, 5.0, None),
        (seen(lambda x: 3 * x), Outcome.FAILED, 0.0, ""),
    ],
    ids=["missing", "error", "blocked", "blank", "passed", "failed"],
)
def test_the_ways_to_earn_nothing_are_told_apart(observed, outcome, earned, advice):
    judgement = judge_question(DOUBLE, observed, SEED)

    assert judgement.outcome is outcome
    assert judgement.earned == earned
    assert judgement.possible == 5.0
    assert len(judgement.verdicts) == 4
    assert judgement.finding is None if advice is None else judgement.finding.advice == advice


def test_only_the_undecided_have_no_points():
    for observed in (Observed(None), Observed(None, error="ours"), seen(double), seen(squared)):
        judgement = judge_question(DOUBLE, observed, SEED)
        assert (judgement.earned is None) == (not judgement.outcome.decided)


def test_a_missing_cell_is_named_by_what_it_should_make():
    judgement = judge_question(qkv.QUESTION, Observed(None), SEED)

    said = "No cell of the notebook makes all_queries or all_keys or all_values."
    assert judgement.finding.advice == said


@pytest.mark.parametrize("outcome", [Outcome.RAISED, Outcome.TIMED_OUT])
def test_a_call_that_never_returns_earns_nothing_and_says_why(outcome):
    def change(n, observation):
        return Observation(outcome, error="it did not", where=Place(4, 2))

    judgement = judge_question(DOUBLE, seen(double, change=change), SEED)

    assert judgement.outcome is outcome
    assert judgement.earned == 0.0
    assert judgement.finding.where == Place(4, 2)
    assert judgement.finding.shown_by.said == "it did not"
    assert judgement.finding.shown_by.got is None


def test_one_call_that_raises_costs_the_claims_that_need_it():
    def change(n, observation):
        return Observation(Outcome.RAISED, error="ValueError") if n == 4 else observation

    judgement = judge_question(DOUBLE, seen(double, change=change), SEED)

    assert outcomes(judgement) == ["passed", "passed", "raised", "passed"]
    assert judgement.earned == 4.0
    assert judgement.outcome is Outcome.PARTIAL


def test_a_failure_on_the_published_case_alone_costs_nothing():
    def change(n, observation):
        return Observation(Outcome.PASSED, None) if n == 5 else observation

    judgement = judge_question(DOUBLE, seen(double, change=change), SEED)

    assert (judgement.earned, judgement.outcome) == (5.0, Outcome.PASSED)
    assert outcomes(judgement)[-1] == "failed"
    assert judgement.finding is None


def test_the_first_case_that_fails_is_the_one_shown():
    def change(n, observation):
        return Observation(Outcome.PASSED, np.zeros(3)) if n in (1, 2) else observation

    judgement = judge_question(DOUBLE, seen(double, change=change), SEED)

    second = expectations(DOUBLE, SEED).cases["few by directly"][1]
    assert judgement.finding.shown_by.call == as_typed(DOUBLE, second)
    np.testing.assert_array_equal(judgement.finding.shown_by.expected, double(*second.args))


def test_a_missing_return_is_said_even_where_a_form_makes_something_of_none():
    judgement = judge_question(softmax.QUESTION, seen(lambda x: None, softmax.QUESTION), SEED)

    assert judgement.finding.shown_by.said == "got None: is a `return` missing?"
    assert judgement.earned == 0


# Readings ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value, means",
    [
        (1.0, [1.0]),
        ([1.0, 2.0], [[1.0, 2.0]]),
        ((1.0, 2.0), [(1.0, 2.0), 1.0]),
        ((), [()]),
        (None, [None]),
    ],
    ids=["number", "list", "tuple", "empty", "nothing"],
)
def test_a_tuple_may_mean_its_first_entry(value, means):
    assert list(readings(value)) == means


@pytest.mark.parametrize(
    "more",
    [
        lambda x: (2 * x, np.eye(2)),
        lambda x: (2 * x, 2 * x),
        lambda x: (2 * x, "note", None),
        lambda x: (2 * x,),
        lambda x: tuple(2 * x),
    ],
    ids=["weights", "twice", "note", "alone", "entries"],
)
def test_a_result_with_more_beside_it_is_right(more):
    assert judge_question(DOUBLE, seen(more), SEED).earned == 5.0


def test_a_wrong_result_in_a_tuple_is_shown_by_its_numbers():
    judgement = judge_question(DOUBLE, seen(lambda x: (3 * x, np.eye(2))), SEED)

    assert "3 of 3 values differ" in judgement.finding.shown_by.said


def test_of_several_readings_of_a_wrong_result_the_first_is_shown():
    judgement = judge_question(DOUBLE, seen(lambda x: (3 * x, 4 * x)), SEED)

    assert np.shape(judgement.finding.shown_by.got) == (2, 3)


def test_a_right_result_in_the_second_place_is_none():
    assert judge_question(DOUBLE, seen(lambda x: (np.eye(2), 2 * x)), SEED).earned == 0


# What ignores its input -------------------------------------------------------------


CONSTANTS = [
    lambda x: np.zeros(3),
    np.ones_like,
    lambda x: 1.0,
    lambda x: [0.5, 0.25, 0.25],
    lambda x: "text",
    lambda x: (np.ones_like(x), np.eye(2)),
    lambda x: [1.0] * (len(x) + 1),
]


@pytest.mark.parametrize(
    "program",
    CONSTANTS,
    ids=["zeros", "ones_like", "number", "list", "text", "tuple", "ones of a wrong length"],
)
def test_a_constant_earns_nothing_whatever_part_is_looked_at(program):
    question = dataclasses.replace(
        DOUBLE,
        untouched=None,
        checks=[
            Check("the shape", many, points=1, view=np.shape),
            Check("it has numbers", few, points=1, view=lambda x: np.ndim(x) >= 0),
            Check("nothing is looked at", few, points=1, view=lambda x: 0),
        ],
    )

    judgement = judge_question(question, seen(program, question), SEED)

    assert judgement.earned == 0
    assert judge_question(question, seen(double, question), SEED).earned == 3


def test_what_follows_its_input_does_not_ignore_it():
    cases = expectations(DOUBLE, SEED)
    (right, *_) = cases.of(double).values()

    def ignores(*values):
        return ignores_its_input(DOUBLE, right, [Observation(Outcome.PASSED, v) for v in values])

    assert ignores(1.0, 1.0, 1.0)
    assert ignores(np.ones(2), np.ones(3), np.ones(4))
    assert ignores(np.ones(4), np.ones(3), np.ones(2))
    assert not ignores(1.0, 1.0, 2.0)
    assert not ignores(np.arange(2), np.arange(3), np.arange(4))
    assert not ignores(np.ones(3), np.ones(3), 2 * np.ones(3))
    assert not ignores_its_input(DOUBLE, right[:1], [Observation(Outcome.PASSED, 1.0)])
    assert not ignores_its_input(DOUBLE, right[:1] * 2, [Observation(Outcome.PASSED, 1.0)] * 2)


def test_what_ignores_its_input_is_told_also_where_the_form_cannot_take_the_result():
    def form(result):
        if isinstance(result, tuple | str):
            raise TypeError("no such form")
        return result

    question = dataclasses.replace(DOUBLE, form=form)
    (right, *_) = expectations(question, SEED).of(double).values()

    def ignores(*values):
        return ignores_its_input(question, right, [Observation(Outcome.PASSED, v) for v in values])

    assert ignores((1.0, "a"), (1.0, "b"), (1.0, "c"))
    assert not ignores((1.0, "a"), (2.0, "a"), (3.0, "a"))
    assert ignores("a", "a", "a")
    assert not ignores("a", "a", "b")


def first_of(question, trial_name):
    return expectations(question, SEED).of(question.reference)[trial_name][0].value


@pytest.mark.parametrize(
    "question",
    [qkv.QUESTION, attention.QUESTION, self_attention.QUESTION, multihead.QUESTION],
    ids=lambda q: q.key,
)
def test_published_values_written_down_earn_nothing(question):
    value = first_of(question, "handed_out by directly")

    judgement = judge_question(question, seen(lambda *_, **__: value, question), SEED)

    assert judgement.earned == 0
    published = [c.published for c in question.checks]
    held = [v.outcome is Outcome.PASSED for v in judgement.verdicts]
    assert all(a == b for a, b in zip(held, published, strict=True))


@pytest.mark.parametrize(
    "program",
    [
        lambda x: np.full(len(x), 1 / len(x)),
        lambda x: [1 / len(x)] * len(x),
        lambda x: np.eye(len(x))[0],
        lambda x: np.ones_like(np.asarray(x, float)),
    ],
    ids=["uniform", "uniform list", "one hot", "ones"],
)
def test_weights_that_look_at_no_score_earn_nothing(program):
    judgement = judge_question(softmax.QUESTION, seen(program, softmax.QUESTION), SEED)

    assert judgement.earned == 0


@pytest.mark.parametrize("fed", [[], ["the"] * 100], ids=["alone", "beside a model"])
def test_a_text_written_by_hand_earns_nothing(fed):
    def text(*rule):
        return {"rule": list(rule), "text": ["the"] * 100, "fed": fed}

    assert judge_question(GENERATION, seen(text, GENERATION), SEED).earned == 0


# Sizes ------------------------------------------------------------------------------


def fixed(x):
    return 2 * x if len(x) == 3 else np.zeros(3)


@pytest.mark.parametrize(
    "reads, earned, flags",
    [
        ((), 4.0, ("fixed_sizes",)),
        (("N",), 4.0, ("fixed_sizes",)),
        (("N", "width"), 5.0, ("fixed_sizes",)),
        (("omega",), 5.0, ("fixed_sizes",)),
    ],
    ids=["a literal", "a given name", "one not given", "only one not given"],
)
def test_sizes_are_charged_only_where_nothing_of_the_notebook_explains_them(reads, earned, flags):
    judgement = judge_question(DOUBLE, seen(fixed, reads=reads), SEED)

    assert judgement.earned == earned
    assert judgement.flags == flags


def test_code_that_fails_at_other_sizes_is_right_only_at_its_own():
    def raising(x):
        return 2 * x if len(x) == 3 else 1 // 0

    charged = judge_question(DOUBLE, seen(raising), SEED)
    excused = judge_question(DOUBLE, seen(raising, reads=("width",)), SEED)

    assert (charged.earned, charged.flags) == (4.0, ("fixed_sizes",))
    assert (excused.earned, excused.flags) == (5.0, ("fixed_sizes",))


def test_what_is_worth_nothing_alone_is_not_kept_by_advice_that_holds():
    shape = Check("the shape", few, points=2, view=np.shape, alone=False)
    advice = Check("the first sign", few, points=0, view=lambda y: y[0] > 0)
    value = Check("it doubles", few, points=3)
    question = dataclasses.replace(DOUBLE, checks=[shape, advice, value], untouched=None)

    judgement = judge_question(question, seen(lambda x: 9 * x, question), SEED)

    assert outcomes(judgement) == ["failed", "passed", "failed"]
    assert judgement.earned == 0


def test_code_that_is_wrong_anyway_is_neither_excused_nor_flagged():
    judgement = judge_question(DOUBLE, seen(lambda x: 3 * x, reads=("width",)), SEED)

    assert judgement.earned == 0
    assert judgement.flags == ()


def test_right_code_that_reads_the_notebook_is_not_flagged():
    judgement = judge_question(DOUBLE, seen(double, reads=("width",)), SEED)

    assert (judgement.earned, judgement.flags) == (5.0, ())


def test_a_changed_input_is_flagged_and_costs_nothing():
    def change(n, observation):
        return structs.replace(observation, changed=("argument 1",))

    judgement = judge_question(DOUBLE, seen(double, change=change), SEED)

    assert (judgement.earned, judgement.flags) == (5.0, ("changes_its_inputs",))


@pytest.mark.parametrize("again, flags", [(2.0, ()), (2.5, ("differs_when_repeated",))])
def test_what_gives_another_result_the_second_time_is_flagged(again, flags):
    observed = seen(double)
    (first, *_) = observed.trials["few by directly"].observations
    second = structs.replace(first, value=first.value * again / 2)

    judgement = judge_question(DOUBLE, structs.replace(observed, again=second), SEED)

    assert (judgement.earned, judgement.flags) == (5.0, flags)


@pytest.mark.parametrize("now", [Outcome.RAISED, Outcome.TIMED_OUT, Outcome.PASSED])
@pytest.mark.parametrize("then", [Outcome.RAISED, Outcome.TIMED_OUT, Outcome.PASSED])
def test_to_return_and_not_to_return_are_not_the_same(now, then):
    one, other = Observation(now, 2.0), Observation(then, 2.0)

    assert same_result(DOUBLE, one, other) == ((now is Outcome.PASSED) == (then is Outcome.PASSED))


def test_a_name_of_the_notebook_that_it_is_given_is_flagged_if_it_is_read():
    judgement = judge_question(DOUBLE, seen(double, reads=("N", "x")), SEED)

    assert (judgement.earned, judgement.flags) == (5.0, ("reads_globals",))


def test_a_claim_is_judged_only_if_it_was_asked():
    observed = seen(double)
    trials = {"printed by directly": observed.trials["printed by directly"]}

    judgement = judge_question(DOUBLE, structs.replace(observed, trials=trials), SEED)

    assert [verdict.claim for verdict in judgement.verdicts] == ["as printed"]


# With stand-ins ---------------------------------------------------------------------


def helped(program, with_stand_in):
    """Observed of a program that may come to other results with a right answer beside it."""
    return structs.replace(seen(program), helped=seen(with_stand_in).trials)


def of_the_sum(x):
    """You return the sum."""
    return 2 * np.sum(x) * np.eye(1, len(x))[0]


@pytest.mark.parametrize(
    "program, with_stand_in, outcomes_, flags",
    [
        (fixed, double, ["passed"] * 4, ("follow_through",)),
        (lambda x: x + 5, squared, ["failed"] * 4, ()),
        (double, squared, ["passed"] * 4, ()),
        # claim by claim the better of both
        (of_the_sum, lambda x: 2 * x if len(x) != 3 else x, [..., "passed", "passed", ...], ...),
    ],
    ids=["right then", "wrong then too", "right before", "each in part"],
)
def test_what_a_right_answer_beside_it_puts_right_costs_nothing(
    program, with_stand_in, outcomes_, flags
):
    judgement = judge_question(DOUBLE, helped(program, with_stand_in), SEED)

    got = outcomes(judgement)
    assert got == [g if s is ... else s for g, s in zip(got, outcomes_, strict=True)]
    assert flags is ... or judgement.flags == flags


def test_what_is_still_wrong_beside_a_right_answer_is_explained_by_that():
    question = dataclasses.replace(DOUBLE, misconceptions=[squared, of_the_sum])

    judgement = judge_question(question, helped(squared, of_the_sum), SEED)

    assert judgement.finding.misconception == "of_the_sum"
    assert (judgement.earned, judgement.outcome) == (1.0, Outcome.PARTIAL)
    assert "follow_through" in judgement.flags


@pytest.mark.parametrize(
    "needed, needing, asked",
    [
        (untouched, squared, {"later": ("double",)}),
        (double, squared, {}),
        (squared, double, {}),
    ],
    ids=["both lost", "only the one that needs it", "only the needed one"],
)
def test_what_lost_points_is_asked_with_a_stand_in_for_what_lost_points_too(needed, needing, asked):
    later = dataclasses.replace(DOUBLE, key="later", needs=["double", "absent"])
    observed = {"double": seen(needed), "later": seen(needing)}

    assert stand_ins([DOUBLE, later], observed, SEED) == asked


def test_what_was_not_found_or_not_decided_is_not_asked_with_a_stand_in():
    later = dataclasses.replace(DOUBLE, key="later", needs=["double"])
    ours, lost = Observed(None, error="ours"), seen(squared)

    for observed in (
        {"double": lost, "later": Observed(None)},
        {"double": ours, "later": lost},
        {"double": lost, "later": ours},
    ):
        assert stand_ins([DOUBLE, later], observed, SEED) == {}


# Misconceptions ---------------------------------------------------------------------


def test_a_misconception_is_named_with_its_advice_and_a_counterexample():
    finding = judge_question(DOUBLE, seen(squared), SEED).finding

    assert (finding.misconception, finding.advice) == ("squared", "You square x.")
    assert finding.shown_by is not None
    assert finding.where == FOUND.where


def all_of_it(x):
    """All of it, whatever is compared."""
    return x


def whole_numbers(rng):
    yield case([3.0, 4.0])
    yield case([5.0, 6.0])


def test_a_picture_shows_what_a_claim_compares_no_part_of():
    check = Check(
        "the first is doubled", whole_numbers, points=1, view=lambda x: x[0], picture=all_of_it
    )
    question = dataclasses.replace(DOUBLE, checks=[check])

    shown = judge_question(question, seen(squared, question), SEED).finding.shown_by

    assert shown.said == "got 9, expected 6"
    assert (list(shown.got), list(shown.expected)) == ([9, 16], [6, 8])
    assert shown.shows == "All of it, whatever is compared."


def test_a_call_is_shown_as_a_student_would_type_it():
    check = Check("it doubles", whole_numbers, points=1)
    question = dataclasses.replace(DOUBLE, checks=[check], typed=lambda x: f"double().forward({x})")

    shown = judge_question(question, seen(squared, question), SEED).finding.shown_by

    assert shown.call == "double().forward([3.0, 4.0])"


def test_a_misconception_is_known_by_no_more_than_the_question_says():
    draws = iter(np.random.default_rng(3).normal(size=(99, 3)))

    def random(x):
        """You draw random numbers."""
        return next(draws)[: len(x)]

    random_numbers = dataclasses.replace(DOUBLE, known_by=np.shape, misconceptions=[random])

    finding = judge_question(random_numbers, seen(random), SEED).finding
    assert finding.misconception == "random"


def test_a_misconception_is_named_also_where_the_sizes_are_fixed():
    def squared_of_three(x):
        return squared(x) if len(x) == 3 else np.zeros(9)

    assert judge_question(DOUBLE, seen(squared_of_three), SEED).finding.misconception == "squared"


def test_a_misconception_that_gives_nan_is_known_by_its_nan():
    assert judge_question(DOUBLE, seen(roots), SEED).finding.misconception == "roots"


@pytest.mark.parametrize(
    "program",
    [lambda x: 3 * x, lambda x: squared(x) if x[0] > 0 else -x, lambda x: np.full(3, np.nan)],
    ids=["another mistake", "on some cases only", "nan everywhere"],
)
def test_what_no_misconception_explains_has_none(program):
    finding = judge_question(DOUBLE, seen(program), SEED).finding

    assert finding.misconception is None
    assert finding.shown_by.said


def test_one_case_is_too_few_to_know_a_misconception_by():
    single = dataclasses.replace(DOUBLE, checks=[Check("it doubles", one, points=1)])
    expected = expectations(single, SEED)

    asked = seen(squared, single).trials

    assert diagnosis(single, expected, asked) == []
    assert not explains(single, expected, squared, asked)


def divided(x):
    """You divide by zero."""
    if np.sum(x) < 0:
        raise ZeroDivisionError("division by zero")
    return x


def test_a_failure_explains_a_failure_and_nothing_else():
    question = dataclasses.replace(DOUBLE, misconceptions=[divided], untouched=None)
    expected = expectations(question, SEED)

    def other_error(n, observation):
        return observation if observation.returned else Observation(Outcome.RAISED, error="Other")

    def no_error(n, observation):
        return observation if observation.returned else Observation(Outcome.PASSED, 1.0)

    def all_raised(n, observation):
        return Observation(Outcome.RAISED, error="ZeroDivisionError: division by zero")

    assert {r.error for results in expected.of(divided).values() for r in results} - {None}
    for change, holds, same in [
        (None, True, True),
        (other_error, True, False),
        (no_error, False, False),
        (all_raised, False, False),
    ]:
        asked = seen(divided, question, change=change).trials
        assert explains(question, expected, divided, asked) is holds
        assert explains(question, expected, divided, asked, same_errors=True) is same


def test_the_handout_is_blank_also_where_it_only_raises():
    loop = GENERATION.untouched

    def nothing(*rule):
        return None

    def change(n, observation):
        return Observation(Outcome.RAISED, error="NameError: name 'word' is not defined")

    def other(n, observation):
        return Observation(Outcome.RAISED, error="NameError: name 'modle' is not defined")

    blank = judge_question(GENERATION, seen(nothing, GENERATION, (), change), SEED)
    wrong = judge_question(GENERATION, seen(nothing, GENERATION, (), other), SEED)

    assert loop is not None
    assert (blank.outcome, blank.earned) == (Outcome.BLANK, 0.0)
    assert (wrong.outcome, wrong.earned) == (Outcome.RAISED, 0.0)


# What the code did ------------------------------------------------------------------


def test_what_came_back_is_told_whether_it_is_right_or_wrong():
    def told(results):
        return "; ".join(str(list(result)) for result in results)

    telling = dataclasses.replace(DOUBLE, account=told)

    def failing(n, observation):
        return Observation(Outcome.RAISED, error="no") if n == 1 else observation

    right = judge_question(telling, seen(double, telling), SEED)
    wrong = judge_question(telling, seen(lambda x: [1.0, 2.0], telling, (), failing), SEED)

    assert right.text.endswith("[2.0, 2.0, 2.0]")  # of the printed case, the last
    assert wrong.text == "; ".join(["[1.0, 2.0]"] * right.text.count("; "))  # but one
    assert judge_question(DOUBLE, seen(double), SEED).text == ""


MANY = {
    "rows of one number": np.zeros((2**20, 1), "i1"),
    "rows of nothing": np.zeros((2**20, 7, 0), "i1"),
    "arrays in a list": [np.zeros((2**15, 1), "i1")] * 3,
    "lists in a dict": {"a": [[0.0] * 1000] * 100},
}


@pytest.mark.parametrize("value", MANY.values(), ids=MANY)
def test_a_result_of_more_entries_than_any_right_one_is_not_gone_through(value):
    seen = []

    def form(result):
        seen.append(result)
        return result

    question = dataclasses.replace(qkv.QUESTION, form=form)
    results = lambda **_: value  # noqa: E731

    judgement = judge_question(question, handed_in(question, results, SEED), SEED)

    assert judgement.earned == 0
    assert "entries" in judgement.finding.shown_by.said
    assert not any(result is value for result in seen)


def test_a_right_result_of_many_entries_is_right():
    def large(x):
        return x * np.ones((400, 400))

    def sizes(rng):
        yield case(float(rng.normal()))
        yield case(float(rng.normal()))

    question = Question(
        key="large",
        title="large",
        target="large",
        reference=large,
        checks=[Check("it is right", sizes, points=1)],
    )

    assert judge_question(question, handed_in(question, large, SEED), SEED).earned == 1
    assert judge_question(question, handed_in(question, lambda x: x, SEED), SEED).earned == 0


def test_an_account_that_meets_what_it_cannot_tell_costs_nothing():
    telling = dataclasses.replace(DOUBLE, account=lambda results: results[0]["text"])

    judgement = judge_question(telling, seen(double, telling), SEED)

    assert (judgement.outcome, judgement.text) == (Outcome.PASSED, "")


# Alternatives -----------------------------------------------------------------------


def test_another_convention_is_right_as_a_whole_and_not_mixed_with_the_first():
    either = dataclasses.replace(DOUBLE, also_right=[halved])

    def mixed(x):
        return double(x) if x[0] > 0 else halved(x)

    assert judge_question(either, seen(halved), SEED).earned == 5.0
    assert judge_question(either, seen(double), SEED).earned == 5.0
    assert judge_question(either, seen(mixed), SEED).earned < 5.0
    assert judge_question(DOUBLE, seen(halved), SEED).earned == 0.0


# Points -----------------------------------------------------------------------------

third = st.sampled_from([1 / 3, 0.1, 0.25, 1.75, 2.0, 7.0])


@given(st.lists(third, min_size=1, max_size=5), st.data())
def test_points_have_two_decimals_and_never_exceed_what_is_possible(points, data):
    def view(n):
        return lambda x: np.ravel(x)[n % 3]

    checks = [Check(f"claim {n}", few, points=p, view=view(n)) for n, p in enumerate(points)]
    question = dataclasses.replace(DOUBLE, checks=checks, untouched=None)
    spoilt = data.draw(st.sets(st.integers(0, 2)))

    def program(x):
        return double(x) + [n in spoilt for n in range(3)]

    judgement = judge_question(question, seen(program, question), SEED)

    assert 0 <= judgement.earned <= judgement.possible
    for number in (judgement.earned, judgement.possible):
        assert number == round(number, 2)
    assert (judgement.outcome is Outcome.PASSED) == (judgement.earned == judgement.possible)
    held = [n % 3 not in spoilt for n in range(len(points))]
    assert [v.outcome is Outcome.PASSED for v in judgement.verdicts] == held


returned = st.sampled_from(
    [None, 1.0, "text", [], (), {}, [None], [[1], [1, 2]], np.ones(3), np.array(1j), {"words": 1},
     {"words": [np.ones(2)], "asked": "x"}, (np.ones(3), 1), float("nan"), [np.ones((1, 1))] * 3]
)  # fmt: skip
ALL = [qkv, softmax, attention, self_attention, multihead]


@pytest.mark.parametrize("question", [*(m.QUESTION for m in ALL), GENERATION], ids=lambda q: q.key)
@settings(deadline=None)  # the first of a question draws its cases
@given(data=st.data())
def test_whatever_comes_back_there_is_a_judgement(question, data):
    def change(n, observation):
        kind = data.draw(st.sampled_from([*Outcome][:1] * 3 + [Outcome.RAISED, Outcome.TIMED_OUT]))
        return Observation(kind, data.draw(returned), error="error")

    judgement = judge_question(question, seen(question.reference, question, (), change), SEED)

    assert judgement.outcome.decided
    assert 0 <= judgement.earned <= judgement.possible == round(question.points, 2)


# Texts, and notebooks that are not there --------------------------------------------


def test_a_text_is_shown_and_left_to_a_person():
    question = Written("essay", "Essay", 8, ("essay",))

    judgement = judge_written(question, Observed(FOUND, text="Because."))

    assert (judgement.outcome, judgement.earned) == (Outcome.NEEDS_REVIEW, None)
    assert (judgement.possible, judgement.text, judgement.written) == (8, "Because.", True)
    assert judge_written(question, None).text == ""


@pytest.mark.parametrize("outcome, earned", [(Outcome.MISSING, 0.0), (Outcome.ERROR, None)])
@pytest.mark.parametrize(
    "question", [DOUBLE, Written("essay", "Essay", 5, ())], ids=["code", "text"]
)
def test_a_notebook_that_is_not_there_is_zero_and_one_of_ours_is_undecided(
    question, outcome, earned
):
    judgement = undecided(question, outcome, "why")

    assert (judgement.outcome, judgement.earned, judgement.possible) == (outcome, earned, 5)
    assert judgement.verdicts
    assert all(verdict.earned == earned for verdict in judgement.verdicts)


# As the student would type it -------------------------------------------------------


@pytest.mark.parametrize(
    "target, each, typed",
    [
        ("double", case(np.ones(3)), "double([1.0, 1.0, 1.0])"),
        ("double", case(np.ones((3, 4)), 2), "double(<array (3, 4)>, 2)"),
        ("double", case(np.ones(9), np.zeros(8)), f"double(<array (9,)>, {[0.0] * 8})"),
        ("double", case(0.123456789, "a"), "double(0.123457, 'a')"),
        ("double", case(1, 2, 3), "double(1, 2, 3)"),
        ("double", case(1, 2, 3, 4), "double(1, 2, 3, …)"),
        ("double", case([1.23456, 2.0]), "double([1.2346, 2.0])"),
        (
            Cell("a", "b"),
            case(given={"N": 3, "D": 4, "X": np.ones((4, 3))}),
            "a, b, made anew with N = 3, D = 4",
        ),
        (Cell("a"), case(2, said="a fair coin"), "a, made anew with a fair coin"),
    ],
    ids=[
        "array",
        "large array",
        "just so large",
        "scalars",
        "three",
        "four",
        "list",
        "cell",
        "said in words",
    ],
)
def test_a_call_is_shown_as_the_student_would_type_it(target, each, typed):
    assert as_typed(dataclasses.replace(DOUBLE, target=target), each) == typed


def test_a_tolerance_belongs_to_the_question():
    loose = dataclasses.replace(DOUBLE, tolerance=Tolerance(rtol=0.5))

    assert judge_question(loose, seen(lambda x: 2.2 * x, loose), SEED).earned == 5.0
    assert judge_question(DOUBLE, seen(lambda x: 2.2 * x), SEED).earned == 0.0


# packages that this machine lacks -----------------------------------------------------------


def judged(outcome, earned, written=False):
    verdicts = (Verdict("a", Outcome.PASSED, 1.0, 1.0), Verdict("b", Outcome.RAISED, 0.0, 1.0))
    return Judgement("q", "Q", outcome, earned, 2.0, verdicts, flags=("x",), written=written)


def test_points_lost_in_a_notebook_with_a_missing_package_wait_for_a_person():
    was = judged(Outcome.PARTIAL, 1.0)

    now = doubted(was, ("scipy", "einops"))

    assert (now.outcome, now.earned, now.flags) == (
        Outcome.NEEDS_REVIEW,
        None,
        ("package_missing", "x"),
    )
    assert [(v.outcome, v.earned) for v in now.verdicts] == [
        (Outcome.PASSED, 1.0),
        (Outcome.NEEDS_REVIEW, None),
    ]
    assert "pip install scipy einops" in now.finding.advice


@pytest.mark.parametrize(
    "was",
    [
        judged(Outcome.PASSED, 2.0),
        judged(Outcome.BLANK, 0.0),
        judged(Outcome.MISSING, 0.0),
        judged(Outcome.NEEDS_REVIEW, None, written=True),
    ],
    ids=["right", "blank", "missing", "text"],
)
def test_a_missing_package_changes_nothing_that_it_cannot_explain(was):
    assert doubted(was, ("scipy",)) is was


def test_without_a_missing_package_every_judgement_stands():
    was = judged(Outcome.FAILED, 0.0)
    assert doubted(was, ()) is was


def test_a_program_of_another_convention_is_proved_too():
    def doubled(x):
        return x + x

    question = dataclasses.replace(DOUBLE, also_right=[doubled])
    assignment = SimpleNamespace(notebooks={"colab1": SimpleNamespace(questions=[question])})

    kinds = [(row.kind, row.outcome) for row in proof(assignment, 1)]
    assert ("also right", Outcome.PASSED) in kinds
