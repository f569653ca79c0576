"""The code of a notebook is found, called on fresh inputs, and what came back is told as it is."""

from dataclasses import replace

import numpy as np
import pytest

from grader.authoring import Cell, case
from grader.errors import SandboxError
from grader.judge.questions import judge_question
from grader.model import NotebookCell, Outcome
from grader.sandbox import notebook, slices
from grader.sandbox.probe import Cases
from grader.wire import Opaque
from reference.week14 import attention, generation, positional_encoding
from tests.sandbox.conftest import asking, failures, seen, submission

pytestmark = pytest.mark.kernel

CELLS = [
    "import numpy as np, os, sys, time\nfrom math import sqrt as root",
    "def by_name(x):\n    return 2 * x",
    "def compute_qkv(alpha, beta):\n    return alpha + beta",
    "def nearname(x):\n    return x + 1",
    "def before_error(x):\n    return x + 2\n\n1 / 0",
    "1 / 0\n\ndef after_error(x):\n    return x + 3",
    "def overwritten(x):\n    return x + 4",
    "overwritten = 3.5",
    "twice = lambda x: 2 * x",
    "class Adder:\n    def __init__(self, x):\n        self.x = x",
    "N, D, LOG = 3, 4, []\n\ndef reads(x):\n    return [N, D, x]",
    "def writes(x):\n    global N\n    N += x\n    LOG.append(x)\n    return N",
    "def sizes(x):\n    return [N, D]",
    "def fills(x):\n    x[0] = 99\n    return 1",
    "def pops(x):\n    x.pop()\n    return D",
    "def prints(x):\n    for _ in range(1000):\n        print('x' * 1000)\n"
    "    print('x', file=sys.stderr)\n    return 1",
    "def calls_helper(x):\n    y = 1\n    return helper(x)",
    "def helper(x):\n\n    return x / 0",
    "def no_arguments():\n    return 1",
    "def exits(x):\n    raise SystemExit(4)",
    "class Base(BaseException):\n    pass\n\ndef base(x):\n    raise Base('base')",
    "def recurses(x):\n    return recurses(x)",
    "def generates(x):\n    yield 1",
    "def huge(x):\n    return np.broadcast_to(np.zeros(1), (10**6, 10**6))",
    "def nested(x):\n    a = []\n    a.append(a)\n    return a",
    "def large_integer(x):\n    return 10**400",
    "def objects(x):\n    return np.array([np.zeros(2), 'a', None], dtype=object)",
    "def nothing(x):\n    pass",
    "def itself(x):\n    return itself",
    "def unsendable(x):\n    raise ValueError('\\ud800 \\x1b[31m')",
    "def draws(x):\n    return np.random.rand()",
    "def asks(x):\n    return input('?')",
    "def where(x):\n    return [os.getcwd(), os.environ['HOME']]",
    "%%time\ndef timed(x):\n    return 5",
    "import contextlib, io\n\ndef reads_prints(x):\n"
    "    with contextlib.redirect_stdout(io.StringIO()) as out:\n"
    "        print(np.ones(2), [x, None])\n    return out.getvalue()",
    "class Unprintable:\n    def __str__(self):\n        raise ValueError('no text')\n\n"
    "def prints_badly(x):\n    print([np.ones(2)], Unprintable())",
    "def prints_wrongly(x):\n    print(x, sep=3)",
    "def prints_arrays(x):\n    made = []\n"
    "    with np.printoptions(formatter={'all': lambda item: made.append(item) or ''}):\n"
    "        print('x', [np.ones(2), (x, 1.5)], np.ones((2, 2)))\n    return len(made)",
    "import warnings\n\ndef warns(x):\n    warnings.warn('careful')\n"
    "    warnings.simplefilter('error')\n    return len(warnings.filters)",
    "def reads_far(x):\n    if x is None:\n        "
    + "; ".join(f"x.a{number}" for number in range(200))
    + "; x.D\n    return N",
]

RETURNED = {
    "by_name": (case(2), 4),
    "before_error": (case(2), 4),
    "after_error": (case(2), 5),
    "overwritten": (case(2), 6),
    "twice": (case(2), 4),
    "root": (case(4), 2.0),
    "Adder": (case(2), Opaque("Adder")),
    "reads": (case(2, given={"N": 7}), [7, 4, 2]),
    "writes": (case(5, given={"N": 7}), 12),
    "sizes": (case(2), [3, 4]),
    "prints": (case(2), 1),
    "generates": (case(2), Opaque("generator")),
    "nothing": (case(2), None),
    "itself": (case(2), Opaque("function")),
    "asks": (case(2), ""),
    "where": (case(2), ["/content", "/root"]),
    "timed": (case(2), 5),
    "reads_prints": (case(2), "[1. 1.] [2, None]\n"),
    "prints_arrays": (case(2), 0),  # which would be seen by nobody
}
RAISED = {
    "calls_helper": ("ZeroDivisionError: division by zero", (18, 3)),
    "no_arguments": (
        "TypeError: no_arguments() takes 0 positional arguments but 1 was given",
        None,
    ),
    "exits": ("SystemExit: 4", (20, 2)),
    "base": ("Base: base", (21, 5)),
    "recurses": ("RecursionError: maximum recursion depth exceeded", (22, 2)),
    "huge": (
        "the result could not be read: an array of 8000000000000 bytes is too large to be read",
        None,
    ),
    "nested": ("the result could not be read: the result is nested too deeply to be read", None),
    "large_integer": (
        "the result could not be read: a number of more than 308 digits is too large to be read",
        None,
    ),
    "prints_badly": ("ValueError: no text", (36, 3)),
    "prints_wrongly": ("TypeError: sep must be None or a string, not int", (37, 2)),
    "unsendable": ("ValueError: ?  [31m", (30, 2)),
}
FOUND = {  # target: the student's name, first and last line, note
    "by_name": ("by_name", (2, 1), 2, ""),
    "before_error": ("before_error", (5, 1), 2, ""),
    "after_error": ("after_error", (6, 3), 4, ""),
    "overwritten": ("overwritten", (7, 1), 2, ""),
    "twice": ("twice", (9, 1), 1, ""),
    "Adder": ("Adder", (10, 1), 3, ""),
    "reads": ("reads", (11, 3), 4, ""),
    "timed": ("timed", (34, 2), 3, ""),
    "qkv": ("compute_qkv", (3, 1), 2, "there is no qkv; compute_qkv was used in its place"),
    "near_name": ("nearname", (4, 1), 2, "there is no near_name; nearname was used in its place"),
}


