"""From a gradebook to its three CSV files: a row a student, a question, a claim.

Every student has a row for every question and claim, also where nothing was handed in.  Points
are written with at most two decimals; what is undecided is an empty cell, never 0.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from grader.model import Finding, Grade, Gradebook, Judgement
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

_BEFORE_NOTEBOOKS = ["student_id", "name"]
_AFTER_NOTEBOOKS = ["total", "status", "flags", "needs_review"]
_QUESTION_COLUMNS = [
    *("student_id", "notebook", "question", "outcome"),
    *("earned", "possible", "misconceptions", "flags"),
]
_VERDICT_COLUMNS = [
    *("student_id", "notebook", "question", "claim", "outcome"),
    *("earned", "possible", "misconception", "advice", "cell", "flags"),
]


def gradebook_csv(gradebook: Gradebook) -> bytes:
    """One row a student: UTF-8 with a byte order mark, for people and their spreadsheets."""
    notebooks = notebook_keys(gradebook)
    questions = list(
        dict.fromkeys(
            (notebook.notebook, judgement.question)
            for grade in gradebook.grades
            for notebook in grade.notebooks
            for judgement in notebook.judgements
        )
    )
    questions.sort(key=lambda question: notebooks.index(question[0]))
    rows = []
    for grade in by_student(gradebook):
        of_notebook = {n.notebook: points(n.earned) for n in grade.notebooks}
        of_question = {
            (n.notebook, j.question): points(j.earned)
            for n in grade.notebooks
            for j in n.judgements
        }
        rows.append(
            [
                _text(grade.student),
                _text(grade.name),
                *(of_notebook.get(key, "") for key in notebooks),
                points(grade.total),
                _text(grade.status),
                _list(grade.flags),
                str(grade.needs_review),
                *(of_question.get(key, "") for key in questions),
            ]
        )
    columns = [*_BEFORE_NOTEBOOKS, *notebooks, *_AFTER_NOTEBOOKS, *map(".".join, questions)]
    return _BYTE_ORDER_MARK + _csv(columns, rows)


def questions_csv(gradebook: Gradebook) -> bytes:
    """One row a student and question: UTF-8, for analysis."""
    rows = [
        [
            _text(grade.student),
            _text(notebook),
            _text(judgement.question),
            _text(judgement.outcome),
            points(judgement.earned),
            points(judgement.possible),
            _list(misconceptions(judgement)),
            _list(judgement.flags),
        ]
        for grade, notebook, judgement in _judgements(gradebook)
    ]
    return _csv(_QUESTION_COLUMNS, rows)


def verdicts_csv(gradebook: Gradebook) -> bytes:
    """One row a student and claim: UTF-8, for analysis."""
    rows = []
    for grade, notebook, judgement in _judgements(gradebook):
        for verdict in judgement.verdicts:
            finding = finding_of(verdict, judgement)
            where = cell_of(finding, judgement)
            rows.append(
                [
                    _text(grade.student),
                    _text(notebook),
                    _text(judgement.question),
                    _text(verdict.claim),
                    _text(verdict.outcome),
                    points(verdict.earned),
                    points(verdict.possible),
                    _text(finding.misconception or "" if finding else ""),
                    _text(_advice(finding)),
                    str(where.cell) if where else "",
                    _list(judgement.flags),
                ]
            )
    return _csv(_VERDICT_COLUMNS, rows)


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


def _text(text: str) -> str:
    """A text cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else str(text)


def _list(items: Iterable[str]) -> str:
    return _text(";".join(sorted(set(items))))


def _csv(columns: list[str], rows: list[list[str]]) -> bytes:
    # With CRLF, because the csv module quotes only the line ends that it was told of (a lone CR in
    # a text would break the row), then put back to LF outside the quotes.
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows([columns, *rows])
    return _line_feeds(written.getvalue()).encode("utf-8", errors="replace")


def _line_feeds(written: str) -> str:
    """The same CSV with LF at the end of each row; CR LF inside a quoted text is kept."""
    parts = written.split('"')
    parts[::2] = [outside.replace("\r\n", "\n") for outside in parts[::2]]
    return '"'.join(parts)
