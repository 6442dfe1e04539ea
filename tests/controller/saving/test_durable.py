"""Durable variables are written to files behind, come back from there, and their files go when they are released."""

import os
import signal

import dask
import numpy as np
import pytest
from click.testing import CliRunner

import moorage
from moorage.cli.commands import moorage as commands
from moorage.errors import InputError, UnknownVariableError
from moorage.jupyter.display import sentence
from moorage.model import Everywhere, OnWorkers
from tests.helpers import eventually

BIG = np.random.default_rng(0).normal(size=300_000)
PARTS = [np.full(30_000, i) for i in range(4)]


@pytest.fixture(autouse=True)
def folder(tmp_path):
    with dask.config.set({"moorage.durable-directory": str(tmp_path / "durable")}):
        yield tmp_path / "durable"


def written(cluster, *names):
    eventually(lambda: all(cluster.placement()[name].durable == "written" for name in names))


def files(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def kill_all(cluster, *names):
    for name in names:
        os.kill(cluster.submit(os.getpid, workers=name, pure=False).result(), signal.SIGKILL)


def test_it_is_written_behind_says_so_and_goes_with_the_release(cluster, folder):
    cluster.broadcast(BIG, name="big", durable=True)
    cluster.scatter(PARTS, name="parts", durable=True)
    written(cluster, "big", "parts")
    assert "on disk" in sentence("big", cluster.placement()["big"], 2)
    assert any("written to disk" in event["message"] for event in cluster.link.events)
    assert files(folder).count("moorage.json") == 2
    assert ": big, parts\n" in CliRunner().invoke(commands, ["list"]).output
    cluster.release("big")
    eventually(lambda: files(folder).count("moorage.json") == 1)
    cluster.scatter(PARTS, name="parts", durable=False)
    eventually(lambda: not list(folder.iterdir()))
    assert cluster.placement()["parts"].durable == ""


def test_it_comes_back_from_its_file_when_nobody_has_it_any_more(cluster):
    cluster.broadcast(BIG.copy(), name="big", durable=True, keep_origin=False)  # an origin that goes at once
    cluster.pin("one", workers=["bob"], value=PARTS[1].copy(), durable=True, keep_origin=False)
    future = cluster["big"].future
    written(cluster, "big", "one")
    kill_all(cluster, "alice", "bob")
    eventually(lambda: cluster.placement()["one"].holders == ["bob"])
    eventually(lambda: cluster.placement()["big"].holders == ["alice", "bob"])
    np.testing.assert_array_equal(cluster.gather("big"), BIG)
    np.testing.assert_array_equal(future.result(), BIG)
    np.testing.assert_array_equal(cluster.gather("one"), PARTS[1])


def test_it_survives_the_death_of_everything(cluster, folder):
    with moorage.start(names=["bob"], threads_per_worker=1, memory_limit="1GB") as other:
        other.broadcast(BIG, name="big", durable=True)
        other.scatter(PARTS, name="parts", durable=True)
        other.pin("parts", workers=["bob"])
        other.broadcast(PARTS[0], name="model", durable=True)
        written(other, "parts", "big", "model")
        cluster.broadcast(PARTS[1], name="model", durable=True)  # what another cluster of this notebook has stays
        eventually(lambda: cluster.placement()["model"].durable == "failed")
        assert any(f"the cluster {other.name} is there" in notice["message"] for notice in cluster.notices.values())
        os.kill(other.handle.info.pid, signal.SIGKILL)
    cluster.broadcast(PARTS[2], name="model", durable=True)  # of one that has ended it is put aside
    written(cluster, "model")
    (previous,) = folder.glob("*/.previous/model")
    cluster.restore(from_=previous, overwrite=True)
    np.testing.assert_array_equal(cluster.gather("model"), PARTS[0])
    cluster.release("model")
    eventually(lambda: not previous.exists())
    assert cluster.restore() == ["big", "parts"]
    after = cluster.placement()
    assert after["big"].placement == Everywhere()
    assert after["parts"].placement == OnWorkers(("bob",))
    np.testing.assert_array_equal(cluster.gather("big"), BIG)
    np.testing.assert_equal(cluster.gather("parts"), PARTS)
    written(cluster, "big", "parts")  # as before


def test_nothing_is_left_of_what_is_released_before_its_new_value_is_written(cluster, folder):
    cluster.broadcast(BIG, name="big", durable=True)
    written(cluster, "big")
    with cluster._durable._writing:
        cluster.broadcast(PARTS[0], name="big", durable=True)
        cluster.release("big")
    eventually(lambda: not files(folder))


def test_its_time_ends_although_everything_has_died(cluster, folder):
    with moorage.start(names=["bob"], threads_per_worker=1, memory_limit="1GB") as other:
        other.broadcast(BIG, name="big", durable=True, lifetime="1h")
        other.broadcast(PARTS[0], name="brief", durable=True, lifetime="4s")
        written(other, "big", "brief")
        until = other.placement()["big"].until
        os.kill(other.handle.info.pid, signal.SIGKILL)
    eventually(lambda: cluster._durable.saved().keys() == {"big"})
    assert cluster.restore() == ["big"]
    assert cluster.placement()["big"].until == pytest.approx(until, abs=1)
    assert files(folder).count("moorage.json") == 1
    cluster.release("big")
    eventually(lambda: not list(folder.iterdir()))


def test_what_is_not_written_yet_is_when_the_cluster_is_left(cluster):
    with moorage.start(names=["bob"], threads_per_worker=1, memory_limit="1GB") as other:
        other.broadcast(BIG, name="x", durable=True)
        written(other, "x")
        other.broadcast(PARTS[0], name="x")
        assert other.placement()["x"].durable  # another value, or another place, is so, too
        other.pin("x", workers=["bob"])
    cluster.restore("x")
    eventually(lambda: cluster.placement()["x"].holders == ["bob"])  # it may have been read by another
    np.testing.assert_array_equal(cluster.gather("x"), PARTS[0])


def test_what_cannot_be_durable_is_refused_or_told(cluster, folder):
    with pytest.raises(InputError, match="no durable variables"):
        cluster.restore()
    with pytest.raises(InputError, match="tasks may write to it"):
        cluster.broadcast(BIG, name="x", writable=True, durable=True)
    with pytest.raises(InputError, match="without a name"):
        cluster.scatter(BIG, durable=True)
    assert not cluster.placement()
    folder.write_text("no folder")
    cluster.broadcast(BIG, name="x", durable=True)
    eventually(lambda: cluster.placement()["x"].durable == "failed")
    assert any("x is not durable" in notice["message"] for notice in cluster.notices.values())
    np.testing.assert_array_equal(cluster.gather("x"), BIG)
    folder.unlink()
    cluster.broadcast(BIG, name="x", durable=True)
    written(cluster, "x")
    with pytest.raises(UnknownVariableError, match="y"):
        cluster.restore("y")
