"""The whole program on the sample class: marks, files, pages, and the same again."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

from fixtures.make_submissions import STUDENTS, SUBMISSIONS, notebook, submissions
from grader.ingest.assignments import load
from grader.judge.difference import numbers
from grader.report.pages import page_name
from grader.store import Store
from tests.e2e.conftest import table

pytestmark = pytest.mark.kernel

WEEK14 = load("week14")
EXPECTED = {
    folder.name: tomllib.loads((folder / "expected.toml").read_text("utf-8"))
    for folder in sorted(STUDENTS.iterdir())
}
QUESTIONS = [
    (name, key)
    for name, expected in EXPECTED.items()
    for key, entry in expected.items()
    if isinstance(entry, dict) and "outcome" in entry
]


@pytest.fixture(scope="module")
def results(sample_class):
    return sample_class[0]


@pytest.fixture(scope="module")
def questions(results):
    return {(row["student_id"], row["question"]): row for row in table(results / "questions.csv")}


def listed(cell):
    return cell.split(";") if cell else []


@pytest.mark.parametrize("name, key", QUESTIONS, ids=lambda value: value)
def test_a_sample_comes_out_as_was_written_down_before(questions, name, key):
    expected = EXPECTED[name]
    row = questions[expected["student"].upper(), key]
    assert {
        "outcome": row["outcome"],
        "earned": float(row["earned"]) if row["earned"] else None,
        "misconceptions": listed(row["misconceptions"]),
        "flags": listed(row["flags"]),
    } == {
        "outcome": expected[key]["outcome"],
        "earned": expected[key].get("earned"),
        "misconceptions": sorted(expected[key]["misconceptions"]),
        "flags": sorted(expected[key]["flags"]),
    }


def test_every_question_of_every_sample_is_written_down():
    keys = {question.key for question in WEEK14.questions}
    for name, expected in EXPECTED.items():
        assert keys <= expected.keys(), name


def test_the_class_has_a_row_for_every_student_question_and_claim(results):
    students = {expected["student"].upper() for expected in EXPECTED.values()}
    asked = {(s, q.key) for s in students for q in WEEK14.questions}
    claims = {
        (s, q.key, claim)
        for s in students
        for q in WEEK14.questions
        for claim in ([c.claim for c in q.checks] if hasattr(q, "checks") else [q.title])
    }

    assert [row["student_id"] for row in table(results / "gradebook.csv")] == sorted(students)
    rows = table(results / "questions.csv")
    assert {(row["student_id"], row["question"]) for row in rows} == asked
    assert len(rows) == len(asked)
    verdicts = table(results / "verdicts.csv")
    assert {(r["student_id"], r["question"], r["claim"]) for r in verdicts} == claims
    assert len(verdicts) == len(claims)


def test_the_columns_are_those_that_others_read(results):
    first = {
        name: (results / name).read_text("utf-8-sig").partition("\n")[0]
        for name in ("gradebook.csv", "questions.csv", "verdicts.csv")
    }
    assert first["gradebook.csv"] == (
        "student_id,name,colab1,colab2,colab3,total,status,flags,needs_review,colab1.qkv,"
        "colab1.softmax,colab1.attention,colab1.self_attention,colab2.multihead,"
        "colab3.positional_encoding,colab3.generation,colab3.description,colab3.discussion"
    )
    assert first["questions.csv"] == (
        "student_id,notebook,question,outcome,earned,possible,misconceptions,flags"
    )
    assert first["verdicts.csv"] == (
        "student_id,notebook,question,claim,outcome,earned,possible,misconception,advice,cell,flags"
    )


def test_points_add_up_and_nothing_undecided_is_a_number(results, questions):
    for row in table(results / "gradebook.csv"):
        student, notebooks = row["student_id"], ("colab1", "colab2", "colab3")
        earned = {
            (own_notebook, key): r["earned"]
            for (who, key), r in questions.items()
            for own_notebook in [r["notebook"]]
            if who == student
        }
        failed = [n for n in notebooks if row[n] == ""]
        for column in notebooks:
            own = [points for (n, _), points in earned.items() if n == column]
            if column not in failed:
                assert float(row[column]) == pytest.approx(sum(float(p) for p in own if p))
        assert (row["total"] == "") == bool(failed)
        if not failed:
            assert float(row["total"]) == pytest.approx(sum(float(row[n]) for n in notebooks))
        assert int(row["needs_review"]) == sum(points == "" for points in earned.values())


def test_the_program_says_who_needs_a_person_and_ends_with_1(sample_class):
    _, ended = sample_class
    assert ended.returncode == 1, ended.stderr
    reason = r"R13940009 colab1\s+not a notebook: JSON breaks off at line \d+"
    assert re.search(reason, ended.stdout)
    assert "R13940009 colab2" in ended.stdout
    assert "36 of 38 notebooks graded" in ended.stdout
    assert "warning" not in ended.stderr
    assert "grading 36/36" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_run_json_says_what_the_marks_depend_on(results):
    said = json.loads((results / "run.json").read_bytes())
    assert list(said) == [
        "grader", "python", "numpy", "torch", "seed", "assignment", "kernel", "rung", "tolerances",
        "counts", "files",
    ]  # fmt: skip
    assert said["assignment"].keys() == {"key", "digest"}
    assert (said["kernel"], said["rung"]) == ("pipe", "A")
    assert said["counts"] == {
        "students": 13, "notebooks": 38, "graded": 36, "needs_person": 2, "ignored": 0
    }  # fmt: skip
    assert len(said["files"]) == 38
    for file in said["files"]:
        assert file.keys() == {"path", "sha256", "student_id", "notebook", "became"}


def test_nothing_in_the_results_knows_when_or_where_it_was_made(results):
    for path in [*results.glob("*.csv"), results / "run.json", *results.glob("reports/*.html")]:
        text = path.read_text("utf-8")
        assert str(Path.home()) not in text, path
        assert "/tmp/" not in text, path
        assert not re.search(r"\b\d+\.\d+ s(econds)?\b", text.replace("within 8 s", "")), path


def test_a_second_run_skips_what_is_there_and_gives_the_same_bytes(command, results, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(results, again)

    ended = command("run", "submissions", "-o", again, GRADER_CELL_SECONDS="8")

    assert "grading" not in ended.stderr
    assert same_files(results, again) == []


def test_judging_again_gives_the_same_bytes(command, results, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(results, again)
    for path in again.glob("*.csv"):
        path.unlink()

    ended = command("judge", again)

    assert ended.returncode == 1, ended.stderr
    assert same_files(results, again) == []


def test_a_notebook_graded_alone_and_anew_comes_out_the_same(command, results, tmp_path):
    names = ["R13940006_week14_colab1_homework.ipynb", "R13940006_week14_colab3_homework.ipynb"]
    alone = tmp_path / "alone"
    command("run", *(SUBMISSIONS / name for name in names), "-o", alone, GRADER_CELL_SECONDS="8")

    for name in ("questions.csv", "verdicts.csv"):
        whole = [r for r in table(results / name) if r["student_id"] == "R13940006"]
        part = table(alone / name)
        assert [r for r in part if r["notebook"] != "colab2"] == [
            r for r in whole if r["notebook"] != "colab2"
        ]


def test_what_a_person_marks_counts_and_is_kept(command, results, tmp_path):
    again = tmp_path / "again"
    shutil.copytree(results, again)

    ended = command("export", "csv", "--to-mark", "-o", again)

    path = again / "export" / "reviews.csv"
    assert (ended.returncode, ended.stdout) == (0, f"{path}\n")
    rows = table(path)
    assert list(rows[0]) == ["student_id", "notebook", "question", "earned", "by", "at", "reason"]
    written = [row for row in rows if row["question"] in ("description", "discussion")]
    waiting = [r for r in table(results / "questions.csv") if r["outcome"] == "needs_review"]
    assert len(rows) == len(waiting)
    assert len(written) >= 24
    path.write_text(
        "student_id,notebook,question,earned,by,at,reason\n"
        "R13940001,colab3,description,7.5,=Lin,2024-12-20,Clear.\n"
        "R13940001,colab3,discussion,,,,\n"
    )

    ended = command("judge", again, "--reviews", path)

    assert "1 review taken in, 1 row without points" in ended.stderr
    for _ in range(2):
        (row,) = [r for r in table(again / "questions.csv")
                  if (r["student_id"], r["question"]) == ("R13940001", "description")]  # fmt: skip
        assert (row["outcome"], row["earned"], row["flags"]) == ("partial", "7.5", "reviewed")
        (grade,) = [r for r in table(again / "gradebook.csv") if r["student_id"] == "R13940001"]
        assert (grade["colab3"], grade["needs_review"]) == ("31.5", "1")
        page = (again / "reports" / "R13940001.html").read_text("utf-8")
        assert "Marked by =Lin, 2024-12-20." in page
        command("judge", again)

    before = {name: (again / name).read_bytes() for name in ("questions.csv", "reviews.json")}
    path.write_text("student_id,notebook,question,earned\nR13940001,colab3,discussion,9\n")
    ended = command("judge", again, "--reviews", path)

    assert ended.returncode == 2
    assert ended.stderr == f"error: {path} line 2: earned is 9, not from 0 to 8\n"
    assert {name: (again / name).read_bytes() for name in before} == before


def same_files(one, other):
    """The files of the promise whose bytes differ."""
    names = ["gradebook.csv", "questions.csv", "verdicts.csv", "run.json"]
    names += [f"reports/{path.name}" for path in (one / "reports").glob("*.html")]
    return [n for n in names if (one / n).read_bytes() != (other / n).read_bytes()]


def test_the_submissions_are_what_the_fixture_students_hand_in():
    made = submissions(STUDENTS)
    there = {path.name: path.read_bytes() for path in SUBMISSIONS.iterdir()}
    assert there == made


def test_the_reference_notebooks_earn_full_marks(command, tmp_path):
    folder = tmp_path / "handed-in"
    folder.mkdir()
    home = Path(__file__).resolve().parents[2] / "reference" / "week14" / "notebooks"
    for path in home.glob("*.ipynb"):
        shutil.copy(path, folder / f"R13949999_week14_{path.stem}_homework.ipynb")

    ended = command("run", folder, "-o", tmp_path / "results")

    assert ended.returncode == 0, ended.stderr
    (row,) = table(tmp_path / "results" / "gradebook.csv")
    assert (row["colab1"], row["colab2"], row["colab3"]) == ("30", "30", "24")
    assert (row["colab3.description"], row["colab3.discussion"]) == ("", "")


def test_the_handout_earns_nothing(command, tmp_path):
    folder = tmp_path / "handed-in"
    folder.mkdir()
    handout = STUDENTS.parent / "handout"
    for path in handout.glob("*.py"):
        name = f"R13949998_week14_{path.stem}_homework.ipynb"
        (folder / name).write_text(notebook(path.read_text("utf-8")), "utf-8")

    command("run", folder, "-o", tmp_path / "results")

    rows = table(tmp_path / "results" / "questions.csv")
    code = [row for row in rows if row["question"] not in ("description", "discussion")]
    assert {(row["outcome"], row["earned"]) for row in code} == {("blank", "0")}


# the pages ----------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.parametrize("width", [375, 1100])
def test_every_page_of_the_class_shows_itself_and_nothing_else(browser, results, width):
    pages = sorted((results / "reports").glob("*.html"))
    assert len(pages) == 14
    context = browser.new_context(viewport={"width": width, "height": 900})
    for path in pages:
        page, noted = context.new_page(), []
        page.on("request", lambda request, noted=noted: noted.append(request.url))
        page.on("console", lambda message, noted=noted: noted.append(message.text))
        page.on("pageerror", lambda error, noted=noted: noted.append(str(error)))
        page.goto(path.as_uri())
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wider) <= 0, path.name
        assert noted == [path.as_uri()]
        scripts = page.evaluate("document.scripts.length")
        assert scripts == (1 if path.name == "index.html" else 0)
        page.close()
    context.close()


@pytest.mark.browser
def test_the_numbers_in_every_heat_map_are_those_that_were_observed(browser, results):
    """Three cells of each map of each student's page, read in the page."""
    store, looked_at = Store(results), 0
    page = browser.new_context().new_page()
    for expected in EXPECTED.values():
        student = expected["student"].upper()
        page.goto((results / "reports" / page_name(student)).as_uri())
        for kind in ("yours", "expected", "difference"):
            for drawn in page.query_selector_all(f"svg.heatmap[data-kind={kind}]"):
                key = drawn.get_attribute("data-question")
                cells = [
                    tuple(float(r.get_attribute(f"data-{n}")) for n in ("row", "column", "value"))
                    for r in drawn.query_selector_all("rect[data-value]")
                ]
                three = [cells[0], cells[len(cells) // 2], cells[-1]]
                looked_at += 1
                if kind == "yours":
                    assert observed_somewhere(store, student, key, three), (student, key, three)
    assert looked_at >= 30


def observed_somewhere(store, student, key, cells):
    notebook_key = next(
        name for name, nb in WEEK14.notebooks.items() for q in nb.questions if q.key == key
    )
    question = next(q for q in WEEK14.questions if q.key == key)
    record = store.load(student, notebook_key)
    for asked in record.observed[key].trials.values():
        for observation in asked.observations:
            for view in {check.view for check in question.checks}:
                try:
                    array = numbers(view(question.form(observation.value)))
                except Exception:  # a view that does not fit this result
                    continue
                if array is not None and any(holds(m, cells) for m in matrices(array)):
                    return True
    return False


def matrices(array):
    """What may be drawn of an array: itself, or one of its layers."""
    squeezed = np.squeeze(array)
    if squeezed.ndim <= 2:
        yield np.atleast_2d(squeezed)
    elif squeezed.ndim == 3:
        for axis in range(3):
            yield from np.moveaxis(squeezed, axis, 0)


def holds(matrix, cells):
    return all(
        int(row) < matrix.shape[0]
        and int(column) < matrix.shape[1]
        and np.array_equal(matrix[int(row), int(column)], value, equal_nan=True)
        for row, column, value in cells
    )
