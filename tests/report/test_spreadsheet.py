"""Proves that the CSV files say what the gradebook says, and nothing that a spreadsheet runs."""

import codecs
import csv
import io

import pandas as pd
import pytest

from grader.model import Finding, Found, Outcome, Place
from grader.report.spreadsheet import (
    gradebook_csv,
    points_csv,
    questions_csv,
    reviews_csv,
    verdicts_csv,
)
from grader.report.wording import points

BOM = codecs.BOM_UTF8


def table(written):
    return list(csv.DictReader(io.StringIO(written.decode("utf-8-sig"), newline="")))


@pytest.fixture
def small(make):
    """Two students: one with a mistake, an unmarked text and odd words; one who handed in half."""
    axis = Finding("Sum over the rows, not over the columns.", "softmax_axis", where=Place(7, 3))
    softmax = make.question(
        "softmax",
        make.verdict("the weights are right", Outcome.FAILED, 4.0),
        make.verdict("+1 for a sum of one", possible=1.25),
        make.verdict("no overflow", Outcome.FAILED, 0.0, finding=Finding("Subtract,\nthen exp.")),
        finding=axis,
        flags=("reviewed", "fixed_sizes"),
        found=Found("softmax", Place(6, 1), 9),
    )
    whole = make.question(
        "softmax",
        make.verdict("the weights are right", possible=4.0),
        make.verdict("+1 for a sum of one", possible=1.25),
        make.verdict("no overflow", possible=0.0),
    )
    method = make.text("method")
    second = make.grade(
        make.notebook("colab1", softmax),
        make.notebook("colab3", method),
        student="R2",
        name="=HYPERLINK(1)",
        flags=("lateness_not_checked", "asked"),
    )
    first = make.grade(
        make.notebook("colab1", whole), make.absent("colab3", method), student="B1", name="學生甲"
    )
    return make.gradebook(second, first)


def test_the_gradebook_has_one_row_a_student_in_these_very_bytes(small):
    expected = (
        "\ufeffstudent_id,name,colab1,colab3,total,status,flags,needs_review,"
        "colab1.softmax,colab3.method\n"
        "B1,學生甲,5.25,0,5.25,graded,,0,5.25,0\n"
        "R2,'=HYPERLINK(1),1.25,0,1.25,graded,asked;lateness_not_checked,1,1.25,\n"
    )
    assert gradebook_csv(small) == expected.encode()


def test_points_for_peoples_own_spreadsheets_stand_under_what_can_be_earned(small):
    expected = (
        "\ufeffstudent_id,name,total,colab1,colab1.softmax,colab3,colab3.method,status\n"
        "points possible,,9.25,5.25,5.25,4,4,\n"
        "B1,學生甲,5.25,5.25,5.25,0,0,graded\n"
        "R2,'=HYPERLINK(1),1.25,1.25,1.25,0,,graded\n"
    )

    assert points_csv(small).decode() == expected


def test_of_a_class_without_students_only_the_columns_are_left(make):
    assert points_csv(make.gradebook()).decode() == "\ufeffstudent_id,name,total,status\n"


def test_the_questions_have_one_row_each_in_these_very_bytes(small):
    expected = (
        "student_id,notebook,question,outcome,earned,possible,misconceptions,flags\n"
        "B1,colab1,softmax,passed,5.25,5.25,,\n"
        "B1,colab3,method,missing,0,4,,\n"
        "R2,colab1,softmax,partial,1.25,5.25,softmax_axis,fixed_sizes;reviewed\n"
        "R2,colab3,method,needs_review,,4,,\n"
    )
    assert questions_csv(small) == expected.encode()


def test_the_claims_have_one_row_each_in_these_very_bytes(small):
    expected = (
        "student_id,notebook,question,claim,outcome,earned,possible,misconception,advice,cell,flags\n"
        "B1,colab1,softmax,the weights are right,passed,4,4,,,,\n"
        "B1,colab1,softmax,'+1 for a sum of one,passed,1.25,1.25,,,,\n"
        "B1,colab1,softmax,no overflow,passed,0,0,,,,\n"
        "R2,colab1,softmax,the weights are right,failed,0,4,softmax_axis,"
        '"Sum over the rows, not over the columns.",7,fixed_sizes;reviewed\n'
        "R2,colab1,softmax,'+1 for a sum of one,passed,1.25,1.25,,,6,fixed_sizes;reviewed\n"
        'R2,colab1,softmax,no overflow,failed,0,0,,"Subtract,\nthen exp.",6,fixed_sizes;reviewed\n'
    )
    assert verdicts_csv(small) == expected.encode()


