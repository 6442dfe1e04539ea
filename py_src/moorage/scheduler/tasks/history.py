"""Keeps Dask's records of what moorage has run from growing for ever.

Dask counts all tasks in spans. A span refers to each group of tasks that it has seen, and to a description of each
graph, also when all of it is long forgotten. moorage's tasks, and the values it places, are in one span; of that one
the groups that are over go, but for the latest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moorage._dask.scheduler.spans import count, prune
from moorage.wire.scheduler import SPAN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from distributed import Scheduler
    from distributed.scheduler import TaskState

_MOST = 100  # groups that are over, before the earliest go
_LEFT = 50  # of them


class History:
    """What Dask remembers of moorage's tasks."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def count(self, tasks: Collection[TaskState]) -> None:
        """Count values among moorage's tasks: workers measure what has no span, but cannot say."""
        count(self._scheduler, tasks, SPAN)

    def count_ours(self, tasks: Iterable[TaskState]) -> None:
        """Count those of scattered values that moorage has sent for purposes of its own."""
        if ours := [ts for ts in tasks if isinstance(ts.key, str) and ts.key.startswith(f"{SPAN}-")]:
            self.count(ours)

    def sweep(self) -> None:
        """Forget what is long over."""
        prune(self._scheduler, SPAN, _MOST, _LEFT)
