"""From all that was seen of a question to its judgement; the one place where claims meet."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, partial

import numpy as np
from msgspec.structs import replace

from grader.authoring import Case, Cell, Check, Implementation, Question, Written
from grader.judge.diagnose import Explanation, diagnosis, explains
from grader.judge.difference import entries
from grader.judge.expectations import Expectations, expectations
from grader.judge.verdicts import ignores_its_input, judge, same_result
from grader.model import (
    Asked,
    Finding,
    Found,
    Judgement,
    Observation,
    Observed,
    Outcome,
    Place,
    Verdict,
)
from grader.wire import Opaque

LEAST_LOOKED_AT = 2**16  # entries of a result, or else four times as many as a right one has
ALONE = "This holds, but counts only where something else of the answer is right too."


def judge_question(question: Question, observed: Observed, seed: int) -> Judgement:
    """The verdicts on every claim that was asked, and what they come to.

    Of several answers the last counts, but one that is as it was handed out hides no other.  If an
    earlier one earns more, nothing is decided: a person has to say which was meant.
    """
    last, at = _judge_answer(question, observed, seed), observed.found
    if at is None or not observed.others or last.earned is None or last.outcome is Outcome.PASSED:
        return last
    best: dict[Place, tuple[Found, Judgement]] = {}  # of a definition in two orders of arguments
    for answer in (observed, *observed.others):
        if answer.found is not None:
            judgement = _judge_answer(question, answer, seed)
            known = best.setdefault(answer.found.where, (answer.found, judgement))
            if _points(judgement) > _points(known[1]):
                best[answer.found.where] = answer.found, judgement
    filled = [(found, j) for found, j in best.values() if j.outcome is not Outcome.BLANK]
    # what has another name is looked at only if nothing of the asked name is more than handed out
    named = [(f, j) for f, j in filled if f.name == question.target]
    answers = [(found, j) for found, j in named or filled if j.earned is not None]
    if not any(_points(j) for _, j in answers):
        return last
    (found, used), *earlier = answers
    better = [(f, j) for f, j in earlier if _points(j) > _points(used)]
    if better:
        return _for_a_person(used, _disagreement([(found, used), *better]), "redefined")
    return used if found.where == at.where else _in_place_of(at, found, used)


def _points(judgement: Judgement) -> float:
    return judgement.earned or 0.0


def _disagreement(answers: Sequence[tuple[Found, Judgement]]) -> str:
    """What a person is told who has to choose between these; the last comes first."""
    told = [f"{found.name} in cell {found.where.cell} {_points(j):g}" for found, j in answers]
    return (
        "It is answered more than once, and a person has to say which answer counts. Of "
        f"{answers[0][1].possible:g} points would earn: {', '.join(told)}."
    )


def _in_place_of(last: Found, found: Found, used: Judgement) -> Judgement:
    """The judgement on what was used, though what was handed out comes later once more."""
    said = f"{last.name} in cell {last.where.cell} is as it was handed out"
    note = "; ".join(filter(None, [f"{said}; this was used in its place", found.note]))
    flags = tuple(sorted({*used.flags, "redefined"}))
    return replace(used, flags=flags, found=replace(found, note=note))


@np.errstate(all="ignore")  # see `departure`
def _judge_answer(question: Question, observed: Observed, seed: int) -> Judgement:
    """The judgement on one answer, as if the notebook held no other."""
    if observed.error and observed.found is None:
        return _all(question, Outcome.ERROR, None, Finding(observed.error))
    if observed.found is None:
        return _all(question, Outcome.MISSING, 0.0, Finding(_missing(question)))
    if not observed.trials:
        said = f"{observed.found.name} could not be made: {observed.error}"
        finding = Finding(said, where=observed.found.where)
        return _all(question, Outcome.BLOCKED, 0.0, finding, observed)

    unasked = [
        o
        for asked in observed.trials.values()
        for o in asked.observations
        if o.outcome is Outcome.NEEDS_REVIEW
    ]
    if unasked:
        said = f"It could not be put to the test, so a person has to look: {unasked[0].error}"
        finding = Finding(said, where=observed.found.where)
        return _all(question, Outcome.NEEDS_REVIEW, None, finding, observed)

    expected = expectations(question, seed)
    where, observed = observed.found.where, _within_reach(observed, _most(expected))
    untouched = question.untouched
    if untouched is not None and explains(
        question, expected, untouched, observed.trials, same_errors=True
    ):
        advice = inspect.getdoc(untouched) or "It computes what the handout computes."
        return _all(question, Outcome.BLANK, 0.0, Finding(advice, where=where), observed)

    verdicts = _best(question, expected, observed, observed.trials)
    asked = observed.trials
    followed = False
    if observed.helped:
        helped = _best(question, expected, observed, observed.helped)
        pairs = list(zip(verdicts, helped, strict=True))
        if any(_earned(b) > _earned(a) for a, b in pairs):
            verdicts = [b if _earned(b) > _earned(a) else a for a, b in pairs]
            asked, followed = observed.helped, True
    verdicts, flags = _sizes(question, verdicts, observed, expected)
    flags += _suspicions(question, verdicts, observed)
    if followed:
        flags.append("follow_through")
    main = _main_finding(question, expected, verdicts, asked)
    if main is not None and main.misconception is not None:
        verdicts = [_told(v, main) for v in verdicts]
    charged = [v for v in verdicts if v.possible]
    earned = round(sum(map(_earned, charged)), 2)
    possible = round(sum(v.possible for v in charged), 2)
    return Judgement(
        question.key,
        question.title,
        _outcome(charged, earned, possible),
        earned,
        possible,
        tuple(verdicts),
        main,
        tuple(sorted(flags)),
        observed.found,
        text=_account(question, observed),
    )


def _within_reach(observed: Observed, most: int) -> Observed:
    """What was observed, results of more entries than `most` by their size only: a form may go
    through them one by one, while the rest of the class waits."""

    def within(asked: Mapping[str, Asked]) -> Mapping[str, Asked]:
        if not any(entries(o.value) > most for a in asked.values() for o in a.observations):
            return asked
        return {
            name: replace(a, observations=tuple(map(short, a.observations)))
            for name, a in asked.items()
        }

    def short(one: Observation) -> Observation:
        count = entries(one.value)
        return replace(one, value=Opaque(f"result of {count} entries")) if count > most else one

    return replace(
        observed,
        trials=within(observed.trials),
        helped=within(observed.helped),
        again=observed.again and short(observed.again),
    )


@cache
def _most(expected: Expectations) -> int:
    """How many entries a result may have that is looked at."""
    question = expected.question
    programs = question.reference, *question.also_right
    results = (result for p in programs for each in expected.of(p).values() for result in each)
    return max(LEAST_LOOKED_AT, 4 * max((entries(r.value) for r in results), default=0))


def _account(question: Question, observed: Observed) -> str:
    """What the student is told of all that came back; empty if it cannot be told."""
    if question.account is None:
        return ""
    results = [
        o.value for asked in observed.trials.values() for o in asked.observations if o.returned
    ]
    try:
        return question.account(results)
    except Exception:  # as a form, it may meet whatever a student returns
        return ""


def stand_ins(
    questions: Sequence[Question], observed: Mapping[str, Observed], seed: int
) -> dict[str, tuple[str, ...]]:
    """Which questions to ask once more with right answers in the place of which others: those that
    lost points and may have lost them to another that did."""
    by_key = {question.key: question for question in questions}

    @cache
    def lost(key: str) -> bool:
        # whatever else there is, the last is what the notebook's own code finds under the name
        judgement = _judge_answer(by_key[key], observed[key], seed)
        return judgement.earned is not None and judgement.outcome is not Outcome.PASSED

    followed = {}
    for question in questions:
        needed = tuple(key for key in question.needs if key in observed and lost(key))
        if needed and observed[question.key].trials and lost(question.key):
            followed[question.key] = needed
    return followed


def doubted(judgement: Judgement, missing: Sequence[str]) -> Judgement:
    """The judgement as it stands if the notebook imports packages that this machine lacks.

    Points lost then may be our fault: a person has to look, and nothing is charged until then.
    """
    sure = (Outcome.PASSED, Outcome.BLANK, Outcome.MISSING)
    if not missing or judgement.written or judgement.outcome in sure:
        return judgement
    names = ", ".join(missing)
    why = (
        f"The notebook imports {names}, which this machine lacks: "
        f"install it (pip install {' '.join(missing)}) and grade again."
    )
    return _for_a_person(judgement, why, "package_missing")


def _for_a_person(judgement: Judgement, why: str, flag: str) -> Judgement:
    """The judgement without points, until a person has looked."""
    verdicts = tuple(
        v if v.outcome is Outcome.PASSED else replace(v, outcome=Outcome.NEEDS_REVIEW, earned=None)
        for v in judgement.verdicts
    )
    return replace(
        judgement,
        outcome=Outcome.NEEDS_REVIEW,
        earned=None,
        verdicts=verdicts,
        finding=Finding(why),
        flags=tuple(sorted({*judgement.flags, flag})),
    )


def judge_written(question: Written, observed: Observed | None) -> Judgement:
    """A text is shown; it is marked by a person, never by rule."""
    verdict = Verdict(question.title, Outcome.NEEDS_REVIEW, None, question.points)
    found = observed.found if observed else None
    cell = found.where.cell if found else 0  # 0: in a text beside the notebook
    return Judgement(
        question.key,
        question.title,
        Outcome.NEEDS_REVIEW,
        None,
        question.points,
        (verdict,),
        found=found if cell else None,
        written=True,
        text=observed.text if observed else "",
        text_from=(f"{found.name}, in cell {cell}" if cell else found.name) if found else "",
    )


def undecided(question: Question | Written, outcome: Outcome, why: str) -> Judgement:
    """The judgement on a question whose notebook is not there (MISSING: 0) or could not be graded
    (ERROR: no points yet)."""
    earned = 0.0 if outcome is Outcome.MISSING else None
    if isinstance(question, Written):
        verdict = Verdict(question.title, outcome, earned, question.points)
        return Judgement(
            question.key,
            question.title,
            outcome,
            earned,
            question.points,
            (verdict,),
            Finding(why),
            written=True,
        )
    return _all(question, outcome, earned, Finding(why))


def _all(
    question: Question,
    outcome: Outcome,
    earned: float | None,
    finding: Finding,
    observed: Observed | None = None,
) -> Judgement:
    verdicts = tuple(Verdict(c.claim, outcome, earned, c.points) for c in question.checks)
    return Judgement(
        question.key,
        question.title,
        outcome,
        earned,
        round(question.points, 2),
        verdicts,
        finding,
        found=observed.found if observed else None,
    )


def _missing(question: Question) -> str:
    if isinstance(question.target, Cell):
        names = " or ".join(question.target.assigns)
        return f"No cell of the notebook makes {names}."
    return f"The notebook defines no {question.target}."


def _best(
    question: Question, expected: Expectations, observed: Observed, asked: Mapping[str, Asked]
) -> list[Verdict]:
    """The verdicts by whichever right program the student's results earn most."""
    best: list[Verdict] = []
    for program in (question.reference, *question.also_right):
        verdicts = _verdicts(question, expected, program, observed, asked)
        supported = _supported(question, verdicts)
        if not best or sum(map(_earned, supported)) > sum(map(_earned, best)):
            best = supported
        if all(v.outcome is Outcome.PASSED for v in best):
            break
    return best


