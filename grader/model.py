"""The nouns of a run, in the order in which they come into being.

    Submission -> Execution -> Observation -> Verdict -> Judgement -> Grade -> Gradebook

All are frozen, compare by value and hold plain data, so that each can be stored, sent to another
machine, or written down in a test.  Cells are counted from 1 over all cells of the notebook as it
was handed in, lines from 1 within their cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from msgspec import Struct

IDENTICAL_FILE = "identical_file"  # the flag of files, and of the answers in them


class Outcome(StrEnum):
    """How an execution, an observation, a claim or a question ended."""

    PASSED = "passed"  # of an observation: the call returned
    PARTIAL = "partial"
    FAILED = "failed"  # it ran, and disagrees with the reference
    BLANK = "blank"  # it computes what the handout computes
    MISSING = "missing"  # the notebook, or the target in it, is not there
    RAISED = "raised"
    TIMED_OUT = "timed_out"
    BLOCKED = "blocked"  # what it needs was never made, so it could not be asked
    NEEDS_REVIEW = "needs_review"  # the grader cannot tell
    ERROR = "error"  # ours: never a zero

    @property
    def decided(self) -> bool:
        """Whether points follow from it; if not, a person has to look."""
        return self not in (Outcome.NEEDS_REVIEW, Outcome.ERROR)


class NotebookCell(Struct, frozen=True):
    """One cell as it was handed in; `kind` is code, markdown or raw.

    `output` is the beginning of the text that was saved below it.  `executed` says that the file
    shows it to have been run: it has a number, or an output.
    """

    kind: str
    source: str
    output: str = ""
    executed: bool = False


class Beside(Struct, frozen=True):
    """A text that a student handed in beside a notebook, as Markdown.

    sure  its own name says whose it is; otherwise only where it lies does
    """

    path: str
    text: str
    sure: bool


class Submission(Struct, frozen=True):
    """One notebook that one student handed in."""

    student: str  # upper case, NFKC
    notebook: str  # "colab1"
    path: str  # relative to the folder that was given
    sha256: str
    cells: tuple[NotebookCell, ...]
    notes: tuple[str, ...] = ()  # what was odd about the file, for people
    beside: tuple[Beside, ...] = ()


class Place(Struct, frozen=True):
    """Where something stands in the notebook."""

    cell: int
    line: int


class CellFailure(Struct, frozen=True):
    """A cell that did not run to its end, and why, as Python said it."""

    where: Place
    error: str


class Printed(Struct, frozen=True):
    """What a cell printed when it ran here, as a terminal shows it in the end."""

    cell: int
    text: str


class Execution(Struct, frozen=True):
    """What happened when the notebook ran from top to bottom.

    `outcome` is PASSED if every cell ran, RAISED if some cell failed, TIMED_OUT if the notebook's
    time ran out, ERROR if no kernel could run it.  `left_out` are cells that killed the kernel or
    never ended: the notebook was run again without them, but for what they make before their first
    loop.  `adapted` says what Colab had and this machine lacks, and what was put in its place;
    `missing` are packages that nothing could stand for.  `printed` is kept of notebooks that
    train, and only of cells that no clock ended, so that it is the same in every run but for the
    times in it.
    """

    outcome: Outcome
    failures: tuple[CellFailure, ...] = ()
    left_out: tuple[int, ...] = ()
    adapted: tuple[str, ...] = ()
    error: str = ""
    missing: tuple[str, ...] = ()
    printed: tuple[Printed, ...] = ()


class Observation(Struct, frozen=True):
    """What the target did with one case, as plain data.

    `value` holds None, bool, int, float, str, ndarray, or lists, tuples and dicts of these; it is
    meaningful if `outcome` is PASSED, which means only that the call returned.
    """

    outcome: Outcome
    value: Any = None
    error: str = ""
    where: Place | None = None  # where in the notebook the error was raised
    changed: tuple[str, ...] = ()  # the inputs that the call changed

    @property
    def returned(self) -> bool:
        return self.outcome is Outcome.PASSED


class Found(Struct, frozen=True):
    """Which code of the notebook answered a question.

    `name` is the student's name for it.  `note` says how it was found where that was not simply
    by its name: "renamed: the function with the same parameters".
    """

    name: str
    where: Place
    last_line: int
    note: str = ""


class Asked(Struct, frozen=True):
    """One trial as it was put: the digest of its inputs, and what came back for each case."""

    inputs: str
    observations: tuple[Observation, ...]


class Observed(Struct, frozen=True):
    """All that was seen of one question: enough to judge it without the notebook.

    `found` is None where no code answers it.  `reads` are names of the notebook (not functions,
    not modules) that the target reads beyond its arguments.  `again` is what the first case of all
    gave when it was asked once more.  `helped` are the trials with right answers in the place of
    those to the questions `stand_ins`.  `others` are the other answers that the notebook holds:
    other definitions of the name, the last first, or the same with its arguments in another order.
    `text` is a written answer.
    """

    found: Found | None
    trials: Mapping[str, Asked] = {}
    reads: tuple[str, ...] = ()
    again: Observation | None = None
    helped: Mapping[str, Asked] = {}
    stand_ins: tuple[str, ...] = ()
    others: tuple[Observed, ...] = ()
    text: str = ""
    error: str = ""  # why it could not be asked, through no fault of the student


class Record(Struct, frozen=True):
    """What is stored of one submission: judging and reporting need nothing else."""

    submission: Submission
    execution: Execution
    observed: Mapping[str, Observed]  # by question key
    key: str  # digest of all that the observations depend on


class Counterexample(Struct, frozen=True):
    """The smallest input on which the student's result and the reference's part.

    `got` and `expected` are plain data as in Observation.value, in the form in which they were
    compared, or are best drawn.  `got` is None, and `said` the error, if the call did not return.
    """

    call: str  # as the student would type it, with long arrays given by their shape
    got: Any
    expected: Any
    said: str  # "12 of 12 values differ, most at [2, 0]: got 1.92, expected 0.41"
    shows: str = ""  # what `got` and `expected` are, if not simply the result


class Finding(Struct, frozen=True):
    """Why points were lost, said to the student."""

    advice: str
    misconception: str | None = None  # its name; "one + another", "this or that"
    shown_by: Counterexample | None = None
    where: Place | None = None


class Verdict(Struct, frozen=True):
    """The judgement on one claim.  `earned` is None while it is undecided."""

    claim: str
    outcome: Outcome
    earned: float | None
    possible: float  # 0: advice, never charged
    finding: Finding | None = None


class Review(Struct, frozen=True):
    """What a person decided of one answer, over or in place of the verdicts.

    by, at, reason  who, when (a date or a time as it was written) and why; each may be empty
    sha256          of the notebook that they read
    """

    student: str
    notebook: str
    question: str
    earned: float
    by: str = ""
    at: str = ""
    reason: str = ""
    sha256: str = ""

    @property
    def of(self) -> tuple[str, str, str]:
        """Which answer it is of."""
        return self.student, self.notebook, self.question


class Judgement(Struct, frozen=True):
    """The verdicts on one question of one student, and what they come to.

    `finding` is the one main message: the misconception behind the failures if one is known, or
    the first failure.  `written` marks a free text, which only a person marks: `text` is that,
    found at `text_from`, and `notes` say what can be checked of it by rule.  Of code, `text` is
    what a student is told of what it did, in Markdown.  If `review` is set, `earned` is a person's.
    """

    question: str
    title: str
    outcome: Outcome
    earned: float | None
    possible: float
    verdicts: tuple[Verdict, ...]
    finding: Finding | None = None
    flags: tuple[str, ...] = ()
    found: Found | None = None
    written: bool = False
    text: str = ""
    text_from: str = ""
    notes: tuple[str, ...] = ()
    review: Review | None = None


class Losses(Struct, frozen=True):
    """One series of losses: that of the training data, or of other data.

    name  train, valid or test
    at    how far the training was, in the curve's unit, never less than before
    loss  in nats; may be nan or infinite
    """

    name: str
    at: tuple[float, ...]
    loss: tuple[float, ...]


class Curve(Struct, frozen=True):
    """How losses went, as far as a notebook printed them.

    unit          epoch, step or line: what `at` counts
    perplexities  some line gave the perplexity, exp(loss)
    """

    unit: str
    series: tuple[Losses, ...]
    perplexities: bool = False


class Training(Struct, frozen=True):
    """The evidence that a notebook trained its model; it decides no points.

    saved  as the handed-in file shows it
    run    as our run printed it
    shown  whether anything in the file, be it a figure, is a sign of training
    ended  why our run's training was ended before its own end, in one line
    """

    saved: Curve
    run: Curve
    shown: bool
    ended: str = ""


class Lateness(StrEnum):
    """Whether a notebook came before its deadline."""

    ON_TIME = "on_time"
    LATE = "late"
    NOT_CHECKED = "not_checked"  # nobody said when it came: never on time


class NotebookGrade(Struct, frozen=True):
    """One notebook of one student.

    `outcome` is PASSED if it was graded, MISSING if it was not handed in, ERROR if it could not
    be graded; then `problem` is the reason in one line.  `withheld` is set if it came too late to
    earn anything: `worth` is then what it would have earned.  `training` is set if the notebook
    is one that trains.  `flags` are those of no single question.
    """

    notebook: str
    outcome: Outcome
    judgements: tuple[Judgement, ...]
    record: Record | None = None
    problem: str = ""
    path: str = ""
    lateness: Lateness = Lateness.NOT_CHECKED
    withheld: bool = False
    training: Training | None = None
    flags: tuple[str, ...] = ()

    @property
    def earned(self) -> float | None:
        """The points that count: its worth, 0 if they are withheld."""
        return 0.0 if self.withheld and self.outcome is not Outcome.ERROR else self.worth

    @property
    def worth(self) -> float | None:
        """The sum of its decided questions; None if its file could not be graded."""
        if self.outcome is Outcome.ERROR:
            return None
        return sum(j.earned for j in self.judgements if j.earned is not None)

    @property
    def possible(self) -> float:
        return sum(j.possible for j in self.judgements)

    @property
    def needs_person(self) -> bool:
        """Whether a person must look before its points stand; an unmarked text is not that."""
        undecided = any(not j.outcome.decided and not j.written for j in self.judgements)
        return self.outcome is Outcome.ERROR or (undecided and not self.withheld)


class Grade(Struct, frozen=True):
    """One student: every notebook of the assignment, handed in or not."""

    student: str
    notebooks: tuple[NotebookGrade, ...]
    name: str = ""
    flags: tuple[str, ...] = ()

    @property
    def total(self) -> float | None:
        """The sum of the notebooks; None if one of them could not be graded."""
        earned = [notebook.earned for notebook in self.notebooks]
        return None if None in earned else sum(points for points in earned if points is not None)

    @property
    def possible(self) -> float:
        return sum(notebook.possible for notebook in self.notebooks)

    @property
    def needs_review(self) -> int:
        """The number of undecided questions, unmarked texts among them."""
        return sum(j.earned is None for notebook in self.notebooks for j in notebook.judgements)

    @property
    def status(self) -> str:
        if any(notebook.needs_person for notebook in self.notebooks):
            return "needs_person"
        if all(notebook.outcome is Outcome.MISSING for notebook in self.notebooks):
            return "missing"
        if any(notebook.lateness is Lateness.LATE for notebook in self.notebooks):
            return "late"
        return "graded"


class Enrolled(Struct, frozen=True):
    """One student of the course, by the id under which they are listed.

    user  the LMS's number of the account, if it is known
    ids   every id and login by which they may be called, upper case and NFKC
    """

    student: str
    name: str = ""
    user: str = ""
    ids: tuple[str, ...] = ()


class Arrival(Struct, frozen=True):
    """When one thing was handed in, as the LMS or a person says; what they do not say is empty.

    student     upper case, NFKC
    user        the LMS's number of the account
    attachment  the LMS's number of the file
    notebook    empty: any
    at          ISO 8601 in UTC; empty if only `late` is known
    late        the LMS's own word, by its own deadline
    """

    student: str = ""
    user: str = ""
    attachment: str = ""
    notebook: str = ""
    at: str = ""
    late: bool = False


class Told(Struct, frozen=True):
    """What a run was told besides the notebooks; kept, so that all can be computed again."""

    enrolled: tuple[Enrolled, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    deadline: str = ""  # as it was given; empty: the assignment's
    late: str = ""  # zero or keep, if it was given


class FileNote(Struct, frozen=True):
    """What became of one file: graded, needs_person, superseded, duplicate or ignored.

    user, attachment, name, late, dialect  as the LMS gave them in the file's name; see names.Sent
    """

    path: str
    became: str
    sha256: str = ""
    student: str = ""
    notebook: str = ""
    reason: str = ""  # one line for people, where it was not simply graded
    flags: tuple[str, ...] = ()
    user: str = ""
    attachment: str = ""
    name: str = ""
    late: bool = False
    dialect: str = ""


class Likeness(Struct, frozen=True):
    """Two students whose own code in a notebook is much the same, the handout subtracted.

    alike      the share of the smaller one's code that stands in the other too, from 0 to 1
    shared     of how many runs of tokens that is
    identical  the two files are the same to the byte
    """

    notebook: str
    students: tuple[str, str]
    alike: float
    shared: int
    identical: bool = False


class Cluster(Struct, frozen=True):
    """Students whose code gives the same wrong results, which no misconception explains.

    `shown_by` is the counterexample of the first of them.
    """

    notebook: str
    question: str
    claim: str
    students: tuple[str, ...]
    shown_by: Counterexample


class Gradebook(Struct, frozen=True):
    """Every student, every file, what the marks depend on, and what students have in common.

    `tolerances` are (rtol, atol) by question.
    """

    assignment: str  # its key
    title: str
    digest: str
    seed: int
    kernel: str
    rung: str
    grades: tuple[Grade, ...]
    files: tuple[FileNote, ...]
    notices: tuple[str, ...] = ()  # what whoever reads the results has to know of the sandbox
    tolerances: Mapping[str, tuple[float, float]] = {}
    likenesses: tuple[Likeness, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    corpus: str = ""  # the digest of one in the place of the assignment's


class Setting(Struct, frozen=True):
    """Something that marks depend on, and that the two runs do not share."""

    name: str
    before: str
    after: str


class Decision(Struct, frozen=True):
    """What a run says of a question or of a claim; `earned` is None while it is undecided.

    `misconception` may be several, and is empty where none was recognised.
    """

    outcome: str
    earned: float | None
    possible: float
    misconception: str = ""
    advice: str = ""


class ClaimChange(Struct, frozen=True):
    """One claim before and after; None where that run did not make it."""

    claim: str
    before: Decision | None
    after: Decision | None


class QuestionChange(Struct, frozen=True):
    """One question of one student before and after, and the claims that changed with it."""

    notebook: str
    question: str
    before: Decision | None
    after: Decision | None
    claims: tuple[ClaimChange, ...]

    @property
    def costs(self) -> bool:
        """Whether its points, or those that it can earn, are others; if not, only words are."""
        was, now = self.before, self.after
        if was is None or now is None:
            return True
        return (was.earned, was.possible) != (now.earned, now.possible)


class StudentChange(Struct, frozen=True):
    """A student some of whose questions changed, with the totals; None where there is none."""

    student: str
    name: str
    before: float | None
    after: float | None
    questions: tuple[QuestionChange, ...]


class Comparison(Struct, frozen=True):
    """Two runs: what they depend on, and the students with other points or told otherwise.

    `joined` and `left` are students that are in the later or the earlier run only.
    """

    settings: tuple[Setting, ...]
    changed: tuple[StudentChange, ...]
    retold: tuple[StudentChange, ...]
    joined: tuple[str, ...]
    left: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether every student has the same points."""
        return not (self.changed or self.joined or self.left)


class Limits(Struct, frozen=True, kw_only=True):
    """What one notebook may use.  Exceeding any of them costs that cell or call, not the run.

    cell_seconds    also of all calls that one question makes
    call_seconds    by the clock, as all of these; a kernel's waiting for a processor is added
    memory_bytes    beyond what it starts with, all its processes together
    disk_bytes      of all the files that it writes
    processes       threads among them
    training_steps  backward passes after which a training loop is ended (0: never): the corpus
                    here is small, so what goes on for longer would go on for hours
    """

    cell_seconds: float = 60.0
    notebook_seconds: float = 300.0
    call_seconds: float = 10.0
    memory_bytes: int = 2 * 2**30
    disk_bytes: int = 512 * 2**20
    processes: int = 64
    output_bytes: int = 20 * 2**20
    training_steps: int = 2000