@pytest.fixture(scope="module")
def observed(observe):
    questions = [asking(name, given) for name, (given, _) in RETURNED.items()]
    questions += [asking(name, case(2)) for name in RAISED]
    questions += [
        asking("qkv", case(1, 2), parameters=("alpha", "beta")),
        asking("near_name", case(1)),
        asking("fills", case(np.zeros(3))),
        asking("pops", case(3, given={"D": [1, 2]}), call=pop_from),
        asking("objects", case(1)),
        asking("draws", case(1), case(2)),
        asking("warns", case(1), case(2)),
        asking("reads_far", case(1)),
        asking("absent", case(1)),
        asking("sizes", case(1), key="sizes again"),
    ]
    return observe(CELLS, *questions)


def pop_from(pops, x):
    return pops([1])


@pytest.mark.parametrize("name", RETURNED)
def test_what_is_returned_arrives(observed, name):
    (got,) = seen(observed[1][name])

    assert got.outcome is Outcome.PASSED
    assert got.value == RETURNED[name][1]
    assert got.changed == ()


@pytest.mark.parametrize("name", RAISED)
def test_what_is_raised_is_told_with_its_place(observed, name):
    (got,) = seen(observed[1][name])
    error, place = RAISED[name]

    assert got.outcome is Outcome.RAISED
    assert got.error == error
    assert (got.where and (got.where.cell, got.where.line)) == place


@pytest.mark.parametrize("name", FOUND)
def test_the_code_that_answers_is_found(observed, name):
    found = observed[1][name].found

    assert (
        found.name,
        (found.where.cell, found.where.line),
        found.last_line,
        found.note,
    ) == FOUND[name]


def test_a_target_that_nobody_wrote_is_missing(observed):
    missing = observed[1]["absent"]

    assert missing.found is None
    assert missing.trials == {}
    assert missing.error == ""


def test_changed_arguments_are_named(observed):
    assert seen(observed[1]["fills"])[0].changed == ("argument 1",)


def test_names_of_the_notebook_are_as_they_were_after_each_call(observed):
    assert seen(observed[1]["sizes again"])[0].value == [3, 4]
    assert observed[1]["reads"].reads == ("D", "N")


def test_an_array_of_objects_arrives_item_by_item(observed):
    first, *rest = seen(observed[1]["objects"])[0].value

    assert first.tolist() == [0, 0]
    assert rest == ["a", None]


def test_each_call_finds_the_same_unseeded_numbers(observed):
    one, other = seen(observed[1]["draws"])

    assert one.value == other.value


def test_a_call_is_warned_of_nothing_whatever_an_earlier_one_has_asked_for(observed):
    assert [o.outcome for o in seen(observed[1]["warns"])] == [Outcome.PASSED] * 2


def test_what_a_long_function_reads_is_told_from_attributes(observed):
    assert observed[1]["reads_far"].reads == ("N",)


HARMFUL = """import os, time

def good(x):
    return x

def endless(x):
    while x:
        pass
    return x

def kills(x):
    if x:
        os._exit(1)
    return x

def deaf(x):
    while True:
        try:
            time.sleep(100)
        except KeyboardInterrupt:
            pass"""
SAID = {
    "endless": [
        ("passed", ""),
        ("timed_out", "the call did not end within 1 s"),
        ("timed_out", "not tried: an earlier call did not end"),
    ],
    "kills": [
        ("passed", ""),
        ("raised", "the kernel died in this call"),
        ("raised", "not tried: the kernel died in an earlier call"),
    ],
    "deaf": [
        ("timed_out", "the call did not end within 1 s"),
        *[("timed_out", "not tried: an earlier call did not end")] * 2,
    ],
}


@pytest.fixture(scope="module")
def harmed(observe):
    questions = [asking(name, case(0), case(1), case(0)) for name in SAID]
    good = [asking("good", case(i), key=f"good {i}") for i in range(4)]
    mixed = [
        question for pair in zip(good, [*questions, good[3]], strict=True) for question in pair
    ]
    return observe([HARMFUL], *mixed, call_seconds=1)


@pytest.mark.parametrize("name", SAID)
def test_a_harmful_call_is_told_as_what_it_did(harmed, name):
    assert [(o.outcome.value, o.error) for o in seen(harmed[1][name])] == SAID[name]


def test_a_harmful_call_costs_only_its_own_question(harmed):
    assert [seen(harmed[1][f"good {i}"])[0].value for i in range(4)] == [0, 1, 2, 3]


