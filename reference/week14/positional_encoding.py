"""PositionalEncoding: sines and cosines that tell positions apart (Vaswani et al. 2017, 3.5)."""

import numpy as np

from grader.authoring import Check, Question, Slip, case


def encoding(length, d_model, base=10000):
    """PE of shape (length, d_model): PE[pos, 2i] = sin(pos / base^(2i/d_model)), PE[pos, 2i+1] the
    cosine of the same."""
    angle = np.arange(length)[:, None] / base ** (np.arange(0, d_model, 2) / d_model)
    pe = np.zeros((length, d_model))
    pe[:, 0::2] = np.sin(angle)
    pe[:, 1::2] = np.cos(angle)[:, : d_model // 2]
    return pe


def positional_encoding(d_model, x, p=None):
    """x + PE, in training dropped at random; told as `encode` tells it.

    x  (sequence, batch, d_model)
    p  the rate of dropout in training; None where only evaluation is asked for
    """
    pe = np.repeat(encoding(len(x), d_model)[:, None], x.shape[1], axis=1)
    out = x + pe
    told = {"out": out, "bare": pe, "other": out, "batch": 0, "trained": False, "dtype": ""}
    if p is None:
        return told
    kept = np.random.default_rng(0).random(out.shape) >= p
    return told | {"train": kept * out / (1 - p), "p": p}


# How it is used, and on what --------------------------------------------------------


def encode(PositionalEncoding, d_model, x, p=None):
    """What comes of x in evaluation (`out`), of zeros (`bare`; of ones, if zeros stay zeros), of x
    in another such layer (`other`), whether it is `trained`, its `dtype` where it is not that of x,
    its `batch` where it is not that of x (-1: it has none); and of x in training (`train`), with
    the rate `p` of dropout that was asked for, None if none can be.

    A layer that scales x by sqrt(d_model) where the notebook's own model does not is given x
    without that scale.
    """
    import functools
    import inspect
    import itertools
    import math
    import sys

    import torch

    name = getattr(PositionalEncoding, "__name__", "")
    x, rate = torch.from_numpy(np.array(x)).to(torch.get_default_dtype()), p or 0.0

    def parameters(function):
        return list(inspect.signature(function).parameters.values())

    def needed(parameter):
        unnamed = (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        return parameter.default is parameter.empty and parameter.kind not in unnamed

    # the layout: in the notebook's own model a change at one place spreads along the sentence, by
    # attention of whatever kind, and never to another sentence of the batch

    def observed_in(model):
        """Along which axis of what `model` gives its encoding changes spread, what it gives beside
        it, and whether it gives words as they were embedded; None if that cannot be seen."""
        layers = [m for m in model.modules() if type(m).__name__ == name]
        parts = [d for m in model.modules() for d in (vars(m), m._buffers, m._modules)]
        kept = [(part, dict(part)) for part in parts]
        tables = [m.weight for m in model.modules() if isinstance(m, torch.nn.Embedding)]
        words = torch.arange(16).reshape(4, 4) % min(map(len, tables), default=2)
        given, changed = [], []

        def noise(x, *rest, **more):
            if not given:
                ways = [table[w] for table in tables for w in (words, words.t())]
                plain = any(w.shape == x.shape and torch.allclose(w, x) for w in ways)
                given[:] = torch.randn_like(x), rest, more, plain
            out = given[0].clone()
            for place in changed:
                out[place] += torch.randn_like(out[place])
            return out

        def answer(others, *places):
            changed[:] = places
            out = model(words, *others)
            out = out[0] if isinstance(out, (tuple, list)) else out
            return out.reshape(-1, out.shape[-1])

        def axis(others):
            plain = answer(others)
            if given[0].dim() != 3 or given[0].shape[:2] != (4, 4):
                return None
            here, next_word, next_sentence = (
                (answer(others, place) - plain).abs().amax(1) > 1e-5 * plain.abs().max()
                for place in ((0, 0), (1, 0), (0, 1))
            )
            spreads = bool((here & next_word).any()), bool((here & next_sentence).any())
            return {(True, False): 0, (False, True): 1}.get(spreads)

        try:
            model.eval()
            for layer in layers:
                layer.forward = noise
            takes = parameters(model.forward)[1:]
            takes = [q for q in takes if needed(q) and q.kind is not q.KEYWORD_ONLY]
            for other in (None, torch.zeros(4, 4), words):  # a mask, or other sentences
                given.clear()
                try:
                    with torch.no_grad():
                        found = axis([other] * len(takes))
                except Exception:  # it wants something else, or is broken in another place
                    continue
                if found is not None:
                    return found, *given[1:]
            return None
        finally:
            for part, was in kept:  # a model may keep what it makes for one size, such as a mask
                part.clear()
                part.update(was)

    home = sys.modules.get(getattr(PositionalEncoding, "__module__", None))
    seen = [
        found
        for model in list(vars(home).values() if home else [])
        if isinstance(model, torch.nn.Module) and type(model).__name__ != name
        if any(type(part).__name__ == name for part in model.modules())
        if (found := observed_in(model))
    ][:4]
    unscaled = bool(seen) and all(plain for *_, plain in seen)
    axes = {found[0] for found in seen}
    axis = axes.pop() if len(axes) == 1 else None

    # what it is made with, and called with: by the names of its parameters

    values = {
        "d_model": d_model,
        "dropout": rate,
        "max_len": max(200, 2 * len(x)),
        "batch_size": x.shape[1],
        "device": "cpu",
        "dtype": x.dtype,
    }
    if axis is not None:
        values["batch_first"] = axis == 1
    roles = {
        "batch_first": ["batch_first"],
        "training": ["train"],
        "dropout": ["drop", "prob"],
        "max_len": ["len", "max", "seq", "pos", "context", "block"],
        "d_model": ["model", "dim", "emb", "hid", "inp", "feature", "width", "channel"],
    }

    def role_of(name):
        said = name.lower()
        found = next((r for r, words in roles.items() if any(w in said for w in words)), said)
        return "dropout" if said == "p" else found

    def role(parameter):
        found, default = role_of(parameter.name), parameter.default
        if type(default) is bool and found not in ("batch_first", "training"):
            return ""
        return "" if found == "max_len" and default == 10000 else found  # the base

    class Settings(dict):
        """Settings in one object or dictionary, by whatever names the notebook reads them."""

        def __missing__(self, name):
            return self["values"][role_of(name)]

        def __getattr__(self, name):
            try:
                return self[name]
            except KeyError:
                raise AttributeError(name) from None

    def arguments(function, values, left, variable):
        """Those of `function` by their roles; the others are those of `left`, as they are needed;
        `variable`: also where it takes any number."""
        args, more, left = [], {}, list(left)
        for parameter in parameters(function):
            said = role(parameter)
            if parameter.kind is parameter.VAR_POSITIONAL:
                args += [values[left.pop(0)] for _ in list(left) if variable]
            elif parameter.kind is parameter.VAR_KEYWORD:
                more |= {one: values[one] for one in left}
            else:
                if said not in values and needed(parameter):
                    said = left.pop(0) if left else said
                value = values.get(said, None if needed(parameter) else parameter.default)
                if parameter.kind is parameter.KEYWORD_ONLY:
                    more[parameter.name] = value
                else:
                    args.append(value)
        return args, more

    class Applied(torch.nn.Module):
        """A function of x, and of what else it takes, as a layer."""

        def __init__(self, values):
            super().__init__()
            self.values = values

        def forward(self, x):
            _, *others = parameters(PositionalEncoding)
            more = {"max_len": len(x), "training": self.training}
            given = {one.name: (self.values | more)[role(one)] for one in others
                     if role(one) in self.values | more}  # fmt: skip
            return PositionalEncoding(x, **given)

    def ways():
        """From a rate of dropout to a new layer and whether it takes the rate, in each way in which
        one may be made."""

        def called(left, variable, dropout):
            args, more = arguments(
                PositionalEncoding, values | {"dropout": dropout}, left, variable
            )
            takes = any(value is dropout for value in [*args, *more.values()])
            return PositionalEncoding(*args, **more), takes

        def of_settings(dropout):
            one = Settings(values=values | {"dropout": dropout})
            return PositionalEncoding(*[one for _ in filter(needed, own)]), True

        def of_a_function(dropout):
            takes = "dropout" in map(role, own)
            return Applied(values | {"dropout": dropout}), takes

        own = parameters(PositionalEncoding)
        left = [r for r in ("d_model", "dropout", "max_len") if r not in map(role, own)]
        for variable in (True, False):
            yield functools.partial(called, left, variable)
        for order in list(itertools.permutations(left))[1:]:
            yield functools.partial(called, order, True)
        yield of_settings
        if inspect.isfunction(PositionalEncoding):
            yield of_a_function

    def set_training(layer, on):
        for part in (layer, *getattr(layer, "__dict__", {}).values()):
            if isinstance(part, torch.nn.Module):
                part.train(on)

    def result(layer, x, draw=0):
        """What the layer makes of x, its positions along the first axis, at the same draw of random
        numbers the same."""
        asked = x.transpose(0, axis or 0).contiguous().clone()
        called = layer if callable(layer) else layer.forward
        if seen:
            rest = [len(x) if type(one) is int and one == 4 else one for one in seen[0][1]]
            more = seen[0][2]
        else:
            takes = [q for q in parameters(getattr(layer, "forward", layer)) if needed(q)]
            takes = [q for q in takes if q.kind is not q.KEYWORD_ONLY]
            rest = [(values | {"max_len": len(x)}).get(role(q)) for q in takes[1:]]
            more = {}
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(draw)
                out = called(asked, *rest, **more)
        except Exception as error:
            if any(torch.is_tensor(one) or not seen for one in [*rest, *more.values()]):
                raise RuntimeError(f"what it is given beside x is not known: {error}") from None
            raise
        out = out[0] if isinstance(out, (tuple, list)) and len(out) else out
        out = torch.as_tensor(out) if isinstance(out, np.ndarray) else out
        there = torch.is_tensor(out) and out.dim() > 1
        return out.transpose(0, axis or 0) if there and out.dim() == x.dim() else out

    def own_axis(layer):
        """The axis along which the layer's encoding differs, where the notebook shows none."""
        ones = torch.ones(7, 3, d_model)
        out = result(layer, ones)
        if not torch.is_tensor(out) or out.shape != ones.shape:
            return 0
        along = [bool((out - first).abs().max() > 1e-6) for first in (out[:1], out[:, :1])]
        return 1 if along == [False, True] else 0

    failures = []
    for dropout, way in itertools.product((rate, torch.nn.Dropout(rate)), ways()):
        try:
            layer, takes_dropout = way(dropout)
            set_training(layer, False)
            if axis is None:
                axis = own_axis(layer)
            with torch.enable_grad():
                out = result(layer, x)
            break
        except Exception as error:
            failures.append(error)
    else:
        raise failures[0]
    if not torch.is_tensor(out):
        return out
    bare = result(layer, torch.zeros_like(x))
    times = math.sqrt(d_model)
    comparable = unscaled and out.shape == bare.shape == x.shape
    if comparable and torch.allclose(out - bare, times * x, 1e-3, 1e-3):
        x = x / times
        out = result(layer, x)
    other, _ = way(dropout)
    set_training(other, False)
    ones = bare if bare.any() or out.requires_grad else result(layer, torch.ones_like(x))
    made = {"out": out, "bare": ones, "other": result(other, x, draw=1)}
    if p is not None:
        set_training(layer, True)
        made["train"] = result(layer, x)
    batch = 0
    if out.shape in ((len(x), 1, d_model), (len(x), d_model)) and x.shape[1] > 1:
        batch = 1 if out.dim() == 3 else -1
        made = {k: v.reshape(len(x), 1, d_model).expand_as(x) for k, v in made.items()}
    told = made | {
        "batch": batch,
        "trained": out.requires_grad,
        "dtype": "" if out.dtype == x.dtype else str(out.dtype).removeprefix("torch."),
    }
    return told if p is None else told | {"p": p if takes_dropout else None}


def as_typed(d_model, x, p=None):
    return f"PositionalEncoding({d_model}{'' if p is None else f', dropout={p}'})({x})"


def sizes(rng, length, batch, d_model, low=-4.0, p=None):
    """The case of such an x, with numbers from `low` to 4; code that reads the sizes of the
    handed-out notebook finds these."""
    x = rng.uniform(low, 4, size=(length, batch, d_model)).astype(np.float32)
    given = {"emsize": d_model, "bptt": length, "batch_size": batch, "dropout": p or 0.0}
    return case(d_model, x, *([] if p is None else [p]), given=given)


def embeddings(rng):
    for length, batch, d_model in ((16, 3, 24), (5, 2, 6)):
        yield sizes(rng, length, batch, d_model)


def in_training(rng):
    # 3,000 values each, far from 0: see `dropping`
    yield sizes(rng, 25, 12, 10, low=2.0, p=0.5)
    yield sizes(rng, 15, 10, 20, low=2.0, p=0.25)


def other_sizes(rng):
    for length, batch, d_model in ((1, 3, 4), (35, 4, 20), (7, 11, 60), (190, 2, 12)):
        yield sizes(rng, length, batch, d_model)


def far_away(rng):
    yield sizes(rng, 1000, 2, 8)


def odd_width(rng):
    yield sizes(rng, 6, 2, 7)


# What is compared -------------------------------------------------------------------

SEEN_BESIDE = 5  # numbers beside the values: batch, its dtype's bits, random, trained, dropping
UNASKED, NEVER, WELL, ANOTHER_RATE, UNSCALED, ELSE, ALWAYS, BEFORE_ADDING, CODES_ONLY = range(9)


@np.errstate(all="ignore")  # a student's numbers may be infinite
def beside(result):
    """From what `encode` tells to one array: in each row the encoding, the result, and the numbers
    of what else was seen."""
    out, bare = (np.asarray(result[name], float) for name in ("out", "bare"))
    how = dropping(result) if "train" in result else UNASKED
    again = np.asarray(result["other"], float)
    random = how != ALWAYS and not np.array_equal(out, again, equal_nan=True)
    bits = "".join(c for c in result["dtype"] if c.isdigit())
    seen = [result["batch"], float(bits or 0), random, bool(result["trained"]), how]
    return np.concatenate([bare, out, np.broadcast_to(seen, (*out.shape[:-1], SEEN_BESIDE))], -1)


OFF = 0.08


@np.errstate(all="ignore")
def repeatable(result):
    """The same without the values that differ from one time to the next, and without the batch:
    the encoding alone may have none; waves of an odd base are those of `base_of`."""
    random, how = (result[..., at].max(initial=0) for at in (-3, -1))
    bare, out = parts(result)
    if random:
        bare, out = 0 * bare, out - bare
    elif how == ALWAYS:
        bare, out = 0 * bare, 0 * out
    elif base := base_of(bare):
        waves = encoding(len(bare), bare.shape[-1], base)[:, None]
        bare, out = 0 * bare + waves, out - bare + waves
    return np.concatenate([bare, out, 0 * result[..., -5:-4], result[..., -4:]], -1)


ANOTHER_BASE = 2000.0  # stands for all but those that slips in the exponent come to
INVERTED = 1e-4


def base_of(codes):
    """The base that stands for that of these waves, if single numbers do not show it: INVERTED,
    where float32 has lost the fastest, or ANOTHER_BASE; else None."""
    length, *_, d_model = codes.shape
    if codes.ndim != 3 or length < 2 or d_model < 4:
        return None

    def are_waves(base, columns=slice(None)):
        waves = encoding(length, d_model, base)[:, None]
        return np.allclose(codes[..., columns], waves[..., columns], 0, 1e-3)

    if are_waves(INVERTED, length * INVERTED ** -(np.arange(d_model) / d_model) < 1000):
        return INVERTED
    base = np.arcsin(codes[1, 0, 2]) ** (-d_model / 2)
    known = [abs(np.log(base / one)) < 0.01 for one in (1, 100, 1000, 10000, 10000**2)]
    return None if any(known) or not are_waves(base) else ANOTHER_BASE


def dropping(result):
    """How values are dropped in training.

    Of 3,000 values, each dropped with the probability p, a share that is off by more than OFF is
    dropped in less than one of 10^16 runs: 2 exp(-2 * 3000 * OFF^2) < 1e-16 (Hoeffding).
    """
    train, out, bare = (np.asarray(result[name], float) for name in ("train", "out", "bare"))
    if np.mean(np.abs(out) < 1e-6) > 0.1:
        return ALWAYS
    how = dropped_of(train, out, result["p"])
    if how == ELSE:
        if dropped_of(train - bare, out - bare, result["p"]) == WELL:
            return BEFORE_ADDING
        if dropped_of(train - (out - bare), bare, result["p"]) == WELL:
            return CODES_ONLY
    return how


def dropped_of(train, out, p):
    """How `out` became `train`; p is None where any rate is right."""
    told_apart = np.abs(out) > 0.05
    if train.shape != out.shape or not told_apart.any():
        return ELSE
    scales = train[told_apart] / out[told_apart]
    dropped = np.abs(scales) < 1e-3
    rate = dropped.mean()
    if not dropped.any():
        return NEVER if np.max(np.abs(scales - 1)) < 1e-3 else ELSE
    if dropped.all():
        return ELSE
    scale = np.median(scales[~dropped])
    if np.max(np.abs(scales[~dropped] - scale)) > 2e-3 * abs(scale):
        return ELSE
    near = p is None or abs(rate - p) <= OFF
    if near and abs(scale - 1) < 1e-3:
        return UNSCALED
    if near and abs(scale * (1 - (rate if p is None else p)) - 1) < (0.1 if p is None else 2e-3):
        return WELL
    return ANOTHER_RATE if abs(scale * (1 - rate) - 1) < 0.1 else ELSE


def parts(result):
    """The encoding and the result of what `beside` put beside each other."""
    width = (result.shape[-1] - SEEN_BESIDE) // 2
    return result[..., :width], result[..., width : 2 * width]


def codes(result):
    return parts(result)[0]


def encoded(result):
    return parts(result)[1]


def both(result):
    return result[..., :-SEEN_BESIDE]


def kind(result):
    """The shape, and the dtype where it is another than that of x."""
    batch, bits = (int(result[..., at].flat[0]) if result.size else 0 for at in (-5, -4))
    length, *others = encoded(result).shape
    shape = (length, *([batch] * max(0, batch) if batch else others[:-1]), *others[-1:])
    return f"shape {shape}" + (f", float{bits}" if bits else "")


def even_columns(result):
    return codes(result)[..., 0::2]


def odd_columns(result):
    return codes(result)[..., 1::2]


@np.errstate(all="ignore")
def without_codes(result):
    """What is left of the result without the encoding: x."""
    bare, out = parts(result)
    return out - bare


def how_dropped(result):
    how = int(result[..., -1].max(initial=0))
    return [
        "nothing is seen of the training",
        "nothing is dropped in training",
        "dropped in training only, the others scaled by 1/(1-p)",
        "dropped at another rate than asked for",
        "dropped, but the others are not scaled by 1/(1-p)",
        "something else than dropout happens in training",
        "dropped in evaluation too",
        "dropped before the encoding is added",
        "only the encoding is dropped",
    ][how]


def how_made(result):
    random, trained = (bool(result[..., at].any()) for at in (-3, -2))
    return {
        (False, False): "fixed",
        (True, False): "another each time",
        (False, True): "changed by the training",
        (True, True): "random at first, then changed by the training",
    }[random, trained]


@np.errstate(all="ignore")
def on_the_circle(result):
    """sin^2 + cos^2 of each pair of columns beyond position 200, where float32 may have lost the
    angle."""
    far = codes(result)[200:]
    return far[..., 0::2] ** 2 + far[..., 1::2] ** 2


def first_sentence(result):
    """What is added to the first sentence of the batch: a row for each position, a column for each
    of d_model."""
    return codes(result)[:, 0]


def first_sentence_encoded(result):
    """The first sentence of the batch with its encoding: a row for each position, a column for each
    of d_model."""
    return encoded(result)[:, 0]


# Known misconceptions ---------------------------------------------------------------


def rates(columns, d_model):
    """What positions are divided by in the columns 2i and in the columns 2i + 1."""
    rate = 10000 ** (columns / d_model)
    return rate, rate


def interleaved(even, odd):
    """Columns of `even` and `odd` in turn: two of (length, n) to one of (length, 2n)."""
    return np.stack([even, odd], axis=-1).reshape(len(even), -1)


def added(x, pe):
    return x + pe


def at_rate(rng, shape, p):
    """1 for what is kept, 0 for what is dropped."""
    return (rng.random(shape) >= p).astype(float)


def dropped_well(x, pe, joined, p, rng):
    out = joined(x, pe)
    return at_rate(rng, out.shape, p) * out / (1 - p)


def never_dropped(x, pe, joined, p, rng):
    return joined(x, pe)


def dropped_at_another_rate(x, pe, joined, p, rng):
    return dropped_well(x, pe, joined, 0.1, rng)


def dropped_unscaled(x, pe, joined, p, rng):
    return (1 - p) * dropped_well(x, pe, joined, p, rng)


def dropped_before_adding(x, pe, joined, p, rng):
    return joined(at_rate(rng, x.shape, p) * x / (1 - p), pe)


def codes_dropped(x, pe, joined, p, rng):
    return joined(x, at_rate(rng, x.shape, p) * pe / (1 - p))


def with_slips(
    d_model, x, p=None,
    *, functions=(np.sin, np.cos), divisors=rates, start=0, unit=1.0, rounded=np.asarray,
    arranged=interleaved, along=0, joined=added, dropped=dropped_well, always=False, random=False,
    trained=False, dtype="",
):  # fmt: skip
    """positional_encoding with a switch for each way to go wrong.

    functions  of the columns 2i and of the columns 2i + 1
    divisors   what positions are divided by in these, from the columns 2i and d_model
    start      the first position
    unit       of a position's angle, in radians
    rounded    what is done to position / divisor
    arranged   the columns of both
    along      the axis of x along which positions are counted
    joined     x and its encoding to the result
    dropped    what comes of them in training; `always`: also in evaluation
    random     whether each layer has another encoding
    trained    whether training changes it
    dtype      of the result, where it is not that of x
    """
    x = np.asarray(x, float)
    rng = np.random.default_rng(1)

    def made():
        if random:
            return rng.normal(size=x.shape)
        pos = unit * (start + np.arange(x.shape[along]))[:, None]
        divided_by = divisors(np.arange(0, d_model, 2), d_model)
        waves = [f(rounded(pos / d)) for f, d in zip(functions, divided_by, strict=True)]
        pe = arranged(*waves)[:, :d_model]
        return np.broadcast_to(np.expand_dims(pe, 1 - along), x.shape)

    def evaluated(x, pe):
        return dropped(x, pe, joined, p, rng) if always and p else joined(x, pe)

    pe = made()
    bare = evaluated(0 * x, pe)
    told = {
        "out": evaluated(x, pe),
        "bare": bare if bare.any() or trained else evaluated(np.ones_like(x), pe),
        "other": evaluated(x, made()),
        "batch": 0,
        "trained": trained,
        "dtype": dtype,
    }
    return told if p is None else told | {"train": dropped(x, pe, joined, p, rng), "p": p}


def untouched(d_model, x, p=None):
    """forward still returns self.dropout(x), as it was handed out."""
    return with_slips(d_model, x, p, joined=lambda x, pe: x)


def halves(even, odd):
    """The columns of `even`, then those of `odd`."""
    return np.concatenate([even, odd], axis=1)


def by_rows(even, odd):
    """`even` in all columns of even rows, `odd` in those of odd ones."""
    rows = np.arange(len(even))[:, None] % 2
    return interleaved(*[np.where(rows == 0, even, odd)] * 2)


def same(rate):
    """Divisors that are the same in the columns 2i and 2i + 1: from 2i / d_model."""
    return lambda columns, d_model: [rate(columns / d_model)] * 2


SLIPS = [
    Slip(
        "sine_and_cosine_swapped",
        """Sine and cosine are swapped. The even columns (0, 2, ...) hold the sines, the odd ones
        the cosines, so that position 0 is 0, 1, 0, 1, ...""",
        functions=(np.cos, np.sin),
    ),
    Slip(
        "sines_only",
        """All your columns hold sines. The odd ones (1, 3, ...) hold the cosines of the same
        angles.""",
        functions=(np.sin, np.sin),
    ),
    Slip(
        "cosines_only",
        """All your columns hold cosines. The even ones (0, 2, ...) hold the sines of the same
        angles.""",
        functions=(np.cos, np.cos),
    ),
    Slip(
        "halves",
        """Your sines fill the first half of the columns and your cosines the second. They take
        turns: pe[:, 0::2] for the sines, pe[:, 1::2] for the cosines.""",
        arranged=halves,
    ),
    Slip(
        "exponent_not_doubled",
        """Your exponent is i/d_model where the formula has 2i/d_model, so the wavelengths grow too
        slowly. With torch.arange(0, d_model, 2) the 2 is already in: divide that by d_model.""",
        divisors=same(lambda share: 10000 ** (share / 2)),
    ),
    Slip(
        "exponent_doubled_twice",
        """Your exponent is 4i/d_model where the formula has 2i/d_model: torch.arange(0, d_model, 2)
        already counts in twos, so it is not to be doubled again.""",
        divisors=same(lambda share: 10000 ** (2 * share)),
    ),
    Slip(
        "exponent_of_each_column",
        """Your exponent is the number of the column, divided by d_model. Columns 2i and 2i + 1 have
        the same angle: both take the exponent 2i/d_model, so in an odd column subtract 1.""",
        divisors=lambda c, d: (10000 ** (c / d), 10000 ** ((c + 1) / d)),
    ),
    Slip(
        "column_doubled",
        """You put the number of the column for i, and double it. In the formula i is the number of
        the pair: columns 2i and 2i + 1 both take the exponent 2i/d_model, where 2i is the even
        column itself.""",
        divisors=lambda c, d: (10000 ** (2 * c / d), 10000 ** (2 * (c + 1) / d)),
    ),
    Slip(
        "integer_division_in_the_exponent",
        """Your exponent is a whole number, 0 in every column, so all columns have the same
        wavelength. 2i / d_model is a fraction: use /, not //.""",
        divisors=same(np.ones_like),
    ),
    Slip(
        "base_1000",
        """Your waves are those of the base 1000. In the formula it is 10000.""",
        divisors=same(lambda share: 1000**share),
    ),
    Slip(
        "base_100",
        """Your waves are those of the base 100. In the formula it is 10000.""",
        divisors=same(lambda share: 100**share),
    ),
    Slip(
        "another_base",
        """Your waves are those of another base. In the formula it is 10000.""",
        divisors=same(lambda share: ANOTHER_BASE**share),
    ),
    Slip(
        "exponent_of_the_wrong_sign",
        """You multiply the position by 10000^(2i/d_model). It is divided by it: the exponent of
        torch.exp has a minus, -math.log(10000.0) / d_model.""",
        divisors=same(lambda share: INVERTED**share),
    ),
    Slip(
        "integer_division_of_the_position",
        """You round position / 10000^(2i/d_model) down to a whole number, so neighbours get the
        same code. Use /, not //.""",
        rounded=np.floor,
    ),
    Slip(
        "counts_from_one",
        """Your positions start at 1. The first token is position 0, encoded as 0, 1, 0, 1, ...: use
        torch.arange(0, length).""",
        start=1,
    ),
    Slip(
        "rows_for_columns",
        """Your even positions hold sines and your odd positions cosines. It is the columns that
        take turns: pe[:, 0::2] holds the sines, pe[:, 1::2] the cosines.""",
        arranged=by_rows,
    ),
    Slip(
        "degrees",
        """You turn the angles from degrees into radians. They are in radians already: take sin and
        cos of them as they are.""",
        unit=np.pi / 180,
    ),
    Slip(
        "first_position_only",
        """Every word gets the code of position 0. Word pos gets row pos: self.pe[:x.size(0)], not
        self.pe[0].""",
        functions=(np.zeros_like, np.ones_like),
    ),
    Slip(
        "multiplied",
        """You multiply x by the encoding. It is added: x + pe.""",
        joined=lambda x, pe: x * pe,
    ),
    Slip(
        "subtracted",
        """You subtract the encoding from x. It is added: x + pe.""",
        joined=lambda x, pe: x - pe,
    ),
    Slip(
        "replaces_input",
        """You return the encoding itself, so the words are lost. Return x + pe.""",
        joined=lambda x, pe: pe,
    ),
    Slip(
        "scaled_input",
        """You multiply x by sqrt(d_model) before you add the encoding. The model has done that
        already: add the encoding to x as it comes.""",
        joined=lambda x, pe: x * np.sqrt(x.shape[-1]) + pe,
    ),
    Slip(
        "slices_the_batch_axis",
        """Your encoding slices the batch axis: it gives each sentence of the batch a code, and all
        words of a sentence the same. Count the positions along the other axis: x has the shape
        (sequence, batch, d_model), so it is self.pe[:x.size(0)] with pe of shape
        (max_len, 1, d_model). A model with batch_first=True has them the other way round:
        self.pe[:, :x.size(1)].""",
        along=1,
    ),
    Slip(
        "no_dropout",
        """You leave out the dropout. Return self.dropout(x) after the encoding is added, as in the
        handed-out code.""",
        dropped=never_dropped,
    ),
    Slip(
        "dropout_at_another_rate",
        """Your dropout does not take the rate that it is given. Make it with the argument:
        nn.Dropout(p=dropout).""",
        dropped=dropped_at_another_rate,
    ),
    Slip(
        "dropout_unscaled",
        """Your dropout sets values to zero, but leaves the others as they are. It divides them by
        1 - p, so that their sum stays the same on average: use nn.Dropout.""",
        dropped=dropped_unscaled,
    ),
    Slip(
        "dropout_before_adding",
        """You drop words before the encoding is added. Dropout is applied to the sum:
        self.dropout(x + pe).""",
        dropped=dropped_before_adding,
    ),
    Slip(
        "dropout_of_the_encoding",
        """You drop values of the encoding only. Dropout is applied to the sum:
        self.dropout(x + pe).""",
        dropped=codes_dropped,
    ),
    Slip(
        "dropout_in_evaluation",
        """Your dropout does not end with the training. After model.eval() nothing is dropped:
        nn.Dropout sees to that, F.dropout needs training=self.training.""",
        dropped=dropped_well,
        always=True,
    ),
    Slip(
        "random_table",
        """Your encoding is random. It is computed from the position by the formula, so that every
        layer has the same.""",
        random=True,
    ),
    Slip(
        "trainable_table",
        """Your encoding has the right numbers, but training changes them. Keep it with
        self.register_buffer("pe", pe), or in an nn.Parameter with requires_grad=False.""",
        trained=True,
    ),
    Slip(
        "learned_table",
        """Your encoding is learned: random numbers that training changes. Here it is computed from
        the position by the formula, and never changes.""",
        random=True,
        trained=True,
    ),
    Slip(
        "learned_from_zeros",
        """Your encoding is learned: zeros that training changes. Here it is computed from the
        position by the formula, and never changes.""",
        joined=lambda x, pe: x,
        trained=True,
    ),
    Slip(
        "double_precision",
        """Your result is of dtype float64. The rest of the model has float32, and cannot go on with
        it: turn the encoding into float32, pe.float().""",
        dtype="float64",
    ),
]


# The question -----------------------------------------------------------------------

QUESTION = Question(
    key="positional_encoding",
    title="Positional encoding",
    target="PositionalEncoding",
    parameters=("d_model", "dropout", "max_len"),
    reference=positional_encoding,
    call=encode,
    typed=as_typed,
    untouched=untouched,
    form=beside,
    known_by=repeatable,
    checks=[
        Check(
            "the result has the shape and the dtype of x",
            embeddings,
            points=0.5,
            view=kind,
            alone=False,
        ),
        Check(
            "even columns hold the sines",
            embeddings,
            points=3.5,
            view=even_columns,
            picture=first_sentence,
        ),
        Check(
            "odd columns hold the cosines",
            embeddings,
            points=3.5,
            view=odd_columns,
            picture=first_sentence,
        ),
        Check(
            "the encoding is added to x",
            embeddings,
            points=2,
            view=without_codes,
            picture=first_sentence_encoded,
        ),
        Check(
            "dropout is active in training only",
            in_training,
            points=1,
            view=how_dropped,
            alone=False,
        ),
        Check(
            "the encoding is neither random nor trained",
            embeddings,
            points=0.5,
            view=how_made,
            alone=False,
        ),
        Check(
            "it works for other lengths, batch sizes and d_model",
            other_sizes,
            points=1,
            view=both,
            picture=first_sentence_encoded,
            other_sizes=True,
        ),
        Check(
            "positions beyond 200 are encoded too",
            far_away,
            points=0,
            view=on_the_circle,
            other_sizes=True,
        ),
        Check(
            "an odd d_model works too: the last column is a sine",
            odd_width,
            points=0,
            view=encoded,
            other_sizes=True,
        ),
    ],
    program=with_slips,
    misconceptions=SLIPS,
)
