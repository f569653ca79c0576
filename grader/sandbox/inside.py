"""A question put to the notebook's own code: cases in, plain results out.  Runs in the kernel.

The text of wire.py, colab.py, shared.py and this file is loaded as grader_wire, grader_colab,
grader_shared and grader_inside before the notebook's first cell.  Nothing in here knows a right
answer: it makes the target, calls it on one case after the other, and publishes what came back.
That the code of the notebook could change all of it is taken for granted; it would only spoil
answers that it cannot know to be right.
"""

import asyncio
import builtins
import contextlib
import dis
import functools
import importlib.machinery
import inspect
import io
import itertools
import json
import linecache
import os
import random
import re
import sys
import threading
import time
import types
import warnings
from collections import Counter

import grader_shared
import numpy as np
from grader_colab import install
from grader_wire import EXACT, WireError, encode
from grader_wire import restored as decode

MIME = "application/x-grader+json"
UNCHANGING = frozenset((bool, int, float, str, type(None)))
TOGETHER = 2**20  # characters of results that are held until they leave
LOAD_GLOBAL, EXTENDED_ARG = dis.opmap["LOAD_GLOBAL"], dis.opmap["EXTENDED_ARG"]
WORD = re.compile(r"[^\W\d_]+|\d+")
IN_NOTEBOOK = re.compile(r" \(<(?:run|handed in) \d+>, line \d+\)")  # of a SyntaxError


def boot(shell, settings):
    """Get the kernel ready for a notebook: names of cells, what Colab had, a bound on output."""
    global SHELL, PUBLISH, NOTES, MISSING, LOADED
    SHELL, PUBLISH = shell, shell.display_pub.publish
    shell.compile.get_code_name = lambda raw, transformed, number: f"<run {number}>"
    _keep_first_lines(shell.input_transformers_cleanup)
    _bound_output(shell, settings["output_bytes"])
    _seed_new_generators()
    if not settings["shared"]:
        grader_shared.install()
    NOTES, MISSING = install(
        shell,
        settings["data"],
        settings["training_steps"],
        lambda: OWN["seed"],
        lambda torch: settings["shared"] or grader_shared.adapt(torch),
    )
    sys.meta_path.insert(0, _Hidden(settings["hidden"]))
    LOADED = dict(sys.modules)


OWN = {"seed": 0}  # of this notebook


def begin(number):
    """Seed the generators that a notebook may leave unseeded, so that a rerun is the same."""
    OWN["seed"] = number
    seed(number)


