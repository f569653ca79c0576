"""From a student's grade to the evidence for it, which a third person can check by rerunning.

Everything that led to the points is in one zip, and nothing of anybody else.  `evidence.json`
holds no time, path or word on other students, so that a rerun gives it again, byte for byte.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from msgspec import to_builtins

from grader import names, wire
from grader.authoring import Assignment, Case, Check, Question
from grader.export import bundles, markdown
from grader.grade.likeness import SIMILAR_CODE
from grader.judge.expectations import Expectations, expectations
from grader.judge.verdicts import as_typed
from grader.model import (
    IDENTICAL_FILE,
    Counterexample,
    Finding,
    Grade,
    Judgement,
    Limits,
    NotebookGrade,
    Observation,
    Observed,
    Outcome,
    Told,
    Verdict,
)
from grader.report.pages import own_name
from grader.report.wording import clipped

_OF_OTHERS = (IDENTICAL_FILE, SIMILAR_CODE)  # flags that another student's file raised
_ENVIRONMENT = ("grader", "python", "numpy", "torch", "assignment", "kernel", "rung")
_MOST_NUMBERS = 5000  # of an array that is written out, so that people can read it


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the points depend on besides the notebooks.

    run   what run.json says
    told  when what was handed in, and until when it was taken
    """

    assignment: Assignment
    seed: int
    limits: Limits
    run: Mapping[str, Any]
    told: Told

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, kernel and walls of the run."""
        return {name: self.run.get(name) for name in _ENVIRONMENT}


def zip_name(student: str) -> str:
    """The name of a student's evidence, safe on every system."""
    return f"appeal-{own_name(student)}.zip"


def evidence(
    grade: Grade, known: Circumstances, users: Collection[str], contents: Mapping[str, bytes]
) -> bytes:
    """The zip of all that led to a student's points.

    users     the student's accounts in the LMS
    contents  of the student's files, by SHA-256; those that are not there are named only
    """
    files: dict[str, bytes] = {
        "evidence.json": _json(
            {
                "student_id": grade.student,
                "assignment": known.assignment.key,
                "seed": known.seed,
                "limits": to_builtins(known.limits),
                "environment": known.environment,
                "notebooks": [_notebook(notebook, known) for notebook in grade.notebooks],
            }
        ),
        "handed_in.json": _json(_handed_in(grade, known, users)),
        "claims.md": _claims(grade, known.assignment.title).encode("utf-8", "replace"),
        "grader.toml": _settings(known).encode(),
    }
    packed = []
    for notebook in grade.notebooks:
        data = contents.get(notebook.record.submission.sha256) if notebook.record else None
        if data is not None:
            packed.append(notebook.notebook)
            files[f"notebooks/{_file_name(grade, notebook, known)}"] = data
    files["README.md"] = _readme(grade, known, packed).encode("utf-8", "replace")
    return bundles.zipped(files)


def _notebook(notebook: NotebookGrade, known: Circumstances) -> dict[str, Any]:
    record = notebook.record
    asked = known.assignment.notebooks[notebook.notebook].questions
    questions = {q.key: q for q in asked if isinstance(q, Question)}
    return {
        "notebook": notebook.notebook,
        "sha256": record.submission.sha256 if record else "",
        "outcome": notebook.outcome,
        "why": "" if record else notebook.problem,
        "worth": notebook.worth,
        "possible": notebook.possible,
        "oddities": list(record.submission.notes) if record else [],
        "execution": to_builtins(record.execution) if record else None,
        "questions": [
            _question(judgement, questions.get(judgement.question), notebook, known)
            for judgement in notebook.judgements
        ],
    }


def _question(
    judgement: Judgement, question: Question | None, notebook: NotebookGrade, known: Circumstances
) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "question": judgement.question,
        "title": judgement.title,
        "outcome": judgement.outcome,
        "earned": judgement.earned,
        "possible": judgement.possible,
        "answered_by": to_builtins(judgement.found) if judgement.found else None,
        "flags": [flag for flag in judgement.flags if flag not in _OF_OTHERS],
        "finding": _finding(judgement.finding),
    }
    if question is None:
        return {**whole, "text": judgement.text}
    expected = expectations(question, known.seed)
    checks = {check.claim: check for check in question.checks}
    observed = notebook.record.observed.get(judgement.question) if notebook.record else None
    return {
        **whole,
        "tolerance": asdict(question.tolerance),
        "claims": [_claim(v, question, checks.get(v.claim)) for v in judgement.verdicts],
        "asked_once_more_with_right": list(observed.stand_ins) if observed else [],
        "trials": [
            _trial(name, question, expected, observed)
            for name in (observed.trials if observed else ())
            if observed and name in expected.cases
        ],
    }


