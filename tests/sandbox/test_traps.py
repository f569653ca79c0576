"""Each trap that forks of a warm process hold was met once, and is met here again."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from grader.authoring import case
from grader.errors import SandboxError
from grader.model import Limits
from grader.sandbox import kernel, notebook
from grader.sandbox.ground import choose
from grader.sandbox.probe import Cases
from grader.sandbox.referee import VARIES, differences
from tests.sandbox import attacks
from tests.sandbox.conftest import IMPORTS, asking, failures, seen, submission

pytestmark = pytest.mark.kernel

in_pipes = pytest.mark.parametrize("kind", ["pipe"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def shown(observe):
    """From cells to the outputs of each, and what went wrong in which."""

    def outputs_of(cells, seed=7):
        outputs = []
        ran = notebook.observe(submission(cells), {}, observe.kernels(), seed, outputs)
        execution, _ = observe.run(ran)
        return outputs, failures(execution)

    return outputs_of


def printed(outputs, name="stdout"):
    return "".join(o["text"] for o in outputs if o.get("name") == name)


def pictures(outputs):
    return sum("image/png" in o.get("data", {}) for o in outputs)


# forks and threads --------------------------------------------------------------------------------


def test_what_was_imported_before_the_fork_computes_after_it(shown):
    computes = """import os, torch, torch.nn as nn
X = torch.randn(500, 500, requires_grad=True)
(torch.softmax(X @ X, 1).sum() + nn.Linear(500, 5)(X).tanh().sum()).backward()
print(X.grad.shape, torch.get_num_threads(), torch.linalg.svd(X[:50, :50])[1].shape)"""

    (outputs,), failed = shown([computes])

    assert failed == {}
    assert printed(outputs) == "torch.Size([500, 500]) 1 torch.Size([50])\n"


@in_pipes
def test_a_kernel_begins_with_one_thread(shown):
    count = "import os\nprint(len(os.listdir('/proc/self/task')))"

    outputs, _ = shown(["import numpy, pandas, torch", count, "torch.ones(10**6).sum()", count])

    assert printed(outputs[1]) == "1\n"
    assert printed(outputs[3]) == "1\n"


@in_pipes
def test_a_process_with_a_thread_forks_no_kernel(home, ground, monkeypatch, tmp_path):
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
    threaded = tmp_path / "zygote.py"
    threaded.write_text(kernel.INSIDE["zygote"].read_text("utf-8") + thread, "utf-8")
    monkeypatch.setitem(kernel.INSIDE, "zygote", threaded)

    async def started():
        source = ground.kernels(home, "", Limits(), frozenset())
        try:
            async with source.kernel(1):
                pass
        finally:
            await source.close()

    with pytest.raises(SandboxError, match="2 threads before the first fork: it would hang"):
        asyncio.run(started())


# seeds --------------------------------------------------------------------------------------------

DRAWN = """import random, numpy as np, torch
print(random.random(), np.random.rand(), np.random.default_rng().random(),
      np.random.default_rng().random(), torch.rand(1).item(), torch.randperm(9).tolist())"""


def test_each_student_has_random_numbers_of_their_own_and_always_the_same(shown):
    one, again, other = (printed(shown([DRAWN, who])[0][0]) for who in ("# A", "# A", "# B"))

    first, second = one.split()[:5], other.split()[:5]
    assert one == again
    assert len({*first, *second}) == 10  # the two generators of one notebook differ, too
    assert one.split()[5:] != other.split()[5:]


def test_what_a_notebook_seeds_is_as_it_is_everywhere(shown):
    seeded = """import random, numpy as np, torch
