"""What every command shares: its options, and how it speaks to people and to programs."""

from __future__ import annotations

import difflib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

from cyclopts import Parameter

from grader import names
from grader.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from grader.config import Settings
    from grader.model import Grade, Gradebook


@Parameter(name="*")
@dataclass(frozen=True)
class Common:
    """Options that every command knows."""

    config: Annotated[Path | None, Parameter(help="Settings file [default: ./grader.toml].")] = None
    as_json: Annotated[
        bool, Parameter(name="--json", negative=(), help="Print the result as JSON.")
    ] = False
    quiet: Annotated[
        bool, Parameter(name=["--quiet", "-q"], negative=(), help="Print the result only.")
    ] = False
    verbose: Annotated[
        bool, Parameter(name=["--verbose", "-v"], negative=(), help="Print more.")
    ] = False

    def settings(self, **flags: Any) -> Settings:
        from grader import config

        by_path = {key.replace("__", "."): value for key, value in flags.items()}
        return config.settings(self.config, by_path)

    def say(self, text: str) -> None:
        if not self.quiet:
            stderr(text)


@Parameter(name="*")
@dataclass(frozen=True)
class Results:
    """Options of the commands that read a finished run."""

    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Results folder [default: results].")
    ] = None
    assignment: Annotated[
        str | None, Parameter(help="The folder of its package, if not under reference/.")
    ] = None

    def settings(self, common: Common) -> Settings:
        return common.settings(run__output=self.output, course__assignment=self.assignment)

    def read(self, common: Common) -> tuple[Path, Gradebook]:
        """The folder, and the gradebook that it holds."""
        settings = self.settings(common)
        from grader import pipeline

        return settings.run.output, pipeline.stored(settings.run.output, settings)


COMMON = Common()
RESULTS = Results()


def stdout(text: str) -> None:
    _put(sys.stdout, text)


def stderr(text: str) -> None:
    _put(sys.stderr, text)


def _put(stream: TextIO, text: str) -> None:
    """A line, with what the stream's encoding cannot print replaced."""
    encoding = stream.encoding or "ascii"
    print(text.encode(encoding, "replace").decode(encoding), file=stream, flush=True)


def warn(notices: tuple[str, ...]) -> None:
    """What has to be known of the sandbox, also by whoever wants to hear little."""
    for i, notice in enumerate(notices):
        stderr(f"warning: {notice}" if not i else f"  {notice}")


def console() -> Console:
    from rich.console import Console

    return Console(highlight=False)


def print_json(data: Any) -> None:
    print(json.dumps(data, ensure_ascii=True, indent=1))


def grade_of(gradebook: Gradebook, student: str) -> Grade:
    """The grade of who has this id.  Raises UsageError if it is nobody's."""
    wanted = names.student_id(student)
    for grade in gradebook.grades:
        if grade.student == wanted:
            return grade
    near = difflib.get_close_matches(wanted, [g.student for g in gradebook.grades], 1)
    hint = f"\n  did you mean {near[0]}?" if near else ""
    raise UsageError(f"no student {student} in the results{hint}")
