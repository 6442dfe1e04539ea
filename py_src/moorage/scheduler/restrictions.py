"""Tasks that should run on a worker follow it when it restarts.

Dask turns the names of ``workers=`` into addresses once, when a task comes. A worker that restarts has another address,
and the task would wait for the old one for ever (dask/distributed#8600).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Scheduler


def follow(scheduler: Scheduler, old: str, new: str) -> None:
    """Let the tasks that may run at address `old` run at `new` instead: it is the same worker.

    To be called before `new` takes its first task. Looks at all tasks once.
    """
    for ts in scheduler.tasks.values():
        if ts.worker_restrictions and old in ts.worker_restrictions:
            ts.worker_restrictions = (ts.worker_restrictions - {old}) | {new}
