"""Cold kernels: a process each, started and spoken to as jupyter_client does it, over ipc sockets.

For systems without forks of a warm process, and as the referee of those.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

from grader.errors import SandboxError
from grader.sandbox import outer, processes
from grader.sandbox.kernel import Kernel, Kernels, Spot, texts

STARTS = 2  # until a kernel counts as one that does not start
SEND_MILLISECONDS = 2000  # in which a kernel that lives takes what it is sent
MESSAGE_BYTES = 64 * 2**20  # of one message; after a longer one no more output can be had

# Without debugpy the kernel is up 90 ms earlier; no notebook is debugged here.
START = """
import json, os, sys, types
told = json.loads(sys.argv.pop(1))
sys.path[:] = ["", *(p for p in sys.path if p and p not in told["away"])]
sys.path_importer_cache.clear()
if sys.platform == "linux" and not told["alone"]:
    # another process above the kernel, to which all comes back that it may leave behind
    import ctypes, signal
    be_subreaper = 36
    ctypes.CDLL(None).prctl(be_subreaper, 1, 0, 0, 0)
    os.environ["JPY_PARENT_PID"] = str(os.getpid())
    kernel = os.fork()
    if kernel:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        status = os.waitpid(kernel, 0)[1]
        while strays := open(f"/proc/self/task/{os.getpid()}/children").read().split():
            for stray in strays:
                os.kill(int(stray), signal.SIGKILL)
            try:
                os.wait()
            except OSError:
                pass
        os._exit(min(1, status))
if told["walls"]:
    walls = types.ModuleType("grader_walls")
    exec(compile(told["text"], "<grader_walls>", "exec"), walls.__dict__)
if told["alone"]:
    # a plain user may mount the /proc of no processes but those of his own innermost namespace
    walls.unshare(walls.NEWPID)
    kernel = os.fork()
    if kernel:
        os._exit(min(1, os.waitpid(kernel, 0)[1]))
sys.modules["debugpy"] = None
import ipykernel.kernelapp
try:
    import ipykernel.debugger
except ImportError:
    pass
del sys.modules["debugpy"]
if told["walls"]:
    walls.Walls(told["walls"], told["read"], told["alone"], listed=told["listed"]).up(told["run"])
    from ipykernel import iostream
    import zmq
    # what forked workers print goes over TCP, even where all else is ipc; without internet sockets
    # zmq would end the process
    def pipe_in(self, url="ipc://" + told["socket"]):
        self._pipe_uuid = os.urandom(16)
        pipe = self.socket.context.socket(zmq.PULL)
        pipe.linger = 0
        pipe.bind(url)
        self._pipe_in = iostream.ZMQStream(pipe, self.io_loop)
        self._pipe_in.on_recv(self._handle_pipe_msg)
    def pipe_out(self, url="ipc://" + told["socket"]):
        context = zmq.Context()
        pipe = context.socket(zmq.PUSH)
        pipe.linger = 3000
        pipe.connect(url)
        return context, pipe
    iostream.IOPubThread._setup_pipe_in = pipe_in
    iostream.IOPubThread._setup_pipe_out = pipe_out
