"""Code for workers and nannies: whoever was stuck when it came takes it when it goes on, and nobody takes it twice."""

import contextlib
import os
import signal

import cloudpickle
import dask.config
import numpy as np
import pytest
from distributed import NannyPlugin
from distributed.comm.core import CommClosedError

import moorage
from moorage._dask.taking import take
from tests.helpers import eventually


@pytest.fixture(scope="module")
def cluster():
    with moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="1GB") as cluster:
        yield cluster


@contextlib.contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def run(cluster, function, worker, **arguments):
    """Return what `function` gives in the process of a worker."""
    address = next(info.address for info in cluster.workers() if info.name == worker)
    return cluster.client.run(function, workers=[address], **arguments)[address]


def pid(dask_worker):
    return os.getpid()


def ours(dask_worker):
    """Return the plugins that moorage has put on a worker, each with what tells whether it is still the same."""
    return {name: id(plugin) for name, plugin in dask_worker.plugins.items() if name.startswith("moorage_")}


def being_told(dask_scheduler):
    """Return how many are told again."""
    return len(dask_scheduler.plugins["moorage"].worker_code.telling)


def give_up_soon(dask_scheduler):
    """Have the scheduler give up soon that a worker answers, with which it has to begin by TLS."""
    dask_scheduler.rpc.collect()
    dask.config.set({"distributed.comm.timeouts.connect": "2s"})


def test_a_worker_that_was_stuck_when_code_came_takes_it_when_it_goes_on(cluster):
    x, client = np.arange(50_000), cluster.client
    bob = run(cluster, pid, "bob")
    client.run_on_scheduler(give_up_soon)
    eventually(lambda: run(cluster, ours, "bob"))  # what workers have from the beginning
    at_first = run(cluster, ours, "bob")
    with stopped(bob), dask.config.set({"moorage.answer-timeout": "5s"}):
        cluster.pin("x", workers=["alice"], value=x)
        there = cluster.submit(np.sum, x, workers=["alice"])
        here = cluster.submit(np.sum, x, workers=["bob"])
        items = cluster.map(abs, [-1, -2], workers=["bob"])
        assert there.result() == x.sum()
        before = run(cluster, ours, "alice")
        assert len(before) > len(at_first)
        eventually(lambda: client.run_on_scheduler(being_told))
    assert here.result() == x.sum()  # though it had the task before it had the code
    assert items.gather() == [1, 2]
    eventually(lambda: run(cluster, ours, "bob").keys() == before.keys())
    assert run(cluster, ours, "alice") == before
    eventually(lambda: client.run_on_scheduler(being_told) == 0)


def test_who_has_the_code_does_not_take_it_again(cluster):
    cluster.pin("x", workers=["alice"], value=np.arange(50_000))
    before = run(cluster, ours, "alice")
    given = cluster.client.run_on_scheduler(lambda dask_scheduler: dict(dask_scheduler.worker_plugins))
    for name in before:
        run(cluster, take, "alice", **{"name": name, "plugin": given[name]})
    assert run(cluster, ours, "alice") == before


class Probe(NannyPlugin):
    name = "probe"


def lose_the_next_broadcast(dask_scheduler):
    async def broken(**_):
        del dask_scheduler.broadcast
        raise CommClosedError("a nanny was not reached")

    dask_scheduler.broadcast = broken


def test_nannies_are_told_again_too(cluster):
    client = cluster.client
    client.run_on_scheduler(lose_the_next_broadcast)
    telling = {"name": "probe", "plugin": cloudpickle.dumps(Probe()), "take": cloudpickle.dumps(take), "nannies": True}
    assert client.sync(client.scheduler.moorage_install_on_workers, **telling) == {}
    eventually(lambda: all(client.run(lambda dask_worker: "probe" in dask_worker.plugins, nanny=True).values()))
    client.unregister_worker_plugin("probe", nanny=True)
