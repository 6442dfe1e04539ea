"""Tasks as the scheduler knows them: their fields, and moving them from one state to another.

Relied on, as read in distributed 2026.8.0: a released key that has a ``run_spec`` goes to ``waiting`` instead of being
forgotten, with resource restrictions that nobody meets to ``no-worker``, and a worker that is told to compute what it
has in memory answers that it is done. Without these parts the scheduler plugin does not start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from moorage._dask.graphs import task
from moorage._dask.parts import parts_of
from moorage.plan import Key

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState

    from moorage._dask.graphs import Task

SUBJECT = "way to bring back lost values"

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.scheduler:Scheduler",
        calls={
            "new_task": ("key", "spec", "state"),
            "transition": ("key", "finish", "stimulus_id"),
            "transitions": ("recommendations", "stimulus_id"),
        },
        live=(
            "allowed_failures", "host_info", "queued", "resources", "running", "task_groups", "tasks", "unrunnable",
            "workers",
        ),
    ),
    *parts_of(
        SUBJECT,
        "distributed.scheduler:TaskState",
        has=(
            "actor", "annotations", "dependencies", "dependents", "exception_blame", "exception_text", "group",
            "host_restrictions", "loose_restrictions", "nbytes", "prefix", "priority", "processing_on",
            "resource_restrictions", "run_spec", "state", "suspicious", "type", "waiters", "waiting_on", "who_has",
            "who_wants", "worker_restrictions",
        ),
        calls={"get_nbytes": (), "set_nbytes": ("nbytes",)},
    ),
    *parts_of(
        SUBJECT,
        "distributed.scheduler:WorkerState",
        has=(
            "executing", "has_what", "host", "memory", "memory_limit", "metrics", "nanny", "nbytes", "processing",
            "status",
        ),
    ),
)  # fmt: skip


def new_value(scheduler: Scheduler, key: Key) -> TaskState:
    """Let the scheduler know a key that stands for a value, which nobody has."""
    return scheduler.new_task(key, None, "released")


def make_task(ts: TaskState, function: Callable[..., Any], *args: Any) -> None:
    """Let a key that stood for a value have a task, so that it waits when nobody has it, rather than be forgotten."""
    ts.run_spec = task(ts.key, function, *args)
    ts.type = ts.type or "object"
    ts.priority = ts.priority or (0, 0, 0)


def replace_task(scheduler: Scheduler, ts: TaskState, spec: Task) -> None:
    """Let a key have another task from now on, which needs no other; what only the first one needed may go."""
    ts.run_spec = spec
    ts.priority = ts.priority or (0, 0, 0)
    needed = list(ts.dependencies)
    ts.dependencies.clear()
    for each in needed:
        each.dependents.discard(ts)
    unused = [each for each in needed if not each.dependents and not each.who_wants]
    for state, finish in (("memory", "released"), ("released", "forgotten")):
        move_all(scheduler, [each.key for each in unused if each.state == state], finish)


def make_value(ts: TaskState) -> None:
    """Let a key have no task, so that it is forgotten when nobody has it."""
    ts.run_spec = None


def function_of(ts: TaskState) -> Any:
    """Return what the task of a key calls; None if it has no task, or one that calls nothing."""
    return getattr(ts.run_spec, "func", None)


def restrict(ts: TaskState, resources: dict[str, float] | None = None, workers: Iterable[str] = ()) -> None:
    """Let a task run only where there are resources, and only on workers, by address, if any are given."""
    ts.resource_restrictions = resources
    ts.worker_restrictions = set(workers) or None


def forget_resources(scheduler: Scheduler, names: Iterable[str]) -> None:
    """Forget resources that no worker has; the scheduler has noted that tasks asked for them."""
    for name in names:
        scheduler.resources.pop(name, None)


def move(scheduler: Scheduler, key: Key, finish: Any, then: Any = None, **kwargs: Any) -> None:
    """Move a task to another state, and from there to another one, with all that follows for others."""
    stimulus_id = f"moorage-{uuid4().hex}"
    recommendations = scheduler.transition(key, finish, stimulus_id=stimulus_id, **kwargs)
    if then is not None:
        recommendations[key] = then
    scheduler.transitions(recommendations, stimulus_id)


def move_all(scheduler: Scheduler, keys: Iterable[Key], finish: Any) -> None:
    """Move tasks to another state, with all that follows for others."""
    scheduler.transitions(dict.fromkeys(keys, finish), f"moorage-{uuid4().hex}")


def has_killed(scheduler: Scheduler, ts: TaskState) -> bool:
    """Whether a task has failed since workers died that ran it."""
    return ts.suspicious > scheduler.allowed_failures
