"""What student code must never do, it cannot: tried in real kernels, with each wall and without it.

The table is `THREATS`, which B's banner is made of; attacks.py has a payload for each row that a
wall stops.  What the grader stops from outside has tests of its own below, each with what it would
do if nothing stopped it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from grader.authoring import case
from grader.model import Limits
from grader.sandbox import folders, kernel, ladder, notebook, outer, pipe, walls
from grader.sandbox.kernel import Ran
from grader.sandbox.probe import Cases
from grader.sandbox.threats import THREATS
from tests.sandbox import attacks
from tests.sandbox.attacks import ATTACKS, CHECKOUT, LIMITS, printed
from tests.sandbox.conftest import asking, submission

pytestmark = pytest.mark.kernel

THREAT = {threat.key: threat for threat in THREATS}
OURS = tuple(attack for attack in ATTACKS if not attack.on_all)
NOTHING = frozenset[str]()
EVERY = frozenset(["bubblewrap", *ladder.INNER])
RUNGS = {"A": NOTHING, "B": attacks.rung_b(), "C": EVERY}

DIRECT: set[str] = set()  # threats with tests of their own in this file


def proves(key):
    """Marks a test as the one of a threat that has no payload in the table."""
    DIRECT.add(key)
    return lambda test: test


@dataclass(frozen=True)
class Seen:
    """How a cell ended, what it printed, and whether the next kernel of the source works."""

    ran: Ran
    text: str
    seconds: float
    grown: int  # bytes of this process, at most, while it ran
    next: str


@contextlib.contextmanager
def within(seconds):
    """Fails a test that hangs, even where nothing but a signal wakes it up again."""

    def late(*_):
        pytest.fail(f"the grader itself hung for {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Lab:
    """Kernels behind any of the walls, for the tests of this module."""

    def __init__(self, runner, home):
        self.runner, self.home = runner, home
        self.stack = contextlib.ExitStack()
        self.sources, self.found, self.why = {}, {}, {}

    def reached(self, taken=NOTHING, kind="pipe"):
        """The attacks that succeed without these walls; all those are tried of which some test
        wants to know."""
        if (taken, kind) not in self.found:
            tried = OURS if taken in RUNGS.values() else TRIED[taken]
            why = {}
            self.found[taken, kind] = self.runner.run(
                attacks.succeeding(
                    taken, tried, self.home, kind, lambda attack, said: why.update({attack: said})
                )
            )
            self.why[taken, kind] = why
        return self.found[taken, kind]

    def source(self, taken=NOTHING, kind="pipe", limits=LIMITS):
        if (taken, kind, limits) not in self.sources:
            self.sources[taken, kind, limits] = self.stack.enter_context(
                attacks.kernels_without(taken, self.home, kind, limits)
            )
        return self.sources[taken, kind, limits]

    def run(self, *cells, taken=NOTHING, kind="pipe", limits=LIMITS, seconds=10):
        """What is seen of the last cell, with those before it in the same kernel."""
        with within(60):
            return self.runner.run(self._run(cells, self.source(taken, kind, limits), seconds))

    async def _run(self, cells, source, seconds):
        async with source.kernel(1) as running:
            for cell in cells:
                before, began = _now_held(), time.monotonic()
                ran = await running.run(cell, seconds)
                took, grown = time.monotonic() - began, _held_at_most() - before
            text = printed(running)
        async with source.kernel(2) as after:
            await after.run("print(6 * 7)", 10)
            return Seen(ran, text, took, grown, printed(after).strip())

    def close(self):
        for source in self.sources.values():
            self.runner.run(source.close())
        self.stack.close()


def _now_held():
    """Bytes of this process in memory; from now on the most of them is counted anew."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    return _of_status("VmRSS:")


def _held_at_most():
    return _of_status("VmHWM:")


def _of_status(field):
    text = Path("/proc/self/status").read_text("ascii")
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if field in line)


@pytest.fixture(scope="module", autouse=True)
def standing(need):
    letter = ladder.rung().letter
    need("walls", "" if letter == "A" else f"this is rung {letter}: `grader doctor` says why")


@pytest.fixture(scope="module")
def lab(standing, home):
    with asyncio.Runner() as runner:
        made = Lab(runner, home)
        yield made
        made.close()


# the table ----------------------------------------------------------------------------------------


def without_all(attack):
    """The walls to take away so that none is left of those that stop an attack."""
    walls = THREAT[attack.threat].stopped_by | attack.also
    return walls | (RUNGS["B"] if walls & {"bubblewrap", "namespaces"} else NOTHING)


def without_all_but(attack, wall):
    """The walls to take away so that one is left of those that stop an attack."""
    if wall == "bubblewrap":
        return (THREAT[attack.threat].stopped_by | attack.also) - {wall}
    return without_all(attack) - {wall}


EACH_WALL = [
    (attack, wall)
    for attack in OURS
    for wall in sorted((THREAT[attack.threat].stopped_by | attack.also) - {"grader"})
]
TRIED = {}
for _attack in OURS:
    TRIED.setdefault(without_all(_attack), []).append(_attack)
for _attack, _wall in EACH_WALL:
    if _attack not in TRIED.setdefault(without_all_but(_attack, _wall), []):
        TRIED[without_all_but(_attack, _wall)].append(_attack)


def only_root_can(taken):
    """Skips, for a user who is not root, what only root can set up."""
    own = {"namespaces", "uid"} - taken
    if os.getuid() and "bubblewrap" in taken and own & set(ladder.rung().inner):
        pytest.skip("needs root: only root can stand behind these walls without bubblewrap")


@pytest.mark.parametrize("kind", ["pipe", "cold"])
@pytest.mark.parametrize("attack", OURS, ids=str)
def test_on_rung_a_no_attack_succeeds(lab, attack, kind):
    assert str(attack) not in lab.reached(kind=kind)


@pytest.mark.parametrize("kind", ["pipe", "cold"])
@pytest.mark.parametrize("key", sorted({attack.threat for attack in OURS}))
def test_on_rung_b_an_attack_is_stopped_or_its_threat_is_in_the_banner(lab, key, kind):
    reached = lab.reached(RUNGS["B"], kind)
    told = {threat.key for threat in attacks.standing_without(RUNGS["B"]).open}

    assert any(name.startswith(f"{key}-") for name in reached) == (key in told)


@pytest.mark.parametrize("attack", OURS, ids=str)
def test_without_the_walls_that_stop_it_the_same_attack_succeeds(lab, attack):
    if os.getuid() and attack.threat == "privileges":
        pytest.skip("needs root: only root can make a program that belongs to somebody else")
    taken = without_all(attack)

    assert str(attack) in lab.reached(taken), lab.why[taken, "pipe"][attack]


