"""From the tables of two runs to whose points changed, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grader.model import (
    ClaimChange,
    Comparison,
    Decision,
    QuestionChange,
    Setting,
    StudentChange,
)

GRADEBOOK = ("student_id", "name", "total")
QUESTIONS = (
    "student_id",
    "notebook",
    "question",
    "outcome",
    "earned",
    "possible",
    "misconceptions",
)
VERDICTS = (
    *("student_id", "notebook", "question", "claim", "outcome"),
    *("earned", "possible", "misconception", "advice"),
)
_SETTINGS = ("grader", "python", "numpy", "torch", "kernel", "rung", "seed")

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Tables:
    """What one run wrote: run.json, and the rows of its three tables with the columns above."""

    manifest: Mapping[str, Any]
    gradebook: Sequence[Row]
    questions: Sequence[Row]
    verdicts: Sequence[Row]


def comparison(before: Tables, after: Tables) -> Comparison:
    """What changed from one run to the other: students by id, questions as the tables have them."""
    old, new = _students(before), _students(after)
    questions = _changes(before, after)
    changed: list[StudentChange] = []
    retold: list[StudentChange] = []
    for student in sorted(old.keys() & new.keys()):
        name, totals = new[student][0], (old[student][1], new[student][1])
        own = questions.get(student, [])
        for those, kept in ((changed, True), (retold, False)):
            some = tuple(change for change in own if change.costs == kept)
            if some:
                those.append(StudentChange(student, name, *totals, some))
    return Comparison(
        tuple(_settings(before.manifest, after.manifest)),
        tuple(changed),
        tuple(retold),
        tuple(sorted(new.keys() - old.keys())),
        tuple(sorted(old.keys() - new.keys())),
    )


def _students(tables: Tables) -> dict[str, tuple[str, float | None]]:
    return {row["student_id"]: (row["name"], _number(row["total"])) for row in tables.gradebook}


def _changes(before: Tables, after: Tables) -> dict[str, list[QuestionChange]]:
    """The questions of each student of which anything is said otherwise."""
    old, new = _by_question(before), _by_question(after)
    changes: dict[str, list[QuestionChange]] = defaultdict(list)
    for key in dict.fromkeys([*new, *old]):
        was, claims_before = old.get(key, (None, {}))
        now, claims_after = new.get(key, (None, {}))
        claims = tuple(
            ClaimChange(claim, claims_before.get(claim), claims_after.get(claim))
            for claim in dict.fromkeys([*claims_after, *claims_before])
            if claims_before.get(claim) != claims_after.get(claim)
        )
        if was != now or claims:
            student, notebook, question = key
            changes[student].append(QuestionChange(notebook, question, was, now, claims))
    return changes


_Key = tuple[str, str, str]


def _by_question(tables: Tables) -> dict[_Key, tuple[Decision, dict[str, Decision]]]:
    claims: dict[_Key, dict[str, Decision]] = defaultdict(dict)
    for row in tables.verdicts:
        claims[_key(row)][row["claim"]] = _decision(row, row["misconception"], row["advice"])
    return {
        _key(row): (_decision(row, row["misconceptions"]), claims[_key(row)])
        for row in tables.questions
    }


def _key(row: Row) -> _Key:
    return row["student_id"], row["notebook"], row["question"]


def _decision(row: Row, misconception: str, advice: str = "") -> Decision:
    possible = _number(row["possible"]) or 0.0
    return Decision(row["outcome"], _number(row["earned"]), possible, misconception, advice)


def _number(text: str) -> float | None:
    return float(text) if text else None


def _settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[Setting]:
    """What marks depend on, as far as it is not the same."""
    old, new = _flat(before), _flat(after)
    for name in dict.fromkeys([*new, *old]):
        if old.get(name, "") != new.get(name, ""):
            yield Setting(name, old.get(name, ""), new.get(name, ""))


def _flat(manifest: Mapping[str, Any]) -> dict[str, str]:
    assignment = manifest.get("assignment", {})
    tolerances = manifest.get("tolerances", {})
    return {
        "assignment": str(assignment.get("key", "")),
        "assignment digest": str(assignment.get("digest", "")),
        **{name: str(manifest.get(name, "")) for name in _SETTINGS},
        **{
            f"tolerance of {key}": " + ".join(f"{part:g}" for part in value)
            for key, value in tolerances.items()
        },
    }
