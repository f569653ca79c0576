"""What student code might try, what it would find, and which of it succeeds behind which walls.

An attack is the source of a cell.  It is told where things are and never what they hold: who prints
the token has read it.  A ground is what is there to be reached: canary files that file modes would
let everybody read and write, a victim process of the same user, listeners, and the kernel of
another student.

`python -m tests.sandbox.attacks` prints as JSON what succeeds on rungs A and B, for a user who has
no other processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import landlockpy

from grader.model import Limits
from grader.sandbox import ladder, outer
from grader.sandbox.cold import ColdKernels
from grader.sandbox.kernel import Kernel, Kernels, Spot
from grader.sandbox.ladder import Rung
from grader.sandbox.pipe import PipeKernels

CHECKOUT = Path(__file__).parents[2]
# small, so that little is enough to exceed them
LIMITS = Limits(memory_bytes=2**28, disk_bytes=2**24, processes=40, call_seconds=5)


@dataclass(frozen=True, slots=True)
class Attack:
    """One way to carry out a threat, by the threat's key; it succeeds if the token, or "REACHED",
    is printed, or a listener hears its name."""

    threat: str
    way: str
    source: str
    also: frozenset[str] = frozenset()  # walls that stop this way, though not every other one
    on_all: bool = False  # on all processes of the user: not for one who has other processes

    def __str__(self) -> str:
        return f"{self.threat}-{self.way}"


def _attacks(threat: str, *, also: str = "", on_all: bool = False, **ways: str) -> Iterator[Attack]:
    return (
        Attack(threat, way, source, frozenset(also.split()), on_all) for way, source in ways.items()
    )


def _file(threat: str, name: str) -> Iterator[Attack]:
    return _attacks(
        threat,
        open=f"print(open({name}).read())",
        program=f"import subprocess\nprint(subprocess.check_output(['cat', {name}], text=True))",
        link=f"import os\nos.symlink({name}, '{threat}')\nprint(open('{threat}').read())",
    )


CALL = """import ctypes
def call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    got = libc.syscall(ctypes.c_long(number), *arguments)
    if got < 0:
        raise OSError(ctypes.get_errno(), 'refused')
    return got
"""
# numbers of calls that the C library has no function for, the same on every processor
PIDFD_GETFD, LANDLOCK, FCHMODAT2, SETXATTRAT = 438, 444, 452, 463

ATTACKS = (
    *_file("read_files", "HOME_FILE"),
    *_file("read_reference", "REFERENCE"),
    *_file("read_fixtures", "FIXTURE"),
    *_file("read_submissions", "SUBMISSION"),
    *_file("read_results", "GRADEBOOK"),
    *_attacks("list_folders", listdir="import os\nprint(os.listdir(FOLDER))"),
    *_attacks(
        "see_files",
        stat="import os\nos.stat(HOME_FILE)\nprint('REACHED')",
        readlink="import os\nprint(os.readlink(LINK))",
        inotify=CALL
        + """libc = ctypes.CDLL(None)
if libc.inotify_add_watch(libc.inotify_init(), FOLDER.encode(), 0x100) > 0:
    print('REACHED')""",
    ),
    *_attacks(
        "write_files",
        overwrite="with open(HOME_FILE, 'r+') as file:\n    file.write('!')\nprint('REACHED')",
        truncate="import os\nos.truncate(OTHER_FILE, 1)\nprint('REACHED')",
        create="open(FOLDER + '/new', 'x').close()\nprint('REACHED')",
        folder="import os\nos.mkdir(FOLDER + '/new folder')\nprint('REACHED')",
        delete="import os\nos.remove(FOLDER + '/to delete')\nprint('REACHED')",
        rename="import os\nos.rename(FOLDER + '/to rename', FOLDER + '/renamed')\nprint('REACHED')",
        link="import os\nos.symlink('/', FOLDER + '/new link')\nprint('REACHED')",
        fifo="import os\nos.mkfifo(FOLDER + '/new fifo')\nprint('REACHED')",
        move_in="import os\nos.rename(FOLDER + '/to move', 'moved')\nprint('REACHED')",
    ),
    *_attacks(
        "change_modes",
        also="seccomp",
        chmod="""import os
