"""From a question to what a kernel is asked, and from what comes back to Observed."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import json
import re
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grader import wire
from grader.authoring import Case, Cell, Question, Trial, directly
from grader.errors import AssignmentError, SandboxError
from grader.model import Asked, Found, Limits, Observation, Observed, Outcome, Place
from grader.sandbox import slices
from grader.sandbox.limits import exceeded
from grader.sandbox.slices import Statement

SHIPPED = ("np", "torch")
RUN = re.compile(r"^<run ([0-9]{1,9})>$")
HANDED_IN = re.compile(r"^<handed in ([0-9]{1,9})>$")
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
NOT_ASKED = Observation(Outcome.TIMED_OUT, error="not tried: an earlier call did not end")
NOT_TRIED = Observation(Outcome.RAISED, error="not tried: the kernel died in an earlier call")
MOST_SHIPPED = 2**25  # characters of statements in a request
MOST_OTHERS = 3  # answers to one question, besides the one that counts by its place
BY_NAME = "its arguments were given by their names in it"


@functools.cache
def call_source(call: Any) -> str:
    """The source of a trial's call, to be run in the kernel; "" for a plain call.

    Raises AssignmentError if it would not run on its own there.
    """
    if call is directly:
        return ""
    names = inspect.getclosurevars(call)
    strangers = sorted((set(names.globals) | set(names.nonlocals)) - set(SHIPPED))
    if strangers:
        raise AssignmentError(
            f"{call.__module__}.{call.__name__} uses {', '.join(strangers)}, which the sandbox "
            f"does not have; it may use its arguments and {', '.join(SHIPPED)}"
        )
    return textwrap.dedent(inspect.getsource(call))


class Cases(tuple[Case, ...]):
    """The cases of a trial, the same for a whole class, as they are sent."""

    @functools.cached_property
    def text(self) -> str:
        """The cases as the kernel is sent them, in JSON."""
        return json.dumps(
            [
                {"args": wire.encode(list(c.args)), "given": wire.encode(dict(c.given))}
                for c in self
            ],
            sort_keys=True,
        )

    @functools.cached_property
    def digest(self) -> str:
        """What tells whether stored observations are of just these inputs."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class StandIn:
    """The source of a right answer, and the names that the notebook has for its own."""

    names: tuple[str, ...]
    source: str


def stand_in(question: Question, found: Found | None) -> StandIn:
    """A right answer to `question` for the notebook in which `found` answers it.

    Raises AssignmentError if it would not run on its own there.
    """
    names = dict.fromkeys([str(question.target), *([found.name] if found else [])])
    return StandIn(tuple(names), call_source(question.stand_in))


@dataclass(frozen=True, slots=True)
class Way:
    """One of the ways in which a notebook may answer a question.

    statements   what is looked at for the answer
    anew         whether what they define is used, whatever the notebook has under its name
    by_position  whether arguments come in the handout's order, whatever they are called
    """

    statements: Sequence[Statement]
    anew: bool = False
    by_position: bool = False


def other_ways(
    question: Question, statements: Sequence[Statement], taken: Collection[str], found: Found
) -> list[Way]:
    """In which ways, besides by what was `found`, the notebook may answer; what comes last first.

    taken  as in `request`
    """
    if isinstance(question.target, Cell):
        names = slices.made_as(statements, question.target.assigns, taken)
        cut = slices.without_last_answers(statements, names)
        return [Way(before) for before in cut[:MOST_OTHERS]]
    ways = [Way(statements, by_position=True)] if BY_NAME in found.note else []
    candidates = [s for _, s, _ in _candidates(question, statements, taken)]
    here = [s for s in candidates if Place(s.cell, s.line) == found.where]
    elsewhere = [s for s in candidates if s not in here]
    # what differs in its layout and comments only is the same answer
    texts = {ast.dump(s.node) for s in here} if elsewhere else set()
    for statement in elsewhere:
        text = ast.dump(statement.node)
        if text not in texts:
            texts.add(text)
            alone = [s for s in statements if s is statement or s not in candidates]
            ways.append(Way(alone, anew=True))
    return ways[:MOST_OTHERS]


