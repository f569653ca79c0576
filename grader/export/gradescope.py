"""From a student's grade to the results.json that Gradescope shows to that student."""

from __future__ import annotations

import json
from typing import Any

from grader.export import markdown
from grader.model import Grade, Judgement, Lateness, NotebookGrade
from grader.report import wording
from grader.report.wording import lost, points, visible

_VISIBILITY = "after_published"


def results(grade: Grade, title: str) -> bytes:
    """One student's results, all notebooks together; each question is a test.

    Its score is the student's total, which Gradescope takes for more than the sum of its tests:
    late work counts there.  What is not marked yet is a test without a score.
    """
    assert grade.total is not None
    named = {
        name for n in grade.notebooks for j in n.judgements for name in wording.misconceptions(j)
    }
    whole: dict[str, Any] = {
        "score": _rounded(grade.total),
        "output": "\n\n".join([markdown.plain(title), *map(_said, grade.notebooks)]),
        "output_format": "md",
        "test_output_format": "md",
        "test_name_format": "text",
        "visibility": _VISIBILITY,
        "stdout_visibility": "hidden",
        "extra_data": {"misconceptions": sorted(named)},
        "tests": [
            _test(judgement, notebook, f"{i}.{j}")
            for i, notebook in enumerate(grade.notebooks, 1)
            for j, judgement in enumerate(notebook.judgements, 1)
        ],
    }
    return (json.dumps(whole, ensure_ascii=False, indent=1) + "\n").encode("utf-8", "replace")


def _said(notebook: NotebookGrade) -> str:
    parts = [f"{markdown.plain(notebook.notebook)}: {points(notebook.earned)} of "]
    parts[0] += f"{points(notebook.possible)} points."
    if notebook.lateness is Lateness.LATE:
        parts.append(markdown.plain(wording.lateness_said(notebook)))
    if waiting := wording.unmarked_texts([notebook]):
        parts.append(f"{wording.counted(waiting, 'text')} not marked yet.")
    return " ".join(parts)


def _test(judgement: Judgement, notebook: NotebookGrade, number: str) -> dict[str, Any]:
    test: dict[str, Any] = {
        "name": visible(judgement.title),
        "number": number,
        "max_score": _rounded(judgement.possible),
        "output": markdown.body(judgement, notebook),
        "tags": [notebook.notebook, judgement.question],
        "visibility": _VISIBILITY,
        "extra_data": {"misconceptions": wording.misconceptions(judgement)},
    }
    if judgement.earned is not None:
        whole = not lost(judgement.earned, judgement.possible)
        test |= {"score": _rounded(judgement.earned), "status": "passed" if whole else "failed"}
    return test


def _rounded(number: float) -> float:
    return round(number, 2)
