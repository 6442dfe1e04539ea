"""Connections that cannot be had, or are no longer wanted, of schedulers, workers and clients.

Relied on, as read in distributed 2026.8.0: all that a `ConnectionPool` connects to goes through its ``connect``, and
``distributed.comm.connect`` lets through what Tornado raises. If the other side ends a connection between TCP's
greeting and that of TLS, as one that is just going does, this is ``ValueError: IOStream is not idle``, while Dask
expects an OSError of a connection that cannot be had: a client stops listening for good, and a task fails whose data
another worker has as well.

``remove`` ends the attempts to connect that are in ``_connecting``, and leaves them there until they have ended. To end
one of them once more, also by ``close``, raises ``RuntimeError: Cannot change state of expiring Timeout``: a worker
that is told twice that another one has gone loses the scheduler, and closes for good.

Without these parts neither plugin starts, and no client is connected.
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
    SUBJECT,
    "distributed.core:ConnectionPool",
    calls={"connect": ("addr", "timeout"), "remove": ("addr",)},
    live=("_connecting",),
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


def pool_of(owner: Any) -> Any:
    """Return the connections of a scheduler, worker or client, to look for what is relied on."""
    return getattr(owner, "rpc", None)


def mend(owner: Any) -> Callable[[], None]:
    """Have the connections of a scheduler, worker or client raise an OSError where one cannot be had, and end but once.

    Return how to end that.
    """
    pool: ConnectionPool = owner.rpc
    original, original_remove = pool.connect, pool.remove

    async def connect(addr: str, timeout: float | None = None) -> Comm:
        with connecting():
            return await original(addr, timeout)

    def remove(addr: str, **reason: str) -> None:
        original_remove(addr, **reason)
        pool._connecting.pop(addr, None)  # they know

    ours = {"connect": connect, "remove": remove}
    pool.__dict__.update(ours)

    def undo() -> None:
        for name, method in ours.items():
            if pool.__dict__.get(name) is method:
                del pool.__dict__[name]

    return undo
