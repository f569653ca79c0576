"""What a file alone gives rise to: flags on the questions, and never a point."""

import numpy as np
import pytest

from grader.authoring import Check, Question, Tolerance
from grader.grade.suspicions import _times, flagged, not_executed, saved, suspected
from grader.model import Judgement, NotebookCell, Outcome, Verdict

TOLERANCE = Tolerance()
RIGHT = np.array([[0.94744244, 1.64201168], [-0.24348429, -0.08470004], [-0.91310441, 4.02764044]])
PRINTED = str(RIGHT)
SAID = f'print(out)\nprint("""{PRINTED}""")'
WRONG = str(RIGHT + 1)


def code(source, output="", executed=True):
    return NotebookCell("code", source, output, executed)


@pytest.mark.parametrize(
    "cells, idle",
    [
        ([], False),
        ([NotebookCell("markdown", "# a")], False),
        ([code("", executed=False)], False),
        ([code("x = 1", executed=False), NotebookCell("markdown", "a")], True),
        ([code("x = 1", executed=False), code("y = 1")], False),
    ],
    ids=["empty", "no code", "nothing written", "never", "one of two"],
)
def test_a_notebook_was_not_executed_if_none_of_its_code_was(cells, idle):
    assert not_executed(cells) == idle


@pytest.mark.parametrize(
    "cells, shows",
    [
        ([code(SAID, f"{PRINTED}\n{PRINTED}")], True),
        ([code(SAID, f"{WRONG}\n{PRINTED}")], False),
        ([code(SAID, PRINTED)], False),
        ([code("print(out)", PRINTED)], True),
        ([code("print(out)", str(RIGHT.T))], True),
        ([code("print(out)", "".join(f"x_{n}: {row}\n" for n, row in enumerate(RIGHT.T)))], True),
        ([code("print(out)", str(np.round(RIGHT, 3)))], True),
        ([code("print(out)", f"a3 {PRINTED[:-9]}")], False),
        ([code(SAID.replace("print", "true = ")), code("print(true)", PRINTED)], False),
        ([NotebookCell("markdown", PRINTED, PRINTED)], False),
        ([code("print(out)")], False),
    ],
    ids=[
        "beside the text",
        "text only",
        "printed once",
        "no text",
        "transposed",
        "one after another",
        "rounded",
        "cut off",
        "by a name",
        "no code",
        "no output",
    ],
)
def test_saved_output_shows_a_value_if_more_is_printed_than_the_source_says(cells, shows):
    assert saved(cells, RIGHT, TOLERANCE) == shows


def test_few_numbers_are_met_by_chance_and_parts_are_looked_for_one_by_one():
    assert not saved([code("print(x)", "0.5 0.5")], np.array([0.5, 0.5]), TOLERANCE)
    for value in ([np.zeros(2), [1.5, 2.5, 3.5]], np.array([[[0, 0, 0]], [[1.5, 2.5, 3.5]]])):
        assert saved([code("print(x)", "1.5 2.5 3.5")], value, TOLERANCE)
    assert not saved([code("print(x)", "1.5 2.5 3.5")], ["1.5 2.5 3.5", "x"], TOLERANCE)


def question():
    checks = [Check("fresh", None, 4), Check("printed", None, 0, published=True)]
    return Question("q", "Q", "f", lambda x: x, checks)


def judged(printed, outcome=Outcome.FAILED, key="q"):
    verdicts = (Verdict("fresh", Outcome.FAILED, 0.0, 4), Verdict("printed", printed, 0.0, 0))
    return Judgement(key, "Q", outcome, 0.0, 4, verdicts, flags=("z",))


@pytest.mark.parametrize(
    "judgement, flags",
    [
        (judged(Outcome.FAILED), ("saved_output_differs", "z")),
        (judged(Outcome.MISSING, Outcome.MISSING), ("saved_output_differs", "z")),
        (judged(Outcome.PASSED), ("z",)),
        (judged(Outcome.ERROR, Outcome.ERROR), ("z",)),
        (judged(Outcome.NEEDS_REVIEW), ("z",)),
        (judged(Outcome.FAILED, key="a text"), ("z",)),
    ],
    ids=["failed", "missing", "passed", "our error", "not asked", "no code question"],
)
def test_what_the_run_gives_too_or_cannot_tell_is_not_flagged(judgement, flags):
    cells = [code("print(out)", PRINTED)]

    (made,) = suspected([judgement], {"q": question()}, {"q": [RIGHT]}, cells)

    assert made.flags == flags
    assert (made.earned, made.outcome) == (judgement.earned, judgement.outcome)


def test_an_unexecuted_notebook_is_flagged_at_its_code_questions_alone():
    cells = [code("x = 1", executed=False)]

    made = suspected(
        [judged(Outcome.FAILED), judged(Outcome.FAILED, key="t")], {"q": question()}, {}, cells
    )

    assert [j.flags for j in made] == [("not_executed", "z"), ("z",)]


def test_a_flag_that_is_there_changes_nothing():
    judgement = judged(Outcome.FAILED)
    assert flagged(judgement, ["z"]) is judgement


def test_more_numbers_than_an_output_has_are_not_in_it():
    assert _times([np.ones(3)], np.ones(2), Tolerance()) == 0
