"""Proves that a page shows all that it should, in its order, and nothing that a student planted."""

import base64
import hashlib
import html
import marshal
import re
import shutil
import sys
import time
from html.parser import HTMLParser

import numpy as np
import pytest
from jinja2 import DictLoader, Environment
from msgspec.structs import replace

from grader.model import (
    CellFailure,
    Counterexample,
    Execution,
    FileNote,
    Finding,
    Found,
    NotebookCell,
    Outcome,
    Place,
    Review,
)
from grader.report import pages
from grader.report.drawing import described, drawing, drawn_from
from grader.report.excerpt import coloured, excerpt
from grader.report.pages import class_page, page_name
from grader.report.prose import advice, length, markdown
from grader.report.wording import visible
from tests.report.conftest import student_page

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "<svg><script>alert(3)</script><a xlink:href='javascript:alert(4)'>x</a></svg>",
    '<a href="javascript:alert(5)">x</a> [x](javascript:alert(8)) ![i](https://evil.example/i.gif)',
    '<iframe src="https://evil.example/"></iframe>',
    "</style><style>body{display:none}</style>",
    "</title></head><body onload=alert(6)>",
    '"><base href="https://evil.example/"><meta http-equiv=refresh content="0;url=x">',
    "<details open ontoggle=alert(7)>d</details>",
    "<math><mtext></mtext><mglyph><style><img src=x onerror=alert(9)></style></mglyph></math>",
    "<form action=https://evil.example><input name=p></form>",
    "{{ 7 * 7 }}{% raw %} ${7*7} <!-- ",
    "]]> &lt;script&gt; \x00\x1b[31m \ud800 \u202e",
]
HARMLESS = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section"),
    *("article", "div", "p", "h1", "h2", "h3", "h4", "span", "b", "i", "small", "em", "strong"),
    *("ul", "ol", "li", "dl", "dt", "dd", "br", "hr", "s", "pre", "code", "blockquote"),
    *("figure", "figcaption", "details", "summary", "table", "thead", "tbody", "tr", "th", "td"),
    *("svg", "defs", "pattern", "rect", "path", "text", "line", "circle", "a"),
}


class Read(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]

    def handle_data(self, data):
        self.text += data


def assert_harmless(page, scripts=0):
    read = Read(page)
    tags = set(read.tags)
    assert read.tags.count("script") == scripts
    assert tags <= HARMLESS | ({"script"} if scripts else set())
    assert [read.tags.count(tag) for tag in ("html", "head", "style", "body")] == [1, 1, 1, 1]
    for _, name, value in read.attributes:
        assert not name.startswith("on")
        assert name not in ("src", "srcset", "xlink:href", "action", "formaction", "srcdoc")
        if name == "href":
            assert re.fullmatch(r"[A-Za-z0-9%~-]+\.html", value)
        if name == "http-equiv":
            assert value == "Content-Security-Policy"
        if name == "style":
            assert re.fullmatch(r"(width:[0-9.]+%|margin-top:.75rem)", value)


def attributes(page, tag, name):
    return [value for t, n, value in Read(page).attributes if (t, n) == (tag, name)]


@pytest.fixture
def book(make):
    return make.rich_class(9)


@pytest.fixture
def page(book):
    return student_page(book.grades[0], book)


def hostile(make, text):
    """A class in which one student wrote `text` wherever a student can write."""
    finding = Finding(text, None, Counterexample(text, text, [text, None], text), Place(2, 1))
    code = make.question(
        "softmax",
        make.verdict("it is right", Outcome.FAILED, 4.0, finding=finding),
        text=text,
        finding=finding,
        found=Found(text, Place(2, 1), 1, text),
    )
    unsure = make.question(
        "loops", make.verdict(outcome=Outcome.NEEDS_REVIEW), finding=Finding(text)
    )
    record = make.record(
        [NotebookCell("markdown", text), text],
        Execution(Outcome.RAISED, (CellFailure(Place(2, 1), text),), (), (text,), text),
    )
    notebooks = [
        make.notebook("colab1", code, unsure, record=record),
        make.notebook("colab2", outcome=Outcome.ERROR, problem=text),
        make.notebook("colab3", make.text("method", text=text), make.text("ideas", 1.0, text=text)),
    ]
    grade = make.grade(*notebooks, student=text, name=text, flags=(text,))
    return make.gradebook(grade, files=[FileNote(text, "ignored", reason=text)])


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_student_writes_becomes_part_of_a_page(make, text):
    book = hostile(make, text)

    assert_harmless(student_page(book.grades[0], book))
    assert_harmless(class_page(book), scripts=1)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_written_answer_loads_or_links(text):
    for written in (text, f"# {text}\n\n- {text}\n\n> {text}\n\n| {text} |\n|---|\n| {text} |"):
        read = Read(str(markdown(written)))
        assert set(read.tags) <= HARMLESS - {"a", "style", "svg"}
        assert read.attributes == []


