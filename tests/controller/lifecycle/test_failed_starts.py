"""What is left when a cluster was reached but could not be taken hold of, or the user was quicker: nothing."""

import asyncio
import contextlib
import os
import signal
import threading

import dask
import pytest
from distributed import Client, LocalCluster

import moorage
from moorage.controller import registry, start
from moorage.errors import MoorageError, VersionError
from moorage.kernel import install
from tests.helpers import eventually


@pytest.fixture(scope="module")
def plain():
    """A cluster of plain Dask without workers."""
    with LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster:
        yield cluster


@pytest.fixture
def nothing_left():
    """Fail if clients or controllers are left after the test."""
    clients, controllers = living(), registry.all_controllers()
    yield
    eventually(lambda: living() == clients)
    assert registry.all_controllers() == controllers


def living():
    return {client for client in Client._instances if client.status != "closed"}


WAYS = {
    "address": lambda plain: moorage.attach(plain.scheduler_address),
    "object": lambda plain: moorage.attach(plain),
    "start": lambda plain: moorage.start(n_workers=0),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_scheduler_that_is_not_understood_is_left_again(way, plain, nothing_left, monkeypatch):
    monkeypatch.setattr(install, "PROTOCOL_VERSION", -1)
    with pytest.raises(VersionError):
        WAYS[way](plain)


@pytest.mark.parametrize("way", ["address", "object"])
def test_a_warning_that_is_an_error_leaves_no_half_known_cluster(way, plain, nothing_left, monkeypatch):
    monkeypatch.setattr(start, "is_open", lambda address: True)
    monkeypatch.setattr(start, "_warned", set())
    with pytest.raises(UserWarning, match="is open"):
        WAYS[way](plain)


def test_an_interrupt_at_the_last_step_leaves_no_half_known_cluster(plain, nothing_left, monkeypatch):
    waiting = threading.Event()

    async def wait(self):
        waiting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(start.Environment, "watch", wait)
    with pytest.raises(KeyboardInterrupt), interrupt_when(waiting):
        moorage.attach(plain.scheduler_address)


def test_the_client_of_the_user_stays_and_hears_no_more_of_us(plain, nothing_left, monkeypatch):
    monkeypatch.setattr(install, "PROTOCOL_VERSION", -1)
    with Client(plain, set_as_default=False) as client:
        topics = set(client._event_handlers)
        with pytest.raises(VersionError):
            moorage.attach(client)
        assert client.status == "running"
        assert set(client._event_handlers) == topics


@contextlib.contextmanager
def interrupt_when(event):
    """Press ctrl-C, as it were, when `event` is set."""

    def press():
        if event.wait(30):
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_a_scheduler_that_stops_right_after_the_start_is_given_up_and_ended(nothing_left, monkeypatch):
    hosts = []

    def launch(*arguments):
        hosts.append(handle := starting_launch(*arguments))
        os.kill(handle.info.pid, signal.SIGSTOP)
        return handle

    starting_launch = start.launch
    monkeypatch.setattr(start, "launch", launch)
    limits = {"moorage.connect-timeout": "1s", "moorage.stop-timeout": "1s"}
    with dask.config.set(limits), pytest.raises(MoorageError):
        moorage.start(n_workers=0)
    assert not hosts[0].alive
