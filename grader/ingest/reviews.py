"""From a CSV in which people marked answers to their Reviews."""

from __future__ import annotations

import difflib
import math
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from grader import times
from grader.errors import UsageError
from grader.ingest import tables
from grader.model import Gradebook, Judgement, NotebookGrade, Outcome, Review
from grader.names import student_id

_NEEDED = ("student id", "notebook", "question", "earned")
_NOT_GRADED = {
    Outcome.MISSING: "it was not handed in",
    Outcome.ERROR: "it could not be graded: ask for the file again",
}


def read(path: Path, gradebook: Gradebook) -> tuple[tuple[Review, ...], int]:
    """What was decided of answers in the gradebook, and how many rows say no points yet.

    Raises UsageError, naming the line, if one is of nothing that was graded, gives points that it
    cannot earn, or stands there twice.
    """
    table = tables.read(path)
    lacking = [name.replace(" ", "_") for name in _NEEDED if name not in table.columns]
    if lacking:
        raise UsageError(
            f"{path} lacks {', '.join(lacking)}: `grader export csv --to-mark` writes the columns"
        )
    found: dict[tuple[str, str, str], tuple[int, Review]] = {}
    empty = 0
    for line, row in table.rows:
        where = f"{path} line {line}"
        notebook, judgement, student = _asked(row, gradebook, where)
        if not row.get("earned", ""):
            empty += 1
            continue
        key = (student, notebook.notebook, judgement.question)
        if key in found:
            raise UsageError(f"{where}: {' '.join(key)} stands in line {found[key][0]} too")
        said = Review(
            *key,
            _earned(row["earned"], judgement.possible, where),
            row.get("by", ""),
            _time(row.get("at", ""), where),
            row.get("reason", ""),
            notebook.record.submission.sha256 if notebook.record else "",
        )
        found[key] = (line, said)
    return tuple(review for _, review in found.values()), empty


def _asked(
    row: Mapping[str, str], gradebook: Gradebook, where: str
) -> tuple[NotebookGrade, Judgement, str]:
    """The notebook, the question and the student that a row is of."""
    grades = {grade.student: grade for grade in gradebook.grades}
    student = _known(student_id(row.get("student id", "")), grades, "student", where)
    notebooks = {notebook.notebook: notebook for notebook in grades[student].notebooks}
    key = _known(row.get("notebook", "").lower(), notebooks, "notebook", where)
    notebook = notebooks[key]
    if notebook.outcome in _NOT_GRADED:
        raise UsageError(f"{where}: {student} {key}: {_NOT_GRADED[notebook.outcome]}")
    questions = {judgement.question: judgement for judgement in notebook.judgements}
    question = _known(row.get("question", ""), questions, f"question of {key}", where)
    return notebook, questions[question], student


def _known(text: str, known: Collection[str], what: str, where: str) -> str:
    if text in known:
        return text
    near = next(iter(_near(text, known)), "")
    hint = f"\n  did you mean {near} ?" if near else ""
    raise UsageError(f"{where}: there is no {what} {text!r}{hint}")


def _near(text: str, known: Collection[str]) -> Iterator[str]:
    yield from difflib.get_close_matches(text, sorted(known), 1)


def _earned(text: str, possible: float, where: str) -> float:
    try:
        earned = float(unicodedata.normalize("NFKC", text))
    except ValueError:
        raise UsageError(f"{where}: earned is {text!r}, which is no number") from None
    if not (math.isfinite(earned) and 0 <= earned <= possible):
        raise UsageError(f"{where}: earned is {text}, not from 0 to {possible:g}")
    if round(earned, 2) != earned:
        raise UsageError(f"{where}: earned is {text}: write at most two decimals")
    return earned + 0.0  # -0.0 + 0.0 is 0.0


def _time(text: str, where: str) -> str:
    if text:
        try:
            times.end(text)
        except ValueError as error:
            raise UsageError(f"{where}: at: {error}") from None
    return text
