"""A host holds one copy of a placed value, however many workers it has, and whatever happens to them."""

import asyncio
import os
import signal
import sys
import threading

import dask.config
import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client
from distributed.comm.core import connect

import moorage
from moorage.errors import DoesNotFitError
from moorage.images.carrier import Carrier
from moorage.images.format import encode
from moorage.images.segment import Segment
from moorage.kernel.images import sharing
from moorage.kernel.images.pool import Pool
from moorage.kernel.images.sending import MODULE
from tests.helpers import eventually
from tests.kernel.images.mapping import allow_few_descriptors, mapped, on_each, summed_in_a_fork
from tests.two_workers import release_all

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds are Linux's")

LIMIT = 400_000_000
N = 4_000_000


@pytest.fixture(scope="module")
def shared():
    with moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit=str(LIMIT)) as controller:
        yield controller


@pytest.fixture
def cluster(shared):
    yield shared
    eventually(lambda: not release_all(shared))
    eventually(lambda: set.union(*mapped(shared).values()) == set())
    if len(shared.workers()) > 2:
        shared.scale(2)
    eventually(lambda: {info.name for info in shared.workers() if info.status == "running"} == {"alice", "bob"})


def random(seed, n=N):
    """Integers: their sum is the same wherever they lie, while NumPy adds unaligned floats in another order."""
    return np.random.default_rng(seed).integers(1 << 32, size=n)


def test_all_workers_map_the_same_memory(cluster):
    x = random(1)
    cluster.broadcast(x, name="x")
    found = mapped(cluster)
    assert found["alice"] == found["bob"]
    assert len(found["alice"]) == 1
    assert (
        on_each(cluster, lambda value: (type(value).__name__, value.flags.writeable, value.sum()), "x")
        == [("ndarray", False, x.sum())] * 2
    )


def test_what_is_in_a_value_is_shared_and_is_as_it_was(cluster):
    x = random(2)
    frame = pd.DataFrame({"a": x, "when": pd.date_range("2020", periods=N, freq="s", tz="UTC"), "c": np.arange(N) % 7})
    value = {"frame": frame, "again": x, "fortran": np.asfortranarray(x.reshape(1000, -1)), "label": "some"}
    cluster.broadcast(value, name="value")
    assert len(set.union(*mapped(cluster).values())) == 1

    def checked(value):
        same = value["frame"]["a"].to_numpy().sum() == value["again"].sum()
        return same, value["fortran"].flags.f_contiguous, str(value["frame"]["when"].dtype), value["label"]

    assert on_each(cluster, checked, "value") == [(True, True, str(frame["when"].dtype), "some")] * 2


def test_who_shares_memory_is_told_and_why_others_do_not(cluster):
    cluster.broadcast(random(1), name="x")
    cluster.broadcast(np.arange(10), name="small")
    cluster.broadcast("text" * N, name="text")
    eventually(lambda: cluster.sharing("x") == {"x": "shared by alice, bob"})
    assert cluster.sharing() == {
        "x": "shared by alice, bob",
        "small": "a copy on alice, bob: it is small",
        "text": "a copy on alice, bob (15.26 MiB): each process needs its own of str, bytes and Python objects",
    }
    cluster.broadcast({"x": random(2), "text": "text" * 1_000_000}, name="mixed")
    mixed = "shared by alice, bob, but for 3.81 MiB of str, bytes and Python objects on each"
    eventually(lambda: cluster.sharing("mixed") == {"mixed": mixed})


def test_small_values_go_in_the_message(cluster):
    cluster.broadcast(np.arange(10_000), name="small")
    assert set.union(*mapped(cluster).values()) == set()


def test_it_goes_when_it_is_released(cluster):
    cluster.broadcast(random(9), name="x")  # the first opens what stays: a probe, what tells of writing
    cluster.release("x")
    eventually(lambda: set.union(*mapped(cluster).values()) == set())
    with dask.config.set({"moorage.images.pool": 0}):
        sharing.pool().trim()
        used = len(sharing.pool())  # by other clusters of this process
    before = len(os.listdir("/proc/self/fd"))
    for seed in range(5):
        cluster.broadcast(random(seed), name="x")
        cluster.release("x")
    eventually(lambda: set.union(*mapped(cluster).values()) == set())
    with dask.config.set({"moorage.images.pool": 0}):
        eventually(lambda: sharing.pool().trim() == 0 and len(sharing.pool()) <= used)
    assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_a_newcomer_maps_what_is_there_also_without_the_notebook(cluster):
    cluster.broadcast(random(3), name="x")
    (name,) = mapped(cluster)["alice"]
    sharing.pool().close()  # as when the notebook has ended
    cluster.scale(3)
    eventually(lambda: len(cluster.placement()["x"].holders) == 3)
    assert list(mapped(cluster).values()) == [{name}] * 3


