"""Spans, in which Dask counts all tasks and refers to each group of tasks that it has seen.

Relied on, as read in distributed 2026.8.0: the extension ``spans`` finds the span of a task by its annotation, has each
by its id, and a span adds up its ``groups`` anew when it has no ``_metadata``. Without these parts the
scheduler plugin does not start; where the extension is switched off nothing is counted.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from moorage._dask.parts import parts_of

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState

SUBJECT = "count of tasks"

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.spans:SpansSchedulerExtension",
        calls={"observe_tasks": ("tss", "code", "span_metadata")},
    ),
    *parts_of(SUBJECT, "distributed.scheduler:Scheduler", live=("extensions", "task_groups")),
)


def count(scheduler: Scheduler, tasks: Collection[TaskState], span: str) -> None:
    """Count tasks in a span."""
    if (spans := _spans(scheduler)) is None:
        return
    first = {ts.group: ts for ts in tasks}  # all of a group are in one span, and get the same annotation
    for ts in first.values():
        ts.annotations = {**(ts.annotations or {}), "span": {"name": (span,), "ids": (span,)}}
    told = spans.observe_tasks(first.values(), code=(), span_metadata={"collections": []})
    for ts in tasks:
        if (annotation := told.get(first[ts.group].key)) is not None:
            ts.annotations = {**(ts.annotations or {}), "span": annotation}


def prune(scheduler: Scheduler, span: str, most: int, left: int) -> None:
    """Forget the groups of a span that are over, if there are more than `most`, but for the latest `left`."""
    spans = _spans(scheduler)
    if spans is None or (state := spans.spans.get(span)) is None:
        return
    groups = scheduler.task_groups
    over = [group for group in state.groups if groups.get(group.name) is not group]
    if len(over) > most:
        over.sort(key=lambda group: group.stop)
        state.groups.difference_update(over[:-left])
        state._metadata = None


def _spans(scheduler: Scheduler) -> Any:
    return scheduler.extensions.get("spans")
