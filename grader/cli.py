"""The commands: words typed to work done, a result on stdout and an exit code.

0 all is well, 1 something needs a person, 2 wrong use (nothing was run), 3 a bug of ours, 130
interrupted.  What is heavy is imported by the command that needs it.
"""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from cyclopts import App, CycloptsError, Parameter

from grader import __version__, exports
from grader.command import (
    COMMON,
    RESULTS,
    Common,
    Results,
    console,
    grade_of,
    print_json,
    stderr,
    stdout,
    warn,
)
from grader.errors import GraderError, SandboxError, SubmissionError, UsageError

if TYPE_CHECKING:
    from grader.config import Settings
    from grader.ingest.submissions import Intake
    from grader.model import Gradebook
    from grader.pipeline import Plan

MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EMFILE)

app = App(
    name="grader",
    version=__version__,
    help="Grade notebooks by comparing what they compute with what a reference computes.",
    version_flags=["--version"],
    suppress_keyboard_interrupt=False,  # it is told below, with its own exit code
)


@Parameter(name="*")
@dataclass(frozen=True)
class Handing:
    """Options on who should have handed in, and when."""

    roster: Annotated[
        Path | None, Parameter(help="CSV of who is enrolled: the LMS's gradebook, or ids.")
    ] = None
    deadline: Annotated[
        str | None,
        Parameter(help="Its last second, Taipei's if without offset [default: its own]."),
    ] = None
    late: Annotated[
        str | None,
        Parameter(help="What late work earns: zero, or keep its points [default: zero]."),
    ] = None
    times: Annotated[
        list[Path] | None,
        Parameter(negative=(), help="When all was handed in: Canvas's submissions, or a CSV."),
    ] = None

    @property
    def flags(self) -> dict[str, Any]:
        names = ("roster", "deadline", "late", "times")
        return {f"course__{name}": getattr(self, name) for name in names}


@Parameter(name="*")
@dataclass(frozen=True)
class Running:
    """Options of the commands that run notebooks."""

    assignment: Annotated[
        str | None,
        Parameter(help="Its key under reference/, or the folder of its package [default: week14]."),
    ] = None
    corpus: Annotated[
        Path | None, Parameter(help="Folder of a real corpus, in the place of the small one.")
    ] = None
    kernel: Annotated[
        str | None, Parameter(help="auto, pipe (forks of a warm process) or cold [default: auto].")
    ] = None
    unsafe_no_sandbox: Annotated[
        bool, Parameter(negative=(), help="Run where there is no sandbox, with all your rights.")
    ] = False
    cell_seconds: Annotated[
        float | None, Parameter(help="For each cell, and all calls of a question.")
    ] = None
    notebook_seconds: Annotated[float | None, Parameter(help="For all cells of a notebook.")] = None
    call_seconds: Annotated[float | None, Parameter(help="For each call of a function.")] = None
    memory_bytes: Annotated[int | None, Parameter(help="For a notebook's processes.")] = None
    disk_bytes: Annotated[int | None, Parameter(help="For the files that it writes.")] = None
    processes: Annotated[int | None, Parameter(help="At once, threads among them.")] = None
    output_bytes: Annotated[int | None, Parameter(help="Printed by one cell.")] = None
    training_steps: Annotated[
        int | None, Parameter(help="Until a training loop is ended; 0: never.")
    ] = None

    @property
    def flags(self) -> dict[str, Any]:
        limits = (
            "cell_seconds notebook_seconds call_seconds memory_bytes disk_bytes processes "
            "output_bytes training_steps"
        )
        return {
            "course__assignment": self.assignment,
            "course__corpus": self.corpus,
            "run__kernel": self.kernel,
            "run__unsafe_no_sandbox": self.unsafe_no_sandbox or None,
            **{f"limits__{name}": getattr(self, name) for name in limits.split()},
        }


RUNNING = Running()
HANDING = Handing()


