"""From a grade to the student's page, and from a gradebook to the page of the class.

Each page is one HTML file that works offline: no request leaves it, and none but the class page
holds a script.  All text of students is escaped; a student's page holds that student's data only.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import sys
import zlib
from base64 import b64encode
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from statistics import median
from types import CodeType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup

from grader.model import (
    Counterexample,
    Finding,
    Grade,
    Gradebook,
    Judgement,
    NotebookGrade,
    Outcome,
    Verdict,
)
from grader.report import overview, prose, wording
from grader.report.drawing import Drawing, drawing, drawn_from
from grader.report.excerpt import Excerpt, excerpt
from grader.report.wording import clipped, counted, lost, place_said, points, visible

if TYPE_CHECKING:
    from grader.report.curves import Drawn

_CALL_LIMIT = 300
_SAID_LIMIT = 600
_ERROR_LIMIT = 800
_PICTURES = 4  # of one question: the first is open, the others are folded
_NOTHING = Markup()
_RESERVED = re.compile(r"(?:CON|PRN|AUX|NUL|COM[0-9]|LPT[0-9]|INDEX)")
_MARKS = {
    outcome: Markup(
        f'<span class="mark {outcome}" role="img" aria-label="{word}" title="{word}">'
        f"{wording.MARKS[outcome]}</span>"
    )
    for outcome, word in wording.WORDS.items()
}


def page_name(student: str) -> str:
    """The file name of a student's page."""
    return f"{own_name(student)}.html"


def own_name(student: str) -> str:
    """A name for files of a student's, different for every student, safe on every system.

    Capitals, digits and - stay as they are; every other character becomes ~ and its bytes, as
    does the first letter of a name that means something else (INDEX, CON).  So no two students
    share a name, not even where files are found without regard to case.
    """
    if _RESERVED.fullmatch(student):
        return f"~{ord(student[0]):02x}{student[1:]}"
    name = re.sub(r"[^A-Z0-9-]", _as_bytes, student)
    if not 0 < len(name) <= 120:
        digest = hashlib.sha256(student.encode("utf-8", "surrogatepass")).hexdigest()
        name = f"{name[:60]}~~{digest[:32]}"
    return name


def _as_bytes(character: re.Match[str]) -> str:
    return "".join(f"~{byte:02x}" for byte in character[0].encode("utf-8", "surrogatepass"))


# What templates read, as named tuples: to make a dataclass takes eight times as long, and each of
# its values twice as long.


class Claim(NamedTuple):
    """A claim with its points, and what was said of it."""

    outcome: Outcome
    claim: str
    earned: float | None
    possible: float
    call: str = ""
    said: str = ""
    advice: Markup = _NOTHING


class Picture(NamedTuple):
    """What is drawn of one counterexample, and the call that it is of."""

    claim: str
    call: str
    drawing: Drawing
    told: bool  # whether the call stands among the claims already
    shows: str  # what is drawn, if not simply the result


class Text(NamedTuple):
    """A written answer as it is shown; without a length, what a student is told of their code."""

    html: Markup
    length: prose.Length | None
    found: str = ""  # where
    notes: tuple[str, ...] = ()


class Marked(NamedTuple):
    """By whom an answer was marked, and why so."""

    by: str
    reason: Markup


class Card(NamedTuple):
    """One thing that cost points, or a whole notebook: all that is said about it."""

    notebook: str
    question: str
    title: str
    outcome: Outcome
    lost: float
    earned: float | None
    possible: float
    said: str = ""
    advice: Markup = _NOTHING
    claims: tuple[Claim, ...] = ()
    pictures: tuple[Picture, ...] = ()
    code: Excerpt | None = None
    place: str = ""
    found: str = ""
    text: Text | None = None
    by_person: bool = False
    followed: bool = False
    marked: Marked | None = None


class Right(NamedTuple):
    """A question with something right in it; `holds` are its claims that hold, `hints` are free."""

    notebook: str
    question: str
    title: str
    outcome: Outcome
    earned: float | None
    possible: float
    holds: Markup
    hints: tuple[Claim, ...]
    text: Text | None
    found: str
    by_person: bool
    followed: bool
    marked: Marked | None


class Waiting(NamedTuple):
    """What is not decided yet: neither points lost nor points earned."""

    notebook: str
    question: str
    title: str
    outcome: Outcome
    possible: float
    reason: str
    text: Text | None


