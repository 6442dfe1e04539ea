"""Data on its way: the scheduler's handlers that plain clients use, questions to workers, and connections.

Relied on, as read in distributed 2026.8.0: ``handlers`` is looked up for each message, so that an entry can be
replaced; ``update_data`` tells the scheduler what has reached workers; ``rpc(address)`` calls a worker's handlers, and
its ``connect`` is used for all of that; workers answer each ``steal-request`` by ``steal-response``, with the state of
the key. Without these parts the scheduler plugin does not start.

All that a `ConnectionPool` connects to goes through its ``connect``, and ``distributed.comm.connect`` lets through what
Tornado raises. If the other side ends a connection between TCP's greeting and that of TLS, as one that is just going
does, this is ``ValueError: IOStream is not idle``, while Dask expects an OSError of a connection that cannot be had: a
client stops listening for good, and a task fails whose data another worker has as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from moorage._dask.parts import parts_of

if TYPE_CHECKING:
    from distributed.comm.core import Comm
    from distributed.core import ConnectionPool

SUBJECT = "care for data on its way"

CONNECTIONS = parts_of(
    SUBJECT, "distributed.core:ConnectionPool", calls={"connect": ("addr", "timeout"), "remove": ("addr",)}
)

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.scheduler:Scheduler",
        calls={
            "scatter": ("data", "workers", "client", "broadcast", "timeout"),
            "replicate": ("keys", "n", "workers"),
            "rebalance": ("keys", "workers"),
            "update_data": ("who_has", "nbytes", "client"),
            "coerce_address": ("addr",),
            "workers_list": ("workers",),
            "client_send": ("client", "msg"),
        },
        live=("stream_comms", "stream_handlers", "rpc"),
        entries={"handlers": ("scatter", "replicate", "rebalance", "update_data")},
    ),
    *CONNECTIONS,
    *parts_of(
        SUBJECT, "distributed.worker_state_machine:StealRequestEvent", calls={"__init__": ("stimulus_id", "key")}
    ),
    *parts_of(SUBJECT, "distributed.worker:Worker", calls={"update_data": ("data",), "keys": ()}),
)


@contextmanager
def connecting() -> Iterator[None]:
    """Turn what Tornado raises of a connection that has ended before TLS began into an OSError.

    Raises ConnectionResetError.
    """
    try:
        yield
    except ValueError as error:
        if "IOStream" not in str(error):
            raise
        raise ConnectionResetError("the connection ended, or spoke no TLS, before TLS began") from error


def mend(pool: ConnectionPool) -> Callable[[], None]:
    """Have a pool raise an OSError where a connection cannot be had; return how to end that."""
    original = pool.connect

    async def connect(addr: str, timeout: float | None = None) -> Comm:
        with connecting():
            return await original(addr, timeout)

    pool.__dict__["connect"] = connect

    def undo() -> None:
        if pool.__dict__.get("connect") is connect:
            del pool.__dict__["connect"]

    return undo
