"""Written answers: which text of a notebook answers which question."""

import time

import pytest

from grader.authoring import Written
from grader.ingest.texts import of_html, written_answers
from grader.model import Beside, NotebookCell

DESCRIPTION = Written("description", "Description", 8, ("description", "method", "描述", "方法"))
DISCUSSION = Written("discussion", "Discussion", 8, ("conclusion", "discussion", "結論", "討論"))


def answers(*cells):
    made = tuple(
        NotebookCell("code", cell[1:])
        if cell.startswith("\x00")
        else NotebookCell("markdown", cell)
        for cell in cells
    )
    found = written_answers(made, [DESCRIPTION, DISCUSSION])
    return found["description"].text, found["discussion"].text


CODE = "\x00print(1)"


@pytest.mark.parametrize(
    "cells, expected",
    [
        (
            ["## Description of the method\n\nIt attends.", "## Conclusions\nIt works."],
            ("It attends.", "It works."),
        ),
        (["# 方法描述\n模型", "# 結論與討論\n很好"], ("模型", "很好")),
        (["**Method**\n\nIt attends.\n\n**Discussion**\n\nYes."], ("It attends.", "Yes.")),
        (["Method:\nIt attends.", "Conclusion:\nIt works."], ("It attends.", "It works.")),
        (["## Method", "It attends.", CODE, "## Discussion", "Yes."], ("It attends.", "Yes.")),
        (
            ["## Method\nA\n### The model\nB\n### Training\nC\n## Discussion\nD"],
            ("A\n### The model\nB\n### Training\nC", "D"),
        ),
        (["## Method", "## Method\nthe longer one"], ("the longer one", "")),
        ([CODE, "All that I did and found."], ("All that I did and found.", "")),
        (["Before the code.", CODE], ("", "")),
        (["## Method\nA\n## Data\nB"], ("A", "")),
        (["**Method**\nA\n**Model**\nB"], ("A\n**Model**\nB", "")),
        (["## Method\n```\n# conclusion\n```\nafter"], ("```\n# conclusion\n```\nafter", "")),
        (["## Model\ntext", CODE], ("", "")),
        (["Method\uff1a\nIt attends.\n\n結論\uff1a\nYes."], ("It attends.", "Yes.")),
        (["描述\uff1a它會注意。\n\n討論\uff1a很好。"], ("它會注意。", "很好。")),
        (["**Method:** It attends.\n\n**Discussion**: Yes."], ("It attends.", "Yes.")),
        (["Method\n------\nA\n\nDiscussion\n======\nB"], ("A", "B")),
        (["<h2>Method</h2>\n\nA\n\n<b>結論</b>\n\nB"], ("A", "B")),
        (["#Method\nA", "##討論\nB"], ("A", "B")),
        (["## Method\nA\n\nTraining method: SGD\n\n### Method of sampling\nC"],
         ("A\n\nTraining method:\nSGD\n\n### Method of sampling\nC", "")),
        (["## Method\nA", CODE, "## Description of the training\nB"], ("A\n\nB", "")),
        (["## Method\nA", CODE, "What I found."], ("A", "What I found.")),
        ([CODE, "What I did.", "\x00\n"], ("What I did.", "")),
        ([CODE, "\x00# Method\n# It attends.\n#\n# Discussion\n# Yes."], ("It attends.", "Yes.")),
        ([CODE, "\x00'\'\'\nMethod\n\nIt attends.\n\'\'\'"], ("It attends.", "")),
        (["\x00x = 1\n# Conclusion:\n# It works,\n# mostly.\ny = 2"], ("", "It works,\nmostly.")),
        (["\x00# Method: take the largest\n# of them\nx = 1"], ("", "")),
        (["\x00# Method 1 is slow and here is why\n# it is\nx = 1"], ("", "")),
        (["\x00# conclusion\nx = ("], ("", "")),
        (["Method\nA sentence about the conclusion of it, which is long.\nB"],
         ("A sentence about the conclusion of it, which is long.\nB", "")),
        (["\x00# Method:\n# It attends\n# Discussion:\n# Yes"], ("It attends", "Yes")),
        (["描述\n它會注意。\n結論\n很好"], ("它會注意。", "很好")),
        (["Method: It attends.\nDiscussion: Yes."], ("It attends.", "Yes.")),
        (["Method\nOf all sentences the\nconclusion: it is"],
         ("Of all sentences the\nconclusion: it is", "")),
        ([], ("", "")),
    ],
    ids=[
        "english", "chinese", "bold headings", "plain headings", "text in the next cell",
        "headings inside the text", "twice", "by place", "before the code",
        "next heading", "bold inside", "fence",
        "another heading", "full-width colons", "in the line", "bold in the line", "underlined",
        "html", "no space", "headings of its own", "in two places", "only one headed",
        "an empty cell at the end", "comments", "a text in quotes", "a comment below code",
        "a remark", "another remark", "no Python", "a word in a sentence",
        "a colon tells", "after a sentence", "in the line after a sentence", "within a sentence",
        "nothing",
    ],
)  # fmt: skip
def test_a_text_is_found_by_its_heading_or_its_place(cells, expected):
    assert answers(*cells) == expected


