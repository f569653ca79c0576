"""From several answers to a question to the one that counts, or to a person's decision."""

import dataclasses

import numpy as np
import pytest
from msgspec.structs import replace

from grader.authoring import Cell
from grader.judge.questions import judge_question, stand_ins
from grader.model import Found, Observation, Observed, Outcome, Place
from tests.judge.test_questions import DOUBLE, FOUND, SEED, double, seen, untouched


def tripled(x):
    return 3 * np.asarray(x)


def on_the_side(x):
    """Right in its sum only."""
    return np.sum(x) * np.eye(1, len(x))[0] * 2


def answers(*programs, question=DOUBLE, names=()):
    """A notebook that answers with each program in turn, from cell 1 on."""
    made = []
    for cell, program in enumerate(programs, 1):
        name = names[cell - 1] if names else "double"
        made.append(replace(seen(program), found=Found(name, Place(cell, 1), 2)))
    last, *others = reversed(made)
    return replace(last, others=tuple(others))


def told(observed, question=DOUBLE):
    judgement = judge_question(question, observed, SEED)
    return (
        judgement.outcome.value,
        judgement.earned,
        judgement.found.where.cell,
        judgement.flags,
    )


@pytest.mark.parametrize(
    "programs, said",
    [
        ((double, double), ("passed", 5, 2, ())),
        ((tripled, double), ("passed", 5, 2, ())),
        ((untouched, double), ("passed", 5, 2, ())),
        ((double, untouched), ("passed", 5, 1, ("redefined",))),
        ((on_the_side, untouched), ("partial", 1, 1, ("redefined",))),
        ((double, tripled), ("needs_review", None, 2, ("redefined",))),
        ((double, on_the_side, untouched), ("needs_review", None, 2, ("redefined",))),
        ((on_the_side, double, untouched), ("passed", 5, 2, ("redefined",))),
        ((on_the_side, on_the_side), ("partial", 1, 2, ())),
        ((tripled, on_the_side), ("partial", 1, 2, ())),
        ((tripled, untouched), ("blank", 0, 2, ())),
        ((untouched, untouched), ("blank", 0, 2, ())),
        ((untouched, tripled), ("failed", 0, 2, ())),
    ],
    ids=lambda value: " ".join(p.__name__ for p in value) if callable(value[0]) else "",
)
def test_the_last_answer_counts_unless_it_is_none_or_an_earlier_one_earns_more(programs, said):
    assert told(answers(*programs)) == said


def test_a_person_is_told_what_each_answer_would_earn():
    judgement = judge_question(DOUBLE, answers(double, on_the_side, tripled), SEED)

    assert judgement.finding.advice == (
        "It is answered more than once, and a person has to say which answer counts. "
        "Of 5 points would earn: double in cell 3 0, double in cell 2 1, double in cell 1 5."
    )
    assert [v.earned for v in judgement.verdicts] == [None] * 4


def test_what_was_used_is_said_with_how_it_was_used():
    observed = answers(double, untouched)
    named = replace(observed.others[0].found, note="its arguments were given by name")
    other = replace(observed.others[0], found=named)

    judgement = judge_question(DOUBLE, replace(observed, others=(other,)), SEED)

    assert judgement.found.note == (
        "double in cell 2 is as it was handed out; this was used in its place; "
        "its arguments were given by name"
    )


@pytest.mark.parametrize(
    "programs, names, said",
    [
        ((double, untouched), ("twice", "double"), ("passed", 5, 1, ("redefined",))),
        ((double, on_the_side), ("twice", "double"), ("partial", 1, 2, ())),
        (
            (on_the_side, double, untouched),
            ("double", "twice", "double"),
            ("partial", 1, 1, ("redefined",)),
        ),
        ((double, on_the_side), ("twice", "twofold"), ("needs_review", None, 2, ("redefined",))),
    ],
    ids=["nothing of its name", "its name first", "its name first, too", "no name"],
)
def test_another_name_is_looked_at_where_nothing_answers_under_the_asked_one(programs, names, said):
    assert told(answers(*programs, names=names)) == said


def test_of_two_orders_of_its_arguments_the_better_one_is_meant():
    by_name, by_position = answers(tripled), answers(double)

    assert told(replace(by_name, others=(by_position,))) == ("passed", 5, 1, ())
    assert told(replace(answers(on_the_side), others=(by_name,))) == ("partial", 1, 1, ())


def test_cells_that_make_the_same_are_answers_of_one_name():
    question = dataclasses.replace(DOUBLE, target=Cell("doubled"))
    observed = answers(double, on_the_side, names=("doubled", "doubled"))

    assert told(observed, question)[0] == "needs_review"


def test_another_answer_that_could_not_be_asked_decides_nothing():
    def unasked(n, observation):
        return Observation(Outcome.NEEDS_REVIEW, error="no way in")

    there = answers(on_the_side, untouched)
    other = replace(seen(double, change=unasked), found=Found("double", Place(9, 1), 1))

    assert told(replace(there, others=(other, *there.others)))[:3] == ("partial", 1, 1)
    assert told(replace(other, others=(there,)))[:3] == ("needs_review", None, 9)
    assert told(replace(there, others=(Observed(None, error="ours"),)))[:3] == ("blank", 0, 2)


def test_what_the_notebook_calls_is_its_last_answer_whichever_counts():
    later = dataclasses.replace(DOUBLE, key="later", needs=["double"])
    observed = {"double": answers(double, untouched), "later": answers(tripled)}

    assert stand_ins([DOUBLE, later], observed, SEED) == {"later": ("double",)}


def test_of_two_orders_of_arguments_that_earn_the_same_the_names_count():
    by_name = replace(seen(on_the_side), found=replace(FOUND, note="by their names"))
    by_position = replace(seen(on_the_side), found=replace(FOUND, note="by position"))

    judgement = judge_question(DOUBLE, replace(by_name, others=(by_position,)), SEED)

    assert (judgement.earned, judgement.found.note) == (1, "by their names")


def test_what_could_not_be_asked_waits_for_a_person_whatever_else_there_is():
    def unasked(_, observation):
        return replace(observation, outcome=Outcome.NEEDS_REVIEW, error="no list of words")

    last = seen(double, change=unasked)
    earlier = replace(seen(double), found=replace(FOUND, where=Place(1, 1)))

    judgement = judge_question(DOUBLE, replace(last, others=(earlier,)), SEED)

    assert (judgement.outcome, judgement.earned) == (Outcome.NEEDS_REVIEW, None)
    assert "no list of words" in judgement.finding.advice
