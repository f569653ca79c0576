"""What counts as the same result, and how a difference is said to a student."""

import warnings

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from grader.authoring import Tolerance
from grader.judge.difference import difference, numbers, shown
from grader.wire import Opaque

FLOAT64 = Tolerance(rtol=1e-9)
LOOSE = Tolerance()


@pytest.mark.parametrize(
    "got, expected, said",
    [
        (None, 1.0, "got None: is a `return` missing?"),
        (None, "text", "got None: is a `return` missing?"),
        ([1.0, 2.0], np.ones(3), "got shape (2,), expected (3,)"),
        (np.ones((2, 3)), np.ones((3, 2)), "got shape (2, 3), expected (3, 2)"),
        (np.ones(6), np.ones((3, 2)), "got shape (6,), expected (3, 2)"),
        ([], np.ones(3), "got shape (0,), expected (3,)"),
        (float("nan"), 0.5, "got nan, expected 0.5"),
        (float("inf"), 0.5, "got inf, expected 0.5"),
        (2, 0.5, "got 2, expected 0.5"),
        ([[2.0]], [0.5], "got 2, expected 0.5"),
        (
            [[1.0, 2.0], [3.0, 5.0]],
            [[1.0, 2.0], [3.0, 4.0]],
            "1 of 4 values differ, most at [1, 1]: got 5, expected 4",
        ),
        (
            [1.0, np.nan, 9.0],
            [1.0, 2.0, 3.0],
            "2 of 3 values differ, most at [1]: got nan, expected 2",
        ),
        (
            [[1.0], [1.0, 2.0]],
            np.ones(3),
            "got a list that makes no array, expected numbers of shape (3,)",
        ),
        ((1.0, "a"), np.ones(2), "got a tuple that makes no array, expected numbers of shape (2,)"),
        ("0.5", 0.5, "got the text '0.5', expected numbers of shape ()"),
        ({"a": 1.0}, 0.5, "got a dict, expected numbers of shape ()"),
        (Opaque("Linear"), 0.5, "got <Linear>, expected numbers of shape ()"),
        (
            [Opaque("Linear")],
            [0.5],
            "got a list that makes no array, expected numbers of shape (1,)",
        ),
        (1 + 2j, 1.0, "got a complex, expected numbers of shape ()"),
        (np.array(1 + 2j), 1.0, "got a ndarray, expected numbers of shape ()"),
        ("a", "b", "got 'a', expected 'b'"),
        (1.0, "b", "got 1.0, expected 'b'"),
        (["a", "b"], ["a", "c"], "got ['a', 'b'], expected ['a', 'c']"),
        (["a"], ["a", "c"], "got ['a'], expected ['a', 'c']"),
        ("ab", ["a", "b"], "got 'ab', expected ['a', 'b']"),
        ({"a": np.ones(2)}, {"a": "b"}, "got {'a': array([1., 1.])}, expected {'a': 'b'}"),
        ({"a": "b", "c": 1}, {"a": "b"}, "got {'a': 'b', 'c': 1}, expected {'a': 'b'}"),
    ],
    ids=[
        "nothing",
        "nothing for a text",
        "shape",
        "transposed",
        "flat",
        "empty",
        "nan",
        "inf",
        "scalar",
        "shape of ones",
        "one value",
        "nan counts most",
        "ragged",
        "a text among numbers",
        "a text",
        "dict",
        "opaque",
        "opaque inside",
        "complex",
        "complex array",
        "texts",
        "number for a text",
        "list of texts",
        "short list",
        "text for a list",
        "array in a dict",
        "more in a dict",
    ],
)
def test_a_difference_is_said_in_the_students_words(got, expected, said):
    assert difference(got, expected, FLOAT64) == said


@pytest.mark.parametrize(
    "got, expected",
    [
        ([1.0, 2.0], np.array([1.0, 2.0])),
        ((1, 2), np.array([1.0, 2.0])),
        ([np.array([[1.0]]), np.array([[2.0]])], np.array([1.0, 2.0])),
        (np.ones((3, 1, 1)), np.ones(3)),
        (np.ones(3), np.ones((1, 3))),
        (np.float32(0.5), 0.5),
        (1, True),
        ([True, False], [1.0, 0.0]),
        (np.array([1 + 0j, 2 + 0j]), [1.0, 2.0]),
        (np.array([1, 2], np.int8), [1.0, 2.0]),
        (np.array([1.0, 2.0], np.float16), [1.0, 2.0]),
        (np.zeros(0), []),
        ("a", "a"),
        (("a", "b"), ["a", "b"]),
        ({"words": ["a"], "asked": 1}, {"asked": 1, "words": ["a"]}),
        ([], []),
        (None, None),
        (Opaque("set"), Opaque("set")),
    ],
    ids=[
        "list",
        "tuple",
        "list of (1, 1)",
        "(N, 1, 1)",
        "row",
        "float32",
        "int for bool",
        "bools",
        "complex without a part",
        "int8",
        "float16",
        "empty",
        "text",
        "texts",
        "dict",
        "empty lists",
        "nothing",
        "opaque",
    ],
)
def test_the_same_numbers_agree_in_whatever_form(got, expected):
    assert difference(got, expected, FLOAT64) is None