random.seed(0); np.random.seed(0); torch.manual_seed(0)
print(round(random.random(), 4), round(np.random.rand(), 4), round(torch.rand(1).item(), 4),
      round(np.random.default_rng(0).random(), 4), round(np.random.RandomState(0).rand(), 4))"""

    outputs, failed = shown([seeded])

    assert failed == {}
    assert printed(outputs[0]) == "0.8444 0.5488 0.4963 0.637 0.5488\n"


def test_sets_of_texts_have_the_same_order_in_every_run(shown):
    sets = "print(list({f'w{i}' for i in range(20)}), hash('a'))"

    assert printed(shown([sets, "# A"])[0][0]) == printed(shown([sets, "# B"])[0][0])


# figures ------------------------------------------------------------------------------------------

FIGURES = {
    "pyplot": ["import matplotlib.pyplot as plt\nplt.plot([1, 2])"],
    "from matplotlib": ["from matplotlib import pyplot\npyplot.plot([1, 2]);"],
    "inline, then pyplot": ["%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1])"],
    "pyplot, then inline": ["import matplotlib.pyplot as plt\n%matplotlib inline\nplt.plot([1])"],
    "inline in a cell of its own": [
        "%matplotlib inline",
        "import matplotlib.pyplot as plt",
        "plt.plot([1, 2])",
    ],
    "after matplotlib alone": ["import matplotlib", "import matplotlib.pyplot as p\np.plot([1])"],
    "pylab": ["import pylab\npylab.plot([1, 2])"],
    "of pandas": ["import pandas as pd\npd.Series([1, 2]).plot()"],
    "shown by hand": ["import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nplt.show()"],
    "after an error": ["import matplotlib.pyplot as plt\nplt.plot([1])\n1 / 0", "plt.plot([1])"],
    "in a function": ["import matplotlib.pyplot as plt\ndef draw():\n  plt.plot([1])\ndraw()"],
}


@in_pipes
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_not_lost(shown, name):
    outputs, _ = shown(FIGURES[name])

    assert pictures(outputs[-1]) == 1


def test_closed_figures_are_not_shown_and_two_are_two(shown):
    cells = [
        "import matplotlib.pyplot as plt\nplt.plot([1])\nplt.close('all')",
        "plt.figure(); plt.plot([1]); plt.figure(); plt.plot([2]);",
        "1",
    ]

    assert [pictures(outputs) for outputs in shown(cells)[0]] == [0, 2, 0]


# what a notebook did not import -------------------------------------------------------------------

FORGOTTEN = {  # what plain Python says to those who forgot an import
    "numpy": ("np.ones(1)", "NameError: name 'np' is not defined"),
    "pyplot, of matplotlib": (
        "import matplotlib\nmatplotlib.pyplot.plot([1])",
        "AttributeError: module 'matplotlib' has no attribute 'pyplot'",
    ),
    "pandas": ("pandas.DataFrame()", "NameError: name 'pandas' is not defined"),
    "torch": ("torch.ones(1)", "NameError: name 'torch' is not defined"),
    "nn": ("import torch\nnn.Linear(1, 1)", "NameError: name 'nn' is not defined"),
    "softmax": ("import torch\nF.softmax", "NameError: name 'F' is not defined"),
    "math": ("math.sqrt(2)", "NameError: name 'math' is not defined"),
    "sys": ("sys.path", "NameError: name 'sys' is not defined"),
    "a part of torch": (
        "import torch\ntorch.utils.tensorboard",
        "AttributeError: module 'torch.utils' has no attribute 'tensorboard'",
    ),
    "a part of scipy that is not there": (
        "import scipy\nscipy.nothing",
        "AttributeError: Module 'scipy' has no attribute 'nothing'",
    ),
}


@pytest.fixture(scope="module")
def forgotten(shown):
    return shown([source for source, _ in FORGOTTEN.values()])[1]


@pytest.mark.parametrize("name", FORGOTTEN)
def test_an_import_that_is_missing_is_missed(forgotten, name):
    assert forgotten[list(FORGOTTEN).index(name) + 1] == FORGOTTEN[name][1]


SHARED = "timeit xml.etree plistlib gzip difflib cmath tarfile mmap zoneinfo scipy.linalg".split()


@in_pipes
def test_what_else_is_imported_does_not_bring_what_was_not(shown):
    """pyplot and pandas import these too; who imports one of them has imported neither."""
    imports = "".join(f"import {name}\n" for name in SHARED)
    look = "import sys\nprint([n for n in ('matplotlib', 'pandas', 'torch') if n in sys.modules])"
    uses = "import matplotlib\nmatplotlib.pyplot.plot([1])"
    all_of_them = "if 0:\n    import matplotlib.pyplot, pandas, torch"

    outputs, failed = shown([imports, look, uses, all_of_them])

    assert printed(outputs[1]) == "[]\n"
    assert failed == {3: FORGOTTEN["pyplot, of matplotlib"][1]}


def test_nothing_large_is_there_before_it_is_imported(shown):
    look = """import sys