os.chmod(HOME_FILE, 0o600)
if os.stat(HOME_FILE).st_mode & 0o777 == 0o600:
    print('REACHED')""",
        fchmodat2=CALL
        + f"""import os
call({FCHMODAT2}, -100, OTHER_FILE.encode(), 0o600, 0)
if os.stat(OTHER_FILE).st_mode & 0o777 == 0o600:
    print('REACHED')""",
        utime="""import os
os.utime(HOME_FILE, (1, 1))
if os.stat(HOME_FILE).st_mtime == 1:
    print('REACHED')""",
        setxattr="""import os
os.setxattr(HOME_FILE, 'user.mark', b'!')
if os.getxattr(HOME_FILE, 'user.mark') == b'!':
    print('REACHED')""",
    ),
    *_attacks(
        "change_modes",
        setxattrat=CALL
        + f"""import os, struct
value = ctypes.create_string_buffer(b'!', 1)
told = ctypes.create_string_buffer(struct.pack('QII', ctypes.addressof(value), 1, 0))
call({SETXATTRAT}, -100, OTHER_FILE.encode(), 0, b'user.other', told, ctypes.c_size_t(16))
if os.getxattr(OTHER_FILE, 'user.other') == b'!':
    print('REACHED')""",
    ),
    *_attacks(
        "change_modes",
        also="landlock",  # which lets them be done to what may be read
        flags="""import fcntl, os
with open(HOME_FILE) as file:
    no_dump = 0x40
    before = int.from_bytes(fcntl.ioctl(file, 0x80086601, bytes(8)), 'little')
    fcntl.ioctl(file, 0x40086602, (before ^ no_dump).to_bytes(8, 'little'))
    if int.from_bytes(fcntl.ioctl(file, 0x80086601, bytes(8)), 'little') != before:
        print('REACHED')""",
        lease="""import fcntl, os
if not fcntl.fcntl(os.open(HOME_FILE, os.O_RDONLY), fcntl.F_SETLEASE, fcntl.F_RDLCK):
    print('REACHED')""",
    ),
    *_attacks(
        "change_settings",
        proc="import os\nos.open('/proc/sys/kernel/core_pattern', os.O_WRONLY)\nprint('REACHED')",
    ),
    *_attacks("see_processes", stat="import os\nos.stat(f'/proc/{VICTIM}')\nprint('REACHED')"),
    *_attacks("read_commands", proc="print(open(f'/proc/{VICTIM}/cmdline').read())"),
    *_attacks("read_environment", proc="print(open(f'/proc/{VICTIM}/environ').read())"),
    *_attacks(
        "read_memory",
        proc="""with open(f'/proc/{VICTIM}/mem', 'rb', 0) as file:
    file.seek(ADDRESS)
    print(file.read(32))""",
        files="print(open(f'/proc/{VICTIM}/fd/{DESCRIPTOR}').read())",
    ),
    *_attacks(
        "trace",
        seize=CALL
        + """import os
child = os.fork()
if not child:
    seize = 0x4206
    os._exit(ctypes.CDLL(None).ptrace(seize, VICTIM, 0, 0) != 0)
if os.waitpid(child, 0)[1] == 0:
    print('REACHED')""",
        process_vm_readv=CALL
        + """import struct
found = ctypes.create_string_buffer(32)
ours = ctypes.create_string_buffer(struct.pack('QQ', ctypes.addressof(found), 32))
theirs = ctypes.create_string_buffer(struct.pack('QQ', ADDRESS, 32))
ctypes.CDLL(None).process_vm_readv(VICTIM, ours, 1, theirs, 1, 0)
print(found.raw)""",
        pidfd_getfd=CALL
        + f"""import os
print(os.pread(call({PIDFD_GETFD}, os.pidfd_open(VICTIM), DESCRIPTOR, 0), 32, 0))""",
    ),
    *_attacks(
        "signal",
        kill="import os, signal\nos.kill(VICTIM, signal.SIGUSR1)\nprint('REACHED')",
        pidfd="""import os, signal
signal.pidfd_send_signal(os.pidfd_open(VICTIM), signal.SIGUSR1)
print('REACHED')""",
        owner="""import fcntl, os, signal
