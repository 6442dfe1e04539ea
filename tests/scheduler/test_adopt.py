"""Unmodified Dask code keeps its word: what is scattered with broadcast or replicated lasts as long as its futures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from distributed import Client

from tests.helpers import eventually, worker_infos
from tests.scheduler.notebook import Notebook
from tests.workers import Workers

ALL = {"alice", "bob", "carol"}
VALUE = np.arange(100_000)


def holders(client: Client, key: str) -> set[str]:
    names = {address: str(worker["name"]) for address, worker in worker_infos(client).items()}
    return {names.get(address, address) for address in client.who_has().get(key, ())}


@pytest.fixture
def client(workers: Workers, notebook: Notebook) -> Iterator[Client]:
    """A plain client that knows nothing of moorage."""
    with Client(workers.address, set_as_default=False) as client:
        yield client


@pytest.mark.parametrize("direct", [False, True])
def test_a_plain_broadcast_holds_and_reaches_workers_that_join(workers: Workers, client: Client, direct: bool) -> None:
    (future,) = client.scatter([VALUE], broadcast=True, direct=direct)
    client.amm.run_once()
    workers.add("dave")
    eventually(lambda: holders(client, future.key) == {*ALL, "dave"})
    workers.kill("bob")
    eventually(lambda: holders(client, future.key) == {*ALL, "dave"})
    client.amm.run_once()
    assert holders(client, future.key) == {*ALL, "dave"}


@pytest.mark.parametrize("direct", [False, True])
def test_a_plain_broadcast_to_so_many_keeps_so_many_copies(workers: Workers, client: Client, direct: bool) -> None:
    (future,) = client.scatter([VALUE], broadcast=2, direct=direct)
    assert len(holders(client, future.key)) == 2
    workers.kill(holders(client, future.key).pop())
    eventually(lambda: len(holders(client, future.key)) == 2)
    client.amm.run_once()
    assert len(holders(client, future.key)) == 2


def test_a_plain_broadcast_to_named_workers_stays_there(workers: Workers, client: Client) -> None:
    (future,) = client.scatter([VALUE], broadcast=True, workers=["alice", "bob"])
    workers.restart("bob")
    eventually(lambda: holders(client, future.key) == {"alice", "bob"})


def test_it_is_told_by_the_type_of_its_value(workers: Workers, notebook: Notebook, client: Client) -> None:
    futures = client.scatter([VALUE, 1], broadcast=True)
    named = client.scatter({"label": VALUE}, broadcast=True)
    computed = client.submit(np.arange, 1000)
    client.replicate([computed])
    keys = [*(future.key for future in futures), "label", computed.key]
    variables = notebook.call("state")["variables"]
    assert [variables[f"dask:{key}"]["typename"] for key in keys] == ["ndarray", "int", "Future", "ndarray"]
    del named


def test_replicate_holds(workers: Workers, client: Client) -> None:
    scattered, computed = client.scatter(VALUE), client.submit(np.arange, 1000)
    client.replicate([scattered, computed], n=2)
    client.amm.run_once()
    assert len(holders(client, scattered.key)) == len(holders(client, computed.key)) == 2
    client.replicate([scattered, computed])
    workers.add("dave")
    eventually(lambda: holders(client, scattered.key) == holders(client, computed.key) == {*ALL, "dave"})


def test_replicate_to_a_host_holds_on_its_workers(workers: Workers, client: Client) -> None:
    future = client.scatter(VALUE)
    client.replicate(future, workers=["127.0.0.1"])
    client.amm.run_once()
    assert holders(client, future.key) == ALL


def test_a_plain_scatter_is_left_as_it_is(workers: Workers, notebook: Notebook, client: Client) -> None:
    client.scatter(VALUE)
    client.gather(client.submit(np.arange, 1000))
    assert not notebook.call("state")["variables"]


def test_it_is_forgotten_when_its_futures_go(workers: Workers, notebook: Notebook, client: Client) -> None:
    (future,) = client.scatter([VALUE], broadcast=True)
    assert list(notebook.call("state")["variables"]) == [f"dask:{future.key}"]
    key = future.key
    del future
    eventually(lambda: not notebook.call("state")["variables"])
    eventually(lambda: workers.task_state(key) is None)


def test_it_is_forgotten_with_the_client(workers: Workers, notebook: Notebook) -> None:
    with Client(workers.address, set_as_default=False) as client:
        future = client.scatter(VALUE, broadcast=True)
        assert notebook.call("state")["variables"]
        del future
    eventually(lambda: not notebook.call("state")["variables"])


def test_errors_of_replicate_are_those_of_stock(workers: Workers, notebook: Notebook, client: Client) -> None:
    future = client.scatter(VALUE)
    with pytest.raises(ValueError, match="Can not use replicate to delete data"):
        client.replicate(future, n=0)
    assert not notebook.call("state")["variables"]
