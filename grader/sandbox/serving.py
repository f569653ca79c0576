"""ipykernel's kernel in a forked process: Jupyter messages come and go as frames on one socket.

This file's text runs inside.  `warm` makes all of the kernel that needs no connection, once, before
the fork; `serve` is the fork's life.  There is no zmq, no thread, no port and no key.

A frame is a length (4 bytes, little-endian), a channel (1 byte: s shell, i iopub, r results, f a
fork, e an end before the beginning) and JSON; or a question (q: the name of a function, a line's
end, and what it is given), which is no Jupyter message, nor is the reply to it (a).
"""

import _posixsubprocess
import ast
import asyncio
import contextlib
import fcntl
import functools
import io
import json
import linecache
import logging
import os
import pdb
import signal
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
from datetime import datetime, timezone

from IPython.core import debugger
from IPython.core.autocall import IPyAutocall
from ipykernel import ipkernel
from ipykernel.ipkernel import IPythonKernel
from ipykernel.zmqshell import ZMQInteractiveShell
from jupyter_client.jsonutil import json_default
from jupyter_client.session import Session
from traitlets import Any
from traitlets.config import Config

CHUNK = 2**18  # characters of one stream message
READ_BYTES = 2**16  # room for twice as many is not kept, but mapped anew for each read
SECONDS = 0.2  # for which what is written may wait for more
RAW_SECONDS = 0.001  # between two looks at whether what was written below it has been read
RAW_WAITS = 200  # such looks at most: a program may go on writing for ever
HEAD = struct.Struct("<I")

KERNEL = None
ASKED: dict[str, object] = {}
_dumps, _loads = json.JSONEncoder(default=json_default).encode, json.loads
_getpid, _monotonic = os.getpid, time.monotonic


class _Socket:
    """The socket of this process, and what is to leave on it.

    Messages leave together: when a request is done, when there are many, or when the last have
    left a while ago.  Each time the other side wakes up costs as much as a short cell.
    """

    def __init__(self):
        self.socket, self.pid, self.lock = None, None, threading.RLock()
        self.frames, self.size, self.last = [], 0, 0.0
        self.others = False  # whether anything but sys.stdout may have written

    def add(self, channel, message):
        self.put(channel, _dumps(message).encode("ascii"))

    def tell(self, text):
        """Let a result leave, with the reply at the latest."""
        self.put(b"r", text.encode("utf-8", "replace"))

    def put(self, channel, data):
        if self.pid != _getpid():
            return  # a worker that a cell forked must not speak in between
        with self.lock:
            self.frames += (HEAD.pack(len(data) + 1), channel, data)
            self.size += len(data)
            if self.size > CHUNK or _monotonic() - self.last > SECONDS:
                self.send()

    def send(self):
        if self.frames and self.pid == _getpid():
            if self.others:
                _let_raw_be_read()
            with self.lock:
                self.last = _monotonic()
                frames, self.frames, self.size = b"".join(self.frames), [], 0
                # an interrupt in between would leave half a message behind
                before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
                try:
                    self.socket.sendall(frames)
                finally:
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Channel:
    """What Session.send is given: a channel of the socket."""

    closed = False

    def __init__(self, name):
        self.name = name

    def emit(self, message):
        SOCKET.add(self.name, message)

    def flush(self, *_):
        pass


SOCKET = _Socket()


# what is written below sys.stdout -----------------------------------------------------------------

NOTHING = bytes(4)  # a count of 0, as C has it
RAW: list[int] = []  # the descriptors on which it goes to the other side


def _let_raw_be_read():
    """What was written below sys.stdout so far comes before the messages that are now to leave: it
    goes another way, which is empty once it has been read."""
    for _ in range(RAW_WAITS):
        if not any(map(_unread, RAW)):
            return
        time.sleep(RAW_SECONDS)


def _unread(descriptor):
    try:
        return fcntl.ioctl(descriptor, termios.FIONREAD, NOTHING) != NOTHING
    except OSError:
        return False  # the notebook closed it


def _let_others_write():
    if SOCKET.pid != _getpid():
        return
    for stream in (KERNEL._stdout, KERNEL._stderr):
        stream.flush()
    SOCKET.send()
    SOCKET.others = True


def _after_print(function, raw=lambda *_: True):
    """`function`, which may write below sys.stdout, or start what does (if raw(its arguments) says
    so): what was printed so far leaves before."""

    @functools.wraps(function)
    def flushed(*args, **kwargs):
        if raw(*args):
            _let_others_write()
        return function(*args, **kwargs)

    return flushed


