"""The scheduler's connections to workers: refusing them, breaking them off, and telling others that one has left.

Relied on, as read in distributed 2026.8.0: all connections of a scheduler that are not streams are made by ``connect``
of the instance that is its ``rpc``; ``remove`` ends those to an address, attempts included; workers take
``remove-worker`` by their stream. Without these parts the scheduler plugin does not start.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from moorage._dask.connecting import PARTS as POOLS
from moorage._dask.connecting import mend
from moorage._dask.parts import parts_of
from moorage.plan import Address

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.comm.core import Comm

    Connect = Callable[[Address, float | None], Awaitable[Comm]]

SUBJECT = "care for workers that have left"

PARTS = (
    *parts_of(SUBJECT, "distributed.scheduler:Scheduler", calls={"worker_send": ("worker", "msg")}, live=("rpc",)),
    *POOLS,
)


def shadow_connect(scheduler: Scheduler, refused: Callable[[Address], Exception | None]) -> Callable[[], Any]:
    """Raise what ``refused(address)`` returns, if it returns anything, instead of connecting; return what undoes it."""
    undo_mend = mend(scheduler)
    pool = scheduler.rpc
    original: Connect = pool.connect

    async def connect(addr: Address, timeout: float | None = None) -> Comm:
        if (error := refused(addr)) is not None:
            raise error
        return await original(addr, timeout)

    pool.__dict__["connect"] = connect

    def undo() -> None:
        pool.__dict__.pop("connect", None)
        undo_mend()

    return undo


def break_off(scheduler: Scheduler, address: Address) -> None:
    """End connections to an address, and attempts to connect."""
    scheduler.rpc.remove(address)


def tell_gone(scheduler: Scheduler, gone: Address) -> None:
    """Tell all workers that one has left."""
    message = {"op": "remove-worker", "worker": gone, "stimulus_id": f"moorage-{uuid4().hex}"}
    for address in scheduler.workers:
        scheduler.worker_send(address, message)
