"""Proves that each annotated notebook goes back to the student whose file it is."""

import io
import json
import tempfile
import zipfile
from pathlib import Path

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.errors import UsageError
from grader.export import feedback
from grader.ingest import submissions
from grader.ingest.submissions import collect
from grader.model import Execution, FileNote, Outcome, Record
from reference.week14 import ASSIGNMENT
from tests.export.canvas_rules import comes_back_to
from tests.ingest import lms_names
from tests.report.conftest import Maker

MAKE = Maker()
KEYS = ["colab1", "colab2", "colab3"]


def notebook(text):
    cell = {"cell_type": "code", "source": text, "metadata": {}, "outputs": [],
            "execution_count": None}  # fmt: skip
    return json.dumps(
        {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    ).encode()


def graded(intake):
    """The gradebook of what was taken in, in which nobody answered anything."""
    notebooks = {}
    for submission in intake.submissions:
        record = Record(submission, Execution(Outcome.PASSED), {}, "key")
        grade = MAKE.notebook(submission.notebook, record=record)
        notebooks.setdefault(submission.student, []).append(grade)
    grades = [MAKE.grade(*own, student=student) for student, own in sorted(notebooks.items())]
    return MAKE.gradebook(*grades, files=intake.files)


def sent_back(gradebook, paths):
    contents = submissions.contents(paths, feedback.wanted(gradebook))
    return feedback.feedback(gradebook, contents)


def members(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def report(data):
    return json.loads(data)["cells"][0]["source"]


def zipped(place, files):
    with zipfile.ZipFile(place, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return place


DISPLAY = st.text("abcXYZ王小明 ,()_-/0123456789#", max_size=12) | st.sampled_from(
    ["Li_77", "a_7_8_b", "LATE", "x anon_1_2", "x_LATE_3_4"]
)
DIALECTS = st.sampled_from(["ntu_cool", "canvas", "canvas late", "anonymous", "group"])


@st.composite
def classes(draw):
    """Files as an LMS names them, from (student, notebook) to (name, user, attachment)."""
    files = {}
    for index in range(draw(st.integers(1, 4))):
        user, dialect, display = str(10001 + index), draw(DIALECTS), draw(DISPLAY)
        student = draw(st.sampled_from([f"R1394000{index}", f"4117110{index}", f"B9{index}1A16"]))
        for key in draw(st.sets(st.sampled_from(KEYS), min_size=1)):
            attachment = str(5000 + 10 * index + KEYS.index(key))
            own = draw(
                st.sampled_from(
                    [
                        f"{student}_week14_{key}_homework.ipynb",
                        f"{student}_week14_{key}_homework-2.ipynb",
                        f"Copy of {student}_week14_{key}_homework (1).ipynb",
                    ]
                )
            )
            if dialect == "anonymous":
                user = f"aB{index}x9"
                name = lms_names.anonymous(user, attachment, own, draw(st.booleans()))
            elif dialect == "group":
                name = lms_names.group(f"team {index}", user, attachment, own)
            elif dialect == "ntu_cool":
                name = lms_names.ntu_cool(student.lower(), display, user, attachment, own)
            else:
                late = dialect.endswith("late")
                name = lms_names.canvas(display, user, attachment, own, late)
            files[student, key] = (name, user, attachment)
    return files


@settings(max_examples=60, deadline=None)
@given(classes())
def test_every_notebook_comes_back_to_the_numbers_that_it_came_with(files):
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "week14_submissions.zip"
        named = {name: notebook(f"{who} = {key!r}") for (who, key), (name, *_) in files.items()}
        zipped(place, named)
        book = graded(collect([place], ASSIGNMENT))
        found = sent_back(book, [place])

    sent = {(user, number): who for who, (_, user, number) in files.items()}
    (data,) = found.zips.values()
    seen = set()
    for name, annotated in members(data).items():
        came = comes_back_to(name)
        assert came in sent, name
        student, key = sent[came]
        assert f" · {student}\n" in report(annotated)
        assert report(annotated).startswith(f"# {key}: ")
        assert f"{student} = {key!r}" in json.loads(annotated)["cells"][1]["source"]
        seen.add(came)
    assert seen == set(sent) and not found.left_out


def test_the_model_loses_a_name_with_numbers_before_the_account_s():
    name = lms_names.ntu_cool("r13940001", "Li_77", "10001", "5000", "x.ipynb")

    assert comes_back_to(name) == ("77", "10001")


@pytest.fixture
def place(tmp_path):
    return tmp_path / "colab1_submissions.zip"


OWN = "R13940001_week14_colab1_homework.ipynb"
NAME = lms_names.ntu_cool("r13940001", "甲", 10001, 5001, OWN)


def test_the_notebook_is_whole_valid_and_has_its_own_bytes_twice(place):
    data = notebook("x = 1")
    zipped(place, {NAME: data})
    book = graded(collect([place], ASSIGNMENT))

    first, second = sent_back(book, [place]), sent_back(book, [place])

    assert first == second
    assert list(first.zips) == ["canvas-feedback.zip"]
    ((name, annotated),) = members(first.zips["canvas-feedback.zip"]).items()
    assert name == f"10001_5001_{OWN}"
    whole = nbformat.reads(annotated.decode(), as_version=4)
    nbformat.validate(whole)
    assert [cell.source for cell in whole.cells[1:]] == ["x = 1"]


def test_a_zip_that_a_student_handed_in_goes_back_as_a_zip(place):
    inner = zipped(place.with_name("inner.zip"), {
        "a/R13940001_week14_colab1_homework.ipynb": notebook("x = 1"),
        "b/R13940001_week14_colab2_homework.ipynb": notebook("x = 2"),
    })  # fmt: skip
    sent = lms_names.ntu_cool("r13940001", "甲", 10001, 5001, "hw.zip")
    zipped(place, {sent: inner.read_bytes()})

    found = sent_back(graded(collect([place], ASSIGNMENT)), [place])

    ((name, data),) = members(found.zips["canvas-feedback.zip"]).items()
    assert name == "10001_5001_hw.zip"
    assert sorted(members(data)) == [
        "a/R13940001_week14_colab1_homework.ipynb",
        "b/R13940001_week14_colab2_homework.ipynb",
    ]


def test_what_came_in_several_zips_goes_back_in_several(tmp_path):
    paths = []
    for i, key in enumerate(KEYS[:2]):
        own = f"R13940001_week14_{key}_homework.ipynb"
        name = lms_names.ntu_cool("r13940001", "甲 / 乙", 10001, 5001 + i, own)
        folder = tmp_path / key
        folder.mkdir()
        zipped(folder / "課 submissions.zip", {name: notebook(f"x = {i}")})
        paths.append(folder / "課 submissions.zip")

    found = sent_back(graded(collect(paths, ASSIGNMENT)), paths)

    assert [list(members(data)) for data in found.zips.values()] == [
        ["10001_5001_R13940001_week14_colab1_homework.ipynb"],
        ["10001_5002_R13940001_week14_colab2_homework.ipynb"],
    ]
    assert list(found.zips) == [
        "canvas-feedback-submissions.zip", "canvas-feedback-submissions-2.zip",
    ]  # fmt: skip


def test_what_cannot_go_back_is_said_and_the_rest_goes(place):
    other = "R13940002_week14_colab1_homework.ipynb"
    zipped(place, {
        NAME: notebook("x = 1"),
        other: notebook("x = 2"),
        lms_names.ntu_cool("r13940003", "丙", 10003, 5003, OWN.replace("01_", "03_")): b"{",
    })  # fmt: skip
    intake = collect([place], ASSIGNMENT)
    book = graded(intake)
    broken = MAKE.notebook("colab1", outcome=Outcome.ERROR, problem="JSON breaks off")
    absent = MAKE.absent("colab1")
    book = MAKE.gradebook(
        *book.grades,
        MAKE.grade(broken, student="R13940003"),
        MAKE.grade(absent, student="R13940004"),
        files=intake.files,
    )

    found = sent_back(book, [place])

    assert found.notebooks == 1
    assert found.left_out == (
        f"R13940002 colab1: Canvas gave its file no number, so it would find nobody: {other}",
        "R13940003 colab1: JSON breaks off",
    )


def test_a_file_that_was_changed_since_is_not_sent_back(place):
    zipped(place, {NAME: notebook("x = 1")})
    book = graded(collect([place], ASSIGNMENT))
    zipped(place, {NAME: notebook("x = 2")})

    with pytest.raises(UsageError, match="its file is not there any more, or was changed"):
        sent_back(book, [place])


def test_nothing_goes_to_an_account_that_handed_in_for_two(place):
    zipped(place, {NAME: notebook("x = 1"), "x.ipynb": notebook("x = 2")})
    note = next(n for n in collect([place], ASSIGNMENT).files if n.user)
    by_hand = FileNote("x.ipynb", "graded", student="R2", user="10001", attachment="5001")
    book = graded(collect([place], ASSIGNMENT))
    book = MAKE.gradebook(*book.grades, files=[note, by_hand])

    with pytest.raises(UsageError, match="account 10001 handed in files of R13940001 and R2"):
        sent_back(book, [place])


@pytest.mark.parametrize(
    "name, came",
    [
        ("a_1_2_x.ipynb", ("1", "2")),
        ("LATE_1_LATE_2", ("1", "2")),
        ("anon_aB3_2_x", ("aB3", "2")),
        ("folder_9/1_2_x", ("1", "2")),
        ("a_1_x", None),
        ("anon_1", None),
        ("anon_1_x_2", None),
        ("１_2_3", ("2", "3")),
    ],
)
def test_our_reading_of_the_rule_is_canvas_s(name, came):
    assert feedback.comes_back_to(name) == (came or ("", ""))