def _claim(verdict: Verdict, question: Question, check: Check | None) -> dict[str, Any]:
    return {
        "claim": verdict.claim,
        "outcome": verdict.outcome,
        "earned": verdict.earned,
        "possible": verdict.possible,
        "trial": question.trial(check).name if check else "",
        "compared": check.view.__name__ if check else "",
        "finding": _finding(verdict.finding),
    }


def _finding(finding: Finding | None) -> dict[str, Any] | None:
    if finding is None:
        return None
    return {
        "misconception": finding.misconception,
        "advice": finding.advice,
        "where": to_builtins(finding.where) if finding.where else None,
        "shown_by": _counterexample(finding.shown_by),
    }


def _counterexample(shown: Counterexample | None) -> dict[str, Any] | None:
    if shown is None:
        return None
    return {
        "call": shown.call,
        "got": _value(shown.got),
        "expected": _value(shown.expected),
        "said": shown.said,
    }


def _trial(
    name: str, question: Question, expected: Expectations, observed: Observed
) -> dict[str, Any]:
    """Each case of a trial: what went in, what came back, and what every right program gives."""
    asked, helped = observed.trials[name], observed.helped.get(name)
    programs = [question.reference, *question.also_right]
    right = [expected.of(program).get(name, ()) for program in programs]
    cases = []
    for i, case in enumerate(expected.cases[name]):
        told: dict[str, Any] = {
            "call": as_typed(question, case),
            "inputs": _inputs(case),
            "came_back": _observation(asked.observations, i),
            "expected": [
                _result(results[i].value, results[i].error) for results in right if results
            ],
        }
        if helped is not None:
            told["came_back_with_right_answers_before"] = _observation(helped.observations, i)
        cases.append(told)
    return {"trial": name, "inputs_digest": asked.inputs, "cases": cases}


def _inputs(case: Case) -> dict[str, Any]:
    given = {name: _value(value) for name, value in case.given.items()}
    return {"args": [_value(value) for value in case.args], "given": given}


def _observation(observations: Sequence[Observation], i: int) -> dict[str, Any] | None:
    if i >= len(observations):
        return None
    seen = observations[i]
    return {
        "outcome": "returned" if seen.returned else seen.outcome,
        "value": _value(seen.value) if seen.returned else None,
        "error": seen.error,
        "where": to_builtins(seen.where) if seen.where else None,
        "changed_inputs": list(seen.changed),
    }


def _result(value: Any, error: str | None) -> dict[str, Any]:
    return {"error": error} if error is not None else {"value": _value(value)}


