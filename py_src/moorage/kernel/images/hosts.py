"""Brings images of the notebook's values to other hosts: each host gets one copy, into memory that its workers map.

One worker of each host is its agent; all agents together spread an image in one go (``worker/images/spreading.py``),
with the notebook as the source. Where the notebook does not reach workers, or an agent drops out, the scheduler has a
worker that has the value send it on in the same way (``worker/images/forwarding.py``), or else the value goes the
ordinary way; `Hosts.why_not` says why.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from distributed.comm.addressing import get_address_host

from moorage._dask.client import connection_args
from moorage.images.format import Image
from moorage.images.segment import Handle
from moorage.kernel.images.sharing import Shared
from moorage.kernel.waiting import ask_workers
from moorage.wire.images import AskImages
from moorage.worker.images.spreading import Spreading

if TYPE_CHECKING:
    from distributed import Client

SMALLEST_SPREAD = 4 << 20
"""Bytes of the buffers of an image below which connections among all hosts would take longer than what they save."""

_AT_ONCE = 4  # images
_ASK_SECONDS = 5
_AGAIN = 60.0  # seconds after which a host is tried again that could not be reached

OnBytes = Callable[[int, int], None]


class Hosts:
    """How one client brings images to other hosts. On the client's event loop."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._why: dict[str, str] = {}
        self._out_of_reach: dict[str, float] = {}  # hosts, and until when they are not tried again

    async def spread(
        self,
        shared: Shared,
        images: Iterable[Image],
        addresses: Collection[str],
        progress: OnBytes = lambda done, total: None,
        broken_off: asyncio.Event | None = None,
    ) -> None:
        """Bring images to the hosts of workers, and note in `shared` where they lie there, as long as that is open.

        `images`: small ones are left out. `addresses`: of workers that should have each of them. `progress`: called
        with the bytes of all images together that a host has by now on average, and should have. `broken_off`: stop
        when it is set. What hosts have by then is gone when `shared` is released.
        """
        large = {image.digest: image for image in images if image.layout.nbytes >= SMALLEST_SPREAD}
        hosts: dict[str, list[str]] = {}
        for address in sorted(shared.elsewhere & set(addresses)):
            host = get_address_host(address)
            if self._out_of_reach.get(host, 0.0) < time.monotonic():
                hosts.setdefault(host, []).append(address)
        if not large or not hosts:
            return
        for address in set().union(*hosts.values()):
            self._why.pop(address, None)
        turn = asyncio.Semaphore(_AT_ONCE)
        arrived = dict.fromkeys(large, 0)
        whole = {digest: image.layout.nbytes for digest, image in large.items()}

        def tell(digest: str, done: int, total: int) -> None:
            arrived[digest] = done * whole[digest] // max(1, total)
            progress(sum(arrived.values()), sum(whole.values()))

        async def one(image: Image) -> None:
            async with turn:
                await self._spread(shared, image, hosts, partial(tell, image.digest))

        await _until(broken_off, asyncio.gather(*map(one, large.values())))

    def why_not(self, address: str) -> str:
        """Return why the host of a worker did not get the latest image in one go; an empty text if it did."""
        return self._why.get(address, "")

    async def _spread(
        self, shared: Shared, image: Image, hosts: Mapping[str, Collection[str]], progress: OnBytes
    ) -> None:
        neighbours = {next(iter(members)): members for members in hosts.values()}
        agents, args = list(neighbours), connection_args(self._client)
        spreading = Spreading(image.buffers, image.digests, agents, args, progress, image.digest)
        shared.enclose(spreading.close)
        await spreading.run()
        until = time.monotonic() + _AGAIN
        self._out_of_reach.update((get_address_host(agent), until) for agent in spreading.out_of_reach)
        for agent, why in spreading.failed.items():
            self._why.update(dict.fromkeys(neighbours[agent], why))
        asked = (self._mapped(handle, neighbours[agent]) for agent, handle in spreading.handles.items())
        for where in await asyncio.gather(*asked):
            for address, (handle, why) in where.items():
                if why:
                    self._why[address] = why
                else:
                    shared.far[image.digest, address] = handle

    async def _mapped(self, handle: Handle, addresses: Collection[str]) -> dict[str, tuple[Handle, str]]:
        """Let workers map a segment of their host; return why that cannot be, by address."""
        message: AskImages = {"op": "moorage_map", "handles": [tuple(handle)]}
        answers: dict[str, Any] = {}
        with suppress(OSError, KeyError, TimeoutError):
            answers = await asyncio.wait_for(ask_workers(self._client, message, addresses), _ASK_SECONDS)
        return {address: (handle, (answers.get(address) or ["it does not answer"])[0]) for address in addresses}


async def _until(broken_off: asyncio.Event | None, work: asyncio.Future[Any]) -> None:
    """Wait for the end of `work`, or cancel it when `broken_off` is set."""
    stop = asyncio.ensure_future(broken_off.wait() if broken_off is not None else asyncio.Event().wait())
    try:
        await asyncio.wait([work, stop], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
        if not work.done():
            work.cancel()
    with suppress(asyncio.CancelledError):
        await work
