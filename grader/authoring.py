"""What a TA writes: the words that an assignment package under reference/ is made of.

Everything here is a value.  Nothing runs student code, reads a file or keeps state, so a whole
assignment can be validated before the first submission arrives.
"""

from __future__ import annotations

import inspect
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from grader.errors import AssignmentError

Implementation = Callable[..., Any]
CaseMaker = Callable[[np.random.Generator], Iterator["Case"]]
View = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One input to try.

    args   what the target is called with, or what `call` is given after the target
    given  values for names of the notebook itself, set for the time of the call: code that reads
           N or D from the notebook finds those that fit the input.  The inputs of a Cell.
    said   the input in words, for students, where its values tell them nothing
    """

    args: tuple[Any, ...]
    given: Mapping[str, Any]
    said: str = ""


def case(*args: Any, given: Mapping[str, Any] | None = None, said: str = "") -> Case:
    """The case that calls the target with exactly these arguments, and these names set."""
    return Case(args, given or {}, said)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Results agree when max|got - expected| <= rtol * max|expected| + atol, norm-wise.

    Norm-wise, not elementwise: honest float32 work is 0.3 off, relatively, at small entries but
    1e-4 of the norm.
    """

    rtol: float = 1e-3
    atol: float = 1e-12


def directly(target: Implementation, *args: Any) -> Any:
    """The usual way to use a target: call it."""
    return target(*args)


def whole(result: Any) -> Any:
    """The usual view of a result: all of it."""
    return result


@dataclass(frozen=True, slots=True)
class Cell:
    """A target without a name: the statements that make `assigns`.

    They are rerun from the names that a case gives to the names that they leave behind, whose
    values, in this order, are the result (the value itself if it is one name).
    """

    assigns: tuple[str, ...]

    def __init__(self, *assigns: str) -> None:
        object.__setattr__(self, "assigns", assigns)

    def __str__(self) -> str:
        return "the cell that makes " + ", ".join(self.assigns)


@dataclass(frozen=True, slots=True, eq=False)
class Slip:
    """One way to go wrong: the question's program with some of its switches set otherwise.

    Slips that set different switches are looked for in combination too.

    name      as a misconception is named
    advice    what a student who made it is told
    switches  keyword arguments of the question's program
    unseen    no output can show it, so nobody is charged for it or told of it
    """

    name: str
    advice: str
    switches: Mapping[str, Any]
    unseen: bool

    def __init__(self, name: str, advice: str, *, unseen: bool = False, **switches: Any) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "advice", advice)
        object.__setattr__(self, "switches", switches)
        object.__setattr__(self, "unseen", unseen)


@dataclass(frozen=True, slots=True)
class Trial:
    """Calls made together: how the target is used, and on which cases."""

    call: Callable[..., Any]
    cases: CaseMaker

    @property
    def name(self) -> str:
        return f"{self.cases.__name__} by {self.call.__name__}"

    def draw(self, seed: int) -> list[Case]:
        """The cases: the same for every student, for as long as `seed` is kept."""
        label = f"{self.cases.__module__}.{self.cases.__qualname__}".encode()
        return list(self.cases(np.random.default_rng([seed, zlib.crc32(label)])))


