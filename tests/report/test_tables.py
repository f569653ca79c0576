"""The tables of `validate` and `doctor`."""

import io

import pytest
from rich.console import Console

from grader.judge.proof import Row
from grader.model import Outcome
from grader.report.terminal import doctor_table, proof_table
from grader.validation import Tried

CLAIMS = (("it is right", 5.0), ("it is fast", 0.0))


def row(program, kind, earned, holds, named="", breach=""):
    outcome = Outcome.PASSED if earned == 5 else Outcome.FAILED
    return Row(
        "colab1", "softmax", program, kind, outcome, earned, 5.0, CLAIMS, holds, named, breach
    )


def printed(table, *arguments, width=100):
    stream = io.StringIO()
    table(*arguments, Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


def test_a_program_has_a_row_with_what_it_earns_and_which_claims_hold():
    rows = [
        row("softmax", "reference", 5.0, (True, True)),
        row("flat", "misconception", 0.0, (False, True), "flat"),
    ]

    said = printed(proof_table, rows, [], 0)

    assert "claim 1: it is right (5 points)" in said
    assert "claim 2: it is fast (advice)" in said
    reference, flat = (line for line in said.splitlines() if " / 5" in line)
    assert "5 / 5" in reference and "✓✓" in reference
    assert "0 / 5" in flat and "✗✓" in flat and flat.endswith("itself")
    assert said.splitlines()[-1] == "2 programs, no breach"


@pytest.mark.parametrize("count, said", [(1, "1 breach"), (2, "2 breaches")], ids=str)
def test_a_breach_is_said_where_it_is_and_counted(count, said):
    rows = [
        row(f"p{i}", "reference", 0.0, (False, True), "", "it loses points") for i in range(count)
    ]

    told = printed(proof_table, rows, [], count)

    assert told.count("BREACH: it loses points") == count
    assert told.splitlines()[-1].endswith(said)


def tried(fate, program="reference", change="a + b -> a - b"):
    return Tried("colab1", "softmax", program, "softmax.py:18", change, fate)


def test_the_score_counts_the_bank_and_the_mutants_apart_and_leaves_equivalents_out():
    rows = [
        row("flat", "misconception", 0.0, (False, True), "flat"),
        row("harmless", "misconception", 5.0, (True, True), "harmless"),
    ]
    mutants = [
        *[tried("killed")] * 3,
        tried("survivor", "softmax/einsum", "x @ y -> y @ x"),
        tried("equivalent", change="max -> min"),
        *[tried("equivalent", "softmax/einsum")] * 2,
    ]

    said = printed(proof_table, rows, mutants, 1)

    assert ["colab1.softmax", "1", "/", "2", "3", "/", "4", "75.0", "%", "3"] in [
        line.split() for line in said.splitlines()
    ]
    assert "equivalent are softmax.py:18 max -> min; 2 of softmax/einsum" in said
    assert "BREACH: survivor: colab1.softmax softmax/einsum softmax.py:18: x @ y -> y @ x" in said
    assert said.splitlines()[-1] == "2 programs, 7 mutants, 1 breach"


def test_mutants_that_are_all_equivalent_make_no_score():
    said = printed(proof_table, [row("softmax", "reference", 5.0, ())], [tried("equivalent")], 0)

    assert ["all", "0", "/", "0", "0", "/", "0", "-", "1"] in map(str.split, said.splitlines())


def test_what_the_doctor_finds_has_its_state_and_its_mend():
    said = printed(
        doctor_table, [("ok", "numpy", "1.26.4", ""), ("fail", "torch", "not there", "pip")]
    )

    assert [line.strip() for line in said.splitlines()] == [
        "ok    numpy         1.26.4",
        "fail  torch         not there",
        "→ pip",
    ]
