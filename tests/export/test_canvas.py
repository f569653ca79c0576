"""Proves that Canvas's own rules take the points to the right students, and touch nobody else."""

import csv
import io
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import UsageError
from grader.export import canvas, standing
from grader.export.people import People
from grader.ingest import rosters, tables
from grader.model import Enrolled, FileNote, Outcome
from tests.export.canvas_rules import Course, Person, RefusedByCanvas
from tests.report.conftest import Maker

MAKE = Maker()
NUMBER = "4321"
COLUMN = canvas.Column(NUMBER, "colab1")
EXPORTED = """\
Student,ID,SIS Login ID,Section,week14 colab1 (4321),week14 colab2 (4322)
,,,,Manual Posting,
"    Points Possible",,,,100.00,100.00
王小明,10001,r13940001,生成式人工智慧 (EE5184),87.50,N/A
李小華,10002,b10901027@x.example,生成式人工智慧 (EE5184),,
"Student, Test",99,abc,S,,
"""


def graded(student, earned, possible=30.0, name=""):
    """A student whose colab1 has these points; None: a person has to look first."""
    outcome = Outcome.NEEDS_REVIEW if earned is None else Outcome.PARTIAL
    question = MAKE.question("softmax", earned=earned, possible=possible, outcome=outcome)
    return MAKE.grade(MAKE.notebook("colab1", question), student=student, name=name)


@pytest.fixture
def fill(tmp_path):
    """From a gradebook as Canvas exports it, and grades, to what was filled in."""

    def filled(exported, *grades, files=(), enrolled=(), column=COLUMN):
        place = tmp_path / "exported.csv"
        place.write_bytes(exported if isinstance(exported, bytes) else exported.encode())
        export = canvas.Export(tables.sheet(place))
        found = standing.standings(MAKE.gradebook(*grades), column.part)
        return canvas.filled(export, column, found, People(files, enrolled))

    return filled


def test_only_who_has_other_points_stands_in_the_file(fill):
    filled = fill(EXPORTED, graded("R13940001", 26.25), graded("B10901027", 28.5))

    assert filled.data == (
        b"Student,ID,SIS Login ID,Section,colab1 (4321)\n"
        b"B10901027,10002,b10901027@x.example,,95.00\n"
    )
    assert (filled.written, filled.unchanged) == (1, 1)


def test_what_is_undecided_is_left_out_and_no_zero(fill):
    filled = fill(EXPORTED, graded("R13940001", None), graded("B10901027", 0.0))

    assert filled.data.splitlines()[1:] == [b"B10901027,10002,b10901027@x.example,,0.00"]


def test_the_whole_is_handed_on_only_when_every_notebook_is_decided(fill):
    half = MAKE.grade(
        MAKE.notebook("colab1", MAKE.question(earned=3.0, possible=4.0)),
        MAKE.notebook("colab2", outcome=Outcome.ERROR, problem="cut short"),
        student="R13940001",
    )
    whole = MAKE.grade(
        MAKE.notebook("colab1", MAKE.question(earned=3.0, possible=4.0)),
        MAKE.notebook("colab2", MAKE.question(earned=0.0, possible=8.0)),
        student="B10901027",
    )

    filled = fill(EXPORTED, half, whole, column=canvas.Column(NUMBER, "total"))

    assert filled.data.splitlines()[1:] == [b"B10901027,10002,b10901027@x.example,,25.00"]
    found = standing.standings(MAKE.gradebook(half), "total")
    assert standing.undecided(found) == ["R13940001: colab2 could not be graded (cut short)"]


def test_a_notebook_of_which_none_was_graded_is_not_meant_to_be_zero():
    absent = MAKE.absent("colab2", MAKE.question())
    book = MAKE.gradebook(
        MAKE.grade(MAKE.notebook("colab1"), absent),
        MAKE.grade(MAKE.absent("colab1", MAKE.question()), absent),
        # a text typed into the LMS may stand for any of them
        MAKE.grade(
            MAKE.notebook("colab1", outcome=Outcome.ERROR),
            MAKE.notebook("colab2", outcome=Outcome.ERROR),
        ),
    )

    assert standing.graded(book) == ["colab1"]
    assert standing.parts(book) == ["colab1", "colab2", "total"]


