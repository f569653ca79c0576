"""From an assignment to the proof that it judges as it should, before any student is graded.

Its own programs are judged here, see judge.proof; its variants are handed in and run as those of
students are.  Then the checks are tried: with every mutant of a program that is right.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import multiprocessing
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from msgspec import structs

from grader import capacity
from grader.authoring import Assignment, Case, Implementation, Question, Trial
from grader.config import Settings
from grader.errors import PipeError, SandboxError
from grader.ingest import assignments, notebooks, variants
from grader.ingest.variants import Variant
from grader.judge.mutants import is_right, many_cases, mutants, mutated_references, right_results
from grader.judge.proof import Row, handed_in, proof, row
from grader.judge.questions import doubted, judge_question
from grader.model import Limits, NotebookCell, Observed, Outcome, Submission
from grader.pipeline import Plan, Progress, plan
from grader.sandbox import ground
from grader.sandbox.ground import Ground

KILLED, EQUIVALENT, SURVIVOR = "killed", "equivalent", "survivor"
UNDECIDED = "undecided"  # it could not be run
START_SECONDS = 60.0
MUTANT_SECONDS = 10.0  # of a mutant of a reference, before it is taken for one that never ends
MEMORY_BYTES = 4 * 2**30


@dataclass(frozen=True, slots=True)
class Tried:
    """One mutant, and its fate: killed if it loses points; else equivalent if it is right on all of
    1,000 fresh cases, or a survivor, which is a breach."""

    notebook: str
    question: str
    program: str  # of which it is a mutant: the reference, or a variant's name
    where: str  # file:line, or cell:line of a variant
    change: str
    fate: str


@dataclass(frozen=True, slots=True)
class Proof:
    """How every program and every mutant fared, by question in the authored order."""

    rows: tuple[Row, ...]
    tried: tuple[Tried, ...]

    @property
    def breaches(self) -> int:
        return sum(bool(r.breach) for r in self.rows) + sum(
            t.fate in (SURVIVOR, UNDECIDED) for t in self.tried
        )


def validate(settings: Settings, progress: Progress, most: int | None = None) -> Proof:
    """The proof of the assignment that the settings name.

    most  try only so many mutants of the variants, the same at each call; None: all

    Raises AssignmentError also where a call could not run in a kernel.
    """
    from grader.sandbox.probe import call_source

    the_plan = plan(settings)
    assignment = the_plan.assignment
    for question in _code_questions(assignment):
        for trial in question.trials:
            call_source(trial.call)
        if question.stand_in is not None:
            call_source(question.stand_in)
    rows = list(proof(assignment, the_plan.seed))
    right, wrong = variants.right(assignment), variants.wrong(assignment)
    mutated = _sample([made for variant in right for made in _mutated(assignment, variant)], most)
    steps = _Steps(progress, len(right) + len(wrong) + len(mutated))
    tried = list(_references(settings, the_plan)) if most != 0 else []
    if right or wrong:
        ours = ground.choose(settings.run.kernel, unsafe=True)  # nothing here is a student's
        workers = settings.run.workers or capacity.cores()
        try:
            found = asyncio.run(_handed_in(the_plan, ours, workers, right, wrong, mutated, steps))
        except PipeError as error:
            if settings.run.kernel != "auto":
                raise
            cold = ours.cold(str(error))
            found = asyncio.run(_handed_in(the_plan, cold, workers, right, wrong, mutated, steps))
        rows += found[0]
        tried += found[1]
    order = [question.key for question in _code_questions(assignment)]
    return Proof(
        tuple(sorted(rows, key=lambda r: order.index(r.question))),
        tuple(sorted(tried, key=lambda t: order.index(t.question))),
    )


def _code_questions(assignment: Assignment) -> list[Question]:
    return [question for question in assignment.questions if isinstance(question, Question)]


class _Steps:
    """Counts what is done, for whoever waits."""

    def __init__(self, progress: Progress, of: int) -> None:
        self.progress, self.done, self.of = progress, 0, of

    def more(self, many: int) -> None:
        self.of += many

    def step(self) -> None:
        self.done += 1
        self.progress(self.done, self.of)


# mutants of variants: handed in, run and judged as students' notebooks are ----------------------


@dataclass(frozen=True, slots=True)
class _Mutated:
    variant: Variant  # with the changed cell in place of the right one
    where: str
    change: str

    def came_to(self, fate: str) -> Tried:
        v = self.variant
        return Tried(v.notebook, v.question, v.name, self.where, self.change, fate)


def _mutated(assignment: Assignment, variant: Variant) -> Iterator[_Mutated]:
    for number in variants.answering(assignment, variant):
        cell = variant.cells[number]
        try:
            made = mutants(cell.source) if cell.kind == "code" else []
        except SyntaxError:  # a line for IPython, not for Python
            continue
        for mutant in made:
            cells = list(variant.cells)
            cells[number] = NotebookCell("code", mutant.source)
            changed = dataclasses.replace(variant, cells=tuple(cells))
            yield _Mutated(changed, f"{number + 1}:{mutant.line}", mutant.change)


def _sample(mutated: list[_Mutated], most: int | None) -> list[_Mutated]:
    if most is None or most >= len(mutated):
        return mutated
    drawn = random.Random(0).sample(range(len(mutated)), most)
    return [mutated[i] for i in sorted(drawn)]


async def _handed_in(
    the_plan: Plan,
    ours: Ground,
    workers: int,
    right: Sequence[Variant],
    wrong: Sequence[Variant],
    mutated: Sequence[_Mutated],
    steps: _Steps,
) -> tuple[list[Row], list[Tried]]:
    """The rows of the variants, and what their mutants came to."""
    assignment, limits = the_plan.assignment, the_plan.limits
    rows: list[Row | None] = [None] * (len(right) + len(wrong))
    fates = [UNDECIDED] * len(mutated)

    def judged(number: int, seen: _Seen) -> None:
        variant = [*right, *wrong][number]
        rows[number] = _row(the_plan, variant, seen)
        steps.step()

    def killed(number: int, seen: _Seen) -> None:
        fates[number] = _fate(the_plan, seen)
        steps.step()

    asked = {key: of for nb in assignment.notebooks for key, of in the_plan.questions(nb).items()}
    programs = [*right, *wrong]
    await _observe(the_plan, ours, workers, programs, asked, limits, judged)
    changed = [one.variant for one in mutated]
    await _observe(the_plan, ours, workers, changed, asked, _short(limits), killed)

    left = [i for i, fate in enumerate(fates) if fate == SURVIVOR]
    steps.more(len(left))
    compared = {
        question.key: _Compared(question, the_plan.seed)
        for question in _code_questions(assignment)
        if question.key in {changed[i].question for i in left}
    }

    def equal(number: int, seen: _Seen) -> None:
        if isinstance(seen, _Asked) and compared[seen.question.key].right(seen.observed):
            fates[left[number]] = EQUIVALENT
        steps.step()

    survivors = [changed[i] for i in left]
    everywhere = {key: (of.question, of.asked) for key, of in compared.items()}
    await _observe(the_plan, ours, workers, survivors, everywhere, _long(limits), equal)
    told = [one.came_to(fate) for one, fate in zip(mutated, fates, strict=True)]
    return [r for r in rows if r is not None], told


def _short(limits: Limits) -> Limits:
    """Enough for a program that ends: a mutant may well not."""
    return structs.replace(limits, cell_seconds=5.0, call_seconds=2.0, training_steps=1)


def _long(limits: Limits) -> Limits:
    """Enough for 1,000 cases in one call."""
    return structs.replace(
        limits, call_seconds=300.0, output_bytes=2**28, training_steps=1, cell_seconds=5.0
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question as it was put to a program, and what was seen."""

    question: Question
    observed: Observed
    missing: tuple[str, ...]


