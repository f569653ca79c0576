"""From a CSV of people to who is enrolled, and from an id or an account to which of them it is.

The CSV may be the LMS's gradebook, or any table with a column of ids.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from grader import names
from grader.errors import UsageError
from grader.ingest import tables
from grader.model import Enrolled

_IDS = (  # the school's own number first; a login only where there is none
    *("sis user id", "student id", "student number", "student no", "id number"),
    *("學號", "学号", "學生學號", "sis login id", "login id", "login", "username", "帳號"),
)
ACCOUNTS = ("canvas user id", "user id")  # the LMS's numbers
_NAMES = ("student", "name", "student name", "full name", "display name", "姓名", "學生姓名")
_LAST, _FIRST = ("lastname", "last name", "surname"), ("firstname", "first name")
_MAILS = ("email", "email address", "e mail", "電子郵件")
_NOBODY = {"student, test", "test student", "測試學生", "學生, 測試"}
_BY_EXCEL = re.compile(r"[0-9](?:[.,][0-9]+)?E\+[0-9]+")  # of a long number
_NO_ONES_CELLS = {"", "muted", "manual posting", "(read only)"}


class Roster:
    """Who is enrolled, found by any id of theirs; ids are compared upper case and NFKC."""

    def __init__(self, enrolled: Iterable[Enrolled] = ()) -> None:
        self.enrolled = tuple(enrolled)
        self._by_account = {each.user: each for each in self.enrolled if each.user}
        self._by_id = {known: each for each in self.enrolled for known in each.ids}

    def of_account(self, user: str) -> Enrolled | None:
        """Who has this number in the LMS."""
        return self._by_account.get(user)

    def of_id(self, text: str) -> Enrolled | None:
        """Who has this id or login."""
        return self._by_id.get(names.student_id(text))

    def student(self, text: str) -> str:
        """The one id under which the student of this id is listed; itself if there is no such."""
        found = self.of_id(text)
        return found.student if found else names.student_id(text)


def nearest(student: str, enrolled: Iterable[Enrolled]) -> str:
    """The enrolled student whose id looks most like this one; empty if none looks like it."""
    found = difflib.get_close_matches(student, [each.student for each in enrolled], 1, 0.8)
    return found[0] if found else ""


def read(path: Path) -> tuple[Enrolled, ...]:
    """Every student in a CSV, by id.

    Raises UsageError if it cannot be read, has no column of ids, holds one that Excel has cut, or
    one id stands for two people.
    """
    table = tables.read(path)
    from_lms = bool(table.first(("sis user id", "sis login id"))) or {
        "student",
        "id",
        "section",
    } <= set(table.columns)
    sources = [] if from_lms and not table.first(_IDS) else id_columns(table)
    if not sources:
        what = "a gradebook without logins" if from_lms else f"columns {', '.join(table.columns)}"
        raise UsageError(
            f"{path}: no column of ids ({what}): expected student_id, SIS Login ID or 學號"
        )
    users = table.first(("id",) if from_lms else ACCOUNTS)
    found: dict[str, tuple[int, Enrolled]] = {}
    for line, row in table.rows:
        name = _name(table, row)
        if from_lms and _is_nobody(row, name):
            continue
        ids = [name for source in sources for name in ids_of(row.get(source, ""))]
        user = row.get(users, "")
        if not ids and not user:
            raise UsageError(f"{path} line {line}: {name or 'a row'} has no id: fill it in")
        for text in (*ids, user):
            if _BY_EXCEL.fullmatch(text):
                raise UsageError(
                    f"{path} line {line}: {text} is what Excel makes of a long number, and its "
                    "digits are lost: take the file as it was exported"
                )
        ids = ids or [names.student_id(user)]
        each = Enrolled(ids[0], name, user, tuple(dict.fromkeys(ids)))
        for known in each.ids:
            first, other = found.setdefault(known, (line, each))
            if (other.student, other.user) != (each.student, each.user):
                raise UsageError(
                    f"{path} line {line}: {known} is also the id of line {first}: "
                    "one of them is wrong"
                )
    by_student = {each.student: each for _, each in reversed(found.values())}
    return tuple(by_student[student] for student in sorted(by_student))


def id_columns(table: tables.Table) -> list[str]:
    """The columns of a table that hold ids, the school's own number first."""
    found = [name for name in (*_IDS, *_MAILS) if name in table.columns]
    return found or [name for name in table.columns if name == "id"]


def ids_of(cell: str) -> list[str]:
    """The ids in a cell: a login with a domain is also known without it."""
    local, at, _ = cell.partition("@")
    return [names.student_id(text) for text in ((local, cell) if at else (cell,)) if text]


def _name(table: tables.Table, row: dict[str, str]) -> str:
    if column := table.first(_NAMES):
        return row.get(column, "")
    last, first = (row.get(table.first(columns), "") for columns in (_LAST, _FIRST))
    spaced = re.match(r"[\x00-\u024f]*$", last + first)
    return f"{first} {last}".strip() if spaced else last + first


def _is_nobody(row: dict[str, str], name: str) -> bool:
    """Whether a gradebook's row is of no student: points possible, posting, the Test Student."""
    return (
        name.lower() == "points possible"
        or name.lower() in _NOBODY
        or all(cell.lower() in _NO_ONES_CELLS for cell in row.values())
    )
