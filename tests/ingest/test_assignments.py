"""Assignment packages, found by name, blamed by file and line, and told apart by their bytes."""

import importlib
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from grader.authoring import Assignment, Notebook
from grader.errors import AssignmentError, UsageError
from grader.ingest import notebooks, percent
from grader.ingest.assignments import (
    available,
    digest,
    digest_of,
    expected_cells,
    load,
    with_corpus,
)
from grader.model import NotebookCell

TABLE = """\
from pathlib import Path
from grader.authoring import Assignment, Notebook

ASSIGNMENT = Assignment(
    key="week1", title="One", points={}, notebooks={}, file_name="{student}_{notebook}.ipynb",
    data=[Path(__file__).parents[2] / name for name in ("data", "data.py")],
)
"""


def forget():
    """Makes Python forget every module of reference/, and returns what it knew."""
    known = {name: sys.modules[name] for name in list(sys.modules) if _of_reference(name)}
    for name in known:
        del sys.modules[name]
    importlib.invalidate_caches()
    return known


def _of_reference(name):
    return name.partition(".")[0] == "reference"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A reference/ of our own, in place of the project's, with week1 and its data beside it."""
    known = forget()
    for name, text in {
        "reference/__init__.py": "",
        "reference/week1/__init__.py": TABLE,
        "reference/week1/softmax.py": "x = 1\n",
        "data/train.txt": "a b c\n",
        "data.py": "class Corpus: ...\n",
    }.items():
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "reference"
    forget()
    sys.modules.update(known)


def write(home: Path, name: str, text: str) -> None:
    (home / name).parent.mkdir(exist_ok=True)
    (home / name).write_text(text)
    forget()


def said(key: str) -> str:
    with pytest.raises(AssignmentError) as caught:
        load(key)
    return str(caught.value)


def test_an_assignment_is_loaded_by_its_key(home):
    assert isinstance(load("week1"), Assignment)
    assert load("week1").title == "One"


def test_what_there_is_is_listed_without_being_imported(home):
    write(home, "week0/__init__.py", "raise RuntimeError")
    write(home, "loose.py", "raise RuntimeError")
    (home / "__pycache__").mkdir(exist_ok=True)

    assert available() == ["week0", "week1"]


ELSEWHERE = "\n  elsewhere? --assignment FOLDER"


@pytest.mark.parametrize(
    "key, message",
    [
        ("wek1", "no assignment 'wek1' under reference/; there is: week1\n  did you mean week1 ?"),
        ("qqqqq", "no assignment 'qqqqq' under reference/; there is: week1" + ELSEWHERE),
        ("", "no assignment '' under reference/; there is: week1" + ELSEWHERE),
        ("week1.softmax", "no assignment 'week1.softmax' under reference/; there is: week1"
         + ELSEWHERE),
        ("../week1", "no assignment '../week1' under reference/; there is: week1\n  "
         "did you mean week1 ?"),
    ],
    ids=["misspelt", "unlike", "empty", "module", "path"],
)  # fmt: skip
def test_an_unknown_key_is_refused_with_those_that_exist(home, key, message):
    assert said(key) == message


def test_an_empty_reference_is_said_to_be_so(home):
    shutil.rmtree(home / "week1")
    forget()

    assert said("week1") == "no assignment 'week1' under reference/; there is none" + ELSEWHERE


