"""Small values travel in the message that places them: one question, one answer, and all promises as for large ones."""

import asyncio
import os
import signal
import threading
import time
from collections import Counter

import numpy as np
import pytest

from moorage.kernel.connection.scheduler_link import SchedulerLink
from moorage.kernel.placement.request import How
from moorage.model import Everywhere, OnWorkers
from tests.gates import Gate, held_by
from tests.helpers import eventually
from tests.kernel.placement.test_recovery import address, kill, until


@pytest.fixture
def questions(cluster, monkeypatch):
    """What the scheduler is asked, and how often, but for what it is told of code, once and first."""
    asked, scheduler = Counter(), cluster.client.scheduler
    ask = type(scheduler).__getattr__

    def counted(self, name):
        ours = name.startswith("moorage_") and name not in ("moorage_install_on_workers", "moorage_keep")
        if self is scheduler and (ours or name == "who_has"):
            asked[name] += 1
        return ask(self, name)

    monkeypatch.setattr(type(scheduler), "__getattr__", counted)
    return asked


def small(seed=0, nbytes=8000):
    return np.random.default_rng(seed).random(nbytes // 8)


def told(cluster, name):
    """What is known of a variable without asking again."""
    return cluster.placer.states([name])[name]


def holders(cluster, name):
    return cluster.placement()[name].holders


def test_a_small_broadcast_is_one_question_whose_answer_says_that_it_is_held(cluster, questions):
    cluster.broadcast(small(10), name="x")
    assert questions == {"moorage_place": 1}
    assert told(cluster, "x").held == {"alice": 1, "bob": 1}
    assert told(cluster, "x").state == "held"


def test_hundreds_of_small_values_are_placed_at_once(cluster, questions):
    values = {f"x{i}": small(i) for i in range(200)} | {"text": "a" * 1000, "number": 3, "nested": [{"a": small(7)}]}
    cluster.place([], Everywhere(), values=values, whole=True)
    assert questions["moorage_place"] == 1
    for name in values:
        assert told(cluster, name).held == {"alice": 1, "bob": 1}
    assert np.array_equal(cluster.gather("x150"), values["x150"])
    assert np.array_equal(cluster.gather("nested")[0]["a"], small(7))
    assert cluster.gather("text", "number") == ("a" * 1000, 3)


def test_thousands_of_elements_are_placed_at_once_and_each_is_a_key(cluster, questions):
    data = [float(i) for i in range(3000)] + [[i] for i in range(50)]
    futures = cluster.scatter(data, "many")
    assert questions["moorage_place"] == 1
    assert len({future.key for future in futures}) == len(data)
    until(cluster, "many", "held", timeout=5)
    assert sum(told(cluster, "many").held.values()) == len(data)
    assert all(future.status == "finished" for future in futures)
    assert cluster.client.submit(sum, futures[:10]).result(60) == sum(range(10))
    assert cluster.gather("many") == data


def test_a_small_value_goes_to_the_workers_that_are_named(cluster, questions):
    future = cluster.scatter(small(11), "x", workers=["bob"])
    assert questions == {"moorage_place": 1}
    assert holders(cluster, "x") == ["bob"]
    assert np.array_equal(future.result(60), small(11))
    cluster.pin("y", ["alice"], value=small(1))
    assert holders(cluster, "y") == ["alice"]


def test_small_and_large_values_are_placed_in_one_call(cluster):
    values = {"large": small(1, 4_000_000), "x": small(), "middle": ["a" * 1000] * 10 + [small(2, 200_000)], "n": 1}
    cluster.place([], OnWorkers(("bob",)), values=values, whole=True)
    for name in values:
        assert holders(cluster, name) == ["bob"]
    assert np.array_equal(cluster.gather("large"), values["large"])
    assert np.array_equal(cluster.gather("middle")[-1], values["middle"][-1])


def test_a_small_value_comes_back_when_its_only_worker_is_killed(cluster):
    future = cluster.scatter(small(), "x", workers="alice")
    elements = cluster.scatter([{"a": i} for i in range(20)], "elements")
    kill(cluster, "alice")
    until(cluster, "x", "held")
    until(cluster, "elements", "held")
    assert np.array_equal(future.result(60), small())
    assert cluster.client.gather(elements) == [{"a": i} for i in range(20)]


def test_the_same_small_value_is_not_sent_twice(cluster, questions):
    cluster.scatter(small(), "x", workers="alice")
    gate = Gate(cluster.client, taken=False)
    cluster.scatter(small(), "x", workers="alice", timeout=20)  # would wait at the gate
    gate.open()
    assert holders(cluster, "x") == ["alice"]


def interrupted(cluster, taken, value):
    """Broadcast and interrupt it while the value is at a worker, and wait until all of that is over."""
    gate = Gate(cluster.client, taken)
    placing = cluster.placer.place(value, "x", Everywhere(), How(whole=True))
    waiting = asyncio.run_coroutine_threadsafe(placing, cluster.client.loop.asyncio_loop)
    gate.wait_for_arrival()
    waiting.cancel()
    eventually(
        lambda: cluster.client.run_on_scheduler(
            lambda dask_scheduler: len(dask_scheduler.extensions["moorage"].delivery._withdrawn)
        )
    )
    gate.open()
    eventually(lambda: not cluster.placer._sending)


@pytest.mark.parametrize("taken", [False, True])
def test_an_interrupted_small_broadcast_is_undone(cluster, taken):
    interrupted(cluster, taken, small())
    assert "x" not in cluster.placement()
    eventually(lambda: not held_by(cluster.client))
    eventually(lambda: not cluster.client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks)))
    assert not len(cluster.placer.origins)
    cluster.broadcast(small(), name="x")
    assert holders(cluster, "x") == ["alice", "bob"]


