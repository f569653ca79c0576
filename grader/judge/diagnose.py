"""Which known misconceptions, one or some together, compute the same as the student."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grader.authoring import Implementation, Question, Slip
from grader.judge.difference import numbers, without_ones
from grader.judge.expectations import Expectations, result_of
from grader.judge.verdicts import agrees, readings, without_nan
from grader.model import Asked

MOST_SLIPS = 3  # together; more explain everything, and so nothing
MOST_TRIED = 1000  # combinations of as many slips, in 0.1 s; if there are more, none is tried
MOST_NAMED = 3  # explanations that no result tells apart
NOT_EQUAL = 4.0  # times the tolerance: what is as close to an explanation as this is looked at


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Misconceptions that a student may hold, and the program that holds just these.

    names   of the misconceptions, in the authored order
    advice  one for each name
    """

    names: tuple[str, ...]
    advice: tuple[str, ...]
    program: Implementation


def diagnosis(
    question: Question, expected: Expectations, asked: Mapping[str, Asked]
) -> list[Explanation]:
    """The explanations with the fewest slips that give the student's result on every case: more
    than one where no result tells them apart, none where nothing known explains the result.

    Cases of other sizes are left aside: a student may have fixed the sizes too.  So are those that
    cost nothing, such as large numbers, on which exp() overflows whatever else is wrong.
    """
    told = {question.trial(c).name for c in question.checks if c.points}
    told -= {question.trial(c).name for c in question.checks if c.other_sizes}
    trials = {name: trial for name, trial in asked.items() if name in told}
    key = _key_case(question, trials)
    if key is None:
        return []
    for many in range(1, MOST_SLIPS + 1):
        found = [
            explanation
            for explanation in _candidates(question, expected, trials, key, many)
            if explains(question, expected, explanation.program, trials)
        ]
        if found:
            return found[:MOST_NAMED]
    return []


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
            elif not observed.returned or not agrees(question, observed.value, result):
                return False
            else:
                explained += 1
    return explained >= 2


@cache
def explanations(question: Question, many: int) -> tuple[Explanation, ...]:
    """All that consist of `many` misconceptions; only slips combine, and only those that set
    different switches."""
    if many == 1:
        return tuple(_alone(question))
    slips = [m for m in question.misconceptions if isinstance(m, Slip) and not m.unseen]
    made: list[Explanation] = []
    for several in combinations(slips, many):
        switches = [switch for slip in several for switch in slip.switches]
        if len(set(switches)) == len(switches):
            made.append(_of_slips(question, several))
        if len(made) > MOST_TRIED:
            return ()
    return tuple(made)


def unseen(question: Question) -> list[Explanation]:
    """The slips that no output can show."""
    slips = [m for m in question.misconceptions if isinstance(m, Slip) and m.unseen]
    return [_of_slips(question, [slip]) for slip in slips]


def _alone(question: Question) -> Iterator[Explanation]:
    for wrong in question.misconceptions:
        if not isinstance(wrong, Slip):
            advice = " ".join((inspect.getdoc(wrong) or "").split())
            yield Explanation((wrong.__name__,), (advice,), wrong)
        elif not wrong.unseen:
            yield _of_slips(question, [wrong])


def _of_slips(question: Question, slips: Sequence[Slip]) -> Explanation:
    assert question.program is not None  # a question with slips has one
    switches = {name: value for slip in slips for name, value in slip.switches.items()}
    return Explanation(
        tuple(slip.name for slip in slips),
        tuple(" ".join(slip.advice.split()) for slip in slips),
        partial(question.program, **switches),
    )


# finding candidates -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Table:
    """What explanations make of one case, those of equal shape in the rows of one array."""

    by_shape: Mapping[tuple[int, ...], tuple[list[Explanation], NDArray[np.float64]]]
    others: tuple[Explanation, ...]  # whose result is not an array


def _key_case(question: Question, trials: Mapping[str, Asked]) -> tuple[str, int] | None:
    """The trial and number of the case on which explanations are looked up: one with a result, of
    the claim that is worth most."""
    for check in sorted(question.checks, key=lambda check: -check.points):
        name = question.trial(check).name
        if name in trials and check.reference is None:
            for index, observed in enumerate(trials[name].observations):
                if observed.returned:
                    return name, index
    return None


def _candidates(
    question: Question,
    expected: Expectations,
    trials: Mapping[str, Asked],
    key: tuple[str, int],
    many: int,
) -> list[Explanation]:
    """The explanations that agree with the student's result on the case of `key`."""
    name, index = key
    table = _table(expected, name, index, many)
    value = trials[name].observations[index].value
    found = set(table.others)
    for reading in readings(value):
        try:
            got = numbers(question.known_by(question.form(reading)))
        except Exception:  # form may meet whatever a student returns
            continue
        if got is None or (shape := without_ones(got.shape)) not in table.by_shape:
            continue
        group, rows = table.by_shape[shape]
        gap = np.abs(rows - without_nan(got).ravel()).max(axis=1, initial=0.0)
        most = np.abs(rows).max(axis=1, initial=0.0)
        allowed = NOT_EQUAL * (question.tolerance.rtol * most + question.tolerance.atol)
        found.update(group[row] for row in np.flatnonzero(gap <= allowed))
    return [e for e in explanations(question, many) if e in found]


@cache
def _table(expected: Expectations, name: str, index: int, many: int) -> _Table:
    question, case = expected.question, expected.cases[name][index]
    groups: dict[tuple[int, ...], tuple[list[Explanation], list[Any]]] = {}
    others = []
    for explanation in explanations(question, many):
        result = result_of(question, explanation.program, case)
        if result.error is not None:
            continue
        array = numbers(question.known_by(question.form(result.value)))
        if array is None:
            others.append(explanation)
            continue
        group, rows = groups.setdefault(without_ones(array.shape), ([], []))
        group.append(explanation)
        rows.append(without_nan(array).ravel())
    by_shape = {shape: (group, np.array(rows)) for shape, (group, rows) in groups.items()}
    return _Table(by_shape, tuple(others))