def test_a_student_cannot_take_nan_for_an_answer():
    assert difference(np.nan, np.nan, LOOSE) is not None
    assert difference([1.0, np.nan], [1.0, np.nan], LOOSE) is not None
    assert difference(np.inf, np.inf, LOOSE) is not None


shapes = arrays_of.array_shapes(min_dims=0, max_dims=3, max_side=4)
finite = st.floats(-1e6, 1e6).map(lambda x: x if abs(x) > 1e-6 else 0.0)
arrays = arrays_of.arrays(np.float64, shapes, elements=finite)


@given(arrays)
def test_everything_agrees_with_itself_as_array_and_as_list(x):
    assert difference(x, x, FLOAT64) is None
    assert difference(x.tolist(), x, FLOAT64) is None


@given(arrays, st.data())
def test_what_is_within_the_tolerance_of_the_norm_agrees(x, data):
    allowed = LOOSE.rtol * np.max(np.abs(x)) + LOOSE.atol
    noise = data.draw(arrays_of.arrays(np.float64, x.shape, elements=st.floats(-0.99, 0.99)))

    assert difference(x + noise * allowed, x, LOOSE) is None


@given(arrays, st.booleans(), st.data())
def test_one_wrong_value_is_always_found(x, up, data):
    assume(x.size > 1)
    where = data.draw(st.tuples(*(st.integers(0, n - 1) for n in x.shape)))
    wrong = x.copy()
    wrong[where] += (1 if up else -1) * (1.01 * LOOSE.rtol * np.max(np.abs(x)) + 1e-11)

    said = difference(wrong, x, LOOSE)

    assert said is not None
    assert f"1 of {x.size} values differ, most at [{', '.join(map(str, where))}]" in said


@given(arrays, st.data())
def test_axes_of_length_one_do_not_count(x, data):
    at = data.draw(st.integers(0, x.ndim))

    assert difference(np.expand_dims(x, at), x, FLOAT64) is None
    assert difference(x, np.expand_dims(x, at), FLOAT64) is None


@given(arrays, st.data())
def test_a_nan_is_always_found(x, data):
    where = data.draw(st.tuples(*(st.integers(0, n - 1) for n in x.shape)))
    wrong = x.copy()
    wrong[where] = np.nan

    assert "nan" in difference(wrong, x, Tolerance(rtol=1e9, atol=1e9))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
    | st.just(Opaque("x")) | st.complex_numbers() | arrays,
    lambda inner: st.lists(inner, max_size=3)
    | st.lists(inner, max_size=3).map(tuple)
    | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
)  # fmt: skip


@given(anything, anything)
def test_whatever_a_student_returns_there_is_an_answer(got, expected):
    said = difference(got, expected, LOOSE)

    assert said is None or 0 < len(said) < 400


@pytest.mark.parametrize(
    "value, array",
    [
        (None, None),
        ("1", None),
        ({}, None),
        (["a"], None),
        ([[1], [1, 2]], None),
        (np.array([None]), None),
        (10**400, None),
        (2**70, None),
        ([2**70, None], None),
        (1j, None),
        (True, 1.0),
        ([1, 2.5], [1.0, 2.5]),
    ],
    ids=str,
)
def test_numbers_are_what_numpy_makes_an_array_of_floats_of(value, array):
    made = numbers(value)

    if array is None:
        assert made is None
    else:
        assert made.dtype == np.float64
        np.testing.assert_array_equal(made, array)


def as_defined(value):
    """`numbers` by its definition, without a shorter way for what is plain."""

    def has_text(value):
        if isinstance(value, (list, tuple)):
            return any(map(has_text, value))
        return isinstance(value, str)

    if value is None or isinstance(value, (str, dict)) or has_text(value):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            array = np.asarray(value)
            if array.dtype.kind == "c" and not np.any(array.imag):
                array = array.real
            return array.astype(np.float64) if array.dtype.kind in "biuf" else None
    except (TypeError, ValueError, OverflowError, Warning):
        return None


