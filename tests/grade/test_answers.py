"""What is said of a written answer before a person reads it; none of it is a mark."""

import pytest

from grader.grade.answers import looked_at, only_prompt
from grader.model import Execution, Judgement, NotebookCell, Outcome, Printed

PROMPT = (
    "## Description of the method\n\n*(Describe the model and the training in your own words.)*"
)
RUN = Execution(Outcome.PASSED)


def answer(text):
    return Judgement(
        "description", "Description", Outcome.NEEDS_REVIEW, None, 8.0, (), written=True, text=text
    )


def said(text, *outputs, execution=RUN):
    cells = [NotebookCell("code", "train()", output) for output in outputs]
    judgement = looked_at(answer(text), [PROMPT], cells, execution)
    assert (judgement.outcome, judgement.earned) == (Outcome.NEEDS_REVIEW, None)
    return judgement.flags, judgement.notes


@pytest.mark.parametrize(
    "text, copied",
    [
        ("*(Describe the model and the training in your own words.)*", True),
        ("describe the model, and the training; in your own words", True),
        ("(Describe the model and the training in your own words.)\nIt attends.", False),
        ("It attends.", False),
    ],
    ids=["as it is", "other marks", "with an answer", "an answer"],
)
def test_a_prompt_handed_in_as_it_was_handed_out_is_seen(text, copied):
    assert only_prompt(text, [PROMPT]) is copied
    assert (said(text)[0] == ("prompt_copied",)) is copied


@pytest.mark.parametrize(
    "text, outputs, unseen",
    [
        ("The test perplexity was 71.2.", ["test loss 4.27, test ppl 71.23"], []),
        ("The test perplexity was about 72.", ["test ppl 71.23"], []),
        ("The test perplexity was 71.2.", ["test loss 4.27"], []),
        ("The test loss was 4.27.", ["test ppl 71.23"], []),
        ("The test perplexity was 35.1.", ["test loss 4.27, test ppl 71.23"], ["35.1"]),
        ("困惑度\uff1a35.1\uff0c損失\uff1a4.27", ["test loss 4.27"], ["35.1"]),
        ("perplexity 35.1, and again perplexity 35.1", ["ppl 71.23"], ["35.1"]),
        ("The test perplexity was 35.1.", ["done"], []),
        ("The test perplexity was 35.1.", [], []),
        ("We ran 6 epochs.", ["ppl 71.23"], []),
    ],
    ids=[
        "rounded", "about", "as its loss", "as its perplexity", "another", "chinese", "twice",
        "no number", "no output", "no loss",
    ],
)  # fmt: skip
def test_a_loss_or_perplexity_that_no_output_shows_is_told(text, outputs, unseen):
    flags, notes = said(text, *outputs)

    assert [note.split()[2] for note in notes] == unseen
    assert flags == (("quotes_unseen",) if unseen else ())


def test_a_number_of_our_own_run_may_be_quoted_too():
    execution = Execution(Outcome.PASSED, printed=(Printed(1, "test ppl 35.1"),))

    assert said("The perplexity was 35.1.", "test ppl 71.23", execution=execution) == ((), ())


def test_of_a_text_that_is_not_there_nothing_is_said():
    assert looked_at(answer(" "), [PROMPT], [], RUN) == answer(" ")
