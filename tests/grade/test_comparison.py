"""Whose points changed from one run to another, and why."""

import pytest
from msgspec import structs

from grader.grade.comparison import Tables, comparison
from grader.model import Setting


def tables(*rows, seed=1, digest="aa", totals=(), **tolerances):
    """A run, from (student, question, outcome, earned, possible, misconception, advice)."""
    questions, verdicts, students = [], [], dict.fromkeys(row[0] for row in rows)
    for student, question, outcome, earned, possible, misconception, advice in rows:
        same = {"student_id": student, "notebook": "colab1", "question": question}
        same |= {"outcome": outcome, "earned": earned, "possible": possible}
        questions.append(same | {"misconceptions": misconception})
        claims = {"claim": "it is right", "misconception": misconception, "advice": advice}
        verdicts.append(same | claims)
    totals = dict(totals)
    book = [{"student_id": s, "name": f"Name {s}", "total": totals.get(s, "9")} for s in students]
    manifest = {"seed": seed, "assignment": {"key": "w", "digest": digest}}
    return Tables(manifest | {"tolerances": tolerances}, book, questions, verdicts)


ROW = ("A", "softmax", "partial", "2", "6", "axis", "Sum over the rows.")
RIGHT = ("B", "softmax", "passed", "6", "6", "", "")


def other(row, **changes):
    names = ("student", "question", "outcome", "earned", "possible", "misconception", "advice")
    return tuple((dict(zip(names, row, strict=True)) | changes).values())


def test_a_run_is_the_same_as_itself():
    found = comparison(tables(ROW, RIGHT), tables(ROW, RIGHT))

    assert found.same
    assert structs.astuple(found) == ((), (), (), (), ())


def test_points_that_changed_are_told_with_claim_misconception_and_totals():
    before = tables(ROW, RIGHT, totals={"A": "70"})
    after = tables(
        other(ROW, outcome="passed", earned="6", misconception=""), RIGHT, totals={"A": "74.5"}
    )

    found = comparison(before, after)

    assert not found.same
    (student,) = found.changed
    assert (student.student, student.name) == ("A", "Name A")
    assert (student.before, student.after) == (70.0, 74.5)
    (question,) = student.questions
    assert (question.notebook, question.question) == ("colab1", "softmax")
    assert (question.before.earned, question.after.earned) == (2.0, 6.0)
    assert (question.before.misconception, question.after.misconception) == ("axis", "")
    (claim,) = question.claims
    assert (claim.claim, claim.before.outcome, claim.after.outcome) == (
        "it is right",
        "partial",
        "passed",
    )
    assert found.retold == ()


@pytest.mark.parametrize(
    "changes, costs",
    [
        ({"earned": "3"}, True),
        ({"earned": ""}, True),
        ({"possible": "8"}, True),
        ({"outcome": "failed"}, False),
        ({"misconception": "scaled"}, False),
        ({"advice": "Sum over axis 0."}, False),
    ],
    ids=["more", "undecided", "worth more", "outcome", "named otherwise", "told otherwise"],
)
def test_other_words_are_told_apart_from_other_points(changes, costs):
    found = comparison(tables(ROW, RIGHT), tables(other(ROW, **changes), RIGHT))

    assert found.same != costs
    assert len(found.changed) == costs
    assert len(found.retold) == (not costs)


def test_a_student_with_both_is_told_under_both():
    second = other(ROW, question="qkv")
    after = tables(other(ROW, earned="1"), other(second, advice="Else."))

    found = comparison(tables(ROW, second), after)

    assert [q.question for s in found.changed for q in s.questions] == ["softmax"]
    assert [q.question for s in found.retold for q in s.questions] == ["qkv"]


def test_students_of_one_run_alone_are_named():
    found = comparison(tables(ROW), tables(RIGHT))

    assert (found.joined, found.left, found.changed) == (("B",), ("A",), ())
    assert not found.same


def test_questions_and_claims_of_one_run_alone_are_changes():
    new = other(ROW, question="qkv")

    found = comparison(tables(ROW), tables(ROW, new))
    (change,) = found.changed[0].questions
    assert (change.question, change.before, change.after.earned) == ("qkv", None, 2.0)
    assert change.claims[0].before is None

    found = comparison(tables(ROW, new), tables(ROW))
    assert found.changed[0].questions[0].after is None


def test_what_the_marks_depend_on_is_compared():
    before = tables(ROW, softmax=(0.001, 1e-12), qkv=(0.001, 0))
    after = tables(ROW, seed=2, digest="bb", softmax=(0.1, 1e-12))

    assert comparison(before, after).settings == (
        Setting("assignment digest", "aa", "bb"),
        Setting("seed", "1", "2"),
        Setting("tolerance of softmax", "0.001 + 1e-12", "0.1 + 1e-12"),
        Setting("tolerance of qkv", "0.001 + 0", ""),
    )


def test_a_total_that_is_not_known_is_none():
    found = comparison(tables(ROW), tables(other(ROW, earned=""), totals={"A": ""}))

    assert found.changed[0].after is None
