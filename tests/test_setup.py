"""From a checkout to a program that runs anywhere: run.py, the wheel, the version, the start-up."""

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import grader

ROOT = Path(__file__).resolve().parents[1]
RUN = ROOT / "run.py"
posix = pytest.mark.skipif(os.name == "nt", reason="stands in for Python with a shell script")


@pytest.fixture(scope="module")
def run():
    """run.py as a module."""
    spec = importlib.util.spec_from_file_location("grader_run", RUN)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def made(run, tmp_path):
    """From extras and a shell script that stands for its Python to an environment that fits."""

    def make(extras="", python="exit 7"):
        folder = tmp_path / "an environment"
        (folder / run.LIBRARY / "site-packages" / "grader-0.dist-info").mkdir(parents=True)
        run.python_of(folder).parent.mkdir()
        run.python_of(folder).write_text(f"#!/bin/sh\n{python}\n")
        run.python_of(folder).chmod(0o755)
        (folder / run.LOCK).touch()
        run.stamp(folder, extras)
        return folder

    return make


def start(folder, *arguments):
    """run.py, started as a person does, with the environment in `folder`."""
    return subprocess.run(
        [sys.executable, RUN, *arguments],
        env={**os.environ, "GRADER_VENV": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


# run.py: which environment is used as it is -----------------------------------------------------


def test_an_environment_fits_the_project_and_the_extras_that_it_was_made_for(run, made):
    folder = made("dev")

    assert run.fits(folder, "dev")
    assert run.fits(folder, "")

    run.stamp(folder, "")

    assert not run.fits(folder, "dev")
    assert run.fits(folder, "")


@pytest.mark.parametrize("gone", ["python", "project", "stamp"])
def test_a_half_made_environment_does_not_fit(run, made, gone):
    folder = made()
    if gone == "python":
        run.python_of(folder).unlink()
        run.python_of(folder).symlink_to("/nowhere/python")
    elif gone == "project":
        next((folder / run.LIBRARY).glob("site-packages/grader-*")).rmdir()
    else:
        (folder / run.STAMP).unlink()

    assert not run.fits(folder, "")


def test_a_stamp_that_is_not_text_does_not_fit(run, made):
    folder = made()
    (folder / run.STAMP).write_bytes(b"\xff\xfe")

    assert not run.fits(folder, "")


def test_the_stamp_knows_the_project_and_where_it_lies(run, tmp_path):
    seen = set()
    for name, text in [("one", "a"), ("one", "b"), ("two", "a")]:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "pyproject.toml").write_text(text)
        seen.add(run.digest(tmp_path / name))

    assert len(seen) == 3


def test_what_fits_is_used_without_starting_anything(run, made, monkeypatch):
    folder = made()
    monkeypatch.setenv("GRADER_VENV", str(folder))
    monkeypatch.setattr(run.subprocess, "Popen", None)
    monkeypatch.setattr(run.subprocess, "run", None)

    assert run.environment("") == str(run.python_of(folder))


# run.py: what is started, and what is said -------------------------------------------------------


@posix
def test_the_commands_arguments_and_exit_code_pass_through(made):
    ran = start(made(python='printf "<%s>" "$@"; exit 7'), "grader", "run", "a b", "--json")

    assert ran.stdout == "<-P><-m><grader><run><a b><--json>"
    assert ran.stderr == ""
    assert ran.returncode == 7


@pytest.mark.parametrize(
    "arguments, said",
    [([], "no command"), (["run", "submissions/"], "unknown command 'run'")],
    ids=["none", "without grader"],
)
def test_a_wrong_command_is_told_the_right_ones(made, arguments, said):
    ran = start(made(), *arguments)

    assert ran.returncode == 2
    assert said in ran.stderr
    assert "python3 run.py grader run submissions/" in ran.stderr


def test_an_older_python_can_read_run_py_and_says_what_to_do():
    ast.parse(RUN.read_text("utf-8"), feature_version=(3, 7))
    old = "import sys; sys.version_info = (3, 9, 1); exec(open(sys.argv[1]).read())"

    ran = subprocess.run(
        [sys.executable, "-c", old, RUN], capture_output=True, text=True, check=False
    )

    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "this is Python 3.9, and the grader needs 3.11 or newer: install one" in ran.stderr


@posix
def test_a_failing_pip_is_quoted_and_leaves_the_environment_as_it_was(run, made):
    version = ".".join(map(str, sys.version_info[:2]))
    folder = made(
        python=f"""case "$*" in
        *--version*) echo "pip 1 from somewhere (python {version})" ;;
        *) echo "ERROR: no such package"; exit 1 ;;
        esac"""
    )

    ran = start(folder, "test")

    assert ran.returncode == 2
    assert "    ERROR: no such package\n" in ran.stderr
    assert "PIP_INDEX_URL" in ran.stderr
    assert run.fits(folder, "")


@pytest.mark.parametrize("rest", [[], ["tests/judge", "-x"]], ids=["all", "some"])
def test_all_tests_together_must_run_every_branch_that_decides_marks(run, monkeypatch, rest):
    handed_over = []
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(run, "environment", lambda extras: "python")
    monkeypatch.setattr(run, "check", lambda python: 0)
    monkeypatch.setattr(run, "hand_over", handed_over.append)

    run.main(["test", *rest])

    (command,) = handed_over
    assert command[:3] == ["python", "-m", "pytest"]
    assert command[len(command) - len(rest) :] == rest
    assert {"--cov=grader.judge", "--cov=grader.grade", "--cov-branch"} <= {*command}
    assert ("--cov-fail-under=100" in command) == (not rest)


def test_a_folder_with_other_things_in_it_is_never_cleared(tmp_path):
    (tmp_path / "thesis.tex").touch()

    ran = start(tmp_path, "grader", "--version")

    assert ran.returncode == 2
    assert "holds other things" in ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()

    ran = start(tmp_path / "file" / "below", "grader", "--version")

    assert ran.returncode == 2
    assert "set GRADER_VENV to a folder that can" in ran.stderr


def test_a_python_that_makes_no_environments_names_the_package_that_helps(
    run, tmp_path, monkeypatch
):
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(run.SetupError, match="apt install python3-venv"):
        run.begin(tmp_path)


def test_a_new_environment_replaces_all_but_the_lock(run, tmp_path, monkeypatch):
    (tmp_path / run.LOCK).touch()
    (tmp_path / "left over").mkdir()
    (tmp_path / run.STAMP).touch()
    monkeypatch.setattr(
        run.subprocess, "run", lambda *given, **how: subprocess.CompletedProcess(given, 0, "")
    )

    run.begin(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == [run.LOCK]


def test_one_start_at_a_time_sets_up(run, tmp_path):
    with run.alone(tmp_path), (tmp_path / run.LOCK).open("a") as other:
        assert not run.try_lock(other.fileno())
    with (tmp_path / run.LOCK).open("a") as other:
        assert run.try_lock(other.fileno())


# The wheel --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel built from this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def elsewhere(wheel, tmp_path_factory):
    """From arguments of Python to what it said, in an empty folder, with the wheel installed."""
    home = tmp_path_factory.mktemp("installed")
    pip("install", "--target", home, wheel)
    empty = tmp_path_factory.mktemp("empty")

    def python(*arguments):
        return subprocess.run(
            [sys.executable, "-P", *map(str, arguments)],
            cwd=empty,
            env={**os.environ, "PYTHONPATH": str(home)},
            capture_output=True,
            text=True,
            check=False,
        )

    where = python("-c", "import grader, reference; print(grader.__file__, reference.__file__)")
    assert where.stdout.split() == [str(home / n / "__init__.py") for n in ("grader", "reference")]
    return python


def pip(command, *arguments):
    subprocess.run(
        [sys.executable, "-m", "pip", command, "-q", "--no-deps", "--no-index", *arguments],
        capture_output=True,
        check=True,
    )


def test_the_wheel_holds_what_a_run_needs_and_no_student(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    assert "grader/report/templates/student.html" in names
    assert "reference/week14/softmax.py" in names
    assert "fixtures/week14/data.py" in names
    assert "fixtures/week14/wikitext-2/train.txt" in names
    assert "fixtures/week14/variants/softmax/naive_array.py" in names
    assert "fixtures/week14/wrong/softmax/hard_coded.py" in names
    assert "reference/week14/notebooks/colab1.ipynb" in names
    assert not [name for name in names if "students" in name or name.startswith("tests")]


def test_the_installed_assignment_proves_itself(elsewhere):
    ran = elsewhere("-m", "grader", "validate", "week14", "--mutants", "0", "--json")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    kinds = {row["kind"] for row in json.loads(ran.stdout)["programs"]}
    assert kinds >= {"reference", "handout", "variant", "wrong", "misconception"}


@pytest.mark.kernel
def test_the_installed_grader_grades_a_notebook(elsewhere, tmp_path):
    notebook = ROOT / "submissions" / "R13940001_week14_colab3_homework.ipynb"

    ran = elsewhere("-m", "grader", "run", notebook, "-o", tmp_path / "results")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = (tmp_path / "results" / "questions.csv").read_text("utf-8").splitlines()
    assert "R13940001,colab3,generation,passed,12,12,," in rows
    assert (tmp_path / "results" / "reports" / "index.html").is_file()


def test_the_version_is_one(wheel, elsewhere):
    told = elsewhere("-m", "grader", "--version").stdout.strip()
    changes = re.findall(r"^## \[?([\d.]+)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)

    assert wheel.name.startswith(f"grader-{grader.__version__}-")
    assert told == grader.__version__
    assert changes[0] == grader.__version__


# The start-up -----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [[], ["run"], ["check"], ["judge"], ["validate"], ["doctor"]])
def test_help_imports_nothing_heavy(command):
    code = """if True:
        import io, sys
        from grader import cli
        out, sys.stdout = sys.stdout, io.StringIO()
        cli.app.help_print(sys.argv[1:])
        assert "Usage: grader" in sys.stdout.getvalue()
        print(*{name.partition(".")[0] for name in sys.modules}, file=out)
    """

    ran = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=True
    )

    heavy = {"numpy", "pandas", "torch", "msgspec", "nbclient", "nbformat", "jinja2", "matplotlib"}
    assert not heavy & set(ran.stdout.split())


# What is promised in words ----------------------------------------------------------------------


def test_ci_runs_the_two_commands_of_the_readme():
    readme = (ROOT / "README.md").read_text("utf-8")
    first = re.findall(r"^(python3 run\.py .*)$", readme, re.M)[:2]
    ci = (ROOT / ".ci" / "run").read_text("utf-8")

    assert first == ["python3 run.py grader run submissions/", "python3 run.py test"]
    assert all(command in ci for command in first)


def test_the_readme_names_every_setting():
    from grader.config import Settings

    readme = (ROOT / "README.md").read_text("utf-8")
    for name in Settings.__struct_fields__:
        assert f"[{name}]" in readme
        for key in getattr(Settings(), name).__struct_fields__:
            assert re.search(rf"^({key} = |\[{name}\.{key}\])", readme, re.M), key