def test_a_worker_that_was_killed_maps_it_again(cluster):
    cluster.broadcast(random(4), name="x")
    (name,) = mapped(cluster)["alice"]
    kill(cluster, "alice")
    eventually(lambda: mapped(cluster) == {"alice": {name}, "bob": {name}})


def test_what_the_notebook_sends_again_is_not_written_again(cluster):
    cluster.pin("x", ["alice"], value=random(5))
    (name,) = mapped(cluster)["alice"]
    kill(cluster, "alice")
    eventually(lambda: cluster.placement()["x"].state == "held")
    assert mapped(cluster)["alice"] == {name}


def test_a_task_on_another_worker_maps_its_input(cluster):
    x = random(6)
    cluster.pin("x", ["alice"], value=x)
    total = cluster.client.submit(
        lambda value: (value.sum(), value.flags.writeable), cluster["x"].future, workers="bob"
    )
    assert total.result() == (x.sum(), False)


def test_what_a_worker_cannot_map_it_gets_as_a_copy(cluster):
    x = random(7)
    bob = [info.address for info in cluster.workers() if info.name == "bob"]
    cluster.client.run(allow_few_descriptors, workers=bob)
    cluster.broadcast(x, name="x")
    assert on_each(cluster, np.sum, "x") == [x.sum()] * 2
    assert {name: len(found) for name, found in mapped(cluster).items()} == {"alice": 1, "bob": 0}
    kill(cluster, "bob")  # only root may have more again


