"""The end of a cluster as its notebook sees it: stopped here or elsewhere, died, out of reach; and two at once."""

import os
import signal
import threading
import time

import dask.config
import numpy as np
import psutil
import pytest
from distributed import Client

import moorage
from moorage.controller import registry
from moorage.errors import (
    InputError,
    NoClusterError,
    UnreachableError,
)
from tests.helpers import eventually

OPTIONS = {"threads_per_worker": 1, "memory_limit": "500MB"}


def test_two_clusters_at_once_and_the_last_is_current_and_each_ends_with_its_context():
    with moorage.start(n_workers=1, **OPTIONS) as first, moorage.start(n_workers=1, **OPTIONS) as second:
        pids = [controller._handle.info.pid for controller in (first, second)]
        assert (first.status, second.status) == ("connected", "connected")
        assert registry.current() is second
        first.broadcast("of the first", "v")
        second.broadcast("of the second", "v")
        assert (first.gather("v"), second.gather("v")) == ("of the first", "of the second")
        assert moorage.attach(first) is first
        assert registry.current() is first
        with pytest.raises(InputError, match="belongs to another cluster"):
            second.scatter(first["v"].future, "w")
    assert (first.status, second.status) == ("stopped", "stopped")
    assert not {first, second} & set(registry.all_controllers())
    assert not any(psutil.pid_exists(pid) for pid in pids)
    every_verb_says_that_it_is_stopped(second)
    first.close()
    first.stop()


def every_verb_says_that_it_is_stopped(controller):
    for call in (
        lambda: controller.scatter(1),
        lambda: controller.broadcast(1, "w"),
        lambda: controller.pin("v", ["0"]),
        lambda: controller.release("v"),
        lambda: controller.gather("v"),
        lambda: controller.placement(),
        lambda: controller.scale(2),
        lambda: controller.adapt(1, 2),
        lambda: controller.keep(),
        lambda: controller.workers(),
        lambda: controller.wait_for_workers(1),
        lambda: controller.submit(len, []),
    ):
        with pytest.raises(UnreachableError, match="is stopped") as caught:
            call()
        assert "%cluster start" in caught.value.remedy
    assert "stopped" in repr(controller)
    assert controller.status_info()["status"] == "stopped"


@pytest.mark.parametrize("argument", [{"n_workers": -1}, {"names": ["a", "a"]}, {"names": "ab"}, {"memory_limit": "x"}])
def test_wrong_options_start_nothing(argument):
    before = len(registry.all_controllers())
    with pytest.raises(InputError):
        moorage.start(**argument)
    assert len(registry.all_controllers()) == before


def test_without_a_cluster_it_is_said_how_to_get_one(monkeypatch):
    monkeypatch.setattr(registry, "_controllers", [])
    with pytest.raises(NoClusterError) as caught:
        registry.current()
    assert "%cluster start" in caught.value.remedy


def test_a_client_that_was_closed_by_hand_does_no_harm():
    with moorage.start(n_workers=1, **OPTIONS) as controller:
        pid = controller._handle.info.pid
        controller.client.close()
        with pytest.raises(UnreachableError, match="connection"):
            controller.scatter(1)
    assert controller.status == "stopped"
    assert not psutil.pid_exists(pid)


def test_a_cluster_that_is_stopped_elsewhere_is_lost_here_and_that_is_told():
    with moorage.start(n_workers=1, **OPTIONS) as controller:
        client = Client(controller.address, security=controller.client.security, set_as_default=False)
        other = moorage.attach(client)
        controller.client._timeout = other.client._timeout = 0.5
        other.stop()
        assert other.status == "stopped"
        eventually(lambda: controller.status == "lost")
        assert controller.status_info()["detail"] == "it was stopped"
        (notice,) = controller.notices.values()
        assert "has ended: it was stopped" in notice["message"]
        assert notice["message"] in [event["message"] for event in controller.link.events]
        client.close()


@pytest.fixture
def for_good():
    """A cluster that has died does not come back."""
    with dask.config.set({"moorage.cluster.restart": False}):
        yield


def test_a_cluster_that_dies_is_lost_and_nothing_hangs_not_even_a_wait(for_good):
    controller = moorage.start(n_workers=1, **OPTIONS)
    try:
        statuses = []
        controller.observe(lambda change: statuses.append(change["new"]), "status")
        controller.scatter(1, "v")
        controller.client._timeout = 0.5  # seconds that it is sought for
        timer = threading.Timer(0.5, os.kill, [controller._handle.info.pid, signal.SIGKILL])
        timer.start()
        begun = time.monotonic()
        with pytest.raises(UnreachableError):
            controller.wait_for_workers(3, timeout=60)
        assert time.monotonic() - begun < 30
        timer.join()
        eventually(lambda: controller.status == "lost")
        assert statuses == ["lost"]
        begun = time.monotonic()
        for call in (
            lambda: controller.scatter(2, "w"),
            lambda: controller.gather("v"),
            lambda: controller.placement(),
            lambda: controller.scale(2),
        ):
            with pytest.raises(UnreachableError, match=r"connection|answer") as caught:
                call()
            assert caught.value.remedy
        assert time.monotonic() - begun < 5
        assert list(controller) == ["v"]  # what was known
        assert controller.status_info()["status"] == "lost"
    finally:
        controller.close()
    assert controller.status == "stopped"


def test_after_a_broken_connection_everything_is_taken_up_again():
    with moorage.start(n_workers=2, **OPTIONS) as controller:
        value = np.arange(1000)
        controller.scatter(value, "v", workers=controller.worker_names()[0])
        statuses = []
        controller.observe(lambda change: statuses.append(change["new"]), "status")
        controller.client.sync(_abort, controller.client)
        eventually(lambda: statuses == ["lost", "connected"])
        assert np.array_equal(controller.gather("v"), value)
        first = controller.workers()[0]
        os.kill(controller.client.run(os.getpid, workers=[first.address])[first.address], signal.SIGKILL)
        # its successor may be there before anybody has been told that it was gone
        told = controller.link.mirror.workers
        eventually(lambda: first.name in told and told[first.name]["address"] != first.address)
        eventually(lambda: controller.placement()["v"].state == "held")
        assert np.array_equal(controller["v"].future.result(60), value)  # asked for again, of this notebook
        controller.scale(1)
        assert controller.n_workers == 1


async def _abort(client):
    client.scheduler_comm.comm.abort()