def _supported(question: Question, verdicts: list[Verdict]) -> list[Verdict]:
    """The verdicts, with those taken back that are worth nothing alone and are alone."""
    alone = {check.claim for check in question.checks if check.alone}
    if any(v.possible and v.earned and v.claim in alone for v in verdicts):
        return verdicts
    return [
        replace(v, outcome=Outcome.FAILED, earned=0.0, finding=Finding(ALONE))
        if v.earned and v.claim not in alone
        else v
        for v in verdicts
    ]


def _earned(verdict: Verdict) -> float:
    return verdict.earned or 0.0


def _verdicts(
    question: Question,
    expected: Expectations,
    program: Implementation,
    observed: Observed,
    asked: Mapping[str, Asked],
) -> list[Verdict]:
    own = expected.of(question.reference)
    results = {**own, **expected.of(program)}

    @cache
    def ignored(name: str) -> bool:
        return ignores_its_input(question, results[name], asked[name].observations)

    verdicts = []
    for check in question.checks:
        name = question.trial(check).name
        if name in asked:
            cases: Sequence[Case] = expected.cases[name]
            right, seen = results[name], asked[name].observations
            once = partial(ignored, name)
            verdicts.append(judge(question, check, cases, right, seen, observed.found, once))
    return verdicts


def _suspicions(
    question: Question, verdicts: Sequence[Verdict], observed: Observed
) -> Iterator[str]:
    """Flags that cost nothing: what a TA may want to look at."""
    checks: Mapping[str, Check] = {check.claim: check for check in question.checks}
    seen = [o for asked in observed.trials.values() for o in asked.observations]
    if any(o.changed for o in seen):
        yield "changes_its_inputs"
    if observed.again is not None and not same_result(question, seen[0], observed.again):
        yield "differs_when_repeated"
    if not isinstance(question.target, Cell) and set(observed.reads) & set(
        question.known_parameters
    ):
        yield "reads_globals"
    holds = {v.claim for v in verdicts if v.outcome is Outcome.PASSED}
    own = {c.claim for c in checks.values() if c.points and not c.other_sizes}
    if any(check.published and check.claim in holds for check in checks.values()) and own - holds:
        yield "only_published"


