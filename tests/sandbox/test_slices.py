"""Which statements of a notebook are run again for fresh inputs, and whether they give right
answers there.

Notebooks are written as one text, cells parted by lines `# %%`.
"""

import ast
import contextlib
import io
import textwrap
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.model import NotebookCell
from grader.sandbox import probe, slices
from reference.week14 import attention, inputs
from reference.week14.qkv import QUESTION as QKV

START = """
import math
import numpy as np
# %%
np.random.seed(3)
N = 3
D = 4
all_x = []
for n in range(N):
    all_x.append(np.random.normal(size=(D, 1)))
for n in range(N):
    print("x_%d:" % n)
    print(all_x[n])
# %%
np.random.seed(0)
omega_q = np.random.normal(size=(D, D))
omega_k = np.random.normal(size=(D, D))
omega_v = np.random.normal(size=(D, D))
beta_q = np.random.normal(size=(D, 1))
beta_k = np.random.normal(size=(D, 1))
beta_v = np.random.normal(size=(D, 1))
"""

LOOP = """
all_queries, all_keys, all_values = [], [], []
for x in all_x:
    all_queries.append(omega_q @ x + beta_q)
    all_keys.append(omega_k @ x + beta_k)
    all_values.append(omega_v @ x + beta_v)
"""

SOFTMAX = """
def softmax(items_in):
    e = np.exp(np.array(items_in).ravel())
    return e / e.sum()
"""

ATTENTION = """
all_x_prime = []
for n in range(N):
    all_km_qn = []
    for key in all_keys:
        dot_product = (key.T @ all_queries[n]).item()
        all_km_qn.append(dot_product)
    attention = softmax(all_km_qn)
    print("Attentions for output ", n)
    x_prime = np.zeros((D, 1))
    for m in range(N):
        x_prime += attention[m] * all_values[m]
    all_x_prime.append(x_prime)
print("x_prime_2_calculated:", all_x_prime[2].transpose())
"""

ONE_LINE = """
def attend(q):
    return sum(a * v for a, v in zip(softmax([(k.T @ q).item() for k in all_keys]), all_values))
"""


def cells(text):
    return [NotebookCell("code", part.strip("\n")) for part in text.split("# %%\n")]


def ran(notebook):
    """The names that a notebook leaves behind, run from top to bottom, errors allowed."""
    names = {"__name__": "__main__"}
    for cell in notebook:
        tree = slices.python(cell.source)
        if tree is not None:
            quiet = contextlib.redirect_stdout(io.StringIO())
            with contextlib.suppress(Exception), quiet:
                exec(compile(tree, "<cell>", "exec"), names)
    return names


def rerun(text, fresh, asked):
    """What the picked statements leave in the asked names: as in the kernel."""
    notebook = cells(text)
    names = ran(notebook)
    picked = slices.rerun(slices.statements(notebook), fresh, asked)
    for statement in picked:
        for name in statement.makes & set(asked):
            names.pop(name, None)
    names.update(fresh)
    for statement in picked:
        if not statement.writes <= set(fresh):
            only = ast.Module([slices.python(statement.source).body[statement.index]], [])
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(only, "<cell>", "exec"), names)
    return [names[name] for name in asked]


def picked(text, fresh, asked):
    """The first lines of the picked statements, the notebook's standard cells left out."""
    before = len(cells(START))
    statements = slices.statements(cells(text))
    return [
        s.source.split("\n")[s.line - 1].strip()
        for s in slices.rerun(statements, fresh, asked)
        if s.cell > before
    ]


SIZES = pytest.mark.parametrize("D, N", [(4, 3), (7, 5), (3, 4)], ids=["own", "larger", "other"])


def agrees(got, right):
    return np.shape(got) == np.shape(right) and np.allclose(got, right)


# Queries, keys and values -----------------------------------------------------------

