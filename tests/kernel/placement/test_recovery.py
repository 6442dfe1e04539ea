"""What happens to placed values when workers die and when the notebook changes them: back, or lost and said so."""

import asyncio
import copy
import gc
import os
import signal

import dask
import numpy as np
import pytest

from moorage.deploy.fdstore.client import kept_at
from moorage.errors import LostError
from tests.helpers import eventually


def kill(cluster, name):
    """Kill a worker with -9, and wait until the scheduler knows."""
    before = address(cluster, name)
    os.kill(cluster.client.run(os.getpid, workers=[before])[before], signal.SIGKILL)
    eventually(lambda: address(cluster, name) != before)


def address(cluster, name):
    return next((info.address for info in cluster.workers() if info.name == name), None)


def state(cluster, name):
    return cluster.placement()[name]


def until(cluster, name, wanted, timeout=20):
    eventually(lambda: state(cluster, name).state == wanted, timeout)


# ---- the worker that has it dies


def test_the_only_copy_comes_back_under_its_key_with_all_that_depends_on_it(cluster):
    value = np.arange(100_000)
    future = cluster.scatter(value, "v", workers="alice")
    dependent = cluster.client.submit(np.sum, future)
    assert dependent.result(60) == value.sum()
    later = cluster.client.submit(lambda x: x[-1], future, workers="bob")
    kill(cluster, "alice")
    until(cluster, "v", "held")
    assert cluster["v"].keys == [future.key]
    assert np.array_equal(future.result(60), value)
    assert dependent.result(60) == value.sum()
    assert later.result(60) == value[-1]
    assert cluster.client.submit(np.max, future).result(60) == value.max()
    assert state(cluster, "v").holders == ["alice"]


def test_what_is_asked_for_again_while_it_is_on_its_way_is_sent_once(cluster, monkeypatch):
    future = cluster.scatter(np.ones(1000), "v", workers="alice")
    link, asked, go = cluster._link, [], asyncio.Event()
    send = link._restoring._send_again

    async def send_when_told(pairs):
        asked.append([key for key, _ in pairs])
        await go.wait()
        await send(pairs)

    monkeypatch.setattr(link._restoring, "_send_again", send_when_told)
    kill(cluster, "alice")
    eventually(lambda: asked)
    again = {"type": "restore", "keys": [future.key], "holders": ["alice"]}
    cluster.client.loop.add_callback(link._on_event, again)
    cluster.client.loop.add_callback(go.set)
    until(cluster, "v", "held")
    eventually(lambda: not link._restoring._on_their_way)
    assert asked == [[future.key]]


def test_elements_of_a_collection_come_back(cluster):
    cluster.scatter({"a": [1], "b": [2], "c": [3]}, "d")
    kill(cluster, "alice")
    until(cluster, "d", "held")
    assert cluster.gather("d") == {"a": [1], "b": [2], "c": [3]}


def test_a_broadcast_value_is_on_the_replacement_too(cluster):
    future = cluster.broadcast(np.ones(10), "v")
    kill(cluster, "bob")
    eventually(lambda: state(cluster, "v").holders == ["alice", "bob"])
    assert future.result(60).sum() == 10


def test_an_unnamed_value_comes_back_while_somebody_has_its_future(cluster):
    future = cluster.scatter(np.ones(1000), workers="alice")
    kill(cluster, "alice")
    assert future.result(60).sum() == 1000


def test_a_value_without_an_origin_is_lost_and_says_so(cluster):
    future = cluster.scatter(np.ones(10), "v", workers="alice", keep_origin=False)
    kill(cluster, "alice")
    until(cluster, "v", "lost")
    assert "alice" in state(cluster, "v").reason
    with pytest.raises(LostError, match=r"v cannot be gathered.*alice") as caught:
        cluster.gather("v")
    assert "%scatter v" in caught.value.remedy
    with pytest.raises(LostError):
        future.result(60)
    cluster.scatter(np.ones(10), "v", workers="alice")
    assert cluster.gather("v").sum() == 10


