"""The tables of `validate` and `doctor`."""

import io

import pytest
from rich.console import Console

from grader.judge.proof import Row
from grader.model import Outcome
from grader.report.terminal import doctor_table, proof_table

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

    said = printed(proof_table, rows, 0)

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

    told = printed(proof_table, rows, count)

    assert told.count("BREACH: it loses points") == count
    assert told.splitlines()[-1].endswith(said)


def test_what_the_doctor_finds_has_its_state_and_its_mend():
    said = printed(
        doctor_table, [("ok", "numpy", "1.26.4", ""), ("fail", "torch", "not there", "pip")]
    )

    assert [line.strip() for line in said.splitlines()] == [
        "ok    numpy         1.26.4",
        "fail  torch         not there",
        "→ pip",
    ]
