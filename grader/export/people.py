"""From what became of every file, and who is enrolled, to the accounts of each student."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from grader.model import Enrolled, FileNote

_OF_ONE = ("ntu_cool", "canvas")  # a group's account is that of whoever uploaded


class People:
    """Who has which number in the LMS, and which ids."""

    def __init__(self, files: Iterable[FileNote], enrolled: Iterable[Enrolled]) -> None:
        self._ids: dict[str, set[str]] = defaultdict(set)
        users: dict[str, set[str]] = defaultdict(set)
        for note in files:
            if note.student and note.user and note.dialect in _OF_ONE:
                users[note.student].add(note.user)
        listed = {each.student: each for each in enrolled}
        for each in listed.values():
            self._ids[each.student] |= set(each.ids)
            if each.user:
                users[each.student] = {each.user}
        self._users = _of_nobody_else(users)

    def users(self, student: str) -> set[str]:
        """The student's account; several, or none, where that is not known for certain."""
        return self._users.get(student, set())

    def ids(self, student: str) -> set[str]:
        """Every id and login of the student, upper case and NFKC."""
        return {student} | self._ids.get(student, set())


def _of_nobody_else(users: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The accounts of each student without those that somebody else has too."""
    owners: dict[str, set[str]] = defaultdict(set)
    for student, accounts in users.items():
        for account in accounts:
            owners[account].add(student)
    return {
        student: {account for account in accounts if len(owners[account]) == 1}
        for student, accounts in users.items()
    }
