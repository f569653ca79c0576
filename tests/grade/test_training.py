"""The losses that a notebook printed, read as a curve, and the signs that it trained at all."""

import math
import time

import pytest

from grader.authoring import Tolerance
from grader.grade import suspicions
from grader.grade.training import curve, quoted, training
from grader.model import Execution, Losses, NotebookCell, Outcome, Printed

EXAMPLE = """\
| epoch   1 |   200/  400 batches | lr 20.00 | ms/batch 17.24 | loss  7.63 | ppl  2064.90
| epoch   1 |   400/  400 batches | lr 20.00 | ms/batch 16.98 | loss  6.84 | ppl   934.49
-----------------------------------------------------------------------------------------
| end of epoch   1 | time: 70.12s | valid loss  6.20 | valid ppl   492.75
-----------------------------------------------------------------------------------------
| epoch   2 |   200/  400 batches | lr 20.00 | ms/batch 17.01 | loss  6.35 | ppl   572.49
| epoch   2 |   400/  400 batches | lr 20.00 | ms/batch 17.12 | loss  6.22 | ppl   502.70
-----------------------------------------------------------------------------------------
| end of epoch   2 | time: 70.31s | valid loss  5.97 | valid ppl   391.51
-----------------------------------------------------------------------------------------
=========================================================================================
| End of training | test loss  5.90 | test ppl   365.04
=========================================================================================
"""
BARS = (
    "\rEpoch 1:   0%|          | 0/8 [00:00<?, ?it/s]"
    "\rEpoch 1:  50%|█████     | 4/8 [00:01<00:01,  3.90it/s, loss=6.9]"
    "\rEpoch 1: 100%|██████████| 8/8 [00:02<00:00,  3.91it/s, loss=6.5, ppl=665.1]\n"
    "\rEpoch 2: 100%|██████████| 8/8 [00:02<00:00,  3.95it/s, loss=6.1]\n"
)


