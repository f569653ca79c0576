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


SIZE = 60  # of the vocabulary


class Model(torch.nn.Module):
    """A model of the kind of those trained in colab 3: log probabilities of the next word."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(SIZE, SIZE)

    def forward(self, src, has_mask=True):
        return torch.log_softmax(self.table(src), dim=-1)


@pytest.fixture
def loop():
    """From a function (model, corpus, num_words, temperature) -> text to a loop cell as a call
    meets it; `seed` is of its draws, `model` what the notebook has for one."""

    def made(program, seed=0, model=None):
        words = ["<unk>", "<eos>", "the", "of", ",", "in", "and", "a", "was", "to", "."]
        words += [f"w{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(SIZE - len(words))]
        dictionary = types.SimpleNamespace(
            idx2word=words, word2idx={word: i for i, word in enumerate(words)}
        )
        corpus = types.SimpleNamespace(dictionary=dictionary)

        class Loop:
            assigns = ("generated_text",)
            statements = ()  # a program of ours, with no source to look for numbers in

            def __init__(self):
                own = {"model": model or Model(), "corpus": corpus, "temperature": 1.0}
                self.names = {**own, "num_words": 100, "generated_text": "the of " * 50}

            def __call__(self, **given):
                names = {**self.names, **given}
                asked = [names[n] for n in ("model", "corpus", "num_words", "temperature")]
                torch.manual_seed(seed)
                np.random.seed(seed)
                return program(*asked)

        return Loop()

    return made
