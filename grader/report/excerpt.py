"""From a notebook's cell to the few lines that matter, coloured, each with its number."""

from __future__ import annotations

import builtins
import keyword
import re
from typing import NamedTuple

from markupsafe import Markup

from grader.model import Found, NotebookCell, Place
from grader.report.wording import visible

_MOST_LINES = 30
_AROUND = 8  # lines kept before and after the marked one in a long cell
_LONGEST_LINE = 300

_WORD = r"[^\W\d]\w*"
_FROM_SITE = {"copyright", "credits", "exit", "help", "license", "quit"}
_BUILTINS = {name for name in dir(builtins) if name.islower() and name[0] != "_"} - _FROM_SITE
_KNOWN = dict.fromkeys(keyword.kwlist, "k") | dict.fromkeys(_BUILTINS, "n")


def _text_in(quote: str) -> str:
    """A text up to its closing quotes; where they are missing, to the end of the line or code."""
    three = quote * 3
    return (
        rf"{three} (?: [^{quote}\\] | \\[\s\S] | {quote}(?!{quote}{quote}) )* (?:{three})?"
        rf"| {quote} (?: [^{quote}\\\n] | \\[\s\S] )* {quote}?"
    )


# In time like the code's length, Python or not: none of their repeats ever has to be undone.
_PARTS = re.compile(
    rf"""(?P<c> \#.* )
    | (?P<prefix> [bfrtuBFRTU]{{0,2}} ) (?P<s> {_text_in('"')} | {_text_in("'")} )
    | (?P<m> \.?\d (?: [\w.] | (?<=[eE])[-+] )* )
    | (?P<n> (?: (?<=\bdef\ ) | (?<=\bclass\ ) ) {_WORD} | __\w+__(?=\() )
    | [.@] (?!__) {_WORD}  # no builtin, even if it is named like one
    | (?P<word> {_WORD} )""",
    re.VERBOSE,
)
_FIELD = re.compile(r"\{\{|\{((?:[^[({}:!=\n]|\[[^]}\n]*|\([^)}\n]*)*)")


class Excerpt(NamedTuple):
    """Neighbouring lines of one cell, and whether the cell goes on before and after them."""

    cell: int
    line: int
    lines: Markup  # each a span with its number, marked if the text speaks of it
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
    coloured_lines = enumerate(coloured("\n".join(shown)).split("\n"), first)
    return Excerpt(
        cell=where.cell,
        line=where.line,
        lines=Markup("".join(_as_line(n, code, n == where.line) for n, code in coloured_lines)),
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


def _as_line(number: int, code: str, marked: bool) -> str:
    return f'<span class="line{" marked" * marked}" data-line="{number}">{code}\n</span>'


def _cut(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + " …"


def coloured(code: str) -> str:
    """Python as HTML of as many lines: keywords, names, texts, numbers and comments in spans.

    Not by pygments, which takes ten times as long and half a notebook's time to be imported.
    """
    escaped = code.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _PARTS.sub(_as_span, escaped)


def _as_span(part: re.Match[str]) -> str:
    kind, text = part.lastgroup, part.group()
    if kind == "word":
        kind = _KNOWN.get(text)
    if kind is None:
        return text
    if kind == "s":
        if "f" in part["prefix"].lower():
            text = _FIELD.sub(_as_field, text)
        text = text.replace("\n", '</span>\n<span class="s">')
    return f'<span class="{kind}">{text}</span>'


def _as_field(part: re.Match[str]) -> str:
    """What stands in the braces of an f-string is code again."""
    if not part[1]:
        return part[0]
    return f'{{</span>{_PARTS.sub(_as_span, part[1])}<span class="s">'
