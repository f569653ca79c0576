"""grader.toml, GRADER_* and flags to one checked Settings.

Flag > environment > grader.toml > default.  An unknown key is an error with a suggestion.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from grader import times
from grader.errors import UsageError
from grader.model import Limits

DEFAULTS = Limits()


def _end_of(value: Any) -> Any:
    """A deadline as text; TOML has dates and times of its own."""
    if isinstance(value, date):
        value = value.isoformat()
    if value and isinstance(value, str):
        try:
            times.end(value)
        except ValueError:
            raise ValueError("it is no time, as in 2024-12-10T23:59:59+08:00") from None
    return value


def _several(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Deadline = Annotated[str, BeforeValidator(_end_of)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Course(_Table):
    """[course]: which homework, who takes it, and until when it could be handed in."""

    assignment: str = "week14"
    corpus: Path | None = None  # a folder in the place of the assignment's small one
    deadline: Deadline = ""  # the assignment's own if empty
    late: Literal["zero", "keep"] | None = None  # what late work earns; None: zero
    extensions: dict[str, Deadline] = Field(default_factory=dict)  # by student
    roster: Path | None = None  # a CSV of who is enrolled
    times: Annotated[tuple[Path, ...], BeforeValidator(_several)] = ()  # of when all was handed in


class Run(_Table):
    """[run]: how a run is carried out, and where its results go."""

    output: Path = Path("results")
    seed: int | None = Field(None, ge=0, lt=2**63)
    workers: int | None = Field(None, ge=1, le=1024)
    kernel: Literal["auto", "pipe", "cold"] = "auto"
    referee: int = Field(0, ge=0)  # notebooks to be run in both kinds of kernel
    unsafe_no_sandbox: bool = False


class LimitsTable(_Table):
    """[limits]: what one notebook may use; see model.Limits."""

    cell_seconds: float = Field(DEFAULTS.cell_seconds, gt=0)
    notebook_seconds: float = Field(DEFAULTS.notebook_seconds, gt=0)
    call_seconds: float = Field(DEFAULTS.call_seconds, gt=0)
    memory_bytes: int = Field(DEFAULTS.memory_bytes, ge=2**26)
    disk_bytes: int = Field(DEFAULTS.disk_bytes, ge=2**20)
    processes: int = Field(DEFAULTS.processes, ge=4)
    output_bytes: int = Field(DEFAULTS.output_bytes, gt=0)
    training_steps: int = Field(DEFAULTS.training_steps, ge=0)


class Settings(_Table):
    """All that can be set."""

    course: Course = Course()
    run: Run = Run()
    limits: LimitsTable = LimitsTable()

    def as_limits(self) -> Limits:
        return Limits(**self.limits.model_dump())


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
        except tomllib.TOMLDecodeError as error:
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
        return Settings.model_validate(table)
    except ValidationError as error:
        problems = [_problem(e, file, text, origin) for e in error.errors()]
        raise UsageError("\nerror: ".join(problems)) from None


def _keys() -> list[str]:
    return [
        f"{name}.{key}"
        for name, field in Settings.model_fields.items()
        for key in _fields(field.annotation)
    ]


def _fields(table: Any) -> list[str]:
    return list(table.model_fields)


def _set(table: dict[str, Any], key: str, value: Any) -> None:
    name, _, inner = key.partition(".")
    part = table.setdefault(name, {})
    if isinstance(part, dict):
        part[inner] = value


def _problem(error: Any, file: Path, text: str, origin: Mapping[str, str]) -> str:
    *tables, key = [str(part) for part in error["loc"]] or [""]
    name = ".".join([*tables, key])
    where = origin.get(name) or f"{file} line {_line(text, tables, key)}"
    if error["type"] == "extra_forbidden":
        place = f" in [{tables[0]}]" if tables else ""
        known = (
            _fields(Settings.model_fields[tables[0]].annotation)
            if tables
            else list(Settings.model_fields)
        )
        near = difflib.get_close_matches(key, known, 1, 0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
        return f'{where}: unknown key "{key}"{place}\n  {hint}'.replace("'", '"')
    said = error["msg"].removeprefix("Value error, ")
    said = said[0].lower() + said[1:]
    return f"{where}: {key} = {error['input']!r}: {said}"


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
