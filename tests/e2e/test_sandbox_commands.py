"""What the program says and does on each rung of walls, with each kind of kernel."""

import html
import json
import os
import shutil
import sys
from pathlib import Path

import nbformat
import pytest

from fixtures.make_submissions import SUBMISSIONS
from grader import pipeline
from grader.config import settings
from grader.errors import UsageError
from grader.sandbox import ground, ladder, pipe

pytestmark = pytest.mark.kernel

COLAB1 = SUBMISSIONS / "R13940001_week14_colab1_homework.ipynb"
# the interpreter becomes the program in a world without Landlock: its calls are answered as by a
# kernel that does not know them
WITHOUT_LANDLOCK = """
import errno, os, sys
import pyseccomp as sc
made = sc.SyscallFilter(sc.ALLOW)
for name in ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"):
    try:
        made.add_rule(sc.ERRNO(errno.ENOSYS), name)
    except (OSError, ValueError, RuntimeError):
        made.add_rule(sc.ERRNO(errno.ENOSYS), {"landlock_create_ruleset": 444,
                      "landlock_add_rule": 445, "landlock_restrict_self": 446}[name])
made.load()
os.execv(sys.executable, [sys.executable, "-m", "grader", *sys.argv[1:]])
"""


@pytest.fixture
def without_bubblewrap(tmp_path):
    """A PATH on which there is none."""
    return {"PATH": str(tmp_path / "nothing here")}


def run_json(results):
    return json.loads((results / "run.json").read_bytes())


def test_where_bubblewrap_is_missing_all_is_graded_and_what_stays_open_is_said_everywhere(
    command, without_bubblewrap, tmp_path, need
):
    need("walls", "" if ladder.rung().letter == "A" else "there is no rung A to come down from")
    results = tmp_path / "r"

    ended = command("run", COLAB1, "-q", "-o", results, **without_bubblewrap)
    said = run_json(results)

    assert ended.returncode == 0, ended.stderr
    assert said["rung"] == "B"
    assert said["kernel"] == "pipe"
    assert said["counts"]["graded"] == 1
    assert ended.stderr.startswith("warning: the sandbox is incomplete")
    assert "bubblewrap: not installed → install it: apt install bubblewrap" in ended.stderr
    page = html.unescape((results / "reports" / "index.html").read_text("utf-8"))
    for notice in said["notices"]:
        assert notice in ended.stderr
        assert notice.split(" → ")[0] in page
    standing = {"landlock", "seccomp", "limits", "capabilities", "grader"}
    standing |= {"landlock-scopes"} & {*ladder.rung().inner}
    if os.getuid() == 0 and ladder._others_can_run_python():
        standing.add("uid")
    for threat in ladder.THREATS:
        still_open = not threat.stopped_by & standing
        assert (threat.text in said["notices"][0]) == still_open, threat.key


