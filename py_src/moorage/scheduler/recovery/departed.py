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
from uuid import uuid4

from distributed.comm.core import CommClosedError

from moorage._dask.transfers import connecting
from moorage.plan import Address

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.comm.core import Comm

_TELL_AGAIN = (0.2, 2.0)  # seconds after a worker has left
_REMEMBERED = 120.0  # seconds: who has looked up a holder has asked it by then, and the port may be another's


class Departed:
    """Refuses connections of the scheduler to workers that have left.

    `scheduler`: the ``connect`` of its ``rpc`` is shadowed until `close`.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._pool = scheduler.rpc
        self._until: dict[Address, float] = {}
        self._connect = self._pool.connect
        self._pool.__dict__["connect"] = self.connect

    async def connect(self, addr: Address, timeout: float | None = None) -> Comm:
        """As ``ConnectionPool.connect``. Raises CommClosedError at once if a worker at `addr` has left."""
        if self._until.get(addr, 0.0) > monotonic():
            raise CommClosedError(f"The worker at {addr} has left.")
        with connecting():
            return await self._connect(addr, timeout)

    def left(self, address: Address) -> None:
        """Note that a worker has left; attempts to connect to it end."""
        now = monotonic()
        self._until = {a: until for a, until in self._until.items() if until > now}
        self._until[address] = now + _REMEMBERED
        self._pool.remove(address)
        for seconds in _TELL_AGAIN:
            self._scheduler.loop.call_later(seconds, self._tell_workers, address)

    def came(self, address: Address) -> None:
        """Note that there is something at `address`."""
        self._until.pop(address, None)

    def close(self) -> None:
        """Leave the pool as it was."""
        self._pool.__dict__.pop("connect", None)

    def _tell_workers(self, gone: Address) -> None:
        if gone not in self._scheduler.workers:
            message = {"op": "remove-worker", "worker": gone, "stimulus_id": f"moorage-{uuid4().hex}"}
            for address in self._scheduler.workers:
                self._scheduler.worker_send(address, message)
