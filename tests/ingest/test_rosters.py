"""Tables of students as LMSs and people write them, to who is enrolled."""

import pytest

from grader.errors import UsageError
from grader.ingest.rosters import Roster, nearest, read
from grader.model import Enrolled

CANVAS = """\
Student,ID,SIS User ID,SIS Login ID,Section,week14 colab1 (4321),Current Score
,,,,,Manual Posting,
"    Points Possible",,,,,100.00,(read only)
"Wang, Xiaoming",10001,R13940001,r13940001@ntu.edu.tw,GenAI-01,87.50,
"Chen, Li",10002,,b10901027@ntu.edu.tw,"GenAI-01, and GenAI-02",EX,
"Student, Test",10009,,0b3f8ac,GenAI-01,,
"""
NTU_COOL = '''\
Student,ID,SIS Login ID,Section,week14 colab1 (4321)
,,,,Manual Posting
    Points Possible,,,,100.00
王小明,10001,r13940001,生成式人工智慧 (EE5184),87.50
"=""=陳莉""",10002,b10901027,生成式人工智慧 (EE5184),N/A
測試學生,10009,0b3f8ac,生成式人工智慧 (EE5184),
'''


def read_from(tmp_path, text, encoding="utf-8"):
    place = tmp_path / "roster.csv"
    place.write_bytes(text.encode(encoding))
    return read(place)


def test_the_gradebook_of_canvas_is_a_roster(tmp_path):
    assert read_from(tmp_path, CANVAS) == (
        Enrolled("B10901027", "Chen, Li", "10002", ("B10901027", "B10901027@NTU.EDU.TW")),
        Enrolled("R13940001", "Wang, Xiaoming", "10001", ("R13940001", "R13940001@NTU.EDU.TW")),
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp950"])
@pytest.mark.parametrize("separator", [",", ";"])
def test_the_gradebook_of_ntu_cool_is_a_roster(tmp_path, encoding, separator):
    text = NTU_COOL.replace(",", separator)

    assert read_from(tmp_path, text, encoding) == (
        Enrolled("B10901027", "=陳莉", "10002", ("B10901027",)),
        Enrolled("R13940001", "王小明", "10001", ("R13940001",)),
    )


@pytest.mark.parametrize(
    "text, expected",
    [
        ("student_id\nr1\n", [Enrolled("R1", ids=("R1",))]),
        ("student_id,name\nr1,甲\n", [Enrolled("R1", "甲", ids=("R1",))]),
        ("學號,姓名\nr1,甲\n", [Enrolled("R1", "甲", ids=("R1",))]),
        ("Name\tStudent-ID\n甲\tr1\n", [Enrolled("R1", "甲", ids=("R1",))]),
        ("id,name\nr1,甲\n", [Enrolled("R1", "甲", ids=("R1",))]),
        ("ID number,Full name\nr1,A B\n", [Enrolled("R1", "A B", ids=("R1",))]),
        ("LastName,FirstName,ID,SIS Login ID,Section\nWang,Bo,7,r1,S\n",
         [Enrolled("R1", "Bo Wang", "7", ("R1",))]),
        ("LastName,FirstName,ID,SIS Login ID,Section\n王,小明,7,r1,S\n",
         [Enrolled("R1", "王小明", "7", ("R1",))]),
        ("student_id,email\nr1,a.b@ntu.edu.tw\n",
         [Enrolled("R1", ids=("R1", "A.B", "A.B@NTU.EDU.TW"))]),
        ("student_id\n\nr1\n\n\n", [Enrolled("R1", ids=("R1",))]),
        ("student_id\nr1\nR1\n", [Enrolled("R1", ids=("R1",))]),
        ("student_id\n\uff52\uff11\n", [Enrolled("R1", ids=("R1",))]),
        ("student_id,name\n'=r1,甲\n", [Enrolled("=R1", "甲", ids=("=R1",))]),
        ("Student,ID,SIS Login ID,Section\n甲,7,,S\n", [Enrolled("7", "甲", "7", ("7",))]),
        ("student_id\n", []),
    ],
    ids=["ids alone", "our own", "chinese", "tabs", "id", "moodle", "two names",
         "two chinese names", "mail", "empty lines", "twice", "wide letters",
         "guarded", "no login", "nobody"],
)  # fmt: skip
def test_any_table_with_a_column_of_ids_is_a_roster(tmp_path, text, expected):
    assert list(read_from(tmp_path, text)) == expected


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "is empty: expected a CSV with a row of headings"),
        ("name,points\n甲,3\n", "no column of ids (columns name, points): expected student_id"),
        ("Student,ID,Section\n甲,7,S\n", "no column of ids (a gradebook without logins)"),
        ("student_id,name\nr1,甲\n,乙\n", "line 3: 乙 has no id: fill it in"),
        (
            "student_id,user id\nr1,7\nr2,8\nr1,9\n",
            "line 4: R1 is also the id of line 2: one of them is wrong",
        ),
        ("student_id\n1.39E+09\n", "line 2: 1.39E+09 is what Excel makes of a long number"),
        ("Student,ID,SIS Login ID,Section\n甲,1.2E+04,r1,S\n", "line 2: 1.2E+04 is what Excel"),
    ],
    ids=["empty", "no ids", "no logins", "no id", "one id, two people", "by Excel",
         "account by Excel"],
)  # fmt: skip
def test_a_table_that_is_no_roster_is_refused(tmp_path, text, said):
    with pytest.raises(UsageError) as caught:
        read_from(tmp_path, text)

    assert said in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / "roster.csv"))


@pytest.mark.parametrize(
    "data, said",
    [
        (b"student_id,name\nr1,\xff\xff\n", "is neither UTF-8 nor Big5: save it as UTF-8"),
        ("student_id\nr1\n".encode("utf-16-le"), "is neither UTF-8 nor Big5: save it as UTF-8"),
        (b"PK\3\4\x14\0", "is a workbook: save it as CSV, in UTF-8"),
        (None, "no such file"),
        (b'student_id\n"' + b"x" * 200_000, "line 2: not a CSV: field larger than field limit"),
    ],
    ids=["bytes", "unmarked UTF-16", "workbook", "missing", "huge"],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path, data, said):
    place = tmp_path / "roster.csv"
    if data is not None:
        place.write_bytes(data)

    with pytest.raises(UsageError, match=said):
        read(place)


def test_a_folder_is_no_roster(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read(tmp_path)


def test_a_student_is_found_by_every_id(tmp_path):
    roster = Roster(read_from(tmp_path, CANVAS))

    for known in ("r13940001", "R13940001@ntu.edu.tw", "\uff32\uff11\uff13940001"):
        assert roster.student(known) == "R13940001"
    assert roster.of_account("10002").student == "B10901027"
    assert roster.of_account("9") is None
    assert roster.student("r9") == "R9"


def test_a_mistyped_id_is_near_and_another_is_not(tmp_path):
    enrolled = read_from(tmp_path, CANVAS)

    assert nearest("R1394OO01", enrolled) == ""
    assert nearest("R1394O001", enrolled) == "R13940001"
    assert nearest("41171101H", enrolled) == ""
