"""What shuffles (P2P) send from worker to worker; Dask logs it nowhere.

Relied on, as read in distributed 2026.8.0: ``CommShardsBuffer.process(address, shards, size)`` sends ``size`` bytes by
its ``send``, a method of the `ShuffleRun` of one worker, which has ``id`` and ``local_address``; if that fails it sets
``_exception``. Rechunking goes the same way. Without these parts a worker does not take the plugin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from distributed.metrics import time
from distributed.shuffle._comms import CommShardsBuffer

from moorage._dask.parts import parts_of

SUBJECT = "report of shuffles"

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.shuffle._comms:CommShardsBuffer",
        calls={"process": ("id", "shards", "size")},
    ),
    *parts_of(SUBJECT, "distributed.shuffle._core:ShuffleRun", calls={"send": ("address", "shards")}),
)

Note = Callable[[str, str, int, float, float], None]
"""Called with the other's address, the shuffle's id, bytes, and when that began and ended."""


def count(worker: Any, note: Note) -> Callable[[], None]:
    """Have `note` called for all that shuffles of `worker` send to others; return how to end that."""
    inner: Any = CommShardsBuffer.process
    notes = [note]

    async def process(self: Any, id: str, shards: Any, size: int) -> None:  # Dask's name for an address
        start = time()
        await inner(self, id, shards, size)
        run = getattr(self.send, "__self__", None)
        if notes and run is not None and run.local_address == worker.address != id and self._exception is None:
            note(id, str(run.id), size, start, time())

    CommShardsBuffer.process = process  # type: ignore[method-assign]

    def undo() -> None:
        notes.clear()
        if CommShardsBuffer.process is process:
            CommShardsBuffer.process = inner  # type: ignore[method-assign]

    return undo
