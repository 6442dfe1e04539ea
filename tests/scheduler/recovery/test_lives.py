"""A value that comes back under a key that is just going is there, although its worker hears late of the going."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import cloudpickle
import numpy as np
import pytest
from distributed import Client, Scheduler

from moorage.model import Everywhere, OnWorkers
from tests.gates import Gate, held_by
from tests.helpers import eventually
from tests.scheduler.notebook import Notebook
from tests.workers import Workers

# workers do not have the tests
cloudpickle.register_pickle_by_value(sys.modules[__name__])

VALUE = np.arange(300_000)
KEY = "x-1"
LATE = 0.3
"""Seconds by which all messages of the scheduler's streams to the workers are late."""


@contextmanager
def late_streams(workers: Workers) -> Iterator[None]:
    def delay(scheduler: Scheduler) -> None:
        for comm in scheduler.stream_comms.values():
            comm.send = _later(scheduler, comm.send)

    def in_time(scheduler: Scheduler) -> None:
        for comm in scheduler.stream_comms.values():
            vars(comm).pop("send", None)

    workers.look(delay)
    try:
        yield
    finally:
        time.sleep(LATE)  # what is late is not overtaken
        workers.look(in_time)


def _later(scheduler: Scheduler, send: Callable[..., None]) -> Callable[..., None]:
    return lambda *messages: scheduler.loop.call_later(LATE, send, *messages)


def scattered(notebook: Notebook, address: str) -> Any:
    """Return a future of the value, scattered through the scheduler."""
    return notebook.client.scatter({KEY: VALUE}, workers=[address])[KEY]


def sent_directly(notebook: Notebook, address: str) -> Any:
    """Return a future of the value, sent as kernels do: announced, then straight to the worker."""
    notebook.call("sending", client=notebook.client.id, keys={address: [KEY]})
    return notebook.client.scatter({KEY: VALUE}, workers=[address], direct=True)[KEY]


@pytest.mark.parametrize("send", [scattered, sent_directly])
def test_a_value_that_is_sent_again_after_its_key_was_let_go_is_there(
    workers: Workers, notebook: Notebook, send: Callable[[Notebook, str], Any]
) -> None:
    bob = workers.addresses()["bob"]
    with late_streams(workers):
        for _ in range(3):
            future = send(notebook, bob)
            del future
            eventually(lambda: not workers.look(lambda s: KEY in s.tasks))
        future = send(notebook, bob)
        time.sleep(2 * LATE)  # for anything that is late
        assert held_by(workers.client) == {"bob": [KEY]}
    assert np.array_equal(future.result(30), VALUE)
    del future
    eventually(lambda: not held_by(workers.client))


@pytest.mark.parametrize("send", [scattered, sent_directly])
@pytest.mark.parametrize("taken", [False, True])
def test_a_key_that_somebody_lets_go_of_while_its_value_is_sent_again_stays(
    workers: Workers, notebook: Notebook, send: Callable[[Notebook, str], Any], taken: bool
) -> None:
    bob = workers.addresses()["bob"]
    with Client(workers.address, set_as_default=False) as other, ThreadPoolExecutor(1) as pool:
        earlier = other.scatter({KEY: VALUE}, workers=[bob])[KEY]
        gate = Gate(workers.client, taken)
        sending = pool.submit(send, notebook, bob)
        gate.wait_for_arrival()
        del earlier
        eventually(lambda: not workers.look(lambda s: s.clients[other.id].wants_what))
        gate.open()
        future = sending.result(30)
        del sending
        time.sleep(0.1)  # for anything that is late
        assert held_by(workers.client) == {"bob": [KEY]}
        assert np.array_equal(future.result(30), VALUE)
    del future
    eventually(lambda: not held_by(workers.client))


def test_a_value_that_is_asked_for_after_its_key_was_let_go_is_there(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob")
    key = notebook.key("x")
    with late_streams(workers):
        for _ in range(2):
            notebook.release("x")
            eventually(lambda: not workers.look(lambda s: key in s.tasks))
            notebook.place("x", OnWorkers(("bob",)), values={key: VALUE}, scatter=False)
            notebook.until("x", on=["bob"])
            time.sleep(2 * LATE)  # for anything that is late
            assert notebook.holders("x") == ["bob"]
    assert notebook.restored == [key, key]


def test_a_value_is_not_sent_to_a_worker_that_is_still_fetching_its_earlier_life(
    workers: Workers, notebook: Notebook
) -> None:
    alice, bob = workers.addresses()["alice"], workers.addresses()["bob"]
    future = scattered(notebook, alice)
    workers.client.run(_serve_late, workers=[alice])
    reader = notebook.client.submit(np.sum, future, workers=[bob], pure=False)
    eventually(lambda: workers.run(_state_of, "bob", KEY) == "flight")
    reader.cancel()
    del future, reader
    eventually(lambda: not workers.look(lambda s: KEY in s.tasks))
    assert workers.run(_state_of, "bob", KEY) in ("flight", "cancelled")
    future = scattered(notebook, bob)
    workers.client.run(_serve, workers=[alice])
    time.sleep(0.1)
    assert held_by(workers.client) == {"bob": [KEY]}
    assert np.array_equal(future.result(30), VALUE)


def _state_of(key: str, dask_worker: Any) -> str | None:
    ts = dask_worker.state.tasks.get(key)
    return None if ts is None else str(ts.state)


def _serve_late(dask_worker: Any) -> None:
    """Let others wait for half a second who come to fetch something."""
    dask_worker.in_time = get_data = dask_worker.handlers["get_data"]

    async def late(comm: Any, **arguments: Any) -> Any:
        await asyncio.sleep(0.5)
        return await get_data(comm, **arguments)

    dask_worker.handlers["get_data"] = late


def _serve(dask_worker: Any) -> None:
    dask_worker.handlers["get_data"] = dask_worker.in_time


def test_keys_that_have_never_been_here_are_not_asked_about(workers: Workers, notebook: Notebook) -> None:
    with late_streams(workers):
        begun = time.monotonic()
        notebook.place("x", Everywhere(), VALUE)
        assert time.monotonic() - begun < LATE
