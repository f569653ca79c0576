"""From the bytes of an .ipynb file to its cells.

Students' files come through editors, browsers, merges and broken uploads, so nothing is checked
against the notebook schema: what can be read is read, what was odd becomes a note, and only a
file without a list of cells is refused.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any

from grader.errors import SubmissionError
from grader.model import NotebookCell

LIMIT_BYTES = 100 * 10**6
LIMIT_OUTPUT = 200_000  # characters of a cell's saved output that are kept

_NEWEST_FORMAT = 4
_SHOWN_NOTES = 10
_SHOWN_CELLS = 5  # how many cell numbers a note lists
_SHOWN_CHARACTERS = 40  # how much of a foreign file a reason quotes

_SIGNATURES = (
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\xd0\xcf\x11\xe0", "an old Office document"),
)
_BYTE_ORDER_MARKS = (  # the longer first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HTML = re.compile(r"<(!doctype html|html|head|body|meta|title|script|!--)", re.IGNORECASE)
_PYTHON = re.compile(r"^(#!|# ?%%|import \w|from [\w.]+ import |def \w+\(|class \w+)", re.MULTILINE)
_CONFLICT = re.compile(r"^(<<<<<<<|>>>>>>>)( |$)", re.MULTILINE)
_LINE_END = re.compile(r"\r\n|\r|\n")
_HALF_ESCAPE = re.compile(r"\\u[0-9a-fA-F]{0,4}\s*\Z")
_SURROGATE = re.compile("[\ud800-\udfff]")

_KINDS = {"code": "code", "markdown": "markdown", "raw": "raw"}
_OLD_KINDS = _KINDS | {"heading": "heading", "html": "markdown", "text": "markdown"}
_SOURCES = ("source",)
_OLD_SOURCES = ("input", "source", "code", "text")


def read(data: bytes) -> tuple[tuple[NotebookCell, ...], tuple[str, ...]]:
    """The cells of a notebook, and notes for people on what was odd about the file.

    Cells keep their number: what is no cell becomes an empty raw one.  Lines end in \\n, and every
    source can be written as UTF-8.  Formats 1 to 3 are read as format 4 would be.  Of
    what was saved below a cell, text is kept, up to LIMIT_OUTPUT characters.

    Raises SubmissionError, with one line that says why, if the file is not a notebook.
    """
    refuse_if_huge(len(data))
    notes = _Notes()
    cells = tuple(_cells(_parsed(_text(data, notes), notes), notes))
    if not any(cell.kind == "code" for cell in cells):
        notes.add("it has no code cell")
    return cells, notes.sentences()


def as_saved(data: bytes) -> tuple[dict[str, Any], ...]:
    """The cells of a notebook as its file has them, an empty one for what is no cell.

    In the order of those that `read` gives, in whatever format and however odd they are.
    Raises SubmissionError as `read` does.
    """
    notes = _Notes()
    listed, _ = _listed(_parsed(_text(data, notes), notes), notes)
    return tuple(cell if isinstance(cell, dict) else {} for cell in listed)


def clean(text: str) -> str:
    """A text that Python and UTF-8 can hold, with lines that end in \\n."""
    if _SURROGATE.search(text):
        # through UTF-16, for which two halves that stood in two strings of a list are one
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return _LINE_END.sub("\n", text.replace("\0", ""))


def refuse_if_huge(size_bytes: int) -> None:
    """Raises SubmissionError if a file of this size should not even be opened."""
    if size_bytes > LIMIT_BYTES:
        raise SubmissionError(
            f"it is too large: {size_bytes / 10**6:.1f} MB, where {LIMIT_BYTES / 10**6:g} MB are "
            "allowed; clear its outputs and hand it in again"
        )


class _Notes:
    """What was odd, each oddity once, with the cells in which it was found."""

    def __init__(self) -> None:
        self._cells: dict[str, list[int]] = {}

    def add(self, oddity: str, cell: int | None = None) -> None:
        cells = self._cells.setdefault(oddity, [])
        if cell is not None and cell not in cells[-1:]:
            cells.append(cell)

    def sentences(self) -> tuple[str, ...]:
        said = [self._sentence(oddity, cells) for oddity, cells in self._cells.items()]
        more = len(said) - _SHOWN_NOTES
        return (*said[:_SHOWN_NOTES], *([f"and {more} more oddities"] if more > 0 else []))

    @staticmethod
    def _sentence(oddity: str, cells: list[int]) -> str:
        if not cells:
            return oddity
        numbers = ", ".join(map(str, cells[:_SHOWN_CELLS]))
        more = len(cells) - _SHOWN_CELLS
        return (
            f"cell{'s' if len(cells) > 1 else ''} {numbers}"
            f"{f' and {more} more' if more > 0 else ''}: {oddity}"
        )


def _text(data: bytes, notes: _Notes) -> str:
    """The file as text; SubmissionError if it is something else than text."""
    if not data:
        raise SubmissionError("the file is empty (0 bytes)")
    if not data.strip(b"\0"):
        raise SubmissionError("the file holds nothing but NUL bytes (upload broken?)")
    for signature, kind in _SIGNATURES:
        if data.startswith(signature):
            raise SubmissionError(f"it is {kind}, not a notebook, in spite of its name")
    mark, encoding = next(
        ((mark, name) for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)),
        (b"", json.detect_encoding(data) if b"\0" in data[:4] else "utf-8"),
    )
    body = data[len(mark) :]
    # before decoding: a web page may be in an encoding of its own
    _refuse_markup(body[:1000].decode(encoding, "replace").lstrip())
    if encoding != "utf-8":
        notes.add(f"it is written in {encoding[:6].upper()}, not UTF-8")
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError as error:
        line = _line(body[: error.start].decode(encoding, "replace"))
        if error.reason in ("unexpected end of data", "truncated data"):
            raise _cut_short(line) from None
        raise SubmissionError(
            f"not a notebook: not {encoding.upper()} at line {line} "
            f"(byte 0x{body[error.start]:02X}); save it as UTF-8"
        ) from None
    if not text.strip():
        raise SubmissionError("the file holds nothing but white space")
    return text


def _refuse_markup(start: str) -> None:
    if _HTML.match(start):
        raise SubmissionError(
            "it is a web page (HTML), not a notebook: download it as .ipynb instead of saving the "
            "page"
        )
    if start.startswith("<") and not _CONFLICT.match(start):
        raise SubmissionError(f"it is XML, not a notebook: it begins with {_quoted(start)}")


def _parsed(text: str, notes: _Notes) -> Any:
    """The JSON value that the text is; what JSON forbids but is clear is noted."""

    def constant(name: str) -> float:
        notes.add("it holds NaN or Infinity, which JSON does not have")
        return float(name)

    def integer(digits: str) -> float:
        # int() refuses, with an error of its own, what has thousands of digits
        return int(digits) if len(digits) < 1000 else float(digits)

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            seen: set[str] = set()
            for name, _ in items:
                if name in seen:
                    notes.add(f"it gives {_quoted(name)} twice in one place: the last one counts")
                seen.add(name)
        return found

    try:
        return json.loads(text, parse_constant=constant, parse_int=integer, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise _not_json(text, error) from None
    except RecursionError:
        raise SubmissionError("not a notebook: its JSON is nested too deeply to be read") from None


def _not_json(text: str, error: json.JSONDecodeError) -> SubmissionError:
    """What a person would say is wrong with this text."""
    if conflict := _CONFLICT.search(text):
        return SubmissionError(
            f"not a notebook: an unfinished git merge, with conflict markers from line "
            f"{_line(text[: conflict.start()])} on"
        )
    start = text.lstrip()
    if not start.startswith(("{", "[")):
        if _PYTHON.search(text[:10_000]):
            return SubmissionError(
                f"it is a Python script, not a notebook: it begins with {_quoted(start)}"
            )
        return SubmissionError(f"not a notebook: no JSON, it begins with {_quoted(start)}")
    if _ends_too_early(text, error):
        return _cut_short(_line(text.rstrip()))
    line = _line(text[: error.pos])
    column = len(_LINE_END.split(text[: error.pos])[-1]) + 1
    return SubmissionError(
        f"not a notebook: JSON goes wrong at line {line}, column {column} ({error.msg})"
    )


def _ends_too_early(text: str, error: json.JSONDecodeError) -> bool:
    """Whether the text is the beginning of some JSON, and nothing but its end is missing."""
    rest = text[error.pos :].rstrip()
    words = ("true", "false", "null", "NaN", "Infinity", "-Infinity")
    return (
        not rest
        or error.msg.startswith("Unterminated string")
        or (error.msg == "Expecting value" and any(word.startswith(rest) for word in words))
        or (error.msg.startswith("Invalid \\uXXXX") and _HALF_ESCAPE.search(text) is not None)
        or re.fullmatch(r"[.eE][-+]?", rest) is not None  # of a number
    )


def _cut_short(line: int) -> SubmissionError:
    return SubmissionError(f"not a notebook: JSON breaks off at line {line} (upload cut short?)")


def _line(before: str) -> int:
    """The number of the line on which `before` ends."""
    return len(_LINE_END.findall(before)) + 1


def _quoted(text: str) -> str:
    """The first line of the text, short and printable."""
    return repr(_LINE_END.split(text)[0][:_SHOWN_CHARACTERS])


def _cells(found: Any, notes: _Notes) -> Iterator[NotebookCell]:
    """The cells of a notebook, whatever its format."""
    listed, old = _listed(found, notes)
    for number, cell in enumerate(listed, 1):
        yield _cell(number, cell, old, notes)


def _listed(found: Any, notes: _Notes) -> tuple[list[Any], bool]:
    """What stands in a notebook's list of cells, and whether its format is older than 4."""
    if not isinstance(found, dict):
        raise SubmissionError(f"it is JSON, but not a notebook: it is {_kind_of(found)}")
    version = found.get("nbformat")
    if not isinstance(version, int) or isinstance(version, bool):
        version = None
    old = "cells" not in found and "worksheets" in found  # formats 2 and 3
    if old:
        listed = list(_from_worksheets(found["worksheets"], notes))
    elif "cells" not in found:
        raise SubmissionError("it is JSON, but not a notebook: it has no cells")
    elif not isinstance(found["cells"], list):
        raise SubmissionError(
            f"it is JSON, but not a notebook: its cells are {_kind_of(found['cells'])}, not a list"
        )
    else:
        listed = found["cells"]
        old = version is not None and version < _NEWEST_FORMAT
    if version is None:
        notes.add(f"it does not say its format, and was read as format {_NEWEST_FORMAT}")
    elif version != _NEWEST_FORMAT:
        notes.add(f"it is of notebook format {version}, and was read as format {_NEWEST_FORMAT}")
    return listed, old


