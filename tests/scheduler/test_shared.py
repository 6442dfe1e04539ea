"""A task may use more data than a worker's memory limit where the data lies in memory that the host shares."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import pytest

from moorage.wire.images import SHARED_TOPIC
from tests.helpers import eventually
from tests.scheduler.notebook import notebook_on
from tests.workers import Workers

LIMIT = 1_000_000_000


class Large:
    """Says that it is ten times what a worker may have."""

    def __sizeof__(self) -> int:
        return 10 * LIMIT


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    config = {"distributed.worker.memory.terminate": 0.95}  # or Dask does not look
    with Workers("alice", "bob", memory_limit=str(LIMIT), config=config) as workers, notebook_on(workers):
        yield workers


def report(key: Any, nbytes: int, segment: str, dask_worker: Any) -> None:
    """Say what moorage says on a worker that has mapped `key`."""
    dask_worker.log_event(SHARED_TOPIC, {"worker": dask_worker.address, "shared": {key: (nbytes, segment, 5)}})


def known(workers: Workers) -> set[Any]:
    return workers.look(lambda s: set(s.plugins["moorage"].shared.mapped))


def use(workers: Workers, future: Any, on: str) -> str:
    used = workers.client.submit(lambda value: type(value).__name__, future, workers=[on], pure=False)
    try:
        return used.result(60)
    finally:
        used.release()  # or the client has its error, with the frames in which it was raised, and `future` in these


def test_what_lies_in_shared_memory_is_not_counted(workers: Workers) -> None:
    future = workers.client.scatter(Large(), workers=["alice"])
    with pytest.raises(MemoryError, match="worth of input"):
        use(workers, future, "alice")
    workers.run(report, "alice", future.key, 10 * LIMIT, "")
    eventually(lambda: future.key in known(workers))
    assert use(workers, future, "alice") == "Large"
    assert use(workers, future, "bob") == "Large"  # of the same host: it would map it too
    another = workers.client.scatter(Large(), workers=["alice"], hash=False)
    with pytest.raises(MemoryError, match="worth of input"):
        use(workers, [future, another], "alice")


def counted(workers: Workers) -> tuple[int, int, int]:
    """Return what is counted as shared: of alice, of bob, and of their host."""

    def look(scheduler: Any) -> tuple[int, int, int]:
        shared = scheduler.plugins["moorage"].shared
        by_name = {str(ws.name): shared.held_by(ws) for ws in scheduler.workers.values()}
        return by_name["alice"], by_name["bob"], shared.on_host("127.0.0.1")

    return workers.look(look)


def sharing(workers: Workers, key: str) -> Any:
    scheduler = workers.cluster.scheduler
    return workers.cluster.sync(scheduler.plugins["moorage"].shared.sharing, [key])


def test_it_is_counted_once_for_a_host_as_long_as_it_is_there(workers: Workers) -> None:
    eventually(lambda: gc.collect() >= 0 and counted(workers) == (0, 0, 0))  # futures of the test before
    one = workers.client.scatter(1, workers=["alice", "bob"], broadcast=True, hash=False)
    other = workers.client.scatter(2, workers=["bob"], hash=False)
    for name, future, nbytes in (("alice", one, 30), ("bob", one, 30), ("bob", other, 5)):
        workers.run(report, name, future.key, nbytes, "")
    eventually(lambda: counted(workers) == (30, 35, 35))
    workers.run(report, "alice", one.key, 30, "")  # once more
    workers.run(report, "bob", one.key, 30, "its own after all")
    eventually(lambda: counted(workers) == (30, 35, 65))
    key = one.key
    assert sharing(workers, key) == {key: {}}
    workers.run(report, "bob", one.key, 30, "")
    workers.run(report, "alice", "unknown", 7, "")  # a copy of which the scheduler does not know
    del other, future
    eventually(lambda: counted(workers) == (30, 30, 30))
    del one
    eventually(lambda: counted(workers) == (0, 0, 0))


def test_what_is_private_of_a_shared_value_is_counted(workers: Workers) -> None:
    future = workers.client.scatter(Large(), workers=["alice"], hash=False)
    workers.run(report, "alice", future.key, 8 * LIMIT, "")
    eventually(lambda: future.key in known(workers))
    with pytest.raises(MemoryError, match="worth of input"):
        use(workers, future, "alice")


def test_what_is_gone_is_forgotten(workers: Workers) -> None:
    future = workers.client.scatter(Large(), workers=["alice"], hash=False)
    workers.run(report, "alice", future.key, 10 * LIMIT, "")
    key = future.key
    eventually(lambda: key in known(workers))
    address = workers.addresses()["alice"]
    assert sharing(workers, key) == {key: {address: (10 * LIMIT, 5)}}
    del future
    eventually(lambda: key not in known(workers))
    assert sharing(workers, key) == {key: {}}
