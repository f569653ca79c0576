"""Proves in a real browser that the pages do nothing but show, and show it all."""

import re

import numpy as np
import pytest

from grader.report.pages import class_page, page_name
from tests.report.conftest import student_page

pytestmark = pytest.mark.browser

HOSTILE = (
    "<script>document.title='script'</script><img src=x onerror=\"document.title='image'\">"
    "<iframe src='https://evil.example/'></iframe><svg onload=\"document.title='svg'\"></svg>"
    "<link rel=stylesheet href='https://evil.example/a.css'>"
    "<style>@import url(https://evil.example/b.css)</style>"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reports")


@pytest.fixture
def seen(browser, folder):
    """Opens a page and gives it back, with every request, console message and dialog noted."""
    contexts = []

    def open_(name, html, width=960, **given):
        path = folder / name
        path.write_text(html, encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 800}, **given)
        contexts.append(context)
        page = context.new_page()
        page.noted = []
        page.on("request", lambda request: page.noted.append(request.url))
        page.on(
            "requestfailed",
            lambda request: page.noted.append(f"stopped: {request.url} by {request.failure}"),
        )
        page.on("console", lambda message: page.noted.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: page.noted.append(f"error: {error}"))
        page.on("dialog", lambda dialog: page.noted.append(f"dialog: {dialog.message}"))
        page.goto(path.as_uri())
        page.address = path.as_uri()
        return page

    yield open_
    for context in contexts:
        context.close()


@pytest.fixture
def book(make):
    return make.rich_class(30)


@pytest.fixture
def planted(make):
    """A student who wrote hostile HTML wherever a student can write."""
    failing = make.failing(HOSTILE, [HOSTILE], said=HOSTILE, advice=HOSTILE, title=HOSTILE)
    texts = make.notebook("colab3", make.text("method", text=HOSTILE))
    return make.gradebook(make.grade(*failing.notebooks, texts, student=HOSTILE, name=HOSTILE))


def wider_than_the_window(page):
    return page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 375, 960])
def test_a_students_page_asks_for_nothing_and_fits(seen, book, width, scheme):
    for grade in book.grades[:5]:
        html = student_page(grade, book)
        page = seen(page_name(grade.student), html, width, color_scheme=scheme)
        page.evaluate("for (const d of document.querySelectorAll('details')) d.open = true")

        assert page.noted == [page.address]
        assert wider_than_the_window(page) <= 0


@pytest.mark.parametrize("width", [320, 375, 960])
def test_the_class_page_asks_for_nothing_and_fits(seen, book, width):
    page = seen("index.html", class_page(book), width)

    assert page.noted == [page.address]
    assert wider_than_the_window(page) <= 0


def test_nothing_that_a_student_planted_runs_or_loads(seen, planted):
    for name, html in [
        ("planted.html", student_page(planted.grades[0], planted)),
        ("index.html", class_page(planted)),
    ]:
        title = re.search("<title>(.*?)</title>", html, re.DOTALL).group(1)
        page = seen(name, html)

        assert page.noted == [page.address]
        assert page.title() not in ("script", "image", "svg") and title
        assert page.locator("iframe, img, link, object, embed").count() == 0


def test_the_policy_stops_a_script_even_if_one_got_in(seen, book):
    html = student_page(book.grades[0], book)
    page = seen("broken.html", html.replace("<main>", f"<main>{HOSTILE}"))

    assert page.title() == f"B10901027 · {book.title}"
    stopped = [noted for noted in page.noted if noted.startswith("stopped: ")]
    asked = {noted for noted in page.noted if noted.startswith(("https:", "file:"))}
    assert {f"stopped: {address} by csp" for address in asked - {page.address}} <= set(stopped)
    assert stopped and all(noted.endswith(" by csp") for noted in stopped)
    assert any("Content Security Policy" in noted for noted in page.noted)


def test_the_cells_of_a_heat_map_carry_the_numbers(seen, make):
    rng = np.random.default_rng(1)
    got, expected = rng.normal(size=(5, 7)), rng.normal(size=(5, 7))
    page = seen("maps.html", student_page(make.failing(got, expected), make.gradebook()))

    for kind, values in [("yours", got), ("expected", expected), ("difference", got - expected)]:
        cells = page.locator(f"svg.heatmap[data-kind={kind}][data-question=softmax] rect")
        read = cells.evaluate_all(
            "all => all.map(c => [+c.dataset.row, +c.dataset.column, +c.dataset.value,"
            " c.querySelector('title').textContent])"
        )
        assert len(read) == values.size
        for row, column, value, title in read:
            assert value == values[row, column]
            assert title == f"row {row}, column {column}: {value:.6g}"


def test_the_three_maps_stand_side_by_side_where_there_is_room(seen, make):
    html = student_page(make.failing(np.ones((5, 5)), np.eye(5)), make.gradebook())
    tops = "all => all.map(map => Math.round(map.getBoundingClientRect().top))"

    wide = seen("wide.html", html, 960).locator("svg.heatmap").evaluate_all(tops)
    narrow = seen("narrow.html", html, 375).locator("svg.heatmap").evaluate_all(tops)

    assert len(set(wide)) == 1
    assert len(set(narrow)) == 3


def test_the_table_of_students_sorts_by_points_and_by_name(seen, book):
    page = seen("index.html", class_page(book))
    total = page.locator("#students thead button", has_text="total")
    read = "rows => rows.map(row => row.cells[row.cells.length - 4].dataset.sort)"

    total.click()
    rising = page.locator("#students tbody tr").evaluate_all(read)
    total.click()
    falling = page.locator("#students tbody tr").evaluate_all(read)

    known = [float(points) for points in rising if points]
    assert known == sorted(known)
    assert [float(points) for points in falling if points] == sorted(known, reverse=True)
    assert rising[-1] == falling[-1] == ""
    assert page.noted == [page.address]


def test_the_class_page_is_whole_without_its_script(seen, book):
    page = seen("index.html", class_page(book), java_script_enabled=False)

    assert page.locator("#students tbody tr").count() == len(book.grades)
    assert page.locator("#students thead button").count() == 0


def test_a_page_prints_on_a4_without_anything_cut_off(seen, book):
    page = seen("print.html", student_page(book.grades[0], book), 688)  # A4 less its margins
    page.emulate_media(media="print")

    assert wider_than_the_window(page) <= 0
    assert page.pdf(format="A4").startswith(b"%PDF")
