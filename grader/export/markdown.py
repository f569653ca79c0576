"""From what is said of a student's work to Markdown in which nothing is HTML.

It is read in other people's pages: what a student wrote must come out there as it was written, and
never as a tag, a link, a picture or a formula.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from grader.model import Finding, Judgement, NotebookGrade, Outcome, Verdict
from grader.report import wording
from grader.report.wording import MARKS, WORDS, clipped, lost, points, visible

_SAID_LIMIT = 600
_MARKUP = re.compile(r"[\\`*_{}\[\]#|~$!]")
_TAG = re.compile(r"<([A-Za-z/!?][^<>]*)>|<(?=[A-Za-z/!?])")
_MAIL = re.compile(r"(?<=\w)@(?=\w)")
_BLOCK = re.compile(r"^(\s*)([-+=]|[0-9]+(?=[.)]))")


def plain(text: str) -> str:
    """A text in a line that means itself, whatever stands in it."""
    line = " ".join(clipped(visible(text), _SAID_LIMIT).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = _MARKUP.sub(lambda found: f"\\{found[0]}", line)
    # an address would become a link, and "1." or "-" a list
    line = line.replace("://", ":\u200b//").replace("www.", "www\u200b.")
    line = _MAIL.sub("@\u200b", line)
    return _BLOCK.sub(lambda f: f"{f[1]}\\{f[2]}" if f[2] in "-+=" else f"{f[1]}{f[2]}\u200b", line)


def code(text: str) -> str:
    """A text in a line as code; a bracket that could open a tag is a pointed one."""
    line = " ".join(clipped(visible(text), _SAID_LIMIT).split())
    line = _TAG.sub(lambda found: f"‹{found[1]}›" if found[1] else "‹", line)
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{line}{space}{fence}" if line else ""


def prose(text: str) -> str:
    """A docstring's paragraphs, in which what stands in backticks is code."""
    paragraphs = re.split(r"\n\s*\n", inspect.cleandoc(visible(text)))
    return "\n\n".join(_inline(paragraph) for paragraph in paragraphs if paragraph.strip())


def notebook(grade: NotebookGrade, title: str, student: str) -> str:
    """The report on one notebook: its points, a line a question, and what happened to it."""
    waiting = any(j.earned is None for j in grade.judgements)
    earned = "?" if grade.earned is None else points(grade.earned) + "*" * waiting
    lines = [f"# {plain(grade.notebook)}: {earned} of {points(grade.possible)} points", ""]
    lines += [f"{plain(title)} · {plain(student)}", ""]
    if grade.lateness == "late":
        lines += [f"**{plain(wording.lateness_said(grade))}**", ""]
    lines += ["| | question | points | where |", "| --- | --- | ---: | --- |"]
    for judgement in grade.judgements:
        mark = MARKS[wording.shown_outcome(judgement)]
        got = "not yet" if judgement.earned is None else points(judgement.earned)
        where = place(judgement)
        lines.append(
            f"| {mark} | {plain(judgement.title)} | {got} of {points(judgement.possible)} "
            f"| {f'cell {where}' if where else ''} |"
        )
    lines += ["", "The cells of your notebook follow as you handed them in, numbered as they were "]
    lines[-1] += "then; below those that were marked stands what was seen."
    if waiting:
        lines += ["", "\\* Not all is marked yet; those points will be added."]
    nowhere = [j for j in grade.judgements if place(j) is None]
    for judgement in nowhere:
        lines += ["", question(judgement, grade)]
    happened = wording.events(grade.record.execution) if grade.record else []
    notes = grade.record.submission.notes if grade.record else ()
    if happened or notes:
        lines += ["", "**When it was run**", ""]
        lines += [f"- {plain(note)}" for note in notes]
        lines += [f"- {plain(what)}{f': {plain(why)}' if why else ''}" for what, why in happened]
    return "\n".join(lines) + "\n"


def question(judgement: Judgement, notebook: NotebookGrade) -> str:
    """What is said of one question, with its heading."""
    outcome = wording.shown_outcome(judgement)
    got = "not marked yet," if judgement.earned is None else f"{points(judgement.earned)} of"
    where = place(judgement)
    heading = (
        f"{f'Cell {where} · ' if where else ''}**{MARKS[outcome]} {plain(judgement.title)}: {got} "
        f"{points(judgement.possible)} points** ({WORDS[outcome]})"
    )
    return "\n\n".join([heading, *filter(None, _body(judgement, notebook))])


def body(judgement: Judgement, notebook: NotebookGrade) -> str:
    """What is said of one question, without a heading."""
    return "\n\n".join(filter(None, _body(judgement, notebook)))


def place(judgement: Judgement) -> int | None:
    """The cell under which a question is told: where it was answered, else where it went wrong."""
    if judgement.found:
        return judgement.found.where.cell
    where = wording.cell_of(judgement.finding, judgement)
    return where.cell if where else None


def _body(judgement: Judgement, notebook: NotebookGrade) -> Iterator[str]:
    main = judgement.finding
    yield plain(wording.said_of(judgement))
    if judgement.earned is None:
        if not judgement.written:
            yield plain(wording.why_undecided(judgement, notebook))
        return
    if main and (lost(judgement.earned, judgement.possible) or judgement.outcome is Outcome.BLANK):
        yield prose(main.advice)
    told = {main.advice.strip()} if main else set()
    if judgement.outcome not in (Outcome.BLANK, Outcome.MISSING):
        yield "\n".join(line for v in judgement.verdicts for line in _claim(v, judgement, told))
    yield plain(wording.found_said(judgement))
    if wording.FOLLOW_THROUGH in judgement.flags:
        yield (
            "One mistake costs once: this was also tried with a right version of what it builds "
            "on, and the better result counts."
        )


def _claim(verdict: Verdict, judgement: Judgement, told: set[str]) -> Iterator[str]:
    worth = f" ({points(verdict.earned)} of {points(verdict.possible)})" if verdict.possible else ""
    if not verdict.possible and verdict.outcome is not Outcome.PASSED:
        worth = " (costs nothing)"
    yield f"- {MARKS[verdict.outcome]} {_inline(verdict.claim)}{worth}"
    finding = wording.finding_of(verdict, judgement)
    if verdict.outcome is Outcome.PASSED or finding is None:
        return
    yield from (f"  - {line}" for line in _evidence(finding, judgement, told))


def _evidence(finding: Finding, judgement: Judgement, told: set[str]) -> Iterator[str]:
    shown = finding.shown_by
    if shown:
        yield ": ".join(filter(None, (code(shown.call), plain(shown.said))))
    if finding.where and not (judgement.found and finding.where == judgement.found.where):
        yield wording.place_said(finding.where)
    if finding.advice.strip() and finding.advice.strip() not in told:
        told.add(finding.advice.strip())
        yield _inline(" ".join(finding.advice.split()))


def _inline(text: str) -> str:
    pieces = re.split(r"(`+)(.+?)\1", visible(text), flags=re.DOTALL)
    return "".join(
        code(piece) if index % 3 == 2 else _spaced(piece)
        for index, piece in enumerate(pieces)
        if index % 3 != 1
    ).strip()


def _spaced(piece: str) -> str:
    """A piece between two of code, with the spaces that part it from them."""
    before = " " if piece[:1].isspace() else ""
    after = " " if piece[-1:].isspace() and piece.strip() else ""
    return f"{before}{plain(piece)}{after}"
