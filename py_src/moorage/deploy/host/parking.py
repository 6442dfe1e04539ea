"""Parks an idle kept cluster: its data is saved and its workers go, until somebody uses it.

What is saved, and how it comes back, a process of its own knows (``controller/unattended/parking.py``): it connects as
a notebook does, writes all that workers have to files, and then asks for ``park``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable

import fsspec.core
from distributed import Scheduler, SchedulerPlugin

from moorage._dask.scaling import is_used
from moorage.deploy.scaling.retire import check_movable
from moorage.deploy.scaling.scaler import Parked, Scaler
from moorage.errors import ScaleError
from moorage.wire import host as wire

logger = logging.getLogger(__name__)


class Parking(SchedulerPlugin):
    """What it does for one cluster.

    `order`: where it is saved to, which is nobody else's, among others; with no such place it is not parked.
    `on_change`: called with whether it is parked.
    """

    name = "moorage-parking"

    def __init__(self, scaler: Scaler, order: wire.ParkingOrder, on_change: Callable[[bool], object]) -> None:
        self.place = order["place"]
        self.woken: wire.Woken | None = None
        """Who came first the last time that it was parked: the workers may be back before they can be told so."""
        self.settle: Callable[[], Awaitable[object]] = _nothing
        """Waits until what survives this process knows which files have what."""
        self._scaler = scaler
        self._order = order
        self._on_change = on_change
        self._saving: asyncio.Task[None] | None = None
        self._waking: asyncio.Task[None] | None = None
        self._before: Parked | None = None
        self._leaving: Parked | None = None
        self._since = 0.0  # the epoch
        scaler.scheduler.add_plugin(self)

    @property
    def parked(self) -> wire.Parked | None:
        """Since when the cluster is parked, and what comes back; None when all of that is back.

        It is so from before the first worker goes: whoever brings the cluster back knows then how many it had.
        """
        if (before := self._before or self._leaving) is None:
            return None
        limits = before.range
        return {
            "since": self._since,
            "workers": before.names,
            "adapt": None if limits is None else {"minimum": limits[0], "maximum": limits[1]},
        }

    def begin(self) -> None:
        """Have the cluster parked, as nobody uses it; what goes wrong is noted, and the cluster goes on."""
        workers = self._scaler.scheduler.workers.values()
        if self._saving is None and self._before is None and workers:
            try:
                check_movable(workers)
                self._saving = asyncio.ensure_future(self._save())
            except ScaleError as error:
                self._fail(error.message)

    async def park(self) -> None:
        """Let all workers go; asked for by who has saved all that they have. Raises ScaleError if that cannot be."""
        if self._is_used():
            raise ScaleError("The cluster is used again, so it is not parked.")
        with contextlib.suppress(OSError):  # nothing survives this process any longer
            await self.settle()
        try:
            await self._scaler.park(self._go)
            self._before = self._leaving
        finally:
            self._leaving = None
        self._scaler.trouble = ""
        logger.info("The cluster is parked in %s", self.place)
        self._on_change(True)
        if self._is_used():
            self._wake()

    async def wake(self) -> None:
        """Start the workers again, if the cluster is parked: its size is about to be changed."""
        self._wake()
        if self._waking is not None:
            await self._waking
        self._before = self._waking = None

    def remove(self) -> None:
        """Remove what has been saved: the cluster has come to its end."""
        if self.place:
            with contextlib.suppress(OSError, ValueError, ImportError):
                files, folder = fsspec.core.url_to_fs(self.place)
                files.rm(folder, recursive=True)

    def add_client(self, scheduler: Scheduler, client: str) -> None:
        """Have the workers back for whoever comes; called by Dask."""
        if self._waking is None and (parked := self.parked) is not None:
            self.woken = {"client": client, "parked": parked}
        self._wake()

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Note that all are back; called by Dask."""
        if self._waking is not None and not self._scaler.info()["pending"]:
            self._before = self._waking = None
            self._scaler.on_change()

    def _go(self, leaving: Parked) -> None:
        self._leaving, self._since = leaving, time.time()

    def _is_used(self) -> bool:
        """Whether there is a client besides the one that asks, or a task."""
        return is_used(self._scaler.scheduler, clients=1)

    def _wake(self) -> None:
        if self._before is not None and self._waking is None:
            self._waking = asyncio.ensure_future(self._scaler.unpark(self._before))
            self._on_change(False)

    async def _save(self) -> None:
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "moorage.controller.unattended.parking"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            said, _ = await process.communicate(json.dumps(self._order).encode())
            trouble = said.decode().strip() or ("" if process.returncode == 0 else "see the log")
        except OSError as error:
            trouble = str(error)
        finally:
            self._saving = None
        if trouble:
            self._fail(trouble)

    def _fail(self, trouble: str) -> None:
        logger.warning("The cluster could not be parked: %s", trouble)
        self._scaler.trouble = f"It was unused and could not be parked in {self.place}: {trouble}"
        self._scaler.on_change()


async def _nothing() -> None:
    """Wait for nothing: this process has nothing that survives it."""
