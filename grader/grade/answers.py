"""From a written answer to what can be said of it before a person reads it; it is never marked."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from msgspec.structs import replace

from grader.grade.suspicions import flagged
from grader.model import Execution, Judgement, NotebookCell

PROMPT_COPIED = "prompt_copied"
QUOTES_UNSEEN = "quotes_unseen"
CLOSE = 0.02  # how far off, relatively, a number may be that a text quotes

_LETTERS = re.compile(r"[^\W_]+")


def looked_at(
    judgement: Judgement,
    prompts: Iterable[str],
    cells: Sequence[NotebookCell],
    execution: Execution,
) -> Judgement:
    """The judgement of a written answer, with notes on what can be checked by rule.

    prompts  texts that were handed out, of which the answer may be a copy
    """
    if not judgement.text.strip():
        return judgement
    if only_prompt(judgement.text, prompts):
        note = "This is what was handed out: nothing was added to it."
        return flagged(replace(judgement, notes=(note,)), [PROMPT_COPIED])
    notes = tuple(
        f"It quotes {written} as a loss or a perplexity; no number in the outputs, saved or of our "
        "run, is near it."
        for written in dict.fromkeys(unseen(judgement.text, cells, execution))
    )
    return flagged(replace(judgement, notes=notes), [QUOTES_UNSEEN] if notes else [])


def only_prompt(text: str, prompts: Iterable[str]) -> bool:
    """Whether every line of the text stands among those that were handed out, letter by letter."""
    known = {_letters(line) for prompt in prompts for line in prompt.splitlines()}
    own = [letters for line in text.splitlines() if (letters := _letters(line)) not in known]
    return not any(own)


def unseen(text: str, cells: Sequence[NotebookCell], execution: Execution) -> Iterator[str]:
    """The losses and perplexities in the text that no output shows, rounded or not: neither as they
    are nor as the other of the two.  None where no output shows any number at all."""
    from grader.grade import training  # few notebooks are asked for such a text

    outputs = [cell.output for cell in cells] + [printed.text for printed in execution.printed]
    shown = [n for output in outputs for n in training.numbers(output) if math.isfinite(n)]
    both = [*shown, *(math.exp(n) for n in shown if n < 50), *(math.log(n) for n in shown if n > 0)]
    both.sort()  # there may be as many as a student cares to print
    for written, value, rounded in training.quoted(text) if shown else ():
        allowed = max(rounded, CLOSE * abs(value)) * (1 + 1e-9)
        near = bisect_left(both, value - allowed)
        if near == len(both) or both[near] > value + allowed:
            yield written


def _letters(line: str) -> str:
    """A line without case, marks and spaces."""
    return "".join(_LETTERS.findall(line.casefold()))
