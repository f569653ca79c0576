"""A kernel: started in a folder of its own, given cells, asked, killed.

The only user of nbclient and jupyter_client.  An unmodified kernel protocol over ipc sockets in a
private folder; time limits and output limits are kept here, outside.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import zmq
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError

from grader.errors import SandboxError
from grader.model import Limits

HERE = Path(__file__).parent
MIME = "application/x-grader+json"
INSIDE = (HERE.parent / "wire.py", HERE / "colab.py", HERE / "inside.py")  # each needs the former
HIDDEN = ("grader", "reference", "fixtures")
INTERRUPT_SECONDS = 5.0  # how long an interrupted cell may take to end
LOST_SECONDS = 15  # how long after a cell's end its last output may come
MESSAGE_BYTES = 64 * 2**20  # of one message; after a longer one no more output can be had
ANSI = re.compile(r"\x1b\[[0-9;]*m")
# how a traceback, and a syntax error's text, name a line of the notebook
RUN_LINE = re.compile(r"(?:<run (\d+)>\"?|\bIn\[(\d+)\])(?:, line |:)(\d+)")
IN_RUN = re.compile(r" \(<run \d+>, line \d+\)")

# An editable install puts the checkout, the reference in it, on every interpreter's path.  Without
# debugpy the kernel is up 90 ms earlier; no notebook is debugged here.
START = """
import os, sys
sys.path[:] = [p for p in sys.path if not os.path.isfile(os.path.join(p, "grader", "model.py"))
               or os.path.basename(p) in ("site-packages", "dist-packages")]
sys.path_importer_cache.clear()
sys.modules["debugpy"] = None
import ipykernel.kernelapp
try:
    import ipykernel.debugger
except ImportError:
    pass
del sys.modules["debugpy"]
ipykernel.kernelapp.launch_new_instance()
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """How a cell ended: "ok", "raised", "interrupted" (over a limit, and it obeyed), or "gone"
    (the kernel is dead, or had to be killed).  `run` is the number by which the kernel knows it."""

    how: str
    run: int
    error: str = ""
    line: int = 1  # the line of this cell at which it stopped


class _Manager(AsyncKernelManager):
    """Starts this interpreter's ipykernel, whatever kernels are registered on the machine."""

    def __init__(self, folder: Path) -> None:
        super().__init__(transport="ipc", ip=str(folder / "s"))
        self.connection_file = str(folder / "c.json")
        self._kernel_spec = KernelSpec(
            argv=[
                sys.executable,
                "-c",
                START,
                "-f",
                "{connection_file}",
                "--HistoryManager.enabled=False",
                "--IPKernelApp.log_level=50",
                "--InteractiveShell.xmode=Plain",  # the default takes seconds over a RecursionError
                "--InteractiveShell.colors=NoColor",
            ],
            language="python",
        )

    def client(self, **settings: Any) -> Any:
        made = super().client(**settings)
        made.context.setsockopt(zmq.MAXMSGSIZE, MESSAGE_BYTES)
        return made


class _Client(NotebookClient):
    """A NotebookClient that bounds what a cell may print and hands over what `ask` receives."""

    def __init__(self, manager: _Manager, limits: Limits) -> None:
        super().__init__(
            nbformat.v4.new_notebook(),
            km=manager,
            allow_errors=True,
            timeout=None,
            iopub_timeout=LOST_SECONDS,
            raise_on_iopub_timeout=True,
        )
        self.on_cell_executed = self._replied
        self.reply: dict[str, Any] = {}
        self.most_bytes = limits.output_bytes
        self.printed = 0
        self.over = asyncio.Event()
        self.received: asyncio.Queue[str] | None = None

    async def _replied(self, cell: Any, cell_index: int, execute_reply: dict[str, Any]) -> None:
        self.reply = execute_reply["content"]

    def process_message(self, msg: dict[str, Any], cell: Any, cell_index: int) -> Any:
        content = msg["content"]
        if msg["msg_type"] == "stream":
            self.printed += len(content.get("text", ""))
        elif msg["msg_type"] in ("display_data", "execute_result", "update_display_data"):
            if MIME in (data := content.get("data", {})):
                if self.received is not None and isinstance(data[MIME], str):
                    self.received.put_nowait(data[MIME])
                return None
            self.printed += sum(len(part) for part in data.values() if isinstance(part, str))
        if self.printed > self.most_bytes:
            self.over.set()
            if msg["msg_type"] in ("stream", "display_data", "execute_result"):
                return None
        return super().process_message(msg, cell, cell_index)