ours, theirs = os.pipe()
fcntl.fcntl(ours, fcntl.F_SETSIG, signal.SIGUSR2)
fcntl.fcntl(ours, fcntl.F_SETOWN, VICTIM)
fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC)
os.write(theirs, b'!')""",
    ),
    *_attacks(
        "renice",
        setpriority="import os\nos.setpriority(os.PRIO_PROCESS, VICTIM, 11)\nprint('REACHED')",
        ioprio_set=CALL
        + """import psutil
psutil.Process(VICTIM).ionice(psutil.IOPRIO_CLASS_IDLE)
print('REACHED')""",
        prlimit="""import resource
resource.prlimit(VICTIM, resource.RLIMIT_CORE, (0, 0))
print('REACHED')""",
    ),
    *_attacks(
        "reschedule",
        scheduler="""import os
os.sched_setscheduler(VICTIM, os.SCHED_IDLE, os.sched_param(0))
if os.sched_getscheduler(VICTIM) == os.SCHED_IDLE:
    print('REACHED')""",
        affinity="""import os
one = {min(os.sched_getaffinity(VICTIM))}
os.sched_setaffinity(VICTIM, one)
if os.sched_getaffinity(VICTIM) == one:
    print('REACHED')""",
    ),
    *_attacks(
        "reschedule",
        on_all=True,
        setpriority="""import os
os.setpriority(os.PRIO_USER, 0, 13)
if os.getpriority(os.PRIO_PROCESS, VICTIM) == 13:
    print('REACHED')""",
    ),
    *_attacks(
        "internet",
        also="landlock" if landlockpy.abi_version() >= 4 else "",
        tcp="import socket\nprint(socket.create_connection(('127.0.0.1', TCP), 2).recv(64))",
    ),
    *_attacks(
        "internet",
        udp="import socket\nwith socket.socket(type=socket.SOCK_DGRAM) as s:\n"
        "    s.sendto(NAME, ('127.0.0.1', UDP))",
    ),
    *_attacks(
        "unix_path",
        also="seccomp",
        connect="""import socket
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(2)
    s.connect(FOLDER + '/stream')
    print(s.recv(64))""",
        sendto="""import socket
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.sendto(NAME, FOLDER + '/datagrams')""",
    ),
    *_attacks(
        "unix_path",
        sendmsg="""import socket
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.sendmsg([NAME], [], 0, FOLDER + '/datagrams')""",
        pair="""import socket
for s in socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM):
    s.sendmsg([NAME], [], 0, FOLDER + '/datagrams')""",
    ),
    *_attacks(
        "unix_abstract",
        also="seccomp",
        connect="""import socket
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(2)
    s.connect(chr(0) + ABSTRACT + 's')
    print(s.recv(64))""",
    ),
    *_attacks(
        "unix_abstract",
        sendmsg="""import socket
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
    s.sendmsg([NAME], [], 0, chr(0) + ABSTRACT + 'd')""",
    ),
    *_attacks(
        "netlink",
        links="""import socket, struct
links, dump = 18, 0x301
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as s:
    s.settimeout(2)
    s.send(struct.pack('=IHHIIBxHiII', 32, links, dump, 1, 0, 0, 0, 0, 0, 0))
    if b'lo' in s.recv(65536):
        print('REACHED')""",
    ),
    *_attacks(
        "see_network",
        tcp="""with open('/proc/self/net/tcp') as file:
    if f':{TCP:04X} ' in file.read():
        print('REACHED')""",
        unix="""with open('/proc/self/net/unix') as file:
    if ABSTRACT in file.read():
        print('REACHED')""",
    ),
    *_attacks(
        "ipc",
        msgrcv=CALL
        + """got = ctypes.create_string_buffer(64)
libc = ctypes.CDLL(None)
if libc.msgrcv(QUEUE, got, 32, 0, 0o4000) > 0:
    print(got.raw)""",
    ),
    *_attacks(
        "privileges",
        setuid="""import os, subprocess
who = subprocess.run([SETUID, '-u'], capture_output=True, text=True).stdout
if who.strip() == str(OTHER_USER):
    print('REACHED')""",
    ),
    *_attacks(
        "namespaces",
        unshare=CALL
        + """import os