def most_messages(trials: Mapping[Trial, Cases]) -> int:
    """How many messages answer a request: how the target was found, each case, the first again."""
    return 2 + sum(len(cases) for cases in trials.values())


def request(
    question: Question,
    trials: Mapping[Trial, Cases],
    way: Way,
    taken: Collection[str],
    seed: int,
    careful: bool,
    stand_ins: Sequence[StandIn] = (),
) -> str:
    """What the kernel is asked about `question`, as JSON.

    taken    names of the notebook's targets, which no renamed target can have
    careful  whether each result is to leave before the next call is made
    stand_ins  what is to be in the place of answers to other questions

    Raises SandboxError if the statements that answer it are too long to be sent.
    """
    target, statements = question.target, way.statements
    called = not isinstance(target, Cell) and any(trial.call is directly for trial in trials)
    stood = {name for stand_in in stand_ins for name in stand_in.names}
    candidates = [] if isinstance(target, Cell) else _candidates(question, statements, taken)
    _refuse_if_too_long([s for _, s, _ in candidates])
    assigns = (
        list(slices.made_as(statements, target.assigns, taken)) if isinstance(target, Cell) else []
    )
    asked = {
        "name": str(target),
        "assigns": assigns,
        "anew": way.anew,
        "seed": seed,
        "careful": careful,
        "stand_ins": [(stand_in.names, stand_in.source) for stand_in in stand_ins],
        "parameters": list(question.known_parameters) if called and not way.by_position else [],
        "spellings": {word: list(others) for word, others in question.spellings.items()},
        "definitions": [_shipped(s) | {"name": name, "told": told} for name, s, told in candidates],
    }
    shipped: dict[frozenset[str], list[dict[str, Any]]] = {}
    texts = []
    for trial, cases in trials.items():
        given = frozenset(cases[0].given) | stood
        if assigns and given not in shipped:
            rerun = slices.rerun(statements, given, assigns)
            _refuse_if_too_long(rerun)
            shipped[given] = [_shipped(s) for s in rerun]
        told = {"call": call_source(trial.call), "statements": shipped.get(given, [])}
        texts.append(_with(told, "cases", cases.text))
    return _with(asked, "trials", f"[{', '.join(texts)}]")


def _with(content: Mapping[str, Any], key: str, text: str) -> str:
    """`content` in JSON, with one more key whose value is JSON already."""
    return f"{json.dumps(content)[:-1]}, {json.dumps(key)}: {text}}}"


def _candidates(
    question: Question, statements: Sequence[Statement], taken: Collection[str]
) -> list[tuple[str, Statement, bool]]:
    """What may be the target: its name, the statement that defines it, and whether that the names
    of its parameters tell what they are is all that speaks for it."""
    name = str(question.target)
    mine = [(name, s, False) for s in slices.definitions(statements, name)]
    return mine + slices.renamed(
        statements, name, question.known_parameters, {*taken, name}, bool(question.spellings)
    )


def _refuse_if_too_long(statements: Sequence[Statement]) -> None:
    # each comes with the cell in which it stands
    if sum(len(statement.source) for statement in statements) > MOST_SHIPPED:
        raise SandboxError("what answers it is too long to be asked")


def _shipped(statement: Statement) -> dict[str, Any]:
    return {
        "cell": statement.cell,
        "index": 0,  # of its own source
        "source": alone(statement),
        "whole": statement.source,
        "makes": sorted(statement.makes),
        "writes": sorted(statement.writes),
        "reads": sorted(statement.reads),
    }


