"""Nobody waits for a worker that has left: who looked it up just before asks another one, or hears that it is gone."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

import numpy as np
import pytest
from distributed.comm import CommClosedError

from moorage.model import Everywhere
from tests.scheduler.notebook import Notebook
from tests.workers import Workers

VALUE = np.arange(300_000)
SOON = 5.0  # seconds; an attempt to connect lasts 10 s in these tests


def _wherever_it_was(scheduler: Any, key: Any, address: str) -> None:
    """Let the next who looks up `key` be told that it is at `address`, as if that had been so a moment ago."""
    look_up = scheduler.get_who_has

    def get_who_has(keys: Any) -> Any:
        del scheduler.get_who_has
        return {**look_up(keys), key: [address]}

    scheduler.get_who_has = get_who_has


def test_a_gather_that_looked_up_a_worker_just_before_its_death_is_quick(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob")
    key, address = notebook.key("x"), workers.addresses()["bob"]
    x = notebook.future(key)
    workers.kill("bob")
    notebook.until("x", on=["bob"])
    workers.look(lambda s: _wherever_it_was(s, key, address))
    began = time.monotonic()
    assert np.array_equal(x.result(30), VALUE)
    assert time.monotonic() - began < SOON


def test_a_copy_that_was_asked_of_a_dying_worker_is_fetched_from_another(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob", "carol")
    key, pid = notebook.key("x"), workers.pid("bob")
    alice, bob = (workers.addresses()[name] for name in ("alice", "bob"))

    def ask(scheduler: Any) -> asyncio.Task[Any]:
        """In one breath: fetch it from bob, and bob has left."""
        message = {"op": "acquire-replicas", "who_has": {key: [bob]}, "nbytes": {key: VALUE.nbytes}}
        os.kill(pid, signal.SIGKILL)
        scheduler.worker_send(alice, {**message, "stimulus_id": "test"})
        return asyncio.ensure_future(scheduler.remove_worker(bob, stimulus_id="test"))

    asking = workers.look(ask)
    began = time.monotonic()
    notebook.place("x", Everywhere(), values={key: VALUE}, scatter=False)
    notebook.until("x", on=["alice", "bob", "carol"])
    assert time.monotonic() - began < SOON
    assert asking.result() == "OK"


def test_who_knows_the_address_of_a_worker_that_has_left_is_refused_at_once(
    workers: Workers, notebook: Notebook
) -> None:
    address = workers.addresses()["bob"]
    workers.kill("bob")

    async def connect(dask_scheduler: Any) -> str:
        await dask_scheduler.rpc.connect(address)
        return ""

    with pytest.raises(CommClosedError, match="has left"):
        notebook.client.run_on_scheduler(connect)