@pytest.mark.parametrize("start", list("=+-@\t\r"), ids=["=", "+", "-", "@", "tab", "CR"])
def test_no_text_of_a_student_is_a_formula(make, start):
    named = make.grade(name=f"{start}SUM(A1:A9)")

    (row,) = table(gradebook_csv(make.gradebook(named)))

    assert row["name"] == f"'{start}SUM(A1:A9)"


def test_numbers_are_never_defused(make):
    negative = make.verdict(possible=2.0, outcome=Outcome.FAILED, earned=-1.5)
    graded = make.grade(make.notebook("colab1", make.question("softmax", negative)))

    (row,) = table(gradebook_csv(make.gradebook(graded)))

    assert row["colab1"] == row["total"] == "-1.5"


@pytest.mark.parametrize("text", ["a\rb", "a\nb", "a\r\nb", 'a"\r\n"b', "a,b", 'say "a"', "\ufeff"])
def test_what_a_text_holds_survives_the_file(make, text):
    (row,) = table(gradebook_csv(make.gradebook(make.grade(name=text))))

    assert row["name"] == text


@pytest.mark.parametrize("write", [gradebook_csv, questions_csv, verdicts_csv])
def test_pandas_reads_each_table_and_writes_it_in_the_same_bytes(small, write):
    written = write(small)

    table = pd.read_csv(io.BytesIO(written), dtype=str, keep_default_na=False)

    assert len(table) >= len(small.grades)
    assert table.to_csv(index=False, lineterminator="\n").encode() == written.removeprefix(BOM)


def test_every_row_ends_in_a_line_feed_alone(small):
    for written in (gradebook_csv(small), questions_csv(small), verdicts_csv(small)):
        assert written.endswith(b"\n")
        assert b"\r" not in written


def test_a_notebook_that_could_not_be_graded_leaves_its_cells_and_the_total_empty(make):
    undecided = make.question("softmax", make.verdict(outcome=Outcome.ERROR), outcome=Outcome.ERROR)
    broken = make.notebook("colab1", undecided, outcome=Outcome.ERROR, problem="not a notebook")
    book = make.gradebook(make.grade(broken, make.notebook("colab2", make.question("heads"))))

    (row,) = table(gradebook_csv(book))

    assert (row["colab1"], row["colab2"], row["total"]) == ("", "2", "")
    assert (row["status"], row["needs_review"]) == ("needs_person", "1")
    assert row["colab1.softmax"] == ""


def test_an_empty_class_has_headings_only(make):
    assert gradebook_csv(make.gradebook()).decode("utf-8-sig") == (
        "student_id,name,total,status,flags,needs_review\n"
    )
    assert verdicts_csv(make.gradebook()).count(b"\n") == 1


def test_the_same_class_gives_the_same_bytes_in_whatever_order_it_came(make):
    one, two = make.grade(student="A"), make.grade(student="B")

    for written in (gradebook_csv, questions_csv, verdicts_csv):
        assert written(make.gradebook(one, two)) == written(make.gradebook(two, one))


def test_an_unpaired_surrogate_does_not_stop_the_file(make):
    assert b"B10901027,?," in gradebook_csv(make.gradebook(make.grade(name="\ud800")))


@pytest.mark.parametrize(
    "value, written",
    [
        (None, ""),
        (6.0, "6"),
        (5.25, "5.25"),
        (0.0, "0"),
        (-0.0, "0"),
        (100.0, "100"),
        (0.1 + 0.2, "0.3"),
        (2 / 3, "0.67"),
        (-0.001, "0"),
    ],
)
def test_points_have_at_most_two_decimals(value, written):
    assert points(value) == written


def test_what_a_person_has_to_mark_is_listed_with_room_for_it(make):
    unsure = make.question("softmax", make.verdict(outcome=Outcome.NEEDS_REVIEW))
    broken = make.notebook("colab2", make.question(), outcome=Outcome.ERROR)
    marked = make.text("other", 3.0)
    colab3 = make.notebook("colab3", make.text("method"), marked, unsure)
    grades = [make.grade(broken, colab3, student=student) for student in ("R2", "=R1")]

    assert reviews_csv(make.gradebook(*grades)).decode() == (
        "student_id,notebook,question,earned,by,at,reason\n"
        "'=R1,colab3,method,,,,\n"
        "'=R1,colab3,softmax,,,,\n"
        "R2,colab3,method,,,,\n"
        "R2,colab3,softmax,,,,\n"
    )
