"""What an LMS says in a file's name is read as it was written, whatever people are called."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from grader.names import Named, Sent, parse, parse_of, sent
from tests.ingest.lms_names import anonymous, canvas, group, moodle, ntu_cool, numbered, words

TEMPLATE = "{student}_week14_{notebook}_homework.ipynb"
NOTEBOOKS = ("colab1", "colab2", "colab3")
OWN = "R13940001_week14_colab1_homework.ipynb"
UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"

numbers = st.integers(1, 10**9).map(str)
logins = st.text("rbd0123456789a-.", min_size=1, max_size=12)
file_names = st.builds(
    lambda student, notebook, upload: numbered(
        f"{student}_week14_{notebook}_homework.ipynb", upload, UUID
    ),
    st.text("RBD0123456789", min_size=1, max_size=9),
    st.sampled_from(NOTEBOOKS),
    st.integers(0, 9),
)
people = st.text(
    st.one_of(
        st.sampled_from("王小明陳 ,()-_'.#&/0123456789"),
        st.characters(categories=("L", "M", "N", "P", "Zs")),
    ),
    min_size=1,
    max_size=30,
)


def read(name):
    return sent(name, TEMPLATE, NOTEBOOKS)


@pytest.mark.parametrize(
    "name, expected",
    [
        (
            f"wangxiaoming_LATE_10001_5000_{OWN}",
            Sent("canvas", OWN, "10001", "5000", name="wangxiaoming", late=True),
        ),
        (f"王小明_10001_5000_{OWN}", Sent("canvas", OWN, "10001", "5000", name="王小明")),
        (
            f"r13940001#_王小明 (WANG, XIAO-MING)_10001_5000_{OWN}",
            Sent("ntu_cool", OWN, "10001", "5000", "r13940001", "王小明 (WANG, XIAO-MING)"),
        ),
        (f"anon_aB3x9_5000_{OWN}", Sent("anonymous", OWN, "aB3x9", "5000")),
        (f"LATE_anon_aB3x9_5000_{OWN}", Sent("anonymous", OWN, "aB3x9", "5000", late=True)),
        (f"第3組#_10001_5000_{OWN}", Sent("group", OWN, "10001", "5000", name="第3組")),
        (
            f"r13940001#_Li_77_10001_5000_{OWN}",
            Sent("ntu_cool", OWN, "10001", "5000", "r13940001", "Li_77"),
        ),
        (
            f"r13940001#_A/B_10001_5000_{OWN}",
            Sent("ntu_cool", OWN, "10001", "5000", "r13940001", "A/B"),
        ),
        (
            f"r13940001#_/r13940002#_Bob_10001_5000_{OWN}",
            Sent("ntu_cool", OWN, "10001", "5000", "r13940001", "/r13940002#_Bob"),
        ),
        (
            f"a folder/wangxiaoming_10001_5000_{OWN}",
            Sent("canvas", OWN, "10001", "5000", name="wangxiaoming"),
        ),
        (
            "wang_10001_5000_Untitled_3_4_x.ipynb",
            Sent("canvas", "Untitled_3_4_x.ipynb", "10001", "5000", name="wang"),
        ),
        (
            "wang_10001_5000_3_week14_colab1_homework.ipynb",
            Sent(
                "canvas", "3_week14_colab1_homework.ipynb", "10001", "5000", name="wang"
            ),
        ),
        ("wang_10001_text.html", Sent("canvas", "text.html", "10001", name="wang")),
        (
            "wang_LATE_10001_link.html",
            Sent("canvas", "link.html", "10001", name="wang", late=True),
        ),
        (
            "r13940001#_Li_77_10001_text.html",
            Sent("ntu_cool", "text.html", "10001", "", "r13940001", "Li_77"),
        ),
        ("第3組#_10001_link.html", Sent("group", "link.html", "10001", name="第3組")),
        ("anon_aB3x9_text.html", Sent("anonymous", "text.html", "aB3x9")),
        (f"_10001_5000_{OWN}", Sent("canvas", OWN, "10001", "5000")),
        (
            "S T_123_assignsubmission_onlinetext_/onlinetext.html",
            Sent("moodle", "onlinetext.html", "123", name="S T"),
        ),
        (
            "S T_123_assignsubmission_onlinetext_onlinetext.html",
            Sent("moodle", "onlinetext.html", "123", name="S T"),
        ),
        (
            f"class/S T_123_assignsubmission_file_/own/{OWN}",
            Sent("moodle", OWN, "123", name="S T"),
        ),
        (
            f"r1#_A_5_assignsubmission_file__10001_5000_{OWN}",
            Sent("ntu_cool", OWN, "10001", "5000", "r1", "A_5_assignsubmission_file_"),
        ),
    ],
    ids=lambda value: ascii(value)[:40] if isinstance(value, str) else None,
)  # fmt: skip
def test_each_dialect_is_read(name, expected):
    assert read(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        OWN,
        "Untitled.ipynb",
        "my report 10001_5000_x.ipynb",
        "(wang)_10001_5000_x.ipynb",
        "#_10001_5000_x.ipynb",
        "r13940001#_王小明.ipynb",
        "wang_\u0661\u0660_5000_x.ipynb",
        "text.html",
    ],
    ids=ascii,
)
def test_a_name_that_no_lms_gave_is_none(name):
    assert read(name) is None


@given(people, numbers, numbers, file_names, st.booleans())
@example("Li_77", "10001", "5000", OWN, False)
def test_canvas_names_are_read_as_they_were_made(person, user, attachment, file_name, late):
    name = canvas(person, user, attachment, file_name, late)

    assert read(name) == Sent("canvas", file_name, user, attachment, name=words(person), late=late)


@given(st.text("aB3x9Qz", min_size=5, max_size=5), numbers, file_names, st.booleans())
def test_anonymous_names_are_read_as_they_were_made(person, attachment, file_name, late):
    name = anonymous(person, attachment, file_name, late)

    assert read(name) == Sent("anonymous", file_name, person, attachment, late=late)


@given(people.filter(lambda name: "#" not in name), numbers, file_names, st.booleans())
@example("Li 77", "123", f"x_9_assignsubmission_file_{OWN}", False)
@example("Li 77", "123", f"x_10001_5000_{OWN}", False)
def test_moodle_names_are_read_as_they_were_made(person, number, file_name, in_folders):
    found = read(moodle(person, number, file_name, in_folders))

    name = person.replace("_", " ").replace("/", "")
    assert found == Sent("moodle", file_name, number, name=name)
    assert found.uploaded


@given(logins, people, numbers, numbers, file_names)
@example("r13940001", "1_2_3", "10001", "5000", OWN)
@example("r13940001", "_", "10001", "5000", OWN)
def test_ntu_cool_names_are_read_as_they_were_made(login, person, user, attachment, file_name):
    name = ntu_cool(f"{login}@ntu.edu.tw", person, user, attachment, file_name)

    assert read(name) == Sent("ntu_cool", file_name, user, attachment, login, person)


@given(
    people.filter(lambda name: "/" not in name and "#" not in name), numbers, numbers, file_names
)
def test_group_names_are_read_as_they_were_made(team, user, attachment, file_name):
    name = group(team, user, attachment, file_name)

    assert read(name) == Sent("group", file_name, user, attachment, name=team)


@given(logins, people, numbers, numbers, file_names)
def test_whose_notebook_it_is_is_read_behind_what_the_lms_wrote(
    login, person, user, attachment, file_name
):
    assume("/" not in person)
    name = ntu_cool(login, person, user, attachment, file_name)

    assert parse(read(name).file_name, TEMPLATE, NOTEBOOKS) == parse(file_name, TEMPLATE, NOTEBOOKS)


@given(st.text(st.sampled_from("r1_2#/nLATEo._ 王txhmlk-\udcff\n"), max_size=40))
def test_no_name_is_too_odd_to_be_looked_at(name):
    read(name)


@pytest.mark.parametrize(
    "name, named",
    [
        ("colab1.ipynb", Named("R1", "colab1", (0, 0))),
        ("homework of week 14, Colab 2 (1).ipynb", Named("R1", "colab2", (0, 1))),
        ("week14_colab-3_homework-2.ipynb", Named("R1", "colab3", (2, 0))),
        ("「作業 colab1.ipynb」的副本.ipynb", Named("R1", "colab1", (0, 0))),
        ("colab1 and colab2.ipynb", None),
        ("colab12.ipynb", None),
        ("mycolab1.ipynb", None),
        ("Untitled.ipynb", None),
        ("colab1.pdf", None),
    ],
    ids=ascii,
)
def test_of_a_known_student_the_notebooks_key_in_the_name_is_enough(name, named):
    assert parse_of(name, "R1", NOTEBOOKS) == named
