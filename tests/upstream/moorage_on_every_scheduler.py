"""A pytest plugin that puts moorage on every scheduler that starts, so that other people's tests run with it.

Not a test of its own: ``pytest -p moorage_on_every_scheduler``, with this folder on the path. What plain
``scatter(broadcast=)`` and ``replicate`` ask for is not adopted: the tests speak about keys that are not placed.
"""

from __future__ import annotations

from typing import Any

from distributed import Scheduler

from moorage.scheduler.plugin import NAME, PlacementSchedulerPlugin

_start = Scheduler.start_unsafe


async def _start_with_moorage(self: Scheduler) -> Any:
    started = await _start(self)
    await self.register_scheduler_plugin(PlacementSchedulerPlugin(adopt=False), name=NAME, idempotent=True)
    return started


Scheduler.start_unsafe = _start_with_moorage  # type: ignore[method-assign]
