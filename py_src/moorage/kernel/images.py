"""Sends images of the notebook's values to a cluster, whose workers need not have moorage.

The code goes to the workers as a Dask worker plugin, by value, once per cluster and before the first image; newcomers
get it from the scheduler. Where a worker does not have it values arrive all the same (``images/carrier.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash
from distributed.comm.core import CommClosedError
from distributed.core import clean_exception

from moorage import config, images
from moorage.images.carrier import Carrier
from moorage.images.format import Image
from moorage.kernel.shipping import pickled_by_value
from moorage.kernel.waiting import reaching, scheduler_of
from moorage.worker import images as worker_side
from moorage.worker.images import ImagesPlugin

if TYPE_CHECKING:
    from distributed import Client

MODULES = ("moorage.images.carrier", "moorage.images.code", "moorage.images.format", "moorage.worker.images")


class Images:
    """How one client sends images.

    Parameters
    ----------
    client : distributed.Client
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._installing: asyncio.Lock | None = None
        self._installed_on: Any = None

    async def install(self) -> None:
        """Put the code on all workers, unless it is there. Quick when called again; on the client's event loop."""
        self._installing = self._installing or asyncio.Lock()
        async with self._installing:
            connection = self.client.scheduler_comm
            if self._installed_on is connection or self._in_process():
                return
            plugin = pickled_by_value(ImagesPlugin(MODULE), MODULES)
            answers: dict[str, Any] = {}
            with reaching(self.client), contextlib.suppress(TimeoutError):  # one that is stuck takes it when it goes on
                async with asyncio.timeout(config.seconds("answer-timeout")):
                    answers = await self._register(plugin)
            for answer in answers.values():
                if answer["status"] == "error":
                    _, error, traceback = clean_exception(answer["exception"], answer["traceback"])
                    assert error is not None
                    raise error.with_traceback(traceback)
            self._installed_on = connection

    async def _register(self, plugin: bytes) -> Any:
        """Return the workers' answers; none of them the second time: the scheduler has it, and has told them."""
        register = functools.partial(scheduler_of(self.client).register_worker_plugin, plugin=plugin, name=MODULE)
        try:
            return await register(idempotent=True)
        except CommClosedError:  # if a worker dies just then, the scheduler ends the connection without a word
            if self.client.status != "running":
                raise
            return await register(idempotent=True)

    def carry(self, value: Any, image: Image) -> Any:
        """Return what is given to Dask in the place of `value`."""
        return value if self._in_process() else Carrier(image, MODULE).frames()

    def _in_process(self) -> bool:
        """Whether the workers are in this process: then nothing is pickled."""
        return self.client.scheduler is not None and str(self.client.scheduler.address).startswith("inproc")


def _hash_of_sources() -> str:
    digest = xxhash.xxh3_64(sys.version.encode())
    for path in (*sorted(Path(images.__file__).parent.glob("*.py")), Path(worker_side.__file__)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


MODULE = f"moorage_images_{_hash_of_sources()}"
"""Name of the module that workers have; differs between versions of this code."""
