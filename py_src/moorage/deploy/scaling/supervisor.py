"""Bringing a cluster back to the size asked for when workers end that nobody asked to end.

The nanny of a local worker restarts it. What is left are nannies that gave up, and jobs of a queue that were killed
from outside. `distributed.SpecCluster` notices the latter, ends what it takes for the lost job, and starts no other;
and since it goes by name, a timer of a job that is long gone can hit its successor. This takes the place of that timer.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Any

import dask.config
from dask.utils import parse_timedelta
from distributed import Nanny

from moorage._dask.scaling import watch_workers
from moorage.deploy.scaling.scaler import Scaler, worker_names

logger = logging.getLogger(__name__)

SWEEP = 5.0
LONGEST_PAUSE = 30.0


class Supervisor:
    """Restarts lost workers of the cluster of `scaler`, from `install` until its task `run` is cancelled."""

    def __init__(self, scaler: Scaler) -> None:
        self.scaler = scaler
        self.cluster = scaler.cluster
        self._timers: set[asyncio.Task[None]] = set()
        self._lost = asyncio.Event()

    def install(self) -> None:
        """Take the place of the cluster's own timer for lost workers."""
        self._unwatch = watch_workers(self.cluster, self._heard)

    def uninstall(self) -> None:
        """Leave lost workers to the cluster again."""
        for timer in self._timers:
            timer.cancel()
        self._unwatch()

    async def run(self) -> None:
        """Restart what is missing, with growing pauses while that fails."""
        pause = SWEEP
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._lost.wait(), pause)
            self._lost.clear()
            try:
                await self.scaler.restore()
                pause = SWEEP
            except Exception:
                logger.exception("A worker could not be started")
                pause = min(2 * pause, LONGEST_PAUSE)

    def _heard(self, op: str, message: Any) -> None:
        if op == "remove":
            name = str(self.cluster.scheduler_info["workers"][message]["name"])
            timer = asyncio.ensure_future(self._check(name))
            self._timers.add(timer)
            timer.add_done_callback(self._timers.discard)

    async def _check(self, worker: str) -> None:
        """Replace the job of a worker that was removed, unless one of the job's workers is back in time."""
        job = next((key for key, spec in self.cluster.worker_spec.items() if worker in worker_names(key, spec)), None)
        process = self.cluster.workers.get(job)
        if process is None or isinstance(process, Nanny):
            return
        await asyncio.sleep(parse_timedelta(dask.config.get("distributed.deploy.lost-worker-timeout")))
        spec = self.cluster.worker_spec.get(job)
        if spec is None or self.cluster.workers.get(job) is not process:
            return
        present = {str(info["name"]) for info in self.cluster.scheduler_info["workers"].values()}
        if present & set(worker_names(job, spec)):
            return
        logger.warning("Job %s is lost and started again", job)
        del self.cluster.workers[job]
        with suppress(Exception):  # it is gone, most likely
            await process.close()
        self._lost.set()
