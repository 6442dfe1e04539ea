"""Copies that were asked for and are not confirmed yet: from where, to where, until when, and how many bytes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from moorage.plan import Address, Key

_PATIENCE = 10.0
_OVERDUE = 1.0  # seconds after which a copy is asked for once more
_SLOWEST_LINK = 10e6  # bytes per second; a copy gets this much more time before it is asked for again


def patience(nbytes: int) -> float:
    """Return the seconds that so many bytes may take to arrive."""
    return _PATIENCE + nbytes / _SLOWEST_LINK


@dataclass(frozen=True, slots=True)
class _Flight:
    source: Address
    nbytes: int
    begun: float
    deadline: float


class Flights:
    """All copies on their way."""

    def __init__(self) -> None:
        self._by_key: dict[Key, dict[Address, _Flight]] = {}
        #: Bytes on their way to each worker.
        self.incoming: Counter[Address] = Counter()

    def begin(self, key: Key, source: Address, target: Address, nbytes: int) -> None:
        """Take note of a copy that is asked for."""
        self.end(key, target)
        now = monotonic()
        self._by_key.setdefault(key, {})[target] = _Flight(source, nbytes, now, now + patience(nbytes))
        self.incoming[target] += nbytes

    def to(self, target: Address) -> list[Key]:
        """Return what is on its way to a worker."""
        return [key for key, flights in self._by_key.items() if target in flights]

    def of(self, key: Key) -> dict[Address, Address]:
        """Return target and source of each copy of `key` on its way."""
        return {target: flight.source for target, flight in self._by_key.get(key, {}).items()}

    def end(self, key: Key, target: Address) -> None:
        """Take note of a copy that has arrived, or never will."""
        flights = self._by_key.get(key)
        if flights is None or (flight := flights.pop(target, None)) is None:
            return
        self.incoming[target] -= flight.nbytes
        if not flights:
            del self._by_key[key]

    def end_from(self, key: Key, source: Address) -> None:
        """Wait no more for copies of `key` that `source` was to send: it has let go of it."""
        for target, flight in list(self._by_key.get(key, {}).items()):
            if flight.source == source:
                self.end(key, target)

    def end_all(self, key: Key) -> None:
        """Take note that nothing of `key` is waited for any more."""
        for target in list(self._by_key.get(key, ())):
            self.end(key, target)

    def worker_gone(self, address: Address) -> None:
        """Wait no more for what a worker that has left was to send or to get."""
        self._end_where(lambda target, flight: address in (target, flight.source))
        del self.incoming[address]

    def overdue(self) -> list[tuple[Key, Address]]:
        """Return keys and targets of copies that have been on their way for a while."""
        begun = monotonic() - _OVERDUE
        return [
            (key, t) for key, flights in self._by_key.items() for t, flight in flights.items() if flight.begun < begun
        ]

    def expire(self) -> list[tuple[Key, Address]]:
        """Wait no more for what should have arrived long ago; return those keys and targets."""
        now = monotonic()
        return self._end_where(lambda target, flight: flight.deadline < now)

    def _end_where(self, over: Callable[[Address, _Flight], bool]) -> list[tuple[Key, Address]]:
        found = [(key, t) for key, flights in self._by_key.items() for t, flight in flights.items() if over(t, flight)]
        for key, target in found:
            self.end(key, target)
        return found
