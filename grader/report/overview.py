"""From a gradebook to what it says about the class: who needs a person, what went wrong most."""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from grader.model import FileNote, Grade, Gradebook, NotebookGrade, Outcome, Verdict
from grader.report.wording import (
    FLAGS,
    by_student,
    findings,
    held,
    misconceptions,
    notebook_keys,
    why_undecided,
)


class Need(NamedTuple):
    """One thing that a person has to look at, and why."""

    student: str
    name: str
    place: str  # "colab1", "colab1, colab2", "colab1.softmax", or the path of a file
    reason: str
    graded: bool  # whether the student has a page


class ClaimRate(NamedTuple):
    """On how many of the notebooks that could be graded a claim holds."""

    notebook: str
    question: str
    claim: str
    possible: float
    passed: int
    asked: int


class Mistake(NamedTuple):
    """A misconception, and who holds it."""

    notebook: str
    question: str
    name: str
    advice: str
    students: tuple[str, ...]


class Flag(NamedTuple):
    """A flag raised in one notebook, or for students as such where `notebook` is empty."""

    name: str
    notebook: str
    meaning: str
    students: tuple[str, ...]


def needs(gradebook: Gradebook) -> list[Need]:
    """All that needs a person: notebooks, then code questions, then files, students sorted.

    What has one reason, such as one file in place of several notebooks, is one thing.  A written
    answer that nobody has marked yet is not among them.
    """
    found = []
    for grade in by_student(gradebook):
        for notebook in grade.notebooks:
            if notebook.outcome is Outcome.ERROR:
                reason = notebook.problem or "it could not be graded"
                found.append(Need(grade.student, grade.name, notebook.notebook, reason, True))
                continue
            for judgement in notebook.judgements if notebook.needs_person else ():
                if not judgement.outcome.decided and not judgement.written:
                    place = f"{notebook.notebook}.{judgement.question}"
                    reason = why_undecided(judgement, notebook)
                    found.append(Need(grade.student, grade.name, place, reason, True))
    said = {(need.student, need.place.partition(".")[0]) for need in found}
    told = {need.reason.partition(": ")[0] for need in found}  # files in place of any notebook
    students = {grade.student for grade in gradebook.grades}
    for file in gradebook.files:
        known = (file.student, file.notebook) in said or file.path in told
        if file.became == "needs_person" and not known:
            reason = file.reason or "it could not be placed"
            found.append(Need(file.student, "", file.path, reason, file.student in students))
    places: dict[Need, list[str]] = defaultdict(list)
    for need in found:
        places[need._replace(place="")].append(need.place)
    return [need._replace(place=", ".join(several)) for need, several in places.items()]


def asked_for(gradebook: Gradebook) -> list[str]:
    """The notebooks that the run was about: those that somebody handed in, if two students did.

    Any other is another assignment's of the LMS, for another time.
    """
    handed_in = [
        (grade.student, notebook.notebook)
        for grade in gradebook.grades
        for notebook in grade.notebooks
        if notebook.outcome is not Outcome.MISSING
    ]
    known = {notebook for _, notebook in handed_in}
    several = len({student for student, _ in handed_in}) > 1
    return [key for key in notebook_keys(gradebook) if key in known or not several]


def set_aside(gradebook: Gradebook) -> list[FileNote]:
    """The files that were not graded: superseded, duplicate, ignored or not placed."""
    return [file for file in gradebook.files if file.became != "graded"]


def shared_flags(gradebook: Gradebook) -> set[str]:
    """The flags that tell no student with a graded notebook from another: said once for all."""
    each = [
        set(grade.flags)
        for grade in gradebook.grades
        if any(notebook.outcome is Outcome.PASSED for notebook in grade.notebooks)
    ]
    return set.intersection(*each) if len(each) > 1 else set()


def claim_rates(gradebook: Gradebook) -> list[ClaimRate]:
    """Every claim on code in the authored order, with how often it holds."""
    given: dict[tuple[str, str, str], list[Verdict]] = defaultdict(list)
    for _, notebook in _graded(gradebook):
        for judgement in notebook.judgements:
            for verdict in () if judgement.written else judgement.verdicts:
                given[notebook.notebook, judgement.question, verdict.claim].append(verdict)
    rates = [
        ClaimRate(
            *claim,
            verdicts[-1].possible,
            passed=sum(verdict.outcome is Outcome.PASSED for verdict in verdicts),
            asked=len(verdicts),
        )
        for claim, verdicts in given.items()
    ]
    notebooks = notebook_keys(gradebook)
    return sorted(rates, key=lambda rate: notebooks.index(rate.notebook))


def mistakes(gradebook: Gradebook) -> list[Mistake]:
    """The misconceptions that were recognised, the commonest first."""
    holders: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    told: dict[tuple[str, str, str], str] = {}
    alone: dict[tuple[str, str, str], str] = {}  # what is told of it where nothing comes with it
    for grade, notebook in _graded(gradebook):
        for judgement in notebook.judgements:
            for name in misconceptions(judgement):
                key = (notebook.notebook, judgement.question, name)
                holders[key].append(grade.student)
                for finding in findings(judgement):
                    if finding.misconception == name:
                        alone.setdefault(key, finding.advice)
                    elif finding.misconception and name in held(finding.misconception):
                        told.setdefault(key, finding.advice)
    told |= alone
    found = [Mistake(*key, told[key], tuple(students)) for key, students in holders.items()]
    return sorted(found, key=lambda mistake: -len(mistake.students))


def flags(gradebook: Gradebook) -> list[Flag]:
    """The flags that tell students from each other, by name and notebook, with who has them."""
    shared = shared_flags(gradebook)
    holders: dict[tuple[str, str], list[str]] = defaultdict(list)
    for grade in by_student(gradebook):
        raised = {
            (flag, notebook.notebook)
            for notebook in grade.notebooks
            for flag in (*notebook.flags, *(f for j in notebook.judgements for f in j.flags))
        }
        known = {flag for flag, _ in raised}
        raised |= {(flag, "") for flag in grade.flags if flag not in known}
        for flag, notebook_key in raised:
            if flag not in shared:
                holders[flag, notebook_key].append(grade.student)
    return [
        Flag(name, key, FLAGS.get(name, ""), tuple(students))
        for (name, key), students in sorted(holders.items())
    ]


def uneven(gradebook: Gradebook) -> list[tuple[Grade, NotebookGrade]]:
    """The notebooks that did not run to their end as they were handed in."""
    found = []
    for grade, notebook in _graded(gradebook):
        execution = notebook.record.execution if notebook.record else None
        if execution and (
            execution.failures
            or execution.left_out
            or execution.adapted
            or execution.outcome is not Outcome.PASSED
        ):
            found.append((grade, notebook))
    return found


def _graded(gradebook: Gradebook) -> list[tuple[Grade, NotebookGrade]]:
    """Every notebook that was handed in and could be graded, students sorted."""
    return [
        (grade, notebook)
        for grade in by_student(gradebook)
        for notebook in grade.notebooks
        if notebook.outcome not in (Outcome.MISSING, Outcome.ERROR)
    ]
