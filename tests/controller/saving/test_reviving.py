"""The scheduler of a cluster is killed: the cluster comes back with its name, workers, variables and futures.

To kill one and have it back takes seconds, so most tests look at what has become of a cluster that was killed once, by
`survived`.
"""

import contextlib
import os
import signal
import threading
import time
from types import SimpleNamespace

import dask
import numpy as np
import pytest

import moorage
from moorage.controller import registry
from moorage.deploy import host_process, kept
from moorage.deploy.fdstore.client import kept_at
from moorage.errors import LostError, UnreachableError
from moorage.kernel.images import sharing
from moorage.wire.images import SHARED_TOPIC
from tests.deploy.tools import living
from tests.helpers import eventually

PARTS = [bytes([i]) * 200_000 for i in range(5)]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A cluster that only one test has."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    with moorage.start(n_workers=1, threads_per_worker=1, memory_limit="500MB") as cluster:
        yield cluster


def host_of(cluster):
    """Return the process id of the host, in which the scheduler is."""
    return cluster.client.sync(cluster.client.scheduler.moorage_host)["pid"]


def told(cluster):
    return [event["message"] for event in cluster.link.events]


def kill_scheduler(cluster):
    """Kill it, and wait until the connection has broken."""
    lives = cluster.link.lives
    os.kill(host_of(cluster), signal.SIGKILL)
    eventually(lambda: not cluster.link.is_back or cluster.link.lives > lives)


def is_kept(cluster, *names):
    """Whether the store beside the host has all keys of variables."""
    keys = {key for name in names for key in cluster[name].keys}
    return kept_at(cluster.handle.info.store, keys).keys() == keys


def slow(item):
    time.sleep(0.02)
    return item * 2


def array_of(item):
    time.sleep(0.1)
    return np.full(300_000, item)


@pytest.fixture(scope="module")
def survived(tmp_path_factory):
    """A cluster whose scheduler was killed while all kinds of things were under way, and how it was before."""
    folder = tmp_path_factory.mktemp("ran")

    def note(item):
        with open(folder / str(item), "a") as file:
            file.write("x")
        time.sleep(60 if item == 39 else 0.1)  # one has not ended when the scheduler is killed
        return item

    with moorage.start(names=["alice", "bob"], threads_per_worker=2, memory_limit="1GB") as cluster:
        it = SimpleNamespace(cluster=cluster, folder=folder, x=np.arange(300_000))
        cluster.scale(3)
        cluster.scale(workers=["2"])
        it.future = cluster.broadcast(it.x, name="x", lifetime="1h")
        it.parts = cluster.scatter(PARTS, name="parts")
        cluster.pin("small", workers=["bob"], value={"a": 1})
        it.big = cluster.scatter(np.ones(10_000_000), name="big")  # too large to be remembered for the notebook
        it.computed = cluster.submit(np.ones, 10_000_000)
        cluster.pin("computed", workers=["bob"], value=it.computed)
        it.unnamed = cluster.scatter(np.ones(200_000))
        it.plain = cluster.client.submit(sum, [1, 2])
        it.each = cluster.submitter.each(os.getpid)
        it.pids = it.each.gather()
        it.values = cluster.map(array_of, range(12))
        eventually(lambda: it.values.progress.done > 2)
        it.once = cluster.map(note, range(40), rerun=False)
        eventually(lambda: it.once.progress.done > 2)
        it.loop = cluster.map(slow, range(300))
        eventually(lambda: it.loop.progress.done > 20 and is_kept(cluster, "x", "big"))
        cluster.adapt(2, 3)
        it.variables = {name: (cluster[name].keys, cluster.placement()[name].placement) for name in cluster}
        it.until = cluster.placement()["x"].until
        it.name, it.address, it.workers = cluster.name, cluster.address, {w.name: w for w in cluster.workers()}
        kill_scheduler(cluster)
        yield it


def test_everything_is_back_under_its_name_and_keys(survived):
    cluster = survived.cluster
    assert np.array_equal(survived.future.result(), survived.x)
    assert cluster.client.gather(survived.parts) == PARTS
    assert survived.unnamed.result().sum() == 200_000
    assert {n: (cluster[n].keys, cluster.placement()[n].placement) for n in cluster} == survived.variables
    ends = {"x": "held", "parts": "held", "small": "held", "big": "held", "computed": "lost"}
    eventually(lambda: ends.items() <= {name: state.state for name, state in cluster.placement().items()}.items())
    assert {"alice", "bob"} <= set(cluster.placement()["x"].holders)
    assert cluster.placement()["small"].holders == ["bob"]
    assert cluster.placement()["x"].until == survived.until
    assert (cluster.name, cluster.address) == (survived.name, survived.address)
    now = {w.name: (w.nthreads, w.memory_limit) for w in cluster.workers()}
    assert {n: (w.nthreads, w.memory_limit) for n, w in survived.workers.items()}.items() <= now.items()
    x = survived.x
    assert cluster.submit(lambda: int(x.sum())).result() == int(x.sum())
    assert registry.current() is cluster
    eventually(lambda: cluster.status_info()["adapt"] == [2, 3])


def test_what_only_the_hosts_memory_has_is_mapped_again(survived):
    assert survived.big.result().sum() == 10_000_000
    assert is_kept(survived.cluster, "big")  # once more


def test_what_nobody_has_is_lost_and_said_to_be(survived):
    with pytest.raises(LostError, match="computed"):
        survived.computed.result()
    assert survived.plain.status == "cancelled"
    (message,) = eventually(lambda: [message for message in told(survived.cluster) if "and is back" in message])
    assert "killed by SIGKILL" in message
    assert " restored; computed lost." in message