child = os.fork()
if not child:
    new_user = 0x10000000
    os._exit(ctypes.CDLL(None).unshare(new_user) != 0)
if os.waitpid(child, 0)[1] == 0:
    print('REACHED')""",
        program="""import subprocess
print(subprocess.check_output(['unshare', '--user', 'echo', 'REACHED'], text=True))""",
    ),
    *_attacks("other_files", open="print(open(THEIR_FILE).read())"),
    *_attacks(
        "other_memory",
        proc="""with open(f'/proc/{THEIR_PID}/mem', 'rb', 0) as file:
    file.seek(THEIR_ADDRESS)
    print(file.read(32))""",
    ),
    *_attacks(
        "other_signal",
        kill="import os\nos.kill(THEIR_PID, 0)\nprint('REACHED')",
    ),
    *_attacks(
        "uncounted_memory",
        memfd="import os\nos.close(os.memfd_create('hog'))\nprint('REACHED')",
        shmget=CALL
        + """libc = ctypes.CDLL(None)
made = libc.shmget(0, ctypes.c_size_t(4096), 0o1600)
if made >= 0:
    libc.shmctl(made, 0, None)
    print('REACHED')""",
        vmsplice=CALL
        + """import os
ours, theirs = os.pipe()
page = ctypes.create_string_buffer(1)
class Part(ctypes.Structure):
    _fields_ = (('address', ctypes.c_void_p), ('size', ctypes.c_size_t))
part = Part(ctypes.addressof(page), 1)
if ctypes.CDLL(None).vmsplice(theirs, ctypes.byref(part), ctypes.c_ulong(1), 0) == 1:
    print('REACHED')
os.close(ours)
os.close(theirs)""",
        locks="""import fcntl, os
with open('locked', 'w') as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    child = os.fork()
    if not child:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print('REACHED')""",
        rules=CALL  # a set of rules is no process's memory, and holds as many as one likes
        + f"""import os, struct
about = ctypes.create_string_buffer(struct.pack('QQ', 1, 0), 16)
os.close(call({LANDLOCK}, about, ctypes.c_size_t(16), 0))
print('REACHED')""",
        sockets="""import socket
for s in socket.socketpair():
    before = s.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, before)
if s.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) > before:
    print('REACHED')""",
    ),
    *_attacks(
        "disk",
        unlinked="""import os
held = []
for i in range(4):
    name = f'hog{i}'
    file = open(name, 'wb')
    os.remove(name)
    file.write(bytes(2**23))
    file.flush()
    held.append(file)
print('REACHED')
for file in held:
    file.close()""",
    ),
    *_attacks(
        "inodes",
        many="""import os
os.mkdir('many')
try:
    for i in range(21_000):
        os.mknod(f'many/{i}')
    print('REACHED')
finally:
    for name in os.listdir('many'):
        os.remove(f'many/{name}')""",
    ),
    *_attacks(
        "processes",
        forks="""import os, signal
children = []
try:
    for i in range(80):
        child = os.fork()
        if not child:
            signal.pause()
        children.append(child)
    print('REACHED')
finally:
    for child in children:
        os.kill(child, 9)
        os.waitpid(child, 0)""",
        threads="""import threading
threading.stack_size(2**16)
end = threading.Event()
threads = [threading.Thread(target=end.wait) for _ in range(80)]
try:
    for thread in threads:
        thread.start()
    print('REACHED')
finally:
    end.set()""",
    ),
)


# what is there to be reached ----------------------------------------------------------------------

VICTIM = """import ctypes, json, os, signal, sys, tempfile
token = ctypes.create_string_buffer(os.environ["TOKEN"].encode())
file = tempfile.TemporaryFile()
file.write(token.value)
file.flush()
for number, way in ((signal.SIGUSR1, "kill"), (signal.SIGUSR2, "owner")):
    signal.signal(number, lambda *_, way=way: print(f"signal-{way}", flush=True))
