"""Every right program of the assignment earns all, every wrong one what is written in it.

One run of the real program over a class in which each student hands in one of them.
"""

import re

import pytest

from grader.authoring import Question
from grader.ingest import variants
from grader.ingest.assignments import load
from grader.judge.diagnose import explanations
from grader.sandbox import ladder
from grader.store import Store
from tests.e2e.conftest import table

pytestmark = pytest.mark.kernel

WEEK14 = load("week14")
RIGHT, WRONG = variants.right(WEEK14), variants.wrong(WEEK14)
KNOWN = {  # the misconceptions of each question
    q.key: {name for e in explanations(q, 1) for name in e.names}
    for q in WEEK14.questions
    if isinstance(q, Question)
}
STUDENTS = {(v.name, v.earns): f"R1394{1000 + number}" for number, v in enumerate([*RIGHT, *WRONG])}


def student(variant):
    return STUDENTS[variant.name, variant.earns]


@pytest.fixture(scope="module")
def results(command, tmp_path_factory, need):
    need("walls", "" if ladder.rung().letter == "A" else "there is no bubblewrap that works")
    home = tmp_path_factory.mktemp("variants")
    folder = home / "handed-in"
    folder.mkdir()
    for variant in [*RIGHT, *WRONG]:
        name = WEEK14.file_name.format(student=student(variant), notebook=variant.notebook)
        (folder / name).write_bytes(variants.handed_in(WEEK14, variant))
    ended = command(
        "run", folder, "-o", home / "results", "--kernel", "pipe", "--training-steps", "1"
    )
    assert f"{len(STUDENTS)} of {len(STUDENTS)} notebooks graded" in ended.stdout, ended.stderr
    return home / "results"


@pytest.fixture(scope="module")
def rows(results):
    return {(r["student_id"], r["question"]): r for r in table(results / "questions.csv")}


def each(programs):
    marked = [
        pytest.param(v, marks=[pytest.mark.xfail(reason=v.unfair)] if v.unfair else [], id=v.name)
        for v in programs
    ]
    return pytest.mark.parametrize("variant", marked)


@each(RIGHT)
def test_a_right_program_earns_everything_in_whatever_style(rows, results, variant):
    row = rows[student(variant), variant.question]
    seen = Store(results).load(student(variant), variant.notebook).observed[variant.question]
    assert {
        "outcome": row["outcome"],
        "earned": row["earned"],
        "misconceptions": row["misconceptions"],
        "flags": row["flags"],
        "found": seen.found.note if variant.found not in seen.found.note else variant.found,
    } == {
        "outcome": "passed",
        "earned": row["possible"],
        "misconceptions": "",
        "flags": ";".join(variant.flags),
        "found": variant.found,
    }


@each(WRONG)
def test_a_wrong_program_earns_what_its_claims_say(rows, variant):
    row = rows[student(variant), variant.question]
    assert row["outcome"] in ("failed", "partial", "blank", "raised", "blocked"), row
    assert float(row["earned"]) == variant.earns
    if variant.style in KNOWN[variant.question]:
        assert variant.style in re.split("; ?| or ", row["misconceptions"])
    # one slip away from the same right program, some are more alike than students may be
    flags = [flag for flag in row["flags"].split(";") if flag and flag != "similar_code"]
    assert flags == list(variant.flags)
