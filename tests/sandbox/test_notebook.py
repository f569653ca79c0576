"""Any notebook runs from top to bottom, and what went wrong is told with its cell and line."""

import time

import pytest

from grader.authoring import case
from grader.model import NotebookCell, Outcome
from grader.sandbox.notebook import imported
from tests.sandbox.conftest import asking, failures, seen, submission

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize(
    "source, packages",
    [
        ("import torch", {"torch"}),
        ("import torch.nn as nn  # layers", {"torch"}),
        ("import math, torch, torch.nn as nn", {"math", "torch"}),
        ("import math,torch", {"math", "torch"}),
        ("x = 1; import torch; from numpy import pi", {"torch", "numpy"}),
        ("if x: import torch", {"torch"}),
        ("try:\n\timport\ttorch\nexcept ImportError: pass", {"torch"}),
        ("from torch.nn import (\n    Linear,\n)", {"torch"}),
        ("# torch is not needed\nimportant = 'torch'", set()),
        ("from torch import optim", {"torch", "torch.optim"}),
    ],
)
def test_what_a_notebook_imports_is_read_off_its_text(source, packages):
    assert imported(submission([source])) == packages


# what Python says, and the line of the cell; None for a cell that runs
CELLS = {
    "nothing": ("", None),
    "blank": ("  \n\n", None),
    "a comment": ("# nothing to do", None),
    "markdown": (NotebookCell("markdown", "# 1/0"), None),
    "raw": (NotebookCell("raw", "1/0"), None),
    "a helper for later": ("def inverse(x):\n    # of a number\n    return 1 / x", None),
    "an error in a function of another cell": (
        "a = 1\n\ninverse(a)\ninverse(0)",
        (4, "ZeroDivisionError: division by zero"),
    ),
    "an error in a function of its own": (
        "def half(x):\n    return x / 0\n\nhalf(1)",
        (2, "ZeroDivisionError: division by zero"),
    ),
    "an error in a library": (
        "import json\n\njson.loads('{')",
        (
            3,
            "JSONDecodeError: Expecting property name enclosed in double quotes: "
            "line 1 column 2 (char 1)",
        ),
    ),
    "half a line": ("x = 1\ny = (1 +", (2, "SyntaxError: incomplete input")),
    "no Python": ("x = 1\nfor in range(3)", (2, "SyntaxError: invalid syntax")),
    "indentation": ("if True:\n  x = 1\n   y = 2", (3, "IndentationError: unexpected indent")),
    "eval": ("s = '1 +'\neval(s)", (2, "SyntaxError: invalid syntax (<string>, line 1)")),
    "an odd line end": ("x = 1 # \u2028\n1 / 0", (2, "ZeroDivisionError: division by zero")),
    "many lines": ("\n" * 200 + "missing", (201, "NameError: name 'missing' is not defined")),
    "%%time after empty lines": ("\n\n%%time\nzeroth = 0", None),
    "no end of calls": (
        "def again(n):\n    return again(n + 1)\n\nagain(0)",
        (2, "RecursionError: maximum recursion depth exceeded"),
    ),
    "an error without a text": (
        "class Mute(Exception):\n    def __str__(self):\n        raise ValueError\n\nraise Mute",
        (3, "ValueError"),
    ),
    "colours": ("raise Exception('\\x1b[31mred\\x00')", (1, "Exception:  [31mred ")),
    "a text that cannot be sent": ("raise Exception('\\ud800')", (1, "Exception: ?")),
    "a long text": ("raise Exception('x' * 10**6)", (1, "Exception: " + "x" * 389)),
    "an address": (
        "raise ValueError(object())",
        (1, "ValueError: <object object at 0x…>"),
    ),
    "a file that is not there": (
        "open('/content/none.txt')",
        (1, "FileNotFoundError: [Errno 2] No such file or directory: '/content/none.txt'"),
    ),
    "its own folder": ("import os\nraise OSError(os.getcwd())", (2, "OSError: /content")),
    "its home": ("raise OSError(os.environ['HOME'])", (1, "OSError: /root")),
    "a child's error": ("get_ipython().run_cell('1/0');", None),
    "%time": ("%time first = 1\nassert first == 1", None),
    "%%time": ("%%time\nsecond = 2", None),
    "%timeit": ("%timeit -n1 -r1 1 + 1", None),
    "%matplotlib": ("%matplotlib inline\n%config InlineBackend.figure_format = 'svg'", None),
    "%%capture": ("%%capture out\nprint(3)", None),
    "%%writefile": ("%%writefile own.py\nONE = 1", None),
    "a module of its own": ("import own\nassert own.ONE + second == 3", None),
    "no such magic": ("%nosuch", (1, "UsageError: Line magic function `%nosuch` not found.")),
    "help": ("print?\nlen??", None),
    "await": ("import asyncio\nawait asyncio.sleep(0.001)\nthird = 3", None),
    "a figure": ("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()", None),
    "a table": ("import pandas as pd\npd.DataFrame({'a': [1]})", None),
    "warnings": ("import warnings\nwarnings.warn('careful')", None),
    "standard error": ("import sys\nprint('x', file=sys.stderr)", None),
    "what ran": ("assert (first, second, third) == (1, 2, 3)", None),
    "random numbers": (
        "import random, numpy as np\ndrawn = [random.random(), np.random.rand()]\n"
        "def numbers(x):\n    return drawn + list(np.random.rand(2)) + [hash('a') % 1000]",
        None,
    ),
    "another folder": ("os.makedirs('below')\nos.chdir('below')", None),
}


