"""Processes as the system tells of them: whose they are, what they use, and their end."""

from __future__ import annotations

import contextlib
import mmap
import os
import signal
from collections.abc import Collection
from functools import cache
from pathlib import Path

# what the system keeps of one piece of mapped memory, and of it for each process that it came from
MAPPING_BYTES, SHARING_BYTES = 512, 64


def pid_of(descriptor: int) -> int:
    """The process of a pidfd, as it is known here; -1 if it has ended or is no pidfd."""
    with contextlib.suppress(OSError, ValueError):
        for line in _text(f"/proc/self/fdinfo/{descriptor}").splitlines():
            if line.startswith("Pid:"):
                return int(line.split()[1])
    return -1


def _text(path: str) -> str:
    """What a short file of /proc says: pathlib takes four times as long over it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.read(handle, 4096).decode("ascii", "replace")
    finally:
        os.close(handle)


def is_below(pid: int, top: int) -> bool:
    """Whether the process `top` is above the process `pid`."""
    while pid > 1:
        pid = _parent(pid)
        if pid == top:
            return True
    return False


def _parent(pid: int) -> int:
    """The process above this one; 0 if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[1])  # its name, in brackets, may hold any of them


def below(pid: int) -> list[int]:
    """Every process that descends from `pid`."""
    found, todo = [], [pid]
    while todo:
        with contextlib.suppress(OSError, ValueError):
            for task in Path(f"/proc/{todo.pop()}/task").iterdir():
                todo += (own := [int(child) for child in (task / "children").read_text().split()])
                found += own
    return found


def kill_below(pid: int) -> None:
    """End every process that descends from `pid`, which itself goes on.

    They are stopped first, so that none can start another one while the others are killed.
    """
    for _ in range(100):
        living = [child for child in below(pid) if _runs(child)]
        if not living:
            return
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for child in living:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(child, number)


def kill_children(pid: int, but: Collection[int]) -> None:
    """End every process that descends from `pid`, but for some of its children and theirs."""
    for _ in range(100):
        strays = [child for child in _children(pid) if child not in but and _runs(child)]
        if not strays:
            return
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for child in strays:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    if number == signal.SIGKILL:
                        kill_below(child)
                    os.kill(child, number)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text("ascii").split()]
    return found


def _runs(pid: int) -> bool:
    import psutil

    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def waits(pid: int) -> dict[str, float]:
    """For how many seconds each thread of a process and of its descendants could have run and had
    to wait for a processor; those of which that is not told are left out."""
    found = {}
    for one in (pid, *below(pid)):
        with contextlib.suppress(OSError, ValueError, IndexError):
            for task in Path(f"/proc/{one}/task").iterdir():
                told = (task / "schedstat").read_text("ascii").split()
                found[task.name] = int(told[1]) / 1e9
    return found


def anonymous_bytes(pid: int) -> int:
    """The memory of a process that is no file's."""
    return _of_status(pid)[0]


def uses_more(pid: int, base: int, most: int, *, closely: bool = False) -> bool:
    """Whether a process and its descendants hold more memory than `most`, beyond the `base` that
    they share from the start; what several hold together counts once, and sockets, in a network
    namespace that is not ours, for all that they can hold.

    closely  whether to count the pieces in which it is mapped too, which takes a millisecond
    """
    every = (pid, *below(pid))
    found = [_of_status(one) for one in every]
    most += base - _socket_bytes(every) - sum(tables for _, _, tables in found)
    if closely:
        most -= _mapping_bytes(every, most)
    if sum(own + mapped for own, mapped, _ in found) <= most:
        return False  # nor do they where much of it is shared
    shares = [_shares(one) for one in every]
    anonymous = sum(
        min(own, max(0, own - base) + _touched_bytes(one)) if share is None else share[0]
        for one, (own, *_), share in zip(every, found, shares, strict=True)
    )
    known = [share[1] for share in shares if share is not None]
    shared = sum(known) if len(known) == len(shares) else max(mapped for _, mapped, _ in found)
    return anonymous + shared > most


def _mapping_bytes(pids: Collection[int], enough: int) -> int:
    """What the system keeps of the pieces in which these processes, each after the one above it,
    have mapped memory, as far as it tells them; not counted any further than to `enough`."""
    total = 0
    levels: dict[int, int] = {}
    for pid in pids:
        levels[pid] = levels.get(_parent(pid), 0) + 1  # each chains what it has to all above it
        each = MAPPING_BYTES + SHARING_BYTES * levels[pid]
        with contextlib.suppress(OSError), Path(f"/proc/{pid}/maps").open("rb", 0) as maps:
            while total <= enough and (text := maps.read(2**16)):
                total += text.count(b"\n") * each
    return total


def _socket_bytes(pids: Collection[int]) -> int:
    """The most that the sockets of these processes hold, those among them that are on their way
    from one to the other; how much they do hold is not told.  0 of those in our own namespace."""
    sockets: dict[int, int] = {}  # by namespace
    with contextlib.suppress(OSError, ValueError):
        ours = Path("/proc/self/net/sockstat").stat().st_ino
        for pid in pids:
            path = Path(f"/proc/{pid}/net/sockstat")
            with contextlib.suppress(OSError):
                namespace = path.stat().st_ino
                if namespace != ours and namespace not in sockets:
                    sockets[namespace] = int(path.read_text("ascii").split(maxsplit=3)[2])
    return sum(sockets.values()) * _most_of_a_socket()


@cache
def _most_of_a_socket() -> int:
    # one that holds less than this takes another message, of at most this size
    try:
        return 2 * int(Path("/proc/sys/net/core/wmem_default").read_text("ascii"))
    except (OSError, ValueError):
        return 2 * 212_992


def _shares(pid: int) -> tuple[int, int] | None:
    """A process's share of anonymous memory and of mappings, part of which others hold too; None
    where that is not told."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
        kilobytes = dict(line.split()[:2] for line in text.splitlines()[1:])
        own = int(kilobytes["Pss_Anon:"]) + int(kilobytes["SwapPss:"])
        return own * 1024, int(kilobytes["Pss_Shmem:"]) * 1024
    except (ProcessLookupError, FileNotFoundError):
        return 0, 0  # it has just ended: what it shared, the others hold
    except (OSError, ValueError, KeyError):
        return None


def _touched_bytes(pid: int) -> int:
    """The most of what a process had from the one that forked it that it has a copy of by now."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        return int(text.rpartition(")")[2].split()[7]) * mmap.PAGESIZE
    except (OSError, ValueError, IndexError):
        return 0


def _of_status(pid: int) -> tuple[int, int, int]:
    """Bytes of a process: anonymous ones, wherever they are kept, those that others may share, and
    the tables in which it says where they are; 0 of one that has ended."""
    try:
        text = _text(f"/proc/{pid}/status")
    except OSError:
        return 0, 0, 0
    found = dict.fromkeys(("RssAnon:", "VmSwap:", "RssShmem:", "HugetlbPages:", "VmPTE:"), 0)
    for line in text.splitlines():
        words = line.split()
        if words and words[0] in found:
            found[words[0]] = int(words[1]) * 1024
    own, swapped, shared, huge, tables = found.values()
    return own + swapped, shared, huge + tables