def _value(value: Any) -> Any:
    """Plain data as JSON that people can read, as exact as it was.

    An array has its type and shape beside its numbers, and those that JSON lacks as words; one
    that nobody would read is written as the grader stores it.
    """
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        if value.size > _MOST_NUMBERS or value.dtype.kind == "c":
            return {"stored": wire.encode(value), "shape": list(value.shape)}
        return {
            "array": _numbers(value.tolist()),
            "dtype": str(value.dtype),
            "shape": list(value.shape),
        }
    if isinstance(value, dict):
        return {"dict": [[_value(key), _value(item)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"tuple": [_value(item) for item in value]}
    if isinstance(value, list):
        return [_value(item) for item in value]
    if isinstance(value, float):
        return _numbers(value)
    if value is None or isinstance(value, bool | int | str):
        return value
    return {"stored": _stored(value)}


def _stored(value: Any) -> Any:
    try:
        return wire.encode(value)
    except wire.WireError as error:
        return f"{type(value).__name__}: {error}"


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    finite = not isinstance(value, float) or np.isfinite(value)
    return value if finite else str(value)


def _handed_in(grade: Grade, known: Circumstances, users: Collection[str]) -> dict[str, Any]:
    """What is known of when each notebook came: a rerun is told nothing of that."""
    return {
        "deadline": known.told.deadline or known.assignment.deadline,
        "late_work": known.told.late or "zero",
        "times": [
            to_builtins(arrival)
            for arrival in known.told.arrivals
            if arrival.student == grade.student or arrival.user in users
        ],
        "notebooks": {
            n.notebook: {"lateness": n.lateness, "withheld": n.withheld, "earned": n.earned}
            for n in grade.notebooks
            if n.outcome is not Outcome.MISSING
        },
    }


def _claims(grade: Grade, title: str) -> str:
    """For people: the points of each notebook, and what was seen of each question."""
    parts = []
    for notebook in grade.notebooks:
        if notebook.record is None:
            said = "not handed in" if notebook.outcome is Outcome.MISSING else notebook.problem
            parts.append(f"# {markdown.plain(notebook.notebook)}: {markdown.plain(said)}")
            continue
        parts.append(markdown.notebook(notebook, title, grade.student))
        for judgement in notebook.judgements:
            if markdown.place(judgement) is not None:
                parts.append(markdown.question(judgement, notebook))
    return "\n\n".join(parts) + "\n"


def _settings(known: Circumstances) -> str:
    """The settings with which a rerun asks the same."""
    lines = ["[course]", f"assignment = {json.dumps(known.assignment.key)}", "", "[run]"]
    lines += [f"seed = {known.seed}", f"kernel = {json.dumps(known.environment['kernel'])}", ""]
    lines += ["[limits]", *(f"{key} = {value}" for key, value in to_builtins(known.limits).items())]
    return "\n".join(lines) + "\n"


def _file_name(grade: Grade, notebook: NotebookGrade, known: Circumstances) -> str:
    return names.canonical(own_name(grade.student), notebook.notebook, known.assignment.file_name)


def _readme(grade: Grade, known: Circumstances, packed: Sequence[str]) -> str:
    """How to check the evidence."""
    student, name = shlex.quote(grade.student), zip_name(grade.student)
    lines = [
        f"# Evidence for the points of {markdown.plain(grade.student)}",
        "",
        f"{markdown.plain(known.assignment.title)} ({known.assignment.key}), seed {known.seed}, "
        f"grader {known.environment['grader']}.",
        "",
        "| notebook | SHA-256 of the file that was graded | in notebooks/ |",
        "| --- | --- | --- |",
        *_file_rows(grade, packed),
        "",
        "- `claims.md`: every claim, what was seen and what was expected, for people.",
        "- `evidence.json`: the environment, the limits, the seed, and for each claim the cases: "
        "what went in, what came back, what every right program gives.",
        "- `handed_in.json`: what is known of when the notebooks came, and what that costs.",
        "- `grader.toml`: the settings with which a rerun asks the same.",
        "",
        "## To check it",
        "",
    ]
    if not packed:
        lines += [
            "The notebooks are not in this pack. Put files with the SHA-256 above into `appeal/"
            f"notebooks/`, named like `{_example(grade, known)}`.",
            "",
        ]
    lines += [
        f"In a checkout of grader {known.environment['grader']}, with this pack beside it:",
        "",
        "```",
        f"unzip {name} -d appeal",
        "python3 run.py grader run appeal/notebooks --config appeal/grader.toml -o again",
        f"python3 run.py grader appeal {student} appeal/notebooks --config appeal/grader.toml "
        "-o again",
        f"unzip -p again/export/{name} evidence.json | diff - appeal/evidence.json",
        "```",
        "",
        "`diff` prints nothing if everything that was asked and came back is the same. Where "
        "another processor or another version of a library calculates otherwise, it shows which "
        "numbers, and `environment` says what differs; the tolerance of each question stands "
        "beside its claims. A package of an assignment that does not come with the grader is "
        "named with `--assignment FOLDER`.",
    ]
    return "\n".join(lines) + "\n"


def _file_rows(grade: Grade, packed: Sequence[str]) -> Iterator[str]:
    for notebook in grade.notebooks:
        if notebook.record:
            sha256 = f"`{notebook.record.submission.sha256}`"
        elif notebook.outcome is Outcome.MISSING:
            sha256 = "not handed in"
        else:
            sha256 = markdown.plain(clipped(notebook.problem, 200))
        yield (
            f"| {markdown.plain(notebook.notebook)} | {sha256} "
            f"| {'yes' if notebook.notebook in packed else 'no'} |"
        )


def _example(grade: Grade, known: Circumstances) -> str:
    return _file_name(grade, grade.notebooks[0], known)


def _json(data: Any) -> bytes:
    text = json.dumps(data, ensure_ascii=False, indent=1, allow_nan=False)
    return (text + "\n").encode("utf-8", "replace")
