"""From a gradebook and what people decided to the gradebook in which that counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from grader.grade.suspicions import flagged
from grader.model import Finding, Grade, Gradebook, Judgement, NotebookGrade, Outcome, Review

REVIEWED = "reviewed"
REVIEW_OUTDATED = "review_outdated"


def merged(before: Iterable[Review], after: Iterable[Review]) -> tuple[Review, ...]:
    """All reviews, sorted; of one question of one student the later one."""
    latest = {review.of: review for review in (*before, *after)}
    return tuple(latest[of] for of in sorted(latest))


def reviewed(gradebook: Gradebook, reviews: Iterable[Review]) -> Gradebook:
    """The gradebook with the points that people gave in the place of those by rule.

    A review of a file that has since been replaced decides nothing: its answer is flagged.
    """
    by_question = {review.of: review for review in reviews}
    if not by_question:
        return gradebook
    return replace(
        gradebook, grades=tuple(_of_student(grade, by_question) for grade in gradebook.grades)
    )


def _of_student(grade: Grade, reviews: Mapping[tuple[str, str, str], Review]) -> Grade:
    notebooks = tuple(_of_notebook(grade.student, each, reviews) for each in grade.notebooks)
    raised = {flag for n in notebooks for j in n.judgements for flag in j.flags}
    new = raised & {REVIEWED, REVIEW_OUTDATED}
    return replace(grade, notebooks=notebooks, flags=tuple(sorted({*grade.flags, *new})))


def _of_notebook(
    student: str, notebook: NotebookGrade, reviews: Mapping[tuple[str, str, str], Review]
) -> NotebookGrade:
    if notebook.outcome is not Outcome.PASSED:
        return notebook
    now = notebook.record.submission.sha256 if notebook.record else ""
    judgements = []
    for judgement in notebook.judgements:
        review = reviews.get((student, notebook.notebook, judgement.question))
        if review is None:
            judgements.append(judgement)
        elif review.sha256 != now:
            judgements.append(flagged(judgement, [REVIEW_OUTDATED]))
        else:
            judgements.append(_decided(judgement, review))
    return replace(notebook, judgements=tuple(judgements))


def _decided(judgement: Judgement, review: Review) -> Judgement:
    earned = min(review.earned, judgement.possible)  # points may have been changed since
    if earned == judgement.possible:
        outcome = Outcome.PASSED
    else:
        outcome = Outcome.PARTIAL if earned else Outcome.FAILED
    decided = replace(judgement, outcome=outcome, earned=earned, review=review)
    if judgement.written:
        verdicts = tuple(replace(v, outcome=outcome, earned=earned) for v in judgement.verdicts)
        finding = Finding(review.reason) if review.reason else None
        decided = replace(decided, verdicts=verdicts, finding=finding)
    return flagged(decided, [REVIEWED])
