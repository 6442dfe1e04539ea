"""What workers of a host share costs none of them anything: no bytes to receive, no memory of its own, no limit.

And what one of them that hangs costs.
"""

import asyncio
import os
import signal
import sys
from itertools import count

import numpy as np
import pytest
from distributed.diagnostics.plugin import WorkerPlugin

import moorage
from moorage.kernel.images import sharing
from tests.helpers import eventually
from tests.two_workers import release_all

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds are Linux's")

MB = 1_000_000
PART = 10 * MB
"""Bytes of a worker's own value. Dask holds some three more of them than its target while it spills."""
LITTLE = 1_000_000
"""Bytes of messages about a value, rather than of the value."""


class Received(WorkerPlugin):
    """Counts the bytes that a worker receives by all its connections."""

    name = "received"

    def setup(self, worker):
        from distributed.comm import tcp

        original, worker.received = tcp.from_frames, 0

        async def from_frames(frames, *args, **kwargs):
            worker.received += sum(len(frame) if isinstance(frame, bytes) else frame.nbytes for frame in frames)
            return await original(frames, *args, **kwargs)

        tcp.from_frames = from_frames


@pytest.fixture(scope="module")
def shared():
    with moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="600MB") as controller:
        controller.client.register_plugin(Received())
        yield controller


@pytest.fixture
def cluster(shared):
    yield shared
    eventually(lambda: not release_all(shared))
    shared.scale(2)


def random(n, seed=0):
    return np.random.default_rng(seed).random(n)


def address(cluster, name):
    return next(info.address for info in cluster.workers() if info.name == name)


def received(cluster, name):
    return of(cluster, name, lambda dask_worker: dask_worker.received)


def of(cluster, name, function):
    """Return what a function finds on a worker."""
    where = address(cluster, name)
    return cluster.client.run(function, workers=[where])[where]


def proportional(cluster):
    """Return the memory of all workers, shared pages counted once."""

    def pss():
        with open("/proc/self/smaps_rollup") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))

    return sum(cluster.client.run(pss).values())


def touched(cluster, name):
    """Read every page of a variable on each worker."""
    workers = [info.name for info in cluster.workers()]
    future = cluster[name].future
    tasks = [cluster.client.submit(np.sum, future, workers=[worker], pure=False) for worker in workers]
    return cluster.client.gather(tasks)


def test_a_worker_that_joins_or_restarts_receives_nothing_of_it(cluster):
    x = random(10_000_000)  # 80 MB
    cluster.broadcast(x, name="x")
    cluster.scale(3)
    (third,) = {info.name for info in cluster.workers()} - {"alice", "bob"}
    eventually(lambda: len(cluster.placement()["x"].holders) == 3)
    assert received(cluster, third) < LITTLE
    before, pid = address(cluster, "alice"), of(cluster, "alice", os.getpid)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: before not in {info.address for info in cluster.workers()})
    eventually(lambda: len(cluster.placement()["x"].holders) == 3)
    assert received(cluster, "alice") < LITTLE
    assert touched(cluster, "x") == [x.sum()] * 3


def test_a_pin_that_moves_within_a_host_moves_nothing(cluster):
    cluster.pin("x", ["alice"], value=random(10_000_000))
    before = received(cluster, "bob")
    cluster.pin("x", ["bob"])
    assert cluster.placement()["x"].holders == ["bob"]
    assert received(cluster, "bob") - before < LITTLE


def test_a_worker_that_retires_moves_nothing_of_what_its_host_shares(cluster):
    x = random(10_000_000)
    cluster.scale(3)
    (third,) = {info.name for info in cluster.workers()} - {"alice", "bob"}
    cluster.pin("x", [third], value=x)
    before = [received(cluster, name) for name in ("alice", "bob")]
    cluster.client.retire_workers([address(cluster, third)])
    assert len(cluster.placement()["x"].holders) == 1
    assert cluster.client.submit(np.sum, cluster["x"].future).result() == x.sum()
    after = [received(cluster, name) for name in ("alice", "bob")]
    assert all(now - then < LITTLE for now, then in zip(after, before, strict=True))
    assert "shared by" in cluster.sharing("x")["x"]


