"""From graded notebooks to every student's grade: who handed in anything, or is enrolled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from grader.model import Enrolled, FileNote, Grade, Lateness, NotebookGrade, Outcome

LATENESS_NOT_CHECKED = "lateness_not_checked"
NOT_ON_ROSTER = "not_on_roster"


def grades(
    graded: Mapping[tuple[str, str], NotebookGrade],
    notebooks: Collection[str],
    absent: Mapping[str, NotebookGrade],
    files: Collection[FileNote] = (),
    enrolled: Collection[Enrolled] = (),
) -> tuple[Grade, ...]:
    """A grade for each student who is in `graded` or enrolled, by id.

    graded     what is known of each (student, notebook)
    notebooks  the assignment's, in its order: each student has every one
    absent     what stands for a notebook that was not handed in
    files      what became of every file: they know names, and what is odd about a student's files
    enrolled   empty if nobody said who is
    """
    named: dict[str, str] = {}
    flagged: dict[str, set[str]] = defaultdict(set)
    for note in files:
        named.setdefault(note.student, note.name)
        named[note.student] = named[note.student] or note.name
        flagged[note.student] |= set(note.flags)
    for each in enrolled:
        named[each.student] = each.name or named.get(each.student, "")
    of_course = {each.student for each in enrolled}
    students = sorted({student for student, _ in graded} | of_course)
    if of_course:
        for student in set(students) - of_course:
            flagged[student].add(NOT_ON_ROSTER)
    return tuple(
        Grade(
            student,
            own := tuple(graded.get((student, n), absent[n]) for n in notebooks),
            named.get(student, ""),
            flags=_flags(own, flagged[student]),
        )
        for student in students
    )


def _flags(notebooks: Iterable[NotebookGrade], of_files: Iterable[str]) -> tuple[str, ...]:
    own = list(notebooks)
    raised = {flag for n in own for j in n.judgements for flag in j.flags}
    raised |= {flag for n in own for flag in n.flags}
    late = {late_flag(n.notebook) for n in own if n.lateness is Lateness.LATE}
    handed_in = [n for n in own if n.outcome is not Outcome.MISSING]
    unknown = any(n.lateness is Lateness.NOT_CHECKED for n in handed_in)
    return tuple(sorted({*raised, *late, *of_files, *([LATENESS_NOT_CHECKED] * unknown)}))


def late_flag(notebook: str) -> str:
    """The flag of a notebook that came after its deadline."""
    return f"{notebook}_late"


def needs_person(grades: Iterable[Grade], files: Iterable[FileNote]) -> bool:
    """Whether anything is left that only a person can decide; an unmarked text is not that."""
    return any(grade.status == "needs_person" for grade in grades) or any(
        note.became == "needs_person" for note in files
    )
