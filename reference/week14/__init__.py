"""Week 14, HW10: attention and transformers (UDL ch. 12).  A table of contents and its points."""

from pathlib import Path

from grader.authoring import Assignment, Notebook
from reference.week14 import (
    attention,
    generation,
    multihead,
    positional_encoding,
    qkv,
    self_attention,
    softmax,
    written,
)

HANDED_OUT = Path(__file__).resolve().parents[2] / "fixtures" / "week14"

ASSIGNMENT = Assignment(
    key="week14",
    title="HW10: attention and transformers",
    points={"colab1": 30, "colab2": 30, "colab3": 40},
    notebooks={
        "colab1": Notebook(
            "Self-attention",
            [qkv.QUESTION, softmax.QUESTION, attention.QUESTION, self_attention.QUESTION],
        ),
        "colab2": Notebook("Multi-head self-attention", [multihead.QUESTION]),
        "colab3": Notebook(
            "Transformer",
            [
                positional_encoding.QUESTION,
                generation.QUESTION,
                written.DESCRIPTION,
                written.DISCUSSION,
            ],
            trains=True,
        ),
    },
    file_name="{student}_week14_{notebook}_homework.ipynb",
    data=(HANDED_OUT / "data.py", HANDED_OUT / "wikitext-2"),
    corpus="wikitext-2",
    deadline="2024-12-10T23:59:59+08:00",
    solution=Path(__file__).parent / "notebooks",
    handout=HANDED_OUT / "handout",
    variants=HANDED_OUT / "variants",
    wrong=HANDED_OUT / "wrong",
)
