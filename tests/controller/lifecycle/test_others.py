"""Somebody else's scheduler without moorage: by address, by client and by cluster object; and coming back to it."""

import asyncio
import time

import dask.config
import numpy as np
import pytest
from distributed import Client, LocalCluster

import moorage
from moorage.errors import (
    ClusterError,
    InputError,
    MoorageError,
    ScaleError,
    UnreachableError,
)


def test_attach_to_nothing_is_refused_at_once():
    for target in ("tcp://127.0.0.1:9", "127.0.0.1:9"):
        begun = time.monotonic()
        with pytest.raises(UnreachableError, match="No scheduler answers") as caught:
            moorage.attach(target, timeout="500ms")
        assert time.monotonic() - begun < 10
        assert caught.value.remedy
    with dask.config.set({"scheduler-address": None}):
        for target in (None, 5, "", "nonsense://x:1", object(), "tcp://no port"):
            with pytest.raises(MoorageError) as caught:
                moorage.attach(target, timeout="500ms")
            assert caught.value.remedy


def test_a_scheduler_without_moorage_by_address_and_by_client_and_by_object():
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        by_address = moorage.attach(cluster.scheduler_address)
        assert (by_address.kind, by_address.scalable, by_address.n_workers) == ("attached", False, 2)
        by_address.broadcast(np.ones(100), "v")
        with pytest.raises(ScaleError, match="attached by its address"):
            by_address.scale(3)
        with pytest.raises(ClusterError, match="cannot stop"):
            by_address.stop()

        by_client = moorage.attach(client)
        assert by_client["v"].gather().sum() == 100
        assert by_client.scalable
        by_client.close()
        assert client.status == "running"  # it is the user's

        with moorage.attach(cluster) as by_object:
            assert (by_object.kind, by_object.scalable) == ("LocalCluster", True)
            by_object.scale(4)
            by_object.scatter(list(range(12)), "spread")
            plain = by_object.client.scatter({f"plain-{i}": i for i in range(12)})
            by_object.scale(1)
            assert by_object.n_workers == 1
            assert by_object.gather("spread") == list(range(12))
            assert by_object.client.gather(plain) == {f"plain-{i}": i for i in range(12)}
            assert by_object.gather("v").sum() == 100
        by_address.close()
        assert len(cluster.scheduler.workers) == 1


def test_an_asynchronous_client_is_refused():
    async def main(address):
        async with Client(address, asynchronous=True, set_as_default=False) as client:
            with pytest.raises(InputError, match="asynchronous Client"):
                moorage.attach(client)

    with LocalCluster(n_workers=0, dashboard_address=":0") as cluster:
        asyncio.run(main(cluster.scheduler_address))


def test_a_notebook_that_comes_back_finds_its_variables():
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
        before = moorage.attach(cluster.scheduler_address)
        before.scatter({"a": 1, "b": [2]}, "d")
        before.broadcast(np.arange(5), "v")
        before.close()
        after = moorage.attach(cluster.scheduler_address)
        assert sorted(after) == ["d", "v"]
        assert after.gather("d") == {"a": 1, "b": [2]}
        assert after["v"].future.result(60).sum() == 10
        after.release("d", "v")
        assert not after.placement()
        after.close()
