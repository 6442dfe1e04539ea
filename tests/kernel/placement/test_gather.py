"""A host holds one copy in all: names of the notebook are bound to what its workers map, and gathering maps it, too."""

import asyncio
import gc
import sys
import weakref

import dask.config
import numpy as np
import pandas as pd
import pytest

import moorage
from moorage.errors import InputError, NotMappableError
from moorage.kernel.placement import gather
from moorage.kernel.values import mapped
from tests.helpers import eventually, restart_worker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds are Linux's")

N = 300_000


@pytest.fixture
def names(cluster, monkeypatch):
    """The namespace of a notebook."""
    namespace = {}
    monkeypatch.setattr(cluster.placer, "namespace", namespace)
    return namespace


def segments(pid="self"):
    """Return the names of the segments that this process has mapped read-only."""
    with open(f"/proc/{pid}/maps") as lines:
        return {line.split("memfd:")[1].split()[0] for line in lines if "memfd:moorage-" in line and " r--s " in line}


def random(n=N):
    return np.random.default_rng().random(n)


def is_mapped(array):
    """Whether an array lies in a segment that workers have mapped as well."""
    address = array.__array_interface__["data"][0]
    with open("/proc/self/maps") as lines:
        ranges = [line.split()[0].split("-") for line in lines if "memfd:moorage-" in line and " r--s " in line]
    return any(int(start, 16) <= address < int(stop, 16) for start, stop in ranges)


# Gathering


def test_what_is_gathered_is_mapped(cluster):
    x = random()
    cluster.broadcast(x, name="x")
    value = cluster.gather("x", map=True)
    assert np.array_equal(value, x)
    assert is_mapped(value)
    assert not value.flags.writeable
    assert segments() == set.union(*cluster.client.run(segments).values())
    assert cluster["x"].gather(map=True).base is not None
    copy = cluster.gather("x")
    assert copy.flags.writeable
    assert not is_mapped(copy)


def test_it_goes_with_the_last_reference(cluster):
    cluster.broadcast(random(), name="x")
    value = cluster.gather("x", map=True)
    part = value[10:20].copy()
    cluster.release("x")
    assert value[10:20].tolist() == part.tolist()  # stays as long as it is used
    del value
    eventually(lambda: segments() == set())


def test_frames_and_containers_are_mapped(cluster):
    frame = pd.DataFrame({"a": random(), "b": np.arange(N)})
    cluster.scatter({"frame": frame, "both": [frame["a"].to_numpy()], "small": 3}, name="parts")
    value = cluster.gather("parts", map=True)
    assert list(value) == ["frame", "both", "small"]
    pd.testing.assert_frame_equal(value["frame"], frame)
    assert np.array_equal(value["both"][0], frame["a"])
    assert is_mapped(value["both"][0])
    assert value["small"] == 3


def test_a_result_that_a_worker_has_for_itself_is_written_once_and_mapped(cluster):
    future = cluster.client.submit(np.arange, N, pure=False)
    cluster.scatter([future], name="results")
    (value,) = cluster.gather("results", map=True)
    assert np.array_equal(value, np.arange(N))
    assert is_mapped(value)


def test_a_small_value_is_copied(cluster):
    cluster.broadcast(np.arange(10), name="x")
    assert cluster.gather("x", map=True).tolist() == list(range(10))


def test_what_cannot_be_mapped_is_refused_in_words(cluster, monkeypatch):
    cluster.broadcast({str(i): {i} for i in range(100_000)}, name="sets")
    with pytest.raises(NotMappableError, match=r"no memory to share in it(.|\n)*Gather a copy"):
        cluster.gather("sets", map=True)
    cluster.broadcast(random(), name="x")
    with dask.config.set({"moorage.images.share": False}), pytest.raises(NotMappableError, match="switched off"):
        cluster.gather("x", map=True)
    monkeypatch.setattr(mapped, "load", lambda *args: (_ for _ in ()).throw(OSError("it is gone")))
    with pytest.raises(NotMappableError, match="it is gone"):
        cluster.gather("x", map=True)


def test_it_can_be_awaited(cluster):
    x = random()
    cluster.broadcast(x, name="x")

    async def gathered():
        return await cluster.gather("x", map=True, asynchronous=True)

    assert np.array_equal(asyncio.run(gathered()), x)


# Binding names


def test_the_name_means_the_mapping_and_is_not_stale(cluster, names):
    names["x"] = x = random()
    before = x.copy()
    other = x[:]
    cluster.broadcast(x, name="x", rebind=True)
    assert names["x"] is not x
    assert is_mapped(names["x"])
    assert np.array_equal(names["x"], before)
    assert other.base is x  # who else has it keeps it
    cluster.placer.note_rebound(names)
    assert not cluster.placement()["x"].stale
    assert cluster.placement()["x"].state == "held"