@pytest.mark.parametrize("attack, wall", EACH_WALL, ids=str)
def test_each_wall_that_the_table_names_stops_the_attack_alone(lab, attack, wall):
    if wall not in (*ladder.rung().inner, "bubblewrap"):
        pytest.skip(f"needs root: {wall}")
    taken = without_all_but(attack, wall)
    only_root_can(taken)

    assert str(attack) not in lab.reached(taken)


@pytest.mark.parametrize(
    "taken, name",
    [
        (without_all_but(next(a for a in OURS if a.threat == "read_memory"), wall), name)
        for wall, name in (
            ("bubblewrap", "other_signal-kill"),
            ("namespaces", "read_files-open"),
            ("uid", "read_files-open"),
        )
    ],
    ids=["bubblewrap", "namespaces", "uid"],
)
def test_a_wall_that_is_tried_without_the_usual_others_stops_nothing_else(lab, taken, name):
    # bubblewrap without namespaces, and these without bubblewrap, are no rung of ours: what has no
    # business with the wall must succeed there, or the tests above would prove nothing
    only_root_can(taken)
    attack = next(a for a in ATTACKS if str(a) == name)

    found = lab.runner.run(attacks.succeeding(taken, (attack,), lab.home))

    assert found == {name}


def test_every_threat_is_tried():
    assert {attack.threat for attack in ATTACKS} | DIRECT == set(THREAT)


# as a plain user ----------------------------------------------------------------------------------


def as_a_plain_user(module):
    """The command that runs a module of ours as somebody without rights, who has no other
    processes, and to whom this Python and this checkout are shown wherever they lie."""
    python = [sys.executable, "-B", "-W", "ignore", "-m", module]
    # /proc as it is: a new one could not be mounted again further in
    made = ["bwrap", "--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--cap-add", "ALL"]
    made += attacks.shown_to_others([*outer.prefix(), str(CHECKOUT)], emptied=["/tmp"])
    made += ["--chdir", str(CHECKOUT), "--setenv", "HOME", "/tmp", "--"]
    return [*made, "setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", *python]


