"""Proves that the terminal says everything plainly, on every stream, whatever students write."""

import io
from functools import partial

import pytest
from rich.cells import cell_len
from rich.console import Console

from grader.model import (
    ClaimChange,
    Comparison,
    Counterexample,
    Decision,
    Finding,
    Found,
    Outcome,
    Place,
    QuestionChange,
    Setting,
    StudentChange,
)
from grader.report.terminal import check_view, comparison_view, run_table, student_view


def printed(view, value, encoding="utf-8", width=80, **given):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    view(value, Console(file=stream, width=width, **given))
    stream.flush()
    return raw.getvalue().decode(encoding)


@pytest.fixture
def book(make):
    return make.rich_class(7)


def test_the_class_is_a_table_with_its_legend_and_who_needs_a_person(book):
    assert printed(run_table, book) == (
        "  student    name    colab1  colab2  colab3  total  flags\n"
        "  B10901027  學生甲      17       0      5*    22*  softmax axis; no biases; si…\n"
        "  B10901099  學生乙      16      15      10     41\n"
        "  R13940001  Ana        10?       0      5*    15?  sine and cosine swapped\n"
        "  R13940022  學生丙     ERR       0       –      ?  colab1 not graded\n"
        "  R13941000               1       1       1      3  softmax axis\n"
        "  R13941001           23.98   23.98   23.98  71.94\n"
        "  T00000001               –       –       –      0  lateness not checked\n"
        "  * free text not marked yet\n"
        "  ? a person has to look first\n"
        "  – not handed in\n"
        "  most common: softmax axis 2 · sine and cosine swapped 2 · no biases 1\n"
        "\n"
        "Needs a person (3)\n"
        "  R13940001 colab1.softmax  two definitions of softmax disagree\n"
        "  R13940022 colab1          not a notebook: JSON breaks off at line 214 (upload\n"
        "                            cut short?)\n"
        "  homework final.ipynb      no student id in the name\n"
    )