large = ("matplotlib", "pandas", "scipy", "torch", "tqdm", "sympy", "networkx")
print([n for n in sys.modules if n.startswith(large) and not n.startswith("matplotlib_inline")])"""
    all_of_them = "if 0:\n    import matplotlib.pyplot, pandas, scipy, torch, torch.optim, tqdm"

    outputs, _ = shown([look, all_of_them])

    assert printed(outputs[0]) == "[]\n"


PARTS = """import importlib, json, pkgutil, sys, types

def parts(name):
    module = importlib.import_module(name)
    return sorted(
        f"{name}.{part}"
        for part, value in vars(module).items()
        if isinstance(value, types.ModuleType) and value.__name__ == f"{name}.{part}"
    )

left_out = "idlelib lib2to3 tkinter turtledemo test distutils".split()
packages = [m.name for m in pkgutil.iter_modules() if m.ispkg and m.name in sys.stdlib_module_names]
packages = sorted(set(packages) - set(left_out))
packages += "numpy matplotlib pandas scipy torch torch.nn torch.optim IPython".split()
print(json.dumps([part for package in packages for part in parts(package)]))
import matplotlib.pyplot, pandas, scipy, torch"""


def test_no_part_of_a_package_is_there_that_a_cold_kernel_would_not_have(home):
    visible = {}
    for kind in ("pipe", "cold"):
        source = replace(choose(), kernel=kind).kernels(home, "", Limits(), IMPORTS)

        async def run(source=source):
            outputs = []
            try:
                await notebook.observe(submission([PARTS]), {}, source, 7, outputs)
            finally:
                await source.close()
            return outputs[0]

        visible[kind] = set(json.loads(printed(asyncio.run(run()))))

    assert len(visible["cold"]) > 100
    assert visible["pipe"] - visible["cold"] == set()
    # what an import brings is there too
    assert visible["cold"] - visible["pipe"] <= {"IPython.extensions", "IPython.terminal"}


# what was imported before works as if it were not -------------------------------------------------

ONCE = {
    "torch is whole": (
        """import torch, sys
print(sys.modules["torch"] is torch, torch.nn.functional.relu(-torch.ones(1)).item(),
      torch.__spec__.name, torch.__name__, hasattr(torch, "optim"), torch.utils.data.__name__)""",
        "True 0.0 torch torch True torch.utils.data\n",
    ),
    "the same module by every name": (
        """import matplotlib.pyplot as plt, matplotlib
from matplotlib import pyplot
print(plt is pyplot is matplotlib.pyplot, plt.get_backend().endswith("inline"))""",
        "True True\n",
    ),
    "tensors are pickled": (
        """import pickle, copy
layer = torch.nn.Linear(2, 2)
same = pickle.loads(pickle.dumps([layer, torch.arange(3), torch.float32, torch.device("cpu")]))
print(same[1:], torch.equal(same[0].weight, layer.weight), copy.deepcopy(layer) is layer)""",
        "[tensor([0, 1, 2]), torch.float32, device(type='cpu')] True False\n",
    ),
    "frames are pickled": (
        """import pandas as pd, numpy as np
frame = pd.DataFrame({"a": np.arange(3)})
same = pickle.loads(pickle.dumps(frame))
print(same.equals(frame), isinstance(same, pd.core.frame.DataFrame))""",
        "True True\n",
    ),
    "a module is loaded again": (
        """import importlib, colorsys, json
print(importlib.reload(colorsys) is colorsys, importlib.reload(json).loads("[1]"))""",
        "True [1]\n",
    ),
    "a large one too": (
        "import tqdm\nprint(importlib.reload(tqdm) is tqdm, importlib.reload(pd.compat).__name__)",
        "True pandas.compat\n",
    ),
    "specs and sources are found": (
        """import importlib.util, inspect
print(importlib.util.find_spec("pandas").name, importlib.util.find_spec("nothing_such"),
      "class Linear" in inspect.getsource(torch.nn.Linear),
      inspect.getmodule(torch.nn.Linear).__name__)""",
        "pandas None True torch.nn.modules.linear\n",
    ),
    "optimizers": (
        """model = torch.nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
model(torch.ones(1)).backward(); optimizer.step()
print(type(optimizer).__module__)""",
        "torch.optim.sgd\n",
    ),
    "scipy by parts": (
        """import scipy
from scipy import linalg
print(scipy.linalg is linalg, scipy.stats.__name__)""",
        "True scipy.stats\n",
    ),
    "a package is thrown out and comes again": (
        """del sys.modules["matplotlib.pyplot"]
