"""Workers that die under tasks and items, and data that is lost with them."""

import gc
import os
import signal
import time

import dask
import numpy as np
import pytest

import moorage
from moorage.errors import LostError
from tests.helpers import eventually


def test_a_worker_that_dies_costs_only_what_it_was_running(cluster, tmp_path):
    def item(i, folder):
        with open(os.path.join(folder, str(i)), "a") as f:
            f.write("x")
        if i == 30 and os.path.getsize(os.path.join(folder, "30")) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.01)
        return i

    results = cluster.map(item, range(100), folder=str(tmp_path))
    assert results.gather() == list(range(100))
    again = [i for i in range(100) if os.path.getsize(tmp_path / str(i)) > 1]
    assert 30 in again
    assert len(again) < 60


def test_what_must_not_run_twice_fails_instead(cluster, tmp_path):
    def item(i, folder):
        with open(os.path.join(folder, str(i)), "a") as f:
            f.write("x")
        if i == 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return i

    results = cluster.map(item, range(20), folder=str(tmp_path), rerun=False)
    results.wait()
    failed = {e.index: str(e.exception) for e in results.errors}
    assert 5 in failed
    assert len(failed) < 5  # those whose values were lost with the worker
    assert all("not to run twice" in why for why in failed.values())
    assert all(os.path.getsize(tmp_path / str(i)) == 1 for i in range(20))


def test_an_item_that_kills_every_worker_fails_alone(cluster):
    def item(i):
        if i == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return i

    results = cluster.map(item, range(8), batch_size=4)
    results.wait()
    assert [e.index for e in results.errors] == [3]
    assert "KilledWorker" in type(results.errors[0].exception).__name__
    assert results.gather(errors="skip") == [0, 1, 2, 4, 5, 6, 7]


def test_placed_data_that_is_lost_is_restored_and_items_go_on(cluster):
    data = np.arange(500_000)
    cluster.scatter(data, "data", workers=["bob"], whole=True, allow_other_workers=True)
    bob = next(w for w in cluster.workers() if w.name == "bob")
    pid = cluster.client.run(os.getpid, workers=[bob.address])[bob.address]
    results = cluster.map(lambda i: time.sleep(0.02) or int(data[i]), range(100), workers=["alice", "bob"])
    eventually(lambda: results.progress.done > 5)
    os.kill(pid, signal.SIGKILL)
    assert results.gather() == list(range(100))


def test_a_task_waits_for_placed_data_that_is_being_restored(cluster):
    data = np.arange(500_000)
    cluster.pin("data", ["bob"], value=data, allow_other_workers=True)
    bob = next(w for w in cluster.workers() if w.name == "bob")
    os.kill(cluster.client.run(os.getpid, workers=[bob.address])[bob.address], signal.SIGKILL)
    futures = [cluster.submit(lambda i: int(data[i]), i) for i in range(5)]
    assert cluster.client.gather(futures) == [0, 1, 2, 3, 4]


def test_a_variable_may_be_released_while_a_map_uses_it(cluster):
    data = np.arange(500_000)
    cluster.broadcast(data, "data")
    results = cluster.map(lambda i: time.sleep(0.01) or int(data[i]), range(100))
    eventually(lambda: results.progress.done > 5)
    cluster.release("data")
    assert results.gather() == list(range(100))


def test_a_task_that_needs_what_is_lost_for_good_says_so_by_name(cluster):
    bob = next(w for w in cluster.workers() if w.name == "bob")
    texts = np.array([str(i) * 15_000 for i in range(1000, 2200)], dtype=object)  # not shared, and too large to be kept
    cluster.scatter(texts, "gone", workers=["bob"], whole=True)
    del texts
    gc.collect()
    os.kill(cluster.client.run(os.getpid, workers=[bob.address])[bob.address], signal.SIGKILL)
    eventually(lambda: cluster.placement()["gone"].state == "lost")
    with pytest.raises(LostError, match="copy of gone is gone with worker bob"):
        cluster.submitter.cell("len(gone)", {}).result(30)
    with pytest.raises(LostError, match="copy of gone is gone with worker bob"):
        cluster.submitter.cell_map("len(gone) + i", "i", "range(3)", {}).gather()


@pytest.fixture(scope="module")
def three():
    with moorage.start(names=["alice", "bob", "carol"], threads_per_worker=1, memory_limit="1GB") as cluster:
        yield cluster


@pytest.mark.parametrize(
    "place",
    [
        lambda cluster, data: cluster.pin("data", ["carol"], value=data),
        lambda cluster, data: cluster.scatter(data, "data", workers=["carol"], whole=True, allow_other_workers=True),
    ],
    ids=["pinned", "held"],
)
def test_a_map_goes_on_where_its_data_goes_when_its_workers_leave_for_good(three, place):
    three.scale(3)
    data = np.arange(500_000)
    place(three, data)
    names = three.worker_names()
    leaving = three.placement()["data"].holders
    with dask.config.set({"moorage.wait-timeout": "2s"}):
        results = three.map(lambda i: time.sleep(0.05) or int(data[i]), range(100), batch_size=1)
        eventually(lambda: results.progress.done > 2)
        three.scale(workers=leaving)
        assert set(three.worker_names()) < set(names)
        assert results.wait(60)
        assert results.gather() == list(range(100))
