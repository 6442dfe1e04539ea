"""Cluster objects of Dask: their size, and what they do when a worker is lost.

Relied on, as read in distributed 2026.8.0 and dask-jobqueue 0.9.0: ``SpecCluster`` starts what ``worker_spec`` names
and keeps it in ``workers``; ``_update_worker_status`` of the instance hears of each worker that comes and goes;
``_adaptive`` is its adaptive scaling; a job's ``worker_processes`` says how many workers it starts. Without these parts
moorage starts no cluster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moorage._dask.parts import parts_of

if TYPE_CHECKING:
    from distributed.deploy.adaptive import Adaptive
    from distributed.deploy.cluster import Cluster
    from distributed.deploy.spec import SpecCluster

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
        live=("_adaptive", "new_spec", "scheduler_info", "worker_spec", "workers"),
    ),
    *parts_of(SUBJECT, "distributed.deploy.adaptive:Adaptive", calls={"scale_up": ("n",), "scale_down": ("workers",)}),
    *parts_of(
        SUBJECT,
        "distributed.scheduler:Scheduler",
        calls={
            "remove_worker": ("address", "stimulus_id", "expected", "close"),
            "retire_workers": ("workers", "close_workers", "remove"),
        },
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


async def close(cluster: Any) -> None:
    """Close a cluster; on its event loop."""
    await cluster._close()