@app.command
def run(
    paths: Annotated[list[Path], Parameter(help="Folders, notebooks, or the zips of an LMS.")],
    /,
    *,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Results folder [default: results].")
    ] = None,
    workers: Annotated[
        int | None, Parameter(name=["--workers", "-j"], help="Kernels at once [default: cores].")
    ] = None,
    seed: Annotated[int | None, Parameter(help="Of the fresh inputs.")] = None,
    fresh: Annotated[
        bool, Parameter(negative=(), help="Grade all anew, also what has not changed.")
    ] = False,
    referee: Annotated[
        int | None, Parameter(help="Run so many notebooks in cold kernels too, and compare.")
    ] = None,
    file: Annotated[
        list[str] | None,
        Parameter(negative=(), help="'FILE=ID' or 'FILE=ID:NOTEBOOK': whose a file is."),
    ] = None,
    handing: Handing = HANDING,
    running: Running = RUNNING,
    common: Common = COMMON,
) -> int:
    """Grade notebooks into a results folder: gradebook, verdicts and a page for each student."""
    if not paths:
        raise UsageError(
            "nothing to grade: name a folder, a zip or a notebook, as in\n  grader run submissions/"
        )
    settings = common.settings(
        run__output=output,
        run__workers=workers,
        run__seed=seed,
        run__referee=referee,
        **handing.flags,
        **running.flags,
    )
    by_hand = dict(map(_placed_by_hand, file or []))
    from grader import pipeline
    from grader.grade.gradebook import needs_person

    bar = _Bar(common.quiet)
    graded = pipeline.run(
        paths,
        settings,
        fresh=fresh,
        by_hand=by_hand,
        told=lambda intake, plan: _tell_intake(common, paths, intake, plan, settings),
        warned=lambda notice: warn((notice,)),
        progress=bar,
    )
    bar.close()
    code = int(needs_person(graded.gradebook.grades, graded.gradebook.files))
    if graded.differences is not None:
        for line in graded.differences:
            stderr(f"referee: {line}")
        if not graded.differences:
            common.say("referee: no difference between pipe and cold kernels")
        code = max(code, int(bool(graded.differences)))
    _tell_strangers(graded.gradebook, settings)
    if not graded.gradebook.grades:
        code = 1
        for note in graded.gradebook.files:
            if note.became == "ignored" and not common.as_json:
                stdout(f"  {note.path}  not a submission: {note.reason}")
    _show_gradebook(common, graded.gradebook, settings.run.output, code, graded.seconds)
    return code


@app.command
def check(
    notebook: Annotated[Path, Parameter(help="One notebook.")],
    /,
    *,
    public: Annotated[
        bool, Parameter(negative=(), help="Ask the handout's published cases only.")
    ] = False,
    seed: Annotated[int | None, Parameter(help="Of the fresh inputs.")] = None,
    running: Running = RUNNING,
    common: Common = COMMON,
) -> int:
    """Show one notebook in full detail; nothing is written."""
    settings = common.settings(run__seed=seed, **running.flags)
    from grader import pipeline
    from grader.model import Outcome
    from grader.report import terminal

    try:
        grade = pipeline.check(notebook, settings, public, warn)
    except SubmissionError as error:
        stderr(f"error: {error}")
        return 1
    if common.as_json:
        print_json(
            {"notebook": grade.notebook, "questions": [_question_json(j) for j in grade.judgements]}
        )
    else:
        terminal.check_view(grade, console())
    wrong = grade.outcome is not Outcome.PASSED or any(
        v.outcome is not Outcome.PASSED
        for j in grade.judgements
        if not j.written
        for v in j.verdicts
        if v.possible or public
    )
    return int(wrong)


@app.command
def judge(
    results: Annotated[Path, Parameter(help="A results folder.")],
    /,
    *,
    assignment: Annotated[
        str | None, Parameter(help="The folder of its package, if not under reference/.")
    ] = None,
    reviews: Annotated[
        Path | None,
        Parameter(help="CSV of points that people gave, as `export csv --to-mark` begins it."),
    ] = None,
    handing: Handing = HANDING,
    common: Common = COMMON,
) -> int:
    """Judge stored observations again, after points, advice, deadlines changed; runs no code."""
    settings = common.settings(run__output=results, course__assignment=assignment, **handing.flags)
    from grader import pipeline
    from grader.grade.gradebook import needs_person
    from grader.report.wording import counted

    def tell(taken: int, empty: int) -> None:
        common.say(f"{counted(taken, 'review')} taken in, {counted(empty, 'row')} without points")

    gradebook = pipeline.judge(results, settings, reviews, tell)
    _tell_strangers(gradebook, settings)
    code = int(needs_person(gradebook.grades, gradebook.files))
    _show_gradebook(common, gradebook, results, code, None)
    return code


