"""Which students' code is much the same, and which answers are simply everybody's."""

import re
from itertools import combinations
from pathlib import Path

import pytest
from msgspec import structs

from grader.grade import likeness
from grader.grade.likeness import likenesses, told
from grader.ingest import percent, variants
from grader.ingest.assignments import expected_cells, load
from grader.model import Judgement, Likeness, NotebookCell, NotebookGrade, Outcome, Submission

WEEK14 = load("week14")
EXPECTED = expected_cells(WEEK14)
STUDENTS = Path(__file__).resolve().parents[2] / "fixtures" / "week14" / "students"
LONG = """
def attend(X, W):
    scores = []
    for row in X:
        total = 0
        for a, b in zip(row, W):
            total += a * b - 0.5 * (a - b) ** 2
        scores.append(total)
    biggest = max(scores)
    raised = [np.exp(score - biggest) for score in scores]
    return np.array([value / sum(raised) for value in raised]).reshape(-1, 1)
"""
RENAMED = (
    "# all of it my own work\n"
    + LONG.replace("scores", "s").replace("total", "sum_so_far").replace("attend", "mine")
).replace("    biggest", "    # the largest\n    biggest")
SHORT = "items_out = np.exp(items_in) / np.sum(np.exp(items_in))\n"


def handed_in(student, *sources, notebook="colab1", sha256=""):
    cells = tuple(NotebookCell("code", source) for source in sources)
    return Submission(student, notebook, f"{student}.ipynb", sha256 or student, cells)


def pairs(*submissions, handed_out=()):
    given = {"colab1": tuple(NotebookCell("code", source) for source in handed_out)}
    return likenesses(submissions, given)


def test_names_comments_and_the_order_of_cells_hide_nothing():
    (found,) = pairs(handed_in("B", LONG, SHORT), handed_in("A", SHORT, RENAMED))

    assert found.students == ("A", "B")
    assert found.alike == 1.0
    assert found.shared >= likeness.SHARED
    assert not found.identical


def test_how_alike_they_are_is_the_share_of_the_smaller_program():
    more = LONG + "\n".join(f"y{n} = x[{n}] ** {n} + {n}" for n in range(20))

    (found,) = pairs(handed_in("A", LONG), handed_in("B", more))
    assert 0.95 <= found.alike <= 1.0
    other = "\n".join(f"y{n} = x[{n}] ** {n} - {n}" for n in range(40))
    assert pairs(handed_in("A", LONG + other), handed_in("B", more)) == ()


def test_what_was_handed_out_is_nobodys_own():
    both = (handed_in("A", LONG, "x = 1"), handed_in("B", RENAMED, "x = 1"))

    assert pairs(*both)
    assert pairs(*both, handed_out=[LONG]) == ()
    filled_in = [handed_in(student, LONG + "\nx = 1") for student in ("A", "B")]
    assert pairs(*filled_in)
    assert pairs(*filled_in, handed_out=[LONG]) == ()


def test_a_short_answer_is_everybodys():
    assert pairs(handed_in("A", SHORT * 2), handed_in("B", SHORT * 2)) == ()


def test_what_many_hand_in_tells_nothing_of_two():
    few = [handed_in(f"S{n}", LONG) for n in range(likeness.INEVITABLE)]
    assert len(pairs(*few)) == 10
    assert pairs(*few, handed_in("T", LONG)) == ()


def test_the_same_bytes_are_told_as_that_and_the_handout_is_not():
    twice = [handed_in(s, SHORT, sha256="ab") for s in ("A", "B")]
    (found,) = pairs(*twice)
    assert found.identical
    assert found.alike == 1.0
    assert pairs(*twice, handed_out=[SHORT]) == ()


def test_notebooks_are_compared_with_their_like():
    assert pairs(handed_in("A", LONG), handed_in("B", LONG, notebook="colab2")) == ()


def test_what_is_no_python_is_compared_too():
    broken = LONG + "\n!pip install 'x\n% broken ((("
    (found,) = pairs(handed_in("A", broken), handed_in("B", broken.replace("total", "t")))
    assert found.alike == 1.0


def test_no_two_right_variants_of_week_14_are_taken_for_copies():
    """1,372 pairs of right programs in different styles, and 242 of wrong ones: no false alarm."""
    every = variants.right(WEEK14), variants.wrong(WEEK14)
    compared = 0
    for those in every:
        for question in {v.question for v in those}:
            own = [v for v in those if v.question == question]
            submissions = [Submission(v.style, v.notebook, "", v.style, v.cells) for v in own]
            compared += len(list(combinations(own, 2)))
            assert likenesses(submissions, EXPECTED) == ()
    assert compared > 1500


def test_no_two_of_the_sample_students_are_taken_for_copies():
    submissions = [
        Submission(p.parent.name, p.stem, "", str(p), tuple(percent.split(p.read_text("utf-8"))[1]))
        for p in sorted(STUDENTS.glob("*/colab?.py"))
    ]
    assert len(submissions) > 30
    assert likenesses(submissions, EXPECTED) == ()


@pytest.mark.parametrize("name", ["excellent", "loops", "scaled", "swapped", "no_bias"])
def test_a_disguised_copy_of_a_sample_student_is_found(name):
    path = STUDENTS / name / "colab3.py"
    cells = percent.split(path.read_text("utf-8"))[1]
    copy = [
        structs.replace(
            cell, source="# mine\n" + re.sub(r"\b(pe|x|model|position)\b", r"my_\1", cell.source)
        )
        for cell in reversed(cells)
    ]
    both = [
        Submission("A", "colab3", "", "a", tuple(cells)),
        Submission("B", "colab3", "", "b", tuple(copy)),
    ]
    assert [x.students for x in likenesses(both, EXPECTED)] == [("A", "B")]


def test_both_students_of_a_pair_are_flagged_in_that_notebook_and_in_code_alone():
    code = Judgement("q", "Q", Outcome.PASSED, 4.0, 4, ())
    text = structs.replace(code, question="t", written=True)
    graded = NotebookGrade("colab1", Outcome.PASSED, (code, text))
    found = (
        Likeness("colab1", ("A", "B"), 0.9, 80),
        Likeness("colab1", ("B", "C"), 1.0, 80, identical=True),
        Likeness("colab2", ("D", "E"), 0.9, 80),
    )
    flags = {s: told(graded, s, found).judgements[0].flags for s in "ABCD"}
    assert flags == {
        "A": ("similar_code",),
        "B": ("identical_file", "similar_code"),
        "C": ("identical_file",),
        "D": (),
    }
    assert told(graded, "A", found).judgements[1].flags == ()
    assert told(graded, "A", found).earned == graded.earned
