"""The sample class, graded once by the real program for every test that looks at the results."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from grader.sandbox import ladder

ROOT = Path(__file__).resolve().parents[2]


def grader(*arguments, cwd=ROOT, **environment):
    """The program as a user starts it: its exit code, what it printed, and what it said."""
    return subprocess.run(
        [sys.executable, "-m", "grader", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=600,
        check=False,
    )


def table(path):
    """The rows of a CSV file of results, by column."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def command():
    return grader


@pytest.fixture(scope="session")
def sample_class(tmp_path_factory, need):
    """The results folder of `grader run submissions/`, and how the program ended.

    One sample never ends; it is given 8 seconds a cell, that the tests need not wait for a minute.
    """
    need("walls", "" if ladder.rung().letter == "A" else "there is no bubblewrap that works")
    results = tmp_path_factory.mktemp("class") / "results"
    ended = grader("run", "submissions", "-o", results, GRADER_CELL_SECONDS="8")
    return results, ended
