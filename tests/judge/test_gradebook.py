"""From graded notebooks to a row for each student."""

from grader.grade.gradebook import LATENESS_NOT_CHECKED, grades, needs_person
from grader.model import FileNote, Judgement, NotebookGrade, Outcome


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
