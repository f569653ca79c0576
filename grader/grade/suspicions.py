"""From a notebook as it was handed in to what a person may wonder at: flags that cost nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from grader.authoring import Question, Tolerance
from grader.model import Judgement, NotebookCell, Outcome

NOT_EXECUTED = "not_executed"
SAVED_OUTPUT_DIFFERS = "saved_output_differs"
FEWEST_NUMBERS = 3  # in a row: fewer are met by chance

_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)?(?!\w)")

_Array = NDArray[np.float64]


def suspected(
    judgements: Iterable[Judgement],
    questions: Mapping[str, Question],
    published: Mapping[str, Sequence[Any]],
    cells: Sequence[NotebookCell],
) -> tuple[Judgement, ...]:
    """The judgements of one notebook, with the flags that the file itself gives rise to.

    questions  the code questions, by key
    published  the right results of a question's published cases, which the handout prints
    """
    idle = not_executed(cells)
    made = []
    for judgement in judgements:
        question = questions.get(judgement.question)
        flags = {NOT_EXECUTED} if idle and question is not None else set()
        if question is not None and _fails_published(judgement, question):
            values = published.get(question.key, ())
            if any(saved(cells, value, question.tolerance) for value in values):
                flags.add(SAVED_OUTPUT_DIFFERS)
        made.append(flagged(judgement, flags))
    return tuple(made)


def flagged(judgement: Judgement, flags: Iterable[str]) -> Judgement:
    """The judgement with more flags, sorted."""
    every = {*judgement.flags, *flags}
    if len(every) == len(judgement.flags):
        return judgement
    return replace(judgement, flags=tuple(sorted(every)))


def not_executed(cells: Iterable[NotebookCell]) -> bool:
    """Whether no cell with code in it was run before the notebook was handed in; or whoever ran it
    cleared every trace, which looks the same."""
    code = [cell for cell in cells if cell.kind == "code" and cell.source.strip()]
    return bool(code) and not any(cell.executed for cell in code)


def _fails_published(judgement: Judgement, question: Question) -> bool:
    """Whether it is decided that the code does not give a value that the handout prints."""
    claims = {check.claim for check in question.checks if check.published}
    return judgement.outcome.decided and any(
        verdict.claim in claims and verdict.outcome not in (Outcome.PASSED, Outcome.NEEDS_REVIEW)
        for verdict in judgement.verdicts
    )


def saved(cells: Iterable[NotebookCell], value: Any, tolerance: Tolerance) -> bool:
    """Whether a cell's saved output shows `value`, other than by printing what its source says.

    The handout prints the right values beside the computed ones, as texts: each time that they
    stand in a cell's source, they may stand in its output once.  Where they stand only in the
    source of another cell, a name may hold them.
    """
    code = [cell for cell in cells if cell.kind == "code"]
    for pieces in _ways_to_print(value):
        printed = [_times(pieces, _numbers(cell.output), tolerance) for cell in code]
        if not any(printed):
            continue
        written = [_times(pieces, _numbers(cell.source), tolerance) for cell in code]
        for often, own in zip(printed, written, strict=True):
            if (own or not any(written)) and often > own:
                return True
    return False


@lru_cache(512)  # of one notebook: a question has several values to look for
def _numbers(text: str) -> _Array:
    return np.array([float(number) for number in _NUMBER.findall(text)])


def _ways_to_print(value: Any) -> list[list[_Array]]:
    """The rows of numbers in which `value` may be printed: all at once, or one after another."""
    try:
        array = np.asarray(value, float)
    except (TypeError, ValueError):  # parts of different shapes, or a text
        array = None
    if array is None or array.ndim > 2:
        parts = value if isinstance(value, list | tuple | np.ndarray) else ()
        return [way for part in parts for way in _ways_to_print(part)]
    ways = [[array.ravel()], [array.T.ravel()]]
    if array.ndim == 2:
        ways += [list(array), list(array.T)]
    return [way for way in ways if all(len(piece) >= FEWEST_NUMBERS for piece in way)]


def _times(pieces: Sequence[_Array], numbers: _Array, tolerance: Tolerance) -> int:
    """How often every one of the pieces stands among the numbers of a text."""
    fewest = len(numbers)
    for piece in pieces:
        fewest = fewest and min(fewest, _found(piece, numbers, tolerance))
    return fewest


def _found(piece: _Array, numbers: _Array, tolerance: Tolerance) -> int:
    if len(numbers) < len(piece):
        return 0
    with np.errstate(all="ignore"):
        allowed = tolerance.rtol * np.abs(piece).max() + tolerance.atol
        begins = np.abs(numbers[: len(numbers) - len(piece) + 1] - piece[0]) <= allowed
        if not begins.any():  # as in nearly every cell
            return 0
        windows = np.lib.stride_tricks.sliding_window_view(numbers, len(piece))[begins]
        gaps = np.abs(windows - piece).max(axis=1)
    return int(np.sum(gaps <= allowed))