def test_a_missing_reference_is_said_to_be_so(home, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})
    forget()

    assert said("week1") == (
        "there is no package reference; run in the folder that holds reference/, or install it"
    )


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("softmax.py", "\n1 / 0", "reference/week1/softmax.py line 2: ZeroDivisionError: "),
        ("softmax.py", "x = 1\nx = (", "reference/week1/softmax.py line 2: SyntaxError: '(' was "),
        ("softmax.py", "import no_such_module_here",
         "reference/week1/softmax.py line 1: ModuleNotFoundError: No module named"),
        ("softmax.py", "import json\n\njson.loads('{')",
         "reference/week1/softmax.py line 3: JSONDecodeError: "),
        ("softmax.py", "raise SystemExit('bye')",
         "reference/week1/softmax.py line 1: SystemExit: bye"),
        ("softmax.py", "raise ValueError('one\\ntwo')",
         "reference/week1/softmax.py line 1: ValueError: one"),
        ("softmax.py", "from grader.errors import AssignmentError\nraise AssignmentError('q: no')",
         "reference/week1/softmax.py line 2: q: no"),
        ("__init__.py", "x = (", "reference/week1/__init__.py line 1: SyntaxError: '(' was never"),
        ("__init__.py", "ASSIGNMENT = Assignment()",
         "reference/week1/__init__.py line 1: NameError: name 'Assignment' is not defined"),
    ],
    ids=["raises", "syntax", "import", "raises deeper", "exit", "two lines", "ours",
         "syntax in the table", "name in the table"],
)  # fmt: skip
def test_what_is_raised_on_import_is_told_with_file_and_line(home, name, text, message):
    write(home, "week1/__init__.py", "from reference.week1 import softmax\n" + TABLE)
    write(home, f"week1/{name}", text)

    assert said("week1").startswith(message)
    assert "\n" not in said("week1")


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "reference/week1/__init__.py defines no ASSIGNMENT; write there ASSIGNMENT = "
         "Assignment('week1', ...)"),
        ("ASSIGNMENT = 7", "reference/week1/__init__.py has an ASSIGNMENT that is of type int; "
         "write there ASSIGNMENT = Assignment('week1', ...)"),
        (TABLE.replace("week1", "week2"), "reference/week1/__init__.py: the assignment's key is "
         "'week2'; give it the name of its folder, 'week1'"),
    ],
    ids=["none", "other type", "other key"],
)  # fmt: skip
def test_a_package_without_its_assignment_is_refused(home, text, message):
    write(home, "week1/__init__.py", text)

    assert said("week1") == message


def fingerprint() -> str:
    forget()
    return digest(load("week1"))


@pytest.mark.parametrize(
    "change",
    [
        lambda home: (home / "week1/softmax.py").write_text("x = 2\n"),
        lambda home: (home / "week1/softmax.py").rename(home / "week1/soft.py"),
        lambda home: (home / "week1/table.csv").write_text("1"),
        lambda home: (home.parent / "data/train.txt").write_text("a b\n"),
        lambda home: (home.parent / "data.py").write_text("class Dictionary: ...\n"),
        lambda home: (home.parent / "data/sub").mkdir() or write(home, "../data/sub/x", "1"),
        lambda home: (home.parent / "data/train.txt").rename(home / "week1/train.txt"),
    ],
    ids=["code", "name", "package data", "data", "data file", "data below", "from data to package"],
)
def test_the_digest_changes_with_every_file(home, change):
    before = fingerprint()

    change(home)

    assert fingerprint() != before


@pytest.mark.parametrize(
    "change",
    [
        lambda home: None,
        lambda home: write(home, "week1/__pycache__/softmax.cpython-311.pyc.1234", "x"),
        lambda home: write(home, "week1/softmax.pyc", "x"),
        lambda home: write(home, "week1/.DS_Store", "x"),
        lambda home: write(home, "week2/__init__.py", "x"),
        lambda home: (home.parent / "data/.git").mkdir() or write(home, "../data/.git/x", "x"),
    ],
    ids=["nothing", "cache", "compiled", "hidden", "another assignment", "hidden in data"],
)
def test_the_digest_does_not_change_with_what_machines_leave_there(home, change):
    before = fingerprint()

    change(home)

    assert fingerprint() == before
    assert len(before) == 64


def test_the_digest_does_not_depend_on_where_the_assignment_is_installed(home, monkeypatch):
    before = fingerprint()
    elsewhere = home.parent / "else" / "where"
    elsewhere.mkdir(parents=True)
    for name in ("reference", "data", "data.py"):
        shutil.move(home.parent / name, elsewhere / name)
    monkeypatch.syspath_prepend(elsewhere)

    assert fingerprint() == before


