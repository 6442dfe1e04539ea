"""Changing the size of a cluster: up, down without loss, adaptively, and back to size when workers are lost.

Works on any `distributed.SpecCluster` (local, SSH, job queues) whose scheduler lives in this process.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Literal, NamedTuple

from dask.utils import parse_bytes
from distributed import LocalCluster, Scheduler
from distributed.core import Status
from distributed.deploy.adaptive import Adaptive
from distributed.deploy.spec import SpecCluster

from moorage._dask.refusal import check
from moorage._dask.scaling import PARTS, end_adaptive, memory_per_worker, processes_per_job, threads_per_worker
from moorage.deploy.processes import allow_open_files
from moorage.deploy.reasons import failure
from moorage.deploy.scaling.retire import Job, check_fit, check_movable, choose, evacuate, only_on
from moorage.deploy.spec import check_size
from moorage.errors import InputError, MoorageError, ScaleError, UnknownWorkerError
from moorage.wire.host import HostInfo

logger = logging.getLogger(__name__)

ADAPTIVE_OPTIONS = ("interval", "wait_count", "target_duration")
"""See `distributed.deploy.Adaptive`."""


class Parked(NamedTuple):
    """What a cluster was that has no workers for a while."""

    workers: dict[Hashable, Any]  # its worker spec
    range: tuple[int, int] | None  # in which it adapts

    @property
    def names(self) -> list[str]:
        """Of its workers."""
        return [name for job, spec in self.workers.items() for name in worker_names(job, spec)]


class Scaler:
    """Sole owner of the size of a cluster.

    `cluster`: a running cluster. `scheduler`: its scheduler, in this process. Raises VersionError if Dask lacks
    something that is relied on.
    """

    def __init__(self, cluster: SpecCluster, scheduler: Scheduler) -> None:
        check(PARTS, cluster, scheduler)
        self.cluster: Any = cluster  # most of it has no types
        self.scheduler = scheduler
        self.trouble = ""
        """Why the cluster is not of the size asked for, or empty."""
        self.on_change: Callable[[], object] = lambda: None
        """Called when the size was changed, or trouble noted, other than by a call from outside."""
        self._lock = asyncio.Lock()
        self._range: tuple[int, int] | None = None
        _complete(self.cluster)

    def info(self) -> HostInfo:
        """Return the size asked for and what there is of it: worker names are text."""
        requested: list[str] = []
        arrived: list[str] = []
        for job in self.jobs():
            requested += worker_names(job.name, self.cluster.worker_spec[job.name])
            arrived += [str(ws.name) for ws in job.workers]
        return {
            "requested": requested,
            "arrived": arrived,
            "pending": [name for name in requested if name not in set(arrived)],
            "adapt": None if self._range is None else {"minimum": self._range[0], "maximum": self._range[1]},
            "trouble": self.trouble,
        }

    def jobs(self) -> list[Job]:
        """Return the entries of the worker spec, oldest first, with those of their workers that have arrived."""
        arrived = {str(ws.name): ws for ws in self.scheduler.workers.values()}
        jobs = []
        for name, spec in self.cluster.worker_spec.items():
            names = worker_names(name, spec)
            jobs.append(Job(name, len(names), tuple(arrived[n] for n in names if n in arrived)))
        return jobs

    async def command(self, command: Literal["info", "scale", "adapt", "fix"], **arguments: Any) -> None:
        """Carry out what is asked of a cluster's size, from wherever."""
        match command:
            case "scale":
                await self.scale(**arguments)
            case "adapt":
                await self.adapt(**arguments)
            case "fix":
                self.stop_adapting()

    async def scale(
        self,
        n: object = None,
        *,
        workers: Sequence[str] | None = None,
        cores: float | None = None,
        memory: float | str | None = None,
        force: bool = False,
        timeout: float = 60.0,
        rehearse: bool = False,
    ) -> None:
        """Bring the cluster to a size, or let chosen workers go. Adaptive scaling ends.

        Raises InputError or UnknownWorkerError if the request is invalid. Raises DoesNotFitError or ScaleError if it
        cannot be done without losing data or at all. The size stays as it was. The arguments are those of
        `ClusterController.scale`. With `force` workers spill what does not fit, and what no worker stays for is lost.
        To `rehearse` is to find only whether all workers could go, if files had what they have.
        """
        if sum(request is not None for request in (n, workers, cores, memory)) != 1:
            raise InputError(
                "Give exactly one of n, workers, cores, memory.",
                "For example scale(4), scale(cores=16), or scale(workers=[...]) to remove some.",
            )
        if rehearse:
            if not force:
                check_movable(self.scheduler.workers.values())
            return
        async with self._lock:
            jobs = self.jobs()
            if workers is not None:
                leaving = self._named(jobs, workers)
                self._end_adapt()
                await self._shrink(leaving, force, timeout)
                return
            size = self._size(n, cores, memory)
            present = sum(job.size for job in jobs)
            if size > present:
                self._check_growth(size)
                self._end_adapt()
                await self._grow(size, timeout)
            else:
                leaving = choose(self.scheduler, jobs, present - size, self._is_named)
                self._end_adapt()
                await self._shrink(leaving, force, timeout)

    async def adapt(self, minimum: int, maximum: int, **options: Any) -> None:
        """Let the scheduler choose the size from its load, within a range. Data is never lost by it.

        `minimum`, `maximum`: workers. `options`: those of `ADAPTIVE_OPTIONS`. Raises InputError if the range is empty
        or not one of whole numbers, or an option is none of these.
        """
        if unknown := set(options) - set(ADAPTIVE_OPTIONS):
            raise InputError(
                f"Adaptive scaling has no option {min(unknown)!r} here.",
                f"It has minimum, maximum, {', '.join(ADAPTIVE_OPTIONS)}.",
            )
        minimum, maximum = _count(minimum), _count(maximum)
        if not minimum <= maximum or maximum == 0:
            raise InputError(
                f"From {minimum} to {maximum} workers is not a valid range.", "Put the smaller number first."
            )
        self._check_growth(maximum)
        async with self._lock:
            self._end_adapt()
            self._range = (minimum, maximum)
            self.cluster.adapt(Adaptive=partial(_KeepingAdaptive, self), minimum=minimum, maximum=maximum, **options)

    def stop_adapting(self) -> None:
        """Keep the size as it is now."""
        self._end_adapt()

    async def restore(self) -> None:
        """Start again what is missing from the size asked for."""
        async with self._lock:
            if self.cluster.status != Status.running:
                return
            for name, worker in list(self.cluster.workers.items()):
                if worker.status in (Status.closed, Status.failed) and name in self.cluster.worker_spec:
                    del self.cluster.workers[name]
            if set(self.cluster.worker_spec) - set(self.cluster.workers):
                try:
                    await self.cluster
                    self.trouble = ""
                except Exception as error:
                    self.trouble = f"A worker could not be started: {failure(error)}"
                    self._forget_failed()
                    raise
                finally:
                    self.on_change()

    async def park(self, on_leaving: Callable[[Parked], object]) -> None:
        """Let all workers go, whose data must be in files.

        `on_leaving`: called with what `unpark` takes, before the first goes. Raises ScaleError if something would be
        lost. The size stays as it was.
        """
        async with self._lock:
            jobs = self.jobs()
            check_fit(self.scheduler, list(self.scheduler.workers.values()))
            on_leaving(Parked(dict(self.cluster.worker_spec), self._range))
            self._end_adapt()
            await self._shrink(jobs, force=False, timeout=60.0)

    async def unpark(self, parked: Parked) -> None:
        """Start the workers again that `park` has let go, under their names; what does not start is tried again."""
        self.cluster.worker_spec.update(parked.workers)
        with suppress(Exception):  # it is noted
            await self.restore()
        if parked.range is not None:
            await self.adapt(*parked.range)

    async def adaptive_grow(self, size: int) -> None:
        """Grow as adaptive scaling wants it; trouble is noted, not raised."""
        async with self._lock:
            try:
                await self._grow(size, timeout=60.0)
                self.trouble = ""
            except MoorageError as error:
                self.trouble = error.message
        self.on_change()

    async def adaptive_shrink(self, names: Collection[Hashable]) -> None:
        """Shrink as adaptive scaling wants it, unless data would be lost or spilled; that is noted, not raised."""
        unwanted = {str(name) for name in names}
        async with self._lock:
            jobs = [
                job
                for job in self.jobs()
                if set(worker_names(job.name, self.cluster.worker_spec[job.name])) <= unwanted
            ]
            while jobs:
                try:
                    await self._shrink(jobs, force=False, timeout=60.0)
                    self.trouble = ""
                    break
                except MoorageError as error:
                    self.trouble = error.message
                    jobs.pop()  # fewer may do
        self.on_change()

    def _is_named(self, name: Hashable) -> bool:
        return not str(name).isdecimal()

    def _named(self, jobs: Sequence[Job], workers: Sequence[str]) -> list[Job]:
        by_worker = {w: job for job in jobs for w in worker_names(job.name, self.cluster.worker_spec[job.name])}
        asked = [str(worker) for worker in workers]
        for worker in asked:
            if worker not in by_worker:
                raise UnknownWorkerError(worker, by_worker)
        leaving = {by_worker[worker].name: by_worker[worker] for worker in asked}
        for job in leaving.values():
            together = worker_names(job.name, self.cluster.worker_spec[job.name])
            if extra := sorted(set(together) - set(asked)):
                raise ScaleError(
                    f"Worker {extra[0]!r} belongs to the same job as {next(w for w in together if w in asked)!r}.",
                    f"Remove all of: {', '.join(together)}.",
                )
        return list(leaving.values())

    def _size(self, n: object, cores: float | None, memory: float | str | None) -> int:
        if n is not None:
            return _count(n)
        remedy = "Use a number of workers."
        try:
            if cores is not None:
                wanted, per_worker = (
                    float(cores),
                    self._per_worker("nthreads", partial(threads_per_worker, self.cluster)),
                )
            else:
                assert memory is not None
                wanted = float(parse_bytes(memory))
                per_worker = self._per_worker("memory_limit", partial(memory_per_worker, self.cluster))
        except (ValueError, TypeError) as error:
            raise InputError(f"That is not a valid size: {error}.", remedy) from error
        except (KeyError, RuntimeError) as error:
            raise InputError("The size of this cluster's workers is not known yet.", remedy) from error
        if not (0 <= wanted < math.inf and per_worker > 0):
            raise InputError("This cluster cannot be scaled that way.", remedy)
        return math.ceil(wanted / per_worker)

    def _per_worker(self, what: str, by_spec: Callable[[], float]) -> float:
        """Return what one worker has: of one that is there, else what the cluster says of a job."""
        for ws in self.scheduler.workers.values():
            return float(getattr(ws, what))
        return by_spec() / len(self.cluster.new_spec.get("group", [""]))

    def _check_growth(self, size: int) -> None:
        if isinstance(self.cluster, LocalCluster):
            check_size(size)
        allow_open_files(size)

    async def _grow(self, size: int, timeout: float) -> None:
        while sum(job.size for job in self.jobs()) < size:
            self.cluster.worker_spec.update(self.cluster.new_worker_spec())
        started = asyncio.ensure_future(_settled(self.cluster))
        try:
            await asyncio.wait_for(asyncio.shield(started), timeout)
        except TimeoutError:
            started.add_done_callback(self._note_failure)
        except Exception as error:
            self._forget_failed(drop=True)
            raise ScaleError(f"New workers could not be started: {failure(error)}.") from error

    def _note_failure(self, started: asyncio.Future[None]) -> None:
        if not started.cancelled() and (error := started.exception()):
            self.trouble = f"A worker could not be started: {failure(error)}"
            self._forget_failed()
            self.on_change()

    def _forget_failed(self, drop: bool = False) -> None:
        """Forget workers that did not start, so that they can be started again, or `drop` them for good."""
        for name, worker in list(self.cluster.workers.items()):
            if worker.status != Status.running:
                del self.cluster.workers[name]
                if drop:
                    self.cluster.worker_spec.pop(name, None)

    async def _shrink(self, leaving: Sequence[Job], force: bool, timeout: float) -> None:
        if not leaving:
            return
        workers = [ws for job in leaving for ws in job.workers]
        staying = self.scheduler.running - set(workers)
        if not force:
            check_fit(self.scheduler, workers)
        if staying or not (force or only_on(workers)):  # what is only here then, files have, too
            await evacuate(self.scheduler, [ws.address for ws in workers], timeout)
        await self.cluster.scale_down([job.name for job in leaving])

    def _end_adapt(self) -> None:
        end_adaptive(self.cluster)
        self._range = None