QKV_SHAPES = {
    "the handout's loop": LOOP,
    "comprehensions": """
all_queries = [omega_q @ x + beta_q for x in all_x]
all_keys = [omega_k @ x + beta_k for x in all_x]
all_values = [omega_v @ x + beta_v for x in all_x]
""",
    "a comprehension of triples, unzipped": """
triples = [(omega_q @ x + beta_q, omega_k @ x + beta_k, omega_v @ x + beta_v) for x in all_x]
all_queries, all_keys, all_values = zip(*triples)
""",
    "map and lambda": """
all_queries = list(map(lambda x: omega_q @ x + beta_q, all_x))
all_keys = list(map(lambda x: omega_k @ x + beta_k, all_x))
all_values = list(map(lambda x: omega_v @ x + beta_v, all_x))
""",
    "a helper with parameters": """
def linear(o, x, b):
    return o @ x + b
# %%
all_queries, all_keys, all_values = [], [], []
for x in all_x:
    all_queries.append(linear(omega_q, x, beta_q))
    all_keys.append(linear(omega_k, x, beta_k))
    all_values.append(linear(omega_v, x, beta_v))
""",
    "a helper that appends to globals": """
all_queries, all_keys, all_values = [], [], []
def add(x):
    all_queries.append(omega_q @ x + beta_q)
    all_keys.append(omega_k @ x + beta_k)
    all_values.append(omega_v @ x + beta_v)
for x in all_x:
    add(x)
""",
    "a lambda that appends to globals": """
all_queries, all_keys, all_values = [], [], []
add = lambda x: (
    all_queries.append(omega_q @ x + beta_q),
    all_keys.append(omega_k @ x + beta_k),
    all_values.append(omega_v @ x + beta_v),
)
for x in all_x:
    add(x)
""",
    "a helper that fills the list it is given": """
def fill(out, o, b):
    for x in all_x:
        out.append(o @ x + b)
all_queries = []
all_keys = []
all_values = []
fill(all_queries, omega_q, beta_q)
fill(all_keys, omega_k, beta_k)
fill(out=all_values, o=omega_v, b=beta_v)
""",
    "a helper of a helper that fills the list": """
def put(where, what):
    where.append(what)
def fill(out, o, b):
    for x in all_x:
        put(out, o @ x + b)
all_queries, all_keys, all_values = [], [], []
fill(all_queries, omega_q, beta_q)
fill(all_keys, omega_k, beta_k)
fill(all_values, omega_v, beta_v)
""",
    "one function for all": """
def compute():
    qs, ks, vs = [], [], []
    for x in all_x:
        qs.append(omega_q @ x + beta_q)
        ks.append(omega_k @ x + beta_k)
        vs.append(omega_v @ x + beta_v)
    return qs, ks, vs
all_queries, all_keys, all_values = compute()
""",
    "a function with global names": """
def compute():
    global all_queries, all_keys, all_values
    all_queries, all_keys, all_values = [], [], []
    for x in all_x:
        all_queries.append(omega_q @ x + beta_q)
        all_keys.append(omega_k @ x + beta_k)
        all_values.append(omega_v @ x + beta_v)
compute()
""",
    "a nested function": """
def outer(o, b):
    def inner(x):
        return o @ x + b
    return [inner(x) for x in all_x]
all_queries, all_keys = outer(omega_q, beta_q), outer(omega_k, beta_k)
all_values = outer(omega_v, beta_v)
""",
    "a class": """
class Linear:
    def __init__(self, o, b):
        self.o, self.b = o, b
    def __call__(self, x):
        return self.o @ x + self.b
# %%
q, k, v = Linear(omega_q, beta_q), Linear(omega_k, beta_k), Linear(omega_v, beta_v)
# %%
all_queries = [q(x) for x in all_x]
all_keys = [k(x) for x in all_x]
all_values = [v(x) for x in all_x]
""",
    "a decorated helper": """
import functools
@functools.lru_cache(None)
def numbers():
    return {}
def checked(f):
    return f
@checked
def linear(o, x, b):
    return o @ x + b
all_queries = [linear(omega_q, x, beta_q) for x in all_x]
all_keys = [linear(omega_k, x, beta_k) for x in all_x]
all_values = [linear(omega_v, x, beta_v) for x in all_x]
""",
    "lists begun in another cell": """
all_queries = []
all_keys = []
all_values = []
# %%
for x in all_x:
    all_queries.append(omega_q @ x + beta_q)
    all_keys.append(omega_k @ x + beta_k)
    all_values.append(omega_v @ x + beta_v)
""",
    "a loop for each list, in three cells": """
all_queries = []
for x in all_x: all_queries.append(omega_q @ x + beta_q)
# %%
all_keys = []
for x in all_x: all_keys.append(omega_k @ x + beta_k)
# %%
all_values = []
for x in all_x: all_values.append(omega_v @ x + beta_v)
""",
    "augmented assignment": """
all_queries, all_keys, all_values = ([] for _ in range(3))
for x in all_x:
    all_queries += [omega_q @ x + beta_q]
    all_keys += [omega_k @ x + beta_k]
    all_values += [omega_v @ x + beta_v]
""",
    "places in lists of None": """
all_queries, all_keys, all_values = [None] * N, [None] * N, [None] * N
for n in range(N):
    all_queries[n] = omega_q @ all_x[n] + beta_q
    all_keys[n] = omega_k @ all_x[n] + beta_k
    all_values[n] = omega_v @ all_x[n] + beta_v
""",
    "arrays filled in place": """
all_queries, all_keys, all_values = (np.zeros((N, D, 1)) for _ in range(3))
for n, x in enumerate(all_x):
    row = all_queries[n]
    row += omega_q @ x + beta_q
    np.matmul(omega_k, x, out=all_keys[n])
    all_keys[n] += beta_k
np.copyto(all_values, [omega_v @ x + beta_v for x in all_x])
""",
    "extend": """
all_queries, all_keys, all_values = [], [], []
all_queries.extend(omega_q @ x + beta_q for x in all_x)
all_keys.extend([omega_k @ x + beta_k for x in all_x])
all_values.extend(omega_v @ x + beta_v for x in all_x)
""",
    "a comprehension for what it does": """
all_queries, all_keys, all_values = [], [], []
_ = [all_queries.append(omega_q @ x + beta_q) for x in all_x]
list(map(lambda x: all_keys.append(omega_k @ x + beta_k), all_x))
list(map(all_values.append, [omega_v @ x + beta_v for x in all_x]))
""",
    "bound methods": """
all_queries, all_keys, all_values = [], [], []
add_q, add_k, add_v = all_queries.append, all_keys.append, all_values.append
for x in all_x:
    add_q(omega_q @ x + beta_q)
    add_k(omega_k @ x + beta_k)
    add_v(omega_v @ x + beta_v)
""",
    "aliases in the head of a loop": """
all_queries, all_keys, all_values = [], [], []
for x in all_x:
    for out, o, b in zip(
        (all_queries, all_keys, all_values), (omega_q, omega_k, omega_v), (beta_q, beta_k, beta_v)
    ):
        out.append(o @ x + b)
""",
    "a tuple of the lists, made in an earlier cell": """
all_queries, all_keys, all_values = [], [], []
lists = (all_queries, all_keys, all_values)
# %%
for x in all_x:
    for out, o, b in zip(lists, (omega_q, omega_k, omega_v), (beta_q, beta_k, beta_v)):
        out.append(o @ x + b)
""",
    "a dict of the lists": """
all_queries, all_keys, all_values = [], [], []
out = {"q": all_queries, "k": all_keys, "v": all_values}
for x in all_x:
    out["q"].append(omega_q @ x + beta_q)
    out["k"].append(omega_k @ x + beta_k)
    out["v"].append(omega_v @ x + beta_v)
""",
    "a dict of lists, handed out at the end": """
parameters = {"q": (omega_q, beta_q), "k": (omega_k, beta_k), "v": (omega_v, beta_v)}
# %%
found = {"q": [], "k": [], "v": []}
for x in all_x:
    for name, (o, b) in parameters.items():
        found[name].append(o @ x + b)
all_queries, all_keys, all_values = found["q"], found["k"], found["v"]
""",
    "two names for a list": """
all_queries = qs = []
all_keys = ks = []
vs = all_values = []
for x in all_x:
    qs.append(omega_q @ x + beta_q)
    ks.append(omega_k @ x + beta_k)
    vs.append(omega_v @ x + beta_v)
""",
    "a matrix, taken apart": """
X = np.hstack(all_x)
Q = omega_q @ X + beta_q
K = omega_k @ X + beta_k
V = omega_v @ X + beta_v
all_queries = [Q[:, [n]] for n in range(N)]
all_keys = np.split(K, N, axis=1)
all_values = list(V.T)
""",
    "other names for the parameters": """
Wq, Wk, Wv = omega_q, omega_k, omega_v
bq, bk, bv = beta_q, beta_k, beta_v
# %%
all_queries, all_keys, all_values = [], [], []
for x in all_x:
    all_queries.append(Wq @ x + bq)
    all_keys.append(Wk @ x + bk)
    all_values.append(Wv @ x + bv)
""",
    "while": """
all_queries, all_keys, all_values = [], [], []
todo = list(all_x)
while todo:
    x = todo.pop(0)
    all_queries.append(omega_q @ x + beta_q)
    all_keys.append(omega_k @ x + beta_k)
    all_values.append(omega_v @ x + beta_v)
""",
    "inserted from the back": """
all_queries, all_keys, all_values = [], [], []
for x in reversed(all_x):
    all_queries.insert(0, omega_q @ x + beta_q)
    all_keys.insert(0, omega_k @ x + beta_k)
    all_values.insert(0, omega_v @ x + beta_v)
""",
    "try, if and with": """
try:
    all_queries = []
    for x in all_x: all_queries.append(omega_q @ x + beta_q)
except ValueError as error:
    print(error)
if N:
    all_keys = []
    for x in all_x: all_keys.append(omega_k @ x + beta_k)
with np.errstate(all="ignore"):
    all_values = []
    for x in all_x: all_values.append(omega_v @ x + beta_v)
""",
    "a wrong attempt first": LOOP.replace("@", "*") + "# %%" + LOOP,
    "the handout's lines left above": """
all_queries, all_keys, all_values = [], [], []
for x in all_x:
    query = np.ones_like(x)
    all_queries.append(query)
    all_keys.append(query)
    all_values.append(query)
"""
    + "# %%"
    + LOOP,
    "a first attempt that raises": """
all_queries, all_keys, all_values = [], [], []
for x in all_x:
    all_queries.append(beta_q + omega_q.nothing)
"""
    + "# %%"
    + LOOP,
    "one line after the other, looked at between": """
all_queries, all_keys, all_values = [], [], []
x = all_x[0]
query = omega_q @ x + beta_q
print(query.shape)
"""
    + LOOP.split("\n", 2)[2],
    "arrays afterwards": LOOP
    + """
# %%
all_queries = np.array(all_queries)
all_keys, all_values = np.array(all_keys), np.array(all_values)
print(all_queries.shape)
""",
    "looked at and plotted afterwards": LOOP
    + """
# %%
for q, k in zip(all_queries, all_keys):
    print(k.T.dot(q))
assert len(all_values) == N
[print(v) for v in all_values]
""",
    "names used again for something else": LOOP
    + """
# %%
D = 8
N = 6
x = None
omega_q = np.random.normal(size=(4, 8))
""",
    "a helper whose name is used again": """
def linear(x, o, b):
    return o @ x + b
# %%
all_queries = [linear(x, omega_q, beta_q) for x in all_x]
all_keys = [linear(x, omega_k, beta_k) for x in all_x]
all_values = [linear(x, omega_v, beta_v) for x in all_x]
# %%
def linear(X, o):
    return o @ X
""",
    "the lists deleted at the end": LOOP + "# %%\ndel x\ndel all_queries, all_keys, all_values\n",
    "a global that counts": """
count = 0
def linear(o, x, b):
    global count
    count += 1
    return o @ x + b
all_queries = [linear(omega_q, x, beta_q) for x in all_x]
all_keys = [linear(omega_k, x, beta_k) for x in all_x]
all_values = [linear(omega_v, x, beta_v) for x in all_x]
""",
    "%time before each": """
%time all_queries = [omega_q @ x + beta_q for x in all_x]
%time all_keys = [omega_k @ x + beta_k for x in all_x]
%timeit -n 1 -r 1 print(N)
%time all_values = [omega_v @ x + beta_v for x in all_x]
""",
    "%%time": "%%time\n" + LOOP,
    "%%capture": "\n%%capture out\n" + LOOP,
    "%%bash and syntax errors elsewhere": "%%bash\nls all_x\n# %%\nfor x in\n# %%\n" + LOOP,
    "!pip in the cell": "!pip install \\\n   numpy\nfiles = !ls\nall_x?\n" + LOOP,
    "a % that is no magic beside one that is": "!echo it's\nprint('%d'\n  % 3)\n" + LOOP,
    "await in the cell": "import asyncio\nawait asyncio.sleep(0)\n" + LOOP,
}


