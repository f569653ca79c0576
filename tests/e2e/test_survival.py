"""A run that is killed goes on where it was, and comes to the same bytes as one that was not."""

import contextlib
import errno
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grader.sandbox import ladder
from tests.e2e.conftest import ROOT

pytestmark = pytest.mark.kernel

SUBMISSIONS = ROOT / "submissions"
CLASS = sorted(SUBMISSIONS.glob("R1394000[1-8]_*_colab[12]_*.ipynb"))
CHAINS, KILLS = 4, 5  # runs that are killed so often each, before they may end
OF_THE_RUN = {"timings.json", ".lock"}  # and not of its inputs


@pytest.fixture(scope="module", autouse=True)
def walls(need):
    need("walls", "" if ladder.rung().letter == "A" else "there is no bubblewrap that works")


def started(results, *flags, files=CLASS):
    return subprocess.Popen(
        [sys.executable, "-m", "grader", "run", *map(str, files), "-o", str(results), *flags],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def made(results):
    """What a run folder holds, by name; how long things took is left out."""
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in results.rglob("*")
        if path.is_file() and path.name not in OF_THE_RUN
    }


def stored(results):
    return len(list(results.glob("records/R*.json")))


def graded(said):
    """How many notebooks a run had to grade, as it says."""
    (number,) = set(re.findall(r"^  grading \d+/(\d+)$", said, re.MULTILINE))
    return int(number)


def family(process):
    """The process and all that it started, as they are now."""
    found = [process]
    for each in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found


def alive(process):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError as error:
        assert error.errno in (errno.ENOENT, errno.ESRCH)
        return False


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    results = tmp_path_factory.mktemp("undisturbed") / "r"
    run = started(results)
    _, said = run.communicate(timeout=300)
    assert run.returncode == 0, said
    return made(results)


@pytest.mark.parametrize("chain", range(CHAINS))
def test_a_run_killed_at_any_moment_goes_on_and_ends_as_if_nothing_had_been(
    chain, undisturbed, tmp_path
):
    rng = random.Random(chain)
    results = tmp_path / "r"
    done = []
    for number in range(KILLS):
        target = max(1 + 5 * number // 2 + rng.randrange(2), stored(results) + 1)
        run = started(results)
        try:
            while stored(results) < target:
                assert run.poll() is None, run.stderr.read()
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.05))
            everyone = family(run.pid)
        finally:
            run.kill()
        run.communicate(timeout=60)
        done.append(stored(results))
        assert len(everyone) > 3, "the sandbox had not been started"
        until = time.monotonic() + 30
        while left := [process for process in everyone if alive(process)]:
            assert time.monotonic() < until, f"outlive the run: {left}"
            time.sleep(0.05)

    assert all(0 < count < len(CLASS) for count in done), done
    assert sum(0.1 < count / len(CLASS) < 0.9 for count in done) >= 3
    run = started(results)
    _, said = run.communicate(timeout=300)

    assert run.returncode == 0, said
    assert graded(said) == len(CLASS) - done[-1]
    assert made(results) == undisturbed


@pytest.mark.parametrize("workers", ["1", "5"])
def test_neither_workers_nor_the_order_of_files_change_a_byte(workers, undisturbed, tmp_path):
    results = tmp_path / "r"
    run = started(results, "--workers", workers, files=CLASS[::-1])
    _, said = run.communicate(timeout=300)

    assert run.returncode == 0, said
    assert made(results) == undisturbed


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_run_told_to_end_says_how_it_goes_on(sign, undisturbed, tmp_path):
    results = tmp_path / "r"
    run = started(results)
    while stored(results) < 2:
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.002)
    run.send_signal(sign)
    _, said = run.communicate(timeout=60)

    assert run.returncode == 130, said
    assert "the same command, without --fresh, goes on" in said
    kept = stored(results)
    run = started(results)
    _, said = run.communicate(timeout=300)
    assert graded(said) == len(CLASS) - kept
    assert made(results) == undisturbed


def test_a_full_disk_loses_nothing_that_was_graded(need, undisturbed, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", disk]
    need("root", "" if os.geteuid() == 0 else "only root may make a small disk")
    subprocess.run(mounted, check=True)
    try:
        run = started(disk / "r")
        _, said = run.communicate(timeout=300)
        kept = stored(disk / "r")

        assert run.returncode == 2, said
        assert said.splitlines()[-1].startswith("error: ")
        assert "No space left on device: what was graded is kept; make room and go on" in said
        assert 0 < kept < len(CLASS)
        subprocess.run(["mount", "-o", "remount,size=20M", disk], check=True)
        run = started(disk / "r")
        _, said = run.communicate(timeout=300)
        assert run.returncode == 0, said
        assert graded(said) == len(CLASS) - kept
        assert made(disk / "r") == undisturbed
    finally:
        subprocess.run(["umount", disk], check=True)


def test_two_runs_in_one_folder_are_one_too_many(tmp_path):
    results = tmp_path / "r"
    first = started(results)
    while not stored(results):
        assert first.poll() is None, first.stderr.read()
        time.sleep(0.002)
    first.send_signal(signal.SIGSTOP)
    try:
        second = started(results)
        _, said = second.communicate(timeout=60)
    finally:
        first.send_signal(signal.SIGCONT)
    first.communicate(timeout=300)

    assert second.returncode == 2
    assert f"is in use by process {first.pid} on " in said
    assert first.returncode == 0
