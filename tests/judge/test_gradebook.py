"""From graded notebooks to a row for each student."""

from grader.grade.gradebook import LATENESS_NOT_CHECKED, NOT_ON_ROSTER, grades, needs_person
from grader.model import Enrolled, FileNote, Judgement, NotebookGrade, Outcome


def graded(notebook, earned, outcome=Outcome.PASSED, flags=(), **fields):
    judgement = Judgement("q", "Q", outcome, earned, 10, (), flags=flags, **fields)
    return NotebookGrade(notebook, Outcome.PASSED, (judgement,))


ABSENT = {
    n: NotebookGrade(n, Outcome.MISSING, (Judgement("q", "Q", Outcome.MISSING, 0.0, 10, ()),))
    for n in ("colab1", "colab2")
}
BROKEN = NotebookGrade("colab1", Outcome.ERROR, (), problem="not a notebook")


def rows(**of):
    given = {tuple(key.split("_")): grade for key, grade in of.items()}
    return grades(given, ["colab1", "colab2"], ABSENT)


def test_each_student_has_every_notebook_in_order_and_students_are_sorted():
    made = rows(B_colab2=graded("colab2", 4), A_colab1=graded("colab1", 3))

    assert [grade.student for grade in made] == ["A", "B"]
    assert [[n.notebook for n in grade.notebooks] for grade in made] == [["colab1", "colab2"]] * 2
    assert [grade.total for grade in made] == [3, 4]
    assert [grade.possible for grade in made] == [20, 20]


def test_an_unreadable_file_is_never_a_zero():
    (grade,) = rows(A_colab1=BROKEN, A_colab2=graded("colab2", 4))

    assert grade.total is None
    assert grade.status == "needs_person"
    assert needs_person([grade], [])


def test_an_unmarked_text_leaves_the_rest_standing():
    text = graded("colab1", None, Outcome.NEEDS_REVIEW, written=True)
    (grade,) = rows(A_colab1=text, A_colab2=graded("colab2", 4))

    assert (grade.total, grade.needs_review, grade.status) == (4, 1, "graded")
    assert not needs_person([grade], [])


def test_code_that_cannot_be_decided_needs_a_person():
    (grade,) = rows(A_colab1=graded("colab1", None, Outcome.NEEDS_REVIEW))

    assert grade.status == "needs_person"
    assert needs_person([grade], [])


def test_flags_are_gathered_once_each_and_sorted():
    (grade,) = rows(
        A_colab1=graded("colab1", 3, flags=("fixed_sizes", "changes_its_inputs")),
        A_colab2=graded("colab2", 4, flags=("fixed_sizes",)),
    )

    assert grade.flags == ("changes_its_inputs", "fixed_sizes", LATENESS_NOT_CHECKED)


def test_a_student_of_whom_nothing_could_be_graded_is_missing():
    (grade,) = rows(A_colab1=ABSENT["colab1"])

    assert (grade.total, grade.status) == (0, "missing")


def test_a_file_that_could_not_be_placed_needs_a_person():
    assert needs_person([], [FileNote("x.ipynb", "needs_person")])
    assert not needs_person([], [FileNote("x.txt", "ignored")])


def test_every_enrolled_student_has_a_row_and_others_are_flagged():
    given = {("B", "colab1"): graded("colab1", 3), ("X", "colab1"): graded("colab1", 4)}
    enrolled = [Enrolled("B", "乙"), Enrolled("A", "甲"), Enrolled("C")]
    files = [FileNote("c.pdf", "ignored", student="C", name="丙"), FileNote("?", "ignored")]

    made = grades(given, ["colab1", "colab2"], ABSENT, files, enrolled)

    assert [(g.student, g.name, g.status, g.total) for g in made] == [
        ("A", "甲", "missing", 0),
        ("B", "乙", "graded", 3),
        ("C", "丙", "missing", 0),
        ("X", "", "graded", 4),
    ]
    assert [NOT_ON_ROSTER in g.flags for g in made] == [False, False, False, True]


def test_without_a_roster_nobody_is_a_stranger_and_names_are_the_lms_s():
    files = [FileNote("x", "graded", student="A", flags=("identical_file",), name="甲")]

    (grade,) = grades({("A", "colab1"): graded("colab1", 3)}, ["colab1"], ABSENT, files)

    assert (grade.name, grade.flags) == ("甲", ("identical_file", LATENESS_NOT_CHECKED))
