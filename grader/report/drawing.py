"""From a counterexample's values to what is drawn of them: heat maps, or plain numbers.

Nothing here trusts a value: it may be an array of any shape, a ragged list, a text or None.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from grader.model import Counterexample
from grader.report.wording import clipped, visible

_Array = npt.NDArray[np.float64]

_MOST_CELLS = 24 * 40  # of one map: more is unreadable, and heavy
_MOST_IN_A_LINE = 40
_LABELLED_COLUMNS = 6  # up to here the numbers stand in the cells
_BESIDE = 20  # up to so many columns, three maps fit side by side
_ROOM_OF_THREE = 236.0  # pixels for the columns of each of them
_MARGIN = 18.0  # pixels for the numbers of rows and columns
_TEXT_LIMIT = 600


class HeatMap(NamedTuple):
    """One drawn matrix: `kind` is "yours", "expected" or "difference"."""

    kind: str
    caption: str
    size: Markup  # its attributes
    squares: Markup  # with their titles and labels, and the numbers of rows and columns
    worst: str  # the path round the worst value; empty if there is none
    lowest: str
    highest: str
    scale: str  # "both", "positive" or "negative": which half of the colours is used


class Numbers(NamedTuple):
    """Two values as text, where there is nothing to draw."""

    yours: str
    expected: str


class Drawing(NamedTuple):
    """What is shown of one counterexample: maps or numbers, and what the reader must know."""

    maps: tuple[HeatMap, ...] = ()
    numbers: Numbers | None = None
    notes: tuple[str, ...] = ()
    stacked: bool = False


@np.errstate(all="ignore")
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
    extents = [_extent(array) for array in flat[:3]]
    if not (extents[0].finite and extents[1].finite):
        if np.isnan(got).any() or np.isnan(expected).any():
            notes.append("Hatched cells are nan: no number.")
        if np.isinf(got).any() or np.isinf(expected).any():
            notes.append("Grey cells are infinite.")
    common = max(extents[0].limit, extents[1].limit)
    layout = _layout(rows, columns, worst)
    maps = (
        _heat_map("yours", "yours", got, extents[0], common, layout),
        _heat_map("expected", "expected", expected, extents[1], common, layout),
        _heat_map("difference", "difference", difference, extents[2], extents[2].limit, layout),
    )
    return Drawing(
        maps,
        notes=tuple(notes),
        stacked=len(columns) > (_BESIDE if len(rows) > 1 else _LABELLED_COLUMNS),
    )


def drawn_from(shown: Counterexample) -> Hashable:
    """What two counterexamples have in common only if they are drawn alike."""
    arrays = (shown.got, shown.expected)
    if all(isinstance(array, np.ndarray) for array in arrays):
        return (shown.call, *((array.dtype.str, array.shape, array.tobytes()) for array in arrays))
    return id(shown)


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
    extents = [_extent(got), _extent(expected)]
    common = max(extent.limit for extent in extents)
    maps = []
    stacked = False
    for kind, array, extent in zip(("yours", "expected"), (got, expected), extents, strict=True):
        flat, said = _flat([array], np.abs(array)) if array.size else (None, "")
        if flat is None:
            continue
        rows, columns, cut = _window(flat[0].shape, None)
        notes.extend(f"In “{kind}”: {note}" for note in (said, cut) if note)
        caption = f"{kind}, shape {array.shape}"
        layout = _layout(rows, columns, None)
        maps.append(_heat_map(kind, caption, flat[0], extent, common, layout))
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
    if (most_rows, most_columns) == (rows, columns):
        return range(rows), range(columns), ""
    first_row, first_column = (
        max(0, min(at - most // 2, length - most)) if at >= most else 0
        for at, most, length in zip(
            worst or (0, 0), (most_rows, most_columns), (rows, columns), strict=True
        )
    )
    drawn_rows = range(first_row, first_row + most_rows)
    drawn_columns = range(first_column, first_column + most_columns)
    if rows == 1:
        said = f"Of the {columns} values, {first_column} to {drawn_columns[-1]} are drawn."
        return drawn_rows, drawn_columns, said
    said = (
        f"Only a part of the {rows} × {columns} values is drawn: rows {first_row} to "
        f"{drawn_rows[-1]}, columns {first_column} to {drawn_columns[-1]}."
    )
    return drawn_rows, drawn_columns, said


class _Extent(NamedTuple):
    """Between which finite numbers the values of an array lie, and whether all of them are such."""

    low: float
    high: float
    finite: bool

    @property
    def limit(self) -> float:
        """The size of the largest finite number: where the colour is full."""
        return max(abs(self.low), abs(self.high))


def _extent(array: _Array) -> _Extent:
    finite = array[np.isfinite(array)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return _Extent(low, high, finite.size == array.size)


class _Layout(NamedTuple):
    """Where a matrix is drawn: what is said of its values is filled into `squares` with %."""

    rows: range
    columns: range
    size: Markup
    squares: str
    worst: str
    labelled: bool


def _layout(rows: range, columns: range, worst: tuple[int, int] | None) -> _Layout:
    """Squares for some rows and columns below their numbers, which several maps may share."""
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
    lefts = {column: _MARGIN + x * width for x, column in enumerate(columns)}
    tops = {row: _MARGIN + y * height for y, row in enumerate(rows)}
    every_row, every_column = (math.ceil(13 / size) for size in (height, width))
    parts = [
        f'<text class="axis" x="{left + width / 2:g}" y="9">{column}</text>'
        for column, left in list(lefts.items())[::every_column]
    ]
    parts += [
        f'<text class="axis" x="9" y="{top + height / 2:g}">{row}</text>'
        for row, top in list(tops.items())[::every_row]
    ]
    places = [(column, f"{left:g}", f"{left + width / 2:g}") for column, left in lefts.items()]
    for row, top in tops.items():
        beside = f'y="{top:g}" width="{width:g}" height="{height:g}"'
        middle = f"{top + height / 2:g}"
        for column, x, centre in places:
            parts.append(
                f'\n<rect class="%s" x="{x}" {beside} fill-opacity="%.2g" '
                f'data-row="{row}" data-column="{column}" data-value="%r">'
                f"<title>row {row}, column {column}: %.6g</title></rect>"
            )
            if labelled:
                parts.append(f'\n<text x="{centre}" y="{middle}">%s</text>')
    frame = ""
    if worst is not None:
        left, top = lefts[worst[1]], tops[worst[0]]
        frame = f"M{left:g} {top:g}h{width:g}v{height:g}h-{width:g}z"
    w, h = f"{_MARGIN + len(columns) * width + 2:g}", f"{_MARGIN + len(rows) * height + 2:g}"
    size = Markup(f'width="{w}" height="{h}" viewBox="0 0 {w} {h}"')
    return _Layout(rows, columns, size, "".join(parts), frame, labelled)


def _heat_map(
    kind: str, caption: str, matrix: _Array, extent: _Extent, limit: float, layout: _Layout
) -> HeatMap:
    rows, columns = layout.rows, layout.columns
    scale = "positive" if extent.low >= 0 else "negative" if extent.high <= 0 else "both"
    values = matrix[rows.start : rows.stop, columns.start : columns.stop].ravel().tolist()
    full = limit or 1.0
    kinds = ["negative" if value < 0 else "positive" for value in values]
    shades = [abs(value) / full for value in values]
    if not extent.finite:
        for at, value in enumerate(values):
            if not math.isfinite(value):
                kinds[at], shades[at] = "nan" if math.isnan(value) else "inf", 1.0
    said = [kinds, shades, values, [value + 0.0 for value in values]]  # -0.0 + 0.0 is 0.0
    if layout.labelled:
        said.append(map(_label, values))
    return HeatMap(
        kind=kind,
        caption=caption,
        size=layout.size,
        # nothing but numbers of ours, and most of a page: no template has to escape them
        squares=Markup(layout.squares % tuple(chain.from_iterable(zip(*said, strict=True)))),
        worst=layout.worst,
        lowest=f"{-limit if scale != 'positive' else 0.0:.4g}",
        highest=f"{limit if scale != 'negative' else 0.0:.4g}",
        scale=scale,
    )


def _label(value: float) -> str:
    """A number in at most six characters."""
    size = abs(value)
    if value.is_integer() and size < 1e5:
        return f"{value + 0.0:.0f}"
    if 0.005 <= size < 100:
        return f"{value:.2f}"
    if 0.0005 <= size < 0.005:
        return f"{value:.3f}"
    return f"{value:.0f}" if 100 <= size < 1e5 else f"{value:.0e}"
