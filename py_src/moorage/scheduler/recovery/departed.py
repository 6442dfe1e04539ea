"""Addresses of workers that have left: nobody waits for a connection to one.

Dask goes on trying to connect for ``distributed.comm.timeouts.connect`` (30 s), since the other end may only be about
to start. Removing a worker ends such attempts, but not one that begins just afterwards: whoever has looked up a holder,
and is about to ask it for data, does not look again. On a busy event loop that is common. The same happens on workers:
for what they were asked to fetch from a worker in the same breath as they heard that it has left, they begin to connect
only afterwards. So they are told once more.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from distributed.comm.core import CommClosedError

from moorage._dask.scheduler.connections import break_off, shadow_connect, tell_gone
from moorage.plan import Address

if TYPE_CHECKING:
    from distributed import Scheduler

_TELL_AGAIN = (0.2, 2.0)  # seconds after a worker has left
_REMEMBERED = 120.0  # seconds: who has looked up a holder has asked it by then, and the port may be another's


class Departed:
    """Refuses connections of the scheduler to workers that have left."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._until: dict[Address, float] = {}
        self.close = shadow_connect(scheduler, self._refused)
        """Leave the scheduler as it was."""

    def left(self, address: Address) -> None:
        """Note that a worker has left; attempts to connect to it end."""
        now = monotonic()
        self._until = {a: until for a, until in self._until.items() if until > now}
        self._until[address] = now + _REMEMBERED
        break_off(self._scheduler, address)
        for seconds in _TELL_AGAIN:
            self._scheduler.loop.call_later(seconds, self._tell_workers, address)

    def came(self, address: Address) -> None:
        """Note that there is something at `address`."""
        self._until.pop(address, None)

    def _refused(self, address: Address) -> CommClosedError | None:
        left = self._until.get(address, 0.0) > monotonic()
        return CommClosedError(f"The worker at {address} has left.") if left else None

    def _tell_workers(self, gone: Address) -> None:
        if gone not in self._scheduler.workers:
            tell_gone(self._scheduler, gone)
