"""Another course's assignment, of two questions, is proved and graded by the same program."""

import csv
import json
from pathlib import Path

import pytest

from grader.ingest import percent
from grader.sandbox import ladder

pytestmark = pytest.mark.kernel

LAYERS = Path(__file__).resolve().parents[1] / "assignments" / "layers"


@pytest.fixture(scope="module", autouse=True)
def walls(need):
    need("walls", "" if ladder.rung().letter == "A" else "there is no bubblewrap that works")


def test_it_is_proved_with_all_its_mutants(command):
    ended = command("validate", LAYERS, "--json")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    proved = json.loads(ended.stdout)
    assert proved["breaches"] == 0
    assert {row["kind"] for row in proved["programs"]} == {
        "reference", "program", "handout", "variant", "wrong", "misconception",
    }  # fmt: skip
    fates = [(one["question"], one["fate"]) for one in proved["mutants"]]
    assert fates.count(("layer_norm", "killed")) > 100
    assert fates.count(("convolve", "killed")) > 50
    assert {fate for _, fate in fates} == {"killed", "equivalent"}
    programs = {one["program"] for one in proved["mutants"]}
    assert programs >= {"reference", "layer_norm/loops", "convolve/correlate"}


def test_its_students_are_graded_and_told_their_mistakes(command, tmp_path):
    scripts = {"L003": LAYERS / "handout" / "lab.py"}
    scripts |= {path.stem: path for path in (LAYERS / "students").glob("*.py")}
    for student, path in scripts.items():
        before, cells = percent.split(path.read_text("utf-8"))
        assert not before
        (tmp_path / f"lab-of-{student}.ipynb").write_text(percent.notebook(cells), "utf-8")
    (tmp_path / "lab-of-L004.ipynb").write_bytes((LAYERS / "solution" / "lab.ipynb").read_bytes())

    results = tmp_path / "results"
    ended = command("run", tmp_path, "-o", results, "--kernel", "pipe", "--assignment", LAYERS)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    with (results / "questions.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {
            (row["student_id"], row["question"]): (
                row["outcome"], float(row["earned"]), row["misconceptions"],
            )
            for row in csv.DictReader(file)
        }  # fmt: skip
    assert rows == {
        ("L001", "layer_norm"): ("partial", 7.0, "epsilon_forgotten"),
        ("L001", "convolve"): ("passed", 7.0, ""),  # under another name
        ("L002", "layer_norm"): (
            "failed", 0.0, "normalised_along_columns;shift_forgotten",
        ),
        ("L002", "convolve"): ("partial", 1.0, "turned"),
        ("L003", "layer_norm"): ("blank", 0.0, ""),
        ("L003", "convolve"): ("blank", 0.0, ""),
        ("L004", "layer_norm"): ("passed", 8.0, ""),
        ("L004", "convolve"): ("passed", 7.0, ""),
    }  # fmt: skip
    elsewhere = ["-o", results, "--assignment", LAYERS]
    for again in (["export", "csv"], ["report"]):
        assert command(*again, *elsewhere).returncode == 0
    refused = command("export", "csv", "-o", results)
    assert refused.returncode == 2 and "elsewhere? --assignment FOLDER" in refused.stderr
