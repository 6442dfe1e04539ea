"""Puts large arrays that a worker got from elsewhere where the processor reads them fastest.

Dask receives an array in one piece with the message around it, so that it begins at any odd address. Reading such an
array is slower, each time anew, a sum up to two and a half times; copying it once costs no more than a few sums. Runs
on workers, shipped by value.
"""

from __future__ import annotations

import asyncio
from typing import Any

from distributed.utils import offload

from moorage.worker.memory import is_plain_array

SMALLEST = 1_000_000
"""Bytes of an array that is worth it."""


class Alignment:
    """Replaces arrays at odd addresses among the data of a worker by copies at even ones. On the worker's event loop.

    Parameters
    ----------
    worker : distributed.Worker
    """

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._running: set[asyncio.Task[None]] = set()
        for key in list(self._in_memory()):
            self.look(key)

    def look(self, key: Any) -> None:
        """See whether the value of `key`, which is in memory now, is such an array; if so replace it, in a moment."""
        value = self._in_memory().get(key)
        if is_plain_array(value) and value.nbytes >= SMALLEST and not value.flags.aligned and self._has_room(value):
            task = asyncio.ensure_future(self._replace(key, value))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _replace(self, key: Any, value: Any) -> None:
        copy = await offload(aligned, value)
        if self._in_memory().get(key) is value:  # and not gone or spilled meanwhile
            self._worker.data[key] = copy

    def _in_memory(self) -> Any:
        """Return what is in memory, without what was spilled to disk."""
        return getattr(self._worker.data, "fast", self._worker.data)

    def _has_room(self, value: Any) -> bool:
        manager = self._worker.memory_manager
        if not manager.memory_limit:
            return True
        target = manager.memory_target_fraction or 1.0
        return bool(self._worker.monitor.get_process_memory() + value.nbytes < target * manager.memory_limit)


def aligned(value: Any) -> Any:
    """Return a copy of an array that is aligned, and otherwise the same: in the same order, as writeable."""
    import numpy as np

    copy = np.require(value, requirements=["ALIGNED"])
    copy.flags.writeable = value.flags.writeable
    return copy