def test_a_page_forbids_scripts_and_requests(page):
    (policy,) = attributes(page, "meta", "content")[:1]

    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert "<script" not in page
    assert "http://" not in page and "https://" not in page


def test_the_class_page_allows_its_own_script_by_its_hash_and_no_other(book):
    page = class_page(book)
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()

    (policy,) = attributes(page, "meta", "content")[:1]
    assert policy.endswith(f"; script-src 'sha256-{digest}'")


def test_the_sections_stand_in_their_order(page):
    found = re.findall(r'<section id="(\w+)"', page)

    assert found == ["points", "fix", "right", "changed", "ask"]


def test_what_cost_most_comes_first(page):
    costs = [float(cost) for cost in re.findall(r'<b class="number">−([0-9.]+)</b>', page)]

    assert costs == sorted(costs, reverse=True)
    assert len(costs) == 7


def test_a_student_sees_no_one_elses_data(book):
    first, *others = book.grades
    page = student_page(first, book)

    assert first.student in page
    for other in others:
        assert other.student not in page
        assert not other.name or other.name not in page


def test_flags_are_for_the_staff_alone(book, page):
    assert "fixed sizes" not in Read(page).text
    assert "fixed sizes" in Read(class_page(book)).text


def test_a_lost_point_has_its_claim_numbers_place_code_and_advice(page):
    text = Read(page).text

    assert "the weights are those of eq. 12.5" in text
    assert "25 of 25 values differ, most at [2, 1]: got 0.0912, expected 0.318" in text
    assert "Where: cell 3, line 5" in text
    assert text.count("Your softmax divides by the sum of each row") == 1
    marked = re.search(r'<span class="line marked" data-line="5">(.*?)\n</span>', page).group(1)
    assert Read(marked).text == "    return e_x / e_x.sum(axis=0)"


def test_what_a_person_must_still_read_is_starred_and_said(page):
    assert re.search(r'class="total number">22\*', page)
    assert "1 text not marked yet" in Read(page).text


def test_a_notebook_that_could_not_be_graded_is_not_called_a_zero(book):
    broken = next(grade for grade in book.grades if grade.student == "R13940022")
    page = Read(student_page(broken, book)).text

    assert "This is not a zero" in page
    assert "JSON breaks off at line 214" in page
    assert "colab3 was not handed in" in page


def test_a_student_without_a_mistake_is_told_so(book):
    text = Read(student_page(book.grades[1], book)).text

    assert "Nothing that has been marked lost a point. Well done!" in text
    assert "ran from the first cell to the last" in text


def test_nothing_marked_is_no_praise(make):
    lost = make.notebook("colab1", make.text(), outcome=Outcome.ERROR, problem="it is empty")
    text = Read(student_page(grade := make.grade(lost), make.gradebook(grade))).text

    assert "Well done" not in text and "first item above" not in text
    assert "texts not marked yet" not in text
    assert text.count("Nothing has been marked yet.") == 2


def test_a_notebook_of_another_assignment_is_not_the_first_to_fix(make):
    """Two students handed in colab1, and nobody colab2: the run was about colab1."""
    question = make.question("softmax")
    grades = [
        make.grade(make.notebook("colab1"), make.absent("colab2", question), student=student)
        for student in ("R1", "R2", "R3")
    ]
    grades[2] = make.grade(
        make.absent("colab1", question), make.absent("colab2", question), student="R3"
    )

    text = Read(student_page(grades[0], make.gradebook(*grades))).text
    alone = Read(student_page(grades[0], make.gradebook(grades[0], grades[2]))).text

    assert "colab2 was not handed in" not in text
    assert "Only colab1 was marked here, not colab2." in text
    assert "colab2 was not handed in" in alone and "Only colab1" not in alone
    absent = Read(student_page(grades[2], make.gradebook(*grades))).text
    assert "colab1 was not handed in" in absent


