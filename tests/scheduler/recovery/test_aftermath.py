"""Whoever listens hears once of each worker that has left, and what became of the variables that it had."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

from moorage.model import Everywhere, OnWorkers
from moorage.wire.scheduler import WorkerLeft
from moorage.worker.images.nanny import NAME, SharedMemoryNannyPlugin
from tests.helpers import eventually
from tests.scheduler.notebook import Notebook
from tests.workers import Workers

VALUE = np.arange(10_000)


def told(notebook: Notebook, worker: str) -> WorkerLeft:
    def found() -> WorkerLeft | None:
        return next((event for event in notebook.departures if event["worker"] == worker), None)

    event = eventually(found)
    assert event is not None
    return event


def vid(notebook: Notebook, name: str) -> str:
    return next(vid for vid, record in notebook.mirror.variables.items() if record["name"] == name)


def test_what_a_killed_worker_had_alone_is_told_as_restored(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob")
    notebook.place("two", OnWorkers(("alice", "carol")), VALUE + 1)
    notebook.until("two", on=["alice", "carol"])
    workers.kill("bob")
    event = told(notebook, "bob")
    assert [*event["restored"]] == [vid(notebook, "x")]
    assert not event["lost"]
    assert not event["waiting"]
    assert not event["expected"]
    assert 0 < event["seconds"] < 60


def test_what_nobody_can_send_again_is_told_as_lost(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob")
    notebook.values.clear()
    workers.kill("bob")
    event = told(notebook, "bob")
    assert [*event["lost"]] == [vid(notebook, "x")]
    assert not event["restored"]


def test_of_what_is_left_elsewhere_in_full_nothing_is_told(workers: Workers, notebook: Notebook) -> None:
    notebook.place("x", Everywhere(), VALUE)
    notebook.until("x", on=["alice", "bob", "carol"])
    workers.remove("bob")
    event = told(notebook, "bob")
    assert not any((event["restored"], event["lost"], event["waiting"]))


@pytest.fixture
def witnesses(workers: Workers) -> Iterator[None]:
    """Nannies tell how their workers end."""
    workers.client.register_plugin(SharedMemoryNannyPlugin())
    yield
    workers.client.unregister_worker_plugin(NAME, nanny=True)


@pytest.mark.usefixtures("witnesses")
def test_a_worker_that_ends_before_its_nanny_has_heard_of_it_is_told_of_with_its_exit_code(
    workers: Workers, notebook: Notebook
) -> None:
    process = workers.cluster.workers["bob"].process

    async def deaf(*_: object) -> None:
        del process._wait_until_connected  # the next time it hears
        await process.stopped.wait()

    process._wait_until_connected = deaf
    workers.kill("bob")
    workers.wait_running("bob")
    notebook.departures.clear()
    notebook.client.submit(os._exit, 3, workers=["bob"], pure=False)
    assert told(notebook, "bob")["code"] == 3