_Seen = _Asked | str  # or why nothing was


async def _observe(
    the_plan: Plan,
    ours: Ground,
    workers: int,
    programs: Sequence[Variant],
    asked: dict[str, tuple[Question, dict[Trial, Any]]],
    limits: Limits,
    told: Callable[[int, _Seen], None],
) -> None:
    """Hands in each program and puts its own question to it; `told` hears of each as it comes."""
    if not programs:
        return
    from grader.sandbox import notebook

    turn = asyncio.Semaphore(workers)
    first = {variant.name: variant for variant in programs}
    known = [_submission(the_plan.assignment, variant) for variant in first.values()]

    async def one(number: int, variant: Variant) -> None:
        async with turn:
            submission = _submission(the_plan.assignment, variant)
            question, trials = asked[variant.question]
            put = {question.key: (question, trials)}
            try:
                execution, seen = await notebook.observe(submission, put, kernels, the_plan.seed)
            except SandboxError as error:
                told(number, str(error))
                return
            if question.key in seen:
                told(number, _Asked(question, seen[question.key], execution.missing))
            else:
                told(number, execution.error)

    async with (
        notebook.sandbox(ours, known, the_plan.data, limits) as kernels,
        asyncio.TaskGroup() as group,
    ):
        for number, variant in enumerate(programs):
            group.create_task(one(number, variant))


def _submission(assignment: Assignment, variant: Variant) -> Submission:
    data = variants.handed_in(assignment, variant)
    cells, _ = notebooks.read(data)
    sha256 = hashlib.sha256(data).hexdigest()
    return Submission(variant.name, variant.notebook, f"{variant.name}.py", sha256, cells)