class Changed(NamedTuple):
    """How one notebook ran: what was odd about the file, and what happened, with details."""

    notebook: str
    notes: tuple[str, ...]
    events: tuple[tuple[str, str], ...]


class Bar(NamedTuple):
    """How many students have points from `low` on, up to the next bar's."""

    x: float
    y: float
    height: float
    number: int
    title: str


class Histogram(NamedTuple):
    """The points of one notebook, drawn, with those not handed in or not graded left out."""

    notebook: str
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    bar_width: float
    graded: int
    middle: str
    label: str


class Dot(NamedTuple):
    """One student in the distribution."""

    x: float
    y: float
    title: str
    page: str


class Distribution(NamedTuple):
    """The totals of the class, drawn: one dot a student, and the numbers under them."""

    dots: tuple[Dot, ...]
    ticks: tuple[tuple[float, str], ...]
    width: float
    height: float
    radius: float
    left_out: int
    middle: str


def student_pages(gradebook: Gradebook) -> Iterator[tuple[str, str]]:
    """The page of each student, with its file name: points, what to fix first, what was right, what
    was changed."""
    asked_for = overview.asked_for(gradebook)  # of the whole class, and so not for each page
    for grade in gradebook.grades:
        yield page_name(grade.student), _student_page(grade, gradebook.title, asked_for)


def _student_page(grade: Grade, title: str, asked_for: Collection[str]) -> str:
    return _rendered(
        "student.html",
        grade=grade,
        title=title,
        unmarked=wording.unmarked_texts(grade.notebooks),
        cards=_cards(grade, asked_for),
        asked_for=asked_for,
        not_asked_for=[n.notebook for n in grade.notebooks if n.notebook not in asked_for],
        rights=[right for n in grade.notebooks for right in _rights(n)],
        waiting=[waiting for n in grade.notebooks for waiting in _waiting(n)],
        trained=_trained(grade),
        changed=[changed for n in grade.notebooks if (changed := _changed(n))],
        handed_in=[n.notebook for n in grade.notebooks if n.outcome is Outcome.PASSED],
    )


def _trained(grade: Grade) -> list[tuple[str, Drawn]]:
    """The notebooks that trained, and the curves of each."""
    if not any(n.training for n in grade.notebooks):
        return []  # as most, for which there is nothing to be imported
    from grader.report import curves

    return [(n.notebook, curves.drawn(n.training)) for n in grade.notebooks if n.training]


def class_page(gradebook: Gradebook) -> str:
    """The page of the class: who needs a person, how the points lie, what went wrong most."""
    script, _, _ = _environment().loader.get_source(_environment(), "sort.js")  # type: ignore[union-attr]
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    grades = wording.by_student(gradebook)
    shared = overview.shared_flags(gradebook)
    notebooks = wording.notebook_keys(gradebook)
    handed_in = Counter(
        n.notebook for grade in grades for n in grade.notebooks if n.outcome is not Outcome.MISSING
    )
    return _rendered(
        "class.html",
        gradebook=gradebook,
        title=gradebook.title,
        script=Markup(script),
        digest=digest,
        grades=grades,
        notebooks=notebooks,
        handed_in=handed_in,
        statuses=Counter(grade.status for grade in grades),
        unmarked=sum(wording.unmarked_texts(grade.notebooks) for grade in grades),
        needs=overview.needs(gradebook),
        files=overview.set_aside(gradebook),
        distribution=_distribution(grades),
        histograms=[h for key in notebooks if (h := _histogram(grades, key))],
        rates=overview.claim_rates(gradebook),
        mistakes=overview.mistakes(gradebook),
        clusters=gradebook.clusters,
        copies=[x for x in gradebook.likenesses if x.identical],
        similar=sorted(
            (x for x in gradebook.likenesses if not x.identical),
            key=lambda x: (-x.alike, -x.shared),
        ),
        raised=overview.flags(gradebook),
        uneven=overview.uneven(gradebook),
        named=any(grade.name for grade in grades),
        shared=sorted(shared),
        flags={grade.student: _flags(grade, shared) for grade in grades},
        misconceptions={grade.student: _misconceptions(grade) for grade in grades},
    )


