"""Whole notebooks that train, in styles of their own: run as they were handed in, from end to end.

The endless one is ended after some steps, which are more than six epochs of PyTorch's example take.
"""

import json
import shutil
from pathlib import Path

import pytest

from fixtures.make_submissions import FIXTURES, notebook
from grader.model import Limits
from grader.sandbox import ladder
from grader.store import Store
from tests.e2e.conftest import table

pytestmark = pytest.mark.kernel

WHOLE = sorted((FIXTURES / "week14" / "whole").glob("*.py"))
CORPUS = FIXTURES / "week14" / "wikitext-2"
STEPS = 150  # of training: enough for all but the endless one
ENDLESS = "a_thousand_epochs"
STYLES = [path.stem for path in WHOLE]


def student(style):
    return f"R1394900{STYLES.index(style)}"


def hand_in(folder, style, script):
    folder.mkdir(exist_ok=True)
    (folder / f"{student(style)}_week14_colab3_homework.ipynb").write_text(
        notebook(script), "utf-8"
    )


@pytest.fixture(scope="module")
def graded(command, tmp_path_factory, need):
    """The results folder of all."""
    need("walls", "" if ladder.rung().letter == "A" else "there is no bubblewrap that works")
    top = tmp_path_factory.mktemp("whole")
    for path in WHOLE:
        hand_in(top / "handed-in", path.stem, path.read_text("utf-8"))
    ended = command("run", top / "handed-in", "-o", top / "results", "--training-steps", STEPS)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return top / "results"


@pytest.fixture(scope="module")
def records(graded):
    store = Store(graded)
    return {style: store.load(student(style), "colab3") for style in STYLES}


def test_there_are_six_of_them():
    assert len(STYLES) >= 6


@pytest.mark.parametrize("style", STYLES)
def test_a_right_notebook_earns_all_that_rules_can_give(graded, style):
    rows = {r["question"]: r for r in table(graded / "questions.csv")
            if (r["student_id"], r["notebook"]) == (student(style), "colab3")}  # fmt: skip

    assert {key: row["outcome"] for key, row in rows.items()} == {
        "positional_encoding": "passed",
        "generation": "passed",
        "description": "needs_review",
        "discussion": "needs_review",
    }


@pytest.mark.parametrize("style", STYLES)
def test_every_cell_runs_but_the_endless_training(records, style):
    failures = [failure.error for failure in records[style].execution.failures]
    ended = f"KeyboardInterrupt: training ended after {STEPS} steps"

    assert failures == ([ended] if style == ENDLESS else [])
    told = [note for note in records[style].execution.adapted if "training was ended" in note]
    assert bool(told) == (style == ENDLESS)


def test_six_epochs_of_our_corpus_end_untouched_by_default(records):
    printed = [p.text for p in records["as_in_the_example"].execution.printed]

    assert any("end of epoch   6" in text for text in printed)
    assert Limits().training_steps > STEPS


@pytest.mark.parametrize("style", STYLES)
def test_the_page_draws_both_trainings_and_shows_both_texts(graded, style):
    page = (graded / "reports" / f"{student(style)}.html").read_text("utf-8")

    assert page.count('<svg class="curve" ') == 2
    assert "Loss in the file that you handed in: " in page
    assert "Loss when we ran it: " in page
    assert page.count("Your text: ") == 2
    assert ("In our run, training was ended" in page) == (style == ENDLESS)


def test_only_what_no_output_shows_is_told_of_the_texts(graded):
    rows = table(graded / "questions.csv")

    flagged = {(r["student_id"], r["question"], r["flags"]) for r in rows
               if r["question"] in ("description", "discussion") and r["flags"]}  # fmt: skip
    assert flagged == {(student(ENDLESS), "discussion", "quotes_unseen")}


def test_a_training_that_left_no_trace_is_flagged_and_costs_nothing(command, graded, tmp_path):
    script = next(path for path in WHOLE if path.stem == "own_attention").read_text("utf-8")
    before, _, rest = script.partition("# %% [output]")
    hand_in(tmp_path / "in", "own_attention", before + "# %%" + rest.partition("# %%")[2])

    command("run", tmp_path / "in", "-o", tmp_path / "out")

    (row,) = table(tmp_path / "out" / "gradebook.csv")
    assert (row["colab3"], row["flags"]) == ("24", "lateness_not_checked;not_trained;quotes_unseen")


