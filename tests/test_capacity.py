"""How many notebooks run at once where nobody says it."""

import os

import pytest

from grader import capacity
from grader.model import Limits

HERE = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
MB = 2**20
CONTAINERS = {  # what a container's files say, and how many notebooks there may be at once
    "no container": ({}, HERE),
    "one without limits": ({"memory.max": "max", "cpu.max": "max 100000"}, HERE),
    "a quarter of a processor": ({"cpu.max": "25000 100000"}, 1),
    "one processor": ({"cpu.max": "100000 100000"}, 1),
    "more than there are": ({"cpu.max": "6400000 100000"}, HERE),
    "memory for one": ({"memory.max": f"{500 * MB}"}, 1),
    "memory for none": ({"memory.max": f"{100 * MB}"}, 1),
    "an older kernel's": ({"memory/memory.limit_in_bytes": f"{500 * MB}"}, 1),
    "an older kernel's quota": (
        {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"},
        1,
    ),
    "an older kernel's without": (
        {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
        HERE,
    ),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_as_many_as_a_container_may_use_cores_and_memory_for(tmp_path, monkeypatch, name):
    files, most = CONTAINERS[name]
    monkeypatch.setattr(capacity, "CGROUP", tmp_path)
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text + "\n", "ascii")

    assert capacity.workers(Limits(memory_bytes=2**26)) == most