HOG = """import mmap, os, time

def hog():
    held = mmap.mmap(-1, 200 * 2**20)  # shared memory, which the system keeps no limit on
    held[::4096] = bytes(len(held) // 4096)
    time.sleep(1)
"""
GREEDY = (
    HOG
    + """
def greedy(x):
    hog()
    return x

def large(x):
    return len(bytearray(200 * 2**20))

def good(x):
    return x"""
)


@pytest.mark.parametrize("light", [0, 60], ids=["ran for long", "light"])
def test_a_call_that_uses_too_much_costs_only_its_own_question_and_says_what(
    observe, monkeypatch, light
):
    monkeypatch.setattr(notebook, "LIGHT_SECONDS", light)
    questions = [
        asking("good", case(1)),
        asking("large", case(2)),
        asking("greedy", case(2)),
        asking("good", case(3), key="g"),
    ]

    _, found = observe([GREEDY], *questions, memory_bytes=2**27)

    (large,) = [o.error for o in seen(found["large"])]
    assert large == "MemoryError (a notebook may use 128 MB of memory)"
    (said,) = [o.error for o in seen(found["greedy"])]
    assert said == "the kernel died in this call: it used more than 128 MB of memory"
    assert [o.value for key in ("good", "g") for o in seen(found[key])] == [1, 3]


@pytest.mark.parametrize("kind", ["pipe"], indirect=True, scope="module")
def test_a_kernel_that_its_own_fork_ends_is_not_run_anew_for_ever(observe, monkeypatch):
    monkeypatch.setattr(notebook, "LIGHT_SECONDS", 0)
    cells = [HOG, "os.register_at_fork(before=hog)\n\ndef f(x):\n    return x"]

    _, found = observe(cells, asking("f", case(1)), memory_bytes=2**27)

    (said,) = [o.error for o in seen(found["f"])]
    assert said == "the kernel died in this call: it used more than 128 MB of memory"


@pytest.mark.parametrize("kind", ["pipe"], indirect=True, scope="module")
def test_what_another_call_used_too_much_of_costs_no_help(observe, monkeypatch):
    monkeypatch.setattr(notebook, "LIGHT_SECONDS", 0)

    def right(x):
        return x + 1

    questions = [
        replace(asking(name, case(40)), stand_in=right) for name in ("first", "last", "greedy")
    ]
    cells = [
        HOG + "\ndef first(x): return 0\n\ndef last(x): return first(x)",
        "def greedy(x):\n    hog()\n    return x",
    ]

    _, found = observe(
        cells, *questions, memory_bytes=2**27, follows=lambda seen: {"last": ["first"]}
    )

    assert [o.value for asked in found["last"].helped.values() for o in asked.observations] == [41]


DOUBLE = "import numpy as np\n\ndef double(x):\n    return 2 * x"
BROKEN = {  # what a notebook breaks, and whether its function can be asked in all kernels
    "names that hide builtins": ("print = open = len = str = type = dict = list = 3", True),
    "the path and the finders": ("import sys\nsys.path.clear(); sys.meta_path.clear()", True),
    "a closed stdout": ("import os, sys\nos.close(1); sys.stdout.close()", True),
    "its folder": ("import os, shutil\nshutil.rmtree(os.getcwd())", True),
    "the settings of numpy": ("np.set_printoptions(precision=1); np.seterr(all='raise')", True),
    "a thread that stays": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(99,)).start()",
        True,
    ),
    "a tracer": ("import sys\nsys.settrace(lambda *args: None)", True),
    "np.array": ("np.array = lambda *args, **kwargs: 5", True),
    "np.ndarray": ("np.ndarray = None", False),
    "stdout": ("import sys\nsys.stdout = None", False),
    "our modules": (
        "import sys\nfor name in [n for n in sys.modules if 'grader' in n]: del sys.modules[name]",
        False,
    ),
    "every module": ("import sys\nsys.modules.clear()", True),  # it is run again without
    "len for everyone": ("import builtins\nbuiltins.len = lambda x: 0", True),  # so is this
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_notebook_that_breaks_python_is_right_or_our_error_never_wrong(
    observe, name, monkeypatch
):
    monkeypatch.setattr("grader.sandbox.kernel.INTERRUPT_SECONDS", 1)
    breaking, can_be_asked = BROKEN[name]

    _, observed = observe([DOUBLE, breaking], asking("double", case(np.ones(2))), cell_seconds=1)
    answer = observed["double"]

    if can_be_asked or not answer.error:
        assert [o.value.tolist() for o in seen(answer)] == [[2, 2]]


def test_after_a_reset_what_is_still_defined_is_asked(observe):
    cells = ["def double(x):\n    return 2 * x", "%reset -f"]

    _, observed = observe(cells, asking("double", case(21)))

    assert [o.value for o in seen(observed["double"])] == [42]


# targets without a name -----------------------------------------------------------------

LOOP = """total, seen = 0, []
for x in all_x:
    total = total + x
    seen.append(x)"""


def test_a_loop_is_run_again_on_fresh_inputs_and_nothing_of_it_stays(observe):
    cells = ["all_x = [1, 2]", LOOP, "def now(x):\n    return [all_x, total, seen]"]
    fresh = [case(given={"all_x": [10, 20, 30]}), case(given={"all_x": []})]

    _, observed = observe(cells, asking(Cell("total", "seen"), *fresh), asking("now", case(1)))

    loop = observed[str(Cell("total", "seen"))]
    assert [o.value for o in seen(loop)] == [[60, [10, 20, 30]], [0, []]]
    assert (loop.found.where.cell, loop.found.name) == (2, "total, seen")
    assert seen(observed["now"])[0].value == [[1, 2], 3, [1, 2]]


