"""Proves that Moodle takes the grades that were meant, in whatever language its site is."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import UsageError
from grader.export import moodle, standing
from grader.export.people import People
from grader.ingest import tables
from grader.model import FileNote, Finding, Lateness, Outcome
from tests.report.conftest import Maker

MAKE = Maker()
ENGLISH = (
    "Identifier,Full name,ID number,Email address,Status,Grade,Maximum Grade,"
    "Grade can be changed,Last modified (submission),Last modified (grade),Feedback comments"
)
CHINESE = (
    "識別碼,全名,學號,電子郵件信箱,狀態,成績,最高成績,成績可以修改,最後修改 (作業繳交),"
    "最後修改 (成績),回饋評語"
)
TIME = '"10 December 2024, 10:41 PM"'
ROWS = f"""\
Participant 123456,One,R13940001,jane@example.edu,Submitted for grading,,100.00,Yes,{TIME},-,
Participant 123457,=cmd(),b10901027,x@example.edu,No submission,41.00,100.00,Yes,-,-,"a
b"
"""


def graded(student, earned, possible=30.0):
    outcome = Outcome.NEEDS_REVIEW if earned is None else Outcome.PARTIAL
    question = MAKE.question("softmax", earned=earned, possible=possible, outcome=outcome)
    return MAKE.grade(MAKE.notebook("colab1", question), student=student)


@pytest.fixture
def fill(tmp_path):
    def filled(text, *grades, files=()):
        place = tmp_path / "Grades.csv"
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
        sheet = moodle.Worksheet(tables.sheet(place))
        found = standing.standings(MAKE.gradebook(*grades), "colab1")
        return moodle.filled(sheet, "colab1", found, People(files, ()), files)

    return filled


def cells(data, separator=","):
    text = data.decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))


@pytest.mark.parametrize("headings", [ENGLISH, CHINESE], ids=["English", "Chinese"])
def test_only_the_grades_of_who_has_other_points_change(fill, headings):
    text = f"{headings}\n{ROWS}"

    filled = fill(text, graded("R13940001", 26.25), graded("B10901027", 12.3))

    before, after = cells(text.encode()), cells(filled.data)
    assert after[1][5] == "87.50"
    before[1][5] = "87.50"
    before[1][10] = (
        "<p>colab1: 26.25 of 30 points.</p><ul><li>△ The softmax: 26.25 of 30 points.</li></ul>"
    )
    before[2][1] = "'=cmd()"
    assert after == before
    assert (filled.written, filled.unchanged) == (1, 1)


def test_a_comment_says_what_was_seen_and_holds_nothing_but_our_own_tags(fill):
    finding = Finding("Use `axis=0`,\n    not <b>axis=1</b> & co.")
    question = MAKE.question("softmax", earned=2.0, possible=10.0, finding=finding)
    text = MAKE.text("method", earned=None)
    late = MAKE.notebook("colab1", question, text, lateness=Lateness.LATE, withheld=True)

    filled = fill(f"{ENGLISH}\n{ROWS}", MAKE.grade(late, student="R13940001"))

    assert cells(filled.data)[1][10] == (
        "<p>colab1: 0 of 14 points. It was handed in after the deadline, so none of its points "
        "count; in time it would have earned 2.</p>"
        "<ul><li>△ The softmax: 2 of 10 points. Use `axis=0`, not &lt;b&gt;axis=1&lt;/b&gt; &amp; "
        "co.</li><li>✎ The method: not marked yet, 4 points.</li></ul>"
    )


def test_comments_are_written_only_where_there_is_room_for_them(fill):
    """Without comments, the last column says when a grade was last modified."""
    bare = ENGLISH.removesuffix(",Feedback comments")
    rows = ROWS.replace(f"{TIME},-,", f"{TIME},-").replace('-,-,"a\nb"', "-,-")
    whole = ROWS.replace(f"{TIME},-,", f"{TIME},-,mine")
    absent = MAKE.grade(MAKE.absent("colab1", MAKE.question("q")), student="R13940001")

    for headings, people, last in ((bare, rows, "-"), (ENGLISH, whole, "mine")):
        assert cells(fill(f"{headings}\n{people}", absent).data)[1][-1] == last
    said = "<p>colab1: 0 of 2 points. It was not handed in.</p>"
    assert cells(fill(f"{ENGLISH}\n{ROWS}", absent).data)[1][-1] == said


def test_what_is_undecided_keeps_its_cell_and_is_no_zero(fill):
    filled = fill(f"{ENGLISH}\n{ROWS}", graded("R13940001", None), graded("B10901027", None))

    assert [row[5] for row in cells(filled.data)[1:]] == ["", "41.00"]


def test_the_number_in_the_name_that_moodle_gave_finds_the_participant(fill):
    text = (
        "Identificador,Estado,Calificación,Calificación máxima,Se puede modificar\n"
        'Participante 7,Enviado,,"20,00",Sí\nParticipante 8,Enviado,,"20,00",Sí\n'
    )
    files = [
        FileNote("x", "graded", student="R1", notebook="colab1", user="8", dialect="moodle"),
        FileNote("y", "graded", student="R1", notebook="colab2", user="7", dialect="moodle"),
        FileNote("z", "graded", student="R1", notebook="colab1", user="7", dialect="canvas"),
    ]  # fmt: skip

    filled = fill(text.replace(",", ";").replace("20;00", "20,00"), graded("R1", 15.0), files=files)

    assert [row[2] for row in cells(filled.data, ";")] == ["Calificación", "", "10,00"]


def test_who_is_not_in_it_is_listed_and_nothing_is_filled(fill):
    with pytest.raises(UsageError) as raised:
        fill(f"{ENGLISH}\n{ROWS}", graded("R13940001", 3.0), graded("R7", 3.0), graded("R8", None))

    assert "R7 is not in it" in str(raised.value)
    assert "R8" not in str(raised.value)


def test_a_participant_that_looks_like_a_formula_is_refused(fill):
    with pytest.raises(UsageError, match="looks like a formula"):
        fill(f"{ENGLISH}\n{ROWS}".replace("Participant 123456", "=1"), graded("R13940001", 3.0))


@pytest.mark.parametrize(
    "text",
    [
        "Name,Points\nx,1\n",
        f"{ENGLISH}\n",
        f"{ENGLISH}\n{ROWS}".replace("Participant 123456", "Somebody"),
        f"{ENGLISH}\n{ROWS}".replace("100.00,Yes,-", "50.00,Yes,-"),
    ],
    ids=["another table", "nobody", "no participant", "two maxima"],
)
def test_what_is_no_worksheet_is_refused(fill, text):
    with pytest.raises(UsageError, match="no grading worksheet of Moodle's"):
        fill(text, graded("R13940001", 3.0))


def imported(data, before, separator):
    """What Moodle's import changes, by its own rules: from participants to grades.

    Written from the rules alone.  A row with an empty or the same grade is skipped.
    """
    changed = {}
    for row in cells(data, separator)[1:]:
        number = row[0].rpartition(" ")[2]
        grade = row[-4].replace(",", ".")
        if grade and f"{float(grade):.2f}" != before[number]:
            assert 0 <= float(grade) <= float(row[-3].replace(",", "."))
            changed[number] = f"{float(grade):.2f}"
    return changed


GRADES = st.none() | st.floats(0, 30).map(lambda points: round(points, 2))


@given(
    st.lists(st.tuples(GRADES, st.sampled_from(["", "41.00", "0.00", "100.00"])), min_size=1),
    st.sampled_from([100.0, 7.5]),
    st.sampled_from(",;"),
    st.booleans(),
    st.booleans(),
)
def test_moodle_gives_the_grades_that_were_meant_and_touches_nobody_else(
    tmp_path_factory, drawn, most, separator, decimal_comma, with_ids
):
    def number(value):
        return value.replace(".", ",") if decimal_comma else value

    rows, files, book, before, meant = [], [], [], {}, {}
    for i, (points, now) in enumerate(drawn):
        now = "" if now and float(now) > most else now  # noqa: PLW2901
        ids = [f"r{i}", "a@x.example"] if with_ids else []
        rows.append([f"參與者 {100 + i}", "王", *ids, "已繳交", number(now),
                     number(f"{most:.2f}"), "是", "-"])  # fmt: skip
        files.append(FileNote("x", "graded", student=f"R{i}", notebook="colab1",
                              user=str(100 + i), dialect="moodle"))  # fmt: skip
        book.append(graded(f"R{i}", points))
        before[str(100 + i)] = now
        if points is not None:
            meant[str(100 + i)] = f"{points / 30 * most:.2f}"
    place = tmp_path_factory.mktemp("moodle") / "w.csv"
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator)
    writer.writerows([[f"c{i}" for i in range(len(rows[0]))], *rows])
    place.write_text(written.getvalue(), "utf-8")
    found = standing.standings(MAKE.gradebook(*book), "colab1")

    filled = moodle.filled(
        moodle.Worksheet(tables.sheet(place)), "colab1", found, People((), ()), files
    )

    changed = imported(filled.data, before, separator)
    assert {**before, **changed} == {**before, **meant}
