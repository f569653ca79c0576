"""Settings: what wins, and what is refused."""

import os

import pytest

from grader.config import DEFAULTS, Settings, settings
from grader.errors import UsageError
from grader.model import Told
from grader.pipeline import _known
from grader.store import Store


def test_without_a_file_everything_has_its_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert settings(None, {}, {}) == Settings()
    assert Settings().as_limits() == DEFAULTS


def test_flag_beats_environment_beats_file(tmp_path):
    file = tmp_path / "grader.toml"
    file.write_text("[run]\nseed = 1\nworkers = 1\n[limits]\ncell_seconds = 1\n", encoding="utf-8")

    got = settings(file, {"run.seed": 3}, {"GRADER_SEED": "2", "GRADER_WORKERS": "2"})

    assert (got.run.seed, got.run.workers, got.limits.cell_seconds) == (3, 2, 1.0)


def test_a_flag_that_was_not_given_changes_nothing(tmp_path):
    file = tmp_path / "grader.toml"
    file.write_text("[run]\nseed = 1\n", encoding="utf-8")
    assert settings(file, {"run.seed": None}, {}).run.seed == 1


@pytest.mark.parametrize(
    "flags, environment, said",
    [
        ({"run.seed": -1}, {}, "--seed"),
        ({}, {"GRADER_CELL_SECONDS": "soon"}, "GRADER_CELL_SECONDS"),
    ],
    ids=["flag", "environment"],
)
def test_a_wrong_value_is_told_with_where_it_came_from(
    tmp_path, monkeypatch, flags, environment, said
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=said):
        settings(None, flags, environment)