import matplotlib.pyplot
print(sys.modules["matplotlib.pyplot"].plot.__name__)""",
        "plot\n",
    ),
    "metadata": (
        "from importlib.metadata import version\nprint(version('numpy') == np.__version__)",
        "True\n",
    ),
    "the version": ("print(torch.__version__[:2], pd.__version__ > '2')", "2. True\n"),
}


@pytest.fixture(scope="module")
def once(shown):
    return shown([source for source, _ in ONCE.values()])


@pytest.mark.parametrize("name", ONCE)
def test_a_module_of_the_zygote_is_as_good_as_new(once, name):
    outputs, failed = once
    number = list(ONCE).index(name)

    assert failed.get(number + 1) is None
    assert printed(outputs[number]) == ONCE[name][1]


# what is printed ----------------------------------------------------------------------------------

RAW = {
    "os.write": ("import os\nos.write(1, b'raw ')\nos.write(2, b'error ');", "raw ", "error "),
    "C": (
        """import ctypes
libc = ctypes.CDLL(None)
libc.puts(b"from C")
libc.fflush(None);""",
        "from C\n",
        "",
    ),
    "a program": (
        "import subprocess\nsubprocess.run('echo out; echo err >&2', shell=True);",
        "out\n",
        "err\n",
    ),
    "os.system": ("os.system('echo system');", "system\n", ""),
    "the first streams": (
        "import sys\nprint('first', file=sys.__stdout__, flush=True)",
        "first\n",
        "",
    ),
    "half a letter at a time": (
        "for byte in 'é'.encode():\n    os.write(1, bytes([byte]))",
        "é",
        "",
    ),
    "no letter": ("os.write(1, b'\\xff\\xfe|');", "\ufffd\ufffd|", ""),
    "much": ("for letter in 'xyz' * 9: os.write(1, letter.encode() * 10_000)", "much", ""),
    "one after the other": (
        "import time\nfor i in range(5):\n    os.write(1, b'%d ' % i)\n    time.sleep(0.01)",
        "0 1 2 3 4 ",
        "",
    ),
    "a daemon's last word": (
        "subprocess.Popen('sleep 0.2; echo late', shell=True)\ntime.sleep(0.5)",
        "late\n",
        "",
    ),
}


@pytest.fixture(scope="module")
def raw(shown):
    return shown([source for source, *_ in RAW.values()])


@in_pipes
@pytest.mark.parametrize("name", RAW)
def test_what_is_written_below_python_is_an_output_of_its_cell(raw, name):
    outputs, failed = raw
    number = list(RAW).index(name)
    _, out, err = RAW[name]

    assert failed == {}
    if out == "much":
        out = "".join(letter * 10_000 for letter in "xyz" * 9)
    assert printed(outputs[number]) == out
    assert printed(outputs[number], "stderr") == err


ORDERED = {
    "os.write": "import os\nprint('one')\nos.write(1, b'two\\n')\nprint('three')",
    "a program": "import subprocess\nprint('one')\nsubprocess.run(['echo', 'two'])\nprint('three')",
    "os.system": "import os\nprint('one')\nos.system('echo two')\nprint('three')",
    "a worker": """import multiprocessing
print('one')
process = multiprocessing.Process(target=print, args=('two',), kwargs={'flush': True})
process.start()
process.join(10)
print('three')""",
    "os.posix_spawn": """import os
print('one')
os.waitpid(os.posix_spawn('/bin/echo', ['echo', 'two'], {}), 0)
print('three')""",
    "os.fork": """import os
print('one')
if not (child := os.fork()):
    os.write(1, b'two\\n')
    os._exit(0)
os.waitpid(child, 0)
print('three')""",
    "much": """import os
print('one' + ' ' * 300_000)
os.write(1, b'two\\n')
print('three')""",
    "the last words of a kernel": """import os
print('one')
os.write(1, b'two\\nthree\\n')
os._exit(0)""",
}


@in_pipes
@pytest.mark.parametrize("name", ORDERED)
def test_what_is_written_below_python_keeps_its_place(shown, name):
    outputs, _ = shown([ORDERED[name] + "\nimport time; time.sleep(0.05)"])

    assert printed(outputs[0]).replace(" ", "") == "one\ntwo\nthree\n"


@in_pipes
def test_what_nobody_reads_does_not_hold_up_what_is_printed_for_ever(shown):
    unread = """import os, sys, time