@SIZES
@pytest.mark.parametrize("text", QKV_SHAPES.values(), ids=QKV_SHAPES)
def test_queries_keys_and_values_follow_fresh_inputs_however_they_are_made(text, D, N):
    fresh = inputs.notebook1(np.random.default_rng(0), D, N)
    names = QKV.target.assigns

    got = rerun(START + "# %%\n" + text, fresh, names)

    for one, right in zip(QKV.form(got), QKV.form(QKV.reference(**fresh)), strict=True):
        assert agrees(one, right)


@pytest.mark.parametrize(
    "text",
    [
        START + LOOP,
        START.replace("# %%\n", "") + LOOP,
        START + LOOP + SOFTMAX + ATTENTION,
    ],
    ids=["parameters", "data and parameters", "all that follows"],
)
def test_cells_that_were_merged_are_taken_apart(text):
    fresh = inputs.notebook1(np.random.default_rng(0), 7, 5)

    got = rerun(text, fresh, QKV.target.assigns)

    for one, right in zip(QKV.form(got), QKV.form(QKV.reference(**fresh)), strict=True):
        assert agrees(one, right)


# The attention loop -----------------------------------------------------------------

ATTENTION_SHAPES = {
    "the handout's loop": SOFTMAX + "# %%" + ATTENTION,
    "softmax in the same cell": SOFTMAX + ATTENTION,
    "one comprehension": SOFTMAX + ONE_LINE + "all_x_prime = [attend(q) for q in all_queries]\n",
    "a function made in an earlier cell": SOFTMAX
    + ONE_LINE
    + "# %%\nall_x_prime = list(map(attend, all_queries))\n",
    "a generator": SOFTMAX
    + ONE_LINE
    + "def each():\n    for q in all_queries:\n        yield attend(q)\nall_x_prime = [*each()]\n",
    "a procedure": SOFTMAX
    + ONE_LINE
    + "all_x_prime = []\ndef go():\n    for q in all_queries:\n"
    + "        all_x_prime.append(attend(q))\ngo()\n",
    "an object": SOFTMAX
    + """
class Attention:
    def __init__(self, keys, values):
        self.keys, self.values = keys, values
    def __call__(self, q):
        weights = softmax([(k.T @ q).item() for k in self.keys])
        return sum(a * v for a, v in zip(weights, self.values))
attend = Attention(all_keys, all_values)
# %%
all_x_prime = list(map(attend, all_queries))
""",
    "while": SOFTMAX
    + ONE_LINE
    + "all_x_prime = []\nn = 0\nwhile n < N:\n"
    + "    all_x_prime.append(attend(all_queries[n]))\n    n += 1\n",
    "a counter from another cell": SOFTMAX
    + ONE_LINE
    + "n = 0\n# %%\nall_x_prime = []\nwhile n < N:\n"
    + "    all_x_prime.append(attend(all_queries[n]))\n    n += 1\n",
    "matrices in cells of their own": """
Q = np.hstack(all_queries)
K = np.hstack(all_keys)
# %%
V = np.hstack(all_values)
# %%
A = np.exp(K.T @ Q)
# %%
A = A / A.sum(axis=0)
# %%
R = V @ A
# %%
all_x_prime = [R[:, [n]] for n in range(N)]
""",
    "attentions in a cell of their own": SOFTMAX
    + """
all_attentions = []
# %%
for n in range(N):
    all_attentions.append(softmax([(k.T @ all_queries[n]).item() for k in all_keys]))
# %%
all_x_prime = []
for n in range(N):
    x_prime = 0
    for m in range(N):
        x_prime = x_prime + all_attentions[n][m] * all_values[m]
    all_x_prime.append(x_prime)
""",
    "the list begun in another cell": SOFTMAX
    + ONE_LINE
    + "all_x_prime = []\n# %%\nfor q in all_queries:\n    all_x_prime.append(attend(q))\n",
    "another name for the list": SOFTMAX
    + ONE_LINE
    + "all_x_prime = []\nresult = all_x_prime\n# %%\n"
    + "for q in all_queries:\n    result.append(attend(q))\n",
    "the list under another name first": SOFTMAX
    + ONE_LINE
    + "result = []\nall_x_prime = result\n# %%\n"
    + "for q in all_queries:\n    result.append(attend(q))\n",
    "added to what is there": SOFTMAX
    + """
all_x_prime = [np.zeros((D, 1)) for _ in range(N)]
for n in range(N):
    weights = softmax([(k.T @ all_queries[n]).item() for k in all_keys])
    row = all_x_prime[n]
    for m in range(N):
        row += weights[m] * all_values[m]
""",
    "a defaultdict from another cell": SOFTMAX
    + ONE_LINE
    + "from collections import defaultdict\nfound = defaultdict(list)\n# %%\n"
    + "for q in all_queries:\n    found['x'].append(attend(q))\n# %%\nall_x_prime = found['x']\n",
    "the number of tokens counted elsewhere": SOFTMAX
    + ONE_LINE
    + "count = len(all_x)\n# %%\nall_x_prime = []\n"
    + "for n in range(count):\n    all_x_prime.append(attend(all_queries[n]))\n",
    "a softmax that reads N": """
def softmax(items_in):
    return [np.exp(items_in[i]) / sum(np.exp(items_in[j]) for j in range(N)) for i in range(N)]
"""
    + ATTENTION,
    "softmax defined again, with an axis": SOFTMAX
    + ATTENTION
    + "# %%\ndef softmax(x, axis):\n    return np.exp(x) / np.exp(x).sum(axis=axis)\n",
    "a helper of softmax defined again": """
def e(values):
    return np.exp(np.array(values).ravel())
def softmax(items_in):
    return e(items_in) / e(items_in).sum()
# %%"""
    + ATTENTION
    + "# %%\ndef e(matrix):\n    return matrix\n",
    "a constant used again for something else": SOFTMAX
    + "scale = 1.0\n# %%"
    + ATTENTION.replace(".item()", ".item() * scale")
    + "# %%\nscale = 1 / np.sqrt(D)\n",
    "a constant of the same cell used again": SOFTMAX
    + "# %%\nscale = 1.0"
    + ATTENTION.replace(".item()", ".item() * scale")
    + "# %%\nscale = 1 / np.sqrt(D)\n",
    "loop variables used again": SOFTMAX
    + ATTENTION
    + "# %%\nattention = x_prime = key = None\nn = m = 100\n",
    "a first attempt that raises": SOFTMAX
    + "all_x_prime = []\nfor n in range(N):\n    all_x_prime.append(nothing)\n# %%"
    + ATTENTION,
    "tried by hand first": SOFTMAX
    + """
print(softmax([1, 2, 3]))
n = 0
all_km_qn = []
for key in all_keys:
    all_km_qn.append((key.T @ all_queries[n]).item())
print(softmax(all_km_qn))
# %%"""
    + ATTENTION,
    "an array afterwards": SOFTMAX
    + ATTENTION
    + "# %%\nall_x_prime = np.array(all_x_prime)\n# %%\nX_all = np.hstack(all_x_prime)\n",
    "an annotated list": SOFTMAX
    + ONE_LINE
    + "all_x_prime: list = []\nfor q in all_queries:\n    all_x_prime += [attend(q)]\n",
    "a cell that fails after the loop": SOFTMAX + ATTENTION + "print(all_x_prime[17])\n",
}


