"""From a counterexample's values to what is drawn of them: heat maps, or plain numbers.

Nothing here trusts a value: it may be an array of any shape, a ragged list, a text or None.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from grader.model import Counterexample
from grader.report.wording import clipped, visible

_Array = npt.NDArray[np.float64]

_MOST_CELLS = 24 * 40  # of one map: more is unreadable, and heavy
_MOST_IN_A_LINE = 40
_LABELLED_COLUMNS = 6  # up to here the numbers stand in the cells
_BESIDE = 20  # up to so many columns, three maps fit side by side
_ROOM_OF_THREE = 236.0  # pixels for the columns of each of them
_TEXT_LIMIT = 600


class Square(NamedTuple):  # made a thousand times a page: a dataclass takes four times as long
    """One value of a map; `sign` is "positive", "negative", "nan" or "inf"."""

    row: int
    column: int
    x: float
    y: float
    value: str
    title: str
    sign: str
    shade: str
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """The number of a row or column, and where it is written."""

    number: int
    at: float


@dataclass(frozen=True, slots=True)
class HeatMap:
    """One drawn matrix: `kind` is "yours", "expected" or "difference"."""

    kind: str
    caption: str
    width: float
    height: float
    square_width: float
    square_height: float
    margin: float
    squares: tuple[Square, ...]
    rows: tuple[Axis, ...]
    columns: tuple[Axis, ...]
    worst: tuple[float, float] | None
    lowest: str
    highest: str
    scale: str  # "both", "positive" or "negative": which half of the colours is used


@dataclass(frozen=True, slots=True)
class Numbers:
    """Two values as text, where there is nothing to draw."""

    yours: str
    expected: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """What is shown of one counterexample: maps or numbers, and what the reader must know."""

    maps: tuple[HeatMap, ...] = ()
    numbers: Numbers | None = None
    notes: tuple[str, ...] = ()
    stacked: bool = False


def drawing(shown: Counterexample) -> Drawing:
    """The heat maps of yours, expected and their difference; numbers where either is no matrix."""
    got, expected = _array(shown.got), _array(shown.expected)
    if got is None or expected is None:
        numbers = Numbers(described(shown.got), described(shown.expected))
        if shown.got is None:
            numbers = Numbers(clipped(visible(shown.said), _TEXT_LIMIT), numbers.expected)
        return Drawing(numbers=numbers)
    if got.shape != expected.shape:
        return _of_different_shapes(got, expected)
    if got.size == 1:
        return Drawing(numbers=Numbers(described(got.item()), described(expected.item())))
    if got.size == 0:
        return Drawing(numbers=Numbers(described(shown.got), described(shown.expected)))

    notes: list[str] = []
    difference = _difference(got, expected)
    gap = _gap(got, expected, difference)
    flat, said = _flat([got, expected, difference, gap], gap)
    if flat is None:
        notes.append(f"Arrays of shape {got.shape} are not drawn.")
        numbers = Numbers(described(shown.got), described(shown.expected))
        return Drawing(numbers=numbers, notes=tuple(notes))
    if said:
        notes.append(said)
    got, expected, difference, gap = flat
    row, column = divmod(int(np.argmax(gap)), gap.shape[1])
    worst = (row, column) if gap[row, column] > 0 else None
    rows, columns, said = _window(gap.shape, worst)
    if said:
        notes.append(said)
    if np.isnan(got).any() or np.isnan(expected).any():
        notes.append("Hatched cells are nan: no number.")
    if np.isinf(got).any() or np.isinf(expected).any():
        notes.append("Grey cells are infinite.")
    common = _limit(got, expected)
    draw = partial(_heat_map, rows=rows, columns=columns, worst=worst)
    maps = (
        draw("yours", "yours", got, limit=common),
        draw("expected", "expected", expected, limit=common),
        draw("difference", "difference", difference, limit=_limit(difference)),
    )
    return Drawing(
        maps,
        notes=tuple(notes),
        stacked=len(columns) > (_BESIDE if len(rows) > 1 else _LABELLED_COLUMNS),
    )


def described(value: Any) -> str:
    """Any plain data in a few lines of text: arrays short, long things cut."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, float | np.floating):
        return f"{value + 0.0:.12g}"
    with np.printoptions(precision=6, threshold=40, edgeitems=3, linewidth=72, suppress=False):
        try:
            written = str(value) if isinstance(value, np.ndarray) else repr(value)
        except Exception:  # a value that cannot even be written down must not stop the page
            written = f"<{type(value).__name__}>"
    return clipped(visible(written), _TEXT_LIMIT)


