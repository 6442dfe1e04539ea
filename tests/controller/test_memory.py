"""`cluster.memory()`: whatever fills the memory of workers has a name, and the sum is what the process takes."""

from __future__ import annotations

import threading
import time

import dask.array as da
import dask.config
import numpy as np
import pytest
from distributed import Client, Event, wait

import moorage
from tests.helpers import eventually

MB = 1_000_000


def make(nbytes, seed=1):
    return np.full(nbytes // 8, seed, dtype="f8")


def share_of_managed(memory):
    """How many of the managed bytes have a name that says whose they are."""
    named = [one for one in memory.names if one.kind not in ("running", "intermediate", "rest")]
    return sum(one.total.memory for one in named) / sum(worker.managed for worker in memory.workers)


def test_an_array_that_is_persisted_has_the_name_of_its_variable(cluster, names):
    names["x"] = x = cluster.client.persist(da.random.random((8, MB), chunks=(1, MB)))
    wait(x)
    del x
    found = cluster.memory()["x"]
    assert (found.kind, found.mine, found.keys, found.total.memory) == ("variable", True, 8, 64 * MB)
    assert set(found.on) <= {"alice", "bob"}
    del names["x"]
    eventually(lambda: "x" not in cluster.memory(), 1.5)


def test_a_frame_that_is_persisted_has_the_name_of_its_variable(cluster, names):
    dd = pytest.importorskip("dask.dataframe")
    import pandas as pd

    frame = dd.from_pandas(pd.DataFrame({"a": np.arange(1_000_000.0)}), npartitions=4)
    names["ddf"] = cluster.client.persist(frame + 1)
    wait(names["ddf"])
    found = cluster.memory()["ddf"]
    assert found.keys == 4
    assert found.total.memory >= 8 * MB


def test_what_depends_on_a_collection_keeps_it_too(cluster, names):
    names["x"] = cluster.client.persist(da.random.random(MB, chunks=MB // 4))
    names["y"] = names["x"] + 1
    wait(names["x"])
    assert cluster.memory()["x, y"].keys == 4
    del names["x"]
    assert cluster.memory()["y"].total.memory == 8 * MB


def test_futures_in_containers_have_the_name_of_these(cluster, names):
    client = cluster.client
    names["one"] = client.submit(make, MB, 2, pure=False)
    names["listed"] = client.map(make, [MB] * 3, pure=False)
    names["nested"] = {"n": 1, "deep": [(client.submit(make, MB, 3, pure=False), "x")]}
    wait([names["one"], *names["listed"], names["nested"]["deep"][0][0]])
    memory = cluster.memory()
    assert {name: memory[name].keys for name in ("one", "listed", "nested")} == {"one": 1, "listed": 3, "nested": 1}
    assert share_of_managed(memory) >= 0.95
    names["listed"].append(names["one"])
    assert cluster.memory()["one, listed"].keys == 1


def test_results_have_the_name_of_their_variable(cluster, names):
    names["results"] = cluster.map(make, [20 * MB, 20 * MB])
    names["results"].wait(30)
    assert cluster.memory()["results"].total.memory >= 40 * MB


def test_what_is_placed_and_published_has_its_name(cluster, names):
    client = cluster.client
    cluster.pin("placed", ["alice"], value=b"x" * 50_000)
    client.publish_dataset(set_of_data=client.submit(make, 5 * MB, 7, pure=False))
    try:
        eventually(lambda: "set_of_data" in cluster.memory())
        memory = cluster.memory()
        assert memory["set_of_data"].kind == "dataset"
        assert memory["set_of_data"].total.memory == 5 * MB
        assert memory["placed"].kind == "placed"
        assert list(memory["placed"].on) == ["alice"]
    finally:
        assert cluster.why("set_of_data").state == "in memory"
        client.unpublish_dataset("set_of_data")


def test_what_the_host_shares_is_told_apart(cluster, names):
    cluster.broadcast(make(30 * MB), name="shared")
    eventually(lambda: [nbytes.shared for nbytes in cluster.memory()["shared"].on.values()] == [30 * MB] * 2)
    memory = cluster.memory()
    assert memory["shared"].total.memory < MB
    assert {worker.host_shared for worker in memory.workers} == {30 * MB}


def test_keys_of_another_client_are_told_by_that_client(cluster, names):
    with Client(cluster.address, security=cluster.client.security, set_as_default=False) as other:
        future = other.submit(make, 5 * MB, 9, pure=False)
        wait(future)
        found = cluster.memory()[f"keys of {other.id}"]
        assert (found.kind, found.mine, found.total.memory) == ("client", False, 5 * MB)


def test_what_has_no_name_in_the_notebook_says_so(cluster, names):
    hidden = cluster.client.submit(make, 5 * MB, 11, pure=False)
    wait(hidden)
    assert cluster.memory()["without a name"].total.memory == 5 * MB


def test_the_function_that_runs_is_named(cluster, names):
    def busy(name):
        Event(name).wait(30)

    names["f"] = cluster.client.submit(busy, "go on", pure=False)
    eventually(lambda: "busy()" in cluster.memory())
    assert cluster.memory()["busy()"].kind == "running"
    Event("go on", client=cluster.client).set()
    eventually(lambda: "busy()" not in cluster.memory())


def test_the_sum_is_what_the_process_takes(cluster, names):
    names["data"] = cluster.client.map(make, [20 * MB] * 4, pure=False)
    wait(names["data"])
    resident = cluster.client.run(lambda: __import__("psutil").Process().memory_info().rss)

    def agrees():
        frame = cluster.memory().to_frame()
        sums = frame.groupby("worker").memory.sum()
        actual = {info.name: resident[info.address] for info in cluster.workers()}
        return all(abs(sums[name] - rss) <= 0.02 * rss for name, rss in actual.items())

    eventually(agrees)
    assert share_of_managed(cluster.memory()) >= 0.95


def test_what_is_deleted_is_gone_within_a_second(cluster, names):
    names["data"] = cluster.client.map(make, [MB] * 4, pure=False)
    wait(names["data"])
    assert "data" in cluster.memory()
    del names["data"]
    begun = time.monotonic()
    eventually(lambda: "data" not in cluster.memory())
    assert time.monotonic() - begun < 1


def test_small_names_are_put_together(cluster, names):
    names |= {f"f{n}": cluster.client.submit(make, (n + 1) * MB, n, pure=False) for n in range(4)}
    wait(list(names.values()))
    memory = cluster.memory(most=2)
    assert [one.name for one in memory.names] == ["f3", "f2", "smaller names"], memory
    assert memory["smaller names"].keys == 2


def test_variables_that_change_meanwhile_do_no_harm(cluster, names):
    names["futures"] = cluster.client.map(make, [1000] * 20, pure=False)
    wait(names["futures"])
    stop = threading.Event()

    def churn():
        while not stop.is_set():
            names["z"] = {n: n for n in range(2000)}
            names.pop("z")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        assert all("futures" in cluster.memory() for _ in range(5))
    finally:
        stop.set()
        thread.join()


def test_another_notebook_sees_whose_variables_they_are(cluster, names):
    names["mine"] = cluster.client.submit(make, 6 * MB, 21, pure=False)
    wait(names["mine"])
    assert cluster.memory()["mine"].mine
    with Client(cluster.address, security=cluster.client.security, set_as_default=False) as client:
        other = moorage.attach(client)
        try:
            other.placer.namespace = {}
            other.placer.owner = "other"
            found = other.memory()[f"mine@{cluster.placer.owner}"]
            assert (found.kind, found.owner, found.mine) == ("variable", cluster.placer.owner, False)
        finally:
            other.close()


def test_what_is_spilled_is_told_apart(names):
    with moorage.start(names=["carol"], threads_per_worker=1, memory_limit="600MB") as small:
        names["big"] = small.client.map(make, [25 * MB] * 18, range(18), pure=False)
        wait(names["big"])
        eventually(lambda: small.memory()["big"].total.disk > 0)

        def adds_up():
            memory = small.memory()
            big, (carol,) = memory["big"].total, memory.workers
            here = carol.spilled == big.disk and abs(big.memory - carol.managed) < 0.05 * carol.process
            return here and carol.unmanaged + sum(nbytes.memory for _, nbytes in memory.on("carol")) == carol.process

        eventually(adds_up)
        written = "Worker carol has written data to its disk: big takes "  # after it was about to
        eventually(lambda: any(notice["message"].startswith(written) for notice in small.notices.values()))
        (notice,) = small.notices.values()
        assert notice["remedy"] == "`del big` frees that."
        del names["big"]
        eventually(lambda: not small.notices)


def test_a_worker_that_is_short_of_memory_is_named_until_there_is_room(cluster, names):
    early = {"spill": False, "pause": 0.35, "terminate": False}  # of 1 GB; workers themselves have Dask's defaults
    with dask.config.set({f"distributed.worker.memory.{verb}": at for verb, at in early.items()}):
        names["big"] = cluster.client.map(make, [100 * MB] * 3, workers=["alice"], pure=False)
        eventually(lambda: cluster.notices)
        (notice,) = cluster.notices.values()
        assert notice["message"].startswith("Worker alice is about to pause: big takes ")
        assert notice["remedy"] == "`del big` frees that."
        del names["big"]
        eventually(lambda: not cluster.notices)