def _keep_order():
    """Let what programs, forks and os.write() write keep its place among what is printed.

    Not by an audit hook, which would cost every id() and every import of a notebook 0.3 µs.
    """
    os.register_at_fork(before=_let_others_write)
    for module, names in (
        (os, ("system", "posix_spawn", "posix_spawnp")),
        (_posixsubprocess, ("fork_exec",)),
        (subprocess, ("_fork_exec",)),  # as it has imported it
    ):
        for name in names:
            if hasattr(module, name):
                setattr(module, name, _after_print(getattr(module, name)))
    os.write = _after_print(os.write, lambda descriptor=-1, *_: descriptor in (1, 2))


class _Session(Session):
    """A Session whose messages are dicts on a _Channel."""

    count = 0

    def msg(self, msg_type, content=None, parent=None, header=None, metadata=None):
        self.count += 1
        header = header or {
            "msg_id": f"k{self.count}",
            "msg_type": msg_type,
            "username": "",
            "session": "k",
            "date": datetime.now(timezone.utc).isoformat(),  # noqa: UP017  (as old as the kernel's)
            "version": "5.3",
        }
        return {
            "header": header,
            "msg_id": header["msg_id"],
            "msg_type": header["msg_type"],
            "parent_header": (parent or {}).get("header", parent) or {},
            "content": content or {},
            "metadata": metadata or {},
        }

    def send(
        self,
        stream,
        msg_or_type,
        content=None,
        parent=None,
        ident=None,
        buffers=None,
        track=False,
        header=None,
        metadata=None,
    ):
        if msg_or_type == "execute_input" or content == {"execution_state": "busy"}:
            return {}  # whoever sent the code knows both
        message = msg_or_type
        if not isinstance(message, dict):
            message = self.msg(msg_or_type, content, parent, header, metadata)
        if stream is not None:
            stream.emit(message)
        return message


class _Out(io.TextIOBase):
    """sys.stdout and sys.stderr: what is written leaves when the cell ends, much has come together,
    or some time has gone by.  A forked worker writes to the descriptor instead."""

    encoding, errors = "UTF-8", "replace"

    def __init__(self, name, descriptor, channel):
        self.name, self.descriptor, self.channel = name, descriptor, channel
        self.parts, self.size, self.last = [], 0, 0.0
        self.lock = threading.RLock()

    def writable(self):
        return True

    def fileno(self):
        return self.descriptor

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        if SOCKET.pid != _getpid():
            os.write(self.descriptor, text.encode("utf-8", "replace"))
            return len(text)
        with self.lock:
            self.parts.append(text)
            self.size += len(text)
            if self.size > CHUNK // 4 or _monotonic() - self.last > SECONDS:
                self.flush()
        return len(text)

    def flush(self):
        if not self.parts or SOCKET.pid != _getpid():
            return
        with self.lock:
            self.last = _monotonic()
            text, self.parts, self.size = "".join(self.parts), [], 0
            for at in range(0, len(text), CHUNK):
                content = {"name": self.name, "text": text[at : at + CHUNK]}
                KERNEL.session.send(self.channel, "stream", content, KERNEL.get_parent("shell"))