@pytest.mark.parametrize(
    "current, stays",
    [
        ("EX", "is excused"),
        ("ex", "is excused"),
        ("N/A", "has not got this assignment"),
        ("B+", "no number"),
    ],
)
def test_who_is_excused_or_marked_otherwise_keeps_that(fill, current, stays):
    filled = fill(EXPORTED.replace("87.50", current), graded("R13940001", 30.0))

    assert filled.written == 0
    (line,) = filled.kept
    assert line.startswith("R13940001: ") and stays in line


@pytest.mark.parametrize("current", ["87.5", "87,50", "87.50%", " 87.500 ", f"87.50{'0' * 15}"])
def test_a_score_is_the_same_however_it_is_written(fill, current):
    exported = EXPORTED.replace("87.50", f'"{current}"')

    assert fill(exported, graded("R13940001", 26.25)).unchanged == 1


@pytest.mark.parametrize("current", ["", "-", "87.51", "0"])
def test_a_score_that_is_not_there_or_another_is_written(fill, current):
    assert fill(EXPORTED.replace("87.50", current), graded("R13940001", 26.25)).written == 1


@pytest.mark.parametrize(
    "possible, points",
    [("1,000.00", "875.00"), ("1.000,00", "875.00"), ("12,5", "10.94"), ("", "26.25")],
)
def test_points_are_scaled_to_what_canvas_says_however_it_writes_it(fill, possible, points):
    exported = EXPORTED.replace("100.00,100.00", f'"{possible}",100.00')

    filled = fill(exported, graded("R13940001", 26.25))

    assert filled.data.decode().endswith(f",{points}\n")
    assert filled.scaled is bool(possible)


def test_an_account_in_a_files_name_finds_a_row_without_a_known_login(fill):
    note = FileNote("x", "graded", student="R13940099", user="10001", dialect="canvas")

    filled = fill(EXPORTED, graded("R13940099", 30.0), files=[note])

    assert filled.data.splitlines()[1:] == [b"R13940099,10001,r13940001,,100.00"]


def test_the_account_of_a_group_or_of_two_students_tells_nothing(fill):
    group = FileNote("x", "graded", student="R1", user="10001", dialect="group")
    both = [
        FileNote("x", "graded", student=who, user="10001", dialect="canvas") for who in ("R1", "R2")
    ]

    for files in ([group], both):
        with pytest.raises(UsageError, match="R1 is not in it"):
            fill(EXPORTED, graded("R1", 30.0), files=files)


def test_another_id_on_the_roster_finds_the_row(fill):
    known = Enrolled("D1", ids=("D1", "R13940001"))

    assert fill(EXPORTED, graded("D1", 30.0), enrolled=[known]).written == 1


@pytest.mark.parametrize(
    "login, said",
    [
        ("=r13940001", "looks like a formula: '=r13940001'"),
        ("@r13940001", "is not in it"),
        ("r13940001@學校", "is not plain ASCII"),
    ],
)
def test_an_id_that_cannot_be_given_back_as_it_is_is_refused_not_changed(fill, login, said):
    note = FileNote("x", "graded", student="=R13940001", user="10001", dialect="ntu_cool")
    who = "=R13940001" if login.startswith("=") else "R13940001"

    with pytest.raises(UsageError, match=said):
        fill(EXPORTED.replace("r13940001", login), graded(who, 30.0), files=[note])


def test_who_is_not_in_it_is_listed_and_nothing_is_filled(fill):
    with pytest.raises(UsageError) as raised:
        fill(EXPORTED, graded("R13940001", 30.0), graded("R7", 1.0), graded("R8", None))

    assert "R7 is not in it" in str(raised.value)
    assert "--leave-out" in str(raised.value)
    assert "R8" not in str(raised.value)


def test_rows_that_two_ids_lead_to_are_refused(fill):
    note = FileNote("x", "graded", student="R13940001", user="10002", dialect="canvas")

    with pytest.raises(UsageError, match="R13940001 may be several rows: line 4, line 5"):
        fill(EXPORTED, graded("R13940001", 30.0), files=[note])
    known = [Enrolled("A", ids=("A", "R13940001")), Enrolled("B", ids=("B", "R13940001"))]
    with pytest.raises(UsageError, match="B is the same row as A: line 4"):
        fill(EXPORTED, graded("A", 30.0), graded("B", 30.0), enrolled=known)


