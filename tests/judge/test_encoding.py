"""A positional encoding is judged by what it computes, in whatever layout and by whatever names."""

import math
import sys
import types

import numpy as np
import pytest
import torch
from msgspec.structs import replace

from grader.judge.questions import judge_question
from grader.model import Outcome
from reference.week14 import positional_encoding
from tests.judge.conftest import SEED, observe

QUESTION = positional_encoding.QUESTION

IMPORTS = "import math, torch, torch.nn as nn"

TABLE = """
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
        exec("\n".join([IMPORTS, TABLE, *cells]), vars(module))
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


# How it is made -----------------------------------------------------------------------

MADE = """
class PositionalEncoding(nn.Module):
    def __init__(self, SIGNATURE):
        super().__init__()
        BEFORE
        self.dropout = nn.Dropout(RATE) if isinstance(RATE, float) else RATE
        self.width = WIDTH

    def forward(self, x):
        return self.dropout(x + table(x.size(0), self.width)[:, None].to(x.dtype))
"""
SIGNATURES = {  # what stands before, and by what names the width and the rate go
    "d_model, dropout=0.1, max_len=5000": ("pass", "d_model", "dropout"),
    "dropout, d_model": ("pass", "d_model", "dropout"),
    "max_len, d_model, dropout": ("assert max_len >= 50", "d_model", "dropout"),
    "d_model, max_len=5000": ("pass", "d_model", "0.1"),
    "d_model, /, dropout=0.1": ("pass", "d_model", "dropout"),
    "*, d_model, p=0.1": ("pass", "d_model", "p"),
    "*args": ("width, rate, most = args", "width", "rate"),
    "*args, **kwargs": ("width, rate = kwargs['d_model'], kwargs['dropout']", "width", "rate"),
    "**kwargs": ("width, rate = kwargs['d_model'], kwargs['dropout']", "width", "rate"),
    "d_model, *rest": ("rate, most = rest", "d_model", "rate"),
    "a, b=0.1, c=5000": ("pass", "a", "b"),
    "a, b, c": ("assert c >= 50", "a", "b"),
    "embed_size, seq_len=512, drop_prob=0.2": ("pass", "embed_size", "drop_prob"),
    "d_model, dropout: nn.Module": ("assert isinstance(dropout, nn.Module)", "d_model", "dropout"),
    "d_model, dropout, device": ("torch.zeros(1, device=device)", "d_model", "dropout"),
    "d_model, dropout=0.1, device=None, dtype=torch.float32": ("pass", "d_model", "dropout"),
    "d_model, dropout=0.1, scale=False, norm=None": ("assert not scale", "d_model", "dropout"),
    "d_model, dropout=0.1, max_period=10000.0": ("assert max_period > 9e3", "d_model", "dropout"),
    "d_model, batch_size, dropout=0.1": ("assert batch_size < 50", "d_model", "dropout"),
    "dropout=0.1, d_model=512": ("pass", "d_model", "dropout"),
    "n_positions, hidden_dim, p": ("assert n_positions >= 50", "hidden_dim", "p"),
}


@pytest.mark.parametrize("signature", SIGNATURES)
def test_it_is_made_by_whatever_names_its_arguments_have(judged, defined, signature):
    before, width, rate = SIGNATURES[signature]
    source = MADE.replace("SIGNATURE", signature).replace("BEFORE", before)
    source = source.replace("RATE", rate).replace("WIDTH", width)

    judgement = judged(QUESTION, defined(source))

    assert judgement.outcome is Outcome.PASSED, judgement


OTHER_FORMS = {
    "a plain class that is called": """
class PositionalEncoding:
    def __init__(self, d_model, dropout=0.1):
        self.pe, self.dropout = table(5000, d_model), nn.Dropout(dropout)

    def __call__(self, x):
        return self.dropout(x + self.pe[:len(x), None])
""",
    "a plain class with forward": """
class PositionalEncoding:
    def __init__(self, d_model, dropout=0.1):
        self.pe, self.dropout = table(5000, d_model), nn.Dropout(dropout)

    def forward(self, x):
        return self.dropout(x + self.pe[:len(x), None])
