"""Whatever is nested in whatever: its arrays come out shared as they were, and their memory is found again."""

import dataclasses

import numpy as np
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from moorage.images.format import (
    SMALLEST,
    encode,
)
from tests.images.tools import assert_same, carried

DTYPES = ["f8", "i4", "u1", "M8[s]", "c16", "?", "U3", "S5", "O"]


@st.composite
def views(draw, base):
    """A part of an array, of any layout."""
    array = base
    for _ in range(draw(st.integers(0, 2))):
        match draw(st.sampled_from(["slice", "reverse", "transpose", "reshape", "read-only", "broadcast"])):
            case "slice" if array.ndim:
                start, step = draw(st.integers(0, 20)), draw(st.integers(1, 4))
                array = array[start::step]
            case "reverse" if array.ndim:
                array = array[..., ::-1]
            case "transpose":
                array = array.T
            case "reshape":
                array = array.reshape(-1)
            case "read-only":
                array = array.view()
                array.flags.writeable = False
            case "broadcast":
                array = np.broadcast_to(array, (2, *array.shape))
    return array


@dataclasses.dataclass
class Node:
    left: object
    right: object


@st.composite
def values(draw):
    """A nested value whose leaves are views of a few arrays."""
    bases = [
        np.resize(np.arange(draw(st.integers(1, 2000))).astype(draw(st.sampled_from(DTYPES))), (40, 50))
        for _ in range(draw(st.integers(1, 3)))
    ]
    leaves = [draw(views(draw(st.sampled_from(bases)))) for _ in range(draw(st.integers(1, 5)))]
    leaf = st.sampled_from([*leaves, 1, "text", None])
    return draw(
        st.recursive(
            leaf,
            lambda inner: st.one_of(
                st.lists(inner, max_size=3),
                st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
                st.tuples(inner, inner),
                st.builds(Node, inner, inner),
            ),
            max_leaves=8,
        )
    )


def arrays_in(value, found):
    """Collect the arrays of a value, in order, each time that they are met."""
    match value:
        case np.ndarray():
            found.append(value)
        case list() | tuple():
            for item in value:
                arrays_in(item, found)
        case dict():
            arrays_in(list(value.values()), found)
        case Node():
            arrays_in([value.left, value.right], found)
    return found


@given(values())
@settings(max_examples=150)
def test_whatever_is_nested_comes_out_with_the_same_arrays_shared(value):
    copy, image = carried(value)
    there, here = arrays_in(copy, []), arrays_in(value, [])
    for a, b in zip(there, here, strict=True):
        assert_same(a, b)
        assert a.flags.writeable == b.flags.writeable or b.dtype.hasobject or b.nbytes < SMALLEST
    assert [[a is b for b in there] for a in there] == [[a is b for b in here] for a in here]
    assert encode(value).digest == image.digest


@given(values())
@settings(max_examples=100)
def test_memory_of_the_value_is_found_in_the_buffer_of_that_number(value):
    image = encode(value)
    for extent in image.extents():
        assert extent.stop - extent.start == image.buffers[extent.number].nbytes >= SMALLEST
        assert bytes(extent.memory) == bytes(image.buffers[extent.number])
        assert extent.content == xxhash.xxh3_128_digest(extent.memory)
