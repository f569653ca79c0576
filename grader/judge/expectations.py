"""What the reference, and every program like it, makes of a question's cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from grader.authoring import Case, Implementation, Question


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What a program of ours made of one case: a value, or the error that it raised.

    Each is made once for a class, so that what is made of it can be, too.
    """

    value: Any = None
    error: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Expectations:
    """A question's cases by trial, drawn from one seed."""

    question: Question
    cases: Mapping[str, list[Case]]

    def of(self, program: Implementation) -> Mapping[str, list[Result]]:
        """The program's result for each case of each trial that it can be used in."""
        return _results(self, program)


@cache
def expectations(question: Question, seed: int) -> Expectations:
    """The same for every student, so made once."""
    return Expectations(question, {trial.name: trial.draw(seed) for trial in question.trials})


@cache
def _results(expected: Expectations, program: Implementation) -> Mapping[str, list[Result]]:
    question = expected.question
    own = {
        question.trial(check).name: check.reference
        for check in question.checks
        if check.reference is not None
    }
    results = {}
    for name, cases in expected.cases.items():
        if name in own and program is not question.reference:
            continue  # a call of its own has a reference of its own, and none like it
        results[name] = [result_of(question, own.get(name) or program, case) for case in cases]
    return results


def result_of(question: Question, program: Implementation, case: Case) -> Result:
    """What a program of ours makes of one case."""
    try:
        with np.errstate(all="ignore"):
            return Result(question.run(program, case))
    except Exception as error:  # a misconception may well raise, as the student's code does
        return Result(error=f"{type(error).__name__}: {error}")
