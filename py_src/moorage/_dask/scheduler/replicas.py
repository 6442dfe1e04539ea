"""Copies of keys: hearing of them, asking workers for them, and taking inputs that lie in shared memory.

Relied on, as read in distributed 2026.8.0: all of the scheduler goes through ``add_replica``, ``remove_replica`` and
``remove_all_replicas`` of its instance, and through ``_add_to_processing`` for each task that is sent to a worker;
workers take ``acquire-replicas`` and ``remove-replicas`` by their stream. Dask has no hooks in their place. Without one
of them the scheduler plugin does not start.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

from moorage._dask.parts import parts_of
from moorage.plan import Address, Key

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState, WorkerState

    Changed: TypeAlias = Callable[[TaskState, WorkerState], None]

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


def watch_replicas(scheduler: Scheduler, *watches: tuple[Container[Key], Changed, Changed]) -> Callable[[], Any]:
    """Call functions after a worker has got or lost a key that they are about, and return what ends that.

    `watches`: the keys, looked at each time and not copied; and what is called with the task and the worker when it has
    got, and when it has lost a copy.
    """
    add, remove, remove_all = scheduler.add_replica, scheduler.remove_replica, scheduler.remove_all_replicas

    def add_replica(ts: TaskState, ws: WorkerState) -> None:
        add(ts, ws)
        key = ts.key
        for keys, came, _ in watches:
            if key in keys:
                came(ts, ws)

    def remove_replica(ts: TaskState, ws: WorkerState) -> None:
        remove(ts, ws)
        for keys, _, went in watches:
            if ts.key in keys:
                went(ts, ws)

    def remove_all_replicas(ts: TaskState) -> None:
        told = [went for keys, _, went in watches if ts.key in keys]
        holders = list(ts.who_has or ()) if told else ()
        remove_all(ts)
        for ws in holders:
            for went in told:
                went(ts, ws)

    shadows = {f.__name__: f for f in (add_replica, remove_replica, remove_all_replicas)}
    scheduler.__dict__.update(shadows)
    return lambda: [scheduler.__dict__.pop(name, None) for name in shadows]


def acquire(
    scheduler: Scheduler, worker: Address, who_has: Mapping[Key, Sequence[Address]], nbytes: Mapping[Key, int]
) -> None:
    """Tell a worker to fetch copies of keys, from any of those that have them."""
    _tell(scheduler, worker, op="acquire-replicas", who_has=who_has, nbytes=nbytes)


def drop(scheduler: Scheduler, worker: Address, keys: Iterable[Key]) -> None:
    """Tell a worker to let go of keys; it answers that it has those that it needs."""
    _tell(scheduler, worker, op="remove-replicas", keys=list(keys))


def _tell(scheduler: Scheduler, worker: Address, **message: Any) -> None:
    scheduler.worker_send(worker, {**message, "stimulus_id": f"moorage-{uuid4().hex}"})
