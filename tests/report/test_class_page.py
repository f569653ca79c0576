"""What the page of the class says beyond one student: how points lie, what is shared, flags."""

import re
from html import unescape

import pytest
from msgspec import structs

from grader.model import Cluster, Counterexample, Likeness, Outcome
from grader.report import overview
from grader.report.pages import class_page

COUNTER = Counterexample("softmax([1.0])", 1, 2, "got 1, expected 2 <b>")


def section(page, name):
    return re.search(rf'<section id="{name}">(.*?)</section>', page, re.DOTALL)[1]


def words(html):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def scored(make, student, earned, key="colab1", outcome=Outcome.PASSED):
    question = make.question("q", make.verdict(possible=10.0, earned=earned))
    return make.grade(make.notebook(key, question, outcome=outcome), student=student)


def test_each_notebook_has_its_distribution_in_numbers_too(make):
    earned = [0.0, 0.5, 4.0, 9.9, 10.0, 10.0]
    grades = [scored(make, f"S{n}", e) for n, e in enumerate(earned)]
    grades.append(scored(make, "S7", None, outcome=Outcome.ERROR))
    grades.append(make.grade(make.absent("colab1", make.question("q", make.verdict(possible=10)))))

    shown = section(class_page(make.gradebook(*grades)), "distribution")

    assert "6 students, half with 6.95 or more" in words(shown)
    assert (
        'aria-label="colab1: points and how many students, 0 to 1: 2; 4 to 5: 1; 9 to 10: 3"'
        in shown
    )
    assert re.findall(r"<title>([\d.]+ to [^<]*)</title>", shown) == [
        "0 to 1 points: 2 students",
        "4 to 5 points: 1 student",
        "9 to 10 points: 3 students",
    ]
    heights = [float(h) for h in re.findall(r'<rect [^>]*height="([\d.]+)"', shown)]
    assert heights == [56.0, 28.0, 84.0]


@pytest.mark.parametrize("points", [0.0, 10.0])
def test_a_notebook_that_nobody_has_points_for_has_no_drawing(make, points):
    missing = make.absent("colab1", make.question("q", make.verdict(possible=points)))
    page = class_page(make.gradebook(make.grade(missing)))
    assert 'class="bars"' not in page


def test_pairs_are_told_the_most_alike_first_and_identical_files_apart(make):
    pairs = (
        Likeness("colab2", ("A", "B"), 0.812, 70),
        Likeness("colab2", ("C", "D"), 1.0, 90, identical=True),
        Likeness("colab3", ("A", "<C>"), 0.97, 80),
    )
    book = structs.replace(make.rich_class(), likenesses=pairs)

    shown = section(class_page(book), "likenesses")

    assert "colab3 A and <C> 97 % of the shorter one (80 runs of tokens)" in words(shown)
    assert "&lt;C&gt;" in shown
    assert words(shown).index("97 %") < words(shown).index("81 %")
    similar, same = shown.split("Files that are the same")
    assert "C</a> and" not in similar
    assert "colab2 C and D the same file, to the byte" in words(same)
    assert 'href="A.html"' in shown


def test_many_pairs_and_many_holders_are_folded(make):
    pairs = tuple(Likeness("colab1", ("A", f"B{n}"), 0.9, 70) for n in range(23))
    who = tuple(f"S{n}" for n in range(15))
    book = structs.replace(
        make.rich_class(),
        likenesses=pairs,
        clusters=(Cluster("colab1", "q", "it is right", who, COUNTER),),
    )

    page = class_page(book)

    assert "and 3 more pairs" in section(page, "likenesses")
    shown = section(page, "mistakes")
    assert "and 5 more" in shown
    assert all(f'href="{student}.html"' in shown for student in who)


def test_a_cluster_has_its_counterexample_and_links_to_who_is_in_it(make):
    cluster = Cluster("colab1", "softmax", "it is right", ("A", "B"), COUNTER)
    book = structs.replace(make.rich_class(), clusters=(cluster,))

    shown = section(class_page(book), "mistakes")

    assert "2 it is right colab1 · softmax softmax([1.0]): got 1, expected 2 <b> A , B" in words(
        shown
    )
    assert "no known reason" not in class_page(make.rich_class())


def flagged(make, student, *flags, own=()):
    notebooks = [make.notebook(key, make.question("q", flags=flags)) for key in ("c1", "c2")]
    return make.grade(*notebooks, student=student, flags=tuple(sorted({*flags, *own})))


def test_flags_are_told_by_notebook_with_what_they_mean_and_who_has_them(make):
    book = make.gradebook(
        flagged(make, "B", "similar_code", own=("everybodys",)),
        flagged(make, "A", "similar_code", own=("everybodys", "late")),
        flagged(make, "C", "made_up", own=("everybodys",)),
    )

    found = overview.flags(book)

    assert [(f.name, f.notebook, f.students) for f in found] == [
        ("late", "", ("A",)),
        ("made_up", "c1", ("C",)),
        ("made_up", "c2", ("C",)),
        ("similar_code", "c1", ("A", "B")),
        ("similar_code", "c2", ("A", "B")),
    ]
    assert found[0].meaning == ""
    assert found[3].meaning == "much the same code as another student's"
    shown = section(class_page(book), "flags")
    assert "2 similar code c1 much the same code as another student's A , B" in words(shown)
    assert "1 late all A" in words(shown)


def test_a_class_without_any_of_it_says_so(make):
    page = class_page(make.gradebook(make.grade()))

    assert "None that tells one student from another." in section(page, "flags")
    assert "no two students share much code" in section(page, "likenesses")


def test_one_reason_is_one_thing_that_a_person_has_to_look_at(make):
    """A text typed into the LMS stands in the place of all three notebooks."""
    typed = [
        make.notebook(key, outcome=Outcome.ERROR, problem="a_text.html: a text typed into the LMS")
        for key in ("colab1", "colab2")
    ]
    broken = make.notebook("colab3", outcome=Outcome.ERROR, problem="the file is empty")

    found = overview.needs(make.gradebook(make.grade(*typed, broken)))

    assert [need.place for need in found] == ["colab1, colab2", "colab3"]


def test_what_is_said_of_everybody_is_said_of_those_with_something_graded(make):
    flagged = make.grade(student="R1", flags=("lateness_not_checked",))
    other = make.grade(student="R2", flags=("lateness_not_checked", "similar_code"))
    broken = make.grade(make.notebook(outcome=Outcome.ERROR), student="R3")

    assert overview.shared_flags(make.gradebook(flagged, other, broken)) == {"lateness_not_checked"}