def _cards(grade: Grade, asked_for: Collection[str]) -> list[Card]:
    """Everything that cost points, most first; a notebook that is not there is one card."""
    cards = []
    for notebook in grade.notebooks:
        if notebook.outcome is Outcome.MISSING:
            if notebook.possible and notebook.notebook in asked_for:
                cards.append(_missing(notebook))
        elif notebook.outcome is not Outcome.ERROR:
            cards.extend(
                _card(judgement, notebook)
                for judgement in notebook.judgements
                if lost(judgement.earned, judgement.possible) > 0
            )
    return sorted(cards, key=lambda card: -card.lost)


def _missing(notebook: NotebookGrade) -> Card:
    return Card(
        notebook=notebook.notebook,
        question="",
        title=f"{notebook.notebook} was not handed in",
        outcome=Outcome.MISSING,
        lost=notebook.possible,
        earned=0.0,
        possible=notebook.possible,
        said="We received no file for this notebook, so it earns no points. If you did hand one "
        "in, tell us its name and when you uploaded it.",
    )


def _card(judgement: Judgement, notebook: NotebookGrade) -> Card:
    main = judgement.finding
    untouched = judgement.outcome in (Outcome.BLANK, Outcome.MISSING)
    told = {main.advice.strip()} if main else set()
    told_by_person = judgement.written and judgement.review  # its finding is the reason
    claims = []
    for verdict in judgement.verdicts:
        costs = lost(verdict.earned, verdict.possible) > 0
        free = verdict.outcome is not Outcome.PASSED and verdict.finding and not verdict.possible
        if not untouched and (costs or free):
            claims.append(_claim(verdict, wording.finding_of(verdict, judgement), told))
    where = wording.cell_of(main, judgement)
    if where is None or (main is None or main.where is None):
        where = next(
            (v.finding.where for v in judgement.verdicts if v.finding and v.finding.where), where
        )
    if judgement.written:
        where = None  # the text itself is shown, as it reads and not as code
    cells = notebook.record.submission.cells if notebook.record else ()
    return Card(
        notebook=notebook.notebook,
        question=judgement.question,
        title=judgement.title,
        outcome=wording.shown_outcome(judgement),
        lost=lost(judgement.earned, judgement.possible),
        earned=judgement.earned,
        possible=judgement.possible,
        said=wording.said_of(judgement),
        advice=prose.advice(main.advice) if main and not told_by_person else Markup(),
        claims=tuple(claims),
        pictures=() if untouched else tuple(_pictures(judgement)),
        code=excerpt(cells, where, judgement.found) if where else None,
        place=place_said(where) if where else "",
        found=wording.found_said(judgement),
        text=_text(judgement),
        by_person=judgement.written or wording.REVIEWED in judgement.flags,
        followed=wording.FOLLOW_THROUGH in judgement.flags,
        marked=_marked(judgement),
    )


def _marked(judgement: Judgement) -> Marked | None:
    review = judgement.review
    if review is None:
        return None
    by = clipped(visible(wording.reviewed_said(review)), _CALL_LIMIT)
    return Marked(by, prose.advice(review.reason))


def _claim(verdict: Verdict, finding: Finding | None, told: set[str]) -> Claim:
    """The claim with its evidence; its advice only if the card has not given it already."""
    shown = finding.shown_by if finding else None
    advice = Markup()
    if finding and finding.advice.strip() and finding.advice.strip() not in told:
        told.add(finding.advice.strip())
        advice = prose.advice(finding.advice)
    return Claim(
        outcome=verdict.outcome,
        claim=verdict.claim,
        earned=verdict.earned,
        possible=verdict.possible,
        call=clipped(visible(shown.call), _CALL_LIMIT) if shown else "",
        said=clipped(visible(shown.said), _SAID_LIMIT) if shown else "",
        advice=advice,
    )


def _pictures(judgement: Judgement) -> Iterable[Picture]:
    """What can be drawn of a question's counterexamples, each once."""
    seen: list[tuple[str, Drawing]] = []
    drawn_of: set[Hashable] = set()  # the main finding shows what one of the claims shows
    charged = [v for v in judgement.verdicts if lost(v.earned, v.possible) > 0]
    findings = [("", judgement.finding), *((v.claim, v.finding) for v in charged)]
    for claim, finding in findings:
        shown = finding.shown_by if finding else None
        if shown is None or len(seen) == _PICTURES or (key := drawn_from(shown)) in drawn_of:
            continue
        drawn_of.add(key)
        drawn = (shown.call, drawing(shown))
        if drawn in seen:
            continue
        seen.append(drawn)
        told = any(
            evidence is not None and (evidence.call, evidence.said) == (shown.call, shown.said)
            for evidence in (_evidence(verdict, judgement) for verdict in charged)
        )
        call, picture = drawn
        yield Picture(claim, clipped(visible(call), _CALL_LIMIT), picture, told, shown.shows)


