"""Where two results part: the one place that decides what "the same" means."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grader.authoring import Tolerance

_EXACT = frozenset("?bBhHiIlLqQd")  # dtypes, by character: booleans, whole numbers, float64
_FLOATS = frozenset([float])
_DEEPEST = 8  # lists in lists
_MOST_AXES = 16  # of an array in them: NumPy has 32 in all


@dataclass(frozen=True, slots=True, eq=False)
class Wanted:
    """What a result is to agree with: all of it that depends on no student.

    array    what NumPy makes of the value; None if it makes no numbers
    shape    of the array, by which arrays are compared
    allowed  the largest gap of two numbers that agree
    """

    value: Any
    array: NDArray[np.float64] | None
    shape: tuple[int, ...]
    allowed: float


def wanted(value: Any, tolerance: Tolerance) -> Wanted:
    """What agrees with `value`, as far apart as the tolerance allows."""
    array = numbers(value)
    if array is None:
        return Wanted(value, None, (), 0.0)
    largest = float(np.max(np.abs(array), initial=0.0))  # NaN if there is one: then nothing agrees
    allowed = tolerance.rtol * largest + tolerance.atol
    return Wanted(value, array, without_ones(array.shape), allowed)


def difference(got: Any, expected: Any, tolerance: Tolerance) -> str | None:
    """How `got` departs from `expected`, in words for the student, or None if they agree.

    Lists, tuples, scalars and arrays are the same if NumPy makes the same array of them; axes of
    length one do not count.  Agreement is norm-wise, see Tolerance.  NaN agrees with nothing.
    """
    with np.errstate(all="ignore"):
        return departure(got, wanted(expected, tolerance))


def as_wanted(got: Any, right: Wanted) -> bool:
    """Whether there is no `difference` to what was wanted.

    Who calls it sees to it that NumPy warns of no overflow, once for all cases of a question: to
    switch that off and on again takes as long as to compare.
    """
    want = right.array
    if want is None:
        return _same_text(got, right.value)
    have = _fitted(numbers(got), right)
    if have is None:
        return False
    # not (largest > allowed): NaN, which is the largest where there is one, must count as wrong
    return not want.size or bool(np.maximum.reduce(np.abs(have - want), axis=None) <= right.allowed)


def _fitted(have: NDArray[np.float64] | None, right: Wanted) -> NDArray[np.float64] | None:
    """What came back in the shape that was wanted; None if it has another."""
    if have is None or right.array is None or have.shape == right.array.shape:
        return have
    return have.reshape(right.array.shape) if without_ones(have.shape) == right.shape else None


def departure(got: Any, right: Wanted) -> str | None:
    """The `difference` to what was wanted; to be called as `as_wanted`."""
    if as_wanted(got, right):
        return None
    if got is None and right.value is not None:
        return "got None: is a `return` missing?"
    want = right.array
    if want is None:
        return f"got {shown(got)}, expected {shown(right.value)}"
    have = numbers(got)
    if have is None:
        return f"got {_kind(got)}, expected numbers of shape {want.shape}"
    fitted = _fitted(have, right)
    if fitted is None:
        return f"got shape {have.shape}, expected {want.shape}"
    have = fitted
    gap = np.abs(have - want)
    if want.ndim == 0 or want.size == 1:
        return f"got {_number(have.ravel()[0])}, expected {_number(want.ravel()[0])}"
    worst = np.unravel_index(np.argmax(np.where(np.isnan(gap), np.inf, gap)), want.shape)
    wrong = want.size - int(np.sum(gap <= right.allowed))
    return (
        f"{wrong} of {want.size} values differ, most at [{', '.join(map(str, worst))}]: "
        f"got {_number(have[worst])}, expected {_number(want[worst])}"
    )


def numbers(value: Any) -> NDArray[np.float64] | None:
    """The array of floats that NumPy makes of `value`, or None if it makes none.  It may be `value`
    itself: nobody writes into it."""
    if _shape(value) is not None:
        return np.asarray(value, np.float64)
    if value is None or isinstance(value, (str, dict)) or _has_text(value):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a ragged list, a complex number with both parts
            array = np.asarray(value)
            if array.dtype.kind == "c" and not np.any(array.imag):
                array = array.real
            if array.dtype.kind not in "biuf":
                return None
            return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError, Warning):
        return None


def _shape(value: Any, depth: int = 0) -> tuple[int, ...] | None:
    """The shape of what is plainly an array of numbers: NumPy neither refuses it nor warns of it.

    To find that out of anything else takes ten times as long.  None if it may be anything else:
    also of numbers on whose way to float64 a warning may wait (a float32 that is a signalling NaN,
    a longdouble, a whole number that no int64 holds).
    """
    kind = type(value)
    if kind is np.ndarray:
        plain = value.dtype.char in _EXACT and value.ndim <= _MOST_AXES
        return value.shape if plain else None
    if kind is float or kind is np.float64 or kind is bool:
        return ()
    if kind is int:
        return () if -(2**63) <= value < 2**63 else None
    if (kind is not list and kind is not tuple) or depth == _DEEPEST:
        return None
    if set(map(type, value)) <= _FLOATS:
        return (len(value),)
    first = _shape(value[0], depth + 1)
    if first is None or any(_shape(item, depth + 1) != first for item in value[1:]):
        return None
    return (len(value), *first)


def _has_text(value: Any) -> bool:
    """Whether there is a text in a list, at any depth: in an array each takes as much room as the
    longest."""
    if isinstance(value, (list, tuple)):
        return any(map(_has_text, value))
    return isinstance(value, str)


def entries(value: Any) -> int:
    """How many steps a loop over all of a value takes: its numbers and other parts, and rows in
    which there are none."""
    kind = type(value)
    if kind is np.ndarray:
        return int(value.size) or math.prod(max(1, length) for length in value.shape)
    if kind is list or kind is tuple:
        if set(map(type, value)) <= _FLOATS:
            return len(value)
        return sum(map(entries, value), len(value))
    return entries(list(value.values())) if kind is dict else 1


def without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape by which arrays are compared."""
    return tuple(length for length in shape if length != 1)


