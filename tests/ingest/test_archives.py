"""Zips as an LMS, a student and an attacker make them, and what becomes of each file in them."""

import hashlib
import io
import random
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grader.errors import SubmissionError, UsageError
from grader.ingest import archives, notebooks
from grader.ingest.owners import DIFFERS
from grader.ingest.rosters import Roster
from grader.ingest.submissions import collect, contents
from grader.model import Enrolled
from tests.ingest.lms_names import anonymous, canvas, group, moodle, ntu_cool
from tests.ingest.test_submissions import ASSIGNMENT, ONE, cells, laid_out

GOOD = "R13940001_week14_colab1_homework.ipynb"


def zipped(files, **options):
    """The bytes of a zip; a name may be a ZipInfo, a text stands for a notebook with that cell."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in files.items() if isinstance(files, dict) else files:
            archive.writestr(name, cells(content) if isinstance(content, str) else content)
    return made.getvalue()


def zip_at(place, files):
    place.write_bytes(files if isinstance(files, bytes) else zipped(files))
    return place


def special(name, mode, content=b"/etc/passwd"):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return [(info, content)]


def told(*paths):
    """The files of an intake: path -> (what it became, whose, the reason)."""
    intake = collect(paths, ASSIGNMENT)
    return {n.path: (n.became, f"{n.student} {n.notebook}".strip(), n.reason) for n in intake.files}


def encrypted(files):
    """The zip with the bit that says so set in its entries, in each but the first of several."""
    data = bytearray(zipped(files))
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        where = data.find(mark, 1 + data.find(mark) if len(files) > 1 else 0)
        while where >= 0:
            data[where + at] |= 1
            where = data.find(mark, where + 4)
    return bytes(data)


# what an LMS sends ---------------------------------------------------------------------------


def test_every_dialect_may_stand_in_one_zip(tmp_path):
    def own(student):
        return f"{student}_week14_colab1_homework.ipynb"

    made = zip_at(
        tmp_path / "submissions.zip",
        {
            ntu_cool("r13940001", "王小明 (WANG, XIAO-MING)", 101, 501, own("R13940001")): "1",
            ntu_cool("r13940002", "Li_77, [A]", 102, 502, own("R13940002")): "2",
            canvas("陳小美", 103, 503, own("R13940003")): "3",
            canvas("Wang, Xiaoming", 104, 504, own("R13940004"), late=True): "4",
            anonymous("aB3x9", 505, own("R13940005")): "5",
            group("第3組", 106, 506, own("R13940006")): "6",
            own("R13940007"): "7",
        },
    )

    intake = collect([made], ASSIGNMENT)

    graded = [(s.student, s.cells[0].source) for s in intake.submissions]
    assert graded == [(f"R1394000{n}", str(n)) for n in range(1, 8)]
    by_student = {note.student[-1]: note for note in intake.files}
    assert [by_student[n].user for n in "1234567"] == [
        "101",
        "102",
        "103",
        "104",
        "aB3x9",
        "106",
        "",
    ]
    assert [by_student[n].attachment for n in "127"] == ["501", "502", ""]
    assert [by_student[n].name for n in "1236"] == [
        "王小明 (WANG, XIAO-MING)", "Li_77, [A]", "陳小美", ""
    ]  # fmt: skip
    assert [note.late for note in intake.files].count(True) == 1
    assert intake.opened == ("submissions.zip",)


@pytest.mark.parametrize(
    "encoding, flag", [("utf-8", True), ("utf-8", False), ("cp950", False)],
    ids=["utf-8", "utf-8 that is not said", "big5"],
)  # fmt: skip
def test_chinese_names_are_read_however_they_are_written(tmp_path, encoding, flag):
    name = ntu_cool("r13940001", "王小明", 101, 501, GOOD)
    data = zipped({name: "x"})
    if not flag:
        bare = bytearray(data.replace(name.encode(), name.encode(encoding)))
        for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            where = bare.index(mark)
            bare[where + at + 1] &= ~0x08
            length = where + (26 if mark == b"PK\x03\x04" else 28)
            bare[length : length + 2] = struct.pack("<H", len(name.encode(encoding)))
        shorter = len(name.encode()) - len(name.encode(encoding))
        end = bare.index(b"PK\x05\x06")
        size, start = struct.unpack("<LL", bare[end + 12 : end + 20])
        bare[end + 12 : end + 20] = struct.pack("<LL", size - shorter, start - shorter)
        data = bytes(bare)
    made = zip_at(tmp_path / "a.zip", data)

    (note,) = collect([made], ASSIGNMENT).files

    assert (note.path, note.became, note.name) == (name, "graded", "王小明")


def test_zips_in_a_folder_are_read_where_they_lie(tmp_path):
    laid_out(tmp_path, {"R2_week14_colab1.ipynb": "x"})
    zip_at(tmp_path / "colab1.zip", {f"week 14/a/{ONE}.ipynb": "y"})
    before = sorted(tmp_path.rglob("*"))

    assert told(tmp_path) == {
        f"colab1.zip/week 14/a/{ONE}.ipynb": ("graded", "R1 colab1", ""),
        "R2_week14_colab1.ipynb": ("graded", "R2 colab1", ""),
    }
    assert sorted(tmp_path.rglob("*")) == before


def test_several_zips_are_told_apart(tmp_path):
    one = zip_at(tmp_path / "colab1.zip", {f"{ONE}.ipynb": "x"})
    two = zip_at(tmp_path / "colab2.zip", {"R1_week14_colab2.ipynb": "x"})

    assert list(told(one, two)) == [
        f"colab1.zip/{ONE}.ipynb",
        "colab2.zip/R1_week14_colab2.ipynb",
    ]


@pytest.mark.parametrize(
    "path, reason",
    [
        ("__MACOSX/._x.ipynb", "left by macOS"),
        ("a/__MACOSX/x.ipynb", "left by macOS"),
        (".ipynb_checkpoints/x.ipynb", "a checkpoint of Jupyter's"),
        (".DS_Store", "hidden"),
        ("a/._x.ipynb", "hidden"),
        (".git/x.ipynb", "hidden"),
        ("Thumbs.db", "left by Windows"),
        ("report.pdf", "not a notebook (.pdf)"),
    ],
)
def test_what_machines_leave_in_a_zip_is_ignored_and_counted(tmp_path, path, reason):
    made = zip_at(tmp_path / "a.zip", {"folder/": b"", path: b"x", f"folder/{ONE}.ipynb": "x"})

    found = told(made)

    assert found.pop(f"folder/{ONE}.ipynb")[0] == "graded"
    assert found == {path: ("ignored", "", reason)}


# resubmissions -------------------------------------------------------------------------------


UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.mark.parametrize(
    "suffix, newer", [("", "-1"), ("-1", "-2"), ("-6", "-7"), ("-7", f"-{UUID}")]
)
def test_the_newest_upload_counts_and_the_other_is_said(tmp_path, suffix, newer):
    def member(suffix, attachment):
        return ntu_cool("r1", "甲", 101, attachment, f"{ONE}{suffix}.ipynb")

    # the numbers of Canvas would say the other way round: the suffix comes first
    old, new = member(suffix, 900), member(newer, 500)
    made = zip_at(tmp_path / "a.zip", {old: "old", new: "new"})

    assert told(made) == {
        old: ("superseded", "R1 colab1", f"by {new}"),
        new: ("graded", "R1 colab1", ""),
    }


def test_of_two_uploads_of_the_same_name_the_higher_attachment_counts(tmp_path):
    low, high = (ntu_cool("r1", "甲", 101, n, f"{ONE}.ipynb") for n in (999, 1000))
    made = zip_at(tmp_path / "a.zip", {high: "new", low: "old"})

    assert told(made) == {
        low: ("superseded", "R1 colab1", f"by {high}"),
        high: ("graded", "R1 colab1", ""),
    }


def test_a_file_that_no_lms_numbered_is_not_older_for_that(tmp_path):
    laid_out(tmp_path, {f"{ONE}.ipynb": "a"})
    zip_at(tmp_path / "a.zip", {ntu_cool("r1", "甲", 101, 500, f"{ONE}.ipynb"): "b"})

    assert {became for became, _, _ in told(tmp_path).values()} == {"needs_person"}


# whose a file is -----------------------------------------------------------------------------


def test_an_account_comes_before_the_id_in_the_file_name_and_the_difference_is_flagged(tmp_path):
    own = ntu_cool("r2", "乙", 102, 502, "R2_week14_colab1_homework.ipynb")
    others = ntu_cool("r1", "甲", 101, 501, "R2_week14_colab1_homework-1.ipynb")
    made = zip_at(tmp_path / "a.zip", {own: "own", others: "copied"})

    intake = collect([made], ASSIGNMENT)

    assert [(s.student, s.cells[0].source) for s in intake.submissions] == [
        ("R1", "copied"),
        ("R2", "own"),
    ]
    flagged = {note.path: (note.flags, note.reason) for note in intake.files}
    assert flagged == {
        own: ((), ""),
        others: ((DIFFERS,), "handed in by R1, named for R2"),
    }


@pytest.mark.parametrize(
    "login", ["r13940001", "R13940001", "\uff52\uff11\uff13\uff19\uff14\uff10\uff10\uff10\uff11"]
)
def test_login_and_id_are_compared_without_case_and_width(tmp_path, login):
    made = zip_at(tmp_path / "a.zip", {ntu_cool(login, "甲", 1, 2, GOOD): "x"})

    (note,) = collect([made], ASSIGNMENT).files

    assert (note.student, note.flags) == ("R13940001", ())


def test_an_account_known_by_its_login_once_is_known_in_every_zip(tmp_path):
    zip_at(tmp_path / "1.zip", {ntu_cool("r1", "甲", 101, 501, f"{ONE}.ipynb"): "x"})
    name = canvas("甲", 101, 502, "colab 2.ipynb")
    zip_at(tmp_path / "2.zip", {name: "x"})

    assert told(tmp_path)[f"2.zip/{name}"] == ("graded", "R1 colab2", "")


def test_an_account_without_login_that_names_two_students_needs_a_person(tmp_path):
    one = canvas("甲", 101, 501, f"{ONE}.ipynb")
    two = canvas("甲", 101, 502, "R2_week14_colab2_homework.ipynb")
    made = zip_at(tmp_path / "a.zip", {one: "x", two: "y"})

    said = "account 101 hands in files of several students: R1, R2"
    assert told(made) == {one: ("needs_person", "", said), two: ("needs_person", "", said)}


def test_two_accounts_without_login_cannot_be_one_student(tmp_path):
    one = canvas("甲", 101, 501, f"{ONE}.ipynb")
    two = canvas("乙", 102, 502, f"{ONE}-1.ipynb")
    made = zip_at(tmp_path / "a.zip", {one: "x", two: "y"})

    assert told(made) == {
        one: ("needs_person", "", "account 101 hands it in as R1, and so does account 102"),
        two: ("needs_person", "", "account 102 hands it in as R1, and so does account 101"),
    }


def test_a_file_of_a_known_account_says_which_notebook_it_is_or_needs_a_person(tmp_path):
    clear = ntu_cool("r1", "甲", 101, 501, "my colab1.ipynb")
    unclear = ntu_cool("r1", "甲", 101, 502, "Untitled.ipynb")
    made = zip_at(tmp_path / "a.zip", {clear: "x", unclear: "y"})

    assert told(made) == {
        clear: ("graded", "R1 colab1", ""),
        unclear: (
            "needs_person",
            "R1",
            "its name, Untitled.ipynb, does not say which notebook of R1 it is",
        ),
    }


def test_the_roster_knows_an_account_by_its_number_and_a_student_by_any_id(tmp_path):
    roster = Roster([
        Enrolled("R1", "甲", "101", ("R1", "JIA.A")),
        Enrolled("R2", "乙", "102", ("R2",)),
    ])  # fmt: skip
    made = zip_at(
        tmp_path / "a.zip",
        {
            canvas("甲", 101, 501, "jia.a_week14_colab1_homework.ipynb"): "1",
            canvas("乙", 102, 502, "R1_week14_colab2_homework.ipynb"): "2",
            ntu_cool("jia.a", "甲", 999, 503, "colab3.ipynb"): "3",
            "101_102_link.html": b"",
        },
    )

    intake = collect([made], ASSIGNMENT, roster)

    assert [(s.student, s.cells[0].source) for s in intake.submissions] == [
        ("R1", "1"), ("R1", "3"), ("R2", "2")
    ]  # fmt: skip
    flags = {note.student: note.flags for note in intake.files if note.flags}
    assert flags == {"R2": (DIFFERS,)}
    assert {n.student for n in intake.files if n.path.endswith(".html")} == {"R2"}


def test_a_file_placed_by_hand_says_nothing_of_its_account(tmp_path):
    one = canvas("甲", 101, 501, f"{ONE}.ipynb")
    two = canvas("甲", 101, 502, "R2_week14_colab2_homework.ipynb")
    made = zip_at(tmp_path / "a.zip", {one: "x", two: "y"})

    intake = collect([made], ASSIGNMENT, by_hand={two: "R3"})

    assert [(s.student, s.notebook) for s in intake.submissions] == [
        ("R1", "colab1"),
        ("R3", "colab2"),
    ]


# what is no notebook -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["text", "link"])
def test_a_text_or_a_link_in_place_of_a_notebook_needs_a_person(tmp_path, kind):
    name = f"r1#_甲_101_{kind}.html"
    made = zip_at(tmp_path / "a.zip", {name: b"<p>", "R2_week14_colab1.ipynb": "x"})

    said = f"a {kind} typed into the LMS, no file: look at it there"
    assert told(made)[name] == ("needs_person", "R1", said)


@pytest.mark.parametrize(
    "name",
    [
        *("甲_101_text.html", "anon_aB3x9_link.html", "第3組#_9_text.html"),
        "甲_7_assignsubmission_onlinetext_/onlinetext.html",
    ],
)
def test_a_text_of_whom_nobody_knows_needs_a_person(tmp_path, name):
    made = zip_at(tmp_path / "a.zip", {name: b"<p>"})

    assert told(made)[name][:2] == ("needs_person", "")


def test_a_text_beside_every_notebook_is_ignored(tmp_path):
    files = {
        ntu_cool("r1", "甲", 101, 500 + n, f"R1_week14_colab{n}.ipynb"): "x" for n in (1, 2, 3)
    }
    made = zip_at(tmp_path / "a.zip", {**files, "r1#_甲_101_text.html": b"<p>"})

    assert told(made)["r1#_甲_101_text.html"][:2] == ("ignored", "R1")


def test_a_zip_for_one_notebook_asks_for_no_other(tmp_path):
    """Its name says which the LMS's assignment is for, and nobody has another one in it."""
    one = {ntu_cool("r1", "甲", 1, 501, "R1_week14_colab2.ipynb"): "1"}
    others = {
        "r1#_甲_1_601_answers.txt": (b"It attends.", "R1"),
        "r1#_甲_1_602_Untitled.ipynb": ("u", "R1"),
        "r3#_丙_3_text.html": (b"<p>", "R3"),
    }
    files = {**one, **{name: content for name, (content, _) in others.items()}}

    named = told(zip_at(tmp_path / "genai-colab2_submissions (1).zip", files))
    unnamed = told(zip_at(tmp_path / "genai-week14_submissions.zip", files))
    of_both = told(zip_at(tmp_path / "b_colab2.zip", {**files, "R4_week14_colab1.ipynb": "x"}))

    assert [named[name][:2] for name in others] == [
        ("ignored", "R1"),
        ("needs_person", "R1 colab2"),
        ("needs_person", "R3 colab2"),
    ]
    for found in (unnamed, of_both):
        assert [found[name][:2] for name in others] == [
            ("needs_person", student) for _, student in others.values()
        ]


