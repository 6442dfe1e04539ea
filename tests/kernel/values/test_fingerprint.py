import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from moorage.errors import UnpicklableError
from moorage.kernel.values.fingerprint import fingerprint, never_changes

DTYPES = ["f8", "i4", "M8[s]", "m8[ms]", "?", "S5", "U3", "c16", [("a", "i4"), ("b", "f8")]]
LAYOUTS = {
    "C": lambda a: a,
    "Fortran": np.asfortranarray,
    "strided": lambda a: a[::2],
    "reversed": lambda a: a[::-1],
    "transposed": lambda a: a.T,
    "broadcast": lambda a: np.broadcast_to(a, (3, *a.shape)),
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_changed_byte_of_an_array_is_seen(dtype, layout):
    base = np.zeros((40, 6), dtype)
    view = LAYOUTS[layout](base)
    before = fingerprint(view)
    assert fingerprint(view) == before
    changed = view.copy()
    raw = changed.reshape(-1)[-1:].view("u1")
    raw[0] ^= 1
    assert fingerprint(changed) != before


def test_dtype_and_shape_are_part_of_the_content():
    a = np.zeros(12)
    marks = {fingerprint(v) for v in (a, a.view("i8"), a.reshape(3, 4), a.reshape(4, 3), a.view("M8[s]"))}
    assert len(marks) == 5


@given(hnp.arrays(st.sampled_from(["f8", "i4", "u1"]), hnp.array_shapes(max_side=6)), st.data())
@settings(max_examples=60)
def test_writing_another_value_anywhere_changes_it(array, data):
    before = fingerprint(array)
    index = data.draw(st.integers(0, array.size - 1))
    array.reshape(-1).view("u1")[index * array.itemsize] ^= 0x55
    assert fingerprint(array) != before


@pytest.mark.parametrize(
    ("make", "change"),
    [
        (lambda: pd.DataFrame({"a": [1, 2], "s": ["x", "y"]}), lambda df: df.__setitem__("b", 1)),
        (lambda: pd.DataFrame({"a": [1, 2], "s": ["x", "y"]}), lambda df: df.__setitem__("s", "z")),
        (lambda: pd.DataFrame({"a": [1.0, 2.0]}), lambda df: df.iloc.__setitem__((0, 0), 3.0)),
        (lambda: {"a": {"b": [1, 2]}}, lambda d: d["a"]["b"].append(3)),
        (lambda: [np.arange(2000), "x"], lambda v: v[0].__setitem__(1999, 0)),
        (lambda: bytearray(5000), lambda v: v.__setitem__(4999, 1)),
        (lambda: {1, 2}, lambda v: v.add(3)),
        (lambda: np.array([[1], {}], dtype=object), lambda v: v[0].append(2)),
    ],
    ids=["new column", "text column", "cell of a frame", "nested", "array in a list", "bytearray", "set", "objects"],
)
def test_a_change_in_place_is_seen(make, change):
    value = make()
    before = fingerprint(value)
    assert fingerprint(value) == before
    change(value)
    assert fingerprint(value) != before


def test_values_of_many_kinds_are_stable():
    table = pa.table({"a": range(1000), "s": ["x"] * 1000})
    values = [table, pd.Series(["a", None] * 1000), pd.Categorical(list("abca")), {"t": (1, 2.0, b"x")}, len, lambda: 1]
    assert [fingerprint(v) for v in values] == [fingerprint(v) for v in values]
    assert all(len(fingerprint(v)) == 32 for v in values)


def test_what_cannot_be_pickled_is_named_by_its_path():
    class Part:
        pass

    model = Part()
    model.callbacks = {"save": Part()}
    model.callbacks["save"].lock = threading.Lock()
    with pytest.raises(UnpicklableError, match=r"model\.callbacks\['save'\]\.lock \(of type lock\)"):
        fingerprint(model, "model")


def test_what_a_function_captures_is_named_as_the_function_names_it():
    guard = threading.Lock()

    def helper():
        return guard

    def outer():
        return helper()

    with pytest.raises(UnpicklableError, match=r"(?s)guard \(of type lock\).*used by '.*helper'"):
        fingerprint(outer)


def test_only_what_nobody_can_write_to_never_changes():
    locked = np.zeros(10)
    locked.flags.writeable = False  # and may be unlocked, or have been
    assert never_changes("text")
    assert never_changes(2**100)
    assert not never_changes(locked)
    assert not never_changes(np.frombuffer(b"12345678"))
    assert not never_changes([])