def test_the_attention_loop_of_a_notebook_is_run_again(observe):
    cells = [
        "import numpy as np\ndef weights(s):\n    e = np.exp(s)\n    return e / sum(e)",
        "all_x_prime = []\nfor q in all_queries:\n"
        "    w = weights(np.array([float((k.T @ q).item()) for k in all_keys]))\n"
        "    all_x_prime.append(sum(a * v for a, v in zip(w, all_values)))\n"
        "print(all_x_prime[0])",
    ]
    question = attention.QUESTION

    _, observed = observe(cells, question)

    for trial in question.trials:
        cases, asked = trial.draw(1), observed["attention"].trials[trial.name]
        for one, got in zip(cases, asked.observations, strict=True):
            assert np.allclose(got.value, attention.attention(**one.given))


MODEL = """import torch, torch.nn as nn, torch.nn.functional as F, numpy as np
import data
device = torch.device('cuda')
corpus = data.Corpus('/content/x')
ntokens = len(corpus.dictionary)
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.decode = nn.Embedding(ntokens, 8), nn.Linear(8, ntokens)
    def forward(self, x, has_mask=True):
        return F.log_softmax(self.decode(self.embed(x)), -1)
model = Model().to(device)
num_words, temperature = 100, 1.0
g = torch.Generator().manual_seed(3)
initial_state = g.get_state()"""
START = """g.set_state(initial_state)
input = torch.randint(ntokens, (1, 1), dtype=torch.long, generator=g).to(device)
generated_text = ''
"""
LAST = "return F.log_softmax(self.decode(self.embed(x)), -1)"


def loop(chosen, grown="torch.cat([input, torch.tensor([[int(w)]])], 0)"):
    """A generation cell that takes the word `chosen` and goes on with the input `grown`."""
    return (
        f"{START}for i in range(num_words):\n{chosen}\n    input = {grown}\n"
        "    word = corpus.dictionary.idx2word[int(w)]\n"
        "    generated_text = generated_text + word + ' '\nprint(generated_text)"
    )


EXP = "    w = torch.multinomial(model(input, False)[-1].squeeze().div(temperature).exp(), 1)[0]"
DRAWN = "torch.multinomial((out / temperature).softmax(-1), 1)"
STYLES = {
    "exp of log-softmax": [MODEL, loop(EXP)],
    "Categorical": [
        MODEL,
        loop(
            "    w = torch.distributions.Categorical(logits=model(input)[-1, 0] / temperature)"
            ".sample()"
        ),
    ],
    "numpy": [
        MODEL,
        loop(
            "    p = (model(input)[-1, 0] / temperature).exp().detach().numpy().astype(float)\n"
            "    w = np.random.choice(len(p), p=p / p.sum())"
        ),
    ],
    "another name for the corpus": [
        MODEL.replace("corpus", "words"),
        loop(EXP).replace("corpus", "words"),
    ],
    "batch first": [
        MODEL,
        loop(
            f"    out = model(input)[0, -1]\n    w = {DRAWN}",
            "torch.cat([input, w.view(1, 1)], dim=1)",
        ),
    ],
    "output and hidden": [
        MODEL.replace(LAST, "return self.decode(self.embed(x)), None"),
        loop(f"    out, hidden = model(input)\n    out = out[-1, 0]\n    w = {DRAWN}"),
    ],
    "one row a token": [
        MODEL.replace(LAST, "return self.decode(self.embed(x)).view(-1, ntokens)"),
        loop(f"    out = model(input)[-1]\n    w = {DRAWN}"),
    ],
    "the last 35 words": [MODEL, loop(f"    out = model(input[-35:])[-1, 0]\n    w = {DRAWN}")],
    "two cells": [MODEL, START, loop(EXP).removeprefix(START)],
    "a function": [
        MODEL,
        "def generate(model, n):\n    input, text = torch.zeros(1, 1).long(), ''\n"
        "    for _ in range(n):\n        out = model(input)[-1, 0]\n"
        f"        w = {DRAWN}\n"
        "        input = torch.cat([input, w.view(1, 1)], 0)\n"
        "        text += corpus.dictionary.idx2word[w] + ' '\n    return text\n\n"
        "generated_text = generate(model, num_words)",
    ],
    "a temperature of its own in a function": [
        MODEL,
        "def generate():\n    temperature, input, text = 0.9, torch.zeros(1, 1).long(), ''\n"
        "    temperature = 0.9\n"
        "    for _ in range(num_words):\n        out = model(input)[-1, 0]\n"
        f"        w = {DRAWN}\n"
        "        input = torch.cat([input, w.view(1, 1)], 0)\n"
        "        text += corpus.dictionary.idx2word[w] + ' '\n    return text\n\n"
        "generated_text = generate()",
    ],
    "a class that is given a number": [
        MODEL,
        "class Writer:\n"
        "    def __init__(self, model, temperature=1.0):\n"
        "        self.model, self.temperature = model, temperature\n"
        "        self.input = torch.zeros(1, 1).long()\n"
        "    def write(self):\n"
        "        out, temperature = self.model(self.input)[-1, 0], self.temperature\n"
        f"        w = {DRAWN}\n"
        "        self.input = torch.cat([self.input, w.view(1, 1)], 0)\n"
        "        return corpus.dictionary.idx2word[w]\n",
        "writer, generated_text = Writer(model, 0.8), ''\n"
        "for i in range(num_words): generated_text += writer.write() + ' '",
    ],
    "the model loaded again": [
        MODEL + "\ntorch.save(model, 'model.pt')",
        "with open('model.pt', 'rb') as f:\n"
        "    model = torch.load(f, weights_only=False).to(device)\nmodel.eval()\n" + loop(EXP),
    ],
}


