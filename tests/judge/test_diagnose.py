"""Slips: named alone and together, fewest first; what is not told apart is named together."""

import dataclasses

import numpy as np
import pytest
from msgspec import structs

from grader.authoring import Check, Question, Slip, case
from grader.errors import AssignmentError
from grader.judge import diagnose
from grader.judge.diagnose import diagnosis, explanations, unseen
from grader.judge.expectations import expectations
from grader.judge.proof import combinations, handed_in, proof, row
from grader.judge.questions import judge_question
from grader.model import Finding, Judgement, Outcome, Verdict
from reference.week14 import softmax

SEED = 3


def line(x):
    """3 x + 2."""
    return 3 * np.asarray(x, float) + 2


def line_with_slips(x, *, slope=3, offset=2, sign=1):
    return sign * (slope * np.asarray(x, float) + offset)


def untouched(x):
    """It returns its input."""
    return np.asarray(x)


def squared(x):
    """You square x."""
    return np.asarray(x) ** 2


def of_five(rng):
    for _ in range(3):
        yield case(rng.normal(size=5))


def of_one(rng):
    yield case(rng.normal(size=5))


def of_any(rng):
    for length in (1, 9):
        yield case(rng.normal(size=length))


FLAT = Slip("flat", "You leave x out.", slope=0)
NO_OFFSET = Slip("no_offset", "You forget the 2.", offset=0)
TURNED = Slip("turned", "Your sign is wrong.", sign=-1)
DOUBLED = Slip("doubled", "You\n  double both.", slope=6, offset=4)
TWICE = Slip("twice", "You return it twice.", sign=2)
NO_EFFECT = Slip("no_effect", "Nobody sees it.", unseen=True, sign=1.0)

LINE = Question(
    key="line",
    title="A line",
    target="line",
    reference=line,
    program=line_with_slips,
    untouched=untouched,
    checks=[
        Check("it is right", of_five, points=3),
        Check("it is right but for the sign", of_five, points=1, or_after=[np.negative]),
        Check("for other sizes", of_any, points=1, other_sizes=True),
    ],
    misconceptions=[squared, FLAT, NO_OFFSET, TURNED, NO_EFFECT],
)


def judged(question, program):
    return judge_question(question, handed_in(question, program, SEED), SEED)


def slipping(**switches):
    return lambda x: line_with_slips(x, **switches)


@pytest.mark.parametrize(
    "switches, named, advice",
    [
        ({"slope": 0}, "flat", "You leave x out."),
        ({"offset": 0}, "no_offset", "You forget the 2."),
        (
            {"offset": 0, "sign": -1},
            "no_offset + turned",
            "Two things together: (1) You forget the 2. (2) Your sign is wrong.",
        ),
    ],
    ids=["one", "another", "both"],
)
def test_a_wrong_result_is_explained_by_the_fewest_slips(switches, named, advice):
    finding = judged(LINE, slipping(**switches)).finding

    assert (finding.misconception, finding.advice) == (named, advice)


def test_three_slips_are_found_too():
    four = Slip("cubed", "You cube.", power=3)

    def program(x, *, slope=3, offset=2, sign=1, power=1):
        return sign * (slope * np.asarray(x, float) ** power + offset)

    question = dataclasses.replace(LINE, program=program, misconceptions=[NO_OFFSET, TURNED, four])

    def three(x):
        return program(x, offset=0, sign=-1, power=3)

    finding = judged(question, three).finding

    assert finding.misconception == "no_offset + turned + cubed"
    assert finding.advice.startswith("Three things together: (1) ")


def test_slips_that_no_result_tells_apart_are_named_together():
    question = dataclasses.replace(LINE, misconceptions=[DOUBLED, TURNED, TWICE])

    finding = judged(question, slipping(sign=2)).finding

    assert finding.misconception == "doubled or twice"
    assert finding.advice == (
        "One of these explains your result, and no result can tell which. "
        "Either: You double both. Or: You return it twice."
    )


def test_a_program_may_explain_what_has_no_array():
    def pair(x):
        return {"text": ["a", "b"]}

    def other(x):
        """You say c."""
        return {"text": ["c", str(round(float(x[0]), 6))]}

    question = dataclasses.replace(
        LINE, reference=pair, program=None, untouched=None, misconceptions=[other]
    )

    assert judged(question, other).finding.misconception == "other"


@pytest.mark.parametrize(
    "program",
    [
        lambda x: line(x) + 0.1 * np.sin(np.arange(len(x))),
        lambda x: line(x)[:2],
        lambda x: "text",
        lambda x: line_with_slips(x, offset=0) if x[0] > -9 and round(x[0], 3) != KEY else x,
    ],
    ids=["near", "another shape", "no numbers", "on one case only"],
)
def test_what_no_slips_explain_has_no_name(program):
    assert judged(LINE, program).finding.misconception is None