def _evidence(verdict: Verdict, judgement: Judgement) -> Counterexample | None:
    finding = wording.finding_of(verdict, judgement)
    return finding.shown_by if finding else None


def _text(judgement: Judgement) -> Text | None:
    if not judgement.text.strip():
        return None
    length = prose.length(judgement.text) if judgement.written else None
    found = clipped(visible(judgement.text_from), _CALL_LIMIT)
    return Text(prose.markdown(judgement.text), length, found, judgement.notes)


def _rights(notebook: NotebookGrade) -> Iterable[Right]:
    for judgement in notebook.judgements:
        whole = judgement.earned is not None and not lost(judgement.earned, judgement.possible)
        if notebook.outcome is not Outcome.PASSED or not (whole or judgement.earned):
            continue
        passed = [v for v in judgement.verdicts if v.outcome is Outcome.PASSED]
        holding = [v for v in passed if v.possible and not v.finding]
        free = [v for v in (judgement.verdicts if whole else passed) if v.finding]
        told: set[str] = set()
        yield Right(
            notebook=notebook.notebook,
            question=judgement.question,
            title=judgement.title,
            outcome=wording.shown_outcome(judgement),
            earned=judgement.earned,
            possible=judgement.possible,
            holds=Markup(" · ".join(map(_holds, holding))),
            hints=tuple(_claim(verdict, verdict.finding, told) for verdict in free),
            text=_text(judgement) if whole else None,
            found=wording.found_said(judgement) if whole else "",
            by_person=judgement.written or wording.REVIEWED in judgement.flags,
            followed=wording.FOLLOW_THROUGH in judgement.flags,
            marked=_marked(judgement) if whole else None,
        )


def _holds(verdict: Verdict) -> str:
    return f"✓ {prose.inline(verdict.claim)} ({points(verdict.earned)})"


def _waiting(notebook: NotebookGrade) -> Iterable[Waiting]:
    if notebook.outcome is Outcome.ERROR:
        yield Waiting(
            notebook.notebook,
            "",
            f"{notebook.notebook} could not be graded",
            Outcome.ERROR,
            notebook.possible,
            clipped(visible(notebook.problem), _SAID_LIMIT),
            None,
        )
        return
    for judgement in notebook.judgements:
        if judgement.earned is None:
            yield Waiting(
                notebook.notebook,
                judgement.question,
                judgement.title,
                judgement.outcome,
                judgement.possible,
                ""
                if judgement.written
                else clipped(visible(wording.why_undecided(judgement, notebook)), _SAID_LIMIT),
                _text(judgement),
            )


def _changed(notebook: NotebookGrade) -> Changed | None:
    if notebook.record is None:
        return None
    events = wording.events(notebook.record.execution)
    notes = notebook.record.submission.notes
    if not events and not notes:
        return None
    return Changed(
        notebook.notebook,
        tuple(clipped(visible(note), _SAID_LIMIT) for note in notes),
        tuple(
            (clipped(visible(what), _SAID_LIMIT), clipped(visible(detail), _ERROR_LIMIT))
            for what, detail in events
        ),
    )


def _flags(grade: Grade, shared: set[str]) -> list[str]:
    questions = {flag for n in grade.notebooks for j in n.judgements for flag in j.flags}
    return sorted((questions | set(grade.flags)) - shared)


def _misconceptions(grade: Grade) -> list[str]:
    return sorted(
        {
            name
            for notebook in grade.notebooks
            for judgement in notebook.judgements
            for name in wording.misconceptions(judgement)
        }
    )