@pytest.mark.parametrize(
    "named",
    [
        lambda file: anonymous("aB3x9", 500 + len(file), file),
        lambda file: moodle("甲 乙", 7, file),
        lambda file: moodle("甲 乙", 7, file, in_folders=False),
    ],
    ids=["anonymous", "moodle", "moodle without folders"],
)
def test_what_came_with_a_students_notebook_is_that_students(tmp_path, named):
    others = {named("colab2.ipynb"): "2", named("Untitled.ipynb"): "3", named("a.txt"): b"It."}

    alone = told(zip_at(tmp_path / "a.zip", {**others, named("R1_week14_colab1.ipynb"): "1"}))
    of_two = told(
        zip_at(
            tmp_path / "b.zip",
            {
                **others,
                named("R1_week14_colab1.ipynb"): "1",
                named("R2_week14_colab1.ipynb"): "2",
            },
        )
    )

    assert [alone[name][:2] for name in others] == [
        ("graded", "R1 colab2"),
        ("needs_person", "R1"),
        ("needs_person", "R1"),
    ]
    assert {of_two[name][:2] for name in others} == {("needs_person", "")}


def test_whom_an_lms_calls_by_a_dot_is_not_hidden(tmp_path):
    named = group(".NET", 9, 501, f"{ONE}.ipynb")
    files = {named: "x", f".old/{ONE}.ipynb": "y", f"._{named}": b"\0\5\x16\7"}

    found = told(zip_at(tmp_path / "a.zip", files))

    assert [found[name][0] for name in files] == ["graded", "ignored", "ignored"]


