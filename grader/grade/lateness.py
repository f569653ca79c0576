"""From when a notebook was handed in, and the deadline, to whether it was late."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from msgspec.structs import replace

from grader.model import Arrival, FileNote, Lateness, NotebookGrade, Outcome


@dataclass(frozen=True, slots=True)
class Policy:
    """Until when work is taken, and what late work earns.

    deadline    its last second, in UTC; None if there is none
    extensions  the last second of those students who were given more time, by id
    zero        whether late work earns nothing; if not, it is only flagged
    """

    deadline: datetime | None = None
    extensions: Mapping[str, datetime] = field(default_factory=dict)
    zero: bool = True


class Arrivals:
    """Tells when a file was handed in, as far as anybody said so."""

    def __init__(self, arrivals: Iterable[Arrival]) -> None:
        self._of_file: dict[str, list[Arrival]] = defaultdict(list)
        self._of_person: dict[tuple[str, str], list[Arrival]] = defaultdict(list)
        for arrival in arrivals:
            if arrival.attachment:
                self._of_file[arrival.attachment].append(arrival)
            for kind, known in (("user", arrival.user), ("student", arrival.student)):
                if known:
                    self._of_person[kind, known].append(arrival)

    def of(self, note: FileNote) -> Arrival | None:
        """When this file came: by its number, else by its student and notebook, else by its
        student, if all that came from there came at one time."""
        if note.attachment and (same := self._of_file.get(note.attachment)):
            return _latest(same)
        theirs = [
            *(self._of_person.get(("user", note.user), ()) if note.user else ()),
            *self._of_person.get(("student", note.student), ()),
        ]
        if note.attachment:  # another file's number is another file
            theirs = [arrival for arrival in theirs if not arrival.attachment]
        own = [arrival for arrival in theirs if arrival.notebook == note.notebook]
        general = [arrival for arrival in theirs if not arrival.notebook]
        if own:
            return _latest(own)
        one_time = len({(arrival.at, arrival.late) for arrival in general}) == 1
        return general[0] if one_time else None


def _latest(arrivals: list[Arrival]) -> Arrival:
    return max(arrivals, key=lambda arrival: (arrival.at, arrival.late))


def dated(
    grade: NotebookGrade, note: FileNote | None, arrivals: Arrivals, policy: Policy
) -> NotebookGrade:
    """The notebook with whether it was late; late work is withheld where the policy says so.

    note  of the file that it is; None if there is no one file
    """
    if grade.outcome is Outcome.MISSING or note is None:
        return grade
    lateness = _lateness(note, arrivals.of(note), policy)
    withheld = lateness is Lateness.LATE and policy.zero
    return replace(grade, lateness=lateness, withheld=withheld)


def _lateness(note: FileNote, arrival: Arrival | None, policy: Policy) -> Lateness:
    until = policy.extensions.get(note.student, policy.deadline)
    if arrival is not None and arrival.at and until is not None:
        in_time = datetime.fromisoformat(arrival.at) <= until
        return Lateness.ON_TIME if in_time else Lateness.LATE
    # the LMS's word is of the LMS's deadline, and knows nothing of an extension
    marked = note.late or (arrival is not None and arrival.late)
    if marked and note.student not in policy.extensions:
        return Lateness.LATE
    return Lateness.NOT_CHECKED