@app.command
def compare(
    old: Annotated[Path, Parameter(help="The results folder of the earlier run.")],
    new: Annotated[Path, Parameter(help="That of the later one.")],
    /,
    *,
    common: Common = COMMON,
) -> int:
    """List whose points changed from one results folder to another, and why; nothing is run."""
    from grader import pipeline
    from grader.report import terminal

    found = pipeline.compare(old, new)
    if common.as_json:
        from msgspec import to_builtins

        print_json({"same": found.same, **to_builtins(found)})
    else:
        terminal.comparison_view(found, console(), quiet=common.quiet)
    return int(not found.same)


@app.command
def report(
    student: Annotated[str | None, Parameter(help="A student's id.")] = None,
    /,
    *,
    class_: Annotated[bool, Parameter(name="--class", negative=(), help="The class.")] = False,
    open_: Annotated[
        bool, Parameter(name="--open", negative=(), help="Open the page in a browser.")
    ] = False,
    results: Results = RESULTS,
    common: Common = COMMON,
) -> int:
    """Show the results of a student, or of the class."""
    folder, gradebook = results.read(common)
    from grader.report import pages, terminal

    page = folder / "reports" / "index.html"
    if student is None or class_:
        if common.as_json:
            print_json(_gradebook_json(gradebook, None))
        else:
            terminal.run_table(gradebook, console())
    else:
        grade = grade_of(gradebook, student)
        page = page.parent / pages.page_name(grade.student)
        if common.as_json:
            print_json(_student_json(grade))
        else:
            terminal.student_view(grade, console())
    if open_:
        import webbrowser

        webbrowser.open(page.absolute().as_uri())
    common.say(f"→ {page}")
    return 0


app.command(exports.export)
app.command(exports.appeal)


@app.command
def validate(
    assignment: Annotated[str | None, Parameter(help="Its key [default: week14].")] = None,
    /,
    *,
    seed: Annotated[int | None, Parameter(help="Of the fresh inputs.")] = None,
    mutants: Annotated[
        int | None,
        Parameter(
            help="Try so many mutants of the variants, always the same; 0: no mutant at all "
            "[default: all]."
        ),
    ] = None,
    common: Common = COMMON,
) -> int:
    """Let an assignment prove itself: what each right and wrong program earns, and is told."""
    settings = common.settings(course__assignment=assignment, run__seed=seed)
    if mutants is not None and mutants < 0:
        raise UsageError(f"--mutants {mutants}: it is a number of mutants, so 0 or more")
    from grader import validation
    from grader.report import terminal

    progress = _Bar(common.quiet, "proving")
    try:
        proof = validation.validate(settings, progress, mutants)
    finally:
        progress.close()
    if common.as_json:
        import dataclasses

        print_json(
            {
                "breaches": proof.breaches,
                "programs": [dataclasses.asdict(row) for row in proof.rows],
                "mutants": [dataclasses.asdict(one) for one in proof.tried],
            }
        )
    else:
        terminal.proof_table(proof.rows, proof.tried, proof.breaches, console())
    return int(bool(proof.breaches))


@app.command
def doctor(*, common: Common = COMMON) -> int:
    """Look at this machine: what fits the homework, what does not, and how to mend it."""
    settings = common.settings()
    from grader import doctor as machine
    from grader.report import terminal

    found = list(machine.findings(settings))
    if common.as_json:
        import dataclasses

        print_json([dataclasses.asdict(f) for f in found])
    else:
        terminal.doctor_table([(f.state, f.thing, f.seen, f.mend) for f in found], console())
    return int(any(f.state == "fail" for f in found))


