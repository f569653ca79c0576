"""Proves that what a student wrote is read in Markdown as it was written, and does nothing."""

import re
from html import unescape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from grader.export import markdown
from grader.model import CellFailure, Execution, Finding, Found, Lateness, Outcome, Place
from grader.report.wording import visible
from tests.report.conftest import Maker

MAKE = Maker()
READER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
ATTACK = (
    "</code><script>alert(1)</script> [x](javascript:1) ![x](//x.invalid) `$\\href{y}{z}$` | #1"
)
TEXTS = st.text("ab1.-+=#*_`~<>&[]()!|\\$ \n\t:/@\"'{}", max_size=30)


def tags(text):
    return set(re.findall(r"<[^>]*>", READER.render(text)))


def squeezed(text):
    return "".join(visible(text).split())


@given(TEXTS | st.text(max_size=40))
@example("<script>alert(1)</script>")
@example("1. x")
@example("- x")
@example("# x")
@example("&lt;b>")
@example("[a](b) ![a](b) <https://x.invalid>")
def test_a_plain_text_reads_as_itself(text):
    read = READER.render(markdown.plain(text))

    assert set(re.findall(r"<[^>]*>", read)) <= {"<p>", "</p>"}
    shown = unescape(re.sub(r"</?p>", "", read)).replace("\u200b", "")
    assert squeezed(shown) == squeezed(text.replace("\u200b", ""))


@given(TEXTS)
@example("a`b``c")
@example("<script>")
def test_code_is_one_span_without_a_tag(text):
    written = markdown.code(text)

    assert not re.search(r"<[A-Za-z/!?]", written)
    read = READER.render(written)
    if squeezed(text):
        inside = re.fullmatch(r"<p><code>(.*)</code></p>\n", read, re.DOTALL)
        assert inside
        shown = unescape(inside[1]).replace("‹", "<").replace("›", ">")
        assert squeezed(shown) == squeezed(text)


def test_advice_keeps_its_code_and_paragraphs():
    read = READER.render(markdown.prose("Sum over `axis=0`, not 1.\n\n    Divide *then*."))

    assert read == "<p>Sum over <code>axis=0</code>, not 1.</p>\n<p>Divide *then*.</p>\n"


def question(**given):
    shown = MAKE.failing(1.0, 2.0, said=ATTACK).notebooks[0].judgements[0]
    verdict = shown.verdicts[0]
    found = Found("softmax", Place(2, 1), 9, note=ATTACK)
    given.setdefault("finding", Finding(ATTACK))
    return MAKE.question(ATTACK, verdict, found=found, **given)


def test_a_hostile_student_s_notes_hold_nothing_but_our_own_marks():
    failures = (CellFailure(Place(1, 1), ATTACK),)
    record = MAKE.record(execution=Execution(Outcome.RAISED, failures, adapted=(ATTACK,)))
    grade = MAKE.notebook(
        "colab1",
        question(),
        MAKE.question("b", earned=None, finding=Finding(ATTACK)),
        MAKE.text("t"),
        record=record,
        lateness=Lateness.LATE,
        withheld=True,
    )

    said = [markdown.notebook(grade, ATTACK, ATTACK)]
    said += [markdown.question(j, grade) for j in grade.judgements]

    allowed = "p h1 strong em ul li code table thead tbody tr th td".split()
    for text in said:
        assert not re.search(r"<[A-Za-z/!?]", text)
        for tag in tags(text):
            assert re.fullmatch(r"</?(\w+)( style=\"text-align:right\")?>", tag)[1] in allowed, tag
    assert "It was handed in after the deadline" in said[0]


def test_the_report_says_what_each_question_earned_and_where_it_stands():
    grade = MAKE.notebook("colab1", question(), MAKE.text("method"), record=MAKE.record())

    said = markdown.notebook(grade, "HW", "R1")

    assert said.startswith("# colab1: 0* of 8 points\n")
    assert "| ✎ | The method | not yet of 4 |  |" in said
    assert "| cell 2 |" in said
    assert "**✎ The method: not marked yet, 4 points** (a person will look)" in said


@pytest.mark.parametrize("outcome", list(Outcome))
def test_every_outcome_can_be_told(outcome):
    judged = MAKE.question("q", MAKE.verdict(outcome=outcome), outcome=outcome)

    assert "The q: " in markdown.question(judged, MAKE.notebook("colab1", judged))
