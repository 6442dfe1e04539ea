"""Code that was written for plain Dask: the documented recipes, on a cluster of moorage's and with placement only."""

import contextlib
import subprocess
import sys

import numpy as np
import pytest
from distributed import Client, LocalCluster, wait

import moorage
from tests.helpers import eventually, worker_infos


def holders(client, future):
    """Return the names of the workers that have a future's value."""
    names = {address: str(info["name"]) for address, info in worker_infos(client).items()}
    # one that has just joined may have it, and not be listed yet
    return sorted(names.get(address, "?") for address in client.who_has(future)[future.key])


def tidied(client):
    """Let Dask's memory manager have its way, as it does every two seconds."""
    for _ in range(2):
        client.amm.run_once()


@contextlib.contextmanager
def local_cluster(n_workers=3):
    with (
        LocalCluster(n_workers=n_workers, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield cluster, client


# ---- with a cluster of moorage's


def test_the_recipe_of_pre_scattering(cluster):
    client = cluster.client
    data = np.arange(1000)

    def func(data):
        return int(data.sum())

    data_future = client.scatter(data, broadcast=True)
    tidied(client)
    assert holders(client, data_future) == ["alice", "bob"]
    results = []
    for _ in range(200):
        results.append(client.submit(func, data_future, pure=False))  # noqa: PERF401  # as it is written there
    assert client.gather(results) == [func(data) for _ in range(200)]
    assert holders(client, data_future) == ["alice", "bob"]


def test_the_recipe_of_pre_scattering_with_the_controller(cluster):
    data = cluster.scatter(np.arange(1000), broadcast=True)
    futures = [cluster.client.submit(lambda data, i: int(data[i]), data, i) for i in range(200)]
    assert cluster.client.gather(futures) == list(range(200))
    assert holders(cluster.client, data) == ["alice", "bob"]


def test_the_example_of_data_locality(cluster):
    client = cluster.client
    futures = cluster.scatter(range(10))
    new_result = client.submit(sum, futures[:3], workers=["alice"])
    assert new_result.result(60) == 3
    assert holders(client, new_result) == ["alice"]
    loose = client.submit(sum, futures[3:], workers=["alice"], allow_other_workers=True)
    assert loose.result(60) == 42
    broadcast = cluster.scatter([1, 2, 3], broadcast=True)
    assert [holders(client, future) for future in broadcast] == [["alice", "bob"]] * 3
    mapped = client.map(lambda x: x + 1, futures, workers="bob")
    assert client.gather(mapped) == list(range(1, 11))
    assert {tuple(holders(client, future)) for future in mapped} == {("bob",)}


def test_the_examples_of_client_scatter(cluster):
    client = cluster.client
    bob = next(info for info in cluster.workers() if info.name == "bob")
    host, port = bob.address.split("://")[1].split(":")
    assert cluster.scatter(1).result(60) == 1
    assert client.gather(cluster.scatter([1, 2, 3])) == [1, 2, 3]
    named = cluster.scatter({"x": 1, "y": 2, "z": 3})
    assert {label: future.key for label, future in named.items()} == {"x": "x", "y": "y", "z": "z"}
    pinned = cluster.scatter([1, 2, 3], workers=[(host, int(port))])
    assert {tuple(holders(client, future)) for future in pinned} == {("bob",)}
    [future] = cluster.scatter([np.ones(3)], broadcast=True)
    assert holders(client, future) == ["alice", "bob"]
    data = cluster.scatter([10, 20], broadcast=True)
    res = [client.submit(lambda data, i: data[0] * i, data, i) for i in range(100)]
    assert client.gather(res) == [10 * i for i in range(100)]


# ---- with placement on the scheduler, and nothing else


def test_without_moorage_the_copies_of_a_broadcast_go():
    with local_cluster() as (_, client):
        future = client.scatter(np.ones(1000), broadcast=True)
        eventually(lambda: len(holders(client, future)) == 3)
        tidied(client)
        eventually(lambda: len(holders(client, future)) == 1)


def test_installed_a_plain_broadcast_holds_and_reaches_newcomers():
    with local_cluster(2) as (cluster, client):
        moorage.install(client)
        moorage.install(client)
        future = client.scatter(np.ones(1000), broadcast=True)
        [direct] = client.scatter([np.zeros(1000)], broadcast=True, direct=True)
        tidied(client)
        assert holders(client, future) == holders(client, direct) == ["0", "1"]
        cluster.scale(3)
        eventually(lambda: holders(client, future) == holders(client, direct) == ["0", "1", "2"])
        tidied(client)
        assert holders(client, future) == ["0", "1", "2"]
        assert client.submit(np.sum, future).result(60) == 1000


def test_installed_copies_of_a_number_and_of_replicate_hold():
    with local_cluster() as (_, client):
        moorage.install(client)
        two = client.scatter(np.ones(1000), broadcast=2)
        three = client.submit(np.ones, 1000)
        wait(three, 60)
        client.replicate([three], n=3)
        some = client.submit(np.zeros, 1000)
        wait(some, 60)
        workers = worker_infos(client).items()
        client.replicate([some], workers=[address for address, info in workers if info["name"] in (0, 1)])
        tidied(client)
        assert len(holders(client, two)) == 2
        assert holders(client, three) == ["0", "1", "2"]
        eventually(lambda: holders(client, some) == ["0", "1"])


def test_installed_a_placement_ends_with_its_futures():
    with local_cluster(2) as (_, client):
        moorage.install(client)
        future = client.scatter(np.ones(1000), broadcast=True)
        key = future.key
        with moorage.attach(client) as controller:
            (name,) = controller.placement()
            assert name == str(key)
            del future
            eventually(lambda: not controller.placement())
        assert key not in client.who_has()


def test_keys_that_are_not_placed_are_tidied_as_ever():
    with local_cluster(2) as (_, client):
        moorage.install(client)
        future = client.scatter(np.ones(1000))
        (holder,) = holders(client, future)
        client.submit(np.sum, future, workers=[1 - int(holder)]).result(60)
        tidied(client)
        eventually(lambda: len(holders(client, future)) == 1)


@pytest.fixture
def by_hand(tmp_path):
    """A scheduler and a worker started by hand, as documented: ``dask scheduler --preload moorage.scheduler``."""
    processes = []

    def run(*arguments):
        command = [sys.executable, "-m", "dask", *arguments]
        processes.append(subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    file = str(tmp_path / "scheduler.json")
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    run("scheduler", *local, "--port", "0", "--scheduler-file", file, "--preload", "moorage.scheduler")

    def worker(name):
        run("worker", *local, "--scheduler-file", file, "--name", name, "--nthreads", "1", "--no-nanny")

    worker("worker_1")
    eventually(lambda: (tmp_path / "scheduler.json").exists())
    try:
        with Client(scheduler_file=file, set_as_default=False, timeout=30) as client:
            yield client, worker, file
    finally:
        for process in reversed(processes):  # a worker while its scheduler answers: else it waits for an answer
            process.terminate()
            process.wait(30)


def test_a_scheduler_that_was_started_with_placement_keeps_plain_broadcasts(by_hand):
    client, worker, file = by_hand
    client.wait_for_workers(1, 30)
    future = client.scatter(np.ones(1000), broadcast=True)
    worker("worker_2")
    eventually(lambda: holders(client, future) == ["worker_1", "worker_2"])
    tidied(client)
    assert holders(client, future) == ["worker_1", "worker_2"]
    assert (
        client.gather(client.map(lambda _, data: data.sum(), range(4), data=future, workers="worker_1")) == [1000] * 4
    )
    with moorage.attach(file) as controller:
        controller.pin("v", ["worker_2"], value=[1, 2])
        assert controller.placement()["v"].holders == ["worker_2"]
        controller.release("v")