def test_no_points_at_all_is_still_a_page(make, book):
    nothing = next(grade for grade in book.grades if grade.student == "T00000001")

    assert "Nothing has earned points so far" in Read(student_page(nothing, book)).text
    assert class_page(make.gradebook())


def test_pages_are_the_same_each_time(book, make):
    again = make.rich_class(9)

    assert class_page(book) == class_page(again)
    assert student_page(book.grades[0], book) == student_page(again.grades[0], again)


def test_the_class_page_names_who_needs_a_person_and_every_file_set_aside(book):
    text = Read(class_page(book)).text

    assert "two definitions of softmax disagree" in text
    assert "no student id in the name" in text
    assert "homework final.ipynb" in text
    assert "superseded" in text
    assert "softmax axis" in text


# Heat maps


def squares(page, kind):
    svg = re.search(rf'<svg class="heatmap" data-kind="{kind}".*?</svg>', page, re.DOTALL)
    cells = re.findall(r'data-row="(\d+)" data-column="(\d+)" data-value="([^"]+)"', svg.group(0))
    return {(int(row), int(column)): float(value) for row, column, value in cells}


def test_a_matrix_is_drawn_three_times_with_its_exact_values(make):
    got, expected = np.array([[0.1, 0.2], [1 / 3, 4.0]]), np.array([[0.1, 0.2], [0.5, 4.0]])
    page = student_page(make.failing(got, expected), make.gradebook())

    assert squares(page, "yours") == {(i, j): got[i, j] for i in range(2) for j in range(2)}
    assert squares(page, "expected")[1, 0] == 0.5
    assert squares(page, "difference")[1, 0] == got[1, 0] - 0.5
    assert "<title>row 1, column 0: 0.333333</title>" in page
    assert page.count('class="worst"') == 3


def encoded(make, claims, **given):
    """A grade that lost these claims by the same values, 16 positions of 24 columns."""
    got, expected = np.zeros((16, 24)), np.ones((16, 24))
    shown = Counterexample("PositionalEncoding(24)(<array (16, 3, 24)>)", got, expected, **given)
    verdicts = [
        make.verdict(claim, Outcome.FAILED, finding=Finding("", None, replace(shown, said=claim)))
        for claim in claims
    ]
    question = make.question("positional_encoding", *verdicts, finding=verdicts[0].finding)
    return make.grade(make.notebook("colab3", question))


def test_an_encoding_is_drawn_as_three_strips_below_each_other(make):
    shows = "A row for each position, a column for each of <d_model>."
    page = student_page(encoded(make, ["sines"], said="", shows=shows), make.gradebook())

    assert '<div class="maps stacked">' in page
    assert re.findall(r'data-kind="(\w+)"', page) == ["yours", "expected", "difference"]
    assert len(squares(page, "yours")) == 16 * 24
    assert "A row for each position, a column for each of &lt;d_model&gt;." in page


def test_what_several_claims_show_alike_is_drawn_once(make):
    page = student_page(encoded(make, ["sines", "cosines"], said=""), make.gradebook())

    assert page.count('data-kind="yours"') == 1
    assert "sines" in page
    assert "cosines" in page
    assert "Also for" not in page


@pytest.mark.parametrize(
    "change, drawn_alike",
    [
        ({"said": "otherwise"}, True),
        ({"call": "g()"}, False),
        ({"got": np.full((2, 2), 0.5)}, False),
        ({"got": np.ones((1, 4))}, False),
        ({"got": np.ones((2, 2), dtype=int)}, False),
        ({"expected": np.full((2, 2), np.nan)}, False),
        ({"got": None}, False),
    ],
)
def test_counterexamples_of_the_same_arrays_are_known_to_be_drawn_alike(change, drawn_alike):
    one = Counterexample("f()", np.ones((2, 2)), np.zeros((2, 2)), "said")
    other = replace(one, got=one.got.copy(), expected=one.expected.copy())

    assert drawn_from(one) == drawn_from(other)
    assert (drawn_from(one) == drawn_from(replace(other, **change))) == drawn_alike


