"""Limits on how many run at once on the whole cluster, and runs that are not to happen twice."""

import contextlib
import threading

import pytest
from distributed import Event

from tests.helpers import eventually


def turns(cluster):
    def look(dask_scheduler):
        plugin = dask_scheduler.plugins["moorage"]
        return plugin.turns._leases, plugin.turns._most, {c: dict(r) for c, r in plugin.turns._claims.items()}

    return cluster.client.run_on_scheduler(look)


def test_no_more_run_at_once_than_the_limit(cluster, tmp_path):
    def alone(i, path):
        import os

        os.close(os.open(f"{path}/lock", os.O_CREAT | os.O_EXCL))
        os.remove(f"{path}/lock")
        return i

    assert cluster.map(alone, range(40), path=str(tmp_path), limits={"disk": 1}, batch_size=2).gather() == list(
        range(40)
    )
    assert turns(cluster) == ({}, {}, {})


def test_limits_in_any_order_do_not_wait_for_each_other(cluster):
    one = cluster.map(int, range(60), limits={"a": 1, "b": 1}, batch_size=5)
    two = cluster.map(int, range(60), limits={"b": 1, "a": 1}, batch_size=5)
    assert one.wait(60)
    assert two.wait(60)
    assert one.gather() == two.gather() == list(range(60))


def test_another_limit_of_that_name_is_refused_while_it_is_in_use_and_taken_afterwards(cluster):
    event = Event(client=cluster.client)
    name = event.name

    def waits():
        return Event(name).wait(60)

    holder = cluster.submit(waits, limits={"gpu": 1}, workers="alice", pure=False)
    eventually(lambda: turns(cluster)[1] == {"gpu": 1})
    with pytest.raises(ValueError, match="The limit gpu is 1 for what runs now, and 2 was asked for"):
        cluster.submit(int, limits={"gpu": 2}, workers="bob", pure=False).result(30)
    event.set()
    assert holder.result(30)
    assert cluster.submit(int, limits={"gpu": 2}, pure=False).result(30) == 0
    del holder  # the frame outlives the test in the error that was raised: with its worker it would run again
    event.clear()


def test_a_lease_ends_with_the_worker_that_has_it(cluster):
    def ends():
        import os

        os._exit(1)

    results = cluster.map(lambda i: ends() if i == 0 else i, range(2), limits={"disk": 1}, rerun=False)
    assert results.wait(60)
    assert results.gather(errors="skip") == [1]
    assert turns(cluster)[:2] == ({}, {})


def test_nothing_is_left_of_many_runs(cluster):
    def state(dask_scheduler):
        extensions = dask_scheduler.extensions
        return {
            "events": len(extensions["events"]._events),
            "semaphores": len(extensions["semaphores"].max_leases),
            "topics": len(dask_scheduler._broker._topics),
            "claims": len(dask_scheduler.plugins["moorage"].turns._claims),
        }

    def left():
        now = cluster.client.run_on_scheduler(state) | {"threads": threading.active_count()}
        return {what: n for what, n in now.items() if n > before[what]}

    cluster.map(int, range(3), rerun=False, limits={"a": 1}).gather()
    cluster.submit(int, pure=False).result(30)
    before = cluster.client.run_on_scheduler(state) | {"threads": threading.active_count(), "claims": 0}
    for _ in range(30):
        assert cluster.map(int, range(3), rerun=False, limits={"a": 1}).gather() == [0, 1, 2]
        assert cluster.submit(int, limits={"b": 1}, pure=False).result(30) == 0
    with contextlib.suppress(AssertionError):
        eventually(lambda: not left())
    assert left() == {}
