"""Values to JSON-ready data of bounded size and back; both sides of the wall run this file.

Arrays and plain data only, never pickle.  It imports nothing but the standard library and NumPy.
What has no plain form crosses as its type's name.  `decode` trusts nothing: anything that `encode`
would not have written is a WireError.
"""

import math
import sys
from binascii import a2b_base64, b2a_base64

import numpy as np

MAX_BYTES = 16 * 2**20  # of one value
MAX_DEPTH = 8
MAX_ITEMS = 20_000
MAX_TEXT = 100_000  # characters
EXACT = 2**53  # whole numbers from here on cross as floats
DTYPES = {  # of fixed width, little-endian
    name: np.dtype(name)
    for name in "|b1 |i1 |u1 <i2 <u2 <i4 <u4 <i8 <u8 <f2 <f4 <f8 <c8 <c16".split()
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
ITEM_BYTES = {name: dtype.itemsize for name, dtype in DTYPES.items()}


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


class _Bounds:
    """What one value may come to; the same on both sides, so that what arrives can be stored."""

    def __init__(self):
        self.bytes = 0
        self.items = 0

    def take_bytes(self, count, what):
        if count > MAX_BYTES - self.bytes:
            raise WireError(f"{what} of {count} bytes is too large to be read")
        self.bytes += count

    def take_items(self, count):
        if count > MAX_ITEMS - self.items:
            raise WireError(f"more than {MAX_ITEMS} items are too many to be read")
        self.items += count

    def check_depth(self, depth):
        if depth > MAX_DEPTH:
            raise WireError("the result is nested too deeply to be read")


class _Encoder(_Bounds):
    # by type(value), and by methods of the base types: a subclass may lie about itself
    def encode(self, value, depth):
        kind = type(value)
        if kind is np.ndarray:
            dtype = NAMES.get(value.dtype)
            if dtype is not None:  # as nearly all
                return self.bytes_of(value, dtype)
        if value is None or kind is bool:
            return value
        if issubclass(kind, np.generic):
            return self.array(np.asarray(value), depth)
        if issubclass(kind, np.ndarray):
            return self.array(value, depth)
        if issubclass(kind, str):
            text = str.__str__(value)[:MAX_TEXT]
            self.take_bytes(len(text), "text")
            return text
        if issubclass(kind, int):
            return self.whole_number(int.__int__(value))
        if issubclass(kind, float):
            return {"f": repr(float.__float__(value))}
        if issubclass(kind, complex):
            return self.array(np.asarray(value, complex), depth)
        return self.composite(value, kind, depth)

    def whole_number(self, number):
        if abs(number) < EXACT:
            return number
        try:
            return {"f": repr(float(number))}
        except OverflowError:
            raise WireError("a number of more than 308 digits is too large to be read") from None

    def composite(self, value, kind, depth):
        self.check_depth(depth)
        if kind is Opaque:
            return {"o": str(value.kind)[:100]}
        for base, tag in ((list, "l"), (range, "l"), (tuple, "t")):
            if issubclass(kind, base):
                self.take_items(_length(base, value))
                return {tag: self.each(base.__getitem__(value, slice(None)), depth)}
        if issubclass(kind, dict):
            self.take_items(2 * dict.__len__(value))
            pairs = list(dict.items(value))
            keys, values = [key for key, _ in pairs], [item for _, item in pairs]
            return {"d": [self.each(keys, depth), self.each(values, depth)]}
        home = str(getattr(kind, "__module__", "")).partition(".")[0]
        torch = sys.modules.get("torch")
        if torch is not None and issubclass(kind, torch.Tensor):
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
        return {"o": str(type.__dict__["__name__"].__get__(kind))[:100]}

    def each(self, values, depth):
        return [self.encode(item, depth + 1) for item in values]

    def array(self, value, depth):
        # the size before any copy: a broadcast view can claim terabytes
        shape = np.ndarray.shape.__get__(value)
        size = math.prod(shape) * np.ndarray.itemsize.__get__(value)
        if size > MAX_BYTES - self.bytes:
            raise WireError(f"an array of {size} bytes is too large to be read")
        plain = np.array(value, subok=False)
        dtype = NAMES.get(plain.dtype)
        if dtype is not None:
            return self.bytes_of(plain, dtype)
        if plain.dtype.kind == "O":
            self.check_depth(depth)
            if not plain.ndim:
                return self.encode(plain.item(), depth + 1)
            self.take_items(len(plain))
            return {"l": self.each(list(plain), depth)}
        if plain.dtype.kind == "f" and plain.itemsize > 8:
            plain = plain.astype("<f8")
        if plain.dtype.str not in DTYPES:
            plain = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
        dtype = plain.dtype.str
        if dtype not in DTYPES:
            return {"o": f"array of {plain.dtype}"[:100]}
        return self.bytes_of(plain, dtype)

    def bytes_of(self, plain, dtype):
        self.take_bytes(plain.nbytes, "an array")
        text = b2a_base64(plain.tobytes(), newline=False).decode("ascii")
        return {"a": [dtype, list(plain.shape), text]}


def _length(base, value):
    try:
        return base.__len__(value)
    except OverflowError:  # range(2**64)
        return MAX_ITEMS + 1


def decode(data):
    """The value that `encode` was given, arrays as plain NumPy arrays.

    Raises WireError if `data` is nothing that `encode` writes.
    """
    return _Decoder().decode(data, 0)


def restored(data):
    """The same, of data that this grader itself has encoded: nothing is checked."""
    if type(data) is not dict:
        return data
    ((tag, body),) = data.items()
    if tag == "a":
        dtype, shape, text = body
        return np.ndarray(shape, DTYPES[dtype], a2b_base64(text)).copy()
    if tag == "f":
        return float(body)
    if tag == "d":
        keys, values = ([restored(item) for item in items] for items in body)
        return dict(zip(keys, values, strict=True))
    if tag == "o":
        return Opaque(body)
    items = [restored(item) for item in body]
    return items if tag == "l" else tuple(items)


class _Decoder(_Bounds):
    # by type(data), the likeliest first: JSON makes no others, and a question has hundreds of parts
    def decode(self, data, depth):
        kind = type(data)
        if kind is dict and len(data) == 1:
            ((tag, body),) = data.items()
            if tag == "a":
                return self.array(body)
            return self.tagged(tag, body, depth)
        if kind is str:
            if len(data) > MAX_TEXT:
                raise WireError("no value: a text too long")
            self.take_bytes(len(data), "text")
            return _whole(data)
        if kind is int:
            if abs(data) >= EXACT:
                raise WireError("no value: not a whole number")
            return data
        if data is None or kind is bool:
            return data
        raise WireError("no value: neither plain nor tagged")

    def tagged(self, tag, body, depth):
        if tag == "f" and type(body) is str:
            return _float(body)
        self.check_depth(depth)
        if tag in ("l", "t") and type(body) is list:
            items = self.each(body, depth)
            return items if tag == "l" else tuple(items)
        if tag == "d" and type(body) is list and [type(part) for part in body] == [list, list]:
            return self.dict(*body, depth)
        if tag == "o" and type(body) is str and len(body) <= 100:
            return Opaque(_whole(body))
        raise WireError("no value: unknown tag")

    def each(self, items, depth):
        self.take_items(len(items))
        return [self.decode(item, depth + 1) for item in items]

    def dict(self, keys, values, depth):
        keys, values = self.each(keys, depth), self.each(values, depth)
        try:
            made = dict(zip(keys, values, strict=True))
        except (TypeError, ValueError):
            raise WireError("no value: not a dict") from None
        if len(made) != len(keys):
            raise WireError("no value: a dict with equal keys")
        return made

    def array(self, body):
        if type(body) is not list or len(body) != 3:
            raise WireError("no array: not a type, a shape and bytes")
        dtype, shape, text = body
        if type(dtype) is not str or type(shape) is not list or type(text) is not str:
            raise WireError("no array: not a type, a shape and bytes")
        size = ITEM_BYTES.get(dtype)
        if size is None or len(shape) > 32:
            raise WireError("no array: its type or shape")
        for n in shape:
            if type(n) is not int or not 0 <= n < 2**31:
                raise WireError("no array: its shape")
            size *= n
        self.take_bytes(size, "an array")
        if len(text) != 4 * -(-size // 3):
            raise WireError("no array: its length")
        try:
            raw = a2b_base64(text, strict_mode=True)
        except ValueError as error:
            raise WireError(f"no array: {error}") from None
        if len(raw) != size:
            raise WireError("no array: its length")
        if dtype == "|b1" and raw.strip(b"\0\1"):
            raise WireError("no array: its truth values")
        try:
            return np.ndarray(shape, DTYPES[dtype], raw).copy()
        except ValueError as error:
            raise WireError(f"no array: {error}") from None


def _whole(text):
    """`text` without half of a surrogate pair."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _float(text):
    try:
        number = float(text) if len(text) < 30 else None
    except ValueError:
        number = None
    if number is None or repr(number) != text:
        raise WireError("no value: not a number")
    return number