@pytest.fixture(scope="module")
def plain(standing):
    """What succeeds on rungs A and B for a user without rights."""
    if os.getuid():
        pytest.skip("needs root: this is a plain user, for whom all tests here are")
    ended = subprocess.run(
        as_a_plain_user("tests.sandbox.attacks"),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert not ended.returncode, ended.stderr
    return json.loads(ended.stdout)


STATUS = "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"


def test_a_plain_user_has_rung_a_too(plain):
    assert (plain["rung"], plain["uid"]) == ("A", 12345)


@pytest.mark.parametrize("kind", ["pipe", "cold"])
@pytest.mark.parametrize("letter", ["A", "B"])
def test_a_plain_users_kernel_has_no_rights_and_can_gain_none(plain, letter, kind):
    assert letter == "B" or plain["rung"] == "A"
    assert [line for line in STATUS if line not in plain[letter][kind]["status"]] == []


@pytest.mark.parametrize("kind", ["pipe", "cold"])
def test_on_a_plain_users_rung_a_no_attack_succeeds(plain, kind):
    assert plain["rung"] == "A"
    assert plain["A"][kind]["reached"] == []
    assert len(plain["A"][kind]["failed"]) == len(ATTACKS)


@pytest.mark.parametrize("kind", ["pipe", "cold"])
@pytest.mark.parametrize("key", sorted({attack.threat for attack in ATTACKS}))
def test_on_a_plain_users_rung_b_an_attack_is_stopped_or_in_the_banner(plain, key, kind):
    found = plain["B"][kind]
    reached = any(name.startswith(f"{key}-") for name in found["reached"])

    assert reached == (key in plain["B"]["open"]), found["failed"]


# what a kernel finds itself with ------------------------------------------------------------------

STATUSES = """import glob
for path in glob.glob('/proc/self/task/*/status'):
    print(path, *(line.strip() for line in open(path) if ':' in line))"""


@pytest.mark.parametrize("kind", ["pipe", "cold"])
def test_no_thread_of_a_kernel_has_rights_or_can_gain_any(lab, kind):
    seen = lab.run(STATUSES, kind=kind)

    assert seen.text
    for thread in seen.text.splitlines():
        assert [line for line in STATUS if line not in thread] == []


def test_without_walls_the_same_look_finds_rights(lab):
    seen = lab.run(STATUSES, taken=EVERY)

    assert "NoNewPrivs:\t0" in seen.text
    assert "Seccomp:\t0" in seen.text


SECRETS = """import os
found = [repr(os.environ)]
for path in ('/proc/self/environ', '/proc/1/environ', f'/proc/{os.getppid()}/environ'):
    try:
        found.append(open(path).read())
    except OSError:
        pass
print(found)"""


@pytest.mark.parametrize("letter, kind", [("A", "pipe"), ("A", "cold"), ("B", "pipe")])
def test_no_variable_of_the_graders_environment_comes_into_a_kernel(home, letter, kind):
    # a source of its own: what processes are started with is to be seen
    token = secrets.token_hex(8)
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SECRET_TOKEN", token)
        lab = Lab(runner, home)
        try:
            seen = lab.run(SECRETS, taken=RUNGS[letter], kind=kind)
        finally:
            lab.close()

    assert "'USER': 'student'" in seen.text
    assert token not in seen.text


DESCRIPTORS = """import os, stat
for fd in range(1024):
    try:
        mode = os.fstat(fd).st_mode
    except OSError:
        continue
    print(fd, stat.filemode(mode)[0], os.readlink(f'/proc/self/fd/{fd}'))"""


@pytest.mark.parametrize("letter", ["A", "B"])
def test_a_kernel_holds_no_file_or_folder_of_the_machine_open(lab, letter):
    seen = lab.run(DESCRIPTORS, taken=RUNGS[letter])
    kinds = [line.split()[1] for line in seen.text.splitlines()]

    assert len(kinds) < 12
    assert set(kinds) <= set("cps?-"), seen.text  # devices, pipes, sockets, what polls; no folder
    assert [line for line in seen.text.splitlines() if " - " in line and " anon_" not in line] == []


# the memory of one process is searched for what another one had
SEARCH = """import ctypes, re
found = set()
for line in open('/proc/self/maps'):
    span, rights, *_ = line.split()
    low, high = (int(part, 16) for part in span.split('-'))
    if rights.startswith('rw') and '[v' not in line:
        found.update(re.findall(rb'CANARY=([0-9a-f]{32})', ctypes.string_at(low, high - low)))
print(sorted(found))"""


@proves("heap")
@pytest.mark.parametrize("letter", ["A", "B"])
def test_nothing_of_one_student_is_in_the_memory_of_the_next(lab, letter):
    token = secrets.token_hex(16)
    keep = f"kept = [('CANARY=' + '{token}').encode() for _ in range(100)]"

    async def one_after_the_other(source):
        async with source.kernel(1) as first:
            await first.run(keep, 10)
            await first.run(SEARCH, 20)
            own = printed(first)
            async with source.kernel(2) as beside:
                await beside.run(SEARCH, 20)
                theirs = printed(beside)
        async with source.kernel(3) as after:
            await after.run(SEARCH, 20)
            return own, theirs, printed(after)

    own, beside, after = lab.runner.run(one_after_the_other(lab.source(RUNGS[letter])))

    assert token in own  # the search finds it where it is
    assert beside.strip() == after.strip() == "[]"


def test_an_own_pid_namespace_has_a_bound_on_its_processes_that_is_not_the_machines(lab):
    before = Path("/proc/sys/kernel/pid_max").read_text("ascii")

    bound = lab.run("print(open('/proc/sys/kernel/pid_max').read())").text.strip()

    assert bound == ("400" if walls.has_own_pids(os.uname().release) else before.strip())
    assert Path("/proc/sys/kernel/pid_max").read_text("ascii") == before


# memory -------------------------------------------------------------------------------------------

MB = 2**20
HOG = """import mmap, os, time
def hog(mb, kind):
    m = mmap.mmap(-1, mb * 2**20, flags=mmap.MAP_ANONYMOUS | kind)
    for i in range(0, len(m), 4096):
        m[i] = 1
    return m
def together(count, mb, kind):
    children = []
    for _ in range(count):
        child = os.fork()
        if not child:
            held = hog(mb, kind)
            time.sleep(2)
            os._exit(0)
        children.append(child)
    if all(os.waitpid(child, 0)[1] == 0 for child in children):
        print('REACHED')
"""
TOO_MUCH = "it used more than 256 MB of memory"
MORE = replace(LIMITS, memory_bytes=2**29)

HOGS = {
    "it allocates": (
        "x = bytearray(300 * 2**20)\nprint('REACHED')",
        "MemoryError (a notebook may use 256 MB of memory)",
    ),
    "it maps memory": (
        HOG + "m = hog(300, mmap.MAP_PRIVATE)\nprint('REACHED')",
        "Cannot allocate memory (a notebook may use 256 MB of memory)",
    ),
    "it maps memory that could be shared": (
        HOG + "m = hog(300, mmap.MAP_SHARED)\ntime.sleep(0.3)\nprint('REACHED')",
        TOO_MUCH,
    ),
    "its processes do together": (HOG + "together(4, 100, mmap.MAP_PRIVATE)", TOO_MUCH),
    "its processes do, each with a mapping that could be shared": (
        HOG + "together(4, 100, mmap.MAP_SHARED)",
        TOO_MUCH,
    ),
    "the tables of its processes do, which are no page of theirs": (
        HOG
        + """held = hog(120, mmap.MAP_PRIVATE)
def hog(mb, kind):
    m = mmap.mmap(-1, mb * 2**20, flags=mmap.MAP_ANONYMOUS | kind, prot=mmap.PROT_READ)
    m.madvise(mmap.MADV_NOHUGEPAGE)
    m[::2**21]  # reads a page of each table
    return m
together(36, 2200, mmap.MAP_PRIVATE)""",
        TOO_MUCH,
    ),
}


@proves("memory")
@pytest.mark.parametrize("letter", "AB")
@pytest.mark.parametrize("name", HOGS)
def test_who_takes_too_much_memory_is_told_or_ended(lab, name, letter):
    source, said = HOGS[name]

    seen = lab.run(source, taken=RUNGS[letter])

    assert "REACHED" not in seen.text
    assert said in seen.ran.error
    assert seen.next == "42"


# each of several processes takes as much as a kernel has at its start, which is shared and not
# counted; the walls let each have it
OFTEN = """import ctypes, os, subprocess, sys, time
with open('/proc/self/status') as file:
    base = next(int(line.split()[1]) * 1024 for line in file if line.startswith('RssAnon'))
hog = f"import time; x = bytearray(b'x' * {base * 8 // 10}); time.sleep(2)"
def fork():
    child = os.fork()
    if not child:
        exec(hog)
        os._exit(0)
    return child
count = 2 * 2**28 // base
"""
OFTENS = {
    "programs": "made = [subprocess.Popen([sys.executable, '-SEc', hog]) for _ in range(count)]\n"
    "for child in made:\n    child.wait()\nprint('REACHED')",
    "forks": "for child in [fork() for _ in range(count)]:\n    os.waitpid(child, 0)\n"
    "print('REACHED')",
}


@pytest.mark.parametrize("letter", "ABC")
@pytest.mark.parametrize("name", OFTENS)
def test_what_a_kernel_has_at_its_start_is_not_had_by_each_process_anew(lab, name, letter):
    seen = lab.run(OFTEN + OFTENS[name], taken=RUNGS[letter])

    assert (seen.ran.how, seen.ran.error, seen.next) == ("gone", TOO_MUCH, "42")


@pytest.mark.parametrize("name", OFTENS)
def test_with_a_larger_limit_many_processes_have_it(lab, name):
    most = replace(LIMITS, memory_bytes=2**30)

    assert lab.run(OFTEN + OFTENS[name], limits=most).text == "REACHED\n"


@pytest.mark.parametrize("name", HOGS)
def test_without_the_walls_the_watch_alone_ends_who_takes_too_much_memory(lab, name):
    source = HOGS[name][0].replace("\nprint('REACHED')", "\nimport time\ntime.sleep(10)")

    seen = lab.run(source, taken=EVERY)

    assert (seen.ran.how, seen.ran.error, seen.next) == ("gone", TOO_MUCH, "42")


@pytest.mark.parametrize("name", HOGS)
def test_with_a_larger_limit_the_same_memory_can_be_had(lab, name):
    assert lab.run(HOGS[name][0], limits=MORE).text == "REACHED\n"


# of each of them the system keeps some hundred bytes, which are no process's memory
PIECES = (
    HOG
    + """
def hog(mb, kind):
    m = mmap.mmap(-1, mb * 2**20, flags=mmap.MAP_ANONYMOUS | kind, prot=mmap.PROT_READ)
    for at in range(0, len(m), 2 * mmap.PAGESIZE):
        m.madvise(mmap.MADV_DONTDUMP, at, mmap.PAGESIZE)
    time.sleep(2)
together(9, 200, mmap.MAP_PRIVATE)"""
)


@pytest.mark.parametrize("kind", ["pipe", "cold"])
def test_memory_mapped_in_very_many_pieces_counts_for_what_the_system_keeps_of_it(lab, kind):
    seen = lab.run(PIECES, kind=kind)

    assert (seen.ran.how, seen.ran.error, seen.next) == ("gone", TOO_MUCH, "42")
    assert lab.run(PIECES, kind=kind, limits=MORE).text == "REACHED\n"


MAPPED = (  # before the forks
    HOG
    + """
m = mmap.mmap(-1, 20 * 2**20, flags=mmap.MAP_ANONYMOUS | mmap.MAP_PRIVATE)
for at in range(0, len(m), 2 * mmap.PAGESIZE):
    m.madvise(mmap.MADV_DONTDUMP, at, mmap.PAGESIZE)
def fork(count, chained):
    for i in range(count):
        if not os.fork():
            if chained:
                fork(count - 1, chained)
            time.sleep(2.5)
            os._exit(0)
        if chained:
            break
fork(36, %s)
time.sleep(2.5)
print('REACHED')"""
)


def test_mappings_that_forks_have_from_their_kernel_are_chained_to_it_and_not_to_each_other(lab):
    assert lab.run(MAPPED % False).text == "REACHED\n"
    assert lab.run(MAPPED % True).ran.error == TOO_MUCH


ELSEWHERE = {  # where memory may be, on machines that have some there
    "SwapFree:": """
def hog(mb, kind):
    m = mmap.mmap(-1, mb * 2**20, flags=mmap.MAP_ANONYMOUS | kind)
    for i in range(0, len(m), 4096):
        m[i : i + 8] = os.urandom(8)
    m.madvise(21)  # MADV_PAGEOUT
    return m
for _ in range(4):
    if not os.fork():
        held = hog(100, mmap.MAP_PRIVATE)
        time.sleep(2)
        os._exit(0)
    time.sleep(0.5)
print('REACHED')""",
    "HugePages_Free:": "huge = 0x40000\nm = hog(400, mmap.MAP_SHARED | huge)\ntime.sleep(0.3)\n"
    "print('REACHED')",
}


@pytest.mark.parametrize("where", ELSEWHERE)
def test_memory_in_swap_or_in_huge_pages_counts_too(lab, where):
    text = Path("/proc/meminfo").read_text("ascii").partition(where)[2]
    if int(text.split()[0]) < 200:  # kilobytes, or pages of 2 MB
        pytest.skip(f"needs a machine with some of it: {where} 0")

    seen = lab.run(HOG + ELSEWHERE[where])

    assert (seen.ran.how, seen.ran.error, seen.next) == ("gone", TOO_MUCH, "42")
    assert lab.run(HOG + ELSEWHERE[where], limits=MORE).text == "REACHED\n"


def test_who_makes_the_watch_take_long_holds_up_nobody(lab):
    shared = """
held = hog(900, mmap.MAP_PRIVATE)
for _ in range(36):
    if not os.fork():
        time.sleep(2)
        os._exit(0)
time.sleep(2)"""

    async def longest_stop(source):
        async with source.kernel(1) as running:
            task = asyncio.ensure_future(running.run(HOG + shared, 10))
            stops = []
            while not task.done():
                before = time.monotonic()
                await asyncio.sleep(0.001)
                stops.append(time.monotonic() - before)
            return max(stops)

    larger = lab.source(limits=replace(LIMITS, memory_bytes=2**30))
    assert lab.runner.run(longest_stop(larger)) < 0.25


def test_memory_that_processes_share_counts_once(lab):
    shared = """
m = hog(150, mmap.MAP_SHARED)
for _ in range(3):
    if not os.fork():
        for i in range(0, len(m), 4096):
            m[i] = 2
        time.sleep(0.5)
        os._exit(0)
for _ in range(3):
    os.wait()
print('REACHED')"""

    assert lab.run(HOG + shared).text == "REACHED\n"


SOCKETS = """import os, socket, time
def fill(count):
    held, kept = 0, []
    for _ in range(count):
        kept += (pair := socket.socketpair())
        for end in pair:
            end.setblocking(False)
            try:
                while True:
                    held += end.send(bytes(2**16))
            except BlockingIOError:
                pass
    return held, kept
"""
MANY = """
child = os.fork()
held, kept = fill(450)
time.sleep(1)
if not child:
    os._exit(0)
os.waitpid(child, 0)
print('REACHED' if 2 * held > 2**28 else held)"""
UNSEEN = """
ways = []
for _ in range(10):
    # on its way from one end of a pair to the other, a socket is nobody's descriptor
    held, kept = fill(40)
    ways.append(socket.socketpair())
    socket.send_fds(ways[-1][0], [b'.'], [one.fileno() for one in kept])
    for one in kept:
        one.close()
time.sleep(1)
print('REACHED')"""


@proves("socket_memory")
@pytest.mark.parametrize("kind", ["pipe", "cold"])
@pytest.mark.parametrize("source", [MANY, UNSEEN], ids=["many", "unseen"])
def test_what_sockets_hold_counts_as_memory(lab, source, kind):
    seen = lab.run(SOCKETS + source, kind=kind)

    assert (seen.ran.how, seen.ran.error, seen.text) == ("gone", TOO_MUCH, "")
    assert seen.next == "42"


def test_without_a_network_of_its_own_it_does_not_and_the_banner_says_so(lab):
    seen = lab.run(SOCKETS + MANY, taken=RUNGS["B"])

    assert seen.text == "REACHED\n"
    assert THREAT["socket_memory"] in attacks.standing_without(RUNGS["B"]).open


@pytest.mark.parametrize("kind", ["pipe", "cold"])
def test_a_few_sockets_are_not_in_the_way(lab, kind):
    few = "held, kept = fill(100)\ntime.sleep(0.5)\nprint('REACHED')"

    assert lab.run(SOCKETS + few, kind=kind).text == "REACHED\n"


# disk ---------------------------------------------------------------------------------------------

FILL = """import time
for i in range(3):
    with open(f'{WHERE}/hog{i}', 'wb') as file:
        file.write(bytes(8 * 2**20))
time.sleep(1.5)
print('REACHED')"""


TEMPORARY = """import os, tempfile
with tempfile.TemporaryDirectory() as folder, tempfile.NamedTemporaryFile() as file:
    print(os.path.dirname(folder) == os.path.dirname(file.name) == os.environ['TMPDIR'])"""


@pytest.mark.parametrize("kind", ["pipe", "cold"])
@pytest.mark.parametrize("letter", "ABC")
def test_a_kernel_has_a_place_for_temporary_files(lab, letter, kind):
    assert lab.run(TEMPORARY, taken=RUNGS[letter], kind=kind).text == "True\n"


LOCK = "import multiprocessing\nmultiprocessing.Lock()\nprint('REACHED')"


@pytest.mark.parametrize("letter", "AB")
def test_processes_share_locks_or_the_banner_says_that_they_do_not(lab, letter):
    banner = " ".join(attacks.standing_without(RUNGS[letter]).banner)

    seen = lab.run(LOCK, taken=RUNGS[letter])

    assert (seen.text == "REACHED\n") == ("multiprocessing" not in banner), seen.ran


@pytest.mark.parametrize("where", [".", "/tmp", "/dev/shm", "/root"])
def test_all_places_of_a_kernel_together_hold_no_more_than_the_limit(lab, where):
    where = outer.FOLDERS["home"] if where == "/root" else where

    seen = lab.run(f"WHERE = {where!r}\n{FILL.replace('1.5', '0')}")

    full = "No space left on device (a notebook may write 16 MB, in 20000 files)"
    assert seen.ran.error.endswith(full)
    assert seen.next == "42"


def test_who_makes_too_many_files_is_told_so(lab):
    seen = lab.run("for i in range(21_000): open(f'f{i}', 'x').close()")

    assert seen.ran.error.endswith("(a notebook may write 16 MB, in 20000 files)")
    assert seen.next == "42"


def test_where_it_has_no_disk_of_its_own_a_kernel_that_fills_it_is_ended(lab):
    seen = lab.run(f"WHERE = '.'\n{FILL}", taken=RUNGS["B"])

    assert (seen.ran.how, seen.ran.error) == ("gone", "it wrote more than 16 MB")
    assert seen.next == "42"


def test_with_a_larger_limit_the_same_files_can_be_written(lab):
    larger = replace(LIMITS, disk_bytes=2**25)

    assert lab.run(f"WHERE = '.'\n{FILL}", limits=larger).text == "REACHED\n"
    assert lab.run(f"WHERE = '.'\n{FILL}", limits=larger, taken=RUNGS["B"]).text == "REACHED\n"


def test_a_single_file_has_a_bound_even_if_it_has_no_name(lab):
    unlinked = """import os, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open('hog', 'wb') as file:
    os.remove('hog')
    file.write(bytes(17 * 2**20))"""

    seen = lab.run(unlinked, taken=RUNGS["B"])

    assert seen.ran.error == "OSError: [Errno 27] File too large (a notebook may write 16 MB)"


CONNECTION = """import os, time
from ipykernel.kernelapp import IPKernelApp
place = os.path.dirname(IPKernelApp.instance().abs_connection_file)
"""
HELD = """with open(place + '/hog', 'wb') as file:
    file.write(bytes(2**20))
    print('REACHED')"""
SOCKET_FILES = """import socket
for number in range(2000):
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(f'{place}/{number}')
time.sleep(1.5)
print('REACHED')"""


@pytest.mark.parametrize("letter", "AB")
def test_where_a_cold_kernel_has_its_sockets_no_file_can_be_made(lab, letter):
    seen = lab.run(CONNECTION + HELD, taken=RUNGS[letter], kind="cold")

    assert "Permission denied" in seen.ran.error
    assert seen.text == ""


def test_without_landlock_one_can(lab):
    seen = lab.run(CONNECTION + HELD, taken=frozenset(["landlock"]), kind="cold")

    assert seen.text == "REACHED\n"


def test_nor_sockets_without_end(lab, monkeypatch):
    for most, said in ((1000, ""), (10_000, "REACHED\n")):
        monkeypatch.setattr(folders, "MOST_ENTRIES", most)

        seen = lab.run(CONNECTION + SOCKET_FILES, kind="cold")

        assert seen.text == said, seen.ran


DEEP = """import os
for _ in range(3000):
    os.mkdir('d')
    os.chdir('d')
with open('hog', 'wb') as file:
    file.write(bytes(2**20))"""
CLOSED = """import os
os.mkdir('closed', 0o300)
with open('closed/hog', 'wb') as file:
    file.write(bytes(2**20))"""


@pytest.mark.parametrize("kind", ["pipe", "cold"])
@pytest.mark.parametrize("letter", "ABC")
@pytest.mark.parametrize("source", [DEEP, CLOSED], ids=["deep", "closed"])
def test_whatever_folders_a_kernel_makes_nothing_of_them_is_left(lab, source, letter, kind):
    seen = lab.run(source, taken=RUNGS[letter], kind=kind)

    assert seen.ran.how == "ok" or "nobody could look" in seen.ran.error
    assert seen.next == "42"
    assert not [path for path in lab.home.glob("k*") if path.is_dir()]


def test_folders_in_which_nobody_can_look_are_no_place_to_hide_files(lab):
    seen = lab.run(f"{DEEP}\nimport time\ntime.sleep(2)", taken=RUNGS["B"])

    assert (seen.ran.how, seen.next) == ("gone", "42")
    assert seen.ran.error == "it made folders in which nobody could look"


# processes and the processor ----------------------------------------------------------------------


def named(name):
    """The processes of the machine that go by a name or have it in their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            known = (folder / "comm").read_text().strip(), (folder / "cmdline").read_bytes()
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and (known[0] == name or name.encode() in known[1]):
                found.append(int(folder.name))
    return found


BOMB = """import ctypes, os, signal, time
ctypes.CDLL(None).prctl(15, NAME.encode())
first = os.getpid()
for _ in range(7):  # 128 of them, if all can be started
    try:
        os.fork()
    except OSError:
        pass
if os.getpid() != first:
    signal.pause()
time.sleep(0.3)"""


@pytest.mark.parametrize("letter", "ABC")
def test_a_fork_bomb_costs_nobody_but_its_own_kernel(lab, letter):
    name = f"bomb{secrets.token_hex(4)}"

    async def thrown(source):
        async with source.kernel(1) as running:
            await running.run(f"NAME = {name!r}\n{BOMB}", 10)
            count = len(named(name))
        async with source.kernel(2) as after:
            await after.run("print(6 * 7)", 10)
            return count, named(name), printed(after).strip()

    count, left, after = lab.runner.run(thrown(lab.source(RUNGS[letter])))

    assert (left, after) == ([], "42")
    bound = not any(threat.key == "processes" for threat in THREATS_OPEN[letter])
    assert (count <= LIMITS.processes) == bound, count


THREATS_OPEN = {
    "A": (),
    "B": attacks.standing_without(RUNGS["B"]).open,
    "C": ladder.NONE.open,
}

SPIN = """import os, time
child = os.fork()
if not child:
    while True:
        pass
ends = time.monotonic() + 5
while time.monotonic() < ends:
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        print('ended by signal', status & 127)
        break
    time.sleep(0.05)
    if time.process_time_ns and os.times().elapsed and FOR and time.monotonic() > ends - 5 + FOR:
        os.kill(child, 9)
        os.waitpid(child, 0)
        print('REACHED')
        break"""
ONE_SECOND = replace(LIMITS, notebook_seconds=-29.5)  # twice that and a minute


@proves("cpu")
@pytest.mark.parametrize("letter", "AB")
def test_a_process_that_computes_for_longer_than_a_notebook_may_run_is_ended(lab, letter):
    seen = lab.run(f"FOR = 0\n{SPIN}", taken=RUNGS[letter], limits=ONE_SECOND)

    assert seen.text.startswith("ended by signal")


def test_without_limits_it_goes_on(lab):
    seen = lab.run(f"FOR = 2.5\n{SPIN}", taken=frozenset(["limits"]), limits=ONE_SECOND)

    assert seen.text == "REACHED\n"


def test_a_cell_that_computes_without_end_is_ended_by_the_clock(lab):
    seen = lab.run("while True: pass", taken=EVERY, seconds=0.5)

    assert (seen.ran.how, seen.ran.error) == ("interrupted", "it did not end within 0.5 s")


DAEMONS = """import ctypes, os, signal, time
def daemon(live):
    if os.fork():
        return
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    if os.fork():
        os._exit(0)
    live()
    os._exit(1)
def bare():
    os.execve('/usr/bin/sleep', ['sleep', NUMBER], {})
def renamed():
    ctypes.CDLL(None).prctl(15, NUMBER.encode())
    time.sleep(1000)
def stopped():
    ctypes.CDLL(None).prctl(15, NUMBER.encode())
    os.kill(os.getpid(), signal.SIGSTOP)
for live in (bare, renamed, stopped):
    daemon(live)
time.sleep(0.3)"""


@proves("outlive")
@pytest.mark.parametrize("kind", ["pipe", "cold"])
@pytest.mark.parametrize("letter", "AB")
def test_what_a_notebook_started_ends_with_it_or_the_banner_says_so(lab, letter, kind):
    outlived = [lives(lab, letter, kind, end) for end in ("1", "os._exit(0)")]
    told = any(threat.key == "outlive" for threat in THREATS_OPEN[letter])

    assert any(outlived) == told


def lives(lab, letter, kind, end):
    """Whether daemons that a notebook starts live on after its kernel, which ends so."""
    number = f"9{secrets.randbelow(10**8):08}.5"

    async def started(source):
        async with source.kernel(1) as running:
            await running.run(f"NUMBER = {number!r}\n{DAEMONS}", 10)
            there = named(number)
            await running.run(end, 10)
        return there, named(number)

    there, left = lab.runner.run(started(lab.source(RUNGS[letter], kind)))
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 9)
    assert len(there) == 3  # they did run
    return bool(left)


# hanging ------------------------------------------------------------------------------------------

NEVER_ENDING = {
    "it ignores SIGINT": (
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass"
    ),
    "it blocks all signals": (
        "import signal, time\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))\ntime.sleep(100)"
    ),
    "it swallows KeyboardInterrupt": """import time
while True:
    try:
        time.sleep(100)
    except BaseException:
        pass""",
    "it stops itself": """import os, signal, time
os.kill(os.getpid(), signal.SIGSTOP)
os.kill(os.getpid(), signal.SIGTSTP)
time.sleep(100)""",
    "it waits for a stopped child": """import os, signal
child = os.fork()
if not child:
    os.kill(os.getpid(), signal.SIGSTOP)
os.waitpid(child, 0)""",
    "its child has its descriptors, and it is dead": """import os, time
if os.fork():
    os._exit(0)
time.sleep(100)""",
    "it waits in C": "import ctypes\nctypes.CDLL(None).sigsuspend(ctypes.create_string_buffer("
    "bytes([255] * 128)))",
    "it reads from its own end of the pipe": "import os\nos.read(0, 1) or os.pause()"
    if hasattr(os, "pause")
    else "import os, signal\nos.read(0, 1)\nsignal.pause()",
    "it waits for a lock": (
        "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()"
    ),
}


@proves("hang")
@pytest.mark.parametrize("letter", "AB")
@pytest.mark.parametrize("name", NEVER_ENDING)
def test_a_cell_that_never_ends_is_ended(lab, name, letter, monkeypatch):
    monkeypatch.setattr(kernel, "INTERRUPT_SECONDS", 0.5)

    seen = lab.run(NEVER_ENDING[name], taken=RUNGS[letter], seconds=0.5)

    assert seen.ran.how in ("interrupted", "gone")
    assert "it did not end within 0.5 s" in seen.ran.error or seen.ran.error == "the kernel died"
    assert seen.seconds < 4
    assert seen.next == "42"


def test_who_asks_for_input_gets_none(lab):
    seen = lab.run("print(repr(input('who? ')))\ninput()", seconds=5)

    assert seen.ran.how in ("ok", "raised")
    assert seen.seconds < 3


def test_a_function_that_answers_for_ever_is_ended(lab, monkeypatch):
    monkeypatch.setattr(kernel, "INTERRUPT_SECONDS", 0.5)
    endless = """def endless(x):
    import time
    while True:
        get_ipython().display_pub.publish({'application/x-grader+json': '[{}]'}, {})
        get_ipython().kernel.send()
        time.sleep(0.05)"""
    question = asking("endless", case(1))
    asked = {question.key: (question, {t: Cases(t.draw(1)) for t in question.trials})}
    source = lab.source(limits=replace(LIMITS, call_seconds=0.3, cell_seconds=5))

    async def observed():
        async with asyncio.timeout(15):
            return await notebook.observe(submission([endless]), asked, source, 7)

    _, found = lab.runner.run(observed())

    assert list(found) == ["endless"]


# crashing -----------------------------------------------------------------------------------------

WIRE = """import json, os, socket, struct
def sockets():
    for number in range(3, 1024):
        try:
            yield socket.socket(fileno=os.dup(number))
        except OSError:
            pass
wire = next(sockets())
wire.setblocking(True)
about = get_ipython().kernel.get_parent('shell')['header']
def frame(body, channel=b'i'):
    wire.sendall(struct.pack('<I', len(body) + 1) + channel + body)
def message(kind, content, **more):
    said = {'header': {'msg_type': kind}, 'msg_type': kind, 'parent_header': about,
            'metadata': {}, 'content': content, **more}
    frame(json.dumps(said).encode())
"""
ENDS = {
    "os._exit": "import os\nos._exit(0)",
    "a segmentation fault": "import ctypes\nctypes.string_at(0)",
    "abort": "import os\nos.abort()",
    "all descriptors closed": "import os\nos.closerange(0, 1024)",
    "garbage on every descriptor": """import os
for number in range(1024):
    try:
        os.set_blocking(number, False)
        os.write(number, b'\\xff\\x00garbage' * 1000)
    except OSError:
        pass
os._exit(1)""",
    "a death that leaves half a message": WIRE
    + "wire.sendall(struct.pack('<I', 100) + b'i{')\nos._exit(1)",
}
ODD = "message('stream', {'name': 'stdout', 'text': None})\n"
SENT = {
    "a frame of 4 GB": "wire.sendall(struct.pack('<I', 2**32 - 1) + b'i' + bytes(1000))",
    "a frame of nothing": "wire.sendall(bytes(8))",
    "a frame that is larger than may be": "frame(b'[' + b' ' * 40 * 2**20 + b']')",
    "what is no JSON": "frame(b'garbage')",
    "what is no UTF-8": "frame(b'\\xff' * 100)",
    "a bomb of brackets": "frame(b'[' * 10**7)",
    "a bomb of objects in objects": "frame(b'{\"a\":' * 900_000 + b'1' + b'}' * 900_000)",
    "a bomb of lists": "frame(b'[' + b'[],' * 5 * 10**6 + b'1]')",
    "a bomb of objects": "frame(b'[' + b'{\"a\":0},' * 950_000 + b'1]')",
    "a bomb of digits": "frame(b'{\"a\":' + b'1' * 10**7 + b'}')",
    "a list for a message": "frame(b'[1, 2]')",
    "an answer without a request": "frame(b'{}', b's')",
    "a kind that cannot be looked up": "message([], {})",
    "a number for a text": "message('stream', {'name': [], 'text': 7})",
    "no content": 'frame(b\'{"msg_type": "stream", "header": {}}\')',
    "more and more after what its reader ends at": ODD
    + """for _ in range(1000):
    message('stream', {'name': 'stdout', 'text': 'x' * 2**20})""",
    "more and more below sys.stdout after that": ODD
    + """for _ in range(1000):
    os.write(1, b'x' * 2**20)""",
    "replies to nobody without end": """for _ in range(1000):
    frame(json.dumps({'header': {}, 'msg_type': 'execute_reply', 'parent_header': about,
                      'content': {'status': 'ok', 'x': 'x' * 2**20}}).encode(), b's')""",
}


@proves("crash")
@pytest.mark.parametrize("kind", ["pipe", "cold"])
@pytest.mark.parametrize("name", ENDS)
def test_a_kernel_that_ends_itself_ends_nothing_else(lab, name, kind):
    if kind == "cold" and "WIRE" in ENDS[name]:
        return
    source = ENDS[name]
    if kind == "cold":
        source = source.replace(WIRE, "import os\n").replace("wire.sendall", "str")
        source = source.replace("struct.pack('<I', 100) + b'i{'", "0")

    seen = lab.run(source, kind=kind)

    assert (seen.ran.how, seen.next) == ("gone", "42")
    assert seen.seconds < 5


@pytest.mark.parametrize("name", SENT)
def test_whatever_a_kernel_sends_the_grader_goes_on_and_does_not_grow(lab, name):
    seen = lab.run(WIRE + SENT[name] + "\nimport time\ntime.sleep(10)")

    assert seen.ran.how == "gone", seen.ran
    assert seen.grown < 300 * MB
    assert seen.next == "42"


@pytest.mark.parametrize("kind", ["pipe", "cold"])
def test_what_comes_after_an_odd_message_piles_up_nowhere(lab, kind):
    source = """kernel = get_ipython().kernel
about = kernel.get_parent('shell')
kernel.session.send(kernel.iopub_socket, 'stream', {'name': 'stdout', 'text': None}, parent=about)
for _ in range(100):
    said = {'name': 'stdout', 'text': 'x' * 10**7}
    kernel.session.send(kernel.iopub_socket, 'stream', said, parent=about)
import time
time.sleep(10)"""

    seen = lab.run(source, kind=kind)

    assert seen.ran.how == "gone", seen.ran
    assert seen.grown < 400 * MB
    assert seen.next == "42"


ODD_REPLIES = {
    "lines that are a number": "'traceback': 7",
    "names that are lists": "'ename': [[]], 'evalue': {}, 'traceback': [[], {}, None]",
    "a name as deep as can be read": "'ename': eval('[' * 90 + ']' * 90)",
}


@pytest.mark.parametrize("name", ODD_REPLIES)
def test_an_odd_error_is_one_all_the_same(lab, name):
    source = f"""{WIRE}
reply = {{'status': 'error', {ODD_REPLIES[name]}}}
frame(json.dumps({{'header': {{}}, 'msg_type': 'execute_reply', 'parent_header': about,
                  'content': reply}}).encode(), b's')"""

    seen = lab.run(source)

    assert (seen.ran.how, seen.ran.error, seen.next) == ("raised", "", "42")


def test_without_the_bound_on_a_message_the_grader_would_read_it_all(lab, monkeypatch):
    monkeypatch.setattr(pipe, "FRAME_BYTES", 2**30)

    seen = lab.run(WIRE + "frame(b'[' + b' ' * 60 * 2**20 + b']')")

    assert seen.grown > 50 * MB


# what it prints -----------------------------------------------------------------------------------

OVER = "it printed more than 1 MB and was interrupted"
SMALL = replace(LIMITS, output_bytes=2**20)
PRINTED = {
    "text": "while True: print('x' * 10**5)",
    "text below sys.stdout": "import os\nwhile True: os.write(1, b'x' * 65536)",
    "errors": "import sys\nwhile True: print('x' * 10**5, file=sys.stderr)",
    "pages": "while True: display({'text/html': 'x' * 10**5}, raw=True)",
    "what a child prints": "import subprocess\nsubprocess.run(['yes'])",
}


@proves("output")
@pytest.mark.parametrize("name", PRINTED)
def test_a_cell_that_prints_without_end_is_interrupted(lab, name):
    seen = lab.run(PRINTED[name], limits=SMALL)

    assert seen.ran.how in ("interrupted", "gone")
    assert (seen.ran.error, seen.next) == (OVER, "42")
    assert seen.grown < 60 * MB


def test_with_a_larger_limit_the_same_output_is_kept(lab):
    source = "for _ in range(30): print('x' * 10**5)"

    assert lab.run(source, limits=SMALL).ran.error == OVER
    assert len(lab.run(source).text) == 30 * (10**5 + 1)


SENT_WITHOUT_END = {
    "errors": "message('error', {'ename': '', 'evalue': '', 'traceback': ['x' * 10**7]})",
    "what is shown, but is no text": (
        "message('display_data', {'data': {'application/json': ['x' * 10**7]}, 'metadata': {}})"
    ),
    "what is said about what is shown": (
        "message('display_data', {'data': {}, 'metadata': {'a': 'x' * 10**7}})"
    ),
    "the state of widgets": (
        "message('comm_open', {'comm_id': str(i), 'data': {'state': {'a': 'x' * 10**7}}})"
    ),
    "replies": (
        "frame(json.dumps({'header': {}, 'msg_type': 'execute_reply', 'parent_header': {},"
        " 'content': {'a': 'x' * 10**7}}).encode(), b's')"
    ),
}


@pytest.mark.parametrize("name", SENT_WITHOUT_END)
def test_what_a_kernel_sends_without_end_is_not_kept(lab, name):
    source = f"{WIRE}for i in range(20): {SENT_WITHOUT_END[name]}"

    async def held(source_of_kernels):
        async with source_of_kernels.kernel(1) as running:
            before = _now_held()
            await running.run(source, 20)
            return _of_status("VmRSS:") - before

    assert lab.runner.run(held(lab.source(limits=SMALL))) < 60 * MB


def test_descriptors_that_a_kernel_sends_are_not_kept(lab):
    flood = (
        f"{WIRE}for i in range(300): socket.send_fds(wire, [struct.pack('<I', 3) + b'f{{}}'], [0])"
    )

    async def held(source):
        async with source.kernel(1) as running:
            before = len(list(Path("/proc/self/fd").iterdir()))
            await running.run(flood, 10)
            return len(list(Path("/proc/self/fd").iterdir())) - before

    assert lab.runner.run(held(lab.source())) < 10


# where the grader is installed --------------------------------------------------------------------

LOOK = """import importlib.util, os, sys
for name in ('reference', 'grader', 'fixtures'):
    try:
        if importlib.util.find_spec(name):
            print('FOUND', name)
    except ImportError:
        pass
    for folder in sys.path:
        try:
            if os.listdir(os.path.join(folder, name)):
                print('LISTED', name, 'in', folder)
        except OSError:
            pass
for path in PATHS:
    try:
        print(open(path).read())
    except (OSError, UnicodeError):
        pass"""
REFERENCES = [str(CHECKOUT / "reference" / "week14" / "softmax.py")]


@pytest.mark.parametrize(
    "letter, kind", [("A", "pipe"), ("A", "cold"), ("B", "pipe"), ("B", "cold")]
)
def test_this_checkout_is_not_seen_from_inside(lab, letter, kind):
    seen = lab.run(f"PATHS = {REFERENCES}\n{LOOK}", taken=RUNGS[letter], kind=kind)

    found = [line for line in seen.text.split("\n") if letter == "A" or "LISTED" not in line]
    assert (seen.ran.how, found) == ("ok", [""])


def test_without_walls_the_same_look_finds_the_reference(lab):
    seen = lab.run(f"PATHS = {REFERENCES}\n{LOOK}", taken=EVERY)

    assert "def softmax(" in seen.text


@pytest.fixture
def installed(monkeypatch):
    """A Python prefix, more of it than is ours, into which the grader was installed as a wheel."""
    top = Path(tempfile.mkdtemp(prefix="prefix", dir="/var/tmp"))
    top.chmod(0o755)
    site = top / "lib" / "python3" / "site-packages"
    for name in ("reference/week14/softmax.py", "grader/model.py", "fixtures/a.toml", "other/a.py"):
        (site / name).parent.mkdir(parents=True)
        (site / name).write_text(f"FOUND {name}\n", "ascii")
    (top / "bin").mkdir()
    (top / "lib64").symlink_to("lib")
    caches = (outer.prefix, outer.hidden, outer.readable, outer.listed, outer.away)
    ours = outer.prefix()
    for cached in caches:
        cached.cache_clear()
    plain = sysconfig.get_path
    monkeypatch.setattr(
        sysconfig,
        "get_path",
        lambda name: str(site) if name in ("purelib", "platlib") else plain(name),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "prefix", str(top))
        patch.setattr(sys, "base_prefix", str(top))
        theirs = outer.prefix()
    outer.prefix.cache_clear()
    monkeypatch.setattr(outer, "prefix", lambda: (*ours, *theirs))
    yield top
    monkeypatch.undo()
    for cached in caches:
        cached.cache_clear()
    shutil.rmtree(top)


def seen_of(top, letter, home):
    """What of the files below a folder can be read from inside, in a kernel of its own source."""
    paths = [str(p) for p in sorted(top.rglob("*")) if p.is_file()]
    paths += [path.replace("/lib/", "/lib64/") for path in paths]
    with asyncio.Runner() as runner:
        lab = Lab(runner, home)
        try:
            return lab.run(f"PATHS = {paths}\n{LOOK}", taken=RUNGS[letter]).text
        finally:
            lab.close()


@pytest.mark.parametrize("letter", "AB")
def test_of_an_installed_wheel_only_other_packages_are_seen_from_inside(installed, home, letter):
    text = seen_of(installed, letter, home)

    found = {line for line in text.split("\n") if line and sys.prefix not in line}
    assert found == {"FOUND other/a.py"}


@pytest.mark.parametrize("letter", "AB")
def test_if_nothing_of_the_prefix_were_hidden_all_of_it_would_be_seen(
    installed, home, letter, monkeypatch
):
    monkeypatch.setattr(outer, "hidden", lambda: ())

    assert "FOUND reference/week14/softmax.py" in seen_of(installed, letter, home)


@proves("list_packages")
@pytest.mark.parametrize("letter", "AB")
def test_on_rung_b_the_names_of_its_files_are_seen_as_the_banner_says(installed, home, letter):
    (place,) = installed.rglob("reference")
    with asyncio.Runner() as runner:
        lab = Lab(runner, home)
        try:
            text = lab.run(
                f"import os\nprint(os.listdir({str(place)!r}))", taken=RUNGS[letter]
            ).text
        finally:
            lab.close()
    told = {threat.key for threat in attacks.standing_without(RUNGS[letter]).open}

    assert (text == "['week14']\n") == ("list_packages" in told) == (letter == "B")


@pytest.fixture
def course(monkeypatch):
    """A course's folder in which somebody called `python -m venv .`: it is the prefix itself."""
    top = Path(tempfile.mkdtemp(prefix="course", dir="/var/tmp"))
    top.chmod(0o755)
    for name in ("reference/week14/softmax.py", "submissions/a.ipynb", "lib/other.py"):
        (top / name).parent.mkdir(parents=True)
        (top / name).write_text(f"FOUND {name}\n", "ascii")
    (top / "gradebook.csv").write_text("FOUND gradebook.csv\n", "ascii")
    (top / "bin").mkdir()
    ours = outer.prefix()
    caches = (outer.prefix, outer.readable)
    for cached in caches:
        cached.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "prefix", str(top))
        theirs = outer.prefix()
    monkeypatch.setattr(outer, "prefix", lambda: tuple(dict.fromkeys((*ours, *theirs))))
    yield top
    monkeypatch.undo()
    for cached in caches:
        cached.cache_clear()
    shutil.rmtree(top)


