"""Tells when workers get and lose copies of placed keys.

Dask has no hook for that, so ``add_replica``, ``remove_replica`` and ``remove_all_replicas`` are shadowed by attributes
of the scheduler instance: all internal callers go through them.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any

from moorage.plan import Key

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState, WorkerState


def watch_replicas(
    scheduler: Scheduler, placed: Container[Key], changed: Callable[[TaskState, WorkerState], None]
) -> Callable[[], Any]:
    """Call `changed` after a worker has got or lost a placed key, and return what ends that.

    Parameters
    ----------
    scheduler : Scheduler
    placed : container of keys
        Looked at each time; not copied.
    changed : callable
        Called with the task and the worker.
    """
    add, remove, remove_all = scheduler.add_replica, scheduler.remove_replica, scheduler.remove_all_replicas

    def add_replica(ts: TaskState, ws: WorkerState) -> None:
        add(ts, ws)
        if ts.key in placed:
            changed(ts, ws)

    def remove_replica(ts: TaskState, ws: WorkerState) -> None:
        remove(ts, ws)
        if ts.key in placed:
            changed(ts, ws)

    def remove_all_replicas(ts: TaskState) -> None:
        holders = list(ts.who_has or ()) if ts.key in placed else ()
        remove_all(ts)
        for ws in holders:
            changed(ts, ws)

    shadows = {f.__name__: f for f in (add_replica, remove_replica, remove_all_replicas)}
    scheduler.__dict__.update(shadows)
    return lambda: [scheduler.__dict__.pop(name, None) for name in shadows]