def _same_text(got: Any, expected: Any) -> bool:
    if isinstance(expected, (list, tuple)):
        return (
            isinstance(got, (list, tuple))
            and len(got) == len(expected)
            and all(_same_text(a, b) for a, b in zip(got, expected, strict=True))
        )
    if isinstance(expected, dict):
        return (
            isinstance(got, dict)
            and got.keys() == expected.keys()
            and all(_same_text(got[key], value) for key, value in expected.items())
        )
    if isinstance(got, np.ndarray) or isinstance(expected, np.ndarray):
        return numbers(got) is not None and bool(np.array_equal(got, expected))
    return type(got) is type(expected) and bool(got == expected)


def shown(value: Any) -> str:
    """A value in at most a line."""
    text = ""
    for piece in _pieces(value):
        text += piece
        if len(text) > 120:
            return text[:117] + "..."
    return text


def _pieces(value: Any) -> Iterator[str]:
    """repr(value), piece by piece: of 20,000 arrays in a list, only those are written out that are
    shown."""
    kind = type(value)
    if kind is list or kind is tuple:
        yield "[" if kind is list else "("
        for i, item in enumerate(value):
            yield ", " if i else ""
            yield from _pieces(item)
        yield "]" if kind is list else ",)" if len(value) == 1 else ")"
    elif kind is dict:
        yield "{"
        for i, (key, item) in enumerate(value.items()):
            yield ", " if i else ""
            yield from _pieces(key)
            yield ": "
            yield from _pieces(item)
        yield "}"
    else:
        yield repr(value)


def _number(value: np.float64) -> str:
    return f"{value:.6g}"


def _kind(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"a {type(value).__name__} that makes no array"
    if isinstance(value, str):
        return f"the text {shown(value)}"
    return shown(value) if type(value).__name__ == "Opaque" else f"a {type(value).__name__}"
