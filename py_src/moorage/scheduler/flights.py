"""Copies that were asked for and are not confirmed yet: from where, to where, until when, and how many bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import takewhile
from time import monotonic
from typing import NamedTuple

from moorage.plan import Address, Key

_PATIENCE = 10.0
_OVERDUE = 1.0  # seconds after which a copy is asked for once more
_SLOWEST_LINK = 10e6  # bytes per second; a copy gets this much more time before it is asked for again


def patience(nbytes: int) -> float:
    """Return the seconds that so many bytes may take to arrive."""
    return _PATIENCE + nbytes / _SLOWEST_LINK


class _Flight(NamedTuple):
    source: Address
    nbytes: int
    begun: float
    deadline: float
    since: float  # it was first asked for, maybe of another worker


class Oldest(NamedTuple):
    """The copy that has been on its way for longest."""

    source: Address
    target: Address
    nbytes: int
    since: float  # as `time.monotonic` counts


class Flights:
    """All copies on their way."""

    def __init__(self) -> None:
        #: Of each key, by target, the oldest first.
        self.by_key: dict[Key, dict[Address, _Flight]] = {}
        #: Bytes on their way to each worker.
        self.incoming: Counter[Address] = Counter()
        self.outgoing: Counter[Address] = Counter()  # copies that each worker is to send
        self._given_up: dict[tuple[Key, Address], float] = {}  # lately, and since when they had been asked for

    def begin(self, key: Key, source: Address, targets: Sequence[Address], nbytes: int) -> None:
        """Note copies that are asked for."""
        if not targets:
            return
        now = monotonic()
        flight = _Flight(source, nbytes, now, now + patience(nbytes), now)
        flights = self.by_key.get(key)
        before: dict[Address, float] = {}
        if self._given_up:
            before = {a: self._given_up.pop((key, a)) for a in targets if (key, a) in self._given_up}
        if flights is not None and not flights.keys().isdisjoint(targets):
            for target in targets:
                if target in flights:
                    before[target] = flights[target].since
                self.end(key, target)
            flights = self.by_key.get(key)
        if flights is None:
            flights = self.by_key[key] = {}
        flights.update(dict.fromkeys(targets, flight))
        for target, since in before.items():
            flights[target] = flight._replace(since=since)
        for target in targets:
            self.incoming[target] += nbytes
        self.outgoing[source] += len(targets)

    def has(self, key: Key, target: Address) -> bool:
        """Whether a copy is on its way."""
        return target in self.by_key.get(key, ())

    def to(self, target: Address) -> list[Key]:
        """Return what is on its way to a worker."""
        return [key for key, flights in self.by_key.items() if target in flights]

    def of(self, key: Key) -> dict[Address, Address]:
        """Return target and source of each copy of `key` on its way."""
        return {target: flight.source for target, flight in self.by_key.get(key, {}).items()}

    def end(self, key: Key, target: Address) -> int:
        """Note a copy that has arrived, or never will; return how many others of the key are on their way."""
        flights = self.by_key.get(key)
        if flights is None:
            return 0
        if (flight := flights.pop(target, None)) is not None:
            self.incoming[target] -= flight.nbytes
            self.outgoing[flight.source] -= 1
            if not flights:
                del self.by_key[key]
        return len(flights)

    def end_from(self, key: Key, source: Address) -> None:
        """Cancel transfers of `key` from `source`, which dropped it."""
        if self.outgoing[source]:
            for target, flight in list(self.by_key.get(key, {}).items()):
                if flight.source == source:
                    self.end(key, target)

    def end_all(self, key: Key) -> None:
        """Stop waiting for copies of `key`."""
        for target in list(self.by_key.get(key, ())):
            self.end(key, target)

    def worker_gone(self, address: Address) -> None:
        """Cancel the transfers to and from a worker that has left."""
        for key in list(self.by_key):
            self.end(key, address)
            self.end_from(key, address)
        del self.incoming[address], self.outgoing[address]

    def oldest(self, keys: Iterable[Key]) -> Oldest | None:
        """Return the copy of `keys` that has been on its way for longest."""
        if not self.by_key:
            return None
        under_way = (
            Oldest(flight.source, target, flight.nbytes, flight.since)
            for key in keys
            for target, flight in self.by_key.get(key, {}).items()
        )
        return min(under_way, key=lambda one: one.since, default=None)

    def overdue(self) -> list[tuple[Key, Address]]:
        """Return keys and targets of transfers that are taking long."""
        begun = monotonic() - _OVERDUE
        return [
            (key, target)
            for key, flights in self.by_key.items()
            for target, _ in takewhile(lambda item: item[1].begun < begun, flights.items())
        ]

    def expire(self) -> list[tuple[Key, Address]]:
        """Cancel overdue transfers; return their keys and targets."""
        now = monotonic()
        found = [
            (key, target)
            for key, flights in self.by_key.items()
            for target, _ in takewhile(lambda item: item[1].deadline < now, flights.items())
        ]
        self._given_up = {(key, target): self.by_key[key][target].since for key, target in found}
        for key, target in found:
            self.end(key, target)
        return found
