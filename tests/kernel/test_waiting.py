"""Waiting for a scheduler that is silent for a while, or for good."""

import asyncio
import gc
import os
import signal
import threading
import time
import weakref

import dask
import pytest
from distributed import Client

import moorage
from moorage.errors import UnreachableError
from moorage.kernel import waiting
from tests.helpers import eventually


@pytest.fixture(scope="module")
def cluster():
    with moorage.start(n_workers=1, threads_per_worker=1) as cluster:
        yield cluster


@pytest.fixture
def silence(cluster):
    """Stop the scheduler, and let it go on at the end."""
    pid = cluster.link.client.run_on_scheduler(os.getpid)
    yield lambda on=True: os.kill(pid, signal.SIGSTOP if on else signal.SIGCONT)
    os.kill(pid, signal.SIGCONT)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(waiting, "LOOK", 0.1)
    with dask.config.set({"moorage.answer-timeout": "1s"}):
        yield


def test_who_waits_for_a_loop_is_told_of_silence_and_the_loop_goes_on(cluster, silence, impatient):
    results = cluster.map(lambda i: time.sleep(0.2) or i, range(10), batch_size=1)
    eventually(lambda: results.progress.done)
    silence()
    with pytest.raises(UnreachableError, match=r"has not answered for \d s"):
        results.wait()
    with pytest.raises(UnreachableError, match=r"does not answer|has not answered"):
        cluster.placement()
    silence(False)
    assert results.gather() == list(range(10))


def test_a_short_silence_is_waited_for(cluster, silence, impatient):
    silence()
    with dask.config.set({"moorage.answer-timeout": "30s"}):
        threading.Timer(2, silence, [False]).start()
        assert cluster.scatter([1, 2], "x", whole=True).result(30) == [1, 2]


def test_time_in_which_nobody_looked_counts_for_little(cluster, silence, impatient):
    waiting.check(cluster.client)
    silence()
    waiting.check(cluster.client)
    time.sleep(1.5)  # as if this process had been stopped, too
    waiting.check(cluster.client)


def test_a_wait_for_what_never_comes_ends_with_its_client(cluster):
    async def for_ever():
        await asyncio.Event().wait()

    with moorage.attach(cluster.address, security=cluster.client.security) as other:
        threading.Timer(0.5, other.close).start()
        with pytest.raises(UnreachableError, match="closed in the meantime"):
            waiting.wait_for(other.client, for_ever)


def test_a_wait_on_the_loop_for_the_loop_is_refused(cluster):
    async def wait_for_itself():
        return cluster.workers()

    with pytest.raises(RuntimeError, match="event loop would deadlock"):
        waiting.wait_for(cluster.client, wait_for_itself)


def test_what_arrives_at_the_moment_of_an_interrupt_is_let_go_of_at_once(cluster, impatient, monkeypatch):
    class Answer:
        pass

    gone = []

    async def late():
        await asyncio.sleep(0.3)
        answer = Answer()
        gone.append(weakref.ref(answer))
        return answer

    def interrupted(client):
        eventually(lambda: gone)
        time.sleep(0.2)  # it is there, and the one who waits is still here
        raise KeyboardInterrupt

    monkeypatch.setattr(waiting, "check", interrupted)
    gc.disable()
    try:
        with pytest.raises(KeyboardInterrupt) as kept:
            waiting.wait_for(cluster.link.client, late)
        eventually(lambda: gone[0]() is None)
        assert kept.traceback
    finally:
        gc.enable()


def test_a_client_that_is_closed_while_it_sends_says_so(cluster, monkeypatch):
    client = Client(cluster.address, security=cluster.client.security, set_as_default=False)

    async def send_and_close():
        running = client.scheduler.ncores_running

        async def close_first(**kwargs):
            answer = await running(**kwargs)
            client.scheduler = None  # as when it is closed
            return answer

        client.scheduler.ncores_running = close_first
        await waiting.answer(client, client._scatter([1], direct=True))

    try:
        with pytest.raises(UnreachableError, match="closed"):
            client.sync(send_and_close)
    finally:
        client.close()


def test_a_client_that_is_closed_while_it_gathers_says_so(cluster):
    client = Client(cluster.address, security=cluster.client.security, set_as_default=False)
    future = client.submit(sum, [1, 2])

    async def close_and_gather():
        await future
        scheduler, client.scheduler = client.scheduler, None  # as when it is closed while another one is waited for
        try:
            await waiting.gather(client, [future])
        finally:
            client.scheduler = scheduler

    try:
        with pytest.raises(UnreachableError, match="closed"):
            client.sync(close_and_gather)
    finally:
        client.close()
