"""Notebooks run in both kinds of kernel, to what came out otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from grader.authoring import Question
from grader.model import Execution, Limits, Observed, Submission
from grader.sandbox.ground import Ground
from grader.sandbox.notebook import Trials, observe, sandbox

# what differs between any two runs: addresses, the ids of widgets, process ids and times
REWRITTEN = re.compile(r"^.*\r(?!\n)", re.MULTILINE)  # as a progress bar does, more or less often
VARIES = re.compile(
    r"0x[0-9a-f]+|\b[0-9a-f]{32}\b|\bpid[ =]\d+"
    r"|(?:(?<! ) ++)?\b(?:\d++min )?\d++(?:\.\d++)?(?:e[+-]?\d++)?"
    r"\s?(?:[nm\u00b5\u03bc]?s|it/s|s/it)\b"
)

Outputs = list[list[Any]]


async def differences(
    ground: Ground,
    submissions: Sequence[Submission],
    questions: Mapping[str, Mapping[str, tuple[Question, Trials]]],
    data: Mapping[str, Path],
    seed: int,
    limits: Limits,
) -> tuple[str, ...]:
    """A line for each notebook and thing that differs between pipe and cold kernels."""
    seen: dict[str, list[tuple[Execution, Mapping[str, Observed], Outputs]]] = {}
    for kind in ("pipe", "cold"):
        async with sandbox(replace(ground, kernel=kind), submissions, data, limits) as kernels:
            for submission in submissions:
                outputs: Outputs = []
                asked = questions[submission.notebook]
                found = await observe(submission, asked, kernels, seed, outputs)
                seen.setdefault(submission.path, []).append((*found, outputs))
    lines = []
    for path, ((run, observed, shown), (cold_run, cold_observed, cold_shown)) in seen.items():
        if run != cold_run:
            lines.append(f"{path}: it ran otherwise: {run} / cold: {cold_run}")
        for key, one in observed.items():
            if repr(one) != repr(cold_observed.get(key)):  # arrays do not compare as one
                lines.append(f"{path}: {key} was observed otherwise")
        for number, pair in enumerate(zip(shown, cold_shown, strict=False), 1):
            here, there = map(_comparable, pair)
            if here != there:
                lines.append(f"{path}: the outputs of code cell {number} differ: {here} / {there}")
        if len(shown) != len(cold_shown):
            lines.append(f"{path}: {len(shown)} cells ran / cold: {len(cold_shown)}")
    return tuple(line[:2000] for line in lines)


def _comparable(outputs: list[Any]) -> list[Any]:
    """Outputs with each stream in one piece, and without what no two runs have in common."""
    streams: dict[str, str] = {}
    others: list[Any] = []
    for output in outputs:
        if output["output_type"] == "stream":
            streams[output["name"]] = streams.get(output["name"], "") + output["text"]
        elif output["output_type"] == "error":
            others.append((output["ename"], VARIES.sub("#", output["evalue"])))
        else:
            data = output["data"].items()
            others.append(sorted((kind, VARIES.sub("#", str(value))) for kind, value in data))
    texts = {name: REWRITTEN.sub("", text) for name, text in streams.items()}
    return [{name: VARIES.sub("#", text) for name, text in texts.items()}, *others]
