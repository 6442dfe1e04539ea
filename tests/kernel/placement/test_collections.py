"""Dask collections as variables: their parts spread, kept, put beside others, and told of."""

from __future__ import annotations

import gc
import re

import dask
import dask.array as da
import dask.bag as db
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from distributed import Event, futures_of, wait

from moorage.errors import InputError, InvalidNameError, NotPlaceableError, UnknownVariableError
from moorage.model import OnWorkers, describe
from tests.helpers import eventually


def frame(n=8, rows=4000):
    return dd.from_pandas(
        pd.DataFrame({"a": np.arange(rows), "b": np.random.default_rng(0).random(rows)}), npartitions=n
    )


def shares(cluster, name):
    return {worker: share.parts for worker, share in cluster[name].parts.by_worker.items()}


def settled(cluster, name):
    eventually(lambda: cluster.placement()[name].state == "held")


def on(cluster, collection, worker):
    """The collection, computed on one worker."""
    kept = cluster.persist(collection, workers=worker)
    wait(futures_of(kept), 20)
    return kept


MADE = {
    "array": lambda: da.ones((64, 64), chunks=16),
    "frame": frame,
    "series": lambda: frame().b,
    "bag": lambda: db.from_sequence(range(40), npartitions=8),
    "dataset": lambda: xr.Dataset({"t": ("x", np.arange(80.0))}).chunk(x=10),
    "delayed": lambda: [dask.delayed(bytes)(1000 + i) for i in range(8)],
}