def _from_worksheets(worksheets: Any, notes: _Notes) -> Iterator[Any]:
    """The cells of formats 2 and 3, which could hold several lists of them."""
    if not isinstance(worksheets, list):
        raise SubmissionError(
            f"it is JSON, but not a notebook: its worksheets are {_kind_of(worksheets)}, not a list"
        )
    if len(worksheets) > 1:
        notes.add(f"it has {len(worksheets)} worksheets, read one after another")
    for worksheet in worksheets:
        cells = worksheet.get("cells") if isinstance(worksheet, dict) else None
        if isinstance(cells, list):
            yield from cells
        else:
            notes.add("a worksheet of it has no list of cells")


def _cell(number: int, cell: Any, old: bool, notes: _Notes) -> NotebookCell:
    """One cell; what is missing or odd in it is noted and read as empty or raw."""
    if not isinstance(cell, dict):
        notes.add(f"it is {_kind_of(cell)}, not a cell, and was read as empty", number)
        return NotebookCell("raw", "")
    names = _OLD_SOURCES if old else _SOURCES
    source = next((cell[name] for name in names if cell.get(name) is not None), None)
    text = _source(number, source, notes)
    said = cell.get("cell_type")
    kind = (_OLD_KINDS if old else _KINDS).get(said if isinstance(said, str) else "")
    if kind is None:
        what = f"of the unknown kind {_quoted(said)}" if isinstance(said, str) else "of no kind"
        notes.add(f"it is {what}, and was read as raw", number)
        return NotebookCell("raw", text)
    if kind == "heading":
        level = cell.get("level")
        marks = "#" * (level if isinstance(level, int) and 1 <= level <= 6 else 1)
        return NotebookCell("markdown", f"{marks} {' '.join(text.splitlines())}")
    if kind != "code":
        return NotebookCell(kind, text)
    outputs = cell.get("outputs")
    outputs = outputs if isinstance(outputs, list) else []
    number_given = cell.get("prompt_number" if old else "execution_count")
    executed = bool(outputs) or (isinstance(number_given, int) and number_given > 0)
    return NotebookCell(kind, text, _output(outputs), executed)


