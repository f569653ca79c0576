"""Values to JSON-ready data of bounded size and back; both sides of the wall run this file.

Arrays and plain data only, never pickle.  It imports nothing but the standard library and NumPy.
What has no plain form crosses as its type's name.  `decode` trusts nothing: anything that `encode`
would not have written is a WireError.
"""

import base64
import sys

import numpy as np

MAX_BYTES = 16 * 2**20  # of one value
MAX_DEPTH = 8
MAX_ITEMS = 20_000
MAX_TEXT = 100_000  # characters
DTYPES = frozenset(
    "|b1 |i1 |u1 <i2 <u2 <i4 <u4 <i8 <u8 <f2 <f4 <f8 <c8 <c16".split()  # fixed width, little-endian
)


class WireError(ValueError):
    """A value that cannot cross, or data that is no value; the text says which and why."""


class Opaque:
    """Stands for a value without a plain form; `kind` is the name of its type."""

    __slots__ = ("kind",)

    def __init__(self, kind):
        self.kind = kind

    def __repr__(self):
        return f"<{self.kind}>"

    def __eq__(self, other):
        return type(other) is Opaque and self.kind == other.kind

    def __hash__(self):
        return hash(self.kind)


def encode(value):
    """`value` as JSON-ready data.  Raises WireError if it is too large to cross."""
    return _Encoder().encode(value, 0)


class _Encoder:
    def __init__(self):
        self.bytes = 0
        self.items = 0

    def encode(self, value, depth):
        kind = type(value)
        if value is None or kind is bool:
            return value
        if isinstance(value, np.generic):
            return self.array(np.asarray(value), depth)
        if isinstance(value, np.ndarray):
            return self.array(value, depth)
        if isinstance(value, str):
            return str.__str__(value)[:MAX_TEXT]
        if isinstance(value, int):
            number = int.__int__(value)
            return number if abs(number) < 2**53 else {"f": repr(float(number))}
        if isinstance(value, float):
            return {"f": repr(float.__float__(value))}
        if isinstance(value, complex):
            return self.array(np.asarray(value, complex), depth)
        return self.composite(value, kind, depth)

    def composite(self, value, kind, depth):
        if depth > MAX_DEPTH:
            raise WireError("the result is nested too deeply to be read")
        if isinstance(value, (list, range)):
            return {"l": self.each(list(value), depth)}
        if isinstance(value, tuple):
            return {"t": self.each(list(value), depth)}
        if isinstance(value, dict):
            pairs = list(value.items())
            keys, values = [key for key, _ in pairs], [item for _, item in pairs]
            return {"d": [self.each(keys, depth), self.each(values, depth)]}
        home = str(getattr(kind, "__module__", "")).partition(".")[0]
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            if value.numel() * 16 > MAX_BYTES:
                raise WireError(f"a tensor of {value.numel()} elements is too large to be read")
            plain = value.detach().cpu().resolve_conj().resolve_neg()
            if plain.is_sparse or plain.layout != torch.strided:
                plain = plain.to_dense()
            if plain.dtype == torch.bfloat16:
                plain = plain.float()
            return self.array(plain.numpy(), depth)
        if home == "pandas" and hasattr(value, "to_numpy"):
            return self.array(np.asarray(value.to_numpy()), depth)
        return {"o": kind.__name__[:100]}

    def each(self, values, depth):
        self.items += len(values)
        if self.items > MAX_ITEMS:
            raise WireError(f"more than {MAX_ITEMS} items are too many to be read")
        return [self.encode(item, depth + 1) for item in values]

    def array(self, value, depth):
        # the size before any copy: a broadcast view can claim terabytes
        size = int(np.prod(np.ndarray.shape.__get__(value), dtype=object)) * value.itemsize
        if size > MAX_BYTES - self.bytes:
            raise WireError(f"an array of {size} bytes is too large to be read")
        plain = np.array(value, subok=False)
        if plain.dtype.kind == "O":
            return {"l": self.each(list(plain), depth)} if plain.ndim else self.unboxed(plain, depth)
        if plain.dtype.kind == "f" and plain.itemsize > 8:
            plain = plain.astype("<f8")
        plain = np.ascontiguousarray(plain).reshape(plain.shape)  # which makes 0-d arrays 1-d
        plain = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
        if plain.dtype.str not in DTYPES:
            return {"o": f"array of {plain.dtype}"[:100]}
        self.bytes += plain.nbytes
        return {
            "a": [
                plain.dtype.str,
                list(plain.shape),
                base64.b64encode(plain.tobytes()).decode("ascii"),
            ]
        }

    def unboxed(self, plain, depth):
        if depth > MAX_DEPTH:
            raise WireError("the result is nested too deeply to be read")
        return self.encode(plain.item(), depth + 1)


def decode(data, depth=0):
    """The value that `encode` was given, arrays as plain NumPy arrays.

    Raises WireError if `data` is nothing that `encode` writes.
    """
    if data is None or isinstance(data, (bool, str)):
        return data
    if isinstance(data, int):
        return data
    if depth > 2 * MAX_DEPTH or not isinstance(data, dict) or len(data) != 1:
        raise WireError("no value: neither plain nor tagged")
    ((tag, body),) = data.items()
    if tag == "f" and isinstance(body, str):
        try:
            return float(body)
        except ValueError:
            raise WireError("no value: not a number") from None
    if tag in ("l", "t") and isinstance(body, list):
        items = [decode(item, depth + 1) for item in body]
        return items if tag == "l" else tuple(items)
    if tag == "d" and isinstance(body, list) and len(body) == 2:
        keys, values = (decode({"l": part}, depth + 1) for part in body)
        try:
            return dict(zip(keys, values, strict=True))
        except (TypeError, ValueError):
            raise WireError("no value: not a dict") from None
    if tag == "o" and isinstance(body, str):
        return Opaque(body[:100])
    if tag == "a":
        return _array(body)
    raise WireError("no value: unknown tag")


def _array(body):
    try:
        dtype, shape, text = body
        if dtype not in DTYPES or not isinstance(text, str) or len(shape) > 32:
            raise WireError("no array: its type or shape")
        if not all(type(n) is int and 0 <= n < 2**31 for n in shape):
            raise WireError("no array: its shape")
        raw = base64.b64decode(text.encode("ascii"), validate=True)
        count = 1
        for n in shape:
            count *= n
        if len(raw) > MAX_BYTES or len(raw) != count * np.dtype(dtype).itemsize:
            raise WireError("no array: its length")
        return np.frombuffer(raw, dtype).reshape(shape).copy()
    except WireError:
        raise
    except (TypeError, ValueError) as error:
        raise WireError(f"no array: {error}") from None
