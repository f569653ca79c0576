"""A notebook's cells, and the texts beside it, to the texts that its student was asked to write."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html.parser import HTMLParser
from itertools import groupby

from grader.authoring import Written
from grader.model import Beside, Found, NotebookCell, Observed, Place

LIMIT_BYTES = 2**20  # of a text beside a notebook
ENDINGS = (".txt", ".md", ".markdown", ".html", ".htm")

HEADING = re.compile(
    r"^\s{0,3}(?:(#{1,6})(?!#)(.+)|\*\*(.{1,80}?)\*\*\s*+[:\uff1a]?|__(.{1,80}?)__"
    r"|<(h[1-6]|b|strong)>(.{1,80}?)</\5>)\s*+$",
    re.IGNORECASE,
)
PLAIN_HEADING = re.compile(
    r"^\s*+(?:[0-9一二三四五六七八九十]++[.、)\uff09]\s*+)?(.{1,60}?)\s*+[:\uff1a]?\s*+$"
)
INLINE_HEADING = re.compile(
    r"^\s*+(?:[-*]\s++)?(\*\*|__|)\s*+([^:\uff1a]{1,40}?)\s*+"
    r"(?:[:\uff1a]\s*+\1|\1\s*+[:\uff1a])\s*+(\S.*)$"
)
SENTENCE_ENDS = (".", "!", "?", "\u3002", "\uff01", "\uff1f")
UNDERLINE = re.compile(r"^\s{0,3}(?:=+|-{2,})\s*$")
BOLD, PLAIN = 7, 8  # levels of headings without # marks, below all with them
BESIDE = 0  # stands for the number of a cell where there is none
_FEW_WORDS = 6
_BLOCKS = frozenset("p div li ul ol table tr blockquote pre section article br h1 h2 h3".split())
_UNREAD = frozenset("script style head title template noscript".split())


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of text; `file` is where it stands if that is no cell."""

    cell: int
    line: int
    text: str
    level: int  # of a heading, 1 the highest; 0 if it is none
    file: str = ""


def written_answers(
    cells: Sequence[NotebookCell],
    questions: Sequence[Written],
    beside: Sequence[Beside] = (),
    handed_out: Sequence[NotebookCell] = (),
) -> dict[str, Observed]:
    """The text that answers each question: below its heading, in the notebook or in a text beside
    it; else, for questions that have none, what stands after the last code cell, in its last
    comments, or in such a text without headings.  A question without any text has found=None.

    handed_out  cells that are nobody's answer where they stand unchanged
    """
    found: dict[str, Observed] = {}
    if not questions:
        return found
    inside = list(_lines(cells, questions))
    last = _last_code(cells)
    used = _by_heading(inside, questions, found, last)
    headed = {
        text.path
        for text in beside
        if _by_heading(list(_marked(BESIDE, text.text, questions, text.path)), questions, found)
    }
    for remark in _headed_remarks(cells, questions):
        _by_heading(remark, questions, found)
    missing = [q for q in questions if q.key not in found]
    if missing:
        given = {cell.source.strip() for cell in handed_out}
        after = [
            line
            for i, line in enumerate(inside)
            if line.cell > last
            and i not in used
            and cells[line.cell - 1].source.strip() not in given
        ]
        text = _joined(after)
        if last and text:
            # where one has a heading, what follows it is the other
            question = missing[-1] if found else missing[0]
            where = Found("after the last code cell", Place(after[0].cell, 1), 0)
            found[question.key] = Observed(where, text=text)
    for other in beside:
        missing = [q for q in questions if q.key not in found]
        if missing and other.sure and other.path not in headed and other.text.strip():
            named = [q for q in missing if _named(other.path, [q])]
            where = Found(other.path, Place(BESIDE, 1), 0)
            found[(named or missing)[0].key] = Observed(where, text=other.text.strip())
    return {q.key: found.get(q.key, Observed(None)) for q in questions}