def test_what_came_with_a_groups_notebook_may_be_anyones(tmp_path):
    files = {
        group("第3組", 9, 500 + len(name), name): "x" for name in (f"{ONE}.ipynb", "colab2.ipynb")
    }

    found = told(zip_at(tmp_path / "a.zip", files))

    assert [found[name][:2] for name in files] == [("graded", "R1 colab1"), ("needs_person", "")]


def test_what_a_student_has_zipped_is_that_students(tmp_path):
    inner = zipped({"hw/R1_week14_colab1.ipynb": "1", "r9#_丁_9_9_R9_week14_colab2.ipynb": "2"})
    outer = ntu_cool("r1", "甲", 101, 501, "homework.zip")
    made = zip_at(tmp_path / "a.zip", {outer: inner})

    intake = collect([made], ASSIGNMENT)

    assert [(s.student, s.notebook) for s in intake.submissions] == [
        ("R1", "colab1"),
        ("R1", "colab2"),
    ]
    assert set(intake.opened) == {"a.zip", outer}
    assert {(note.user, note.attachment) for note in intake.files} == {("101", "501")}


def test_the_name_of_a_students_zip_places_what_is_in_it(tmp_path):
    zip_at(tmp_path / "R1_week14_colab2_homework.zip", {"Untitled.ipynb": "x"})

    assert told(tmp_path) == {
        "R1_week14_colab2_homework.zip/Untitled.ipynb": ("graded", "R1 colab2", "")
    }