@SIZES
@pytest.mark.parametrize("text", ATTENTION_SHAPES.values(), ids=ATTENTION_SHAPES)
def test_the_attention_loop_follows_fresh_inputs_however_it_is_written(text, D, N):
    fresh = attention.derived(inputs.notebook1(np.random.default_rng(0), D, N)).given

    (got,) = rerun(START + "# %%" + LOOP + "# %%\n" + text, fresh, ["all_x_prime"])

    assert agrees(attention.as_rows(got), attention.as_rows(attention.attention(**fresh)))


# What stays wrong, and what is left out ----------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        LOOP.replace("omega_q @ x", "omega_q.T @ x"),
        LOOP.replace("all_keys.append", "all_queries.append"),
        LOOP + "# %%\nall_queries = all_queries[::-1]\n",
        LOOP + "# %%" + LOOP.replace("@", "*"),
        "all_queries, all_keys, all_values = [[np.ones((D, 1))] * N] * 3\n",
        LOOP.split("\n", 2)[2],
    ],
    ids=[
        "transposed",
        "wrong list",
        "spoilt later",
        "a wrong last attempt",
        "constants",
        "no lists",
    ],
)
def test_what_is_wrong_is_not_mended_by_the_rerun(text):
    fresh = inputs.notebook1(np.random.default_rng(0), 4, 3)

    try:
        got = QKV.form(rerun(START + "# %%\n" + text, fresh, QKV.target.assigns))
    except (NameError, KeyError, ValueError):
        return
    right = QKV.form(QKV.reference(**fresh))
    assert not all(agrees(one, other) for one, other in zip(got, right, strict=True))