def _sizes(
    question: Question, verdicts: list[Verdict], observed: Observed, expected: Expectations
) -> tuple[list[Verdict], list[str]]:
    """A function that is right at the notebook's own sizes only is flagged; it is charged where
    nothing that it reads from the notebook, beyond what a case sets, could explain it."""
    checks: Mapping[str, Check] = {check.claim: check for check in question.checks}
    charged = [v for v in verdicts if v.possible]
    own = [v for v in charged if not checks[v.claim].other_sizes]
    other = [v for v in charged if checks[v.claim].other_sizes and v.outcome is not Outcome.PASSED]
    if not own or not other or any(v.outcome is not Outcome.PASSED for v in own):
        return verdicts, []
    given = {name for cases in expected.cases.values() for case in cases for name in case.given}
    if set(observed.reads) <= given:
        return verdicts, ["fixed_sizes"]
    excused = [
        Verdict(v.claim, Outcome.PASSED, v.possible, v.possible) if v in other else v
        for v in verdicts
    ]
    return excused, ["fixed_sizes"]


def _told(verdict: Verdict, main: Finding) -> Verdict:
    """A charged claim that fails, explained by the misconception that explains them all."""
    if verdict.outcome is Outcome.PASSED or not verdict.possible or verdict.finding is None:
        return verdict
    finding = replace(verdict.finding, advice=main.advice, misconception=main.misconception)
    return replace(verdict, finding=finding)