def test_a_value_changed_in_place_is_lost_rather_than_wrong(cluster):
    value = np.ones(1000)
    future = cluster.scatter(value, "v", workers="alice")
    value[0] = 7
    kill(cluster, "alice")
    until(cluster, "v", "lost")
    with pytest.raises(LostError) as caught:
        future.result(60)
    for part in ("v", "alice", "has changed since it was placed", "%scatter v"):
        assert part in str(caught.value)
    notice = next(iter(cluster.notices.values()))
    assert (notice["level"], notice["variable"]) == ("error", "v")
    cluster.dismiss(notice["id"])
    assert not cluster.notices


def test_what_depends_on_a_lost_value_fails_with_the_reason(cluster):
    value = [1, 2]
    future = cluster.scatter(value, "v", whole=True, workers="alice")
    dependent = cluster.client.submit(len, future)
    assert dependent.result(60) == 2
    value.append(3)
    kill(cluster, "alice")
    with pytest.raises(LostError, match="has changed"):
        dependent.result(60)
    for notice in list(cluster.notices):
        cluster.dismiss(notice)


def test_a_large_value_that_the_notebook_has_deleted_is_mapped_again(cluster):
    value = np.ones(9_000_000)  # 72 MB, more than is remembered for the notebook
    cluster.pin("v", ["alice"], value=value)
    eventually(lambda: kept_at(cluster.handle.info.store, cluster["v"].keys))
    del value
    gc.collect()
    kill(cluster, "alice")
    eventually(lambda: state(cluster, "v").holders == ["alice"])
    assert cluster.gather("v").sum() == 9_000_000


def test_a_large_value_that_is_not_shared_and_that_the_notebook_has_deleted_is_lost_with_its_holder(cluster):
    value = np.array([str(i) * 15_000 for i in range(1000, 2200)], dtype=object)
    cluster.pin("v", ["alice"], value=value)
    del value
    gc.collect()
    kill(cluster, "alice")
    until(cluster, "v", "lost")
    assert "does not have its value any more" in state(cluster, "v").reason
    for notice in list(cluster.notices):
        cluster.dismiss(notice)


def test_a_small_value_that_the_notebook_has_deleted_comes_back(cluster):
    value = np.ones(1000)
    cluster.pin("v", ["alice"], value=value)
    del value
    gc.collect()
    kill(cluster, "alice")
    eventually(lambda: state(cluster, "v").holders == ["alice"])
    assert cluster.gather("v").sum() == 1000


def test_both_workers_die_at_once(cluster):
    cluster.broadcast(np.ones(1000), "everywhere")
    cluster.scatter(list(range(8)), "spread")
    pids = cluster.client.run(os.getpid)
    for pid in pids.values():
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not set(pids) & {info.address for info in cluster.workers()})
    eventually(lambda: state(cluster, "everywhere").holders == ["alice", "bob"])
    until(cluster, "spread", "held")
    assert cluster.gather("spread") == list(range(8))


def test_client_restart_places_again_what_can_be(cluster):
    cluster.broadcast(np.ones(1000), "v")
    cluster.client.restart()
    eventually(lambda: "v" in cluster.placement() and state(cluster, "v").holders == ["alice", "bob"])
    assert cluster.gather("v").sum() == 1000


# ---- the notebook changes it


def test_a_change_in_place_shows_as_stale(cluster):
    value = np.ones(1000)
    cluster.broadcast(value, "v")
    assert not state(cluster, "v").stale
    value[3] = 0
    assert state(cluster, "v").stale
    assert cluster.gather("v").sum() == 1000
    value[3] = 1
    assert not state(cluster, "v").stale


def test_a_change_of_one_element_shows_as_stale(cluster):
    parts = [np.ones(10), [1, 2], {"a": 1}]
    cluster.scatter(parts, "parts")
    parts[2]["a"] = 2
    assert state(cluster, "parts").stale


def stale(cluster, name, namespace):
    cluster.placer.note_rebound(namespace)
    return state(cluster, name).stale


CHANGES = {
    "exchanged": ([1.5, [2], "three"], lambda parts: parts.__setitem__(1, [4])),
    "appended": ([1.5, [2]], lambda parts: parts.append("three")),
    "removed": ([1.5, [2], "three"], lambda parts: parts.pop()),
    "turned": ([1.5, [2], "three"], lambda parts: parts.reverse()),
    "label": ({"a": 1, "b": 2}, lambda parts: parts.update(c=parts.pop("b"))),
    "set": ({1, 2}, lambda parts: parts.add(3)),
}


