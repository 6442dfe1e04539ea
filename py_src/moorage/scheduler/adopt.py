"""Plain Dask code keeps its word: what a client scatters with ``broadcast=`` or replicates becomes a placement.

Such a record has no name of a user's and does not keep its keys alive: it lasts as long as they do. ``rebalance``
moves only keys that are not placed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from moorage.model import Anywhere, Everywhere, OnWorkers, Placement
from moorage.plan import Key

if TYPE_CHECKING:
    from distributed import Scheduler

Handler = Callable[..., Awaitable[Any]]


class Adopter:
    """Stands before three of the scheduler's handlers.

    Parameters
    ----------
    scheduler : Scheduler
    adopt : callable
        ``adopt(keys, placement)`` records a placement.
    placed : collection of keys
        Those that have one.
    """

    def __init__(
        self, scheduler: Scheduler, adopt: Callable[[Iterable[Key], Placement], None], placed: Collection[Key]
    ) -> None:
        self._scheduler = scheduler
        self._adopt = adopt
        self._placed = placed
        self._scatter: Handler = scheduler.handlers["scatter"]
        self._replicate: Handler = scheduler.handlers["replicate"]
        self._rebalance: Handler = scheduler.handlers["rebalance"]

    def install(self) -> None:
        """Take the place of the handlers."""
        self._scheduler.handlers.update(scatter=self.scatter, replicate=self.replicate, rebalance=self.rebalance)

    def uninstall(self) -> None:
        """Put the handlers back."""
        self._scheduler.handlers.update(scatter=self._scatter, replicate=self._replicate, rebalance=self._rebalance)

    async def scatter(
        self,
        data: dict[Key, Any],
        workers: Iterable[str] | None,
        client: str,
        broadcast: bool | int = False,
        timeout: float = 2,
    ) -> Any:
        """As ``Scheduler.scatter``; the copies of a broadcast stay."""
        keys = await self._scatter(data=data, workers=workers, client=client, broadcast=broadcast, timeout=timeout)
        if broadcast:
            self._adopt(keys, self._placement(None if broadcast is True else broadcast, workers))
        return keys

    async def replicate(
        self, keys: list[Key], n: int | None = None, workers: Iterable[str] | None = None, **kwargs: Any
    ) -> Any:
        """As ``Scheduler.replicate``; the copies stay."""
        answer = await self._replicate(keys=keys, n=n, workers=workers, **kwargs)
        self._adopt(keys, self._placement(n, workers))
        return answer

    async def rebalance(
        self, keys: Iterable[Key] | None = None, workers: Iterable[str] | None = None, **kwargs: Any
    ) -> Any:
        """As ``Scheduler.rebalance``, of keys that are not placed."""
        if self._placed:
            everything = self._scheduler.tasks if keys is None else keys
            keys = {key for key in everything if key not in self._placed}
            if not keys:
                return {"status": "OK"}
            keys = {key for key in keys if key not in self._scheduler.tasks or self._scheduler.tasks[key].who_has}
        return await self._rebalance(keys=keys, workers=workers, **kwargs)

    def _placement(self, n: int | None, workers: Iterable[str] | None) -> Placement:
        if workers is None:
            return Everywhere() if n is None else Anywhere(copies=n)
        addresses = {self._scheduler.coerce_address(worker) for worker in workers}
        # `replicate` takes part of an address, such as its host, too
        addresses |= set(self._scheduler.workers_list(workers))
        chosen = sorted(str(ws.name) for a, ws in self._scheduler.workers.items() if a in addresses)
        if not chosen or (n is not None and n < len(chosen)):
            return Anywhere(copies=n or 1)
        return OnWorkers(tuple(chosen))
