"""Cluster objects of Dask: their size, and what they do when a worker is lost.

Relied on, as read in distributed 2026.8.0 and dask-jobqueue 0.9.0: ``SpecCluster`` starts what ``worker_spec`` names
and keeps it in ``workers``; ``_update_worker_status`` of the instance hears of each worker that comes and goes;
``_adaptive`` is its adaptive scaling; a job's ``worker_processes`` says how many workers it starts. A worker is told by
``worker-status-change`` in its stream that it is to go on, and `RetireWorker` is the policy of the memory manager that
moves its data away. Without these parts moorage starts no cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from moorage._dask.parts import parts_of

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.core import Status
    from distributed.deploy.adaptive import Adaptive
    from distributed.deploy.cluster import Cluster
    from distributed.deploy.spec import SpecCluster
    from distributed.scheduler import WorkerState

SUBJECT = "scaling"

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.deploy.spec:SpecCluster",
        calls={
            "_update_worker_status": ("op", "msg"),
            "_threads_per_worker": (),
            "_memory_per_worker": (),
            "_close": (),
            "scale_down": ("workers",),
            "new_worker_spec": (),
        },
        has=("dashboard_link", "scheduler_address"),
        live=("_adaptive", "new_spec", "scheduler_info", "scheduler_spec", "status", "worker_spec", "workers"),
    ),
    *parts_of(SUBJECT, "distributed.deploy.adaptive:Adaptive", calls={"scale_up": ("n",), "scale_down": ("workers",)}),
    *parts_of(
        SUBJECT,
        "distributed.scheduler:Scheduler",
        calls={
            "remove_worker": ("address", "stimulus_id", "expected", "close"),
            "retire_workers": ("workers", "close_workers", "remove"),
        },
        live=("client_comms", "extensions", "handlers", "plugins", "stream_comms"),
    ),
    *parts_of(SUBJECT, "distributed.active_memory_manager:RetireWorker", calls={"__init__": ("address",)}),
    *parts_of(
        SUBJECT,
        "distributed.diagnostics.plugin:SchedulerPlugin",
        calls={"valid_workers_downscaling": ("scheduler", "workers")},
    ),
)


def adaptive_of(cluster: Cluster) -> Adaptive | None:
    """Return the adaptive scaling of a cluster, if it has any."""
    return cluster._adaptive


def end_adaptive(cluster: Cluster) -> None:
    """End the adaptive scaling of a cluster."""
    adaptive, cluster._adaptive = cluster._adaptive, None
    if adaptive is not None:
        adaptive.stop(reason="moorage")


def threads_per_worker(cluster: SpecCluster) -> int:
    """Return the threads that a new worker, or the workers of a new job, will have."""
    return int(cluster._threads_per_worker())


def memory_per_worker(cluster: SpecCluster) -> int:
    """Return the bytes that a new worker, or the workers of a new job, will have."""
    return int(cluster._memory_per_worker())


def processes_per_job(cluster: Any) -> int:
    """Return how many workers a job of a cluster of dask-jobqueue starts; 1 for other clusters."""
    return getattr(getattr(cluster, "_dummy_job", None), "worker_processes", None) or 1


def watch_workers(cluster: Any, heard: Callable[[str, Any], None]) -> Callable[[], None]:
    """Call ``heard(op, message)`` before a cluster hears that workers come and go; return what ends that.

    `heard` stands in the place of what ``SpecCluster`` does about lost workers.
    """
    from distributed.deploy.cluster import Cluster

    def update(op: str, message: Any) -> None:
        heard(op, message)
        Cluster._update_worker_status(cluster, op, message)

    cluster._update_worker_status = update

    def end() -> None:
        if cluster.__dict__.get("_update_worker_status") is update:
            del cluster._update_worker_status

    return end


def expendable(scheduler: Scheduler, workers: Iterable[WorkerState]) -> set[WorkerState]:
    """Return those of workers that no plugin of the scheduler wants to keep when a cluster gets smaller."""
    left = set(workers)
    for plugin in list(scheduler.plugins.values()):
        left &= set(plugin.valid_workers_downscaling(scheduler, list(left)))
    return left


def reprieve(scheduler: Scheduler, before: Mapping[str, Status]) -> None:
    """Undo what ``retire_workers`` does to workers, as it does itself when it finds no recipient.

    `before`: what workers were, by address.
    """
    from distributed.active_memory_manager import RetireWorker

    amm: Any = scheduler.extensions.get("amm")
    for policy in list(amm.policies) if amm else ():
        if isinstance(policy, RetireWorker) and policy.address in before:
            amm.policies.discard(policy)
    for address, status in before.items():
        if address in scheduler.workers:
            scheduler.stream_comms[address].send(
                {"op": "worker-status-change", "status": status.name, "stimulus_id": f"moorage-stay-{time.time()}"}
            )


def is_used(scheduler: Scheduler, clients: int = 0) -> bool:
    """Whether there are more than so many clients, or there is a task on a worker."""
    return len(scheduler.client_comms) > clients or any(ws.processing for ws in scheduler.workers.values())


def plugin_of(scheduler: Scheduler, name: str) -> Any:
    """Return the scheduler's plugin of that name, or None."""
    return scheduler.plugins.get(name)


async def close(cluster: Any) -> None:
    """Close a cluster; on its event loop."""
    await cluster._close()