def seed(number):
    random.seed(number)
    np.random.seed(number % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(number)


def _seed_new_generators():
    """A generator that a notebook makes without a seed is the same in every run, too."""
    made, count = np.random.default_rng, itertools.count()

    @functools.wraps(made)
    def default_rng(seed=None):
        return made([OWN["seed"], next(count)] if seed is None else seed)

    np.random.default_rng = default_rng


def _keep_first_lines(transformers):
    """IPython drops the empty lines that a cell begins with, and counts its lines without them;
    only what stands before a %%magic has to go."""
    for i, transform in enumerate(transformers):
        if getattr(transform, "__name__", "") == "leading_empty_lines":
            transformers[i] = lambda lines, drop=transform: (
                dropped if (dropped := drop(lines)) and dropped[0].startswith("%%") else lines
            )


def _bound_output(shell, most):
    """A cell prints a little more than it may, which ends it, and the rest goes nowhere: the other
    side must not have to read it all."""
    left = most + 1
    streams = (sys.stdout, sys.stderr)
    kind = type(sys.stdout)
    write = kind.write

    def fill(*_):
        nonlocal left
        left = most + 1
        for stream in streams:
            vars(stream).pop("write", None)  # which IPython put back at the end of our own cell

    def bounded(self, text):
        nonlocal left
        if not isinstance(text, str) or len(text) <= left:
            left -= len(text)
            return write(self, text)
        if left:
            write(self, text[:left])
            left = 0
            self.flush()
            if hasattr(shell.kernel, "send"):
                shell.kernel.send()
        return len(text)

    kind.write = bounded
    shell.events.register("pre_execute", fill)
    shell._tee = lambda channel: contextlib.nullcontext()  # IPython keeps all that is printed


class _Hidden:
    """Packages of the grader are not there for a notebook, unless it brings its own."""

    def __init__(self, names):
        self.names = frozenset(names)

    def find_spec(self, name, path=None, target=None):
        if name in self.names and path is None:
            own = [p for p in sys.path if os.path.abspath(p).startswith(os.getcwd())]
            spec = importlib.machinery.PathFinder.find_spec(name, own)
            if spec is None:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            return spec
        return None


def publish(*messages):
    """Send messages, and wait until they have left: the next call may end this process at once."""
    stream(messages)
    if hasattr(SHELL.kernel, "send"):
        SHELL.kernel.send()


def stream(messages):
    """Send messages together, but before the next one is made what has come to TOGETHER
    characters."""
    texts, size = [], 0
    for message in messages:
        texts.append(json.dumps(message))
        size += len(texts[-1])
        if size > TOGETHER:
            _send(texts)
            texts, size = [], 0
    if texts:
        _send(texts)


def _send(texts):
    text, kernel = f"[{', '.join(texts)}]", SHELL.kernel
    if hasattr(kernel, "tell"):
        kernel.tell(text)
        return
    PUBLISH({MIME: text}, {})
    thread = getattr(kernel, "iopub_thread", None)
    if thread is not None:
        queued = threading.Event()
        thread.schedule(queued.set)  # in order, so after the message
        queued.wait(1)
        time.sleep(0.002)  # for zmq's own thread, which tells nobody when it is done


def tell_notes():
    """What was adapted for the notebook so far, and what could not be."""
    publish({"notes": NOTES, "missing": MISSING})


# one question ----------------------------------------------------------------------------


def answer(request):
    """Publish how the target is found, then one result for each case of each trial.

    A careful request has each published before the next call is made, which may be the last.
    """
    request = json.loads(request)
    if len(sys.modules) < len(LOADED):  # a notebook that empties it is still asked
        sys.modules.update({n: m for n, m in LOADED.items() if n not in sys.modules})
    with _no_event_loop(), warnings.catch_warnings(module=warnings):
        if request["careful"]:
            for message in _answers(request):
                publish(message)
        else:
            stream(_answers(request))


@contextlib.contextmanager
def _no_event_loop():
    """The code of the notebook is called as by a program in which no event loop runs, so that it
    may run one; a kernel's own does, except in a fork."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        yield
        return
    task = asyncio.current_task()
    if task is not None:
        asyncio.tasks._leave_task(loop, task)
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio.set_event_loop(loop)  # asyncio.run leaves none
        asyncio._set_running_loop(loop)
        if task is not None:
            asyncio.tasks._enter_task(loop, task)


def _answers(request):
    ns = SHELL.user_ns
    before = dict(ns)
    yield from _answers_of(request, ns)
    if request["anew"]:
        # another definition was tried: for what is asked next, the notebook's own counts
        ns.clear()
        ns.update(before)


def _answers_of(request, ns):
    noted = {"notes": list(NOTES), "missing": list(MISSING)}
    target, found = _target(request, ns)
    reads = sorted(_reads(target, ns)) if callable(target) else []
    by_name = _by_name(target, request, reads, ns) if request["parameters"] else None
    if by_name:
        found = {**found, "order": list(by_name.own)}
    yield {"found": found, "reads": reads, **noted}
    if found["how"] in ("missing", "blocked"):
        return
    stand_ins = {}
    for names, source in request["stand_ins"]:
        stand_ins.update(dict.fromkeys(names, _function(source, "<stand-in>")))
    parameters = {id(one): _parameters(one) for one in (target, by_name) if one is not None}
    cases = [(trial, encoded) for trial in request["trials"] for encoded in trial["cases"]]
    for number, (trial, encoded) in enumerate([*cases, *cases[:1]]):  # and the first once more
        seed(request["seed"])
        if request["assigns"]:
            target = _Rerun(trial["statements"], request["assigns"], ns)
        # a call of the assignment's own finds its way by the target's own parameters
        asked = target if trial["call"] else by_name or target
        names = parameters.get(id(asked), ())
        result = _one_case(asked, names, _driver(trial["call"]), encoded, ns, stand_ins)
        yield {"case": number, **result}
        if result["outcome"] == "interrupted":
            return  # it would take as long for every other case


def _driver(source):
    if not source:
        return lambda target, *args: target(*args)
    return _function(source, "<call>")


@functools.cache
def _function(source, name):
    scope = {"np": np}
    if "torch" in source:
        import torch

        scope["torch"] = torch
    before = set(scope)
    exec(compile(source, name, "exec"), scope)
    return next(
        v for k, v in scope.items() if k not in before and isinstance(v, types.FunctionType)
    )


def _parameters(target):
    """The names of what it takes, where these can be told."""
    try:
        return list(inspect.signature(target).parameters)
    except (TypeError, ValueError):
        return ()


def _one_case(target, parameters, call, encoded, ns, stand_ins):
    plain = decode(encoded["args"]), decode(encoded["given"]) | stand_ins
    own = _as_kept(parameters, *plain, ns)
    result = _tried(target, call, *own, ns)
    if result["outcome"] == "raised" and not _same_objects(own, plain):
        # the notebook may have come to keep its names in another form than when the code ran
        again = decode(encoded["args"]), decode(encoded["given"]) | stand_ins
        anew = _tried(target, call, *again, ns)
        return anew if anew["outcome"] == "passed" else result
    return result


def _tried(target, call, args, given, ns):
    inputs = [*((f"argument {i}", value) for i, value in enumerate(args, 1)), *given.items()]
    inputs = [(name, value) for name, value in inputs if type(value) not in UNCHANGING]
    before = [_digest(value) for _, value in inputs]
    saved = dict(ns)
    try:
        if isinstance(target, _Rerun):
            target.given = given
        else:
            ns.update(given)
        with _silence():
            warnings.simplefilter("ignore")  # also where an earlier call has set others
            value = call(target, *args)
    except KeyboardInterrupt:
        return {"outcome": "interrupted"}
    except BaseException as error:  # SystemExit and the like are the student's failure too
        outcome = "raised"
        if _is_of_the_call(error):
            outcome = "blocked" if isinstance(error, LookupError) else "unasked"
        return {"outcome": outcome, "error": _said(error), "where": _where(error)}
    else:
        changed = [
            name for (name, value), was in zip(inputs, before, strict=True) if _digest(value) != was
        ]
        try:
            return {"outcome": "passed", "value": encode(value), "changed": changed}
        except (WireError, MemoryError, RecursionError) as error:
            return {"outcome": "raised", "error": f"the result could not be read: {error}"}
    finally:
        ns.clear()
        ns.update(saved)


def _is_of_the_call(error):
    """Whether the assignment's own call raised it, not code that it called: then it is not the
    student's failure.  By a LookupError a call says that something it needs was never made."""
    trace, innermost = error.__traceback__, ""
    while trace is not None:
        innermost = trace.tb_frame.f_code.co_filename
        trace = trace.tb_next
    return innermost == "<call>"


# as the notebook keeps it ---------------------------------------------------------------


def _as_kept(parameters, args, given, ns):
    """Arguments and given names in the form in which the notebook keeps its own values of these
    names: `omega * x` is right where omega is a np.matrix, and wrong where it is an array."""
    given = {name: _like(value, ns.get(name)) for name, value in given.items()}
    own = [ns.get(name) for name in parameters] + [None] * len(args)
    kept = [_like(value, mine, shapes=False) for value, mine in zip(args, own, strict=False)]
    return kept, given


def _same_objects(one, other):
    """Whether two (args, given) hold the very same values."""
    first, second = ([*args, *given.values()] for args, given in (one, other))
    return all(a is b for a, b in zip(first, second, strict=True))


def _like(value, own, shapes=True):
    """`value` as the notebook itself keeps it: a matrix, a tensor, flat, in single precision, where
    its `own` value of that name is such.  The numbers stay as they are."""
    if own is None:  # as for most
        return value
    plain = type(own) is type(value) is np.ndarray
    if plain and own.ndim == value.ndim and own.dtype == value.dtype:  # as for most of the others
        return value
    torch = sys.modules.get("torch")
    if isinstance(value, list) and isinstance(own, (list, tuple)) and len(own):
        items = [_like(item, own[0], shapes) for item in value]
        if isinstance(own, tuple):
            return tuple(items)
        return value if all(a is b for a, b in zip(items, value, strict=True)) else items
    if not isinstance(value, np.ndarray):
        return value
    if torch is not None and isinstance(own, torch.Tensor):
        value = torch.as_tensor(value)
        if own.is_floating_point() and value.is_floating_point():
            value = value.to(own.dtype)
        return value.reshape(-1) if shapes and own.dim() == 1 and _is_column(value) else value
    if isinstance(own, np.matrix):
        return np.asmatrix(value)
    if shapes and isinstance(own, np.ndarray) and own.ndim == 1 and _is_column(value):
        value = value.reshape(-1)
    if isinstance(own, np.ndarray) and own.dtype == np.float32 and value.dtype == np.float64:
        value = value.astype(np.float32)
    return value


def _is_column(value):
    return value.ndim == 2 and value.shape[1] == 1


class _Nowhere(io.TextIOBase):
    def write(self, text):
        return len(text)

    def writable(self):
        return True


@contextlib.contextmanager
def _silence():
    """What is printed in a call goes nowhere, and what cannot fail to be printed is not even made
    into text: for arrays that takes longer than the calls themselves."""
    nowhere, own = _Nowhere(), builtins.print
    streams = sys.stdout, sys.stderr

    def unprinted(*values, sep=" ", end="\n", file=None, flush=False):
        unseen = file is None and sys.stdout is nowhere
        if not (unseen and type(sep) is type(end) is str and all(map(_can_be_printed, values))):
            own(*values, sep=sep, end=end, file=file, flush=flush)

    sys.stdout = sys.stderr = nowhere
    if type(own) is types.BuiltinFunctionType:  # and none of the notebook's
        builtins.print = unprinted
    try:
        yield
    finally:
        builtins.print, (sys.stdout, sys.stderr) = own, streams


def _can_be_printed(value, deep=3):
    """Whether its text is made by no code of the notebook, and so without fail."""
    kind = type(value)
    if kind is np.ndarray:
        return not value.dtype.hasobject
    if kind in (list, tuple):
        return deep > 0 and all(_can_be_printed(item, deep - 1) for item in value)
    if kind is int:
        return abs(value) < EXACT  # Python makes no text of very long ones
    return kind in (str, float, bool, type(None), np.float64)


def _digest(value):
    """What tells whether a value has changed: arrays by their bytes, and what holds arrays."""
    kind = type(value)
    if issubclass(kind, np.ndarray) and not value.dtype.hasobject:
        return kind, value.dtype, value.shape, value.tobytes()
    if kind in (list, tuple):
        return kind, [_digest(item) for item in value]
    if kind in UNCHANGING:
        return kind, repr(value)
    try:
        return json.dumps(encode(value))
    except Exception:
        return "?"


def _said(error):
    try:
        text = str(error)
    except BaseException:
        text = "(its text cannot be made)"
    text = IN_NOTEBOOK.sub("", " ".join(text.split()))
    return f"{type(error).__name__}: {text}"[:400] if text else type(error).__name__


def _where(error):
    """[file name, line] of the innermost line of the notebook that the error went through."""
    place, trace = None, error.__traceback__
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name.startswith(("<run ", "<handed in ")):
            place = [name, trace.tb_lineno]
        trace = trace.tb_next
    return place


# the target ------------------------------------------------------------------------------


def _target(request, ns):
    """The target to call (None for statements to rerun), and how it was found: "name", "renamed",
    "rerun"; or why there is none: "missing", "blocked"."""
    name = request["name"]
    if request["assigns"]:
        made = any(trial["statements"] for trial in request["trials"])
        there = made or all(name in ns for name in request["assigns"])
        return None, {"how": "rerun" if there else "missing", "name": name}
    anew = request["anew"]
    if not anew and callable(ns.get(name)) and not _is_of_a_library(ns[name]):
        own = _ready(ns[name], request, ns)
        return own, {"how": "name", "name": name, **_home(own)}
    # its own cell did not get that far, or the name was used again for something else
    failed = None
    for candidate in request["definitions"]:
        other = candidate["name"]
        try:
            if anew or other == name or not callable(_named(other, ns)):
                _execute(candidate, ns)
            found = _ready(_named(other, ns), request, ns)
        except BaseException as error:
            if not candidate["told"]:
                failed = failed or {"how": "blocked", "name": other, "error": _said(error)}
            continue
        if callable(found) and (not candidate["told"] or _tells(found, request)):
            how = "name" if other == name else "renamed"
            return found, {"how": how, "name": other, **_home(found)}
    if not anew and callable(ns.get(name)):
        return ns[name], {"how": "name", "name": name}
    for own in list(ns.values()):  # a class within a class
        inner = vars(own).get(name) if isinstance(own, type) and not _is_of_a_library(own) else None
        if isinstance(inner, type):
            return inner, {"how": "name", "name": name, **_home(inner)}
    return None, failed or {"how": "missing", "name": name}


def _named(name, ns):
    """What a notebook has under a name, or a class of it as Class.method; None if there is nothing
    of its own."""
    home, _, attribute = name.partition(".")
    holder = ns.get(home)
    if not attribute or holder is None:
        return holder
    if isinstance(holder, types.ModuleType):
        file = getattr(holder, "__file__", None) or "/"
        return getattr(holder, attribute, None) if file.startswith(os.getcwd()) else None
    if isinstance(holder, type):
        kept = inspect.getattr_static(holder, attribute, None)
        if not isinstance(kept, (staticmethod, classmethod)):
            holder = _instance(holder, ns)
    found = getattr(holder, attribute, None)
    return None if _is_of_a_library(found) else found


def _instance(kind, ns):
    """The notebook's own object of a class, or else a new one."""
    own = next((value for value in ns.values() if type(value) is kind), None)
    return kind() if own is None else own


def _ready(target, request, ns):
    """The target; of a class whose objects are called what is called of one."""
    if not isinstance(target, type) or not request["parameters"]:
        return target
    try:
        inspect.signature(target).bind(*request["parameters"])
    except TypeError:
        made = _instance(target, ns)
        return getattr(made, "forward", made)
    return target


def _is_of_a_library(value):
    return getattr(value, "__module__", None) not in (None, "__main__")


def _home(value):
    code = getattr(value, "__code__", None)
    if code is None and isinstance(value, type):
        codes = [f.__code__ for f in vars(value).values() if isinstance(f, types.FunctionType)]
        code = min(codes, key=lambda c: c.co_firstlineno, default=None)
    if code is None:
        return {}
    return {"file": code.co_filename, "line": code.co_firstlineno}


def _execute(statement, ns):
    exec(_compiled(statement["source"], statement["whole"], statement["cell"]), ns)


@functools.cache
def _compiled(source, whole, cell):
    name = f"<handed in {cell}>"
    linecache.cache[name] = (len(whole), None, whole.splitlines(keepends=True), name)
    return compile(source, name, "exec")


# its arguments ---------------------------------------------------------------------------


class _ByName:
    """A function called as the handout has it, while its own names tell how it takes its arguments.

    order   for each argument of the handout the function's own name, or None where it reads the
            argument from the notebook
    beyond  what it takes besides, and finds in the notebook
    """

    def __init__(self, function, handed_out, order, beyond, ns):
        self.function, self.handed_out, self.order = function, handed_out, order
        self.beyond, self.ns = beyond, ns
        parameters = inspect.signature(function).parameters.values()
        self.own = [p.name for p in parameters if p.name in {*order, *beyond}]
        self.alone = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
        kind = inspect.Parameter.POSITIONAL_ONLY
        names = [own or name for own, name in zip(order, handed_out, strict=True)]
        self.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in names])

    def __call__(self, *args):
        fresh = {
            id(self.ns[name]): value
            for name, value in zip(self.handed_out, args, strict=True)
            if name in self.ns
        }
        given = {name: _renewed(self.ns[name], fresh) for name in self.beyond}
        for name, own, value in zip(self.handed_out, self.order, args, strict=True):
            (self.ns if own is None else given)[own or name] = value
        alone = [given.pop(name) for name in self.alone if name in given]
        return self.function(*alone, **given)


