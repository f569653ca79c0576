"""From a notebook's cell to the few lines that matter, coloured, each with its number."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from grader.model import Found, NotebookCell, Place
from grader.report.wording import visible

_MOST_LINES = 30
_AROUND = 8  # lines kept before and after the marked one in a long cell
_LONGEST_LINE = 300
_LEXER = PythonLexer(stripnl=False, ensurenl=False)
_FORMATTER = HtmlFormatter(nowrap=True)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of code as HTML; `marked` if it is the one that the text speaks of."""

    number: int
    code: Markup
    marked: bool


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Neighbouring lines of one cell, and whether the cell goes on before and after them."""

    cell: int
    line: int
    lines: tuple[Line, ...]
    cut_before: bool
    cut_after: bool


def excerpt(
    cells: tuple[NotebookCell, ...], where: Place, found: Found | None = None
) -> Excerpt | None:
    """The lines round `where`; None if the notebook has no such cell or line.

    A cell of up to 30 lines is shown whole.  Of a longer one the answer that was `found` in it is
    shown if `where` lies in it, or else what stands around the marked line.
    """
    if not 1 <= where.cell <= len(cells):
        return None
    source = visible(cells[where.cell - 1].source).expandtabs(4).split("\n")
    while source and not source[-1].strip():
        source.pop()
    if not 1 <= where.line <= len(source):
        return None
    first, last = _range(len(source), where, found)
    shown = [_cut(line) for line in source[first - 1 : last]]
    coloured = highlight("\n".join(shown), _LEXER, _FORMATTER).split("\n")
    return Excerpt(
        cell=where.cell,
        line=where.line,
        lines=tuple(
            Line(number, Markup(coloured[number - first]), number == where.line)
            for number in range(first, last + 1)
        ),
        cut_before=first > 1,
        cut_after=last < len(source),
    )


def _range(length: int, where: Place, found: Found | None) -> tuple[int, int]:
    """The first and the last line to show of a cell of `length` lines."""
    if length <= _MOST_LINES:
        return 1, length
    if found is not None and found.where.cell == where.cell:
        first, last = found.where.line, min(found.last_line, length)
        if first <= where.line <= last and last - first < _MOST_LINES:
            return first, last
    return max(1, where.line - _AROUND), min(length, where.line + _AROUND)


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + " …"
