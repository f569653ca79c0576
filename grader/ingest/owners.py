"""From what the names of all files say together to whose each of them is.

An account of the LMS cannot be mistaken, so it comes before the id that a student typed into a file
name.  The roster knows accounts by their number; of one that neither the roster nor a login knows,
the ids in its files' names tell whose it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from grader import names
from grader.ingest.rosters import Roster

DIFFERS = "id_differs_from_login"


@dataclass(frozen=True, slots=True)
class Claim:
    """What one file's name says: the student's part of it, and the LMS's."""

    named: names.Named | None
    sent: names.Sent | None

    @property
    def account(self) -> str:
        """The number of the account that handed it in; none for a group's, which is anyone's."""
        known = self.sent is not None and self.sent.dialect in ("ntu_cool", "canvas")
        return self.sent.user if self.sent and known else ""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a file is: the student's id, or why nobody can tell; and what is odd about it."""

    student: str = ""
    problem: str = ""
    flags: tuple[str, ...] = ()
    note: str = ""


class Owners:
    """Tells whose a file is, from the names of all of them and the roster."""

    def __init__(self, claims: Iterable[Claim], roster: Roster) -> None:
        self._roster = roster
        logins: dict[str, set[str]] = defaultdict(set)
        typed: dict[str, set[str]] = defaultdict(set)
        for claim in claims:
            if claim.account and claim.sent:
                typed[claim.account] |= {self._typed_in(claim)} - {""}
                logins[claim.account] |= {claim.sent.login} - {""}
        self._sure = {}
        for account, known in logins.items():
            enrolled = roster.of_account(account)
            if enrolled or known:
                self._sure[account] = enrolled.student if enrolled else roster.student(min(known))
        self._guessed = {
            account: min(ids)
            for account, ids in typed.items()
            if len(ids) == 1 and account not in self._sure
        }
        self._typed = typed
        self._accounts: dict[str, list[str]] = defaultdict(list)
        for account, student in sorted((self._sure | self._guessed).items()):
            self._accounts[student].append(account)

    def of(self, claim: Claim) -> Owner:
        """Whose the file is of which the name says this."""
        account, typed = claim.account, self._typed_in(claim)
        if account in self._sure:
            student = self._sure[account]
            if typed in ("", student):
                return Owner(student)
            return Owner(student, "", (DIFFERS,), f"handed in by {student}, named for {typed}")
        if not account:
            return Owner(typed)
        if len(self._typed[account]) > 1:
            ids = ", ".join(sorted(self._typed[account]))
            return Owner(problem=f"account {account} hands in files of several students: {ids}")
        student = self._guessed.get(account, "")
        others = [other for other in self._accounts[student] if other != account]
        if student and others:
            return Owner(
                problem=f"account {account} hands it in as {student}, and so does account "
                f"{', '.join(others)}"
            )
        return Owner(student)

    def _typed_in(self, claim: Claim) -> str:
        """The student whose id is in the file's name."""
        return self._roster.student(claim.named.student) if claim.named else ""
