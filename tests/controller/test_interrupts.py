"""A placement that is interrupted is undone or completed, whenever that happens, and the next one is as quick."""

import asyncio
import threading
import time

import numpy as np
import pytest

from moorage.kernel.placement.request import How
from moorage.model import Everywhere
from tests.gates import Gate, held_by
from tests.helpers import eventually

SOON = 8.0  # seconds; a copy is given up only after 10 s


def load():
    return np.full(400_000, 1.0)


def interrupted(cluster, taken, direct):
    """Broadcast and interrupt it while the value is at the gate of a worker; return the gate."""
    gate = Gate(cluster.client, taken)
    how = How(whole=True, direct=direct)
    placing = cluster.placer.place(load(), "x", Everywhere(), how)
    waiting = asyncio.run_coroutine_threadsafe(placing, cluster.client.loop.asyncio_loop)
    gate.wait_for_arrival()
    waiting.cancel()
    return gate


def nothing_left(cluster):
    eventually(lambda: not held_by(cluster.client))
    eventually(lambda: not cluster.client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.tasks)))
    assert "x" not in cluster.placement()
    eventually(lambda: not len(cluster.placer.origins))
    assert not cluster.placer._under_way
    assert not cluster.placer._sending


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("taken", [False, True])
def test_an_interrupted_broadcast_is_undone(cluster, taken, direct):
    interrupted(cluster, taken, direct).open()
    nothing_left(cluster)


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("taken", [False, True])
def test_the_broadcast_after_an_interrupted_one_is_as_quick(cluster, taken, direct):
    gate = interrupted(cluster, taken, direct)
    opening = threading.Timer(0.5, gate.open)
    opening.start()
    began = time.monotonic()
    cluster.broadcast(load(), name="x", timeout=60)
    assert time.monotonic() - began < SOON
    assert cluster.placement()["x"].holders == ["alice", "bob"]
    assert cluster.gather("x")[0] == 1.0
    opening.join()
    cluster.release("x")
    nothing_left(cluster)


def test_a_broadcast_interrupted_while_copies_move_stays_recorded(cluster, monkeypatch):
    """All has been sent: the placement is on the scheduler, and it would be wrong to forget the origin."""
    placed = threading.Event()

    async def settled(vids, timeout):
        placed.set()
        await asyncio.sleep(60)

    with monkeypatch.context() as patch:
        patch.setattr(cluster.link, "settled", settled)
        placing = cluster.placer.place(load(), "x", Everywhere(), How(whole=True))
        waiting = asyncio.run_coroutine_threadsafe(placing, cluster.client.loop.asyncio_loop)
        assert placed.wait(60)
        waiting.cancel()
    eventually(lambda: cluster.placement()["x"].state == "held")
    assert cluster["x"].keys[0] in cluster.placer.origins
    cluster.release("x")
    nothing_left(cluster)