""",
    "a function that makes one": """
def PositionalEncoding(d_model, dropout=0.1, max_len=5000):
    pe = table(max_len, d_model)

    class Layer(nn.Module):
        def forward(self, x):
            return nn.functional.dropout(x + pe[:len(x), None], dropout, self.training)

    return Layer()
""",
    "more than one result": """
class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.1):
        super().__init__()
        self.pe, self.dropout = table(5000, d_model), nn.Dropout(dropout)

    def forward(self, x, mask=None):
        return self.dropout(x + self.pe[:len(x), None]), self.pe
""",
    "of settings": """
class PositionalEncoding(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.pe, self.dropout = table(config.n_positions, config["n_embd"]), nn.Dropout(config.drop)

    def forward(self, x):
        return self.dropout(x + self.pe[:len(x), None])
""",
    "names that say nothing, in another order": """
class PositionalEncoding(nn.Module):
    def __init__(self, n, d, p=0.1):
        super().__init__()
        self.pe, self.dropout = table(n, d), nn.Dropout(p)

    def forward(self, x):
        return self.dropout(x + self.pe[:len(x), None])
""",
    "a function of x": """
def PositionalEncoding(x, p=0.1, training=True, scale=1.0):
    pe = table(len(x), x.size(2))[:, None]
    return nn.functional.dropout(scale * x + pe, p, training)
""",
    "in place": """
class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.1):
        super().__init__()
        self.pe, self.dropout = table(5000, d_model), nn.Dropout(dropout, inplace=True)

    def forward(self, x):
        x += self.pe[:len(x), None]
        return self.dropout(x)