NOTHING_LIKE_AN_ARRAY = {
    "nothing": None,
    "text": "<b>text</b>",
    "empty text": "",
    "ragged": [[1.0, 2.0], [3.0]],
    "mixed": [1, "a", None],
    "dictionary": {"a": np.ones(3)},
    "tuple of arrays": (np.ones((2, 2)), np.ones(3)),
    "texts": np.array(["a", "b"]),
    "objects": np.array([1, None], dtype=object),
    "complex": np.array([1j, 2]),
    "enormous integer": 10**400,
    "enormous integers": [10**400, 1],
    "deep": np.ones((2, 2, 2, 2)),
    "itself": float,
}
ODD_ARRAYS = {
    "list": [[1.0, 2.0], [3.0, 4.0]],
    "vector": [1, 2, 3],
    "long vector": np.arange(500.0),
    "column": np.ones((3, 1)),
    "truth values": np.array([[True, False]]),
    "integers": np.arange(6).reshape(2, 3),
    "nan": np.full((3, 3), np.nan),
    "infinite": np.array([[np.inf, -np.inf], [0.0, 1.0]]),
    "huge": np.array([[1e308, -1e308], [1e-308, 0.0]]),
    "one": np.ones((1, 1)),
    "number": 1.5,
    "truth": True,
    "empty": np.zeros((0, 3)),
    "empty list": [],
    "singleton": np.ones((3, 1, 4)),
    "three axes": np.arange(60.0).reshape(3, 4, 5),
    "large": np.arange(10_000.0).reshape(100, 100),
    "half": np.ones((2, 2), dtype=np.float16),
}


@pytest.mark.parametrize("expected", [np.ones((2, 2)), 0.5, None], ids=["matrix", "number", "none"])
@pytest.mark.parametrize("got", list((NOTHING_LIKE_AN_ARRAY | ODD_ARRAYS).values()),
                         ids=list(NOTHING_LIKE_AN_ARRAY | ODD_ARRAYS))  # fmt: skip
def test_whatever_a_student_returns_there_is_a_page(make, got, expected):
    page = student_page(make.failing(got, expected), make.gradebook())

    assert_harmless(page)
    assert len(page) < 1_000_000


@pytest.mark.parametrize("got", ODD_ARRAYS.values(), ids=ODD_ARRAYS)
def test_any_array_can_be_compared_with_one_of_its_shape(make, got):
    expected = np.asarray(got) * 0.5

    assert_harmless(student_page(make.failing(got, expected), make.gradebook()))


def test_what_is_too_large_is_cut_around_the_worst_value(make):
    expected = np.zeros((100, 100))
    got = expected.copy()
    got[70, 90] = 1.0
    page = student_page(make.failing(got, expected), make.gradebook())

    drawn = squares(page, "yours")
    assert drawn[70, 90] == 1.0
    assert len(drawn) <= 24 * 40
    assert "Only a part of the 100 × 100 values is drawn" in page


def test_shapes_that_differ_are_said_and_both_are_drawn(make):
    page = student_page(make.failing(np.ones((4, 3)), np.eye(3)), make.gradebook())

    assert "yours is (4, 3), expected is (3, 3)" in page
    assert len(squares(page, "yours")) == 12
    assert len(squares(page, "expected")) == 9
    assert 'data-kind="difference"' not in page


@pytest.mark.parametrize("shape", [(0, 3, 3), (2, 0, 4), (0, 2, 2, 1), (3, 3, 0), (0,), (0, 4)])
def test_a_result_without_values_is_said_and_what_was_expected_is_drawn(make, shape):
    page = student_page(make.failing(np.zeros(shape), np.eye(3)), make.gradebook())

    assert f"yours is {shape}, expected is (3, 3)" in page
    assert 'data-kind="yours"' not in page
    assert len(squares(page, "expected")) == 9


def drawn(heat_map):
    """The squares of a map: the attributes of each, and its title."""
    found = re.findall("<rect (.*?)><title>(.*?)</title>", str(heat_map.squares))
    return [dict(re.findall('([a-z-]+)="(.*?)"', said)) | {"title": title} for said, title in found]