def alone(statement: Statement) -> str:
    """The text of a statement on its own lines, without what else stands there: to be compiled in a
    third of the time that it takes to pick it out of its cell there."""
    node = statement.node
    source = statement.source.replace("\r\n", "\n").replace("\r", "\n")  # as Python ends lines
    lines = source.encode("utf-8", "surrogatepass").split(b"\n")  # columns are counted in bytes
    first = statement.line
    if first != node.lineno:  # it is that of a decorator's expression, not of its @
        while first > 1 and not lines[first - 1].lstrip().startswith(b"@"):
            first -= 1
    lines = lines[first - 1 : statement.last_line]
    lines[-1] = lines[-1][: node.end_col_offset]
    if first == node.lineno:
        lines[0] = lines[0][node.col_offset :]
    text = b"\n".join(lines).decode("utf-8", "surrogatepass")
    return "\n" * (first - 1) + text


class Answers:
    """Reads what a kernel sent back, believing nothing but its form.

    runs   the cell (from 1) of each numbered run of the kernel
    taken  as in `request`
    """

    def __init__(
        self, way: Way, runs: Mapping[int, int], taken: Collection[str], limits: Limits
    ) -> None:
        self.way, self.runs, self.taken, self.limits = way, runs, taken, limits
        self.statements = way.statements

    def observed(
        self,
        question: Question,
        trials: Mapping[Trial, Cases],
        messages: Sequence[Mapping[str, Any]],
        alive: bool,
        late: str,
        why: str,
    ) -> Observed:
        """All that was seen of `question`; `alive` says whether the kernel survived it, `late` why
        it was interrupted, and `why` what was said at its end.

        Raises SandboxError if results are missing for which no code of the student answers.
        """
        head = messages[0].get("found") if messages else None
        head = head if isinstance(head, dict) else {}
        how = head.get("how")
        if how in ("missing", "blocked"):
            error = plain(head.get("error"))
            found = self._of_definition(question) if how == "blocked" else None
            return Observed(found, error=error if how == "blocked" else "")
        if not how and alive:
            raise SandboxError("the kernel did not answer")
        wanted = sum(len(cases) for cases in trials.values())
        results = [m for m in messages[1:] if type(m.get("case")) is int]
        seen: list[Observation] = []
        for message in results:
            if message["case"] == len(seen) and len(seen) < wanted:
                seen.append(self._observation(message, late))
        if len(seen) < wanted and not (seen and seen[-1].outcome is Outcome.TIMED_OUT):
            if alive and not late:
                raise SandboxError("the kernel lives, but sent no result")
            if late and not why:
                seen.append(Observation(Outcome.TIMED_OUT, error=late))
            else:
                died = ": ".join(filter(None, ("the kernel died in this call", why)))
                seen.append(Observation(Outcome.RAISED, error=died))
        ended = seen[-1].outcome if seen else Outcome.RAISED
        seen += [NOT_TRIED if ended is Outcome.RAISED else NOT_ASKED] * (wanted - len(seen))
        asked, at = {}, 0
        for trial, cases in trials.items():
            asked[trial.name] = Asked(cases.digest, tuple(seen[at : at + len(cases)]))
            at += len(cases)
        again = next((m for m in results if m["case"] == wanted), None)
        found = self._found(question, head)
        reads = messages[0].get("reads") if messages else []
        names = {plain(name) for name in reads[:100]} if isinstance(reads, list) else set()
        if found is not None and not isinstance(question.target, Cell):
            # an excuse for failures: only what the code itself says counts
            names &= slices.mentioned(self.statements, found.name)
        repeated = self._observation(again, late) if again is not None else None
        return Observed(found, asked, tuple(sorted(names)), repeated)

    def _observation(self, message: Mapping[str, Any], late: str) -> Observation:
        outcome = message.get("outcome")
        if outcome == "interrupted":
            return Observation(Outcome.TIMED_OUT, error=late or "the call was interrupted")
        if outcome != "passed":
            ended = {"blocked": Outcome.BLOCKED, "unasked": Outcome.NEEDS_REVIEW}
            error = plain(message.get("error"))
            return Observation(
                ended.get(outcome, Outcome.RAISED) if isinstance(outcome, str) else Outcome.RAISED,
                error=error + exceeded(error, self.limits) or "it failed",
                where=self._place(message.get("where")),
            )
        try:
            value = wire.decode(message.get("value"))
        except (wire.WireError, RecursionError) as error:
            return Observation(Outcome.RAISED, error=f"the result could not be read: {error}")
        changed = message.get("changed")
        names = changed if isinstance(changed, list) else []
        return Observation(Outcome.PASSED, value, changed=tuple(plain(n) for n in names[:20]))

    def _place(self, where: Any) -> Place | None:
        if not (isinstance(where, list) and len(where) == 2 and isinstance(where[0], str)):
            return None
        cell = None
        if run := RUN.match(where[0]):
            cell = self.runs.get(int(run[1]))
        elif handed_in := HANDED_IN.match(where[0]):
            cell = int(handed_in[1])
        if cell is None or type(where[1]) is not int:
            return None
        return Place(cell, where[1])

    def _found(self, question: Question, head: Mapping[str, Any]) -> Found | None:
        if isinstance(question.target, Cell):
            return self._of_cell(question.target)
        name = self._name(question, plain(head.get("name")))
        notes = []
        if name != str(question.target) and not self.way.anew:
            notes.append(f"there is no {question.target}; {name} was used in its place")
        order = head.get("order")
        if isinstance(order, list) and len(order) <= 100:
            own = ", ".join(plain(parameter) for parameter in order)
            notes.append(f"{BY_NAME}: {own}")
        if self.way.by_position:
            notes.append("its arguments were given in the handout's order, not by their names")
        note = "; ".join(notes)
        place = self._place([head.get("file"), head.get("line")])
        defining = slices.definitions(self.statements, name)
        statement = next(
            (s for s in defining if place and s.cell == place.cell and _holds(s, place.line)),
            defining[0] if defining else None,
        )
        if statement is None:
            # imported by a star, or made by other means than a statement of its own
            place = place or self._mentioned(name)
            return Found(name, place, place.line, note)
        return Found(name, Place(statement.cell, statement.line), statement.last_line, note)

    def _name(self, question: Question, said: str) -> str:
        """The name of what answers: what the kernel said, if it could have been called there."""
        name = str(question.target)
        if said == name:
            return name
        candidates = _candidates(question, self.statements, self.taken)
        return said if said in [known for known, *_ in candidates] else name

    def _mentioned(self, name: str) -> Place:
        """Where the notebook first speaks of `name`; its beginning if it never does."""
        for statement in self.statements:
            lines = statement.source.split("\n")[statement.line - 1 : statement.last_line]
            for line, text in enumerate(lines, statement.line):
                if name in text:
                    return Place(statement.cell, line)
        return Place(1, 1)

    def _of_definition(self, question: Question) -> Found | None:
        return self._found(question, {"name": str(question.target)})

    def _of_cell(self, target: Cell) -> Found | None:
        names = slices.made_as(self.statements, target.assigns, self.taken)
        makers = [s for s in slices.rerun(self.statements, (), names) if s.writes & set(names)]
        if not makers:
            return None
        last = makers[-1]
        first = next(s for s in makers if s.cell == last.cell)
        note = ""
        if names != target.assigns:
            note = f"there is no {target.assigns[0]}; {names[0]} was used in its place"
        return Found(", ".join(names), Place(last.cell, first.line), last.last_line, note)


def _holds(statement: Statement, line: int) -> bool:
    return statement.line <= line <= statement.last_line


def plain(value: Any) -> str:
    """Text that a kernel sent, fit to be stored and shown: short, without control characters, lone
    surrogates, or addresses, which differ from run to run."""
    if not isinstance(value, str):
        return ""
    clean = value[:500].encode("utf-8", "replace").decode("utf-8")
    return ADDRESS.sub("0x…", "".join(c if c.isprintable() else " " for c in clean))