@pytest.mark.parametrize("letter", "AB")
def test_of_a_course_that_is_its_own_environment_only_the_environment_is_seen(course, home, letter):
    text = seen_of(course, letter, home)

    found = {line for line in text.split("\n") if line and sys.prefix not in line}
    assert found == {"FOUND lib/other.py"}


def test_an_editable_install_puts_no_checkout_on_a_kernels_path(home, monkeypatch):
    made = Path(tempfile.mkdtemp(prefix="checkout", dir="/var/tmp"))
    try:
        for name in ("grader/model.py", "reference/week14/softmax.py"):
            (made / name).parent.mkdir(parents=True)
            (made / name).write_text("x = 1\n", "ascii")
        monkeypatch.syspath_prepend(str(made))
        outer.away.cache_clear()
        with asyncio.Runner() as runner:
            lab = Lab(runner, home)
            try:
                path = "import sys\nprint(sys.path)"
                seen = [lab.run(path, taken=RUNGS[letter]).text for letter in "AB"]
            finally:
                lab.close()

        assert str(made) in outer.away()
        assert all(str(made) not in text and "site-packages" in text for text in seen)
    finally:
        outer.away.cache_clear()
        shutil.rmtree(made)


def test_limits_of_these_tests_are_not_those_of_a_run():
    assert Limits().memory_bytes > LIMITS.memory_bytes