@pytest.fixture(scope="module")
def ran(observe):
    cells = [cell for cell, _ in CELLS.values()]
    return [observe(cells, asking("numbers", case(1), case(2))) for _ in range(2)]


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_ends_as_in_a_notebook(ran, name):
    execution, _ = ran[0]
    number = list(CELLS).index(name) + 1
    failed = {f.where.cell: (f.where.line, f.error) for f in execution.failures}.get(number)
    expected = CELLS[name][1]

    assert (failed is None) == (expected is None), failed
    if failed is not None and failed[1].startswith("UnicodeEncodeError: "):
        failed = (failed[0], "Exception: ?")  # zmq cannot send it: then that is the error
    assert failed == expected


def test_two_runs_see_the_very_same(ran):
    (execution, observed), (again, observed_again) = ran

    assert execution == again
    assert repr(observed) == repr(observed_again)


def test_every_case_finds_the_same_unseeded_numbers(ran):
    one, other = seen(ran[0][1]["numbers"])

    assert one.value == other.value


def test_an_endless_recursion_costs_little_time(observe):
    started = time.monotonic()
    observe(["def again(n):\n    return again(n + 1)\n\nagain(0)"] * 20)

    assert time.monotonic() - started < 30  # with the traceback that IPython makes, minutes


def test_a_notebook_whose_time_is_over_is_still_asked(observe):
    sleep = "import time\ntime.sleep(0.7)"
    cells = ["def double(x):\n    return 2 * x", *[sleep] * 4]

    execution, observed = observe(cells, asking("double", case(21)), notebook_seconds=1)
    said = failures(execution)

    assert execution.outcome is Outcome.TIMED_OUT
    assert list(said) == [3, 4]
    assert said[3].startswith("it did not end within 0.")
    assert said[4] == "it was not run: the notebook took longer than 1 s"
    assert [o.value for o in seen(observed["double"])] == [42]


def test_places_are_right_in_a_notebook_that_is_run_again(observe):
    cells = [
        "import os",
        "os._exit(0)",
        "x = 1\n1 / 0",
        "def fails(x):\n    y = x\n    raise OSError",
    ]

    execution, observed = observe(cells, asking("fails", case(1)))
    (raised,) = seen(observed["fails"])

    assert [(f.where.cell, f.where.line) for f in execution.failures] == [(2, 1), (3, 2)]
    assert (raised.where.cell, raised.where.line) == (4, 3)


def test_a_notebook_without_code_is_asked_too(observe):
    execution, observed = observe([NotebookCell("markdown", "# Hello")], asking("f", case(1)))

    assert execution.outcome is Outcome.PASSED
    assert observed["f"].found is None
    assert observed["f"].trials == {}