def test_the_notebook_lets_go_of_its_copy(cluster, names):
    names["x"] = random()
    gone = weakref.ref(names["x"])
    cluster.broadcast(names["x"], name="x", rebind=True)
    gc.collect()
    assert gone() is None


def test_its_memory_is_not_read_again(cluster, names, monkeypatch):
    names["x"] = random()
    cluster.broadcast(names["x"], name="x", rebind=True)
    monkeypatch.setattr("moorage.kernel.values.ahead.digest", lambda content: pytest.fail("it was read"))
    assert not cluster.placement()["x"].stale


def test_the_value_and_parts_of_it_are_referred_to(cluster, names):
    names["x"] = x = {"a": random(), "b": random()}
    cluster.broadcast(x, name="x", rebind=True)
    y = names["x"]
    placed = cluster.placement()
    assert cluster.submit(lambda v: v["a"].sum(), y).result() == x["a"].sum()
    assert cluster.submit(lambda v: v.sum(), y["b"][10:]).result() == x["b"][10:].sum()
    assert set(cluster.placement()) == set(placed)  # nothing was placed besides
    assert not cluster.placement()["x"].stale


@pytest.mark.parametrize(
    "make", [lambda: pd.DataFrame({"a": random()}), lambda: {"a": [random()]}, lambda: (random(),)]
)
def test_values_of_many_kinds_can_be_bound(cluster, names, make):
    names["x"] = x = make()
    cluster.broadcast(x, name="x", rebind=True)
    assert type(names["x"]) is type(x)
    assert names["x"] is not x
    assert not cluster.placement()["x"].stale


def test_elements_are_bound(cluster, names):
    names["parts"] = parts = [random(), np.arange(3), random()]
    cluster.scatter(parts, name="parts", rebind=True)
    new = names["parts"]
    assert [is_mapped(part) for part in new] == [True, False, True]
    assert new[1] is parts[1]
    assert not cluster.placement()["parts"].stale
    assert cluster.placer.elements(new) == cluster["parts"].keys


def test_what_is_placed_already_is_bound_when_it_moves(cluster, names):
    names["x"] = x = random()
    cluster.broadcast(x, name="x")
    cluster.place([], moorage.model.OnWorkers(("alice",)), values={"x": x}, whole=True, rebind=True)
    assert is_mapped(names["x"])
    cluster.placer.note_rebound(names)
    assert not cluster.placement()["x"].stale


def test_what_was_bound_is_sent_again_as_it_was_placed(cluster, names):
    names["x"] = random()
    cluster.pin("x", ["alice"], value=names["x"], rebind=True)
    restart_worker(cluster.client, "alice")
    eventually(lambda: cluster.placement()["x"].state == "held" and cluster.placement()["x"].holders == ["alice"])
    assert cluster.gather("x").flags.writeable
    assert np.array_equal(cluster.gather("x"), names["x"])


def test_a_change_of_what_was_bound_is_told(cluster, names):
    names["x"] = pd.DataFrame({"a": random()})
    cluster.broadcast(names["x"], name="x", rebind=True)
    names["x"]["b"] = 1
    assert cluster.placement()["x"].stale


def test_it_can_be_awaited_too(cluster, names):
    names["x"] = x = random()

    async def placed():
        await cluster.broadcast(x, name="x", rebind=True, asynchronous=True)

    asyncio.run(placed())
    assert is_mapped(names["x"])


@pytest.mark.parametrize("auto", ["x", None])
def test_what_has_no_name_here_is_refused_before_it_is_placed(cluster, names, auto):
    with pytest.raises(InputError, match=r"map=True|name="):
        cluster.broadcast(random(), name=auto, rebind=True)
    assert not cluster.placement()


def test_what_cannot_be_shared_is_refused_before_it_is_placed(cluster, names):
    names["x"] = np.arange(10)
    with pytest.raises(NotMappableError, match="it is small"):
        cluster.broadcast(names["x"], name="x", rebind=True)
    names["x"] = {str(i): {i} for i in range(100_000)}
    with pytest.raises(NotMappableError, match="no memory to share"):
        cluster.broadcast(names["x"], name="x", rebind=True)
    names["x"] = random()
    with dask.config.set({"moorage.images.share": False}), pytest.raises(NotMappableError, match="switched off"):
        cluster.broadcast(names["x"], name="x", rebind=True)
    assert not cluster.placement()
    future = cluster.client.submit(np.arange, N)
    names["x"] = future
    with pytest.raises(InputError, match="%gather --map x"):
        cluster.broadcast(future, name="x", rebind=True)


def test_a_name_that_means_something_else_by_now_keeps_that(cluster, names, monkeypatch):
    names["x"] = x = random()
    load = mapped.load

    def rebinding(*args):
        names["x"] = "something else"
        return load(*args)

    monkeypatch.setattr(gather.mapped, "load", rebinding)
    cluster.broadcast(x, name="x", rebind=True)
    assert names["x"] == "something else"
