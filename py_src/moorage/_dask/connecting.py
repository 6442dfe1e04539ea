"""Connections that cannot be had, of schedulers, workers and clients.

Relied on, as read in distributed 2026.8.0: all that a `ConnectionPool` connects to goes through its ``connect``, and
``distributed.comm.connect`` lets through what Tornado raises. If the other side ends a connection between TCP's
greeting and that of TLS, as one that is just going does, this is ``ValueError: IOStream is not idle``, while Dask
expects an OSError of a connection that cannot be had: a client stops listening for good, and a task fails whose data
another worker has as well. Without these parts neither plugin starts, and no client is connected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from moorage._dask.parts import parts_of

if TYPE_CHECKING:
    from distributed.comm.core import Comm
    from distributed.core import ConnectionPool

SUBJECT = "care for data on its way"

PARTS = parts_of(
    SUBJECT, "distributed.core:ConnectionPool", calls={"connect": ("addr", "timeout"), "remove": ("addr",)}
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


def mend(owner: Any) -> Callable[[], None]:
    """Have the connections of a worker or client raise an OSError where one cannot be had; return how to end that."""
    pool: ConnectionPool = owner.rpc
    original = pool.connect

    async def connect(addr: str, timeout: float | None = None) -> Comm:
        with connecting():
            return await original(addr, timeout)

    pool.__dict__["connect"] = connect

    def undo() -> None:
        if pool.__dict__.get("connect") is connect:
            del pool.__dict__["connect"]

    return undo