def same_to_the_bit(a, b):
    if a is None or b is None:
        return a is b
    return (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes())


DTYPES = "? i1 u1 <i2 <u4 <i8 <u8 <f2 <f4 <f8 >f8 >i4 <c8 <c16 <f16 O <U3 <M8[s]".split()
small_shapes = arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
any_arrays = st.one_of(
    *(
        arrays_of.arrays(
            np.dtype(name), small_shapes, elements=st.integers(0, 9) if name == "O" else None
        )
        for name in DTYPES
    )
)
any_numbers = st.one_of(
    st.floats(), st.integers(), st.integers(-5, 5), st.booleans(), st.complex_numbers(), st.none()
)
anything = st.recursive(
    st.one_of(
        any_numbers, any_arrays, st.text(max_size=2), any_arrays.map(np.atleast_1d).map(list)
    ),
    lambda parts: st.one_of(
        st.lists(parts, max_size=3),
        st.lists(parts, max_size=3).map(tuple),
        st.builds(lambda part, count: [part] * count, parts, st.integers(0, 3)),
    ),
    max_leaves=8,
)


@settings(max_examples=600)
@given(anything)
@example([2**63, -1])
@example([2**63 - 1, -(2**63), 0.5])
@example([[], []])
@example([np.zeros(3), [1, True, 2.5]])
@example([np.float32(0.1), 0.1])
@example([np.zeros((1,) * 32)])
@example([[1.0, 2.0], np.zeros(3)])
@example(np.array([0x7FA00000], "<u4").view("<f4"))  # a signalling NaN, which warns
@example(np.array([1e4000], np.longdouble))
@example(np.ma.masked_array([1.0, 2.0], [True, False]))
@example(np.zeros(2).view(np.recarray))
@example(np.zeros(3, [("a", "f8")]))
@example([1 + 0j, 2.0])
@example([[[[[[[[[[1.0]]]]]]]]]])
def test_the_shorter_way_for_plain_numbers_comes_to_the_same(value):
    assert same_to_the_bit(numbers(value), as_defined(value))


def test_plain_numbers_are_never_tried_out(monkeypatch):
    monkeypatch.setattr(warnings, "catch_warnings", None)

    for value in (1, 2.5, True, np.ones((2, 3)), [1.0, 2], ([np.ones(2)], [[3.0, 4.0]])):
        assert numbers(value) is not None


def test_a_value_is_shown_in_a_line():
    assert shown("a") == "'a'"
    assert len(shown("x" * 500)) == 120


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(nested)
@example((1,))
@example([np.ones(3), {"a": (Opaque("X"), [])}])
def test_a_value_is_shown_as_python_shows_it(value):
    text = repr(value)

    assert shown(value) == (text if len(text) <= 120 else text[:117] + "...")


class Counted:
    made = 0

    def __repr__(self):
        Counted.made += 1
        return "counted"


@pytest.mark.parametrize(
    "value",
    [
        [Counted() for _ in range(20_000)],
        tuple([Counted() for _ in range(100)] for _ in range(200)),
        {i: Counted() for i in range(20_000)},
        [{"a": [Counted()] * 20_000}, *[Counted()] * 20_000],
    ],
    ids=["a list", "lists in a tuple", "a dict", "a dict in a list"],
)
def test_no_more_of_a_value_is_written_out_than_is_shown(value, monkeypatch):
    monkeypatch.setattr(Counted, "made", 0)

    assert len(shown(value)) == 120
    assert Counted.made < 20


def test_what_is_off_by_just_the_tolerance_agrees():
    assert difference(3.0, 2.0, Tolerance(rtol=0.5, atol=0.0)) is None
    assert difference(np.nextafter(3.0, 4.0), 2.0, Tolerance(rtol=0.5, atol=0.0)) is not None


@pytest.mark.parametrize("got", [["a"], ["a", "b", "c"], ["a", "c"], "ab", ("a", "B")], ids=repr)
def test_a_list_of_texts_agrees_with_just_the_same_texts(got):
    assert difference(got, ["a", "b"], Tolerance()) is not None
    assert difference(("a", "b"), ["a", "b"], Tolerance()) is None


@pytest.mark.parametrize("length, kept", [(118, True), (119, False)])
def test_a_value_is_cut_where_it_would_be_longer_than_a_line(length, kept):
    text = "x" * length  # and two quotes

    assert (shown(text) == repr(text)) is kept
    assert len(shown(text)) == 120
