"""Calls with Dask's keywords: the same task, retries, limits; and what is left once the worker side is gone."""

import builtins
import functools
import os
import sys
import threading
import time
import types

import cloudpickle
import numpy as np
import pytest

import moorage
from moorage.errors import InputError
from moorage.tasks.options import Options


def test_the_same_call_is_the_same_task_unless_it_is_impure(submitter):
    function = functools.partial(os.getpid)
    first = submitter.submit(function)
    assert submitter.submit(function).key == first.key
    assert submitter.submit(function, pure=False).key != first.key
    assert submitter.submit(function, key="mine").key == "mine"


def test_a_task_that_raises_is_tried_again_as_often_as_asked(submitter, tmp_path):
    def flaky(path):
        with open(path, "a") as f:
            f.write("x")
        if os.path.getsize(path) < 3:
            raise OSError("not yet")
        return os.path.getsize(path)

    path = str(tmp_path / "count")
    assert submitter.submit(flaky, (path,), options=Options(retries=5)).result(30) == 3


def test_a_limit_lets_so_many_run_at_once(client, submitter, tmp_path):
    def alone(path):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        time.sleep(0.05)
        os.unlink(path)
        return True

    path = str(tmp_path / "lock")
    futures = [submitter.submit(alone, (path,), options=Options(limits={"db": 1}), pure=False) for _ in range(6)]
    assert all(client.gather(futures))


def test_a_limit_lets_so_many_items_run_at_once(cluster, tmp_path):
    def alone(i, path):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        time.sleep(0.01)
        os.unlink(path)
        return i

    results = cluster.map(alone, range(20), path=str(tmp_path / "lock"), limits={"db": 1}, batch_size=2)
    assert results.gather() == list(range(20))


def test_options_that_make_no_sense_are_refused():
    with pytest.raises(InputError, match="limit of 0 for db"):
        Options(limits={"db": 0})
    with pytest.raises(InputError, match="negative"):
        Options(retries=-1)
    with pytest.raises(InputError, match=r"priority=\d+ is more than Dask takes"):
        Options(priority=2**70)


@pytest.mark.parametrize(
    "key", [2**70, (1, -(2**70)), "\ud800", b"x", (1, None), ("a", object()), [1], 10**5000], ids=range(8)
)
def test_a_key_that_would_break_the_connection_is_refused(key, cluster):
    with pytest.raises(InputError, match="cannot be the key of a task"):
        cluster.submit(lambda: 1, key=key)
    assert cluster.submit(lambda: 1, key=("fine", 2**63)).result(30) == 1


def test_the_cluster_is_as_before_once_the_worker_side_is_taken_off():
    def state(dask_worker):
        plugins = [name for name in dask_worker.plugins if "moorage_worker" in str(name)]
        patched = type(sys.stdout), threading.Thread.start, cloudpickle.Pickler.dispatch_table[types.CodeType]
        return [one.__module__ for one in patched], hasattr(builtins, "display"), plugins

    with moorage.start(n_workers=1, threads_per_worker=1) as cluster:
        before = cluster.client.run(state)
        submitter = cluster.submitter
        assert submitter.submit(lambda: 1).result(30) == 1
        assert cluster.client.run(state) != before
        submitter.close()
        assert cluster.client.run(state) == before
        assert submitter.submit(lambda: 2).result(30) == 2


def test_a_result_that_contains_itself_or_something_twice_is_the_same_wherever_it_goes(cluster):
    def made():
        array = np.zeros(3000)
        ring = {"a": array, "b": [array, array]}
        ring["self"] = [ring]
        return ring

    def holds(ring):
        return ring["self"][0] is ring and ring["b"][0] is ring["a"] and ring["b"][1] is ring["a"]

    for name in ("alice", "bob"):
        ring = cluster.submit(made, pure=False)
        assert cluster.submit(holds, ring, workers=name, pure=False).result(30)
    assert holds(ring.result(30))
    loop = [1]
    loop.append(loop)
    got = cluster.submit(lambda: loop, pure=False).result(30)
    assert got[1] is got
