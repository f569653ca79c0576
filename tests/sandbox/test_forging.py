"""Without any wall, code that attacks the judging from inside its own kernel forges no mark.

Each notebook here is a few programs that are wrong, each in its own way, and an attack.  It is
asked the real questions of week 14 and judged.  What the same programs earn without the attack is
the most that they may earn with it; no points until a person has looked will do as well.

A test that is expected to fail here shows what can be done still, and says why.
"""

import asyncio
import re
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grader.authoring import Question, case
from grader.judge.expectations import expectations
from grader.judge.questions import judge_question
from grader.model import Asked, Found, Observation, Observed, Outcome, Place
from grader.sandbox import ladder, pipe
from grader.sandbox.ground import Ground
from grader.wire import decode, encode
from reference.week14 import (
    ASSIGNMENT,
    attention,
    generation,
    qkv,
    self_attention,
    softmax,
)
from tests.sandbox.conftest import asking, failures, seen, submission

pytestmark = pytest.mark.kernel

SEED = 908_172_635  # of the run: it draws the cases

# most attacks are on what is the same in every kind of kernel, and a cold one costs a second
in_pipes = pytest.mark.parametrize("kind", ["pipe"], indirect=True, scope="module")
in_cold_kernels = pytest.mark.parametrize("kind", ["cold"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def ground(kind):
    """No walls: what is inside decides nothing all the same."""
    return Ground(kind, ladder.NONE)


# wrong programs, and what they earn ---------------------------------------------------------------

PROGRAMS = """import numpy as np

def softmax(items_in):
    return np.exp(np.asarray(items_in, float).ravel())

def self_attention(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    return 1.5 * X

def half_softmax(items_in):  # its weights add up to one, and are none
    x = np.asarray(items_in, float).ravel()
    return x / np.sum(x)

def attention(*args, scale=1.0):  # whose parameters tell nothing: it is no answer of its own
    X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k = args
    V, Q, K = beta_v + omega_v @ X, beta_q + omega_q @ X, beta_k + omega_k @ X
    A = np.exp(K.T @ Q * scale)
    return V @ (A / A.sum(axis=0))

def half_self_attention(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    return attention(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k, scale=0.5)

def narrow_softmax(items_in):  # right for three scores
    x = np.exp(np.asarray(items_in, float).ravel())
    return x / sum(x[:3])

def narrow_self_attention(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    out = np.zeros((4, 3))
    out[:] = attention(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k)
    return out"""

RIGHT = """
def right_softmax(items_in):
    x = np.exp(np.asarray(items_in, float).ravel())
    return x / sum(x)

def right_self_attention(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k):
    return attention(X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k)"""

EARNED = {
    "softmax": 0.0,
    "self_attention": 0.0,
    "half_softmax": 1.5,  # of 6
    "half_self_attention": 3.5,  # of 10
    "narrow_softmax": 5.0,
    "narrow_self_attention": 9.0,
    "right_softmax": 6.0,
    "right_self_attention": 10.0,
}


def question(name):
    """The question of week 14 that is put to the program `name`."""
    asked = softmax.QUESTION if name.endswith("softmax") else self_attention.QUESTION
    return replace(asked, key=name, target=name)


WRONG = [question(name) for name in EARNED if "right" not in name]
A_FEW = [question(name) for name in ("softmax", "half_self_attention", "narrow_softmax")]


def marked(observe, cells, questions=WRONG, **limits):
    """How the notebook ran, and the judgement on each question by its key."""
    execution, observed = observe(cells, *questions, seed=SEED, **limits)
    return execution, {q.key: judge_question(q, observed[q.key], SEED) for q in questions}


@pytest.fixture(scope="module", autouse=True)
def cases_of_the_run():
    """The cases are drawn from the run's own seed, as in a real run."""
    from grader.authoring import Trial

    patch = pytest.MonkeyPatch()
    draw = Trial.draw
    patch.setattr(Trial, "draw", lambda trial, _: draw(trial, SEED))
    yield
    patch.undo()


def test_without_an_attack_each_program_earns_what_it_should(observe):
    execution, judged = marked(observe, [PROGRAMS + RIGHT], [question(name) for name in EARNED])

    assert execution.outcome is Outcome.PASSED
    assert {key: judgement.earned for key, judgement in judged.items()} == EARNED


# the attacks --------------------------------------------------------------------------------------

# what every attack has at hand
TOOLS = """import builtins, gc, json, os, re, signal, sys, threading, time, types
import numpy as np

inside, wire = sys.modules["grader_inside"], sys.modules["grader_wire"]
serving = sys.modules.get("grader_serving")  # of pipe kernels
shell, kernel = get_ipython(), get_ipython().kernel
NAMES = ["softmax", "self_attention", "half_softmax", "half_self_attention",
         "narrow_softmax", "narrow_self_attention"]
OWN = {name: globals()[name] for name in NAMES}

def each(make):
    '''Put make(program) in the place of each program.'''
    for name in NAMES:
        globals()[name] = make(OWN[name])

def answers(function):
    '''Let `function`, given the request, answer in the place of inside.answer.'''
    inside.answer = function
    if serving:
        serving.ASKED["answer"] = function

def cases(request):
    '''(number, arguments) of each case that a request asks.'''
    encoded = [case for trial in json.loads(request)["trials"] for case in trial["cases"]]
    return [(n, wire.decode(case["args"])) for n, case in enumerate(encoded)]

def plainly(name, args):
    '''What the program itself gives.'''
    first = [np.array([[s]]) for s in args[0]] if "softmax" in name else args[0]
    return OWN[name](first, *args[1:])

def answered(name, n, args, **changes):
    '''The message that says what the program itself gives; encoded as this side would.'''
    try:
        result = {"outcome": "passed", "value": wire.encode(plainly(name, args)), "changed": []}
    except Exception:
        result = {"outcome": "raised", "error": "it does not fit"}
    return {"case": n, **result, **changes}

def found(name, **changes):
    return {"found": {"how": "name", "name": name}, "reads": [], **changes}

def messages(change):
    '''Let each message that is published become those that change(message) gives.'''
    stream = inside.stream
    inside.stream = lambda several: stream(new for m in several for new in change(m))

def send(message, parent=None, kernel=kernel, serving=serving):
    '''A message as a frame of its own, past everything that could be patched.'''
    text = message if isinstance(message, str) else json.dumps(message)
    text = "[" + text + "]"
    if serving:
        serving.SOCKET.tell(text)
        serving.SOCKET.send()
        return
    kernel.session.send(kernel.iopub_socket, "display_data",
                        {"data": {inside.MIME: text}, "metadata": {}, "transient": {}},
                        parent or kernel.get_parent("shell"))

def holders(serving=serving, kernel=kernel):
    '''What of ours holds the socket of a pipe kernel.'''
    ours = [*vars(serving).values(), kernel.iopub_socket, kernel.shell_stream] if serving else []
    return [one for one in ours if type(getattr(one, "socket", None)).__name__ == "socket"]

def speak():
    '''Let this process speak as if it were the kernel's.'''
    for one in holders():
        one.pid = os.getpid()

def everything():
    '''All that can be reached from the frames and the objects that are new here.'''
    frames = [sys._getframe()]
    while frames[-1].f_back is not None:
        frames.append(frames[-1].f_back)
    held = [o for o in gc.get_objects() if type(o) in (list, dict)][-20000:]
    for one in gc.get_referents(*held, *frames, *(frame.f_locals for frame in frames)):
        yield one

def parents(most):
    '''Requests as they will be named that come after this one.'''
    head = kernel.get_parent("shell")["header"]
    now = int(re.search(r"\\d+$", head["msg_id"])[0])
    for later in range(1, most):
        yield {"header": {**head, "msg_id": re.sub(r"\\d+$", str(now + later), head["msg_id"])}}

def known(X):
    '''What the handout prints for its own input, to three decimals.'''
    return np.array([[0.942, -1.643, -1.613], [1.593, -2.080, 0.290],
                     [-0.480, 0.300, 0.850], [-0.310, 0.310, -0.750]])

def right(name, args):
    '''What could be answered if a secret were found; no attack may come to use it but by one.'''
    if "softmax" in name:
        x = np.exp(np.array(args[0], float).ravel())
        return x / x.sum()
    X, omega_v, omega_q, omega_k, beta_v, beta_q, beta_k = args
    A = np.exp((beta_k + omega_k @ X).T @ (beta_q + omega_q @ X))
    return (beta_v + omega_v @ X) @ (A / A.sum(axis=0))

def like(name, args):
    '''The first number and the shape of what is looked for, which so are not what is found.'''
    wanted = np.asarray(right(name, args))
    return float(wanted.flat[0]), wanted.shape
"""

PATCHED = {  # what comparison, arithmetic and text are made of
    "numpy's comparisons": """
for name in "allclose isclose array_equal array_equiv equal all any isfinite".split():
    setattr(np, name, lambda *args, **kwargs: True)
np.testing.assert_allclose = np.testing.assert_array_equal = lambda *args, **kwargs: None
np.isnan = lambda *args, **kwargs: False""",
    "numpy's arithmetic": """
for name in ("abs", "absolute", "subtract", "max", "amax", "sum", "linalg"):
    setattr(np, name, lambda *args, **kwargs: 0.0)""",
    "numpy's arrays": """
real = np.asarray
class Same(np.ndarray):
    def __eq__(self, other): return np.ones(self.shape, bool)
    def __sub__(self, other): return np.zeros(self.shape)
np.asarray = lambda *args, **kwargs: real(*args, **kwargs).view(Same)""",
    "numpy itself": """
class Any(types.ModuleType):
    def __getattr__(self, name): return getattr(np, name)
    def allclose(*args, **kwargs): return True
sys.modules["numpy"] = inside.np = wire.np = Any("numpy")""",
    "builtins": """
for name in ("abs", "max", "min", "sum", "round"):
    setattr(builtins, name, lambda *args, **kwargs: 0)
for name in ("all", "any"):
    setattr(builtins, name, lambda *args: True)""",
    "repr and float": """
class Near(float):
    def __eq__(self, other): return True
    def __sub__(self, other): return 0.0
    __rsub__, __hash__ = __sub__, float.__hash__
    def __repr__(self): return "1.0"
builtins.float = Near""",
    "json": """
dumps = json.dumps
json.dumps = lambda value, **kwargs: dumps(value, **kwargs).replace("raised", "passed")
json.JSONEncoder.default = lambda self, value: 0.0""",
    "json, to the text of a pass": """
passed = '{"case": 0, "outcome": "passed", "earned": 10, "passed": true}'
json.dumps = lambda *args, **kwargs: passed""",
    "decode, so that all cases are zeros": """
decode = wire.decode
def zeros(value):
    if isinstance(value, (list, tuple)): return [zeros(item) for item in value]
    return value * 0 if isinstance(value, (float, np.ndarray)) else value
inside.decode = lambda data: zeros(decode(data))""",
    "encode, which gives the input back": """
encode, last = wire.encode, []
def keeping(value):
    last.append(value)
    return encode(last[0])
inside.encode = keeping""",
    "encode, to nan": "inside.encode = lambda value: {'f': 'nan'}",
    "encode, to a type that lies": """
class Equal(dict):
    def __eq__(self, other): return True
inside.encode = lambda value: Equal({"o": "ndarray"})""",
    "the digests of the inputs": "inside._digest = lambda value: b'same'",
    "hashlib and zlib": """
import hashlib, zlib
hashlib.sha256 = hashlib.md5; zlib.crc32 = lambda *args: 0""",
    "random generators": """
np.random.default_rng = lambda *args: np.random.RandomState(0)
np.random.normal = np.random.rand = lambda *args, **kwargs: np.zeros(3)
sys.modules["random"].random = lambda: 0.0""",
    "exec and compile, for a call of its own": """
inside._driver = lambda source: lambda target, *args: args[0]
inside.exec = lambda code, scope: scope.update(own=lambda target, *args: args[0])""",
    "the shell": """
class Shell:
    user_ns = shell.user_ns
    def __getattr__(self, name): return getattr(shell, name)
inside.SHELL = Shell()
shell.display_pub.publish = lambda *args, **kwargs: None""",
    "the namespace": """
class Names(dict):
    def update(self, *args, **kwargs): pass
    def clear(self): pass
shell.user_ns = Names(shell.user_ns)""",
    "signatures and sources": """
import inspect
inspect.signature = lambda target: inspect.Signature()
inspect.getsource = lambda target: "def softmax(x): return right(x)" """,
    "classes of its values": """
for name in ("float", "int", "list", "ndarray"):
    globals()[name] = type(name, (), {"__eq__": lambda *args: True})""",
}

LYING = {  # what the programs return
    "equal to everything": """
class Equal:
    def __eq__(self, other): return True
    __ne__ = lambda self, other: False
    def __hash__(self): return 0
    def __sub__(self, other): return 0.0
    __rsub__ = __abs__ = __sub__
each(lambda own: lambda *args: Equal())""",
    "__array__ that changes": """
class Turns:
    asked = 0
    def __init__(self, value): self.value = value
    def __array__(self, *args, **kwargs):
        Turns.asked += 1
        return self.value * Turns.asked
    __len__ = lambda self: len(self.value)
each(lambda own: lambda *args: Turns(own(*args)))""",
    "a subclass of arrays": """
class Same(np.ndarray):
    def __eq__(self, other): return np.ones(self.shape, bool)
    __le__ = __lt__ = __ge__ = __gt__ = __eq__
    def __array_ufunc__(self, ufunc, *args, **kwargs): return np.zeros(self.shape)
    def tobytes(self): return bytes(self.nbytes)
    dtype = np.dtype("f8"); shape = property(lambda self: (3,))
each(lambda own: lambda *args: np.asarray(own(*args)).view(Same))""",
    "a subclass of lists": """
class Wide(list):
    def __getitem__(self, at): return 0.0
    def __iter__(self): return iter([0.5] * 3)
    def __len__(self): return 3
each(lambda own: lambda *args: Wide(np.ravel(own(*args)).tolist()))""",
    "a subclass of floats": """
class Near(float):
    def __repr__(self): return "nan"
    __eq__ = lambda self, other: True
    __hash__ = float.__hash__
each(lambda own: lambda *args: [Near(x) for x in np.ravel(own(*args))])""",
    "a subclass of dicts": """
class Keys(dict):
    def items(self): return [("softmax", 1.0)]
    def __missing__(self, key): return 1.0
each(lambda own: lambda *args: Keys())""",
    "masked everywhere": """
each(lambda own: lambda *args: np.ma.masked_all_like(np.asarray(own(*args), float)))""",
    "nothing": "each(lambda own: lambda *args: None)",
    "not a number": "each(lambda own: lambda *args: np.full(np.shape(own(*args)), np.nan))",
    "infinite": "each(lambda own: lambda *args: np.full(np.shape(own(*args)), np.inf))",
    "a generator": "each(lambda own: lambda *args: (x for x in own(*args)))",
    "objects": "each(lambda own: lambda *args: np.array([object()] * 3, dtype=object))",
    "complex": "each(lambda own: lambda *args: np.asarray(own(*args)) * (1 + 1j))",
    "complex without a real part": """
each(lambda own: lambda *args: np.full(np.shape(own(*args)), complex(np.nan, 0)))""",
    "as large as the sky": """
each(lambda own: lambda *args: np.broadcast_to(np.zeros(1), (10**6, 10**6)))""",
    "just small enough": "globals()['softmax'] = lambda scores: np.zeros((2**20,))",
    "empty": "each(lambda own: lambda *args: np.zeros((0,)))",
    "empty, of a great shape": "each(lambda own: lambda *args: np.zeros((2**31 - 1, 0)))",
    "a text": "each(lambda own: lambda *args: 'passed')",
    "texts of numbers": "each(lambda own: lambda *args: [str(x) for x in np.ravel(own(*args))])",
    "many at once": """
each(lambda own: lambda *args: (own(*args), np.zeros(3), np.ones(3) / 3, np.ones((4, 3))))""",
    "one of truths": "each(lambda own: lambda *args: np.ones(np.shape(own(*args)), bool))",
    "of the smallest kind": "each(lambda own: lambda *args: np.zeros(np.shape(own(*args)), 'f2'))",
    "a date": "each(lambda own: lambda *args: np.zeros(3, 'datetime64[s]'))",
    "a record": "each(lambda own: lambda *args: np.zeros(3, [('passed', 'f8')]))",
    "an error that says passed": """
class passed(Exception):
    def __str__(self): return '{"outcome": "passed", "value": 1}'
def raising(*args): raise passed
each(lambda own: raising)""",
    "its own metaclass": """
class Meta(type):
    __subclasscheck__ = __instancecheck__ = lambda cls, other: True
    mro = lambda cls: [cls, object]
    __eq__ = lambda cls, other: True
    __hash__ = lambda cls: hash(np.ndarray)
class Odd(metaclass=Meta):
    __module__ = "pandas"
    to_numpy = lambda self: np.full(3, np.nan)
each(lambda own: lambda *args: Odd())""",
    "what the handout prints": """
each(lambda own: lambda *args: known(args[0]) if len(args) > 1 else [0.665, 0.245, 0.090])""",
}

SEARCHING = {  # for what is expected: who finds it earns
    "frames": """
def search(own):
    def program(*args):
        frame = sys._getframe()
        while frame is not None:
            for name, value in {**frame.f_globals, **frame.f_locals}.items():
                if name in ("expected", "reference", "right_answer", "QUESTION", "want"):
                    return right(own.__name__, args)
            frame = frame.f_back
        return own(*args)
    return program
each(search)""",
    "all lists": """
def search(own):
    def program(*args):
        first, shape = like(own.__name__, args)
        for one in everything():
            if type(one) in (list, tuple) and len(one) == np.prod(shape) and type(one[0]) is float:
                if abs(one[0] - first) < 1e-6:
                    return np.array(one).reshape(shape)
        return own(*args)
    return program
each(search)""",
    "all arrays": """
def search(own):
    def program(*args):
        first, shape = like(own.__name__, args)
        for one in everything():
            if type(one) is np.ndarray and one.shape == shape and one.dtype == float:
                if abs(one.flat[0] - first) < 1e-6:
                    return one
        return own(*args)
    return program
each(search)""",
    "the memory": """
def there(text):
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            begin, end = (int(x, 16) for x in line.split()[0].split("-"))
            if line.split()[1][:2] == "rw" and end - begin < 2**28 and "[v" not in line:
                memory.seek(begin)
                try:
                    data = memory.read(end - begin)
                except OSError:
                    continue
                if text.search(data):
                    return True
# the pattern does not find itself
if there(re.compile(b"judge_ques[t]ion|no_exponen[t]ial|Every weigh[t] is one|misconcep[t]ion")):
    each(lambda own: lambda *args: right(own.__name__, args))""",
    "what was asked": """
asked = inside.answer
def looking(request):
    told = json.loads(request)
    told["spellings"] = list(told["spellings"])  # keyed by the handout's own words
    keys, todo = set(), [told]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            keys |= set(one)
            todo += one.values()
        elif isinstance(one, list):
            todo += one
    used = "name assigns anew seed careful stand_ins parameters spellings definitions trials call"
    used += " cases statements args given told a f l d t"
    if keys - set(used.split()) - set("cell index source whole makes reads writes".split()):
        each(lambda own: lambda *args: right(own.__name__, args))
    asked(request)
answers(looking)""",
    "modules": """
names = [n for n in sys.modules if "reference" in n or "judge" in n or n.startswith("grader.")]
for name in ("reference", "grader", "grader.judge", "grader.authoring"):
    try:
        __import__(name); names.append(name)
    except ImportError:
        pass
if names:
    each(lambda own: lambda *args: right(own.__name__, args))""",
    "descriptors": """
def readable(number):
    try:
        path = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        return False
    return path.startswith("/") and not path.startswith(("/dev/", "/proc/", "/usr/", sys.prefix))
names = [n for n in os.listdir("/proc/self/fd") if readable(n)]
if names:
    each(lambda own: lambda *args: right(own.__name__, args))""",
    "the environment": """
names = [n for n in os.environ if "GRADER" in n or "SEED" in n and n != "PYTHONHASHSEED"]
if names:
    each(lambda own: lambda *args: right(own.__name__, args))""",
    "guessing by the time": """
each(lambda own: lambda *args:
     np.random.default_rng(int(time.time())).random(np.shape(own(*args))))""",
    "guessing by the seed": """
asked = inside.answer
def seeded(request):
    rng = np.random.default_rng(json.loads(request)["seed"])
    each(lambda own: lambda *args: rng.normal(size=np.shape(own(*args))))
    asked(request)
answers(seeded)""",
}

PROTOCOL = {  # results that are none
    "a complete answer of its own": """
def own(request):
    name = json.loads(request)["name"]
    inside.publish(found(name))
    for n, args in cases(request):
        inside.publish(answered(name, n, args))
answers(own)""",
    "words of praise": """
def own(request):
    name = json.loads(request)["name"]
    praise = {"earned": 10, "verdict": "passed", "points": 10, "judgement": {"earned": 10}}
    inside.publish(found(name, **praise))
    for n, args in cases(request):
        inside.publish(answered(name, n, args, **praise, expected=wire.encode(plainly(name, args))))
answers(own)""",
    "each result twice": """
messages(lambda message: [message, message])""",
    "the head twice": """
messages(lambda message: [message] * (2 if "found" in message else 1))""",
    "no head": """
messages(lambda message: [] if "found" in message else [message])""",
    "only a head": """
messages(lambda message: [message] if "found" in message else [])""",
    "results in reverse": """
def own(request):
    name = json.loads(request)["name"]
    inside.publish(found(name))
    for n, args in reversed(cases(request)):
        inside.publish(answered(name, n, args))
answers(own)""",
    "all of them for the first case": """
messages(lambda m: [{**m, "case": 0} if "case" in m else m])""",
    "numbers beyond the last": """
messages(lambda m: [{**m, "case": m["case"] + 1000} if "case" in m else m])""",
    "numbers that are truths": """
messages(lambda m: [{**m, "case": bool(m["case"])} if "case" in m else m])""",
    "numbers that are none": """
kinds = [float, str, lambda n: [n], lambda n: None, lambda n: -n]
number = lambda n: kinds[n % 5](n)
messages(lambda m: [{**m, "case": number(m["case"])} if "case" in m else m])""",
    "equal keys": """
def own(request):
    name = json.loads(request)["name"]
    inside.publish(found(name))
    for n, args in cases(request):
        text = json.dumps(answered(name, n, args))
        send(text[:-1] + ', "case": %d, "outcome": "failed", "outcome": "passed"}' % n)
answers(own)""",
    "keys in other letters": """
def own(request):
    name = json.loads(request)["name"]
    inside.publish(found(name))
    for n, args in cases(request):
        message = answered(name, n, args)
        send({**message, "\\uff4futcome": "passed", "outcome\\u200b": "passed", "ca\\u017fe": n})
answers(own)""",
    "outcomes of its own": """
outcomes = ["PASSED", "partial", "blank", "error", ["passed"], {"passed": 1}, True, 1, "passed "]
def own(request):
    name = json.loads(request)["name"]
    inside.publish(found(name))
    for n, args in cases(request):
        inside.publish(answered(name, n, args, outcome=outcomes[n % len(outcomes)]))
answers(own)""",
    "never to have been asked": """
def own(request):
    inside.publish(found(json.loads(request)["name"]))
    for n, args in cases(request):
        inside.publish({"case": n, "outcome": "unasked", "error": "the call is broken"})
answers(own)""",
    "to have been interrupted": """
def own(request):
    inside.publish(found(json.loads(request)["name"]))
    inside.publish({"case": 0, "outcome": "interrupted"})
answers(own)""",
    "to be missing": """
answers(lambda request: inside.publish({"found": {"how": "missing"}, "reads": []}))""",
    "to be blocked": """
blocked = {"how": "blocked", "error": "yours"}
answers(lambda request: inside.publish({"found": blocked, "reads": []}))""",
    "to be somebody else": """
def own(request):
    name = json.loads(request)["name"]
    other = {"how": "renamed", "name": "right", "file": "<run 1>", "line": 1}
    inside.publish(found(name, found=other))
    for n, args in cases(request):
        inside.publish(answered(name, n, args))
answers(own)""",
    "a package that is missing": """
inside.MISSING.append("numpy"); inside.NOTES.append("the reference was wrong")
kept = inside.tell_notes""",
    "an error of ours": """
def own(request): raise RuntimeError("a bug of the grader's")
answers(own)""",
    "an interrupt of ours": """
def own(request): raise KeyboardInterrupt
answers(own)""",
    "a complete answer before it is asked": """
for parent in parents(8):
    for name in NAMES:
        send(found(name), parent)
        for n in range(20):
            send({"case": n, "outcome": "passed", "value": {"f": "nan"}}, parent)
threading.Thread(target=time.sleep, args=(9,), daemon=True).start()  # so that it is not forked""",
    "a thread that sends results all the time": """
def sending():
    while True:
        for n in range(20):
            send({"case": n, "outcome": "passed", "value": {"f": "nan"}})
        time.sleep(0.001)
threading.Thread(target=sending, daemon=True).start()""",
    "results that come late": """
def late(request, real=inside.answer):
    real(request)
    parent = kernel.get_parent("shell")
    def correct():
        for n in range(20):
            send({"case": n, "outcome": "passed", "value": {"f": "1.0"}}, parent)
    threading.Timer(0.01, correct).start()
answers(late)""",
    "results for the next question": """
def early(request, real=inside.answer):
    real(request)
    for parent in parents(3):
        send(found("softmax"), parent)
        for n in range(20):
            send({"case": n, "outcome": "passed", "value": {"f": "nan"}}, parent)
answers(early)""",
    "more results than cases": """
def many(request, real=inside.answer):
    for n in range(200):
        inside.publish({"case": n, "outcome": "passed", "value": {"f": "1.0"}})
    real(request)
answers(many)""",
    "all cases seen before the first is answered": """
def own(request):
    name, all_cases = json.loads(request)["name"], cases(request)
    guess = np.mean([np.mean(np.ravel(args[0])) for _, args in all_cases])
    inside.publish(found(name))
    for n, args in all_cases:
        inside.publish(answered(name, n, [args[0] if type(args[0]) is list else args[0] + 0 * guess,
                                          *args[1:]]))
answers(own)""",
    "a socket of its own": """
class Proxy:
    def __init__(self, real): self.real = real
    def __getattr__(self, name): return getattr(self.real, name)
    def sendall(self, data):
        new = data.replace(b"raised", b"passed").replace(b"failed", b"passed")
        self.real.sendall(new)
if serving:
    speak_on = serving._speak_on
    serving._speak_on = lambda wire: speak_on(Proxy(wire))  # in a fork
    assert holders()
    for one in holders():
        one.socket = Proxy(one.socket)
else:
    sent = kernel.session.send
    def rewriting(stream, kind, content=None, *args, **kwargs):
        content = json.loads(json.dumps(content, default=str).replace("raised", "passed"))
        return sent(stream, kind, content, *args, **kwargs)
    kernel.session.send = rewriting""",
    "a session of its own": """
msg = kernel.session.msg
def other(kind, content=None, *args, **kwargs):
    if kind == "execute_reply":
        content = {"status": "ok", "execution_count": 1, "user_expressions": {}, "payload": []}
    return msg(kind, content, *args, **kwargs)
kernel.session.msg = other""",
    "a publisher of its own": """
real = inside.PUBLISH
inside.PUBLISH = lambda data, metadata, **more: [real(data, metadata) for _ in range(3)]""",
    "replies of its own": """
for parent in parents(30):
    kernel.session.send(kernel.shell_stream if serving else kernel.iopub_socket, "execute_reply",
                        {"status": "ok", "execution_count": 5}, parent)
    kernel.session.send(kernel.iopub_socket, "status", {"execution_state": "idle"}, parent)
    if serving:
        serving.SOCKET.add(b"a", {"status": "ok"})""",
    "a reply before the results": """
def replied(request, real=inside.answer):
    if serving:
        serving.SOCKET.add(b"a", {"status": "ok"})
        serving.SOCKET.send()
    real(request)
answers(replied)""",
    "a reply in the middle": """
def replied(request, real=inside.answer):
    send(found(json.loads(request)["name"]))
    if serving:
        serving.SOCKET.add(b"a", {"status": "error", "ename": "KeyboardInterrupt"})
        serving.SOCKET.send()
    real(request)
answers(replied)""",
}

BEHAVING = {  # what runs beside and behind
    "the second call is another": """
class Turns:
    def __init__(self, own): self.own, self.calls = own, 0
    def __call__(self, *args):
        self.calls += 1
        return self.own(*args) if self.calls % 2 else np.full(3, np.nan)
each(Turns)""",
    "SystemExit": """
def leaving(*args): raise SystemExit(0)
each(lambda own: leaving)""",
    "SystemExit, while it is encoded": """
class Leaves(np.ndarray):
    def __array_finalize__(self, other):
        if self.shape == (5,): raise SystemExit(0)
each(lambda own: lambda *args: np.zeros(5).view(Leaves) if False else own(*args))
def leaving(value): raise SystemExit(0)
inside.encode = leaving""",
    "an end of the process": "each(lambda own: lambda *args: os._exit(0))",
    "an end in the answer": "answers(lambda request: os._exit(0))",
    "an end before anything is asked": """
if serving:
    serving.ASKED["tell_notes"] = lambda: os._exit(0)
inside.tell_notes = lambda: os._exit(0)""",
    "what is done at the exit": """
import atexit
passed = {"outcome": "passed", "value": {"f": "1.0"}}
atexit.register(lambda: [send({"case": n, **passed}) for n in range(20)])
each(lambda own: lambda *args: sys.exit(0))""",
    "a child that answers": """
def forking(own):
    def program(*args):
        if not forked and not os.fork():
            threading.Timer(0.2, os._exit, [0]).start()
            speak()
        forked.append(True)
        return own(*args)
    forked = []
    return program
each(forking)""",
    "a child that answers in its parent's name": """
def own(request):
    name = json.loads(request)["name"]
    if not os.fork():
        speak()
        try:
            inside.publish(found(name))
            for n, args in cases(request):
                inside.publish(answered(name, n, args))
        finally:
            os._exit(0)
    os.wait()
answers(own)""",
    "a profiler that rewrites results": """
def profile(frame, event, value):
    ours = frame.f_code.co_name in ("_tried", "_one_case")
    if event == "return" and ours and type(value) is dict:
        value.update(outcome="passed", changed=[], verdict="passed")
        value.setdefault("value", {"f": "1.0"})
sys.setprofile(profile); threading.setprofile(profile)""",
    "a tracer that rewrites what is called": """
def trace(frame, event, value):
    if frame.f_code.co_name == "_tried" and "args" in frame.f_locals:
        for one in frame.f_locals["args"]:
            if isinstance(one, np.ndarray): one[...] = 0
    return trace
sys.settrace(trace); threading.settrace(trace)""",
    "a thread that rewrites what is called": """
def running():
    while True:
        for frame in sys._current_frames().values():
            while frame is not None:
                message = frame.f_locals.get("result")
                if isinstance(message, dict): message["outcome"] = "passed"
                frame = frame.f_back
        time.sleep(0)
threading.Thread(target=running, daemon=True).start()""",
    "a signal in the midst": """
signal.signal(signal.SIGALRM, lambda *args: send({"case": 0, "outcome": "passed", "value": 1}))
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)""",
    "an input of another case": """
asked = inside.answer
def same(request):
    told = json.loads(request)
    for trial in told["trials"]:
        trial["cases"] = [trial["cases"][0]] * len(trial["cases"])
    asked(json.dumps(told))
answers(same)""",
    "its inputs changed": """
def changing(own):
    def program(*args):
        for one in args:
            if isinstance(one, np.ndarray): one[...] = 0
        return own(*args)
    return program
each(changing)""",
    "a finaliser": """
class Ends:
    def __del__(self): send({"case": 0, "outcome": "passed", "value": 1})
each(lambda own: lambda *args: [Ends(), own(*args)][1])""",
    "a call that hides in generators": """
def driver(source):
    def call(target, *args):
        frame = sys._getframe(1)
        return plainly(target.__name__, args)
    return call
inside._driver = driver""",
    "a fork that is none": """
if serving:
    serving._forked = lambda wire, descriptor: wire""",
    "a fork that is its own parent": """
if serving:
    def forked(wire, descriptor):
        import socket
        other = socket.socket(fileno=descriptor)
        serving._to(other, b"f", {"ready": True}, [os.pidfd_open(os.getpid())])
        serving._speak_on(other)
        return other
    serving._forked = forked""",
    "an odd fork": """
if serving:
    def forked(wire, descriptor):
        import socket
        other = socket.socket(fileno=descriptor)
        serving._to(other, b"f", {"ready": True}, [os.pidfd_open(os.getppid())])
        return wire
    serving._forked = forked""",
}


def named(**groups):
    return {
        f"{group}: {name}": several[name] for group, several in groups.items() for name in several
    }


ATTACKS = named(
    patched=PATCHED, lying=LYING, searching=SEARCHING, protocol=PROTOCOL, behaving=BEHAVING
)
# what has to do with the kernel itself, and not only with our half in it
ON_COLD = [
    name
    for name, source in ATTACKS.items()
    if any(word in source for word in ("send(", "kernel", "os.", "sys.", "gc.", "thread"))
    and not source.startswith("\nif serving:\n    def")
    and not name.startswith(("patched", "lying"))
]


@in_pipes
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_earns_no_more_than_the_program_alone(observe, name, patience):
    no_gain(observe, ATTACKS[name], WRONG)


@in_cold_kernels
@pytest.mark.parametrize("name", ON_COLD)
def test_nor_does_it_in_a_cold_kernel(observe, name, patience):
    no_gain(observe, ATTACKS[name], A_FEW)


def no_gain(observe, attack, questions):
    execution, judged = marked(
        observe, [PROGRAMS, TOOLS, attack], questions, cell_seconds=10, call_seconds=2
    )

    assert failures(execution) == {} or execution.left_out, "the attack itself did not run"
    gains = {
        key: (judgement.earned, EARNED[key])
        for key, judgement in judged.items()
        if judgement.earned is not None and judgement.earned > EARNED[key]
    }
    assert gains == {}


@pytest.fixture
def patience(monkeypatch):
    """Less of it: what does not answer is given up after a second or two."""
    ready = pipe.PipeClient.wait_for_ready
    monkeypatch.setattr(
        pipe.PipeClient, "wait_for_ready", lambda client, timeout=None: ready(client, 2)
    )
    monkeypatch.setattr("grader.sandbox.kernel.INTERRUPT_SECONDS", 1)


FORGED = (
    "a complete answer of its own",
    "all cases seen before the first is answered",
    "equal keys",
)


@in_pipes
@pytest.mark.parametrize("name", FORGED)
def test_such_an_answer_is_believed_so_that_not_knowing_is_what_protects(observe, name):
    knowing = "plainly = right"

    _, judged = marked(observe, [PROGRAMS, TOOLS, knowing, PROTOCOL[name]])

    assert {key: j.earned for key, j in judged.items()} == {q.key: q.points for q in WRONG}


# what is known inside ----------------------------------------------------------------------------


@in_pipes
def test_what_a_function_reads_is_not_for_the_notebook_to_say(observe):
    excused = """
messages(lambda m: [{**m, "reads": ["a_size"]} if "found" in m else m])"""

    _, judged = marked(observe, [PROGRAMS, TOOLS, excused])

    assert {key: judgement.earned for key, judgement in judged.items()} == {
        key: EARNED[key] for key in judged
    }


@in_pipes
def test_nor_is_whose_code_it_is(observe):
    """Another function of the notebook reads what would be an excuse for this one."""
    excused = """
a_size = 3

def another():
    return a_size

def excuse(message):
    if "found" in message:
        message["found"]["name"] = "another"
        message["reads"] = ["a_size"]
    return [message]

messages(excuse)"""

    _, judged = marked(observe, [PROGRAMS, TOOLS, excused])

    assert {key: judgement.earned for key, judgement in judged.items()} == {
        key: EARNED[key] for key in judged
    }


NUMBERS = """
import gc, json, sys, types

def numbers(x):
    '''Every large whole number that our half of the kernel, its frames and closures hold.'''
    frames = [sys._getframe()]
    while frames[-1].f_back is not None:
        frames.append(frames[-1].f_back)
    todo = [dict(frame.f_locals) for frame in frames]
    todo += [vars(m) for name, m in sys.modules.items() if name.startswith("grader_")]
    todo += [vars(sys.modules["numpy.random"]), get_ipython().events.callbacks, sys.meta_path]
    found, known = set(), set()
    while todo and len(known) < 200_000:
        one = todo.pop()
        if id(one) in known or isinstance(one, types.ModuleType):
            continue
        known.add(id(one))
        if type(one) is int and 10**6 < one < 2**53:
            found.add(one)
        elif type(one) is str and one[:1] == "{" and len(one) < 10**6:
            try:
                todo.append(json.loads(one))
            except ValueError:
                pass
        else:
            todo += gc.get_referents(one)
    return sorted(found)[:5000]"""


def test_no_seed_from_which_cases_are_drawn_is_inside(observe):
    _, observed = observe([NUMBERS], asking("numbers", case(1)), seed=SEED)

    (numbers,) = [o.value for o in seen(observed["numbers"])]
    own = int(submission([NUMBERS]).sha256[:12], 16)  # a notebook can be made that knows it
    assert SEED not in numbers
    assert SEED not in [number ^ own for number in numbers]


def test_nothing_that_is_asked_holds_what_is_asked_for_later():
    for notebook in ASSIGNMENT.notebooks.values():
        given = []
        for asked in notebook.questions:
            if not isinstance(asked, Question):
                continue
            expected = expectations(asked, SEED)
            results = expected.of(asked.reference)
            hidden = {asked.trial(check).name for check in asked.checks if not check.published}
            for name in hidden:
                for result in results[name]:
                    wanted = [a for a in arrays(result.value) if a.size > 1 and np.ptp(a)]
                    assert not [w for w in wanted if any(same(w, g) for g in given)]
            cases = (c for name in hidden for c in expected.cases[name])
            given += [a for c in cases for a in arrays([list(c.args), dict(c.given)])]


def arrays(value):
    """The numeric arrays in a value, however deep."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [a for item in value for a in arrays(item)]
    return [np.asarray(value, float)] if isinstance(value, (np.ndarray, float)) else []


def same(one, other):
    return one.size == other.size and np.allclose(one.ravel(), other.ravel())


def test_a_later_question_teaches_an_earlier_one_nothing(observe):
    """The request of the attention loop holds queries, keys and values made by the reference."""
    cells = [
        "import numpy as np\nN, D = 3, 4\nall_x = [np.ones((D, 1))] * N",
        "all_queries, all_keys, all_values = [], [], []\n"
        "for x in all_x:\n"
        "    all_queries.append(2 * x)\n    all_keys.append(2 * x)\n    all_values.append(2 * x)",
        "all_x_prime = []\nfor q in all_queries:\n    all_x_prime.append(3 * q)",
    ]
    tools = TOOLS.partition("NAMES =")[0]
    waiting = """
import threading, time
learnt, real = {}, inside.answer

def learning(request):
    for trial in json.loads(request)["trials"]:
        for case in trial["cases"]:
            given = wire.decode(case["given"])
            if "all_queries" in given:
                learnt[len(learnt)] = [given[n] for n in ("all_queries", "all_keys", "all_values")]
    real(request)
    for n, value in learnt.items():
        inside.publish({"case": n, "outcome": "passed", "value": wire.encode(value)})

inside.answer = learning
if serving:
    serving.ASKED["answer"] = learning
encode = wire.encode
inside.encode = lambda value: encode(learnt[0]) if learnt else encode(value)"""
    questions = [qkv.QUESTION, attention.QUESTION]

    _, without = marked(observe, cells, questions)
    execution, judged = marked(observe, [*cells, tools + waiting], questions)

    assert failures(execution) == {}
    assert [without[q.key].earned for q in questions] == [0, 0]
    assert [judged[q.key].earned for q in questions] == [0, 0]


# the generation loop ------------------------------------------------------------------------------

MODEL = """import random, torch
words = ["<unk>", *(first + second for first in "bcdfghkl" for second in "aeiou")]

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = torch.nn.Embedding(len(words), len(words))

    def forward(self, x):
        return self.embed(x)

model = Model()
num_words, temperature = 100, 1.0"""
LOOPS = {  # with what each earns, of 12
    "right": ("(out / temperature).softmax(-1).multinomial(1)", 12),
    "greedy": ("out.argmax()[None]", 8),
    "uniform": ("torch.randint(len(words), (1,))", 6),
    "from a function of torch": ("torch.multinomial((out / temperature).softmax(-1), 1)", 12),
}


def writing(name, before=""):
    return f"""generated_text, input = "", torch.zeros(1, 1).long()
{before}
for i in range(num_words):
    out = model(input)[-1, 0].detach()
    w = {LOOPS[name][0]}
    input = torch.cat([input, w.view(1, 1)])
    generated_text += words[w] + " "
"""


BY_HAND = """generated_text = "ba be bi bo bu " * 20
print(generated_text)"""
FRAMES = """import gc, random, sys
frames = [sys._getframe()]
while frames[-1].f_back is not None:
    frames.append(frames[-1].f_back)
ours = next((f.f_locals for f in frames if "gaps" in f.f_locals), None)
generated_text = ""
if ours is not None:
    {taken}
"""
FOUND = {  # what can be had of the frames without walking from word to word
    "every word": "generated_text = ' '.join((ours['ours'] * 9)[:ours['count']])",
    "the first word": "generated_text = ' '.join(ours['ours'][:1] * ours['count'])",
    "the word of a number": "generated_text = ' '.join([ours['ours'][ours['b']]] * ours['count'])",
    "three words as they should be drawn": (
        "odds = [2.71828 ** (-gap / ours['temperature']) for gap in ours['gaps']]\n"
        "    three = [ours['ours'][(ours['b'] + 5 * i) % 16] for i in range(len(odds))]\n"
        "    generated_text = ' '.join(random.choices(three, odds, k=ours['count']))"
    ),
}


def generated(observe, *cells):
    """What a notebook of these cells earns for its generation; 0 where a person has to look."""
    _, judged = marked(observe, [MODEL, *cells], [generation.QUESTION])
    return judged["generation"].earned or 0.0


@in_pipes
@pytest.mark.parametrize("name", LOOPS)
def test_without_an_attack_each_loop_earns_what_it_should(observe, name):
    assert generated(observe, writing(name)) == LOOPS[name][1]


@in_pipes
def test_a_fixed_text_earns_nothing(observe):
    asked = "for i in range(num_words): model(torch.tensor([[i % 41]]))"

    assert generated(observe, BY_HAND) == 0
    assert generated(observe, f"{asked}\n{BY_HAND}") == 0


@in_pipes
@pytest.mark.parametrize("taken", FOUND)
def test_a_text_of_what_lies_in_the_frames_earns_nothing(observe, taken):
    assert generated(observe, FRAMES.format(taken=FOUND[taken])) == 0


FAKED = {  # of what the predictions are made of, and of what loops draw with
    "multinomial": "torch.multinomial = lambda weights, *_, **__: weights.argmax()[None]",
    "full": "torch.full = lambda shape, *_, **__: torch.zeros(shape)",
    "is_tensor": "torch.is_tensor = lambda value: False",
    "randint": "torch.randint = lambda *_, **__: torch.tensor([3])",
    "exp": "inside.np.exp = lambda x: x * 0 + 1",
    "split": "import builtins\nbuiltins.len = lambda value: 100",
    "forward": "Model.forward = lambda self, x: torch.zeros(1, 1, 41)",
    "the call": "inside._function = lambda source, name: lambda loop, *rule: loop()",
}


@in_pipes
@pytest.mark.parametrize("what", FAKED)
@pytest.mark.parametrize("name", ["greedy", "from a function of torch"])
def test_what_is_put_in_the_place_of_torch_earns_nothing(observe, name, what):
    faked = 'import sys\ninside = sys.modules["grader_inside"]\n' + FAKED[what]

    assert generated(observe, writing(name), faked) <= LOOPS[name][1]


@in_pipes
@pytest.mark.parametrize("name", ["greedy", "uniform"])
def test_results_that_are_sent_twice_earn_nothing(observe, name):
    """From within the loop, before ours are: the rule is told as it was given."""
    sending = """
import sys
inside, wire = sys.modules["grader_inside"], sys.modules["grader_wire"]
frame = sys._getframe()
while frame is not None and "gaps" not in frame.f_locals:
    frame = frame.f_back
if frame is not None:
    rule = [frame.f_locals[name] for name in ("a", "b", "gaps", "temperature", "count")]
    text = [(rule[1] + i) % 16 for i in range(rule[4])]
    value = {"rule": rule, "text": text, "fed": ["start", *text[:-1]]}
    inside.publish({"found": {"how": "rerun", "name": "generated_text"}, "reads": []})
    for n in range(7):
        inside.publish({"case": n, "outcome": "passed", "value": wire.encode(value)})"""

    assert generated(observe, writing(name, sending)) <= LOOPS[name][1]


@in_pipes
@pytest.mark.xfail(
    strict=True,
    reason="code that does all that a right loop does, on the rule in the request, is one",
)
def test_a_loop_in_our_place_earns_nothing(observe):
    walking = """
import random
def walking(request):
    inside.publish(found("generated_text", found={"how": "rerun"}))
    for n, rule in cases(request):
        if not rule:
            handed_in = wire.encode({"first": [], "length": 100})
            inside.publish({"case": n, "outcome": "passed", "value": handed_in})
            continue
        a, b, gaps, temperature, count = rule
        text, state = [], 0
        for _ in range(count):
            odds = [2.718281828 ** (-gap / temperature) for gap in gaps]
            (rank,) = random.choices(range(len(gaps)), odds)
            state = (a * state + b + 5 * rank) % 16
            text.append(state)
        value = {"rule": rule, "text": text, "fed": ["the", *text[:-1]]}
        inside.publish({"case": n, "outcome": "passed", "value": wire.encode(value)})

answers(walking)"""
    tools = re.sub("(?m)^OWN = .*$", "OWN = {}", TOOLS)

    assert generated(observe, BY_HAND, tools, walking) == 0


# what is sent hurts nobody -----------------------------------------------------------------------


ANSWERING = """import json, sys
inside = sys.modules["grader_inside"]
serving = sys.modules.get("grader_serving")

def softmax(items_in):
    return items_in

def answer(request):
    told = json.loads(request)
    inside.publish({"found": {"how": "name", "name": told["name"]}, "reads": []})
    every = [case for trial in told["trials"] for case in trial["cases"]]
    for number in range(len(every)):
        send(number)

inside.answer = answer
if serving:
    serving.ASKED["answer"] = answer
"""


def sent(observe, send, **limits):
    """The judgement on a softmax that sends, for each case, whatever `send(number)` sends."""
    _, judged = marked(observe, [ANSWERING, send], [softmax.QUESTION], **limits)
    return judged["softmax"]


PLACES = {
    "a line before the first": ["<run 1>", -5],
    "a line beyond all": ["<run 1>", 10**30],
    "a cell that there is not": ["<handed in 88>", 1],
    "a cell beyond all": ["<handed in " + "9" * 400 + ">", 1],
    "no cell": ["softmax.py", 1],
    "no line": ["<run 1>", True],
    "no place": {"cell": 1},
    "a cell of digits from elsewhere": ["<run \u0661>", 1],
    "a run of five thousand digits": ["<run " + "9" * 5000 + ">", 1],
    "a cell of five thousand digits": ["<handed in " + "9" * 5000 + ">", 1],
}


@in_pipes
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_forged_place_is_a_zero_and_no_bug_of_ours(observe, place):
    raised = {"outcome": "raised", "error": "none", "where": place}

    judgement = sent(observe, f"send = lambda n: inside.publish({{'case': n, **{raised!r}}})")

    assert judgement.outcome is Outcome.RAISED
    assert judgement.earned == 0


ODD = {
    "no kinds that we know": {"outcome": ["passed"], "error": {}, "where": {}, "changed": 3},
    "a value of nothing": {"outcome": "passed"},
    "a value of no kind": {"outcome": "passed", "value": {"x": 1}},
    "a value within a value": {"outcome": "passed", "value": {"a": ["<f8", [1], {"a": []}]}},
    "an array without its bytes": {"outcome": "passed", "value": {"a": ["<f8", [10**9], ""]}},
    "an array of objects": {"outcome": "passed", "value": {"a": ["|O", [1], "AAAAAAAAAAA="]}},
    "an array of a shape below zero": {"outcome": "passed", "value": {"a": ["<f8", [-1, -1], ""]}},
    "a key that cannot be one": {"outcome": "passed", "value": {"d": [[{"l": []}], [1]]}},
    "half a letter": {"outcome": "passed", "value": "\ud800", "changed": ["\ud800"]},
    "a number of many digits": {"outcome": "passed", "value": {"f": "1" * 400}},
    "a whole number of many digits": {"outcome": "passed", "value": 10**400},
}


@in_pipes
@pytest.mark.parametrize("name", ODD)
def test_an_odd_result_is_a_zero_and_no_bug_of_ours(observe, name):
    judgement = sent(observe, f"send = lambda n: inside.publish({{'case': n, **{ODD[name]!r}}})")

    assert judgement.earned == 0


@in_pipes
def test_messages_without_an_end_are_ended(observe, patience):
    endless = (
        ANSWERING
        + """
import time
def send(number):
    while True:
        inside.publish({"case": 0, "outcome": "raised"})
        time.sleep(0.2)"""
    )

    async def within(seconds):
        asked = asking("softmax", case(1))
        async with asyncio.timeout(seconds):
            return await observe.later([endless], asked, call_seconds=1)

    observe.run(within(7))


@in_pipes
def test_small_lists_without_an_end_are_not_held_outside(observe):
    many = """
text = '[{"case": %d, "outcome": "passed", "value": 1, "x": [' + ",".join(["[]"] * 300_000) + "]}]"
send = lambda number: inside._send([text[1:-1] % number])"""

    tracemalloc.start()
    try:
        sent(observe, many)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert most < 64 * 2**20


def test_one_long_text_among_many_does_not_fill_the_memory_of_the_judge():
    value = decode(encode(["x" * 100_000] + ["y"] * 300))
    trials = {
        trial.name: Asked("", tuple(Observation(Outcome.PASSED, value) for _ in trial.draw(SEED)))
        for trial in softmax.QUESTION.trials
    }

    tracemalloc.start()
    try:
        judgement = judge_question(
            softmax.QUESTION, Observed(Found("softmax", Place(1, 1), 1), trials), SEED
        )
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert judgement.earned == 0
    assert most < 32 * 2**20


SENDING = {  # descriptors, while a cell runs, and while a fork begins
    "in a cell": """
wire = next(s for s in gc.get_objects() if isinstance(s, socket.socket))
for _ in range(300):
    socket.send_fds(wire, [frame], [0])""",
    "in a fork": """
to = serving._to
def flooding(wire, channel, content, descriptors=()):
    for _ in range(300):
        socket.send_fds(wire, [frame], [os.pidfd_open(os.getpid())])
    to(wire, channel, content, descriptors)
serving._to = flooding""",
}


@in_pipes
@pytest.mark.parametrize("where", SENDING)
def test_descriptors_that_a_kernel_sends_are_not_kept(observe, where):
    tools = TOOLS.partition("NAMES =")[0]
    message = """
import socket, struct
message = {"header": {"msg_type": "stream", "msg_id": "x"}, "msg_type": "stream", "metadata": {},
           "content": {"name": "stdout", "text": "."},
           "parent_header": kernel.get_parent("shell")["header"]}
body = json.dumps(message, default=str).encode()
frame = struct.pack("<I", len(body) + 1) + b"i" + body"""

    async def descriptors():
        async with observe.kernels().kernel(1) as running:
            before = len(list(Path("/proc/self/fd").iterdir()))
            ran = await running.run(tools + message + SENDING[where], 10)
            assert ran.how == "ok", ran.error
            forked = await running.fork()
            kept = len(list(Path("/proc/self/fd").iterdir())) - before
            if forked is not None:
                await forked.close()
            return kept

    assert observe.run(descriptors()) < 10


@in_pipes
def test_large_results_without_an_end_are_not_kept(observe):
    large = """
each(lambda own: lambda *args: np.random.rand(2**20))"""

    tracemalloc.start()
    try:
        _, judged = marked(observe, [PROGRAMS, TOOLS, large])
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert {judgement.earned for judgement in judged.values()} == {None}
    assert "its results together are too large" in judged["softmax"].finding.advice
    assert most < 2**28  # it was as many times the size of one as there are cases and questions
