"""Letting workers go without losing data: which ones, whether their data fits elsewhere, and the move itself.

`distributed` closes workers first and asks later: ``SpecCluster.scale`` passes names to ``retire_workers(workers=)``,
which expects addresses and therefore moves nothing, and ``Adaptive`` closes workers whose data could not be moved.
Here the data is moved by address and its absence confirmed before a worker is removed from the scheduler. Ending the
process of the worker is left to the cluster object (``scaler.py``).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import dask.config
from dask.utils import format_bytes
from distributed import Scheduler
from distributed.scheduler import TaskState, WorkerState

from moorage import capacity
from moorage._dask import scaling as boundary
from moorage.errors import DoesNotFitError, ScaleError
from moorage.model import WorkerInfo
from moorage.scheduler.placement.observed import own_nbytes, worker_info
from moorage.scheduler.shared import Shared
from moorage.wire.images import METRIC


@dataclass(frozen=True)
class Job:
    """One entry of a cluster's worker spec: what is started and ended as one."""

    name: Hashable  # its key in the worker spec
    size: int  # number of workers it starts; 1 except for jobs of several processes
    workers: tuple[WorkerState, ...]  # those of its workers that the scheduler knows


def choose(scheduler: Scheduler, jobs: Sequence[Job], surplus: int, is_named: Callable[[Hashable], bool]) -> list[Job]:
    """Return the jobs to end so that up to `surplus` workers go, never more.

    Jobs without a worker yet go first. Then those whose loss costs least: not one that holds an Actor, runs a task
    that submits tasks, or that a scheduler plugin wants to keep; then by tasks, by bytes that would have to move; of
    equals the numbered before the named, and the newest first.
    """
    idle = [ws for job in jobs for ws in job.workers if not ws.long_running and not ws.actors]
    expendable = boundary.expendable(scheduler, idle)
    shared = _shared(scheduler)

    def cost(item: tuple[int, Job]) -> tuple[bool, int, int, int, bool, int]:
        position, job = item
        others = scheduler.running.difference(job.workers)
        return (
            bool(job.workers),
            len(set(job.workers) - expendable),
            sum(len(ws.processing) for ws in job.workers),
            sum(_own(ts, others, shared) for ts in only_on(job.workers)),
            is_named(job.name),
            -position,
        )

    chosen = []
    for _, job in sorted(enumerate(jobs), key=cost):
        if job.size <= surplus:
            chosen.append(job)
            surplus -= job.size
    return chosen


def only_on(workers: Collection[WorkerState]) -> list[TaskState]:
    """Return the tasks whose result is on these workers and on no other."""
    leaving = set(workers)
    return list({ts: None for ws in leaving for ts in ws.has_what if ts.who_has is not None and ts.who_has <= leaving})


def check_movable(leaving: Iterable[WorkerState]) -> None:
    """Check that nothing is on these workers that can be neither moved nor saved. Raises ScaleError."""
    for ws in leaving:
        if ws.actors:
            raise ScaleError(
                f"Worker {str(ws.name)!r} holds an Actor, which cannot be moved.",
                "Release the Actor first, or remove another worker.",
            )


def check_fit(scheduler: Scheduler, leaving: Collection[WorkerState]) -> None:
    """Check that what only the leaving workers hold fits on the others without spilling to disk.

    What a host shares stays where it is as long as workers of the host do: they map it. Raises DoesNotFitError if it
    does not. The numbers are in the message. Raises ScaleError if there is data to move and no running worker stays, or
    an Actor, which cannot move, would have to.
    """
    check_movable(leaving)
    tasks = only_on(leaving)
    staying = sorted(scheduler.running - set(leaving), key=lambda ws: str(ws.name))
    if not staying:
        files = getattr(boundary.plugin_of(scheduler, "moorage"), "files", ())
        tasks = [ts for ts in tasks if ts.key not in files]  # those come back from there
    if not tasks:
        return
    sizes = [ts.get_nbytes() for ts in tasks]
    if not staying:
        others = sorted(str(ws.name) for ws in set(scheduler.workers.values()) - set(leaving))
        which = f" ({', '.join(others[:10])}: not running, perhaps as their memory is full)" if others else ""
        raise ScaleError(
            f"{_amount(sizes)} would be lost: no running worker remains to take the data{which}.",
            "Keep at least one running worker, save it (--to PATH, to=), release it, or use force to lose it.",
        )
    shared = _shared(scheduler)
    own = [_own(ts, staying, shared) for ts in tasks]
    share = dask.config.get("distributed.worker.memory.target") or 1.0
    free = {str(ws.name): max(0.0, capacity.free(_info(ws, shared), share)) for ws in staying}
    hosts = capacity.host_free(worker_info(ws, shared=shared) for ws in staying)
    if sum(own) > min(sum(free.values()), sum(hosts.values())) or max(own) > max(free.values()):
        raise DoesNotFitError(
            f"{_amount(own)} (the largest {format_bytes(max(own))}) would have to move to the remaining workers,"
            f" which have room for: {_listed(free)}.",
            "Keep more workers, release data first, or force it: the workers then spill to disk.",
        )


