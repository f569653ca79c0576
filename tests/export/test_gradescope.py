"""Proves that Gradescope is told each student's points, and why."""

import json

from grader.export import gradescope
from grader.model import Finding, Found, Lateness, Outcome, Place
from tests.report.conftest import Maker

MAKE = Maker()


def results(*notebooks, **given):
    return json.loads(gradescope.results(MAKE.grade(*notebooks, **given), "HW <b>10</b>"))


def test_every_question_is_a_test_with_its_points_and_what_was_seen():
    axis = Finding("Sum over `axis=0`.", "softmax_axis", where=Place(3, 1))
    wrong = MAKE.question(
        "softmax",
        MAKE.verdict("it is right", Outcome.FAILED, 4.0),
        MAKE.verdict("no overflow", possible=1.25),
        finding=axis,
        found=Found("softmax", Place(3, 1), 9),
    )

    said = results(MAKE.notebook("colab1", wrong), MAKE.notebook("colab3", MAKE.text()))

    assert said["score"] == 1.25
    assert said["output"] == (
        "HW &lt;b&gt;10&lt;/b&gt;\n\ncolab1: 1.25 of 5.25 points.\n\n"
        "colab3: 0 of 4 points. 1 text not marked yet."
    )
    assert said["extra_data"] == {"misconceptions": ["softmax_axis"]}
    first, text = said["tests"]
    assert first["output"].startswith("Sum over `axis=0`.\n\n- ✗ it is right (0 of 4)")
    assert {key: first[key] for key in ("name", "number", "score", "max_score", "status")} == {
        "name": "The softmax", "number": "1.1", "score": 1.25, "max_score": 5.25,
        "status": "failed",
    }  # fmt: skip
    assert text["max_score"] == 4 and not {"score", "status"} & text.keys()
    assert text["number"] == "2.1"


def test_late_work_counts_in_the_score_and_says_so():
    late = MAKE.notebook("colab1", lateness=Lateness.LATE, withheld=True)

    said = results(late)

    assert said["score"] == 0
    assert said["tests"][0]["score"] == 2 and said["tests"][0]["status"] == "passed"
    assert "It was handed in after the deadline" in said["output"]


def test_only_words_stand_where_gradescope_expects_one_of_its_own():
    said = results(MAKE.notebook("colab1", MAKE.question()))

    formats = {"text", "html", "simple_format", "md", "ansi"}
    seen_by = {"hidden", "after_due_date", "after_published", "visible"}
    assert {said[f"{part}_format"] for part in ("output", "test_output", "test_name")} <= formats
    assert {said["visibility"], said["stdout_visibility"]} <= seen_by
    for test in said["tests"]:
        assert test["visibility"] in seen_by
        assert test["status"] in ("passed", "failed")
