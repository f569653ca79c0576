"""The assignment of week 14 judges as it should: proved before any student is graded."""

import dataclasses

import numpy as np
import pytest

from grader.authoring import Question
from grader.ingest import variants
from grader.judge.diagnose import explanations
from grader.judge.expectations import expectations
from grader.judge.proof import combinations, proof
from grader.sandbox.probe import Cases, call_source
from reference.week14 import ASSIGNMENT

QUESTIONS = [q for q in ASSIGNMENT.questions if isinstance(q, Question)]
EACH_QUESTION = pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q.key)
SEEDS = pytest.mark.parametrize("seed", [0, 1, 2, 10, 1234, 2**31, 2**64 - 1])


def test_every_misconception_of_the_encoding_is_among_the_wrong_programs():
    (question,) = (q for q in QUESTIONS if q.key == "positional_encoding")
    styles = {v.style for v in variants.wrong(ASSIGNMENT) if v.question == question.key}

    assert {name for e in explanations(question, 1) for name in e.names} <= styles


@SEEDS
def test_no_program_is_judged_otherwise_than_as_what_it_is(seed):
    assert [row for row in proof(ASSIGNMENT, seed) if row.breach] == []


def test_the_proof_covers_every_question_with_every_kind_of_program():
    kinds = {(row.question, row.kind) for row in proof(ASSIGNMENT, 0)}

    for question in QUESTIONS:
        for kind in ("reference", "handout", "misconception"):
            assert (question.key, kind) in kinds


def broken(question, **change):
    """The assignment with one question changed."""
    notebook = dataclasses.replace(
        ASSIGNMENT.notebooks["colab1"],
        questions=[dataclasses.replace(question, needs=(), **change)],
    )
    return dataclasses.replace(
        ASSIGNMENT, points={"colab1": notebook.points}, notebooks={"colab1": notebook}
    )


def harmless(*args, **given):
    """A misconception that is none."""
    return QUESTIONS[3].reference(*args, **given)


def scaled(*args):
    """A misconception that the handout holds."""
    (explanation,) = (e for e in explanations(QUESTIONS[3], 1) if e.names == ("scaled",))
    return explanation.program(*args)


@pytest.mark.parametrize(
    "change, breach",
    [
        ({"misconceptions": [harmless]}, "it is wrong, but loses nothing"),
        ({"untouched": harmless}, "it is right, but loses points"),
        ({"untouched": scaled}, "it is not recognised as itself"),
    ],
    ids=["harmless", "right is blank", "hidden by the handout"],
)
def test_an_assignment_that_judges_wrongly_is_caught(change, breach):
    assert breach in {row.breach for row in proof(broken(QUESTIONS[3], **change), 0)}


@pytest.mark.parametrize(
    "notebook, points",
    [
        ("colab1", {"qkv": 6, "softmax": 6, "attention": 8, "self_attention": 10}),
        ("colab2", {"multihead": 30}),
        (
            "colab3",
            {"positional_encoding": 12, "generation": 12, "description": 8, "discussion": 8},
        ),
    ],
)
def test_points_are_as_promised(notebook, points):
    questions = ASSIGNMENT.notebooks[notebook].questions

    assert {q.key: q.points for q in questions} == points
    assert ASSIGNMENT.points[notebook] == sum(points.values())


def test_the_published_case_and_advice_are_worth_nothing():
    for question in QUESTIONS:
        for check in question.checks:
            advice = ("overflow", "smallest", "handed in", "beyond 200", "odd d_model")
            if check.published or any(word in check.claim for word in advice):
                assert check.points == 0
            else:
                assert check.points > 0


def test_other_sizes_have_a_small_share_only():
    for question in QUESTIONS:
        share = sum(check.points for check in question.checks if check.other_sizes)
        assert share <= question.points / 5


@pytest.mark.parametrize("many", [2, 3])
@EACH_QUESTION
def test_no_combination_of_slips_passes_and_each_is_named(question, many):
    found = combinations(question, many, 11)

    assert (found.equal, found.missed, found.unsaid) == ((), (), ())


@EACH_QUESTION
def test_every_call_runs_on_its_own_in_the_sandbox(question):
    for trial in question.trials:
        source = call_source(trial.call)
        assert source == "" or f"def {trial.call.__name__}(" in source
        compile(source, "<call>", "exec")


@EACH_QUESTION
def test_every_case_can_be_sent(question):
    for cases in expectations(question, 0).cases.values():
        assert Cases(cases).text and len(cases) > 0


@EACH_QUESTION
def test_cases_are_the_same_for_every_student_and_others_for_another_seed(question):
    for trial in question.trials:
        assert Cases(trial.draw(5)).text == Cases(trial.draw(5)).text
    drawn = [[Cases(trial.draw(seed)).text for trial in question.trials] for seed in (5, 6)]
    assert drawn[0] != drawn[1]


@EACH_QUESTION
def test_advice_is_said_to_the_student_in_whole_sentences(question):
    for wrong in explanations(question, 1):
        (advice,) = wrong.advice
        assert advice[0].isupper()
        assert advice.endswith(".")


@EACH_QUESTION
def test_the_reference_leaves_its_inputs_as_they_are(question):
    for cases in expectations(question, 3).cases.values():
        before = Cases(cases).text
        for case in cases:
            for program in (question.reference, *(e.program for e in explanations(question, 1))):
                try:
                    with np.errstate(all="ignore"):
                        question.run(program, case)
                except (ValueError, TypeError, IndexError):
                    continue
        assert Cases(cases).text == before
