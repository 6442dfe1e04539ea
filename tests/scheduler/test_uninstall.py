"""Taking moorage away restores the stock scheduler exactly; putting it there twice changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from distributed import Scheduler

from moorage.errors import VersionError
from moorage.kernel import install
from moorage.model import Anywhere, Everywhere, OnWorkers
from tests.helpers import eventually
from tests.scheduler.notebook import notebook_on
from tests.workers import Workers

VALUE = np.arange(100_000)


@pytest.fixture
def fresh() -> Iterator[Workers]:
    with Workers("alice", "bob") as workers:
        yield workers


def anatomy(scheduler: Scheduler) -> dict[str, Any]:
    """Return all that a plugin can change of a scheduler."""
    amm = scheduler.extensions["amm"]
    own_clients = {name for name in scheduler.clients if not name.startswith("Client-")}
    return {
        "policies": {policy: {**vars(policy)} for policy in amm.policies},
        "handlers": dict(scheduler.handlers),
        "stream handlers": dict(scheduler.stream_handlers),
        "plugins": dict(scheduler.plugins),
        "extensions": dict(scheduler.extensions),
        "callbacks": dict(scheduler.periodic_callbacks),
        "attributes": set(vars(scheduler)),
        "clients": own_clients,
        "resources": dict(scheduler.resources),
        "tasks": set(scheduler.tasks),
    }


def test_uninstalling_restores_the_stock_scheduler_exactly(fresh: Workers) -> None:
    before = fresh.look(anatomy)
    with notebook_on(fresh) as notebook:
        assert fresh.look(anatomy) != before
        notebook.everywhere("everywhere", VALUE)
        notebook.pin("pin", VALUE + 1, "bob")
        notebook.place("far", OnWorkers(("alice",)), VALUE + 2)
        fresh.kill("bob")
        notebook.until("pin", on=["bob"])
        notebook.client.scatter([1, 2], broadcast=True)
        lost = notebook.place("lost", OnWorkers(("bob",)), VALUE + 3, origin=False)
        assert lost["status"] == "OK"
        notebook.until("lost")
        fresh.kill("bob")
        notebook.until("lost", "lost")
        notebook.client.rebalance()
        notebook.uninstall()
        assert not notebook.client.sync(notebook.client.scheduler.who_has)
    eventually(lambda: not fresh.look(lambda s: s.tasks))
    assert fresh.look(anatomy) == before


def test_afterwards_copies_go_as_stock_lets_them_go(fresh: Workers) -> None:
    with notebook_on(fresh) as notebook:
        (future,) = notebook.client.scatter([VALUE], broadcast=True)
        notebook.client.amm.run_once()
        assert len(notebook.client.who_has()[future.key]) == 2
        notebook.uninstall()
        notebook.client.amm.run_once()
        eventually(lambda: len(notebook.client.who_has()[future.key]) == 1)
        assert np.array_equal(future.result(30), VALUE)


def test_futures_of_placed_values_outlive_the_uninstalling(fresh: Workers) -> None:
    with notebook_on(fresh) as notebook:
        notebook.place("x", Anywhere(), VALUE, hold=False)
        future = notebook.future(notebook.key("x"))
        notebook.uninstall()
        assert np.array_equal(future.result(30), VALUE)
        # scattered data as any other: nothing brings it back
        fresh.kill("alice")
        fresh.kill("bob")
        eventually(lambda: future.status == "cancelled")


def test_installing_again_keeps_the_state(fresh: Workers) -> None:
    with notebook_on(fresh) as notebook:
        notebook.everywhere("x", VALUE)
        plugin = fresh.look(lambda s: s.plugins["moorage"])
        with notebook_on(fresh, "other") as other:
            assert fresh.look(lambda s: s.plugins["moorage"]) is plugin
            assert other.call("state")["variables"]["nb:x"]["state"] == "held"
        assert notebook.state("x") == "held"


def test_after_uninstalling_it_can_be_installed_again(fresh: Workers) -> None:
    with notebook_on(fresh) as notebook:
        notebook.everywhere("x", VALUE)
        notebook.uninstall()
        eventually(lambda: not notebook.mirror.variables)  # all who listen have heard of it
        with notebook_on(fresh, "again") as again:
            again.place("x", Everywhere(), VALUE)
            again.until("x", on=["alice", "bob"])


def test_a_plugin_of_another_version_is_refused_and_left_alone(fresh: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    with notebook_on(fresh) as notebook:
        notebook.everywhere("x", VALUE)
        theirs, ours = install.PROTOCOL_VERSION, install.PROTOCOL_VERSION + 1
        monkeypatch.setattr(install, "PROTOCOL_VERSION", ours)
        with pytest.raises(VersionError, match=f"version {theirs} of moorage's protocol, this notebook version {ours}"):
            notebook.client.sync(install.install_plugin, notebook.client)
        assert notebook.state("x") == "held"
