"""Values that cross the wall come back as they were; what is no value, or too large, is refused."""

import base64
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from grader import wire
from grader.wire import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_TEXT,
    Opaque,
    WireError,
    decode,
    encode,
    restored,
)


def crossed(value):
    return decode(json.loads(json.dumps(encode(value))))


def same(a, b):
    if isinstance(a, np.ndarray):
        return (
            type(b) is np.ndarray
            and (a.dtype, a.shape) == (b.dtype, b.shape)
            and a.tobytes() == b.tobytes()
        )
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return repr(a) == repr(b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    return a == b


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.one_of(
    st.none(), st.booleans(), st.integers(1 - 2**53, 2**53 - 1), st.floats(allow_nan=False), texts
)
plain_arrays = arrays_of.arrays(
    st.sampled_from(sorted(wire.DTYPES)), arrays_of.array_shapes(min_dims=0, min_side=0, max_side=4)
)
values = st.recursive(
    numbers | plain_arrays,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(texts | st.integers(2, 9), inner, max_size=4),
    ),
    max_leaves=12,
)


@given(values | st.just(Opaque("Adder")) | st.just([float("nan"), -0.0, 10**20]))
def test_what_is_restored_without_a_check_is_what_is_decoded_with_all(value):
    data = json.loads(json.dumps(encode(value)))
    one, other = restored(data), decode(data)

    assert same(one, other)
    if isinstance(one, np.ndarray):
        assert one.flags.writeable and one.flags.owndata


@given(values)
def test_a_value_comes_back_as_it_was(value):
    try:
        assert same(crossed(value), value)
    except WireError as error:
        assert "nested" in str(error)


