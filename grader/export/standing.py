"""From a student's grade to the points that may be handed on."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from grader.errors import UsageError
from grader.model import Grade, Gradebook, NotebookGrade, Outcome
from grader.report.wording import by_student, counted, unmarked_texts

TOTAL = "total"  # the part that is all notebooks together


@dataclass(frozen=True, slots=True)
class Standing:
    """What a student has earned in one part of the assignment.

    earned    None as long as a person has to look first; then `why` says why
    unmarked  texts in it that nobody has marked yet: their points are not in it
    """

    grade: Grade
    earned: float | None
    possible: float
    unmarked: int
    why: str = ""

    def out_of(self, most: float | None) -> float | None:
        """The points where `most` can be earned; as they are if nobody says how many."""
        if self.earned is None or most is None or not self.possible:
            return self.earned
        return self.earned / self.possible * most


def standings(gradebook: Gradebook, part: str, left_out: Collection[str] = ()) -> list[Standing]:
    """Every student's points for a notebook, or for all together, but for who is left out."""
    return [
        _standing(grade, part) for grade in by_student(gradebook) if grade.student not in left_out
    ]


def parts(gradebook: Gradebook) -> list[str]:
    """What points can be handed on of: each notebook, in the authored order, and all together."""
    return [*dict.fromkeys(n.notebook for g in gradebook.grades for n in g.notebooks), TOTAL]


def graded(gradebook: Gradebook) -> list[str]:
    """The notebooks of which at least one was graded.

    Any other is another assignment's, for another time: a zero for everyone is not meant.
    """
    return list(
        dict.fromkeys(
            n.notebook
            for key in parts(gradebook)
            for g in gradebook.grades
            for n in g.notebooks
            if n.notebook == key and n.outcome is Outcome.PASSED
        )
    )


def possible(found: Iterable[Standing]) -> float:
    """The most that can be earned in the part."""
    return max((one.possible for one in found), default=0.0)


def undecided(found: Iterable[Standing]) -> list[str]:
    """Who is not handed on because a person has to look first, a line each."""
    return [f"{one.grade.student}: {one.why}" for one in found if one.earned is None]


def unmarked(found: Iterable[Standing], part: str) -> list[str]:
    """What whoever hands points on has to know of texts that nobody has marked."""
    many = sum(1 for one in found if one.earned is not None and one.unmarked)
    if not many:
        return []
    return [
        f"{counted(many, 'student')} wrote texts in {part} that nobody has marked yet: their "
        "points are not in it"
    ]


def refuse_unknown(students: Iterable[str], gradebook: Gradebook) -> None:
    """Raises UsageError if one of these ids is nobody's."""
    known = {grade.student for grade in gradebook.grades}
    for student in students:
        if student not in known:
            raise UsageError(f"--leave-out {student}: there is no such student in the results")


def _standing(grade: Grade, part: str) -> Standing:
    own = [n for n in grade.notebooks if part in (n.notebook, TOTAL)]
    waiting = [_waiting(n) for n in own if n.needs_person]
    earned = None if waiting else sum(n.earned or 0.0 for n in own)
    return Standing(
        grade, earned, sum(n.possible for n in own), unmarked_texts(own), "; ".join(waiting)
    )


def _waiting(notebook: NotebookGrade) -> str:
    if notebook.problem:
        return f"{notebook.notebook} could not be graded ({notebook.problem})"
    open_ = [j.question for j in notebook.judgements if not j.outcome.decided and not j.written]
    return f"{notebook.notebook} is not decided ({', '.join(open_)})"
