"""Kernels as forks of a warm process: the side of them that nbclient drives.

A zygote has imported what the notebooks import; each notebook gets a fork of it, and Jupyter
messages go over a socket pair.  Nothing that comes from such a socket is trusted but its bytes.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import json
import os
import select
import signal
import socket
import struct
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nbclient.exceptions import DeadKernelError

from grader.errors import PipeError, SandboxError
from grader.model import Limits
from grader.sandbox import outer, processes
from grader.sandbox.kernel import Kernel, Kernels, Spot, codes
from grader.sandbox.ladder import Rung

# each needs only former ones
NAMES = ("walls", "wire", "colab", "shared", "inside", "serving", "zygote")
START_SECONDS = 60.0  # until a zygote has imported all, or a kernel answers
FORK_SECONDS = 10.0  # until a fork of a kernel answers: it takes milliseconds
SEND_SECONDS = 5.0  # in which a kernel takes some of what it is sent
FRAME_BYTES = 32 * 2**20  # of one message: a result may have 16 MB, and comes as text
UNTAKEN_BYTES = 2 * FRAME_BYTES  # of messages that nobody takes: an odd one may end who would
MOST_PARTS = 2_000_000  # brackets and commas of one message: small lists weigh far more than bytes
READ_BYTES = 2**16  # room for twice as many is not kept, but mapped anew for each read
HEAD = struct.Struct("<I")
TOO_MUCH = "it sent more at once than can be read"

BOOT = """
import json, marshal, sys, types
from binascii import a2b_base64
told = json.load(sys.stdin)
sys.path[:] = [p for p in sys.path if p and p not in told["away"]]
sys.path_importer_cache.clear()
sys.modules["debugpy"] = None
try:
    import ipykernel.debugger
except ImportError:
    pass
del sys.modules["debugpy"]
for name, code in told["codes"].items():
    module = sys.modules[name] = types.ModuleType(name)
    exec(marshal.loads(a2b_base64(code)), module.__dict__)
