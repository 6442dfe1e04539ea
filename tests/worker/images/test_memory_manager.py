"""What lies in shared memory is neither spilled nor counted on a worker; everything else is, as before."""

import sys

import numpy as np
import pytest
from distributed.spill import SpillBuffer
from hypothesis import given
from hypothesis import strategies as st

from moorage.images.segment import Segment, attach, handle_of
from moorage.kernel.install import by_value
from moorage.worker.images.memory_manager import MemoryRules, SharedBuffer
from moorage.worker.images.nanny import SharedMemoryNannyPlugin, shared_by_us
from tests.helpers import eventually
from tests.workers import Workers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds are Linux's")

KB = 1000


def is_shared(value):
    return getattr(value, "shared", False)


class Value(np.ndarray):
    shared = False


def value(nbytes, shared):
    array = np.arange(nbytes, dtype="u1").view(Value)
    array.shared = shared
    return array


@pytest.fixture
def data(tmp_path):
    with SpillBuffer(str(tmp_path), target=100 * KB) as buffer:
        assert SharedBuffer.share(buffer, is_shared)
        yield buffer


def test_shared_values_are_never_written_to_disk(data):
    for name in "abc":
        data[f"shared {name}"] = value(500 * KB, shared=True)
    data["own"] = value(50 * KB, shared=False)
    data["too much"] = value(60 * KB, shared=False)
    assert set(data.disk) == {"own"}
    while data.evict() != -1 and data.fast:
        pass
    assert set(data.disk) == {"own", "too much"}
    assert data.spilled_total.memory == 110 * KB
    assert all(data[f"shared {name}"].shared for name in "abc")


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["set", "delete", "keep"]), st.booleans())))
def test_it_is_a_mapping_like_any_other(tmp_path_factory, operations):
    model = {}
    with SpillBuffer(str(tmp_path_factory.mktemp("spill")), target=2 * KB) as data:
        SharedBuffer.share(data, is_shared)
        for number, (key, operation, shared) in enumerate(operations):
            if operation == "delete":
                assert (key in data) == (key in model)
                if key in model:
                    del data[key], model[key]
            else:
                array = value(KB, shared)
                array[0] = number % 256
                if operation == "set":
                    data[key] = array
                else:
                    data.set_noevict(key, array)
                model[key] = array
            assert len(data) == len(model)
            assert set(data) == set(data.keys()) == set(model)
            assert sorted(v[0] for v in data.values()) == sorted(v[0] for v in model.values())
            assert {k: v[0] for k, v in data.items()} == {k: v[0] for k, v in model.items()}
            assert data.get("z") is None
            assert all(data[k][0] == v[0] for k, v in model.items())
        data.unshare()
        assert type(data) is SpillBuffer
        assert {k: v[0] for k, v in data.items()} == {k: v[0] for k, v in model.items()}
        assert "beside" not in vars(data)


def test_a_shared_value_is_gone_with_its_last_key(tmp_path):
    gone = []
    with SpillBuffer(str(tmp_path), target=100 * KB) as data:
        SharedBuffer.share(data, is_shared, gone.append)
        one, other = value(KB, shared=True), value(KB, shared=True)
        data["placed"], data["returned"], data["other"] = one, one, other
        data["placed"] = one
        del data["returned"], data["other"]
        assert [id(value) for value in gone] == [id(other)]
        data["again"] = one
        data["placed"] = value(KB, shared=False)
        del data["placed"], data["again"]
        assert [id(value) for value in gone] == [id(other), id(one)]


def test_data_of_another_kind_is_left_alone():
    data = {"a": 1}
    assert not SharedBuffer.share(data, is_shared)
    assert type(data) is dict


# On real workers. Their limit lets a worker live, but not with the shared memory on top.

LIMIT = 300_000_000
SHARED = 350_000_000


def map_all(handle, dask_worker):
    """Map a segment, touch every page of it, and keep it as a worker keeps data; return what the process takes."""
    mapping = attach(handle)
    mine = lambda value: isinstance(value, np.ndarray) and handle_of(value.base) is not None  # noqa: E731
    rules = MemoryRules(dask_worker, mine, lambda: (SHARED, 0))
    array = np.frombuffer(mapping.memory, dtype="u1")
    assert array[::4096].sum() == 0
    dask_worker.moorage_rules = rules
    dask_worker.data["shared"] = array
    return dask_worker.monitor.proc.memory_info().rss, dask_worker.monitor.get_process_memory()


def undo(dask_worker):
    dask_worker.moorage_rules.undo()
    left = dask_worker.monitor.proc.memory_info().rss - dask_worker.monitor.get_process_memory()
    return type(dask_worker.data).__name__, abs(left) < 10_000_000


def spilled(dask_worker):
    return set(dask_worker.data.disk)


def restarts(dask_scheduler):
    return len(dask_scheduler.get_events("worker-restart-memory"))


@pytest.fixture
def segment():
    segment = Segment(SHARED)
    segment.write([], SHARED)
    yield segment
    segment.close()


@pytest.fixture
def limited():
    """A worker that is ended at its limit, and paused and spilled to disk below it, many times in a second."""
    memory = {"pause": 0.8, "spill": 0.7, "terminate": 0.95, "monitor-interval": "50ms"}
    config = {f"distributed.worker.memory.{name}": value for name, value in memory.items()}
    with Workers("alice", memory_limit=str(LIMIT), config=config) as workers:
        yield workers


def test_a_worker_lives_with_more_shared_memory_than_its_limit(limited, segment):
    with by_value(("moorage.images.segment", "moorage.worker.images.memory_manager", "moorage.worker.images.nanny")):
        limited.client.register_plugin(SharedMemoryNannyPlugin())
        pid = limited.pid("alice")
        whole, own = limited.run(map_all, "alice", segment.handle)
    assert whole > SHARED > LIMIT
    assert own < whole - 0.99 * SHARED
    assert SHARED <= shared_by_us(pid) < SHARED + 10_000_000
    limited.client.scatter({"own": np.ones(10_000_000, "u1")}, workers=["alice"])
    # ten looks of each monitor, taken when they come
    looks = limited.run(lambda dask_worker: dask_worker.monitor.count, "alice")
    eventually(lambda: limited.run(lambda dask_worker: dask_worker.monitor.count, "alice") > looks + 3)
    assert limited.running() == {"alice"}
    assert limited.pid("alice") == pid
    assert limited.run(spilled, "alice") == set()
    assert limited.run(lambda dask_worker: "shared" in dask_worker.data.beside, "alice")

    limited.client.unregister_worker_plugin("moorage_nanny", nanny=True)
    eventually(lambda: limited.client.run_on_scheduler(restarts))  # as Dask would have done all along


def test_a_worker_is_as_it_was_when_the_rules_are_undone(segment):
    with Workers("alice", memory_limit="2GB") as workers:
        with by_value(("moorage.images.segment", "moorage.worker.images.memory_manager")):
            workers.run(map_all, "alice", segment.handle)
        assert workers.run(undo, "alice") == ("SpillBuffer", True)
        assert workers.run(lambda dask_worker: len(dask_worker.data["shared"]), "alice") == SHARED