FRESH = ("all_x", "N", "D", "X", *(f"{p}_{n}" for p in ("omega", "beta") for n in "qkv"))


@pytest.mark.parametrize(
    "text, statements",
    [
        (LOOP, ["all_queries, all_keys, all_values = [], [], []", "for x in all_x:"]),
        (
            "np.random.seed(0)\nN = 3\nD = 4\nprint(N)\n"
            + LOOP
            + "print(all_keys)\nplot(all_keys)\n",
            ["all_queries, all_keys, all_values = [], [], []", "for x in all_x:"],
        ),
        (
            LOOP.replace("@", "*") + "# %%" + LOOP,
            ["all_queries, all_keys, all_values = [], [], []", "for x in all_x:"],
        ),
        (
            "Wq = omega_q\nX = np.hstack(all_x)\nunused = omega_q @ X\n"
            "# %%\nall_queries = list((Wq @ X).T)\n",
            ["Wq = omega_q", "all_queries = list((Wq @ X).T)"],
        ),
        ("all_queries = [1]\n# %%\ndel all_queries\n", ["all_queries = [1]"]),
        ("all_keys_of_another = []\n", []),
    ],
    ids=["loop", "prints and data", "last attempt", "on the way", "deleted", "absent"],
)
def test_only_what_leads_from_the_given_to_the_asked_is_run_again(text, statements):
    assert picked(START + "# %%\n" + text, FRESH, QKV.target.assigns) == statements


@pytest.mark.parametrize(
    ("text", "writes"),
    [
        ("logits = model(x)[-1, 0].div_(2)", {"logits"}),
        ("model(x).view(-1).fill_(0)", set()),
        ("x.view(-1).fill_(0)", {"x"}),
        ("model.eval()", {"model"}),
    ],
)
def test_what_a_function_returns_is_its_own(text, writes):
    [statement] = slices.statements([NotebookCell("code", text)])
    assert statement.writes == writes


def test_making_a_given_name_is_never_run_again():
    everything = slices.statements(cells(START + LOOP + SOFTMAX + ATTENTION))

    for statement in slices.rerun(everything, FRESH, QKV.target.assigns):
        assert not statement.writes & set(FRESH)


# The generation loop ----------------------------------------------------------------

TRAINED = """
import torch
import data
# %%
corpus = data.Corpus("wikitext-2")
ntokens = len(corpus.dictionary)
# %%
model = TransformerModel(ntokens)
def train():
    model.train()
    for p in model.parameters():
        p.add_(1)
# %%
for epoch in range(3):
    train()
test_loss = evaluate(model)
# %%
temperature = 1.0
num_words = 100
g = torch.Generator()
initial_state = g.get_state()
"""
BEGIN = """
g.set_state(initial_state)
input = torch.randint(ntokens, (1, 1), generator=g)
generated_text = ""
"""
GENERATE = """
model.eval()
for i in range(num_words):
    word_idx = torch.multinomial(torch.exp(model(input)[-1, 0] / temperature), 1, generator=g)
    input = torch.cat([input, word_idx.view(1, 1)], dim=0)
    word = corpus.dictionary.idx2word[word_idx]
    generated_text = generated_text + word + " "
print(generated_text)
"""
WORDS = """
for i in range(num_words):
    words.append(corpus.dictionary.idx2word[model(input).argmax()])
"""
WRITES = """
with open('text.txt', 'w') as file:
    for i in range(num_words):
        file.write(corpus.dictionary.idx2word[predicted(model(input))])
"""
BEGINS = [line for line in BEGIN.split("\n") if line]
ADDS = ["model.eval()", "for i in range(num_words):"]


