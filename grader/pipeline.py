"""The whole flow on one page: ingest, run, ask, judge, grade, write."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import hashlib
import json
import platform
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from msgspec import structs

from grader import __version__, capacity, names, times
from grader.authoring import Assignment, Question, Trial, Written
from grader.config import Settings
from grader.errors import (
    AssignmentError,
    GraderError,
    PipeError,
    SandboxError,
    StoreError,
    SubmissionError,
    UsageError,
)
from grader.grade import answers, comparison, likeness, suspicions
from grader.grade.clusters import clusters
from grader.grade.gradebook import grades
from grader.grade.lateness import Arrivals, Policy, dated
from grader.grade.reviews import merged, reviewed
from grader.ingest import arrivals, assignments, rosters, submissions, texts
from grader.ingest.reviews import read as read_reviews
from grader.ingest.rosters import Roster
from grader.ingest.submissions import Intake
from grader.judge.expectations import expectations
from grader.judge.questions import doubted, judge_question, judge_written, stand_ins, undecided
from grader.model import (
    Comparison,
    FileNote,
    Gradebook,
    Judgement,
    Limits,
    NotebookCell,
    NotebookGrade,
    Observed,
    Outcome,
    Record,
    Submission,
    Told,
)
from grader.sandbox.ground import Ground, choose
from grader.store import Store

if TYPE_CHECKING:
    from grader.sandbox.probe import Cases

Progress = Callable[[int, int], None]  # how many notebooks of how many are done


@dataclass(frozen=True, slots=True)
class Plan:
    """What the observations of a run depend on, besides the notebooks.

    data    what notebooks find beside them, by its names
    corpus  the digest of a corpus that stands in the place of the assignment's; empty if none does
    """

    assignment: Assignment
    digest: str
    seed: int
    limits: Limits
    data: Mapping[str, Path] = field(default_factory=dict)
    corpus: str = ""
    kernel: str = ""  # of the runs that are to be, or that were
    rung: str = ""
    notices: tuple[str, ...] = ()
    expected_cells: Mapping[str, tuple[NotebookCell, ...]] = field(default_factory=dict)
    handed_out: Mapping[str, tuple[NotebookCell, ...]] = field(default_factory=dict)

    def key(self, submission: Submission) -> str:
        """Tells whether a stored record is of just this notebook, asked in just this way."""
        parts = [
            submission.sha256,
            submission.student,
            submission.notebook,
            self.digest,
            __version__,
            str(self.seed),
            repr(self.limits),
            self.kernel,
            self.rung,
            self.corpus,
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def on(self, ground: Ground) -> Plan:
        """The same plan, carried out there."""
        letter, notices = ground.rung.letter, ground.notices
        return dataclasses.replace(self, kernel=ground.kernel, rung=letter, notices=notices)

    def questions(
        self, notebook: str, public: bool = False
    ) -> dict[str, tuple[Question, dict[Trial, Cases]]]:
        """The code questions of a notebook and the cases of their trials, the published ones only
        if `public`."""
        from grader.sandbox.probe import Cases

        asked = {}
        for question in self.assignment.notebooks[notebook].questions:
            if isinstance(question, Question):
                checks = [c for c in question.checks if c.published or not public]
                drawn = expectations(question, self.seed).cases  # once for the class
                trials = {t: Cases(drawn[t.name]) for t in map(question.trial, checks)}
                if trials:
                    asked[question.key] = (question, trials)
        return asked


@dataclass(frozen=True, slots=True)
class Graded:
    """What a run came to."""

    gradebook: Gradebook
    seconds: float
    differences: tuple[str, ...] | None = None  # what the referee found; None if nobody asked it


def plan(settings: Settings, seed: int | None = None) -> Plan:
    """The plan that the settings make.

    Raises AssignmentError if the assignment is wrong, UsageError if the corpus does not fit it.
    """
    assignment = assignments.load(settings.course.assignment)
    digest = assignments.digest(assignment)
    number = settings.run.seed if seed is None else seed
    corpus = settings.course.corpus
    return Plan(
        assignment,
        digest,
        int(digest[:8], 16) if number is None else number,
        settings.as_limits(),
        assignments.with_corpus(assignment, corpus) if corpus else assignment.named_data,
        assignments.digest_of(corpus) if corpus else "",
        expected_cells=assignments.expected_cells(assignment),
        handed_out=assignments.handed_out(assignment),
    )


def run(
    paths: Sequence[Path],
    settings: Settings,
    *,
    fresh: bool = False,
    by_hand: Mapping[str, str] = MappingProxyType({}),
    told: Callable[[Intake, Plan], None],
    warned: Callable[[str], None],
    progress: Progress,
) -> Graded:
    """Grade what lies at `paths` into the run folder.

    by_hand  whose some files are; see submissions.collect
    Raises UsageError, AssignmentError or StoreError before any notebook is run.
    """
    started = time.monotonic()
    gc.freeze()  # nothing that is imported is ever garbage
    bare = plan(settings)
    known = _known(Told(), settings, bare.assignment)
    intake = submissions.collect(paths, bare.assignment, Roster(known.enrolled), by_hand)
    ground = ground_of(settings)
    store = Store(settings.run.output)
    with store.held():
        if fresh:
            store.forget()
        told(intake, bare.on(ground))
        try:
            found = _graded_on(ground, intake, settings, bare, store, progress)
        except PipeError as error:
            if settings.run.kernel != "auto":
                raise
            ground = ground.cold(str(error))
            warned(ground.notices[-1])
            found = _graded_on(ground, intake, settings, bare, store, progress)
        gc.freeze()  # nor is what was observed, until all is written
        the_plan = bare.on(ground)
        problems = {who: said for who, said in found.items() if isinstance(said, str)}
        records = {who: r for who, r in found.items() if isinstance(r, Record)}
        gradebook = _gradebook(the_plan, intake.files, records, problems, known, settings, store)
        gradebook = reviewed(gradebook, store.reviews())
        _write(store, gradebook, known)
        differences = _refereed(ground, intake, settings, the_plan, records)
    return Graded(gradebook, time.monotonic() - started, differences)


def ground_of(settings: Settings) -> Ground:
    """Where student code is to run.  Raises UsageError if that would be in no sandbox at all."""
    return choose(settings.run.kernel, unsafe=settings.run.unsafe_no_sandbox)


def _graded_on(
    ground: Ground,
    intake: Intake,
    settings: Settings,
    bare: Plan,
    store: Store,
    progress: Progress,
) -> dict[tuple[str, str], Record | str]:
    """The record of each submission, as stored or made now; or why there is none."""
    the_plan = bare.on(ground)
    todo, found = [], {}
    for submission in intake.submissions:
        stored = store.load(submission.student, submission.notebook)
        if stored is not None and stored.key == the_plan.key(submission):
            # the file may lie elsewhere now, and be named otherwise
            found[_who(submission)] = structs.replace(stored, submission=submission)
        else:
            todo.append(submission)
    workers = settings.run.workers or capacity.workers(the_plan.limits)
    return {**found, **_observed(todo, the_plan, ground, workers, store, progress)}


def judge(
    folder: Path,
    settings: Settings,
    reviews: Path | None = None,
    told: Callable[[int, int], None] = lambda taken, empty: None,
) -> Gradebook:
    """Judge the observations that a run folder holds again; no student code runs.

    reviews  a CSV of what people decided, kept for every later judging
    told     called with how many answers in it are decided, and how many are not
    Raises StoreError if the folder holds no run, or one that asked other cases; UsageError if the
    reviews cannot be read or fit nothing.
    """
    store = Store(folder)
    store.manifest()  # a folder that holds no run is refused before anything is made in it
    with store.held():
        gradebook, known = _judged_again(store, settings)
        if reviews is not None:
            decided, empty = read_reviews(reviews, gradebook)
            store.save_reviews(merged(store.reviews(), decided))
            told(len(decided), empty)
        gradebook = reviewed(gradebook, store.reviews())
        _write(store, gradebook, known)
    return gradebook


def stored(folder: Path, settings: Settings) -> Gradebook:
    """The gradebook of the observations that a run folder holds; nothing is written.

    Raises StoreError as `judge` does.
    """
    store = Store(folder)
    return reviewed(_judged_again(store, settings)[0], store.reviews())


def _judged_again(store: Store, settings: Settings) -> tuple[Gradebook, Told]:
    """The gradebook of what a run folder holds, and what it was told besides the notebooks; what
    people decided is not in it yet."""
    the_plan = _stored_plan(store, settings)
    notes = store.notes()
    asked = {key: the_plan.questions(key) for key in the_plan.assignment.notebooks}
    records: dict[tuple[str, str], Record] = {}
    problems: dict[tuple[str, str], str] = {}
    for note in notes:
        if note.became == "graded":
            record = store.load(note.student, note.notebook)
            if record is None:
                problems[note.student, note.notebook] = "its stored record is not there"
            else:
                _refuse_other_cases(record, asked[note.notebook])
                records[note.student, note.notebook] = record
    known = _known(store.told(), settings, the_plan.assignment)
    return _gradebook(the_plan, notes, records, problems, known, settings, store), known


def stored_plan(folder: Path, settings: Settings) -> Plan:
    """The plan by which the observations that a run folder holds are judged.

    Raises StoreError if the folder holds no run.
    """
    return _stored_plan(Store(folder), settings)


def _stored_plan(store: Store, settings: Settings) -> Plan:
    said = store.manifest()
    key, named = said["assignment"]["key"], settings.course.assignment
    assignment = named if Path(named).name == key else key
    the_plan = plan(settings.on(assignment), seed=said["seed"])
    notices = said.get("notices")
    return dataclasses.replace(
        the_plan,
        kernel=str(said.get("kernel")),
        rung=str(said.get("rung")),
        corpus=str(said.get("corpus", "")),
        notices=tuple(map(str, notices)) if isinstance(notices, list) else (),
    )


def _known(before: Told, settings: Settings, assignment: Assignment) -> Told:
    """What the settings tell besides the notebooks; where they are silent, what was told before.

    Raises UsageError if a file that they name cannot be read.
    """
    course = settings.course
    enrolled = rosters.read(course.roster) if course.roster else before.enrolled
    roster = Roster(enrolled)
    came = [arrivals.read(path, assignment, roster) for path in course.times]
    return Told(
        enrolled,
        tuple(arrival for each in came for arrival in each) if came else before.arrivals,
        str(course.deadline) or before.deadline,  # which is stored, and so no kind of our own
        course.late or before.late,
    )


def _policy(known: Told, settings: Settings, assignment: Assignment) -> Policy:
    """Until when work is taken, and what late work earns.

    Raises AssignmentError if the assignment's own deadline is no time.
    """
    until = known.deadline or assignment.deadline
    try:
        deadline = times.end(until) if until else None
    except ValueError as error:
        raise AssignmentError(f"{assignment.key}: deadline: {error}") from None
    given = settings.course.extensions
    extensions = {names.student_id(who): times.end(when) for who, when in given.items()}
    return Policy(deadline, extensions, zero=known.late != "keep")


def compare(old: Path, new: Path) -> Comparison:
    """Whose points changed between two runs, as their folders say; nothing is judged or run.

    Raises StoreError if a folder holds no run.
    """
    return comparison.comparison(_tables(old), _tables(new))


def _tables(folder: Path) -> comparison.Tables:
    store = Store(folder)
    manifest = store.manifest()
    try:
        return comparison.Tables(
            manifest,
            store.table("gradebook.csv", comparison.GRADEBOOK),
            store.table("questions.csv", comparison.QUESTIONS),
            store.table("verdicts.csv", comparison.VERDICTS),
        )
    except StoreError as error:
        raise StoreError(f"{error}: write it anew with `grader judge {folder}`") from None


def check(
    path: Path, settings: Settings, public: bool, told: Callable[[tuple[str, ...]], None]
) -> NotebookGrade:
    """One notebook in full; nothing is written.

    public  ask the published cases only, as a student may before handing in
    told    called with the notices of the sandbox when the notebook is about to be run
    Raises UsageError or SubmissionError if the file cannot be taken in.
    """
    if path.is_dir():
        raise UsageError(f"{path} is a folder: name one notebook, or use grader run {path}")
    if not names.ends_as_notebook(path.name) and path.exists():
        raise UsageError(f"{path} is no notebook: name one that ends in {names.EXTENSION}")
    bare = plan(settings)
    intake = submissions.collect([path], bare.assignment)
    if not intake.submissions:
        raise SubmissionError(f"{path}: {intake.files[0].reason}")
    (submission,) = intake.submissions
    ground = ground_of(settings)
    told(ground.notices)

    def observed_on(ground: Ground) -> dict[tuple[str, str], Record | str]:
        the_plan = bare.on(ground)
        silent: Progress = lambda done, of: None  # noqa: E731
        return _observed([submission], the_plan, ground, 1, None, silent, public)

    try:
        observed = observed_on(ground)
    except PipeError as error:
        if settings.run.kernel != "auto":
            raise
        ground = ground.cold(str(error))
        told(ground.notices[-1:])
        observed = observed_on(ground)
    the_plan = bare.on(ground)
    record = observed[_who(submission)]
    if isinstance(record, str):
        return _ungraded(the_plan, submission.notebook, Outcome.ERROR, record, submission.path)
    return _graded(the_plan, record)


def _observed(
    todo: Sequence[Submission],
    the_plan: Plan,
    ground: Ground,
    workers: int,
    store: Store | None,
    progress: Progress,
    public: bool = False,
) -> dict[tuple[str, str], Record | str]:
    """The record of each submission, stored as it comes; or why there is none, in one line."""
    found: dict[tuple[str, str], Record | str] = {}
    if todo:
        # filled, not returned: of what a task returns, asyncio makes a text that nobody reads
        asyncio.run(_observe_all(found, todo, the_plan, ground, workers, store, progress, public))
    return found


async def _observe_all(
    found: dict[tuple[str, str], Record | str],
    todo: Sequence[Submission],
    the_plan: Plan,
    ground: Ground,
    workers: int,
    store: Store | None,
    progress: Progress,
    public: bool,
) -> None:
    from grader.sandbox import notebook  # which brings in nbclient

    asked = {key: the_plan.questions(key, public) for key in the_plan.assignment.notebooks}
    seconds: dict[str, float] = {}
    turn = asyncio.Semaphore(workers)
    progress(0, len(todo))

    def follows(questions: Mapping[str, tuple[Question, dict[Trial, Cases]]]) -> notebook.Follows:
        if public:
            return lambda observed: {}
        every = [question for question, _ in questions.values()]
        return lambda observed: stand_ins(every, observed, the_plan.seed)

    async def one(submission: Submission) -> None:
        async with turn:
            started = time.monotonic()
            try:
                questions = asked[submission.notebook]
                execution, observed = await notebook.observe(
                    submission,
                    questions,
                    kernels,
                    the_plan.seed,
                    follows=follows(questions),
                    keeps_printed=the_plan.assignment.notebooks[submission.notebook].trains,
                )
            except SandboxError as error:
                found[_who(submission)] = str(error)
            except Exception as error:  # a bug of ours costs this notebook, not the batch
                found[_who(submission)] = _bug(error, store)
            else:
                record = Record(submission, execution, observed, the_plan.key(submission))
                if execution.outcome is Outcome.ERROR:
                    found[_who(submission)] = execution.error
                else:
                    found[_who(submission)] = record
                    if store is not None:
                        store.save(record)
            seconds[submission.path] = round(time.monotonic() - started, 2)
            progress(len(found), len(todo))

    data, limits = the_plan.data, the_plan.limits
    async with (
        notebook.sandbox(ground, todo, data, limits) as kernels,
        asyncio.TaskGroup() as group,
    ):
        for submission in todo:
            group.create_task(one(submission))
    if store is not None:
        store.write("timings.json", (json.dumps(dict(sorted(seconds.items())), indent=1)).encode())


def _refereed(
    ground: Ground,
    intake: Intake,
    settings: Settings,
    the_plan: Plan,
    records: Mapping[tuple[str, str], Record],
) -> tuple[str, ...] | None:
    """How notebooks come out otherwise in a cold kernel, a line each; None if nobody wants to know.

    Taken evenly from all that were graded, each run once more in a kernel of both kinds.
    """
    many = settings.run.referee
    if not many:
        return None
    from grader.sandbox.referee import differences

    known = [s for s in intake.submissions if _who(s) in records]
    chosen = known[:: max(1, len(known) // many)][:many]
    asked = {key: the_plan.questions(key) for key in the_plan.assignment.notebooks}
    data, seed, limits = the_plan.data, the_plan.seed, the_plan.limits
    return asyncio.run(differences(ground, chosen, asked, data, seed, limits))


def _bug(error: Exception, store: Store | None) -> str:
    said = f"a bug of the grader's: {type(error).__name__}: {error}".split("\n")[0]
    if store is None:
        return said
    text = "".join(traceback.format_exception(error))
    name = f"bug-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}.txt"
    store.write(name, text.encode("utf-8", "replace"))
    return f"{said} (details: {store.folder / name})"


def _who(submission: Submission) -> tuple[str, str]:
    return submission.student, submission.notebook


def _refuse_other_cases(
    record: Record, questions: Mapping[str, tuple[Question, dict[Trial, Cases]]]
) -> None:
    for key, (_, trials) in questions.items():
        asked = record.observed[key].trials if key in record.observed else {}
        for trial, cases in trials.items():
            if asked and (trial.name not in asked or asked[trial.name].inputs != cases.digest):
                raise StoreError(
                    f"the cases of {key} ({trial.name}) are not those that this run asked: "
                    "grade again with `grader run`"
                )


# judging and grading ------------------------------------------------------------------------


def _gradebook(
    the_plan: Plan,
    files: Iterable[FileNote],
    records: Mapping[tuple[str, str], Record],
    problems: Mapping[tuple[str, str], str],
    known: Told,
    settings: Settings,
    store: Store,
) -> Gradebook:
    notes, graded = _placed(the_plan, files, records, problems, store)
    policy, came = _policy(known, settings, the_plan.assignment), Arrivals(known.arrivals)
    counting = {(note.student, note.notebook): note for note in notes if note.became == "graded"}
    graded = {who: dated(grade, counting.get(who), came, policy) for who, grade in graded.items()}
    absent = {
        key: _ungraded(the_plan, key, Outcome.MISSING, "It was not handed in.")
        for key in the_plan.assignment.notebooks
    }
    handed_in = [records[who].submission for who in graded if who in records]
    alike = likeness.likenesses(handed_in, the_plan.expected_cells)
    graded = {who: likeness.told(grade, who[0], alike) for who, grade in graded.items()}
    tolerances = {
        question.key: (question.tolerance.rtol, question.tolerance.atol)
        for question in the_plan.assignment.questions
        if isinstance(question, Question)
    }
    return Gradebook(
        the_plan.assignment.key,
        the_plan.assignment.title,
        the_plan.digest,
        the_plan.seed,
        the_plan.kernel,
        the_plan.rung,
        grades(graded, tuple(the_plan.assignment.notebooks), absent, notes, known.enrolled),
        tuple(notes),
        the_plan.notices,
        tolerances,
        alike,
        clusters(graded, tolerances),
        the_plan.corpus,
    )


def _placed(
    the_plan: Plan,
    files: Iterable[FileNote],
    records: Mapping[tuple[str, str], Record],
    problems: Mapping[tuple[str, str], str],
    store: Store,
) -> tuple[list[FileNote], dict[tuple[str, str], NotebookGrade]]:
    """What became of each file in the end, and what is known of each (student, notebook)."""
    notes, graded, why = [], {}, dict(problems)
    for note in files:
        who = (note.student, note.notebook)
        if note.became == "graded" and who in records:
            try:
                graded[who] = _graded(the_plan, records[who])
            except GraderError:
                raise
            except Exception as error:  # a bug of ours costs this notebook, not the batch
                why[who] = _bug(error, store)
        if note.became == "graded" and who not in graded:
            note = structs.replace(note, became="needs_person", reason=why[who])  # noqa: PLW2901
        notes.append(note)

    def undecided_for(note: FileNote, notebook: str, why: str) -> None:
        path = note.path if note.notebook else ""
        ungraded = _ungraded(the_plan, notebook, Outcome.ERROR, why, path)
        graded.setdefault((note.student, notebook), ungraded)

    for note in notes:
        if note.became == "needs_person" and note.student and note.notebook:
            undecided_for(note, note.notebook, note.reason)
    for i, note in enumerate(notes):
        who = (note.student, note.notebook)
        if note.became == "ignored" and all(who) and who not in graded:
            # handed in, but not as a notebook: a person must see it before it counts for nothing
            notes[i] = structs.replace(note, became="needs_person")
            undecided_for(note, note.notebook, note.reason)
    for note in notes:
        if note.became == "needs_person" and note.student and not note.notebook:
            # it may be any of the notebooks that are not there
            for key in the_plan.assignment.notebooks:
                undecided_for(note, key, f"{note.path}: {note.reason}")
    return notes, graded


def _graded(the_plan: Plan, record: Record) -> NotebookGrade:
    of = the_plan.assignment.notebooks[record.submission.notebook]
    questions, trains = of.questions, of.trains
    cells = record.submission.cells
    handed_out = the_plan.handed_out.get(record.submission.notebook, ())
    written = texts.written_answers(
        cells,
        [q for q in questions if isinstance(q, Written)],
        record.submission.beside,
        handed_out,
    )
    prompts = [cell.source for cell in handed_out if cell.kind == "markdown"]
    judgements = [
        answers.looked_at(
            judge_written(question, written[question.key]),
            [*question.prompts, *prompts],
            cells,
            record.execution,
        )
        if isinstance(question, Written)
        else doubted(
            _judged(question, record.observed[question.key], the_plan.seed),
            record.execution.missing,
        )
        for question in questions
        if isinstance(question, Written) or question.key in record.observed
    ]
    code = [judgement for judgement in judgements if not judgement.written]
    if code and all(judgement.outcome is Outcome.ERROR for judgement in code):
        why = code[0].finding.advice if code[0].finding else "none of its questions could be asked"
        path, notebook = record.submission.path, record.submission.notebook
        return _ungraded(the_plan, notebook, Outcome.ERROR, why, path)
    asked = {question.key: question for question in questions if isinstance(question, Question)}
    published = {key: _published(question, the_plan.seed) for key, question in asked.items()}
    trained, flags = None, tuple[str, ...]()
    if trains:
        from grader.grade import training

        trained = training.training(cells, record.execution)
        flags = () if trained.shown else (training.NOT_TRAINED,)
    return NotebookGrade(
        record.submission.notebook,
        Outcome.PASSED,
        suspicions.suspected(judgements, asked, published, cells),
        record,
        path=record.submission.path,
        training=trained,
        flags=flags,
    )


def _judged(question: Question, observed: Observed, seed: int) -> Judgement:
    try:
        return judge_question(question, observed, seed)
    except Exception as error:  # a value that the judge did not expect costs nobody points
        return undecided(question, Outcome.ERROR, _bug(error, None))


@cache
def _published(question: Question, seed: int) -> tuple[Any, ...]:
    """The right results of the cases whose results the handout prints."""
    right = expectations(question, seed).of(question.reference)
    names = {question.trial(check).name for check in question.checks if check.published}
    values = [result for name in sorted(names) for result in right[name] if result.error is None]
    return tuple(question.form(result.value) for result in values)


def _ungraded(
    the_plan: Plan, notebook: str, outcome: Outcome, why: str, path: str = ""
) -> NotebookGrade:
    questions = the_plan.assignment.notebooks[notebook].questions
    judgements = tuple(undecided(question, outcome, why) for question in questions)
    return NotebookGrade(notebook, outcome, judgements, problem=why, path=path)


# what is written ------------------------------------------------------------------------------


def _write(store: Store, gradebook: Gradebook, known: Told) -> None:
    from grader.report import pages, spreadsheet

    store.write("gradebook.csv", spreadsheet.gradebook_csv(gradebook))
    store.write("questions.csv", spreadsheet.questions_csv(gradebook))
    store.write("verdicts.csv", spreadsheet.verdicts_csv(gradebook))
    names = {"index.html"}
    for name, page in pages.student_pages(gradebook):
        names.add(name)
        store.write(f"reports/{name}", page.encode())
    store.write("reports/index.html", pages.class_page(gradebook).encode())
    store.remove_pages_but(names)
    store.save_notes(gradebook.files)
    store.save_told(known)
    store.write("run.json", (json.dumps(manifest(gradebook), indent=1) + "\n").encode())


def manifest(gradebook: Gradebook) -> dict[str, Any]:
    """What run.json says: what the marks depend on, and what became of every file."""
    became = [note.became for note in gradebook.files]
    return {
        "grader": __version__,
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "torch": metadata.version("torch"),
        "seed": gradebook.seed,
        "assignment": {"key": gradebook.assignment, "digest": gradebook.digest},
        **({"corpus": gradebook.corpus} if gradebook.corpus else {}),
        "kernel": gradebook.kernel,
        "rung": gradebook.rung,
        **({"notices": list(gradebook.notices)} if gradebook.notices else {}),
        "tolerances": {key: list(value) for key, value in sorted(gradebook.tolerances.items())},
        "counts": {
            "students": len(gradebook.grades),
            "notebooks": sum(1 for note in gradebook.files if note.notebook),
            "graded": became.count("graded"),
            "needs_person": became.count("needs_person"),
            "ignored": became.count("ignored"),
        },
        "files": [
            {
                "path": note.path,
                "sha256": note.sha256,
                "student_id": note.student,
                "notebook": note.notebook,
                "became": note.became,
            }
            for note in gradebook.files
        ],
    }