def _renewed(value, fresh):
    """What the notebook keeps, with the `fresh` in the place of its own, by the id of that."""
    if id(value) in fresh:
        return fresh[id(value)]
    if type(value) in (list, tuple):
        return type(value)(_renewed(item, fresh) for item in value)
    if isinstance(value, dict):
        return {key: _renewed(item, fresh) for key, item in value.items()}
    return value


def _by_name(target, request, reads, ns):
    """The target as it is called where a call in the handout's order would mix its arguments up, or
    lack some; None where that does, or nothing better is known."""
    handed_out = request["parameters"]
    parameters = _signature(target)
    if parameters is None or any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return None
    own = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
    names = [p.name for p in own]
    by_position = [p.name for p in own if p.kind is not p.KEYWORD_ONLY][: len(handed_out)]
    if names == by_position == handed_out:  # as most have it
        return None
    told = _told(names, handed_out, request["spellings"])
    untold = [name for name in handed_out if name not in told]
    left = [p.name for p in own if p.default is p.empty and p.name not in told.values()]
    # what it takes all in one, as the notebook keeps it
    kept = {name: ns[name] for name in left if isinstance(ns.get(name), (list, tuple, dict))}
    beyond = [name for name, value in kept.items() if _held(value, ns, untold)]
    held = {name for one in beyond for name in _held(kept[one], ns, untold)}
    told |= dict.fromkeys(held)
    untold = [name for name in untold if name not in held]
    left = [name for name in left if name not in beyond]
    if len(untold) > len(left):  # the rest is read from the notebook, or taken by **
        takes_all = len(own) < len(parameters)
        elsewhere = [name for name in untold if takes_all or name in reads]
        told |= {name: name if takes_all else None for name in elsewhere}
        untold = [name for name in untold if name not in elsewhere]
    if len(left) > len(untold):
        beyond += [name for name in left if name in ns]
        left = [name for name in left if name not in ns]
    if len(left) != len(untold):
        return None
    told |= zip(untold, left, strict=True)  # what no name tells comes in the handout's order
    order = [told[name] for name in handed_out]
    if order == by_position and not beyond:
        return None
    return _ByName(target, handed_out, order, beyond, ns)