@pytest.mark.parametrize(
    "text, statements",
    [
        (BEGIN + GENERATE, BEGINS + ADDS),
        (BEGIN + "# %%" + GENERATE, BEGINS + ADDS),
        (
            BEGINS[1] + "\n# %%\n" + BEGINS[2] + "\n# %%" + GENERATE,
            [*BEGINS[1:], *ADDS],
        ),
        (BEGIN + "words = []\n# %%" + WORDS, [BEGINS[2]]),
        (
            "words = []\n# %%" + WORDS + "generated_text = ' '.join(words)\n",
            ["words = []", ADDS[1], "generated_text = ' '.join(words)"],
        ),
        (
            "words = []\n# %%" + WORDS + "# %%\ngenerated_text = ' '.join(words)\n",
            ["words = []", ADDS[1], "generated_text = ' '.join(words)"],
        ),
        (
            "words = []"
            + WORDS
            + "# %%\ngenerated_text = ''\nfor w in words: generated_text += w\n",
            [
                "words = []",
                ADDS[1],
                BEGINS[2].replace('"', "'"),
                "for w in words: generated_text += w",
            ],
        ),
        (
            "def generate(n):\n    return [word(model(input)) for i in range(n)]\n# %%\n"
            "words = generate(num_words)\n# %%\ngenerated_text = ' '.join(words)\n",
            ["words = generate(num_words)", "generated_text = ' '.join(words)"],
        ),
        (
            BEGIN + GENERATE + "# %%\ngenerated_text = generated_text.replace('<eos>', '.')\n",
            BEGINS + ADDS + ["generated_text = generated_text.replace('<eos>', '.')"],
        ),
        (BEGIN + "generated_text = 'the river ' * 50\n", ["generated_text = 'the river ' * 50"]),
        (
            WRITES + "generated_text = open('text.txt').read()\n",
            ["with open('text.txt', 'w') as file:", "generated_text = open('text.txt').read()"],
        ),
        (
            "from pathlib import Path\n# %%"
            + WRITES
            + "# %%\ngenerated_text = Path('text.txt').read_text()\n",
            [
                "with open('text.txt', 'w') as file:",
                "generated_text = Path('text.txt').read_text()",
            ],
        ),
        (
            BEGIN
            + GENERATE
            + "# %%\nmodel = TransformerModel(7)\nfor e in range(3):\n    train()\n",
            BEGINS + ADDS,
        ),
    ],
    ids=[
        "one cell",
        "two cells",
        "three cells",
        "another name",
        "words, then the text",
        "words, and the text in a cell of its own",
        "words joined in a loop",
        "a function of the notebook",
        "tidied up",
        "written by hand",
        "written to a file, and read",
        "written to a file, and read in another cell",
        "trained again afterwards",
    ],
)
def test_the_text_is_generated_anew_and_nothing_is_trained_again(text, statements):
    notebook = TRAINED + "# %%\n" + text
    before = len(cells(TRAINED))
    every = slices.statements(cells(notebook))

    again = slices.rerun(every, (), ["generated_text"])

    lines = [s.source.split("\n")[s.line - 1].strip() for s in again if s.cell > before]
    assert lines == statements
    assert all(isinstance(s.node, slices.ast.Assign) for s in again if s.cell <= before)


@pytest.mark.parametrize(
    "mode, names",
    [("'w'", ("file",)), ("mode='a'", ("file",)), ("'rb'", ("generated_text",))],
)
def test_the_file_that_a_loop_wrote_is_the_text_where_there_is_no_other(mode, names):
    every = slices.statements(cells(TRAINED + "# %%" + WRITES.replace("'w'", mode)))

    assert slices.made_as(every, ["generated_text"], ()) == names


def test_settings_changed_later_are_as_they_were_when_the_text_was_made():
    text = TRAINED + "# %%\n" + BEGIN + GENERATE + "# %%\nnum_words = 50\ntemperature = 2.0\n"

    again = slices.rerun(slices.statements(cells(text)), (), ["generated_text"])

    assert {"num_words", "temperature"} <= {name for s in again for name in s.makes}


# Definitions ------------------------------------------------------------------------


def lines(found):
    return [(s.cell, s.line) for s in found]


@pytest.mark.parametrize(
    "text, where",
    [
        ("def softmax(x): pass\n", [(1, 1)]),
        ("def softmax(x): pass\n# %%\n\ndef softmax(y): pass\n", [(2, 1), (1, 1)]),
        ("softmax = lambda x: x\n", [(1, 1)]),
        ("class softmax: pass\n", [(1, 1)]),
        ("import functools\n\n@functools.cache\ndef softmax(x): pass\n", [(1, 3)]),
        ("%%time\ndef softmax(x): pass\n", [(1, 2)]),
        ("x = 1; softmax = max\n", [(1, 1)]),
        ("print(softmax)\nsoftmax(1)\n", []),
        ("for x in\ndef softmax(x): pass\n", []),
        ("def other():\n    def softmax(x): pass\n", []),
        ("with open('f') as softmax: pass\n", []),
        ("softmax = softmax + 1\n", []),
        ("if x:\n    def softmax(x): pass\n", [(1, 1)]),
        ("try: import a\nexcept ImportError:\n    softmax = lambda x: x\n", [(1, 1)]),
        ("for softmax in x: pass\n", []),
    ],
    ids=[
        "def",
        "twice",
        "lambda",
        "class",
        "decorated",
        "magic",
        "assigned",
        "used",
        "syntax error",
        "nested",
        "with",
        "read first",
        "in an if",
        "in an except",
        "loop",
    ],
)
def test_definitions_are_found_the_last_first(text, where):
    assert lines(slices.definitions(slices.statements(cells(text)), "softmax")) == where


