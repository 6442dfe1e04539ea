"""Brings images of the notebook's values to other hosts: each host gets one copy, into memory that its workers map.

One worker of each host is its agent; all agents together spread an image in one go (``worker/images/spreading.py``),
with the notebook as the source. Where the notebook does not reach workers, or an agent drops out, the value goes the
ordinary way, and `Hosts.why_not` says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from distributed.comm.addressing import get_address_host

from moorage.images.format import Image
from moorage.images.segment import Handle
from moorage.kernel.images.sharing import Shared
from moorage.worker.images.spreading import Spreading

if TYPE_CHECKING:
    from distributed import Client

SMALLEST_SPREAD = 4 << 20
"""Bytes of the buffers of an image below which connections among all hosts would take longer than what they save."""

_AT_ONCE = 4  # images
_ASK_SECONDS = 5


class Hosts:
    """How one client brings images to other hosts. On the client's event loop.

    Parameters
    ----------
    client : distributed.Client

    Attributes
    ----------
    on_progress : callable
        Called with the digest of an image, the bytes that have arrived, and all that shall.
    """

    def __init__(self, client: Client) -> None:
        self.on_progress: Callable[[str, int, int], None] = lambda digest, done, total: None
        self._client = client
        self._why: dict[str, str] = {}

    async def spread(self, shared: Shared, images: Iterable[Image], addresses: Collection[str]) -> None:
        """Bring images to the hosts of workers, and note in `shared` where they lie there, as long as that is open.

        Parameters
        ----------
        shared : Shared
        images : iterable of Image
            Small ones are left out.
        addresses : collection of str
            Of workers that shall have each of them.
        """
        large = {image.digest: image for image in images if image.layout.nbytes >= SMALLEST_SPREAD}
        hosts: dict[str, list[str]] = {}
        for address in sorted(shared.elsewhere & set(addresses)):
            hosts.setdefault(get_address_host(address), []).append(address)
        if not large or not hosts:
            return
        for address in set().union(*hosts.values()):
            self._why.pop(address, None)
        turn = asyncio.Semaphore(_AT_ONCE)

        async def one(image: Image) -> None:
            async with turn:
                await self._spread(shared, image, hosts)

        await asyncio.gather(*map(one, large.values()))

    def why_not(self, address: str) -> str:
        """Return why the host of a worker did not get the latest image in one go; an empty text if it did."""
        return self._why.get(address, "")

    async def _spread(self, shared: Shared, image: Image, hosts: Mapping[str, Collection[str]]) -> None:
        neighbours = {next(iter(members)): members for members in hosts.values()}

        def progress(done: int, total: int) -> None:
            self.on_progress(image.digest, done, total)

        spreading = Spreading(image.buffers, image.digests, list(neighbours), self._client.connection_args, progress)
        shared.enclose(spreading.close)
        await spreading.run()
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
        assert self._client.scheduler is not None
        message = {"op": "moorage_map", "handles": [tuple(handle)]}
        answers: dict[str, Any] = {}
        with suppress(OSError, KeyError, TimeoutError):
            asking = self._client.scheduler.broadcast(msg=message, workers=list(addresses), on_error="ignore")
            answers = await asyncio.wait_for(asking, _ASK_SECONDS)
        return {address: (handle, (answers.get(address) or ["it does not answer"])[0]) for address in addresses}