KEY = round(float(expectations(LINE, SEED).cases[LINE.trials[0].name][1].args[0][0]), 3)


def test_a_form_that_fails_on_a_result_explains_nothing():
    def strict(value):
        if isinstance(value, str):
            raise TypeError
        return value

    question = dataclasses.replace(LINE, form=strict)

    assert judged(question, lambda x: "text").finding.misconception is None


def test_where_no_call_returned_nothing_is_looked_up():
    def broken(x):
        raise ZeroDivisionError

    observed = handed_in(LINE, broken, SEED)

    assert diagnosis(LINE, expectations(LINE, SEED), observed.trials) == []


def test_a_slip_that_fails_on_the_case_is_no_candidate():
    failing = Slip("failing", "It fails.", slope="three")
    question = dataclasses.replace(LINE, misconceptions=[failing, NO_OFFSET])

    assert judged(question, slipping(offset=0)).finding.misconception == "no_offset"


def test_slips_of_one_switch_do_not_combine_and_what_cannot_be_seen_is_left_out():
    question = dataclasses.replace(LINE, misconceptions=[FLAT, DOUBLED, TURNED, NO_EFFECT])

    pairs = [e.names for e in explanations(question, 2)]

    assert pairs == [("flat", "turned"), ("doubled", "turned")]
    assert [e.names for e in unseen(question)] == [("no_effect",)]


def test_too_many_combinations_are_not_tried(monkeypatch):
    monkeypatch.setattr(diagnose, "MOST_TRIED", 2)
    question = dataclasses.replace(LINE)

    assert len(explanations(question, 1)) == 4
    assert explanations(question, 2) == ()


def test_a_claim_may_hold_after_a_change_of_the_result():
    judgement = judged(LINE, slipping(sign=-1))

    assert [v.earned for v in judgement.verdicts] == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    "slip, program, said",
    [
        (Slip("mute", " ", slope=1), line_with_slips, "slip mute has no advice"),
        (FLAT, None, "slip flat is a slip of a program"),
        (Slip("lost", "Lost.", slop=1), line_with_slips, "sets 'slop', which is no keyword-only"),
        (Slip("lost", "Lost.", x=1), line_with_slips, "sets 'x', which is no keyword-only"),
    ],
    ids=["no advice", "no program", "no such switch", "no switch"],
)
def test_a_slip_that_cannot_be_is_refused_where_it_is_written(slip, program, said):
    with pytest.raises(AssignmentError, match=said):
        dataclasses.replace(LINE, program=program, misconceptions=[slip])


# the proof ----------------------------------------------------------------------------------------


def rows(question, kind):
    from grader.authoring import Assignment, Notebook

    made = Assignment(
        "lines",
        "Lines",
        {"one": question.points},
        {"one": Notebook("One", [question])},
        "{student}",
    )
    return [row for row in proof(made, SEED) if row.kind == kind]


def test_the_proof_has_the_program_each_slip_and_what_nobody_sees():
    assert [(r.program, r.breach) for r in rows(LINE, "program")] == [("line_with_slips", "")]
    assert [r.program for r in rows(LINE, "misconception")] == [
        "squared",
        "flat",
        "no_offset",
        "turned",
    ]
    assert [(r.program, r.breach) for r in rows(LINE, "unseen")] == [("no_effect", "")]


def test_a_slip_that_is_said_to_be_unseen_but_loses_points_is_a_breach():
    seen = Slip("seen", "It is seen.", unseen=True, sign=-1)
    question = dataclasses.replace(LINE, misconceptions=[seen])

    assert [r.breach for r in rows(question, "unseen")] == ["it is right, but loses points"]


def test_a_program_that_is_not_the_reference_is_a_breach():
    question = dataclasses.replace(
        LINE, program=lambda x, *, sign=1: line(x) + sign, misconceptions=[]
    )

    assert [r.breach for r in rows(question, "program")] == ["it is right, but loses points"]


def test_a_handout_that_one_case_tells_nothing_of_is_a_breach():
    question = dataclasses.replace(LINE, checks=[Check("it is right", of_one, points=3)])

    assert [r.breach for r in rows(question, "handout")] == [
        "the handout is not recognised as blank"
    ]


def test_a_misconception_that_is_taken_for_another_or_loses_nothing_is_a_breach():
    harmless = Slip("harmless", "It is none.", slope=3.0)
    again = Slip("again", "As before.", sign=-1)
    question = dataclasses.replace(LINE, misconceptions=[TURNED, harmless, again])

    assert [(r.program, r.named, r.breach) for r in rows(question, "misconception")] == [
        ("turned", "turned or again", ""),
        ("harmless", "", "it is wrong, but loses nothing"),
        ("again", "turned or again", ""),
    ]


