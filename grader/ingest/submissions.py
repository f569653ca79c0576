"""From folders and files to Submissions, with a note on what became of every file.

Which of several files counts is read off their names and bytes alone: times of modification are
those of a download or an unpacking, and the order of a listing is nobody's intention.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import stat
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grader import names
from grader.authoring import Assignment
from grader.errors import SubmissionError, UsageError
from grader.ingest import notebooks
from grader.model import FileNote, NotebookCell, Submission

_COPIES = {".ipynb_checkpoints": "a checkpoint of Jupyter's", "__macosx": "left by macOS"}
_LEFT_BEHIND = {"thumbs.db": "left by Windows", "desktop.ini": "left by Windows"}
_ARCHIVES = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")


@dataclass(frozen=True, slots=True)
class Intake:
    """What there is to grade, by student and notebook, and every file, by path."""

    submissions: tuple[Submission, ...]
    files: tuple[FileNote, ...]


@dataclass(frozen=True, slots=True)
class _File:
    """A file where it lies, and its path as people are told it."""

    place: Path
    path: str = ""
    skipped: str = ""  # why it is not looked at
    problem: str = ""  # why it cannot be looked at


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A file whose name says whose notebook it is, and what could be read of it."""

    path: str
    named: names.Named
    canonical: bool  # it is named exactly as was asked for
    sha256: str = ""  # empty if it could not be opened
    cells: tuple[NotebookCell, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""  # why it is no notebook

    @property
    def content(self) -> str:
        """Equal for files with the same bytes; a file that nobody could open is like no other."""
        return self.sha256 or f"unopened {self.path}"

    def became(self, what: str, reason: str = "") -> FileNote:
        named = self.named
        return FileNote(self.path, what, self.sha256, named.student, named.notebook, reason)


def collect(paths: Sequence[Path], assignment: Assignment) -> Intake:
    """Every notebook that counts, and what became of every file; no student's code is run.

    A folder is walked with all that lies in it, except through links to folders.  Of one student's
    files for one notebook the highest resubmission counts; files that differ and are equally high
    are left to a person, as is a file that cannot be read or placed.

    Raises UsageError if a path is missing, cannot be read, holds no file, or is a file that is not
    a notebook.
    """
    if not paths:
        raise UsageError("no path was given; give the folder that holds the notebooks")
    groups: dict[tuple[str, str], list[_Candidate]] = defaultdict(list)
    notes: list[FileNote] = []
    for file in _files(paths):
        found = _looked_at(file, assignment)
        if isinstance(found, FileNote):
            notes.append(found)
        else:
            groups[found.named.student, found.named.notebook].append(found)
    submissions = []
    for student, notebook in sorted(groups):
        submission, said = _counting(groups[student, notebook])
        submissions += [submission] if submission else []
        notes += said
    return Intake(tuple(submissions), tuple(sorted(notes, key=lambda note: note.path)))


def _looked_at(file: _File, assignment: Assignment) -> FileNote | _Candidate:
    """The file with what its name and its bytes say; or what became of it, where that is plain."""
    template, keys = assignment.file_name, assignment.notebooks.keys()
    name = file.place.name
    if file.skipped:
        return FileNote(file.path, "ignored", reason=file.skipped)
    if not names.ends_as_notebook(name):
        # whose it may be is noted: a student with this file alone has not handed in nothing
        named = names.parse(f"{Path(name).stem}{names.EXTENSION}", template, keys)
        whose = (named.student, named.notebook) if named else ("", "")
        if file.problem:
            return FileNote(file.path, "needs_person", "", *whose, file.problem)
        return FileNote(file.path, "ignored", "", *whose, _not_a_notebook(name))
    named = names.parse(name, template, keys)
    sha256, problem = "", file.problem
    cells: tuple[NotebookCell, ...] = ()
    notes: tuple[str, ...] = ()
    try:
        if not problem:
            data = _content(file.place)
            sha256 = hashlib.sha256(data).hexdigest()
            if named is not None:
                cells, notes = notebooks.read(data)
    except SubmissionError as error:
        problem = str(error)
    if named is None:
        unplaced = f"its name does not say whose it is: expected {names.expected(template, keys)}"
        reason = f"{unplaced}; {problem}" if problem else unplaced
        return FileNote(file.path, "needs_person", sha256, reason=reason)
    as_asked = name == names.canonical(named.student, named.notebook, template)
    return _Candidate(file.path, named, as_asked, sha256, cells, notes, problem)


def _counting(group: list[_Candidate]) -> tuple[Submission | None, list[FileNote]]:
    """Which of one student's files for one notebook counts, and what became of all of them."""
    highest = max(candidate.named.resubmission for candidate in group)
    newest = [candidate for candidate in group if candidate.named.resubmission == highest]
    if len({candidate.content for candidate in newest}) > 1:
        return None, _tied(group, newest)
    # of files with equal bytes, the one that is named best stands for all
    same = [candidate for candidate in group if candidate.content == newest[0].content]
    chosen, *others = sorted(same, key=lambda c: (not c.canonical, len(c.path), c.path))
    older = [candidate for candidate in group if candidate not in same]
    notes = [other.became("duplicate", f"the same bytes as {chosen.path}") for other in others]
    notes += [candidate.became("superseded", f"by {chosen.path}") for candidate in older]
    named = chosen.named
    if not chosen.problem:
        notes.append(chosen.became("graded"))
        return (
            Submission(
                named.student,
                named.notebook,
                chosen.path,
                chosen.sha256,
                chosen.cells,
                chosen.notes,
            ),
            notes,
        )
    readable = sorted(
        (candidate for candidate in older if not candidate.problem),
        key=lambda c: (c.named.resubmission, c.path),
    )
    hint = f"; an older file can be read: {readable[-1].path}" if readable else ""
    return None, [*notes, chosen.became("needs_person", chosen.problem + hint)]


def _tied(group: list[_Candidate], newest: list[_Candidate]) -> list[FileNote]:
    """What becomes of a group in which no name says which of several contents is the newest."""
    rivals = ", ".join(sorted(candidate.path for candidate in newest))
    reason = f"these differ, and no name says which is newer: {rivals}"
    notes = []
    for candidate in group:
        if candidate in newest:
            why = f"{candidate.problem}; {reason}" if candidate.problem else reason
            notes.append(candidate.became("needs_person", why))
        else:
            notes.append(candidate.became("superseded", f"by one of {rivals}"))
    return notes


def _content(place: Path) -> bytes:
    """The bytes of a file; SubmissionError if it cannot be opened or is too large."""
    try:
        with place.open("rb") as file:
            notebooks.refuse_if_huge(os.fstat(file.fileno()).st_size)
            data = file.read(notebooks.LIMIT_BYTES + 1)
    except OSError as error:
        raise SubmissionError(_cannot_be_opened(error)) from error
    notebooks.refuse_if_huge(len(data))  # it may have grown
    return data


def _not_a_notebook(name: str) -> str:
    extension = Path(name).suffix.lower()
    if extension == ".zip":
        return "a zip: unpack it first"
    if extension in _ARCHIVES:
        return "an archive: unpack it first"
    if names.ends_as_notebook(Path(name).stem):
        return f"its name ends in {_printable(extension)}: if it is a notebook, take that away"
    return f"not a notebook ({_printable(extension) or 'no extension'})"


def _files(paths: Sequence[Path]) -> list[_File]:
    """Every file under the paths, once each even if several paths lead to it."""
    for path in paths:
        _refuse_unusable(path)
    found: dict[Path, _File] = {}
    for path, above in zip(paths, _shown_above(paths), strict=True):
        root = path if path.is_dir() else path.parent
        files = list(_walk(path)) if path.is_dir() else [_entry(path)]
        if not files:
            raise UsageError(f"no files in {path}; give the folder that holds the notebooks")
        for file in files:
            inside = file.place.relative_to(root)
            told = "/".join(map(_printable, (*above, *inside.parts)))
            # only the root is resolved: two links to one file are two files
            lies = root.resolve() / inside
            shown = found.get(lies, replace(file, path=told))
            found[lies] = replace(shown, path=min(shown.path, told))
    return sorted(found.values(), key=lambda file: (file.path, os.fsencode(file.place)))


def _refuse_unusable(path: Path) -> None:
    """Raises UsageError unless the path is a folder or a notebook's."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(f"no such file or folder: {path}{_did_you_mean(path)}") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if stat.S_ISDIR(mode):
        return
    if not stat.S_ISREG(mode):
        raise UsageError(f"neither a file nor a folder: {path}")
    if not names.ends_as_notebook(path.name):
        advice = (
            "unpack it first and give the folder"
            if path.suffix.lower() in (".zip", *_ARCHIVES)
            else "give a folder, or files that end in .ipynb"
        )
        raise UsageError(f"not a notebook: {path}; {advice}")


def _did_you_mean(path: Path) -> str:
    """A second line with the entry whose name is nearest to the first part that is missing."""
    for part in (*reversed(path.parents), path):
        if not part.exists() and part.parent.is_dir():
            try:
                siblings = sorted(sibling.name for sibling in part.parent.iterdir())
            except OSError:
                return ""
            for match in difflib.get_close_matches(part.name, siblings, 1):
                nearest = part.parent / match
                return f"\n  did you mean {nearest}{'/' if nearest.is_dir() else ''} ?"
    return ""


def _shown_above(paths: Sequence[Path]) -> list[tuple[str, ...]]:
    """For each path, the folders that stand before what lies in it when people are told of it.

    None, if there is one path; its own name for each of several folders; and as many more as it
    takes to tell folders or files of the same name apart.
    """
    if len(paths) == 1:
        return [()]
    absolute = [_absolute(path) for path in paths]
    tops = [path.parent for path in absolute]
    if max(Counter(path.name for path in set(absolute)).values()) > 1:
        tops = [Path(os.path.commonpath(tops))] * len(tops)
    return [
        (path if path.is_dir() else path.parent).relative_to(top).parts
        for path, top in zip(absolute, tops, strict=True)
    ]


def _absolute(path: Path) -> Path:
    """The path in full, by the name under which it was given."""
    return path.resolve() if path.name in ("", "..") else path.parent.resolve() / path.name


def _walk(top: Path) -> Iterator[_File]:
    """What lies in a folder and below it, in no order; links to folders are not followed."""
    waiting = [(top, "")]
    while waiting:
        folder, skipped = waiting.pop()
        try:
            entries = list(folder.iterdir())
        except OSError as error:
            if folder == top:
                raise UsageError(f"cannot read the folder {folder}: {error.strerror}") from error
            yield _File(folder, problem=_cannot_be_opened(error))
            continue
        for place in entries:
            reason = skipped or _COPIES.get(place.name.lower(), "")
            if _is_folder(place) and place.is_symlink():
                yield _File(place, skipped="a link to a folder: not followed")
            elif _is_folder(place) and (reason or not place.name.startswith(".")):
                waiting.append((place, reason))
            elif reason:
                yield _File(place, skipped=reason)
            else:
                yield _entry(place)


def _is_folder(place: Path) -> bool:
    try:
        return stat.S_ISDIR(place.stat().st_mode)
    except OSError:  # Path.is_dir() would let some of these through
        return False


def _entry(place: Path) -> _File:
    """A file, or a hidden folder, by what its name and its kind say; it is not opened."""
    if place.name.startswith("."):
        return _File(place, skipped="hidden")
    if left := _LEFT_BEHIND.get(place.name.lower()):
        return _File(place, skipped=left)
    try:
        mode = place.stat().st_mode
    except FileNotFoundError:
        return _File(place, problem="it is a link to something that is not there")
    except OSError as error:
        return _File(place, problem=_cannot_be_opened(error))
    if not stat.S_ISREG(mode):  # opening a pipe would wait for ever
        return _File(place, skipped="neither a file nor a folder")
    return _File(place)


def _cannot_be_opened(error: OSError) -> str:
    return f"it cannot be opened: {error.strerror}"


def _printable(name: str) -> str:
    """A name that UTF-8 and one line can hold."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join("\ufffd" if unicodedata.category(c) == "Cc" else c for c in text)