def test_nan_is_hatched_and_the_worst(make):
    expected = np.arange(9.0).reshape(3, 3)
    got = expected.copy()
    got[0, 0], got[1, 1] = 5.0, np.nan
    shown = drawing(Counterexample("f()", got, expected, ""))

    yours = shown.maps[0]
    (hatched,) = (square for square in drawn(yours) if square["class"] == "nan")
    assert (hatched["data-row"], hatched["data-column"]) == ("1", "1")
    assert hatched["title"] == "row 1, column 1: nan"
    assert hatched["fill-opacity"] == "1"
    assert yours.worst.startswith(f"M{hatched['x']} {hatched['y']}h")
    assert "Hatched cells are nan: no number." in shown.notes


def test_what_is_infinite_is_grey_and_takes_no_part_in_the_scale(make):
    got, expected = np.array([[np.inf, -np.inf, 2.0, -0.0]]), np.array([[np.inf, 1.0, 4.0, 0.0]])
    yours, theirs, difference = (shown := drawing(Counterexample("f()", got, expected, ""))).maps

    assert [s["class"] for s in drawn(yours)] == ["inf", "inf", "positive", "positive"]
    assert [s["fill-opacity"] for s in drawn(yours)] == ["1", "1", "0.5", "0"]
    assert [s["title"].split()[-1] for s in drawn(yours)] == ["inf", "-inf", "2", "0"]
    assert (yours.lowest, yours.highest, theirs.highest) == ("0", "4", "4")
    assert [s["data-value"] for s in drawn(difference)] == ["0.0", "-inf", "-2.0", "0.0"]
    assert "Grey cells are infinite." in shown.notes


def test_where_no_value_is_a_number_the_scale_is_of_zero(make):
    (yours, *_) = drawing(Counterexample("f()", np.full((2, 2), np.nan), np.zeros((2, 2)), "")).maps

    assert (yours.lowest, yours.highest, yours.scale) == ("0", "0", "positive")