@dataclass(frozen=True, slots=True)
class Check:
    """One claim about the student's code, worth points if it holds on every case.

    The claim holds when `view` of the student's result agrees with `view` of the reference's, for
    each case that `cases(rng)` yields.

    claim        said to the student, in the present tense: "the weights sum to one"
    cases        yields the inputs, simplest first: the first that fails is the one shown
    points       0 makes the claim advice: reported, never charged
    view         which part of the result is compared; runs here, on plain data
    or_after     changes of the student's result after each of which the claim may hold as well:
                 "right, or right but transposed"
    picture      which part of a result is drawn, if not what is compared; its docstring says what
                 that is
    alone        whether it is worth its points also where nothing else holds: the right shape of a
                 result that is wrong in everything is not
    call         how the target is used, if not as the question says; needs `reference` too
    reference    from a case's arguments to the right result of `call`
    published    the values are printed in the handout: the claim proves nothing, so it is worth
                 nothing, but a student may check them with --public
    other_sizes  asks at sizes other than the notebook's own; a failure is charged only where
                 nothing that the target reads from the notebook could explain it
    """

    claim: str
    cases: CaseMaker
    points: float
    view: View = whole
    picture: View | None = None
    call: Callable[..., Any] | None = None
    reference: Implementation | None = None
    published: bool = False
    other_sizes: bool = False
    or_after: Sequence[View] = ()
    alone: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """Something a student was asked to write in code, and how it is judged.

    key             names its column in the gradebook
    title           what was asked, for people
    target          the name looked for in the notebook, or the Cell
    reference       our own program: from a case's arguments (for a Cell, its given names) to the
                    right result.  It never enters the sandbox
    checks          the claims; their points add up to the question's
    misconceptions  slips of `program`, and wrong programs like the reference with the advice as
                    docstring: a student whose results are the same as one's, or as those of some
                    slips together, is told its advice
    program         the reference once more, with a keyword argument for each switch that a slip
                    sets; without them it computes what the reference computes
    untouched       what the cell computes as it was handed out: a student whose results are the
                    same has not answered, and earns nothing
    also_right      programs of other conventions that are as right as the reference
    form            brings a result, the student's and the reference's, to the form compared
    known_by        the part of a result, in that form, by which misconceptions are recognised
    call            how the target is used: call(target, *args).  It runs inside the sandbox, so
                    it may use its arguments, np and torch only
    typed           from a case's arguments, as they are shown, to the call as a student would type
                    it, where that is not target(*args)
    parameters      the parameter names by which a renamed target is found
    spellings       from a word of these names to others for it, {"omega": ["W", "weight"]}: a
                    target whose own names tell another order is called in that
    tolerance       how close a result must be to the reference's
    account         from all results of the target to what a student is told of them, right or
                    wrong, in Markdown; nothing depends on it
    needs           keys of earlier questions of the notebook whose answers this one's may use: it
                    is judged with right ones too, so that a mistake costs once
    stand_in        a right answer to this question for the questions that need it, in whatever form
                    students use theirs.  It runs inside, as `call` does
    """

    key: str
    title: str
    target: str | Cell
    reference: Implementation
    checks: Sequence[Check]
    misconceptions: Sequence[Implementation | Slip] = ()
    program: Implementation | None = None
    untouched: Implementation | None = None
    also_right: Sequence[Implementation] = ()
    form: View = whole
    known_by: View = whole
    call: Callable[..., Any] = directly
    typed: Callable[..., str] | None = None
    parameters: Sequence[str] | None = None
    spellings: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tolerance: Tolerance = Tolerance()
    account: Callable[[Sequence[Any]], str] | None = None
    needs: Sequence[str] = ()
    stand_in: Implementation | None = None

    def __post_init__(self) -> None:
        for wrong in self.misconceptions:
            if isinstance(wrong, Slip):
                self._check_slip(wrong)
            elif not (wrong.__doc__ or "").strip():
                raise AssignmentError(
                    f"question {self.key}: misconception {wrong.__name__} has no docstring; "
                    "write there what a student who holds it should be told"
                )
        claims = [check.claim for check in self.checks]
        for claim in claims:
            if claims.count(claim) > 1:
                raise AssignmentError(f"question {self.key}: two checks claim {claim!r}")
        for check in self.checks:
            if check.call is not None and check.reference is None:
                raise AssignmentError(
                    f"question {self.key}: the check {check.claim!r} has a call of its own, so it "
                    "needs a reference of its own"
                )

    def _check_slip(self, slip: Slip) -> None:
        here = f"question {self.key}: slip {slip.name}"
        if not slip.advice.strip():
            raise AssignmentError(f"{here} has no advice: write what a student should be told")
        if self.program is None:
            raise AssignmentError(f"{here} is a slip of a program: give the question one")
        known = inspect.signature(self.program).parameters
        for switch in slip.switches:
            if switch not in known or known[switch].kind is not inspect.Parameter.KEYWORD_ONLY:
                raise AssignmentError(
                    f"{here} sets {switch!r}, which is no keyword-only parameter of the program"
                )

    @property
    def points(self) -> float:
        return sum(check.points for check in self.checks)

    @property
    def known_parameters(self) -> tuple[str, ...]:
        """The parameter names of the target as it was handed out."""
        if self.parameters is not None:
            return tuple(self.parameters)
        return _parameters(self.reference)

    def trial(self, check: Check) -> Trial:
        """What must be observed to judge `check`; equal for checks that can share it."""
        return Trial(check.call or self.call, check.cases)

    def run(self, program: Implementation, case: Case) -> Any:
        """What `program`, the reference or one like it, makes of a case."""
        return (
            program(**case.given)
            if isinstance(self.target, Cell) and case.given
            else program(*case.args)
        )

    @property
    def trials(self) -> list[Trial]:
        """What must be observed to judge every check, each once, in the authored order."""
        return list(dict.fromkeys(self.trial(check) for check in self.checks))


