"""The LMS's zip, as it was downloaded, to a row for each student."""

import csv
import shutil
import zipfile

import pytest

from fixtures.make_submissions import SUBMISSIONS
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


def table(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return {row["student_id"]: row for row in csv.DictReader(file)}


def test_a_downloaded_zip_is_graded_as_it_is(command, class_zip, tmp_path):
    results = tmp_path / "results"

    ended = command("run", class_zip, "-o", results)

    assert ended.returncode == 1, ended.stderr
    assert "6 files: 3 notebooks, 1 zip (opened), 2 other (1 ignored)" in ended.stderr
    rows = table(results / "gradebook.csv")
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
    rows = table(results / "gradebook.csv")
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
    assert table(tmp_path / "r" / "gradebook.csv")["R13940008"]["colab1"] == "30"


@pytest.mark.parametrize("said", ["Untitled0.ipynb", "=R1", "x.ipynb="])
def test_what_is_no_file_and_id_is_wrong_use(command, tmp_path, said):
    ended = command("run", EXCELLENT, "-o", tmp_path / "r", "--file", said)

    assert ended.returncode == 2
    assert "write FILE=ID" in ended.stderr
    assert not (tmp_path / "r").exists()