def generated(observe, cells, data, **limits):
    """How the notebook ran, and the judgement on its generation."""
    execution, observed = observe(cells, generation.QUESTION, data=data, **limits)
    return execution, judge_question(generation.QUESTION, observed["generation"], 1)


@pytest.mark.parametrize("style", STYLES)
def test_generation_is_asked_with_the_notebooks_own_model(observe, data, style):
    execution, judged = generated(observe, STYLES[style], data)

    assert failures(execution) == {}
    assert (judged.earned, judged.finding, judged.flags) == (12, None, ())
    assert "- As handed in, your text has 100 words and begins: `" in judged.text


COUNTS = {  # what the loop counts, and what it earns where num_words is 20
    "num_words": 12,
    "100": 12,
    "how_many": 12,
    "20": 11,
    "num_words - 1": 11,
}


@pytest.mark.parametrize("count", COUNTS)
def test_the_text_is_as_long_as_is_asked_for_and_another_number_than_100_is_advice(
    observe, data, count
):
    own = MODEL.replace("num_words, temperature = 100", "num_words, temperature = 20")
    if count == "how_many":
        own = own.replace("num_words", count)

    _, judged = generated(observe, [own, loop(EXP).replace("num_words", count)], data)

    assert judged.earned == COUNTS[count]
    (advice,) = (v for v in judged.verdicts if not v.possible)
    assert (advice.outcome is Outcome.PASSED) == (count == "100")


NO_MODEL = {  # what makes it, and what is put in its place
    "a class that fails": ("super().__init__()", "raise TypeError('no encoding')"),
    "a forward that fails": (LAST, "return self.missing(x)"),
    "a model beyond all memory": ("nn.Linear(8, ntokens)", "nn.Linear(10**6, 10**6)"),
}


@pytest.mark.parametrize("how", NO_MODEL)
def test_a_model_that_does_not_work_is_not_the_loops_mistake(observe, data, how):
    cells = [*(MODEL.replace(*NO_MODEL[how]).replace("\nnum_words", "\n#\nnum_words").split("#"))]

    execution, judged = generated(observe, [*cells, loop(EXP)], data)

    assert failures(execution)
    assert (judged.earned, judged.finding) == (12, None)


def test_the_handout_is_blank_also_without_a_model(observe, data):
    untouched = "generated_text = ''\nfor i in range(3):\n    generated_text += word + ' '"

    _, judged = generated(observe, [MODEL.partition("class")[0], untouched], data)

    assert judged.outcome is Outcome.BLANK


def test_without_a_list_of_words_a_person_looks(observe, data):
    cells = [MODEL + "\ndef word(index): return 'the'\ndel corpus", loop(EXP)]

    _, judged = generated(observe, cells, data)

    assert judged.outcome is Outcome.NEEDS_REVIEW
    assert judged.earned is None
    assert "no list of the notebook's words was found" in judged.finding.advice


def test_a_loop_that_fails_says_why_and_where(observe, data):
    _, judged = generated(observe, [MODEL, loop(EXP).replace("int(w)]", "w.tolist()[0]]")], data)

    assert (judged.outcome, judged.earned) == (Outcome.RAISED, 0)
    assert judged.finding.shown_by.said.startswith("TypeError: 'int' object is not subscriptable")
    assert (judged.finding.where.cell, judged.finding.where.line) == (2, 6)


def test_a_number_that_no_word_has_fails_as_it_does_with_the_model_itself(observe, data):
    fed = "torch.cat([input, torch.tensor([[ntokens]])])"

    _, judged = generated(observe, [MODEL, loop(EXP, fed)], data)

    assert judged.outcome is Outcome.RAISED
    assert judged.finding.shown_by.said == "IndexError: index out of range in self"
    assert (judged.finding.where.cell, judged.finding.where.line) == (1, 11)


ENDLESS = {
    "it never ends": "while True: pass",
    "it takes no notice of an end": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass"
    ),
}


@pytest.mark.parametrize("how", ENDLESS)
def test_a_loop_that_does_not_end_costs_its_own_question_only(observe, data, how):
    cells = [MODEL, "if 'started' in dir():\n    " + ENDLESS[how].replace("\n", "\n    ")]
    cells[1] = START + "for i in range(num_words):\n    " + cells[1].replace("\n", "\n    ")
    cells[1] += "\n    generated_text += 'the '\nstarted = True"
    other = asking("double", case(2))

    _, observed = observe(
        [*cells, "def double(x): return 2 * x"],
        generation.QUESTION,
        other,
        data=data,
        call_seconds=1,
    )

    judged = judge_question(generation.QUESTION, observed["generation"], 1)
    assert (judged.outcome, judged.earned) == (Outcome.TIMED_OUT, 0)
    assert [o.value for o in seen(observed["double"])] == [4]


def test_an_attempt_that_failed_does_not_hide_the_one_that_worked(observe):
    cells = [
        "all_x, out = [1, 2], []",
        "for x in all_x:\n    out.append(undefined + x)",
        "for x in all_x:\n    out.append(10 * x)",
    ]

    _, observed = observe(cells, asking(Cell("out"), case(given={"all_x": [3]})))

    assert [o.value for o in seen(observed[str(Cell("out"))])] == [[30]]