# what is printed ------------------------------------------------------------------------------


class _Bar:
    """A progress bar with the time left on a terminal, a line for every 10 % elsewhere."""

    def __init__(self, quiet: bool, doing: str = "grading") -> None:
        self.quiet, self.tenths, self.doing = quiet, 0, doing
        self.bar: Any = None

    def __call__(self, done: int, of: int) -> None:
        if self.quiet or not of:
            return
        if sys.stderr.isatty():
            self._draw(done, of)
        elif done * 10 // of > self.tenths:
            self.tenths = done * 10 // of
            stderr(f"  {self.doing} {done}/{of}")

    def _draw(self, done: int, of: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        if self.bar is None:
            self.bar = Progress(
                TextColumn(f"  {self.doing}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self.bar.start()
            self.task = self.bar.add_task("", total=of)
        self.bar.update(self.task, completed=done, total=of)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.stop()


def _tell_intake(
    common: Common, paths: list[Path], intake: Intake, plan: Plan, settings: Settings
) -> None:
    from grader import names, times

    warn(plan.notices)
    files = intake.files
    became = [note.became for note in files]
    # a link in the place of a notebook is noted as that notebook, and is none
    notebooks = sum(1 for note in files if note.notebook and names.ends_as_notebook(note.path))
    ignored = became.count("ignored")
    where = ", ".join(str(path) for path in paths)
    zips = len(intake.opened)
    other = f", {zips} zip{'s' * (zips != 1)} (opened)" if zips else ""
    other += f", {len(files) - notebooks} other" if len(files) > notebooks else ""
    other += f" ({ignored} ignored)" if ignored else ""
    every = len(files) + zips
    common.say(f"Reading {where} … {every} files: {notebooks} notebooks{other}")
    students = {note.student for note in files if note.student}
    each = " · ".join(
        f"{key} {len({n.student for n in files if n.notebook == key})}"
        for key in plan.assignment.notebooks
    )
    deadline = settings.course.deadline or plan.assignment.deadline
    unchecked = "" if settings.course.times else " (lateness not checked: no --times)"
    until = f" · deadline {times.said(times.end(deadline))}{unchecked}" if deadline else ""
    who = f"{len(students)} student{'s' * (len(students) != 1)}"
    common.say(f"{who} · {each}{until}")
    if common.verbose:
        for note in files:
            reason = f": {note.reason}" if note.reason else ""
            common.say(f"  {note.path} → {note.became}{reason}")


def _placed_by_hand(said: str) -> tuple[str, str]:
    """FILE and whose it is, of what was typed after --file."""
    name, equals, whose = said.rpartition("=")
    if not (name and equals and whose.strip(" :")):
        raise UsageError(
            f"--file {said}: write FILE=ID, as in\n  --file 'Untitled.ipynb=R13940001'"
        )
    return name, whose.strip()


def _tell_strangers(gradebook: Gradebook, settings: Settings) -> None:
    """Says who handed in and is not enrolled, or has more time and is nobody: mistyped ids?"""
    from grader import names
    from grader.grade.gradebook import NOT_ON_ROSTER
    from grader.ingest.rosters import nearest
    from grader.model import Enrolled

    absent = [Enrolled(g.student) for g in gradebook.grades if g.status == "missing"]
    strangers = [g.student for g in gradebook.grades if NOT_ON_ROSTER in g.flags]
    for student in strangers:
        near = nearest(student, absent)
        hint = f"; is it {near}, who handed in nothing? then --file 'FILE={near}'" if near else ""
        warn((f"{student} is not on the roster{hint}",))
    known = {grade.student for grade in gradebook.grades}
    for student in settings.course.extensions:
        if names.student_id(student) not in known:
            warn((f"course.extensions: there is no student {student} here",))


def _show_gradebook(
    common: Common, gradebook: Gradebook, folder: Path, code: int, seconds: float | None
) -> None:
    if common.as_json:
        print_json(_gradebook_json(gradebook, code))
        return
    if not common.quiet:
        from grader.report import terminal

        terminal.run_table(gradebook, console())
        print()
    known = [n for n in gradebook.files if n.notebook and n.became in ("graded", "needs_person")]
    graded = sum(1 for n in known if n.became == "graded")
    need = f", {len(known) - graded} could not be" if len(known) > graded else ""
    took = f", in {seconds:.0f} s" if seconds is not None else ""
    arrow = "→" if _can_print("→") else "->"
    page = folder / "reports" / "index.html"
    stdout(f"{graded} of {len(known)} notebooks graded{need}{took} {arrow} {page}")


def _can_print(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def _gradebook_json(gradebook: Gradebook, code: int | None) -> dict[str, Any]:
    from grader import pipeline

    return {
        "exit_code": code,
        "run": pipeline.manifest(gradebook),
        "students": [_student_json(grade) for grade in gradebook.grades],
    }


def _student_json(grade: Any) -> dict[str, Any]:
    return {
        "student_id": grade.student,
        "name": grade.name,
        "total": grade.total,
        "possible": grade.possible,
        "status": grade.status,
        "flags": list(grade.flags),
        "needs_review": grade.needs_review,
        "notebooks": {
            n.notebook: {
                "outcome": n.outcome,
                "earned": n.earned,
                "possible": n.possible,
                "problem": n.problem,
                "questions": [_question_json(j) for j in n.judgements],
            }
            for n in grade.notebooks
        },
    }


def _question_json(judgement: Any) -> dict[str, Any]:
    finding = judgement.finding
    return {
        "question": judgement.question,
        "outcome": judgement.outcome,
        "earned": judgement.earned,
        "possible": judgement.possible,
        "misconception": finding.misconception if finding else None,
        "advice": finding.advice if finding else None,
        "flags": list(judgement.flags),
        "claims": [
            {
                "claim": v.claim,
                "outcome": v.outcome,
                "earned": v.earned,
                "possible": v.possible,
                "said": v.finding.shown_by.said if v.finding and v.finding.shown_by else None,
            }
            for v in judgement.verdicts
        ],
    }


# errors and exit codes ---------------------------------------------------------------------------


def main() -> NoReturn:
    """Runs the command that was typed, and exits with its code."""
    # what is imported, and what a class leaves in memory, is kept to the end: looking for garbage
    # in it again and again takes a tenth of the time
    gc.set_threshold(300_000, 50, 100)
    for name in ("SIGTERM", "SIGHUP"):  # whoever ends us ends the kernels too
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.default_int_handler)
    try:
        code = app(exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
        # all is written and closed: to take a class apart, object by object, is a quarter of a
        # second for nothing
        os._exit(code if isinstance(code, int) else 0)
    except CycloptsError as error:
        code = _refused(str(error))
    except SandboxError as error:
        stderr(f"error: {error}")
        code = 3
    except GraderError as error:
        code = _refused(str(error))
    except KeyboardInterrupt:
        stderr("interrupted: what was graded is kept; the same command, without --fresh, goes on")
        code = 130
    except BrokenPipeError:
        # whoever read the output has gone; Python must not try to flush it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:
        code = _failed(error)
    sys.exit(code)


def _refused(said: str) -> int:
    stderr(f"error: {said}")
    return 2


def _failed(error: Exception) -> int:
    """The exit code of an error that no command expects: a full disk is not a bug of ours."""
    if isinstance(error, ExceptionGroup):
        return _failed(error.exceptions[0])
    if isinstance(error, OSError) and error.errno in MACHINE:
        where = f"{error.filename}: " if error.filename else ""
        return _refused(f"{where}{error.strerror}: what was graded is kept; make room and go on")
    return _bug(error)


def _bug(error: Exception) -> int:
    with tempfile.NamedTemporaryFile(
        "w", prefix="grader-bug-", suffix=".txt", delete=False, encoding="utf-8", errors="replace"
    ) as file:
        file.write("".join(traceback.format_exception(error)))
    stderr(f"error: a bug of the grader's: {type(error).__name__}: {error}\n  details: {file.name}")
    return 3