os.write(1, b"")
sys.modules["grader_serving"]._unread = lambda descriptor: 1
began = time.monotonic()
print("one", flush=True)
display("two")"""

    outputs, failed = shown([unread, "print(time.monotonic() - began)"])

    assert failed == {}
    assert printed(outputs[0]) == "one\n"
    assert float(printed(outputs[1])) < 5


def test_an_endless_recursion_costs_less_than_a_second_of_the_processor(shown):
    cells = [
        "import time\nbefore = time.process_time()",
        "def again(n):\n    return again(n + 1)\n\nagain(0)",
        "print(time.process_time() - before)",
    ]

    outputs, failed = shown(cells)

    assert failed == {2: "RecursionError: maximum recursion depth exceeded"}
    assert float(printed(outputs[2])) < 1


# the same in every kind of kernel -----------------------------------------------------------------

TWENTY = """import numpy as np, matplotlib.pyplot as plt
N, D = 3, 4
np.random.seed(3); all_x = [np.random.normal(size=(D, 1)) for _ in range(N)]; all_x
print(all_x[0])
np.random.seed(0); omega = np.random.normal(size=(D, D))
beta = np.zeros((D, 1)); omega.round(3)
all_q = [beta + omega @ x for x in all_x]
for q in all_q: print(q.T)
def softmax(x): return np.exp(x) / np.sum(np.exp(x))
weights = softmax(np.array([float((q.T @ all_q[0]).item()) for q in all_q])); weights
plt.bar(range(N), weights); plt.title("weights")
sum(w * q for w, q in zip(weights, all_q)).T
X = np.hstack(all_x); X.shape
S = X.T @ X; print(S); S.mean(axis=0)
plt.imshow(S); plt.colorbar(); plt.show()
plt.imshow(np.exp(S) / np.exp(S).sum(0)); plt.xlabel("n"); plt.show(); print("shown")
np.allclose((np.exp(S) / np.exp(S).sum(0)).sum(0), 1)
np.set_printoptions(precision=3); print(X @ (np.exp(S) / np.exp(S).sum(0)))
undefined_name
{"a": [1, 2], "b": {"c": (1.5, None)}}""".split("\n")

ODD = [
    "%matplotlib inline",
    "import os; os.system('echo from a subprocess')",
    "!echo shell",
    "1/0",
    "import sys; print('err', file=sys.stderr); 42",
    "from IPython.display import display, HTML; display(HTML('<b>x</b>')); display({'a': 1})",
    "import pandas as pd; pd.DataFrame({'a': [1, 2]})",
    "await __import__('asyncio').sleep(0.01); 'awaited'",
    "input('name?')",
    "%%timeit -n1 -r1\npass",
    "import warnings; warnings.warn('careful')",
    "get_ipython().kernel is not None",
    "from tqdm.auto import tqdm",
    "__name__",
    "import matplotlib; matplotlib.get_backend()",
    "import ctypes; ctypes.CDLL(None).puts(b'from C'); ctypes.CDLL(None).fflush(None); None",
    "import multiprocessing as mp\ndef f(x): return x * x\n"
    "with mp.Pool(2) as p: print(p.map(f, range(4)))",
    "exit()",
    # and more of them
    "class Own:\n    def _repr_html_(self): return '<i>own</i>'\nOwn()",
    "raise SystemExit",
    "def deep(n): return deep(n + 1)\ndeep(0)",
    "for i in range(3): display(i)",
    "from IPython.display import clear_output; print('a'); clear_output(wait=True); print('b')",
    "x = 5; x; x + 1;",
    "x\n%precision 2\n3.14159",
    "import sys; sys.displayhook(7)",
    "print('no newline', end='')",
    "print('\\x1b[31mred\\x1b[0m \\u2713')",
    "get_ipython().run_cell('print(3)');",
    "_, __, _7",
    "%%capture caught\nprint('hidden')",
    "caught.stdout",
    "open('no.txt')",
    "for i in range(3)\n  pass",
    "lambda x: x",
    "[type(x).__name__ for x in (sys.stdout, sys.stdin)] and None",
    "import logging; logging.warning('logged')",
    "import torch; torch.manual_seed(0); torch.randn(2)",
    "np.random.default_rng().random(), np.random.rand(), torch.rand(1), hash('a')",
    "help(len)",
    "len?",
    "%who int",
    "from __future__ import annotations",
    "assert 1 == 2, 'unequal'",
    "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError(2) from error",
    "plt.figure(figsize=(1, 1)); plt.text(0.5, 0.5, 'λ'); plt.savefig('f.png'); plt.get_fignums()",
]


# what a cell that ran before the notebook's own might leave
FRESH = [
    "sorted(globals()), In, Out, _, __, _i, _oh, get_ipython().execution_count",
    "import sys, linecache; [n for n in vars(sys) if n.startswith('last_')], linecache.getlines"
    "('<run 4>'), list(get_ipython().history_manager.get_range(0)), get_ipython()._last_traceback",
    "%history",
    "1 / 0",
    "%tb",
]


@pytest.fixture(scope="module")
def compared(home):
    """What differs between pipe and cold kernels, for notebooks as handed out, odd and fresh."""
    odd = ["import numpy as np", *ODD]
    return compare(choose(), {"twenty": TWENTY, "odd": odd, "fresh": FRESH})


def compare(ground, notebooks):
    handed_in = [structs.replace(submission(cells), path=name) for name, cells in notebooks.items()]
    question = asking("f", case(1))
    asked = {"colab1": {"f": (question, {t: Cases(t.draw(1)) for t in question.trials})}}
    return asyncio.run(differences(ground, handed_in, asked, (), 7, Limits()))


def test_twenty_cells_have_the_same_outputs_in_both_kinds_of_kernel(compared):
    assert len(TWENTY) == 20
    assert [line for line in compared if line.startswith("twenty")] == []


def test_so_have_odd_ones(compared):
    assert [line for line in compared if line.startswith("odd")] == []


def test_nothing_is_left_of_what_ran_before_the_first_cell(compared):
    assert [line for line in compared if line.startswith("fresh")] == []


def test_nor_on_rung_b():
    rung_b = attacks.standing_without(attacks.rung_b())

    assert compare(replace(choose(), rung=rung_b), {"fresh": FRESH}) == ()


@pytest.mark.parametrize(
    "said",
    [
        "Wall time: 12 ms",
        "1.05 s ± 3.2 ms per loop",
        "CPU times: user 3 \u00b5s, total: 3 \u00b5s",
        "Wall time: 4.05 \u03bcs",
        "sys: 1e+03 ns",
        "CPU times: user 1min 2s",
    ],
)
def test_times_are_not_compared(said):
    assert not any(letter.isdigit() for letter in VARIES.sub("", said))


def test_the_id_of_a_widget_is_not_compared():
    one, other = (f"'model_id': '{digit * 32}', 'version_major': 2" for digit in "a1")

    assert VARIES.sub("#", one) == VARIES.sub("#", other)


def test_a_progress_bar_is_the_same_however_its_speed_is_padded():
    slow, fast = (f"100%|██| 2/2 [00:00<00:00, {speed}]" for speed in (" 9.87it/s", "12.34it/s"))

    assert VARIES.sub("#", slow) == VARIES.sub("#", fast)


# interrupts and forks -----------------------------------------------------------------------------

BUSY = {
    "asleep": "import time\ntime.sleep(60)",
    "in a loop": "while True:\n    pass",
    "in numpy": "import numpy as np\na = np.ones((200, 200))\nwhile True:\n    a = a @ a * 0 + 1",
    "in torch": "import torch\nb = torch.ones(200, 200)\nwhile True:\n    b = (b @ b) * 0 + 1",
    "training": """import torch
