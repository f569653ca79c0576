"""grader.toml, GRADER_* and flags to one checked Settings.

Flag > environment > grader.toml > default.  An unknown key is an error with a suggestion.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta, Struct, convert, inspect, structs

from grader import times
from grader.errors import UsageError
from grader.model import Limits

DEFAULTS = Limits()


class Deadline(str):
    """A time, of which the last second counts; empty if none was said."""


class Files(tuple[Path, ...]):
    """Paths, of which one may be named alone."""


Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(gt=0)]
MOST_BYTES = 2**60  # twice as many and more are still a limit that Linux takes
_T = TypeVar("_T")


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Course(_Table, frozen=True):
    """[course]: which homework, who takes it, and until when it could be handed in."""

    assignment: str = "week14"
    corpus: Path | None = None  # a folder in the place of the assignment's small one
    deadline: Deadline = Deadline()  # the assignment's own if empty
    late: Literal["zero", "keep"] | None = None  # what late work earns; None: zero
    extensions: dict[str, Deadline] = {}  # by student
    roster: Path | None = None  # a CSV of who is enrolled
    times: Files = Files()  # of when all was handed in


class Run(_Table, frozen=True):
    """[run]: how a run is carried out, and where its results go."""

    output: Path = Path("results")
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    workers: Annotated[int, Meta(ge=1, le=1024)] | None = None
    kernel: Literal["auto", "pipe", "cold"] = "auto"
    referee: Count = 0  # notebooks to be run in both kinds of kernel
    unsafe_no_sandbox: bool = False


class LimitsTable(_Table, frozen=True):
    """[limits]: what one notebook may use; see model.Limits."""

    cell_seconds: Seconds = DEFAULTS.cell_seconds
    notebook_seconds: Seconds = DEFAULTS.notebook_seconds
    call_seconds: Seconds = DEFAULTS.call_seconds
    memory_bytes: Annotated[int, Meta(ge=2**26, le=MOST_BYTES)] = DEFAULTS.memory_bytes
    disk_bytes: Annotated[int, Meta(ge=2**20, le=MOST_BYTES)] = DEFAULTS.disk_bytes
    processes: Annotated[int, Meta(ge=4)] = DEFAULTS.processes
    output_bytes: Annotated[int, Meta(ge=1)] = DEFAULTS.output_bytes
    training_steps: Count = DEFAULTS.training_steps


class Settings(_Table, frozen=True):
    """All that can be set."""

    course: Course = Course()
    run: Run = Run()
    limits: LimitsTable = LimitsTable()

    def as_limits(self) -> Limits:
        return Limits(**structs.asdict(self.limits))

    def on(self, assignment: str) -> Settings:
        """The same, with that assignment and its own corpus."""
        course = structs.replace(self.course, assignment=assignment, corpus=None)
        return structs.replace(self, course=course)


def settings(
    path: Path | None, flags: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> Settings:
    """The settings of a run.

    path   the grader.toml to read; None: ./grader.toml if it is there
    flags  by key path, "run.seed"; None for one that was not given

    Raises UsageError naming the file, the line and the key.
    """
    table: dict[str, Any] = {}
    text = ""
    file = path if path is not None else Path("grader.toml")
    if path is not None or file.is_file():
        try:
            text = file.read_text("utf-8")
            table = tomllib.loads(text)
        except FileNotFoundError:
            raise UsageError(f"no such file: {file}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{file} cannot be read: {error}") from None
        except (ValueError, RecursionError) as error:  # also of a number too long, lists too deep
            raise UsageError(f"{file} is not TOML: {error}") from None
    origin: dict[str, str] = {}
    for key in _keys():
        name = "GRADER_" + key.partition(".")[2].upper()
        if name in environment:
            _set(table, key, environment[name])
            origin[key] = name
    for key, value in flags.items():
        if value is not None:
            _set(table, key, value)
            origin[key] = "--" + key.partition(".")[2].replace("_", "-")
    try:
        return _converted(table, Settings)
    except ValueError:  # which knows only the first of what is wrong
        problems = []
        for *tables, key, said in _problems(table, Settings):
            place = f"{file} line {_line(text, tables, key)}"
            problems.append(f"{origin.get('.'.join([*tables, key]), place)}: {said}")
        raise UsageError("\nerror: ".join(problems)) from None


def _converted(table: Mapping[str, Any], kind: type[_T]) -> _T:
    """The table as that kind.  Raises ValueError: for text that cannot be encoded, too."""
    made = convert(table, kind, strict=False, dec_hook=_own)  # not strict: variables are text
    for key, value in table.items():
        one = getattr(made, key)
        within = value if isinstance(one, Struct) else {}
        if one is None or any(getattr(one, inner) is None for inner in within):
            raise ValueError('input should not be "null"')  # which msgspec takes for nothing
    return made


def _own(kind: Any, value: Any) -> Any:
    """A value of a kind of ours.  Raises ValueError, which says what it should be."""
    if kind is Deadline:
        said = value.isoformat() if isinstance(value, date) else str(value)  # TOML has dates
        try:
            if said:
                times.end(said)
        except ValueError:
            raise ValueError("it is no time, as in 2024-12-10T23:59:59+08:00") from None
        return Deadline(said)
    paths = value if kind is Files and isinstance(value, list) else [value]
    if not all(isinstance(each, str | Path) for each in paths):
        raise ValueError("input should be a path" + " or a list of paths" * (kind is Files))
    return Files(map(Path, paths)) if kind is Files else Path(value)


def _keys() -> list[str]:
    tables = {name: getattr(Settings(), name) for name in Settings.__struct_fields__}
    return [f"{name}.{key}" for name, table in tables.items() for key in table.__struct_fields__]


def _set(table: dict[str, Any], key: str, value: Any) -> None:
    name, _, inner = key.partition(".")
    part = table.setdefault(name, {})
    if isinstance(part, dict):
        part[inner] = value


def _problems(table: Mapping[str, Any], kind: Any, *at: str) -> Iterator[tuple[str, ...]]:
    """The tables and the key of each thing that is wrong, and what is said of it."""
    fields: Any = inspect.type_info(kind)
    known = {field.name: field.type for field in fields.fields}
    for key, value in table.items():
        wanted = known.get(key)
        if wanted is None:
            yield *at, key, _unknown(key, list(known), at)
        elif isinstance(wanted, inspect.StructType) and isinstance(value, dict):
            yield from _problems(value, wanted.cls, *at, key)
        elif isinstance(wanted, inspect.DictType) and isinstance(value, dict):
            for name, one in value.items():
                if said := _problem(name, one, {key: {name: one}}, kind, wanted.value_type):
                    yield *at, key, name, said
        elif said := _problem(key, value, {key: value}, kind, wanted):
            yield *at, key, said


def _unknown(key: str, known: list[str], at: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(key, known, 1, 0.5)
    hint = f'did you mean "{near[0]}"?' if near else f"known keys: {', '.join(known)}"
    return f'unknown key "{key}"' + f" in [{'.'.join(at)}]" * bool(at) + f"\n  {hint}"


def _problem(key: str, value: Any, table: Mapping[str, Any], kind: Any, wanted: Any) -> str:
    """What is wrong with the one value of a table; nothing if nothing is."""
    try:
        _converted(table, kind)
    except ValueError as error:
        said = _said(wanted) or str(error).partition(" - at `")[0]
        return f"{key} = {value!r}: {said}"
    return ""


def _said(wanted: Any) -> str:
    """What a value should be; "" if its kind is one of ours, which says that itself."""
    match wanted:
        case inspect.UnionType(types=(either, _)):  # the other one is None
            return _said(either)
        case inspect.LiteralType(values=values):
            what = ", ".join(map(repr, values[:-1])) + f" or {values[-1]!r}"
        case inspect.IntType(ge=least, le=most):
            what = f"a whole number greater than or equal to {least}"
            what += f", at most {most}" if most else ""
        case inspect.FloatType(gt=least):
            what = f"a number greater than {least}"
        case inspect.BoolType():
            what = "true or false"
        case inspect.StrType():
            what = "a text"
        case inspect.StructType() | inspect.DictType():
            what = "a table"
        case _:
            return ""
    return f"input should be {what}"


def _line(text: str, tables: list[str], key: str) -> int:
    inside, at = not tables, 0
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped.startswith("["):
            inside = stripped.strip("[] ").split(".") == (tables or [key])
            if stripped.strip("[] ") == ".".join([*tables, key]):
                return number
        elif inside and stripped.partition("=")[0].strip().strip("\"'") == key:
            return number
        at = at or (number if inside else 0)
    return at or 1
