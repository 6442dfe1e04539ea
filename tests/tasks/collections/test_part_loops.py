"""Loops over the parts of collections: each runs where its part is, and gets the computed part."""

from __future__ import annotations

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from distributed import Event, futures_of, get_worker, wait

from moorage.errors import InputError


def where(part):
    return str(get_worker().name), part


def frame():
    return dd.from_pandas(pd.DataFrame({"a": range(40), "b": 1.0}), npartitions=4)


def halves(cluster, kept):
    """Spread it over both workers; return the workers of the parts."""
    wait(futures_of(kept), 20)
    cluster.scatter(kept, "kept", workers=["alice", "bob"])
    return [part.workers for part in cluster["kept"].parts]


def test_each_partition_runs_where_it_is(cluster):
    kept = cluster.persist(frame())
    at = halves(cluster, kept)
    assert set(at) == {("alice",), ("bob",)}
    found = cluster.map(where, kept.partitions).gather()
    assert [(worker,) for worker, _ in found] == at
    pd.testing.assert_frame_equal(pd.concat(part for _, part in found), kept.compute(scheduler=cluster.client))


def test_each_block_runs_where_it_is(cluster):
    kept = cluster.persist(da.arange(36.0, chunks=9).reshape(6, 6).rechunk(3))
    at = halves(cluster, kept)
    found = cluster.map(where, kept.blocks).gather()
    assert [(worker,) for worker, _ in found] == at
    assert [block.shape for _, block in found] == [(3, 3)] * 4


def test_what_is_not_computed_is_computed_first(cluster):
    assert [len(part) for part in cluster.map(lambda part: part, frame().partitions)] == [10] * 4
    bag = db.from_sequence(range(10), npartitions=5)
    assert cluster.map(sum, bag).gather() == [1, 5, 9, 13, 17]
    several = [dask.delayed(range)(n) for n in range(3)]
    assert cluster.map(len, several).gather() == [0, 1, 2]


def test_collections_in_a_list_come_whole_and_an_array_is_looped_over_by_block(cluster):
    x, labelled = da.ones((4, 4), chunks=2), xr.DataArray(np.arange(8.0), dims="i").chunk(i=2)
    assert cluster.map(lambda part: float(part.sum()), [x, x + 1, labelled]).gather() == [16, 32, 28]
    assert cluster.map(lambda block: float(block.sum()), labelled.data.blocks).gather() == [1, 5, 9, 13]
    for array, blocks in ((x, "in x.blocks"), (labelled, "in x.data.blocks")):
        with pytest.raises(InputError, match="one by one, none of them computed") as refusal:
            cluster.map(len, array)
        assert blocks in refusal.value.remedy


def opened(gate, i):
    assert Event(gate).wait(60)
    return i


def test_parts_that_are_still_computed_run_where_they_come_to_be(cluster):
    gate = Event("loop-gate", client=cluster.client)
    parts = [cluster.persist(dask.delayed(opened)("loop-gate", i), workers=["alice", "bob"][i % 2]) for i in range(8)]
    results = cluster.map(where, parts)
    assert not results.wait(0.5)
    gate.set()
    assert results.gather() == [(["alice", "bob"][i % 2], i) for i in range(8)]


def test_the_error_of_a_part_is_that_of_its_item(cluster):
    results = cluster.map(where, [dask.delayed(divmod)(1, 0), dask.delayed(divmod)(1, 1)])
    results.wait(30)
    assert isinstance(results.errors[0].exception, ZeroDivisionError)
    assert results[1][1] == (1, 0)


def test_results_are_a_collection_again(cluster):
    kept = cluster.persist(frame())
    new = cluster.map(lambda part: part.assign(c=part.a * 2), kept.partitions).to_collection()
    assert isinstance(new, dd.DataFrame)
    assert list(new.columns) == ["a", "b", "c"]
    assert new.c.sum().compute(scheduler=cluster.client) == 2 * sum(range(40))
    assert isinstance(cluster.map(lambda part: part.a, kept.partitions).to_collection(), dd.Series)
    cluster.scatter(new, "new", workers=["alice", "bob"])
    assert len(cluster["new"].parts) == 4


def test_blocks_make_an_array_in_the_same_grid(cluster):
    x = da.arange(48.0, chunks=9).reshape(6, 8).rechunk((4, 3))
    new = cluster.map(np.negative, x.blocks).to_collection()
    assert new.chunks == x.chunks
    np.testing.assert_array_equal(new.compute(scheduler=cluster.client), -np.arange(48.0).reshape(6, 8))
    below = cluster.map(lambda n: np.full((n, 2), n), [1, 3]).to_collection()
    assert below.chunks == ((1, 3), (2,))
    assert below.sum().compute(scheduler=cluster.client) == 20
    with pytest.raises(InputError, match="do not form an array"):
        cluster.map(lambda n: np.ones((n, n)), [1, 3]).to_collection()


def test_other_values_make_a_bag_or_delayed_objects(cluster):
    lists = cluster.map(lambda n: list(range(n)), [2, 3]).to_collection()
    assert lists.compute(scheduler=cluster.client) == [0, 1, 0, 1, 2]
    others = cluster.map(str, [2, 3]).to_collection()
    assert cluster.client.gather(cluster.compute(others)) == ["2", "3"]
    with pytest.raises(InputError, match="several kinds"):
        cluster.map(lambda n: [n] if n else {}, [0, 1]).to_collection()
    with pytest.raises(InputError, match="no items"):
        cluster.map(str, []).to_collection()
