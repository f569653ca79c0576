"""The commands that hand results on: for an LMS, a spreadsheet, or a third person.

Each makes its files in memory and writes them all or none; exit code 1 says that somebody is left
out of them, and who.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from grader.command import (
    COMMON,
    RESULTS,
    Common,
    Results,
    grade_of,
    print_json,
    stderr,
    stdout,
    warn,
)
from grader.errors import UsageError

if TYPE_CHECKING:
    from grader.export.canvas import Column, Filled
    from grader.export.people import People
    from grader.export.standing import Standing
    from grader.model import Gradebook

export = App(name="export", help="Write points for an LMS, or for a spreadsheet of your own.")
LeaveOut = Annotated[
    list[str] | None,
    Parameter(negative=(), help="A student's id: nothing is written of that student."),
]


@export.command(name="csv")
def export_csv(
    *,
    to_mark: Annotated[
        bool, Parameter(negative=(), help="What a person has to mark, for `judge --reviews`.")
    ] = False,
    results: Results = RESULTS,
    common: Common = COMMON,
) -> int:
    """Every student's points for each notebook and each question, as one CSV."""
    folder, gradebook = results.read(common)
    from grader.report import spreadsheet

    if to_mark:
        return _exported(common, folder, {"reviews.csv": spreadsheet.reviews_csv(gradebook)})
    return _exported(common, folder, {"points.csv": spreadsheet.points_csv(gradebook)})


@export.command(name="canvas")
def export_canvas(
    *,
    gradebook: Annotated[
        Path | None, Parameter(help="Canvas's own, as Grades, Export there gives it.")
    ] = None,
    column: Annotated[
        list[str] | None,
        Parameter(negative=(), help="NUMBER=NOTEBOOK or NUMBER=total: which assignment gets what."),
    ] = None,
    leave_out: LeaveOut = None,
    results: Results = RESULTS,
    common: Common = COMMON,
) -> int:
    """Points as a CSV that Canvas and NTU COOL import: one assignment a file, changes only."""
    folder, graded = results.read(common)
    from grader.export import canvas, standing
    from grader.ingest import tables

    out, people = _whom(graded, folder, leave_out)
    parts = standing.parts(graded)
    columns = _columns(column or [], parts)
    given = canvas.Export(tables.sheet(gradebook)) if gradebook else None
    if not columns:
        notebooks = standing.graded(graded)
        if not notebooks:
            raise UsageError(f"no notebook in {folder} was graded: there are no points to write")
        columns = given.columns(notebooks) if given else [canvas.Column("", p) for p in notebooks]
    files, left_out = {}, []
    for each in columns:
        found = standing.standings(graded, each.part, out)
        file = (
            canvas.filled(given, each, found, people)
            if given
            else canvas.without_export(each, found, people)
        )
        files[f"canvas-{each.part}.csv"] = file.data
        left_out += [line for line in standing.undecided(found) if line not in left_out]
        _tell_filled(common, each.part, file, found)
        if not file.scaled:
            how = "the export has no Points Possible" if given else "--gradebook scales them"
            common.say(f"  points are out of {standing.possible(found):g}: {how}")
    return _exported(common, folder, files, left_out)


@export.command(name="canvas-feedback")
def export_canvas_feedback(
    paths: Annotated[
        list[Path], Parameter(help="What was graded, as it was given to `grader run`.")
    ],
    /,
    *,
    results: Results = RESULTS,
    common: Common = COMMON,
) -> int:
    """The notebooks with notes in them, as zips that Canvas gives back to their students."""
    if not paths:
        raise UsageError(
            "name what was graded, as in\n  grader export canvas-feedback submissions.zip"
        )
    folder, graded = results.read(common)
    from grader.export import feedback
    from grader.ingest import submissions
    from grader.report.wording import counted

    contents = submissions.contents(paths, feedback.wanted(graded))
    found = feedback.feedback(graded, contents)
    many, zips = counted(found.notebooks, "annotated notebook"), counted(len(found.zips), "zip")
    common.say(f"{many} in {zips}")
    return _exported(common, folder, found.zips, found.left_out)


@export.command(name="moodle")
def export_moodle(
    worksheet: Annotated[Path, Parameter(help="Moodle's grading worksheet, as downloaded.")],
    /,
    *,
    notebook: Annotated[
        str | None,
        Parameter(help="Whose points, or total [default: what the worksheet's name says]."),
    ] = None,
    leave_out: LeaveOut = None,
    results: Results = RESULTS,
    common: Common = COMMON,
) -> int:
    """Points in the grading worksheet of one assignment of Moodle's, in any language."""
    folder, graded = results.read(common)
    from grader import names
    from grader.export import moodle, standing
    from grader.ingest import tables

    out, people = _whom(graded, folder, leave_out)
    parts = standing.parts(graded)
    named = names.parse_of(f"{worksheet.stem}{names.EXTENSION}", "", parts[:-1])
    part = notebook or (named.notebook if named else "")
    if part not in parts:
        raise UsageError(f"say whose points go into {worksheet}: --notebook {' or '.join(parts)}")
    found = standing.standings(graded, part, out)
    sheet = moodle.Worksheet(tables.sheet(worksheet))
    file = moodle.filled(sheet, part, found, people, graded.files)
    _tell_filled(common, part, file, found)
    undecided = standing.undecided(found)
    return _exported(common, folder, {f"moodle-{part}.csv": file.data}, undecided)