@pytest.mark.parametrize(
    "text, unit, train, valid, test",
    [
        (
            EXAMPLE,
            "epoch",
            ((0.5, 7.63), (1.0, 6.84), (1.5, 6.35), (2.0, 6.22)),
            ((1.0, 6.20), (2.0, 5.97)),
            ((2.0, 5.90),),
        ),
        (BARS, "epoch", ((0.5, 6.9), (1.0, 6.5), (2.0, 6.1)), (), ()),
        ("Epoch 1: loss=5.5\nEpoch 2: loss=5.25", "epoch", ((1, 5.5), (2, 5.25)), (), ()),
        (
            "Epoch [1/2], Train Loss: 5.5, Val Loss: 5.25\nEpoch [2/2], Train Loss: 5, Val Loss: 6",
            "epoch",
            ((1, 5.5), (2, 5)),
            ((1, 5.25), (2, 6)),
            (),
        ),
        (
            "第 1 輪,訓練損失:5.50,驗證損失:5.25\n第 2 輪,訓練損失:5.00,驗證損失:5.10",
            "epoch",
            ((1, 5.5), (2, 5)),
            ((1, 5.25), (2, 5.1)),
            (),
        ),
        (
            "| epoch | train loss | val loss |\n|---|---|---|\n| 1 | 5.5 | 5.25 |\n| 2 | 5 | 6 |",
            "epoch",
            ((1, 5.5), (2, 5)),
            ((1, 5.25), (2, 6)),
            (),
        ),
        (
            "Epoch  Loss\nwarming up\n1  5.5\nepoch 1 loss per token 5.25",
            "epoch",
            ((1, 5.25),),
            (),
            (),
        ),
        ("週期 1:\x1b[1m損失\x1b[0m → 5.5\n週期 2:損失 -> 5", "epoch", ((1, 5.5), (2, 5)), (), ()),
        (
            "\rEpoch 1 Batch 1/2 Loss 6\rEpoch 1 Batch 2/2 Loss 5\nEpoch 1 avg loss = 5.5",
            "epoch",
            ((0.5, 6), (1.0, 5), (1.0, 5.5)),
            (),
            (),
        ),
        ("损失 5.5\n损失 5.25", "line", ((1, 5.5), (2, 5.25)), (), ()),
        (
            "epoch 0, batch 5: loss 6.9\nepoch 0, batch 10: loss 6.5\nepoch 1, batch 5: loss 6.1",
            "epoch",
            ((0.5, 6.9), (1.0, 6.5), (1.5, 6.1)),
            (),
            (),
        ),
        ("step 100: loss 6.9\nstep 200: loss 6.5", "step", ((100, 6.9), (200, 6.5)), (), ()),
        (
            "Epoch 1\n  train_loss = 5.5\n  val_loss = 5.25\nEpoch 2\n  train_loss = 5\n",
            "epoch",
            ((1, 5.5), (2, 5)),
            ((1, 5.25),),
            (),
        ),
        (
            "{'epoch': 1, 'loss': 5.5}\n{'epoch': 2, 'loss': 5.25}",
            "epoch",
            ((1, 5.5), (2, 5.25)),
            (),
            (),
        ),
        ("loss: tensor(5.5, grad_fn=<NllLossBackward0>)", "line", ((1, 5.5),), (), ()),
        ("train losses: [5.5, 5.25, 5.0]", "line", ((1, 5.5), (2, 5.25), (3, 5)), (), ()),
        ("loss_train=5.5 loss_test=6", "line", ((1, 5.5),), (), ((1, 6),)),
        ("Loss after epoch 3: 5.5", "epoch", ((3, 5.5),), (), ()),
        ("epoch 1 loss 5.5\nbest val loss so far 5.1", "epoch", ((1, 5.5),), (), ()),
        ("epoch 1 loss 1,234.5", "epoch", ((1, 1234.5),), (), ()),
        (
            "epoch 1 loss 5.5\nepoch 2 loss 5\nepoch 1 loss 7\nepoch 2 loss 6",
            "epoch",
            ((1, 5.5), (2, 5), (3, 7), (4, 6)),
            (),
            (),
        ),
        (
            "epoch 1 loss 6\nepoch 1 loss 5\nepoch 2 loss 4\nepoch 2 loss 3",
            "epoch",
            ((0.5, 6), (1, 5), (1.5, 4), (2, 3)),
            (),
            (),
        ),
        ("accuracy 0.5, lr 0.1\nCrossEntropyLoss()\nlossless 4", "line", (), (), ()),
        ("", "line", (), (), ()),
    ],
    ids=[
        "PyTorch's example", "tqdm", "f-string", "epochs of how many", "chinese", "table",
        "numbers below no table", "colours and arrows", "bar and its end", "simplified",
        "batches from 0", "steps", "below a heading", "dictionary", "tensor", "list", "suffix",
        "number between", "best", "thousands", "trained twice", "no batch", "no loss", "nothing",
    ],
)  # fmt: skip
def test_losses_are_read_however_they_are_printed(text, unit, train, valid, test):
    read = curve([text])

    got = {s.name: tuple(zip(s.at, s.loss, strict=True)) for s in read.series}
    assert got == {n: v for n, v in (("train", train), ("valid", valid), ("test", test)) if v}
    assert read.unit == unit


def test_a_perplexity_alone_is_read_as_the_loss_that_it_stands_for():
    read = curve(["epoch 1 valid perplexity 148.41\nepoch 2 困惑度: 20.0855"])

    assert read.perplexities
    assert [(s.name, s.loss) for s in read.series] == [
        ("train", (pytest.approx(3, abs=1e-4),)),
        ("valid", (pytest.approx(5, abs=1e-4),)),
    ]


def test_a_training_that_diverged_keeps_its_nan():
    (losses,) = curve(["epoch 1 loss 9.5\nepoch 2 loss nan\nepoch 3 loss inf, ppl inf"]).series

    assert losses.at == (1, 2, 3)
    assert math.isnan(losses.loss[1])
    assert math.isinf(losses.loss[2])


def test_a_list_of_losses_says_nothing_new_where_each_was_printed():
    read = curve(["epoch 1 loss 5.5\nepoch 2 loss 5", "losses: [5.5, 5.0]"])

    assert read.series == (Losses("train", (1, 2), (5.5, 5)),)


def test_hostile_text_is_read_in_time_that_grows_with_its_length():
    read = curve(["loss " * 40_000, "loss[" + "1," * 100_000, "loss=1 " * 30_000])

    assert sum(len(series.at) for series in read.series) == 5_000


def ran(*cells, printed=(), adapted=()):
    code = tuple(NotebookCell("code", source, output) for source, output in cells)
    execution = Execution(Outcome.PASSED, adapted=adapted, printed=printed)
    return training(code, execution)