@pytest.mark.parametrize(
    "exported, said",
    [
        ("Name,Points\nx,1\n", "is no gradebook of Canvas's"),
        (EXPORTED.replace("(4321)", "(1)"), "no assignment with the number 4321\nits assignments"),
        (EXPORTED.replace("100.00,100", "(read only),100"), "is read only in Canvas"),
        (EXPORTED.replace("100.00,100", "0.00,100"), "colab1 (4321) is out of '0.00' points"),
        (EXPORTED.replace("100.00,100", "-,100"), "colab1 (4321) is out of '-' points in Canvas"),
    ],
    ids=["another table", "another assignment", "read only", "no points", "no number"],
)
def test_a_file_that_cannot_be_filled_is_refused(fill, exported, said):
    with pytest.raises(UsageError) as raised:
        fill(exported, graded("R13940001", 30.0))

    assert said in str(raised.value)


def columns(headings, tmp_path, parts=("colab1", "colab2")):
    (tmp_path / "e.csv").write_text(f"Student,ID,Section,{headings}\nx,1,S\n", "utf-8")
    return canvas.Export(tables.sheet(tmp_path / "e.csv")).columns(parts)


def test_titles_tell_which_notebook_a_column_is_of(tmp_path):
    found = columns("Notes,HW10 第二題 Colab_2 (7),colab1 (8),colab1,colab12 (9)", tmp_path)

    assert found == [canvas.Column("8", "colab1"), canvas.Column("7", "colab2")]


@pytest.mark.parametrize(
    "headings, said",
    [
        ("colab1 (7),colab1 again (8)", "2 columns are of colab1: choose one"),
        ("week14 (7)", "say it, as in\n  --column 4321=colab1\nits assignments are\n  7: week14"),
    ],
)
def test_titles_that_do_not_tell_are_left_to_a_person(tmp_path, headings, said):
    with pytest.raises(UsageError) as raised:
        columns(headings, tmp_path)

    assert said in str(raised.value)


def test_without_canvas_s_export_the_names_of_files_tell_the_accounts():
    files = [FileNote("x", "graded", student="R1", user="10001", dialect="ntu_cool")]
    enrolled = [Enrolled("R2", user="10002")]
    found = standing.standings(MAKE.gradebook(graded("R1", 26.0), graded("R2", 0.0)), "colab1")

    filled = canvas.without_export(COLUMN, found, People(files, enrolled))

    assert filled.data == b"Student,ID,Section,colab1 (4321)\nR1,10001,,26.00\nR2,10002,,0.00\n"


@pytest.mark.parametrize(
    "users, said",
    [
        ([], "R1 has no account that is known for certain: no file's name tells it"),
        (["1", "2"], "handed in by 1, 2"),
        (["=1"], "no number of Canvas's"),
        (["１"], "no number of Canvas's"),
    ],
)
def test_without_canvas_s_export_an_uncertain_account_is_refused(users, said):
    files = [FileNote("x", "graded", student="R1", user=u, dialect="canvas") for u in users]
    found = standing.standings(MAKE.gradebook(graded("R1", 26.0)), "colab1")

    with pytest.raises(UsageError) as raised:
        canvas.without_export(COLUMN, found, People(files, []))

    assert said in str(raised.value)


# the model of Canvas's rules, and every file of ours read by it -----------------------------------


def course(people, exported_score="87.50"):
    return Course(people, {NUMBER: ("week14 colab1", 100.0)}, {(NUMBER, "10001"): exported_score})


ONE = [Person("10001", "王小明", "r13940001")]


@pytest.mark.parametrize(
    "data, ntu_cool",
    [
        (b"\xef\xbb\xbfStudent,ID,Section,c (4321)\n,10001,,1\n", True),
        ("Student,ID,Section,小考 (1)\n,10001,,1\n".encode(), True),
        (b"ID,Student,Section,c (4321)\n10001,,,1\n", False),
        (b"Student,ID,SIS User ID,Section,c (4321)\n,10001,,,1\n", False),
        (b"Student,ID,Section,c (4321)\n,5,,1\n", False),
    ],
    ids=["byte order mark", "new assignment", "header", "order of ids", "nobody"],
)
def test_the_model_refuses_what_canvas_refuses(data, ntu_cool):
    with pytest.raises(RefusedByCanvas):
        course(ONE).changed_by(data, ntu_cool)


