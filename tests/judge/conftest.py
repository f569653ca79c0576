"""Programs put to a question's cases in this process, as the kernel would put them."""

import types
import warnings

import numpy as np
import pytest
import torch

from grader.authoring import Cell, directly
from grader.judge.expectations import expectations
from grader.judge.questions import judge_question
from grader.model import Asked, Found, Observation, Observed, Outcome, Place
from grader.sandbox.probe import call_source
from grader.wire import decode, encode

torch.set_num_threads(1)  # as a kernel has
SEED = 7
FOUND = Found("target", Place(3, 1), 9)


def driver(call):
    """A question's call with all that it has in the kernel, and no more."""
    if call is directly:
        return directly
    scope = {"np": np, "torch": torch}
    exec(call_source(call), scope)
    return scope[call.__name__]


def observation(question, call, program, case):
    args, given = decode(encode(list(case.args))), decode(encode(dict(case.given)))
    sent = repr(encode([args, given]))
    try:
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if isinstance(question.target, Cell) and call is directly:
                value = program(**given)
            else:
                value = call(program, *args)
            value = decode(encode(value))
    except Exception as error:
        return Observation(Outcome.RAISED, error=f"{type(error).__name__}: {error}")
    changed = () if repr(encode([args, given])) == sent else ("argument 1",)
    return Observation(Outcome.PASSED, value, changed=changed)


def observe(question, program, seed=SEED, reads=()):
    """All that is seen of a student whose code does as `program` does."""
    trials = {}
    for trial in question.trials:
        call = driver(trial.call)
        cases = expectations(question, seed).cases[trial.name]
        trials[trial.name] = Asked(
            "", tuple(observation(question, call, program, case) for case in cases)
        )
    return Observed(FOUND, trials, reads)


@pytest.fixture(name="judged")
def _judged():
    """From a question and a program to the judgement on it."""

    def judged(question, program, seed=SEED, reads=()):
        return judge_question(question, observe(question, program, seed, reads), seed)

    return judged


@pytest.fixture(name="observe")
def _observe():
    return observe


class Model(torch.nn.Module):
    """A model of the size of those trained in colab 3: log probabilities of 30 words."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(30, 30)

    def forward(self, src, has_mask=True):
        return torch.log_softmax(self.table(src), dim=-1)


@pytest.fixture
def loop():
    """From a function (model, corpus, num_words) -> text to a loop cell as a call meets it."""

    def made(program):
        words = ["<unk>", "<eos>", "the", "of", ",", "in", "and", "a", "was", "to", "."]
        words += [f"w{i}" for i in range(19)]
        dictionary = types.SimpleNamespace(
            idx2word=words, word2idx={word: i for i, word in enumerate(words)}
        )
        corpus = types.SimpleNamespace(dictionary=dictionary)

        class Loop:
            statements = ({"source": "model(input)"},)

            def __init__(self):
                self.names = {"model": Model(), "corpus": corpus, "num_words": 100}

            def __call__(self, **given):
                names = {**self.names, **given}
                torch.manual_seed(0)
                return program(names["model"], names["corpus"], names["num_words"])

        return Loop()

    return made
