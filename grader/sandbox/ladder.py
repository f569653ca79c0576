"""Which walls stand on this machine: tried before each run, never guessed from a version.

A  bubblewrap, namespaces, limits, no capabilities, seccomp, and Landlock where the kernel has it
B  Landlock, seccomp, limits, no capabilities: what bubblewrap or namespaces are not allowed for
C  nothing that would hold
"""

from __future__ import annotations

import json
import os
import platform
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from grader.errors import SandboxError
from grader.sandbox import outer
from grader.sandbox.threats import THREATS, Threat

WALLS = Path(__file__).with_name("walls.py")
INNER = ("namespaces", "uid", "limits", "capabilities", "landlock", "landlock-scopes", "seccomp")
IN_CONTAINER = (Path("/.dockerenv"), Path("/run/.containerenv"))
PROBE = """
import json, marshal, sys, types
from binascii import a2b_base64
told = json.load(sys.stdin)
walls = types.ModuleType("grader_walls")
exec(marshal.loads(a2b_base64(told["code"])), walls.__dict__)
print(json.dumps(walls.probe(told["config"])))
"""


@dataclass(frozen=True, slots=True)
class Wall:
    """One wall as it was tried: what was seen, and how to mend it where it does not stand."""

    name: str
    stands: bool
    seen: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Rung:
    """What stands between student code and the machine.

    letter      A, B or C
    bubblewrap  whether kernels are behind it
    inner       the walls that each kernel raises round itself, by name
    walls       all that were tried
    """

    letter: str
    bubblewrap: bool
    inner: tuple[str, ...]
    walls: tuple[Wall, ...] = ()

    @property
    def alone(self) -> bool:
        """Whether each kernel is in namespaces of its own."""
        return "namespaces" in self.inner

    @property
    def missing(self) -> tuple[Wall, ...]:
        return tuple(wall for wall in self.walls if not wall.stands)

    @property
    def open(self) -> tuple[Threat, ...]:
        """What student code can do here that it could not on rung A."""
        if self.letter == "A":
            return ()
        return tuple(t for t in THREATS if not t.stopped_by.intersection(self.standing))

    @property
    def standing(self) -> frozenset[str]:
        return frozenset([*self.inner, *(["bubblewrap"] if self.bubblewrap else []), "grader"])

    @property
    def banner(self) -> tuple[str, ...]:
        """What whoever runs this has to know; nothing on rung A."""
        if self.letter == "A":
            return ()
        if self.letter == "C":
            return (
                "no sandbox: student code runs with your rights. It can read and change all your "
                "files, the reference and these results among them.",
                *_mends(self.missing),
            )
        still = "; ".join(threat.text for threat in self.open)
        return (
            "the sandbox is incomplete: student code cannot read or change your files or use the "
            f"network, but it can still {still}.",
            *_mends(self.missing),
        )


def _mends(walls: tuple[Wall, ...]) -> Iterator[str]:
    for wall in walls:
        yield f"{wall.name}: {wall.seen}" + (f" → {wall.mend}" if wall.mend else "")


NONE = Rung("C", False, ())


@cache
def rung() -> Rung:
    """The highest rung on which kernels can run here."""
    if sys.platform != "linux":
        name = {"darwin": "macOS"}.get(sys.platform, platform.system())
        seen = f"{name} has none of these walls"
        mend = "run the grader on Linux, or in a container or virtual machine with Linux"
        return Rung("C", False, (), (Wall("walls", False, seen, mend),))
    inner = tuple(wall for wall in INNER if wall != "uid" or os.getuid() == 0)
    tried = _tried(inner, bubblewrap=True)
    if isinstance(tried, dict) and not tried["all"]:
        needed = {"namespaces", "limits", "capabilities", "seccomp"}
        stand = tuple(name for name in inner if not tried.get(name))
        if needed <= set(stand):
            return Rung("A", True, stand, (_bubblewrap(""), *_walls(inner, tried)))
        said = "; ".join(f"{name}: {tried[name]}" for name in sorted(needed - set(stand)))
    else:
        said = tried if isinstance(tried, str) else tried["all"]
    outside = _bubblewrap(said)
    inner = tuple(
        n for n in inner if n != "namespaces" and (n != "uid" or _others_can_run_python())
    )
    tried = _tried(inner, bubblewrap=False)
    if isinstance(tried, str):
        tried = dict.fromkeys([*inner, "all"], tried)
    walls = (outside, *_walls(inner, tried))
    stand = tuple(name for name in inner if not tried.get(name))
    if {"landlock", "limits", "capabilities", "seccomp"} <= set(stand) and not tried["all"]:
        return Rung("B", False, stand, walls)
    return Rung("C", False, (), walls)


