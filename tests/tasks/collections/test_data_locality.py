"""The examples of the page on data locality of Dask's documentation, each read back: where every key has run.

Three workers by alias: alice and bob on one host, carol on another.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import cloudpickle
import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from distributed import futures_of, get_worker, wait

import moorage
from moorage.controller.cluster import ClusterController
from moorage.errors import InputError, UnknownWorkerError
from tests.helpers import eventually
from tests.workers import Workers

cloudpickle.register_pickle_by_value(sys.modules[__name__])

OTHER = "127.0.0.2"


def f(*of: Any) -> list[Any]:
    """Where this runs, and where what it is of has run."""
    return [str(get_worker().name), *of]


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers("alice", "bob") as workers:
        workers.add("carol", host=OTHER)
        yield workers


@pytest.fixture(scope="module")
def cluster(workers: Workers) -> Iterator[ClusterController]:
    cluster = moorage.attach(workers.address)
    yield cluster
    cluster.close()


@pytest.fixture
def port(workers: Workers) -> str:
    """``host:port`` of alice."""
    return workers.addresses()["alice"].removeprefix("tcp://")


def xyz() -> tuple[Any, Any, Any]:
    x, y = dask.delayed(f, pure=False)(), dask.delayed(f, pure=False)()
    return x, y, dask.delayed(f, pure=False)(x, y)


def places(workers: Workers, collection: Any) -> set[str]:
    """The workers that have the parts of a persisted collection."""
    wait(futures_of(collection), 60)
    return has(workers, *futures_of(collection))


def has(workers: Workers, *futures: Any) -> set[str]:
    """The workers that have any of these."""
    return workers.look(lambda s: {str(ws.name) for future in futures for ws in s.tasks[future.key].who_has})


@pytest.mark.parametrize("where", ["carol", OTHER, ["carol"], [OTHER, "carol"]], ids=str)
def test_submit_takes_an_alias_a_host_and_lists(cluster: ClusterController, where: Any) -> None:
    assert cluster.submit(f, workers=where, pure=False).result(60) == ["carol"]


def test_submit_takes_host_and_port(cluster: ClusterController, port: str) -> None:
    assert cluster.submit(f, workers=port, pure=False).result(60) == ["alice"]
    assert cluster.submit(f, workers=[port], pure=False).result(60) == ["alice"]


@pytest.mark.parametrize("where", ["carol", OTHER, "port", ["bob"]], ids=str)
@pytest.mark.parametrize("pairs", [False, True], ids=["dict", "pairs"])
def test_z_on_a_host(cluster: ClusterController, port: str, where: Any, pairs: bool) -> None:
    where = port if where == "port" else where
    _, _, z = xyz()
    ran, *_ = cluster.compute(z, workers=[(z, where)] if pairs else {z: where}).result(60)
    assert ran == {"carol": "carol", OTHER: "carol", port: "alice"}.get(str(where), "bob")


def test_z_and_x_on_hosts_of_their_own(cluster: ClusterController, port: str) -> None:
    x, _, z = xyz()
    ran, (of_x,), _ = cluster.compute(z, workers={z: port, x: OTHER}).result(60)
    assert (ran, of_x) == ("alice", "carol")


def test_a_tuple_groups_collections(cluster: ClusterController) -> None:
    x, y, z = xyz()
    _, (of_x,), (of_y,) = cluster.compute(z, workers={(x, y): OTHER}).result(60)
    assert of_x == of_y == "carol"


def test_a_tuple_on_several_workers(cluster: ClusterController, port: str) -> None:
    x, y, z = xyz()
    _, (of_x,), (of_y,) = cluster.compute(z, workers={(x, y): [port, "bob"]}).result(60)
    assert {of_x, of_y} <= {"alice", "bob"}


def test_loose_ones_run_where_it_is_said_as_long_as_that_is_there(cluster: ClusterController) -> None:
    x, y, z = xyz()
    _, (of_x,), (of_y,) = cluster.compute(z, workers={(x, y): "carol"}, allow_other_workers=True).result(60)
    assert of_x == of_y == "carol"


def test_loose_ones_run_elsewhere_when_it_is_needed_and_strict_ones_wait(
    workers: Workers, cluster: ClusterController
) -> None:
    x, _, z = xyz()
    workers.pause("carol")
    try:
        future = cluster.compute(z, workers={x: "carol", z: "alice"}, allow_other_workers=[x])
        ran, (of_x,), _ = future.result(60)
        assert ran == "alice"
        assert of_x in ("alice", "bob")
        x, _, z = xyz()
        waiting = cluster.compute(z, workers={x: "carol", z: "alice"}, allow_other_workers=[z])
        eventually(lambda: workers.task_state(x.key) == "no-worker")
        assert not waiting.done()
    finally:
        workers.resume("carol")
    assert waiting.result(60)[1] == ["carol"]


@pytest.mark.parametrize("where", ["carol", OTHER, "port"])
def test_a_frame_is_persisted_on_workers(workers: Workers, cluster: ClusterController, port: str, where: str) -> None:
    df = dd.from_pandas(pd.DataFrame({"a": range(40), "b": range(40)}), npartitions=4)
    df = df[df.a > 3].assign(c=df.b + len(where))
    kept = cluster.persist(df, workers={df: port if where == "port" else where})
    assert places(workers, kept) == {"alice" if where == "port" else "carol"}
    assert kept.c.sum().compute(scheduler=cluster.client) == sum(range(4, 40)) + 36 * len(where)


@pytest.mark.parametrize("optimize", [True, False])
@pytest.mark.parametrize("kind", ["array", "frame", "bag", "dataset"])
def test_the_value_is_put_together_where_its_collection_is_computed(
    workers: Workers, cluster: ClusterController, kind: str, optimize: bool
) -> None:
    frame = dd.from_pandas(pd.DataFrame({"a": range(40)}), npartitions=4)
    x: Any = {
        "array": lambda: da.ones((8, 8), chunks=4) + 1,
        "frame": lambda: frame[frame.a > 3],
        "bag": lambda: db.from_sequence(range(8), npartitions=4).map(str),
        "dataset": lambda: xr.Dataset({"t": ("x", np.arange(8.0))}).chunk(x=2) + 1,
    }[kind]()
    y = x + x if kind != "bag" else x.map(len)
    on_x, on_y = cluster.compute([x, y], workers=[(x, "carol")], optimize_graph=optimize)
    wait([on_x, on_y], 60)
    assert has(workers, on_x) == {"carol"}
    assert repr(on_x.result(60)) == repr(x.compute(scheduler="sync"))
    assert repr(on_y.result(60)) == repr(y.compute(scheduler="sync"))
    on_y = cluster.compute(y, workers=[(x, "carol"), (y, ["alice"])], optimize_graph=optimize)
    assert repr(on_y.result(60)) == repr(y.compute(scheduler="sync"))
    assert has(workers, on_y) == {"alice"}


def test_arrays_are_named_in_pairs(workers: Workers, cluster: ClusterController) -> None:
    x = da.random.default_rng(0).random((40, 40), chunks=10)
    y = x + x.T
    with pytest.raises(InputError, match="not where each should run"):
        cluster.persist(y, workers=[x, "alice"])
    assert places(workers, cluster.persist(x, workers=[(x, "alice")])) == {"alice"}
    _, kept_y = cluster.persist([x, y], workers=[(x, "alice"), (y, OTHER)])
    assert places(workers, kept_y) == {"carol"}
    found = kept_y.compute(scheduler=cluster.client)
    np.testing.assert_array_equal(found, found.T)


def test_names_of_workers_and_collections_that_mean_nothing_are_refused(cluster: ClusterController) -> None:
    x, y, _ = xyz()
    with pytest.raises(UnknownWorkerError, match="no worker 'carl'"):
        cluster.compute(x, workers={x: "carl"})
    with pytest.raises(InputError, match="Delayed that is not part of what is computed"):
        cluster.compute(x, workers={y: "carol"})


def test_what_was_computed_elsewhere_before_is_said_to_stay_there(cluster: ClusterController) -> None:
    x = da.ones((8, 8), chunks=4)
    kept = cluster.persist(x, workers="alice")
    one = dask.delayed(f, pure=False)()
    future = cluster.compute(one, workers="alice")
    wait([*futures_of(kept), future], 60)
    for asked in ([(x, "bob")], "bob"):
        with pytest.warns(UserWarning, match="this Array is computed already, on alice: it stays there") as told:
            cluster.persist(x, workers=asked)
        assert "%scatter NAME --workers bob --persist" in str(told[0].message)
    with pytest.warns(UserWarning, match="this Delayed is computed already, on alice"):
        assert cluster.compute(one, workers="bob").key == future.key
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cluster.persist(x, workers=["alice", "bob"])
        cluster.persist(x, workers="127.0.0.1")
        cluster.persist(x, workers=[(x, "bob")], allow_other_workers=True)
