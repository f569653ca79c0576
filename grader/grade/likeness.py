"""From the notebooks of a class to the pairs of students whose own code is much the same."""

from __future__ import annotations

import builtins
import keyword
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from msgspec.structs import replace

from grader.grade.suspicions import flagged
from grader.model import IDENTICAL_FILE, Likeness, NotebookCell, NotebookGrade, Submission

SIMILAR_CODE = "similar_code"

RUN = 10  # tokens; of these runs a program is taken to be made
ALIKE = 0.8  # the share of the smaller one's runs that the other has too
SHARED = 60  # and so many runs at least: a few right lines are the same for everybody
INEVITABLE = 5  # students, or the share of the class below, with whom a run tells nothing
INEVITABLE_SHARE = 0.15
LONGEST = 100_000  # characters of a cell that are looked at

_Run = tuple[str, ...]
_TOKEN = re.compile(
    r"#[^\n]*"
    r"|(?P<string>(?:'''|\"\"\")(?:\\.|[^\\])*?(?:'''|\"\"\")|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*')"
    r"|(?P<number>\d[\w.]*)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<sign>[^\s\w])",
    re.DOTALL,
)
_FIXED = {*keyword.kwlist, *dir(builtins)}


def likenesses(
    submissions: Iterable[Submission], handed_out: Mapping[str, Sequence[NotebookCell]]
) -> tuple[Likeness, ...]:
    """The pairs that hold much the same code, the most alike first, by notebook in the given order.

    Only runs of RUN tokens count that stand in no cell of `handed_out` (the handout, and the
    assignment's own solution, by notebook), and that few students have: whoever answers in the
    usual way writes what others write.  Names, comments and texts that the student chose do not
    count, nor does the order of the cells.  Files that are the same to the byte are told so,
    unless they hold nothing of the student's own.
    """
    by_notebook: dict[str, list[Submission]] = defaultdict(list)
    for submission in submissions:
        by_notebook[submission.notebook].append(submission)
    return tuple(
        likeness
        for notebook, those in sorted(by_notebook.items())
        for likeness in _pairs(notebook, those, handed_out.get(notebook, ()))
    )


def told(graded: NotebookGrade, student: str, found: Iterable[Likeness]) -> NotebookGrade:
    """The notebook of a student, flagged in every code question if it is like another's."""
    own = [x for x in found if x.notebook == graded.notebook and student in x.students]
    flags = {IDENTICAL_FILE if likeness.identical else SIMILAR_CODE for likeness in own}
    if not flags:
        return graded
    judgements = (j if j.written else flagged(j, flags) for j in graded.judgements)
    return replace(graded, judgements=tuple(judgements))


def _pairs(
    notebook: str, submissions: Sequence[Submission], handed_out: Sequence[NotebookCell]
) -> list[Likeness]:
    """The pairs of one notebook, each student once in `submissions`."""
    known = {cell.source for cell in handed_out}
    common = {run for cell in handed_out if cell.kind == "code" for run in _runs(cell.source)}
    own = {
        submission.student: {
            run
            for cell in submission.cells
            if cell.kind == "code" and cell.source not in known
            for run in _runs(cell.source)
        }
        - common
        for submission in sorted(submissions, key=lambda s: s.student)
    }
    files = {submission.student: submission.sha256 for submission in submissions}
    holders: dict[_Run, list[str]] = defaultdict(list)
    for student, runs in own.items():
        for run in runs:
            holders[run].append(student)
    most = max(INEVITABLE, INEVITABLE_SHARE * len(own))
    telling = [students for students in holders.values() if len(students) <= most]
    sizes = Counter(student for students in telling for student in students)
    shared = Counter(pair for students in telling for pair in combinations(students, 2))
    pairs = []
    for pair in combinations(own, 2):
        one, other = pair
        number = shared[pair]
        if files[one] == files[other]:
            if own[one]:
                pairs.append(Likeness(notebook, pair, 1.0, len(own[one]), identical=True))
        elif number >= SHARED:
            alike = round(number / min(sizes[one], sizes[other]), 3)
            if alike >= ALIKE:
                pairs.append(Likeness(notebook, pair, alike, number))
    return sorted(pairs, key=lambda x: (not x.identical, -x.alike, -x.shared, x.students))


def _runs(source: str) -> set[_Run]:
    """The runs of RUN tokens in a source, Python or not, whatever names its author chose."""
    tokens: list[str] = []
    before = ""
    for match in _TOKEN.finditer(source[:LONGEST]):
        kind = match.lastgroup
        if kind is None:  # a comment
            continue
        token = match[0]
        if kind == "string":
            token = "text"
        elif kind == "name" and token not in _FIXED and before != ".":  # np.exp keeps its exp
            token = "a"
        tokens.append(token)
        before = token
    return set(zip(*(tokens[i:] for i in range(RUN)), strict=False))