@pytest.mark.parametrize(
    "value, label",
    [
        (0.0, "0"), (-0.0, "0"), (3.0, "3"), (-3.0, "-3"), (99999.0, "99999"), (1e5, "1e+05"),
        (2.5, "2.50"), (99.994, "99.99"), (100.5, "100"), (0.005, "0.01"), (0.0049, "0.005"),
        (0.0004, "4e-04"), (-1e-9, "-1e-09"), (np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf"),
    ],
)  # fmt: skip
def test_a_square_with_room_for_it_is_labelled_in_six_characters(value, label):
    (yours, *_) = drawing(Counterexample("f()", np.array([[value, 1.0]]), np.eye(2)[:1], "")).maps

    assert re.findall('<text x="[0-9.]+" y="[0-9.]+">(.*?)</text>', yours.squares)[0] == label


def test_yours_and_expected_share_one_scale(make):
    shown = drawing(Counterexample("f()", np.array([[1.0, 2.0]]), np.array([[1.0, -8.0]]), ""))

    yours, expected, _ = map(drawn, shown.maps)
    assert [s["fill-opacity"] for s in yours] == ["0.12", "0.25"]
    assert [s["fill-opacity"] for s in expected] == ["0.12", "1"]
    assert [s["class"] for s in expected] == ["positive", "negative"]


def test_of_three_axes_the_worst_slice_is_drawn():
    expected = np.zeros((6, 2, 5))
    got = expected.copy()
    got[3, 1, 4] = 2.0
    shown = drawing(Counterexample("f()", got, expected, ""))

    assert shown.notes == ("Of the shape (6, 2, 5), the slice [:, 1, :] is drawn.",)
    (off,) = (square for square in drawn(shown.maps[0]) if square["data-value"] == "2.0")
    assert (off["data-row"], off["data-column"]) == ("3", "4")


def test_a_call_that_did_not_return_shows_its_error(make):
    grade = make.failing(None, np.ones(3), said="raised ValueError: <x>")
    shown = drawing(grade.notebooks[0].judgements[0].finding.shown_by)

    assert shown.numbers.yours == "raised ValueError: <x>"
    assert shown.maps == ()


@pytest.mark.parametrize(
    "value, text",
    [(1.0, "1"), (12345678.0, "12345678"), (True, "True"), (None, "None"), ("a\x1b", "'a\\x1b'")],
)
def test_a_value_is_described_in_plain_words(value, text):
    assert described(value) == text


def test_a_long_value_is_cut():
    assert described("x" * 5000).endswith("more characters)")


# Code, texts, names


def lines(shown):
    """The lines of an excerpt: of each its number, its HTML and whether it is marked."""
    found = r'<span class="line( marked)?" data-line="(\d+)">(.*?)\n</span>'
    assert re.sub(found, "", shown.lines) == ""
    return [(int(n), code, bool(marked)) for marked, n, code in re.findall(found, shown.lines)]


def test_a_long_cell_is_cut_around_the_marked_line():
    cells = (NotebookCell("code", "\n".join(f"x{i} = {i}" for i in range(1, 501))),)

    shown = excerpt(cells, Place(1, 250))

    assert (shown.cut_before, shown.cut_after) == (True, True)
    assert [number for number, _, marked in lines(shown) if marked] == [250]
    assert len(lines(shown)) == 17


@pytest.mark.parametrize("where", [Place(0, 1), Place(2, 1), Place(1, 0), Place(1, 9)])
def test_a_place_that_is_not_in_the_notebook_has_no_code(where):
    assert excerpt((NotebookCell("code", "x = 1"),), where) is None


@pytest.mark.parametrize(
    "source",
    [
        "x = '''a\nb'''\ny",
        "x\r\ny\rz",
        "\t(\n!pip x\n)",
        "\n\n\nx",
        "x = '''never\nclosed",
        "'never closed\nx = \"\\",
        "'two\\\nlines' + \\\n1",
        'f"{f"{[({\nx}',
        '%%time\n!echo don\'t <b>&amp;</b> "</span>"\n?x',
        "變數 = naïve_1 @ é\n\\",
        "f'''{" * 9 + '\n"""',
    ],
)
def test_each_line_of_code_keeps_its_number_and_text(source):
    shown = excerpt((NotebookCell("code", source),), Place(1, 1))

    expected = source.replace("\r\n", "\n").replace("\r", "\n").expandtabs(4).split("\n")
    assert [Read(code).text for _, code, _ in lines(shown)] == expected
    assert [number for number, _, _ in lines(shown)] == list(range(1, len(expected) + 1))
    for _, code, _ in lines(shown):
        assert re.sub(r'<span class="[ckmns]">[^<>]*</span>|[^<>]', "", code) == ""


@pytest.mark.parametrize(
    "source, coloured",
    [
        ("def sum(x): return x.sum() + sum(x)", "k:def n:sum k:return n:sum"),
        ("class A(B): pass", "k:class n:A k:pass"),
        ("@property", ""),
        ("super().__init__(); x.__name__", "n:super n:__init__"),
        ("x is not None  # a 'b' & c", "k:is k:not k:None c:# a 'b' & c"),
        ("x1 = 0x1F + 1_000 * 1e-5 - .5", "m:0x1F m:1_000 m:1e-5 m:.5"),
        (
            "rb'#' + \"\\\"if\" + u'''it's''' or bar''",
            "s:rb'#' s:\"\\\"if\" s:u'''it's''' k:or s:''",
        ),
        ("'never closed; x = 1", "s:'never closed; x = 1"),
        ("f'{{1}} {len(a[1:3]):.3f} {b!r}'", "s:f'{{1}} { n:len m:1 m:3 s::.3f} { s:!r}'"),
        ("f'''{max(a, \"b\")}'''", "s:f'''{ n:max s:\"b\" s:}'''"),
        ("'{len}'", "s:'{len}'"),
        ("for 變數 in range(3):", "k:for k:in n:range m:3"),
    ],
)
def test_keywords_names_numbers_texts_and_comments_are_told_apart_by_colour(source, coloured):
    ((_, code, _),) = lines(excerpt((NotebookCell("code", source),), Place(1, 1)))

    spans = re.findall(r'<span class="(.)">(.*?)</span>', code)
    assert " ".join(f"{kind}:{html.unescape(text)}" for kind, text in spans) == coloured


@pytest.mark.parametrize(
    "piece", ["'", '"""a', "\\", 'f"{', "f'''{[", "_", "1e", ".", "<", '"' + "\\", " "]
)
def test_code_of_any_length_is_coloured_in_a_time_like_it(piece):
    started = time.process_time()
    coloured(piece * 100_000)
    assert time.process_time() - started < 3  # a tenth of a second; by its square it were minutes


@pytest.mark.parametrize(
    "text, words, characters",
    [
        ("", 0, 0),
        ("We train a transformer.", 4, 20),
        ("我們使用模型", 6, 6),
        ("transformer 模型", 3, 13),
        ("GPT模型v2", 4, 7),
        ("don't re-run", 2, 11),
    ],
)
def test_words_are_counted_and_chinese_by_characters(text, words, characters):
    counted = length(text)

    assert (counted.words, counted.characters) == (words, characters)


@pytest.mark.parametrize("character", "\x00\x07\x1b\x7f\x9f\ud800\udfff\u202a\u202e\u2066\u2069")
def test_what_a_page_would_act_on_is_shown_as_a_mark(character):
    assert visible(character) == "�"
    assert visible(f"\t學 {character}\r\n\rb") == "\t學 �\n\nb"


@pytest.mark.parametrize("text", ["", "a `b` <c>", "學·é—", "\xa0\u3000\u200b", "a\tb\nc"])
def test_other_texts_are_shown_as_they_are(text):
    assert visible(text) == text


def test_markdown_is_shown_without_pictures_links_or_headings():
    shown = markdown("# Title\n\n**bold** [link](https://a.b) ![p](https://a.b/c.png)")

    assert shown == (
        "<p><strong>Title</strong></p>\n<p><strong>bold</strong> link [picture: p]</p>\n"
    )


def test_a_very_long_text_is_cut():
    assert "and 10000 more characters" in markdown("a" * 30_000)


def test_advice_keeps_its_paragraphs_and_its_code():
    assert advice("Use `axis=0`.\n\n    Then <b>.") == (
        "<p>Use <code>axis=0</code>.</p><p>Then &lt;b&gt;.</p>"
    )


def test_no_two_students_share_a_page_even_where_case_is_not_kept():
    students = ["B10901027", "b10901027", "A/B", "A~2fB", "A~2FB", "A.B", "INDEX", "CON", "AUX"]
    students += [
        "",
        "~",
        "..",
        "學生",
        "學 生",
        "~49NDEX",
        "\ud800",
        "學" * 80,
        "學" * 81,
        "學" * 82,
    ]

    names = [page_name(student) for student in students]

    assert len({name.casefold() for name in names}) == len(students)
    assert "index.html" not in {name.casefold() for name in names}
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9~-]{1,150}\.html", name)


