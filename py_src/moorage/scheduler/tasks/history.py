"""Keeps Dask's records of what moorage has run from growing for ever.

Dask counts all tasks in spans. A span refers to each group of tasks that it has seen, and to a description of each
graph, also when all of it is long forgotten. moorage's tasks, and the values it places, are in one span; of that one
the groups that are over go, but for the latest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from moorage._dask.events import forget_totals
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
        self._spans = scheduler.extensions.get("spans")

    def count(self, tasks: Collection[TaskState]) -> None:
        """Count values among moorage's tasks: workers measure what has no span, but cannot say."""
        if self._spans is not None:
            for ts in tasks:
                ts.annotations = {**(ts.annotations or {}), "span": {"name": (SPAN,), "ids": (SPAN,)}}
            self._spans.observe_tasks(tasks, code=(), span_metadata={"collections": []})

    def count_ours(self, tasks: Iterable[TaskState]) -> None:
        """Count those of scattered values that moorage has sent for purposes of its own."""
        if ours := [ts for ts in tasks if isinstance(ts.key, str) and ts.key.startswith(f"{SPAN}-")]:
            self.count(ours)

    def sweep(self) -> None:
        """Forget what is long over."""
        if self._spans is None or (span := self._spans.spans.get(SPAN)) is None:
            return
        groups = self._scheduler.task_groups
        over = [group for group in span.groups if groups.get(group.name) is not group]
        if len(over) > _MOST:
            over.sort(key=lambda group: group.stop)
            span.groups.difference_update(over[:-_LEFT])
            forget_totals(span)
