"""How a notebook asks for the ledger: it tells the scheduler what its names keep, as far as that is new, and asks.

Workers that have something on disk are asked which keys that is. Runs on the client's event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from distributed.utils import offload

from moorage._dask.worker import spilled_keys
from moorage.kernel.install import run_on_workers
from moorage.kernel.ledger.memory import Memory, memory_of
from moorage.kernel.ledger.names import Names, Opener, opens_nothing
from moorage.kernel.waiting import answer, scheduler_of
from moorage.wire.ledger import HeldName, Spilled

if TYPE_CHECKING:
    from distributed import Client

    from moorage.model import WorkerInfo

_MOST_ON_DISK = 20_000
"""Keys that a worker names at most; the largest."""


class Asking:
    """Asks the ledger of one cluster.

    `owner`: label of this notebook. `namespace`: returns the notebook's variables. `opener`: see `Names`.
    """

    def __init__(
        self, client: Client, owner: str, namespace: Callable[[], Mapping[str, Any]], opener: Opener = opens_nothing
    ) -> None:
        self._client = client
        self._owner = owner
        self._namespace = namespace
        self._names = Names(opener)
        self._told: dict[str, HeldName] = {}
        self._turn = asyncio.Lock()

    async def memory(self, workers: list[WorkerInfo], most: int) -> Memory:
        """Return the ledger as of now, with so many names at most."""
        await self.tell()
        spilled = await self._spilled([info.address for info in workers if info.spilled])
        asking = scheduler_of(self._client).moorage_ledger(client=self._client.id, spilled=spilled, most=most)
        return memory_of(await answer(self._client, asking), self._owner)

    async def effort(self) -> float:
        """Return the seconds of the scheduler's CPU that an answer would take, about."""
        return float(await answer(self._client, scheduler_of(self._client).moorage_effort()))

    async def tell(self) -> None:
        """Tell the scheduler which keys the names keep now."""
        async with self._turn:
            held = await offload(self._names.look, self._namespace())
            if await self._tell_change(self._told, held) != len(held):  # to this scheduler it is another client
                await self._tell_change({}, held)
            self._told = held

    async def _tell_change(self, before: Mapping[str, HeldName], now: Mapping[str, HeldName]) -> int:
        changed = {name: what for name, what in now.items() if before.get(name) != what}
        gone = [name for name in before if name not in now]
        scheduler, me = scheduler_of(self._client), self._client.id
        telling = scheduler.moorage_names(client=me, owner=self._owner, held=changed, gone=gone)
        return await answer(self._client, telling)

    async def _spilled(self, addresses: list[str]) -> dict[str, list[Spilled]]:
        """Return what workers have on disk, as far as they answer."""
        if not addresses:
            return {}
        return await run_on_workers(self._client, spilled_keys, (_MOST_ON_DISK,), addresses, (spilled_keys.__module__,))