def test_zips_are_opened_two_deep_and_no_deeper(tmp_path):
    inner = zipped({GOOD: "x"})
    for _ in range(2):
        inner = zipped({"inner.zip": inner})
    made = zip_at(tmp_path / "a.zip", {"b.zip": inner})

    assert told(made) == {
        "b.zip/inner.zip": ("ignored", "", "a zip in a zip in a zip: unpack it first")
    }


# what an attacker makes ----------------------------------------------------------------------

SLIP = "its name leads out of the archive (../): not opened"
ROOT = "its name is a path from the root of the disk: not opened"
LINK = "it is a link in an archive: not followed"

HOSTILE = {
    "slip": ([("../../R9_week14_colab1.ipynb", "x")], SLIP),
    "slip inside": ([("a/../../R9_week14_colab1.ipynb", "x")], SLIP),
    "slip, Windows": ([("..\\..\\R9_week14_colab1.ipynb", "x")], SLIP),
    "absolute": ([("/tmp/R9_week14_colab1.ipynb", "x")], ROOT),
    "drive": ([("C:\\R9_week14_colab1.ipynb", "x")], ROOT),
    "share": ([("\\\\host\\R9_week14_colab1.ipynb", "x")], ROOT),
    "link": (special("R9_week14_colab1.ipynb", stat.S_IFLNK | 0o777), LINK),
    "pipe": (
        special("R9_week14_colab1.ipynb", stat.S_IFIFO | 0o777),
        "it is neither a file nor a folder: not opened",
    ),
    "bomb": (
        [("R9_week14_colab1.ipynb", b"0" * 30 * 2**20), ("noise.zip", random.randbytes(2**18))],
        "it unpacks to 30 MB,",
    ),
}