def test_what_came_before_another_answer_is_told_apart_from_what_was_copied():
    text = """a, b = [], []
# %%
a = []
b = []
# %%
a = [1]
# %%
a, b = [], []
# %%
a, b = [2], [2]
# %%
a, b = [2], [2]  # as above
"""
    every = slices.statements(cells(text))

    before = slices.without_last_answers(every, ("a", "b"))

    assert [[s.cell for s in statements] for statements in before] == [
        [1, 2, 2, 3, 4, 5],
        [1, 2, 2, 3],
    ]


PARAMETERS = ["X", "omega_v", "omega_q"]


@pytest.mark.parametrize(
    "text, names",
    [
        ("def attend(X, omega_v, omega_q): pass\n", ["attend"]),
        ("def attend(X, omega_v, omega_q=None): pass\n", ["attend"]),
        ("def SelfAttention(a): pass\n", ["SelfAttention"]),
        ("def self_atention(a): pass\n", ["self_atention"]),
        (
            "def selfAttention(a): pass\ndef attend(X, omega_v, omega_q): pass\n",
            ["attend", "selfAttention"],
        ),
        ("def attend(omega_v, X, omega_q): pass\n", ["attend"]),
        (
            "def attend(X, omega_v, omega_q): pass\ndef mixed(omega_v, X, omega_q): pass\n",
            ["attend", "mixed"],
        ),
        ("def attend(omega_v, X): pass\n", []),
        ("def taken(X, omega_v, omega_q): pass\n", []),
        ("def multihead(X): pass\ndef plot(): pass\n", []),
        ("class Attend:\n    def __init__(self, X, omega_v, omega_q): pass\n", ["Attend"]),
        ("class Attend:\n    pass\n", []),
        (
            "class Attend:\n    def go(self, X, omega_v, omega_q): pass\n"
            "    def taken(self, X, omega_v, omega_q): pass\n"
            "    def self_attention(self, a): pass\n",
            ["Attend.go", "Attend.self_attention"],
        ),
        ("attend = lambda X, omega_v, omega_q: X\n", ["attend"]),
        ("import a, b\na.self_attention(1)\nb.other(2)\n", ["a.self_attention"]),
        ("import a\na.ｓelf_attention(1)\n", ["a.self_attention"]),
        ("def attend(a, b, c): pass\ndef two(a, b): pass\n", ["attend?"]),
    ],
    ids=[
        "same parameters",
        "with a default",
        "near name",
        "misspelt",
        "parameters before name",
        "other order",
        "just its order first",
        "too few",
        "taken",
        "others",
        "class",
        "bare class",
        "methods",
        "lambda",
        "attribute",
        "attribute in other letters",
        "as many, to be asked for their names",
    ],
)
def test_a_renamed_target_is_known_by_its_parameters_then_by_its_name(text, names):
    every, taken = slices.statements(cells(text)), {"taken", "self_attention"}

    found = slices.renamed(every, "self_attention", PARAMETERS, taken, spelled=True)
    sure = slices.renamed(every, "self_attention", PARAMETERS, taken)

    assert [f"{name}{'?' if asked else ''}" for name, _, asked in found] == names
    assert [name for name, _, _ in sure] == [name for name in names if "?" not in name]


@pytest.mark.parametrize(
    "own, near",
    [
        ("PE", True),
        ("SinusoidalPE", True),
        ("PosEnc", True),
        ("pos_encoder", True),
        ("SinusoidalPositionalEncoding", True),
        ("PositionalEmbedding", True),
        ("SinusoidalEncoding", True),
        ("TransformerModel", False),
        ("EncoderLayer", False),
        ("PositionwiseFeedForward", False),
        ("Encoder", False),
    ],
)
def test_a_class_is_known_by_a_shorter_name_too(own, near):
    text = f"class {own}:\n    def __init__(self, cfg): pass\n"

    found = slices.renamed(slices.statements(cells(text)), "PositionalEncoding", ["d_model"], ())

    assert [known for known, _, _ in found] == ([own] if near else [])


def test_markdown_is_no_code():
    assert (
        slices.statements([NotebookCell("markdown", "x = 1"), NotebookCell("raw", "x = 1")]) == []
    )


# Cells as Python --------------------------------------------------------------------


@pytest.mark.parametrize(
    "source, python",
    [
        ("x = 1\ny = 2", "x = 1\ny = 2"),
        ("%matplotlib inline\nx = 1", "pass\nx = 1"),
        ("  %time x = f()", None),
        ("if x:\n    !ls\n", "if x:\n    pass\n"),
        ("%time x = f()", "x = f()"),
        ("%timeit -n 3 -r 1 f()", "f()"),
        ("%time", "pass"),
        ("x = !ls *.py\ny = %sql select 1", "x = []\ny = []"),
        ("%%time\nx = 1", "\nx = 1"),
        ("\n%%capture out\nx = 1", "\n\nx = 1"),
        ("%%bash\nls\nrm x", "\n\n"),
        ("%%writefile a.py\nx = 1", "\n"),
        ("softmax?\nsoftmax??\n?softmax", "pass\npass\npass"),
        ("!pip install \\\n  a \\\n  b\nx = 1", "pass\n\n\nx = 1"),
        ("print('%d'\n      % 3)\n!ls", "print('%d'\n      % 3)\npass"),
        ("text = '''\n%time\n!ls\n'''\n!ls", "text = '''\n%time\n!ls\n'''\npass"),
        ("!echo it's (\nx = 1", "pass\nx = 1"),
    ],
    ids=[
        "plain",
        "line magic",
        "indented alone",
        "in a block",
        "%time",
        "%timeit",
        "%time alone",
        "assigned",
        "%%time",
        "%%capture",
        "%%bash",
        "%%writefile",
        "help",
        "continued",
        "operator",
        "in a string",
        "open quotes",
    ],
)
def test_what_only_ipython_knows_is_put_aside_line_for_line(source, python):
    if python is None:
        assert slices.python(source) is None
        return
    assert slices.as_python(source) == python
    assert slices.python(source) is not None


