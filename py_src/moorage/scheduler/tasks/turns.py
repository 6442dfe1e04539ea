"""Whose turn it is to run: limits on how many run at once, and tasks that may begin only once.

Workers ask before an item or a task begins. A lease ends with the worker that has it, a claim with the client that has
sent the task; nothing is left of a limit that nobody uses. All leases of an item are given at once or none is, so
that no two items wait for each other.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping

from moorage.plan import Address
from moorage.wire.scheduler import Turn


class Turns:
    """Leases and claims of one cluster. On the scheduler's event loop."""

    def __init__(self) -> None:
        self._leases: dict[str, dict[str, Address]] = {}  # limit -> lease -> worker
        self._most: dict[str, int] = {}  # limit -> leases
        self._freed = asyncio.Event()
        self._claims: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))

    async def acquire(self, limits: Mapping[str, int], lease: str, worker: Address, timeout: float) -> Turn:
        """Take a lease of each of `limits`, within `timeout` seconds.

        Returns ``differs`` if what runs now has another limit of that name.
        """
        end = asyncio.get_running_loop().time() + timeout
        while True:
            for name, most in limits.items():
                if self._most.get(name, most) != most:
                    return {"status": "differs", "name": name, "most": self._most[name]}
            if all(len(self._leases.get(name, ())) < most for name, most in limits.items()):
                for name, most in limits.items():
                    self._most[name] = most
                    self._leases.setdefault(name, {})[lease] = worker
                return {"status": "OK"}
            freed = self._freed
            try:
                await asyncio.wait_for(freed.wait(), end - asyncio.get_running_loop().time())
            except TimeoutError:
                return {"status": "busy"}

    async def free(self, lease: str) -> None:
        """End a lease of all its limits."""
        self._end([(name, lease) for name, leases in self._leases.items() if lease in leases])

    async def claim(self, client: str, run: str, part: str) -> bool:
        """Whether that part of a run begins for the first time."""
        begun = self._claims[client][run]
        first = part not in begun
        begun.add(part)
        return first

    async def unclaim(self, client: str, run: str) -> None:
        """Forget a run, which has ended."""
        self._claims[client].pop(run, None)
        if not self._claims[client]:
            del self._claims[client]

    def worker_gone(self, worker: Address) -> None:
        """End the leases of a worker."""
        self._end([(name, lease) for name, held in self._leases.items() for lease in held if held[lease] == worker])

    def client_gone(self, client: str) -> None:
        """Forget the runs of a client."""
        self._claims.pop(client, None)

    def _end(self, leases: list[tuple[str, str]]) -> None:
        for name, lease in leases:
            del self._leases[name][lease]
            if not self._leases[name]:
                del self._leases[name], self._most[name]
        if leases:
            self._freed.set()
            self._freed = asyncio.Event()