@pytest.mark.parametrize("kind", MADE)
def test_parts_are_spread_evenly_and_stay(cluster, kind):
    made = MADE[kind]()
    kept = [on(cluster, one, "alice") for one in made] if isinstance(made, list) else on(cluster, made, "alice")
    cluster.scatter(kept, "kept", workers=["alice", "bob"])
    settled(cluster, "kept")
    parts = cluster["kept"].parts
    assert shares(cluster, "kept") == {"alice": len(parts) // 2, "bob": len(parts) // 2}
    sizes = [share.nbytes for share in parts.by_worker.values()]
    assert max(sizes) <= 1.1 * sum(sizes) / 2
    assert cluster["kept"].placement.typename == type(kept).__name__


def test_pinned_parts_are_on_each_and_broadcast_ones_everywhere(cluster):
    kept = on(cluster, frame(), "alice")
    cluster.pin("kept", ["bob"], value=kept)
    settled(cluster, "kept")
    assert shares(cluster, "kept") == {"bob": 8}
    cluster.broadcast(kept, "kept")
    settled(cluster, "kept")
    assert shares(cluster, "kept") == {"alice": 8, "bob": 8}
    cluster.release("kept")
    assert "kept" not in cluster
    assert len(kept) == 4000


def test_by_bytes_and_by_number_differ_where_parts_do(cluster):
    parts = [dask.delayed(bytes)(1_000_000)] + [dask.delayed(bytes)(200_000 + i) for i in range(5)]
    kept = [on(cluster, part, "alice") for part in parts]
    cluster.scatter(kept, "kept", workers=["alice", "bob"])
    settled(cluster, "kept")
    assert sorted(shares(cluster, "kept").values()) == [1, 5]
    cluster.scatter(kept, "kept", workers=["alice", "bob"], by="blocks")
    settled(cluster, "kept")
    assert sorted(shares(cluster, "kept").values()) == [3, 3]


def test_parts_are_kept_with_those_of_another_collection(cluster):
    left = on(cluster, frame(), "alice")
    right = on(cluster, frame().assign(c=1), "bob")
    cluster.scatter(left, "left", workers=["alice", "bob"])
    settled(cluster, "left")
    cluster.scatter(right, "right", like="left")
    settled(cluster, "right")
    where = [part.workers for part in cluster["left"].parts]
    assert len(set(where)) == 2
    assert [part.workers for part in cluster["right"].parts] == where
    cluster.pin("left", ["bob"])
    eventually(lambda: shares(cluster, "right") == {"bob": 8})
    with pytest.raises(InputError, match="It has 8 parts, and the collection that it should be like has 4"):
        cluster.scatter(right, "right", like=on(cluster, frame(4), "alice"))
    with pytest.raises(InputError, match="Only a Dask collection"):
        cluster.scatter([1, 2], "numbers", like="left")


def look_only_at_what_has_moved(dask_scheduler):
    sweep = type(dask_scheduler.extensions["moorage"].dealer).sweep
    before, sweep.__globals__["_RARELY"] = sweep.__globals__["_RARELY"], 1_000_000
    return before


def look_at_all(before, dask_scheduler):
    type(dask_scheduler.extensions["moorage"].dealer).sweep.__globals__["_RARELY"] = before


def test_parts_follow_those_that_come_back_after_them(cluster):
    left, right = (on(cluster, da.random.random((40, 1000), chunks=(1, 1000)), "alice") for _ in range(2))
    cluster.scatter(left, "left", workers=["alice", "bob"])
    cluster.scatter(right, "right", like="left")
    settled(cluster, "left")
    settled(cluster, "right")
    before = cluster.client.run_on_scheduler(look_only_at_what_has_moved)
    try:
        for worker in "bob", "alice":
            cluster.client.restart_workers([worker])
            eventually(lambda: sorted(shares(cluster, "left").values()) == [20, 20])
            eventually(lambda: workers_of(cluster, "right") == workers_of(cluster, "left"))
    finally:
        cluster.client.run_on_scheduler(look_at_all, before)


def workers_of(cluster, name):
    return [part.workers for part in cluster[name].parts]


def placed(cluster, name):
    return describe(cluster.placement(name)[name].placement)


def test_what_is_kept_with_another_says_so_until_that_is_gone(cluster):
    left = on(cluster, frame(), "alice")
    right = on(cluster, frame().assign(c=1), "bob")
    cluster.scatter(left, "left", workers=["alice", "bob"])
    cluster.scatter(right, "right", like="left")
    settled(cluster, "left")
    settled(cluster, "right")
    assert placed(cluster, "right") == "with left"
    assert " with left, held" in repr(cluster.placement())
    assert str(cluster.why("right")).startswith("right is held: with left, as asked")
    cluster.release("left")
    assert placed(cluster, "right") == "with left"  # whose parts the notebook keeps
    where = [part.workers for part in cluster["right"].parts]
    del left
    gc.collect()
    eventually(lambda: placed(cluster, "right") == "anywhere")
    assert [part.workers for part in cluster["right"].parts] == where
    assert cluster.placement("right")["right"].state == "held"
    other = on(cluster, frame().assign(d=1), "bob")
    cluster.scatter(right, "right", like=other)
    assert placed(cluster, "right") == "with another DataFrame"
    cluster.scatter(right, "right")
    assert placed(cluster, "right") == "anywhere"


def received(cluster):
    """Bytes that workers have got from each other so far."""

    def nbytes(dask_worker):
        return sum(entry["total"] for entry in dask_worker.transfer_incoming_log)

    return sum(cluster.client.run(nbytes).values())


def test_a_join_of_frames_whose_parts_are_together_moves_next_to_nothing(cluster):
    left, right = (on(cluster, frame(rows=80_000).assign(**{name: 1}), "alice") for name in "cd")
    cluster.scatter(left, "left", workers=["alice", "bob"])
    cluster.scatter(right, "right", workers=["alice"])
    settled(cluster, "left")
    settled(cluster, "right")

    def join():
        before = received(cluster)
        joined = left.merge(right, left_index=True, right_index=True)
        assert joined.c.sum().compute(scheduler=cluster.client) == 80_000
        return received(cluster) - before

    apart = join()
    cluster.scatter(right, "right", like=left)
    settled(cluster, "right")
    assert [part.workers for part in cluster["left"].parts] == [part.workers for part in cluster["right"].parts]
    assert join() <= 0.05 * apart


def crowd(dask_scheduler, room=None):
    """Let workers be asked for so many bytes at a time, from now on; return how many they were until then."""
    reconciler = dask_scheduler.extensions["moorage"].reconciler
    names = type(reconciler.flights).begin.__globals__
    before, names["ROOM"] = names["ROOM"], room
    return before


def watch_moves(dask_scheduler):
    """Note at each message that asks a worker for copies how many bytes are on their way to it."""
    flights, send = dask_scheduler.extensions["moorage"].reconciler.flights, dask_scheduler.worker_send
    noted = dask_scheduler.noted = []

    def noting(worker, message):
        if message.get("op") == "acquire-replicas":
            on_way = [flights.by_key[key][worker].nbytes for key in flights.on_way(worker, list(flights.by_key))]
            noted.append(sum(on_way))
        send(worker, message)

    dask_scheduler.__dict__["worker_send"] = noting


def watched_moves(dask_scheduler):
    del dask_scheduler.__dict__["worker_send"]
    return dask_scheduler.noted


def test_what_one_worker_is_to_get_goes_to_it_in_turns_and_once(cluster):
    kept = on(cluster, da.random.random((300, 12_500), chunks=(1, 12_500)), "alice")
    cluster.scatter(kept, "kept", workers=["alice"])
    settled(cluster, "kept")
    since, told = cluster.transfers(settle=1), []
    unsubscribe = cluster.subscribe(lambda kind: told.append(cluster.placer.states()["kept"].reason))
    before = cluster.client.run_on_scheduler(crowd, room=1_000_000)
    cluster.client.run_on_scheduler(watch_moves)
    try:
        cluster.scatter(kept, "kept", workers=["bob"])
        settled(cluster, "kept")
    finally:
        unsubscribe()
        cluster.client.run_on_scheduler(crowd, room=before)
        noted = cluster.client.run_on_scheduler(watched_moves)
    assert max(noted) <= 1_000_000
    assert cluster.transfers(since=since, settle=1).nbytes <= 1.05 * kept.nbytes
    assert any(re.match(r"\d+ of 300 parts are there, .* of 28\.61 MiB", reason) for reason in told)


def opened(gate, i):
    assert Event(gate).wait(60)
    return bytes(100_000 + i)


def test_what_is_still_computed_is_placed_as_it_comes(cluster):
    gate = Event("parts-gate", client=cluster.client)
    first = [on(cluster, dask.delayed(bytes)(100_000 + i), "alice") for i in range(4)]
    later = [cluster.persist(dask.delayed(opened)("parts-gate", i), workers="alice") for i in range(4)]
    cluster.scatter([*first, *later], "kept", workers=["alice", "bob"], timeout=0)
    assert cluster["kept"].placement.state != "held"
    assert shares(cluster, "kept") == {"alice": 4}
    assert [part.workers for part in cluster["kept"].parts][4:] == [()] * 4
    assert "on no worker: 4 parts" in repr(cluster["kept"].parts)
    gate.set()
    eventually(lambda: shares(cluster, "kept") == {"alice": 4, "bob": 4})
    settled(cluster, "kept")


def test_a_collection_that_is_made_of_persisted_ones_and_not_itself_is_refused(cluster):
    kept = on(cluster, frame(), "alice")
    array = on(cluster, da.ones(4, chunks=2), "alice")
    for lazy in (kept[kept.a > 3], array + 1, [dask.delayed(len)(kept)]):
        with pytest.raises(NotPlaceableError) as refusal:
            cluster.scatter(lazy, "lazy")
        assert "--persist" in refusal.value.remedy


@pytest.mark.parametrize("kind", MADE)
def test_the_whole_value_is_gathered(cluster, kind, scope):
    made = MADE[kind]()
    scope["kept"] = [on(cluster, one, "alice") for one in made] if isinstance(made, list) else on(cluster, made, "bob")
    whole = dask.compute(made, scheduler="sync")[0]
    same(cluster.gather("kept"), whole)  # though it is not placed
    cluster.scatter(scope["kept"], "kept", workers=["alice", "bob"])
    same(cluster.gather("kept"), whole)
    scope.clear()
    assert len(cluster.gather("kept")) == len(cluster["kept"].parts)


def same(found, expected):
    assert type(found) is type(expected)
    if hasattr(expected, "equals"):
        assert found.equals(expected)
    else:
        np.testing.assert_array_equal(found, expected)


@pytest.fixture
def scope(cluster):
    """The variables of the notebook."""
    before, cluster.placer.namespace = cluster.placer.namespace, {}
    yield cluster.placer.namespace
    cluster.placer.namespace = before


def test_what_is_on_the_cluster_and_not_placed_has_parts_and_no_placement(cluster, scope):
    scope["kept"] = on(cluster, frame(), "alice")
    scope["listed"] = cluster.client.map(abs, range(3), pure=False)
    scope["named"] = dict(zip("ab", scope["listed"], strict=False))
    scope["lazy"] = frame()
    wait(scope["listed"])
    kept = cluster["kept"]
    assert repr(kept).startswith("<Variable kept: 8 parts, ")
    assert repr(kept).endswith("kiB; not placed>")
    assert kept.keys == [future.key for future in kept.futures]
    assert kept.plot().shape == (8,)
    with pytest.raises(NotPlaceableError, match="not placed") as refusal:
        _ = kept.placement
    assert "%scatter kept" in refusal.value.remedy
    assert cluster["listed"].gather() == [0, 1, 2]
    assert cluster["named"].gather() == {"a": 0, "b": 1}
    scope["bad"] = [cluster.client.submit(divmod, 1, 0, pure=False)]
    with pytest.raises(ZeroDivisionError) as raised:
        cluster["bad"].gather()
    assert raised.value.__context__ is None
    assert len(cluster["named"].parts) == 2
    with pytest.raises(NotPlaceableError, match="has not been computed"):
        _ = cluster["lazy"]
    with pytest.raises(UnknownVariableError):
        _ = cluster["nothing"]
    scope["kept"] = 5
    with pytest.raises(NotPlaceableError, match="no longer refers to anything"):
        _ = kept.keys


def test_some_parts_are_kept_elsewhere_and_go_back_when_they_are_released(cluster):
    kept = on(cluster, frame(), "alice")
    cluster.scatter(kept, "kept", workers=["alice"])
    settled(cluster, "kept")
    cluster.pin("kept[2:4]", ["bob"])
    settled(cluster, "kept[2:4]")
    assert repr(cluster["kept[2:4]"]).startswith("<Variable kept[2:4]: DataFrame 2 parts, held")
    eventually(lambda: [part.workers for part in cluster["kept"].parts][1:4] == [("alice",), *[("alice", "bob")] * 2])
    pd.testing.assert_frame_equal(cluster.gather("kept[2:4]")[1], kept.partitions[3].compute())
    cluster.pin("kept[2:4]", ["alice"])
    eventually(lambda: shares(cluster, "kept") == {"alice": 8})
    cluster.place(["kept[-1]"], OnWorkers(("bob",)))
    eventually(lambda: cluster["kept"].parts[7].workers == ("alice", "bob"))
    assert sorted(cluster.placement()) == ["kept", "kept[-1]", "kept[2:4]"]
    cluster.release("kept[-1]", "kept[2:4]")
    eventually(lambda: shares(cluster, "kept") == {"alice": 8})
    for name, words in {"kept[8:]": "kept has 8 parts", "kept[0,0]": "kept has 8 parts", "other[1]": "other"}.items():
        with pytest.raises(InputError, match=words):
            cluster.pin(name, ["bob"])
    with pytest.raises(InvalidNameError):
        cluster.scatter([1, 2], "kept[0:2]")
    assert [*cluster.placement()] == ["kept"]


def test_a_picture_shows_each_block(cluster):
    kept = on(cluster, da.random.default_rng(0).random((6, 8), chunks=2), "alice")
    cluster.scatter(kept, "kept", workers=["alice", "bob"])
    settled(cluster, "kept")
    parts = cluster["kept"].parts
    assert repr(cluster["kept"]).endswith("12 blocks, held, alice: 6, bob: 6>")
    assert parts.shape == (3, 4)
    assert parts[5].block == (1, 1)
    picture = cluster["kept"].plot()
    assert repr(picture) == repr(parts)
    assert repr(parts).startswith("kept: 12 parts, 384 B; alice: 6 parts, 192 B; bob: 6 parts")
    svg = picture._repr_svg_()
    assert svg.count("<g>") == 12
    assert ">alice</text>" in svg
    assert ">bob</text>" in svg
