"""A submission run from top to bottom in a kernel of its own, and its questions put to it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from grader.authoring import Case, Cell, Question, Trial
from grader.errors import SandboxError
from grader.model import CellFailure, Execution, Limits, Observed, Outcome, Place, Submission
from grader.sandbox import kernel, probe, slices
from grader.sandbox.kernel import Kernel, Ran

MOST_LEFT_OUT = 4  # cells that may kill the kernel before we give up on the notebook

Trials = Mapping[Trial, Sequence[Case]]


async def observe(
    submission: Submission,
    questions: Mapping[str, tuple[Question, Trials]],
    home: Path,
    data: str,
    seed: int,
    limits: Limits,
) -> tuple[Execution, dict[str, Observed]]:
    """What happened when the notebook ran, and what was seen of each question.

    home  a folder for this run's kernels; data  what kernels find beside a notebook, or ""
    seed  of what a notebook leaves unseeded, with the notebook's own bytes

    Raises SandboxError if no kernel can be started.
    """
    return await _Run(submission, questions, home, data, seed, limits).result()


class _Run:
    def __init__(
        self,
        submission: Submission,
        questions: Mapping[str, tuple[Question, Trials]],
        home: Path,
        data: str,
        seed: int,
        limits: Limits,
    ) -> None:
        self.submission, self.questions, self.home = submission, questions, home
        self.limits = limits
        self.seed = seed
        self.settings = kernel.settings(int(submission.sha256[:12], 16) ^ seed, data, limits)
        self.statements = slices.statements(submission.cells)
        self.left_out: list[int] = []
        self.failures: dict[int, CellFailure] = {}
        self.late = False
        self.adapted: tuple[str, ...] = ()
        self.missing: tuple[str, ...] = ()
        self.observed: dict[str, Observed] = {}

    async def result(self) -> tuple[Execution, dict[str, Observed]]:
        code_cells = [i for i, c in enumerate(self.submission.cells, 1) if c.kind == "code"]
        while True:
            async with kernel.kernel(self.home, self.settings, self.limits) as running:
                runs = await self._run_cells(running)
                if running.alive:
                    await self._ask(running, runs)
            undone = [key for key in self.questions if key not in self.observed]
            if not undone:
                break
            if len(self.left_out) > min(MOST_LEFT_OUT, len(code_cells)):
                error = "the kernel died again and again: cells " + ", ".join(
                    str(cell) for cell in sorted(self.left_out)
                )
                return Execution(Outcome.ERROR, self._failures(), error=error), {}
        outcome = Outcome.RAISED if self.failures else Outcome.PASSED
        if self.late:
            outcome = Outcome.TIMED_OUT
        execution = Execution(
            outcome,
            self._failures(),
            tuple(sorted(self.left_out)),
            self.adapted,
            missing=self.missing,
        )
        return execution, self.observed

    def _failures(self) -> tuple[CellFailure, ...]:
        return tuple(self.failures[cell] for cell in sorted(self.failures))

    async def _run_cells(self, running: Kernel) -> dict[int, int]:
        """Runs every cell but those left out; the cell of each numbered run of the kernel."""
        runs: dict[int, int] = {}
        ends = time.monotonic() + self.limits.notebook_seconds
        for number, cell in enumerate(self.submission.cells, 1):
            if cell.kind != "code" or not cell.source.strip() or number in self.left_out:
                continue
            left = ends - time.monotonic()
            if left <= 0:
                self.late = True
                self.failures[number] = CellFailure(
                    Place(number, 1),
                    f"it was not run: the notebook took longer than "
                    f"{self.limits.notebook_seconds:g} s",
                )
                break
            ran = await running.run(cell.source, min(self.limits.cell_seconds, left))
            runs[ran.run] = number
            self._note(number, ran)
            if ran.how == "gone":
                self.left_out.append(number)
                break
        return runs

    def _note(self, number: int, ran: Ran) -> None:
        if ran.how == "ok":
            self.failures.pop(number, None)
        else:
            self.failures[number] = CellFailure(Place(number, ran.line), probe.plain(ran.error))

    async def _ask(self, running: Kernel, runs: Mapping[int, int]) -> None:
        await self._read_notes(running)
        targets = [question.target for question, _ in self.questions.values()]
        taken = {name for t in targets for name in (t.assigns if isinstance(t, Cell) else [str(t)])}
        answers = probe.Answers(self.statements, runs, taken)
        for key, (question, trials) in self.questions.items():
            if key in self.observed:
                continue
            request = probe.request(question, trials, self.statements, taken, self.seed)
            cases = sum(len(c) for c in trials.values())
            try:
                messages = await running.ask("answer", request, cases)
                self.observed[key] = answers.observed(
                    question, trials, messages, running.alive, running.stuck
                )
            except SandboxError as error:
                self.observed[key] = Observed(None, error=probe.plain(str(error)))
            if not running.alive:
                return  # the others are asked of the notebook run anew

    async def _read_notes(self, running: Kernel) -> None:
        try:
            messages = await running.ask("tell_notes", None, 1)
        except SandboxError:
            messages = []  # the notebook broke what notes it; its questions will show if it matters
        told = messages[0] if messages else {}
        self.adapted, self.missing = (
            tuple(probe.plain(text) for text in part[:100]) if isinstance(part, list) else ()
            for part in (told.get("notes"), told.get("missing"))
        )
