"""Settings: what wins, and what is refused."""

import pytest

from grader.config import DEFAULTS, Settings, settings
from grader.errors import UsageError


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
        ('[course]\nlate = "half"\n', "line 2: late = 'half': input should be 'zero' or 'keep'"),
    ],
    ids=["deadline", "number", "extension", "policy"],
)
def test_a_wrong_deadline_is_told_with_its_line(tmp_path, text, said):
    file = tmp_path / "grader.toml"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(UsageError, match=said):
        settings(file, {}, {})


def test_one_file_of_times_may_be_named_alone(tmp_path):
    file = tmp_path / "grader.toml"
    file.write_text('[course]\ntimes = "a.json"\n', encoding="utf-8")

    assert [str(path) for path in settings(file, {}, {}).course.times] == ["a.json"]
