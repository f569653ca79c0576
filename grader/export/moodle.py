"""From a gradebook, and Moodle's grading worksheet as it was downloaded, to the filled worksheet.

Moodle words its headings and its cells in the language of the site, so columns are known by where
they stand and what they hold, and students by the number of the participant.
"""

from __future__ import annotations

import inspect
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from html import escape

from grader.errors import UsageError
from grader.export.canvas import Filled
from grader.export.people import Matches, People, Row
from grader.export.standing import TOTAL, Standing
from grader.ingest import tables
from grader.ingest.rosters import ids_of
from grader.model import FileNote, Judgement, Lateness, NotebookGrade, Outcome
from grader.report import spreadsheet, wording
from grader.report.wording import MARKS, lost, points

_PARTICIPANT = re.compile(r".*?([0-9]+)\s*", re.DOTALL)


class Worksheet:
    """Moodle's grading worksheet.  Raises UsageError if it is none."""

    def __init__(self, sheet: tables.Sheet) -> None:
        self.sheet = sheet
        rows = [row for _, row in sheet.rows]
        known = bool(rows) and all(_PARTICIPANT.fullmatch(row[0]) for row in rows)
        # the maximum is the same number for everyone, and the grade stands before it
        found = [
            place
            for place in range(2, len(sheet.headings))
            if known
            and len({tables.cell(row, place) for row in rows}) == 1
            and (tables.number(tables.cell(rows[0], place)) or 0.0) > 0
            and all(
                not (cell := tables.cell(row, place - 1)) or tables.number(cell) is not None
                for row in rows
            )
        ]
        if len(found) != 1:
            raise UsageError(
                f"{sheet.path} is no grading worksheet of Moodle's: expected participants in the "
                "first column, and a column of grades before that of the maximum grade, which is "
                "one number for everyone: download it anew, and give it as it is"
            )
        self.grade = found[0] - 1
        self._maximum = tables.cell(rows[0], found[0])
        # feedback comments come last, if the assignment has them: before them stands when each
        # grade was last modified, which is "-" for none and so is empty for nobody
        last = len(sheet.headings) - 1
        some_empty = any(not tables.cell(row, last).strip() for row in rows)
        self.comments = last if last > found[0] + 1 and some_empty else None

    @property
    def most(self) -> float:
        """What can be earned."""
        return tables.number(self._maximum) or 0.0

    def written(self, points: float) -> str:
        """Points as the site writes numbers."""
        return f"{points:.2f}".replace(".", "," if "," in self._maximum else ".")

    def rows(self, numbers: set[str], ids: set[str]) -> list[Row]:
        """The rows, with their lines, of a participant's number or of somebody's id."""
        return [
            (line, row)
            for line, row in self.sheet.rows
            if _participant(row) in numbers
            or any(known in ids for cell in row[1 : self.grade] for known in ids_of(cell))
        ]


def filled(
    worksheet: Worksheet,
    part: str,
    standings: Sequence[Standing],
    people: People,
    files: Iterable[FileNote],
) -> Filled:
    """The worksheet with the grades of who has other points, and what was seen as their comment,
    if it has room for comments and nobody has written one; every other cell as it was.

    files  what became of every file: where Moodle packed them, they have its numbers
    Raises UsageError, with a list, if somebody with points cannot be found in it for certain.
    """
    numbers = _numbers(files, part)
    grades: dict[int, tuple[str, str]] = {}
    unchanged, matches = 0, Matches()
    for standing in standings:
        earned, student = standing.out_of(worksheet.most), standing.grade.student
        if earned is None:
            continue
        found = matches.row(student, worksheet.rows(numbers[student], people.ids(student)))
        if found is None:
            continue
        line, row = found
        if spreadsheet.is_formula(row[0]):
            matches.problem(student, f"has an id that looks like a formula: {row[0]!r}")
            continue
        now = tables.number(tables.cell(row, worksheet.grade))
        if now is not None and f"{now:.2f}" == f"{earned:.2f}":
            unchanged += 1
        else:
            grades[line] = (worksheet.written(earned), _comment(standing, part))
    matches.refuse(worksheet.sheet.path)
    rows = []
    for line, row in worksheet.sheet.rows:
        cells = [row[0], *map(spreadsheet.defused, row[1 : worksheet.grade])]
        cells += [
            tables.cell(row, i) for i in range(worksheet.grade, len(worksheet.sheet.headings))
        ]
        if line in grades:
            cells[worksheet.grade], comment = grades[line]
            if worksheet.comments and not cells[worksheet.comments].strip():
                cells[worksheet.comments] = comment
        rows.append(cells)
    data = spreadsheet.as_csv(worksheet.sheet.headings, rows, worksheet.sheet.separator)
    return Filled(data, len(grades), unchanged)


def _numbers(files: Iterable[FileNote], part: str) -> dict[str, set[str]]:
    """Each student's numbers; every assignment of Moodle's has its own, so only of this part."""
    found: dict[str, set[str]] = defaultdict(set)
    for note in files:
        if note.student and part in (note.notebook, TOTAL):
            found[note.student] |= {note.user} if note.dialect == "moodle" else set()
    return found


def _participant(row: Sequence[str]) -> str:
    match = _PARTICIPANT.fullmatch(row[0])
    return match[1] if match else ""


def _comment(standing: Standing, part: str) -> str:
    """What is said of a student's notebooks, as the HTML that Moodle takes for a comment."""
    own = [n for n in standing.grade.notebooks if part in (n.notebook, TOTAL)]
    return "".join(map(_notebook_said, own))


def _notebook_said(notebook: NotebookGrade) -> str:
    said = f"{notebook.notebook}: {points(notebook.earned)} of {points(notebook.possible)} points."
    if notebook.outcome is Outcome.MISSING:
        return f"<p>{escape(said)} It was not handed in.</p>"
    if notebook.lateness is Lateness.LATE:
        said += f" {wording.lateness_said(notebook)}"
    questions = "".join(f"<li>{escape(_question_said(j))}</li>" for j in notebook.judgements)
    return f"<p>{escape(said)}</p><ul>{questions}</ul>"


def _question_said(judgement: Judgement) -> str:
    got = "not marked yet," if judgement.earned is None else f"{points(judgement.earned)} of"
    mark = MARKS[wording.shown_outcome(judgement)]
    said = f"{mark} {judgement.title}: {got} {points(judgement.possible)} points."
    if judgement.finding and lost(judgement.earned, judgement.possible):
        said += f" {inspect.cleandoc(judgement.finding.advice)}"
    return " ".join(wording.visible(said).split())
