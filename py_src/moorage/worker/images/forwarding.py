"""A worker sends what it has to several hosts at once, into memory that the workers there map.

The scheduler asks for that, ``moorage_forward``, and names one worker of each host. When it answers, these have the
memory mapped. Then the scheduler asks them to take the value, as always; and as they fetch it from this worker, what
they get is the value's stream, and where they have its buffers already. Shipped by value.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from distributed.utils import offload

from moorage._dask.server import answer, ask
from moorage._dask.worker import connection_args
from moorage.images.altered import ATOMS
from moorage.images.carrier import Carrier, Table
from moorage.images.format import Image, digests_of
from moorage.images.mappings import PATIENCE
from moorage.images.segment import SMALLEST_SHARED, Handle
from moorage.wire.images import FORWARDING_TOPIC, Forwarded, ForwardingReport, ImageHandlers
from moorage.worker.images.sharing import OFF, Sharing
from moorage.worker.images.spreading import Spreading

_AT_ONCE = 4  # values
_ASK_SECONDS = 5
_LOOK = 1.0  # seconds between looks whether the value is still here
_TELL = 0.2  # seconds between reports of how far it is


class _Ahead(NamedTuple):
    """A value whose buffers are on the host of a worker already."""

    value: Any
    image: Image
    handle: Handle
    since: float


class Forwarding:
    """What one worker does about it, until it is closed. On the worker's event loop.

    `table`: the images of the process. `allowed`: whether memory is shared at all.
    """

    def __init__(self, worker: Any, table: Table, sharing: Sharing, allowed: bool) -> None:
        self._worker = worker
        self._table = table
        self._sharing = sharing
        self._allowed = allowed
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._ahead: dict[tuple[Any, str], _Ahead] = {}  # by key, and address of a worker
        self._end_answers = answer(worker, moorage_forward=self.forward)

    def close(self) -> None:
        """Send nothing more that way."""
        self._end_answers()
        self._ahead.clear()

    async def forward(self, key: Any, agents: Sequence[str], seconds: float) -> Forwarded:
        """Bring the value of `key` to the hosts of workers, within so many seconds."""
        why, there = dict.fromkeys(agents, OFF), list[str]()
        if self._allowed:
            why = dict.fromkeys(agents, "it took too long")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds), self._turn:
                    why = await self._forward(key, agents)
            there = [address for address in agents if (key, address) in self._ahead and not why.get(address)]
        return {"there": there, "why": {address: text for address, text in why.items() if text}}

    async def carriers(self, who: str | None, keys: Iterable[Any]) -> dict[Any, Any]:
        """Return what is given to Dask in the place of those values whose buffers a worker has mapped by now."""
        ahead = {key: found for key in keys if who is not None and (found := self._ahead.pop((key, who), None))}
        ahead = {key: found for key, found in ahead.items() if self._sharing.in_memory(key) is found.value}
        if not ahead or who is None:
            return {}
        answers = await self._mapped(who, [found.handle for found in ahead.values()])
        return {
            key: Carrier(
                found.image, self._table.module, segment=found.handle, writable=self._table.is_writable(found.value)
            ).frames()
            for (key, found), answer in zip(ahead.items(), answers, strict=True)
            if not answer
        }

    def forget(self, key: Any) -> None:
        """Note that a value has left this worker."""
        for known in [known for known in self._ahead if known[0] == key]:
            del self._ahead[known]

    def expire(self) -> None:
        """Forget what nobody has come for: they have forgotten it by then, too."""
        old = time.monotonic() - PATIENCE
        for known in [known for known, found in self._ahead.items() if found.since < old]:
            del self._ahead[known]

    async def _forward(self, key: Any, agents: Sequence[str]) -> dict[str, str]:
        value = self._sharing.in_memory(key)
        image = await self._image_of(value)
        if image is None:
            return dict.fromkeys(agents, "there is no memory to share in it")
        digests = image.digests or await offload(digests_of, image.buffers)
        report, args = self._reporting(key, image.layout.nbytes), connection_args(self._worker)
        told = {"image": image.digest, "sender": self._worker.address}
        with Spreading(image.buffers, digests, agents, args, report, **told) as spreading:
            running = asyncio.ensure_future(spreading.run())
            try:
                while not running.done():
                    await asyncio.wait([running], timeout=_LOOK)
                    if self._sharing.in_memory(key) is not value:
                        return dict.fromkeys(agents, "it was let go meanwhile")
            finally:
                running.cancel()
            running.result()
            why = dict(spreading.failed)
            handles = list(spreading.handles.items())
            answers = await asyncio.gather(*(self._mapped(address, [handle]) for address, handle in handles))
            for (address, handle), (answer,) in zip(handles, answers, strict=True):
                why[address] = answer
                if not answer:
                    self._ahead[key, address] = _Ahead(value, image, handle, time.monotonic())
            return why

    def _reporting(self, key: Any, nbytes: int) -> Callable[[int, int], None]:
        """Return what tells the scheduler now and then how far a value of so many bytes is."""
        told = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal told
            if (now := time.monotonic()) >= told + _TELL:
                told = now
                report: ForwardingReport = {"key": key, "done": done * nbytes // max(1, total), "total": nbytes}
                self._worker.log_event(FORWARDING_TOPIC, report)

        return progress

    async def _image_of(self, value: Any) -> Image | None:
        """Return the image that a value is sent as; None if Dask sends it another way, or if there is little in it."""
        if value is None or not (isinstance(value, ATOMS) or value in self._table):
            return None
        image = self._table.image_of(value)
        try:
            image = image if image is not None else await offload(self._table.encode, value)
        except Exception:  # what was unpickled here need not let itself be pickled
            return None
        if image.layout.nbytes < SMALLEST_SHARED:
            return None
        return image

    async def _mapped(self, address: str, handles: Sequence[Handle]) -> Sequence[str]:
        """Let a worker map segments of its host; return of each why that cannot be, or an empty text."""
        other: ImageHandlers = ask(self._worker, address)
        with contextlib.suppress(OSError, TimeoutError):
            asking = other.moorage_map(handles=[tuple(handle) for handle in handles])
            return await asyncio.wait_for(asking, _ASK_SECONDS)
        return ["it does not answer"] * len(handles)