def _held(value, ns, names):
    """Those of the notebook's names whose values a list, a tuple or a dict holds."""
    held = set(_inside(value, 3))
    return {name for name in names if name in ns and id(ns[name]) in held}


def _inside(value, deep):
    for item in (value.values() if isinstance(value, dict) else value) if deep else ():
        yield id(item)
        if isinstance(item, (list, tuple, dict)):
            yield from _inside(item, deep - 1)


def _tells(target, request):
    """Whether the names of all but one of the target's parameters tell what they are."""
    handed_out = request["parameters"]
    names = [p.name for p in _signature(target) or ()]
    return len(_told(names, handed_out, request["spellings"])) >= len(handed_out) - 1 > 0


def _signature(target):
    try:
        return list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return None


def _told(names, handed_out, spellings):
    """Which of a function's own names stands for which of the handout's: the one whose words mean
    the same; where most do, also the only one whose words mean some of it."""
    words = {(word, word) for name in handed_out for word in _words(name)}
    words |= {(o.casefold(), word) for word, others in spellings.items() for o in others}
    wanted = {name: Counter(_words(name)) for name in handed_out}
    numbers = {word for name in handed_out for word in _words(name) if word.isdecimal()}
    from_zero = numbers and {str(int(n) - 1) for n in numbers} == {
        n for name in names for n in _words(name) if n.isdecimal()
    }
    readings = {
        name: [Counter(way) for way in _readings(_plain(name, bool(from_zero)), words)]
        for name in names
    }
    told = {}
    for fits in (Counter.__eq__, Counter.__le__):
        if fits is Counter.__le__ and 2 * len(told) < len(handed_out):
            break
        pairs = [
            (name, own)
            for name in handed_out
            for own in names
            if name not in told
            and own not in told.values()
            and any(way and fits(way, wanted[name]) for way in readings[own])
        ]
        for name, own in pairs:
            if sum(name == other or own == its for other, its in pairs) == 1:
                told[name] = own
    return told


