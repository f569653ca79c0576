"""From a gradebook to the terminal: the class as a table, a notebook or a student in detail.

Text of students is printed as text: nothing in it is taken for markup, colour or an escape
sequence.  What the stream's encoding cannot print is replaced, the marks by ASCII ones.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from grader.model import (
    ClaimChange,
    Comparison,
    Decision,
    Grade,
    Gradebook,
    Judgement,
    Lateness,
    NotebookGrade,
    Outcome,
    QuestionChange,
    Verdict,
)
from grader.report import overview
from grader.report.prose import length
from grader.report.wording import (
    MARKS,
    WORDS,
    by_student,
    cell_of,
    clipped,
    counted,
    events,
    finding_of,
    lateness_said,
    misconceptions,
    notebook_keys,
    place_said,
    points,
    readable,
    shown_outcome,
    unmarked_texts,
    visible,
    why_undecided,
)

_ASCII = {
    "✓": "+",
    "△": "~",
    "✗": "x",
    "⊘": "o",
    "✎": "?",
    "–": "-",
    "→": "->",
    "·": "-",
    "…": "...",
    "√": "sqrt ",
    "−": "-",
    "“": '"',
    "”": '"',
    "’": "'",
}
_STYLES = {
    Outcome.PASSED: "green",
    Outcome.PARTIAL: "yellow",
    Outcome.NEEDS_REVIEW: "blue",
    Outcome.ERROR: "blue",
    Outcome.BLANK: "dim",
    Outcome.MISSING: "dim",
}
_WIDEST = 100  # beyond this, points stand too far from their claims
_COMMONEST = 4


class ProofRow(Protocol):
    """What the table shows of one program; judge.proof.Row is one."""

    @property
    def notebook(self) -> str: ...
    @property
    def question(self) -> str: ...
    @property
    def program(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def earned(self) -> float: ...
    @property
    def possible(self) -> float: ...
    @property
    def claims(self) -> tuple[tuple[str, float], ...]: ...
    @property
    def holds(self) -> tuple[bool, ...]: ...
    @property
    def named(self) -> str: ...
    @property
    def breach(self) -> str: ...


class TriedMutant(Protocol):
    """What the table of scores shows of one mutant; validation.Tried is one."""

    @property
    def notebook(self) -> str: ...
    @property
    def question(self) -> str: ...
    @property
    def program(self) -> str: ...
    @property
    def where(self) -> str: ...
    @property
    def change(self) -> str: ...
    @property
    def fate(self) -> str: ...


def run_table(gradebook: Gradebook, console: Console) -> None:
    """Prints the class: a row a student, the commonest misconceptions, who needs a person.

    The closing line is the caller's.
    """
    say = _Voice(console, console.width)
    notebooks = notebook_keys(gradebook)
    named = any(grade.name for grade in gradebook.grades)
    shared = overview.shared_flags(gradebook)
    rows = [["student", *(["name"] if named else []), *notebooks, "total", "flags"]]
    for grade in by_student(gradebook):
        of = {notebook.notebook: _points_in_table(notebook) for notebook in grade.notebooks}
        rows.append(
            [
                grade.student,
                *([grade.name] if named else []),
                *(of.get(key, "") for key in notebooks),
                _total_in_table(grade),
                "; ".join(_short_flags(grade, shared)),
            ]
        )
    left = 2 if named else 1
    if gradebook.grades:
        say.columns(rows, numbers=range(left, left + len(notebooks) + 1), indent=2)
    for line in _legend(gradebook):
        say.line(line, indent=2, style="dim")
    if shared:
        say.line("everybody: " + "; ".join(map(readable, sorted(shared))), indent=2, style="dim")
    holders: dict[str, set[str]] = {}
    for mistake in overview.mistakes(gradebook):
        holders.setdefault(mistake.name, set()).update(mistake.students)
    if holders:
        ranked = sorted(holders.items(), key=lambda item: -len(item[1]))[:_COMMONEST]
        told = " · ".join(f"{readable(name)} {len(students)}" for name, students in ranked)
        say.line(f"most common: {told}", indent=2)
    needs = overview.needs(gradebook)
    if needs:
        console.print()
        say.line(f"Needs a person ({len(needs)})", style="bold")
        listed = [(f"{need.student} {need.place}".strip(), need.reason) for need in needs]
        width = min(32, max(len(who) for who, _ in listed))
        for who, reason in listed:
            say.entry(who, clipped(reason, 400), width=width, indent=2)


def student_view(grade: Grade, console: Console) -> None:
    """Prints everything about one student: the points, then each notebook in full."""
    say = _Voice(console)
    total = "?" if grade.total is None else points(grade.total)
    star = "*" if grade.total is not None and grade.needs_review else ""
    who = f"{grade.student} {grade.name}".strip()
    say.ends([(who, "bold")], f"{total}{star} / {points(grade.possible)}")
    texts = unmarked_texts(grade.notebooks)
    if texts:
        say.line("* free text not marked yet", style="dim")
    if star and grade.needs_review > texts:
        say.line("* a person has to decide some of it", style="dim")
    if grade.flags:
        say.line("flags: " + "; ".join(sorted(map(readable, grade.flags))), style="dim")
    for notebook in grade.notebooks:
        console.print()
        _notebook(notebook, console, say)


def check_view(notebook: NotebookGrade, console: Console) -> None:
    """Prints one notebook in full: every claim, what was seen where it fails, the advice once."""
    say = _Voice(console)
    _notebook(notebook, console, say)
    if unmarked_texts([notebook]):
        console.print()
        say.line("* free text not marked yet", style="dim")


def proof_table(
    rows: Sequence[ProofRow], tried: Sequence[TriedMutant], breaches: int, console: Console
) -> None:
    """Prints how each program of an assignment fares, a block a question, which mutants lose
    points, and the breaches."""
    say = _Voice(console, console.width)
    blocks: dict[str, list[list[str]]] = {}
    claimed: dict[str, tuple[tuple[str, float], ...]] = {}
    for row in rows:
        claimed[f"{row.notebook}.{row.question}"] = row.claims
        head = ["program", "kind", "points", "claims", "named as"]
        block = blocks.setdefault(f"{row.notebook}.{row.question}", [head])
        claims = "".join(MARKS[Outcome.PASSED if held else Outcome.FAILED] for held in row.holds)
        earned = f"{points(row.earned)} / {points(row.possible)}"
        named = "itself" if row.named == row.program else row.named
        told = f"BREACH: {row.breach}" if row.breach else named
        block.append([row.program, row.kind, earned, claims, told])
    for question, block in blocks.items():
        say.line(question, style="bold")
        for number, (claim, worth) in enumerate(claimed[question], 1):
            worth_said = f"{points(worth)} points" if worth else "advice"
            say.line(f"claim {number}: {claim} ({worth_said})", indent=2, style="dim")
        say.columns(block, numbers=range(2, 3), indent=2)
        console.print()
    if tried:
        _scores(rows, tried, say)
        console.print()
    programs = counted(sum(len(block) - 1 for block in blocks.values()), "program")
    mutants = f", {counted(len(tried), 'mutant')}" if tried else ""
    verdict = "no breach" if not breaches else counted(breaches, "breach").replace("hs", "hes")
    say.line(f"{programs}{mutants}, {verdict}", style="bold" if breaches else "")


def _scores(rows: Sequence[ProofRow], tried: Sequence[TriedMutant], say: _Voice) -> None:
    """How many wrong programs lose points: those of the bank, and those made by machine."""
    say.line("mutation score", style="bold")
    table = [["question", "bank", "machine-made", "score", "equivalent"]]
    by_question: dict[str, list[TriedMutant]] = {}
    for mutant in tried:
        by_question.setdefault(f"{mutant.notebook}.{mutant.question}", []).append(mutant)
    for question, several in by_question.items():
        known = [
            row
            for row in rows
            if row.kind == "misconception" and f"{row.notebook}.{row.question}" == question
        ]
        table.append([question, *_score(known, several)])
    everyone = [row for row in rows if row.kind == "misconception"]
    table.append(["all", *_score(everyone, tried)])
    say.columns(table, numbers=range(1, 5), indent=2)
    for question, several in by_question.items():
        equal = [mutant for mutant in several if mutant.fate == "equivalent"]
        own = [f"{m.where} {m.change}" for m in equal if m.program == "reference"]
        others = Counter(m.program for m in equal if m.program != "reference")
        brief = own + [f"{count} of {program}" for program, count in others.items()]
        if brief:
            say.line(f"{question}: equivalent are {'; '.join(brief)}", indent=2, style="dim")
    for mutant in tried:
        if mutant.fate not in ("killed", "equivalent"):
            place = f"{mutant.notebook}.{mutant.question} {mutant.program} {mutant.where}"
            say.line(f"BREACH: {mutant.fate}: {place}: {mutant.change}", indent=2)


def _score(known: Sequence[ProofRow], tried: Sequence[TriedMutant]) -> list[str]:
    caught = sum(row.earned < row.possible for row in known)
    fates = Counter(mutant.fate for mutant in tried)
    wrong = len(tried) - fates["equivalent"]
    score = f"{100 * fates['killed'] / wrong:.1f} %" if wrong else "-"
    return [
        f"{caught} / {len(known)}",
        f"{fates['killed']} / {wrong}",
        score,
        str(fates["equivalent"]),
    ]


def doctor_table(found: Iterable[tuple[str, str, str, str]], console: Console) -> None:
    """Prints what was looked at: (ok, warn or fail; the thing; what was seen; how to mend it)."""
    say = _Voice(console)
    for state, thing, seen, mend in found:
        say.entry(f"{state:<4}  {thing}", seen, width=18, indent=2)
        if mend:
            say.entry("", f"→ {mend}", width=18, indent=2)


def comparison_view(found: Comparison, console: Console, *, quiet: bool = False) -> None:
    """Prints whose points changed from one run to another and why, then who is told otherwise.

    quiet  only the closing line
    """
    say = _Voice(console)
    if not quiet:
        for setting in found.settings:
            was, now = (clipped(text, 20) or "–" for text in (setting.before, setting.after))
            say.entry(setting.name, f"{was} → {now}", width=28, indent=2)
        for student in found.changed:
            console.print()
            who = f"{student.student} {student.name}".strip()
            say.ends([(who, "bold")], f"{_earned(student.before)} → {_earned(student.after)}")
            for change in student.questions:
                _question_change(change, say)
        if found.retold:
            console.print()
            say.line("Told otherwise, for the same points", style="bold")
        told: dict[tuple[str, str], list[str]] = {}
        for student in found.retold:
            for change in student.questions:
                key = (f"{change.notebook}.{change.question}", "; ".join(_told_otherwise(change)))
                told.setdefault(key, []).append(student.student)
        for (question, what), students in told.items():
            say.entry(question, f"{what} ({clipped(', '.join(students), 200)})", width=28, indent=2)
        for some, which in ((found.joined, "later"), (found.left, "earlier")):
            if some:
                console.print()
                say.line(f"In the {which} run only: {', '.join(some)}")
        if found.settings or found.changed or found.retold or found.joined or found.left:
            console.print()
    number = len(found.changed) + len(found.joined) + len(found.left)
    if not number:
        say.line("Every student has the same points.")
    else:
        has = "has" if number == 1 else "have"
        say.line(f"{counted(number, 'student')} {has} other points.")


def _question_change(change: QuestionChange, say: _Voice) -> None:
    question = f"{change.notebook}.{change.question}"
    say.line(f"{question}  {_from_to(change.before, change.after)}", indent=2)
    was, now = (_recognised(decision) for decision in (change.before, change.after))
    if was != now:
        say.line(f"recognised: {was} → {now}", indent=4)
    for claim in change.claims:
        if _decided(claim.before) != _decided(claim.after):
            say.line(f"{claim.claim}: {_from_to(claim.before, claim.after)}", indent=4)


def _told_otherwise(change: QuestionChange) -> Iterable[str]:
    """What is said otherwise of a question that has kept its points."""
    was, now = (_recognised(decision) for decision in (change.before, change.after))
    if was != now:
        yield f"recognised: {was} → {now}"
    if change.before and change.after and change.before.outcome != change.after.outcome:
        yield f"{readable(change.before.outcome)} → {readable(change.after.outcome)}"
    for claim in change.claims:
        if _decided(claim.before) != _decided(claim.after):
            yield f"{claim.claim}: {_from_to(claim.before, claim.after)}"
    if any(_advised(claim) for claim in change.claims):
        yield "other advice"


def _advised(claim: ClaimChange) -> bool:
    return bool(claim.before and claim.after and claim.before.advice != claim.after.advice)


def _decided(decision: Decision | None) -> tuple[str, float | None, float] | None:
    return None if decision is None else (decision.outcome, decision.earned, decision.possible)


def _recognised(decision: Decision | None) -> str:
    names = decision.misconception if decision else ""
    return readable(names.replace(";", "; ")) or "nothing"


def _from_to(was: Decision | None, now: Decision | None) -> str:
    """ "failed → passed, 0 of 2 → 2 of 2", without what is the same."""
    if was is None or now is None:
        either = was or now
        there = f"{readable(either.outcome)}, {_of(either)}" if either else ""
        return f"new: {there}" if was is None else f"no longer there: {there}"
    parts = []
    if was.outcome != now.outcome:
        parts.append(f"{readable(was.outcome)} → {readable(now.outcome)}")
    if (was.earned, was.possible) != (now.earned, now.possible):
        parts.append(f"{_of(was)} → {_of(now)}")
    return ", ".join(parts)


def _of(decision: Decision) -> str:
    return f"{_earned(decision.earned)} of {points(decision.possible)}"


class _Voice:
    """Prints plain text on one console, with what its encoding cannot print replaced."""

    def __init__(self, console: Console, widest: int = _WIDEST) -> None:
        self._console = console
        self._width = min(console.width, widest)
        self._ascii = not self._can("".join(MARKS.values()))  # all marks, or none

    def mark(self, outcome: Outcome) -> tuple[str, str]:
        """The sign of an outcome and a space, and the colour that goes with it."""
        sign = MARKS[outcome]
        return f"{_ASCII.get(sign, sign) if self._ascii else sign} ", _STYLES.get(outcome, "red")

    def line(self, text: str, *, indent: int = 0, style: str = "") -> None:
        """Prints a text, wrapped under its own beginning."""
        for part in self._wrapped(Text(self._printable(text), style), self._width - indent):
            start = Text(" " * indent if part.plain else "")
            self._print(start + part)

    def ends(self, parts: list[tuple[str, str]], right: str, *, indent: int = 0) -> None:
        """Prints a text of (words, style), and at the right edge of its first line, points."""
        left = Text.assemble(*((self._printable(words), style) for words, style in parts))
        room = self._width - indent - cell_len(right) - 2
        for number, part in enumerate(self._wrapped(left, room)):
            line = Text(" " * indent) + part
            if number == 0:
                line.append(" " * (self._width - line.cell_len - cell_len(right)) + right)
            self._print(line)

    def entry(self, name: str, text: str, *, width: int, indent: int) -> None:
        """Prints a name, and beside it a text; below it where the name is too long."""
        name = self._printable(name)
        room = self._width - indent - width - 2
        parts = self._wrapped(Text(self._printable(text)), max(20, room))
        if cell_len(name) > width or room < 20:
            self.line(name, indent=indent)
            name = ""
        for part in parts:
            start = " " * indent + name + " " * (width + 2 - cell_len(name))
            self._print(Text(start) + part)
            name = ""

    def columns(self, rows: list[list[str]], *, numbers: range, indent: int) -> None:
        """Prints a table; the last column is cut where the line ends."""
        shown = [[self._printable(" ".join(cell.split())) for cell in row] for row in rows]
        widths = [max(map(cell_len, column)) for column in zip(*shown, strict=True)]
        room = self._width - indent - sum(widths[:-1]) - 2 * (len(widths) - 1)
        for number, row in enumerate(shown):
            line = " " * indent
            for at, (cell, width) in enumerate(zip(row[:-1], widths, strict=False)):
                space = " " * (width - cell_len(cell))
                line += f"{space}{cell}  " if at in numbers else f"{cell}{space}  "
            line += self._cut(row[-1], max(8, room))
            self._print(Text(line.rstrip(), "bold" if number == 0 else ""))

    def _cut(self, text: str, width: int) -> str:
        if cell_len(text) <= width:
            return text
        more = self._printable("…")
        return set_cell_size(text, width - len(more)).rstrip() + more

    def _wrapped(self, text: Text, width: int) -> Iterable[Text]:
        for part in text.wrap(self._console, max(10, width)):
            part.rstrip()
            yield part

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)

    def _can(self, characters: str) -> bool:
        """Whether the stream can print these characters."""
        try:
            characters.encode(self._console.encoding)
        except (UnicodeEncodeError, LookupError):
            return False
        return True

    def _printable(self, text: str) -> str:
        """The text without escapes, and with nothing that the stream cannot print."""
        shown = visible(text).expandtabs(4)
        if self._can(shown):
            return shown
        return "".join(
            character
            if self._can(character)
            else _ASCII.get(character, "?" * max(1, cell_len(character)))
            for character in shown
        )


def _notebook(notebook: NotebookGrade, console: Console, say: _Voice) -> None:
    star = "*" if unmarked_texts([notebook]) and not notebook.withheld else ""
    earned = "?" if notebook.earned is None else points(notebook.earned) + star
    say.ends([(notebook.notebook, "bold")], f"{earned} / {points(notebook.possible)}")
    if notebook.outcome is Outcome.MISSING:
        say.line("– not handed in", indent=2)
        return
    if notebook.lateness is Lateness.LATE:
        say.line(lateness_said(notebook), indent=2, style="yellow")
    if notebook.outcome is Outcome.ERROR:
        say.line(f"! could not be graded: {notebook.problem}", indent=2, style="blue")
        say.line("This is not a zero: a person has to look.", indent=2)
        return
    for judgement in notebook.judgements:
        console.print()
        _question(judgement, notebook, say)
    if notebook.record is None:
        return
    submission = notebook.record.submission
    told = [(note, "") for note in submission.notes] + events(notebook.record.execution)
    if told:
        console.print()
        say.line("How it ran", style="bold")
    for what, detail in told:
        say.line(f"· {what}", indent=2)
        if detail:
            say.line(clipped(detail, 600), indent=4, style="dim")


def _question(judgement: Judgement, notebook: NotebookGrade, say: _Voice) -> None:
    outcome = shown_outcome(judgement)
    say.ends(
        [say.mark(outcome), (judgement.title, "bold")],
        f"{_earned(judgement.earned)} / {points(judgement.possible)}",
    )
    told = [WORDS[outcome], judgement.question]
    where = cell_of(judgement.finding, judgement)
    if where:
        told.append(place_said(where))
    if judgement.found and judgement.found.note:
        told.append(judgement.found.note)
    say.line(" · ".join(told), indent=2, style="dim")
    if judgement.written:
        _written(judgement, say)
    said: set[tuple[str, str]] = set()
    advised = {judgement.finding.advice.strip()} if judgement.finding else set()
    for verdict in judgement.verdicts:
        _claim(verdict, judgement, said, advised, say)
    main = judgement.finding
    if main and main.shown_by and judgement.outcome is not Outcome.PASSED:
        _evidence(main.shown_by.call, main.shown_by.said, said, say)
    if main and main.advice.strip():
        say.line(inspect.cleandoc(main.advice), indent=2, style="yellow")
    elif judgement.earned is None and not judgement.written:
        say.line(why_undecided(judgement, notebook), indent=2, style="blue")
    if judgement.flags:
        flags = "; ".join(sorted(map(readable, judgement.flags)))
        say.line(f"flags: {flags}", indent=2, style="dim")


def _claim(
    verdict: Verdict,
    judgement: Judgement,
    said: set[tuple[str, str]],
    advised: set[str],
    say: _Voice,
) -> None:
    """One claim; under it what was seen, and its own advice if that was not given yet."""
    free = not verdict.possible
    worth = "costs nothing" if free else f"{_earned(verdict.earned)} / {points(verdict.possible)}"
    say.ends([say.mark(verdict.outcome), (verdict.claim, "")], worth, indent=2)
    finding = finding_of(verdict, judgement)
    if finding is None:
        return
    if finding.shown_by:
        _evidence(finding.shown_by.call, finding.shown_by.said, said, say)
    own = finding.advice.strip()
    if own and own not in advised:
        advised.add(own)
        say.line(inspect.cleandoc(own), indent=4)


def _evidence(call: str, seen: str, said: set[tuple[str, str]], say: _Voice) -> None:
    if (call, seen) in said:
        return
    said.add((call, seen))
    say.line(f"{clipped(call, 300)}: {clipped(seen, 600)}", indent=6)


def _written(judgement: Judgement, say: _Voice) -> None:
    size = length(judgement.text)
    marked = "not marked yet" if judgement.earned is None else "marked by a person"
    words, characters = counted(size.words, "word"), counted(size.characters, "character")
    say.line(f"{words}, {characters}; {marked}", indent=2)


def _earned(earned: float | None) -> str:
    return "?" if earned is None else points(earned)


def _points_in_table(notebook: NotebookGrade) -> str:
    """A notebook's points: ERR if it could not be graded, ? after what a person must decide."""
    if notebook.outcome is Outcome.MISSING:
        return "–"
    if notebook.earned is None:
        return "ERR"
    if notebook.withheld:
        return f"{points(notebook.earned)} late"
    if notebook.needs_person:
        return points(notebook.earned) + "?"
    return points(notebook.earned) + ("*" if unmarked_texts([notebook]) else "")


