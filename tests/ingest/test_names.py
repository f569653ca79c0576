"""Every dialect of hand-in names, and names that must not be placed."""

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from grader.names import Named, canonical, ends_as_notebook, expected, parse, student_id

TEMPLATE = "{student}_week14_{notebook}_homework.ipynb"
NOTEBOOKS = ("colab1", "colab2", "colab3")
ASKED_FOR = "R13940001_week14_colab1_homework"
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


def placed(file_name: str) -> Named | None:
    return parse(file_name, TEMPLATE, NOTEBOOKS)


@pytest.mark.parametrize(
    "file_name",
    [
        "R13940001_week14_colab1_homework.ipynb",
        "r13940001_WEEK14_Colab1_Homework.IPYNB",
        "R13940001-week14-colab1-homework.ipynb",
        "R13940001 week14 colab1 homework.ipynb",
        "R13940001__week14 - colab1_ homework.ipynb",
        "R13940001_week_14_colab1_homework.ipynb",
        "R13940001_week14_colab 1_homework.ipynb",
        "R13940001_week14_colab_1_homework.ipynb",
        "R13940001_week14_colab-1_homework.ipynb",
        "R13940001_week14_colab-1.ipynb",
        "R13940001_week14_colab1_hw.ipynb",
        "R13940001_week14_colab1.ipynb",
        "Copy of R13940001_week14_colab1_homework.ipynb",
        "Copy of Copy of R13940001_week14_colab1_homework.ipynb",
        "copy_of_R13940001_week14_colab1_homework.ipynb",
        "Copy-of-R13940001-week14-colab1.ipynb",
        "「R13940001_week14_colab1_homework.ipynb」的副本.ipynb",
        "「R13940001_week14_colab1_homework」的副本.ipynb",
        "「「R13940001_week14_colab1_homework.ipynb」的副本.ipynb」的副本.ipynb",
        "“R13940001_week14_colab1_homework.ipynb”的副本.ipynb",
        "R13940001_week14_colab1_homework的副本.ipynb",
        "R13940001_week14_colab1_homework.ipynb的副本.ipynb",
        "R13940001_week14_colab1_homework 的複本.ipynb",
        "R13940001_week14_colab1_homework - 複製.ipynb",
        "R13940001_week14_colab1_homework - 複製 (2).ipynb",
        "R13940001_week14_colab1_homework - 副本.ipynb",
        "R13940001_week14_colab1_homework 拷貝.ipynb",
        "R13940001_week14_colab1_homework - Copy.ipynb",
        "R13940001_week14_colab1_homework - Copy (2).ipynb",
        "R13940001_week14_colab1_homework copy.ipynb",
        "R13940001_week14_colab1_homework copy 2.ipynb",
        "R13940001_week14_colab1_homework.ipynb.ipynb",
        "R13940001_week14_colab1_homework .ipynb",
        "\u202aR13940001_week14_colab1_homework.ipynb",
        "R13940001_week14_colab1_homework.ipynb",
    ],
)
def test_every_habit_of_naming_is_read(file_name):
    assert placed(file_name) == Named("R13940001", "colab1", (0, 0))


@pytest.mark.parametrize(
    "suffix, resubmission",
    [
        ("", (0, 0)),
        ("-1", (1, 0)),
        ("-7", (7, 0)),
        (f"-{UUID}", (8, 0)),
        (f"-{UUID.upper()}", (8, 0)),
        ("-1-1", (2, 0)),
        (" (1)", (0, 1)),
        ("(1)", (0, 1)),
        ("_(12)", (0, 12)),
        ("\uff082\uff09", (0, 2)),
        ("-2 (3)", (2, 3)),
        (" (3)-2", (2, 3)),
        (" (1) - Copy (2)", (0, 1)),
        ("的副本 (1)", (0, 1)),
        (".ipynb-1", (1, 0)),
    ],
    ids=ascii,
)
def test_the_resubmission_is_read_off_the_end(suffix, resubmission):
    found = placed(f"{ASKED_FOR}{suffix}.ipynb")

    assert found == Named("R13940001", "colab1", resubmission)


@pytest.mark.parametrize(
    "file_name, notebook, resubmission",
    [
        ("R13940001_week14_colab1-2.ipynb", "colab1", (2, 0)),
        ("R13940001_week14_colab-1-2.ipynb", "colab1", (2, 0)),
        ("R13940001_week14_colab-2.ipynb", "colab2", (0, 0)),
        ("R13940001_week14_colab-2 (1).ipynb", "colab2", (0, 1)),
        ("R13940001_week14_colab 3_homework-1.ipynb", "colab3", (1, 0)),
    ],
)
def test_a_resubmission_is_no_part_of_the_notebooks_number(file_name, notebook, resubmission):
    assert placed(file_name) == Named("R13940001", notebook, resubmission)


def test_a_resubmission_is_no_part_of_an_id_that_comes_last():
    found = parse("week14-colab1-R13940001-1.ipynb", "week14_{notebook}_{student}.ipynb", NOTEBOOKS)

    assert found == Named("R13940001", "colab1", (1, 0))


def test_an_upload_beyond_the_seventh_is_newer_than_the_seventh():
    seventh, next_one = placed(f"{ASKED_FOR}-7.ipynb"), placed(f"{ASKED_FOR}-{UUID}.ipynb")

    assert next_one.resubmission > seventh.resubmission


