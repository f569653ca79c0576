"""From the losses that a notebook printed to the lines that are drawn of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grader.model import Curve, Training
from grader.report.wording import counted

SAVED, RUN = "in the file that you handed in", "when we ran it"
_NAMES = {"train": "training", "valid": "validation", "test": "test"}
_WIDTH, _HEIGHT = 420.0, 230.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 40.0, 12.0, 12.0, 40.0
_MOST_POINTS = 120  # of one line: more cannot be told apart
_MARKED = 40  # up to so many points each has a mark of its own
_UNITS = {"epoch": "epoch", "step": "step", "line": "loss printed"}


@dataclass(frozen=True, slots=True)
class Point:
    """One printed loss, where it is drawn, and what it says of itself."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """One series: `pieces` are its parts between losses that are no number."""

    name: str
    series: str
    pieces: tuple[str, ...]
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The losses of one run, drawn; `said` is the same in words."""

    kind: str  # "saved" or "run"
    caption: str
    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    lines: tuple[Line, ...]
    x: tuple[Tick, ...]
    y: tuple[Tick, ...]
    x_label: str
    said: str


@dataclass(frozen=True, slots=True)
class Drawn:
    """What is shown of a training: a chart of each run, and notes where there is none."""

    charts: tuple[Chart, ...]
    notes: tuple[str, ...]


def drawn(training: Training) -> Drawn:
    """The curve of the handed-in file beside that of our run."""
    both = (("saved", SAVED, training.saved), ("run", RUN, training.run))
    charts = tuple(chart for each in both if (chart := _chart(*each)))
    notes = []
    if not training.saved.series:
        notes.append(
            "The file that you handed in shows no loss, but it shows that the training ran."
            if training.shown
            else "Nothing that is saved in the file that you handed in shows a training. That "
            "costs nothing by itself; if you trained the model, hand in the notebook with its "
            "outputs."
        )
    if not training.run.series:
        notes.append("When we ran it, it printed no loss that we could read.")
    if training.ended:
        notes.append(f"In our run, {training.ended}.")
    return Drawn(charts, tuple(notes))


def _chart(kind: str, caption: str, curve: Curve) -> Chart | None:
    """The curve on a scale of its own, that an outlier in the other run does not flatten it; None
    if no loss of it is a number."""
    finite = [loss for series in curve.series for loss in series.loss if math.isfinite(loss)]
    if not finite:
        return None
    scale = _ticks(min(finite), max(finite), 5)
    furthest = max(at for series in curve.series for at in series.at)
    begin = 0.0 if curve.unit == "epoch" else min(s.at[0] for s in curve.series)
    across = [t for t in _ticks(begin, furthest, 6) if t == round(t) and t <= furthest] or [begin]
    low, high = scale[0], scale[-1]

    def x(at: float) -> float:
        share = (at - begin) / (furthest - begin) if furthest > begin else 0.5
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(loss: float) -> float:
        share = (loss - low) / (high - low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    lines = []
    for series in curve.series:
        places: list[tuple[float, float] | None] = []
        points = []
        kept = list(_thinned(list(zip(series.at, series.loss, strict=True))))
        for at, loss in kept:
            if math.isfinite(loss):
                where = f"{_UNITS[curve.unit]} {at:.4g}"
                said = f"{_NAMES[series.name]}, {where}: loss {_value(loss, curve)}"
                place = (round(x(at), 1), round(y(loss), 1))
                places.append(place)
                points.append(Point(*place, said))
            else:
                places.append(None)
        marked = len(kept) <= _MARKED
        shown = points if marked else [points[0], points[-1]] if points else []
        lines.append(Line(_NAMES[series.name], series.name, tuple(_pieces(places)), tuple(shown)))
    return Chart(
        kind,
        caption,
        _WIDTH,
        _HEIGHT,
        _LEFT,
        _WIDTH - _RIGHT,
        _TOP,
        _HEIGHT - _BOTTOM,
        tuple(lines),
        tuple(Tick(round(x(at), 1), f"{at:g}") for at in across),
        tuple(Tick(round(y(loss), 1), f"{loss:g}") for loss in scale),
        _UNITS[curve.unit],
        _said(curve),
    )


def _said(curve: Curve) -> str:
    """The curve in one sentence."""
    parts = []
    for series in curve.series:
        name = _NAMES[series.name]
        broken = next(
            (s for s in zip(series.at, series.loss, strict=True) if not math.isfinite(s[1])), None
        )
        finite = [loss for loss in series.loss if math.isfinite(loss)]
        if not finite:
            parts.append(f"{name} loss never a number")
            continue
        first, last = _value(finite[0], curve), _value(finite[-1], curve)
        word = "from " + first + " to " + last if len(finite) > 1 else first
        parts.append(f"{name} loss {word}")
        if broken:
            parts[-1] += f" (no number at {_UNITS[curve.unit]} {broken[0]:.4g})"
    most = max(at for series in curve.series for at in series.at)
    many = math.ceil(most)
    over = "" if curve.unit == "line" else f", over {counted(many, _UNITS[curve.unit])}"
    text = "; ".join(parts) + over
    return text[0].upper() + text[1:] + "."


def _value(loss: float, curve: Curve) -> str:
    """A loss, with its perplexity where the notebook speaks of it."""
    if not curve.perplexities or not 0 <= loss < 50:
        return f"{loss:.4g}"
    perplexity = math.exp(loss)
    # ten thousand and more in full, below a million million: few read 1.4e+04
    said = f"{perplexity:,.0f}" if 1e4 <= perplexity < 1e12 else f"{perplexity:.4g}"
    return f"{loss:.4g} (perplexity {said})"


def _thinned(points: Sequence[tuple[float, float]]) -> Iterable[tuple[float, float]]:
    """At most so many of the points as can be told apart, the first and the last among them."""
    if len(points) <= _MOST_POINTS:
        return points
    step = (len(points) - 1) / (_MOST_POINTS - 1)
    return [points[round(i * step)] for i in range(_MOST_POINTS)]


def _pieces(places: Iterable[tuple[float, float] | None]) -> Iterable[str]:
    """The points of each unbroken part of a line, as SVG writes them."""
    piece: list[str] = []
    for place in (*places, None):
        if place is not None:
            piece.append(f"{place[0]:g},{place[1]:g}")
        elif piece:
            yield " ".join(piece)
            piece = []


def _ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers, at most about `most`, from not above `low` to not below `high`."""
    if high - low <= 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= rough)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(k * step, 12) for k in range(first, last + 1)]