def test_an_ordinary_student_has_an_ordinary_page_name():
    assert page_name("B10901027") == "B10901027.html"


@pytest.mark.parametrize("earned", [4.0, 1.0], ids=["right", "partly right"])
def test_what_the_code_did_is_told_openly_and_is_no_text_of_the_students(make, earned):
    finding = Finding("Divide by it.") if earned < 4 else None
    told = make.question(
        "generation",
        make.verdict("it is right", possible=4.0, earned=earned, finding=finding),
        text="- It begins: `the river <b>`",
        finding=finding,
    )
    grade = make.grade(make.notebook("colab3", told))

    page = student_page(grade, make.gradebook(grade))

    assert "<details open><summary>What your code did</summary>" in page
    assert "<li>It begins: <code>the river &lt;b&gt;</code></li>" in page
    assert "Your text" not in page
    assert "What the reader says" not in page
    assert_harmless(page)


def test_html_in_a_text_is_shown_as_it_was_typed():
    assert markdown("a <b>c</b>") == "<p>a &lt;b&gt;c&lt;/b&gt;</p>\n"


# written answers ------------------------------------------------------------------------------


def test_a_written_answer_is_shown_with_where_it_was_found_and_what_was_checked(make):
    text = make.text(
        "method",
        text="We train a **transformer** 兩次.",
        text_from="Method <b>, in cell 12",
        notes=("It quotes `35.1` as a loss.",),
    )

    page = student_page(make.grade(make.notebook("colab3", text)), make.gradebook())

    assert "Your text: 6 words, 26 characters" in page
    assert "Found: Method &lt;b&gt;, in cell 12" in page
    assert "We train a <strong>transformer</strong> 兩次." in page
    assert "It quotes <code>35.1</code> as a loss." in page


def test_an_answer_that_was_not_found_is_said_to_be_missing(make):
    page = student_page(make.grade(make.notebook("colab3", make.text(text=""))), make.gradebook())

    assert "We found no text that answers this. A person looks before it is marked." in page


