"""What people decided, read from the CSV in which they wrote it."""

import pytest

from grader.errors import UsageError
from grader.ingest.reviews import read
from grader.model import (
    Execution,
    Grade,
    Gradebook,
    Judgement,
    NotebookGrade,
    Outcome,
    Record,
    Review,
    Submission,
)

COLUMNS = "student_id,notebook,question,earned,by,at,reason"
SHA = "ab" * 32


def notebook(key, outcome=Outcome.PASSED):
    texts = [
        Judgement(name, name, Outcome.NEEDS_REVIEW, None, 8.0, (), written=True)
        for name in ("description", "discussion")
    ]
    record = Record(Submission("R1", key, "", SHA, ()), Execution(Outcome.PASSED), {}, "")
    return NotebookGrade(key, outcome, tuple(texts), record)


NOTEBOOKS = (
    notebook("colab1", Outcome.MISSING),
    notebook("colab2", Outcome.ERROR),
    notebook("colab3"),
)
GRADES = tuple(Grade(student, NOTEBOOKS) for student in ("R1", "=R2", "R10"))
GRADEBOOK = Gradebook("week14", "HW10", "", 1, "pipe", "A", GRADES, ())


@pytest.fixture
def csv(tmp_path):
    def write(*rows, columns=COLUMNS, encoding="utf-8"):
        path = tmp_path / "reviews.csv"
        path.write_bytes("\n".join([columns, *rows]).encode(encoding))
        return path

    return write


def test_each_row_with_points_is_a_review_of_the_file_that_was_graded(csv):
    path = csv(
        "r1,Colab3,description,7.5,林助教,2024-12-20,清楚",
        "'=R2,colab3,discussion,0,,,",
        "R1,colab3,discussion,,,,a thought",
        encoding="cp950",
    )

    assert read(path, GRADEBOOK) == (
        (
            Review("R1", "colab3", "description", 7.5, "林助教", "2024-12-20", "清楚", SHA),
            Review("=R2", "colab3", "discussion", 0.0, "", "", "", SHA),
        ),
        1,
    )


def test_only_what_is_needed_has_to_be_there(csv):
    path = csv("8;R1;colab3;discussion", columns="earned;Student ID;notebook;question")

    assert read(path, GRADEBOOK)[0] == (Review("R1", "colab3", "discussion", 8.0, sha256=SHA),)


@pytest.mark.parametrize(
    "row, said",
    [
        ("R11,colab3,description,1,,,", "there is no student 'R11'\n  did you mean R1"),
        ("R1,colab4,description,1,,,", "there is no notebook 'colab4'\n  did you mean colab"),
        ("R1,colab3,descripton,1,,,", "there is no question of colab3 'descripton'\n  did you mean "
         "description ?"),
        ("R1,colab3,xyz,,,,", "there is no question of colab3 'xyz'"),
        ("R1,colab3,description,8.5,,,", "earned is 8.5, not from 0 to 8"),
        ("R1,colab3,description,-1,,,", "earned is -1, not from 0 to 8"),
        ("R1,colab3,description,nan,,,", "earned is nan, not from 0 to 8"),
        ("R1,colab3,description,1.005,,,", "earned is 1.005: write at most two decimals"),
        ("R1,colab3,description,seven,,,", "earned is 'seven', which is no number"),
        ("R1,colab3,description,1,,soon,", "at: 'soon' is no time"),
        ("R1,colab1,description,1,,,", "R1 colab1: it was not handed in"),
        ("R1,colab2,description,1,,,", "R1 colab2: it could not be graded"),
        ("R10,colab3,description,2,,,", "R10 colab3 description stands in line 2 too"),
    ],
    ids=[
        "student", "notebook", "question", "question without points", "too many", "negative",
        "nan", "decimals", "words", "time", "missing", "error", "twice",
    ],
)  # fmt: skip
def test_a_row_that_cannot_count_is_refused_by_its_line(csv, row, said):
    path = csv("R10,colab3,description,1,,,", row)

    with pytest.raises(UsageError) as caught:
        read(path, GRADEBOOK)

    assert str(caught.value).startswith(f"{path} line 3: {said}")


def test_a_table_without_the_columns_is_refused(csv):
    path = csv("R1,8", columns="student_id,earned")

    with pytest.raises(UsageError, match="lacks notebook, question: `grader export csv --to-mark`"):
        read(path, GRADEBOOK)