def _walls(names: tuple[str, ...], tried: dict[str, str]) -> Iterator[Wall]:
    for name in names:
        said = tried.get(name, "")
        yield Wall(name, not said, said or SEEN[name], MENDS.get(name, "") if said else "")


SEEN = {
    "namespaces": "each kernel has processes, mounts and a network of its own",
    "uid": "each kernel has a user of its own",
    "limits": "of memory, files and processes",
    "capabilities": "none, and none can be gained",
    "landlock": "the second lock on files",
    "landlock-scopes": "the second lock on signals and abstract sockets",
    "seccomp": "a filter is in force",
}
MENDS = {
    "landlock": "Linux 5.13 or newer with landlock among its security modules (lsm=…)",
    "landlock-scopes": "Linux 6.12 or newer",
    "seccomp": "install libseccomp2 (apt install libseccomp2), and pip install pyseccomp",
}


def _bubblewrap(said: str) -> Wall:
    """The wall as it was tried; `said` is why it does not stand."""
    path = outer.program()
    if path is None:
        mend = "install it: apt install bubblewrap (or dnf, pacman)"
        return Wall("bubblewrap", False, "not installed", mend)
    if not said:
        version = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
        return Wall("bubblewrap", True, version.stdout.strip().removeprefix("bubblewrap ") or path)
    seen = f"it cannot make a sandbox here: {said.splitlines()[-1]}"
    if _says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"):
        mend = (
            "allow it: an AppArmor profile for bwrap with 'userns,' in /etc/apparmor.d/bwrap, then "
            "systemctl reload apparmor"
        )
    elif any(sign.exists() for sign in IN_CONTAINER):
        mend = (
            "start the container with --security-opt seccomp=unconfined --security-opt "
            "systempaths=unconfined"
        )
    elif _says("/proc/sys/kernel/unprivileged_userns_clone", "0"):
        mend = "sysctl kernel.unprivileged_userns_clone=1"
    elif _says("/proc/sys/user/max_user_namespaces", "0"):
        mend = "sysctl user.max_user_namespaces=10000"
    else:
        mend = "user namespaces seem to be off: ask who runs this machine"
    return Wall("bubblewrap", False, seen, mend)


def _says(path: str, text: str) -> bool:
    try:
        return Path(path).read_text("ascii").strip() == text
    except OSError:
        return False


def _others_can_run_python() -> bool:
    """Whether a user without rights of its own reaches this Python."""
    for part in outer.prefix():
        for above in (Path(part), *Path(part).parents):
            if not above.stat().st_mode & stat.S_IXOTH:
                return False
    return True


def _tried(inner: tuple[str, ...], *, bubblewrap: bool) -> dict[str, str] | str:
    """What is wrong with each wall; or why that could not be found out."""
    with tempfile.TemporaryDirectory(prefix="grader-") as folder:
        secret = Path(folder) / "secret"
        secret.write_text("not for a kernel", "ascii")
        work = {name: f"{folder}/{name}" for name in outer.FOLDERS}
        folders = outer.FOLDERS if bubblewrap else work
        for place in work.values():
            Path(place).mkdir()
        run = {
            "uid": outer.FIRST_UID if "uid" in inner else os.getuid(),
            "gid": outer.FIRST_UID if "uid" in inner else os.getgid(),
            "folders": folders,
            "also": [],
            "covered": outer.below(tuple(folders.values())) if bubblewrap else [],
            "memory_bytes": 2**30,
            "disk_bytes": 2**24,
            "most_files": 1000,
            "processes": 16,
            "cpu_seconds": 10,
        }
        config = {
            "walls": inner,
            "alone": bubblewrap,
            "read": outer.readable(masked=bubblewrap),
            "listed": outer.listed(),
            "run": run,
            "outside": str(secret),
        }
        environment = outer.environment(folders)
        command = outer.python(PROBE)
        try:
            if bubblewrap:
                command = outer.wrapped(command, environment=environment)
            ended = subprocess.run(
                command,
                input=json.dumps({"code": outer.code("walls", WALLS), "config": config}),
                capture_output=True,
                text=True,
                timeout=30,
                env=environment,
                check=False,
                cwd="/",
            )
        except (OSError, subprocess.TimeoutExpired, SandboxError) as error:
            return str(error)
        if ended.returncode:
            return ended.stderr.strip() or f"it ended with code {ended.returncode}"
        found: dict[str, str] = json.loads(ended.stdout)
        return found
