"""From folders and files to Submissions, with a note on what became of every file.

Which of several files counts is read off their names and bytes alone: times of modification are
those of a download or an unpacking, and the order of a listing is nobody's intention.  Zips are
read where they lie; what a student has zipped is the student's, whatever the names in it say.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
import re
import stat
import sys
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from grader import names
from grader.authoring import Assignment, Written
from grader.errors import SubmissionError, UsageError
from grader.ingest import archives, notebooks, tables, texts
from grader.ingest.owners import Claim, Owner, Owners
from grader.ingest.rosters import Roster
from grader.model import IDENTICAL_FILE, Beside, FileNote, NotebookCell, Submission

_COPIES = {".ipynb_checkpoints": "a checkpoint of Jupyter's", "__macosx": "left by macOS"}
_LEFT_BEHIND = {"thumbs.db": "left by Windows", "desktop.ini": "left by Windows"}
_NOBODY = Owner()
_NO_ROSTER = Roster()
_NOTHING: Mapping[str, str] = {}
_BY_HAND = (sys.maxsize, 0)  # newer than any resubmission
_DEPTH = 2  # a class's zip, and in it what a student has zipped
_NOTEBOOK_PAGE = re.compile(r'class="[^"]*jp-(?:Notebook|Cell)|nbconvert', re.IGNORECASE)
_ARCHIVES = (".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")


@dataclass(frozen=True, slots=True)
class Intake:
    """What there is to grade, by student and notebook, and every file, by path.

    A zip that was opened is in `opened`, and what lay in it in `files`.
    """

    submissions: tuple[Submission, ...]
    files: tuple[FileNote, ...]
    opened: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _File:
    """A file where it lies, and its path as people are told it."""

    place: Path
    path: str = ""
    skipped: str = ""  # why it is not looked at
    problem: str = ""  # why it cannot be looked at
    inside: tuple[str, ...] = ()  # its path below what was given, as it is
    member: archives.Member | None = None  # if it lies in a zip
    sent: names.Sent | None = None  # if it lies in a zip that was sent through an LMS
    named: names.Named | None = None  # what the name of that zip says, or of a student's own

    @property
    def name(self) -> str:
        return self.member.name if self.member else self.place.name


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A file, what its name says of whose notebook it is, and what could be read of it."""

    path: str
    source: Path  # the zip or the folder in which it lies
    claim: Claim
    own_name: str  # without what an LMS put before it
    sha256: str = ""  # empty if it could not be opened
    cells: tuple[NotebookCell, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""  # why it is no notebook
    other: bool = False  # by its name it is not meant to be one
    text: str = ""  # of a file that may be an answer beside a notebook
    refused: bool = False  # and yet a person has to look
    named: names.Named | None = None  # once it is known whose it is
    owner: Owner = _NOBODY
    canonical: bool = False  # it is named exactly as was asked for
    by_hand: str = ""  # the FILE by which a person said whose it is

    @property
    def content(self) -> str:
        """Equal for files with the same bytes; a file that nobody could open is like no other."""
        return self.sha256 or f"unopened {self.path}"

    @property
    def placed(self) -> names.Named:
        """Whose notebook it is; only of a file of which that is known."""
        assert self.named is not None
        return self.named

    @property
    def hand_in(self) -> tuple[Path, str, str] | None:
        """Equal for what one person sent through an LMS at once; a group's may be anyone's."""
        sent = self.claim.sent
        one = sent is not None and sent.dialect != "group"
        return (self.source, sent.dialect, sent.user) if sent and one else None

    @property
    def attachment(self) -> int:
        """The LMS's number of the file, higher for newer ones; -1 if there is none."""
        sent = self.claim.sent
        return int(sent.attachment[:18]) if sent and sent.attachment else -1

    def became(self, what: str, reason: str = "") -> FileNote:
        sent, owner = self.claim.sent, self.owner
        notebook = self.named.notebook if self.named else ""
        note = FileNote(self.path, what, self.sha256, owner.student, notebook)
        said = "; ".join(filter(None, (reason, owner.note)))
        note = structs.replace(note, reason=said, flags=owner.flags)
        if sent is None:
            return note
        person = sent.name if sent.dialect in ("ntu_cool", "canvas", "moodle") else ""
        return structs.replace(
            note,
            user=sent.user,
            attachment=sent.attachment,
            name=_printable(person),
            late=sent.late,
            dialect=sent.dialect,
        )


def collect(
    paths: Sequence[Path],
    assignment: Assignment,
    roster: Roster = _NO_ROSTER,
    by_hand: Mapping[str, str] = _NOTHING,
) -> Intake:
    """Every notebook that counts, and what became of every file; no student's code is run.

    A folder is walked with all that lies in it, except through links to folders; zips are opened,
    and zips in them, but no deeper.  Of one student's files for one notebook the highest
    resubmission counts, then the LMS's highest number; files that differ and are equally high are
    left to a person, as is a file that cannot be read or placed.

    by_hand  from a file, by its path or its name, to whose it is: "R13940001", or with which
             notebook "R13940001:colab2"; it counts before every other file

    Raises UsageError if one of `by_hand` is not there or does not say enough; if a path is
    missing, cannot be read, holds no file, or is a file that is neither a notebook nor a zip; or
    if all that was given is one zip, and it is refused.
    """
    if not paths:
        raise UsageError("no path was given; give the folder that holds the notebooks")
    notes: list[FileNote] = []
    candidates: list[_Candidate] = []
    opened: list[str] = []
    for found in _all_looked_at(paths, _Asked(assignment, by_hand), opened):
        if isinstance(found, FileNote):
            notes.append(found)
        else:
            candidates.append(found)
    _refuse_unclear(by_hand, candidates)
    owners = Owners((c.claim for c in candidates if not c.by_hand), roster)
    placed = [
        _placed_by_hand(candidate, by_hand[candidate.by_hand], assignment, roster)
        if candidate.by_hand
        else _placed(candidate, owners, assignment)
        for candidate in candidates
    ]
    placed = _of_one_hand_in(placed, assignment)
    groups: dict[tuple[str, str], list[_Candidate]] = defaultdict(list)
    for candidate in placed:
        if candidate.named and not candidate.other:
            groups[candidate.named.student, candidate.named.notebook].append(candidate)
    notes += _not_placed(placed, set(groups), assignment)
    submissions = []
    for student, notebook in sorted(groups):
        submission, said = _counting(groups[student, notebook])
        submissions += [submission] if submission else []
        notes += said
    submissions = list(_with_texts(submissions, placed, assignment))
    notes = _texts_told(notes, submissions)
    files = sorted(_alike_flagged(notes), key=lambda note: (note.path, note.sha256))
    return Intake(tuple(submissions), tuple(files), tuple(sorted(opened)))


def contents(paths: Sequence[Path], wanted: Mapping[str, str]) -> dict[str, bytes]:
    """The bytes of files that were collected before, by their SHA-256, as far as they are there.

    wanted  from the SHA-256 of a file to its path as it was told; only files that are named as
            notebooks, or by that name, are opened
    Raises UsageError as `collect` does.
    """
    named = {path.rpartition("/")[2] for path in wanted.values()}
    found: dict[str, bytes] = {}
    for file in _files(paths):
        for data in _data(file, named):
            sha256 = hashlib.sha256(data).hexdigest()
            if sha256 in wanted:
                found[sha256] = data
    return found


def _data(file: _File, named: Collection[str], depth: int = 0) -> Iterator[bytes]:
    """The bytes of a file, or of those in a zip; of what is refused or damaged there are none."""
    with contextlib.suppress(SubmissionError):
        if file.skipped or file.problem:
            return
        if archives.is_zip(file.name) and depth < _DEPTH:
            source = file.member.content() if file.member else file.place
            with archives.opened(source) as members:
                for member in members:
                    inner = _File(file.place, problem=member.refused, member=member)
                    yield from _data(inner, named, depth + 1)
        elif names.ends_as_notebook(file.name) or _printable(file.name) in named:
            yield _content(file)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is looked for in names: the assignment's, and those of files placed by hand."""

    assignment: Assignment
    by_hand: Mapping[str, str]

    def placed_by_hand(self, path: str, own_name: str) -> str:
        """The FILE under which a person said whose this file is; empty if nobody did."""
        known = (path, path.rpartition("/")[2], own_name)
        return next((name for name in known if name in self.by_hand), "")


def _all_looked_at(
    paths: Sequence[Path], asked: _Asked, opened: list[str]
) -> Iterator[FileNote | _Candidate]:
    """Each file as it was looked at, those in zips after one another; `opened` gets the zips."""
    for file in _files(paths):
        alone = len(paths) == 1 and paths[0] == file.place
        yield from _unpacked(file, asked, opened, alone=alone)


def _unpacked(
    file: _File,
    asked: _Asked,
    opened: list[str],
    *,
    alone: bool = False,
    depth: int = 0,
) -> Iterator[FileNote | _Candidate]:
    """What a file is; or if it is a zip, what each file in it is.

    alone  it is all that was given: refused, it is wrong use
    depth  in how many zips it lies
    """
    if file.skipped or file.problem or not archives.is_zip(file.name) or depth == _DEPTH:
        yield _looked_at(file, asked)
        return
    try:
        source = file.member.content() if file.member else file.place
        with archives.opened(source) as members:
            sent = file.sent or _sent(file.inside, asked.assignment)
            whole = _looked_at(replace(file, problem="opened"), asked)
            named = whole.claim.named if isinstance(whole, _Candidate) else None
            files = []
            for member in members:
                parts = tuple(part for part in member.path.split("/") if part)
                told = "/".join(map(_printable, parts))
                files.append(
                    _File(
                        file.place,
                        told if alone else f"{file.path}/{told}",
                        _skipped(parts, asked.assignment),
                        member.refused,
                        parts,
                        member,
                        replace(sent, file_name=member.name) if sent else None,
                        named,
                    )
                )
            if all(inner.skipped for inner in files):
                raise SubmissionError("there is no file of a student's in it")
            opened.append(file.path)
            for inner in files:
                yield from _unpacked(inner, asked, opened, depth=depth + 1)
    except SubmissionError as error:
        if alone:
            raise UsageError(f"{file.place}: {error}") from error
        yield _looked_at(replace(file, problem=str(error)), asked)


def _skipped(parts: tuple[str, ...], assignment: Assignment) -> str:
    """Why a file in a zip is not looked at; a folder's would be found while walking it."""
    for part in parts:
        if reason := _COPIES.get(part.lower()) or _LEFT_BEHIND.get(part.lower()):
            return reason
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    of_macos = any(part.startswith("._") for part in parts)
    # a group, or a person, may be called so
    called_so = hidden and not of_macos and _sent(parts, assignment) is not None
    return "hidden" if hidden and not called_so else ""


def _sent(parts: tuple[str, ...], assignment: Assignment) -> names.Sent | None:
    return names.sent("/".join(parts), assignment.file_name, assignment.notebooks.keys())


def _looked_at(file: _File, asked: _Asked) -> FileNote | _Candidate:
    """The file with what its name and its bytes say; or that it is not looked at."""
    template, keys = asked.assignment.file_name, asked.assignment.notebooks.keys()
    if file.skipped:
        return FileNote(file.path, "ignored", reason=file.skipped)
    sent = file.sent or _sent(file.inside, asked.assignment)
    own_name = sent.file_name if sent else file.name
    by_hand = asked.placed_by_hand(file.path, own_name)
    source = file.place if file.member else file.place.parent
    if not names.ends_as_notebook(own_name) and not by_hand:
        # whose it may be is noted: a student with this file alone has not handed in nothing
        stem = f"{Path(own_name).stem}{names.EXTENSION}"
        named = names.parse(stem, template, keys) or file.named
        said = file.problem or _not_a_notebook(own_name, sent)
        refused = bool(file.problem)
        return _Candidate(
            file.path,
            source,
            Claim(named, sent),
            own_name,
            problem=said,
            other=True,
            refused=refused,
            text="" if refused else _text(file, own_name),
        )
    candidate = _Candidate(
        file.path,
        source,
        Claim(names.parse(own_name, template, keys) or file.named, sent),
        own_name,
        problem=file.problem,
        by_hand=by_hand,
    )
    if file.problem:
        return candidate
    sha256 = ""
    try:
        data = _content(file)
        sha256 = hashlib.sha256(data).hexdigest()
        cells, notes = notebooks.read(data)
    except SubmissionError as error:
        return replace(candidate, sha256=sha256, problem=str(error))
    return replace(candidate, sha256=sha256, cells=cells, notes=notes)


def _refuse_unclear(by_hand: Mapping[str, str], candidates: Sequence[_Candidate]) -> None:
    """Raises UsageError unless each FILE that was placed by hand is one file that was found."""
    for name in by_hand:
        found = sorted(c.path for c in candidates if c.by_hand == name)
        if not found:
            known = {c.path.rpartition("/")[2]: c.path for c in candidates}
            near = difflib.get_close_matches(name, known, 1)
            hint = f"\n  did you mean {near[0]} ?" if near else ""
            raise UsageError(f"--file {name}: there is no such file{hint}")
        if len(found) > 1:
            raise UsageError(f"--file {name}: there are several: give one of {', '.join(found)}")


def _placed_by_hand(
    candidate: _Candidate, said: str, assignment: Assignment, roster: Roster
) -> _Candidate:
    """The candidate with the student, and the notebook if need be, that a person said."""
    keys = assignment.notebooks.keys()
    student, _, notebook = said.partition(":")
    student = roster.student(student)
    named = candidate.claim.named
    if not notebook and named is None:
        stem = candidate.own_name.removesuffix(Path(candidate.own_name).suffix)
        named = names.parse_of(f"{stem}{names.EXTENSION}", student, keys)
    notebook = notebook or (named.notebook if named else "")
    if not student or notebook not in keys:
        raise UsageError(
            f"--file {candidate.by_hand}={said}: say whose it is and which notebook, as in\n"
            f"  --file '{candidate.by_hand}={student or 'R13940001'}:{next(iter(keys))}'"
        )
    return replace(
        candidate,
        owner=Owner(student, note="placed by hand"),
        named=names.Named(student, notebook, _BY_HAND),
    )


def _placed(candidate: _Candidate, owners: Owners, assignment: Assignment) -> _Candidate:
    """The candidate with whose notebook it is, as far as all names together say it."""
    template, keys = assignment.file_name, assignment.notebooks.keys()
    owner, named = owners.of(candidate.claim), candidate.claim.named
    if not owner.student:
        named = None
    elif named is not None:
        named = replace(named, student=owner.student)
    elif candidate.claim.account:
        named = names.parse_of(candidate.own_name, owner.student, keys)
    as_asked = named is not None and candidate.own_name == names.canonical(
        named.student, named.notebook, template
    )
    return replace(candidate, owner=owner, named=named, canonical=as_asked)


def _of_one_hand_in(candidates: Sequence[_Candidate], assignment: Assignment) -> list[_Candidate]:
    """The candidates; where nothing says whose a file is, it is whose the rest was that came with
    it."""
    students: dict[object, set[str]] = defaultdict(set)
    for candidate in candidates:
        if candidate.hand_in and candidate.owner.student:
            students[candidate.hand_in].add(candidate.owner.student)
    found = []
    for candidate in candidates:
        known = students[candidate.hand_in]
        if len(known) == 1 and not (candidate.owner.student or candidate.owner.problem):
            (student,) = known
            named = names.parse_of(candidate.own_name, student, assignment.notebooks.keys())
            candidate = replace(candidate, owner=Owner(student), named=named)  # noqa: PLW2901
        found.append(candidate)
    return found


def _asked_in(
    candidates: Sequence[_Candidate], assignment: Assignment
) -> Mapping[Path, Collection[str]]:
    """From each zip or folder to the notebooks that it is for.

    An LMS's assignment may be for one notebook of several.  Its zip's name says so, and is believed
    where nobody handed in another one.
    """
    found: dict[Path, set[str]] = defaultdict(set)
    for candidate in candidates:
        if candidate.named and not candidate.other:
            found[candidate.source].add(candidate.named.notebook)
    every = assignment.notebooks.keys()
    asked: dict[Path, Collection[str]] = {}
    for source in {candidate.source for candidate in candidates}:
        title = source.stem if archives.is_zip(source.name) else source.name
        named = names.parse_of(f"{title}{names.EXTENSION}", "", every)
        one = {named.notebook} if named else set()
        asked[source] = one if one and found[source] <= one else every
    return asked


def _not_placed(
    candidates: Sequence[_Candidate], handed_in: set[tuple[str, str]], assignment: Assignment
) -> list[FileNote]:
    """What became of the files that are no student's notebook.

    A file that was not meant as a notebook is ignored, unless it is all that its student sent in
    place of one: then a person has to look.
    """
    template, keys = assignment.file_name, assignment.notebooks.keys()
    asked_in = _asked_in(candidates, assignment)
    unplaced = f"its name does not say whose it is: expected {names.expected(template, keys)}"
    notes = []
    for candidate in candidates:
        owner, named = candidate.owner, candidate.named
        why, asked = owner.problem, asked_in[candidate.source]
        if candidate.other:
            lacking = any((owner.student, key) not in handed_in for key in asked)
            in_place = candidate.claim.sent and not named and (lacking or not owner.student)
            person = candidate.refused or why or in_place
        elif named is None:
            name = _printable(candidate.own_name)
            known = f"its name, {name}, does not say which notebook of {owner.student} it is"
            why = why or (known if owner.student else unplaced)
            person = True
        else:
            continue
        reason = "; ".join(filter(None, (why, candidate.problem)))
        note = candidate.became("needs_person" if person else "ignored", reason)
        if person and owner.student and not named and len(asked) == 1:
            note = structs.replace(note, notebook=next(iter(asked)))
        notes.append(note)
    return notes


def _text(file: _File, own_name: str) -> str:
    """What stands in a file that may be a written answer; empty if it is none or too long."""
    ending = Path(own_name).suffix.lower()
    if ending not in texts.ENDINGS or names.ends_as_notebook(Path(own_name).stem):
        return ""
    try:
        data = _content(file, texts.LIMIT_BYTES)
    except SubmissionError:
        return ""
    text = tables.text_of(data)
    if text is None or (ending in (".html", ".htm") and _NOTEBOOK_PAGE.search(text)):
        return ""
    return texts.of_html(text) if ending in (".html", ".htm") else "\n".join(text.splitlines())


def _with_texts(
    submissions: Sequence[Submission], candidates: Sequence[_Candidate], assignment: Assignment
) -> Iterator[Submission]:
    """The submissions, those with questions to be answered in words with the texts beside them.

    A text is a student's whose id its path holds, or who handed it in, or whose notebooks are the
    only ones where it lies.
    """
    lie_in: dict[str, set[str]] = defaultdict(set)
    for submission in submissions:
        lie_in[submission.path.rpartition("/")[0]].add(submission.student)
    students = {submission.student for submission in submissions}
    found: dict[str, list[tuple[_Candidate, Beside]]] = defaultdict(list)
    for candidate in candidates:
        if not candidate.text.strip():
            continue
        words = set(re.split(r"[^0-9A-Z]+", unicodedata.normalize("NFKC", candidate.path).upper()))
        named = {candidate.owner.student} & students or words & students
        there = lie_in[candidate.path.rpartition("/")[0]]
        owners = named or there
        if len(owners) == 1:
            beside = Beside(candidate.path, candidate.text, sure=bool(named))
            found[next(iter(owners))].append((candidate, beside))
    for submission in submissions:
        questions = assignment.notebooks[submission.notebook].questions
        others = assignment.notebooks.keys() - {submission.notebook}
        own = tuple(
            beside
            for candidate, beside in found[submission.student]
            if not any(other in candidate.own_name.lower() for other in others)
        )
        if own and any(isinstance(question, Written) for question in questions):
            yield structs.replace(submission, beside=own)
        else:
            yield submission


def _texts_told(notes: Sequence[FileNote], submissions: Sequence[Submission]) -> list[FileNote]:
    """The notes, with what is read as an answer said to be that."""
    read = {beside.path: s for s in submissions for beside in s.beside}
    return [
        structs.replace(
            note, reason=f"a text beside {of.notebook} of {of.student}: read with its answers"
        )
        if (of := read.get(note.path)) and note.became == "ignored"
        else note
        for note in notes
    ]


def _counting(group: list[_Candidate]) -> tuple[Submission | None, list[FileNote]]:
    """Which of one student's files for one notebook counts, and what became of all of them."""
    newest = _newest(group)
    if len({candidate.content for candidate in newest}) > 1:
        return None, _tied(group, newest)
    # of files with equal bytes the newest stands for all: that is where the LMS shows what is sent
    # back; of equally new ones, the one that is named best
    same = [candidate for candidate in group if candidate.content == newest[0].content]
    chosen, *others = sorted(
        same, key=lambda c: (c not in newest, not c.canonical, len(c.path), c.path)
    )
    older = [candidate for candidate in group if candidate not in same]
    notes = [other.became("duplicate", f"the same bytes as {chosen.path}") for other in others]
    notes += [candidate.became("superseded", f"by {chosen.path}") for candidate in older]
    if not chosen.problem:
        notes.append(chosen.became("graded"))
        return (
            Submission(
                chosen.placed.student,
                chosen.placed.notebook,
                chosen.path,
                chosen.sha256,
                chosen.cells,
                chosen.notes,
            ),
            notes,
        )
    readable = sorted(
        (candidate for candidate in older if not candidate.problem),
        key=lambda c: (c.placed.resubmission, c.path),
    )
    hint = f"; an older file can be read: {readable[-1].path}" if readable else ""
    return None, [*notes, chosen.became("needs_person", chosen.problem + hint)]


def _alike_flagged(notes: Sequence[FileNote]) -> list[FileNote]:
    """The notes, with a flag on what two students handed in byte for byte."""
    same: dict[str, list[FileNote]] = defaultdict(list)
    for note in notes:
        if note.became == "graded":
            same[note.sha256].append(note)
    found = []
    for note in notes:
        alike = sorted(o.path for o in same[note.sha256] if o.student != note.student)
        if note.became == "graded" and alike:
            reason = "; ".join(filter(None, (note.reason, f"the same bytes as {', '.join(alike)}")))
            note = structs.replace(note, flags=(*note.flags, IDENTICAL_FILE), reason=reason)  # noqa: PLW2901
        found.append(note)
    return found


def _newest(group: list[_Candidate]) -> list[_Candidate]:
    """The files of the highest resubmission; of those the LMS's newest, if it numbered them all."""
    highest = max(candidate.placed.resubmission for candidate in group)
    newest = [candidate for candidate in group if candidate.placed.resubmission == highest]
    numbers = [candidate.attachment for candidate in newest]
    if -1 in numbers:
        return newest
    return [candidate for candidate in newest if candidate.attachment == max(numbers)]


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


def _content(file: _File, most_bytes: int = notebooks.LIMIT_BYTES) -> bytes:
    """The bytes of a file, at most so many and one; SubmissionError if it cannot be opened or is
    too large to be a notebook."""
    if file.member:
        return file.member.content()
    try:
        with file.place.open("rb") as opened:
            notebooks.refuse_if_huge(os.fstat(opened.fileno()).st_size)
            data = opened.read(most_bytes + 1)
    except OSError as error:
        raise SubmissionError(_cannot_be_opened(error)) from error
    notebooks.refuse_if_huge(len(data))  # it may have grown
    return data


def _not_a_notebook(name: str, sent: names.Sent | None) -> str:
    extension = Path(name).suffix.lower()
    if sent is not None and not sent.uploaded:
        kind = "link" if name == "link.html" else "text"
        return f"a {kind} typed into the LMS, no file: look at it there"
    if archives.is_zip(name):
        return "a zip in a zip in a zip: unpack it first"
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
            file = replace(file, inside=inside.parts)  # noqa: PLW2901
            # only the root is resolved: two links to one file are two files
            lies = root.resolve() / inside
            shown = found.get(lies, replace(file, path=told))
            found[lies] = replace(shown, path=min(shown.path, told))
    return sorted(found.values(), key=lambda file: (file.path, os.fsencode(file.place)))


def _refuse_unusable(path: Path) -> None:
    """Raises UsageError unless the path is a folder, a notebook's or a zip's."""
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
    if not names.ends_as_notebook(path.name) and not archives.is_zip(path.name):
        advice = (
            "unpack it first and give the folder"
            if path.suffix.lower() in _ARCHIVES
            else "give a folder, a zip, or files that end in .ipynb"
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
        return _File(place, problem="it is neither a file nor a folder")
    return _File(place)


def _cannot_be_opened(error: OSError) -> str:
    return f"it cannot be opened: {error.strerror}"


def _printable(name: str) -> str:
    """A name that UTF-8 and one line can hold."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join("\ufffd" if unicodedata.category(c) == "Cc" else c for c in text)
