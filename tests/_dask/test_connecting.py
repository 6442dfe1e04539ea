"""A connection that ends before TLS begins is one that cannot be had: it is tried again, and its data come from others.

When that happens is a matter of microseconds, so that here Tornado is made to find it so.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from types import SimpleNamespace
from typing import Any

import cloudpickle
import pytest
from distributed import Worker
from distributed.core import ConnectionPool

from moorage._dask.connecting import connecting, mend
from tests.helpers import eventually
from tests.two_workers import alice_and_bob, cluster

__all__ = ["alice_and_bob", "cluster"]

cloudpickle.register_pickle_by_value(sys.modules[__name__])


def break_off(times: int) -> list[str]:
    """Let the next attempts of this process end before TLS begins; return what will tell of each."""
    from tornado.iostream import IOStream

    begin, broken = IOStream.start_tls, list[str]()

    def start_tls(self: Any, *args: Any, **kwargs: Any) -> Any:
        if len(broken) < times:
            self.close()
            broken.append("")
        else:
            IOStream.start_tls = begin  # type: ignore[method-assign]
        return begin(self, *args, **kwargs)

    IOStream.start_tls = start_tls  # type: ignore[method-assign]
    return broken


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(ValueError, match="another"), connecting():
        raise ValueError("another")
    with pytest.raises(ConnectionResetError, match="before TLS began"), connecting():
        raise ValueError("IOStream is not idle; cannot convert to SSL")


def test_an_attempt_to_connect_may_be_ended_twice() -> None:
    async def end_twice(address: str) -> None:
        pool = ConnectionPool()
        await pool.start()
        undo = mend(SimpleNamespace(rpc=pool))
        attempt = asyncio.ensure_future(pool.connect(address))
        await asyncio.sleep(0)
        pool.remove(address)
        await asyncio.sleep(0)  # it is ending now
        pool.remove(address)
        with pytest.raises(OSError, match="Address removed"):
            await attempt
        other = asyncio.ensure_future(pool.connect(address))
        await asyncio.sleep(0)
        pool.remove(address)
        await asyncio.sleep(0)
        undo()
        await pool.close()  # ends what is still tried
        with pytest.raises(OSError, match="Address removed"):
            await other

    with socket.create_server(("127.0.0.1", 0)) as silent:
        asyncio.run(end_twice(f"tcp://127.0.0.1:{silent.getsockname()[1]}"))


def test_a_client_seeks_a_lost_connection_again(cluster: Any) -> None:
    broken = break_off(2)
    cluster.client.loop.add_callback(cluster.client.scheduler_comm.abort)
    eventually(lambda: cluster.status == "lost")
    eventually(lambda: cluster.status == "connected")
    assert len(broken) == 2
    assert cluster.submit(sum, [1, 2]).result(timeout=60) == 3


def test_a_task_gets_its_data_although_its_worker_finds_a_connection_broken(cluster: Any) -> None:
    alice, bob = (info.address for info in cluster.workers())

    def break_off_from_bob(dask_worker: Worker) -> None:
        dask_worker.rpc.remove(bob)
        break_off(1)

    data = cluster.client.submit(lambda: [1, 2], workers=[bob], pure=False)
    data.result(timeout=60)
    cluster.broadcast(b"x" * 10_000_000, name="x")  # the workers have the plugin
    cluster.client.run(break_off_from_bob, workers=[alice])
    assert cluster.client.submit(sum, data, workers=[alice], pure=False).result(timeout=60) == 3


def test_the_scheduler_finds_a_connection_broken_and_tries_again(cluster: Any) -> None:
    cluster.broadcast(b"x" * 10_000_000, name="x")

    def forget(dask_scheduler: Any) -> None:
        for address in dask_scheduler.workers:
            dask_scheduler.rpc.remove(address)
        break_off(1)

    cluster.client.run_on_scheduler(forget)
    cluster.broadcast(b"y" * 100, name="y")
    assert cluster.gather("y") == b"y" * 100