sys.modules["grader_zygote"].main(told["descriptor"], told["config"])
"""


# what a zygote imports if some notebook does; by the package that the notebook names
PRELOADED = {
    "matplotlib": ("matplotlib", "matplotlib.pyplot"),
    "pandas": ("pandas",),
    "scipy": ("scipy",),
    "tqdm": ("tqdm",),
}
TORCH = {"torch": ("torch",), "torch.optim": ("torch._dynamo",)}


class PipeKernels(Kernels):
    """Kernels from a tree of zygotes: one for all notebooks, and from it one that has torch."""

    kind = "pipe"

    def __init__(
        self, home: Path, data: str, rung: Rung, limits: Limits, imports: frozenset[str]
    ) -> None:
        super().__init__(home, data, rung, limits)
        self.imports = imports
        self.zygotes: dict[bool, Zygote] = {}  # by whether it has torch
        self.turn = asyncio.Lock()

    async def new(self, seed: int, imports: frozenset[str], spot: Spot) -> Kernel:
        environment = {} if self.rung.alone else outer.environment(spot.folders)
        request = {"run": self.run(spot), "seed": seed, "environment": environment}
        for again in (True, False):
            zygote = await self._zygote("torch" in imports)
            kernel = Kernel(PipeManager(zygote, request, spot), self.limits, self.shown(spot))
            try:
                await kernel.start()
                return kernel
            except BaseException as error:
                await kernel.close()
                if not (again and isinstance(error, SandboxError) and await self._died(zygote)):
                    raise
        raise AssertionError

    async def _zygote(self, torch: bool) -> Zygote:
        async with self.turn:
            if False not in self.zygotes:
                names = [
                    n for key, names in PRELOADED.items() if key in self.imports for n in names
                ]
                zygote = Zygote.started(self.rung, names, self.data_folder, self.settings)
                try:
                    await zygote.ready()
                except BaseException:
                    zygote.close()
                    raise
                self.zygotes[False] = zygote
            if torch and True not in self.zygotes:
                names = [n for key, names in TORCH.items() if key in self.imports for n in names]
                self.zygotes[True] = await self.zygotes[False].branch(names)
            return self.zygotes[torch]

    async def _died(self, zygote: Zygote) -> bool:
        """Whether the zygote has ended; then all of them are given up, and started anew."""
        if zygote.alive:
            return False
        async with self.turn:
            if zygote in self.zygotes.values():
                self._give_up()
        return True

    def _give_up(self) -> None:
        for _, zygote in sorted(self.zygotes.items(), reverse=True):
            zygote.close()
        self.zygotes.clear()

    async def open(self) -> None:
        try:
            await self._zygote(False)
        except SandboxError as error:
            raise PipeError(str(error)) from error

    async def close(self) -> None:
        await super().close()
        self._give_up()


# the zygote ---------------------------------------------------------------------------------------


class Zygote:
    """A warm process and the socket on which it takes requests; one at a time."""

    def __init__(self, control: socket.socket, rung: Rung) -> None:
        self.control, self.rung = control, rung
        self.process: subprocess.Popen[bytes] | None = None
        self.pid = 0
        self.errors: Any = None
        self.turn = asyncio.Lock()
        self.known: set[int] = set()  # its own children: living kernels, and zygotes
        control.setblocking(False)

    @classmethod
    def started(
        cls, rung: Rung, imports: Sequence[str], data: str, settings: Mapping[str, Any]
    ) -> Zygote:
        """One that is being started; `ready` tells when it is."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        it = cls(ours, rung)
        environment = outer.environment(outer.FOLDERS)
        command = outer.python(BOOT)
        if rung.bubblewrap:
            command = outer.wrapped(command, data=data, environment=environment)
        told = {
            "codes": codes(NAMES),
            "away": outer.away(),
            "descriptor": theirs.fileno(),
            "config": {
                "walls": rung.inner,
                "alone": rung.alone,
                "imports": list(imports),
                "settings": settings,
                "work": outer.FOLDERS["work"],
                "read": [
                    *outer.readable(masked=rung.bubblewrap),
                    *([outer.DATA if rung.bubblewrap else data] * bool(data)),
                ],
                "listed": outer.listed(),
            },
        }
        it.errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the process)
        if not rung.bubblewrap:
            caches = Path(tempfile.gettempdir()) / f"grader-matplotlib-{os.getuid()}"
            environment |= {"HOME": "/nonexistent", "MPLCONFIGDIR": str(caches)}
        it.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=it.errors,
            stderr=it.errors,
            env=environment,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
            cwd="/",
        )
        it.pid = it.process.pid
        theirs.close()
        assert it.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            it.process.stdin.write(json.dumps(told).encode())
        with contextlib.suppress(BrokenPipeError):
            it.process.stdin.close()
        return it

    async def ready(self) -> None:
        """Raises SandboxError if it does not come to serve."""
        await self._answer()

    async def branch(self, imports: Sequence[str]) -> Zygote:
        """A zygote forked from this one that imports more."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = {"fork": "zygote", "imports": list(imports)}
        descriptor, pid = await self._request(request, [theirs])
        theirs.close()
        it = Zygote(ours, self.rung)
        it.pid = pid
        os.close(descriptor)
        try:
            await it.ready()
        except SandboxError:
            it.close()
            raise
        return it

    async def kernel(self, request: Mapping[str, Any], ends: Sequence[Any]) -> tuple[int, int]:
        """A descriptor of a new fork that is to be a kernel, which takes over `ends`; and its
        process."""
        return await self._request({"fork": "kernel", **request}, ends)

    async def _request(self, request: Mapping[str, Any], ends: Sequence[Any]) -> tuple[int, int]:
        numbers = [end if isinstance(end, int) else end.fileno() for end in ends]
        async with self.turn:
            try:
                socket.send_fds(self.control, [json.dumps(request).encode()], numbers)
            except OSError as error:
                raise SandboxError(f"the process that starts kernels is gone: {error}") from None
            descriptors = await self._answer()
            pids = [processes.pid_of(descriptor) for descriptor in descriptors]
            self.known.update(pids)
        if len(descriptors) != 1:
            raise SandboxError("the process that starts kernels did not say which one it started")
        return descriptors[0], pids[0]

    async def ended(self, kernel: int) -> None:
        """What a kernel left behind ends too: without namespaces it has become a child of this."""
        async with self.turn:  # or a kernel just forked would be taken for such a one
            self.known.discard(kernel)
            if not self.rung.alone and self.pid:
                processes.kill_children(self.pid, self.known)

    async def _answer(self) -> list[int]:
        try:
            async with asyncio.timeout(START_SECONDS):
                await _readable(self.control)
        except TimeoutError:
            raise SandboxError(f"no kernel within {START_SECONDS:g} s") from None
        try:
            data, descriptors, *_ = socket.recv_fds(self.control, 2**16, 1)
        except OSError:
            data, descriptors = b"", []
        said = json.loads(data) if data else {"error": self._last_words()}
        if "error" in said:
            raise SandboxError(f"kernels cannot be started: {said['error'].strip()}")
        return descriptors

    @property
    def alive(self) -> bool:
        if self.control.fileno() < 0:
            return False
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        return not any(events & select.POLLHUP for _, events in poll.poll(0))

    def _last_words(self) -> str:
        if self.process is None or self.errors is None:
            return "their process ended"
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        text = outer.last_words(self.errors)
        return text or f"their process ended with code {self.process.poll()}"

    def close(self) -> None:
        """End it, and with it every kernel that it forked."""
        self.control.close()  # upon which it kills what is left
        if self.process is not None:
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.errors is not None:
            self.errors.close()


async def _readable(source: Any) -> None:
    loop = asyncio.get_running_loop()
    came = loop.create_future()

    def tell() -> None:
        if not came.done():
            came.set_result(None)

    loop.add_reader(source, tell)
    try:
        await came
    finally:
        loop.remove_reader(source)


# what nbclient needs of a kernel ------------------------------------------------------------------


class _Channel:
    """Messages that have arrived, for whoever waits for them; `dead` once no more can come."""

    def __init__(self) -> None:
        self.messages: deque[dict[str, Any]] = deque()
        self.bytes = 0  # that came since the last of them was taken
        self.waiting: asyncio.Future[None] | None = None
        self.dead = False

    def put(self, message: dict[str, Any], size: int) -> None:
        self.messages.append(message)
        self.bytes += size

    def die(self) -> None:
        self.dead = True
        self.wake()

    def wake(self) -> None:
        if (self.messages or self.dead) and self.waiting is not None and not self.waiting.done():
            self.waiting.set_result(None)

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        while not self.messages:
            if self.dead:
                raise DeadKernelError("Kernel died")
            self.waiting = asyncio.get_running_loop().create_future()
            await self.waiting
        message = self.messages.popleft()
        if not self.messages:
            self.bytes = 0
        return message


class PipeClient:
    """The connection to a kernel, as nbclient's `kc`.

    It is read only while a request is under way, so a thread that goes on printing fills nothing
    but its own pipe.
    """

    allow_stdin = False

    def __init__(self, manager: PipeManager) -> None:
        self.manager = manager
        self.shell_channel, self.iopub_channel = _Channel(), _Channel()
        self.count = 0
        self.current = ""
        self.received = bytearray()
        self.unsent = bytearray()
        self.blocked: asyncio.TimerHandle | None = None  # while the kernel takes nothing
        self.descriptors: list[int] = []
        self.first: asyncio.Future[dict[str, Any]] | None = None
        self.reading: dict[int, asyncio.AbstractEventLoop] = {}  # descriptors, and where they are
        self.under_way = False  # whether what comes is to be read
        self.take: Callable[[str], None] | None = None  # results, while there is a question
        self.answered: asyncio.Future[dict[str, Any]] | None = None
        self.decoders = {
            name: codecs.getincrementaldecoder("utf-8")("replace") for name in manager.raw
        }

    # nbclient's side

    def start_channels(self, **_: Any) -> None:
        self.first = asyncio.get_running_loop().create_future()
        self._read()

    def stop_channels(self) -> None:
        self._stop_writing()
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors.clear()
        self.manager.disconnect()

    async def wait_for_ready(self, timeout: float | None = None) -> None:
        assert self.first is not None
        try:
            async with asyncio.timeout(min(timeout or START_SECONDS, self.manager.patience)):
                said = await self.first
        except TimeoutError:
            self.manager.unanswered()
            raise RuntimeError("the kernel did not answer") from None
        if not said.get("ready") or not self.manager.met(self.descriptors):
            raise RuntimeError(str(said.get("error", "the kernel died")))
        self.under_way = False

    async def is_alive(self) -> bool:
        return not self.shell_channel.dead and await self.manager.is_alive()

    def kernel_info(self) -> str:
        return self._send("kernel_info_request", {})

    def execute(
        self, code: str, *, store_history: bool = True, stop_on_error: bool = True, **_: Any
    ) -> str:
        return self._send(
            "execute_request",
            {
                "code": code,
                "silent": False,
                "store_history": store_history,
                "user_expressions": {},
                "allow_stdin": False,
                "stop_on_error": stop_on_error,
            },
        )

    # ours

    async def ask(
        self, function: str, arguments: Sequence[str], take: Callable[[str], None]
    ) -> dict[str, Any]:
        """What a function of inside.py replies; each result goes to `take`, and whatever else
        comes nowhere."""
        if self.shell_channel.dead:
            raise DeadKernelError("Kernel died")
        self.take, self.answered = take, asyncio.get_running_loop().create_future()
        try:
            self._send_frame(b"q", "\n".join((function, *arguments)).encode())
            self._read()
            return await self.answered
        finally:
            self.take = None

    # the wire's side

    def _send(self, kind: str, content: Mapping[str, Any]) -> str:
        self.count += 1
        self.current = f"c{self.count}"
        header = {
            "msg_id": self.current,
            "msg_type": kind,
            "username": "",
            "session": "c",
            "date": datetime.now(UTC).isoformat(),
            "version": "5.3",
        }
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        self.send_frame(b"s", message)
        self._read()
        return self.current

    def send_frame(self, channel: bytes, content: Any, descriptors: Sequence[int] = ()) -> None:
        """What a kernel does not take at once it is sent while others are served; one that takes
        nothing for SEND_SECONDS counts as dead.

        Raises DeadKernelError if there is none, or it does not take descriptors at once.
        """
        self._send_frame(channel, json.dumps(content).encode("ascii"), descriptors)

    def _send_frame(self, channel: bytes, body: bytes, descriptors: Sequence[int] = ()) -> None:
        data = HEAD.pack(len(body) + 1) + channel + body
        wire = self.manager.wire
        if wire is None:
            raise DeadKernelError("Kernel died")
        if descriptors:
            try:
                sent = 0 if self.unsent else socket.send_fds(wire, [data], list(descriptors))
            except OSError as error:
                raise DeadKernelError(f"Kernel died: {error}") from None
            if not sent:
                raise DeadKernelError("the kernel takes no request")
            data = data[sent:]
        self.unsent += data
        self._write()

    def _write(self) -> None:
        """Send on, as far as the kernel takes it."""
        wire, loop = self.manager.wire, asyncio.get_running_loop()
        assert wire is not None
        try:
            while self.unsent:
                del self.unsent[: wire.send(self.unsent)]
        except BlockingIOError:
            if self.blocked is None:
                loop.add_writer(wire.fileno(), self._write)
            else:
                self.blocked.cancel()
            said = {"error": "the kernel takes no request"}
            self.blocked = loop.call_later(SEND_SECONDS, self._die, said)
            return
        except OSError:
            self._die({})
            return
        self._stop_writing()

    def _stop_writing(self) -> None:
        self.unsent.clear()
        if self.blocked is not None:
            self.blocked.cancel()
            self.blocked = None
            if self.manager.wire is not None:
                asyncio.get_running_loop().remove_writer(self.manager.wire.fileno())

    def _read(self) -> None:
        self.under_way = True
        loop = asyncio.get_running_loop()
        wire = self.manager.wire
        if wire is not None and wire.fileno() not in self.reading:
            loop.add_reader(wire.fileno(), self._came)
            self.reading[wire.fileno()] = loop
        for name, descriptor in self.manager.raw.items():
            if descriptor not in self.reading:
                loop.add_reader(descriptor, self._raw_came, name, descriptor)
                self.reading[descriptor] = loop

    def pause(self) -> None:
        """Read nothing until there is another request."""
        for descriptor, loop in self.reading.items():
            loop.remove_reader(descriptor)
        self.reading.clear()

    def _came(self) -> None:
        self._receive()
        if max(self.iopub_channel.bytes, self.shell_channel.bytes) > UNTAKEN_BYTES:
            self._die({"error": TOO_MUCH})
        self._hand_on()

    def _hand_on(self) -> None:
        """Wake who waits for what has come; for the reply last, with which nbclient is done at once
        if the last output has been seen."""
        self.iopub_channel.wake()
        self.shell_channel.wake()

    def _receive(self) -> None:
        if not self.under_way:  # not before: after most requests there is another, and nothing came
            self.pause()
            return
        wire = self.manager.wire
        try:
            assert wire is not None
            data, descriptors, *_ = socket.recv_fds(wire, READ_BYTES, 1)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if self.first is not None and not self.first.done() and not self.descriptors:
            self.descriptors = descriptors
        else:
            for descriptor in descriptors:  # of a notebook's own accord
                os.close(descriptor)
        if not data:
            self._die({})
            return
        self.received += data
        while len(self.received) >= HEAD.size:
            size = HEAD.unpack_from(self.received)[0]
            if not 1 < size <= FRAME_BYTES:
                self._die({"error": TOO_MUCH})
                return
            if len(self.received) < HEAD.size + size:
                return
            channel = self.received[4]
            body = bytes(self.received[5 : HEAD.size + size])
            del self.received[: HEAD.size + size]
            if not self._took(channel, body):
                self._die({"error": "what it sent is no message"})
                return

    def _took(self, channel: int, body: bytes) -> bool:
        """Whether the frame was a message, which is handed on."""
        if channel == ord("r"):
            if self.take is not None:
                self.take(body.decode("utf-8", "replace"))
            return True
        if sum(map(body.count, (b"[", b"{", b","))) > MOST_PARTS:
            return False
        try:
            message = json.loads(body)
        except (ValueError, RecursionError):
            return False
        if not isinstance(message, dict):
            return False
        if channel in b"fe":
            if self.first is not None and not self.first.done():
                self.first.set_result(message)
            return True
        if channel == ord("a"):
            if self.answered is not None and not self.answered.done():
                self._all_came()
                self.answered.set_result(message)
            return True
        parts = (message.get(part) for part in ("header", "parent_header", "content"))
        if not all(isinstance(part, dict) for part in parts) or "msg_type" not in message:
            return False
        if self.take is not None:
            return True  # what a question shows is nobody's output
        if channel == ord("s"):
            self.shell_channel.put(message, len(body))
            return True
        ended = message["content"].get("execution_state") == "idle"
        ended = ended and message["parent_header"].get("msg_id") == self.current
        if ended:
            self._all_came()
        self.iopub_channel.put(message, len(body))
        return True

    def _all_came(self) -> None:
        for name, descriptor in self.manager.raw.items():
            self._take_raw(name, descriptor)
        self.under_way = False

    def _said(self, kind: str, content: dict[str, Any]) -> dict[str, Any]:
        """A message of the request that is under way."""
        return {
            "header": {"msg_type": kind},
            "msg_type": kind,
            "parent_header": {"msg_id": self.current},
            "content": content,
            "metadata": {},
        }

    def _raw_came(self, name: str, descriptor: int) -> None:
        self._came()  # a kernel sends what was printed before it lets others write
        if descriptor in self.reading:  # and lives
            self._take_raw(name, descriptor)
            self._hand_on()

    def _take_raw(self, name: str, descriptor: int) -> None:
        """What was written below sys.stdout, as a message of the request that is under way."""
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            if descriptor in self.reading:
                self.reading.pop(descriptor).remove_reader(descriptor)
            return
        text = self.decoders[name].decode(data)
        if self.take is None:
            said = self._said("stream", {"name": name, "text": text})
            self.iopub_channel.put(said, len(data))

    def _die(self, said: dict[str, Any]) -> None:
        for name, descriptor in self.manager.raw.items():
            self._take_raw(name, descriptor)
        self.pause()
        self._stop_writing()
        self.manager.why = self.manager.why or str(said.get("error", ""))
        if self.first is not None and not self.first.done():
            self.first.set_result(said)
        self.shell_channel.die()
        self.iopub_channel.die()
        if self.answered is not None and not self.answered.done():
            self.answered.set_exception(DeadKernelError("Kernel died"))


class PipeManager:
    """One fork and its life, as nbclient's `km`.

    why  what was said when it was ended from outside: over a limit, or what it sent
    """

    def __init__(self, zygote: Zygote, request: Mapping[str, Any], spot: Spot) -> None:
        self.zygote, self.request, self.spot = zygote, request, spot
        self.wire: socket.socket | None = None
        self.raw: dict[str, int] = {}
        self.connection: PipeClient | None = None
        self.process: int | None = None
        self.pid = 0
        self.base = 0
        self.why = ""
        self.forks = True  # as far as is known

    @property
    def patience(self) -> float:
        """Seconds until it answers."""
        return START_SECONDS

    def unanswered(self) -> None:
        """It has not answered in that time."""

    @property
    def has_kernel(self) -> bool:
        return self.process is not None

    async def start_kernel(self, **_: Any) -> None:
        """Raises SandboxError if there is none."""
        self.wire, theirs = socket.socketpair()
        out, err = os.pipe(), os.pipe()
        self.wire.setblocking(False)
        self.raw = {"stdout": out[0], "stderr": err[0]}
        for descriptor in self.raw.values():
            os.set_blocking(descriptor, False)
        try:
            ends = [theirs, out[1], err[1]]
            self.process, self.pid = await self.zygote.kernel(self.request, ends)
        finally:
            theirs.close()
            os.close(out[1])
            os.close(err[1])
        self.base = processes.anonymous_bytes(self.pid)

    def client(self) -> PipeClient:
        self.connection = PipeClient(self)
        return self.connection

    def met(self, descriptors: list[int]) -> bool:
        """Whether the kernel that has answered is the one expected; it may send a descriptor."""
        return True

    async def is_alive(self) -> bool:
        return self.process is not None and not select.select([self.process], [], [], 0)[0]

    async def interrupt_kernel(self) -> None:
        if self.process is not None:
            signal.pidfd_send_signal(self.process, signal.SIGINT)

    async def ask(self, client: Any, cell: Any, index: int, function: str, *arguments: str) -> None:
        """Call a function of inside.py, past nbclient: that would cost as much as a short
        question."""
        connection: PipeClient = client.kc
        client.reply = await connection.ask(function, arguments, client.take)

    def end(self, why: str) -> None:
        """Kill it and all that it started, for a reason that will be told."""
        self.why = self.why or why
        if self.process is None:
            return
        if not self.zygote.rung.alone:
            with contextlib.suppress(ProcessLookupError):  # or it would see its children die
                signal.pidfd_send_signal(self.process, signal.SIGSTOP)
            processes.kill_below(self.pid)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.process, signal.SIGKILL)

    async def shutdown_kernel(self, now: bool = False) -> None:
        if self.process is None:
            return
        self.end("")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(5):
                if await self.is_alive():
                    await _readable(self.process)
        os.close(self.process)
        self.process = None
        await self.zygote.ended(self.pid)

    async def cleanup_resources(self) -> None:
        self.disconnect()

    def disconnect(self) -> None:
        if self.connection is not None:
            self.connection.pause()
        if self.wire is not None:
            self.wire.close()
            self.wire = None
        for descriptor in self.raw.values():
            os.close(descriptor)
        self.raw = {}

    async def fork(self, client: PipeClient) -> ForkManager | None:
        """A fork of the kernel as it stands now; None if it does not take the request, or has left
        one unanswered."""
        if not self.forks:
            return None
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            client.send_frame(b"f", {}, [theirs.fileno()])
        except DeadKernelError:
            ours.close()
            return None
        finally:
            theirs.close()
        return ForkManager(self, ours)


class ForkManager(PipeManager):
    """A fork of a kernel: it can be asked, and ended, while the kernel stands still."""

    def __init__(self, kernel: PipeManager, wire: socket.socket) -> None:
        super().__init__(kernel.zygote, {}, kernel.spot)
        self.kernel, self.wire = kernel, wire
        self.raw = {name: os.dup(descriptor) for name, descriptor in kernel.raw.items()}
        self.refused = True  # until something shows that there is one

    @property
    def patience(self) -> float:
        return FORK_SECONDS

    def unanswered(self) -> None:
        self.refused = False
        self.kernel.forks = False  # each would cost as much time again

    async def start_kernel(self, **_: Any) -> None:
        pass

    def met(self, descriptors: list[int]) -> bool:
        self.refused = False
        # a notebook can send what it likes: no process but one below its kernel is ever signalled
        if not descriptors:
            return False
        pid = processes.pid_of(descriptors[0])
        if pid <= 0 or not processes.is_below(pid, self.kernel.pid):
            return False
        self.process, self.pid = descriptors.pop(0), pid
        return True

    async def is_alive(self) -> bool:
        return await super().is_alive() and await self.kernel.is_alive()

    def end(self, why: str) -> None:
        self.why = self.why or why
        if not self.refused:  # or the workers that the notebook itself has would be ended
            processes.kill_below(self.kernel.pid)

    async def shutdown_kernel(self, now: bool = False) -> None:
        self.disconnect()  # upon which it ends
        if self.process is not None:
            os.close(self.process)
            self.process = None