def test_a_real_corpus_stands_in_the_place_of_the_small_one(command, tmp_path):
    style = "as_in_the_example"
    hand_in(tmp_path / "in", style, next(p for p in WHOLE if p.stem == style).read_text("utf-8"))
    real = tmp_path / "real"
    shutil.copytree(CORPUS, real)
    with (real / "train.txt").open("a", encoding="utf-8") as train:
        train.write(" = Robert <unk> = \n" * 3000)

    ended = command("run", tmp_path / "in", "-o", tmp_path / "out", "--corpus", real,
                    "--training-steps", 4)  # fmt: skip

    assert ended.returncode == 0, ended.stderr
    record = Store(tmp_path / "out").load(student(style), "colab3")
    assert "/   34 batches" not in record.execution.printed[0].text
    (row,) = table(tmp_path / "out" / "gradebook.csv")
    assert row["colab3"] == "24"
    said = json.loads((tmp_path / "out" / "run.json").read_bytes())
    assert len(said["corpus"]) == 64
    command("judge", tmp_path / "out")
    assert json.loads((tmp_path / "out" / "run.json").read_bytes()) == said
    refused = command("run", tmp_path / "in", "-o", tmp_path / "out", "--corpus", Path("nowhere"))
    assert refused.returncode == 2
    assert refused.stderr == "error: --corpus nowhere: there is no such folder\n"


# what goes wrong costs what it must, and nothing else ------------------------------------------

SWALLOWED = """while True:
    try:
        while True:
            x, y = random_batch("train")
            _, loss = model(x, y)
            opt.zero_grad(); loss.backward(); opt.step()
    except KeyboardInterrupt:
        print("go on")
"""
MAKES_IT = "model = SmallGPT(ntokens).to(device)\n"
TRAINS = "for step in range(1, steps + 1):\n"
READS = "/content/drive/My Drive/Colab Notebooks/data/wikitext-2/{name}.txt"
MEMORY = "a notebook may use 2 GB"

# a change of the notebook, what generation then earns, and what is said of the cell; where there is
# no list of words to look a number up in, a person has to look
BAD = {
    "too large": ((MAKES_IT, "model = SmallGPT(ntokens, d=60_000)\n"), "0", MEMORY),
    "no data set": ((READS, "/content/my_own/{name}.csv"), "", "/content/my_own/train.csv"),
    "never ends": ((TRAINS, f"while True: model(*random_batch('train'))\n{TRAINS}"), "12",
                   "it did not end within 15 s"),
    "swallows its interrupts": ((TRAINS, SWALLOWED + TRAINS), "12", "nor when interrupted"),
}  # fmt: skip


@pytest.fixture(scope="module")
def bad(command, tmp_path_factory, need):
    """The results folder of a right notebook with each of these changes."""
    need("walls", "" if ladder.rung().letter == "A" else "there is no bubblewrap that works")
    top = tmp_path_factory.mktemp("bad")
    script = next(path for path in WHOLE if path.stem == "own_attention").read_text("utf-8")
    (top / "in").mkdir()
    for number, ((before, after), _, _) in enumerate(BAD.values()):
        assert script.count(before) == 1
        name = f"R1394910{number}_week14_colab3_homework.ipynb"
        (top / "in" / name).write_text(notebook(script.replace(before, after)), "utf-8")
    ended = command("run", top / "in", "-o", top / "out", "--cell-seconds", 15)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    return top / "out"


@pytest.mark.parametrize("name", BAD)
def test_what_goes_wrong_costs_what_it_must_and_no_more(bad, name):
    who, (_, generation, said) = f"R1394910{list(BAD).index(name)}", BAD[name]
    rows = {r["question"]: r for r in table(bad / "questions.csv")
            if (r["student_id"], r["notebook"]) == (who, "colab3")}  # fmt: skip

    assert rows["positional_encoding"]["earned"] == "12"
    assert rows["generation"]["earned"] == generation
    assert rows["description"]["outcome"] == rows["discussion"]["outcome"] == "needs_review"
    record = Store(bad).load(who, "colab3")
    assert said in record.execution.failures[0].error
    assert "Your text: " in (bad / "reports" / f"{who}.html").read_text("utf-8")