def _tree(text, name):
    """The syntax tree of a cell; None if it is not plain Python."""
    try:
        return compile(text, name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return None


class _Shell(ZMQInteractiveShell):
    """The shell, which does nothing twice: ipykernel asks, and then run_cell asks again."""

    _last_cell, _last_tree = (None, ""), (None, None)

    def init_instance_attrs(self):
        super().init_instance_attrs()
        self.compile.ast_parse = functools.partial(self._parsed, self.compile.ast_parse)

    def _parsed(self, parse, source, *arguments, **more):
        (known, tree), self._last_tree = self._last_tree, (None, None)
        return tree if known == source and tree is not None else parse(source, *arguments, **more)

    def enable_gui(self, gui=None):
        self.active_eventloop = gui  # no event loop but the kernel's own

    def transform_cell(self, raw_cell):
        if isinstance(self.user_ns.get(raw_cell.strip()), IPyAutocall):
            return super().transform_cell(raw_cell)  # `exit` alone is exit()
        if raw_cell != self._last_cell[0]:
            # what is Python already has no magics in it: looking for them costs more than the cell
            whole = raw_cell if raw_cell.endswith("\n") else raw_cell + "\n"
            name = self.compile.get_code_name(raw_cell, whole, self.execution_count)
            tree = _tree(whole, name)
            known = super().transform_cell(raw_cell) if tree is None else whole
            self._last_cell, self._last_tree = (raw_cell, known), (known, tree)
        return self._last_cell[1]

    def transform_ast(self, node):
        # ours is the only one there, and changes nothing but imports
        imports = any(isinstance(part, (ast.Import, ast.ImportFrom)) for part in node.body)
        return super().transform_ast(node) if imports or len(self.ast_transformers) > 1 else node

    def should_run_async(self, raw_cell, *, transformed_cell=None, preprocessing_exc_tuple=None):
        # which is found by compiling it; what names neither awaits nothing
        awaits = any(word in (transformed_cell or "") for word in ("await", "async"))
        return awaits and super().should_run_async(
            raw_cell,
            transformed_cell=transformed_cell,
            preprocessing_exc_tuple=preprocessing_exc_tuple,
        )


class _Kernel(IPythonKernel):
    send = staticmethod(SOCKET.send)  # at once, what would have waited for more
    tell = staticmethod(SOCKET.tell)
    shell_class = _Shell
    session = Any()
    shell_stream = Any()
    _supports_kernel_subshells = False
    _execute_sleep = 0.0


for own, known in ((_Shell, ZMQInteractiveShell), (_Kernel, IPythonKernel)):
    # by these names notebooks tell where they are
    own.__name__, own.__qualname__ = known.__name__, known.__qualname__
    own.__module__ = known.__module__
del own, known


class _Here:
    """Stands for ipykernel's thread of the shell channel, which is asked for its parent only."""

    parent_thread = threading.main_thread()


class _Loop:
    """What ipykernel needs of a tornado loop, on asyncio's."""

    def __init__(self, loop):
        self.add_callback, self.call_later = loop.call_soon_threadsafe, loop.call_later

    def stop(self):
        pass


def warm():
    """Make the kernel, all but its socket."""
    global KERNEL
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.xmode = "Plain"  # the default takes seconds over a RecursionError
    config.InteractiveShell.colors = "NoColor"
    config.IPKernelApp.log_level = logging.CRITICAL  # by which packages tell a kernel
    # the debugger that can be interrupted, as in every kernel
    pdb.Pdb = debugger.Pdb = debugger.InterruptiblePdb
    pdb.set_trace = debugger.set_trace
    log = logging.getLogger("grader.kernel")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    # asked before each cell, and always the same
    accepts = functools.cache(ipkernel._accepts_parameters)
    ipkernel._accepts_parameters = lambda method, names: accepts(method, tuple(names))
    KERNEL = _Kernel.instance(
        config=config,
        log=log,
        session=_Session(),
        shell_stream=_Channel(b"s"),
        iopub_socket=_Channel(b"i"),
        user_ns=None,  # but the module's, as in any kernel
    )
    sys.stdout = KERNEL._stdout = _Out("stdout", 1, KERNEL.iopub_socket)
    sys.stderr = KERNEL._stderr = _Out("stderr", 2, KERNEL.iopub_socket)
    shell = KERNEL.shell
    shell.kernel = KERNEL
    shell.displayhook.get_execution_count = lambda: KERNEL.execution_count
    shell.logger  # noqa: B018  (which is imported when it is first asked for)
    _keep_order()


REHEARSED = ("import numpy\nprint(numpy.ones(2))\ndel numpy", "raise SystemError")


def rehearse():
    """Run cells once: what they import, compile and cache is there then, and what each fork would
    write to is no longer shared by what it would only read."""
    ours, theirs = socket.socketpair()
    _speak_on(theirs)
    asyncio.run(_rehearsed())
    ours.close()
    theirs.close()
    SOCKET.socket = SOCKET.pid = None
    shell = KERNEL.shell
    shell._last_traceback = None
    shell._last_cell, shell._last_tree = (None, ""), (None, None)
    linecache.clearcache()
    for name in ("last_type", "last_value", "last_traceback", "last_exc"):
        if hasattr(sys, name):
            delattr(sys, name)


async def _rehearsed():
    KERNEL.io_loop, KERNEL.shell_channel_thread = _Loop(asyncio.get_running_loop()), _Here()
    for code in REHEARSED:
        content = {"code": code, "silent": False, "store_history": False, "stop_on_error": False}
        header = {"msg_id": "r", "msg_type": "execute_request"}
        await _handled({"header": header, "content": content, "metadata": {}})


def figures():
    """Let figures be shown as in a notebook; for a process that has imported matplotlib."""
    from IPython.core.pylabtools import activate_matplotlib
    from matplotlib_inline.backend_inline import configure_inline_support

    backend = "module://matplotlib_inline.backend_inline"
    activate_matplotlib(backend)
    configure_inline_support(KERNEL.shell, backend)


def told_failure(wire, text):
    """Say why there will be no kernel."""
    data = _dumps({"error": text[:2000]}).encode("ascii")
    wire.sendall(HEAD.pack(len(data) + 1) + b"e" + data)


def serve(wire, out, err, begin, asked):
    """Be the kernel on the socket `wire` until it is closed.

    out, err  descriptors for what is written below sys.stdout and sys.stderr
    begin     called before the first request
    asked     functions that the other side may call, by name
    """
    global ASKED
    kernel, ASKED = KERNEL, asked
    _speak_on(wire)
    os.dup2(out, 1)
    os.dup2(err, 2)
    RAW[:] = out, err  # a notebook may give 1 and 2 another meaning
    for descriptor in RAW:
        os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    kernel.io_loop, kernel.shell_channel_thread = _Loop(loop), _Here()
    begin()
    _to(wire, b"f", {"ready": True})
    loop.run_until_complete(_life(wire))
    os._exit(0)


def _speak_on(wire):
    SOCKET.socket, SOCKET.pid = wire, os.getpid()


def _to(wire, channel, content, descriptors=()):
    data = _dumps(content).encode("ascii")
    data = HEAD.pack(len(data) + 1) + channel + data
    if descriptors:
        socket.send_fds(wire, [data], descriptors)
    else:
        wire.sendall(data)


async def _life(wire):
    """Requests to replies, one after the other.  A fork goes on with a socket of its own."""
    received, descriptors = bytearray(), []
    while True:
        while len(received) < 4 or len(received) < 4 + HEAD.unpack_from(received)[0]:
            data, more, *_ = socket.recv_fds(wire, READ_BYTES, 4)
            if not data:
                return
            received += data
            descriptors += more
        end = 4 + HEAD.unpack_from(received)[0]
        channel, body = received[4:5], bytes(received[5:end])
        del received[:end]
        if channel == b"s":
            await _handled(_loads(body))
        elif channel == b"q":
            _asked(*body.decode().split("\n", 1))
        elif channel == b"f" and descriptors:
            wire = _forked(wire, descriptors.pop(0))


async def _handled(message):
    kernel = KERNEL
    kernel.set_parent([], message, channel="shell")
    handler = kernel.shell_handlers[message["header"]["msg_type"]]
    with _interruptible():
        result = handler(kernel.shell_stream, [], message)
        if asyncio.iscoroutine(result):
            await result
    kernel._publish_status("idle", "shell")
    SOCKET.send()


@contextlib.contextmanager
def _interruptible():
    """In here SIGINT is a KeyboardInterrupt; what is printed leaves when it has come together."""
    streams = KERNEL._stdout, KERNEL._stderr
    SOCKET.last = streams[0].last = streams[1].last = _monotonic()
    KERNEL.pre_handler_hook()
    try:
        yield
    except KeyboardInterrupt:
        pass  # it came between the end and the reply
    finally:
        KERNEL.post_handler_hook()
    for stream in streams:
        stream.flush()


def _asked(function, *arguments):
    """Call one of our own functions, whatever the notebook has made of sys.modules and IPython."""
    reply = {"status": "ok"}
    with _interruptible():
        KERNEL._forward_input()  # as for a cell: input() answers there too
        try:
            ASKED[function](*arguments)
        except BaseException as error:
            reply = {"status": "error", "ename": type(error).__name__, "evalue": str(error)[:1000]}
        finally:
            KERNEL._restore_input()
    SOCKET.add(b"a", reply)
    SOCKET.send()


_last_fork = None


def _forked(wire, descriptor):
    """The socket to go on with: this process's own, or in the fork the new one.

    The state of the notebook stands still in this process while the fork is asked.  A process
    with other threads is not forked: whatever they hold would be held for ever.
    """
    global _last_fork
    if _last_fork is not None:
        try:
            os.waitpid(_last_fork, os.WNOHANG)
        except OSError:
            pass  # the notebook waited for it
    other = socket.socket(fileno=descriptor)
    if len(os.listdir("/proc/self/task")) > 1:
        other.close()
        return wire
    _last_fork = os.fork()
    if _last_fork:
        other.close()
        return wire
    wire.close()
    _speak_on(other)
    own = os.pidfd_open(os.getpid())
    _to(other, b"f", {"ready": True}, [own])
    os.close(own)
    return other
