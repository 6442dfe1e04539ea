"""Data on its way: the scheduler's handlers that plain clients use, and the memory of workers.

Relied on, as read in distributed 2026.8.0: plain clients send and copy data through ``scatter``, ``replicate`` and
``rebalance``; all that has reached workers is told to ``update_data``, of the instance or by its handler; a worker's
``update_data`` takes values and answers with their sizes, and its ``keys`` says what it has; ``bandwidth`` is the rate
at which data has moved between workers lately, in bytes per second. Without these parts the scheduler plugin does not
start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from moorage._dask.parts import parts_of
from moorage._dask.server import answer_instead, ask
from moorage.plan import Address, Key

if TYPE_CHECKING:
    from distributed import Scheduler

SUBJECT = "care for data on its way"

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
        entries={"handlers": ("scatter", "replicate", "rebalance", "update_data")},
        live=("bandwidth",),
    ),
    *parts_of(SUBJECT, "distributed.worker:Worker", calls={"update_data": ("data",), "keys": ()}),
)


def shadow_update_data(
    scheduler: Scheduler, instead: Callable[..., None]
) -> tuple[Callable[..., None], Callable[[], Any]]:
    """Have ``instead(who_has, nbytes, client)`` hear what has come to workers; return the original, and an undo."""
    original: Callable[..., None] = scheduler.update_data
    undo = answer_instead(scheduler, update_data=instead)
    scheduler.__dict__["update_data"] = instead
    return original, lambda: (undo(), scheduler.__dict__.pop("update_data", None))


def usual_seconds(scheduler: Scheduler, nbytes: int) -> float:
    """Return the seconds that so many bytes take from one worker to another."""
    return nbytes / max(1.0, scheduler.bandwidth)


async def put(scheduler: Scheduler, worker: Address, values: Any) -> Mapping[Key, int]:
    """Put values into the memory of a worker; return their sizes there, in bytes."""
    answer = await ask(scheduler, worker).update_data(data=values)
    sizes: Mapping[Key, int] = answer["nbytes"]
    return sizes


async def keys_on(scheduler: Scheduler, worker: Address) -> set[Key]:
    """Return the keys that a worker has in memory or on disk."""
    return set(await ask(scheduler, worker).keys())
