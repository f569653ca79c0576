"""From what an LMS or a person says to when each notebook was handed in.

Either the JSON of Canvas's submissions (GET …/assignments/:a/submissions), as many pages as one
likes in one list, or a CSV with a column of ids and one of times.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grader import names, times
from grader.authoring import Assignment
from grader.errors import UsageError
from grader.ingest import tables
from grader.ingest.rosters import ACCOUNTS, Roster, id_columns, ids_of
from grader.model import Arrival

_TIMES = (
    *("submitted at", "submitted", "submission time", "submission date", "time", "timestamp"),
    *("handed in", "handed in at", "date", "繳交時間", "提交時間", "時間"),
)
_NOTEBOOKS = ("notebook", "colab", "file", "file name", "filename", "檔名", "檔案名稱")


def read(path: Path, assignment: Assignment, roster: Roster) -> tuple[Arrival, ...]:
    """Every hand-in that a file tells of, in its order.

    Raises UsageError if it cannot be read, or tells of no time that can be understood.
    """
    text = tables.decoded(path)
    if text.lstrip().startswith(("[", "{")):
        return tuple(_of_canvas(path, text, assignment, roster))
    return tuple(_of_table(path, assignment, roster))


def _of_canvas(path: Path, text: str, assignment: Assignment, roster: Roster) -> Iterator[Arrival]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}") from None
    for number, each in enumerate(_submissions(data), 1):
        where = f"{path}, submission {number}"
        known = isinstance(each, dict) and {"user_id", "anonymous_id"} & each.keys()
        if not known or "submitted_at" not in each:
            raise UsageError(f"{where}: it has no user_id and submitted_at, as Canvas writes them")
        at, late = each["submitted_at"], each.get("late") is True
        if not at and not late:
            continue  # nothing was handed in
        user = str(each.get("user_id") or each.get("anonymous_id"))
        student = _student(each.get("user"), user, roster)
        when = _instant(str(at), where) if at else ""
        files = [f for f in each.get("attachments") or [] if isinstance(f, dict)]
        for file in files or [{}]:
            own_name = str(file.get("display_name") or file.get("filename") or "")
            named = names.parse(own_name, assignment.file_name, assignment.notebooks.keys())
            named = named or names.parse_of(own_name, student, assignment.notebooks.keys())
            yield Arrival(
                student, user, str(file.get("id", "")), named.notebook if named else "", when, late
            )


def _submissions(data: Any) -> Iterator[Any]:
    """The submissions in a reply of Canvas, grouped by student or not, and earlier attempts."""
    for each in data if isinstance(data, list) else [data]:
        inner = each.get("submissions") if isinstance(each, dict) else None
        if isinstance(each, list) or isinstance(inner, list):
            yield from _submissions(each if isinstance(each, list) else inner)
        else:
            yield each
            history = each.get("submission_history") if isinstance(each, dict) else None
            yield from history if isinstance(history, list) else []


def _student(person: Any, user: str, roster: Roster) -> str:
    """The id of who has this account; empty if neither the roster nor the reply says it."""
    enrolled = roster.of_account(user)
    if enrolled:
        return enrolled.student
    known = person if isinstance(person, dict) else {}
    for field in ("sis_user_id", "login_id"):
        for text in ids_of(str(known.get(field) or "")):
            return roster.student(text)
    return ""


def _of_table(path: Path, assignment: Assignment, roster: Roster) -> Iterator[Arrival]:
    table = tables.read(path)
    columns, users = id_columns(table), table.first(ACCOUNTS)
    at, notebooks = table.first(_TIMES), table.first(_NOTEBOOKS)
    if not (columns or users) or not at:
        raise UsageError(
            f"{path}: no column of {'times' if columns or users else 'ids'} (columns "
            f"{', '.join(table.columns)}): expected student_id and submitted_at"
        )
    for line, row in table.rows:
        where = f"{path} line {line}"
        ids = [text for column in columns for text in ids_of(row.get(column, ""))]
        user = row.get(users, "")
        if not row.get(at, ""):
            continue
        if not ids and not user:
            raise UsageError(f"{where}: a time without an id")
        enrolled = roster.of_account(user)
        student = enrolled.student if enrolled else roster.student(ids[0]) if ids else ""
        notebook = _notebook(row.get(notebooks, ""), assignment, where)
        yield Arrival(student, user, "", notebook, _instant(row[at], where))


def _notebook(text: str, assignment: Assignment, where: str) -> str:
    keys = assignment.notebooks.keys()
    if not text or text.lower() in keys:
        return text.lower()
    file_name = text if names.ends_as_notebook(text) else f"{text}{names.EXTENSION}"
    named = names.parse(file_name, assignment.file_name, keys) or names.parse_of(
        file_name, "", keys
    )
    if named is None:
        raise UsageError(f"{where}: {text!r} is none of the notebooks {', '.join(keys)}")
    return named.notebook


def _instant(text: str, where: str) -> str:
    try:
        return times.instant(text).isoformat()
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
