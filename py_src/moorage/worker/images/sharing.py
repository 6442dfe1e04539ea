"""A worker's part in having one copy of an image on a host: it maps what others have, and offers what it has mapped.

Before a worker sends images to another one of its host it asks it to map their segments (``moorage_map``), and sends
the buffers themselves of those that the other cannot map: it runs as another user or in another container, or has no
file descriptor left. An image that comes from another host is brought into a segment here, for the others to map.

Shipped by value to workers that do not have moorage.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, TypeGuard

from distributed.comm.addressing import get_address_host
from distributed.utils import offload

from moorage._dask.server import answer, ask
from moorage._dask.spilling import in_memory
from moorage._dask.worker import add_metric
from moorage.images.carrier import Table
from moorage.images.format import digest_of, layout
from moorage.images.free_memory import host_free
from moorage.images.segment import SMALLEST_SHARED, Handle, Segment, sweep
from moorage.wire.images import METRIC, SHARED_TOPIC, HandleTuple, ImageHandlers, Room, SharedReport
from moorage.worker.images.memory_manager import MemoryRules

OFF = "sharing is switched off (moorage.images.share)"
"""Why a worker that takes no part shares nothing."""

_ASK_SECONDS = 5


class Sharing:
    """What one worker does about it, until it is closed. On the worker's event loop.

    `table`: the images of the process. `allowed`: whether to take part at all.
    """

    def __init__(self, worker: Any, table: Table, allowed: bool) -> None:
        self._worker = worker
        self._table = table
        self._allowed = allowed
        rules = MemoryRules(worker, table.is_shared, lambda: table.mappings.nbytes, table.forget)
        self._undo = [
            rules.undo,
            answer(worker, moorage_map=self.map, moorage_room=self.room, moorage_unite=self.unite),
            add_metric(worker, METRIC, self.room),
        ]
        if allowed:
            sweep()
            table.bring = self.bring

    def close(self) -> None:
        """Let Dask's own rules hold again."""
        for undo in self._undo:
            undo()

    async def map(self, handles: Iterable[HandleTuple], keep: bool = True) -> list[str]:
        """Map segments, to `keep` them for what is about to be sent; return of each why that cannot be, or ""."""
        prepare = self._table.mappings.prepare
        return [prepare(handle, keep=keep) if self._allowed else OFF for handle in handles]

    def room(self, _: Any = None) -> Room:
        """Return what the host has left for this worker, and whether it shares memory; told with each heartbeat."""
        return {"host_free": host_free(), "shares": self._allowed}

    async def offer(self, who: str | None, keys: Iterable[Any]) -> set[bytes]:
        """Return the segments of `keys`, by nonce, that the worker at address `who` has mapped now."""
        if not self._allowed or not self._is_near(who):
            return set()
        handles: list[Handle] = []
        for key in keys:
            handle = self._table.segment_of(self.in_memory(key))
            if handle is not None and handle not in handles:
                handles.append(handle)
        if not handles:
            return set()
        try:
            other: ImageHandlers = ask(self._worker, who)
            asking = other.moorage_map(handles=[tuple(handle) for handle in handles])
            answers = await asyncio.wait_for(asking, _ASK_SECONDS)
        except (OSError, TimeoutError):
            return set()
        return {handle.nonce for handle, why in zip(handles, answers or (), strict=False) if why == ""}

    async def unite(self, key: Any, source: str) -> bool:
        """Have a value where the worker at `source` has it, if that is the same; return whether it is there now."""
        value = self.in_memory(key)
        image, writable = self._table.image_of(value), self._table.is_writable(value)
        if image is None or writable or self._table.segment_of(value) is None:  # what was written must stay
            return False
        other: ImageHandlers = ask(self._worker, source)
        try:
            (loan,) = await asyncio.wait_for(other.moorage_lend(keys=[key]), _ASK_SECONDS)
            if not loan or "handle" not in loan or digest_of(loan["stream"]) != image.digest:
                return False
            found = await offload(self._table.map, loan["stream"], loan["sizes"], loan["handle"])
        except (OSError, TimeoutError):  # it is gone, or cannot be mapped here
            return False
        if self.in_memory(key) is not value:  # it was let go meanwhile
            return False
        self._worker.data[key] = found
        self.tell(key)
        return True

    def bring(self, buffers: list[memoryview]) -> list[memoryview]:
        """Bring buffers that have come from elsewhere into a segment, so that others of this host can map it."""
        plan = layout([buffer.nbytes for buffer in buffers])
        if plan.nbytes >= SMALLEST_SHARED:
            try:
                segment = Segment(plan.nbytes)
                try:
                    segment.write(zip(plan.offsets, buffers, strict=True), plan.nbytes)
                    return plan.split(self._table.mappings.map(segment.handle).memory)
                finally:
                    segment.close()
            except OSError:  # no such memory here, or none left
                pass
        return self._table.align(buffers)

    def tell(self, key: Any) -> None:
        """Tell the scheduler if the value of `key`, which has just come, lies in memory that the host shares."""
        value = self.in_memory(key)
        if (segment := self._table.segment_of(value)) is not None:
            image = self._table.image_of(value)
            shared, own = (image.shareable, image.nbytes - image.shareable) if image is not None else (0, 0)
            report: SharedReport = {"worker": self._worker.address, "shared": {key: (shared, segment.nonce.hex(), own)}}
            self._worker.log_event(SHARED_TOPIC, report)

    def in_memory(self, key: Any) -> Any:
        """Return the value of `key`, or None if it is not in memory; looking is not to count as use."""
        memory, beside = in_memory(self._worker.data)
        return beside[key] if key in beside else memory.get(key)

    def _is_near(self, who: str | None) -> TypeGuard[str]:
        """Whether `who` may be a worker of this host."""
        return (
            who is not None and "://" in who and get_address_host(who) == get_address_host(self._worker.contact_address)
        )
