"""What a command uses, all its processes together: CPU seconds, wall seconds, memory.

The times that a waiting parent is told leave out every process whose parent ignores its children's
ends, as the zygote does: so CPU is read from a control group, which leaves nobody out.  How much a
meter sees is tried on a process that burns a known time in just such a child.
"""

import contextlib
import os
import resource
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

BURNER = """
import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
if os.fork() == 0:
    while time.process_time() < 1:
        pass
    os._exit(0)
try:
    os.wait()
except ChildProcessError:
    pass
"""
EVERY_SECONDS = 0.05  # between two looks at the memory


@dataclass(frozen=True, slots=True)
class Used:
    """`peak_bytes` is the largest sum of PSS seen; 0 if nobody looked."""

    cpu: float
    wall: float
    peak_bytes: int = 0
    peak_processes: int = 0
    output: str = ""


class Group:
    """A control group of version 1 or 2: CPU seconds and processes of all that was put in."""

    def __init__(self, folder, usage, unit, key=""):
        self.folder, self.usage, self.unit, self.key = folder, usage, unit, key

    def entered(self, command):
        """The command that runs `command` in the group."""
        return ["sh", "-c", 'echo 0 > "$0" && exec "$@"', f"{self.folder}/cgroup.procs", *command]

    def seconds(self):
        text = (self.folder / self.usage).read_text()
        if self.key:
            text = next(line.split()[1] for line in text.splitlines() if line.startswith(self.key))
        return int(text) * self.unit

    def processes(self):
        found = []
        for file in [self.folder / "cgroup.procs", *self.folder.rglob("*/cgroup.procs")]:
            with contextlib.suppress(OSError):
                found += [int(pid) for pid in file.read_text().split()]
        return found

    def close(self):
        with contextlib.suppress(OSError):
            self.folder.rmdir()


class Children:
    """In place of a group where none can be made: what waiting parents are told."""

    def entered(self, command):
        return command

    def seconds(self):
        told = resource.getrusage(resource.RUSAGE_CHILDREN)
        return told.ru_utime + told.ru_stime

    def processes(self):
        return [child.pid for child in psutil.Process().children(recursive=True)]

    def close(self):
        pass


def made():
    """A group in which CPU is counted; Children where there is none to be had."""
    name = f"grader-speed-{os.getpid()}"
    own = dict(
        line.split(":", 2)[1:] for line in Path("/proc/self/cgroup").read_text().splitlines()
    )
    top = Path("/sys/fs/cgroup")
    places = [
        (top / "cpuacct" / own.get("cpuacct", "/").strip("/"), "cpuacct.usage", 1e-9, ""),
        (top / "cpu,cpuacct" / own.get("cpu,cpuacct", "/").strip("/"), "cpuacct.usage", 1e-9, ""),
        (top / own.get("", "/").strip("/"), "cpu.stat", 1e-6, "usage_usec"),
        (top / "unified" / own.get("", "/").strip("/"), "cpu.stat", 1e-6, "usage_usec"),
    ]
    for parent, usage, unit, key in places:
        group = Group(parent / name, usage, unit, key)
        try:
            group.folder.mkdir()
            group.seconds()
            subprocess.run(group.entered(["true"]), check=True, stderr=subprocess.DEVNULL)
        except (OSError, subprocess.SubprocessError, StopIteration):
            group.close()
            continue
        return group
    return Children()


class Meter:
    """Runs commands, one at a time, and says what they used."""

    def __init__(self):
        self.group = made()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.group.close()

    def seen(self):
        """CPU seconds seen of a child that burns one second and is reaped by nobody."""
        return self.run([sys.executable, "-c", BURNER], dict(os.environ)).cpu

    def run(self, command, environment, *, ends=(0,), look=False, waits=False):
        """What `command` used.

        ends   the exit codes that are no failure
        look   whether its memory is looked at all the while, which costs CPU of its own
        waits  whether it says "ready" when it is, and goes on when told: what comes before that
               is left out
        Raises RuntimeError if it fails.
        """
        before, started = self.group.seconds(), time.perf_counter()
        process = subprocess.Popen(
            self.group.entered(command),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        if waits:
            while "ready" not in (line := process.stdout.readline()):
                if not line:
                    raise RuntimeError(f"{command[:4]} failed: {process.communicate()[1][-2000:]}")
            before, started = self.group.seconds(), time.perf_counter()
        peak, done = [0, 0], threading.Event()
        looking = threading.Thread(target=self._look, args=(peak, done)) if look else None
        if looking:
            looking.start()
        output, errors = process.communicate("\n" if waits else None)
        wall = time.perf_counter() - started
        done.set()
        if looking:
            looking.join()
        self._wait_until_all_have_ended()
        if process.returncode not in ends:
            raise RuntimeError(
                f"{' '.join(command[:4])} ended with {process.returncode}: {errors[-2000:]}"
            )
        return Used(self.group.seconds() - before, wall, *peak, output + errors)

    def _wait_until_all_have_ended(self):
        for _ in range(100):
            if not self.group.processes():
                return
            time.sleep(0.02)

    def _look(self, peak, done):
        while not done.wait(EVERY_SECONDS):
            total, count = 0, 0
            for pid in self.group.processes():
                try:
                    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                except OSError:
                    continue
                found = [line.split()[1] for line in text.splitlines() if line.startswith("Pss:")]
                total += 1024 * sum(map(int, found))
                count += 1
            if total > peak[0]:
                peak[:] = [total, count]
