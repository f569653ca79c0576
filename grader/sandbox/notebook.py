"""A submission run from top to bottom in a kernel of its own, and its questions put to it."""

from __future__ import annotations

import contextlib
import hashlib
import re
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from grader.authoring import Cell, Question, Trial
from grader.errors import SandboxError
from grader.model import (
    CellFailure,
    Execution,
    Limits,
    Observed,
    Outcome,
    Place,
    Printed,
    Submission,
)
from grader.sandbox import folders, probe, slices
from grader.sandbox.ground import Ground
from grader.sandbox.kernel import Kernel, Kernels, Ran, data_folder
from grader.sandbox.probe import Cases

MOST_PRINTED = 200_000  # characters of a notebook's that are kept
MOST_LEFT_OUT = 4  # cells that may kill the kernel before we give up on the notebook
LIGHT_SECONDS = 1.0  # a notebook that ran no longer is run again sooner than forked beforehand

Trials = Mapping[Trial, Cases]
Follows = Callable[[Mapping[str, Observed]], Mapping[str, Sequence[str]]]
Asking = tuple[str, int]  # the key of a question, and the number of the way in which it is put


async def observe(
    submission: Submission,
    questions: Mapping[str, tuple[Question, Trials]],
    kernels: Kernels,
    seed: int,
    outputs: list[list[Any]] | None = None,
    follows: Follows = lambda observed: {},
    *,
    keeps_printed: bool = False,
) -> tuple[Execution, dict[str, Observed]]:
    """What happened when the notebook ran, and what was seen of each question.

    follows  which questions to ask once more with right answers in the place of which others, from
             what was seen of all; asked last, when nothing is left that ours could help to forge
    seed     of what a notebook leaves unseeded, with the notebook's own bytes
    outputs  a list to hold those of each cell that runs, if wanted
    keeps_printed  whether the execution is to say what the cells printed

    Raises SandboxError if no kernel can be started.
    """
    run = _Run(submission, questions, kernels, seed, outputs, follows, keeps_printed)
    return await run.result()


@contextlib.asynccontextmanager
async def sandbox(
    ground: Ground, submissions: Sequence[Submission], data: Mapping[str, Path], limits: Limits
) -> AsyncIterator[Kernels]:
    """Kernels for these submissions; `data` is what notebooks find beside them, by its names.

    Raises PipeError if there are none of the kind that the ground names.
    """
    # the path of a unix socket has at most 107 bytes
    short = None if len(tempfile.gettempdir()) < 50 else "/tmp"
    home = Path(tempfile.mkdtemp(prefix="grader-", dir=short))
    try:
        home.chmod(0o711)  # a kernel with a user of its own must come through
        imports = frozenset(name for s in submissions for name in imported(s))
        kernels = ground.kernels(home, data_folder(home, data), limits, imports)
        try:
            await kernels.open()
            yield kernels
        finally:
            await kernels.close()
    finally:
        folders.remove(home)


FROM = re.compile(r"(?:^|[;:])[ \t]*from[ \t]+(\w+)", re.MULTILINE)
IMPORT = re.compile(r"(?:^|[;:])[ \t]*import[ \t]+([\w., \t]+)", re.MULTILINE)


def imported(submission: Submission) -> frozenset[str]:
    """The packages that a notebook seems to import, so that a kernel can have them ready;
    "torch.optim" among them if it makes an optimizer."""
    found: set[str] = set()
    for cell in submission.cells:
        if cell.kind == "code" and "import" in cell.source:
            found.update(FROM.findall(cell.source))
            for names in IMPORT.findall(cell.source):
                found.update(re.split(r"[. \t]", name.strip())[0] for name in names.split(","))
        if cell.kind == "code" and "optim" in cell.source:
            found.add("torch.optim")
    return frozenset(found)


def _printed(outputs: Sequence[Any]) -> str:
    """What a terminal shows of a cell's outputs in the end: stdout, then stderr.

    How often a progress bar was drawn is the clock's, so of what overwrites its line only the last
    state is kept; and which stream came first may be chance.
    """
    streams: dict[str, list[str]] = {"stdout": [], "stderr": []}
    for output in outputs:
        said = output.get("text")
        if output.get("output_type") == "stream" and isinstance(said, str):
            streams.setdefault(str(output.get("name")), []).append(said)
    text = "\n".join("".join(parts) for parts in streams.values() if parts)
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    seen = "\n".join(lines)
    return seen.encode("utf-8", "replace").decode("utf-8")


def _unlike(seed: object) -> int:
    """A seed for use inside, from which nobody comes back to that of the cases."""
    return int.from_bytes(hashlib.sha256(f"inside {seed}".encode()).digest()[:6])


