"""From a gradebook to the CSV that Canvas imports: one assignment's points.

Canvas finds students by the cells that it wrote itself, so these are given back as they were;
NTU COOL reads a CSV as Big5 first, so all is ASCII, without a byte order mark.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grader import names
from grader.errors import UsageError
from grader.export.people import Matches, People, Row
from grader.export.standing import Standing
from grader.ingest import tables
from grader.ingest.rosters import ids_of
from grader.report import spreadsheet

_ASSIGNMENT = re.compile(r"(.*)\s\(([0-9]+)\)", re.DOTALL)
_NO_SCORE = ("", "-")
_IDS = ("SIS User ID", "SIS Login ID")  # beside Canvas's own number


@dataclass(frozen=True, slots=True)
class Column:
    """Which assignment of Canvas's gets the points of which part.

    number  Canvas's number of the assignment; empty if it is not known
    part    a notebook's key, or "total"
    """

    number: str
    part: str

    @property
    def heading(self) -> str:
        """By which Canvas finds the assignment: by the number, else by the title alone."""
        title = "".join(c for c in self.part if c.isascii() and c.isprintable()) or "points"
        return f"{title} ({self.number})" if self.number else title


@dataclass(frozen=True, slots=True)
class Filled:
    """A file for the LMS, and what people are told of it.

    written    students in it
    unchanged  students whose points the LMS has already
    kept       students whose score there stays as it is, and why, a line each
    scaled     whether points are out of what the LMS says, and not as they were earned
    """

    data: bytes
    written: int
    unchanged: int = 0
    kept: tuple[str, ...] = ()
    scaled: bool = True


class Export:
    """Canvas's gradebook as it was exported.  Raises UsageError if it is none."""

    def __init__(self, sheet: tables.Sheet) -> None:
        self.sheet = sheet
        found = list(map(tables.column, sheet.headings))
        if "id" not in found or "section" not in found:
            raise UsageError(
                f"{sheet.path} is no gradebook of Canvas's (columns {', '.join(sheet.headings)}): "
                "export it there with Grades, Export"
            )
        self.user = found.index("id")
        named = {name: found.index(name.lower()) for name in _IDS if name.lower() in found}
        self.ids = list(named.values())
        # Canvas takes the login alone, or the school's number and then the login
        kept = named if "SIS Login ID" in named else {}
        self.given_back = {"ID": self.user, **kept}
        self._first = found.index("section") + 1

    def columns(self, parts: Iterable[str]) -> list[Column]:
        """The columns whose titles say of which notebook they are.

        Raises UsageError if several are of one notebook, or none of any.
        """
        keys = list(parts)
        found: dict[str, list[str]] = defaultdict(list)
        for title, number in self._assignments():
            named = names.parse_of(f"{title}{names.EXTENSION}", "", keys)
            if named:
                found[named.notebook].append(number)
        for key, numbers in found.items():
            if len(numbers) > 1:
                raise UsageError(
                    f"{self.sheet.path}: {len(numbers)} columns are of {key}: choose one, as in\n"
                    f"  --column {numbers[0]}={key}"
                )
        if not found:
            raise UsageError(
                f"{self.sheet.path}: no column says of which notebook it is: say it, as in\n"
                f"  --column 4321={keys[0]}{self._known()}"
            )
        return [Column(found[key][0], key) for key in keys if key in found]

    def place(self, column: Column) -> int:
        """Where the assignment's column is.  Raises UsageError if it is not there."""
        for place in range(self._first, len(self.sheet.headings)):
            match = _ASSIGNMENT.fullmatch(self.sheet.headings[place])
            if match and match[2] == column.number:
                return place
        raise UsageError(
            f"{self.sheet.path} has no assignment with the number {column.number}{self._known()}"
        )

    def possible(self, place: int) -> float | None:
        """The most that can be earned in a column; None if the export does not say.

        Raises UsageError if Canvas takes no points for it, or would take every point for nothing.
        """
        for _, row in self.sheet.rows:
            if row[0].strip().lower() == "points possible":
                said = tables.cell(row, place).strip()
                column = f"{self.sheet.path}: {self.sheet.headings[place]}"
                if said.lower() == "(read only)":
                    raise UsageError(f"{column} is read only in Canvas")
                most = tables.number(said)
                if said and not (most and most > 0):
                    raise UsageError(
                        f"{column} is out of {said!r} points in Canvas, so nothing can be scaled "
                        "to it: set its points there, and export anew"
                    )
                return most
        return None

    def rows(self, people: People, student: str) -> list[Row]:
        """The rows, with their lines, that are of this student by account or by id."""
        users, ids = people.users(student), people.ids(student)
        return [
            (line, row)
            for line, row in self.sheet.rows
            if tables.cell(row, self.user) in users
            or any(known in ids for place in self.ids for known in ids_of(tables.cell(row, place)))
        ]

    def _assignments(self) -> list[tuple[str, str]]:
        found = map(_ASSIGNMENT.fullmatch, self.sheet.headings[self._first :])
        return [(match[1], match[2]) for match in found if match]

    def _known(self) -> str:
        listed = "".join(f"\n  {number}: {title}" for title, number in self._assignments())
        return f"\nits assignments are{listed}" if listed else ""