def test_a_rerun_that_fails_says_why_and_where(observe):
    cells = ["all_x, out = [1], []", "out = []\nfor x in all_x:\n    out.append(1 / (x - 3))"]

    _, observed = observe(cells, asking(Cell("out"), case(given={"all_x": [3]})))

    (seen_once,) = seen(observed[str(Cell("out"))])
    assert (seen_once.outcome, seen_once.error) == (
        Outcome.RAISED,
        "ZeroDivisionError: division by zero",
    )
    assert (seen_once.where.cell, seen_once.where.line) == (2, 3)


def test_generation_in_the_cell_of_the_training_is_asked_without_training_again(observe, data):
    cells = [
        "import torch\nimport data\ncorpus = data.Corpus('x')\nntokens = len(corpus.dictionary)\n"
        "num_words, temperature, rounds = 100, 1.0, 0",
        "model = torch.nn.Sequential(torch.nn.Embedding(ntokens, 4), torch.nn.Linear(4, ntokens))\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        "for epoch in range(2):\n"
        "    optimizer.zero_grad()\n"
        "    loss = model(torch.zeros(1, 1, dtype=torch.long)).sum()\n"
        "    loss.backward()\n"
        "    optimizer.step()\n"
        "input = torch.zeros(1, 1, dtype=torch.long)\n"
        "generated_text = ''\n"
        "for i in range(num_words):\n"
        "    weights = (model(input)[-1, 0] / temperature).softmax(-1)\n"
        "    index = torch.multinomial(weights, 1)\n"
        "    input = torch.cat([input, index.view(1, 1)])\n"
        "    word = corpus.dictionary.idx2word[index]\n"
        "    generated_text = generated_text + word + ' '",
    ]

    _, observed = observe(cells, generation.QUESTION, data=data)

    judged = judge_question(generation.QUESTION, observed["generation"], 1)
    assert judged.earned == 12, judged


# arguments in an order of the student's own ------------------------------------------------------

ORDERS = {  # the order that is told; "" if the names tell none
    "def f(alpha_q, alpha_k, b1): return [alpha_q, alpha_k, b1]": "",
    "def f(alpha_k, alpha_q, b1): return [alpha_q, alpha_k, b1]": "alpha_k, alpha_q, b1",
    "def f(b1, alpha_q, alpha_k): return [alpha_q, alpha_k, b1]": "b1, alpha_q, alpha_k",
    "def f(Wk, bias1, Wq): return [Wq, Wk, bias1]": "Wk, bias1, Wq",
    "def f(k_weight, W_query, B_1): return [W_query, k_weight, B_1]": "k_weight, W_query, B_1",
    "def f(b1, wK, Wq, /): return [Wq, wK, b1]": "b1, wK, Wq",
    "def f(alpha_q, *, alpha_k, b1): return [alpha_q, alpha_k, b1]": "alpha_q, alpha_k, b1",
    "def f(b1, alpha_q, alpha_k, scale=1): return [alpha_q, alpha_k, b1]": "b1, alpha_q, alpha_k",
    "f = lambda b1, alpha_q, alpha_k: [alpha_q, alpha_k, b1]": "b1, alpha_q, alpha_k",
    "def f(b1, W_k_matrix, Wq): return [Wq, W_k_matrix, b1]": "b1, W_k_matrix, Wq",
    "def f(alpha_k, alpha_q, b0): return [alpha_q, alpha_k, b0]": "alpha_k, alpha_q, b0",
    # most names tell it, and so the others do
    "def f(k, alpha_q, b1): return [alpha_q, k, b1]": "k, alpha_q, b1",
    "def f(alpha_k, data, b1): return [data, alpha_k, b1]": "alpha_k, data, b1",
    # what the notebook has besides
    "n = 5\ndef f(alpha_q, alpha_k, b1, n): return [alpha_q, alpha_k, b1 * n // 5]": (
        "alpha_q, alpha_k, b1, n"
    ),
    "alpha_k = b1 = 0\ndef f(alpha_q): return [alpha_q, alpha_k, b1]": "alpha_q",
    "def f(alpha_q, **rest): return [alpha_q, rest['alpha_k'], rest['b1']]": "alpha_q",
    "alpha_k, b1 = [0], [0]\nboth = {'k': alpha_k, 'b': [(b1,)]}\n"
    "def f(both, alpha_q): return [alpha_q, both['k'], both['b'][0][0]]": "both, alpha_q",
    # the names do not tell it, so the order of the handout is all there is
    "def f(one, two, three): return [one, two, three]": "",
    "def f(wq, alpha_q, b1): return [wq, alpha_q, b1]": "",
    "def f(a, b, k): return [a, b, k]": "",
    "def f(alpha_q, alpha_k, b1, unknown=0): return [alpha_q, alpha_k, b1]": "",
    "def f(*values): return list(values)": "",
    "def f(q, k, *rest): return [q, k, *rest]": "",
}
SPELLINGS = {"alpha": ["W", "weight"], "b": ["bias"], "q": ["query"], "": ["matrix"]}


@pytest.mark.parametrize("source", ORDERS)
def test_arguments_are_given_by_the_students_own_names_where_these_tell_the_order(observe, source):
    question = replace(
        asking("f", case(1, 2, 3), parameters=("alpha_q", "alpha_k", "b1")),
        spellings=SPELLINGS,
    )

    _, observed = observe([source], question)

    note = f"its arguments were given by their names in it: {ORDERS[source]}"
    assert observed["f"].found.note == (note if ORDERS[source] else "")
    assert seen(observed["f"])[0].value == [1, 2, 3], seen(observed["f"])[0].error


