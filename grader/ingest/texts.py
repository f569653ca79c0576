"""A notebook's cells to the texts that its student was asked to write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from grader.authoring import Written
from grader.model import Found, NotebookCell, Observed, Place

HEADING = re.compile(
    r"^\s{0,3}(?:(#{1,6})\s+(.*?)\s*#*|\*\*(.{1,80}?)\*\*\s*[::]?|__(.{1,80}?)__)\s*$"
)
PLAIN_HEADING = re.compile(r"^\s*(?:[0-9一二三四五六七八九十]+[.、))]\s*)?(.{1,60}?)\s*[::]?\s*$")
BOLD, PLAIN = 7, 8  # levels of headings without # marks, below all with them


@dataclass(frozen=True, slots=True)
class _Line:
    cell: int
    line: int
    text: str
    level: int  # of a heading, 1 the highest; 0 if it is none


def written_answers(
    cells: Sequence[NotebookCell], questions: Sequence[Written]
) -> dict[str, Observed]:
    """The text that answers each question, by its heading; else, for the first question that has
    none, what stands after the last code cell.  A question without any text has found=None."""
    lines = _lines(cells)
    starts = {i: _question(line, questions) for i, line in enumerate(lines) if line.level}
    found: dict[str, Observed] = {}
    for i, question in starts.items():
        if question is None:
            continue
        end = next(
            (j for j in starts if j > i and _ends(lines[i], lines[j], starts[j])), len(lines)
        )
        body = lines[i + 1 : end]
        text = "\n".join(line.text for line in body).strip()
        if text and (question.key not in found or len(text) > len(found[question.key].text)):
            where = Found(lines[i].text.strip(" #*"), Place(lines[i].cell, lines[i].line), 0)
            found[question.key] = Observed(where, text=text)
    _by_place(cells, lines, starts, questions, found)
    return {q.key: found.get(q.key, Observed(None)) for q in questions}


def _ends(heading: _Line, later: _Line, question: Written | None) -> bool:
    """Whether the text below `heading` ends at the `later` one, which may begin another answer."""
    if question is not None:
        return True
    return later.level < heading.level or later.level == heading.level < BOLD


def _lines(cells: Sequence[NotebookCell]) -> list[_Line]:
    lines = []
    for number, cell in enumerate(cells, 1):
        if cell.kind != "markdown":
            continue
        fenced = False
        for at, text in enumerate(cell.source.split("\n"), 1):
            fenced ^= text.lstrip().startswith("```")
            match = None if fenced else HEADING.match(text)
            level = 0
            if match:
                level = len(match[1]) if match[1] else BOLD
            elif at == 1 and cell.source.count("\n") and PLAIN_HEADING.match(text):
                level = PLAIN  # a short first line may be a heading without its mark
            lines.append(_Line(number, at, text, level))
    return lines


def _question(line: _Line, questions: Sequence[Written]) -> Written | None:
    text = line.text.casefold()
    if line.level == PLAIN and len(text.split()) > 6:
        return None
    hits = [(text.find(h.casefold()), q) for q in questions for h in q.headings]
    places = [(at, q) for at, q in hits if at >= 0]
    return min(places, key=lambda pair: pair[0])[1] if places else None


def _by_place(
    cells: Sequence[NotebookCell],
    lines: Sequence[_Line],
    starts: dict[int, Written | None],
    questions: Sequence[Written],
    found: dict[str, Observed],
) -> None:
    missing = [q for q in questions if q.key not in found]
    if not missing or any(starts.values()):
        return
    last_code = max((i for i, c in enumerate(cells, 1) if c.kind == "code"), default=0)
    after = [line for line in lines if line.cell > last_code]
    text = "\n".join(line.text for line in after).strip()
    if text:
        where = Found("after the last code cell", Place(after[0].cell, 1), 0)
        found[missing[0].key] = Observed(where, text=text)