def test_a_worker_that_has_not_taken_the_code_yet_is_asked_for_room_all_the_same(cluster):
    def lacks(dask_worker):
        dask_worker.room = dask_worker.handlers.pop("moorage_room")

    def has(dask_worker):
        dask_worker.handlers["moorage_room"] = vars(dask_worker).pop("room")

    cluster.pin("x", workers=["alice"], value=random(1))
    bob = [worker.address for worker in cluster.workers() if worker.name == "bob"]
    cluster.client.run(lacks, workers=bob)
    try:
        with pytest.raises(DoesNotFitError):
            cluster.pin("y", workers=["bob"], value=np.zeros(2 * LIMIT // 8))
    finally:
        cluster.client.run(has, workers=bob)


def test_it_is_released_while_workers_map_it(cluster):
    originals = [random(100 + number, 200_000) for number in range(20)]
    tasks = []
    for x in originals:
        cluster.pin("x", ["alice"], value=x, keep_origin=False)
        # on its way to bob, as what the task needs and as what bob shall have, it is let go of
        tasks.append(cluster.client.submit(np.sum, cluster["x"].future, workers=["bob"], pure=False))
        cluster.pin("x", ["alice", "bob"], timeout=0)
        cluster.release("x")
    assert cluster.client.gather(tasks) == [x.sum() for x in originals]
    del tasks
    eventually(lambda: set.union(*mapped(cluster).values()) == set())


def test_a_forked_process_reads_it(cluster):
    x = random(9)
    cluster.broadcast(x, name="x")
    assert on_each(cluster, summed_in_a_fork, "x") == [x.sum()] * 2


def test_a_value_that_is_larger_than_a_workers_limit_is_held_if_forced(cluster):
    x = random(10, 70_000_000)  # 560 MB
    pids = cluster.client.run(os.getpid)
    with pytest.raises(DoesNotFitError, match="--force"):
        cluster.broadcast(x, name="x")
    cluster.broadcast(x, name="x", force=True)
    assert on_each(cluster, np.sum, "x") == [x.sum()] * 2
    state = cluster.client.run(
        lambda dask_worker: (dask_worker.monitor.get_process_memory(), len(dask_worker.data.disk))
    )
    assert all(memory < LIMIT and not spilled for memory, spilled in state.values())
    assert cluster.client.run(os.getpid) == pids
    cluster.pin("x", workers=["alice"])  # it can also be moved
    assert cluster.placement()["x"].holders == ["alice"]


def test_a_value_that_is_larger_than_a_workers_limit_is_taken_by_a_host_whose_workers_have_that_much_together(cluster):
    x = random(14, 60_000_000)  # 480 MB; a worker takes 320, two of them some 440
    with pytest.raises(DoesNotFitError, match="on each worker that takes it"):
        cluster.broadcast(x, name="x")
    cluster.scale(3)
    cluster.broadcast(x, name="x")
    assert on_each(cluster, np.sum, "x") == [x.sum()] * 3
    shared = {info.host_shared for info in cluster.workers()}
    assert shared == {x.nbytes}
    # none of it is a worker's own: there is room for what is, the others can take over, and it can be moved
    cluster.broadcast(bytes(80_000_000), name="own")
    cluster.scale(2)
    cluster.pin("x", workers=["alice"])
    cluster.pin("x", workers=["bob"])
    assert cluster.placement()["x"].holders == ["bob"]
    cluster.release("x")
    eventually(lambda: {info.host_shared for info in cluster.workers()} == {0})


def test_a_host_that_is_full_takes_nothing(cluster, monkeypatch):
    sharing.pool().close()  # what it keeps is free
    monkeypatch.setattr(sharing, "host_free", lambda: 10_000_000)
    for place in (cluster.broadcast, cluster.scatter):
        with pytest.raises(DoesNotFitError, match=r"x needs 30\.\d* MiB of the memory of host .* free"):
            place(random(13), name="x", **({"whole": True} if place == cluster.scatter else {}))
    cluster.broadcast(random(13), name="x", force=True)


def be_in_a_full_group(dask_worker, host_free=10_000_000):
    """As a worker whose control group leaves it so much."""
    import sys

    (name,) = [name for name in sys.modules if name.startswith("moorage_images_")]
    told = dask_worker.plugins[name]._sharing
    before, told.room = told.room, lambda _=None: {"host_free": host_free, "shares": True}
    dask_worker.handlers["moorage_room"] = dask_worker.metrics["moorage"] = told.room

    def undo(dask_worker):
        dask_worker.handlers["moorage_room"] = dask_worker.metrics["moorage"] = before
        del told.room

    dask_worker.leave_group = undo


def test_a_worker_whose_control_group_is_full_takes_nothing(cluster):
    cluster.broadcast(random(1), name="before")
    cluster.release("before")
    cluster.client.run(be_in_a_full_group)
    try:
        eventually(lambda: {info.host_free for info in cluster.workers()} == {10_000_000})  # with the next heartbeat
        sharing.pool().close()
        with pytest.raises(DoesNotFitError, match=r"x needs 30\.\d* MiB of the memory of host .*, which has 9\.54 MiB"):
            cluster.broadcast(random(13), name="x")
    finally:
        cluster.client.run(lambda dask_worker: dask_worker.leave_group(dask_worker))
    cluster.broadcast(random(13), name="x")  # they are asked again


def test_the_only_worker_that_maps_it_may_go(cluster):
    x = random(15, 30_000_000)  # 240 MB; more than another worker may take before it spills
    cluster.scale(3)
    (third,) = {info.name for info in cluster.workers()} - {"alice", "bob"}
    cluster.pin("x", workers=[third], value=x)
    eventually(lambda: {info.host_shared for info in cluster.workers()} == {x.nbytes})
    cluster.scale(2)
    assert on_each(cluster, np.sum, "x") == [x.sum()] * 2
    assert len(set.union(*mapped(cluster).values())) == 1


def test_what_is_too_much_for_a_worker_and_cannot_be_shared_is_refused(cluster):
    with pytest.raises(DoesNotFitError, match="on each worker that takes it"):
        cluster.broadcast(["x" * 100] * 5_000_000 + [bytes(LIMIT)], name="x", whole=True)


def test_two_notebooks_place_the_same(cluster):
    x = random(11)
    cluster.broadcast(x, name="x")
    with Client(cluster.client.scheduler.address, security=cluster.client.security, set_as_default=False) as client:
        with dask.config.set({"moorage.owner": "another"}):
            second = moorage.attach(client)
        second.broadcast(x.copy(), name="x")
        assert len(set.union(*mapped(cluster).values())) == 1
        cluster.release("x")
        assert on_each(second, np.sum, "x") == [x.sum()] * 2


def test_a_broadcast_gets_over_the_death_of_a_worker(cluster):
    x = random(12, 10_000_000)
    address = next(info.address for info in cluster.workers() if info.name == "alice")
    (pid,) = cluster.client.run(os.getpid, workers=[address]).values()
    killing = threading.Timer(0.05, os.kill, (pid, 9))
    killing.start()
    cluster.broadcast(x, name="x")
    killing.join()
    eventually(lambda: cluster.placement()["x"].state == "held" and len(cluster.placement()["x"].holders) == 2)
    eventually(lambda: address not in {info.address for info in cluster.workers()})
    eventually(lambda: len(cluster.placement()["x"].holders) == 2)
    assert on_each(cluster, np.sum, "x") == [x.sum()] * 2
    assert len(set.union(*mapped(cluster).values())) == 1


def kill(cluster, name):
    address = next(info.address for info in cluster.workers() if info.name == name)
    (pid,) = cluster.client.run(os.getpid, workers=[address]).values()
    os.kill(pid, 9)
    eventually(lambda: address not in {info.address for info in cluster.workers()})
    eventually(lambda: {info.name for info in cluster.workers() if info.status == "running"} == {"alice", "bob"})


def test_what_is_changed_after_an_interrupt_is_not_taken_for_what_it_was(cluster, monkeypatch):
    x = random(18)  # which no other test has had written
    original, write = x.copy(), Segment.write
    written = threading.Event()

    def interrupted_write(self, parts, nbytes):
        if nbytes == x.nbytes and not written.is_set():
            os.kill(os.getpid(), signal.SIGINT)
            assert written.wait(30)
        write(self, parts, nbytes)

    monkeypatch.setattr(Segment, "write", interrupted_write)
    with pytest.raises(KeyboardInterrupt):
        cluster.broadcast(x, name="x")
    x[:] = 0
    written.set()
    cluster.broadcast(original, name="x")
    assert on_each(cluster, np.sum, "x") == [original.sum()] * 2


def test_what_was_sent_whole_is_not_mapped_any_longer_than_it_is_held(cluster):
    x = random(17)
    cluster.broadcast(x, name="x")
    assert (cluster.client.gather(cluster["x"].future, direct=True) == x).all()  # the connection stays
    cluster.release("x")
    eventually(lambda: set.union(*mapped(cluster).values()) == set(), 10)


def test_a_transfer_that_is_broken_off_does_not_keep_it_mapped(cluster):
    x = random(16, 20_000_000)  # more than a connection takes ahead
    cluster.broadcast(x, name="x")
    (key,) = cluster["x"].keys
    workers = [info.address for info in cluster.workers()]

    async def break_off(address):
        comm = await connect(address, **cluster.client.connection_args)
        await comm.write({"op": "get_data", "keys": [key]})
        await asyncio.wait_for(comm.stream.read_bytes(1000, partial=True), 30)
        comm.abort()

    for address in workers:
        cluster.client.sync(break_off, address)
    failed = lambda: cluster.client.get_worker_logs(workers=workers)  # noqa: E731
    eventually(lambda: all("failed during get data" in str(logs) for logs in failed().values()))
    cluster.release("x")
    eventually(lambda: set.union(*mapped(cluster).values()) == set(), 10)


def test_workers_of_a_host_that_got_the_same_in_two_segments_end_up_with_one(cluster):
    """As when two notebooks place it at the same moment: each worker keeps what comes first."""
    x = random(77)
    cluster.pin("x", ["alice"], value=x)
    key, (bob,) = cluster["x"].future.key, [info.address for info in cluster.workers() if info.name == "bob"]
    image, other = encode(x), Pool(0)
    plan = image.layout
    with other.lease(image.digest, zip(plan.offsets, image.buffers, strict=True), plan.nbytes) as lease:
        carrier = Carrier(image, MODULE, segment=lease.handle).frames()
        cluster.client.sync(cluster.client._scatter, {key: carrier}, workers=[bob], direct=True, hash=False)
    other.close()
    cluster.pin("x", ["alice", "bob"])
    eventually(lambda: mapped(cluster)["alice"] == mapped(cluster)["bob"])
    assert len(mapped(cluster)["alice"]) == 1
    totals = [cluster.client.submit(np.sum, cluster["x"].future, workers=[w], pure=False) for w in ("alice", "bob")]
    assert cluster.client.gather(totals) == [x.sum()] * 2


def test_a_plain_task_that_fails_keeps_nothing_of_what_it_was_given(cluster):
    def fail(x):
        raise ValueError(f"no {x.sum()}")

    future = cluster.client.submit(fail, cluster.broadcast(random(78), name="x"), workers=["alice"], pure=False)
    with pytest.raises(ValueError, match="no"):
        future.result()
    del future
    cluster.release("x")
    eventually(lambda: not mapped(cluster)["alice"], 10)
