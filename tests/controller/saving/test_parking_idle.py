"""A kept cluster that nobody uses is parked: saved and without workers, until somebody comes."""

import os
import signal

import dask.config
import numpy as np
import pytest

import moorage
from moorage.deploy.fdstore.client import facts_at, kept_at
from moorage.deploy.kept import kept_clusters, state_folder
from tests.helpers import eventually

BIG = np.arange(100_000.0)


@pytest.fixture
def left(tmp_path, monkeypatch):
    """A kept cluster that nobody is attached to, which is parked when that is so for a second: what it is called."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    settings = {"moorage.cluster.idle-timeout": "1s", "moorage.cluster.park": str(tmp_path / "parked")}
    with dask.config.set(settings):
        cluster = moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="1GB", keep=True)
    cluster.broadcast(BIG.copy(), name="big", keep_origin=False)
    cluster.pin("model", ["bob"], value={"a": [1, 2]})
    cluster.client.publish_dataset(result=cluster.client.submit(sum, [20, 22], workers=["alice"]))
    cluster.client.publish_dataset(actor=cluster.client.submit(list, actor=True))
    assert cluster.status_info()["park"] == str(tmp_path / "parked" / cluster.name)
    name, store = cluster.name, cluster.client.sync(cluster.client.scheduler.moorage_host)["store"]
    cluster.close()
    yield name, store
    moorage.attach(name).stop()
    eventually(lambda: not list((tmp_path / "parked").iterdir()))


def is_parked():
    return [one for one in kept_clusters(state_folder()) if one.parked]


def check(cluster):
    np.testing.assert_array_equal(cluster.gather("big"), BIG)
    assert cluster.gather("model") == {"a": [1, 2]}
    eventually(lambda: cluster.placement()["model"].holders == ["bob"])
    eventually(lambda: cluster.placement()["big"].holders == ["alice", "bob"])


def test_it_comes_back_with_its_data_for_whoever_attaches(left):
    name, store = left
    eventually(lambda: "Actor" in facts_at(store)["info"]["trouble"])  # whose state would be lost
    with moorage.attach(name) as cluster:
        assert cluster.client.get_dataset("actor").result().append(1) is not None
        cluster.client.unpublish_dataset("actor")
    eventually(is_parked)
    eventually(lambda: (files := facts_at(store).get("files")) and not kept_at(store, files))  # the memory is free
    cluster = moorage.attach(name)
    assert any("parked" in notice["message"] for notice in cluster.notices.values())
    check(cluster)
    assert cluster.client.get_dataset("result").result(timeout=30) == 42
    assert not is_parked()
    eventually(lambda: cluster.status_info()["detail"] == "")
    cluster.close()
    (parked,) = eventually(is_parked)  # once more; and its scheduler dies meanwhile
    os.kill(parked.pid, signal.SIGKILL)
    check(moorage.attach(name))