def test_a_key_of_another_table_is_told_with_what_is_known_there(tmp_path):
    file = tmp_path / "grader.toml"
    file.write_text("[run]\nzebra = 1\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r'unknown key "zebra" in .run.\n  known keys: .*seed'):
        settings(file, {}, {})


def test_a_table_that_is_no_table_is_refused(tmp_path):
    file = tmp_path / "grader.toml"
    file.write_text("run = 3\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"line 1: run = 3"):
        settings(file, {"run.seed": 1}, {})


@pytest.mark.parametrize(
    "written, read",
    [
        ('"2024-12-12T23:59:59+08:00"', "2024-12-12T23:59:59+08:00"),
        ('"2024-12-12 23:59"', "2024-12-12 23:59"),
        ("2024-12-12T23:59:59+08:00", "2024-12-12T23:59:59+08:00"),
        ("2024-12-12T23:59:59", "2024-12-12T23:59:59"),
        ("2024-12-12", "2024-12-12"),
        ('""', ""),
    ],
)
def test_a_deadline_is_a_time_of_toml_or_a_text(tmp_path, written, read):
    file = tmp_path / "grader.toml"
    file.write_text(
        f"[course]\ndeadline = {written}\n[course.extensions]\nR1 = {written}\n", encoding="utf-8"
    )

    course = settings(file, {}, {}).course

    assert (course.deadline, course.extensions) == (read, {"R1": read})


@pytest.mark.parametrize(
    "text, said",
    [
        ('[course]\ndeadline = "soon"\n', "line 2: deadline = 'soon': it is no time"),
        ("[course]\ndeadline = 3\n", "line 2: deadline = 3"),
        ('[course.extensions]\n\nR1 = "soon"\n', "line 3: R1 = 'soon': it is no time"),
        ('[course]\nlate = "half"\n', "line 2: late = 'half': input should be 'keep' or 'zero'"),
    ],
    ids=["deadline", "number", "extension", "policy"],
)
def test_a_wrong_deadline_is_told_with_its_line(tmp_path, text, said):
    file = tmp_path / "grader.toml"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(UsageError, match=said):
        settings(file, {}, {})


def test_a_deadline_that_was_given_is_kept_with_the_run(tmp_path):
    given = settings(None, {"course.deadline": "2024-12-12", "course.late": "keep"}, {})
    store = Store(tmp_path)
    with store.held():
        store.save_told(_known(Told(), given, None))

    assert store.told() == Told(deadline="2024-12-12", late="keep")


def test_one_file_of_times_may_be_named_alone(tmp_path):
    file = tmp_path / "grader.toml"
    file.write_text('[course]\ntimes = "a.json"\n', encoding="utf-8")

    assert [str(path) for path in settings(file, {}, {}).course.times] == ["a.json"]


@pytest.mark.parametrize(
    "text, said",
    [
        (
            "[run]\nseed = -1\n",
            "seed = -1: input should be a whole number greater than or equal to 0",
        ),
        ("[run]\nseed = 9223372036854775808\n", "equal to 0, at most 9223372036854775807"),
        ("[run]\nseed = true\n", "seed = True: input should be a whole number"),
        (
            "[run]\nworkers = 2.5\n",
            "input should be a whole number greater than or equal to 1, at most 1024",
        ),
        ("[run]\nreferee = []\n", "input should be a whole number greater than or equal to 0"),
        ('[run]\nkernel = "pip"\n', "kernel = 'pip': input should be 'auto', 'cold' or 'pipe'"),
        ("[run]\nunsafe_no_sandbox = 2\n", "unsafe_no_sandbox = 2: input should be true or false"),
        ("[run]\noutput = 3\n", "output = 3: input should be a path"),
        ("[limits]\ncall_seconds = nan\n", "call_seconds = nan: input should be a number greater"),
        ("[course]\nassignment = 3\n", "assignment = 3: input should be a text"),
        ("[course]\nextensions = 3\n", "extensions = 3: input should be a table"),
        ('[course]\ntimes = ["a", 3]\n', "input should be a path or a list of paths"),
        ('[course]\nlate = "null"\n', "late = 'null': input should be 'keep' or 'zero'"),
        (f"[limits]\nmemory_bytes = {10**30}\n", f"67108864, at most {2**60}"),
        (f"[limits]\ndisk_bytes = {2**60 + 1}\n", f"1048576, at most {2**60}"),
    ],
)
def test_a_wrong_value_is_told_with_what_it_should_be(tmp_path, text, said):
    file = tmp_path / "grader.toml"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(UsageError) as refused:
        settings(file, {}, {})

    assert f"{file} line 2: " in str(refused.value) and said in str(refused.value)


@pytest.mark.parametrize("name", ["SEED", "KERNEL", "CELL_SECONDS", "UNSAFE_NO_SANDBOX"])
def test_a_variable_in_another_encoding_is_told_like_any_other_wrong_value(
    tmp_path, monkeypatch, name
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=f"^GRADER_{name}: {name.lower()} = .*: input should be"):
        settings(None, {}, {f"GRADER_{name}": os.fsdecode(b"\xa4")})


@pytest.mark.parametrize("text", ["seed = " + "9" * 5000, "a = " + "[" * 100_000])
def test_a_file_that_python_itself_refuses_to_read_is_told(tmp_path, text):
    file = tmp_path / "grader.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="is not TOML"):
        settings(file, {}, {})


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    file = tmp_path / "grader.toml"
    file.write_text(
        "[run]\nworkers = 0\nsed = 1\n[corse]\n[course.extensions]\nR1 = 'soon'\nR2 = 2\n",
        encoding="utf-8",
    )

    with pytest.raises(UsageError) as refused:
        settings(file, {"course.late": "half"}, {"GRADER_CELL_SECONDS": "0"})

    told = [line for line in str(refused.value).split("\n") if not line.startswith("  ")]
    assert len(told) == 7
    for part in ["line 2", "line 3", "line 4", "line 6", "line 7", "--late", "GRADER_CELL_SECONDS"]:
        assert sum(part in line for line in told) == 1


def test_what_a_variable_says_is_read_as_the_text_that_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    variables = {
        "GRADER_SEED": "7",
        "GRADER_CELL_SECONDS": "1.5",
        "GRADER_UNSAFE_NO_SANDBOX": "True",
        "GRADER_TIMES": "a.csv",
        "GRADER_DEADLINE": "2024-12-12",
        "GRADER_ASSIGNMENT": "14",
    }

    got = settings(None, {}, variables)

    assert (got.run.seed, got.limits.cell_seconds, got.run.unsafe_no_sandbox) == (7, 1.5, True)
    assert [path.name for path in got.course.times] == ["a.csv"]
    assert (got.course.deadline, got.course.assignment) == ("2024-12-12", "14")