def _output(outputs: list[Any]) -> str:
    """The text that was saved below a cell: what it printed, and its last value in words."""
    said, room = [], LIMIT_OUTPUT
    for output in outputs:
        if not isinstance(output, dict) or room <= 0:
            continue
        data = output.get("data")
        text = output.get("text")
        if text is None and isinstance(data, dict):
            text = data.get("text/plain")
        if isinstance(text, list):
            text = "".join(part for part in text if isinstance(part, str))
        if isinstance(text, str):
            said.append(clean(text)[:room])
            room -= len(said[-1])
    return "\n".join(said)


def _source(number: int, source: Any, notes: _Notes) -> str:
    """A source as one string that Python and UTF-8 can hold, with lines that end in \\n."""
    if source is None:
        notes.add("it has no source, and was read as empty", number)
        return ""
    if isinstance(source, list):
        lines = [line for line in source if isinstance(line, str)]
        if len(lines) < len(source):
            notes.add("its source holds something that is not text, which was left out", number)
        source = "".join(lines)
    if not isinstance(source, str):
        notes.add(f"its source is {_kind_of(source)}, not text, and was read as empty", number)
        return ""
    plain = clean(source)
    if plain.count("\ufffd") > source.count("\ufffd"):
        notes.add("half a character (a lone surrogate) was replaced by \ufffd", number)
    if "\0" in source:
        notes.add("NUL characters were removed", number)
    return plain


def _kind_of(value: Any) -> str:
    """What JSON calls a value, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"