@pytest.mark.parametrize("files, reason", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_member_is_refused_in_one_line_and_the_rest_is_graded(tmp_path, files, reason):
    folder = tmp_path / "in" / "deep"
    folder.mkdir(parents=True)
    zip_at(folder / "a.zip", zipped([*files, (GOOD, "x")]))
    before = sorted(tmp_path.rglob("*"))

    intake = collect([folder / "a.zip"], ASSIGNMENT)

    assert [submission.student for submission in intake.submissions] == ["R13940001"]
    refused = next(note for note in intake.files if note.student == "R9")
    assert refused.became == "needs_person"
    assert refused.reason.startswith(reason)
    assert "\n" not in refused.reason
    assert sorted(tmp_path.rglob("*")) == before


def many(number):
    return [(f"{n}.txt", b"") for n in range(number)]


def lying(data, size):
    """The zip with another unpacked size of its first member, in both places that say it."""
    changed = bytearray(data)
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        where = changed.index(mark)
        changed[where + at : where + at + 4] = struct.pack("<L", size)
    return bytes(changed)


REFUSED = {
    "empty": (b"", "cannot be opened as a zip"),
    "text": (b"hello", "cannot be opened as a zip"),
    "head alone": (b"PK\x03\x04", "cannot be opened as a zip"),
    "cut short": (zipped({GOOD: "x" * 5000})[:-30], "cut short? download it again"),
    "cut at the start": (zipped({GOOD: "x" * 5000, "b.ipynb": "y"})[400:], ""),
    "encrypted": (encrypted({GOOD: "x"}), "it is encrypted"),
    "encrypted in part": (encrypted({GOOD: "x", "b.ipynb": "y"}), "it is encrypted"),
    "nothing": (zipped({}), "there is no file of a student's in it"),
    "folders": (zipped({"a/": b""}), "there is no file of a student's in it"),
    "what macOS leaves": (zipped({"__MACOSX/._a": b""}), "there is no file of a student's in it"),
    "slip alone": (zipped(HOSTILE["slip"][0]), f"nothing in it may be opened: {SLIP}"),
    "link alone": (zipped(HOSTILE["link"][0]), f"nothing in it may be opened: {LINK}"),
}


@pytest.mark.parametrize("data, said", REFUSED.values(), ids=REFUSED)
def test_a_refused_zip_is_one_line_and_the_rest_is_graded(tmp_path, data, said):
    laid_out(tmp_path, {f"{ONE}.ipynb": "x"})
    zip_at(tmp_path / "R9_week14_colab2.zip", data)

    found = told(tmp_path)

    assert found.pop(f"{ONE}.ipynb")[0] == "graded"
    ((became, whose, reason),) = found.values()
    assert (became, whose) == ("needs_person", "R9 colab2")
    assert said in reason and "\n" not in reason


@pytest.mark.parametrize("data, said", REFUSED.values(), ids=REFUSED)
def test_a_refused_zip_that_is_all_there_is_is_wrong_use(tmp_path, data, said):
    made = zip_at(tmp_path / "a.zip", data)

    with pytest.raises(UsageError) as caught:
        collect([made], ASSIGNMENT)

    assert str(caught.value).startswith(f"{made}: ")
    assert said in str(caught.value)


def test_a_zip_with_too_many_files_is_refused_before_its_list_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LIMIT_MEMBERS", 100)
    made = zip_at(tmp_path / "a.zip", zipped(many(101)))
    monkeypatch.setattr(zipfile, "ZipFile", None)  # it is not asked

    with pytest.raises(UsageError, match="it holds more than 100 files"):
        collect([made], ASSIGNMENT)


def test_a_zip_that_lies_about_how_many_files_it_holds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LIMIT_MEMBERS", 100)
    data = bytearray(zipped(many(101)))
    end = data.rindex(b"PK\x05\x06")
    data[end + 8 : end + 12] = struct.pack("<HH", 1, 1)
    made = zip_at(tmp_path / "a.zip", bytes(data))

    with pytest.raises(UsageError, match="it holds more than 100 files"):
        collect([made], ASSIGNMENT)


def test_a_list_that_is_too_long_is_not_read_whatever_its_count_says(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LIMIT_MEMBERS", 4)
    data = bytearray(zipped(many(101)))
    end = data.rindex(b"PK\x05\x06")
    data[end + 8 : end + 12] = struct.pack("<HH", 1, 1)
    made = zip_at(tmp_path / "a.zip", bytes(data))
    monkeypatch.setattr(zipfile, "ZipFile", None)  # it is not asked

    with pytest.raises(UsageError, match="it holds more than 4 files"):
        collect([made], ASSIGNMENT)


def test_a_large_zips_own_count_is_believed_not_the_old_field(tmp_path, monkeypatch):
    data = zipped({GOOD: "x", "notes.txt": b""})
    end = data.rindex(b"PK\x05\x06")
    size, start = struct.unpack("<LL", data[end + 12 : end + 20])
    large = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, size, start)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    last = struct.pack(
        "<4s4H2LH", b"PK\x05\x06", 0, 0, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, 0
    )
    made = zip_at(tmp_path / "a.zip", data[:end] + large + locator + last)

    assert told(made)[GOOD][0] == "graded"
    monkeypatch.setattr(archives, "LIMIT_MEMBERS", 1)
    with pytest.raises(UsageError, match="it holds more than 1 files"):
        collect([made], ASSIGNMENT)


def test_a_zip_that_would_unpack_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LIMIT_BYTES", 1000)
    made = zip_at(tmp_path / "a.zip", {"a.ipynb": b"0" * 600, "b.ipynb": b"0" * 600})

    with pytest.raises(UsageError, match="it would unpack to"):
        collect([made], ASSIGNMENT)


def test_many_small_bombs_are_one(tmp_path):
    made = zip_at(tmp_path / "a.zip", {f"{n}.ipynb": b"0" * 2**21 for n in range(12)})

    with pytest.raises(UsageError, match=r"it would unpack to 24 MB, \d+ times its own size"):
        collect([made], ASSIGNMENT)


def test_a_notebook_that_prints_one_line_for_ever_is_no_bomb(tmp_path):
    line = "UserWarning: the mask is deprecated\n"
    made = zip_at(tmp_path / "a.zip", {GOOD: f"# {line * 100_000}"})

    assert told(made)[GOOD][0] == "graded"


def test_what_is_never_opened_does_not_count_against_a_zip(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "LIMIT_BYTES", 1000)
    made = zip_at(tmp_path / "a.zip", {"film.mp4": b"0" * 5000, GOOD: "x"})

    assert told(made)[GOOD][0] == "graded"


def test_a_member_that_is_larger_than_a_notebook_may_be_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "LIMIT_BYTES", 1000)
    made = zip_at(tmp_path / "a.zip", {GOOD: bytes(range(256)) * 8, "b.txt": b""})

    assert told(made)[GOOD][2].startswith("it is too large")