METHOD = "    def {}(self, alpha_q, alpha_k, b1): return [alpha_q, alpha_k, b1]"
SAME = "(alpha_q, alpha_k, b1): return [alpha_q, alpha_k, b1]"
ELSEWHERE = {  # cells, and what is used; None if nothing is
    "another name": ([f"def g{SAME}"], "g"),
    "lambda": (["g = lambda alpha_q, alpha_k, b1: [alpha_q, alpha_k, b1]"], "g"),
    "in a try": ([f"try:\n    import f\nexcept ImportError:\n    def g{SAME}"], "g"),
    "in an if of a failed cell": ([f"undefined\nif True:\n    def f{SAME}"], "f"),
    "another name and other arguments": (["def g(bias1, Wk, Wq): return [Wq, Wk, bias1]"], "g"),
    "method": (["class Attend:\n" + METHOD.format("f")], "Attend.f"),
    "static method": ([f"class Attend:\n    @staticmethod\n    def f{SAME}"], "Attend.f"),
    "object": (["class Attend:\n" + METHOD.format("__call__")], "Attend.__call__"),
    "class of that name": (["class f:\n" + METHOD.format("__call__")], "f"),
    "class with a size": (
        [
            "class Attend:\n    def __init__(self, n): self.n = n\n" + METHOD.format("forward"),
            "attend = Attend(3)",
        ],
        "Attend.forward",
    ),
    "module": ([f"%%writefile lib.py\ndef f{SAME}", "import lib", "lib.f(1, 2, 3)"], "lib.f"),
    "of a library": (["import json", "json.f(1, 2, 3)"], None),
    "names tell nothing": (["def g(one, two, three): return [one, two, three]"], None),
}


@pytest.mark.parametrize("cells, used", ELSEWHERE.values(), ids=ELSEWHERE)
def test_what_answers_is_found_wherever_it_was_put(observe, cells, used):
    question = replace(
        asking("f", case(1, 2, 3), parameters=("alpha_q", "alpha_k", "b1")), spellings=SPELLINGS
    )

    _, observed = observe(cells, question)

    found = observed["f"].found
    assert (found and found.name) == used
    if used is not None:
        assert seen(observed["f"])[0].value == [1, 2, 3], seen(observed["f"])[0].error
        assert ("was used in its place" in found.note) == (used != "f")


def test_arguments_arrive_in_the_form_in_which_the_notebook_keeps_those_names(observe):
    cells = [
        "import numpy as np\nA, B = np.matrix([[1.0, 2.0], [3.0, 4.0]]), np.eye(2)",
        "def f(B, A):\n    return A * B",
    ]
    given = case(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([[1.0, 2.0], [3.0, 4.0]]))

    _, observed = observe(cells, asking("f", given, parameters=("A", "B")))

    assert np.array_equal(seen(observed["f"])[0].value, [[3.0, 4.0], [1.0, 2.0]])


def test_a_call_of_the_assignments_own_meets_the_target_itself(observe):
    encoding = """import torch, torch.nn as nn
class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=5000, dropout=0.1):
        super().__init__()
        self.dropout = nn.Dropout(p=dropout)
        angle = torch.arange(max_len)[:, None] / 10000 ** (torch.arange(0, d_model, 2) / d_model)
        pe = torch.stack([angle.sin(), angle.cos()], -1).reshape(max_len, 1, d_model)
        self.register_buffer('pe', pe)
    def forward(self, x):
        return self.dropout(x + self.pe[:len(x)])"""
    _, observed = observe([encoding], positional_encoding.QUESTION)

    judged = judge_question(positional_encoding.QUESTION, observed["positional_encoding"], 1)
    assert (judged.earned, judged.found.note) == (12, ""), judged


LAYER = """import torch, torch.nn as nn
class PositionalEncoding(nn.Module):
    def __init__(self, d_model, dropout=0.1):
        super().__init__()
        self.dropout, self.d_model = nn.Dropout(dropout), d_model
    def forward(self, x):
        pos = torch.arange(x.size(AXIS))[:, None]
        angle = pos / 10000 ** (torch.arange(0, self.d_model, 2) / self.d_model)
        pe = torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
        return self.dropout(x + pe.unsqueeze(1 - AXIS))
AXIS = """
LAYER_USED = """class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.encode = nn.Embedding(9, 4), PositionalEncoding(4)
        self.attend = nn.TransformerEncoderLayer(4, 1, 4)
    def forward(self, words):
        return self.attend(self.encode(self.embed(words)))
model = Model()"""


@pytest.mark.parametrize("axis, earned", [(0, 12), (1, 4)])
def test_a_layer_is_judged_in_the_layout_of_the_notebooks_own_model(observe, axis, earned):
    question = positional_encoding.QUESTION

    _, observed = observe([f"{LAYER}{axis}", LAYER_USED], question)

    judged = judge_question(question, observed[question.key], 1)
    assert judged.earned == earned, judged


def test_a_layer_that_is_given_what_cannot_be_told_is_for_a_person(observe):
    question = positional_encoding.QUESTION
    other = LAYER.replace("forward(self, x)", "forward(self, x, y)").replace("x.size", "y.size")

    _, observed = observe([f"{other}0"], question)

    judged = judge_question(question, observed[question.key], 1)
    assert (judged.outcome, judged.earned) == (Outcome.NEEDS_REVIEW, None)
    assert "what it is given beside x is not known" in judged.finding.advice


def test_a_class_whose_definition_fails_says_why(observe):
    question = positional_encoding.QUESTION

    _, observed = observe(["class PositionalEncoding:\n    size = undefined"], question)

    judged = judge_question(question, observed[question.key], 1)
    assert (judged.outcome, judged.earned) == (Outcome.BLOCKED, 0)
    assert "NameError: name 'undefined' is not defined" in judged.finding.advice


