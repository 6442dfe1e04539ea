"""Tells the user of a worker that has spilled or is about to, to pause, or to be killed: what fills it, and what helps.

A notice for each such worker, which goes when the worker has room again. What workers take comes with the scheduler's
events; the ledger is asked only when one of them gets short of memory. On the client's event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import dask.config

from moorage.errors import MoorageError
from moorage.kernel.connection.scheduler_link import Kind, SchedulerLink
from moorage.kernel.ledger.advice import filled_by, shortage
from moorage.kernel.ledger.memory import Memory
from moorage.naming import short_name

logger = logging.getLogger(__name__)

_PAUSE = 1.0
"""Seconds between looks."""


class Watch:
    """Watches the workers of one cluster, for as long as the connection tells of them.

    `memory`: returns an awaitable of the ledger as of now.
    """

    def __init__(self, link: SchedulerLink, memory: Callable[[], Awaitable[Memory]]) -> None:
        self._link = link
        self._memory = memory
        self._told: dict[str, str] = {}  # worker -> what it was said to be about to do
        self._looking: asyncio.Task[None] | None = None
        self._changed = False
        self._unsubscribe = link.subscribe(self._on_change)

    def close(self) -> None:
        """Watch no longer."""
        self._unsubscribe()
        if self._looking is not None:
            self._looking.cancel()

    def _on_change(self, kind: Kind) -> None:
        if kind == "workers":
            self._changed = True
            if self._looking is None or self._looking.done():
                self._looking = asyncio.ensure_future(self._look_on())

    async def _look_on(self) -> None:
        while self._changed:  # also while it was looked
            await asyncio.sleep(_PAUSE)
            self._changed = False
            await self._look()

    async def _look(self) -> None:
        fractions = dask.config.get("distributed.worker.memory", {})
        short = {
            name: what
            for name, worker in list(self._link.mirror.workers.items())
            if (
                what := shortage(
                    worker["status"],
                    worker["process"],
                    worker["managed"],
                    worker["spilled"],
                    worker["memory_limit"],
                    fractions,
                )
            )
        }
        for name in self._told.keys() - short.keys():
            del self._told[name]
            self._link.notices.pop(_notice_id(name), None)
            self._link.changed("notices")
        new = {name: what for name, what in short.items() if self._told.get(name) != what}
        if not new:
            return
        try:
            memory = await self._memory()
        except (MoorageError, OSError) as error:  # the connection is lost, say
            logger.debug("Could not ask what fills %s: %s", ", ".join(new), error)
            return
        for worker in memory.workers:
            if worker.name in new:
                said, remedy, _ = filled_by(memory, worker)
                what = self._told[worker.name] = new[worker.name]
                self._link.notices[_notice_id(worker.name)] = {
                    "id": _notice_id(worker.name),
                    "level": "warning",
                    "message": f"Worker {short_name(worker.name)} {what}: {said}",
                    "remedy": remedy,
                    "variable": "",
                }
                self._link.changed("notices")


def _notice_id(worker: str) -> str:
    return f"memory-{worker}"