def without_walls(*arguments, environment):
    import subprocess

    return subprocess.run(
        [sys.executable, "-c", WITHOUT_LANDLOCK, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(SUBMISSIONS.parent), **environment},
        cwd=SUBMISSIONS.parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_where_there_is_no_wall_nothing_is_run(without_bubblewrap, tmp_path):
    results = tmp_path / "r"

    ended = without_walls("run", COLAB1, "-o", results, environment=without_bubblewrap)

    assert ended.returncode == 2, ended.stderr
    assert "there is no sandbox here, so nothing was run" in ended.stderr
    assert "It can read and change all your files" in ended.stderr
    assert "--unsafe-no-sandbox" in ended.stderr
    assert not results.exists()


def test_whoever_trusts_a_class_may_run_it_without_walls_and_is_told_so(
    without_bubblewrap, tmp_path
):
    results = tmp_path / "r"
    arguments = ("run", COLAB1, "-o", results, "--unsafe-no-sandbox")

    ended = without_walls(*arguments, environment=without_bubblewrap)
    said = run_json(results)

    assert ended.returncode == 0, ended.stderr
    assert (said["rung"], said["kernel"]) == ("C", "pipe")
    assert "warning: no sandbox" in ended.stderr
    assert "no sandbox" in (results / "reports" / "index.html").read_text("utf-8")


def test_cold_kernels_give_the_same_marks(command, tmp_path):
    for kind in ("cold", "pipe"):
        ended = command("run", COLAB1, "-q", "-o", tmp_path / kind, "--kernel", kind)
        assert ended.returncode == 0, ended.stderr
        assert run_json(tmp_path / kind)["kernel"] == kind

    for name in ("gradebook.csv", "questions.csv", "verdicts.csv"):
        assert (tmp_path / "cold" / name).read_bytes() == (tmp_path / "pipe" / name).read_bytes()


def graded(results, *files, **flags):
    warned = []
    made = pipeline.run(
        files or [COLAB1],
        settings(None, {"run.output": results, **flags}, {}),
        told=lambda intake, plan: None,
        warned=warned.append,
        progress=lambda done, of: None,
    )
    return made, warned


def test_where_there_are_no_pipe_kernels_cold_ones_do_and_that_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(pipe, "BOOT", "raise SystemExit('no zygote today')")

    made, warned = graded(tmp_path / "r")

    assert warned == ["kernels are cold, and slow: kernels cannot be started: no zygote today"]
    assert made.gradebook.kernel == "cold"
    assert run_json(tmp_path / "r")["notices"] == warned
    assert made.gradebook.grades[0].notebooks[0].earned == 30


def test_a_bug_in_judging_one_notebook_costs_no_other_one_its_marks(monkeypatch, tmp_path):
    other = COLAB1.with_name(COLAB1.name.replace("R13940001", "R13940002"))
    suspected = pipeline.suspicions.suspected

    def failing(judgements, questions, published, cells):
        if cells == records["R13940002"].submission.cells:
            raise OverflowError("a number that nobody thought of")
        return suspected(judgements, questions, published, cells)

    made, _ = graded(tmp_path / "r", COLAB1, other)
    records = {g.student: g.notebooks[0].record for g in made.gradebook.grades}
    monkeypatch.setattr(pipeline.suspicions, "suspected", failing)
    made, _ = graded(tmp_path / "r", COLAB1, other)

    right, broken = (grade.notebooks[0] for grade in made.gradebook.grades)
    assert right.earned == 30
    assert broken.earned is None
    assert "a bug of the grader's: OverflowError: a number that nobody" in broken.problem
    assert [note.became for note in made.gradebook.files] == ["graded", "needs_person"]
    assert len(list((tmp_path / "r").glob("bug-*.txt"))) == 1


def test_who_asks_for_pipe_kernels_gets_no_others(monkeypatch, tmp_path):
    monkeypatch.setattr(pipe, "BOOT", "raise SystemExit('no zygote today')")

    with pytest.raises(pipe.PipeError, match="no zygote today"):
        graded(tmp_path / "r", **{"run.kernel": "pipe"})


def test_no_kernel_is_a_pipe_where_there_are_none(monkeypatch):
    monkeypatch.setattr(ground.sys, "platform", "darwin")
    monkeypatch.setattr(ladder, "rung", lambda: ladder.NONE)

    assert ground.choose(unsafe=True).kernel == "cold"
    assert "there are no pipe kernels on darwin" in ground.choose(unsafe=True).notices[-1]
    with pytest.raises(UsageError, match="use --kernel cold"):
        ground.choose("pipe", unsafe=True)


@pytest.fixture(scope="module")
def refereed(command, tmp_path_factory):
    """The sample class, but for those whose time runs out, in both kinds of kernel."""
    home = tmp_path_factory.mktemp("refereed")
    for path in SUBMISSIONS.glob("*.ipynb"):
        if not path.name.startswith(("R13940007", "R13940010")):
            shutil.copy(path, home / path.name)
    return command("run", home, "-q", "-o", home / "r", "--referee", "99")


def test_the_whole_sample_class_comes_out_the_same_in_cold_kernels(refereed):
    assert "referee" not in refereed.stderr
    assert "Traceback" not in refereed.stderr
    assert refereed.returncode == 1  # the two broken files


def test_the_referee_says_what_differs(command, tmp_path):
    cells = [nbformat.v4.new_code_cell("import threading\nprint(threading.active_count() == 1)")]
    name = tmp_path / "R13940001_week14_colab1_homework.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=cells), name)

    ended = command("run", name, "-o", tmp_path / "r", "--referee", "1")

    assert ended.returncode == 1
    assert f"referee: {name.name}: the outputs of code cell 1 differ" in ended.stderr


# an assignment from anywhere --------------------------------------------------------------------

PACKAGE = '''
"""A homework of another course."""

import numpy as np

from grader.authoring import Assignment, Check, Notebook, Question, case


def hypotenuse(a, b):
    """The length of the longest side."""
    return np.hypot(a, b)


def sides(rng):
    yield case(3.0, 4.0)
    yield case(*rng.normal(size=2))


def not_rooted(a, b):
    """You forget the root."""
    return a * a + b * b


QUESTION = Question(
    key="hypotenuse",
    title="The longest side",
    target="hypotenuse",
    reference=hypotenuse,
    checks=[Check("it is the root of the sum of the squares", sides, points=2.5)],
    misconceptions=[not_rooted],
)
ASSIGNMENT = Assignment(
    key="geometry",
    title="Geometry",
    points={"lab": 2.5},
    notebooks={"lab": Notebook("Triangles", [QUESTION])},
    file_name="{student}_{notebook}.ipynb",
)
'''


def test_an_assignment_may_lie_anywhere(command, tmp_path):
    package = tmp_path / "elsewhere" / "geometry"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PACKAGE, "utf-8")
    for student, body in {"A01": "(a**2 + b**2) ** 0.5", "A02": "a**2 + b**2"}.items():
        source = f"def hypotenuse(a, b):\n    return {body}"
        cells = [nbformat.v4.new_code_cell(source, execution_count=1)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / f"{student}_lab.ipynb")

    results = tmp_path / "r"
    files = [tmp_path / f"{student}_lab.ipynb" for student in ("A01", "A02")]
    ended = command("run", *files, "-o", results, "--assignment", package)
    again = command("judge", results, "--assignment", package)

    assert ended.returncode == 0, ended.stderr
    assert again.returncode == 0, again.stderr
    rows = (results / "questions.csv").read_text("utf-8").splitlines()
    assert rows[1:] == [
        "A01,lab,hypotenuse,passed,2.5,2.5,,",
        "A02,lab,hypotenuse,failed,0,2.5,not_rooted,",
    ]
    assert command("validate", package).returncode == 0


def test_a_folder_that_is_no_assignment_is_said_so(command, tmp_path):
    ended = command("run", COLAB1, "-o", tmp_path / "r", "--assignment", Path(tmp_path))

    assert ended.returncode == 2
    assert "is no assignment package: it has no __init__.py" in ended.stderr
