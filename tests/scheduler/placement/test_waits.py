"""Nothing blocks: what cannot be yet is recorded and enacted later, and a worker that hangs holds nobody up."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from moorage.model import Everywhere, OnWorkers
from tests.helpers import eventually
from tests.scheduler.notebook import Notebook, notebook_on
from tests.workers import Workers

ALL = ["alice", "bob", "carol"]
VALUE = np.arange(300_000)


@contextmanager
def hanging(workers: Workers, name: str) -> Iterator[None]:
    """Stop the process of a worker as a debugger does: it neither answers nor ends."""
    pid = workers.pid(name)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_an_unknown_worker_is_refused_and_nothing_changes(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob")
    answer = notebook.move("x", OnWorkers(("alice", "bod")))
    assert answer == {"status": "unknown-worker", "asked": "bod", "known": answer["known"]}
    assert set(answer["known"]) >= set(ALL)  # and those that were there once
    assert notebook.variable("x")["placement"]["workers"] == ("bob",)
    notebook.until("x", on=["bob"])


def test_nothing_is_placed_if_one_of_several_cannot_be(workers: Workers, notebook: Notebook) -> None:
    notebook.pin("x", VALUE, "bob")
    notebook.pin("y", VALUE + 1, "bob")
    good, bad = ({**notebook.placed[name]} for name in "xy")
    good["placement"] = {"kind": "everywhere"}
    bad["placement"] = {"kind": "workers", "workers": ["nobody"]}
    answer = notebook.call("place", items=[good, bad], client=notebook.client.id)
    assert answer["status"] == "unknown-worker"
    assert notebook.variable("x")["placement"]["kind"] == "workers"


def test_workers_may_be_named_before_there_are_any() -> None:
    with Workers() as workers, notebook_on(workers) as notebook:
        assert notebook.place("x", OnWorkers(("alice",)), VALUE, scatter=False)["status"] == "OK"
        assert notebook.variable("x")["state"] == "waiting"
        assert notebook.place("y", Everywhere(), VALUE + 1, scatter=False)["status"] == "OK"
        workers.add("bob")
        notebook.until("y", on=["bob"])
        notebook.until("x", "waiting", on=["bob"])
        assert notebook.variable("x")["reason"] == "no worker alice yet"
        workers.add("alice")
        notebook.until("x", on=["alice"])
        notebook.until("y", on=["alice", "bob"])
        assert np.array_equal(notebook.value("x"), VALUE)


def test_a_worker_that_was_there_once_may_be_named_while_it_is_away(workers: Workers, notebook: Notebook) -> None:
    notebook.everywhere("x", VALUE)
    workers.retire("carol")
    assert notebook.move("x", OnWorkers(("carol", "alice")))["status"] == "OK"
    notebook.until("x", "waiting", on=["alice"])
    assert notebook.variable("x")["reason"] == "no worker carol yet"
    workers.add("carol")
    notebook.until("x", on=["alice", "carol"])


def test_a_worker_that_hangs_holds_up_nobody_else(workers: Workers, notebook: Notebook) -> None:
    with hanging(workers, "bob"):
        notebook.place("x", Everywhere(), values={"x": VALUE}, scatter=False)
        notebook.client.scatter({"x": VALUE}, workers=["alice"])
        eventually(lambda: notebook.variable("x")["held"] == {"alice": 1, "carol": 1})
        assert notebook.variable("x")["state"] == "moving"
        assert notebook.variable("x")["reason"] == "2 of 3 copies are there"
    notebook.until("x", on=ALL)


def test_a_value_is_sent_to_another_worker_when_the_first_hangs(
    workers: Workers, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    # not half a minute; what runs on the scheduler has been pickled by value and has globals of its own
    theirs = workers.look(lambda s: s.plugins["moorage"].origins.deliver.__func__.__globals__)
    monkeypatch.setitem(theirs["patience"].__globals__, "_PATIENCE", 0.5)
    with hanging(workers, "bob"):
        notebook.place("x", OnWorkers(("bob",)), VALUE, scatter=False)
        # a refuge: the worker that is wanted does not take it
        eventually(lambda: notebook.variable("x")["held"] in ({"alice": 1}, {"carol": 1}))
        assert np.array_equal(notebook.value("x"), VALUE)
    # it has got the value twice now, once from the notebook: that does not confuse it
    notebook.until("x", on=["bob"])
    eventually(lambda: notebook.holders("x") == ["bob"])


def test_each_subscriber_hears_of_what_others_do(workers: Workers, notebook: Notebook) -> None:
    with notebook_on(workers, "other") as other:
        other.everywhere("x", VALUE)
        eventually(lambda: notebook.mirror.variables.get("other:x", {}).get("state") == "held")
        other.release("x")
        eventually(lambda: "other:x" not in notebook.mirror.variables)
        workers.retire("carol")
        eventually(lambda: "carol" not in notebook.mirror.workers)