@pytest.mark.parametrize("size", [10, 10**9], ids=["smaller", "larger"])
def test_a_member_that_lies_about_its_size_is_damaged_or_too_large(tmp_path, size):
    data = lying(zipped([(GOOD, b"0" * 5000), ("b.txt", b"")]), size)
    made = zip_at(tmp_path / "a.zip", data)

    became, whose, reason = told(made)[GOOD]

    assert (became, whose) == ("needs_person", "R13940001 colab1")
    assert "damaged in the archive" in reason or "a bomb?" in reason


def test_a_member_whose_bytes_are_damaged_needs_a_person(tmp_path):
    data = bytearray(zipped({GOOD: "x" * 100, "R2_week14_colab1.ipynb": "y"}))
    data[80] ^= 0xFF
    made = zip_at(tmp_path / "a.zip", bytes(data))

    found = told(made)

    assert found["R2_week14_colab1.ipynb"][0] == "graded"
    assert "damaged in the archive" in found[GOOD][2]


def test_a_member_packed_in_another_way_is_refused(tmp_path):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(GOOD, cells("x"))
        archive.writestr("b.txt", b"", zipfile.ZIP_STORED)

    found = told(zip_at(tmp_path / "a.zip", made.getvalue()))

    assert found[GOOD][2] == "it is packed by method 14, not deflate: pack it anew as a zip"


