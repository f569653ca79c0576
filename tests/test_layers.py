"""Who may import whom, and what may not be in the tree."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (".ci", "fixtures", "grader", "reference", "submissions", "tests")


def files():
    """Every file of the project, as far as it is text."""
    for path in ROOT.iterdir():
        if path.is_file():
            yield path
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def parts_of_the_grader(source):
    """The modules of grader that a module's source imports, at its top or anywhere in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "grader":
            named = [f"grader.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            named = [node.module or ""]
        else:
            continue
        yield from (name for name in named if name.partition(".")[0] == "grader")


def test_the_import_contracts_hold():
    program = Path(sys.executable).with_name("lint-imports")

    ran = subprocess.run(
        [program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " 0 broken." in ran.stdout


@pytest.mark.parametrize(
    "path", sorted((ROOT / "reference").rglob("*.py")), ids=lambda path: path.stem
)
def test_an_assignment_uses_only_the_authoring_words(path):
    assert set(parts_of_the_grader(path.read_text("utf-8"))) <= {"grader.authoring"}


@pytest.mark.parametrize(
    "line",
    [
        "import grader.store",
        "from grader import store",
        "def f():\n from grader.store import Store",
    ],
    ids=["import", "from", "inside"],
)
def test_any_other_part_of_the_grader_would_be_seen(line):
    assert list(parts_of_the_grader(line)) == ["grader.store"]


def test_no_file_is_named_for_nothing():
    vague = {"util", "utils", "helper", "helpers", "common", "misc"}

    assert [path for path in files() if {path.stem, path.parent.name} & vague] == []


def test_no_file_knows_the_machine_that_it_was_written_on():
    machine = re.compile(rb"(?<![\w.])/" + rb"work/")

    assert [path for path in files() if machine.search(path.read_bytes())] == []