w = torch.ones(3, requires_grad=True)
while True:
    (w * w).sum().backward()""",
    "waiting for a lock": "import threading\nl = threading.Lock()\nl.acquire()\nl.acquire()",
    "waiting for a thread": """import threading, time
threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
threading.Event().wait()""",
    "waiting for a program": "import subprocess\nsubprocess.run(['sleep', '60'])",
    "waiting for a worker": """import multiprocessing, time
multiprocessing.Process(target=time.sleep, args=(60,), daemon=True).start()
multiprocessing.active_children()[0].join()""",
    "awaiting": "import asyncio\nawait asyncio.sleep(60)",
    "printing": "import time\nwhile True:\n    print('.', end='')\n    time.sleep(0.001)",
    "among exceptions": "while True:\n    try:\n        1 / 0\n    except Exception:\n        pass",
}


@in_pipes
@pytest.mark.parametrize("name", BUSY)
def test_a_busy_kernel_is_interrupted_and_goes_on(observe, name):
    async def interrupted():
        async with observe.kernels(training_steps=0).kernel(1) as running:
            await running.run("kept = 7", 10)
            late = await running.run(BUSY[name], 0.4)
            after = await running.run("assert kept == 7", 10)
            return late.how, after.how, running.alive

    assert observe.run(interrupted()) == ("interrupted", "ok", True)


STATE = """import os, random
kept = {"a": 1}
first = os.getpid()

