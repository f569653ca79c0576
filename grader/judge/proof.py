"""An assignment to the proof that it judges as it should, before any student is graded.

The reference and what is as right earn everything, the handout earns nothing, and each
misconception loses points and is recognised as itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grader.authoring import Assignment, Implementation, Question
from grader.judge.diagnose import explains, explanations, unseen
from grader.judge.expectations import expectations
from grader.judge.questions import judge_question
from grader.model import Asked, Found, Judgement, Observation, Observed, Outcome, Place

RIGHT = ("reference", "also right", "program", "unseen", "variant")  # kinds that earn everything


@dataclass(frozen=True, slots=True)
class Row:
    """How one program fared.  `breach` says what is wrong with that; empty if nothing is."""

    notebook: str
    question: str
    program: str
    kind: str  # one of RIGHT, or handout, misconception, wrong
    outcome: Outcome
    earned: float
    possible: float
    claims: tuple[tuple[str, float], ...]  # each with its points, in the authored order
    holds: tuple[bool, ...]  # which of them hold
    named: str  # the misconception that it is taken for
    breach: str


def proof(assignment: Assignment, seed: int) -> Iterator[Row]:
    """A row for each program of each question."""
    for key, notebook in assignment.notebooks.items():
        for question in notebook.questions:
            if isinstance(question, Question):
                yield _row(key, question, question.reference, "reference", seed)
                for program in question.also_right:
                    yield _row(key, question, program, "also right", seed)
                if question.program is not None:
                    yield _row(key, question, question.program, "program", seed)
                if question.untouched is not None:
                    yield _row(key, question, question.untouched, "handout", seed)
                for explanation in explanations(question, 1):
                    (name,) = explanation.names
                    yield _row(key, question, explanation.program, "misconception", seed, name)
                for explanation in unseen(question):
                    yield _row(
                        key, question, explanation.program, "unseen", seed, *explanation.names
                    )


def _row(
    notebook: str,
    question: Question,
    program: Implementation,
    kind: str,
    seed: int,
    name: str = "",
) -> Row:
    """How `program` fares; `name` is a misconception's."""
    judgement = judge_question(question, handed_in(question, program, seed), seed)
    return row(notebook, judgement, name or getattr(program, "__name__", ""), kind)


def row(notebook: str, judgement: Judgement, name: str, kind: str) -> Row:
    """How the program `name` of this kind fares, judged so."""
    named = (judgement.finding and judgement.finding.misconception) or ""
    earned = judgement.earned or 0.0
    breach = ""
    if kind == "handout" and judgement.outcome is not Outcome.BLANK:
        breach = "the handout is not recognised as blank"
    elif kind == "misconception" and earned >= judgement.possible:
        breach = "it is wrong, but loses nothing"
    elif kind == "misconception" and name not in named.split(" or "):
        breach = "it is not recognised as itself"
    elif kind in RIGHT and judgement.outcome is not Outcome.PASSED:
        breach = "it is right, but loses points"
    return Row(
        notebook,
        judgement.question,
        name,
        kind,
        judgement.outcome,
        earned,
        judgement.possible,
        tuple((v.claim, v.possible) for v in judgement.verdicts),
        tuple(v.outcome is Outcome.PASSED for v in judgement.verdicts),
        named,
        breach,
    )


@dataclass(frozen=True, slots=True)
class Combinations:
    """How slips of one question fare together.

    tried   how many combinations
    equal   names of those that compute what the reference computes: their slips cancel out
    missed  names of those that are wrong and lose nothing
    unsaid  names of those that lose points, return results, and are explained by nothing
    """

    tried: int
    equal: tuple[str, ...]
    missed: tuple[str, ...]
    unsaid: tuple[str, ...]


def combinations(question: Question, many: int, seed: int) -> Combinations:
    """All combinations of `many` slips, judged as a student's code."""
    expected = expectations(question, seed)
    right = handed_in(question, question.reference, seed).trials
    tried = explanations(question, many)
    equal, missed, unsaid = [], [], []
    for explanation in tried:
        name = " + ".join(explanation.names)
        if explains(question, expected, explanation.program, right):
            equal.append(name)
            continue
        seen = handed_in(question, explanation.program, seed)
        judgement = judge_question(question, seen, seed)
        named = judgement.finding and judgement.finding.misconception
        returns = all(o.returned for asked in seen.trials.values() for o in asked.observations)
        if judgement.outcome is Outcome.PASSED:
            missed.append(name)
        elif returns and not named:
            unsaid.append(name)
    return Combinations(len(tried), tuple(equal), tuple(missed), tuple(unsaid))


def handed_in(question: Question, program: Implementation, seed: int) -> Observed:
    """What would be observed of a student who handed in `program`."""
    trials = {
        name: Asked(
            "",
            tuple(
                Observation(Outcome.RAISED, error=result.error)
                if result.error is not None
                else Observation(Outcome.PASSED, result.value)
                for result in results
            ),
        )
        for name, results in expectations(question, seed).of(program).items()
    }
    return Observed(Found(str(question.target), Place(1, 1), 1), trials)