def _row(the_plan: Plan, variant: Variant, seen: _Seen) -> Row:
    kind = "variant" if variant.earns is None else "wrong"
    question = next(q for q in _code_questions(the_plan.assignment) if q.key == variant.question)
    if isinstance(seen, str):
        seen = _Asked(question, Observed(None, error=seen), ())
    judgement = judge_question(question, seen.observed, the_plan.seed)
    judgement = doubted(judgement, seen.missing)
    made = row(variant.notebook, judgement, variant.style, kind)
    if variant.earns is not None and judgement.earned != variant.earns:
        made = dataclasses.replace(made, breach=f"it should earn {variant.earns:g}")
    if made.breach and variant.unfair:
        made = dataclasses.replace(made, breach=f"{made.breach}: {variant.unfair}")
    return made


def _fate(the_plan: Plan, seen: _Seen) -> str:
    if isinstance(seen, str):
        return UNDECIDED
    judgement = judge_question(seen.question, seen.observed, the_plan.seed)
    return _by(judgement.outcome)


def _by(outcome: Outcome) -> str:
    if outcome is Outcome.ERROR:
        return UNDECIDED
    return SURVIVOR if outcome is Outcome.PASSED else KILLED


class _Compared:
    """A question on many fresh cases, with all right results of each."""

    def __init__(self, question: Question, seed: int) -> None:
        from grader.sandbox.probe import Cases

        self.question = question
        cases = {trial: drawn for trial, drawn in many_cases(question, seed).items() if drawn}
        self.asked = {trial: Cases(drawn) for trial, drawn in cases.items()}
        self.results = {
            trial.name: [right_results(question, case) for case in drawn]
            for trial, drawn in cases.items()
        }

    def right(self, observed: Observed) -> bool:
        """Whether what was seen is right, case by case."""
        return observed.trials.keys() == self.results.keys() and all(
            one.returned and is_right(self.question, right, one.value)
            for name, rights in self.results.items()
            for right, one in zip(rights, observed.trials[name].observations, strict=True)
        )


# mutants of the references: they never enter a kernel, and run in a process that can be killed --


def _references(settings: Settings, the_plan: Plan) -> list[Tried]:
    """What the mutants of all references came to."""
    # a fresh interpreter: this one has threads, with which no fork would be sure to go on
    context = multiprocessing.get_context("spawn")
    tried: list[Tried] = []
    while True:
        receiver, sender = context.Pipe(duplex=False)
        told = (settings.course.assignment, the_plan.seed, len(tried), sender)
        process = context.Process(target=_try_references, args=told, daemon=True)
        process.start()
        sender.close()
        try:
            ended = _heard(receiver, tried)
        finally:
            process.kill()
            process.join()
            receiver.close()
        if ended:
            return tried


def _heard(receiver: Connection, tried: list[Tried]) -> bool:
    """Adds what a process tells to `tried`; whether it came to its end.

    Else the mutant that it had begun took it along, or did not end: its fate is as told last.

    Raises SandboxError if the process tells nothing at all.
    """
    begun: Tried | None = None
    seconds = START_SECONDS
    try:
        while receiver.poll(seconds):
            begun, settled = receiver.recv()
            seconds = MUTANT_SECONDS
            if begun is None:
                return True
            if settled:
                tried.append(begun)
                begun = None
    except EOFError:
        pass
    if begun is None:
        raise SandboxError("the process that tries the references ended by itself")
    tried.append(begun)
    return False


def _try_references(name: str, seed: int, done: int, sender: Connection) -> None:
    """Tells of each mutant of each reference but the first `done`: (what it came to, whether that
    is settled), and of the end: (None, True)."""
    if sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    assignment = assignments.load(name)
    number = 0
    for key, notebook in assignment.notebooks.items():
        for question in notebook.questions:
            if not isinstance(question, Question):
                continue
            for where, mutant, program in mutated_references(question):
                number += 1
                if number > done:
                    about = (key, question.key, "reference", where, mutant.change)
                    _try_reference(question, program, seed, about, sender)
    sender.send((None, True))


def _try_reference(
    question: Question,
    program: Implementation,
    seed: int,
    about: tuple[str, str, str, str, str],
    sender: Connection,
) -> None:
    def on_copies(*args: Any, **given: Any) -> Any:
        return program(*deepcopy(args), **deepcopy(given))  # a mutant may change its inputs

    sender.send((Tried(*about, KILLED), False))
    judgement = judge_question(question, handed_in(question, on_copies, seed), seed)
    fate = _by(judgement.outcome)
    if fate == SURVIVOR:
        sender.send((Tried(*about, fate), False))
        cases = [case for drawn in many_cases(question, seed).values() for case in drawn]
        if all(_right(question, on_copies, case) for case in cases):
            fate = EQUIVALENT
    sender.send((Tried(*about, fate), True))


def _right(question: Question, program: Implementation, case: Case) -> bool:
    try:
        with np.errstate(all="ignore"):
            value = question.run(program, case)
    except Exception:  # a mutant may raise whatever it likes
        return False
    return is_right(question, right_results(question, case), value)
