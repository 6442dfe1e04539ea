import array
import fractions
import pickle
import subprocess
import sys
import textwrap
import types

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from moorage.images.format import (
    ALIGNMENT,
    SMALLEST,
    VERSION,
    Image,
    decode,
    digest_of,
    encode,
    fingerprint,
    is_whole,
    layout,
    modules_of,
)
from tests.images.tools import assert_same, carried


class Unit(np.ndarray):
    """As the manual of numpy has it: an attribute that survives views, copies and pickles."""

    def __new__(cls, data, unit):
        array = np.asarray(data).view(cls)
        array.unit = unit
        return array

    def __array_finalize__(self, source):
        self.unit = getattr(source, "unit", None)

    def __reduce__(self):
        make, args, state = super().__reduce__()
        return make, args, (state, self.unit)

    def __setstate__(self, state):
        super().__setstate__(state[0])
        self.unit = state[1]


GRID = np.arange(40_000.0).reshape(200, 200)
LINE = GRID.reshape(-1)[:2000]
RECORDS = np.zeros(3000, [("id", "i4"), ("pos", "f8", (3,)), ("name", "U6")])
KINDS = {
    "plain": GRID,
    "Fortran": np.asfortranarray(GRID),
    "transposed": GRID.T,
    "stepped": GRID[::3, ::-2],
    "cube": np.arange(60_000).reshape(20, 30, 100).transpose(1, 2, 0)[::-1, 1:, ::2],
    "broadcast": np.broadcast_to(LINE, (500, 2000)),
    "windows": np.lib.stride_tricks.sliding_window_view(LINE, 50)[:, ::-1],
    "swapped": GRID.astype(">f8"),
    "masked": np.ma.masked_greater(GRID, 30_000),
    "nothing masked": np.ma.MaskedArray(GRID, fill_value=7.0, hard_mask=True),
    "masked records": np.ma.MaskedArray(RECORDS),
    "records": RECORDS,
    "a field": RECORDS["pos"],
    "recarray": RECORDS.view(np.recarray),
    "matrix": GRID.view(np.matrix),
    "objects": np.array([1, "two", None, [3]] * 2000, dtype=object),
    "texts": np.array(["é", "ß" * 9] * 900),
    "times": np.arange("2020", "2024", dtype="M8[h]"),
    "durations": np.arange(5000).astype("m8[us]")[::5],
    "complex": GRID + 1j,
    "long doubles": GRID.astype(np.longdouble),
    "void": np.zeros(2000, "V8"),
    "no elements": np.empty((0, 7)),
    "one element": np.array(3.5),
    "subclass": Unit(GRID, "m"),
    "small": np.arange(5)[::-1],
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_array_of_any_kind_comes_out_as_it_was(kind):
    array = KINDS[kind]
    copy, _ = carried({"x": array, "again": array})
    assert_same(copy["x"], array)
    assert copy["x"] is copy["again"]
    assert copy["x"].flags.writeable == array.flags.writeable


if hasattr(np.dtypes, "StringDType"):  # numpy 2
    KINDS["texts of any length"] = np.array(["a", "longer than that" * 3] * 900, dtype=np.dtypes.StringDType())
OUT_OF_BAND = [k for k in KINDS if k not in ("objects", "texts of any length", "no elements", "one element", "small")]


@pytest.mark.parametrize("kind", [k for k in OUT_OF_BAND if k != "subclass"])
def test_memory_is_not_in_the_stream(kind):
    value, image = carried(KINDS[kind], read_only=True)
    assert len(image.stream) < 1500
    assert not value.flags.writeable


VIEWS = {
    "bytes": memoryview(bytes(range(200)) * 50),
    "bytearray": memoryview(bytearray(10_000)),
    "few": memoryview(b"ab"),
    "none": memoryview(b""),
    "numbers": memoryview(array.array("d", range(2000))),
    "a table": memoryview(GRID),
    "stepped": memoryview(bytes(range(200)) * 100)[::-3],
}


@pytest.mark.parametrize("kind", VIEWS)
def test_a_memoryview_comes_out_as_one(kind):
    view = VIEWS[kind]
    copy, image = carried(view)
    assert type(copy) is memoryview
    assert copy == view
    assert (copy.format, copy.shape, copy.readonly) == (view.format, view.shape, view.readonly)
    assert sum(buffer.nbytes for buffer in image.buffers) == (view.nbytes if view.nbytes > SMALLEST else 0)
    assert fingerprint(view) == image.digest


def test_a_subclass_keeps_what_makes_it_one():
    copy, _ = carried(KINDS["subclass"])
    assert copy.unit == "m"
    masked, _ = carried(KINDS["nothing masked"])
    assert (masked.mask is np.ma.nomask, masked.fill_value, masked.hardmask) == (True, 7.0, True)
    masked, _ = carried(KINDS["masked"])
    assert masked.sum() == KINDS["masked"].sum()
    assert masked.fill_value == KINDS["masked"].fill_value


@pytest.mark.parametrize("kind", ["stepped", "cube", "transposed", "Fortran", "windows"])
def test_axes_keep_their_order_so_that_sums_agree_to_the_last_bit(kind):
    array = KINDS[kind] * 1.1
    array = np.lib.stride_tricks.as_strided(array, array.shape, array.strides)
    copy, _ = carried(array)
    assert [copy.sum(axis=axis).tobytes() for axis in range(copy.ndim)] == [
        array.sum(axis=axis).tobytes() for axis in range(array.ndim)
    ]


def test_elements_that_share_memory_still_do():
    _, image = carried(KINDS["broadcast"])
    assert image.nbytes < 2 * LINE.nbytes
    _, image = carried(np.lib.stride_tricks.sliding_window_view(np.arange(10_000), 1000))
    assert image.nbytes < 100_000


FRAME = pd.DataFrame(
    {
        "f": np.linspace(0, 1, 5000),
        "i": np.arange(5000),
        "s": ["x", None] * 2500,
        "N": pd.array([1, None] * 2500, "Int64"),
        "c": pd.Categorical(["a", "b"] * 2500),
        "t": pd.date_range("2020", periods=5000, freq="min", tz="Europe/Berlin"),
        "d": pd.timedelta_range("1s", periods=5000),
        "p": pd.period_range("2020", periods=5000, freq="D"),
    }
)


@pytest.mark.parametrize("column", [name for name in FRAME if FRAME[name].dtype != object])  # strings, for pandas 2
def test_columns_lie_in_buffers(column):
    value, image = carried(FRAME[[column]], read_only=True)
    pd.testing.assert_frame_equal(value, FRAME[[column]])
    assert len(image.stream) < 4096
    assert image.buffers


def test_values_of_other_libraries_come_out_as_they_were():
    rows = FRAME.iloc[5:4000]
    table = pa.table({"a": range(5000), "s": ["x"] * 5000, "n": [None, 1.5] * 2500})
    matrix = sparse.random(300, 300, 0.2, "csr", random_state=0)
    value = {
        "table": table,
        "part": table.slice(10, 4000),
        "matrix": matrix,
        "frame": FRAME,
        "rows": FRAME.iloc[5:4000],
    }
    copy, image = carried(value, read_only=True)
    assert copy["table"].equals(table)
    assert copy["part"].equals(table.slice(10, 4000))
    assert (copy["matrix"] != matrix).nnz == 0
    pd.testing.assert_frame_equal(copy["frame"], FRAME)
    pd.testing.assert_frame_equal(copy["rows"], rows)
    assert image.nbytes > matrix.data.nbytes + table.nbytes


def test_what_a_value_shares_with_itself_is_shared():
    rows = [np.ones(1000)] * 3
    ring = {"rows": rows, "text": "x" * 2_000_000}
    ring["self"] = ring
    copy, _ = carried(ring)
    assert copy["self"] is copy
    assert copy["rows"][0] is copy["rows"][2]
    assert copy["text"] == ring["text"]


def test_the_size_counts_what_is_inside_objects():
    class Model:
        def __init__(self):
            self.weights = np.ones(100_000)

    image = encode(Model())
    assert image.nbytes == pytest.approx(800_000, rel=0.01)


def test_buffers_are_memory_of_the_value_where_they_can_be():
    base = np.arange(10_000)
    value = {"base": base, "rows": base[100:3000], "strided": base[::2], "bytes": pickle.PickleBuffer(b"x" * 5000)}
    image = encode(value)
    whole, rows, _ = image.extents()
    first = base.__array_interface__["data"][0]
    assert (whole.start - first, whole.stop - first, whole.number) == (0, 80_000, 0)
    assert (rows.start - first, rows.stop - first, rows.number) == (800, 24_000, 1)
    assert image.lent == (True, True, False, True)


def test_memory_that_can_be_resized_is_not_held():
    class Holder:
        def __init__(self):
            self.data = bytearray(10_000)

        def __reduce_ex__(self, protocol):
            return Holder, (), {"raw": pickle.PickleBuffer(self.data)}

    holder = Holder()
    assert encode(holder).extents() == []
    holder.data.append(1)


@pytest.mark.parametrize(
    "value",
    [
        GRID,
        GRID[::2],
        FRAME,
        {"a": [1, 2], "b": GRID},
        KINDS["masked"],
        3,
        2**80,
        0.5,
        True,
        None,
        "text",
        2j,
        np.int8(1),
    ],
    ids=repr,
)
def test_a_fingerprint_is_the_digest_of_the_image(value):
    image = encode(value)
    assert fingerprint(value) == image.digest == digest_of(image.stream)
    assert len(image.digest) == 32


def test_the_digest_covers_the_dtype_the_shape_and_the_order():
    flat = np.zeros(1200)
    values = [flat, flat.view("i8"), flat.reshape(30, 40), flat.reshape(40, 30), flat.reshape(30, 40, order="F")]
    assert len({encode(v).digest for v in values}) == 5


def test_only_streams_of_this_version_are_read():
    stream = encode([1]).stream
    with pytest.raises(ValueError, match="not the stream of an image"):
        digest_of(pickle.dumps([1]))
    other = stream[:-17] + bytes([VERSION + 1]) + stream[-16:]
    with pytest.raises(ValueError, match=f"version {VERSION + 1}"):
        digest_of(other)


def test_an_image_is_read_where_there_is_no_moorage():
    image = encode({"times": KINDS["times"], "masked": KINDS["masked"], "rec": KINDS["recarray"], "f": lambda: 3})
    code = (
        "import sys, pickle; sys.modules['moorage'] = None; stream, buffers = pickle.load(sys.stdin.buffer);"
        "v = pickle.loads(stream, buffers=buffers);"
        "print(v['f'](), v['masked'].sum(), v['times'][-1], len(v['rec'].id))"
    )
    sent = pickle.dumps((image.stream, [bytes(b) for b in image.buffers]))
    answer = subprocess.run([sys.executable, "-c", code], input=sent, capture_output=True, check=True).stdout.decode()
    assert answer.split() == ["3", str(KINDS["masked"].sum()), "2023-12-31T23", "3000"]


@given(st.lists(st.integers(0, 300)))
def test_buffers_of_a_block_are_aligned_and_apart(sizes):
    plan = layout(sizes)
    end = 0
    for offset, size in zip(plan.offsets, plan.sizes, strict=True):
        assert offset % ALIGNMENT == 0
        assert end <= offset < end + ALIGNMENT
        end = offset + size
    assert plan.nbytes == end


# Nested values that share arrays and parts of arrays


def test_an_image_has_no_buffers_unless_there_is_memory():
    assert Image(encode("text").stream).nbytes < 100


def test_an_image_says_of_which_modules_it_is_and_is_another_with_another_version():
    value = [fractions.Fraction(1, 3), textwrap.dedent, np.zeros(1000)]

    def place(version):
        def found(thing):
            name = thing.__name__ if isinstance(thing, types.ModuleType) else thing.__module__
            return (name, version) if name in ("fractions", "textwrap") else None

        return found

    plain, first, second = (encode(value, place=p) for p in (None, place("1"), place("2")))
    assert modules_of(plain.stream) == {}
    assert modules_of(first.stream) == {"fractions": "1", "textwrap": "1"}
    assert len({plain.digest, first.digest, second.digest}) == 3
    assert fingerprint(value, place=place("1")) == first.digest
    assert is_whole(first.stream, first.buffers)
    assert decode(first.stream, first.buffers)[:2] == value[:2]  # where nobody knows of versions
    other = decode(first.stream, first.buffers, lambda module, name: {"Fraction": max, "dedent": len}.get(name))
    assert other[:2] == [3, len]


def test_a_class_that_is_in_use_is_left_alone_when_a_value_is_made_again():
    space = {"__name__": "__main__"}
    exec("import enum\nclass Own:\n    made = 0\nclass Kind(enum.Enum):\n    ONE = 1", space)
    own, one = space["Own"], space["Kind"].ONE
    image = encode([own(), one])
    own.made, own.method = 1, len
    again, member = decode(image.stream, image.buffers, keep=True)
    assert type(again) is own
    assert (own.made, own.method, member) == (1, len, one)
    again, member = decode(image.stream, image.buffers)
    assert type(again) is own
    assert own.made == 0
    assert member is one
