"""What Canvas or a person says of when things were handed in."""

import json

import pytest

from grader.errors import UsageError
from grader.ingest.arrivals import read
from grader.ingest.rosters import Roster
from grader.model import Arrival, Enrolled
from tests.ingest.test_submissions import ASSIGNMENT

AT = "2024-12-10T15:00:00+00:00"
ROSTER = Roster([Enrolled("R1", "甲", "101", ("R1",))])


def came(tmp_path, said, roster=ROSTER):
    place = tmp_path / "times"
    place.write_text(said if isinstance(said, str) else json.dumps(said), encoding="utf-8")
    return list(read(place, ASSIGNMENT, roster))


def submission(**given):
    return {"user_id": 101, "submitted_at": "2024-12-10T15:00:00Z", "late": False} | given


@pytest.mark.parametrize(
    "given, expected",
    [
        (submission(), [Arrival("R1", "101", at=AT)]),
        (
            submission(attachments=[{"id": 501, "display_name": "R1_week14_colab2.ipynb"}]),
            [Arrival("R1", "101", "501", "colab2", AT)],
        ),
        (
            submission(attachments=[{"id": 501, "filename": "colab3.ipynb"}, {"id": 502}]),
            [Arrival("R1", "101", "501", "colab3", AT), Arrival("R1", "101", "502", "", AT)],
        ),
        (submission(user_id=102), [Arrival("", "102", at=AT)]),
        (
            submission(user_id=102, user={"login_id": "r2@ntu.edu.tw"}),
            [Arrival("R2", "102", at=AT)],
        ),
        (
            submission(user_id=102, user={"sis_user_id": "r3", "login_id": "r2"}),
            [Arrival("R3", "102", at=AT)],
        ),
        (submission(submitted_at=None), []),
        (submission(submitted_at=None, late=True), [Arrival("R1", "101", late=True)]),
        (submission(late=True), [Arrival("R1", "101", at=AT, late=True)]),
        (
            {"anonymous_id": "aB3x9", "submitted_at": "2024-12-10T15:00:00Z"},
            [Arrival("", "aB3x9", at=AT)],
        ),
        (
            submission(submission_history=[submission(attachments=[{"id": 400}])]),
            [Arrival("R1", "101", at=AT), Arrival("R1", "101", "400", at=AT)],
        ),
        ({"user_id": 101, "submissions": [submission()]}, [Arrival("R1", "101", at=AT)]),
    ],
    ids=["bare", "a file", "two files", "unknown", "by login", "by number of the school", "nothing",
         "late alone", "late", "anonymous", "attempts", "grouped"],
)  # fmt: skip
def test_canvas_s_submissions_are_read(tmp_path, given, expected):
    assert came(tmp_path, [given]) == expected
    assert came(tmp_path, given) == expected
    assert came(tmp_path, [[given], []]) == expected  # pages, one after the other


@pytest.mark.parametrize(
    "text, expected",
    [
        ("student_id,submitted_at\nr1,2024-12-10 23:00\n", [Arrival("R1", at=AT)]),
        ("學號,繳交時間\nr1,2024/12/10 23:00:00\n", [Arrival("R1", at=AT)]),
        (
            "student_id,notebook,time\nr1,colab2,2024-12-10 23:00\n",
            [Arrival("R1", notebook="colab2", at=AT)],
        ),
        (
            "student_id,file,time\nr1,R1_week14_colab2_homework.ipynb,2024-12-10T15:00:00Z\n",
            [Arrival("R1", notebook="colab2", at=AT)],
        ),
        ("user_id,time\n101,2024-12-10 23:00\n", [Arrival("R1", "101", at=AT)]),
        ("user_id,time\n102,2024-12-10 23:00\n", [Arrival("", "102", at=AT)]),
        ("student_id,time\nr1,\n", []),
    ],
    ids=["ids", "chinese", "notebook", "file", "account", "unknown account", "no time"],
)
def test_a_table_of_times_is_read(tmp_path, text, expected):
    assert came(tmp_path, text) == expected


@pytest.mark.parametrize(
    "said, error",
    [
        ("[{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ([{"id": 3}], "submission 1: it has no user_id and submitted_at, as Canvas writes them"),
        ([3], "submission 1: it has no user_id"),
        ([submission(), submission(submitted_at="soon")], "submission 2: 'soon' is no time"),
        ("student_id,points\nr1,3\n", "no column of times (columns student id, points)"),
        ("name,time\n甲,2024-12-10 10:00\n", "no column of ids"),
        ("student_id,time\nr1,soon\n", "line 2: 'soon' is no time"),
        ("student_id,time\nr1,2024-12-10\n", "line 2: '2024-12-10' is a day without a time"),
        ("student_id,time\n,2024-12-10 10:00\n", "line 2: a time without an id"),
        (
            "student_id,notebook,time\nr1,colab9,2024-12-10 10:00\n",
            "line 2: 'colab9' is none of the notebooks colab1, colab2, colab3",
        ),
    ],
    ids=["cut", "deep", "no submission", "number", "no time", "no times", "no ids", "word", "day",
         "nobody", "no notebook"],
)  # fmt: skip
def test_what_cannot_be_understood_is_refused_with_its_place(tmp_path, said, error):
    with pytest.raises(UsageError) as caught:
        came(tmp_path, said)

    assert error in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "times"))
