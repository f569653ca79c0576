"""From annotated notebooks to the zips that Canvas takes back, one for each that it sent.

Canvas puts each file of such a zip under the submission whose numbers it reads in the file's name.
It shows it to the student by the name that the student gave, whatever its name is here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from grader import names
from grader.errors import SubmissionError, UsageError
from grader.export import bundles
from grader.export.annotate import annotated
from grader.ingest import archives
from grader.model import FileNote, Gradebook, NotebookGrade, Outcome
from grader.report.wording import by_student

_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Feedback:
    """Zips by name, how many notebooks are in them, and what is in none and why, a line each."""

    zips: Mapping[str, bytes]
    notebooks: int
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Attachment:
    """A file that a student uploaded, by the LMS's numbers of it.

    source  the zip or folder of submissions in which it lay
    """

    user: str
    number: str
    anonymous: bool
    own_name: str
    source: str

    @property
    def is_zip(self) -> bool:
        return archives.is_zip(self.own_name)

    @property
    def name(self) -> str:
        """A name that leads back to it: its numbers come before anything of a student's."""
        named = self.own_name if self.is_zip else _as_notebook(self.own_name)
        return f"{'anon_' if self.anonymous else ''}{self.user}_{self.number}_{named}"


def wanted(gradebook: Gradebook) -> dict[str, str]:
    """The path of each notebook that was graded, by the SHA-256 of its file."""
    return {note.sha256: note.path for note in gradebook.files if note.became == "graded"}


def feedback(gradebook: Gradebook, contents: Mapping[str, bytes]) -> Feedback:
    """The zips to upload, one for each zip or folder of submissions that was graded.

    contents  of the notebooks that were graded, by SHA-256
    Raises UsageError, with a list, if nothing at all can be sent back.
    """
    notes = {(n.student, n.notebook): n for n in gradebook.files if n.became == "graded"}
    shared = _shared(gradebook.files)
    attachments: dict[_Attachment, dict[str, bytes]] = defaultdict(dict)
    left_out = []
    many = 0
    for grade in by_student(gradebook):
        for notebook in grade.notebooks:
            if notebook.outcome is Outcome.MISSING:
                continue
            note = notes.get((grade.student, notebook.notebook))
            why = _why_not(note, notebook, contents, shared)
            if why or note is None or notebook.record is None:
                left_out.append(f"{grade.student} {notebook.notebook}: {why}")
                continue
            try:
                data = annotated(contents[note.sha256], notebook, gradebook.title, grade.student)
            except SubmissionError as error:
                left_out.append(f"{grade.student} {notebook.notebook}: {error}")
                continue
            attachment, inside = _attachment(note)
            attachments[attachment][inside] = data
            many += 1
    if not many:
        listed = "".join(f"\n  {line}" for line in left_out)
        raise UsageError(f"there is nothing to send back to an LMS{listed}")
    return Feedback(_zips(attachments), many, tuple(left_out))


def comes_back_to(name: str) -> tuple[str, str]:
    """The (user, attachment) to which Canvas takes a file of this name; empty if to nobody.

    Its rule: of the parts between underscores, but for LATE, the first two that are numbers; or
    after `anon`, the next two, whatever the first is.
    """
    parts = [part for part in name.rpartition("/")[2].split("_") if part != "LATE"]
    if parts[0] == "anon":
        return (parts[1], parts[2]) if len(parts) > 2 and _NUMBER.fullmatch(parts[2]) else ("", "")
    numbers = [part for part in parts if _NUMBER.fullmatch(part)]
    return (numbers[0], numbers[1]) if len(numbers) > 1 else ("", "")


def _why_not(
    note: FileNote | None,
    notebook: NotebookGrade,
    contents: Mapping[str, bytes],
    shared: Mapping[str, Sequence[str]],
) -> str:
    """Why a notebook is not sent back, in one line; empty if it is."""
    if note is None or notebook.record is None:
        return notebook.problem or "it could not be graded"
    if not note.attachment:
        return f"Canvas gave its file no number, so it would find nobody: {note.path}"
    if note.user in shared:
        return f"account {note.user} handed in files of {' and '.join(shared[note.user])}"
    if note.sha256 not in contents:
        return f"its file is not there any more, or was changed: {note.path}"
    if comes_back_to(name := _attachment(note)[0].name) != (note.user, note.attachment):
        return f"Canvas would take it to somebody else, or to nobody: {name}"
    return ""


def _shared(notes: Iterable[FileNote]) -> dict[str, list[str]]:
    """The accounts that handed in files of several students, with whose these are."""
    students: dict[str, set[str]] = defaultdict(set)
    for note in notes:
        if note.user and note.student:
            students[note.user].add(note.student)
    return {user: sorted(known) for user, known in students.items() if len(known) > 1}


def _attachment(note: FileNote) -> tuple[_Attachment, str]:
    """The file that was uploaded, and where in it the notebook lay if it is a zip."""
    numbers = f"_{note.user}_{note.attachment}_"
    parts = note.path.split("/")
    at = next((i for i, part in enumerate(parts) if numbers in part), len(parts) - 1)
    own_name = parts[at].partition(numbers)[2] or parts[at]
    # a display name may hold a "/", behind the login that it follows
    first = next((i for i in range(at) if parts[i].find("#_") > 0), at)
    anonymous, source = note.dialect == "anonymous", "/".join(parts[:first])
    attachment = _Attachment(note.user, note.attachment, anonymous, own_name, source)
    return attachment, "/".join(parts[at + 1 :]) or own_name


def _zips(attachments: Mapping[_Attachment, Mapping[str, bytes]]) -> dict[str, bytes]:
    """A zip for each source, by a name that tells which source it was."""
    sources: dict[str, dict[str, bytes]] = defaultdict(dict)
    for attachment, inside in attachments.items():
        # what goes back is shown by the name of what came, so it must be of the same kind
        sources[attachment.source][attachment.name] = (
            bundles.zipped({_as_notebook(name): data for name, data in inside.items()})
            if attachment.is_zip
            else next(iter(inside.values()))
        )
    found: dict[str, bytes] = {}
    for source in sorted(sources):
        name = _free(_zip_name(source, alone=len(sources) == 1), found)
        found[name] = bundles.zipped(sources[source])
    return found


def _zip_name(source: str, *, alone: bool) -> str:
    if alone:
        return "canvas-feedback"
    last = re.sub(r"\.zip$", "", source.rpartition("/")[2], flags=re.IGNORECASE)
    slug = re.sub(r"[^A-Za-z0-9.-]+", "-", last.removesuffix("_submissions")).strip("-.")
    return f"canvas-feedback-{slug or 'other'}"


def _free(name: str, taken: Mapping[str, bytes]) -> str:
    """The name of a zip, with a number if it is taken."""
    free = next(
        n
        for n in (name, *(f"{name}-{i}" for i in range(2, len(taken) + 3)))
        if f"{n}.zip" not in taken
    )
    return f"{free}.zip"


def _as_notebook(name: str) -> str:
    return name if names.ends_as_notebook(name) else f"{name}{names.EXTENSION}"