libc = ctypes.CDLL(None)
libc.prctl(0x59616D61, ctypes.c_ulong(2**64 - 1), 0, 0, 0)  # whoever might, may trace it
print(json.dumps({"ADDRESS": ctypes.addressof(token), "DESCRIPTOR": file.fileno()}), flush=True)
sys.stdin.read()
"""


class Ground:
    """What there is to be reached, and what of it was; new for each kernel.

    told  the names that an attack may use
    """

    def __init__(self) -> None:
        self.token = secrets.token_hex(16)
        self.heard: set[str] = set()
        self.told: dict[str, Any] = {}

    @contextlib.contextmanager
    def laid(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            folder = Path(tempfile.mkdtemp(prefix="canaries", dir="/var/tmp"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            self._files(folder)
            stack.enter_context(self._victim(folder))
            stack.enter_context(self._listeners(folder))
            stack.enter_context(self._queue())
            yield

    def _files(self, folder: Path) -> None:
        folder.chmod(0o777)
        self.told["FOLDER"] = str(folder)
        names = {
            "HOME_FILE": "home.txt",
            "FIXTURE": "expected.toml",
            "SUBMISSION": "R1_week14_colab1_homework.ipynb",
            "GRADEBOOK": "gradebook.csv",
            "OTHER_FILE": "other.txt",
            **{name: name for name in ("to delete", "to rename", "to move")},
        }
        for key, name in names.items():
            self.told[key] = self._canary(folder / name)
        self._canary(folder / self.token)  # for who lists the folder
        (folder / "a link").symlink_to(self.token)
        self.told["LINK"] = str(folder / "a link")
        # a course's folder, as it lies in a checkout
        (folder / "reference" / "week14").mkdir(parents=True)
        self.told["REFERENCE"] = self._canary(folder / "reference" / "week14" / "softmax.py")
        self.told["OTHER_USER"] = 12321
        program = folder / "id"
        shutil.copy("/usr/bin/id", program)
        if os.getuid() == 0:
            os.chown(program, 12321, 12321)
        program.chmod(0o4755)
        self.told["SETUID"] = str(program)

    def _canary(self, path: Path) -> str:
        path.write_text(f"token = '{self.token}'\n", "ascii")
        path.chmod(0o666)
        return str(path)

    @contextlib.contextmanager
    def _victim(self, folder: Path) -> Iterator[None]:
        """A process such as a plain user has: without capabilities, which would protect it."""
        bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.getuid() == 0 else []
        victim = subprocess.Popen(
            [*bare, sys.executable, "-S", "-E", "-c", VICTIM, self.token],
            env={"TOKEN": self.token, "TMPDIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert victim.stdout is not None
        self.told |= {"VICTIM": victim.pid, **json.loads(victim.stdout.readline())}
        try:
            yield
        finally:
            self.heard.update(victim.communicate(timeout=10)[0].split())

    @contextlib.contextmanager
    def _listeners(self, folder: Path) -> Iterator[None]:
        self.told["ABSTRACT"] = f"grader-{secrets.token_hex(6)}-"
        abstract = "\0" + self.told["ABSTRACT"]
        with contextlib.ExitStack() as stack:
            made = []
            for family, kind, address in (
                (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
                (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
                (socket.AF_UNIX, socket.SOCK_STREAM, f"{folder}/stream"),
                (socket.AF_UNIX, socket.SOCK_DGRAM, f"{folder}/datagrams"),
                (socket.AF_UNIX, socket.SOCK_STREAM, f"{abstract}s"),
                (socket.AF_UNIX, socket.SOCK_DGRAM, f"{abstract}d"),
            ):
                listener = stack.enter_context(socket.socket(family, kind))
                listener.bind(address)
                listener.settimeout(0.05)
                if kind == socket.SOCK_STREAM:
                    listener.listen()
                made.append(listener)
            for name in ("stream", "datagrams"):
                (folder / name).chmod(0o777)
            self.told |= {"TCP": made[0].getsockname()[1], "UDP": made[1].getsockname()[1]}
            end = threading.Event()
            threads = [
                threading.Thread(target=self._listen, args=(listener, end)) for listener in made
            ]
            for thread in threads:
                thread.start()
            try:
                yield
            finally:
                end.set()
                for thread in threads:
                    thread.join()

    def _listen(self, listener: socket.socket, end: threading.Event) -> None:
        while True:
            last = end.is_set()
            with contextlib.suppress(TimeoutError):
                if listener.type == socket.SOCK_STREAM:
                    connection, _ = listener.accept()
                    with connection:
                        connection.sendall(self.token.encode())
                else:
                    self.heard.add(listener.recv(100).decode())
                continue
            if last:
                return

    @contextlib.contextmanager
    def _queue(self) -> Iterator[None]:
        """A System V message queue with the token in it."""
        libc = ctypes.CDLL(None, use_errno=True)
        queue = libc.msgget(0, 0o1666)
        assert queue >= 0, os.strerror(ctypes.get_errno())
        message = ctypes.create_string_buffer((1).to_bytes(8, sys.byteorder) + self.token.encode())
        libc.msgsnd(queue, message, 32, 0)
        self.told["QUEUE"] = queue
        try:
            yield
        finally:
            libc.msgctl(queue, 0, None)


# kernels behind some of the walls -----------------------------------------------------------------


def standing_without(taken: frozenset[str]) -> Rung:
    """This machine's walls, some of them taken away."""
    rung = ladder.rung()
    inner = tuple(wall for wall in rung.inner if wall not in taken)
    bubblewrap = "bubblewrap" not in taken
    letter = "A" if bubblewrap else "B"
    return Rung(letter if inner else "C", bubblewrap, inner)


