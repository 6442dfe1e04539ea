"""A task may use more data than a worker's memory limit where the data lies in memory that the host shares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from moorage.images.mappings import SHARED_TOPIC
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


def report(key: Any, nbytes: int, why: str, dask_worker: Any) -> None:
    """Say what moorage says on a worker that has mapped `key`."""
    private = {key: why} if why else {}
    dask_worker.log_event(SHARED_TOPIC, {"worker": dask_worker.address, "shared": {key: nbytes}, "private": private})


def known(workers: Workers) -> set[Any]:
    return workers.look(lambda s: set(s.plugins["moorage"].shared._nbytes))


def use(workers: Workers, future: Any, on: str) -> str:
    return workers.client.submit(lambda value: type(value).__name__, future, workers=[on], pure=False).result(10)


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


def test_what_is_private_of_a_shared_value_is_counted(workers: Workers) -> None:
    future = workers.client.scatter(Large(), workers=["alice"], hash=False)
    workers.run(report, "alice", future.key, 8 * LIMIT, "")
    eventually(lambda: future.key in known(workers))
    with pytest.raises(MemoryError, match="worth of input"):
        use(workers, future, "alice")


def test_what_is_gone_is_forgotten(workers: Workers) -> None:
    future = workers.client.scatter(Large(), workers=["alice"], hash=False)
    workers.run(report, "alice", future.key, 10 * LIMIT, "the rest")
    key = future.key
    eventually(lambda: key in known(workers))
    address = workers.addresses()["alice"]
    told = workers.look(lambda s: s.plugins["moorage"].shared.report([key]))
    assert told == {"shared": {key: {address: 10 * LIMIT}}, "private": {key: {address: "the rest"}}}
    del future
    eventually(lambda: key not in known(workers))
    assert workers.look(lambda s: s.plugins["moorage"].shared.report([key])) == {"shared": {}, "private": {}}
