"""Proves that evidence is exact, the same bytes each time, and of nobody else."""

import io
import json
import re
import zipfile

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from grader.export import appeal
from grader.judge.expectations import expectations
from grader.judge.questions import judge_question
from grader.model import (
    Arrival,
    Asked,
    Execution,
    Found,
    Limits,
    Observation,
    Observed,
    Outcome,
    Place,
    Record,
    Submission,
    Told,
)
from reference.week14 import ASSIGNMENT
from tests.report.conftest import Maker

MAKE = Maker()
SEED = 14
SOFTMAX = next(q for q in ASSIGNMENT.questions if q.key == "softmax")
RUN = {"grader": "0.1.0", "python": "3.11.7", "numpy": "1.26.4", "torch": "2.9", "kernel": "pipe",
       "rung": "A", "assignment": {"key": "week14", "digest": "ab"}, "files": ["R2"]}  # fmt: skip
LATE = Arrival("R1", "10001", "5001", "", "2024-12-11T00:00:00+00:00", True)
OTHERS = Arrival("R2", "10002", "5002", "", "2024-12-12T00:00:00+00:00")
TOLD = Told(arrivals=(LATE, OTHERS, Arrival("", "10001", "", "", "2024-12-09T00:00:00+00:00")))


def graded(answer):
    """A student whose softmax gives `answer` of each of its inputs."""
    expected = expectations(SOFTMAX, SEED)
    trials = {
        trial.name: Asked(
            "0123456789abcdef",
            tuple(
                Observation(Outcome.PASSED, answer(*case.args))
                for case in expected.cases[trial.name]
            ),
        )
        for trial in SOFTMAX.trials
    }
    observed = Observed(Found("softmax", Place(1, 1), 2), trials)
    submission = Submission("R1", "colab1", "in/of/R2/x.ipynb", "ab" * 32, (), ("an oddity",))
    record = Record(submission, Execution(Outcome.PASSED), {"softmax": observed}, "key")
    judged = judge_question(SOFTMAX, observed, SEED)
    notebook = MAKE.notebook("colab1", judged, record=record)
    absent = MAKE.absent("colab2", MAKE.question("multihead"))
    return MAKE.grade(notebook, absent, student="R1")


def packed(grade, contents=(), users=("10001",)):
    known = appeal.Circumstances(ASSIGNMENT, SEED, Limits(), RUN, TOLD)
    data = appeal.evidence(grade, known, users, dict(contents))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return data, {name: archive.read(name).decode() for name in archive.namelist()}


def wrong(x):
    squared = 1 + np.asarray(x, float) ** 2
    return squared / squared.sum()


def test_each_claim_has_what_went_in_what_came_back_and_what_was_expected():
    _, files = packed(graded(wrong))

    whole = json.loads(files["evidence.json"])
    assert whole["seed"] == SEED and whole["limits"]["call_seconds"] == 10.0
    assert whole["environment"]["numpy"] == "1.26.4"
    (question,) = whole["notebooks"][0]["questions"]
    trials = {trial["trial"]: trial for trial in question["trials"]}
    failed = [claim for claim in question["claims"] if claim["outcome"] == "failed"]
    assert failed and question["tolerance"]["rtol"] > 0
    for claim in question["claims"]:
        for case in trials[claim["trial"]]["cases"]:
            given_in = np.array(read(case["inputs"]["args"][0]))
            back = read(case["came_back"]["value"])
            assert np.array_equal(back, wrong(given_in))
            right = np.array(read(case["expected"][0]["value"]))
            scaled = np.exp(given_in - given_in.max())
            assert np.allclose(right, scaled / scaled.sum())


def test_the_same_evidence_has_the_same_bytes_and_nothing_of_others():
    one, files = packed(graded(wrong))
    other, _ = packed(graded(wrong))

    assert one == other
    assert not any("R2" in text or "10002" in text for text in files.values())
    assert [each["at"][:10] for each in json.loads(files["handed_in.json"])["times"]] == [
        "2024-12-11", "2024-12-09",
    ]  # fmt: skip


def test_flags_that_another_student_s_file_raised_are_not_evidence():
    from msgspec.structs import replace

    grade = graded(wrong)
    flags = ("identical_file", "only_published", "similar_code")
    judged = replace(grade.notebooks[0].judgements[0], flags=flags)
    flagged = replace(grade, notebooks=(replace(grade.notebooks[0], judgements=(judged,)),))

    _, files = packed(flagged)

    (question,) = json.loads(files["evidence.json"])["notebooks"][0]["questions"]
    assert question["flags"] == ["only_published"]


def test_the_notebook_is_in_it_by_the_name_that_was_asked_for():
    _, files = packed(graded(wrong), {"ab" * 32: b"{}"})

    assert files["notebooks/R1_week14_colab1_homework.ipynb"] == "{}"
    assert f"| colab1 | `{'ab' * 32}` | yes |" in files["README.md"]
    assert "| colab2 | not handed in | no |" in files["README.md"]


def test_an_id_that_is_a_command_is_quoted_in_what_a_reader_types():
    from msgspec.structs import replace

    _, files = packed(replace(graded(wrong), student="$(x)"))

    assert "grader appeal '$(x)' appeal" in files["README.md"]
    assert re.search(r"unzip appeal-[A-Z0-9~a-f]+\.zip -d appeal", files["README.md"])


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats()
    | st.text(max_size=5)
    | arrays.arrays(
        st.sampled_from(["f4", "f8", "i8", "?"]), arrays.array_shapes(max_dims=3, max_side=4)
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(VALUES)
@example(float("nan"))
@example([np.array([[np.inf, -np.inf, np.nan]], "f4")])
def test_every_value_is_written_exactly(value):
    written = json.loads(json.dumps(appeal._value(value), allow_nan=False))

    assert same(read(written), value)


def read(written):
    """The value that was written, by what the names in it say."""
    if isinstance(written, list):
        return [read(item) for item in written]
    if not isinstance(written, dict):
        return written
    if "array" in written:
        made = np.array(written["array"], written["dtype"])
        return made.reshape(written["shape"])
    if "tuple" in written:
        return tuple(map(read, written["tuple"]))
    return {read(key): read(item) for key, item in written["dict"]}


def same(one, other):
    if isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(
            one, other, equal_nan=other.dtype.kind == "f"
        )
    if isinstance(other, float):
        return float(one) == other or (np.isnan(other) and one == "nan")
    if isinstance(other, list | tuple):
        return type(one) is type(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(other, dict):
        return list(one) == list(other) and all(same(one[k], other[k]) for k in other)
    return one == other and type(one) is type(other)


def test_a_long_array_is_stored_not_written_out():
    written = appeal._value(np.arange(6000.0))

    assert set(written) == {"stored", "shape"}