class Kernel:
    """One kernel and its folder; made by `kernel`."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits = folder, limits
        self.manager = _Manager(folder)
        self.client = _Client(self.manager, limits)
        self.alive = False
        self.stuck = False  # it neither ended nor obeyed an interrupt
        self.runs = 0

    async def _start(self, settings: dict[str, Any]) -> None:
        work = self.folder / "work"
        work.mkdir()
        (self.folder / "home").mkdir()
        await self.client.async_start_new_kernel(
            cwd=str(work),
            env=self._environment(),
            stdout=subprocess.DEVNULL,  # what it has to say comes as messages
            stderr=subprocess.DEVNULL,
        )
        await self.client.async_start_new_kernel_client()
        self.alive = True
        cell = nbformat.v4.new_code_cell(_loading(settings))
        await self.client.async_execute_cell(cell, self._place(cell), store_history=False)
        if self.client.reply.get("status") != "ok":
            raise SandboxError(f"the kernel could not be prepared: {self._error()}")

    def _environment(self) -> dict[str, str]:
        home = self.folder / "home"
        kept = {
            n: os.environ[n] for n in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT") if n in os.environ
        }
        return {
            **kept,
            "HOME": str(home),
            "IPYTHONDIR": str(home / "ipython"),
            "LANG": "C.UTF-8",
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "MPLCONFIGDIR": str(self.folder.parent / "matplotlib"),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONHASHSEED": "0",
            "TMPDIR": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
        }

    def _place(self, cell: Any) -> int:
        cells = self.client.nb.cells
        cells.append(cell)
        return len(cells) - 1

    async def run(self, source: str, seconds: float) -> Ran:
        """Run one cell, at most for `seconds`; it is interrupted then, and killed if that fails."""
        cell = nbformat.v4.new_code_cell(source)
        self.client.printed = 0
        self.client.over.clear()
        self.runs += 1
        task = asyncio.ensure_future(self.client.async_execute_cell(cell, self._place(cell)))
        try:
            how = await self._until_done(task, seconds)
        finally:
            await _ended(task)
        if how == "gone":
            self.alive = False
            return Ran("gone", self.runs, "the kernel died")
        if how == "lost":
            self.alive = False
            return Ran("gone", self.runs, "it sent more at once than can be read")
        count = cell.get("execution_count")
        self.runs = count if isinstance(count, int) and 0 < count < 10**6 else self.runs
        if how == "over":
            return Ran("interrupted", self.runs, _over_output(self.limits))
        if how == "late":
            return Ran("interrupted", self.runs, f"it did not end within {seconds:g} s")
        if how == "stuck":
            self.alive, self.stuck = False, True
            return Ran(
                "gone", self.runs, f"it did not end within {seconds:g} s, nor when interrupted"
            )
        if self.client.reply.get("status") == "error":
            return Ran("raised", self.runs, self._error(), self._line())
        return Ran("ok", self.runs)

    def _error(self) -> str:
        """The error that the kernel last replied with, as Python would say it in one line."""
        reply = self.client.reply
        said = " ".join(f"{reply.get('ename')}: {reply.get('evalue')}".split()).rstrip(": ")
        return self._without_folder(IN_RUN.sub("", said))[:400]

    def _line(self) -> int:
        """The innermost line of the cell just run that the error went through."""
        trace = self.client.reply.get("traceback") or []
        text = ANSI.sub("", "\n".join(str(part) for part in trace)[-100_000:])
        lines = [int(n) for run, old, n in RUN_LINE.findall(text) if int(run or old) == self.runs]
        return lines[-1] if lines else 1

    def _without_folder(self, text: str) -> str:
        """`text` with the folders of this kernel named as on Colab: results are the same in
        every run, and nobody is shown where ours lay."""
        home = self.folder.parent
        for ours in (self.folder / "work", home / "data"):
            text = text.replace(str(ours), "/content")
        return text.replace(str(self.folder), "/root").replace(str(home), "/root")

    async def _until_done(self, task: asyncio.Future[Any], seconds: float) -> str:
        """ "done", "late" or "over" (interrupted, and it ended), "stuck", "gone" or "lost"."""
        over = asyncio.ensure_future(self.client.over.wait())
        try:
            done, _ = await asyncio.wait(
                {task, over}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if task not in done:
                how = "over" if over in done else "late"
                await self._interrupt()
                await asyncio.wait({task}, timeout=INTERRUPT_SECONDS)
                if not task.done():
                    return "stuck"
            else:
                how = "done"
            task.result()
            return how
        except CellTimeoutError:
            return "lost"
        except Exception:  # dead, or what it sends is no message: nbclient trusts a kernel
            return "gone"
        finally:
            over.cancel()

    async def _interrupt(self) -> None:
        with contextlib.suppress(RuntimeError, ProcessLookupError):
            await self.manager.interrupt_kernel()

    async def ask(self, function: str, argument: str | None, cases: int) -> list[dict[str, Any]]:
        """The messages that a function of inside.py publishes, at most one for each of `cases`
        and one before them.

        A call that takes longer than the limit is interrupted; if that fails, `alive` is false and
        the kernel good for nothing.  What comes back is not to be trusted.

        Raises SandboxError if our own half of it failed.
        """
        call = f"{function}({'' if argument is None else repr(argument)})"
        cell = nbformat.v4.new_code_cell(f"__import__('sys').modules['grader_inside'].{call}")
        self.client.reply = {}
        self.client.printed = 0
        self.client.over.clear()
        self.client.received = asyncio.Queue()
        task = asyncio.ensure_future(
            self.client.async_execute_cell(cell, self._place(cell), store_history=False)
        )
        messages: list[dict[str, Any]] = []
        try:
            async for text in self._arriving(task):
                with contextlib.suppress(ValueError, RecursionError):
                    message = json.loads(self._without_folder(text))
                    if isinstance(message, dict) and len(messages) <= cases:
                        messages.append(message)
        finally:
            await _ended(task)
            self.client.received = None
        failed = self.client.reply.get("status") == "error"
        if failed and self.client.reply.get("ename") != "KeyboardInterrupt":
            raise SandboxError(f"{function} failed in the kernel: {self._error()}")
        return messages

    async def _arriving(self, task: asyncio.Future[Any]) -> AsyncIterator[str]:
        queue = self.client.received
        assert queue is not None
        interrupted = False
        while True:
            getting = asyncio.ensure_future(queue.get())
            seconds = INTERRUPT_SECONDS if interrupted else self.limits.call_seconds
            try:
                done, _ = await asyncio.wait(
                    {task, getting}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
                )
                if getting in done:
                    yield getting.result()
                    continue
            finally:
                getting.cancel()
            if task in done:
                while not queue.empty():
                    yield queue.get_nowait()
                if not task.cancelled() and task.exception() is not None:
                    self.alive = False
                return
            if interrupted:
                self.alive, self.stuck = False, True
                return
            interrupted = True
            await self._interrupt()

    async def close(self) -> None:
        """Kill the kernel and every process that it left behind."""
        pid = getattr(self.manager.provisioner, "pid", None)
        with contextlib.suppress(Exception):  # it may be half started or already dead
            if self.manager.has_kernel:
                await self.manager.shutdown_kernel(now=True)
        if self.client.kc is not None:
            self.client.kc.stop_channels()
        if pid and hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        while strays := _having(str(self.folder / "home")):
            for stray in strays:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(stray, signal.SIGKILL)
        self.manager.context.destroy(linger=0)


async def _ended(task: asyncio.Future[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _having(home: str) -> list[int]:
    """The living processes with this HOME, where the system tells; a daemon has left its group."""
    entry = os.fsencode(f"HOME={home}\0")
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # another's, or just gone
            if entry in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def _loading(settings: dict[str, Any]) -> str:
    """The cell that brings our half into the kernel, and leaves no name of its own behind."""
    texts = {f"grader_{path.stem}": path.read_text("utf-8") for path in INSIDE}
    return (
        "def _load(texts, settings):\n"
        "    import sys, types\n"
        "    for name, text in texts.items():\n"
        "        module = sys.modules[name] = types.ModuleType(name)\n"
        "        exec(compile(text, f'<{name}>', 'exec'), module.__dict__)\n"
        "    sys.modules['grader_inside'].boot(get_ipython(), settings)\n"
        f"_load({texts!r}, {settings!r})\n"
        "del _load"
    )


def _over_output(limits: Limits) -> str:
    return f"it printed more than {limits.output_bytes / 2**20:g} MB and was interrupted"


@contextlib.asynccontextmanager
async def kernel(home: Path, settings: dict[str, Any], limits: Limits) -> AsyncIterator[Kernel]:
    """A kernel that is ready for a notebook, in a folder of its own below `home`.

    Raises SandboxError if it cannot be started.
    """
    folder = Path(tempfile.mkdtemp(prefix="k", dir=home))
    it = Kernel(folder, limits)
    try:
        try:
            await it._start(settings)
        except (OSError, RuntimeError, DeadKernelError) as error:
            raise SandboxError(f"the kernel did not start: {error}") from error
        yield it
    finally:
        await it.close()
        shutil.rmtree(folder, ignore_errors=True)


def settings(seed: int, data: str, limits: Limits) -> dict[str, Any]:
    """What inside.py is told before the first cell."""
    return {
        "seed": seed,
        "data": data,
        "training_steps": limits.training_steps,
        "output_bytes": limits.output_bytes,
        "hidden": HIDDEN,
    }


def data_folder(home: Path, data: Sequence[Path]) -> str:
    """A copy below `home` of what the homework hands out, for kernels to read; "" if nothing."""
    if not data:
        return ""
    folder = home / "data"
    folder.mkdir()
    for path in data:
        if path.is_dir():
            shutil.copytree(path, folder / path.name)
        else:
            shutil.copy(path, folder / path.name)
    return str(folder)
