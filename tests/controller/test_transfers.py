"""`cluster.transfers()`: what has moved, as the workers' own logs have it, by name, and what would have saved it."""

from __future__ import annotations

import gc
import os
import signal
from collections import deque

import dask.array as da
import numpy as np
import pytest
from distributed import wait

from moorage.errors import InputError
from moorage.kernel.transfers.moved import Moment
from tests.helpers import eventually, worker_infos

MB = 1_000_000


def make(nbytes, seed=1):
    return np.full(nbytes // 8, seed, dtype="f8")


def total(*arrays):
    return float(sum(array.sum() for array in arrays))


def in_logs(client):
    """Return the bytes that workers' logs have, sent and received, by address."""

    def look(dask_worker):
        logs = dask_worker.transfer_outgoing_log, dask_worker.transfer_incoming_log
        return [sum(entry["total"] for entry in log) for log in logs]

    return client.run(look)


def use_elsewhere(client, future, worker, **more):
    """Have a task use a value on a worker."""
    return client.submit(total, future, workers=[worker], pure=False, **more).result()


def test_what_a_worker_has_fetched_has_a_name_a_way_and_the_bytes_of_the_logs(cluster, names):
    client = cluster.client
    names["x"] = client.submit(make, 8 * MB, workers=["alice"], pure=False)
    wait(names["x"])
    logged = in_logs(client)
    before = cluster.transfers()
    use_elsewhere(client, names["x"], "bob")
    moved = cluster.transfers(since=before, settle=2)
    (row,) = [row for row in moved.rows if row.name == "x"]
    assert (row.kind, row.mine, row.how, row.sender, row.receiver) == ("variable", True, "fetched", "alice", "bob")
    assert row.nbytes == 8 * MB
    assert row.mapped == 0
    assert 0 < row.seconds <= moved.seconds
    assert 0 < moved.wall_seconds <= moved.elapsed
    assert moved.warnings == ()
    sent, received = (
        sum(now[side] for now in in_logs(client).values()) - sum(then[side] for then in logged.values())
        for side in (0, 1)
    )
    assert moved.nbytes == pytest.approx(sent, rel=0.01)
    assert moved.sent["alice"].nbytes >= 8 * MB
    assert moved.received["bob"].nbytes == received


def test_nothing_has_moved_since_nothing_was_done(cluster):
    moved = cluster.transfers(since=cluster.moment(), settle=2)
    assert moved.rows == moved.savings == ()
    assert (moved.nbytes, moved.seconds, moved.number, moved.lacking) == (0, 0, 0, 0)
    assert "Nothing has moved" in repr(moved)
    assert list(moved.to_frame().columns)[:5] == ["name", "kind", "owner", "mine", "how"]


def test_what_the_notebook_gathers_counts_as_sent_to_the_client(cluster, names):
    names["x"] = cluster.client.submit(make, MB, workers=["alice"], pure=False)
    wait(names["x"])
    before = cluster.moment()
    cluster.client.gather(names["x"])
    moved = cluster.transfers(before, settle=2)
    assert [(row.name, row.how, row.sender, row.receiver) for row in moved.rows] == [
        ("x", "gathered", "alice", "client")
    ]
    assert moved["x"].nbytes == MB


def test_what_is_mapped_has_not_moved(cluster):
    cluster.pin("x", workers=["alice"], value=make(8 * MB))
    before = cluster.moment()
    use_elsewhere(cluster.client, cluster["x"].future, "bob")
    moved = cluster.transfers(before, settle=2)["x"]
    assert moved.mapped == 8 * MB
    assert moved.nbytes < 0.01 * moved.mapped
    assert f"{moved.mapped / 2**20:.2f} MiB were mapped" in repr(cluster.transfers(before))


def test_what_goes_between_tasks_has_the_name_of_the_function(cluster, names):
    client = cluster.client
    before = cluster.moment()
    between = client.submit(make, 2 * MB, workers=["alice"], pure=False)
    done = client.submit(total, between, workers=["bob"], pure=False)
    del between
    done.result()
    assert cluster.transfers(before, settle=2)["make()"].nbytes == 2 * MB


def test_what_shuffles_send_is_counted_and_not_what_stays(cluster, names):
    dd = pytest.importorskip("dask.dataframe")
    import pandas as pd

    frame = dd.from_pandas(pd.DataFrame({"a": np.arange(500_000), "b": np.arange(500_000.0)}), npartitions=4)
    names["ddf"] = cluster.client.persist(frame)
    wait(names["ddf"])
    before = cluster.moment()
    wait(names["ddf"].shuffle("a").persist())
    moved = cluster.transfers(before, settle=2)
    shuffled = [row for row in moved.rows if row.how == "shuffled"]
    assert {row.name for row in shuffled} == {"ddf"}
    assert {(row.sender, row.receiver) for row in shuffled} == {("alice", "bob"), ("bob", "alice")}
    assert 0.35 < sum(row.nbytes for row in shuffled) / (500_000 * 16) < 0.9  # half, and what an index takes


# What would have saved it


def test_what_many_workers_fetch_is_to_be_broadcast(cluster, names):
    client = cluster.client
    names["x"] = client.submit(make, 2 * MB, workers=["alice"], pure=False)
    names["y"] = client.submit(make, MB, 2, workers=["alice"], pure=False)
    wait([names["x"], names["y"]])
    before = cluster.moment()
    use_elsewhere(client, names["x"], "bob")
    (saving,) = cluster.transfers(before, settle=2).savings
    assert (saving.magic, saving.nbytes) == ("%pin x --workers bob", 2 * MB)


def test_parts_that_met_are_to_be_put_together(cluster, names):
    client = cluster.client
    a, b = (da.random.random((8, 125_000), chunks=(1, 125_000)) for _ in range(2))
    names["a"] = cluster.persist(a, workers="alice")
    names["b"] = cluster.persist(b, workers="bob")
    wait([names["a"], names["b"]])
    before = cluster.moment()
    wait(client.persist(names["a"] + names["b"]))
    moved = cluster.transfers(before, settle=2)
    (saving,) = moved.savings
    assert saving.magic in ("%scatter a --like b", "%scatter b --like a")
    assert saving.nbytes == moved.nbytes == 8 * MB
    cluster.scatter(names["b"], "b", like=names["a"])
    again = cluster.moment()
    wait(client.persist(names["a"] - names["b"]))
    assert cluster.transfers(again, settle=2).nbytes < 0.05 * moved.nbytes


def test_copies_that_a_placement_has_made_are_no_reason_for_another_one(cluster, names):
    client = cluster.client
    names["x"] = client.submit(make, MB, workers=["alice"], pure=False)
    wait(names["x"])
    before = cluster.moment()
    cluster.broadcast(names["x"], "x")
    use_elsewhere(client, names["x"], "bob")
    moved = cluster.transfers(before, settle=2)
    assert moved["x"].nbytes == MB
    assert moved.savings == ()


def test_what_tasks_use_is_noted_only_as_long_as_a_moment_is_kept(cluster):
    def noted(dask_scheduler):
        return "moorage-transfers" in dask_scheduler.plugins

    gc.collect()
    eventually(lambda: not cluster.client.run_on_scheduler(noted))
    moment = cluster.moment()
    assert cluster.client.run_on_scheduler(noted)
    del moment
    gc.collect()
    eventually(lambda: not cluster.client.run_on_scheduler(noted))


# What is not known is said


def shorten(dask_worker):
    dask_worker.transfer_outgoing_log = deque(dask_worker.transfer_outgoing_log, 5)
    dask_worker.transfer_incoming_log = deque(dask_worker.transfer_incoming_log, 5)


def lengthen(dask_worker):
    dask_worker.transfer_outgoing_log = deque(dask_worker.transfer_outgoing_log, 20_000)
    dask_worker.transfer_incoming_log = deque(dask_worker.transfer_incoming_log, 20_000)


def test_a_log_that_has_gone_round_is_said_to_be_short_and_by_how_much(cluster, names):
    client = cluster.client
    cluster.transfers()
    client.run(shorten)
    try:
        names["xs"] = client.map(make, [MB] * 8, range(8), workers=["alice"], pure=False)
        wait(names["xs"])
        before = cluster.moment()
        for future in names["xs"]:
            use_elsewhere(client, future, "bob")
        moved = cluster.transfers(before, settle=2)
        assert moved.nbytes + moved.lacking == pytest.approx(8 * MB, rel=0.01)
        assert moved.lacking >= 3 * MB
        assert any("The log of alice no longer tells of" in line for line in moved.warnings)
        assert any("The log of bob " in line for line in moved.warnings)
    finally:
        client.run(lengthen)


def test_the_logs_are_long_once_somebody_has_asked(cluster):
    cluster.transfers()
    assert set(cluster.client.run(lambda dask_worker: dask_worker.transfer_outgoing_log.maxlen).values()) == {20_000}


def test_what_a_worker_has_sent_before_it_died_is_told_by_the_others(cluster, names):
    client = cluster.client
    names["x"] = client.submit(make, 4 * MB, workers=["alice"], pure=False)
    wait(names["x"])
    before = cluster.moment()
    use_elsewhere(client, names["x"], "bob")
    pids = {name: pid for pid, name in client.run(lambda dask_worker: (os.getpid(), dask_worker.name)).values()}
    old = worker_infos(cluster.client)
    os.kill(pids["alice"], signal.SIGKILL)
    eventually(lambda: {"alice", "bob"} == set(cluster.worker_names()) and _others(client) != set(old))
    moved = cluster.transfers(before, settle=2)
    (row,) = [row for row in moved.rows if row.name == "x" or row.nbytes == 4 * MB]
    assert (row.sender, row.receiver, row.nbytes) == ("alice", "bob", 4 * MB)
    assert any("alice is gone, and so is its log" in line for line in moved.warnings)


def test_a_worker_that_does_not_answer_is_named_and_the_others_are_told_of(cluster, names):
    client = cluster.client
    names["x"] = client.submit(make, MB, workers=["alice"], pure=False)
    wait(names["x"])
    before = cluster.moment()
    use_elsewhere(client, names["x"], "bob")
    pids = {name: pid for pid, name in client.run(lambda dask_worker: (os.getpid(), dask_worker.name)).values()}
    os.kill(pids["bob"], signal.SIGSTOP)
    try:
        moved = cluster.transfers(before)
    finally:
        os.kill(pids["bob"], signal.SIGCONT)
    assert moved["x"].nbytes == MB
    assert any("bob does not answer" in line for line in moved.warnings)


def test_a_worker_that_did_not_answer_at_the_beginning_is_counted_from_then_on_by_the_clock(cluster, names):
    client = cluster.client
    names["x"], names["y"] = (client.submit(make, MB, seed, workers=["bob"], pure=False) for seed in (1, 2))
    wait([names["x"], names["y"]])
    use_elsewhere(client, names["x"], "alice")
    pids = {name: pid for pid, name in client.run(lambda dask_worker: (os.getpid(), dask_worker.name)).values()}
    os.kill(pids["bob"], signal.SIGSTOP)
    try:
        before = cluster.moment()
    finally:
        os.kill(pids["bob"], signal.SIGCONT)
    use_elsewhere(client, names["y"], "alice")
    moved = cluster.transfers(before, settle=2)
    assert "x" not in moved
    assert moved["y"].nbytes == MB
    assert any("bob joined meanwhile, or did not answer at first" in line for line in moved.warnings)


def _others(client):
    return set(worker_infos(client))


def test_a_moment_is_what_was_returned_before(cluster):
    assert isinstance(cluster.transfers().moment, Moment)
    with pytest.raises(InputError, match="cannot be counted from"):
        cluster.transfers(since=3.0)
