"""From a CSV as LMSs, Excel and people write it to its rows: any usual encoding and separator.

A sheet has the cells as they are, for who has to give them back; a table has what they mean.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.errors import UsageError

_SEPARATORS = (",", ";", "\t")
_WORKBOOK = b"PK\x03\x04"  # of Excel's and of LibreOffice's, which are zips
_NUMBER = re.compile(r"-?[0-9]{1,9}(?:[.,][0-9]{1,20})?")
_GROUPED = re.compile(r"-?[0-9]{1,3}(?:(?P<thousands>[.,])[0-9]{3})+(?!(?P=thousands))[.,][0-9]+")
_GUARDED = re.compile(r'="(.*)"|\'([=+\-@\t\r].*)', re.DOTALL)  # so that no formula is run


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a CSV, each with its line number, by its columns' names.

    columns  as they are read: lower case, with single spaces for spaces, "_" and "-"
    """

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]

    def first(self, names: Iterable[str]) -> str:
        """The first of these names that a column has; empty if none has."""
        return next((name for name in names if name in self.columns), "")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A CSV's cells as they are; each row has the number of the line on which it ends."""

    path: Path
    separator: str
    headings: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def read(path: Path) -> Table:
    """The table in a CSV file with a row of headings; rows without any text are left out.

    Raises UsageError if it cannot be read.
    """
    found = sheet(path)
    columns = tuple(map(column, found.headings))
    rows: list[tuple[int, dict[str, str]]] = []
    for line, cells in found.rows:
        row: dict[str, str] = {}
        for name, text in zip(columns, cells, strict=False):
            row.setdefault(name, _meant(text))
        rows.append((line, row))
    return Table(path, columns, tuple(rows))


def sheet(path: Path) -> Sheet:
    """The cells of a CSV file as they are; rows without any text are left out.

    Raises UsageError if it cannot be read.
    """
    text = decoded(path)
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(_SEPARATORS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        rows = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except csv.Error as error:
        raise UsageError(f"{path} line {reader.line_num}: not a CSV: {error}") from None
    if not rows:
        raise UsageError(f"{path} is empty: expected a CSV with a row of headings")
    (_, headings), *others = rows
    return Sheet(path, separator, tuple(headings), tuple((n, tuple(row)) for n, row in others))


def decoded(path: Path) -> str:
    """The text of a file in UTF-8, UTF-16 or Big5.  Raises UsageError if it is none."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"no such file: {path}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    if data.startswith(_WORKBOOK):
        raise UsageError(f"{path} is a workbook: save it as CSV, in UTF-8")
    text = text_of(data)
    if text is None or "\0" in text:
        raise UsageError(f"{path} is neither UTF-8 nor Big5: save it as UTF-8")
    return text


def text_of(data: bytes) -> str | None:
    """The text that these bytes are in UTF-8, UTF-16 or Big5; None if they are none."""
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp950"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def cell(row: Sequence[str], place: int) -> str:
    """A cell of a row that may end before it."""
    return row[place] if place < len(row) else ""


def number(text: str) -> float | None:
    """The number that a cell holds; None if it is none.

    A point or a comma stands before its decimals, and the other one may between thousands.
    """
    grouped = _GROUPED.fullmatch(text)
    text = text.replace(grouped["thousands"], "") if grouped else text
    return float(text.replace(",", ".")) if _NUMBER.fullmatch(text) else None


def column(text: str) -> str:
    """A heading as it is compared: lower case, with single spaces for spaces, "_" and "-"."""
    return re.sub(r"[\s_\-]+", " ", unicodedata.normalize("NFKC", text)).strip().lower()


def _meant(text: str) -> str:
    match = _GUARDED.fullmatch(text.strip())
    return (match[1] or match[2] or "").strip() if match else text.strip()