class _KeepingAdaptive(Adaptive):
    """Dask's adaptive scaling, carried out by a `Scaler`.

    Dask's own way retires the workers by name, which moves their data, but closes them also when it could not be moved.
    """

    def __init__(self, scaler: Scaler, cluster: SpecCluster, **kwargs: Any) -> None:
        self._scaler = scaler
        super().__init__(cluster, **kwargs)

    async def scale_up(self, n: int) -> None:  # type: ignore[override]
        await self._scaler.adaptive_grow(n)

    async def scale_down(self, workers: Collection[Hashable]) -> None:  # type: ignore[override]
        await self._scaler.adaptive_shrink(workers)


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(f"{value!r} is not a valid number of workers.", "Use a whole number of at least 0.")
    return value


def _complete(cluster: Any) -> None:
    """Let the spec of a cluster of dask-jobqueue say how many workers a job starts.

    It does only where the user has said so in the notebook, rather than in the configuration or by the cores.
    """
    processes = processes_per_job(cluster)
    if processes > 1:
        cluster.new_spec.setdefault("group", [f"-{n}" for n in range(processes)])


async def _settled(cluster: SpecCluster) -> None:
    await cluster


def worker_names(job: Hashable, spec: Mapping[str, Any]) -> list[str]:
    """Return the names of the workers that an entry of the worker spec starts."""
    return [f"{job}{suffix}" for suffix in spec["group"]] if "group" in spec else [str(job)]