class _Within(PipeKernels):
    """Kernels behind bubblewrap without namespaces of their own, which no rung has."""

    def _spot(self, slot: int, folder: Path) -> Spot:
        return Spot(folder, os.getuid(), os.getgid(), dict(outer.FOLDERS))


def shown_to_others(parts: Sequence[str], emptied: Sequence[str] = ()) -> list[str]:
    """bubblewrap's arguments that open the way to these parts for every user, wherever they lie.

    emptied  folders that everybody may write, with nothing in them but such parts
    """
    made, covered = [], set(emptied)
    for part in parts:
        closed = [p for p in reversed(Path(part).parents) if not p.stat().st_mode & 0o001]
        covered.update(str(p) for p in closed[:1])
    for place in sorted(covered):
        made += ["--perms", "1777" if place in emptied else "0755", "--tmpfs", place]
    for part in parts:
        if any(Path(part).is_relative_to(place) for place in covered):
            made += [*outer._parents(part), "--ro-bind", part, part]
    return made


@contextlib.contextmanager
def _seen_through() -> Iterator[None]:
    """Instead of bubblewrap's wall, one that hides nothing: all folders may be written, nothing has
    namespaces of its own, all capabilities are kept.

    Only with it can a kernel have its own mounts, for which there must be places, or its own user,
    who must reach Python, without bubblewrap being the one to stop an attack.
    """
    places = [*outer.FOLDERS.values(), "/scratch"]
    made = ["bwrap", "--cap-add", "ALL"]
    for path in sorted(Path("/").iterdir()):
        covered = [p for p in places if Path(p).parent == path]
        if path.is_symlink():
            made += ["--symlink", str(path.readlink()), str(path)]
        elif covered and path != Path("/"):
            made += ["--perms", "0755", "--tmpfs", str(path)]
            for inner in path.iterdir():
                made += ["--bind", str(inner), str(inner)]
        elif path.is_dir() and path != Path("/dev"):
            made += ["--bind", str(path), str(path)]
    made += ["--dev-bind", "/dev", "/dev"]
    for place in places:
        if not Path(place).exists():
            made += ["--perms", "0755", "--tmpfs", place]
    made += shown_to_others(outer.prefix())
    plain = outer.python
    outer.python = lambda *words: [*made, "--", *plain(*words)]  # type: ignore[assignment]
    try:
        yield
    finally:
        outer.python = plain  # type: ignore[assignment]


@contextlib.contextmanager
def kernels_without(
    taken: frozenset[str], home: Path, kind: str = "pipe", limits: Limits = LIMITS
) -> Iterator[Kernels]:
    """A source of kernels with all of this machine's walls but some; whoever gets it closes it."""
    rung = standing_without(taken)
    if kind == "cold":
        yield ColdKernels(home, "", rung, limits)
    elif rung.bubblewrap and not rung.alone:
        yield _Within(home, "", rung, limits, frozenset())
    else:
        seen_through = not rung.bubblewrap and (
            rung.alone or ("uid" in rung.inner and not ladder._others_can_run_python())
        )
        with _seen_through() if seen_through else contextlib.nullcontext():
            yield PipeKernels(home, "", rung, limits, frozenset())


