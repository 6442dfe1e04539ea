"""The scheduler of a cluster is killed: the cluster comes back with its name, workers, variables and futures."""

import os
import signal

import numpy as np
import pytest

import moorage
from moorage.controller import registry
from tests.deploy.tools import eventually


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))


@pytest.fixture
def cluster(runtime):
    with moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="500MB") as cluster:
        yield cluster


def host_of(cluster):
    """Return the process id of the host, in which the scheduler is."""
    return cluster.client.sync(cluster.client.scheduler.moorage_host)["pid"]


def kill_scheduler(cluster):
    """Kill it, and wait until the connection has broken."""
    lives = cluster.link.lives
    os.kill(host_of(cluster), signal.SIGKILL)
    eventually(lambda: not cluster.link.is_back or cluster.link.lives > lives)


def test_everything_that_was_placed_is_back_under_its_name_and_keys(cluster):
    x, parts, small = np.arange(300_000), [bytes([i]) * 200_000 for i in range(5)], {"a": 1}
    future = cluster.broadcast(x, name="x")
    futures = cluster.scatter(parts, name="parts")
    cluster.pin("small", workers=["bob"], value=small)
    unnamed = cluster.scatter(np.ones(200_000))
    before = {name: (cluster[name].keys, cluster.placement()[name].placement) for name in cluster}
    names, address, workers = cluster.name, cluster.address, {w.name: w for w in cluster.workers()}
    kill_scheduler(cluster)
    assert np.array_equal(future.result(), x)
    assert cluster.client.gather(futures) == parts
    assert unnamed.result().sum() == 200_000
    assert {name: (cluster[name].keys, cluster.placement()[name].placement) for name in cluster} == before
    eventually(lambda: {state.state for state in cluster.placement().values()} == {"held"})
    assert cluster.placement()["x"].holders == ["alice", "bob"]
    assert cluster.placement()["small"].holders == ["bob"]
    assert (cluster.name, cluster.address) == (names, address)
    now = {w.name: w for w in cluster.workers()}
    assert {n: (w.nthreads, w.memory_limit) for n, w in now.items()} == {
        n: (w.nthreads, w.memory_limit) for n, w in workers.items()
    }
    told = eventually(
        lambda: [event["message"] for event in cluster.link.events if "scheduler died" in event["message"]]
    )
    assert "killed by SIGKILL" in told[0]
    assert "restored" in told[0]
    assert cluster.submit(lambda: int(x.sum())).result() == int(x.sum())
    assert registry.current() is cluster