@pytest.mark.parametrize(
    "written, student",
    [
        ("41171101H", "41171101H"),
        ("r12k41001", "R12K41001"),
        ("ab-12.c", "AB-12.C"),
        ("7", "7"),
        ("王小明", "王小明"),
        ("\uff32\uff11\uff13", "R13"),
        ("Jose\u0301", "JOS\u00c9"),
        ("straße", "STRASSE"),
        ("R139-1", "R139-1"),
    ],
    ids=["digits", "letters", "inside", "short", "han", "wide", "accent", "sharp-s", "hyphen"],
)
def test_an_id_may_be_a_guests(written, student):
    found = placed(f"{written}_week14_colab2_homework.ipynb")

    assert found == Named(student, "colab2", (0, 0))


@pytest.mark.parametrize(
    "file_name",
    [
        "",
        ".ipynb",
        "homework.ipynb",
        "Untitled0.ipynb",
        "week14_colab1_homework.ipynb",
        "_week14_colab1_homework.ipynb",
        "-_week14_colab1_homework.ipynb",
        "R13940001_week13_colab1_homework.ipynb",
        "R13940001_week140_colab1_homework.ipynb",
        "R13940001_week14_colab4_homework.ipynb",
        "R13940001_week14_colab11_homework.ipynb",
        "R13940001_week14_colab_homework.ipynb",
        "R13940001_week14_colab1_homwork.ipynb",
        "R13940001_week14_colab1_homework_final.ipynb",
        "R13940001_week14_colab1_homework-8.ipynb",
        "R13940001_week14_colab1_homework-checkpoint.ipynb",
        "R13940001_week14_colab1_homework.ipynb.txt",
        "R13940001_week14_colab1_homework.py",
        "R13940001_week14_colab1_homework",
        "R13940001week14_colab1_homework.ipynb",
        "my R13940001_week14_colab1_homework.ipynb",
        "R13940001_R13940002_week14_colab1_homework.ipynb",
        ".R1_week14_colab1_homework.ipynb",
        "../R1_week14_colab1_homework.ipynb",
        "R1/2_week14_colab1_homework.ipynb",
        "<b>_week14_colab1_homework.ipynb",
        "R1\udcff_week14_colab1_homework.ipynb",
        "R\u0661_week14_colab1_homework.ipynb",
        "R1_week14_colab\u0661_homework.ipynb",
        "wangxiaoming_10001_5000_R13940001_week14_colab1_homework.ipynb",
    ],
    ids=ascii,
)
def test_a_name_that_does_not_say_whose_it_is_is_not_placed(file_name):
    assert placed(file_name) is None


letters = st.characters(categories=("L",)).filter(
    lambda c: unicodedata.normalize("NFKC", c).isalpha()
)
inside = st.text(st.one_of(letters, st.sampled_from("0123456789-.")), max_size=12)
edge = st.one_of(letters, st.sampled_from("0123456789"))
ids = st.builds(lambda first, middle, last: first + middle + last, edge, inside, edge)


@given(ids, st.sampled_from(NOTEBOOKS))
@example("2024-1", "colab1")
@example("copy", "colab1")
def test_the_name_asked_for_is_always_read(student, notebook):
    found = placed(canonical(student, notebook, TEMPLATE))

    assert found == Named(student_id(student), notebook, (0, 0))


@given(ids, st.sampled_from(NOTEBOOKS), st.integers(1, 7), st.integers(1, 99))
def test_the_suffixes_of_canvas_and_browsers_are_always_read(student, notebook, canvas, browser):
    stem = canonical(student, notebook, TEMPLATE).removesuffix(".ipynb")

    found = placed(f"{stem}-{canvas} ({browser}).ipynb")

    assert found == Named(student_id(student), notebook, (canvas, browser))


@given(st.text())
@example("\u0390")  # its capital has three parts, of which two can be one
def test_an_id_is_written_in_one_way(text):
    once = student_id(text)

    assert student_id(once) == once


@given(st.text(st.sampled_from("Rr1w-_ .()copyf「」的副本homewrkila24b\udcff\x00")))
def test_no_name_is_too_odd_to_be_looked_at(text):
    placed(f"{text}.ipynb")


def test_a_students_id_cannot_smuggle_a_field_into_the_name():
    assert canonical("{notebook}", "colab1", "{student}_{notebook}.ipynb") == (
        "{notebook}_colab1.ipynb"
    )


@pytest.mark.parametrize(
    "notebooks, said",
    [
        (NOTEBOOKS, "<ID>_week14_colabN_homework.ipynb"),
        (("theory", "practice"), "<ID>_week14_<practice or theory>_homework.ipynb"),
        (("lab", "lab2"), "<ID>_week14_<lab or lab2>_homework.ipynb"),
    ],
    ids=["numbered", "named", "mixed"],
)
def test_people_are_told_the_name_asked_for(notebooks, said):
    assert expected(TEMPLATE, notebooks) == said


def test_another_template_is_read_as_it_is_written():
    template = "HW 3 {notebook} by {student}.ipynb"

    assert parse("hw-3_part_a_by_b1.ipynb", template, ["part-a", "part-b"]) == Named(
        "B1", "part-a", (0, 0)
    )


@pytest.mark.parametrize(
    "file_name, so", [("a.ipynb", True), ("a.IPYNB ", True), ("a.ipynb.txt", False), ("", False)]
)
def test_a_notebook_is_known_by_its_extension(file_name, so):
    assert ends_as_notebook(file_name) is so