def _total_in_table(grade: Grade) -> str:
    if grade.total is None:
        return "?"
    if any(notebook.needs_person for notebook in grade.notebooks):
        return points(grade.total) + "?"
    return points(grade.total) + ("*" if unmarked_texts(grade.notebooks) else "")


def _short_flags(grade: Grade, shared: set[str]) -> list[str]:
    """What a person should know of a student, in few words: trouble, misconceptions, flags."""
    trouble = [
        f"{notebook.notebook} not graded"
        for notebook in grade.notebooks
        if notebook.outcome is Outcome.ERROR
    ]
    judgements = [j for notebook in grade.notebooks for j in notebook.judgements]
    withheld = [
        f"{notebook.notebook} late: {points(notebook.worth)} withheld"
        for notebook in grade.notebooks
        if notebook.withheld and notebook.worth is not None
    ]
    known = dict.fromkeys(readable(name) for j in judgements for name in misconceptions(j))
    flags = sorted(
        {flag for j in judgements for flag in j.flags} | set(grade.flags),
        # what most of a class share says the least, and the column may be cut
        key=lambda flag: (flag == f"lateness_{Lateness.NOT_CHECKED}", flag),
    )
    shared = shared | {
        f"{notebook.notebook}_late" for notebook in grade.notebooks if notebook.withheld
    }
    return [*trouble, *withheld, *known, *(readable(flag) for flag in flags if flag not in shared)]


def _legend(gradebook: Gradebook) -> list[str]:
    """What the signs in the table mean, for those that are in it."""
    notebooks = [notebook for grade in gradebook.grades for notebook in grade.notebooks]
    lines = []
    if unmarked_texts(notebooks):
        lines.append("* free text not marked yet")
    if any(notebook.needs_person for notebook in notebooks):
        lines.append("? a person has to look first")
    if any(notebook.outcome is Outcome.MISSING for notebook in notebooks):
        lines.append("– not handed in")
    return lines
