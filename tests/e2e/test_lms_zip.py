"""The LMS's zip, as it was downloaded, to a row for each student."""

import json
import shutil
import zipfile

import pytest

from fixtures.make_submissions import SUBMISSIONS
from tests.e2e.conftest import table
from tests.ingest.lms_names import canvas, ntu_cool

pytestmark = pytest.mark.kernel

EXCELLENT = SUBMISSIONS / "R13940001_week14_colab1_homework.ipynb"
WRONG_AXIS = SUBMISSIONS / "R13940003_week14_colab1_homework.ipynb"


@pytest.fixture
def class_zip(tmp_path):
    """Two notebooks, a link in place of one, a path that leads out, and what macOS left."""
    place = tmp_path / "genai-week14_submissions.zip"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        one = ntu_cool("r13940001", "學生甲 (CHIA, A)", 10001, 5001, EXCELLENT.name)
        archive.write(EXCELLENT, one)
        archive.write(WRONG_AXIS, canvas("學生丙", 10003, 5003, WRONG_AXIS.name))
        archive.writestr("r13940002#_學生乙_10002_link.html", "<a href='https://x.invalid'>x</a>")
        archive.writestr("../../R13940004_week14_colab1_homework.ipynb", "{}")
        archive.writestr("__MACOSX/._x", "")
    return place


def by_student(path):
    return {row["student_id"]: row for row in table(path)}


def test_a_downloaded_zip_is_graded_as_it_is(command, class_zip, tmp_path):
    results = tmp_path / "results"

    ended = command("run", class_zip, "-o", results)

    assert ended.returncode == 1, ended.stderr
    assert "6 files: 3 notebooks, 1 zip (opened), 2 other (1 ignored)" in ended.stderr
    rows = by_student(results / "gradebook.csv")
    assert {s: (r["name"], r["colab1"], r["status"]) for s, r in rows.items()} == {
        "R13940001": ("學生甲 (CHIA, A)", "30", "graded"),
        "R13940002": ("學生乙", "", "needs_person"),
        "R13940003": ("學生丙", "22", "graded"),
        "R13940004": ("", "", "needs_person"),
    }
    said = " ".join(ended.stdout.split())
    assert "a link typed into the LMS, no file: look at it there" in said
    assert "leads out of the archive" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == [class_zip.name, "results"]


def test_the_same_notebooks_from_a_zip_or_a_folder_are_not_run_twice(command, class_zip, tmp_path):
    results = tmp_path / "results"
    command("run", class_zip, "-o", results)
    folder = tmp_path / "in"
    folder.mkdir()
    for notebook in (EXCELLENT, WRONG_AXIS):
        shutil.copy(notebook, folder)

    ended = command("run", folder, "-o", results)

    assert ended.returncode == 0, ended.stderr
    assert "grading" not in ended.stderr