@cache  # for each notebook it is asked again and again
def _parameters(program: Implementation) -> tuple[str, ...]:
    return tuple(inspect.signature(program).parameters)


@dataclass(frozen=True, slots=True)
class Written:
    """A text that the student was asked to write.  Found and shown; marked by a person only.

    headings  words by which the text's heading is known, compared without case
    prompts   how it was asked for, if not in a text of the handout: who hands in no more than that
              has not answered
    """

    key: str
    title: str
    points: float
    headings: Sequence[str]
    prompts: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Notebook:
    """One notebook handed out to the students, and the questions in it.

    trains  whether its cells train a model: then the losses that they print are read and shown
    """

    title: str
    questions: Sequence[Question | Written]
    trains: bool = False

    @property
    def points(self) -> float:
        return sum(question.points for question in self.questions)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A homework: its notebooks by key, and the points that each must add up to.

    file_name  how a submitted file is named, with {student} and {notebook} in it
    data       files and folders that notebooks find as they had them on Colab; copies of them
               enter the kernel, so they hold nothing that a student may not read
    corpus     the name of a folder in `data` in whose place a teacher may put a larger one, with
               files of the same names; empty if there is none
    deadline   ISO 8601 with its offset; inclusive
    handout    the folder of <notebook>.ipynb, or .py as percent scripts, as they were handed out:
               students' code is compared without them
    solution   the folder of <notebook>.ipynb in which all is right
    variants   the folder of <question>/<style>.py that are as right; see ingest.variants
    wrong      the folder of <question>/<style>.py that are not, and say what they earn
    """

    key: str
    title: str
    points: Mapping[str, float]
    notebooks: Mapping[str, Notebook]
    file_name: str
    data: Sequence[Path] = ()
    corpus: str = ""
    deadline: str = ""
    handout: Path | None = None
    solution: Path | None = None
    variants: Path | None = None
    wrong: Path | None = None

    def __post_init__(self) -> None:
        for key, notebook in self.notebooks.items():
            if notebook.points != self.points.get(key):
                raise AssignmentError(
                    f"{self.key}: the checks of {key} add up to {notebook.points:g} points, "
                    f"but the assignment says {self.points.get(key, 0):g}"
                )
            known: dict[str, Question | Written] = {}
            for question in notebook.questions:
                for needed in question.needs if isinstance(question, Question) else ():
                    other = known.get(needed)
                    if (
                        not isinstance(other, Question)
                        or isinstance(other.target, Cell)
                        or other.stand_in is None
                    ):
                        raise AssignmentError(
                            f"{self.key}: {question.key} needs {needed}, which is no earlier "
                            f"question of {key} with a target by name and a stand_in"
                        )
                known[question.key] = question
        keys = [question.key for question in self.questions]
        for key in keys:
            if keys.count(key) > 1:
                raise AssignmentError(f"{self.key}: two questions have the key {key!r}")

    @property
    def named_data(self) -> dict[str, Path]:
        """What notebooks find beside them, by the name under which they find it."""
        return {path.name: path for path in self.data}

    @property
    def questions(self) -> list[Question | Written]:
        """Every question of every notebook, in the authored order."""
        return [question for nb in self.notebooks.values() for question in nb.questions]