def _outcome(charged: Sequence[Verdict], earned: float, possible: float) -> Outcome:
    if earned == possible:
        return Outcome.PASSED
    if earned:
        return Outcome.PARTIAL
    outcomes = {v.outcome for v in charged}
    return outcomes.pop() if len(outcomes) == 1 else Outcome.FAILED


def _main_finding(
    question: Question,
    expected: Expectations,
    verdicts: Sequence[Verdict],
    asked: Mapping[str, Asked],
) -> Finding | None:
    lost = [v for v in verdicts if v.possible and v.outcome is not Outcome.PASSED and v.finding]
    if not lost:
        return None
    worst = max(lost, key=lambda v: v.possible).finding
    assert worst is not None
    known = diagnosis(question, expected, asked)
    if not known:
        return worst
    name = " or ".join(" + ".join(explanation.names) for explanation in known)
    return Finding(_advice(known), name, worst.shown_by, worst.where)


def _advice(known: Sequence[Explanation]) -> str:
    """What a student is told whose result all of these explain."""
    told = [_together(explanation.advice) for explanation in known]
    if len(told) == 1:
        return told[0]
    either = " Or: ".join(told)
    return f"One of these explains your result, and no result can tell which. Either: {either}"


def _together(advice: Sequence[str]) -> str:
    if len(advice) == 1:
        return advice[0]
    numbered = " ".join(f"({number}) {text}" for number, text in enumerate(advice, 1))
    return f"{'Two' if len(advice) == 2 else 'Three'} things together: {numbered}"