def _of_different_shapes(got: _Array, expected: _Array) -> Drawing:
    notes = [f"The shapes differ: yours is {got.shape}, expected is {expected.shape}."]
    common = _limit(got, expected)
    maps = []
    stacked = False
    for kind, array in (("yours", got), ("expected", expected)):
        flat, said = _flat([array], np.abs(array))
        if flat is None or flat[0].size == 0:
            continue
        rows, columns, cut = _window(flat[0].shape, None)
        notes.extend(f"In “{kind}”: {note}" for note in (said, cut) if note)
        caption = f"{kind}, shape {array.shape}"
        maps.append(
            _heat_map(kind, caption, flat[0], limit=common, rows=rows, columns=columns, worst=None)
        )
        stacked = stacked or len(columns) > _BESIDE
    return Drawing(tuple(maps), notes=tuple(notes), stacked=stacked)


def _array(value: Any) -> _Array | None:
    """The value as real numbers, if it is a number, an array or a rectangular list of them."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            return None
    elif not isinstance(value, bool | int | float | np.number | np.bool_ | list | tuple):
        return None
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            return None
        with np.errstate(all="ignore"):
            return array.astype(np.float64)
    except (ValueError, TypeError, OverflowError):
        return None


def _flat(arrays: list[_Array], gap: _Array) -> tuple[list[_Array] | None, str]:
    """Arrays of one shape as matrices, and which part of them that is; None if too deep.

    Axes of length one are left out.  Of three true axes the shortest is cut where `gap` is
    largest.
    """
    shape = arrays[0].shape
    if len(shape) < 2:
        return [array.reshape(1, -1) for array in arrays], ""
    if len(shape) > 2:
        kept = [axis for axis, length in enumerate(shape) if length != 1]
        if len(kept) > 3:
            return None, ""
        if len(kept) == 3:
            axis = min(kept, key=lambda axis: shape[axis])
            worst = int(np.argmax(gap)) if gap.size else 0
            index = int(np.unravel_index(worst, shape)[axis]) if gap.size else 0
            cut = [array.take([index], axis=axis) for array in arrays]
            named = ", ".join(str(index) if a == axis else ":" for a in range(len(shape)))
            flat, _ = _flat(cut, gap.take([index], axis=axis))
            return flat, f"Of the shape {shape}, the slice [{named}] is drawn."
        sides = [shape[axis] for axis in kept]
        rows, columns = (*(1 for _ in range(2 - len(sides))), *sides)
        return [array.reshape(rows, columns) for array in arrays], ""
    return arrays, ""


def _difference(got: _Array, expected: _Array) -> _Array:
    with np.errstate(all="ignore"):
        return np.where(got == expected, 0.0, got - expected)  # inf - inf is no difference


def _gap(got: _Array, expected: _Array, difference: _Array) -> _Array:
    """How far apart, cell by cell; infinitely where only one of the two is a number."""
    gap = np.abs(difference)
    gap[np.isnan(gap)] = np.inf
    gap[np.isnan(got) & np.isnan(expected)] = 0.0
    return gap


def _window(shape: Sequence[int], worst: tuple[int, int] | None) -> tuple[range, range, str]:
    """The rows and columns that are drawn, the worst cell among them, and what was cut."""
    rows, columns = shape
    most_columns = min(columns, _MOST_IN_A_LINE)
    most_rows = min(rows, _MOST_IN_A_LINE, _MOST_CELLS // max(1, most_columns))
    first_row, first_column = (
        max(0, min(at - most // 2, length - most)) if at >= most else 0
        for at, most, length in zip(
            worst or (0, 0), (most_rows, most_columns), (rows, columns), strict=True
        )
    )
    drawn_rows = range(first_row, first_row + most_rows)
    drawn_columns = range(first_column, first_column + most_columns)
    if (most_rows, most_columns) == (rows, columns):
        return drawn_rows, drawn_columns, ""
    if rows == 1:
        said = f"Of the {columns} values, {first_column} to {drawn_columns[-1]} are drawn."
        return drawn_rows, drawn_columns, said
    said = (
        f"Only a part of the {rows} × {columns} values is drawn: rows {first_row} to "
        f"{drawn_rows[-1]}, columns {first_column} to {drawn_columns[-1]}."
    )
    return drawn_rows, drawn_columns, said


def _limit(*arrays: _Array) -> float:
    """The size of the largest finite number: where the colour is full."""
    finite = [np.abs(array[np.isfinite(array)]) for array in arrays]
    return max((float(part.max()) for part in finite if part.size), default=0.0)


def _heat_map(
    kind: str,
    caption: str,
    matrix: _Array,
    *,
    limit: float,
    rows: range,
    columns: range,
    worst: tuple[int, int] | None,
) -> HeatMap:
    labelled = len(columns) <= _LABELLED_COLUMNS or (len(rows) == 1 and len(columns) <= 16)
    if labelled:
        width = 44.0 if len(rows) == 1 else min(44.0, _ROOM_OF_THREE / len(columns))
        height = 26.0
    else:
        room = _ROOM_OF_THREE if len(columns) <= _BESIDE else 780
        width = float(max(8, min(22, int(room / len(columns)))))
        height = min(width, float(max(7, 250 // len(rows))))
    if len(rows) == 1:
        height = 30.0
    margin = 18.0
    values = matrix[rows.start : rows.stop, columns.start : columns.stop].tolist()
    places = [(column, margin + x * width) for x, column in enumerate(columns)]
    squares = [
        Square(
            row,
            column,
            x,
            margin + y * height,
            repr(value),
            f"row {row}, column {column}: {value + 0.0:.6g}",  # -0.0 + 0.0 is 0.0
            _sign(value),
            _shade(value, limit),
            _label(value) if labelled else "",
        )
        for y, (row, line) in enumerate(zip(rows, values, strict=True))
        for (column, x), value in zip(places, line, strict=True)
    ]
    finite = matrix[np.isfinite(matrix)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    scale = "positive" if low >= 0 else "negative" if high <= 0 else "both"
    every_row, every_column = (math.ceil(13 / size) for size in (height, width))
    return HeatMap(
        kind=kind,
        caption=caption,
        width=margin + len(columns) * width + 2,
        height=margin + len(rows) * height + 2,
        square_width=width,
        square_height=height,
        margin=margin,
        squares=tuple(squares),
        rows=tuple(
            Axis(row, margin + (y + 0.5) * height)
            for y, row in enumerate(rows)
            if y % every_row == 0
        ),
        columns=tuple(
            Axis(column, margin + (x + 0.5) * width)
            for x, column in enumerate(columns)
            if x % every_column == 0
        ),
        worst=None
        if worst is None
        else (margin + (worst[1] - columns[0]) * width, margin + (worst[0] - rows[0]) * height),
        lowest=f"{-limit if scale != 'positive' else 0.0:.4g}",
        highest=f"{limit if scale != 'negative' else 0.0:.4g}",
        scale=scale,
    )


def _sign(value: float) -> str:
    if math.isfinite(value):
        return "negative" if value < 0 else "positive"
    return "nan" if math.isnan(value) else "inf"


def _shade(value: float, limit: float) -> str:
    """How full the colour is, from 0 to 1; whole where there is no number to show."""
    if not math.isfinite(value):
        return "1"
    return f"{abs(value) / limit if limit else 0.0:.2g}"


def _label(value: float) -> str:
    """A number in at most six characters."""
    if not math.isfinite(value):
        return f"{value}"
    if value == 0:
        return "0"
    if value == int(value) and abs(value) < 1e5:
        return f"{value:.0f}"
    if 0.0005 <= abs(value) < 0.005:
        return f"{value:.3f}"
    if 0.005 <= abs(value) < 100:
        return f"{value:.2f}"
    return f"{value:.0f}" if 100 <= abs(value) < 1e5 else f"{value:.0e}"
