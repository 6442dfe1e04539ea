"""Has workers and nannies take moorage's code, each of them once.

Dask tells them once, and newcomers when they register. Whoever was stuck then would never have it: so it is told again
until it has answered or gone.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from moorage._dask.scheduler.plugins import has_take, is_given, nannies_of, register
from moorage.plan import Address

if TYPE_CHECKING:
    from distributed import Scheduler

_PAUSE = 1.0  # seconds before one is told again; each attempt waits for as long as it may take to connect


class WorkerCode:
    """Puts plugins on workers and nannies."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.telling: set[asyncio.Task[None]] = set()
        """One for each that is told again, for each plugin."""

    async def install_on_workers(
        self, name: str, plugin: bytes, take: bytes, nannies: bool = False
    ) -> dict[Address, Any]:
        """Put a plugin on all workers, or nannies, unless it is there; return what they say.

        `take`: function that has one take a plugin unless it has it, pickled; see ``_dask/taking.py``. Nothing is
        returned of those that were told before, nor if one of them cannot be reached.
        """
        try:
            return await register(self._scheduler, name, plugin, nannies=nannies)
        except OSError:  # who it was, Dask does not say
            told = nannies_of(self._scheduler) if nannies else list(self._scheduler.workers)
            for address in told:
                task = asyncio.create_task(self._tell(address, name, plugin, take, nannies))
                self.telling.add(task)
                task.add_done_callback(self.telling.discard)
            return {}

    async def _tell(self, address: Address, name: str, plugin: bytes, take: bytes, nanny: bool) -> None:
        """Tell one until it answers. Ends when it has gone, and when the plugin is taken off again."""
        while is_given(self._scheduler, name, address, nanny=nanny):
            with contextlib.suppress(OSError):
                await has_take(self._scheduler, address, take, name=name, plugin=plugin)
                return
            await asyncio.sleep(_PAUSE)

    def close(self) -> None:
        """Tell nobody any more."""
        for task in self.telling:
            task.cancel()
