"""Sends images of the notebook's values to a cluster, whose workers need not have moorage.

The code goes to the workers as a Dask worker plugin, by value, once per cluster and before the first image; newcomers
get it from the scheduler. Where a worker does not have it values arrive all the same (``images/carrier.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

from moorage._dask.client import connection_of
from moorage.images.carrier import Carrier
from moorage.images.format import Image
from moorage.images.segment import Handle
from moorage.kernel.images import sharing
from moorage.kernel.images.hosts import Hosts
from moorage.kernel.install import DASK_ON_WORKERS, WorkerSide, all_in, hash_of_sources, install_on_workers
from moorage.kernel.waiting import address_of
from moorage.worker.images.nanny import SharedMemoryNannyPlugin
from moorage.worker.images.plugin import ImagesPlugin

if TYPE_CHECKING:
    from distributed import Client

MODULES = (
    *DASK_ON_WORKERS,
    *(f"moorage._dask.{name}" for name in ("moved.logs", "moved.shuffles", "nanny")),
    *all_in("moorage.images", "moorage.worker.images"),
    "moorage.wire.transfers",
    "moorage.wire.why",
    "moorage.worker.last_words",
)


def worker_sides(code: str) -> tuple[WorkerSide, ...]:
    """Return what workers and their nannies need. `code`: name of the module by which they know the user's modules."""
    return (
        WorkerSide(MODULE, ImagesPlugin, (MODULE, sharing.allowed(), code), MODULES),
        WorkerSide(SharedMemoryNannyPlugin.name, SharedMemoryNannyPlugin, (), MODULES, nannies=True),
    )


class Images:
    """How one client sends images. `code`: name of the module by which workers know the user's modules."""

    def __init__(self, client: Client, code: str = "") -> None:
        self.client = client
        self._code = code
        self.sharing = sharing.Sharing(client)
        self.hosts = Hosts(client)
        self._installing: asyncio.Lock | None = None
        self._installed_on: Any = None
        self._in_vain: set[str] = set()

    async def install(self) -> None:
        """Put the code on all workers, unless it is there. Quick when called again; on the client's event loop."""
        self._installing = self._installing or asyncio.Lock()
        async with self._installing:
            connection = connection_of(self.client)
            if self._installed_on is connection or self.in_process:
                return
            await install_on_workers(self.client, *worker_sides(self._code))
            self._installed_on = connection

    def carry(self, value: Any, image: Image, segment: Handle | None = None, *, writable: bool = False) -> Any:
        """Return what is given to Dask in the place of `value`.

        `image`: of the value. `segment`: where its buffers lie, if it goes to a worker that can map them. `writable`:
        whether tasks may write to it.
        """
        return value if self.in_process else Carrier(image, MODULE, segment=segment, writable=writable).frames()

    def why_not(self, address: str) -> str:
        """Return why a worker has a copy of its own, as far as is known; or an empty text."""
        return self.hosts.why_not(address) or self.sharing.why_not(address)

    @contextlib.asynccontextmanager
    async def for_any(
        self, images: Sequence[Image], addresses: Sequence[str]
    ) -> AsyncIterator[Callable[[Image], Handle | None]]:
        """Share images that go to one of several workers, whichever: only if each of them can map them.

        What is sent in vain, to a worker that cannot after all, is sent whole the next time.
        """
        first = [image for image in images if image.digest not in self._in_vain]
        self._in_vain = {image.digest for image in first}
        with await self.sharing.share(first, addresses) as shared:
            everywhere = bool(addresses) and not any(shared.private.values())
            yield lambda image: shared.segment(image, addresses[0]) if everywhere else None

    @property
    def in_process(self) -> bool:
        """Whether the workers are in this process: then nothing is pickled."""
        return address_of(self.client).startswith("inproc")


MODULE = f"moorage_images_{hash_of_sources(MODULES)}"
"""Name of the module that workers have; differs between versions of this code."""