@pytest.mark.parametrize(
    "source, output, shown",
    [
        ("train()", "epoch 1 loss 5.5", True),
        ("plt.plot(losses)", "<Figure size 640x480 with 1 Axes>", True),
        ("plt.plot(x)", "<Figure size 640x480 with 1 Axes>", False),
        ("for b in tqdm(batches): step(b)", "100%|██████████| 8/8 [00:02<00:00]", True),
        ("train()", "Epoch 3/6", True),
        ("train()", "", False),
        ("print(len(corpus.train))", "5297", False),
    ],
    ids=["loss", "figure of it", "other figure", "bar", "epochs", "nothing", "a number"],
)
def test_what_in_a_file_is_a_sign_of_training(source, output, shown):
    assert ran((source, output)).shown is shown


def test_our_run_is_read_beside_the_file_and_says_that_it_was_ended():
    note = "training was ended after 40 steps; the later cells were run"

    found = ran(("train()", "epoch 1 loss 5.5"), printed=(Printed(1, "epoch 1 loss 7"),),
                adapted=("no drive", note))  # fmt: skip

    assert found.saved.series == (Losses("train", (1,), (5.5,)),)
    assert found.run.series == (Losses("train", (1,), (7,)),)
    assert found.ended == note


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The test perplexity was 71.23.", [("71.23", 71.23, 0.005)]),
        ("困惑度約為 150,損失 5.0", [("150", 150, 0.5), ("5.0", 5.0, 0.05)]),
        ("a valid loss of 4.9", [("4.9", 4.9, 0.05)]),
        ("perplexity 1.5e2", [("1.5e2", 150, 5)]),
        ("We ran 6 epochs with lr 5.", []),
    ],
    ids=["english", "chinese", "of", "exponent", "none"],
)
def test_what_a_text_quotes_is_told_with_how_it_was_rounded(text, expected):
    assert [(w, v, pytest.approx(off)) for w, v, off in expected] == list(quoted(text))


def test_steps_that_begin_anew_go_on_from_where_they_were():
    found = curve(["step 10 loss 5.0\nstep 20 loss 4.0\nstep 10 loss 3.5\nloss 3.2\n"])

    assert found.unit == "step"
    assert [place for losses in found.series for place in losses.at] == [10.0, 20.0, 30.0, 30.0]


def test_a_loss_without_an_epoch_stands_where_the_training_was():
    found = curve(["epoch 1 loss 5.0\nloss 4.5\nepoch 2 loss 4.0\nbest loss 4.0\n"])

    assert found.unit == "epoch"
    assert [place for losses in found.series for place in losses.at] == [0.5, 1.0, 2.0]


def test_what_is_no_number_is_not_quoted():
    assert list(quoted("loss nan, loss inf")) == []


def test_a_loss_before_the_first_epoch_stands_at_the_start():
    found = curve(["loss 9.0\nepoch 1 loss 5.0\n"])

    assert [(losses.at, losses.loss) for losses in found.series] == [((0.0, 1.0), (9.0, 5.0))]


LONG = {  # each took from seconds to hours
    "blanks after an epoch": "epoch" + " " * 1500 + "!",
    "blanks after a loss": "loss" + " " * 20_000 + "!",
    "digits": "1" * 40_000 + "!",
    "a list of what may be one number": "loss: [" + "1,111," * 14 + "!",
    "a quoted number": "loss: " + "1" * 40_000 + "!",
}


@pytest.mark.parametrize("name", LONG)
def test_no_line_takes_more_time_than_its_length(name):
    began = time.process_time()

    curve([LONG[name]])
    list(quoted(LONG[name]))
    suspicions.saved([NotebookCell("code", "", output=LONG[name])], [1.0, 2.0, 3.0], Tolerance())

    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "line",
    [
        f"epoch {'9' * 5000} loss: 1",
        f"epoch {'9' * 400}, batch {'9' * 400} / {'9' * 400} batches, loss: 1",
        f"loss: 1e{'9' * 5000}, loss: 0e{'9' * 5000}, ppl: 0e400, ppl: 1e-400, loss: 0e999",
        f"loss: {'9' * 5000}, loss: {'9,999' * 2000}",
    ],
    ids=["epoch", "batch", "exponents", "digits"],
)
def test_no_number_is_too_large_to_be_read(line):
    read = curve([line, "epoch 1 loss: 2"])

    assert all(math.isfinite(at) for losses in read.series for at in losses.at)
    list(quoted(line))
