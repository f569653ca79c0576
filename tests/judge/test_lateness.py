"""Late is what is known to be late; what nobody dated is never on time."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.grade.gradebook import LATENESS_NOT_CHECKED, grades, needs_person
from grader.grade.lateness import Arrivals, Policy, dated
from grader.model import Arrival, FileNote, Judgement, Lateness, NotebookGrade, Outcome
from grader.times import end

DUE = end("2024-12-10T23:59:59+08:00")
NOTE = FileNote("x.ipynb", "graded", "ab", "R1", "colab1")
SENT = FileNote("x.ipynb", "graded", "ab", "R1", "colab1", user="101", attachment="501")


def graded(earned=7.5, outcome=Outcome.PASSED, question=Outcome.PARTIAL):
    judgement = Judgement("q", "Q", question, earned, 10, ())
    return NotebookGrade("colab1", outcome, (judgement,))


ABSENT = NotebookGrade(
    "colab1", Outcome.MISSING, (Judgement("q", "Q", Outcome.MISSING, 0.0, 10, ()),)
)


def lateness(note, *arrivals, deadline=DUE, **policy):
    return dated(graded(), note, Arrivals(arrivals), Policy(deadline, **policy)).lateness


def at(seconds, **given):
    return Arrival(at=(DUE + timedelta(seconds=seconds)).isoformat(), **given)


@pytest.mark.parametrize(
    "seconds, expected",
    [(-1, Lateness.ON_TIME), (0, Lateness.ON_TIME), (1, Lateness.LATE), (86400, Lateness.LATE)],
)
def test_the_deadline_is_inclusive(seconds, expected):
    assert lateness(NOTE, at(seconds, student="R1")) is expected


@pytest.mark.parametrize(
    "note, arrivals",
    [
        (SENT, [at(1, attachment="501"), at(-1, user="101"), at(-1, student="R1")]),
        (SENT, [at(1, user="101", notebook="colab1"), at(-1, user="101")]),
        (SENT, [at(1, student="R1")]),
        (NOTE, [at(1, student="R1", notebook="colab1"), at(-1, student="R1", notebook="colab2")]),
        (NOTE, [at(1, student="R1", attachment="501", notebook="colab1")]),
        (NOTE, [at(1, student="R1"), at(1, student="R1")]),
        (NOTE, [at(-1, student="R1", notebook="colab1"), at(1, student="R1", notebook="colab1")]),
    ],
    ids=["number of the file", "account and notebook", "student", "notebook", "same name",
         "one time for all", "the latest of several"],
)  # fmt: skip
def test_a_file_is_found_by_what_is_known_best_of_it(note, arrivals):
    assert lateness(note, *arrivals) is Lateness.LATE
    assert lateness(note, *reversed(arrivals)) is Lateness.LATE


@pytest.mark.parametrize(
    "note, arrivals",
    [
        (NOTE, []),
        (NOTE, [at(1, student="R2")]),
        (NOTE, [at(1, student="R1", notebook="colab2")]),
        (NOTE, [at(-1, student="R1"), at(1, student="R1")]),
        (SENT, [at(1, student="R1", user="101", attachment="999")]),
        (NOTE, [at(1, user="")]),
    ],
    ids=["nothing", "somebody else", "another notebook", "two times", "another file", "nobody"],
)
def test_what_nobody_dated_is_not_checked_and_never_on_time(note, arrivals):
    assert lateness(note, *arrivals) is Lateness.NOT_CHECKED


def test_without_a_deadline_nothing_is_checked():
    assert lateness(NOTE, at(1, student="R1"), deadline=None) is Lateness.NOT_CHECKED


@pytest.mark.parametrize("note", [FileNote("x", "graded", "", "R1", "colab1", late=True), NOTE])
def test_the_lms_s_mark_counts_where_no_time_is_known(note):
    said = () if note.late else (Arrival("R1", late=True),)

    assert lateness(note, *said) is Lateness.LATE
    # the LMS knows nothing of the course's own extensions, and a time is better than a mark
    assert lateness(note, *said, extensions={"R1": DUE}) is Lateness.NOT_CHECKED
    assert lateness(note, at(-1, student="R1", late=True)) is Lateness.ON_TIME


def test_an_extension_is_one_students_own_deadline():
    longer = {"R1": DUE + timedelta(days=2)}

    assert lateness(NOTE, at(86400, student="R1"), extensions=longer) is Lateness.ON_TIME
    assert lateness(NOTE, at(2 * 86400 + 1, student="R1"), extensions=longer) is Lateness.LATE
    assert lateness(NOTE, at(1, student="R1"), extensions={"R2": longer["R1"]}) is Lateness.LATE


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_whoever_comes_earlier_is_never_later(one, two):
    first, second = sorted([one, two])
    if lateness(NOTE, at(second, student="R1")) is Lateness.ON_TIME:
        assert lateness(NOTE, at(first, student="R1")) is Lateness.ON_TIME


def late(grade, **policy):
    return dated(grade, NOTE, Arrivals([at(1, student="R1")]), Policy(DUE, **policy))


def row(grade):
    (made,) = grades({("R1", "colab1"): grade}, ["colab1"], {"colab1": ABSENT})
    return made


def test_late_work_earns_nothing_and_what_it_would_have_earned_is_kept():
    grade = late(graded())
    made = row(grade)

    assert (grade.earned, grade.worth, grade.judgements[0].earned) == (0, 7.5, 7.5)
    assert (made.total, made.status, made.flags) == (0, "late", ("colab1_late",))


def test_late_work_may_be_flagged_only():
    made = row(late(graded(), zero=False))

    assert (made.total, made.status, made.flags) == (7.5, "late", ("colab1_late",))


def test_an_unreadable_file_is_never_a_zero_however_late():
    grade = late(graded(None, Outcome.ERROR))

    assert (grade.earned, grade.needs_person) == (None, True)
    assert row(grade).status == "needs_person"


def test_what_is_no_one_file_is_not_checked():
    grade = graded(None, Outcome.ERROR)

    assert dated(grade, None, Arrivals([at(1, student="R1")]), Policy(DUE)) == grade


def test_nobody_has_to_decide_what_is_withheld():
    grade = graded(None, question=Outcome.NEEDS_REVIEW)

    assert needs_person([row(grade)], [])
    assert not needs_person([row(late(grade))], [])
    assert needs_person([row(late(grade, zero=False))], [])


def test_who_handed_in_nothing_is_missing_and_not_unchecked():
    arrivals, policy = Arrivals([at(1, student="R1")]), Policy(DUE)
    made = row(dated(ABSENT, None, arrivals, policy))

    assert (made.status, made.flags) == ("missing", ())


def test_what_is_not_checked_is_flagged_and_what_is_on_time_is_not():
    on_time = dated(graded(), NOTE, Arrivals([at(0, student="R1")]), Policy(DUE))

    assert row(graded()).flags == (LATENESS_NOT_CHECKED,)
    assert (row(on_time).flags, row(on_time).status) == ((), "graded")
