"""What is drawn of a training: the lines, their scale, and the same in words."""

import math

import pytest
from msgspec import structs

from grader.model import Curve, Losses, Training
from grader.report.curves import drawn
from tests.report.conftest import student_page

NONE = Curve("line", ())
SAVED = Curve(
    "epoch",
    (
        Losses("train", (0.5, 1.0, 1.5, 2.0), (7.0, 6.0, 5.5, 5.0)),
        Losses("valid", (1.0, 2.0), (6.0, 5.5)),
        Losses("test", (2.0,), (5.25,)),
    ),
    perplexities=True,
)
RUN = Curve("step", (Losses("train", (10, 20), (7.5, 7.0)),))


def training(saved=NONE, run=NONE, shown=True, ended=""):
    return Training(saved, run, shown, ended)


def test_a_loss_is_drawn_at_the_height_of_its_tick_on_a_scale_of_each_run():
    saved, run = drawn(training(SAVED, RUN)).charts

    assert [tick.label for tick in saved.y] == ["5", "5.5", "6", "6.5", "7"]
    assert [tick.label for tick in run.y] == ["7", "7.1", "7.2", "7.3", "7.4", "7.5"]
    for chart in (saved, run):
        heights = {tick.label: tick.at for tick in chart.y}
        train = next(line for line in chart.lines if line.series == "train")
        assert train.points[-1].y == heights["5" if chart is saved else "7"]
    assert [tick.label for tick in saved.x] == ["0", "1", "2"]


def test_what_is_drawn_is_also_said():
    saved, run = drawn(training(SAVED, RUN)).charts

    assert saved.said == (
        "Training loss from 7 (perplexity 1097) to 5 (perplexity 148.4); validation loss from 6 "
        "(perplexity 403.4) to 5.5 (perplexity 244.7); test loss 5.25 (perplexity 190.6), over 2 "
        "epochs."
    )
    assert run.said == "Training loss from 7.5 to 7, over 20 steps."
    assert saved.lines[1].points[0].title == "validation, epoch 1: loss 6 (perplexity 403.4)"


@pytest.mark.parametrize("loss, said", [(9.58, "14,472"), (15.3, "4,412,712"), (45.0, "3.493e+19")])
def test_a_perplexity_is_said_in_full_where_it_can_be_read(loss, said):
    start = Curve("epoch", (Losses("train", (1, 2), (loss, 5.0)),), perplexities=True)

    (chart,) = drawn(training(start)).charts

    assert chart.said.startswith(f"Training loss from {loss:g} (perplexity {said}) to 5 ")


def test_a_line_is_broken_where_there_is_no_number():
    broken = Curve("epoch", (Losses("train", (1, 2, 3, 4), (7.0, 6.0, math.nan, math.inf)),))

    (chart,) = drawn(training(broken)).charts

    assert chart.lines[0].pieces == ("132,12 224,190",)
    assert chart.said == "Training loss from 7 to 6 (no number at epoch 3), over 4 epochs."


def test_losses_that_never_were_numbers_are_said_but_not_drawn():
    drawing = drawn(training(Curve("epoch", (Losses("train", (1,), (math.nan,)),))))

    assert drawing.charts == ()


def test_a_long_training_is_thinned_to_its_shape():
    many = tuple(float(i) for i in range(5000))
    long = Curve("step", (Losses("train", many, tuple(8 - i / 1000 for i in many)),))

    (chart,) = drawn(training(long)).charts

    assert len(chart.lines[0].pieces[0].split()) == 120
    assert [point.title for point in chart.lines[0].points] == [
        "training, step 0: loss 8",
        "training, step 4999: loss 3.001",
    ]


@pytest.mark.parametrize(
    "found, note",
    [
        (training(shown=False), "Nothing that is saved in the file that you handed in shows a"),
        (training(shown=True), "shows no loss, but it shows that the training ran"),
        (training(SAVED), "When we ran it, it printed no loss that we could read."),
        (training(SAVED, RUN, ended="training was ended after 40 steps"), "In our run, training"),
    ],
    ids=["no sign", "no loss", "not in our run", "ended"],
)
def test_what_is_not_there_is_said(found, note):
    assert any(note in said for said in drawn(found).notes)


def test_a_curve_of_one_loss_or_of_one_value_can_be_drawn():
    one = Curve("line", (Losses("train", (1,), (5.0,)),))
    same = Curve("epoch", (Losses("train", (1, 2), (5.0, 5.0)),))

    for chart in drawn(training(one, same)).charts:
        assert all(0 < p.x < chart.width and 0 < p.y < chart.height for p in chart.lines[0].points)


def test_the_students_page_shows_the_training_and_says_that_it_costs_nothing(make):
    notebook = structs.replace(make.notebook("colab3"), training=training(SAVED, RUN))
    page = student_page(make.grade(notebook), make.gradebook())

    assert page.count('<svg class="curve" ') == 2
    assert 'aria-label="Loss when we ran it: Training loss from 7.5 to 7, over 20 steps."' in page
    assert "It decides no points." in page
    assert page.index('id="right"') < page.index('id="training"') < page.index('id="changed"')


def test_a_page_without_a_training_speaks_of_none(make):
    assert 'id="training"' not in student_page(make.grade(make.notebook()), make.gradebook())
