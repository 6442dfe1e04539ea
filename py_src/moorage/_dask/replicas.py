"""Copies of keys: hearing of them, asking workers for them, and taking inputs that lie in shared memory.

Relied on, as read in distributed 2026.8.0: all of the scheduler goes through ``add_replica``, ``remove_replica`` and
``remove_all_replicas`` of its instance, and through ``_add_to_processing`` for each task that is sent to a worker;
workers take ``acquire-replicas`` and ``remove-replicas`` by their stream. Dask has no hooks in their place. Without one
of them the scheduler plugin does not start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moorage._dask.parts import parts_of

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState, WorkerState

SUBJECT = "count of copies"
_MESSAGES = "distributed.worker_state_machine:"

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.scheduler:Scheduler",
        calls={
            "add_replica": ("ts", "ws"),
            "remove_replica": ("ts", "ws"),
            "remove_all_replicas": ("ts",),
            "_add_to_processing": ("ts", "ws", "stimulus_id"),
            "worker_send": ("worker", "msg"),
        },
    ),
    *parts_of(
        SUBJECT,
        f"{_MESSAGES}AcquireReplicasEvent",
        calls={"__init__": ("stimulus_id", "who_has", "nbytes")},
    ),
    *parts_of(SUBJECT, f"{_MESSAGES}RemoveReplicasEvent", calls={"__init__": ("stimulus_id", "keys")}),
)


def shadow_processing(scheduler: Scheduler, instead: Callable[..., Any]) -> Callable[[], Any]:
    """Call ``instead(original, ts, ws, stimulus_id)`` to send a task to a worker; return what undoes it."""
    original = scheduler._add_to_processing

    def add_to_processing(ts: TaskState, ws: WorkerState, stimulus_id: str) -> Any:
        return instead(original, ts, ws, stimulus_id)

    scheduler.__dict__["_add_to_processing"] = add_to_processing
    return lambda: scheduler.__dict__.pop("_add_to_processing", None)
