"""Values that come in the message that places them: the scheduler hands them to all workers that need them.

They are small, or lie in memory of the workers' host, and only where that is is sent.

So there is one question and one answer between notebook and scheduler, and what the answer says is confirmed. What
cannot be delivered now, because a worker is not there, hangs, or is one of very many, the reconciler brings there, or
it is asked for again (``scheduler/recovery/restorer.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING

from moorage._dask.scheduler.kept_keys import desire_and_tell, enter
from moorage.model import Placement
from moorage.plan import Address, Key, KeyView, plan_key
from moorage.scheduler.recovery.strays import Broken

if TYPE_CHECKING:
    from distributed import Scheduler

    from moorage.scheduler.placement.reconcile import Reconciler
    from moorage.scheduler.recovery.restorer import Restorer
    from moorage.scheduler.recovery.strays import Strays
    from moorage.wire.scheduler import Load

_SECONDS = 20.0  # that workers may take
_LONGER = 2.0  # seconds that one may take longer than another, and twice what that took
_SLOWEST_LINK = 10e6  # bytes per second
_MOST = 64  # workers that a load is sent to at once
_MOST_BYTES = 32_000_000  # that are sent of a load at once
_CALLS = 1000  # that are known to be withdrawn
_SOME = 500  # keys that are registered without a break


class Delivery:
    """Hands loads to workers, and registers what has arrived."""

    def __init__(self, scheduler: Scheduler, reconciler: Reconciler, origins: Restorer, strays: Strays) -> None:
        self._scheduler = scheduler
        self._reconciler = reconciler
        self._origins = origins
        self._strays = strays
        self._withdrawn: dict[str, None] = {}

    async def deliver(self, loads: Sequence[Load], placement: Placement, client: str) -> None:
        """Bring loads to where `placement` wants them first, for a client that will have futures of them.

        Raises Exception if a worker cannot make the values of what it was sent. None of the keys is registered then.
        """
        puts = [(address, load) for load in loads for address in self._targets(load, placement)]
        with self._strays.sending([key for load in loads for key in load["keys"]]):
            sent = await self._put(puts)
            errors = [error for error in sent if isinstance(error, BaseException)]
            if not errors:
                arrived = [(*put, sizes) for put, sizes in zip(puts, sent, strict=True) if isinstance(sizes, Mapping)]
                await self._register(loads, arrived, client)
        if errors:
            for address, load in puts:
                self._strays.suspect(address, load["keys"])
            raise errors[0]

    async def withdraw(self, call: str) -> None:
        """Note that nobody wants what a call places any longer; the call may not have come yet."""
        self._withdrawn[call] = None
        if len(self._withdrawn) > _CALLS:
            del self._withdrawn[next(iter(self._withdrawn))]

    def is_withdrawn(self, call: str) -> bool:
        """Whether `withdraw` was told of a call; once."""
        return self._withdrawn.pop(call, call) is None

    async def _put(self, puts: Sequence[tuple[Address, Load]]) -> list[Mapping[Key, int] | BaseException | None]:
        """Send loads to workers, and return the sizes of what has arrived, or what went wrong.

        A worker that takes much longer than the first is taken to hang: on a busy machine all are slow.
        """
        begun = monotonic()
        limit = _SECONDS + sum(load["nbytes"] for _, load in puts) / _SLOWEST_LINK
        puttings = [
            asyncio.ensure_future(self._strays.put(address, load["keys"], load["values"], limit))
            for address, load in puts
        ]
        try:
            if puttings:
                await asyncio.wait(puttings, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.wait(puttings, timeout=_LONGER + 2 * (monotonic() - begun))
        finally:
            for putting, (address, load) in zip(puttings, puts, strict=True):
                if not putting.done():
                    putting.cancel()
                    self._strays.suspect(address, load["keys"])
        if puttings:
            await asyncio.wait(puttings)
        return [
            None if each.cancelled() or isinstance(each.exception(), Broken) else each.exception() or each.result()
            for each in puttings
        ]

    async def _register(
        self, loads: Sequence[Load], arrived: Sequence[tuple[Address, Load, Mapping[Key, int]]], client: str
    ) -> None:
        for load in loads:
            mine = [(address, sizes) for address, of, sizes in arrived if of is load]
            for start in range(0, len(load["keys"]), _SOME):
                some = load["keys"][start : start + _SOME]
                there = [address for address, _ in mine if address in self._scheduler.workers]
                if there:
                    self._arrived({key: mine[0][1][key] for key in some}, there, client)
                elif client in self._scheduler.clients:
                    desire_and_tell(self._scheduler, filter(self._scheduler.tasks.get, some), client)
                if start + _SOME < len(load["keys"]):
                    await asyncio.sleep(0)

    def _arrived(self, sizes: Mapping[Key, int], workers: Sequence[Address], client: str) -> None:
        """Register what has arrived, given by its bytes; `client` hears of it with the answer."""
        alive = client in self._scheduler.clients
        new = {key: nbytes for key, nbytes in sizes.items() if alive and key not in self._scheduler.tasks}
        if new:
            enter(self._scheduler, new, workers, client)
            self._strays.hold(new, senders=2)  # this one has arrived
            self._strays.arrived(client, dict.fromkeys(new, workers))
        if known := sizes.keys() - new.keys():
            self._origins.update_data(who_has={key: list(workers) for key in known}, nbytes=dict(sizes), client=client)

    def _targets(self, load: Load, placement: Placement) -> list[Address]:
        """Return who is sent a load now: nobody who has all of it."""
        view, to = self._reconciler.view, load["to"]
        tasks = [self._scheduler.tasks.get(key) for key in load["keys"]]
        holders = [{ws.address for ws in (ts and ts.who_has) or ()} for ts in tasks]
        held = frozenset(set.intersection(*holders))
        if to in view.running:
            return [] if to in held else [to]
        step = plan_key((placement,), KeyView(load["keys"][0], load["nbytes"], held), view)
        wanted = sorted(step.pending & view.running)
        if not wanted and not all(holders) and view.running:
            wanted = [min(view.running, key=lambda address: (view.load(address), address))]
        if any(ts is not None and not there for ts, there in zip(tasks, holders, strict=True)):
            return wanted[:1]  # it is waited for: what ends the waiting tells of one worker only
        return wanted[: max(1, min(_MOST, _MOST_BYTES // max(1, load["nbytes"])))]