def _plain(name, from_zero):
    """A name without what parts its words; heads that are counted from zero are from one."""
    text = name.casefold().replace("_", "")
    return re.sub(r"\d+", lambda n: str(int(n[0]) + 1), text) if from_zero else text


def _words(name):
    return WORD.findall(name.casefold())


def _readings(text, words):
    """Each way in which `text` is a row of words, as what these mean, sorted; a word that means
    nothing is passed over."""
    ways = [{()}, *(set() for _ in text)]
    for end in range(1, len(ways)):
        for word, meaning in words:
            if text.endswith(word, 0, end):
                before = ways[end - len(word)]
                ways[end] |= {tuple(sorted((*way, meaning) if meaning else way)) for way in before}
    return ways[-1]


class _Rerun:
    """Statements of the notebook as a function from names given to the names left behind.

    `names` is the notebook's own namespace, for a driver that has to find its way in it.
    """

    def __init__(self, statements, assigns, ns):
        self.statements, self.assigns, self.names, self.given = statements, assigns, ns, {}

    def __call__(self, **given):
        given = {**self.given, **given}
        # what is made anew must come from this rerun, never be left over from the notebook's own
        # run; a name that is only added to keeps its start
        for statement in self.statements:
            for name in statement["makes"]:
                if name in self.assigns:
                    self.names.pop(name, None)
        self.names.update(given)
        failure = None
        for statement, needed in zip(self.statements, self._needed(given), strict=True):
            asked = not set(self.assigns).isdisjoint(statement["writes"])
            undoes = not set(given).isdisjoint(statement["writes"])
            if undoes and not needed:
                continue
            try:
                _execute(statement, self.names)
            except Exception as error:
                # as in a notebook, what comes after goes on; an attempt that makes the names
                # after all is the one that counts
                failure = failure or error
            else:
                failure = None if asked else failure
            if undoes:
                self.names.update(given)
        if failure is not None:
            raise failure
        for name in self.assigns:
            if name not in self.names:
                raise NameError(f"name {name!r} is not defined")
        left = [self.names[name] for name in self.assigns]
        return left[0] if len(left) == 1 else left

    def _needed(self, given):
        """Of each statement, whether it makes something other than what is given that is read on
        the way to what is asked: a loop that also turns a given model to eval() does."""
        wanted, needed = set(self.assigns), []
        for statement in reversed(self.statements):
            made = set(statement["writes"]).difference(given) & wanted
            needed.append(bool(made))
            if made:
                wanted.update(statement["reads"])
                wanted.difference_update(set(statement["makes"]).difference(statement["reads"]))
        return needed[::-1]


