"""From what became of every file, and who is enrolled, to which row of an LMS's table is whose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from grader.errors import UsageError
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


Row = tuple[int, tuple[str, ...]]  # with its line


class Matches:
    """Which row each student was found in; who was not, or not for certain, is refused in the end.

    Nobody is guessed: a wrong guess would give one student's points to another.
    """

    def __init__(self) -> None:
        self._taken: dict[int, str] = {}
        self._problems: list[str] = []

    def row(self, student: str, found: Sequence[Row]) -> Row | None:
        """The one row that was found for a student; None, and a problem, if it is not the one."""
        if len(found) == 1:
            ((line, _),) = found
            other = self._taken.setdefault(line, student)
            if other == student:
                return found[0]
            self.problem(student, f"is the same row as {other}: line {line}")
        elif found:
            lines = ", ".join(f"line {line}" for line, _ in found)
            self.problem(student, f"may be several rows: {lines}")
        else:
            self.problem(student, "is not in it")
        return None

    def problem(self, student: str, why: str) -> None:
        """Keeps why a student cannot be found."""
        self._problems.append(f"{student} {why}")

    def refuse(self, where: object, instead: str = "") -> None:
        """Raises UsageError, with the list, if there was a problem."""
        if self._problems:
            listed = "".join(f"\n  {problem}" for problem in self._problems)
            hint = instead or "give the export of the right course"
            raise UsageError(
                f"{where}: not everybody can be found, so nothing was written{listed}\n{hint}; to "
                "go on without somebody: --leave-out ID"
            )


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
