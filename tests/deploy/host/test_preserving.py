"""What is kept beside a host is kept up to date, whatever workers answer and however much that is."""

import asyncio
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from distributed import Scheduler
from distributed.core import Server

from moorage.deploy.fdstore import client
from moorage.deploy.fdstore.client import kept_at
from moorage.deploy.host.preserving import Preserving
from moorage.wire.images import SHARED_TOPIC
from tests.helpers import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfds are Linux's")


@contextmanager
def in_background(work):
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()


async def lend(keys, most=None):
    """Answer as a worker, which cannot do that for all of them."""
    if "faulty" in keys:
        raise TypeError("cannot pickle it")
    return [{"stream": bytes(1000), "sizes": [], "buffers": []} for _ in keys]


def kept_of(store, *calls):
    """Have a host know of keys, call after call, that are on a worker; return those of the last call that are kept."""

    async def run():
        async with Scheduler(dashboard=False, port=0) as scheduler, Server({"moorage_lend": lend}) as worker:
            await worker.listen("tcp://127.0.0.1:0")
            control = SimpleNamespace(info=lambda: {"keep": False, "requested": ["worker"]})
            preserving = Preserving(scheduler, store, control, lambda: False)
            with in_background(preserving.run()) as running:
                for keys in calls:
                    for key in keys:
                        scheduler.new_task(key, None, "memory")
                    preserving.log_event(SHARED_TOPIC, {"shared": keys, "worker": worker.address})
                    await asyncio.to_thread(eventually, lambda: not preserving._coming)
                await asyncio.to_thread(eventually, lambda: running.done() or kept_at(store.path, calls[-1]))
                return kept_at(store.path, calls[-1]).keys()

    return asyncio.run(run())


def test_much_goes_there_a_bit_at_a_time(store, monkeypatch):
    monkeypatch.setattr(client, "MOST", 200_000)
    keys = [f"x-{number}" for number in range(300)]
    assert kept_of(store, keys, ["y"]) == {"y"}
    assert kept_at(store.path, keys).keys() == set(keys)


def test_a_worker_that_cannot_answer_does_not_end_it(store):
    assert kept_of(store, ["faulty"], ["y"]) == {"y"}


def test_what_is_told_no_more_is_not_kept(store, monkeypatch):
    assert kept_of(store, ["x"]) == {"x"}
    monkeypatch.setattr(client, "MOST", 500)
    assert kept_of(store, ["y"]) == set()
    eventually(lambda: not kept_at(store.path, ["x"]))
