"""A positional encoding is judged by what it computes, in whatever layout and by whatever names."""

import sys
import types

import pytest

from grader.model import Outcome
from reference.week14 import positional_encoding
from tests.judge.conftest import observe

QUESTION = positional_encoding.QUESTION

IMPORTS = """
import math, torch
import torch.nn as nn

def table(length, d_model):
    angle = torch.arange(length)[:, None] / 10000 ** (torch.arange(0, d_model, 2) / d_model)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
"""

SEQUENCE_FIRST = """
class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.1, max_len=5000):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("pe", table(max_len, d_model).unsqueeze(1))

    def forward(self, x):
        return self.dropout(x + self.pe[:x.size(0)])
"""

BATCH_FIRST = SEQUENCE_FIRST.replace("unsqueeze(1)", "unsqueeze(0)").replace(
    "self.pe[:x.size(0)]", "self.pe[:, :x.size(1)]"
)

BY_FLAG = SEQUENCE_FIRST.replace("max_len=5000", "max_len=5000, batch_first=False").replace(
    "return self.dropout(x + self.pe[:x.size(0)])",
    "pe = self.pe.transpose(0, 1)[:, :x.size(1)] if self.batch_first else self.pe[:x.size(0)]\n"
    "        return self.dropout(x + pe)",
)
BY_FLAG = BY_FLAG.replace(
    "super().__init__()", "super().__init__()\n        self.batch_first = batch_first"
)

ITS_LENGTH_TOO = SEQUENCE_FIRST.replace("forward(self, x)", "forward(self, x, length)").replace(
    "x.size(0)", "length"
)


def model(encoder="TRANSFORMER", forward="SEQUENCE", make="PositionalEncoding(8, 0.2)"):
    """A language model by its encoder, and what its forward does with the words."""
    encoders = {
        "TRANSFORMER": "nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.2), 1,"
        " enable_nested_tensor=False)",
        "BATCH": "nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.2,"
        " batch_first=True), 2)",
        "OWN": "Attention()",
        "LSTM": "nn.LSTM(8, 8)",
    }
    forwards = {
        "SEQUENCE": "(self, src, has_mask=True):\n        if has_mask and self.mask is None:\n"
        "            self.mask = torch.full((len(src), len(src)), -math.inf).triu(1)\n"
        "        x = self.pos_encoder(self.embedding(src) * math.sqrt(8))\n"
        "        x = self.encoder(x, self.mask)",
        "BATCH": "(self, src):\n        x = self.encoder(self.pos_encoder(self.embedding(src)))",
        "MASK": "(self, src, src_mask):\n"
        "        x = self.encoder(self.pos_encoder(self.embedding(src)), src_mask)",
        "TURNED": "(self, src):\n        x = self.embedding(src).transpose(0, 1)\n"
        "        x = self.encoder(self.pos_encoder(x).transpose(0, 1))",
        "OWN": "(self, src):\n        x = self.encoder(self.pos_encoder(self.embedding(src)))",
        "LENGTH": "(self, src):\n"
        "        x = self.encoder(self.pos_encoder(self.embedding(src), len(src)))",
        "LSTM": "(self, src):\n        x, _ = self.encoder(self.pos_encoder(self.embedding(src)))",
    }
    return f"""
class Attention(nn.Module):
    def forward(self, x):
        q = x.transpose(0, 1)
        return (torch.softmax(q @ q.transpose(1, 2), -1) @ q).transpose(0, 1)

class TransformerModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.mask = None
        self.embedding = nn.Embedding(30, 8)
        self.pos_encoder = {make}
        self.encoder = {encoders[encoder]}
        self.decoder = nn.Linear(8, 30)

    def forward{forwards[forward]}
        return torch.log_softmax(self.decoder(x), -1)

model = TransformerModel()
"""


FLAGGED = "PositionalEncoding(8, batch_first=True)"
RIGHT = {
    "as handed out": (SEQUENCE_FIRST, model()),
    "both with the batch first": (BATCH_FIRST, model("BATCH", "BATCH")),
    "a mask that the model is given": (SEQUENCE_FIRST, model("TRANSFORMER", "MASK")),
    "turned for the encoding and back": (SEQUENCE_FIRST, model("BATCH", "TURNED")),
    "attention of its own": (SEQUENCE_FIRST, model("OWN", "OWN")),
    "no attention at all": (SEQUENCE_FIRST, model("LSTM", "LSTM")),
    "a flag that is set": (BY_FLAG, model("BATCH", "BATCH", FLAGGED)),
    "a flag that is left": (BY_FLAG, model()),
    "given the length too": (ITS_LENGTH_TOO, model("OWN", "LENGTH")),
    "no model, sequence first": (SEQUENCE_FIRST,),
    "no model, batch first": (BATCH_FIRST,),
    "a model that fails": (BATCH_FIRST, model("BATCH", "BATCH").replace("30, 8)", "30, 9)")),
}
WRONG = {
    "batch first as handed out": (BATCH_FIRST, model()),
    "sequence first, batch-first model": (SEQUENCE_FIRST, model("BATCH", "BATCH")),
    "batch first, turned": (BATCH_FIRST, model("BATCH", "TURNED")),
    "batch first, attention of its own": (BATCH_FIRST, model("OWN", "OWN")),
    "batch first, with a mask": (BATCH_FIRST, model("TRANSFORMER", "MASK")),
}


@pytest.fixture
def defined():
    """From cells to the PositionalEncoding that they define, in a module of their own."""
    module = types.ModuleType("handed_in")
    sys.modules[module.__name__] = module

    def run(*cells):
        exec("\n".join([IMPORTS, *cells]), vars(module))
        return module.PositionalEncoding

    yield run
    del sys.modules[module.__name__]


@pytest.mark.parametrize("cells", RIGHT.values(), ids=RIGHT)
def test_an_encoding_that_agrees_with_its_model_is_right(judged, defined, cells):
    judgement = judged(QUESTION, defined(*cells))

    assert (judgement.outcome, judgement.earned) == (Outcome.PASSED, 12), judgement


@pytest.mark.parametrize("cells", WRONG.values(), ids=WRONG)
def test_one_that_counts_the_sentences_of_its_model_slices_the_batch_axis(judged, defined, cells):
    judgement = judged(QUESTION, defined(*cells))

    assert judgement.finding.misconception == "slices_the_batch_axis"
    assert judgement.earned == 4


def test_the_model_is_left_as_it_was(defined):
    defined(SEQUENCE_FIRST, model())
    home = sys.modules["handed_in"]
    kept = {name: dict(vars(m)) for name, m in home.model.named_modules()}

    observe(QUESTION, home.PositionalEncoding)

    assert {name: dict(vars(m)) for name, m in home.model.named_modules()} == kept
    assert home.model.training
    assert home.model.mask is None
