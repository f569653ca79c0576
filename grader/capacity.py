"""How many notebooks at once this machine has room for, or the container that it seems to be."""

from __future__ import annotations

import os
from pathlib import Path

from grader.model import Limits

CGROUP = Path("/sys/fs/cgroup")


def workers(limits: Limits) -> int:
    """As many notebooks at once as there are cores, if there is memory for them."""
    import psutil

    available = psutil.virtual_memory().available
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        if numbers := _of_container(name):
            available = min(available, numbers[0])
    return max(1, min(cores(), available // (limits.memory_bytes + 2**28)))


def cores() -> int:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    for files in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        time_and_period = [number for name in files for number in _of_container(name)]
        if len(time_and_period) == 2:
            count = min(count, max(1, round(time_and_period[0] / time_and_period[1])))
    return count


def _of_container(name: str) -> list[int]:
    """What a container is allowed of its machine, by the name of the file that says it; [] if all
    of it."""
    try:
        found = [int(word) for word in (CGROUP / name).read_text("ascii").split()]
    except (OSError, ValueError):  # there is no such file, or it says "max"
        return []
    return found if all(number > 0 for number in found) else []