def test_missing_data_is_refused(home):
    shutil.rmtree(home.parent / "data")

    with pytest.raises(AssignmentError, match=r"week1: its data should hold .*data, which is not"):
        fingerprint()


# what tells nothing of who wrote it -------------------------------------------------------------


def keeping(**folders):
    return Assignment("w", "W", {"lab": 0}, {"lab": Notebook("Lab", [])}, "{student}", **folders)


def test_the_handout_and_the_solution_are_expected_in_every_notebook(tmp_path):
    out, solved = tmp_path / "handout", tmp_path / "solution"
    out.mkdir()
    solved.mkdir()
    (out / "lab.py").write_text("# %%\nx = 1\n", "utf-8")
    (solved / "lab.ipynb").write_text(percent.notebook([NotebookCell("code", "x = 2")]), "utf-8")

    cells = expected_cells(keeping(handout=out, solution=solved))

    assert [cell.source for cell in cells["lab"]] == ["x = 1", "x = 2"]
    assert expected_cells(keeping()) == {"lab": ()}


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("other.py", b"", "should hold lab.ipynb or lab.py"),
        ("lab.ipynb", b"", "the file is empty"),
        ("lab.py", b"\xff", "utf-8"),
    ],
    ids=["absent", "no notebook", "no text"],
)
def test_a_handout_that_cannot_be_read_is_said(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)

    with pytest.raises(AssignmentError, match=said):
        expected_cells(keeping(handout=tmp_path))


# percent scripts --------------------------------------------------------------------

PRINTED = """# %%
train()
# %% [output]
# epoch 1 loss 5.5
#   损失 5.4
# %% [markdown]
# Done.
"""


def test_what_a_cell_of_a_percent_script_printed_is_read_and_written():
    _, cells = percent.split(PRINTED)

    code = NotebookCell("code", "train()", "epoch 1 loss 5.5\n  损失 5.4\n", executed=True)
    assert cells == [code, NotebookCell("markdown", "Done.")]
    assert notebooks.read(percent.notebook(cells).encode())[0] == tuple(cells)
    (silent, _), _ = notebooks.read(percent.notebook(cells, executed=False).encode())
    assert (silent.output, silent.executed) == ("", False)


@pytest.mark.parametrize(
    "script", ["# %% [output]\n# x\n", "# %% [markdown]\n# %% [output]\n# x\n"]
)
def test_nothing_but_code_prints(script):
    with pytest.raises(ValueError, match="comes after a code cell"):
        percent.split(script)


# a corpus in the place of the small one ------------------------------------------------------


@pytest.fixture
def own(tmp_path):
    small, real = tmp_path / "small", tmp_path / "real"
    for folder in (small, real):
        folder.mkdir()
        for name in ("train.txt", "test.txt"):
            (folder / name).write_text(folder.name, "utf-8")
    assignment = Assignment("lab", "Lab", {}, {}, "", data=(small, Path("data.py")), corpus="small")
    return assignment, real


def test_a_real_corpus_stands_under_the_name_of_the_small_one(own):
    assignment, real = own

    found = with_corpus(assignment, real)

    assert found == {"small": real, "data.py": Path("data.py")}
    before = digest_of(real)
    (real / "train.txt").write_text("more", "utf-8")
    assert digest_of(real) != before


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda a, real: (replace(a, corpus=""), real), "lab has no corpus to be replaced"),
        (lambda a, real: (a, real / "nowhere"), "there is no such folder"),
        (lambda a, real: (a, real.parent), "it lacks test.txt, train.txt; rename its files to"),
    ],
    ids=["none", "no folder", "other files"],
)
def test_a_corpus_that_does_not_fit_is_wrong_use(own, make, said):
    assignment, folder = make(*own)

    with pytest.raises(UsageError, match=f"--corpus .*: {said}"):
        with_corpus(assignment, folder)