def filled(export: Export, column: Column, standings: Sequence[Standing], people: People) -> Filled:
    """The rows of Canvas's export whose points are others, with those of one assignment.

    Raises UsageError, with a list, if somebody with points cannot be found in it for certain.
    """
    place = export.place(column)
    most = export.possible(place)
    rows: list[tuple[int, list[str]]] = []
    unchanged, kept, matches = 0, [], Matches()
    for standing in standings:
        points, student = standing.out_of(most), standing.grade.student
        if points is None:
            continue
        found = matches.row(student, export.rows(people, student))
        if found is None:
            continue
        line, row = found
        ids = [tables.cell(row, i) for i in export.given_back.values()]
        if problem := _cannot_be_given_back(ids):
            matches.problem(student, problem)
            continue
        current = tables.cell(row, place).strip()
        why = _kept(current)
        if why:
            kept.append(f"{student}: {why}")
        elif _same(current, points, most):
            unchanged += 1
        else:
            rows.append((line, [_shown(student), *ids, "", f"{points:.2f}"]))
    matches.refuse(export.sheet.path)
    rows.sort()
    data = _ascii(
        ["Student", *export.given_back, "Section", column.heading], [row for _, row in rows]
    )
    return Filled(data, len(rows), unchanged, tuple(kept), scaled=most is not None)


def without_export(column: Column, standings: Sequence[Standing], people: People) -> Filled:
    """Everybody's points as they are, found by the accounts that the files' names told of.

    Raises UsageError, with a list, if somebody's account is not known for certain.
    """
    rows, matches = [], Matches()
    for standing in standings:
        if standing.earned is None:
            continue
        student = standing.grade.student
        users = people.users(student)
        if len(users) != 1:
            seen = (
                f"handed in by {', '.join(sorted(users))}" if users else "no file's name tells it"
            )
            matches.problem(student, f"has no account that is known for certain: {seen}")
            continue
        (user,) = users
        if not (user.isascii() and user.isdigit()):
            matches.problem(student, f"has the account {user!r}, which is no number of Canvas's")
            continue
        rows.append([_shown(student), user, "", f"{standing.earned:.2f}"])
    matches.refuse("what was handed in", "give Canvas's own export: --gradebook exported.csv")
    data = _ascii(["Student", "ID", "Section", column.heading], rows)
    return Filled(data, len(rows), scaled=False)


def _cannot_be_given_back(cells: Sequence[str]) -> str:
    """Why ids cannot be written as they are; empty if they can."""
    if not any(cells):
        return "has no id there that Canvas would find"
    for cell in cells:
        if spreadsheet.is_formula(cell):
            return f"has an id that looks like a formula: {cell!r}"
        if not (cell.isascii() and (cell.isprintable() or not cell)):
            return f"has an id that is not plain ASCII: {cell!r}"
    return ""


def _kept(current: str) -> str:
    """Why a score in Canvas stays as it is; empty if it may be replaced."""
    if current.upper() == "EX":
        return "is excused in Canvas"
    if current.upper() == "N/A":
        return "has not got this assignment in Canvas"
    if current not in _NO_SCORE and tables.number(current.removesuffix("%")) is None:
        return f"has the score {current!r} in Canvas, which is no number"
    return ""


def _same(current: str, points: float, most: float | None) -> bool:
    """Whether Canvas, which compares two decimals, sees no change."""
    score = tables.number(current.removesuffix("%"))
    if score is not None and current.endswith("%"):
        score = None if most is None else score / 100 * most
    return score is not None and f"{score:.2f}" == f"{points:.2f}"


def _shown(student: str) -> str:
    """The student in the cell that Canvas does not read where there is an id: for people."""
    plain = student.isascii() and not spreadsheet.is_formula(student)
    return student if plain else ""


def _ascii(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    data = spreadsheet.as_csv(columns, rows)
    assert data.isascii()
    return data
