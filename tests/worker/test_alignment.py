"""Large arrays of a worker come to aligned addresses, with the same content, once, and only where there is room."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import moorage
from moorage.worker.alignment import Alignment, aligned
from tests.helpers import eventually


@given(
    st.sampled_from(["f8", "i4", "u2", "c16", "M8[s]"]),
    st.integers(0, 15),
    st.sampled_from("CF"),
    st.booleans(),
)
def test_an_aligned_array_is_otherwise_the_same(dtype, offset, order, writeable):
    memory = bytearray(range(200)) * 4
    odd = np.ndarray((3, 5), dtype, memory, offset, order=order)
    odd.flags.writeable = writeable
    even = aligned(odd)
    assert even.flags.aligned
    assert even.tobytes() == odd.tobytes()
    assert (even.dtype, even.shape, even.strides) == (odd.dtype, odd.shape, odd.strides)
    assert even.flags.writeable == writeable
    assert (even is odd) == odd.flags.aligned


@pytest.fixture(scope="module")
def cluster():
    with moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="1GB") as controller:
        yield controller


def test_a_worker_has_large_arrays_where_they_are_read_fast(cluster):
    before, after = np.arange(400_000), np.arange(500_000)
    cluster.broadcast(before, "before")
    assert cluster.map(lambda i: int(before[i]), range(3)).gather() == [0, 1, 2]  # now the worker side is there
    cluster.broadcast(after, "after")
    keys = [cluster[name].future.key for name in ("before", "after")]

    def look(dask_worker):
        return [(dask_worker.data[key].flags.aligned, int(dask_worker.data[key].sum())) for key in keys]

    expected = [(True, int(before.sum())), (True, int(after.sum()))]
    eventually(lambda: list(cluster.client.run(look).values()) == [expected] * 2)


@pytest.mark.parametrize(("limit", "even"), [(0, True), (200e6, True), (150e6, False)])
def test_a_worker_that_has_no_room_for_a_copy_keeps_the_array(limit, even):
    odd = np.ndarray(1_000_000, "f8", bytearray(8_000_001), 1)
    worker = SimpleNamespace(
        data={"odd": odd},
        monitor=SimpleNamespace(get_process_memory=lambda: 100e6),
        memory_manager=SimpleNamespace(memory_limit=limit, memory_target_fraction=0.6),
    )

    async def look():
        alignment = Alignment(worker)
        await asyncio.gather(*alignment._running)

    asyncio.run(look())
    assert worker.data["odd"].flags.aligned == even
