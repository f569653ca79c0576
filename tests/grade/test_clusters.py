"""Equal wrong results of several students that nobody has an explanation for."""

import numpy as np
import pytest
from msgspec import structs

from grader.grade.clusters import clusters
from grader.model import (
    Asked,
    Counterexample,
    Execution,
    Finding,
    Found,
    Judgement,
    NotebookGrade,
    Observation,
    Observed,
    Outcome,
    Place,
    Record,
    Submission,
    Verdict,
)

TWO = np.array([[1.0, 2.0], [3.0, 4.0]])


def graded(*values, misconception=None, shown=0, outcome=Outcome.FAILED, helped=(), flags=()):
    """A notebook whose one question gave these values, wrongly."""
    counter = Counterexample("f(1)", shown, 2, "got 0, expected 2")
    finding = Finding("", misconception, counter) if shown != "nothing" else Finding("not there")
    verdicts = (
        Verdict("held", Outcome.PASSED, 1.0, 1.0),
        Verdict("claimed", Outcome.FAILED, 0.0, 4.0, finding),
    )
    seen = {"t": Asked("d", tuple(observation(v) for v in values))}
    more = {"t": Asked("d", tuple(observation(v) for v in helped))} if helped else {}
    record = Record(
        Submission("S", "colab1", "", "", ()),
        Execution(Outcome.PASSED),
        {"q": Observed(None, seen, helped=more)},
        "key",
    )
    judgement = Judgement("q", "Q", outcome, 1.0, 5.0, verdicts, finding, flags)
    return NotebookGrade("colab1", Outcome.PASSED, (judgement,), record)


def observation(value):
    if isinstance(value, Exception):
        return Observation(Outcome.RAISED, error=str(value))
    return Observation(Outcome.PASSED, value)


def found(*notebooks, tolerances=None):
    class_ = {(f"S{n}", "colab1"): notebook for n, notebook in enumerate(notebooks)}
    return clusters(class_, tolerances or {})


@pytest.mark.parametrize(
    "one, other, same",
    [
        (TWO, TWO, True),
        (TWO, TWO * (1 + 1e-4), True),
        (TWO, TWO * 1.01, False),
        (TWO, TWO.tolist(), True),
        (TWO, TWO.reshape(2, 1, 2), True),
        (TWO, TWO.T, False),
        (TWO, TWO.ravel(), False),
        (np.array([1.0, np.nan]), np.array([1.0, np.nan]), True),
        (np.array([1.0, np.inf]), np.array([1.0, np.inf]), True),
        (np.array([1.0, np.nan]), np.array([1.0, 2.0]), False),
        (np.array([np.nan]), np.array([np.nan]), True),
        ([1.0, [2.0, 3.0]], (1.0, [2.0, 3.0]), True),
        ([1.0, [2.0, 3.0]], [1.0, [2.0, 3.5]], False),
        ([1.0, [2.0, 3.0]], [1.0, [2.0, 3.0], 4.0], False),
        ("abc", "abc", True),
        ("abc", "abd", False),
        ("abc", 1.0, False),
        (1 + 2j, 1 + 3j, False),
        (ValueError("a"), TypeError("b"), True),
        (ValueError("a"), TWO, False),
    ],
)
def test_results_are_the_same_to_tolerance_whatever_form_they_have(one, other, same):
    made = found(graded(7.0, one), graded(7.0, other))

    assert [cluster.students for cluster in made] == ([("S0", "S1")] if same else [])


def test_the_tolerance_is_the_questions():
    both = graded(1.0), graded(1.05)
    assert found(*both) == ()
    assert len(found(*both, tolerances={"q": (0.1, 0.0)})) == 1


def test_a_cluster_has_its_claim_its_counterexample_and_the_largest_comes_first():
    two, three = graded(1.0), graded(2.0)

    first, second = found(two, three, two, three, three, graded(3.0))

    assert first.students == ("S1", "S3", "S4")
    assert second.students == ("S0", "S2")
    assert (first.notebook, first.question, first.claim) == ("colab1", "q", "claimed")
    assert first.shown_by.said == "got 0, expected 2"


@pytest.mark.parametrize(
    "notebook",
    [
        graded(1.0, misconception="axis"),
        graded(1.0, outcome=Outcome.BLANK),
        graded(1.0, shown=None),
        graded(1.0, shown="nothing"),
        graded(),
        structs.replace(graded(1.0), record=None),
        NotebookGrade("colab1", Outcome.PASSED, (Judgement("q", "Q", Outcome.PASSED, 1, 1, ()),)),
    ],
    ids=["known", "blank", "did not return", "nothing shown", "not asked", "no record", "right"],
)
def test_what_is_known_or_is_no_result_makes_no_cluster(notebook):
    assert found(notebook, notebook) == ()


def test_what_was_judged_with_stand_ins_is_compared_as_that():
    one = graded(1.0, helped=(5.0,), flags=("follow_through",))
    other = graded(2.0, helped=(5.0,), flags=("follow_through",))

    assert len(found(one, other)) == 1
    assert found(graded(1.0, helped=(5.0,)), graded(2.0, helped=(5.0,))) == ()


def test_what_was_judged_in_place_of_a_later_answer_is_compared_as_that():
    def of_another(value, cell, flags=("redefined",)):
        notebook = graded(0.0, flags=flags)
        used = Found("f", Place(cell, 1), 2)
        (judgement,) = notebook.judgements
        asked = {"t": Asked("d", (observation(value),))}
        others = (Observed(None), Observed(Found("f", Place(1, 1), 2), asked))
        observed = structs.replace(notebook.record.observed["q"], others=others)
        return structs.replace(
            notebook,
            judgements=(structs.replace(judgement, found=used),),
            record=structs.replace(notebook.record, observed={"q": observed}),
        )

    assert len(found(of_another(5.0, 1), graded(5.0))) == 1
    assert len(found(of_another(5.0, 2), graded(0.0))) == 1
    assert len(found(of_another(5.0, 1, flags=()), graded(0.0))) == 1


def test_a_list_that_holds_itself_many_times_over_is_compared_as_text():
    deep = [1.0, "a"]
    for _ in range(20):
        deep = [deep, "b"]
    assert len(found(graded(deep), graded(deep))) == 1
