"""What is placed with ``writable=True`` can be written to by tasks: each worker for itself, and nobody else sees it."""

import contextlib
import inspect
import os
import sys

import dask.config
import numpy as np
import pandas as pd
import pytest
from dask.distributed import Client

import moorage
from moorage.errors import DoesNotFitError, InputError
from tests.helpers import eventually, restart_worker
from tests.two_workers import empty, release_all

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds are Linux's")

N = 1_000_000
SIZES = {"mapped": N, "too small to share": 2_000, "in the stream": 10}


@pytest.fixture(scope="module")
def shared():
    with moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="500MB") as controller:
        yield controller


@pytest.fixture
def cluster(shared):
    yield shared
    eventually(lambda: not release_all(shared))
    if len(shared.workers()) > 2:
        shared.scale(2)
    empty(shared)
    eventually(lambda: not any(shared.client.run(mapped).values()))


def mapped():
    """Return how many segments this process has mapped or open."""
    with open("/proc/self/maps") as lines:
        found = sum("memfd:moorage-" in line for line in lines)
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found += "memfd:moorage-" in os.readlink(f"/proc/self/fd/{fd}")
    return found


def write(value, number):
    value[0] = number
    return value[0]


def is_refused(value):
    """Whether it cannot be written to. Dask's log keeps errors, and what was in the hands of the code."""
    try:
        value[0] = 1
    except ValueError as error:
        return "read-only" in str(error)
    return False


def first(value):
    return value[0]


def run(cluster, worker, function, *args):
    """Run a plain Dask task on a worker."""
    return cluster.client.submit(function, *args, workers=[worker], pure=False).result()


@pytest.mark.parametrize("n", SIZES.values(), ids=SIZES)
def test_what_a_task_writes_is_seen_by_its_worker_only(cluster, n):
    x = np.zeros(n)
    future = cluster.broadcast(x, name="x", writable=True)
    assert run(cluster, "alice", write, future, 1) == 1
    assert run(cluster, "alice", first, future) == 1
    assert run(cluster, "bob", first, future) == 0
    assert x[0] == 0
    assert cluster.gather("x")[0] == 0
    assert future.result()[0] == 0


def test_code_of_the_notebook_gets_it_as_its_worker_has_it(cluster):
    x = np.zeros(N)
    cluster.broadcast(x, name="x", writable=True)

    def set_global(number):
        x[0] = number
        return x[0]

    assert cluster.submit(set_global, 7, workers=["alice"]).result() == 7
    assert cluster.submit(first, x, workers=["alice"]).result() == 7
    assert cluster.submit(first, x, workers=["bob"]).result() == 0


def test_parts_are_what_was_placed_whatever_a_task_has_written(cluster):
    frame = pd.DataFrame({"a": np.zeros(N), "b": np.ones(N)})
    x = np.zeros(N)
    cluster.broadcast(frame, name="frame", writable=True)
    cluster.broadcast(x, name="x", writable=True)

    def change():
        frame.iloc[0, 0] = 5.0
        x[:] = 5.0
        return frame["a"].iloc[0], x.sum()

    assert cluster.submit(change, workers=["alice"]).result() == (5.0, 5.0 * N)
    column, view = frame["a"].to_numpy(), x[10:]
    seen = cluster.submit(lambda: (column.sum(), view.sum()), workers=["alice"]).result()
    assert seen == (0.0, 0.0)
    assert cluster.gather("x")[0] == 0.0


def test_parts_are_each_tasks_own_to_write_to(cluster):
    x = np.zeros(N)
    cluster.broadcast(x, name="x", writable=True)
    cluster.broadcast({"small": np.zeros(2_000)}, name="small", writable=True)
    view = x[10:]

    def write_to_view(number):
        before = view[0]
        view[0] = number
        return before, view[0]

    assert cluster.submit(write_to_view, 1, workers=["alice"]).result() == (0, 1)
    assert cluster.map(write_to_view, [2, 3, 4], workers=["alice"]).gather() == [(0, 2), (0, 3), (0, 4)]
    assert cluster.submit(first, x, workers=["alice"]).result() == 0