def test_a_loop_goes_on_with_what_had_not_ended(survived):
    assert survived.loop.gather() == [item * 2 for item in range(300)]


def test_values_of_a_loop_that_were_on_the_cluster_are_computed_again(survived):
    assert survived.values.wait()
    assert not survived.values.errors


def test_what_must_not_run_twice_fails(survived):
    results = survived.once
    results.wait()
    failed = {error.index for error in results.errors}
    assert failed
    assert all(isinstance(error.exception, LostError) for error in results.errors)
    assert {index for index in range(40) if index not in failed} == {
        index for index, value in enumerate(results.gather("return")) if value == index
    }
    assert {len(file.read_text()) for file in survived.folder.iterdir()} == {1}


def test_code_that_runs_on_every_worker_runs_on_the_new_ones(survived):
    each = survived.each
    eventually(lambda: survived.cluster.link.is_back and {"alice", "bob"} <= set(each) and each.done())
    assert set(each.gather().values()).isdisjoint(survived.pids.values())


def test_at_a_second_death_a_pin_goes_through_and_a_loop_that_has_ended_runs_nothing_unasked(survived):
    survived.values.wait()
    survived.cluster.adapt(None)
    os.kill(host_of(survived.cluster), signal.SIGKILL)
    survived.cluster.pin("meanwhile", workers=["bob"], value={"a": 2})
    assert survived.cluster.gather("meanwhile") == {"a": 2}
    with pytest.raises(LostError, match="is lost with"):
        survived.values.gather()
    assert [value[0] for value in survived.values.retry().gather()] == list(range(12))
    assert survived.big.result().sum() == 10_000_000


def test_what_a_worker_has_before_the_scheduler_knows_it_is_kept_all_the_same(survived):
    """Whoever sends a value tells the scheduler of it when the worker has it."""
    client, (x,) = survived.cluster.client, survived.cluster["x"].keys
    alice = next(worker.address for worker in survived.cluster.workers() if worker.name == "alice")

    async def look(dask_scheduler):
        preserving = dask_scheduler.plugins["moorage-preserving"]
        preserving.log_event(SHARED_TOPIC, {"worker": alice, "shared": ["early"]})
        await preserving._bring()

    client.run(lambda dask_worker: dask_worker.data.update(early=dask_worker.data[x]), workers=[alice])
    client.run_on_scheduler(look)
    client.sync(client.scheduler.update_data, who_has={"early": [alice]}, nbytes={"early": 1}, client=client.id)
    eventually(lambda: kept_at(survived.cluster.handle.info.store, ["early"]))


def test_it_gives_up_after_three_deaths_in_a_minute_and_shows_the_log(own, monkeypatch):
    monkeypatch.setattr(host_process, "_WITHIN", 600.0)  # of a machine that has other work
    own.handle._deaths += [time.monotonic()] * 2
    kill_scheduler(own)
    notice = eventually(lambda: [notice for notice in own.notices.values() if "3 times" in notice["message"]])
    assert "last lines of its log" in notice[0]["remedy"]
    eventually(lambda: own.client.status == "closed")
    with pytest.raises(UnreachableError):
        own.placement()


def test_a_cluster_that_is_stopped_meanwhile_does_not_come_back(own):
    host = host_of(own)
    kill_scheduler(own)
    own.stop()
    assert own.status == "stopped"
    eventually(lambda: not living(host))
    assert not own.handle.alive


def test_a_cluster_that_is_stopped_while_its_death_is_noticed_keeps_no_memory(own, monkeypatch):
    seen, left, died, let_go = threading.Event(), threading.Event(), own.handle.died, own._reviving.close

    def notice():
        how = died()
        seen.set()
        left.wait(30)
        return how

    monkeypatch.setattr(own.handle, "died", notice)
    monkeypatch.setattr(own._reviving, "close", lambda: (let_go(), left.set()))
    own.broadcast(np.arange(300_000), name="x")
    kill_scheduler(own)
    assert seen.wait(30)
    own.stop()
    with dask.config.set({"moorage.images.pool": 0}):
        sharing.pool().lease("of another cluster", [(0, memoryview(bytes(1000)))], 1000).release()
        assert sharing.pool().trim() == 0


def test_a_value_that_cannot_be_pickled_does_not_keep_others_from_surviving(own):
    own.keep()
    own.pin("generator", own.worker_names(), value=own.client.submit(lambda: (i for i in range(3))))
    own.broadcast(np.arange(300_000), name="x")
    eventually(lambda: is_kept(own, "x"))
    keys = own["x"].keys
    own.release("x")
    eventually(lambda: not kept_at(own.handle.info.store, keys))
    own.keep(False)


def test_a_kept_cluster_comes_back_with_and_without_a_notebook(own):
    own.keep()
    own.broadcast(np.arange(300_000), name="x")
    own.scatter([{"a": 1}, 2], name="parts")
    eventually(lambda: is_kept(own, "x", "parts"))
    kill_scheduler(own)
    assert own.gather("parts") == [{"a": 1}, 2]
    assert own.kept
    assert kept.named(own.name).address == own.address
    eventually(lambda: is_kept(own, "x", "parts"))
    host = host_of(own)
    own.leave()
    with contextlib.suppress(ProcessLookupError):
        os.kill(host, signal.SIGKILL)
    with moorage.attach(own.name) as again:
        assert {name: state.state for name, state in again.placement().items()} == {"x": "held", "parts": "held"}
        assert again.gather("x").sum() == np.arange(300_000).sum()
        assert again.gather("parts") == [{"a": 1}, 2]
        (notice,) = again.notices.values()
        assert "nobody was attached" in notice["message"]
        assert "parts, x restored." in notice["message"]
        again.stop()
