"""Folders as they come from students, and what becomes of each file in them."""

import hashlib
import json
import os
import socket
from pathlib import Path

import pytest

from grader.authoring import Assignment, Notebook, Written
from grader.errors import UsageError
from grader.ingest import notebooks
from grader.ingest.submissions import collect
from grader.model import FileNote

KEYS = ("colab1", "colab2", "colab3")
ASSIGNMENT = Assignment(
    key="week14",
    title="Attention",
    points=dict.fromkeys(KEYS, 0),
    notebooks={key: Notebook(key, []) for key in KEYS},
    file_name="{student}_week14_{notebook}_homework.ipynb",
)
ONE = "R1_week14_colab1_homework"
UNPLACED = "its name does not say whose it is: expected <ID>_week14_colabN_homework.ipynb"


def cells(source: str) -> bytes:
    cell = {"cell_type": "code", "source": source, "metadata": {}, "outputs": []}
    return json.dumps({"cells": [cell], "nbformat": 4, "nbformat_minor": 5}).encode()


def laid_out(folder: Path, files: dict[str, bytes | str]) -> Path:
    """The folder with these files in it; a text stands for a notebook with that one cell."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(cells(content) if isinstance(content, str) else content)
    return folder


def became(*paths: Path) -> dict[str, str]:
    return {note.path: note.became for note in collect(paths, ASSIGNMENT).files}


def note_on(path: str, *paths: Path) -> FileNote:
    return next(note for note in collect(paths, ASSIGNMENT).files if note.path == path)


def test_submissions_come_by_student_and_notebook_with_all_that_is_known(tmp_path):
    laid_out(
        tmp_path,
        {
            "b/r2_week14_colab1.ipynb": "x = 2",
            "R1_week14_colab3_homework.ipynb": "x = 3",
            "z/R1_week14_colab1_homework.ipynb": "x = 1",
        },
    )

    intake = collect([tmp_path], ASSIGNMENT)

    assert [(s.student, s.notebook, s.path, s.cells[0].source) for s in intake.submissions] == [
        ("R1", "colab1", "z/R1_week14_colab1_homework.ipynb", "x = 1"),
        ("R1", "colab3", "R1_week14_colab3_homework.ipynb", "x = 3"),
        ("R2", "colab1", "b/r2_week14_colab1.ipynb", "x = 2"),
    ]
    digest = hashlib.sha256(cells("x = 2")).hexdigest()
    assert intake.submissions[2].sha256 == digest
    assert intake.files[1] == FileNote(
        "b/r2_week14_colab1.ipynb", "graded", digest, "R2", "colab1", ""
    )
    assert [note.path for note in intake.files] == sorted(note.path for note in intake.files)


def test_what_was_odd_in_a_file_goes_with_the_submission(tmp_path):
    laid_out(tmp_path, {f"{ONE}.ipynb": b'{"cells": [], "nbformat": 4}'})

    (submission,) = collect([tmp_path], ASSIGNMENT).submissions

    assert submission.notes == ("it has no code cell",)


@pytest.mark.parametrize(
    "path, reason",
    [
        (".ipynb_checkpoints/R1_week14_colab1_homework.ipynb", "a checkpoint of Jupyter's"),
        ("a/.ipynb_checkpoints/b/x.ipynb", "a checkpoint of Jupyter's"),
        ("__MACOSX/R1_week14_colab1_homework.ipynb", "left by macOS"),
        ("__MACOSX/._R1_week14_colab1_homework.ipynb", "left by macOS"),
        ("._R1_week14_colab1_homework.ipynb", "hidden"),
        (".DS_Store", "hidden"),
        ("Thumbs.db", "left by Windows"),
        ("desktop.ini", "left by Windows"),
        ("all.tar.gz", "an archive: unpack it first"),
        ("report.PDF", "not a notebook (.pdf)"),
        ("README", "not a notebook (no extension)"),
        ("x.ipynb.txt", "its name ends in .txt: if it is a notebook, take that away"),
    ],
)
def test_what_is_no_students_notebook_is_ignored_and_why(tmp_path, path, reason):
    laid_out(tmp_path, {path: "x"})

    intake = collect([tmp_path], ASSIGNMENT)

    assert intake.files == (FileNote(path, "ignored", reason=reason),)
    assert intake.submissions == ()


def test_a_hidden_folder_is_one_line(tmp_path):
    laid_out(tmp_path, {".git/a": b"", ".git/b": b""})

    assert became(tmp_path) == {".git": "ignored"}


@pytest.mark.parametrize("name", [f"{ONE}.ipynb.txt", f"{ONE}.rar", f"{ONE}-1.pdf", f"{ONE}.py"])
def test_whose_an_ignored_file_may_be_is_noted(tmp_path, name):
    laid_out(tmp_path, {name: b"x"})

    note = note_on(name, tmp_path)

    assert (note.became, note.student, note.notebook) == ("ignored", "R1", "colab1")


def test_a_name_that_cannot_be_placed_needs_a_person(tmp_path):
    laid_out(tmp_path, {"Untitled0.ipynb": "x"})

    digest = hashlib.sha256(cells("x")).hexdigest()
    assert collect([tmp_path], ASSIGNMENT).files == (
        FileNote("Untitled0.ipynb", "needs_person", digest, reason=UNPLACED),
    )


def test_a_file_that_cannot_be_read_needs_a_person_who_is_told_whose_it_is(tmp_path):
    laid_out(tmp_path, {f"{ONE}.ipynb": b"", "R2_week14_colab1.ipynb": "x"})

    intake = collect([tmp_path], ASSIGNMENT)

    assert [submission.student for submission in intake.submissions] == ["R2"]
    assert intake.files[0] == FileNote(
        f"{ONE}.ipynb",
        "needs_person",
        hashlib.sha256(b"").hexdigest(),
        "R1",
        "colab1",
        "the file is empty (0 bytes)",
    )


@pytest.mark.parametrize(
    "files, expected",
    [
        ({f"{ONE}.ipynb": "a", f"{ONE}-1.ipynb": "b"}, ["superseded", "graded"]),
        ({f"{ONE} (1).ipynb": "a", f"{ONE} (2).ipynb": "b"}, ["superseded", "graded"]),
        ({f"{ONE}-1 (3).ipynb": "a", f"{ONE}-2.ipynb": "b"}, ["superseded", "graded"]),
        ({f"{ONE}-7.ipynb": "a", f"x/{ONE}-1.ipynb": "b"}, ["graded", "superseded"]),
        ({f"{ONE}.ipynb": "a", f"b/{ONE}.ipynb": "a"}, ["graded", "duplicate"]),
        ({f"Copy of {ONE}.ipynb": "a", f"x/{ONE}.ipynb": "a"}, ["duplicate", "graded"]),
        ({f"b/{ONE}.ipynb": "a", f"a/{ONE}.ipynb": "a"}, ["duplicate", "graded"]),
        ({f"aa/{ONE}.ipynb": "a", f"b/{ONE}.ipynb": "a"}, ["duplicate", "graded"]),
        ({f"{ONE}.ipynb": "a", f"{ONE}-1.ipynb": "a"}, ["duplicate", "graded"]),
        (
            {f"{ONE}.ipynb": "a", f"{ONE}-1.ipynb": "b", f"{ONE}-2.ipynb": "a"},
            ["duplicate", "superseded", "graded"],
        ),
        ({f"{ONE}.ipynb": "a", f"Copy of {ONE}.ipynb": "b"}, ["needs_person", "needs_person"]),
        (
            {f"{ONE}-1.ipynb": "a", f"b/{ONE}-1.ipynb": "b", f"{ONE}.ipynb": "a"},
            ["needs_person", "needs_person", "superseded"],
        ),
        ({f"{ONE}.ipynb": "a", f"{ONE}-1.ipynb": b"{"}, ["superseded", "needs_person"]),
        ({f"{ONE}.ipynb": b"{", f"{ONE}-1.ipynb": "a"}, ["superseded", "graded"]),
        ({f"{ONE}.ipynb": b"{", f"b/{ONE}.ipynb": b"{"}, ["needs_person", "duplicate"]),
        ({f"{ONE}.ipynb": "a", "r1_week14_colab1.ipynb": "a"}, ["graded", "duplicate"]),
        ({f"{ONE}.ipynb": "a", "R2_week14_colab1.ipynb": "a"}, ["graded", "graded"]),
    ],
    ids=[
        "canvas", "browser", "canvas before browser", "order of names", "same bytes",
        "canonical name first", "same name", "shorter path",
        "same bytes uploaded again", "back to the first",
        "tie", "tie with the same bytes below", "newest unreadable", "oldest unreadable",
        "both unreadable", "id in lower case", "two students",
    ],
)  # fmt: skip
def test_one_file_counts_by_its_name_and_its_bytes(tmp_path, files, expected):
    laid_out(tmp_path, files)
    # the times lie: the first file is always the newest by its time
    for age, name in enumerate(files):
        os.utime(tmp_path / name, (2e9 - age, 2e9 - age))

    assert became(tmp_path) == dict(zip(files, expected, strict=True))
    graded = [submission.path for submission in collect([tmp_path], ASSIGNMENT).submissions]
    assert graded == sorted(
        (name for name, what in zip(files, expected, strict=True) if what == "graded"),
    )


@pytest.mark.parametrize(
    "files, path, reason",
    [
        ({f"{ONE}.ipynb": "a", f"{ONE}-1.ipynb": "b"}, f"{ONE}.ipynb", f"by {ONE}-1.ipynb"),
        (
            {f"{ONE}.ipynb": "a", f"b/{ONE}.ipynb": "a"},
            f"b/{ONE}.ipynb",
            f"the same bytes as {ONE}.ipynb",
        ),
        (
            {f"{ONE}.ipynb": "a", f"b/{ONE}.ipynb": "b"},
            f"{ONE}.ipynb",
            f"these differ, and no name says which is newer: {ONE}.ipynb, b/{ONE}.ipynb",
        ),
        (
            {f"{ONE}.ipynb": b"", f"b/{ONE}.ipynb": "b"},
            f"{ONE}.ipynb",
            "the file is empty (0 bytes); these differ, and no name says which is newer: "
            f"{ONE}.ipynb, b/{ONE}.ipynb",
        ),
        (
            {f"{ONE}-1.ipynb": "a", f"b/{ONE}-1.ipynb": "b", f"{ONE}.ipynb": "c"},
            f"{ONE}.ipynb",
            f"by one of {ONE}-1.ipynb, b/{ONE}-1.ipynb",
        ),
        (
            {f"{ONE}.ipynb": "a", f"{ONE}-1.ipynb": "b", f"{ONE}-2.ipynb": b""},
            f"{ONE}-2.ipynb",
            f"the file is empty (0 bytes); an older file can be read: {ONE}-1.ipynb",
        ),
        (
            {f"{ONE}.ipynb": b"{", f"{ONE}-2.ipynb": b""},
            f"{ONE}-2.ipynb",
            "the file is empty (0 bytes)",
        ),
    ],
    ids=["newer", "same", "tie", "tie, unreadable", "below a tie", "older readable", "none"],
)
def test_the_reason_names_the_other_files(tmp_path, files, path, reason):
    laid_out(tmp_path, files)

    note = note_on(path, tmp_path)

    assert note.reason == reason
    assert (note.student, note.notebook) == ("R1", "colab1")


def test_the_order_in_which_a_folder_is_listed_does_not_matter(tmp_path, monkeypatch):
    names = ["b", "a", "c/d", "c"]
    laid_out(tmp_path, {f"{name}/R{i}_week14_colab1.ipynb": "x" for i, name in enumerate(names)})
    laid_out(tmp_path, {f"{name}/{ONE}.ipynb": "same" for name in names})
    first = collect([tmp_path], ASSIGNMENT)
    listed = Path.iterdir

    monkeypatch.setattr(Path, "iterdir", lambda self: iter(sorted(listed(self), reverse=True)))
    backwards = collect([tmp_path], ASSIGNMENT)
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(sorted(listed(self))))
    forwards = collect([tmp_path], ASSIGNMENT)

    assert first == backwards == forwards


@pytest.mark.parametrize("given", ["absolute", "relative", "dot", "slash"])
def test_paths_are_told_relative_to_the_folder_given(tmp_path, monkeypatch, given):
    folder = laid_out(tmp_path / "in", {f"a/{ONE}.ipynb": "x"})
    monkeypatch.chdir(folder if given == "dot" else tmp_path)
    path = {"absolute": folder, "relative": Path("in"), "dot": Path(), "slash": Path("../", folder)}

    assert became(path[given]) == {f"a/{ONE}.ipynb": "graded"}


def test_a_single_notebook_is_told_by_its_name(tmp_path):
    laid_out(tmp_path, {f"a/{ONE}.ipynb": "x", "a/Untitled.ipynb": "x"})

    assert became(tmp_path / "a" / f"{ONE}.ipynb") == {f"{ONE}.ipynb": "graded"}
    assert note_on("Untitled.ipynb", tmp_path / "a" / "Untitled.ipynb").reason == UNPLACED


def test_several_paths_are_told_relative_to_their_parents(tmp_path, monkeypatch):
    laid_out(tmp_path, {f"a/x/{ONE}.ipynb": "x", "b/R2_week14_colab1.ipynb": "x"})
    monkeypatch.chdir(tmp_path)

    assert became(Path("a"), Path("b/R2_week14_colab1.ipynb")) == {
        f"a/x/{ONE}.ipynb": "graded",
        "R2_week14_colab1.ipynb": "graded",
    }


def test_several_paths_are_told_by_name_even_if_given_by_dots(tmp_path, monkeypatch):
    laid_out(tmp_path, {f"a/x/{ONE}.ipynb": "x", "b/R2_week14_colab1.ipynb": "x"})
    monkeypatch.chdir(tmp_path / "a" / "x")

    assert became(Path(".."), Path("../../b")) == {
        f"a/x/{ONE}.ipynb": "graded",
        "b/R2_week14_colab1.ipynb": "graded",
    }


def test_folders_of_the_same_name_are_told_apart(tmp_path):
    laid_out(tmp_path, {f"s1/in/{ONE}.ipynb": "x", f"s2/in/{ONE}.ipynb": "y"})

    assert became(tmp_path / "s1" / "in", tmp_path / "s2" / "in") == {
        f"s1/in/{ONE}.ipynb": "needs_person",
        f"s2/in/{ONE}.ipynb": "needs_person",
    }


def test_a_file_to_which_two_paths_lead_is_taken_once(tmp_path, monkeypatch):
    laid_out(tmp_path, {f"a/b/{ONE}.ipynb": "x"})
    (tmp_path / "link").symlink_to("a")
    monkeypatch.chdir(tmp_path)
    paths = [Path("a"), Path("a/b"), Path("a/b") / f"{ONE}.ipynb", Path("link"), Path("a")]

    assert became(*paths) == became(*reversed(paths)) == {f"{ONE}.ipynb": "graded"}


def test_links_are_read_but_never_followed_into_folders(tmp_path):
    laid_out(tmp_path, {"out/x.ipynb": "x", "in/a/notes.txt": b""})
    inside = tmp_path / "in"
    (inside / f"{ONE}.ipynb").symlink_to("../out/x.ipynb")
    (inside / "out").symlink_to("../out")
    (inside / "a" / "up").symlink_to("..")

    assert became(inside) == {
        f"{ONE}.ipynb": "graded",
        "a/notes.txt": "ignored",
        "a/up": "ignored",
        "out": "ignored",
    }
    assert note_on("out", inside).reason == "a link to a folder: not followed"


def test_a_link_to_a_folder_may_be_given_itself(tmp_path):
    laid_out(tmp_path, {f"a/{ONE}.ipynb": "x"})
    (tmp_path / "link").symlink_to("a")

    assert became(tmp_path / "link") == {f"{ONE}.ipynb": "graded"}


def test_a_link_that_leads_nowhere_needs_a_person(tmp_path):
    (tmp_path / f"{ONE}.ipynb").symlink_to("nowhere")
    (tmp_path / "R2_week14_colab1.ipynb").symlink_to("R2_week14_colab1.ipynb")
    (tmp_path / "notes").symlink_to("nowhere")

    files = collect([tmp_path], ASSIGNMENT).files

    missing = "it is a link to something that is not there"
    assert [(note.became, note.student, note.reason) for note in files] == [
        ("needs_person", "R1", missing),
        ("needs_person", "R2", "it cannot be opened: Too many levels of symbolic links"),
        ("needs_person", "", missing),
    ]


def test_the_newest_file_counts_even_if_it_is_a_link_that_leads_nowhere(tmp_path):
    laid_out(tmp_path, {f"{ONE}.ipynb": "x"})
    (tmp_path / f"{ONE}-1.ipynb").symlink_to("nowhere")

    assert became(tmp_path) == {f"{ONE}.ipynb": "superseded", f"{ONE}-1.ipynb": "needs_person"}


def test_pipes_and_sockets_are_not_opened(tmp_path, monkeypatch):
    laid_out(tmp_path, {"a.txt": b""})
    os.mkfifo(tmp_path / f"{ONE}.ipynb")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("R2_week14_colab1.ipynb")

        intake = collect([tmp_path], ASSIGNMENT)

    assert {note.reason for note in intake.files[:2]} == {"it is neither a file nor a folder"}
    assert [note.became for note in intake.files] == ["needs_person", "needs_person", "ignored"]


def test_a_folder_named_like_a_notebook_is_walked(tmp_path):
    laid_out(tmp_path, {f"R9_week14_colab1.ipynb/{ONE}.ipynb": "x"})

    assert became(tmp_path) == {f"R9_week14_colab1.ipynb/{ONE}.ipynb": "graded"}


def refusing(name, error):
    """A method of Path that raises `error` for paths that end in `name`, as the system would."""

    def wrapped(method):
        def instead(self, *args, **options):
            if self.name == name:
                raise error
            return method(self, *args, **options)

        return instead

    return wrapped


DENIED = PermissionError(13, "Permission denied")


def test_a_file_that_may_not_be_opened_needs_a_person(tmp_path, monkeypatch):
    laid_out(tmp_path, {f"{ONE}.ipynb": "x", "Untitled.ipynb": "x"})
    for name in (f"{ONE}.ipynb", "Untitled.ipynb"):
        monkeypatch.setattr(Path, "open", refusing(name, DENIED)(Path.open))

    files = collect([tmp_path], ASSIGNMENT).files

    denied = "it cannot be opened: Permission denied"
    assert [(note.became, note.student, note.sha256, note.reason) for note in files] == [
        ("needs_person", "R1", "", denied),
        ("needs_person", "", "", f"{UNPLACED}; {denied}"),
    ]


def test_files_that_nobody_could_open_are_not_taken_for_equal(tmp_path, monkeypatch):
    laid_out(tmp_path, {f"{ONE}.ipynb": "x", f"b/{ONE}.ipynb": "x"})
    monkeypatch.setattr(Path, "open", refusing(f"{ONE}.ipynb", DENIED)(Path.open))

    assert set(became(tmp_path).values()) == {"needs_person"}


def test_a_folder_that_may_not_be_listed_needs_a_person(tmp_path, monkeypatch):
    laid_out(tmp_path, {f"{ONE}.ipynb": "x", "closed/x.ipynb": "x"})
    monkeypatch.setattr(Path, "iterdir", refusing("closed", DENIED)(Path.iterdir))

    assert became(tmp_path) == {f"{ONE}.ipynb": "graded", "closed": "needs_person"}
    assert note_on("closed", tmp_path).reason == "it cannot be opened: Permission denied"


def test_a_file_whose_kind_may_not_be_asked_needs_a_person(tmp_path, monkeypatch):
    laid_out(tmp_path, {f"{ONE}.ipynb": "x"})
    monkeypatch.setattr(Path, "stat", refusing(f"{ONE}.ipynb", DENIED)(Path.stat))

    assert became(tmp_path) == {f"{ONE}.ipynb": "needs_person"}


def test_a_huge_file_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(notebooks, "LIMIT_BYTES", 10**6)
    laid_out(tmp_path, {f"{ONE}.ipynb": b" " * 1_200_000})

    note = note_on(f"{ONE}.ipynb", tmp_path)

    assert (note.became, note.sha256) == ("needs_person", "")
    assert note.reason.startswith("it is too large: 1.2 MB, where 1 MB are allowed")


@pytest.mark.parametrize(
    "name, shown",
    [
        (b"R1_\xff.ipynb", "R1_\ufffd.ipynb"),
        (b"\xa7@/R1_week14_colab1.ipynb", "\ufffd@/R1_week14_colab1.ipynb"),
        (b"R1\n\x1b[2J.ipynb", "R1\ufffd\ufffd[2J.ipynb"),
        ("作業/王.ipynb".encode(), "作業/王.ipynb"),
    ],
    ids=["latin-1", "folder in big5", "control characters", "utf-8"],
)
def test_any_name_can_be_told_in_utf_8_on_one_line(tmp_path, name, shown):
    laid_out(tmp_path, {os.fsdecode(name): "x"})

    (note,) = collect([tmp_path], ASSIGNMENT).files

    assert note.path == shown
    note.path.encode("utf-8")


@pytest.mark.parametrize(
    "path, said",
    [
        ("submisions", "no such file or folder: submisions\n  did you mean submissions/ ?"),
        ("submisions/a", "no such file or folder: submisions/a\n  did you mean submissions/ ?"),
        ("submissions/R1_week14_colab1_homewrk.ipynb",
         "no such file or folder: submissions/R1_week14_colab1_homewrk.ipynb\n"
         f"  did you mean submissions/{ONE}.ipynb ?"),
        ("qqq", "no such file or folder: qqq"),
        ("empty", "no files in empty; give the folder that holds the notebooks"),
        ("empty/sub", "no files in empty/sub; give the folder that holds the notebooks"),
        ("all.rar", "not a notebook: all.rar; unpack it first and give the folder"),
        ("a.txt", "not a notebook: a.txt; give a folder, a zip, or files that end in .ipynb"),
        ("a.txt/b", "no such file or folder: a.txt/b"),
        ("pipe.ipynb", "neither a file nor a folder: pipe.ipynb"),
    ],
    ids=["missing", "missing above", "missing below", "like nothing", "empty", "empty below",
         "zip", "text", "below a file", "pipe"],
)  # fmt: skip
def test_a_path_that_cannot_be_used_is_refused(tmp_path, monkeypatch, path, said):
    monkeypatch.chdir(tmp_path)
    laid_out(tmp_path, {f"submissions/{ONE}.ipynb": "x", "all.rar": b"", "a.txt": b""})
    (tmp_path / "empty" / "sub").mkdir(parents=True)
    os.mkfifo(tmp_path / "pipe.ipynb")

    with pytest.raises(UsageError) as caught:
        collect([Path("submissions"), Path(path)], ASSIGNMENT)

    assert str(caught.value) == said


def test_a_folder_that_may_not_be_listed_is_refused_if_it_was_given(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "iterdir", refusing(tmp_path.name, DENIED)(Path.iterdir))

    with pytest.raises(UsageError, match=r"cannot read the folder .*: Permission denied"):
        collect([tmp_path], ASSIGNMENT)


def test_a_path_that_may_not_be_asked_about_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "stat", refusing("closed", DENIED)(Path.stat))

    with pytest.raises(UsageError, match=r"cannot read closed: Permission denied"):
        collect([Path("closed")], ASSIGNMENT)


def test_no_path_is_refused():
    with pytest.raises(UsageError, match="no path was given"):
        collect([], ASSIGNMENT)


# placed by hand -------------------------------------------------------------------------------


def by_hand(folder, **said):
    return collect([folder], ASSIGNMENT, by_hand=said["said"])


@pytest.mark.parametrize(
    "name, file, said",
    [
        ("Untitled0.ipynb", "Untitled0.ipynb", "r9:colab2"),
        ("a/Untitled0.ipynb", "a/Untitled0.ipynb", "R9:colab2"),
        ("a/Untitled0.ipynb", "Untitled0.ipynb", "R9:colab2"),
        ("my colab2.ipynb", "my colab2.ipynb", "R9"),
        ("R1_week14_colab2_homework.ipynb", "R1_week14_colab2_homework.ipynb", "R9"),
        ("R1_week14_colab1_homework.ipynb", "R1_week14_colab1_homework.ipynb", "R9:colab2"),
        ("colab2.ipynb.txt", "colab2.ipynb.txt", "R9"),
        ("hw.json", "hw.json", "R9:colab2"),
        ("r1#_甲_101_501_x.ipynb", "x.ipynb", "R9:colab2"),
        ("a=b.ipynb", "a=b.ipynb", "R9:colab2"),
    ],
    ids=ascii,
)
def test_a_person_may_say_whose_a_file_is(tmp_path, name, file, said):
    laid_out(tmp_path, {name: "x"})

    intake = by_hand(tmp_path, said={file: said})

    assert [(s.student, s.notebook) for s in intake.submissions] == [("R9", "colab2")]
    assert [(n.became, n.flags, n.reason) for n in intake.files] == [
        ("graded", (), "placed by hand")
    ]


def test_what_a_person_placed_counts_before_every_other_file(tmp_path):
    laid_out(tmp_path, {f"{ONE}-7.ipynb": "x", "Untitled.ipynb": "y"})

    intake = by_hand(tmp_path, said={"Untitled.ipynb": "R1:colab1"})

    assert [(n.path, n.became) for n in intake.files] == [
        (f"{ONE}-7.ipynb", "superseded"),
        ("Untitled.ipynb", "graded"),
    ]


@pytest.mark.parametrize(
    "file, said, error",
    [
        ("Untitld.ipynb", "R1:colab1", "--file Untitld.ipynb: there is no such file\n"
         "  did you mean Untitled.ipynb ?"),
        ("same.ipynb", "R1:colab1",
         "--file same.ipynb: there are several: give one of a/same.ipynb, b/same.ipynb"),
        ("Untitled.ipynb", "R1", "--file Untitled.ipynb=R1: say whose it is and which notebook, as "
         "in\n  --file 'Untitled.ipynb=R1:colab1'"),
        ("Untitled.ipynb", "R1:colab9", "--file Untitled.ipynb=R1:colab9: say whose it is and "
         "which notebook, as in\n  --file 'Untitled.ipynb=R1:colab1'"),
    ],
    ids=["missing", "several", "no notebook", "no such notebook"],
)  # fmt: skip
def test_a_file_that_a_person_did_not_place_well_is_wrong_use(tmp_path, file, said, error):
    laid_out(tmp_path, {"Untitled.ipynb": "x", "a/same.ipynb": "y", "b/same.ipynb": "y"})

    with pytest.raises(UsageError) as caught:
        by_hand(tmp_path, said={file: said})

    assert str(caught.value) == error


# copies ---------------------------------------------------------------------------------------


def test_the_same_bytes_of_two_students_are_flagged_with_whose_they_are(tmp_path):
    two, three = "R2_week14_colab1_homework.ipynb", "R3_week14_colab1_homework.ipynb"
    laid_out(tmp_path, {f"{ONE}.ipynb": "x", two: "x", three: "y", f"again/{two}": "x"})

    intake = collect([tmp_path], ASSIGNMENT)

    assert [(n.path, n.flags, n.reason) for n in intake.files if n.became == "graded"] == [
        (f"{ONE}.ipynb", ("identical_file",), f"the same bytes as {two}"),
        (two, ("identical_file",), f"the same bytes as {ONE}.ipynb"),
        (three, (), ""),
    ]
    assert len(intake.submissions) == 3


# texts beside notebooks -----------------------------------------------------------------------

TWO = "R2_week14_colab2_homework"
WORDS = Assignment(
    key="week14",
    title="Attention",
    points={"colab1": 0, "colab2": 4},
    notebooks={
        "colab1": Notebook("colab1", []),
        "colab2": Notebook("colab2", [Written("method", "Method", 4, ("method",))]),
    },
    file_name="{student}_week14_{notebook}_homework.ipynb",
)


def texts_of(folder, files):
    """For each notebook the texts beside it, and what the files that were not graded became."""
    intake = collect([laid_out(folder, files)], WORDS)
    texts = {f"{s.student} {s.notebook}": [(b.path, b.text, b.sure) for b in s.beside]
             for s in intake.submissions}  # fmt: skip
    others = {n.path: (n.became, n.reason) for n in intake.files if n.became != "graded"}
    return texts, others


@pytest.mark.parametrize(
    "path, content, sure, text",
    [
        ("R2_method.txt", b"It attends.\r\nYes.", True, "It attends.\nYes."),
        ("answers r2.md", "# 方法\n注意".encode("cp950"), True, "# 方法\n注意"),
        ("r2/method.html", b"<h1>Method</h1><p>It attends.", True, "# Method\n\nIt attends."),
        ("b/method.txt", b"\xff\xfea\x00", False, "a"),
    ],
    ids=["named", "chinese", "in a folder of its student's", "only where it lies"],
)
def test_a_text_goes_with_the_notebook_that_asks_for_words(tmp_path, path, content, sure, text):
    files = {f"{ONE}.ipynb": "1", "R2_week14_colab1_homework.ipynb": "2", f"b/{TWO}.ipynb": "3"}

    texts, others = texts_of(tmp_path, {**files, path: content})

    assert texts == {"R1 colab1": [], "R2 colab1": [], "R2 colab2": [(path, text, sure)]}
    told = "a text beside colab2 of R2: read with its answers"
    assert others == {path: ("ignored", told)}


@pytest.mark.parametrize(
    "path, content",
    [
        ("method.txt", b"It attends."),
        ("R1_R2.txt", b"It attends."),
        ("R2_colab1.txt", b"It attends."),
        ("R2_method.pdf", b"%PDF"),
        ("R2_method.txt", b" "),
        ("R2_method.txt", b"\xff\xff\xff"),
        ("R2_colab2.html", b'<body class="jp-Notebook" data-jp-x="1">x'),
        (f"{TWO}.ipynb.txt", b"{}"),
    ],
    ids=[
        "nobody's", "two students'", "other notebook's", "pdf", "empty", "no text",
        "notebook's page", "notebook",
    ],
)  # fmt: skip
def test_what_is_no_text_of_one_students_goes_with_no_notebook(tmp_path, path, content):
    files = {f"{ONE}.ipynb": "1", f"{TWO}.ipynb": "2", path: content}

    texts, others = texts_of(tmp_path, files)

    assert texts == {"R1 colab1": [], "R2 colab2": []}
    assert "read with its answers" not in others[path][1]