@export.command(name="gradescope")
def export_gradescope(*, results: Results = RESULTS, common: Common = COMMON) -> int:
    """A results.json for each student, as Gradescope's autograders write it."""
    folder, graded = results.read(common)
    from grader.export import gradescope, standing
    from grader.report import pages

    found = standing.standings(graded, standing.TOTAL)
    files = {
        f"gradescope/{pages.own_name(one.grade.student)}/results.json": gradescope.results(
            one.grade, graded.title
        )
        for one in found
        if one.earned is not None
    }
    for line in standing.unmarked(found, standing.TOTAL):
        common.say(f"  {line}")
    return _exported(common, folder, files, standing.undecided(found), anew="gradescope")


def appeal(
    student: Annotated[str, Parameter(help="The student's id.")],
    paths: Annotated[
        list[Path] | None, Parameter(help="What was graded, to put the notebooks into the pack.")
    ] = None,
    /,
    *,
    results: Results = RESULTS,
    common: Common = COMMON,
) -> int:
    """All that led to a student's points, in one zip that a third person can check by rerunning."""
    settings = results.settings(common)
    folder = settings.run.output
    from grader import pipeline
    from grader.export import appeal as pack
    from grader.export.people import People
    from grader.ingest import submissions
    from grader.store import Store

    graded = pipeline.stored(folder, settings)
    grade = grade_of(graded, student)
    plan = pipeline.stored_plan(folder, settings)
    store = Store(folder)
    known = pack.Circumstances(
        plan.assignment, plan.seed, plan.limits, store.manifest(), store.told()
    )
    records = [n.record for n in grade.notebooks if n.record]
    if any(plan.key(record.submission) != record.key for record in records):
        warn(
            (
                "the assignment, the limits or the grader are not those of the run any more: the "
                "pack says what they are now",
            )
        )
    own = {record.submission.sha256: record.submission.path for record in records}
    contents = submissions.contents(paths, own) if paths else {}
    for sha256, path in own.items():
        if sha256 not in contents:
            common.say(f"  {path} is not in the pack: only its SHA-256 is")
    users = People(graded.files, known.told.enrolled).users(grade.student)
    data = pack.evidence(grade, known, users, contents)
    return _exported(common, folder, {pack.zip_name(grade.student): data})


def _whom(
    graded: Gradebook, folder: Path, leave_out: Sequence[str] | None
) -> tuple[set[str], People]:
    """Of whom nothing is to be written, and who everybody is.

    Raises UsageError if somebody is to be left out who is not in the results.
    """
    from grader import names
    from grader.export import standing
    from grader.export.people import People
    from grader.store import Store

    out = set(map(names.student_id, leave_out or []))
    standing.refuse_unknown(out, graded)
    return out, People(graded.files, Store(folder).told().enrolled)


def _columns(said: Sequence[str], parts: Sequence[str]) -> list[Column]:
    """Which assignments of Canvas's get which points, of what was typed after each --column."""
    from grader.export.canvas import Column

    columns = []
    for each in said:
        number, _, part = each.partition("=")
        if not (number.isascii() and number.isdigit()) or part not in parts:
            raise UsageError(
                f"--column {each}: write the assignment's number, =, and one of "
                f"{', '.join(parts)}, as in\n  --column 4321={parts[0]}"
            )
        columns.append(Column(number, part))
    for known in ([c.number for c in columns], [c.part for c in columns]):
        if twice := [one for one in known if known.count(one) > 1]:
            raise UsageError(f"--column: {twice[0]} is given twice")
    return columns


def _tell_filled(common: Common, part: str, file: Filled, found: Sequence[Standing]) -> None:
    from grader.export import standing

    same = f", {file.unchanged} have their points already" if file.unchanged else ""
    common.say(f"{part}: {file.written} written{same}")
    for line in (*file.kept, *standing.unmarked(found, part)):
        common.say(f"  {line}")


def _exported(
    common: Common,
    folder: Path,
    files: Mapping[str, bytes],
    left_out: Sequence[str] = (),
    *,
    anew: str = "",
) -> int:
    """The exit code, once the files are written and told, with what they lack, a line each.

    anew  a folder of exports that then holds these files and no others
    """
    from grader.store import Store

    store = Store(folder)
    with store.held():
        if anew:
            store.remove_exports(anew)
        written = [store.export(name, data) for name, data in files.items()]
    if common.as_json:
        print_json({"files": [str(path) for path in written], "left_out": list(left_out)})
    else:
        for line in left_out:
            stderr(f"left out: {line}")
        for path in written if not anew else [folder / "export" / anew]:
            stdout(str(path))
    return int(bool(left_out))