def test_a_refused_zip_alone_is_wrong_use(command, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK\x03\x04 and then the network broke")

    ended = command("run", tmp_path / "a.zip", "-o", tmp_path / "r")

    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert "cut short? download it again" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert not (tmp_path / "r").exists()


def test_check_takes_one_notebook_and_no_zip(command, class_zip):
    ended = command("check", class_zip)

    assert ended.returncode == 2
    assert "is no notebook: name one that ends in .ipynb" in ended.stderr


def test_who_is_enrolled_has_a_row_also_when_judged_again(command, class_zip, tmp_path):
    results, roster = tmp_path / "results", tmp_path / "gradebook.csv"
    roster.write_text(
        "Student,ID,SIS Login ID,Section,week14 (4321)\n"
        "    Points Possible,,,,100.00\n"
        "學生甲,10001,r13940001,S,\n學生乙,10002,r13940002,S,\n學生丁,10005,r13940005,S,\n",
        encoding="utf-8",
    )
    said = "R13940003 is not on the roster; is it R13940005, who handed in nothing?"

    ran = command("run", class_zip, "-o", results, "--roster", roster)
    first = (results / "gradebook.csv").read_bytes()
    roster.unlink()
    judged = command("judge", results)

    assert (ran.returncode, judged.returncode) == (1, 1), ran.stderr + judged.stderr
    assert said in ran.stderr and said in judged.stderr
    rows = by_student(results / "gradebook.csv")
    assert [(s, r["name"], r["status"]) for s, r in rows.items()] == [
        ("R13940001", "學生甲", "graded"),
        ("R13940002", "學生乙", "needs_person"),
        ("R13940003", "學生丙", "graded"),
        ("R13940004", "", "needs_person"),
        ("R13940005", "學生丁", "missing"),
    ]
    assert [s for s, r in rows.items() if "not_on_roster" in r["flags"]] == [
        "R13940003",
        "R13940004",
    ]
    assert rows["R13940005"]["total"] == "0"
    assert (results / "gradebook.csv").read_bytes() == first


def test_a_hopeless_name_is_placed_by_hand(command, tmp_path):
    shutil.copy(EXCELLENT, tmp_path / "Untitled0.ipynb")

    ended = command(
        "run", tmp_path / "Untitled0.ipynb", "-o", tmp_path / "r",
        "--file", "Untitled0.ipynb=r13940008:colab1",
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    assert by_student(tmp_path / "r" / "gradebook.csv")["R13940008"]["colab1"] == "30"


@pytest.mark.parametrize("said", ["Untitled0.ipynb", "=R1", "x.ipynb="])
def test_what_is_no_file_and_id_is_wrong_use(command, tmp_path, said):
    ended = command("run", EXCELLENT, "-o", tmp_path / "r", "--file", said)

    assert ended.returncode == 2
    assert "write FILE=ID" in ended.stderr
    assert not (tmp_path / "r").exists()


def test_deadlines_are_applied_and_changed_without_running_anything(command, class_zip, tmp_path):
    results, times = tmp_path / "results", tmp_path / "submissions.json"
    times.write_text(
        json.dumps([
            {"user_id": 10001, "submitted_at": "2024-12-10T16:00:00Z", "late": True,
             "attachments": [{"id": 5001}]},
            {"user_id": 10003, "submitted_at": "2024-12-10T15:59:59Z", "late": False},
        ]),
        encoding="utf-8",
    )  # fmt: skip

    def judged(*arguments, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.toml").write_text(text, encoding="utf-8")
        ended = command("judge", results, *arguments, cwd=tmp_path)
        assert ended.returncode == 1, ended.stderr
        rows = by_student(results / "gradebook.csv")
        return {s[-1]: (r["colab1"], r["total"], r["status"]) for s, r in rows.items()}, ended

    ran = command("run", class_zip, "-o", results, "--times", times, COLUMNS="120")

    assert ran.returncode == 1, ran.stderr
    assert "deadline 2024-12-10 23:59:59 Taipei\n" in ran.stderr
    assert "30 withheld" in ran.stdout
    row = by_student(results / "gradebook.csv")["R13940001"]
    assert (row["colab1"], row["total"], row["status"]) == ("0", "0", "late")
    assert row["colab1.softmax"] == "6"
    assert row["flags"] == "colab1_late"
    assert "lateness_not_checked" not in by_student(results / "gradebook.csv")["R13940003"]["flags"]
    page = next((results / "reports").glob("R13940001*.html")).read_text("utf-8")
    assert "in time it would have earned 30." in page

    times.unlink()
    first = (results / "gradebook.csv").read_bytes()
    rows, _ = judged()
    assert (results / "gradebook.csv").read_bytes() == first

    rows, _ = judged("--late", "keep")
    assert rows["1"] == ("30", "30", "late")
    rows, _ = judged()  # the run's policy is now what was last said
    assert rows["1"] == ("30", "30", "late")
    rows, _ = judged("--late", "zero", "--deadline", "2024-12-11")
    assert rows["1"] == ("30", "30", "graded")
    rows, _ = judged("--deadline", "2024-12-10 12:00")
    assert (rows["1"][2], rows["3"][2]) == ("late", "late")
    rows, ended = judged(grader="[course.extensions]\nr13940003 = 2024-12-12\nR9 = 2024-12-12\n")
    assert (rows["1"][2], rows["3"]) == ("late", ("22", "22", "graded"))
    assert "there is no student R9 here" in ended.stderr


def test_without_times_lateness_is_not_checked_but_for_canvas_s_mark(command, tmp_path):
    place = tmp_path / "a.zip"
    with zipfile.ZipFile(place, "w") as archive:
        archive.write(EXCELLENT, canvas("甲", 1, 501, EXCELLENT.name, late=True))
        archive.write(WRONG_AXIS, canvas("丙", 3, 503, WRONG_AXIS.name))

    ended = command("run", place, "-o", tmp_path / "r", "--deadline", "2024-12-10T23:59:59+08:00")

    assert ended.returncode == 0, ended.stderr
    assert "(lateness not checked: no --times)" in ended.stderr
    rows = by_student(tmp_path / "r" / "gradebook.csv")
    assert {
        s[-1]: (r["total"], r["status"], r["flags"].split(";")[-1]) for s, r in rows.items()
    } == {
        "1": ("0", "late", "colab1_late"),
        "3": ("22", "graded", "lateness_not_checked"),
    }


@pytest.mark.parametrize(
    "flags, said",
    [
        (["--deadline", "soon"], "--deadline: deadline = 'soon': it is no time"),
        (["--late", "half"], "--late"),
        (["--times", "no.json"], "no such file: no.json"),
        (["--roster", "no.csv"], "no such file: no.csv"),
    ],
    ids=["deadline", "late", "times", "roster"],
)
def test_a_wrong_option_is_wrong_use_and_nothing_is_run(command, tmp_path, flags, said):
    ended = command("run", EXCELLENT, "-o", tmp_path / "r", *flags)

    assert ended.returncode == 2
    assert said in ended.stderr
    assert not (tmp_path / "r").exists()