class _Run:
    def __init__(
        self,
        submission: Submission,
        questions: Mapping[str, tuple[Question, Trials]],
        kernels: Kernels,
        seed: int,
        outputs: list[list[Any]] | None,
        follows: Follows,
        keeps_printed: bool,
    ) -> None:
        self.submission, self.questions, self.kernels = submission, questions, kernels
        self.limits = kernels.limits
        self.seed, self.outputs, self.follows = seed, outputs, follows
        self.keeps_printed = keeps_printed
        self.printed: tuple[Printed, ...] = ()
        self.imports = imported(submission)
        self.statements = slices.statements(submission.cells)
        self.left_out: list[int] = []
        self.passed_over: set[int] = set()  # of these, cells of which no part can be run
        self.failures: dict[int, CellFailure] = {}
        self.late = False
        self.adapted: tuple[str, ...] = ()
        self.missing: tuple[str, ...] = ()
        self.noted = False
        # first each question as its place in the notebook says, then in the other ways
        self.ways: dict[Asking, probe.Way] = {
            (key, 0): probe.Way(self.statements) for key in questions
        }
        self.careful: set[Asking] = set()  # what ended its kernel, or did not end
        self.asked_itself = False  # a kernel, not a fork of it
        self.seen: dict[Asking, Observed] = {}
        # what is still to be asked with stand-ins; None until all was asked without
        self.to_help: dict[Asking, Sequence[str]] | None = None
        targets = [question.target for question, _ in questions.values()]
        # the names of the notebook's targets, which nothing renamed can have
        self.taken = {n for t in targets for n in (t.assigns if isinstance(t, Cell) else [str(t)])}

    async def result(self) -> tuple[Execution, dict[str, Observed]]:
        code_cells = [i for i, c in enumerate(self.submission.cells, 1) if c.kind == "code"]
        while True:
            own_seed = _unlike(f"{self.submission.sha256} {self.seed}")
            async with self.kernels.kernel(own_seed, self.imports) as running:
                started = time.monotonic()
                runs = await self._run_cells(running)
                light = time.monotonic() - started < LIGHT_SECONDS
                spent = light and running.alive and running.forkable and not self.asked_itself
                if spent:
                    # what this leaves is asked of forks of the notebook run anew, as all is where
                    # it ran for long; in both one question is asked after the other
                    self.asked_itself = True
                    await self._ask(running, runs, at_once=True)
                elif running.alive:
                    await self._ask_all(running, runs)
                undone = self._next() is not None
                if not undone and self.to_help is None:
                    needed = self.follows(self._observed())
                    # all answers to one before those to the next, which its own right one may help
                    self.to_help = {
                        asking: needed[key]
                        for key in self.questions
                        for asking in self.ways
                        if asking[0] == key and key in needed
                    }
                if self.to_help and not spent:
                    await self._ask_with_stand_ins(running, runs)
                if not self.noted and await running.lives():
                    await self._read_notes(running)
            if not undone and not self.to_help:
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
            printed=self.printed,
        )
        return execution, self._observed()

    def _next(self) -> Asking | None:
        """What is to be asked next; None if all was."""
        return next((asking for asking in self.ways if asking not in self.seen), None)

    def _observed(self) -> dict[str, Observed]:
        """All that was seen of each question."""
        others: dict[str, list[Observed]] = {key: [] for key in self.questions}
        for (key, way), seen in self.seen.items():
            if way and seen.trials:
                others[key].append(seen)
        return {
            key: replace(self.seen[key, 0], others=tuple(others[key])) for key in self.questions
        }

    def _failures(self) -> tuple[CellFailure, ...]:
        return tuple(self.failures[cell] for cell in sorted(self.failures))

    async def _run_cells(self, running: Kernel) -> dict[int, int]:
        """Runs every cell, of those left out only what cannot have been the reason; the cell of
        each numbered run of the kernel."""
        runs: dict[int, int] = {}
        if self.outputs is not None:
            self.outputs.clear()
        elif not self.keeps_printed:
            running.forget_outputs()
        printed: list[Printed] = []
        room = MOST_PRINTED
        ends = time.monotonic() + self.limits.notebook_seconds
        for number, cell in enumerate(self.submission.cells, 1):
            left_out = number in self.left_out
            source = cell.source
            if left_out:
                source = "" if number in self.passed_over else slices.made_before_loops(source)
            if cell.kind != "code" or not source.strip():
                continue
            left = ends + running.waited - time.monotonic()
            if left <= 0:
                self.late = True
                self.failures[number] = CellFailure(
                    Place(number, 1),
                    f"it was not run: the notebook took longer than "
                    f"{self.limits.notebook_seconds:g} s",
                )
                break
            ran = await running.run(source, min(self.limits.cell_seconds, left))
            runs[ran.run] = number
            if self.outputs is not None:
                self.outputs.append(running.outputs)
            if left_out and ran.how == "gone":
                self.passed_over.add(number)
                break
            if left_out:
                continue
            self._note(number, ran)
            if self.keeps_printed and ran.how in ("ok", "raised") and room:
                text = _printed(running.outputs)[:room]
                printed += [Printed(number, text)] if text else []
                room -= len(text)
            if ran.how == "gone":
                self.left_out.append(number)
                break
        self.printed = tuple(printed)
        return runs

    def _note(self, number: int, ran: Ran) -> None:
        if ran.how == "ok":
            self.failures.pop(number, None)
        else:
            self.failures[number] = CellFailure(Place(number, ran.line), probe.plain(ran.error))

    async def _ask_all(self, running: Kernel, runs: Mapping[int, int]) -> None:
        """Puts every question to a fork of the kernel, so that one which ends its fork costs
        nothing but itself; where there is no fork, to the kernel, for as long as it lives."""
        while self._next() is not None:
            forked = await running.fork()
            if forked is None and running.asked and not await running.lives():
                return  # by what was asked before: nothing else is to pay for that
            before = len(self.seen), len(self.careful)
            try:
                await self._ask(forked or running, runs, at_once=forked is not None)
            finally:
                if forked is not None:
                    await forked.close()
            after = len(self.seen), len(self.careful)
            if forked is None or after == before or not running.alive:
                return  # what is left is asked of the notebook run anew

    async def _ask(self, running: Kernel, runs: Mapping[int, int], *, at_once: bool) -> None:
        """Asks for as long as the kernel lives.

        at_once  the results of a question come together, which is faster; one that ends its kernel,
                 or has to be interrupted, is left to be asked again with care
        """
        while (asking := self._next()) is not None:
            (key, way), careful = asking, not at_once or asking in self.careful
            try:
                messages = await self._put(running, asking, careful=careful)
                if not careful and (running.late or not running.alive):
                    self.careful.add(asking)
                    return
                self.seen[asking] = self._read(running, runs, asking, messages)
                if not self.noted and messages:
                    self._note_adaptations(messages[0])
            except SandboxError as error:
                self.seen[asking] = Observed(None, error=probe.plain(str(error)))
            found = self.seen[asking].found
            if way == 0 and found is not None:
                question, _ = self.questions[key]
                others = probe.other_ways(question, self.statements, self.taken, found)
                self.ways.update({(key, number): other for number, other in enumerate(others, 1)})
            if not running.alive:
                return

    async def _put(
        self,
        running: Kernel,
        asking: Asking,
        *,
        careful: bool,
        stand_ins: Sequence[probe.StandIn] = (),
    ) -> list[dict[str, Any]]:
        """What the kernel sends when it is asked a question."""
        question, trials = self.questions[asking[0]]
        request = probe.request(
            question, trials, self.ways[asking], self.taken, _unlike(self.seed), careful, stand_ins
        )
        return await running.ask("answer", request, probe.most_messages(trials))

    def _read(
        self,
        running: Kernel,
        runs: Mapping[int, int],
        asking: Asking,
        messages: Sequence[Mapping[str, Any]],
    ) -> Observed:
        """What was seen, by what the kernel sent and by how it is now."""
        question, trials = self.questions[asking[0]]
        answers = probe.Answers(self.ways[asking], runs, self.taken, self.limits)
        return answers.observed(
            question, trials, messages, running.alive, running.late, running.why
        )

    async def _ask_with_stand_ins(self, running: Kernel, runs: Mapping[int, int]) -> None:
        """Asks what may have gone wrong for another answer's sake once more with a right one in its
        place, each once, and in a fork of its own if there is one."""
        while self.to_help and running.alive:
            asking = next(iter(self.to_help))
            forked = await running.fork()
            if forked is None and running.asked and not await running.lives():
                return  # by what was asked before, as there
            needed = self.to_help.pop(asking)
            try:
                await self._ask_helped(forked or running, runs, asking, needed)
            finally:
                if forked is not None:
                    await forked.close()

    async def _ask_helped(
        self, running: Kernel, runs: Mapping[int, int], asking: Asking, needed: Sequence[str]
    ) -> None:
        stood = [
            probe.stand_in(self.questions[other][0], self.seen[other, 0].found) for other in needed
        ]
        try:
            messages = await self._put(running, asking, careful=True, stand_ins=stood)
            seen = self._read(running, runs, asking, messages)
        except SandboxError:
            return  # as it was seen without
        self.seen[asking] = replace(self.seen[asking], helped=seen.trials, stand_ins=tuple(needed))

    async def _read_notes(self, running: Kernel) -> None:
        try:
            messages = await running.ask("tell_notes", None, 1)
        except SandboxError:
            messages = []  # the notebook broke what notes it; its questions will show if it matters
        self._note_adaptations(messages[0] if messages else {})

    def _note_adaptations(self, told: Mapping[str, Any]) -> None:
        self.noted = True
        self.adapted, self.missing = (
            tuple(probe.plain(text) for text in part[:100]) if isinstance(part, list) else ()
            for part in (told.get("notes"), told.get("missing"))
        )
