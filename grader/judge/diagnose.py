"""Which known misconception computes the same as the student."""

from __future__ import annotations

from collections.abc import Mapping

from grader.authoring import Implementation, Question
from grader.judge.expectations import Expectations
from grader.judge.verdicts import agrees
from grader.model import Asked


def misconception(
    question: Question, expected: Expectations, asked: Mapping[str, Asked]
) -> Implementation | None:
    """The first misconception that gives the student's result on every case, or None.

    Cases of other sizes are left aside: a student may hold it and have fixed the sizes too.
    """
    other_sizes = {question.trial(c).name for c in question.checks if c.other_sizes}
    trials = {name: trial for name, trial in asked.items() if name not in other_sizes}
    for wrong in question.misconceptions:
        if explains(question, expected, wrong, trials):
            return wrong
    return None


def explains(
    question: Question,
    expected: Expectations,
    program: Implementation,
    asked: Mapping[str, Asked],
    same_errors: bool = False,
) -> bool:
    """Whether `program` gives the student's result, as a whole, on every case, and fails where the
    student's code failed; on at least two cases with a result.

    same_errors  a failure must be the very same error; then failures alone are enough
    """
    results = expected.of(program)
    explained = 0
    for name, trial in asked.items():
        if name not in results:
            continue
        for result, observed in zip(results[name], trial.observations, strict=True):
            if result.error is not None:
                if observed.returned or (same_errors and observed.error != result.error):
                    return False
                explained += same_errors
            elif not observed.returned or not agrees(question, observed.value, result.value):
                return False
            else:
                explained += 1
    return explained >= 2