def _reads(target, ns):
    """Names of the notebook's data that a function reads beyond its arguments."""
    seen, data, todo = set(), set(), [target]
    while todo:
        thing = todo.pop()
        if isinstance(thing, type):
            todo.extend(f for f in vars(thing).values() if isinstance(f, types.FunctionType))
            continue
        code = getattr(thing, "__code__", None)
        codes = [code] if code is not None else []
        while codes:
            code = codes.pop()
            if code in seen:
                continue
            seen.add(code)
            codes.extend(c for c in code.co_consts if isinstance(c, types.CodeType))
            known = {
                name: ns[name]
                for name in code.co_names
                if name in ns and not hasattr(builtins, name) and _may_tell(ns[name])
            }
            if not known:
                continue
            for name in _globals(code):
                value = known.get(name)
                if isinstance(value, (types.FunctionType, type)):
                    todo.append(value)
                elif name in known:
                    data.add(name)
    return data


def _globals(code):
    """The names that are read as globals; those of attributes stand among the code's names as well.

    It reads bytes, as dis does, which says far more of them and takes ten times as long.
    """
    found, number = set(), 0
    for operation, low in zip(code.co_code[::2], code.co_code[1::2], strict=True):
        number = number << 8 | low
        if operation == LOAD_GLOBAL:
            found.add(code.co_names[number >> 1])
        number = number if operation == EXTENDED_ARG else 0
    return found


def _may_tell(value):
    """Whether a value is data, or what may read some."""
    if isinstance(value, (types.FunctionType, type)):
        return True
    return not callable(value) and not isinstance(value, types.ModuleType)
