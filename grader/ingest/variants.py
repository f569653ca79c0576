"""Programs as students write them, kept beside an assignment, and the notebooks made with them.

`variants` of an Assignment is a folder <question>/<style>.py of programs that are right, `wrong`
one of programs that are not.  Each is a percent script: its cells take the place of those that
answer the question in the solution, and of those that define a function or class of theirs anew.
What stands before its first cell are comments:

    # In words, what is odd about it.
    # earns: 3.5              of a wrong program: the points that its question must come to
    # flags: fixed_sizes      the flags that it must be given, if any
    # found: Attend was used  part of what must be said of how it was found, if anything
    # unfair: why             it does not come out so yet, and why
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grader.authoring import Assignment, Cell, Question
from grader.errors import AssignmentError
from grader.ingest import notebooks, percent
from grader.model import NotebookCell

_FUNCTIONS = (ast.FunctionDef, ast.ClassDef)
_SAID = re.compile(r"^# (?P<key>earns|flags|found|unfair): (?P<value>.+)$")


@dataclass(frozen=True, slots=True)
class Variant:
    """A program that answers one question of one notebook, and what must come of it.

    earns  points of the question; None if it is right, and so earns all
    """

    notebook: str
    question: str
    style: str
    said: str
    cells: tuple[NotebookCell, ...]
    earns: float | None = None
    flags: tuple[str, ...] = ()
    found: str = ""
    unfair: str = ""

    @property
    def name(self) -> str:
        return f"{self.question}/{self.style}"


def right(assignment: Assignment) -> list[Variant]:
    """The right programs of the assignment, by question and style; none where it keeps none.

    Raises AssignmentError if one belongs to no question, or does not say what it is.
    """
    return list(_variants(assignment, assignment.variants, wrong=False))


def wrong(assignment: Assignment) -> list[Variant]:
    """The wrong programs, in the same way."""
    return list(_variants(assignment, assignment.wrong, wrong=True))


def handed_in(assignment: Assignment, variant: Variant) -> bytes:
    """The notebook of a student who solved all as the solution does, and this question so.

    Raises AssignmentError if there is no solution, or no cell in it answers the question.
    """
    cells: list[NotebookCell] = []
    solved, answers = _solved(assignment, variant)
    context = _context(solved, answers)
    replaced = context & {name for cell in variant.cells for name in _defined(cell)}
    for i, cell in enumerate(solved):
        if i == answers[0]:
            cells += variant.cells
        if i not in answers and not replaced & _defined(cell):
            cells.append(cell)
    return percent.notebook(cells).encode()


def answering(assignment: Assignment, variant: Variant) -> list[int]:
    """Which cells of the variant, from 0, answer its question: not those that define anew what the
    solution defines in other cells.

    Raises AssignmentError as `handed_in` does.
    """
    context = _context(*_solved(assignment, variant))
    return [i for i, cell in enumerate(variant.cells) if not context & _defined(cell)]


def _solved(assignment: Assignment, variant: Variant) -> tuple[Sequence[NotebookCell], list[int]]:
    """The cells of the solution, and which of them, from 0, answer the variant's question."""
    path = (assignment.solution or Path()) / f"{variant.notebook}.ipynb"
    if not path.is_file():
        raise AssignmentError(f"{assignment.key}: there is no solution {path} to put a variant in")
    solved, _ = notebooks.read(path.read_bytes())
    question = next(q for q in assignment.questions if q.key == variant.question)
    assert isinstance(question, Question)
    target = question.target
    names = set(target.assigns) if isinstance(target, Cell) else {target}
    answers = [i for i, c in enumerate(solved) if c.kind == "code" and names & _made(c.source)]
    if not answers:
        raise AssignmentError(f"{path}: no cell makes {' or '.join(sorted(names))}")
    return solved, answers


def _context(solved: Sequence[NotebookCell], answers: Sequence[int]) -> set[str]:
    """The functions and classes of the other cells."""
    return {name for i, c in enumerate(solved) if i not in answers for name in _defined(c)}


def _made(source: str) -> set[str]:
    """The names that the statements of a cell bind, those inside of functions aside."""
    others = [node for node in _statements(source) if not isinstance(node, _FUNCTIONS)]
    stored = (n for node in others for n in ast.walk(node) if isinstance(n, ast.Name))
    own = {node.name for node in _statements(source) if isinstance(node, _FUNCTIONS)}
    return own | {name.id for name in stored if isinstance(name.ctx, ast.Store)}


def _defined(cell: NotebookCell) -> set[str]:
    """The functions and classes that a cell defines."""
    if cell.kind != "code":
        return set()
    return {node.name for node in _statements(cell.source) if isinstance(node, _FUNCTIONS)}


def _statements(source: str) -> list[ast.stmt]:
    try:
        return ast.parse(source).body
    except SyntaxError:
        return []


def _variants(assignment: Assignment, folder: Path | None, *, wrong: bool) -> Iterator[Variant]:
    homes = {q.key: key for key, nb in assignment.notebooks.items() for q in nb.questions}
    for path in sorted(folder.glob("*/*.py")) if folder is not None else ():
        question = path.parent.name
        if question not in homes:
            known = ", ".join(homes)
            raise AssignmentError(f"{path}: there is no question {question}; there are {known}")
        before, cells = percent.split(path.read_text(encoding="utf-8"))
        if not cells:
            raise AssignmentError(f"{path}: it has no cell; start one with '# %%'")
        words, told = _header(before, path)
        if wrong != ("earns" in told):
            does = "does not say what it earns" if wrong else "says what it earns; the right do not"
            raise AssignmentError(f"{path}: it {does}: '# earns: <points>' before its first cell")
        yield Variant(
            homes[question],
            question,
            path.stem,
            words,
            tuple(cells),
            _points(told["earns"], path) if wrong else None,
            tuple(sorted(flag.strip() for flag in told.get("flags", "").split(",") if flag)),
            told.get("found", ""),
            told.get("unfair", ""),
        )


def _header(before: str, path: Path) -> tuple[str, Mapping[str, str]]:
    words, told = [], {}
    for line in before.splitlines():
        if said := _SAID.match(line):
            told[said["key"]] = said["value"].strip()
        elif line.startswith("# "):
            words.append(line.removeprefix("# ").strip())
        elif line.strip():
            raise AssignmentError(f"{path}: before its first cell there is {line!r}: '# %%' first")
    if not words:
        raise AssignmentError(f"{path}: say in a comment before its first cell what it does")
    return " ".join(words), told


def _points(text: str, path: Path) -> float:
    try:
        return float(text)
    except ValueError:
        raise AssignmentError(f"{path}: it earns {text!r}, which is no number") from None