@pytest.mark.parametrize("taken", [False, True])
def test_an_interrupted_small_broadcast_leaves_what_was_there_before(cluster, taken):
    cluster.broadcast(small(1), name="x")
    key = cluster["x"].keys[0]
    interrupted(cluster, taken, small(2))
    assert cluster["x"].keys == [key]
    assert holders(cluster, "x") == ["alice", "bob"]
    assert np.array_equal(cluster.gather("x"), small(1))
    assert key in cluster.placer.origins
    cluster.release("x")
    eventually(lambda: not held_by(cluster.client))


@pytest.mark.parametrize("then", ["broadcast", "release"])
def test_an_interrupted_placement_does_not_undo_what_is_done_to_the_name_afterwards(cluster, monkeypatch, then):
    place, about_to, go = SchedulerLink.place, threading.Event(), asyncio.Event()

    async def waits(*args):
        about_to.set()
        await go.wait()
        return await place(*args)

    cluster.broadcast(small(1), name="x")
    loop = cluster.client.loop.asyncio_loop
    with monkeypatch.context() as patch:
        patch.setattr(SchedulerLink, "place", waits)
        placing = cluster.placer.place(small(2), "x", Everywhere(), How(whole=True))
        waiting = asyncio.run_coroutine_threadsafe(placing, loop)
        assert about_to.wait(60)
        waiting.cancel()
    threading.Timer(0.5, loop.call_soon_threadsafe, [go.set]).start()
    if then == "broadcast":
        cluster.broadcast(small(3), name="x")
    else:
        cluster.release("x")
    eventually(lambda: go.is_set() and not cluster.placer._under_way)
    if then == "broadcast":
        assert np.array_equal(cluster.gather("x"), small(3))
        cluster.release("x")
    assert "x" not in cluster.placement()
    eventually(lambda: not held_by(cluster.client))


def test_a_worker_that_hangs_holds_no_small_value_up_for_others(cluster):
    bob = address(cluster, "bob")
    pid = cluster.client.run(os.getpid, workers=[bob])[bob]
    os.kill(pid, signal.SIGSTOP)
    going_on = threading.Timer(20, os.kill, (pid, signal.SIGCONT))
    going_on.start()
    try:
        began = time.monotonic()
        cluster.broadcast(small(), name="x", timeout=0)
        assert time.monotonic() - began < 12
        assert "alice" in told(cluster, "x").held
    finally:
        os.kill(pid, signal.SIGCONT)
        going_on.cancel()
    eventually(lambda: holders(cluster, "x") == ["alice", "bob"])


class Broken:
    """Cannot be made from its pickle on a worker that is called bob."""

    def __reduce__(self):
        return _on_alice, ()


def _on_alice():
    from distributed import get_worker

    raise RuntimeError("cannot be made") if "bob" in str(get_worker().name) else ValueError("cannot be made")


def test_what_a_worker_cannot_make_is_an_error_and_leaves_nothing(cluster):
    with pytest.raises(Exception, match=r"cannot be made|No worker"):
        cluster.place([], Everywhere(), values={"x": Broken(), "y": small()}, whole=True)
    assert not cluster.placement()
    eventually(lambda: not held_by(cluster.client))
    assert not len(cluster.placer.origins)


def test_without_workers_a_small_value_is_kept_for_the_first_that_comes(cluster):
    cluster.scale(0)
    eventually(lambda: not cluster.workers())
    cluster.broadcast(small(), name="x", timeout=0)
    assert cluster.placement()["x"].state == "waiting"
    cluster.scale(2)
    eventually(lambda: cluster.placement()["x"].state == "held")
    assert np.array_equal(cluster.gather("x"), small())
