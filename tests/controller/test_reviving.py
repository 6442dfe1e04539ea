"""The scheduler of a cluster is killed: the cluster comes back with its name, workers, variables and futures."""

import os
import signal

import numpy as np
import pytest

import moorage
from moorage.controller import registry
from moorage.deploy import host_process, kept
from moorage.errors import LostError, UnreachableError
from tests.deploy.tools import eventually, living
from tests.two_workers import cluster, shared

__all__ = ["cluster", "shared"]


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
    if len(cluster.worker_names()) > 1:
        cluster.handle._deaths.clear()  # of other tests
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
    (message,) = eventually(lambda: [message for message in told(cluster) if "and is back" in message][-1:])
    assert "killed by SIGKILL" in message
    assert "parts, small, x restored" in message
    assert cluster.submit(lambda: int(x.sum())).result() == int(x.sum())
    assert registry.current() is cluster


def slow(item):
    import time

    time.sleep(0.02)
    return item * 2


def array_of(item):
    import time

    time.sleep(0.1)
    return np.full(300_000, item)


def test_a_loop_goes_on_with_what_had_not_ended(cluster):
    big = cluster.broadcast(np.arange(100_000), name="big")
    results = cluster.map(slow, range(300))
    eventually(lambda: results.progress.done > 20)
    kill_scheduler(cluster)
    assert results.gather() == [item * 2 for item in range(300)]
    assert big.result().sum() == np.arange(100_000).sum()


def test_values_of_a_loop_that_were_on_the_cluster_are_computed_again(cluster):
    results = cluster.map(array_of, range(12))
    eventually(lambda: results.progress.done > 2)
    kill_scheduler(cluster)
    assert results.wait()
    assert not results.errors
    kill_scheduler(cluster)  # it has ended: nobody runs anything without being asked
    with pytest.raises(LostError, match="is lost with"):
        results.gather()
    assert [value[0] for value in results.retry().gather()] == list(range(12))


def test_what_must_not_run_twice_fails(cluster, tmp_path):
    def note(item):
        import time

        with open(tmp_path / str(item), "a") as file:
            file.write("x")
        time.sleep(0.1)
        return item

    results = cluster.map(note, range(40), rerun=False)
    eventually(lambda: results.progress.done > 2)
    kill_scheduler(cluster)
    results.wait()
    failed = {error.index for error in results.errors}
    assert failed
    assert all(isinstance(error.exception, LostError) for error in results.errors)
    assert {index for index in range(40) if index not in failed} == {
        index for index, value in enumerate(results.gather("return")) if value == index
    }
    assert {len(file.read_text()) for file in tmp_path.iterdir() if file.name.isdecimal()} == {1}


def test_code_that_runs_on_every_worker_runs_on_the_new_ones(cluster):
    each = cluster.submitter.each(os.getpid)
    before = each.gather()
    kill_scheduler(cluster)
    eventually(lambda: cluster.link.is_back and set(each) == {"alice", "bob"} and each.done())
    assert set(each.gather().values()).isdisjoint(before.values())


def test_what_the_notebook_does_not_have_is_lost_and_said_to_be(cluster):
    big = cluster.scatter(np.ones(10_000_000), name="big")  # too large to be remembered for the notebook
    cluster.broadcast(1, name="one")
    plain = cluster.client.submit(sum, [1, 2])
    kill_scheduler(cluster)
    with pytest.raises(LostError, match="big"):
        big.result()
    assert cluster.gather("one") == 1
    ends = {"big": "lost", "one": "held"}
    eventually(lambda: {name: state.state for name, state in cluster.placement().items()} == ends)
    assert plain.status == "cancelled"
    eventually(lambda: any("one restored; big lost." in message for message in told(cluster)))


def test_size_and_what_is_let_go_of_later_come_back_too(cluster):
    cluster.broadcast(1, name="x", lifetime="1h")
    until = cluster.placement()["x"].until
    cluster.scale(3)
    cluster.scale(workers=["bob"])
    cluster.adapt(2, 3)
    eventually(lambda: cluster.n_workers == 2)
    names = {worker.name for worker in cluster.workers()}
    kill_scheduler(cluster)
    assert cluster.placement()["x"].until == until
    assert {worker.name for worker in cluster.workers()} == names
    eventually(lambda: cluster.status_info()["adapt"] == [2, 3])
    cluster.scale(3)
    cluster.scale(workers=["2"])


def test_it_gives_up_after_three_deaths_in_a_minute_and_shows_the_log(own, monkeypatch):
    monkeypatch.setattr(host_process, "_WITHIN", 600.0)  # of a machine that has other work
    for _ in range(2):
        kill_scheduler(own)
        eventually(lambda: own.link.is_back)
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


def test_a_kept_cluster_is_kept_as_before(own):
    own.keep()
    kill_scheduler(own)
    assert own.placement() == {}
    assert own.kept
    assert kept.named(own.name).address == own.address
    own.stop()
