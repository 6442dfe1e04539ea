"""Events that the scheduler keeps: what they tell of workers that have left, and those that are not to be kept.

Relied on, as read in distributed 2026.8.0: the event broker keeps the last messages of each topic until it is told to
truncate them; each worker that leaves is a ``remove-worker`` on the topic ``all``, with the tasks that went with it;
``restart-workers`` names there the workers that were to restart, once they have ended; and one that its nanny ended for
its memory is told of on ``worker-restart-memory``. Without these parts the scheduler plugin does not start; without
such events nobody can say how a worker has ended.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moorage._dask.parts import parts_of
from moorage.plan import Address

if TYPE_CHECKING:
    from distributed import Scheduler

SUBJECT = "account of what happened"

PARTS = (
    *parts_of(SUBJECT, "distributed.scheduler:Scheduler", calls={"get_events": ("topic",)}, live=("_broker",)),
    *parts_of(SUBJECT, "distributed.broker:Broker", calls={"truncate": ("topic",)}),
)

TOO_MUCH_MEMORY = "worker-restart-memory"
"""Topic on which nannies tell of workers that they end for their memory."""
_SOON = 60.0  # seconds between what two processes say of the same end; later, another worker may have the address


@dataclass(frozen=True)
class Departure:
    """How a worker has left: when, in seconds since the epoch, and how many tasks' results or runs went with it.

    `restarted`: somebody asked for that; known as soon as all workers that were to restart with it have ended.
    """

    worker: Address
    when: float
    expected: bool
    restarted: bool
    lost: int


def departures(scheduler: Scheduler) -> Iterator[Departure]:
    """Yield the workers that have left, the latest first."""
    kinds = ("processing-tasks", "lost-computed-tasks", "lost-scattered-tasks")
    restarts: dict[Address, float] = {}
    for when, event in reversed(scheduler.get_events("all")):
        match event.get("action"):
            case "restart-workers":
                restarts.update(dict.fromkeys(event.get("workers") or (), when))
            case "remove-worker":
                worker = event.get("worker", "")
                restarted = restarts.pop(worker, math.inf) - when < _SOON
                lost = sum(len(event.get(kind, ())) for kind in kinds)
                yield Departure(worker, when, bool(event.get("expected")), restarted, lost)


def told_of(scheduler: Scheduler, topic: str, left: Departure, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what was told of the end of a worker of that name on `topic`, and of its memory; nothing if there is none.

    A process that ended before its nanny knew the address is told of without one; its pid is the same in both events.
    """
    ended = _nearest(scheduler, topic, left, worker=left.worker) or _nearest(
        scheduler, topic, left, worker="", name=name
    )
    return ended, _nearest(
        scheduler, TOO_MUCH_MEMORY, left, **({"pid": ended["pid"]} if ended else {"worker": left.worker})
    )


def _nearest(scheduler: Scheduler, topic: str, left: Departure, **says: Any) -> dict[str, Any]:
    """Return the event that says so and is nearest to when the worker left."""
    of_it = [
        (abs(when - left.when), event) for when, event in scheduler.get_events(topic) if says.items() <= event.items()
    ]
    away, event = min(of_it, key=lambda one: one[0], default=(math.inf, {}))
    return event if away < _SOON else {}


def forget_events(scheduler: Scheduler, topic: str) -> None:
    """Let go of the messages of a topic, which have been sent: Dask would keep the last thousand."""
    scheduler._broker.truncate(topic)
