"""A kernel: given cells, asked, forked, killed.  Driven by nbclient, whatever kind it is of.

Time limits and output limits are kept here, outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionComplete, CellTimeoutError, DeadKernelError

from grader.errors import SandboxError
from grader.model import Limits
from grader.sandbox import folders, outer, processes
from grader.sandbox.ladder import Rung
from grader.sandbox.limits import MOST_FILES, exceeded, size

HERE = Path(__file__).parent
INSIDE = {
    "wire": HERE.parent / "wire.py",
    **{n: HERE / f"{n}.py" for n in ("walls", "colab", "shared", "inside", "serving", "zygote")},
}
MIME = "application/x-grader+json"
# messages that nbclient keeps; streams have their own way
KEPT = ("display_data", "execute_result", "update_display_data", "error")
MOST_PARTS = 1_000_000  # brackets and commas of an answer: small lists weigh far more than bytes
# characters of all answers to a question: they are kept with the records
MOST_ANSWERED, MOST_FOR_EACH = 2**25, 2**20
ENDING_SECONDS = 0.3  # how long a cell that has printed too much may take to end by itself
INTERRUPT_SECONDS = 5.0  # how long an interrupted cell may take to end
MOST_HELD_UP = 2  # times its limit is the most that is added for a kernel's waiting for a processor
SHORT_SECONDS = 0.05  # of such waiting that are not counted
UNWATCHED_SECONDS = 1.0  # at the beginning, in which nobody looks whether it waits
LONG_ERROR = 10_000  # characters of an error's name or text, of which a few are shown
LOST_SECONDS = 15  # how long after a cell's end its last output may come
WATCH_SECONDS = 0.1  # between two looks at what kernels use
ANSI = re.compile(r"\x1b\[[0-9;]*m")
# how a traceback, and a syntax error's text, name a line of the notebook
RUN_LINE = re.compile(r"(?:<run (\d+)>\"?|\bIn\[(\d+)\])(?:, line |:)(\d+)")
IN_RUN = re.compile(r" \(<run \d+>, line \d+\)")


@dataclass(frozen=True, slots=True)
class Ran:
    """How a cell ended: "ok", "raised", "interrupted" (over a limit, and it obeyed), or "gone"
    (the kernel is dead, or had to be killed).  `run` is the number by which the kernel knows it."""

    how: str
    run: int
    error: str = ""
    line: int = 1  # the line of this cell at which it stopped


class _Client(NotebookClient):
    """A NotebookClient that bounds what a cell may print and hands over what `ask` receives."""

    # the same for all, and so no traits of each: those take long to be set, and to be read
    allow_errors = True
    record_timing = False
    timeout = None
    raise_on_iopub_timeout = True
    on_notebook_start = on_cell_start = on_cell_execute = None  # type: ignore[assignment]
    on_cell_complete = on_cell_error = None  # type: ignore[assignment]

    def __init__(self, manager: Any, limits: Limits) -> None:
        super().__init__(nbformat.from_dict({"cells": [], "metadata": {}}), km=manager)
        self.reply: dict[str, Any] = {}
        self.most_bytes = limits.output_bytes
        self.keeps = True  # outputs, which nbformat checks one by one against its schema
        self.printed = 0
        self.kept = 0  # characters of outputs, of all cells
        self.over: asyncio.Future[None]  # done once a cell has printed more than it may
        self.received: list[str] | None = None
        self.most = 0  # of them
        self.room = 0  # characters that they may have together
        self.arrived = 0.0  # when the last of them came
        self.complete = False  # whether the cell's last output has come
        self.in_widget = False  # whether an Output widget takes what is shown

    def begin(self) -> None:
        """Make ready for the next request."""
        self.reply, self.printed, self.in_widget, self.complete = {}, 0, False, False
        self.over = asyncio.get_running_loop().create_future()

    @property
    def iopub_timeout(self) -> int | None:  # type: ignore[override]
        """How long the reply waits for the last output; where that has come, no clock is set."""
        return None if self.complete else LOST_SECONDS

    async def on_cell_executed(
        self, cell: Any, cell_index: int, execute_reply: dict[str, Any]
    ) -> None:
        self.reply = execute_reply["content"]

    def take(self, text: Any) -> None:
        """Keep what came for what was asked, as far as there is room for it."""
        wanted = self.received is not None and len(self.received) < self.most
        if self.received is not None and wanted and isinstance(text, str):
            self.room -= len(text)
            if self.room >= 0:
                self.received.append(text)
                self.arrived = time.monotonic()

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        try:
            return self._processed(msg, cell, cell_index)
        except (CellExecutionComplete, DeadKernelError):
            raise
        except Exception:  # upon which nobody would take what came after
            manager: Any = self.km
            manager.end("what it sent is no message")
            raise

    def _processed(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        content, kind = msg["content"], msg["msg_type"]
        length = 0
        if kind == "stream":
            length = len(content.get("text", ""))
        elif kind in KEPT:
            if MIME in content.get("data", {}):
                self.take(content["data"][MIME])
                return None
            length = len(json.dumps(content))
        elif kind.startswith("comm"):  # for widgets, of which there are none here
            self.in_widget = _takes_output(content, self.in_widget)
            length = len(json.dumps(content))
        self.printed += length
        self.kept += length
        asked = self.received is not None  # what a question shows is nobody's output
        if self.printed > self.most_bytes and not asked and not self.over.done():
            self.over.set_result(None)
        if kind.startswith("comm") or (kind == "clear_output" and self.in_widget):
            return None  # what such a widget shows and clears stays below its cell
        room = self.printed <= self.most_bytes and self.kept <= 2 * self.most_bytes
        if (length or kind == "clear_output") and (asked or not self.keeps or not room):
            return None
        try:
            return super().process_message(msg, cell, cell_index)
        except CellExecutionComplete:
            self.complete = True
            raise
        except DeadKernelError:
            raise
        except Exception:
            if kind not in KEPT:
                raise
            return None  # what a notebook's own class shows may be no output


def _takes_output(content: dict[str, Any], before: bool) -> bool:
    """Whether an Output widget takes what is shown after this message, if it did `before`."""
    data = content.get("data")
    state = data.get("state") if isinstance(data, dict) else None
    return bool(state["msg_id"]) if isinstance(state, dict) and "msg_id" in state else before


class Kernel:
    """One kernel, on a manager of its kind; made by `Kernels`.

    shown  (path, name): folders of ours and what is said in their place, so that results are the
           same in every run and nobody is told where they lay
    """

    def __init__(self, manager: Any, limits: Limits, shown: Sequence[tuple[str, str]]) -> None:
        self.manager, self.limits, self.shown = manager, limits, shown
        self.client = _Client(manager, limits)
        self.alive = False
        self.late = ""  # why what was asked last was interrupted
        self.waits: dict[str, float] | None = None  # for a processor, when last looked at
        self.waited = 0.0  # seconds that were added to limits for it
        self.asked = False  # whether it has been put a question, or forked to be
        self.within: Any = None  # the manager of the kernel of which it is a fork
        self.runs = 0

    async def start(self) -> None:
        """Raises SandboxError if it does not come to life."""
        try:
            await self.client.async_start_new_kernel()
            await self.client.async_start_new_kernel_client()
        except (OSError, RuntimeError, DeadKernelError) as error:
            raise SandboxError(f"the kernel did not start: {error}") from error
        self.alive = True

    async def prepare(self, source: str) -> None:
        """Run a cell of ours.  Raises SandboxError if it fails."""
        cell = _cell(source)
        self.client.begin()
        try:
            await self.client.async_execute_cell(cell, self._place(cell), store_history=False)
        except DeadKernelError as error:
            raise SandboxError(f"the kernel did not start: {error}") from error
        if self.client.reply.get("status") != "ok":
            raise SandboxError(f"the kernel could not be prepared: {self._error()}")

    def forget_outputs(self) -> None:
        """Keep none of what cells print and show from now on; it is counted as before."""
        self.client.keeps = False

    @property
    def outputs(self) -> list[Any]:
        """Those of the cell that ran last."""
        return list(self.client.nb.cells[-1].outputs)

    @property
    def why(self) -> str:
        """What was said when it was ended from outside, or of its own end; "" if nothing was."""
        return str(self.manager.why or (self.within.why if self.within else ""))

    async def lives(self) -> bool:
        """Whether its process does; `alive` is as it was when it was last spoken to."""
        self.alive = self.alive and not self.why and bool(await self.manager.is_alive())
        return self.alive

    @property
    def forkable(self) -> bool:
        """Whether it is of a kind that forks, and as far as is known it does."""
        return bool(self.manager.forks)

    async def fork(self) -> Kernel | None:
        """A kernel in the same state, to be asked in place of this one, which stands still until
        the fork is closed; None if this kernel cannot be forked."""
        manager = await self.manager.fork(self.client.kc)
        if manager is None:
            return None
        forked = Kernel(manager, self.limits, self.shown)
        forked.within = self.manager
        try:
            await forked.start()
        except SandboxError:
            await forked.close()
            return None
        forked.runs = self.runs
        self.asked = True
        return forked

    def _place(self, cell: Any) -> int:
        cells = self.client.nb.cells
        cells.append(cell)
        return len(cells) - 1

    async def run(self, source: str, seconds: float) -> Ran:
        """Run one cell, at most for `seconds`; it is interrupted then, and killed if that fails."""
        cell = _cell(source)
        self.client.begin()
        self.runs += 1
        work = self.client.async_execute_cell(cell, self._place(cell))
        how = await self._until_done(work, seconds)
        if how in ("gone", "lost") or self.manager.why:
            self.alive = False
            too_much = "it sent more at once than can be read" if how == "lost" else ""
            return Ran("gone", self.runs, self.manager.why or too_much or "the kernel died")
        count = self.client.reply.get("execution_count")
        self.runs = count if isinstance(count, int) and 0 < count < 10**6 else self.runs
        if how == "over":
            return Ran("interrupted", self.runs, _over_output(self.limits))
        if how == "late":
            return Ran("interrupted", self.runs, f"it did not end within {seconds:g} s")
        if how == "stuck":
            self.alive = False
            return Ran(
                "gone", self.runs, f"it did not end within {seconds:g} s, nor when interrupted"
            )
        if self.client.reply.get("status") == "error":
            return Ran("raised", self.runs, self._error(), self._line())
        return Ran("ok", self.runs)

    def _error(self) -> str:
        """The error that the kernel last replied with, as Python would say it in one line."""
        parts = (self.client.reply.get(part) for part in ("ename", "evalue"))
        words = (part[:LONG_ERROR] if isinstance(part, str) else "" for part in parts)
        said = " ".join(": ".join(words).split()).strip(": ")
        return self._without_folder(IN_RUN.sub("", said))[:400] + exceeded(said, self.limits)

    def _line(self) -> int:
        """The innermost line of the cell just run that the error went through."""
        trace = self.client.reply.get("traceback")
        trace = trace if isinstance(trace, list) else []
        text = ANSI.sub("", "\n".join(str(part) for part in trace)[-100_000:])
        lines = [int(n) for run, old, n in RUN_LINE.findall(text) if int(run or old) == self.runs]
        return lines[-1] if lines else 1

    def _without_folder(self, text: str) -> str:
        for path, name in self.shown:
            text = text.replace(path, name)
        return text

    async def _until_done(self, work: Coroutine[Any, Any, Any], seconds: float) -> str:
        """ "done", "late" or "over" (interrupted, and it ended), "stuck", "gone" or "lost"."""
        late, begun = False, time.monotonic()

        async def watch() -> None:
            nonlocal late
            if await self._patiently(seconds, time.monotonic() - begun):
                # it may have ended: an interrupt in the middle of its reply loses the reply
                await asyncio.sleep(ENDING_SECONDS)
            else:
                late = True
            await self._interrupt()
            await asyncio.sleep(INTERRUPT_SECONDS)

        try:
            ended = await self._watched(work, watch, seconds)
            if ended is not None:
                ended.result()
                return "stuck"
        except CellTimeoutError:
            return "lost"
        except Exception:  # dead, or what it sends is no message: nbclient trusts a kernel
            return "gone"
        if late:
            return "late"
        return "over" if self.client.over.done() else "done"

    async def _watched(
        self,
        work: Coroutine[Any, Any, Any],
        watch: Callable[[], Coroutine[Any, Any, None]],
        seconds: float,
    ) -> asyncio.Task[None] | None:
        """None once `work` has come to its end; or the `watch` that came to its own before, upon
        which the work is given up.

        To watch begins once too much is printed, or some of the `seconds` have passed.  Most work
        ends before, and is no task of its own: to make one and wait for it takes as long.
        """
        loop, me = asyncio.get_running_loop(), asyncio.current_task()
        watching: asyncio.Task[None] | None = None
        done = False

        def begin(_: object = None) -> None:
            nonlocal watching
            if watching is None and not done:
                watching = loop.create_task(watch())
                watching.add_done_callback(give_up)

        def give_up(ended: asyncio.Task[None]) -> None:
            if not ended.cancelled() and not done:
                limit.reschedule(0)

        self.waits = None
        timer = loop.call_later(min(seconds / 2, UNWATCHED_SECONDS), begin)
        self.client.over.add_done_callback(begin)
        try:
            async with asyncio.timeout(None) as limit:
                await work
        except Exception:
            if me is not None and me.cancelling():  # nbclient would take it for the kernel's death
                raise asyncio.CancelledError from None
            if limit.expired():
                return watching
            raise
        finally:
            done = True
            timer.cancel()
            self.client.over.remove_done_callback(begin)
            if watching is not None:
                watching.remove_done_callback(give_up)
                await _ended(watching)
        return None

    async def _interrupt(self) -> None:
        with contextlib.suppress(RuntimeError, ProcessLookupError):
            await self.manager.interrupt_kernel()

    async def ask(self, function: str, argument: str | None, most: int) -> list[dict[str, Any]]:
        """The messages that a function of inside.py publishes, the first `most` of them.

        What takes longer than a call may, without a message, is interrupted; if that fails,
        `alive` is false and the kernel good for nothing.  What comes back is not to be trusted.

        Raises SandboxError if our own half of it failed, or more came than can be kept.
        """
        cell, arguments = _cell(""), () if argument is None else (argument,)
        self.client.begin()
        self.client.received, self.client.most = [], most
        self.client.room = max(MOST_ANSWERED, most * MOST_FOR_EACH)
        self.late, self.asked = "", True
        work = self.manager.ask(self.client, cell, self._place(cell), function, *arguments)
        try:
            await self._answered(work)
            texts = self.client.received
        finally:
            self.client.received = None
        failed = self.client.reply.get("status") == "error"
        if failed and self.client.reply.get("ename") != "KeyboardInterrupt":
            raise SandboxError(f"{function} failed in the kernel: {self._error()}")
        if self.client.room < 0:
            raise SandboxError("its results together are too large to be read")
        messages: list[dict[str, Any]] = []
        left = MOST_PARTS
        for text in texts:
            left -= sum(map(text.count, "[{,"))
            if left < 0:
                break
            with contextlib.suppress(ValueError, RecursionError):
                several = json.loads(self._without_folder(text))
                if isinstance(several, list):
                    messages += [message for message in several if isinstance(message, dict)]
        return messages[:most]

    async def _answered(self, work: Coroutine[Any, Any, Any]) -> None:
        asked = time.monotonic()

        async def watch() -> None:
            self.late = await self._late(asked)
            await self._interrupt()
            await self._patiently(INTERRUPT_SECONDS)

        try:
            ended = await self._watched(work, watch, self.limits.call_seconds)
        except Exception:
            self.alive, self.late = False, ""  # it died, which is seen only after a while
            return
        if ended is not None:
            ended.result()
            self.alive = False

    async def _late(self, asked: float) -> str:
        """Waits for what was asked until it has to be interrupted, and says why."""
        call = self.limits.call_seconds
        together = max(call, self.limits.cell_seconds)
        waited, passed = self.waited, time.monotonic() - asked

        def last() -> float:
            return asked + together + min(self.waited - waited, MOST_HELD_UP * together)

        while True:
            since = max(asked, self.client.arrived)
            ends = min(since + call, last())
            await self._patiently(ends - time.monotonic() + passed, passed)
            passed = 0.0
            if time.monotonic() >= last():
                return f"its calls together took more than {together:g} s"
            if ends == since + call and max(asked, self.client.arrived) == since:
                return f"the call did not end within {call:g} s"

    async def _patiently(self, seconds: float, passed: float = 0.0) -> bool:
        """Wait for so long, of which some may have passed, and then for as long again as the kernel
        had to wait for a processor, which is no fault of the notebook's; MOST_HELD_UP times at
        most.  Whether a cell has printed too much meanwhile, which ends it."""
        left, room = seconds - passed, MOST_HELD_UP * seconds
        if self.waits is None:
            self.waits = processes.waits(self.manager.pid)
        while not await _done(self.client.over, left):
            before, self.waits = self.waits, processes.waits(self.manager.pid)
            grown = (more - before.get(thread, 0.0) for thread, more in self.waits.items())
            left = min(max(grown, default=0.0), room)
            if left <= SHORT_SECONDS:
                return False
            room -= left
            self.waited += left
        return True

    async def close(self) -> None:
        """Kill the kernel and every process that it left behind."""
        with contextlib.suppress(Exception):  # it may be half started or already dead
            if not self.alive:
                self.manager.end("")  # with what it may have left behind
            await self.manager.shutdown_kernel(now=True)
        if self.client.kc is not None:
            self.client.kc.stop_channels()
        await self.manager.cleanup_resources()


def _cell(source: str) -> Any:
    # not nbformat's new_code_cell, which validates what it makes
    return nbformat.from_dict(
        {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "id": "c"}
    )


async def _done(awaited: asyncio.Future[None], seconds: float) -> bool:
    """Whether it is done within that time."""
    done, _ = await asyncio.wait({awaited}, timeout=max(seconds, 0))
    return bool(done)


async def _ended(task: asyncio.Future[Any]) -> None:
    if not task.done():
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _over_output(limits: Limits) -> str:
    return f"it printed more than {limits.output_bytes / 2**20:g} MB and was interrupted"


def texts(names: Sequence[str]) -> dict[str, str]:
    """What runs inside a kernel, by the name under which it is known there."""
    return {f"grader_{name}": INSIDE[name].read_text("utf-8") for name in names}


def codes(names: Sequence[str]) -> dict[str, str]:
    """The same compiled, once for all runs: to compile it takes longer than to send it."""
    return {f"grader_{name}": outer.code(name, INSIDE[name]) for name in names}


@dataclass(frozen=True, slots=True)
class Spot:
    """Where one kernel lives: a folder of ours, a user, and the folders that it may write, which
    are in its own mounts where it has some, and else in that folder; it is made only where it is
    needed."""

    folder: Path
    uid: int
    gid: int
    folders: dict[str, str]


class Kernels(ABC):
    """Where kernels of one kind come from; closed when the run ends.

    home  a folder of this run's; data  what notebooks find beside them, or ""
    """

    kind: str

    def __init__(self, home: Path, data: str, rung: Rung, limits: Limits) -> None:
        self.home, self.rung, self.limits = home, rung, limits
        self.data_folder = data
        self.data = outer.DATA if data and rung.bubblewrap else data
        self.managers: set[Any] = set()
        self.watching: asyncio.Task[None] | None = None
        self.slots: set[int] = set()
        self.numbers = itertools.count()  # of their folders: none gets what another one left

    @property
    def settings(self) -> dict[str, Any]:
        """What inside.py is told before the first cell."""
        return {
            "data": self.data,
            "training_steps": self.limits.training_steps,
            "output_bytes": self.limits.output_bytes,
            "hidden": outer.OURS,
            "shared": self.rung.alone or "landlock" not in self.rung.inner,
        }

    @abstractmethod
    async def new(self, seed: int, imports: frozenset[str], spot: Spot) -> Kernel:
        """A kernel that is ready for a notebook.  Raises SandboxError if there is none."""

    async def open(self) -> None:  # noqa: B027  (not every kind has to)
        """Make ready.  Raises PipeError if no kernel could be started here."""

    async def close(self) -> None:
        """End what is left of them."""
        if self.watching is not None:
            await _ended(self.watching)

    @contextlib.asynccontextmanager
    async def kernel(
        self, seed: int, imports: frozenset[str] = frozenset()
    ) -> AsyncIterator[Kernel]:
        """A kernel for one notebook, which imports these packages.

        Raises SandboxError if it cannot be started.
        """
        if self.watching is None:
            self.watching = asyncio.create_task(self._watch())
        slot = next(n for n in range(len(self.slots) + 1) if n not in self.slots)
        self.slots.add(slot)
        folder = self.home / f"k{next(self.numbers)}"
        try:
            it = await self.new(seed, imports, self._spot(slot, folder))
            self.managers.add(it.manager)
            try:
                yield it
            finally:
                self.managers.discard(it.manager)
                await it.close()
        finally:
            self.slots.discard(slot)
            folders.remove(folder)

    def _spot(self, slot: int, folder: Path) -> Spot:
        if sys.platform == "win32":
            uid = gid = 0
        elif "uid" in self.rung.inner:
            uid = gid = outer.FIRST_UID + slot
        else:
            uid, gid = os.getuid(), os.getgid()
        if self.rung.alone:  # and all that it writes goes with its mounts
            return Spot(folder, uid, gid, dict(outer.FOLDERS))
        folder.mkdir(mode=0o700)
        folders = {name: str(folder / name) for name in outer.FOLDERS}
        for place in folders.values():
            Path(place).mkdir(mode=0o700)
            if uid >= outer.FIRST_UID:
                os.chown(place, uid, gid)
        if uid >= outer.FIRST_UID:
            folder.chmod(0o711)
        return Spot(folder, uid, gid, folders)

    def shown(self, spot: Spot) -> list[tuple[str, str]]:
        """What is said in place of our folders; the innermost first."""
        pairs = [
            (spot.folders["work"], "/content"),
            (spot.folders["home"], "/root"),
            (spot.folders["tmp"], "/tmp"),
        ]
        pairs += [(self.data, "/content"), (str(spot.folder), "/root"), (str(self.home), "/root")]
        inside = 4 if self.rung.alone else len(pairs)  # of ours nothing else is seen there
        return [(path, name) for path, name in pairs[:inside] if path and path != name]

    def run(self, spot: Spot, also: Sequence[str] = (), seen: Sequence[str] = ()) -> dict[str, Any]:
        """What the walls of a kernel are told; beside its own folders it may write `also`, and see
        what is `seen` below them."""
        limits = self.limits
        covered = [*outer.below(tuple(spot.folders.values())), *also, *seen]
        return {
            "folders": spot.folders,
            "also": list(also),
            "uid": spot.uid,
            "gid": spot.gid,
            "covered": covered if self.rung.alone else [],
            "memory_bytes": limits.memory_bytes,
            "disk_bytes": limits.disk_bytes,
            "most_files": MOST_FILES,
            "processes": limits.processes,
            "cpu_seconds": int(2 * limits.notebook_seconds + 60),
        }

    async def _watch(self) -> None:
        """End every kernel that uses more than it may, all its processes together: the limits that
        the system keeps are for one process each.

        Looked in a thread: who shares much memory among many processes makes it take seconds.
        """
        looks, most = 0, self.limits.memory_bytes
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            looks += 1
            closely = looks % 10 == 0
            for manager in tuple(self.managers):
                if await asyncio.to_thread(
                    processes.uses_more, manager.pid, manager.base, most, closely=closely
                ):
                    self._end(manager, f"it used more than {size(most)} of memory")
                if closely and (
                    why := await asyncio.to_thread(
                        folders.excess, manager.spot.folder, self.limits.disk_bytes
                    )
                ):
                    self._end(manager, why)

    def _end(self, manager: Any, why: str) -> None:
        if manager in self.managers:  # or it has been closed while it was looked at
            manager.end(why)


def data_folder(home: Path, data: Mapping[str, Path]) -> str:
    """A copy below `home` of what the homework hands out, by its names there, for kernels to read;
    "" if nothing."""
    if not data:
        return ""
    folder = home / "data"
    folder.mkdir()
    for name, path in data.items():
        if path.is_dir():
            shutil.copytree(path, folder / name)
        else:
            shutil.copy(path, folder / name)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return str(folder)