def test_the_model_takes_an_empty_cell_over_a_score_for_a_change():
    emptied = b"Student,ID,Section,c (4321)\n,10001,,\n"

    assert course(ONE).changed_by(emptied) == {(NUMBER, "10001"): ""}


LETTERS = string.ascii_lowercase + string.digits
WORDS = st.text("abcXYZ王小明李華 ,;\"'._-()=@+#", max_size=8)
SCORES = st.sampled_from(["", "-", "EX", "N/A", "87.50", "0.00", "33,33", "100.00"])


@st.composite
def classes(draw):
    """People with their grades (None: undecided) and the scores that Canvas has."""
    logins = draw(st.lists(st.text(LETTERS, min_size=3, max_size=9), unique=True, max_size=6))
    logins = [login for login in logins if not login.isdigit()]
    people, grades, scores = [], {}, {}
    for user, login in enumerate(logins, 10001):
        mail = draw(st.sampled_from([login, f"{login}@x.example", login.upper()]))
        people.append(Person(str(user), draw(WORDS), mail, f"s{user}"))
        scores[NUMBER, str(user)] = draw(SCORES)
        if draw(st.booleans()):
            grades[str(user)] = draw(
                st.none() | st.floats(0, 30).map(lambda points: round(points, 2))
            )
    return people, grades, scores


@st.composite
def exports(draw, people, scores, possible):
    """The gradebook of such a course as Canvas or NTU COOL writes it."""
    sis, split, notes, posted = (draw(st.booleans()) for _ in range(4))
    separator, mark = draw(st.sampled_from(",;")), draw(st.booleans())
    ids = ["ID", *(["SIS User ID"] if sis else []), "SIS Login ID"]
    student = ["LastName", "FirstName"] if split else ["Student"]
    extra = ["Notes"] if notes else []
    rows = [[*student, *ids, "Section", *extra, "週14, colab1 (4321)", "colab2 (4322)"]]
    blank = [""] * (len(ids) + 1 + len(extra))
    if posted:
        rows.append([""] * (len(student)) + [*blank, "Manual Posting", ""])
    rows.append(["    Points Possible", *student[1:], *blank, f"{possible:.2f}", "100.00"])
    for person in people:
        named = person.name if not person.name.startswith("=") else f'="{person.name}"'
        rows.append(
            [
                *(["x", named] if split else [named]),
                person.user,
                *([person.sis] if sis else []),
                person.login,
                "生成式, and more",
                *(["=1+1"] if notes else []),
                scores[NUMBER, person.user],
                "55.00",
            ]
        )
    rows.append(["Student, Test", *student[1:], "99", *blank[1:], "", ""])
    written = io.StringIO()
    csv.writer(written, delimiter=separator, lineterminator="\n").writerows(rows)
    return written.getvalue().encode("utf-8-sig" if mark else "utf-8")


@given(st.data(), classes(), st.sampled_from([30.0, 100.0, 7.5]))
def test_canvas_gives_the_points_that_were_meant_and_touches_nobody_else(
    tmp_path_factory, data, drawn, possible
):
    people, grades, scores = drawn
    place = tmp_path_factory.mktemp("exported") / "exported.csv"
    place.write_bytes(data.draw(exports(people, scores, possible)))
    by_user = {person.user: person for person in people}
    book = MAKE.gradebook(
        *(
            graded(rosters.ids_of(by_user[user].login)[0], points, name=by_user[user].name)
            for user, points in grades.items()
        )
    )
    found = standing.standings(book, "colab1")

    filled = canvas.filled(canvas.Export(tables.sheet(place)), COLUMN, found, People((), ()))

    assert filled.data.isascii()
    canvas_has = Course(people, {NUMBER: ("週14, colab1", possible)}, dict(scores))
    for ntu_cool in (True, False):
        changes = canvas_has.changed_by(filled.data, ntu_cool)
        meant = {
            (NUMBER, user): f"{points / 30 * possible:.2f}"
            for user, points in grades.items()
            if points is not None and scores[NUMBER, user] not in ("EX", "N/A")
        }
        assert {**before(scores), **changes} == {**before(scores), **meant}
    assert filled.written == len(changes)


def before(scores):
    """The scores as numbers of two decimals, as far as there are any."""
    found = {who: score.replace(",", ".") for who, score in scores.items()}
    return {who: score for who, score in found.items() if score not in ("", "-")}