class Counts:
    """Of a class that the notebook defines, whose code goes along with each task."""

    def __init__(self):
        self.data = np.zeros(N)

    def add(self, number):
        self.data[0] += number
        return self.data[0]


def test_objects_of_the_notebooks_classes_can_be_written_to(cluster):
    namespace = {"np": np, "N": N, "__name__": "__main__"}
    exec(inspect.getsource(Counts), namespace)
    counts = namespace["Counts"]()
    cluster.broadcast(counts, name="counts", writable=True)
    assert cluster.submit(counts.add, 5, workers=["alice"]).result() == 5
    assert cluster.submit(counts.add, 6, workers=["alice"]).result() == 6
    assert cluster.gather("counts").data[0] == 0


@pytest.mark.parametrize("n", SIZES.values(), ids=SIZES)
def test_later_workers_get_what_was_placed(cluster, n):
    future = cluster.broadcast(np.zeros(n), name="x", writable=True)
    for worker in ("alice", "bob"):
        run(cluster, worker, write, future, 1)
    cluster.scale(3)
    (carol,) = {info.name for info in cluster.workers()} - {"alice", "bob"}
    eventually(lambda: carol in cluster.placement()["x"].holders)
    assert run(cluster, carol, first, future) == 0
    assert run(cluster, carol, write, future, 2) == 2


def test_a_worker_that_starts_again_has_what_was_placed_and_can_write(cluster):
    future = cluster.pin("x", ["alice"], value=np.zeros(N), writable=True) or cluster["x"].future
    run(cluster, "alice", write, future, 1)
    restart_worker(cluster.client, "alice")
    eventually(lambda: cluster.placement()["x"].state == "held")
    assert run(cluster, "alice", first, future) == 0
    assert run(cluster, "alice", write, future, 2) == 2


def test_a_result_that_is_the_written_value_is_the_written_value(cluster):
    future = cluster.broadcast(np.zeros(N), name="x", writable=True)

    def changed(value):
        value[0] = 3
        return value

    result = cluster.client.submit(changed, future, workers=["alice"])
    assert result.result()[0] == 3
    assert run(cluster, "bob", first, result) == 3
    assert run(cluster, "bob", first, future) == 0


def test_the_same_content_placed_both_ways_are_two_values(cluster):
    x = np.zeros(N)
    writable, plain = cluster.broadcast(x, name="x", writable=True), cluster.broadcast(x.copy(), name="y")
    run(cluster, "alice", write, writable, 1)
    assert run(cluster, "alice", first, plain) == 0
    assert run(cluster, "alice", is_refused, plain)


def test_it_stays_writable_until_it_is_released(cluster):
    x = np.zeros(N)
    cluster.broadcast(x, name="x")
    cluster.place([], cluster.placement()["x"].placement, values={"x": x}, writable=True)
    assert run(cluster, "alice", write, cluster["x"].future, 1) == 1
    cluster.pin("x", ["bob"])
    assert run(cluster, "bob", write, cluster["x"].future, 1) == 1
    x[1] = 1  # it is placed again when a task needs it
    assert cluster.submit(write, x, 2, workers=["bob"]).result() == 2
    cluster.release("x")
    eventually(lambda: not cluster.placement())
    cluster.broadcast(x, name="x")
    assert run(cluster, "alice", is_refused, cluster["x"].future)


def test_elements_can_be_written_to(cluster):
    parts = [np.zeros(N), np.ones(N)]
    futures = cluster.scatter(parts, name="parts", writable=True)
    assert [write(future, 5) for future in map(np.copy, cluster.client.gather(futures))] == [5, 5]
    assert cluster.client.gather(cluster.client.map(write, futures, [8, 9], pure=False)) == [8, 9]
    labels = cluster.scatter({"a": np.zeros(N)}, writable=True)
    assert cluster.client.submit(write, labels["a"], 4).result() == 4