def of_html(page: str) -> str:
    """The text of a web page as Markdown, with its headings and lists; scripts left out."""
    reader = _Page()
    reader.feed(page)
    reader.close()
    lines = (re.sub(r"[ \t\xa0]+", " ", line).strip() for line in "".join(reader.parts).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.unread = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.unread += tag in _UNREAD
        if tag in _BLOCKS:
            self.parts.append("\n" if tag in ("br", "li", "tr") else "\n\n")
        if re.fullmatch("h[1-6]", tag):
            self.parts.append("#" * int(tag[1]) + " ")
        elif tag == "li":
            self.parts.append("- ")

    def handle_endtag(self, tag: str) -> None:
        self.unread = max(0, self.unread - (tag in _UNREAD))
        if tag in _BLOCKS or re.fullmatch("h[1-6]", tag):
            self.parts.append("\n\n" if tag not in ("li", "tr", "br") else "")

    def handle_data(self, data: str) -> None:
        if not self.unread:
            self.parts.append(re.sub(r"\s+", " ", data))


def _by_heading(
    lines: Sequence[_Line],
    questions: Sequence[Written],
    found: dict[str, Observed],
    last_code: int = 0,
) -> set[int]:
    """Puts in `found` what stands below the headings of a question that has nothing there yet;
    returns which lines those are.

    last_code  the cell after which the texts of questions without any heading are to be looked for
    """
    starts = {i: _question(line, questions) for i, line in enumerate(lines) if line.level}
    headless = {q.key for q in questions} - {q.key for q in starts.values() if q is not None}
    after = next((i for i, line in enumerate(lines) if line.cell > last_code), len(lines))
    used: set[int] = set()
    own: dict[str, tuple[_Line, list[str]]] = {}
    for i, question in starts.items():
        if question is None or i in used:
            continue
        end = next(
            (
                j
                for j in starts
                if j > i and _ends(lines[i], lines[j], other=starts[j] not in (None, question))
            ),
            len(lines),
        )
        if headless and _joined(lines[i + 1 : after]):
            end = min(end, after)
        used.update(range(i, end))
        text = _joined(lines[i + 1 : end])
        if text:
            own.setdefault(question.key, (lines[i], []))[1].append(text)
    for key, (line, parts) in own.items():
        where = Found(line.file or line.text.strip(" #*_:\uff1a"), Place(line.cell, line.line), 0)
        found.setdefault(key, Observed(where, text="\n\n".join(parts)))
    return used


def _ends(heading: _Line, later: _Line, *, other: bool) -> bool:
    """Whether the text below `heading` ends at the `later` one, which may begin another answer."""
    if other:
        return True
    return later.level < heading.level or later.level == heading.level < BOLD


def _joined(lines: Iterable[_Line]) -> str:
    """The lines as one text, with an empty line between two cells."""
    cells = groupby(lines, key=lambda line: (line.cell, line.file))
    return "\n\n".join(
        text for _, own in cells if (text := "\n".join(line.text for line in own).strip("\n"))
    ).strip()


def _lines(cells: Sequence[NotebookCell], questions: Sequence[Written]) -> Iterator[_Line]:
    """The lines of text in a notebook, those of code cells that only say something among them."""
    for number, cell in enumerate(cells, 1):
        if cell.kind != "code":
            yield from _marked(number, cell.source, questions)
        elif _says_only(cell.source):
            for first, text in _remarks(cell.source):
                yield from _marked(number, text, questions, first=first)


def _headed_remarks(
    cells: Sequence[NotebookCell], questions: Sequence[Written]
) -> Iterator[list[_Line]]:
    """The comments among code that begin with a question's heading in a line of its own."""
    for number, cell in enumerate(cells, 1):
        # where no heading's words stand, there is no need to take the source apart
        if cell.kind == "code" and _named(cell.source, questions) and not _says_only(cell.source):
            for first, text in _remarks(cell.source):
                lines = list(_marked(number, text, questions, first=first, loose=False))
                level, own_line = lines[0].level, len(lines) > 1 and lines[1].line > first
                if level and own_line and _question(lines[0], questions):
                    yield lines


def _marked(
    cell: int,
    source: str,
    questions: Sequence[Written],
    file: str = "",
    *,
    first: int = 1,
    loose: bool = True,
) -> Iterator[_Line]:
    """The lines of a Markdown text, with the levels of its headings.

    loose  whether a short first line is a heading whatever it says
    """
    fenced, before = False, ""
    lines = source.split("\n")
    for i, text in enumerate(lines):
        at = first + i
        fenced ^= text.lstrip().startswith("```")
        match = None if fenced else HEADING.match(text)
        begins = not fenced and not before.strip()  # a paragraph
        # people leave no blank line where a sentence ended, or where a colon tells a heading
        anew = begins or (not fenced and before.rstrip().endswith(SENTENCE_ENDS))
        told = anew or (not fenced and text.rstrip().endswith((":", "\uff1a")))
        below = lines[i + 1] if i + 1 < len(lines) else ""
        before = text
        if match:
            level = len(match[1]) if match[1] else _level(match[5])
            yield _Line(cell, at, text if match[1] else _bare(match), level, file)
        elif begins and UNDERLINE.match(below) and text.strip():
            yield _Line(cell, at, text, 1 if "=" in below else 2, file)
        elif anew and (rest := _inline(text, questions)):
            yield _Line(cell, at, text[: len(text) - len(rest)].rstrip(), PLAIN, file)
            yield _Line(cell, at, rest, 0, file)
        elif (
            told and len(lines) > 1 and _plain_heading(cell, at, text, questions, loose and i == 0)
        ):
            yield _Line(cell, at, text, PLAIN, file)
        elif not (UNDERLINE.match(text) and i and _underlines(lines, i)):
            yield _Line(cell, at, text, 0, file)


def _level(tag: str | None) -> int:
    return int(tag[1]) if tag and tag[0] in "hH" else BOLD


def _bare(match: re.Match[str]) -> str:
    return match[6] if match[5] else match[0]


def _underlines(lines: Sequence[str], i: int) -> bool:
    """Whether line i makes a heading of the one before."""
    return bool(lines[i - 1].strip()) and (i < 2 or not lines[i - 2].strip())


def _inline(text: str, questions: Sequence[Written]) -> str:
    """What follows a heading in its own line, "Method: we train"; empty if there is none."""
    match = INLINE_HEADING.match(text)
    if not match or _question(_Line(0, 0, match[2], PLAIN), questions) is None:
        return ""
    return match[3] if len(match[2].split()) <= _FEW_WORDS else ""


def _plain_heading(
    cell: int, at: int, text: str, questions: Sequence[Written], first: bool
) -> bool:
    """A short line may be a heading without its mark: the first of a text whatever it says,
    another if a question is known by it and it says no more."""
    if not text.strip() or not PLAIN_HEADING.match(text):
        return False
    if first:
        return True
    few = (
        len(text.split()) <= 4
        and len(text.strip()) <= 30
        and not re.search(r"[.。,\uff0c!?]", text)
    )
    return few and _question(_Line(cell, at, text, PLAIN), questions) is not None


@lru_cache(2048)  # the cells that were handed out are in every notebook, and asked for thrice
def _says_only(source: str) -> bool:
    """Whether Python would do nothing with the cell."""
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return bool(source.strip()) and all(
        isinstance(node, ast.Pass)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in body
    )


def _remarks(source: str) -> Iterator[tuple[int, str]]:
    """Each block of comment lines and each text in three quotes, with its first line's number."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError, ValueError):
        return
    block: list[str] = []
    begun = last = 0
    for token in tokens:
        (at, column), text = token.start, token.string
        if token.type == tokenize.COMMENT and not token.line[:column].strip():
            if block and at != last + 1:
                yield begun, "\n".join(block)
                block = []
            begun = begun if block else at
            block.append(re.sub("^# ?", "", text))
            last = at
        elif token.type == tokenize.STRING and text[-3:] in ('"""', "'''"):
            inner = re.sub(r"^[a-zA-Z]*(\"\"\"|''')", "", text)[:-3]
            skipped = len(inner) - len(inner.lstrip("\n"))
            yield at + skipped, inner.strip("\n")
    if block:
        yield begun, "\n".join(block)


def _question(line: _Line, questions: Sequence[Written]) -> Written | None:
    """The question that a heading is of: the one whose word stands first in it."""
    text = line.text.casefold()
    if line.level == PLAIN and len(text.split()) > _FEW_WORDS:
        return None
    hits = [(text.find(h.casefold()), q) for q in questions for h in q.headings]
    places = [(at, q) for at, q in hits if at >= 0]
    return min(places, key=lambda pair: pair[0])[1] if places else None


def _named(text: str, questions: Sequence[Written]) -> bool:
    """Whether the words of some question's heading stand anywhere in a text."""
    folded = text.casefold()
    return any(heading.casefold() in folded for q in questions for heading in q.headings)


def _last_code(cells: Sequence[NotebookCell]) -> int:
    """The number of the last cell with code that does something; 0 if there is none."""
    code = (i for i, c in enumerate(cells, 1) if c.kind == "code" and c.source.strip())
    return max((i for i in code if not _says_only(cells[i - 1].source)), default=0)
