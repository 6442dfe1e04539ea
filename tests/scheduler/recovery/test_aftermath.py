"""Whoever listens hears once of each worker that has left, and what became of the variables that it had."""

from __future__ import annotations

import numpy as np

from moorage.model import Everywhere, OnWorkers
from moorage.wire.scheduler import WorkerLeft
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
