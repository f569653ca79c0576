"""From the observations of one trial to a verdict on one claim."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import combinations
from typing import Any

import numpy as np
from msgspec.structs import replace

from grader.authoring import Case, Cell, Check, Question, Tolerance, View, whole
from grader.judge.difference import (
    Wanted,
    as_wanted,
    departure,
    difference,
    numbers,
    shown,
    wanted,
)
from grader.judge.expectations import Result
from grader.model import Counterexample, Finding, Found, Observation, Outcome, Verdict

LONGEST_TEXT = 200  # characters, of one in a list
MOST_ARGUMENTS = 3  # of a call, before it is cut
EXACT = Tolerance(rtol=1e-12, atol=0.0)
_TEXTLESS = frozenset([float, int, np.ndarray])


def judge(
    question: Question,
    check: Check,
    cases: Sequence[Case],
    right: Sequence[Result],
    seen: Sequence[Observation],
    found: Found | None,
    ignored: Callable[[], bool],
) -> Verdict:
    """PASSED if the claim holds on every case; else why it does not, on the first that fails.

    ignored  whether `seen` ignores its input, which claims on the same cases ask only once
    """
    for case, expected, observed in zip(cases, right, seen, strict=True):
        shown_by = _counterexample(question, check, case, expected, observed)
        if shown_by is not None:
            outcome = Outcome.FAILED if observed.returned else observed.outcome
            where = observed.where or (found.where if found else None)
            finding = Finding("", shown_by=shown_by, where=where)
            return Verdict(check.claim, outcome, 0.0, check.points, finding)
    if check.points and ignored():
        same = Finding(
            "It gives the same result whatever it is given.",
            where=found.where if found else None,
        )
        return Verdict(check.claim, Outcome.FAILED, 0.0, check.points, same)
    return Verdict(check.claim, Outcome.PASSED, check.points, check.points)


def readings(value: Any) -> Iterator[Any]:
    """What a result may mean: itself, and for a tuple also its first entry, as in
    `return X_prime, attention`."""
    value = _with_short_texts(value)
    yield value
    if isinstance(value, tuple) and value:
        yield value[0]


def _with_short_texts(value: Any) -> Any:
    """`value`, with the texts in its lists cut: whatever makes an array of a list makes each of its
    texts as long as the longest."""
    if isinstance(value, (list, tuple)):
        if _TEXTLESS.issuperset(map(type, value)):
            return value
        parts = [
            part[:LONGEST_TEXT] if isinstance(part, str) else _with_short_texts(part)
            for part in value
        ]
        return type(value)(parts)
    return value


@cache
def _viewed(question: Question, view: View, right: Result) -> Wanted:
    """What `view` of a result is to agree with."""
    return wanted(view(question.form(right.value)), question.tolerance)


@cache
def _known(question: Question, right: Result) -> Wanted:
    """What a result is known by."""
    known_by = question.known_by(question.form(right.value))
    return wanted(without_nan(known_by), question.tolerance)


def _counterexample(
    question: Question, check: Check, case: Case, right: Result, observed: Observation
) -> Counterexample | None:
    """How the claim fails on one case; None if it holds."""
    expected, picture = _viewed(question, check.view, right), check.picture or check.view
    if not observed.returned:
        drawn = picture(question.form(right.value))
        call = as_typed(question, case)
        return Counterexample(call, None, drawn, observed.error, _shows(check))
    shown_by: Counterexample | None = None
    for reading in readings(observed.value):
        for change in (whole, *check.or_after):
            try:
                # a form may make something of None, which would hide that a `return` is missing
                formed = None if reading is None else change(question.form(reading))
                got = None if reading is None else check.view(formed)
                said = departure(got, expected)
                if said is not None and reading is not None:
                    got = picture(formed)
            except Exception as error:  # form and view may meet whatever a student returns
                got = reading
                said = difference(reading, question.form(right.value), question.tolerance)
                said = said or f"got {shown(reading)}: {type(error).__name__}"
            if said is None:
                return None
            if shown_by is None or (numbers(shown_by.got) is None and numbers(got) is not None):
                shown_by = Counterexample("", got, None, said, _shows(check))
    return shown_by and replace(
        shown_by, call=as_typed(question, case), expected=picture(question.form(right.value))
    )


def _shows(check: Check) -> str:
    """What the picture of a result shows, in words."""
    return inspect.getdoc(check.picture) or "" if check.picture else ""


def agrees(question: Question, value: Any, right: Result) -> bool:
    """Whether a student's result is, in all that it is known by, what a program of ours gave; NaN
    equals NaN."""
    for reading in readings(value):
        try:
            got = without_nan(question.known_by(question.form(reading)))
            if as_wanted(got, _known(question, right)):
                return True
        except Exception:  # as above: it is not what the program gave
            continue
    return False


def without_nan(value: Any) -> Any:
    """`value` with numbers that no result has in place of NaN and the infinities."""
    array = numbers(value)
    if array is None or np.isfinite(array).all():
        return value
    return np.nan_to_num(array, nan=1.25e6, posinf=3e6, neginf=-3e6)


def ignores_its_input(
    question: Question, right: Sequence[Result], seen: Sequence[Observation]
) -> bool:
    """Whether the results are all the same where the right ones are not.

    Without this a constant could earn the claims that look at a part of the result only, such as
    its shape or its sum.
    """
    unlike = _unlike(question, tuple(right))
    return bool(unlike) and all(_same(question, seen[i].value, seen[j].value) for i, j in unlike)


@cache
def _unlike(question: Question, right: tuple[Result, ...]) -> list[tuple[int, int]]:
    """Which two of the right results are not the same."""
    return [
        (i, j)
        for (i, one), (j, other) in combinations(enumerate(right), 2)
        if not _same(question, one.value, other.value)
    ]


def same_result(question: Question, one: Observation, other: Observation) -> bool:
    """Whether two calls came to just the same: equal results, or both to none."""
    if not (one.returned and other.returned):
        return one.returned == other.returned
    return _same(question, one.value, other.value)


def _same(question: Question, a: Any, b: Any) -> bool:
    x, y = (_plain(question, value) for value in (a, b))
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray) and x.shape != y.shape:
        filled = np.concatenate([x.ravel(), y.ravel()])
        return bool(filled.size and np.all(filled == filled[0]))
    return as_wanted(x, wanted(y, EXACT))


def _plain(question: Question, value: Any) -> Any:
    for reading in readings(value):
        try:
            array = numbers(question.form(reading))
        except Exception:  # what cannot be brought to the form is no array
            continue
        if array is not None:
            return without_nan(array)
    return value


def as_typed(question: Question, case: Case) -> str:
    """The call as the student would type it, with long arrays given by their shape."""
    if isinstance(question.target, Cell) and case.said:
        return f"{', '.join(question.target.assigns)}, made anew with {case.said}"
    if isinstance(question.target, Cell) and case.given:
        small = [f"{name} = {_argument(v)}" for name, v in case.given.items() if isinstance(v, int)]
        return f"{', '.join(question.target.assigns)}, made anew with {', '.join(small)}"
    if isinstance(question.target, Cell):
        asked = ", ".join(_argument(value) for value in case.args)
        return f"{', '.join(question.target.assigns)}, made anew for {asked}"
    if question.typed is not None:
        return question.typed(*map(_argument, case.args))
    shown_args = [_argument(value) for value in case.args[:MOST_ARGUMENTS]]
    more = ["…"] if len(case.args) > MOST_ARGUMENTS else []
    return f"{question.target}({', '.join(shown_args + more)})"


def _argument(value: Any) -> str:
    array = numbers(value)
    if array is None:
        return shown(value)
    if array.size > 8:
        return f"<array {array.shape}>"
    return str(np.round(array, 4).tolist()) if array.ndim else f"{array:.6g}"
