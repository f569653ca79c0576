"""From outcomes, points and texts to the words and marks that are the same everywhere."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from grader.model import (
    Execution,
    Finding,
    Grade,
    Gradebook,
    Judgement,
    NotebookGrade,
    Outcome,
    Place,
    Review,
    Verdict,
)

MARKS = {
    Outcome.PASSED: "✓",
    Outcome.PARTIAL: "△",
    Outcome.FAILED: "✗",
    Outcome.RAISED: "✗",
    Outcome.TIMED_OUT: "✗",
    Outcome.BLOCKED: "⊘",
    Outcome.NEEDS_REVIEW: "✎",
    Outcome.BLANK: "–",
    Outcome.MISSING: "–",
    Outcome.ERROR: "!",
}

WORDS = {
    Outcome.PASSED: "right",
    Outcome.PARTIAL: "partly right",
    Outcome.FAILED: "not right yet",
    Outcome.RAISED: "stopped with an error",
    Outcome.TIMED_OUT: "ran out of time",
    Outcome.BLOCKED: "could not be tried",
    Outcome.NEEDS_REVIEW: "a person will look",
    Outcome.BLANK: "still as handed out",
    Outcome.MISSING: "not found",
    Outcome.ERROR: "not graded: our problem",
}

FOLLOW_THROUGH = "follow_through"  # flag: judged with a right version of what it depends on
REVIEWED = "reviewed"  # flag: a person decided, over or in place of the verdicts

FLAGS = {  # what a flag says to the staff; none of them costs anything
    "changes_its_inputs": "the code changes the arrays that it is given",
    "differs_when_repeated": "the same call gives another result the second time",
    "fixed_sizes": "right at the notebook's own sizes only",
    FOLLOW_THROUGH: "also tried with a right version of what it builds on, which came out better",
    "identical_file": "the same file, to the byte, as another student's",
    "lateness_not_checked": "nobody has looked whether it was handed in on time",
    "not_executed": "no cell was run before it was handed in, or every trace of it was cleared",
    "not_trained": "nothing that is saved in the file shows that the model was trained",
    "only_published": "right on the case that the handout prints and on no other",
    "package_missing": "the notebook imports a package that this machine lacks",
    "redefined": "answered more than once: what is as it was handed out hides no other answer, and "
    "a person decides between two that earn different points",
    "reads_globals": "the function reads a name of the notebook that it is given as an argument",
    "prompt_copied": "a written answer is the text that was handed out, and nothing else",
    "quotes_unseen": "a written answer quotes a loss or a perplexity that no output shows",
    "review_outdated": "a person marked an earlier file than the one that counts now",
    REVIEWED: "a person decided",
    "saved_output_differs": "the saved output shows the printed values, but the run does not give "
    "them: run in another order, changed afterwards, or typed in",
    "similar_code": "much the same code as another student's",
}

_CANNOT_BE_SEEN = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000)), "�")
_CANNOT_BE_SEEN |= dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), "�")
del _CANNOT_BE_SEEN[ord("\n")], _CANNOT_BE_SEEN[ord("\t")]


@lru_cache(1024)
def points(value: float | None) -> str:
    """Points as they are written everywhere: at most two decimals, empty if undecided."""
    if value is None:
        return ""
    written = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if written == "-0" else written


def counted(number: int, thing: str) -> str:
    """A number and what it counts, in the plural unless it is one: "2 claims"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def readable(name: str) -> str:
    """A misconception's or flag's name as words: "softmax_axis" is "softmax axis"."""
    return name.replace("_", " ")


def clipped(text: str, limit: int) -> str:
    """The first `limit` characters of a text, and how many more there were."""
    if len(text) <= limit:
        return text
    return f"{text[:limit].rstrip()} … ({len(text) - limit} more characters)"


def visible(text: str) -> str:
    """A text without what a page or terminal would act on rather than show.

    Terminal escapes, other control characters, unpaired surrogates and marks that turn the
    direction of writing become "�"; line ends become newlines.
    """
    if text.isprintable():
        return text  # as most: it has none of all these
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_CANNOT_BE_SEEN)


def place_said(where: Place) -> str:
    """Where something stands, as said to a student: "cell 7, line 3"."""
    return f"cell {where.cell}, line {where.line}"


def by_student(gradebook: Gradebook) -> list[Grade]:
    """Every grade, in the order in which students are listed everywhere."""
    return sorted(gradebook.grades, key=lambda grade: grade.student)


def notebook_keys(gradebook: Gradebook) -> list[str]:
    """The assignment's notebooks, in the authored order: every grade holds them all."""
    return list(dict.fromkeys(n.notebook for g in gradebook.grades for n in g.notebooks))


def lost(earned: float | None, possible: float) -> float:
    """The points lost; none where nothing is decided yet."""
    return 0.0 if earned is None else max(0.0, possible - earned)


