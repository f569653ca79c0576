"""From a gradebook to its CSV files: a row a student, a question, a claim.

Every student has a row for every question and claim, also where nothing was handed in.  Points
are written with at most two decimals; what is undecided is an empty cell, never 0.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from grader.model import Finding, Grade, Gradebook, Judgement, Outcome
from grader.report.wording import (
    by_student,
    cell_of,
    finding_of,
    misconceptions,
    notebook_keys,
    points,
)

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"  # without it Excel reads Chinese names as Latin ones
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

_NOTHING = (None, 0.0)  # earned and possible of what a student's notebook has not
_BEFORE_NOTEBOOKS = ["student_id", "name"]
_AFTER_NOTEBOOKS = ["total", "status", "flags", "needs_review"]
_QUESTION_COLUMNS = [
    *("student_id", "notebook", "question", "outcome"),
    *("earned", "possible", "misconceptions", "flags"),
]
_REVIEW_COLUMNS = ["student_id", "notebook", "question", "earned", "by", "at", "reason"]
_VERDICT_COLUMNS = [
    *("student_id", "notebook", "question", "claim", "outcome"),
    *("earned", "possible", "misconception", "advice", "cell", "flags"),
]


def gradebook_csv(gradebook: Gradebook) -> bytes:
    """One row a student: UTF-8 with a byte order mark, for people and their spreadsheets."""
    notebooks = notebook_keys(gradebook)
    questions = [question for key in notebooks for question in _questions(gradebook, key)]
    rows = []
    for grade in by_student(gradebook):
        of_part = _earned_and_possible(grade)
        earned = [points(of_part.get((key, ""), _NOTHING)[0]) for key in notebooks]
        of_questions = [points(of_part.get(question, _NOTHING)[0]) for question in questions]
        rows.append(
            [
                defused(grade.student),
                defused(grade.name),
                *earned,
                points(grade.total),
                defused(grade.status),
                _list(grade.flags),
                str(grade.needs_review),
                *of_questions,
            ]
        )
    columns = [*_BEFORE_NOTEBOOKS, *notebooks, *_AFTER_NOTEBOOKS, *map(".".join, questions)]
    return _BYTE_ORDER_MARK + as_csv(columns, rows)


def points_csv(gradebook: Gradebook) -> bytes:
    """One row a student, what can be earned in the first: for spreadsheets of people's own.

    Each notebook's column is followed by those of its questions.
    """
    parts: list[tuple[str, str]] = []
    for key in notebook_keys(gradebook):
        parts += [(key, ""), *_questions(gradebook, key)]
    possible = {
        part: points(most)
        for grade in gradebook.grades
        for part, (_, most) in _earned_and_possible(grade).items()
    }
    whole = [points(grade.possible) for grade in gradebook.grades[:1]]
    rows = [["points possible", "", *whole, *(possible[part] for part in parts), ""]]
    for grade in by_student(gradebook):
        of_part = _earned_and_possible(grade)
        earned = [points(of_part.get(part, _NOTHING)[0]) for part in parts]
        rows.append(
            [
                defused(grade.student),
                defused(grade.name),
                points(grade.total),
                *earned,
                defused(grade.status),
            ]
        )
    columns = [*_BEFORE_NOTEBOOKS, "total", *(".".join(filter(None, p)) for p in parts), "status"]
    return _BYTE_ORDER_MARK + as_csv(columns, rows if gradebook.grades else [])


def _earned_and_possible(grade: Grade) -> dict[tuple[str, str], tuple[float | None, float]]:
    """The points of each (notebook, question), and of each notebook as (notebook, "")."""
    found: dict[tuple[str, str], tuple[float | None, float]] = {}
    for notebook in grade.notebooks:
        found[notebook.notebook, ""] = (notebook.earned, notebook.possible)
        for judgement in notebook.judgements:
            found[notebook.notebook, judgement.question] = (judgement.earned, judgement.possible)
    return found


def _questions(gradebook: Gradebook, notebook: str) -> list[tuple[str, str]]:
    """The questions of a notebook as (notebook, question), in the authored order."""
    return list(
        dict.fromkeys(
            (notebook, judgement.question)
            for grade in gradebook.grades
            for n in grade.notebooks
            if n.notebook == notebook
            for judgement in n.judgements
        )
    )


def questions_csv(gradebook: Gradebook) -> bytes:
    """One row a student and question: UTF-8, for analysis."""
    rows = [
        [
            defused(grade.student),
            defused(notebook),
            defused(judgement.question),
            defused(judgement.outcome),
            points(judgement.earned),
            points(judgement.possible),
            _list(misconceptions(judgement)),
            _list(judgement.flags),
        ]
        for grade, notebook, judgement in _judgements(gradebook)
    ]
    return as_csv(_QUESTION_COLUMNS, rows)


def verdicts_csv(gradebook: Gradebook) -> bytes:
    """One row a student and claim: UTF-8, for analysis."""
    rows = []
    for grade, notebook, judgement in _judgements(gradebook):
        whose = [defused(grade.student), defused(notebook), defused(judgement.question)]
        flags = _list(judgement.flags)
        for verdict in judgement.verdicts:
            finding = finding_of(verdict, judgement)
            where = cell_of(finding, judgement)
            rows.append(
                [
                    *whose,
                    defused(verdict.claim),
                    defused(verdict.outcome),
                    points(verdict.earned),
                    points(verdict.possible),
                    defused(finding.misconception or "" if finding else ""),
                    defused(_advice(finding)),
                    str(where.cell) if where else "",
                    flags,
                ]
            )
    return as_csv(_VERDICT_COLUMNS, rows)


def reviews_csv(gradebook: Gradebook) -> bytes:
    """One row an answer that waits for a person, with room for points, who, when and why: UTF-8.

    A notebook that could not be graded is not there: its file has to be asked for again.
    """
    rows = [
        [defused(grade.student), defused(notebook.notebook), defused(judgement.question)]
        + [""] * (len(_REVIEW_COLUMNS) - 3)
        for grade in by_student(gradebook)
        for notebook in grade.notebooks
        if notebook.outcome is Outcome.PASSED
        for judgement in notebook.judgements
        if judgement.earned is None
    ]
    return as_csv(_REVIEW_COLUMNS, rows)


def _advice(finding: Finding | None) -> str:
    """What a finding tells the student: its advice, or else what was seen."""
    if finding is None:
        return ""
    return finding.advice or (finding.shown_by.said if finding.shown_by else "")


def _judgements(gradebook: Gradebook) -> Iterator[tuple[Grade, str, Judgement]]:
    """Every question of every student: students sorted, questions in the authored order."""
    for grade in by_student(gradebook):
        for notebook in grade.notebooks:
            for judgement in notebook.judgements:
                yield grade, notebook.notebook, judgement


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may take a cell with this text for a formula."""
    return text.startswith(_FORMULA_STARTS)


def defused(text: str) -> str:
    """A text cell that no spreadsheet takes for a formula."""
    return f"'{text}" if is_formula(text) else str(text)


def _list(items: Iterable[str]) -> str:
    return defused(";".join(sorted(set(items))))


def as_csv(columns: Sequence[str], rows: Iterable[Sequence[str]], separator: str = ",") -> bytes:
    """Cells that have been made harmless as a CSV in UTF-8, with a line feed after each row."""
    # With CRLF, because the csv module quotes only the line ends that it was told of (a lone CR in
    # a text would break the row), then put back to LF outside the quotes.
    written = io.StringIO()
    csv.writer(written, delimiter=separator, lineterminator="\r\n").writerows([columns, *rows])
    return _line_feeds(written.getvalue()).encode("utf-8", errors="replace")


def _line_feeds(written: str) -> str:
    """The same CSV with LF at the end of each row; CR LF inside a quoted text is kept."""
    parts = written.split('"')
    parts[::2] = [outside.replace("\r\n", "\n") for outside in parts[::2]]
    return '"'.join(parts)
