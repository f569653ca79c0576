"""From an assignment's key to the Assignment that its package under reference/ defines.

The only place that imports from reference/, and it does so by name: the grader works with any
assignment, and knows none.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import pkgutil
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

from grader.authoring import Assignment
from grader.errors import AssignmentError, SubmissionError, UsageError
from grader.ingest import notebooks, percent
from grader.model import NotebookCell

_HOME = "reference"


def load(name: str) -> Assignment:
    """The ASSIGNMENT of the package reference.<name>, or of the folder `name`, a package anywhere.

    Raises AssignmentError if there is no such package, if it cannot be imported, or if it does not
    define an Assignment with its folder's name as key.
    """
    key = _bring_in(Path(name)) if _is_outside(name) else name
    known = available()
    if key not in known:
        listed = f"there is: {', '.join(known)}" if known else "there is none"
        nearest = difflib.get_close_matches(key, known, 1)
        hint = f"did you mean {nearest[0]} ?" if nearest else "elsewhere? --assignment FOLDER"
        raise AssignmentError(f"no assignment {key!r} under {_HOME}/; {listed}\n  {hint}")
    module = _package(key)
    table_of_contents = f"{_HOME}/{key}/__init__.py"
    assignment = getattr(module, "ASSIGNMENT", None)
    if not isinstance(assignment, Assignment):
        there = (
            "defines no ASSIGNMENT"
            if assignment is None
            else (f"has an ASSIGNMENT that is of type {type(assignment).__name__}")
        )
        raise AssignmentError(
            f"{table_of_contents} {there}; write there ASSIGNMENT = Assignment({key!r}, ...)"
        )
    if assignment.key != key:
        raise AssignmentError(
            f"{table_of_contents}: the assignment's key is {assignment.key!r}; give it the name of "
            f"its folder, {key!r}"
        )
    return assignment


def available() -> list[str]:
    """The keys of the assignments that there are, sorted; none of them is imported."""
    home = _reference()
    if not list(home.__path__):
        raise AssignmentError(
            f"there is no package {_HOME}; run in the folder that holds {_HOME}/, or install it"
        )
    return sorted(found.name for found in pkgutil.iter_modules(home.__path__) if found.ispkg)


def digest(assignment: Assignment) -> str:
    """A SHA-256, in hex, of every file that the assignment is made of: its package and its data.

    It depends on their names and bytes, not on where they are installed or what was compiled.
    """
    named = list(_files(_folder(_package(assignment.key)), "package"))
    for path in assignment.data:
        if not path.exists():
            raise AssignmentError(
                f"{assignment.key}: its data should hold {path}, which is not there"
            )
        named += _files(path, f"data/{path.name}")
    return _digest(named)


def _digest(named: Iterable[tuple[str, Path]]) -> str:
    whole = hashlib.sha256()
    for name, path in sorted(named):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        whole.update(f"{name}\0{content}\n".encode())
    return whole.hexdigest()


def with_corpus(assignment: Assignment, folder: Path) -> dict[str, Path]:
    """What notebooks find beside them, by name, with `folder` in the place of the corpus.

    Raises UsageError if the assignment has none, or the folder lacks a file of it.
    """
    data = assignment.named_data
    if not assignment.corpus:
        raise UsageError(f"--corpus {folder}: {assignment.key} has no corpus to be replaced")
    if not folder.is_dir():
        raise UsageError(f"--corpus {folder}: there is no such folder")
    needed = sorted(path.name for path in data[assignment.corpus].iterdir())
    lacking = [name for name in needed if not (folder / name).is_file()]
    if lacking:
        raise UsageError(
            f"--corpus {folder}: it lacks {', '.join(lacking)}; rename its files to "
            f"{', '.join(needed)}"
        )
    return {**data, assignment.corpus: folder}


def digest_of(folder: Path) -> str:
    """A SHA-256, in hex, of every file in a folder, by its name and its bytes."""
    return _digest(_files(folder, ""))


def handed_out(assignment: Assignment) -> Mapping[str, tuple[NotebookCell, ...]]:
    """For each notebook the cells of the handout; none if the assignment keeps no handout.

    Raises AssignmentError if its folder lacks a notebook, or one cannot be read.
    """
    folder = assignment.handout
    return {key: _cells(assignment, folder, key) for key in assignment.notebooks} if folder else {}


def expected_cells(assignment: Assignment) -> Mapping[str, tuple[NotebookCell, ...]]:
    """For each notebook the cells that tell nothing of who wrote them: those of the handout and of
    the solution, as far as the assignment keeps them.

    Raises AssignmentError if a folder of them lacks a notebook, or one cannot be read.
    """
    folders = [folder for folder in (assignment.handout, assignment.solution) if folder is not None]
    return {
        key: tuple(cell for folder in folders for cell in _cells(assignment, folder, key))
        for key in assignment.notebooks
    }


def _cells(assignment: Assignment, folder: Path, key: str) -> tuple[NotebookCell, ...]:
    """Those of <key>.ipynb in the folder, or of the percent script <key>.py."""
    usual, script = folder / f"{key}.ipynb", folder / f"{key}.py"
    try:
        if usual.is_file():
            return notebooks.read(usual.read_bytes())[0]
        return tuple(percent.split(script.read_text(encoding="utf-8"))[1])
    except FileNotFoundError:
        raise AssignmentError(
            f"{assignment.key}: {folder} should hold {usual.name} or {script.name}"
        ) from None
    except (SubmissionError, OSError, UnicodeDecodeError) as error:
        raise AssignmentError(f"{assignment.key}: {key} in {folder}: {error}") from None


def _files(top: Path, name: str) -> Iterator[tuple[str, Path]]:
    """A file, or the files of a folder without what machines leave in it, as they are named."""
    if top.is_file():
        yield name, top
    for path in top.rglob("*"):
        inside = path.relative_to(top)
        hidden = any(part.startswith(".") or part == "__pycache__" for part in inside.parts)
        if path.is_file() and not hidden and path.suffix != ".pyc":
            yield f"{name}/{inside.as_posix()}", path


def _is_outside(name: str) -> bool:
    """Whether it is the path of a folder, and no key."""
    if not name or not Path(name).is_dir():
        return False
    known = {found.name for found in pkgutil.iter_modules(_reference().__path__)}
    return Path(name).name != name or name not in known


def _bring_in(folder: Path) -> str:
    """Make the package in `folder` known as reference.<its name>; returns its name, the key."""
    top = folder.resolve()
    if not (top / "__init__.py").is_file():
        raise AssignmentError(f"{folder} is no assignment package: it has no __init__.py")
    if not top.name.isidentifier():
        raise AssignmentError(
            f"{folder}: {top.name!r} cannot be imported: give it a name like week15"
        )
    home = _reference()
    known = sys.modules.get(f"{_HOME}.{top.name}")
    if known is not None and _folder(known) != top:
        raise AssignmentError(f"{folder}: {_folder(known)} has the same name: rename one of them")
    if str(top.parent) not in home.__path__:
        home.__path__.insert(0, str(top.parent))
    return top.name


def _reference() -> ModuleType:
    """The package of assignments; an empty one where the project has none."""
    try:
        return importlib.import_module(_HOME)
    except ModuleNotFoundError as error:
        if error.name != _HOME:
            raise AssignmentError(_blame(error, Path(_HOME))) from error
    sys.modules[_HOME] = empty = ModuleType(_HOME)
    empty.__path__ = []
    return empty


def _package(key: str) -> ModuleType:
    name = f"{_HOME}.{key}"
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        home = Path(next(iter(importlib.import_module(_HOME).__path__)))
        raise AssignmentError(_blame(error, home / key)) from error


def _folder(module: ModuleType) -> Path:
    return Path(next(iter(module.__path__)))


def _blame(error: BaseException, folder: Path) -> str:
    """The error in one line, with the file and the line of the assignment where it arose."""
    text = str(error).partition("\n")[0]
    said = text if isinstance(error, AssignmentError) else f"{type(error).__name__}: {text}"
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno))
        said = f"{type(error).__name__}: {error.msg}"
    for file, line in reversed(places):
        if Path(file).is_relative_to(folder):
            inside = Path(file).relative_to(folder.parent).as_posix()
            return f"{_HOME}/{inside} line {line}: {said}"
    return f"{_HOME}/{folder.name}: {said}"