def _distribution(grades: list[Grade]) -> Distribution | None:
    """Totals as stacked dots; None if no total is known."""
    known = [(grade, grade.total) for grade in grades if grade.total is not None]
    most = max((grade.possible for grade in grades), default=0.0)
    if not known or most <= 0:
        return None
    width, margin = 640.0, 16.0
    bins = 50
    stacks: Counter[int] = Counter()
    placed = []
    for grade, total in sorted(known, key=lambda pair: pair[1]):
        at = round(max(0.0, min(1.0, total / most)) * bins)
        placed.append((grade, total, at, stacks[at]))
        stacks[at] += 1
    step = min(11.0, 260.0 / max(stacks.values()))
    radius = min(4.8, step * 0.45)
    height = max(40.0, max(stacks.values()) * step + 8)
    return Distribution(
        dots=tuple(
            Dot(
                x=margin + at / bins * (width - 2 * margin),
                y=height - (level + 0.5) * step - 2,
                title=f"{grade.student}: {points(total)}",
                page=_link(grade.student),
            )
            for grade, total, at, level in placed
        ),
        ticks=tuple(
            (margin + part / 5 * (width - 2 * margin), points(part / 5 * most)) for part in range(6)
        ),
        width=width,
        height=height,
        radius=radius,
        left_out=len(grades) - len(known),
        middle=points(median(total for _, total in known)),
    )


def _histogram(grades: list[Grade], key: str) -> Histogram | None:
    """The points of a notebook in ten bars; None if nobody has any that could be graded."""
    own = [n for grade in grades for n in grade.notebooks if n.notebook == key]
    known = [n.earned for n in own if n.outcome is Outcome.PASSED and n.earned is not None]
    most = max((n.possible for n in own), default=0.0)
    if not known or most <= 0:
        return None
    bars, width, height, top = 10, 26.0, 84.0, 16.0
    numbers = Counter(min(bars - 1, max(0, int(earned / most * bars))) for earned in known)
    tallest = max(numbers.values())
    ranges = [(points(at / bars * most), points((at + 1) / bars * most)) for at in range(bars)]
    return Histogram(
        notebook=key,
        bars=tuple(
            Bar(
                x=10 + at * width,
                y=top + height * (1 - numbers[at] / tallest),
                height=height * numbers[at] / tallest,
                number=numbers[at],
                title=f"{low} to {high} points: {counted(numbers[at], 'student')}",
            )
            for at, (low, high) in enumerate(ranges)
        ),
        ticks=tuple((10 + at * width, points(at / bars * most)) for at in (0, 5, bars)),
        bar_width=width - 3,
        graded=len(known),
        middle=points(median(known)),
        label="; ".join(
            f"{low} to {high}: {numbers[at]}"
            for at, (low, high) in enumerate(ranges)
            if numbers[at]
        ),
    )


def _link(student: str) -> str:
    return quote(page_name(student))


def _rendered(template: str, **values: Any) -> str:
    page = _environment().get_template(template).render(**values)
    try:
        page.encode()
    except UnicodeEncodeError:  # no unpaired surrogate may stop its writing
        return page.encode("utf-8", "replace").decode()
    return page


class _Compiled(FileSystemBytecodeCache):
    """Compiled templates, kept as Python keeps modules, and where it does: to compile them takes as
    long as two notebooks.  What is kept is read even where no bytecode is to be written."""

    def load_bytecode(self, bucket: Bucket) -> None:
        try:
            super().load_bytecode(bucket)
        except Exception:  # whatever a damaged file makes of it
            bucket.reset()
        if not isinstance(bucket.code, CodeType):
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        if sys.dont_write_bytecode:
            return
        with contextlib.suppress(OSError):  # the folder may be somebody else's, or the disk full
            Path(self.directory).mkdir(exist_ok=True)
            super().dump_bytecode(bucket)


def _compiled() -> _Compiled:
    code = Path(__file__)
    options = zlib.crc32(code.read_bytes())  # with which they are compiled stand in this module
    version = metadata.version("jinja2")
    folder = code.with_name("templates") / "__pycache__"
    return _Compiled(str(folder), f"%s.jinja-{version}-{options:08x}")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("grader.report"),
        bytecode_cache=_compiled(),
        auto_reload=False,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "points": points,
        "mark": _MARKS.__getitem__,
        "words": wording.WORDS.__getitem__,
        "readable": wording.readable,
        "visible": visible,
        "page": _link,
        "events": wording.events,
        "advice": prose.advice,
        "inline": prose.inline,
        "lateness_said": wording.lateness_said,
        "starred": _starred,
    }
    environment.globals |= {"counted": counted, "unmarked_texts": wording.unmarked_texts}
    return environment


def _starred(notebook: NotebookGrade) -> str:
    """A notebook's points, with * while some text of it is not marked, ? where it is unknown."""
    if notebook.earned is None:
        return "?"
    if notebook.withheld:
        return f"{points(notebook.earned)} late"
    return points(notebook.earned) + ("*" if wording.unmarked_texts([notebook]) else "")
