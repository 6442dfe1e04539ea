"""Tells when workers get and lose copies of placed keys.

Dask has no hook for that, so ``add_replica``, ``remove_replica`` and ``remove_all_replicas`` are shadowed by attributes
of the scheduler instance: all internal callers go through them.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any, TypeAlias

from moorage.plan import Key

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState, WorkerState


Changed: TypeAlias = "Callable[[TaskState, WorkerState], None]"


def watch_replicas(scheduler: Scheduler, *watches: tuple[Container[Key], Changed]) -> Callable[[], Any]:
    """Call functions after a worker has got or lost a key that they are about, and return what ends that.

    `watches`: the keys, looked at each time and not copied; and what is called with the task and the worker.
    """
    add, remove, remove_all = scheduler.add_replica, scheduler.remove_replica, scheduler.remove_all_replicas

    def add_replica(ts: TaskState, ws: WorkerState) -> None:
        add(ts, ws)
        for keys, changed in watches:
            if ts.key in keys:
                changed(ts, ws)

    def remove_replica(ts: TaskState, ws: WorkerState) -> None:
        remove(ts, ws)
        for keys, changed in watches:
            if ts.key in keys:
                changed(ts, ws)

    def remove_all_replicas(ts: TaskState) -> None:
        told = [changed for keys, changed in watches if ts.key in keys]
        holders = list(ts.who_has or ()) if told else ()
        remove_all(ts)
        for ws in holders:
            for changed in told:
                changed(ts, ws)

    shadows = {f.__name__: f for f in (add_replica, remove_replica, remove_all_replicas)}
    scheduler.__dict__.update(shadows)
    return lambda: [scheduler.__dict__.pop(name, None) for name in shadows]