def test_a_bomb_of_zips_in_zips_is_refused_where_it_is_met(tmp_path):
    inner = zipped({"R9_week14_colab1.ipynb": b"0" * 30 * 2**20})
    made = zip_at(tmp_path / "a.zip", {**{f"{n}.zip": inner for n in range(9)}, GOOD: "x"})

    found = told(made)

    assert found.pop(GOOD)[0] == "graded"
    assert len(found) == 9
    assert all("a bomb?" in reason for _, _, reason in found.values())


def test_a_member_without_a_name_is_a_file_like_any_other(tmp_path):
    data = zipped({GOOD: "x", "b": b""}).replace(b"bPK\5\6", b"\0PK\5\6")
    made = zip_at(tmp_path / "a.zip", data)

    assert told(made)[GOOD][0] == "graded"


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_no_damage_to_a_zip_ends_otherwise_than_in_a_line(tmp_path, data):
    inner = zipped([(zipfile.ZipInfo("c.ipynb"), "z")])  # of no time, which would pack otherwise
    whole = bytearray(zipped({GOOD: "x", "a/b.ipynb": "y", "inner.zip": inner}))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(whole))))
    (tmp_path / "a.zip").write_bytes(whole[:cut])
    laid_out(tmp_path, {f"{ONE}.ipynb": "x"})

    found = told(tmp_path)

    assert found[f"{ONE}.ipynb"][0] == "graded"
    assert all("\n" not in reason for _, _, reason in found.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{ONE}.ipynb", "a.zip"]


def test_a_zip_that_may_not_be_opened_needs_a_person(tmp_path, monkeypatch):
    made = zip_at(tmp_path / "a.zip", {GOOD: "x"})

    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)

    with pytest.raises(SubmissionError, match="Permission denied"), archives.opened(made):
        pass


def test_what_was_collected_is_found_again_by_its_digest_wherever_it_lies(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep/a.ipynb", cells("x = 1"))
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as archive:
        archive.writestr("hw.zip", inner.getvalue())
        archive.writestr("Untitled", cells("x = 2"))
        archive.writestr("../b.ipynb", cells("x = 3"))
        archive.writestr("c.ipynb", cells("x = 4"))
        archive.writestr("broken.zip", b"PK\x03\x04")
    laid_out(tmp_path, {"loose.ipynb": "x = 5"})
    digests = [hashlib.sha256(cells(f"x = {i}")).hexdigest() for i in range(1, 6)]
    wanted = dict(
        zip(digests, ["a.ipynb", "class.zip/Untitled", "b", "was.ipynb", "x"], strict=True)
    )
    del wanted[digests[3]]

    found = contents([tmp_path], wanted)

    # not what leads out of the zip, not what nobody asked for
    assert found == {digests[i]: cells(f"x = {i + 1}") for i in (0, 1, 4)}
