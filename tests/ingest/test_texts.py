"""Written answers: which text of a notebook answers which question."""

import pytest

from grader.authoring import Written
from grader.ingest.texts import written_answers
from grader.model import NotebookCell

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
        ([], ("", "")),
    ],
    ids=[
        "english", "chinese", "bold headings", "plain headings", "text in the next cell",
        "headings inside the text", "twice", "by place", "before the code",
        "next heading", "bold inside", "fence",
        "another heading", "nothing",
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
