"""Dask collections computed and persisted where it is said, collection by collection, as Dask documents it."""

import dask
import dask.bag as db
import dask.dataframe as dd
import pandas as pd
import pytest
from distributed import futures_of, wait

from moorage.errors import InputError, UnknownWorkerError
from tests.kernel.placement.test_plain_dask import holders


def inc(x):
    return x + 1


def add(x, y):
    return x + y


@pytest.fixture
def restrictions(cluster):
    """Where the tasks of keys may run: names of workers, and whether elsewhere too."""
    names = {info.address: info.name for info in cluster.workers()}

    def look(keys, dask_scheduler=None):
        tasks = [dask_scheduler.tasks[key] for key in keys]
        return [([names[address] for address in ts.worker_restrictions or ()], ts.loose_restrictions) for ts in tasks]

    return lambda *parts: cluster.client.run_on_scheduler(look, [part.key for part in parts])


def test_tasks_of_several_collections_each_run_where_it_is_said(cluster, restrictions):
    x, y = dask.delayed(inc)(1), dask.delayed(inc)(2)
    z = dask.delayed(add)(x, y)
    future = cluster.compute(z, workers={z: "alice", x: ["bob"]})
    assert future.result(60) == 5
    assert holders(cluster.client, future) == ["alice"]
    assert restrictions(z, x, y) == [(["alice"], False), (["bob"], False), ([], False)]


@pytest.mark.parametrize("loose", [[], ["x"], ["x", "z"], True, False])
def test_some_of_them_may_run_elsewhere(cluster, restrictions, loose):
    parts = {"x": dask.delayed(inc)(1), "y": dask.delayed(inc)(2)}
    parts["z"] = z = dask.delayed(add)(parts["x"], parts["y"])
    others = loose if isinstance(loose, bool) else [parts[name] for name in loose]
    future = cluster.compute(z, workers={(parts["x"], parts["y"]): "bob", z: "alice"}, allow_other_workers=others)
    assert future.result(60) == 5
    found = [elsewhere for _, elsewhere in restrictions(*parts.values())]
    assert found == [loose is True or (loose is not False and name in loose) for name in parts]


def test_a_collection_of_many_parts_is_persisted_where_it_is_said(cluster):
    bag = db.from_sequence(range(10), npartitions=3).map(inc)
    kept = cluster.persist(bag, workers={bag: "bob"})
    wait(kept, 60)
    assert {tuple(holders(cluster.client, future)) for future in futures_of(kept)} == {("bob",)}
    assert kept.sum().compute(scheduler=cluster.client) == 55


def test_a_frame_is_persisted_where_it_is_said(cluster):
    df = dd.from_pandas(pd.DataFrame({"x": range(40)}), npartitions=4)
    df = df[df.x > 3]
    df = cluster.persist(df, workers={df: "alice"})
    wait(df, 60)
    assert {tuple(holders(cluster.client, future)) for future in futures_of(df)} == {("alice",)}
    assert df.x.sum().compute(scheduler=cluster.client) == sum(range(4, 40))


def test_one_list_of_workers_is_for_everything(cluster, restrictions):
    x = dask.delayed(inc)(1)
    future = cluster.compute(dask.delayed(inc)(x), workers=["bob"])
    assert future.result(60) == 3
    assert restrictions(future, x) == [(["bob"], False)] * 2
    assert cluster.compute(dask.delayed(inc)(1), workers="bob", allow_other_workers=True).result(60) == 2
    assert cluster.compute(dask.delayed(inc)(5)).result(60) == 6


def test_where_to_compute_must_be_known_and_said_of_collections(cluster):
    x = dask.delayed(inc)(1)
    with pytest.raises(UnknownWorkerError, match="no worker 'bbo'") as refusal:
        cluster.compute(x, workers={x: "bbo"})
    assert "Did you mean 'bob'? The workers: alice, bob." in str(refusal.value)
    with pytest.raises(InputError, match="names a str, which is not a Dask collection"):
        cluster.persist(x, workers={"x": "bob"})
    with pytest.raises(InputError, match="names a int, which is not a Dask collection"):
        cluster.persist(x, workers={x: "bob"}, allow_other_workers=7)
    with pytest.raises(InputError, match="workers= does not"):
        cluster.persist(x, workers="bob", allow_other_workers=[x])
    assert cluster.compute(x).result(60) == 2  # the connection is as it was
