"""What people decided counts in place of what the rules said, for the file that they read."""

import pytest
from msgspec.structs import replace

from grader.grade.reviews import merged, reviewed
from grader.model import (
    Execution,
    Finding,
    Grade,
    Gradebook,
    Judgement,
    NotebookGrade,
    Outcome,
    Record,
    Review,
    Submission,
    Verdict,
)

TEXT = Judgement(
    "description",
    "Description",
    Outcome.NEEDS_REVIEW,
    None,
    8.0,
    (Verdict("Description", Outcome.NEEDS_REVIEW, None, 8.0),),
    flags=("quotes_unseen",),
    written=True,
    text="It attends.",
)
CODE = Judgement(
    "encoding",
    "Encoding",
    Outcome.PARTIAL,
    4.0,
    12.0,
    (Verdict("right", Outcome.FAILED, 4.0, 12.0, Finding("Add it.")),),
    Finding("Add it."),
)
RECORD = Record(Submission("R1", "colab3", "", "new", ()), Execution(Outcome.PASSED), {}, "")
COLAB3 = NotebookGrade("colab3", Outcome.PASSED, (CODE, TEXT), RECORD)


def gradebook(notebook=COLAB3):
    return Gradebook("week14", "HW10", "", 1, "pipe", "A", (Grade("R1", (notebook,)),), ())


def review(question="description", earned=6.0, sha256="new", **given):
    return Review("R1", "colab3", question, earned, sha256=sha256, **given)


def after(*reviews, notebook=COLAB3):
    (grade,) = reviewed(gradebook(notebook), reviews).grades
    return grade, {j.question: j for j in grade.notebooks[0].judgements}


@pytest.mark.parametrize(
    "earned, outcome",
    [(8.0, Outcome.PASSED), (6.0, Outcome.PARTIAL), (0.0, Outcome.FAILED)],
    ids=["all", "some", "none"],
)
def test_a_text_has_the_points_that_a_person_gave_it(earned, outcome):
    grade, found = after(review(earned=earned, by="Lin", reason="Short."))

    text = found["description"]
    assert (text.outcome, text.earned, text.finding) == (outcome, earned, Finding("Short."))
    assert text.verdicts == (Verdict("Description", outcome, earned, 8.0),)
    assert text.flags == ("quotes_unseen", "reviewed")
    assert text.review.by == "Lin"
    assert (grade.total, grade.needs_review, grade.flags) == (4 + earned, 0, ("reviewed",))


def test_a_code_question_keeps_what_was_seen_and_has_a_persons_points():
    grade, found = after(review("encoding", 12.0))

    code = found["encoding"]
    assert (code.outcome, code.earned) == (Outcome.PASSED, 12.0)
    assert (code.verdicts, code.finding) == (CODE.verdicts, CODE.finding)
    assert grade.total == 12


def test_a_review_of_an_earlier_file_decides_nothing_and_is_flagged():
    grade, found = after(review(sha256="old"))

    assert found["description"].earned is None
    assert grade.flags == ("review_outdated",)


def test_points_that_were_lowered_since_bound_what_was_given():
    lowered = replace(COLAB3, judgements=(replace(TEXT, possible=5.0),))

    assert after(review(earned=6.0), notebook=lowered)[1]["description"].earned == 5.0


@pytest.mark.parametrize("outcome", [Outcome.MISSING, Outcome.ERROR])
def test_a_notebook_that_was_not_graded_stays_so(outcome):
    notebook = replace(COLAB3, outcome=outcome)

    assert reviewed(gradebook(notebook), [review()]) == gradebook(notebook)


def test_of_one_answer_the_later_review_counts():
    first, second = review(earned=1.0), review(earned=2.0)
    other = review("encoding", 3.0)

    assert merged([first, other], [second]) == (second, other)
    assert reviewed(gradebook(), []) == gradebook()