def test_where_a_text_was_found_is_said():
    cells = (NotebookCell("code", "1"), NotebookCell("markdown", "intro\n\n## Method\ntext"))
    found = written_answers(cells, [DESCRIPTION])["description"].found
    assert (found.name, found.where.cell, found.where.line) == ("Method", 2, 3)


def test_a_question_without_a_text_has_nothing_found():
    assert written_answers((), [DESCRIPTION])["description"].found is None


def beside(*texts, cells=(), questions=(DESCRIPTION, DISCUSSION)):
    made = [Beside(path, text, sure=path.startswith("R1")) for path, text in texts]
    found = written_answers(cells, questions, made)
    return {key: (o.found.name, o.text) for key, o in found.items() if o.found}


@pytest.mark.parametrize(
    "texts, expected",
    [
        (
            [("R1.txt", "Method\n\nIt attends.\n\nConclusion\n\nYes.")],
            {"description": ("R1.txt", "It attends."), "discussion": ("R1.txt", "Yes.")},
        ),
        (
            [("R1_conclusion.txt", "Yes."), ("R1_other.md", "It attends.")],
            {
                "description": ("R1_other.md", "It attends."),
                "discussion": ("R1_conclusion.txt", "Yes."),
            },
        ),
        ([("notes.txt", "numpy\ntorch")], {}),
        ([("notes.txt", "# Method\nIt attends.")], {"description": ("notes.txt", "It attends.")}),
    ],
    ids=["headings", "names", "no sign of an answer", "headings in a text that lies there"],
)
def test_a_text_beside_the_notebook_answers_too(texts, expected):
    assert beside(*texts) == expected


def test_what_stands_in_the_notebook_comes_before_a_text_beside_it():
    cells = (NotebookCell("markdown", "## Method\nInside."),)

    assert beside(("R1.txt", "# Method\nBeside."), cells=cells) == {
        "description": ("Method", "Inside.")
    }


def test_what_was_handed_out_is_nobodys_answer_by_its_place():
    cells = (NotebookCell("code", "1"), NotebookCell("markdown", "Read this."))

    found = written_answers(cells, [DESCRIPTION], handed_out=cells)

    assert found["description"].found is None


def test_a_page_is_read_as_its_text():
    page = (
        "<html><head><title>no</title><style>p{}</style></head><body><h2>Method</h2>"
        "<p>It&nbsp;attends &lt;b&gt;.<br>Then:</p><ul><li>one<li>two</ul><script>no()</script>"
    )

    assert of_html(page) == "## Method\n\nIt attends <b>.\nThen:\n\n- one\n- two"


def test_hostile_texts_are_read_in_time_that_grows_with_their_length():
    texts = ["# " * 50_000, "**" * 50_000, "<b>" * 50_000, "a: " * 50_000, "=\n" * 50_000]
    # each of these took from a second to days
    texts += [" " * 20_000 + "!", "# a" + " " * 20_000 + "!", "**a**" + " " * 20_000 + "!"]
    texts += ["Method" + " " * 20_000, "1" * 20_000 + "!", "1." + " " * 20_000 + "!"]
    began = time.process_time()
    cells = [NotebookCell("markdown", text) for text in texts]
    cells += [NotebookCell("code", "#" * 50_000), NotebookCell("code", "(" * 50_000)]

    written_answers(cells, [DESCRIPTION, DISCUSSION])

    assert time.process_time() - began < 3
