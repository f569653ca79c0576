"""From the results of a class to those that several students share and nothing explains."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from grader.authoring import Tolerance
from grader.model import (
    Cluster,
    Counterexample,
    Judgement,
    NotebookGrade,
    Observation,
    Outcome,
    Verdict,
)

LONGEST_TEXT = 200  # characters by which results that are no numbers are compared
DEEPEST = 8  # lists within lists; what lies deeper is compared as text


def clusters(
    graded: Mapping[tuple[str, str], NotebookGrade],
    tolerances: Mapping[str, tuple[float, float]],
) -> tuple[Cluster, ...]:
    """At least two students each whose code did the same on every case of a question, wrongly, and
    nobody knows why; the largest first.

    graded      what is known of each (student, notebook)
    tolerances  (rtol, atol) by question, within which results are the same
    """
    groups: dict[tuple[str, str], list[tuple[tuple[Any, ...], list[str], Verdict]]] = defaultdict(
        list
    )
    for (student, _), notebook in sorted(graded.items()):
        for judgement in notebook.judgements:
            verdict = _unexplained(judgement)
            if verdict is None:
                continue
            seen = tuple(map(_result, _observations(notebook, judgement)))
            if not seen:
                continue
            tolerance = Tolerance(*tolerances.get(judgement.question, ()))
            known = groups[notebook.notebook, judgement.question]
            for results, students, _ in known:
                if _same(results, seen, tolerance):
                    students.append(student)
                    break
            else:
                known.append((seen, [student], verdict))
    found = [
        Cluster(*key, verdict.claim, tuple(students), shown)
        for key, known in groups.items()
        for _, students, verdict in known
        if len(students) > 1 and (shown := _shown(verdict)) is not None
    ]
    return tuple(sorted(found, key=lambda cluster: -len(cluster.students)))


def _unexplained(judgement: Judgement) -> Verdict | None:
    """The first claim that cost points by a wrong result, if no misconception is known for any."""
    findings = [judgement.finding, *(verdict.finding for verdict in judgement.verdicts)]
    if judgement.outcome is Outcome.BLANK or any(f and f.misconception for f in findings):
        return None
    for verdict in judgement.verdicts:
        if verdict.earned is not None and verdict.earned < verdict.possible:
            shown = _shown(verdict)
            return verdict if shown is not None and shown.got is not None else None
    return None


def _shown(verdict: Verdict) -> Counterexample | None:
    return verdict.finding.shown_by if verdict.finding else None


def _observations(notebook: NotebookGrade, judgement: Judgement) -> Iterator[Observation]:
    """What was judged, in a fixed order: with stand-ins where these made the difference."""
    observed = notebook.record.observed.get(judgement.question) if notebook.record else None
    for other in observed.others if observed is not None and "redefined" in judgement.flags else ():
        if other.found and judgement.found and other.found.where == judgement.found.where:
            observed = other
    if observed is not None:
        helped = "follow_through" in judgement.flags
        trials = {**observed.trials, **(observed.helped if helped else {})}
        for name in sorted(trials):
            yield from trials[name].observations


def _result(observation: Observation) -> Any:
    return _plain(observation.value) if observation.returned else None


def _plain(value: Any, depth: int = 0) -> Any:
    """An array without axes of length one, a tuple of such, or a text."""
    if depth < DEEPEST and not isinstance(value, str):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # a complex number, which is not cut to a real one
                return np.squeeze(np.asarray(value, dtype=float))
        except (TypeError, ValueError, OverflowError, Warning):
            pass
        if isinstance(value, list | tuple):
            return tuple(_plain(part, depth + 1) for part in value)
    return repr(value)[:LONGEST_TEXT]


def _same(one: Any, other: Any, tolerance: Tolerance) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(
            _same(a, b, tolerance) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        if one.shape != other.shape:
            return False
        with np.errstate(all="ignore"):
            size = np.max(np.abs(one[np.isfinite(one)]), initial=0.0)
            near = np.abs(one - other) <= tolerance.rtol * size + tolerance.atol
        return bool(np.all(near | (one == other) | (np.isnan(one) & np.isnan(other))))
    return type(one) is type(other) and bool(one == other)
