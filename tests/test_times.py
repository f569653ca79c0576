"""Times as people and systems write them, to instants."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.times import end, instant, said

DUE = datetime(2024, 12, 10, 15, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2024-12-10T23:59:59+08:00",
        "2024-12-10T15:59:59Z",
        "2024-12-10T15:59:59.999Z",
        "2024-12-10t16:59:59 +0100",
        "2024-12-10 23:59:59",
        " 2024/12/10 23:59:59 ",
        "2024.12.10 23:59:59",
    ],
)
def test_a_time_is_one_instant_however_it_is_written(text):
    assert instant(text) == end(text) == DUE


@pytest.mark.parametrize("text", ["2024-12-10 23:59", "2024-12-10", "2024-12-10T23:59+08:00"])
def test_a_deadline_includes_the_whole_of_what_it_names(text):
    assert end(text) == DUE


def test_a_moment_of_a_minute_is_its_beginning():
    assert instant("2024/1/2 3:04") == datetime(2024, 1, 1, 19, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "tomorrow", "10.12.2024", "2024-13-01 10:00", "2024-12-10 24:00", "2024-12-10 23:59:60",
     "\u0662024-12-10 10:00", "2024-12-10 10:00 PM", "2024-12-10 10",
     "2024-02-30 10:00", "2024-12-10 10:00+24:00", "0001-01-01 00:00"],
)  # fmt: skip
def test_what_is_no_time_is_refused_by_its_own_words(text):
    for read in (instant, end):
        with pytest.raises(ValueError, match="is no time, as in 2024") as raised:
            read(text)
        assert repr(text) in str(raised.value)


def test_the_last_second_of_all_is_a_deadline():
    assert end("9999-12-31T23:59:59Z") == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_a_day_is_no_moment():
    with pytest.raises(ValueError, match="is a day without a time"):
        instant("2024-12-10")


def test_people_are_told_taipeis_time():
    assert said(DUE) == "2024-12-10 23:59:59 Taipei"


@given(st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.timezones()))
def test_an_instant_is_kept_whatever_the_offset(when):
    whole = when.astimezone(UTC).replace(microsecond=0)

    assert instant(whole.isoformat()) == end(whole.isoformat()) == whole
    assert instant(whole.strftime("%Y-%m-%dT%H:%M:%SZ")) == whole