@pytest.mark.parametrize("text", ["x" * 40_000_000, b"x" * 40_000_000], ids=["str", "bytes"])
def test_a_text_is_sent_by_no_connection_and_each_worker_has_it_once(cluster, text):
    cluster.broadcast(random(100_000), name="before")
    before = [received(cluster, name) for name in ("alice", "bob")]
    memory = proportional(cluster)
    cluster.broadcast(text, name="text")
    assert cluster.client.gather([cluster.client.submit(len, cluster["text"].future, pure=False)]) == [len(text)]
    after = [received(cluster, name) for name in ("alice", "bob")]
    assert all(now - then < LITTLE for now, then in zip(after, before, strict=True))
    eventually(lambda: proportional(cluster) - memory < 2.1 * len(text))


def test_it_takes_its_own_size_of_all_workers_together(cluster):
    cluster.scale(4)
    cluster.broadcast(random(1_000_000), name="before")
    touched(cluster, "before")
    before, x = proportional(cluster), random(20_000_000, 1)  # 160 MB
    cluster.broadcast(x, name="x")
    assert touched(cluster, "x") == [x.sum()] * 4
    assert proportional(cluster) - before < 1.1 * x.nbytes


def test_what_is_private_is_spilled_and_what_is_shared_is_not(cluster):
    client, pid = cluster.client, of(cluster, "alice", os.getpid)
    x = random(40_000_000)  # 320 MB of a limit of 600
    cluster.broadcast(x, name="x")
    assert touched(cluster, "x") == [x.sum()] * 2
    one = address(cluster, "alice")
    own = [client.submit(lambda n: bytes([n]) * PART, n, workers=[one]) for n in range(70)]  # 700 MB
    total = client.submit(lambda x, part: float(x.sum()) + len(part), cluster["x"].future, own[0], workers=[one])
    assert total.result() == x.sum() + PART

    def where(dask_worker):
        data = dask_worker.data
        return set(data.beside), set(data.disk), dask_worker.monitor.get_process_memory()

    (key,) = cluster["x"].keys
    eventually(lambda: set(client.who_has(own)) <= set(of(cluster, "alice", lambda dask_worker: set(dask_worker.data))))
    beside, disk, memory = of(cluster, "alice", where)
    assert key in beside
    assert disk
    assert disk < {future.key for future in own} | {total.key}
    assert memory < 600 * MB
    assert [client.submit(lambda part: (part[0], len(part)), future).result() for future in own] == [
        (n, PART) for n in range(70)
    ]
    assert of(cluster, "alice", os.getpid) == pid


def test_a_worker_that_hangs_is_waited_for_once_and_shares_again_when_it_answers(cluster, monkeypatch):
    pid = of(cluster, "bob", os.getpid)
    cluster.broadcast(random(MB), name="w")  # with what workers need for that
    cluster.placer.link.images.sharing._answers.clear()  # as if they had joined just now
    os.kill(pid, signal.SIGSTOP)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(sharing, "_TOGETHER_SECONDS", 0.2)
            patch.setattr(sharing, "_ASK_SECONDS", 0.2)
            cluster.broadcast(random(MB, 10), name="x", timeout=0)
        monkeypatch.setattr(sharing, "_TOGETHER_SECONDS", None)
        monkeypatch.setattr(sharing, "_ASK_SECONDS", None)
        cluster.broadcast(random(MB, 11), name="y", timeout=0)  # does not return if it waits for bob
        eventually(lambda: cluster.placement()["y"].holders == ["alice"])
    finally:
        os.kill(pid, signal.SIGCONT)
    eventually(lambda: cluster.placement()["y"].holders == ["alice", "bob"])
    seeds = count(12)

    def is_shared():
        cluster.broadcast(random(MB, next(seeds)), name="z")
        return cluster.sharing("z") == {"z": "shared by alice, bob"}

    eventually(is_shared)  # it may have the value before it has answered


def test_workers_that_are_being_asked_whether_they_share_are_not_taken_for_others_that_do_not(cluster):
    sharing_of = cluster.placer.link.images.sharing
    workers = [info.address for info in cluster.workers()]

    async def asked_twice():
        sharing_of._answers.clear()  # as if they had joined just now
        return await asyncio.gather(sharing_of.neighbours(workers), sharing_of.neighbours(workers))

    assert cluster.client.sync(asked_twice) == [dict.fromkeys(workers, "")] * 2