@pytest.mark.parametrize(
    "value, arrives",
    [
        (float("nan"), float("nan")),
        (-0.0, -0.0),
        (float("inf"), float("inf")),
        (2**53, float(2**53)),
        (-(2**60), -float(2**60)),
        (range(3), [0, 1, 2]),
        (1j, np.array(1j)),
        (np.float32(1.5), np.array(1.5, np.float32)),
        (np.bool_(True), np.array(True)),
        (np.arange(3, dtype=">i4"), np.arange(3, dtype="<i4")),
        (np.longdouble(0.5), np.array(0.5)),
        (np.asfortranarray(np.eye(3)[:, :2]), np.eye(3)[:, :2].copy()),
        (np.arange(6.0)[::-2], np.array([5.0, 3.0, 1.0])),
        (np.array([1, "a", None], object), [1, "a", None]),
        (np.array([[1, 2], [3, 4]], object), [[1, 2], [3, 4]]),
        (np.array(None, object), None),
        (np.ma.array([1.0, 2.0]), np.array([1.0, 2.0])),
        ({1, 2}, Opaque("set")),
        (b"text", Opaque("bytes")),
        (len, Opaque("builtin_function_or_method")),
        (Opaque("Model"), Opaque("Model")),
        (np.array(["a"]), Opaque("array of <U1")),
        (np.datetime64("2024"), Opaque("array of datetime64[Y]")),
        ("\ud800 half", "? half"),
        ("x" * (MAX_TEXT + 1), "x" * MAX_TEXT),
        (torch.ones(2), np.ones(2, np.float32)),
        (torch.ones(2, requires_grad=True), np.ones(2, np.float32)),
        (torch.nn.Parameter(torch.ones(1, 2)), np.ones((1, 2), np.float32)),
        (torch.ones(2, dtype=torch.bfloat16), np.ones(2, np.float32)),
        (torch.ones(2, dtype=torch.complex64).conj(), np.ones(2, np.complex64).conj()),
        (torch.eye(2).to_sparse(), np.eye(2, dtype=np.float32)),
        (torch.eye(3)[:, 1], np.array([0, 1, 0], np.float32)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_plain_data_crosses_as_what_is_nearest(value, arrives):
    assert same(crossed(value), arrives)


def test_pandas_crosses_as_arrays():
    import pandas

    assert same(crossed(pandas.Series([1.0, 2.0])), np.array([1.0, 2.0]))
    assert same(crossed(pandas.DataFrame({"a": [1, 2]})), np.array([[1], [2]]))


def test_opaque_values_are_equal_by_their_kind_and_say_it():
    assert Opaque("set") == Opaque("set") != Opaque("dict")
    assert Opaque("set") != "set"
    assert len({Opaque("set"), Opaque("set")}) == 1
    assert repr(Opaque("set")) == "<set>"


# Too much ---------------------------------------------------------------------------


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def itself():
    value = []
    value.append(value)
    return value


def itself_as_dict():
    value = {}
    value["a"] = value
    return value


def itself_as_array():
    value = np.empty((), object)
    value[()] = value
    return value


@pytest.mark.parametrize(
    "value, said",
    [
        (np.broadcast_to(1.0, (10**6, 10**6)), "an array of 8000000000000 bytes is too large"),
        (np.broadcast_to(np.array(None, object), (10**6,) * 2), "8000000000000 bytes is too large"),
        (np.zeros(MAX_BYTES + 1, np.int8), "is too large"),
        ([np.zeros(MAX_BYTES // 2 + 1, np.int8)] * 2, "is too large"),
        (torch.ones(1).expand(10**12), "a tensor of 1000000000000 elements is too large"),
        ([0] * (MAX_ITEMS + 1), "more than 20000 items"),
        ([[0] * 200] * 200, "more than 20000 items"),
        (dict.fromkeys(range(MAX_ITEMS)), "more than 20000 items"),
        (np.array([None] * (MAX_ITEMS + 1)), "more than 20000 items"),
        (range(10**15), "more than 20000 items"),
        (range(2**70), "more than 20000 items"),
        (["x" * MAX_TEXT] * (MAX_BYTES // MAX_TEXT + 1), "text of 100000 bytes is too large"),
        (10**400, "a number of more than 308 digits"),
        (nested(MAX_DEPTH + 2), "nested too deeply"),
        (nested(100_000), "nested too deeply"),
        (itself(), "nested too deeply"),
        (itself_as_dict(), "nested too deeply"),
        (itself_as_array(), "nested too deeply"),
    ],
    ids=[
        "broadcast",
        "broadcast objects",
        "array",
        "arrays",
        "expanded",
        "list",
        "lists",
        "dict",
        "objects",
        "range",
        "endless range",
        "texts",
        "digits",
        "deep",
        "very deep",
        "list in itself",
        "dict in itself",
        "array in itself",
    ],
)
def test_what_is_too_large_does_not_cross(value, said):
    with pytest.raises(WireError, match=said):
        encode(value)


class EndlessList(list):
    def __len__(self):
        return 1

    def __iter__(self):
        while True:
            yield 1


class EndlessTuple(tuple):
    __slots__ = ()
    __len__ = EndlessList.__len__
    __iter__ = EndlessList.__iter__


class EndlessDict(dict):
    def items(self):
        while True:
            yield 1, 2

    __len__ = EndlessList.__len__


class Array(np.ndarray):
    shape = property(lambda self: (1,))
    itemsize = property(lambda self: 0)
    size = property(lambda self: 1)
    nbytes = property(lambda self: 1)


class Text(str):
    __slots__ = ()

    def __getitem__(self, key):
        return self

    def __str__(self):
        return "another"

    def __len__(self):
        return 0


class Number(float):
    def __repr__(self):
        return "9" * 10**6

    def __float__(self):
        return 2.0


class Whole(int):
    def __abs__(self):
        return 0

    def __int__(self):
        return 5

    def __repr__(self):
        return "text"


class Named(type):
    __name__ = property(lambda cls: 1 / 0)


class Nameless(metaclass=Named):
    pass


class Pretender:
    __class__ = list


@pytest.mark.parametrize(
    "value, arrives",
    [
        (EndlessList([1, 2]), [1, 2]),
        (EndlessTuple((1, 2)), (1, 2)),
        (EndlessDict({1: 2}), {1: 2}),
        (np.zeros(3).view(Array), np.zeros(3)),
        (Text("text"), "text"),
        (Number(1.5), 1.5),
        (Whole(7), 7),
        (Whole(2**60), float(2**60)),
        (Nameless(), Opaque("Nameless")),
        (Pretender(), Opaque("Pretender")),
    ],
    ids=[
        "list",
        "tuple",
        "dict",
        "array",
        "text",
        "float",
        "int",
        "large int",
        "type name",
        "class",
    ],
)
def test_a_subclass_that_lies_about_itself_crosses_as_what_it_is(value, arrives):
    assert same(crossed(value), arrives)


def test_an_array_that_lies_about_its_size_is_not_copied():
    with pytest.raises(WireError, match="8000000000000 bytes"):
        encode(np.broadcast_to(1.0, (10**6, 10**6)).view(Array))


# What was never encoded -------------------------------------------------------------

BYTES = "AAAAAAAA8D8="  # of 1.0


@pytest.mark.parametrize(
    "data",
    [
        1.5,
        math.nan,
        2**53,
        -(10**5000),
        [],
        {},
        {"l": [], "t": []},
        {"x": 1},
        {1: 2},
        {"l": {}},
        {"t": "text"},
        {"o": 1},
        {"o": "x" * 101},
        {"f": 1.0},
        {"f": "1"},
        {"f": "1_0.0"},
        {"f": " 1.0"},
        {"f": "text"},
        {"f": "1" * 10**6},
        {"d": []},
        {"d": [1, 2]},
        {"d": [[1], [1, 2]]},
        {"d": [[{"l": []}], [1]]},
        {"d": [[1, 1], [1, 2]]},
        {"d": [[{"a": ["<f8", [1], BYTES]}], [1]]},
        {"a": None},
        {"a": {}},
        {"a": ["<f8", [1]]},
        {"a": ["<f8", {}, BYTES]},
        {"a": ["<f8", "1", BYTES]},
        {"a": ["|O", [1], BYTES]},
        {"a": [">f8", [1], BYTES]},
        {"a": [["<f8"], [1], BYTES]},
        {"a": ["<f8", [2], BYTES]},
        {"a": ["<f8", [-1], BYTES]},
        {"a": ["<f8", [True], BYTES]},
        {"a": ["<f8", [1.0], BYTES]},
        {"a": ["<f8", [2**31], BYTES]},
        {"a": ["<f8", [2**30, 2**30], BYTES]},
        {"a": ["<f8", [0] * 33, ""]},
        {"a": ["<f8", [0, *[2**31 - 1] * 4], ""]},
        {"a": ["<f8", [1], BYTES + "===="]},
        {"a": ["<f8", [1], "AAAAAAAA8D8\u00e9"]},
        {"a": ["<f8", [1], "AAAA AAA8D8="]},
        {"a": ["|b1", [1], "Ag=="]},
        {"a": ["|i1", [MAX_BYTES + 1], ""]},
        {"l": [None] * (MAX_ITEMS + 1)},
        {"l": [{"l": [None] * 200}] * 200},
        "x" * (MAX_TEXT + 1),
        {"l": ["x" * MAX_TEXT] * (MAX_BYTES // MAX_TEXT + 1)},
        {"l": [encode(np.zeros(MAX_BYTES // 2 + 1, np.int8))] * 2},
        object(),
    ],
    ids=lambda data: f"tag {[*data]}" if isinstance(data, dict) else type(data).__name__,
)
def test_what_encode_would_not_have_written_is_no_value(data):
    with pytest.raises(WireError):
        decode(data)


@pytest.mark.parametrize("tag", ["l", "t", "d"])
def test_deep_data_is_no_value_and_no_recursion_error(tag):
    data = 1
    for _ in range(10_000):
        data = {tag: [[1], [data]] if tag == "d" else [data]}

    with pytest.raises(WireError, match="nested"):
        decode(data)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["<f8", "|b1", BYTES, "nan", "1.0", [1], [0, 2**30], 2**40, ""])
)
json_data = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["l", "t", "d", "a", "f", "o", "x"]), inner, max_size=2),
        st.tuples(st.sampled_from("ltdafo"), inner).map(lambda pair: {pair[0]: pair[1]}),
        st.lists(inner, max_size=4).map(lambda items: {"l": items}),
        st.tuples(
            st.sampled_from(sorted(wire.DTYPES)),
            st.lists(st.integers(0, 3), max_size=3),
            st.binary(max_size=24).map(lambda raw: base64.b64encode(raw).decode()),
        ).map(lambda parts: {"a": list(parts)}),
    ),
    max_leaves=20,
)


@given(json_data)
def test_any_json_is_a_value_that_can_be_stored_or_a_wire_error(data):
    try:
        value = decode(data)
    except WireError:
        return
    assert same(crossed(value), value)


@given(plain_arrays, st.data())
def test_a_changed_array_is_refused_or_still_an_array(array, data):
    parts = encode(array)["a"]
    at = data.draw(st.integers(0, 2))
    parts[at] = data.draw(scalars | st.lists(st.integers(-1, 5), max_size=4))

    try:
        value = decode({"a": parts})
    except WireError:
        return
    assert isinstance(value, np.ndarray)
    assert value.nbytes <= max(array.nbytes, 8)