async def evacuate(scheduler: Scheduler, addresses: Iterable[str], timeout: float) -> None:
    """Move all data away that only these workers hold, then take them off the scheduler and tell them to close.

    `timeout`: seconds for the data to move. Raises ScaleError if the data does not move, or not in time. The workers go
    on as before.
    """
    deadline = time.monotonic() + timeout
    before = {address: scheduler.workers[address].status for address in addresses if address in scheduler.workers}
    try:
        while leaving := [scheduler.workers[address] for address in before if address in scheduler.workers]:
            retired = await asyncio.wait_for(
                scheduler.retire_workers(workers=[ws.address for ws in leaving], remove=False, close_workers=False),
                max(0.0, deadline - time.monotonic()),
            )
            stuck = [ws for ws in leaving if ws.address in scheduler.workers and ws.address not in retired]
            if stuck:
                raise ScaleError(
                    f"Worker {str(stuck[0].name)!r} holds data that no other worker accepts.",
                    "Check whether the others are paused, or keep this worker.",
                )
            # A task that was running meanwhile may have left a result.
            leaving = [ws for ws in leaving if ws.address in scheduler.workers]
            if not only_on(leaving):
                break
    except BaseException as error:
        boundary.reprieve(scheduler, before)
        if isinstance(error, TimeoutError):
            raise ScaleError(
                f"The data of the leaving workers did not move within {timeout:g} s.",
                "Try again with a longer time limit; data that has moved stays moved.",
            ) from error
        raise
    # From the check to here nothing was awaited.
    for address in before:
        await scheduler.remove_worker(address, expected=True, close=False, stimulus_id=f"moorage-leave-{time.time()}")


def _shared(scheduler: Scheduler) -> Shared | None:
    """Return what is known of memory that hosts share, if moorage is on the scheduler."""
    return getattr(boundary.plugin_of(scheduler, "moorage"), "shared", None)


def _info(ws: WorkerState, shared: Shared | None) -> WorkerInfo:
    """Return a worker with what it uses: the more of two figures.

    They are what the worker last reported, which lags behind, and its data as the scheduler knows it plus what it
    lastingly needs besides, which is underestimated for half a minute after a change.
    """
    info = worker_info(ws, memory=True, shared=shared)
    return replace(info, process=max(info.process, own_nbytes(ws, shared) + ws.memory.unmanaged_old))


def _own(ts: TaskState, staying: Collection[WorkerState], shared: Shared | None) -> int:
    """Return the bytes of a task's result that a worker which takes it would have for itself."""
    if shared is None or ts.key not in shared:
        return ts.get_nbytes()
    hosts = {ws.host: ws for ws in staying if ws.metrics.get(METRIC, {}).get("shares")}
    return max(0, ts.get_nbytes() - max((shared.nbytes(ts.key, ws) for ws in hosts.values()), default=0))


def _amount(sizes: Sequence[int]) -> str:
    return f"{format_bytes(sum(sizes))} in {len(sizes)} {'key' if len(sizes) == 1 else 'keys'}"


def _listed(free: dict[str, float]) -> str:
    shown = [f"{name} {format_bytes(int(room)) if room < math.inf else 'any'}" for name, room in free.items()]
    return ", ".join(shown[:10]) + (f" and {len(shown) - 10} more" if len(shown) > 10 else "")