def printed(kernel: Kernel) -> str:
    """What the last cell printed; errors, in which its own source stands, do not count."""
    return "".join(o["text"] for o in kernel.outputs if o["output_type"] == "stream")


# who succeeds -------------------------------------------------------------------------------------

THEIRS = """import ctypes, os
token = ctypes.create_string_buffer(bytes.fromhex({hidden!r}))
with open('theirs.txt', 'wb') as file:
    file.write(token.value)
os.chmod('theirs.txt', 0o666)
print(os.path.abspath('theirs.txt'), ctypes.addressof(token), os.getpid())"""


async def succeeding(
    taken: frozenset[str],
    attacks: tuple[Attack, ...],
    home: Path,
    kind: str = "pipe",
    why: Callable[[Attack, str], None] = lambda attack, said: None,
) -> set[str]:
    """The names of the attacks that succeed with all walls but those taken away.

    why  called with each attack that does not, and what was said of it
    """
    ground, done = Ground(), set()
    with ground.laid(), kernels_without(taken, home, kind) as source:
        try:
            async with source.kernel(1) as other:
                ground.told |= await _theirs(other, ground.token, source.rung)
                todo = list(attacks)
                while todo:
                    async with source.kernel(2) as kernel:
                        while todo and kernel.alive:
                            attack = todo.pop(0)
                            if (said := await _said(kernel, attack, ground)) is None:
                                done.add(str(attack))
                            else:
                                why(attack, said)
        finally:
            await source.close()
    done |= ground.heard
    return done


async def _theirs(other: Kernel, token: str, rung: Rung) -> Mapping[str, Any]:
    ran = await other.run(THEIRS.format(hidden=token.encode().hex()), 20)
    assert ran.how == "ok", ran
    *path, address, pid = printed(other).split()
    # its number as the attacker would know it: in namespaces of its own it is 1, as everybody is
    number = other.manager.pid if rung.alone or not rung.bubblewrap else int(pid)
    return {"THEIR_FILE": " ".join(path), "THEIR_ADDRESS": int(address), "THEIR_PID": number}


async def _said(kernel: Kernel, attack: Attack, ground: Ground) -> str | None:
    """None if the attack succeeded; else what was said."""
    told = {**ground.told, "NAME": str(attack).encode()}
    names = "\n".join(f"{name} = {value!r}" for name, value in told.items() if name.isidentifier())
    ran = await kernel.run(f"{names}\n{attack.source}", 20)
    text = printed(kernel)
    if ground.token in text or "REACHED" in text:
        return None
    return f"{ran.how}: {ran.error or text[:200]}"


def rung_b() -> frozenset[str]:
    """The walls that this machine would not have if it had no bubblewrap."""
    user = [] if ladder._others_can_run_python() else ["uid"]
    return frozenset(["bubblewrap", "namespaces", *user])


STATUS = Attack(
    "status",
    "read",
    """with open('/proc/self/status') as file:
    print(*(line.strip() for line in file if line.startswith(('Cap', 'NoNew', 'Seccomp:'))))""",
)


def main() -> None:
    """Print what succeeds here, on rung A and on rung B, by the kind of kernel."""
    found: dict[str, Any] = {"rung": ladder.rung().letter, "uid": os.getuid()}
    for letter, taken in (("A", frozenset()), ("B", rung_b())):
        found[letter] = {"open": sorted(threat.key for threat in standing_without(taken).open)}
        for kind in ("pipe", "cold"):
            home = Path(tempfile.mkdtemp(prefix="g", dir="/tmp"))
            failed: dict[str, str] = {}
            why = lambda attack, said, failed=failed: failed.update({str(attack): said})  # noqa: E731
            try:
                reached = asyncio.run(succeeding(taken, (STATUS, *ATTACKS), home, kind, why))
            finally:
                shutil.rmtree(home, ignore_errors=True)
            found[letter][kind] = {
                "reached": sorted(reached),
                "status": failed.pop(str(STATUS), ""),
                "failed": failed,
            }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