def shown_outcome(judgement: Judgement) -> Outcome:
    """The outcome whose mark fits the points, also where a person gave them."""
    if judgement.earned is None or not judgement.possible:
        return judgement.outcome
    if not lost(judgement.earned, judgement.possible):
        return Outcome.PASSED
    if judgement.earned > 0 or judgement.outcome is Outcome.PASSED:
        return Outcome.PARTIAL if judgement.earned > 0 else Outcome.FAILED
    return judgement.outcome


def unmarked_texts(notebooks: Iterable[NotebookGrade]) -> int:
    """How many written answers nobody has marked yet; none is known of a file that no one read."""
    read = (notebook for notebook in notebooks if notebook.outcome is not Outcome.ERROR)
    return sum(j.written and j.earned is None for n in read for j in n.judgements)


def reviewed_said(review: Review) -> str:
    """Who marked an answer and when, as far as it was written down."""
    return f"Marked by {review.by or 'a person'}{f', {review.at}' if review.at else ''}."


def lateness_said(notebook: NotebookGrade) -> str:
    """What coming too late costs a notebook, in one sentence."""
    if not notebook.withheld:
        return "It was handed in after the deadline; its points count all the same."
    if notebook.worth is None:
        return "It was handed in after the deadline."
    return (
        "It was handed in after the deadline, so none of its points count; in time it would have "
        f"earned {points(notebook.worth)}."
    )


def findings(judgement: Judgement) -> list[Finding]:
    """The main finding of a question, then those of its claims."""
    main = [judgement.finding] if judgement.finding else []
    return main + [verdict.finding for verdict in judgement.verdicts if verdict.finding]


def misconceptions(judgement: Judgement) -> list[str]:
    """The distinct misconceptions recognised in a question, sorted; those held together one by
    one."""
    return sorted(
        {
            name
            for finding in findings(judgement)
            if finding.misconception
            for name in held(finding.misconception)
        }
    )


def held(misconception: str) -> list[str]:
    """The names of what a student holds together; alternatives stay as one name."""
    return [misconception] if " or " in misconception else misconception.split(" + ")


def finding_of(verdict: Verdict, judgement: Judgement) -> Finding | None:
    """What explains a verdict: its own finding, or the question's if it lost points."""
    if verdict.finding is None and lost(verdict.earned, verdict.possible) > 0:
        return judgement.finding
    return verdict.finding


def cell_of(finding: Finding | None, judgement: Judgement) -> Place | None:
    """Where the reader should look: where the finding points, or where the answer was found."""
    if finding is not None and finding.where is not None:
        return finding.where
    return judgement.found.where if judgement.found else None


def said_of(judgement: Judgement) -> str:
    """One kind sentence for what has no claims to show."""
    if judgement.written and judgement.earned is not None and judgement.text.strip():
        return "A person read this text and marked it."
    if judgement.outcome is Outcome.BLANK:
        return "The cell is still as it was handed out, so there was nothing to mark yet."
    if judgement.outcome is Outcome.MISSING:
        thing = "text" if judgement.written else "code"
        return f"We found no {thing} that answers this in your notebook."
    if judgement.outcome is Outcome.BLOCKED:
        return (
            "This could not be tried, because something that it needs was never made: "
            "an earlier cell stopped, or is not there."
        )
    return ""


def found_said(judgement: Judgement) -> str:
    """Which code was taken for the answer, where that needs saying."""
    found = judgement.found
    if found is None or not found.note:
        return ""
    return visible(f"We took {found.name} in {place_said(found.where)} for it ({found.note}).")


def why_undecided(judgement: Judgement, notebook: NotebookGrade) -> str:
    """Why a person has to look at a question, in one line."""
    if judgement.finding and judgement.finding.advice:
        return judgement.finding.advice
    observed = notebook.record.observed.get(judgement.question) if notebook.record else None
    if observed is not None and observed.error:
        return observed.error
    if judgement.outcome is Outcome.ERROR:
        return "it could not be put to the test, through no fault of the code"
    return "the rules could not decide"


def events(execution: Execution) -> list[tuple[str, str]]:
    """What went wrong or was changed while a notebook ran, worst first: (what, detail) each."""
    told = []
    if execution.outcome is Outcome.TIMED_OUT:
        told.append(("it ran out of time before its last cell", execution.error))
    elif execution.error:
        told.append(("it did not run to its end", execution.error))
    for cell in execution.left_out:
        why = "it never ended, or it ended Python itself"
        kept = "what it defines, and sets before its first loop, was kept if that could be run"
        told.append((f"cell {cell} was left out: {why}; {kept}", ""))
    for failure in execution.failures:
        told.append((f"{place_said(failure.where)} stopped with an error", failure.error))
    return told + [(adapted, "") for adapted in execution.adapted]