@pytest.mark.parametrize(
    "source",
    ["for x in", "def f(:\n    pass", "x = (1", "這 是", "x = 1\n  y = 2", "\0", "(" * 5000, "%%"],
    ids=["loop", "def", "open", "words", "indented", "zero", "deep", "empty magic"],
)
def test_what_is_no_python_has_no_statements(source):
    assert slices.statements([NotebookCell("code", source)]) == []


@given(
    st.lists(
        st.one_of(
            st.text(max_size=30),
            st.sampled_from(
                [
                    "%time x = 1",
                    "!ls \\",
                    "x = [",
                    "]",
                    "if y:",
                    "    y += x",
                    "'''",
                    "for i in x: y.append(i)",
                    "f = lambda a: a",
                    "f(x)",
                    "def g(z): z.append(x)",
                    "g(y)",
                    "a = b = y",
                    "del x",
                ]
            ),
        ),
        max_size=8,
    ).map("\n".join)
)
def test_any_text_is_read_without_an_error_and_keeps_its_lines(source):
    notebook = [NotebookCell("code", source), NotebookCell("code", textwrap.dedent(source))]

    every = slices.statements(notebook)
    again = slices.rerun(every, ["x"], ["y"])

    assert set(map(id, again)) <= set(map(id, every))
    assert slices.as_python(source).count("\n") == source.count("\n")


# asked names under another name ---------------------------------------------------------


@pytest.mark.parametrize(
    "cells, names",
    [
        (["text = ''\nfor i in range(3):\n    text = text + 'a'\nprint(text)"], ("text",)),
        (["with x:\n    while go():\n        words.append(1)\nprint(' '.join(words))"], ("words",)),
        (["out = ''\nfor i in range(3):\n    out += 'a'\nprint(len(out), i)"], ("out",)),
        (["for i in y:\n    out = i\nprint(other)"], ("asked",)),
        (["for i in y:\n    taken.append(i)\nprint(taken)"], ("asked",)),
        (["for i in y:\n    out = i", "print(out)"], ("asked",)),
        (["asked = ''", "for i in y:\n    out = i\nprint(out)"], ("asked",)),
        (["out = [i for i in y]\nprint(out)"], ("out",)),
    ],
    ids=["text", "joined", "first", "not made", "taken", "another cell", "there", "list"],
)
def test_a_result_under_another_name_is_what_its_loop_made_and_printed(cells, names):
    every = slices.statements([NotebookCell("code", cell) for cell in cells])
    assert slices.made_as(every, ("asked",), {"taken"}) == names


def test_several_asked_names_are_never_looked_for_under_others():
    every = slices.statements([NotebookCell("code", "for i in y:\n    out = i\nprint(out)")])
    assert slices.made_as(every, ("a", "b"), ()) == ("a", "b")


def test_a_cell_of_nothing_but_magics_takes_little_time():
    source = "%matplotlib inline\n" * 1500 + "def f(x):\n    return x"
    began = time.process_time()

    (statement,) = slices.definitions(slices.statements([NotebookCell("code", source)]), "f")

    assert statement.line == 1501
    assert time.process_time() - began < 3  # a compilation for each of them would take 10


@pytest.mark.parametrize(
    "deep", ["1" + " + 1" * 800, "a" + ".a" * 800, "f" + "(1)" * 800], ids=["sums", "dots", "calls"]
)
def test_what_is_nested_too_deeply_hides_nothing_but_itself(deep):
    every = slices.statements([NotebookCell("code", f"x = {deep}\ny = x\ndef f(): return y")])

    assert [s.writes for s in every] == [{"y"}, {"f"}]


@pytest.mark.parametrize(
    "source",
    [
        "".join(f"x{i} = x{i - 1}\n" for i in range(20_000)),
        "if x:\n" + "".join(f" x{i} = y; x{i}.append(x{i - 1})\n" for i in range(20_000)),
    ],
    ids=["statements", "one statement"],
)
def test_a_notebook_longer_than_anybody_writes_does_not_let_others_wait(source):
    began = time.process_time()

    every = slices.statements([NotebookCell("code", "y = 1"), NotebookCell("code", source)])

    assert every[0].writes == {"y"}
    assert time.process_time() - began < 20  # it was minutes


def test_nor_does_a_line_that_begins_with_a_gap_without_an_end():
    began = time.process_time()

    slices.statements([NotebookCell("code", "y = (\n" + " " * 30_000 + "x")])

    assert time.process_time() - began < 1  # it took the square of its length


@pytest.mark.parametrize(
    "source",
    [
        "x = 1; y = 'é'; z = [\n1,\n2]; w = '''a\n  b'''  # c",
        "é = 'ü'; b = 2 ;",
        "@f\n@g(\n1)\nclass A:\n  x = 1\n\n",
        "a = 1\r\nb = '''x\r\ny'''; c = 3\rd = 4",
        "\x0cx = 1\n\x0cif x:\n  y = 2\n\x0c  z = 3",
        "\\\nx = 1; \\\ny = 2",
        "if 1:\n\tx = 2\n\n# c\nelse:\n\ty = 3;  ",
        "s = 'a\x0bb'; t = 'a\u2028b'; u = 2",
        "x = 1\n@(\n  f\n)\ndef g():\n  pass",
        "@\\\nf\ndef g(): pass",
        "@f\n@(g\n  @ h)\nclass A: pass",
    ],
    ids=repr,
)
def test_the_text_of_a_statement_alone_is_that_statement_at_its_line(source):
    every = slices.statements([NotebookCell("code", source)])
    assert every

    for statement in every:
        (alone,) = ast.parse(probe.alone(statement)).body
        assert ast.dump(alone) == ast.dump(statement.node)
        assert (alone.lineno, alone.end_lineno) == (
            statement.node.lineno,
            statement.node.end_lineno,
        )