def test_a_failed_claim_has_its_call_got_and_expected_and_the_advice_comes_once(make):
    shown = Counterexample(
        "self_attention(<array (4, 3)>, ...)",
        None,
        None,
        "12 of 12 values differ, most at [2, 0]: got 1.92, expected 0.41",
    )
    biases = Finding("You leave out beta_v, beta_q and beta_k.", "no_biases", shown)
    question = make.question(
        "self_attention",
        make.verdict("it is right without biases", possible=2.0),
        make.verdict("it is right with biases", Outcome.FAILED, 6.0, finding=biases),
        finding=biases,
        found=Found("attend", Place(4, 2), 9, "renamed: the same parameters"),
    )

    assert printed(check_view, make.notebook("colab1", question)) == (
        "colab1                                                                     2 / 8\n"
        "\n"
        "△ The self_attention                                                       2 / 8\n"
        "  partly right · self_attention · cell 4, line 2 · renamed: the same parameters\n"
        "  ✓ it is right without biases                                             2 / 2\n"
        "  ✗ it is right with biases                                                0 / 6\n"
        "      self_attention(<array (4, 3)>, ...): 12 of 12 values differ, most at [2,\n"
        "      0]: got 1.92, expected 0.41\n"
        "  You leave out beta_v, beta_q and beta_k.\n"
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp950", "utf-8", "latin-1"])
@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_every_stream_can_print_every_view(book, encoding, width):
    for view, value in [
        (run_table, book),
        *((student_view, grade) for grade in book.grades),
        *((check_view, notebook) for grade in book.grades for notebook in grade.notebooks),
    ]:
        assert printed(view, value, encoding, width)


def test_where_one_mark_cannot_be_printed_all_are_ascii(book):
    shown = printed(check_view, book.grades[0].notebooks[0], "cp950")

    assert "學" not in shown and "一次算完" in shown
    assert "  x it is right with biases" in shown
    assert "  + every weight is positive" in shown
    assert "~ Softmax of the scores" in shown


def test_no_line_of_detail_is_wider_than_the_terminal(book):
    for grade in book.grades:
        for line in printed(student_view, grade).splitlines():
            assert cell_len(line) <= 80
            assert line == line.rstrip()


@pytest.mark.parametrize(
    "text",
    [
        "[bold red]x[/bold red]",
        "[link=https://evil.example]x[/link]",
        ":skull:",
        "[/]",
    ],
)
def test_markup_in_a_students_text_is_shown_and_never_followed(make, text):
    grade = make.failing(None, 1.0, said=text, advice=text, title=text)

    shown = printed(student_view, grade, force_terminal=True, color_system="truecolor")

    assert shown.count(text) == 3
    assert "evil" not in shown or "\x1b]8" not in shown


@pytest.mark.parametrize(
    "text", ["\x1b[2J\x1b[31mgone", "a\x07b", "\x9b31m", "a\u202egnp.b", "a\rb"]
)
def test_no_control_character_of_a_student_reaches_the_terminal(make, text):
    book = make.gradebook(make.failing(None, 1.0, said=text, advice=text))

    shown = printed(student_view, book.grades[0]) + printed(run_table, book)

    assert not any(character in shown for character in "\x1b\x07\x9b\u202e\r")


def test_colour_is_left_out_where_it_is_not_wanted(book, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    assert "\x1b[3" not in printed(student_view, book.grades[0], force_terminal=True)


def test_a_notebook_that_could_not_be_graded_says_that_it_is_not_a_zero(book):
    broken = next(grade for grade in book.grades if grade.student == "R13940022")

    assert "This is not a zero: a person has to look." in printed(check_view, broken.notebooks[0])


def test_an_empty_class_prints_nothing_but_does_print(make):
    assert printed(run_table, make.gradebook()) == ""


def decided(outcome="failed", earned=0.0, possible=2.0, **given):
    return Decision(outcome, earned, possible, **given)


def test_a_comparison_says_whose_points_changed_and_why():
    axis, right = decided(misconception="axis;scaled"), decided("passed", 2.0)
    claims = (
        ClaimChange("it is right", axis, right),
        ClaimChange("it was asked", decided("passed", 1.0, 1.0), None),
        ClaimChange("it is asked now", None, decided("failed", 0.0, 1.0)),
        ClaimChange("it is told otherwise", decided(advice="a"), decided(advice="b")),
    )
    more = QuestionChange("colab1", "softmax", axis, decided("partial", 2.0, 4.0), claims)
    gone = QuestionChange("colab1", "qkv", decided(earned=None), None, ())
    words = QuestionChange(
        "colab2",
        "heads",
        decided(),
        decided("raised", misconception="swapped"),
        (ClaimChange("c", decided(), decided("raised", advice="b")),),
    )
    found = Comparison(
        (Setting("seed", "1", "2"), Setting("tolerance of softmax", "", "0.1 + 0")),
        (StudentChange("R1", "學生甲", 70.5, None, (more, gone)),),
        (
            StudentChange("R1", "學生甲", 70.5, None, (words,)),
            StudentChange("R2", "", 1, 1, (words,)),
        ),
        ("R3",),
        ("R4",),
    )

    assert printed(comparison_view, found) == (
        "  seed                          1 → 2\n"
        "  tolerance of softmax          – → 0.1 + 0\n"
        "\n"
        "R1 學生甲                                                               70.5 → ?\n"
        "  colab1.softmax  failed → partial, 0 of 2 → 2 of 4\n"
        "    recognised: axis; scaled → nothing\n"
        "    it is right: failed → passed, 0 of 2 → 2 of 2\n"
        "    it was asked: no longer there: passed, 1 of 1\n"
        "    it is asked now: new: failed, 0 of 1\n"
        "  colab1.qkv  no longer there: failed, ? of 2\n"
        "\n"
        "Told otherwise, for the same points\n"
        "  colab2.heads                  recognised: nothing → swapped; failed → raised;\n"
        "                                c: failed → raised; other advice (R1, R2)\n"
        "\n"
        "In the later run only: R3\n"
        "\n"
        "In the earlier run only: R4\n"
        "\n"
        "3 students have other points.\n"
    )


def test_a_comparison_of_the_same_is_one_line():
    nothing = Comparison((), (), (), (), ())
    assert printed(comparison_view, nothing) == "Every student has the same points.\n"
    quietly = partial(comparison_view, quiet=True)
    more = Comparison((Setting("seed", "1", "2"),), (), (), ("R3",), ())
    assert printed(quietly, more) == "1 student has other points.\n"


def test_the_flag_of_almost_everybody_comes_last(make):
    said = ("lateness_not_checked", "similar_code")
    grades = [make.grade(student="R1", flags=said), make.grade(student="R2", flags=said[:1]),
              make.grade(student="R3")]  # fmt: skip

    table = printed(run_table, make.gradebook(*grades), width=100)

    assert "similar code; lateness not checked" in table