def test_of_two_calls_only_the_plain_one_is_by_the_targets_own_names(observe):
    def by_keyword(target, *args):
        return target(a=args[0], b=args[1])

    question = asking("f", case(1, 2), parameters=("a", "b"))
    other = replace(
        question.checks[0], claim="by keyword", call=by_keyword, reference=question.reference
    )
    _, observed = observe(
        ["def f(b, a): return [a, b]"], replace(question, checks=[*question.checks, other])
    )

    assert [o.value for o in seen(observed["f"])] == [[1, 2], [1, 2]]


OWN_LOOP = """import asyncio

async def later(x):
    await asyncio.sleep(0.001)
    return 2 * x

def runs(x):
    return asyncio.run(later(x))

def runs_several(x):
    async def several():
        async with asyncio.timeout(10):
            return await asyncio.gather(*(asyncio.create_task(later(i)) for i in range(x)))

    return asyncio.run(several())"""
WITH_A_THREAD = """import threading
stop = threading.Event()
threading.Thread(target=stop.wait, daemon=True).start()"""


@pytest.mark.parametrize(
    "others, light",
    [((), 0), ((), 60), ((WITH_A_THREAD,), 0)],
    ids=["forked", "light", "not forked"],
)
def test_a_function_may_run_an_event_loop(observe, monkeypatch, others, light):
    monkeypatch.setattr(notebook, "LIGHT_SECONDS", light)
    questions = [asking("runs", case(1), case(2)), asking("runs_several", case(3))]

    _, observed = observe([OWN_LOOP, *others, "await later(1)"], *questions)

    assert [o.value for o in seen(observed["runs"])] == [2, 4]
    assert [o.value for o in seen(observed["runs_several"])] == [[0, 2, 4]]


KEEPS = """import os
calls, items = [], []
def counts(x):
    calls.append(x)
    return len(calls)
def total(x):
    return len(calls) + x
def ends(x):
    items.append(x)
    if x > 1:
        os._exit(3)
    return len(items)
def never_ends(x):
    calls.append("more")
    while x:
        pass
    return len(calls)
def left(x):
    return [len(calls), len(items), x]"""


MILD = {"counts": (1, 2), "total": (10,), "left": (7,)}
WILD = {"counts": (1, 2), "ends": (1, 2, 3), "never_ends": (0, 1), **MILD}


@pytest.mark.parametrize("cases", [MILD, WILD], ids=["none ends its kernel", "two do"])
def test_of_a_light_notebook_just_the_same_is_seen_as_of_one_that_ran_for_long(
    observe, monkeypatch, kind, cases
):
    first, *others = [asking(name, *map(case, given)) for name, given in cases.items()]
    questions = [replace(first, stand_in=of_three), *others]
    shown, runs = {}, {}
    for light in (0, 60):
        monkeypatch.setattr(notebook, "LIGHT_SECONDS", light)
        outputs = []
        execution, observed = observe(
            [KEEPS, "print(len(calls))"],
            *questions,
            follows=lambda seen: {"left": ["counts"]},
            outputs=outputs,
            call_seconds=1,
        )
        shown[light] = repr((execution, observed))
        runs[light] = [[output["text"] for output in cell] for cell in outputs]

    assert shown[60] == shown[0]
    assert runs[60] == runs[0] == [[], ["0\n"]]
    if kind == "pipe":  # a cold kernel has no state to go back to
        helped = observed["left"].helped
        assert [o.value for asked in helped.values() for o in asked.observations] == [[0, 0, 7]]


def of_three(x):
    return 3


def test_after_a_function_with_an_event_loop_the_kernel_has_its_own(observe):
    way = notebook.probe.Way(notebook.slices.statements(submission([OWN_LOOP]).cells))
    question = asking("runs", case(1))
    trials = {t: Cases(t.draw(1)) for t in question.trials}
    request = notebook.probe.request(question, trials, way, {"runs"}, 1, careful=True)

    async def asked():
        async with observe.kernels().kernel(1) as running:
            await running.run(OWN_LOOP, 10)
            await running.ask("answer", request, 3)
            task = "task = asyncio.create_task(later(3))\nawait asyncio.wait_for(task, 10)"
            return (await running.run(task, 10)).how, running.outputs

    how, outputs = observe.run(asked())

    assert how == "ok"
    assert outputs[0]["data"]["text/plain"] == "6"


STREAMED = """import sys
inside = sys.modules["grader_inside"]
seen = []
inside._send = lambda texts: seen.append(len(texts))

def results():
    for _ in range(9):
        seen.append("made")
        yield {"case": 1, "value": "x" * (inside.TOGETHER // 3)}

inside.stream(results())
print(*seen)"""


def test_no_more_results_are_held_inside_than_go_together(observe):
    async def printed():
        async with observe.kernels().kernel(1) as running:
            await running.run(STREAMED, 10)
            return running.outputs[0]["text"]

    assert observe.run(printed()) == " ".join(["made made made 3"] * 3) + "\n"


def test_no_request_outgrows_the_memory_of_the_grader():
    """Each definition comes with the cell in which it stands: a cell of many is many times sent."""
    cell = "def often(x):\n    return x\n" * 1500
    question = asking("often", case(1))
    statements = slices.statements([NotebookCell("code", cell)])

    with pytest.raises(SandboxError, match="too long to be asked"):
        notebook.probe.request(
            question,
            {t: Cases(t.draw(1)) for t in question.trials},
            notebook.probe.Way(statements),
            {"often"},
            1,
            careful=True,
        )
