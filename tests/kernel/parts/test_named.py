"""Names of parts."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.errors import InputError
from moorage.kernel.parts.named import chosen, collection_of

AXIS = st.one_of(
    st.integers(-2, 1).map(str),
    st.tuples(*[st.one_of(st.just(""), st.integers(-3, 3).map(str))] * 2).map(":".join),
)


@given(st.lists(AXIS, min_size=1, max_size=2))
def test_a_name_stands_for_the_blocks_that_dask_gives_for_the_same_subscript(indices):
    subscript = ",".join(indices)
    array = da.from_array(np.arange(6).reshape(2, 3), chunks=1)
    grid = np.arange(6).reshape(2, 3)
    array = da.from_array(grid, chunks=1)
    if eval(f"grid[{subscript}].size", {"grid": grid}):
        found = eval(f"array.blocks[{subscript}]", {"array": array})
        assert chosen(f"x[{subscript}]", (2, 3)) == found.compute(scheduler="sync").ravel().tolist()
    else:
        with pytest.raises(InputError, match="x has 2 x 3 blocks"):
            chosen(f"x[{subscript}]", (2, 3))


@pytest.mark.parametrize("name", ["x", "x[", "x[]", "x[a]", "x[1]y", "1x[1]", "x[1][2]", "x[0, 1]", "x@b[1]", 3, None])
def test_other_names_are_of_no_parts(name):
    assert collection_of(name) is None


def test_parts_that_are_not_there_are_refused():
    for name in "x[8]", "x[-9]", "x[3:3]", "x[::0]", "x[0,0]":
        with pytest.raises(InputError, match=r"x has 8 parts") as refusal:
            chosen(name, (8,))
        assert "x[0]" in refusal.value.remedy