def test_a_text_that_a_person_marked_is_shown_as_it_reads_and_not_as_code(make):
    review = Review("B10901027", "colab3", "method", 3.0, "TA", "2024-12-20", "Too short.")
    some = make.text("method", 3.0, finding=Finding("Too short.", where=Place(0, 1)), review=review)

    page = student_page(make.grade(make.notebook("colab3", some)), make.gradebook())

    assert "Your text: " in page
    assert "Where: " not in page
    assert '<pre class="code"' not in page


def test_who_marked_an_answer_when_and_why_is_shown(make):
    review = Review("B10901027", "colab3", "method", 3.0, "Lin <TA>", "2024-12-20", "Too `short`.")
    some = make.text("method", 3.0, finding=Finding("Too `short`."), review=review)
    whole = make.text("other", 4.0, review=replace(review, question="other", by="", at=""))

    page = student_page(make.grade(make.notebook("colab3", some, whole)), make.gradebook())

    assert page.count("Too <code>short</code>.") == 2
    assert "Marked by Lin &lt;TA&gt;, 2024-12-20." in page
    assert "Marked by a person." in page


@pytest.mark.parametrize("note, said", [("there is no f; <g> was used", True), ("", False)])
def test_what_was_taken_for_the_answer_is_said_at_full_marks_too(make, note, said):
    right = make.question("f", make.verdict("it is right"), found=Found("g", Place(4, 2), 7, note))

    page = student_page(make.grade(make.notebook("colab1", right)), make.gradebook())

    taken = "We took g in cell 4, line 2 for it (there is no f; &lt;g&gt; was used)."
    assert (taken in page) == said
    assert ("We took" in page) == said


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Renders a template of some text, and how many were compiled up to then.

    It is a template of another pages.py, in `tmp_path`, and the environment a new one each time.
    """
    (tmp_path / "pages.py").write_text("options")
    (tmp_path / "templates").mkdir()
    monkeypatch.setattr(pages, "__file__", str(tmp_path / "pages.py"))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    compiled = []

    class Counted(Environment):
        def _generate(self, source, name, *more, **options):
            compiled.append(name)
            return super()._generate(source, name, *more, **options)

    def rendered(text):
        loader = DictLoader({"a.html": text})
        environment = Counted(loader=loader, bytecode_cache=pages._compiled())
        return environment.get_template("a.html").render(), len(compiled)

    return rendered


def test_templates_are_compiled_once_and_anew_where_they_or_their_options_change(tmp_path, written):
    assert written("one") == ("one", 1)
    assert written("one") == ("one", 1)
    assert written("two") == ("two", 2)
    (tmp_path / "pages.py").write_text("other options")
    assert written("two") == ("two", 3)


def test_compiled_templates_are_read_but_not_written_where_no_bytecode_is_to_be(
    tmp_path, written, monkeypatch
):
    assert written("one") == ("one", 1)
    (kept,) = (tmp_path / "templates/__pycache__").iterdir()
    before = kept.read_bytes()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert written("one") == ("one", 1)
    assert written("two") == ("two", 2)
    assert kept.read_bytes() == before
    shutil.rmtree(tmp_path / "templates")
    assert written("two") == ("two", 3)
    assert not (tmp_path / "templates").exists()


def test_templates_are_compiled_anew_where_they_cannot_be_kept(tmp_path, written):
    (tmp_path / "templates/__pycache__").write_text("a file where the folder would be")
    assert written("one") == ("one", 1)
    assert written("one") == ("one", 2)


@pytest.mark.parametrize("length", [0, 1, 20, 60, -1])
def test_templates_are_compiled_anew_where_what_is_kept_of_them_is_damaged(
    tmp_path, written, length
):
    assert written("one") == ("one", 1)
    (kept,) = (tmp_path / "templates/__pycache__").iterdir()
    kept.write_bytes(kept.read_bytes()[:length])
    assert written("one") == ("one", 2)
    assert written("one") == ("one", 2)


def test_templates_are_compiled_anew_where_what_is_kept_of_them_is_no_code(tmp_path, written):
    assert written("one") == ("one", 1)
    (kept,) = (tmp_path / "templates/__pycache__").iterdir()
    code = kept.read_bytes()
    kept.write_bytes(code[: code.index(b"\xe3")] + marshal.dumps(1))
    assert written("one") == ("one", 2)
    assert written("one") == ("one", 2)