def add(x):
    kept["a"] += x
    random.seed(5)
    open("left.txt", "a").close()
    return [kept["a"], os.getpid() == first]

def ends(x):
    os._exit(0)

def sleeps(x):
    import subprocess
    subprocess.Popen(["sleep", "86415"], start_new_session=True)
    return 1"""


async def asked_of(running, name, *values):
    """What a function gives for each value."""
    statements = notebook.slices.statements(submission([STATE]).cells)
    question = asking(name, *(case(value) for value in values))
    trials = {t: Cases(t.draw(1)) for t in question.trials}
    way = notebook.probe.Way(statements)
    request = notebook.probe.request(question, trials, way, {name}, 1, careful=True)
    messages = await running.ask("answer", request, 1 + len(values))
    answers = notebook.probe.Answers(way, {1: 1}, {name}, running.limits)
    observed = answers.observed(
        question, trials, messages, running.alive, running.late, running.why
    )
    return [o.value if o.returned else o.error for o in seen(observed)]


@in_pipes
def test_a_fork_sees_the_notebook_as_it_is_and_changes_nothing_in_it(observe):
    async def forks():
        async with observe.kernels().kernel(1) as running:
            await running.run(STATE, 10)
            found = []
            for value in (1, 10):
                forked = await running.fork()
                found.append(await asked_of(forked, "add", value))
                await forked.close()
            ran = await running.run("kept['a'] += 100", 10)
            found.append(await asked_of(running, "add", 1))
            return found, ran.how

    found, how = observe.run(forks())

    assert found == [[[2, False]], [[11, False]], [[102, True]]]
    assert how == "ok"


@in_pipes
def test_a_kernel_goes_on_after_its_fork_has_died(observe):
    async def dies():
        async with observe.kernels().kernel(1) as running:
            await running.run(STATE, 10)
            forked = await running.fork()
            died = await asked_of(forked, "ends", 1)
            await forked.close()
            again = await running.fork()
            added = await asked_of(again, "add", 1)
            await again.close()
            return died, added, forked.alive, running.alive, (await running.run("kept", 10)).how

    assert observe.run(dies()) == (
        ["the kernel died in this call"],
        [[2, False]],
        False,
        True,
        "ok",
    )


@in_pipes
def test_a_closed_fork_leaves_no_process_behind(observe):
    async def left():
        async with observe.kernels().kernel(1) as running:
            await running.run(STATE, 10)
            counts = []
            for _ in range(3):
                forked = await running.fork()
                await asked_of(forked, "add", 1)
                status = Path(f"/proc/{forked.manager.pid}/status")
                assert living(status)
                await forked.close()
                for _ in range(100):
                    if living(status):
                        await asyncio.sleep(0.02)
                counts.append(living(status))
            return counts

    assert observe.run(left()) == [False, False, False]


def living(status):
    try:
        return "\nState:\tZ" not in status.read_text()
    except OSError:
        return False


@in_pipes
def test_a_kernel_with_a_thread_is_not_forked_and_is_asked_itself(observe):
    thread = "import threading\nstop = threading.Event()\nt = threading.Thread(target=stop.wait)"
    thread += "\nt.start()"
    (o,) = seen(observe([STATE, thread], asking("add", case(1)))[1]["add"])

    async def fork():
        async with observe.kernels().kernel(1) as running:
            await running.run(thread, 10)
            refused = await running.fork()
            await running.run("stop.set()\nt.join()", 10)
            allowed = await running.fork()
            await allowed.close()
            return refused

    assert o.value == [2, True]
    assert observe.run(fork()) is None


@in_pipes
def test_random_numbers_of_a_fork_are_those_of_its_kernel(observe):
    draws = "import random\nrandom.seed(1)\n\ndef draws(x):\n    return random.random()"

    _, observed = observe([draws], asking("draws", case(1)), asking("draws", case(2), key="again"))

    assert seen(observed["draws"])[0].value == seen(observed["again"])[0].value