def test_there_has_to_be_room_for_what_workers_may_write(cluster):
    x = np.zeros(45_000_000)  # 360 MB, of the 400 MB that each may use
    with pytest.raises(DoesNotFitError, match="x, of which each worker may write to its own copy, needs 343"):
        cluster.broadcast(x, name="x", writable=True)
    assert "x" not in cluster.placement()
    future = cluster.broadcast(x, name="x", writable=True, force=True)
    assert run(cluster, "alice", write, future, 1) == 1


def test_what_is_written_counts_as_memory_of_the_worker_and_nothing_else(cluster):
    future = cluster.broadcast(np.ones(20_000_000), name="x", writable=True)

    def measured(dask_worker):
        return dask_worker.monitor.get_process_memory()

    def fill(value, n):
        value[:n] = 2
        return float(value.sum())

    before = cluster.client.run(measured, workers=[_address(cluster, "alice")])
    run(cluster, "alice", fill, future, 0)
    read = cluster.client.run(measured, workers=[_address(cluster, "alice")])
    run(cluster, "alice", fill, future, 10_000_000)
    written = cluster.client.run(measured, workers=[_address(cluster, "alice")])
    (before,), (read,), (written,) = before.values(), read.values(), written.values()
    assert read - before < 20e6
    assert 60e6 < written - read < 120e6


def _address(cluster, name):
    return next(info.address for info in cluster.workers() if info.name == name)


def test_where_nothing_is_shared_workers_have_copies_that_can_be_written_to():
    with (
        dask.config.set({"moorage.images.share": False}),
        moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="400MB") as cluster,
    ):
        future = cluster.broadcast(np.zeros(N), name="x", writable=True)
        assert run(cluster, "alice", write, future, 1) == 1
        assert run(cluster, "alice", first, future) == 1
        assert run(cluster, "bob", first, future) == 0
        assert cluster.gather("x")[0] == 0


def test_the_notebook_can_map_what_was_placed(cluster, monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "x", np.zeros(N), raising=False)
    main = sys.modules["__main__"]
    future = cluster.broadcast(main.x, name="x", writable=True, rebind=True)
    run(cluster, "alice", write, future, 1)
    assert not main.x.flags.writeable
    assert main.x[0] == cluster.gather("x", map=True)[0] == 0
    assert cluster.submit(write, main.x, 2, workers=["alice"]).result() == 2
    assert main.x[0] == 0


def test_it_is_told(cluster):
    cluster.broadcast(np.zeros(N), name="x", writable=True)
    assert cluster.placement()["x"].detail == f"({N},) float64, writable"
    told = "shared by alice, bob; tasks may write to it, each worker for itself"
    eventually(lambda: cluster.sharing("x") == {"x": told})


def test_what_the_notebook_cannot_place_anew_is_refused(cluster):
    future = cluster.client.submit(np.zeros, N)
    with pytest.raises(InputError, match="already"):
        cluster.broadcast(future, name="x", writable=True)
    cluster.broadcast(future, name="x")
    with pytest.raises(InputError, match="already placed"):
        cluster.place("x", cluster.placement()["x"].placement, writable=True)


def test_a_part_of_what_is_mapped_is_refused_since_it_would_stay_read_only(cluster):
    cluster.broadcast({"a": np.ones(N), "b": np.ones(N)}, name="box")
    part = cluster.gather("box", map=True)["a"]
    with pytest.raises(InputError, match="read-only"):
        cluster.broadcast(part, name="part", writable=True)
    assert "part" not in cluster
    cluster.broadcast(part.copy(), name="part", writable=True)
    assert cluster.submit(write, cluster["part"].future, 3).result(timeout=60) == 3
    del part


def test_workers_in_the_notebooks_process_are_refused():
    with (
        Client(processes=False, n_workers=1, dashboard_address=":0") as client,
        moorage.attach(client) as cluster,
        pytest.raises(InputError, match="process"),
    ):
        cluster.broadcast(np.zeros(N), name="x", writable=True)