""",
}


@pytest.mark.parametrize("source", OTHER_FORMS.values(), ids=OTHER_FORMS)
def test_it_may_have_another_form_than_a_module(judged, defined, source):
    judgement = judged(QUESTION, defined(source))

    assert judgement.outcome is Outcome.PASSED, judgement


# What is lost by what -------------------------------------------------------------------

BUFFER = 'self.register_buffer("pe", table(max_len, d_model).unsqueeze(1))'
FORWARD = "return self.dropout(x + self.pe[:x.size(0)])"
FROM_ZERO = "torch.arange(length)[:, None]"
RATES = "10000 ** (torch.arange(0, d_model, 2) / d_model)"
SHAPE, EVEN, ODD, ADDED, DROPOUT, FIXED, OTHERS = (check.claim for check in QUESTION.checks[:7])
VALUES = {EVEN, ODD, OTHERS}


def learned(how):
    return f"self.pe = nn.Parameter({how}(max_len, 1, d_model))"


SLIPS = {  # what is written for what, its names, and what is lost
    "sine_and_cosine_swapped": (
        "[angle.sin(), angle.cos()]", "[angle.cos(), angle.sin()]", VALUES,
    ),
    "sines_only": ("[angle.sin(), angle.cos()]", "[angle.sin(), angle.sin()]", {ODD, OTHERS}),
    "halves": ("-1).flatten(1)", "1).flatten(1)", VALUES),
    "exponent_not_doubled or base_100": (RATES, RATES.replace("10000", "100"), VALUES),
    "exponent_doubled_twice": (RATES, RATES.replace("** (", "** (2 * "), VALUES),
    "integer_division_in_the_exponent": (RATES, RATES.replace("/", "//"), VALUES),
    "base_1000": (RATES, RATES.replace("10000", "1000"), VALUES),
    "integer_division_of_the_position": (f"{FROM_ZERO} /", f"{FROM_ZERO} //", VALUES),
    "counts_from_one": (FROM_ZERO, f"(1 + {FROM_ZERO})", VALUES),
    "degrees": (FROM_ZERO, f"torch.deg2rad({FROM_ZERO}.float())", VALUES),
    "multiplied": ("x + self.pe", "x * self.pe", {ADDED, OTHERS}),
    "replaces_input": ("x + self.pe[:x.size(0)]", "self.pe[:len(x)].expand(x.shape)",
        {ADDED, OTHERS}),
    "scaled_input": ("x + self.pe", "math.sqrt(x.size(-1)) * x + self.pe", {ADDED, OTHERS}),
    "no_dropout": (FORWARD, FORWARD.replace("self.dropout", ""), {DROPOUT}),
    "dropout_at_another_rate": ("nn.Dropout(dropout)", "nn.Dropout(0.1)", {DROPOUT}),
    "dropout_unscaled": (FORWARD,
        "out = x + self.pe[:x.size(0)]\n"
        "        p = self.dropout.p if self.training else 0.0\n"
        "        return out * (torch.rand(out.shape) >= p)", {DROPOUT}),
    "dropout_before_adding": (FORWARD, "return self.dropout(x) + self.pe[:x.size(0)]", {DROPOUT}),
    "dropout_of_the_encoding": (FORWARD,
        "return x + self.dropout(self.pe[:len(x)].expand(x.shape))",
        {DROPOUT}),
    "dropout_in_evaluation": (FORWARD,
        "return nn.functional.dropout(x + self.pe[:len(x)], self.dropout.p)", {DROPOUT}),
    "random_table": (BUFFER, 'self.register_buffer("pe", torch.randn(max_len, 1, d_model))',
        {*VALUES, FIXED}),
    "trainable_table": (BUFFER, "self.pe = nn.Parameter(table(max_len, d_model).unsqueeze(1))",
        {FIXED}),
    "learned_table": (BUFFER, learned("torch.randn"), {*VALUES, FIXED}),
    "double_precision": ("angle.cos()], -1)", "angle.cos()], -1).double()", {SHAPE}),
    "another_base": (RATES, RATES.replace("10000", "math.e"), VALUES),
    "exponent_of_the_wrong_sign": (f"{FROM_ZERO} /", f"{FROM_ZERO} *", VALUES),
    "rows_for_columns": ("return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)",
        "pe = angle.repeat_interleave(2, 1)\n"
        "    pe[::2], pe[1::2] = pe[::2].sin(), pe[1::2].cos()\n"
        "    return pe", VALUES),
    "subtracted": ("x + self.pe", "x - self.pe", VALUES),
    "learned_from_zeros": (BUFFER, learned("torch.zeros"), {*VALUES, FIXED}),
}  # fmt: skip


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_named_and_loses_just_the_claims_that_it_breaks(judged, defined, name):
    written, instead, lost = SLIPS[name]
    cells = [cell.replace(written, instead) for cell in (TABLE, SEQUENCE_FIRST)]
    assert cells != [TABLE, SEQUENCE_FIRST]

    judgement = judged(QUESTION, defined(*cells))

    assert judgement.finding.misconception == name
    failed = {v.claim for v in judgement.verdicts if v.possible and v.earned < v.possible}
    assert failed == lost


@pytest.mark.parametrize("returned", ["self.pe[:len(x)]", "self.pe[:len(x), 0]"])
def test_the_encoding_alone_without_its_batch_loses_its_shape_too(judged, defined, returned):
    cells = [SEQUENCE_FIRST.replace("x + self.pe[:x.size(0)]", returned)]

    judgement = judged(QUESTION, defined(*cells))

    assert judgement.finding.misconception == "replaces_input"
    failed = {v.claim for v in judgement.verdicts if v.possible and v.earned < v.possible}
    assert failed == {SHAPE, ADDED, OTHERS}
    shape = judgement.verdicts[0].finding.shown_by.got
    assert shape == f"shape {(16, 1, 24) if returned.endswith('(x)]') else (16, 24)}"


def test_random_numbers_at_each_call_are_a_random_table(judged, defined):
    cells = [SEQUENCE_FIRST.replace("self.pe[:x.size(0)]", "torch.randn_like(x)")]

    judgement = judged(QUESTION, defined(*cells))

    assert judgement.finding.misconception == "random_table"
    failed = {v.claim for v in judgement.verdicts if v.possible and v.earned < v.possible}
    assert failed == {*VALUES, FIXED}


SCALED = SEQUENCE_FIRST.replace("x + self", "x * math.sqrt(x.size(-1)) + self")


def test_the_scale_may_be_in_the_layer_or_in_the_model_but_not_in_both(judged, defined):
    in_neither = model().replace(" * math.sqrt(8)", "")
    assert in_neither != model()

    for cells in ((SCALED, in_neither), (SEQUENCE_FIRST, in_neither)):
        assert judged(QUESTION, defined(*cells)).outcome is Outcome.PASSED
    judgement = judged(QUESTION, defined(SCALED, model()))
    assert judgement.finding.misconception == "scaled_input"


def test_two_slips_are_named_together(judged, defined):
    cells = [TABLE.replace("10000", "1000"), SEQUENCE_FIRST.replace("x + self", "x * self")]

    judgement = judged(QUESTION, defined(*cells))

    assert judgement.finding.misconception == "base_1000 + multiplied"


# Dropout --------------------------------------------------------------------------------


def test_the_dropout_of_nn_is_never_taken_for_another():
    rng = np.random.default_rng(0)
    out = rng.uniform(1, 5, size=3000)
    for p in (0.5, 0.25):
        for _ in range(300):
            train = torch.nn.functional.dropout(torch.from_numpy(out), p).numpy()
            assert positional_encoding.dropped_of(train, out, p) == positional_encoding.WELL


def test_the_false_alarm_rate_of_the_dropout_is_as_stated():
    sizes = {
        case.args[1].size for case in positional_encoding.in_training(np.random.default_rng(0))
    }

    assert sizes == {3000}
    assert 2 * math.exp(-2 * 3000 * positional_encoding.OFF**2) < 1e-16


def test_a_rate_that_is_not_asked_for_is_right_whatever_it_is(judged, defined):
    source = SEQUENCE_FIRST.replace("dropout=0.1, ", "").replace("(dropout)", "(0.37)")

    assert judged(QUESTION, defined(TABLE, source)).outcome is Outcome.PASSED


@pytest.mark.parametrize(
    "change", [{"train": None}, {}, {"p": "0.5"}, {"train": np.full(3, np.inf)}]
)
def test_what_was_not_seen_of_the_training_is_not_right(defined, change):
    """A kernel may send whatever it likes."""
    seen = observe(QUESTION, defined(SEQUENCE_FIRST))
    name = next(t.name for t in QUESTION.trials if t.cases is positional_encoding.in_training)

    def without(observation):
        told = {k: v for k, v in observation.value.items() if k not in ("train", "p")}
        return replace(observation, value=told | change)

    forged = replace(
        seen.trials[name], observations=tuple(map(without, seen.trials[name].observations))
    )
    judgement = judge_question(QUESTION, replace(seen, trials=seen.trials | {name: forged}), SEED)

    lost = [v.claim for v in judgement.verdicts if v.possible and not v.earned]
    assert lost == [DROPOUT]


# What is never charged --------------------------------------------------------------------


def test_an_odd_width_and_far_positions_are_advice(judged, defined):
    assert sum(check.points for check in QUESTION.checks[7:]) == 0
    short = SEQUENCE_FIRST.replace("table(max_len, d_model)", "table(200, d_model)")

    judgement = judged(QUESTION, defined(TABLE, short))

    odd, far = (judgement.verdicts[at].outcome for at in (8, 7))
    assert (judgement.earned, odd, far) == (12, Outcome.RAISED, Outcome.RAISED)


def test_what_the_handout_does_is_worth_nothing_in_other_words_either(judged, defined):
    for forward in ("return self.dropout(x)", "return x", "return 1.0 * x"):
        judgement = judged(QUESTION, defined(TABLE, SEQUENCE_FIRST.replace(FORWARD, forward)))
        assert judgement.earned == 0


def test_a_forward_without_return_is_told_so(judged, defined):
    judgement = judged(QUESTION, defined(TABLE, SEQUENCE_FIRST.replace("return self", "self")))

    assert judgement.earned == 0
    assert "is a `return` missing?" in judgement.finding.shown_by.said