@pytest.mark.parametrize(("parts", "change"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("limit", ["64 MiB", "1 B"])
def test_a_list_that_got_lost_or_exchanged_elements_shows_as_stale(cluster, parts, change, limit):
    with dask.config.set({"moorage.keep-origin": limit}):
        parts = copy.deepcopy(parts)
        cluster.scatter(parts, "parts")
        assert not stale(cluster, "parts", {"parts": parts})
        change(parts)
        assert stale(cluster, "parts", {"parts": parts})
        cluster.scatter(parts, "parts")
        assert not stale(cluster, "parts", {"parts": parts})
        assert cluster.gather("parts") == parts


@pytest.mark.parametrize("limit", ["64 MiB", "1 B"])
def test_a_map_over_a_list_that_was_changed_since_takes_it_as_it_is(cluster, limit):
    with dask.config.set({"moorage.keep-origin": limit}):
        parts = [np.full(10, i) for i in range(3)]
        cluster.scatter(parts, "parts")
        parts[0][:] = 10
        assert cluster.map(np.sum, parts).gather() == [100, 10, 20]
        cluster.scatter(parts, "parts")
        parts[1] = np.full(10, 20)
        assert cluster.map(np.sum, parts).gather() == [100, 200, 20]
        parts.append(np.full(10, 30))
        parts[2][:] = 40
        assert cluster.map(np.sum, parts).gather() == [100, 200, 400, 300]


@pytest.mark.parametrize("value", [np.ones(1000), [1] * 1000], ids=["array", "list"])
@pytest.mark.parametrize("scattered", [False, True], ids=["whole", "by element"])
def test_rebinding_a_value_too_large_to_be_kept_shows_as_stale(cluster, value, scattered):
    value = copy.deepcopy(value)
    with dask.config.set({"moorage.keep-origin": "1 kB"}):
        cluster.scatter(value, "v", whole=not scattered)
        assert not stale(cluster, "v", {"v": value})
        del value
        gc.collect()
        assert not stale(cluster, "v", {})
        assert stale(cluster, "v", {"v": np.zeros(1000)})
        assert stale(cluster, "v", {"v": [1] * 999})
        assert stale(cluster, "v", {"v": None})


def test_rebinding_shows_as_stale(cluster):
    value = np.ones(10)
    future = cluster.broadcast(value, "v")
    for namespace, stale in [
        ({"v": value}, False),
        ({"v": np.ones(10)}, True),
        ({}, False),
        ({"v": None}, True),
        ({"v": future}, False),
        ({"v": cluster["v"].future}, False),
    ]:
        cluster.placer.note_rebound(namespace)
        assert state(cluster, "v").stale is stale, namespace


def test_a_name_bound_to_the_futures_is_not_stale(cluster):
    futures = cluster.scatter([1, 2, 3], "parts")
    cluster.placer.note_rebound({"parts": futures})
    assert not state(cluster, "parts").stale
    cluster.placer.note_rebound({"parts": futures[:2]})
    assert state(cluster, "parts").stale


def test_placing_again_takes_a_new_key_and_lets_the_old_one_go(cluster):
    value = np.ones(1000)
    first = cluster.broadcast(value, "v")
    key = first.key
    value[0] = 0
    second = cluster.broadcast(value, "v")
    assert second.key != key
    assert not state(cluster, "v").stale
    assert cluster.gather("v").sum() == 999
    assert first.result(60).sum() == 1000  # a future of the old one keeps it
    del first
    eventually(lambda: not cluster.client.who_has().get(key))
    assert cluster["v"].keys == [second.key]


def test_placing_the_same_again_moves_nothing(cluster):
    value = np.ones(1000)
    first = cluster.broadcast(value, "v")
    second = cluster.broadcast(np.ones(1000), "v")
    assert first.key == second.key


def test_placing_fewer_elements_lets_the_others_go(cluster):
    cluster.scatter(["one", "two", "three"], "parts")
    gone = cluster["parts"].keys[2]
    cluster.scatter(["one", "two"], "parts")
    assert cluster.gather("parts") == ["one", "two"]
    eventually(lambda: gone not in cluster.client.who_has())