def test_a_question_without_a_program_has_no_row_for_one():
    question = dataclasses.replace(LINE, program=None, untouched=None, misconceptions=[squared])

    assert rows(question, "program") == rows(question, "handout") == []
    assert [r.breach for r in rows(question, "reference")] == [""]


def test_a_call_of_its_own_has_a_reference_of_its_own_and_explains_nothing():
    def by_half(target, x):
        return target(x) / 2

    own = Check(
        "half of it is right", of_five, points=2, call=by_half, reference=lambda x: line(x) / 2
    )
    question = dataclasses.replace(LINE, checks=[own, *LINE.checks])
    expected = expectations(question, SEED)

    assert set(expected.of(line)) == {
        "of_five by directly",
        "of_any by directly",
        "of_five by by_half",
    }
    assert set(expected.of(squared)) == {"of_five by directly", "of_any by directly"}
    for case_, result in zip(
        expected.cases["of_five by by_half"], expected.of(line)["of_five by by_half"], strict=True
    ):
        np.testing.assert_array_equal(result.value, line(*case_.args) / 2)
    # as a student's code is asked: the claim about the other call is no case of a misconception
    seen = handed_in(question, slipping(slope=0), SEED)
    half = handed_in(LINE, lambda x: line(x) / 2, SEED).trials["of_five by directly"]
    seen = structs.replace(seen, trials={**seen.trials, "of_five by by_half": half})
    judgement = judge_question(question, seen, SEED)
    assert [v.earned for v in judgement.verdicts] == [2, 0, 0, 0]
    assert judgement.finding.misconception == "flat"


def test_combinations_are_counted_by_how_they_fare():
    found = combinations(LINE, 2, SEED)

    assert (found.tried, found.equal, found.missed, found.unsaid) == (3, (), (), ())


def test_combinations_that_cancel_out_or_pass_or_go_unnamed_are_told():
    def program(x, *, sign=1, turned=1, tail=0.0, hidden=0.0):
        result = sign * turned * line(x) + hidden
        return np.append(result, tail) if tail else result

    def first(result):
        return np.asarray(result)[:1]

    question = dataclasses.replace(
        LINE,
        program=program,
        checks=[Check("the first is right", of_five, points=3, view=first)],
        misconceptions=[
            Slip("sign", "The sign.", sign=-1),
            Slip("turned", "Turned.", turned=-1),
            Slip("tail", "A tail.", tail=1.0),
            Slip("hidden", "Hidden.", hidden=1e-9),
        ],
    )

    found = combinations(question, 2, SEED)

    assert found.tried == 6
    assert found.equal == ("sign + turned",)
    assert found.missed == ("tail + hidden",)


def test_combinations_of_which_one_case_tells_too_little_go_unnamed():
    question = dataclasses.replace(LINE, checks=[Check("it is right", of_one, points=3)])

    assert combinations(question, 2, SEED).unsaid == (
        "flat + no_offset",
        "flat + turned",
        "no_offset + turned",
    )


def test_what_overflows_on_large_numbers_is_told_what_else_is_wrong(judged):
    def naive(items_in):
        exp = np.exp(-np.ravel(items_in))
        return exp / exp.sum()

    assert judged(softmax.QUESTION, naive).finding.misconception == "sign_turned"


@pytest.mark.parametrize(
    "kind, outcome, earned, named, breach",
    [
        ("handout", Outcome.BLANK, 0.0, None, ""),
        ("handout", Outcome.FAILED, 0.0, None, "the handout is not recognised as blank"),
        ("misconception", Outcome.FAILED, 4.0, "flat", "it is wrong, but loses nothing"),
        ("misconception", Outcome.FAILED, 0.0, "flat", ""),
        ("misconception", Outcome.FAILED, 3.0, "turned or flat", ""),
        ("misconception", Outcome.FAILED, 3.0, "flattened", "it is not recognised as itself"),
        ("misconception", Outcome.FAILED, 3.0, "flat + turned", "it is not recognised as itself"),
        ("misconception", Outcome.NEEDS_REVIEW, None, None, "it is not recognised as itself"),
        ("variant", Outcome.PASSED, 4.0, None, ""),
        ("variant", Outcome.NEEDS_REVIEW, None, None, "it is right, but loses points"),
        ("wrong", Outcome.FAILED, 0.0, None, ""),
    ],
)
def test_a_program_that_does_not_fare_as_its_kind_must_is_a_breach(
    kind, outcome, earned, named, breach
):
    verdicts = (Verdict("it holds", Outcome.PASSED, 1, 1), Verdict("all", outcome, earned, 3))
    finding = Finding("advice", misconception=named)
    judged = Judgement("line", "A line", outcome, earned, 4, verdicts, finding)

    made = row("lab", judged, "flat", kind)

    assert made.breach == breach
    assert (made.earned, made.claims) == (earned or 0.0, (("it holds", 1), ("all", 3)))
    assert made.holds == (True, outcome is Outcome.PASSED)
