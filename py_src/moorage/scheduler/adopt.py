"""Plain Dask code keeps its word: what a client scatters with ``broadcast=`` or replicates becomes a placement.

Such a record has no name of a user's and does not keep its keys alive: it lasts as long as they do. ``rebalance``
moves only keys that are not placed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from moorage._dask.server import answer_instead, handler_of
from moorage.model import Anywhere, Everywhere, OnWorkers, Placement
from moorage.plan import Key

if TYPE_CHECKING:
    from distributed import Scheduler

    from moorage.scheduler.recovery.lives import Lives
    from moorage.scheduler.recovery.strays import Strays

_REPLACED = ("scatter", "replicate", "rebalance")


class Adopter:
    """Stands before three of the scheduler's handlers, until it is uninstalled.

    `adopt`: ``adopt(keys, placement)`` records a placement. `placed`: those that have one.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        adopt: Callable[[Iterable[Key], Placement], None],
        placed: Collection[Key],
        strays: Strays,
        lives: Lives,
    ) -> None:
        self._scheduler = scheduler
        self._adopt = adopt
        self._placed = placed
        self._strays = strays
        self._lives = lives
        self._scatter, self._replicate, self._rebalance = map(partial(handler_of, scheduler), _REPLACED)
        self.uninstall = answer_instead(scheduler, **{name: getattr(self, name) for name in _REPLACED})
        """Put the handlers back."""

    async def scatter(
        self,
        data: dict[Key, Any],
        workers: Iterable[str] | None,
        client: str,
        broadcast: bool | int = False,
        timeout: float = 2,
    ) -> Any:
        """As ``Scheduler.scatter``; the copies of a broadcast stay."""
        with self._strays.sending(data.keys()):
            await self._lives.settle(dict.fromkeys(self._targets(workers), data.keys()))
            keys = await self._scatter(data=data, workers=workers, client=client, broadcast=broadcast, timeout=timeout)
        if broadcast:
            addresses = None if workers is None else [self._scheduler.coerce_address(worker) for worker in workers]
            self._adopt(keys, self._placement(None if broadcast is True else broadcast, addresses))
        return keys

    async def replicate(
        self, keys: list[Key], n: int | None = None, workers: Iterable[str] | None = None, **kwargs: Any
    ) -> Any:
        """As ``Scheduler.replicate``; the copies stay."""
        answer = await self._replicate(keys=keys, n=n, workers=workers, **kwargs)
        if answer is None:  # and not a failure
            addresses = None if workers is None else self._scheduler.workers_list(workers)
            self._adopt(keys, self._placement(n, addresses))
        return answer

    async def rebalance(
        self, keys: Iterable[Key] | None = None, workers: Iterable[str] | None = None, **kwargs: Any
    ) -> Any:
        """As ``Scheduler.rebalance``, of keys that are not placed."""
        if not self._placed:
            return await self._rebalance(keys=keys, workers=workers, **kwargs)
        if keys is not None:
            return await self._rebalance(keys=set(keys) - set(self._placed), workers=workers, **kwargs)
        others = {ts.key for ws in self._scheduler.workers.values() for ts in ws.has_what} - set(self._placed)
        answer = await self._rebalance(keys=others, workers=workers, **kwargs)
        # nobody has asked for these very keys: that some could not be moved is not a failure
        return {"status": "OK"} if answer["status"] == "partial-fail" else answer

    def _targets(self, workers: Iterable[str] | None) -> list[str]:
        """Return the addresses of all that may be sent something."""
        if workers is None:
            return [ws.address for ws in self._scheduler.running]
        return [self._scheduler.coerce_address(worker) for worker in workers]

    def _placement(self, n: int | None, addresses: Collection[str] | None) -> Placement:
        workers = self._scheduler.workers
        chosen = sorted(str(workers[a].name) for a in addresses or () if a in workers)
        # a client that scatters directly to all workers names each of them
        anywhere = not chosen or all(ws.address in (addresses or ()) for ws in self._scheduler.running)
        if n is None:
            return Everywhere() if anywhere else OnWorkers(tuple(chosen))
        return Anywhere(copies=n) if anywhere or n < len(chosen) else OnWorkers(tuple(chosen))
