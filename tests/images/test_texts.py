"""Large texts and bytes lie outside of the stream of an image, whatever is around them."""

import io
import pickle
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.images import texts
from moorage.images.format import decode, encode, fingerprint
from moorage.images.texts import LARGE, Texts
from moorage.kernel.values.changes import change, written

N = 2 * LARGE
LARGE_ONES = {
    "str": "x" * N,
    "latin": "é" * N,
    "emoji": "🐟" * N,
    "surrogates": "a\ud800" * N,
    "bytes": bytes(range(250)) * (N // 250),
    "bytearray": bytearray(b"z" * N),
}


def carried(value):
    image = encode(value)
    return decode(image.stream, [memoryview(bytes(buffer)) for buffer in image.buffers]), image


@pytest.mark.parametrize("kind", LARGE_ONES)
def test_it_is_outside_of_the_stream_and_comes_out_as_it_was(kind):
    value = LARGE_ONES[kind]
    copy, image = carried(value)
    assert (type(copy), copy) == (type(value), value)
    assert len(image.stream) < 200
    assert image.copied == sum(buffer.nbytes for buffer in image.buffers) >= N
    assert image.shareable == 0
    assert fingerprint(value) == image.digest


def test_what_is_there_twice_is_one_object_and_what_is_around_it_is_as_it_was():
    text, content, buffer = (LARGE_ONES[kind] for kind in ("str", "bytes", "bytearray"))
    array = np.arange(200_000.0)
    value = {"n": list(range(100_000)), "a": [text, array, content], "small": b"q" * 200_000, "b": (buffer, array)}
    value |= {"again": [content, buffer, text], "empty": "", text: 1}
    copy, image = carried(value)
    assert copy["a"][1].tobytes() == array.tobytes()
    assert copy["a"][1] is copy["b"][1]
    copy["a"][1], value["a"][1] = 0, 0
    copy["b"], value["b"] = copy["b"][:1], value["b"][:1]
    assert copy == value
    assert copy["again"][0] is copy["a"][2]
    assert copy["again"][1] is copy["b"][0]
    assert copy["again"][2] is copy["a"][0] is list(copy)[-1]
    copy["b"][0].append(1)  # it is a bytearray of its own
    assert image.copied == len(text) + len(content) + len(buffer)
    assert image.shareable == array.nbytes


def test_what_is_inside_objects_lies_outside_too():
    class Page:
        def __init__(self, text):
            self.text = text

        def __reduce__(self):
            return Page, (self.text,)

    class Name(str):
        pass

    copy, image = carried([Page(LARGE_ONES["str"]), Name(LARGE_ONES["latin"]), np.bytes_(LARGE_ONES["bytes"])])
    assert copy[0].text == LARGE_ONES["str"]
    assert (type(copy[1]).__name__, copy[1]) == ("Name", LARGE_ONES["latin"])
    assert copy[2] == LARGE_ONES["bytes"]
    assert image.copied == N + 2 * N + N


def test_bytes_are_not_copied_and_nothing_is_held_that_may_grow():
    content, buffer = LARGE_ONES["bytes"], bytearray(N)
    image = encode([content, buffer])
    assert image.buffers[0].obj is content
    assert image.lent == (True, False)
    buffer.append(1)


@pytest.mark.parametrize("n", [LARGE - 1, LARGE, LARGE + 1])
def test_small_ones_stay(n):
    copy, image = carried([b"x" * n, "x" * n])
    assert copy == [b"x" * n, "x" * n]
    assert len(image.buffers) == (2 if n >= LARGE else 0)


def test_it_is_read_by_a_plain_unpickler_too():
    image = encode([LARGE_ONES["str"], LARGE_ONES["bytearray"]] * 2)
    copy = pickle._Unpickler(io.BytesIO(image.stream), buffers=image.buffers).load()
    assert copy == [LARGE_ONES["str"], LARGE_ONES["bytearray"]] * 2
    assert copy[0] is copy[2]


def through(pickler, value):
    """Pickle `value` with `pickler`, load it, and return it with what was taken out."""
    file, taken = io.BytesIO(), []
    pickler(Texts(file.write, lambda content, own: taken.append(content)), protocol=5).dump(value)
    return pickle.loads(file.getvalue(), buffers=taken), taken


def test_another_pickler_writes_what_it_would():
    value = [LARGE_ONES["str"], LARGE_ONES["bytes"], 1]
    assert through(pickle._Pickler, value)[0] == value
    copy, taken = through(pickle.Pickler, value)
    assert copy == value
    assert len(taken) == 2


def head(opcode, n, size):
    return opcode + n.to_bytes(size, "little")


def test_content_that_looks_like_a_stream_is_not_taken_for_one():
    frame = lambda content: pickle.FRAME + len(content).to_bytes(8, "little") + content  # noqa: E731
    large = 1 << (8 * 2_000_000)  # written into a frame, by which that is larger than LARGE
    lines = io.BytesIO()
    pickle.Pickler(lines, protocol=5).dump(large)
    n = len(lines.getvalue()) - 2
    for kind in (pickle.BINBYTES, pickle.BINUNICODE, pickle.BINBYTES8, pickle.BYTEARRAY8):
        end = head(kind, n, 4 if kind in (pickle.BINBYTES, pickle.BINUNICODE) else 8)
        for start in (b"", pickle.PROTO + b"\x05"):
            for content in (start + frame(b"N" * 80_000) + end, start + b"N" * 80_000 + end, start + b"NN" + end):
                for value in ([content, large], [bytearray(content), large, "x" * n], [large, content, b"y" * n]):
                    copy, taken = through(pickle.Pickler, value)
                    assert copy == value
                    assert len(taken) == (len(value) == 3)


PIECES = st.one_of(
    st.integers(0, 300).map(lambda n: bytes([n % 256]) * n * 1000),
    st.integers(0, 300).map(lambda n: bytearray(b"\x8e") * n * 1000),
    st.integers(0, 300).map(lambda n: "ü" * n * 500),
    st.integers(-(2**70), 2**70),
    st.integers(60_000, 70_000).map(lambda n: b"X" * n),
    st.integers(15_000, 25_000).map(lambda n: ["word"] * n),
    st.integers(0, 2).map(lambda n: 1 << (n * 1_000_000)),
)


@given(
    st.recursive(PIECES, lambda inner: st.one_of(st.lists(inner, max_size=5), st.tuples(inner, inner)), max_leaves=9)
)
@settings(max_examples=100, deadline=None)
def test_whatever_is_pickled_comes_out_as_it_was(value):
    large, texts.LARGE = texts.LARGE, 64 * 1024
    try:
        copy, taken = through(pickle.Pickler, value)
    finally:
        texts.LARGE = large
    assert copy == value
    assert all(len(content) >= 64 * 1024 for content in taken)


def test_changes_are_told_and_other_sharing_is_none():
    content = LARGE_ONES["bytes"]
    once = written(encode({"a": [content, content], "b": LARGE_ONES["str"]}))
    assert change(once, encode({"a": [content, bytes(bytearray(content))], "b": LARGE_ONES["str"]})) is None
    assert change(once, encode({"a": [content, content], "b": "y" * N})) == "['b']"
    assert change(once, encode({"a": [content, content], "b": b"x" * N})) == "['b']"
    buffer = LARGE_ONES["bytearray"]
    twice = written(encode([buffer, buffer]))
    assert change(twice, encode([buffer, bytearray(buffer)])) == "[1]"


def test_a_fingerprint_holds_one_copy_at_a_time():
    import tracemalloc

    value = [f"{n:09}" * 300_000 for n in range(20)]
    tracemalloc.start()
    try:
        fingerprint(value)
        assert tracemalloc.get_traced_memory()[1] < 3 * sys.getsizeof(value[0])
    finally:
        tracemalloc.stop()
