"""Graphs that are optimized but for the ends of named collections: the same results, by hardly more tasks."""

from typing import Any

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from dask._task_spec import Alias
from dask.core import flatten

from moorage.tasks.collections.cut import cut


def array() -> tuple[Any, list[Any]]:
    source = da.from_array(np.arange(400.0).reshape(20, 20), chunks=5)
    x = (source + 1) * 2
    y = x[2:].T - 3
    return (y**2 + 1).sum(axis=0), [x, y]


def frame() -> tuple[Any, list[Any]]:
    df = dd.from_pandas(pd.DataFrame({"a": range(100), "b": range(100), "c": 1.0}), npartitions=5)
    x = df[df.a > 3].assign(d=df.b + 1)
    y = x[x.d % 2 == 0]
    return (y.d + y.a).to_frame("e").assign(f=1), [x, y]


def series() -> tuple[Any, list[Any]]:
    df = dd.from_pandas(pd.DataFrame({"a": range(100), "b": range(100)}), npartitions=5)
    x = df.b + 1
    return (x * df.a).sum(), [x]


def merged() -> tuple[Any, list[Any]]:
    left = dd.from_pandas(pd.DataFrame({"k": range(50), "a": range(50)}), npartitions=3)
    right = dd.from_pandas(pd.DataFrame({"k": range(0, 50, 2), "b": range(25)}), npartitions=2)
    x, y = left[left.a > 3], right.assign(b=right.b + 1)
    return x.merge(y, on="k", shuffle_method="tasks").b.sum(), [x, y]  # p2p, if a client is there, needs workers


def bag() -> tuple[Any, list[Any]]:
    x = db.from_sequence(range(40), npartitions=4).map(lambda n: n + 1)
    return x.map(lambda n: n * 2).filter(lambda n: n % 3 == 0).sum(), [x]


def delayed() -> tuple[Any, list[Any]]:
    x = dask.delayed(sum)([1, 2])
    y = dask.delayed(sum)([x, 3])
    return dask.delayed(sum)([x, y, 5]), [x, y]


def dataset() -> tuple[Any, list[Any]]:
    x = xr.Dataset({"t": (("lat", "time"), np.arange(60.0).reshape(6, 10))}).chunk(time=5) + 1
    return (x * 2 - 1).mean("time"), [x]


def array_of_frame() -> tuple[Any, list[Any]]:
    x = dd.from_pandas(pd.DataFrame({"a": range(20)}), npartitions=4)
    y = x.to_dask_array(lengths=True) + 1
    return (y * 2).sum(), [y]


ALL = [array, frame, series, merged, bag, delayed, dataset, array_of_frame]


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_the_results_are_the_same_and_the_named_ends_are_there(make: Any) -> None:
    z, named = make()
    (whole,), keys = cut([z], named)
    graph = whole.__dask_graph__()
    for own, collection in zip(keys, named, strict=True):
        assert len(own) >= len(list(flatten(collection.__dask_keys__())))
        assert own & set(graph)
    expected, found = dask.compute(z, whole, scheduler="sync")
    assert repr(found) == repr(expected)


def tasks(graph: Any, ends: Any = ()) -> int:
    """The number of tasks but for `ends`, and but for those that only stand for others."""
    return sum(key not in ends and not isinstance(task, Alias) for key, task in dict(graph).items())


@pytest.mark.parametrize("make", ALL, ids=lambda make: make.__name__)
def test_outside_of_what_is_named_there_are_hardly_more_tasks_than_in_what_dask_optimizes(make: Any) -> None:
    z, named = make()
    plain: Any = z.expr.optimize().__dask_graph__() if hasattr(z, "expr") else dask.optimize(z)[0].__dask_graph__()
    (whole,), keys = cut([z], named)
    ends = set().union(*keys)
    assert tasks(whole.__dask_graph__(), ends) <= 1.05 * tasks(plain)


def test_several_collections_are_optimized_together() -> None:
    x = da.ones(20, chunks=5) + 1
    y, z = x * 2, x - 1
    frame = dd.from_pandas(pd.DataFrame({"a": range(20)}), npartitions=4)
    cut_ones, keys = cut([y, frame.a.sum(), z], [x])
    assert len(keys[0]) == 4
    for graph in (cut_ones[0].__dask_graph__(), cut_ones[2].__dask_graph__()):
        assert keys[0] <= set(graph)
    assert [float(one.sum().compute()) for one in (cut_ones[0], cut_ones[2])] == [80, 20]
    assert cut_ones[1].compute() == 190


def test_what_is_no_part_of_it_has_no_keys_in_it() -> None:
    x, y = da.ones(4, chunks=2), da.zeros(4, chunks=2)
    frame = dd.from_pandas(pd.DataFrame({"a": [1]}), npartitions=1)
    assert cut([x + 1], [y, frame])[1] == [set(), set()]
    assert cut([frame + 1], [y])[1] == [set()]