del told
ipykernel.kernelapp.launch_new_instance()
"""


class ColdKernels(Kernels):
    """Kernels that each start from nothing."""

    kind = "cold"

    async def new(self, seed: int, imports: frozenset[str], spot: Spot) -> Kernel:
        failures = []
        for _ in range(STARTS):
            manager = _Manager(self, spot)
            kernel = Kernel(manager, self.limits, self.shown(spot))
            try:
                await kernel.start()
                await kernel.prepare(_loading({**self.settings, "seed": seed}))
                return kernel
            except SandboxError as error:
                await kernel.close()
                failures.append(f"{error}; {manager.said}".strip("; "))
            except BaseException:
                await kernel.close()
                raise
        raise SandboxError("; and when it was started again: ".join(failures))


class _Manager(AsyncKernelManager):
    """Starts this interpreter's ipykernel, whatever kernels are registered on the machine.

    why   what was said when it was ended from outside: over a limit
    said  its last words, once it is cleaned up, besides the messages that it sent
    """

    forks = False

    def __init__(self, kernels: ColdKernels, spot: Spot) -> None:
        self.spot, self.rung = spot, kernels.rung
        self.connection = spot.folder / "c"
        # where the kernel finds it
        self.inside = outer.SOCKETS if self.rung.bubblewrap else str(self.connection)
        spot.folder.mkdir(mode=0o700, exist_ok=True)
        self.connection.mkdir(mode=0o700, exist_ok=True)
        super().__init__(transport="ipc", ip=str(self.connection / "s"))
        self.connection_file = str(self.connection / "c.json")
        self.why = ""
        self.base = 0
        self.said = ""
        self.errors: Any = None
        self.environment = outer.environment(spot.folders)
        if not self.rung.alone:
            self._bring_fonts(Path(self.environment["MPLCONFIGDIR"]))
        read = [
            *outer.readable(masked=self.rung.bubblewrap),
            *([kernels.data] if kernels.data else []),
        ]
        fonts = outer.font_list() if self.rung.bubblewrap else None
        seen = [outer.seen_font_list(fonts)] if fonts is not None else []
        told = {
            "walls": list(self.rung.inner),
            "alone": self.rung.alone,
            "away": outer.away(),
            "read": read,
            "listed": outer.listed(),
            "run": kernels.run(spot, [self.inside], seen),
            "socket": f"{self.inside}/p",
            "text": texts(["walls"])["grader_walls"] if self.rung.inner else "",
        }
        command = outer.python(
            START,
            json.dumps(told),
            "-f",
            f"{self.inside}/c.json",
            "--HistoryManager.enabled=False",
            "--IPKernelApp.log_level=50",
            "--InteractiveShell.xmode=Plain",  # the default takes seconds over a RecursionError
            "--InteractiveShell.colors=NoColor",
        )
        if self.rung.bubblewrap:
            command = outer.wrapped(
                command,
                data=kernels.data_folder,
                environment=self.environment,
                run_folder=str(self.connection),
            )
        # a signal would reach bubblewrap, not the kernel in it
        mode = "message" if self.rung.bubblewrap else "signal"
        self._kernel_spec = KernelSpec(argv=command, language="python", interrupt_mode=mode)

    def _bring_fonts(self, place: Path) -> None:
        """What matplotlib knows of fonts, where it looks for it and keeps what else it finds."""
        fonts = outer.font_list()
        if fonts is None or place.exists():
            return
        place.mkdir(mode=0o700)
        shutil.copy(fonts, place)
        if self.spot.uid >= outer.FIRST_UID:
            for path in (place, place / fonts.name):
                os.chown(path, self.spot.uid, self.spot.gid)

    @property
    def pid(self) -> int:
        return getattr(self.provisioner, "pid", None) or 0

    async def start_kernel(self, **settings: Any) -> None:  # type: ignore[override]
        work = self.spot.folders["work"]
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed when it is cleaned up)
        await super().start_kernel(
            cwd="/" if self.rung.alone else work,
            env=self.environment,
            stdout=subprocess.DEVNULL,  # what it has to say comes as messages
            stderr=self.errors,  # but why it died before it could send any
            **settings,
        )

    def write_connection_file(self, **settings: Any) -> None:
        super().write_connection_file(**settings)
        path = Path(self.connection_file)
        told = {**json.loads(path.read_bytes()), "ip": f"{self.inside}/s"}
        path.write_text(json.dumps(told), "ascii")
        if self.spot.uid >= outer.FIRST_UID:
            for path in (self.connection, Path(self.connection_file)):
                os.chown(path, self.spot.uid, self.spot.gid)

    def client(self, **settings: Any) -> Any:
        made = super().client(**settings)
        made.context.setsockopt(zmq.MAXMSGSIZE, MESSAGE_BYTES)
        made.shell_channel.socket.setsockopt(zmq.SNDTIMEO, SEND_MILLISECONDS)
        # no thread that would wait for ever for a heart to beat: the process itself is watched
        made.start_channels = partial(  # type: ignore[method-assign]
            made.start_channels, hb=False
        )
        return made

    def _connect_control_socket(self) -> None:
        super()._connect_control_socket()
        assert self._control_socket is not None
        self._control_socket.setsockopt(zmq.SNDTIMEO, SEND_MILLISECONDS)

    async def _async_interrupt_kernel(self) -> None:
        with contextlib.suppress(zmq.Again):  # it reads nothing any more
            await super()._async_interrupt_kernel()

    async def interrupt_kernel(self) -> None:  # type: ignore[override]
        await self._async_interrupt_kernel()

    async def fork(self, client: Any) -> None:
        """A cold kernel has threads: it cannot be forked."""

    async def ask(self, client: Any, cell: Any, index: int, function: str, *arguments: str) -> None:
        """Call a function of inside.py by a cell."""
        call = f"{function}({', '.join(map(repr, arguments))})"
        cell.source = f"__import__('sys').modules['grader_inside'].{call}"
        await client.async_execute_cell(cell, index, store_history=False)

    def end(self, why: str) -> None:
        """Kill it, for a reason that will be told."""
        self.why = self.why or why
        if self.pid:
            if not self.rung.alone:
                processes.kill_below(self.pid)
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    async def shutdown_kernel(  # type: ignore[override]
        self, now: bool = False, restart: bool = False
    ) -> None:
        pid = self.pid
        if pid and not self.rung.alone:
            processes.kill_below(pid)
        if self.has_kernel:
            await super().shutdown_kernel(now=now, restart=restart)
        if pid and hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        while strays := _having(self.spot.folders["home"]) if not self.rung.alone else []:
            for stray in strays:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(stray, signal.SIGKILL)

    async def cleanup_resources(self, restart: bool = False) -> None:  # type: ignore[override]
        await super().cleanup_resources(restart=restart)
        self.context.destroy(linger=0)
        if self.errors is not None:
            self.said = outer.last_words(self.errors)
            self.errors.close()
            self.errors = None


def _having(home: str) -> list[int]:
    """The living processes with this HOME, where the system tells; a daemon has left its group."""
    entry = os.fsencode(f"HOME={home}\0")
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # another's, or just gone
            if entry in path.read_bytes():
                found.append(int(path.parent.name))
    return found


def _loading(boot: dict[str, Any]) -> str:
    """The cell that brings our half into the kernel, and leaves no name of its own behind."""
    # the file for last words lies on the machine's disk, where nobody counts what a notebook writes
    return (
        "def _load(texts, settings):\n"
        "    import contextlib, os, sys, types\n"
        "    with contextlib.suppress(OSError), open(os.devnull, 'wb') as nowhere:\n"
        "        os.dup2(nowhere.fileno(), sys.stderr.fileno())\n"
        "    for name, text in texts.items():\n"
        "        module = sys.modules[name] = types.ModuleType(name)\n"
        "        exec(compile(text, f'<{name}>', 'exec'), module.__dict__)\n"
        "    sys.modules['grader_inside'].boot(get_ipython(), settings)\n"
        "    sys.modules['grader_inside'].begin(settings['seed'])\n"
        f"_load({texts(['wire', 'colab', 'shared', 'inside'])!r}, {boot!r})\n"
        "del _load"
    )
