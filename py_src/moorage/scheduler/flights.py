"""Copies that are wanted and are not confirmed yet: from where, to where, until when, and how many bytes.

A worker is asked for so many bytes at a time, the rest queues: what one worker is to receive neither fills its network
for as long as it takes, nor is each copy's patience used up while others arrive.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import takewhile
from math import inf
from time import monotonic
from typing import NamedTuple

from moorage.plan import Address, Key

ROOM = 128 << 20
"""Bytes that a worker is asked for at a time; one copy may be larger."""

_PATIENCE = 10.0
_OVERDUE = 1.0  # seconds after which a copy is asked for once more
_SLOWEST_LINK = 10e6  # bytes per second; a copy gets this much more time before it is asked for again


def patience(nbytes: int) -> float:
    """Return the seconds that so many bytes may take to arrive."""
    return _PATIENCE + nbytes / _SLOWEST_LINK


class _Flight(NamedTuple):
    source: Address
    nbytes: int
    begun: float  # infinite: it queues
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
        #: What queues, by target, with the sources to be named.
        self.queued: dict[Address, dict[Key, Sequence[Address]]] = {}
        #: Targets of which something queues and which can be asked for more.
        self.ready: set[Address] = set()
        self._queued_bytes: Counter[Address] = Counter()
        self._ended: dict[Address, float] = {}  # when a copy last arrived at each worker, or was called off
        self._given_up: dict[tuple[Key, Address], float] = {}  # lately, and since when they had been asked for

    def begin(self, key: Key, sources: Sequence[Address], targets: Sequence[Address], nbytes: int) -> list[Address]:
        """Note copies that are wanted, the first of `sources` counts; return the targets that can be asked now."""
        if not targets:
            return []
        now = monotonic()
        flight = _Flight(sources[0], nbytes, now, now + patience(nbytes), now)
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
            flights[target] = flight._replace(since=min(since, now))
        at_once = []
        for target in targets:
            coming = self.incoming[target]
            if coming and coming + nbytes > ROOM:  # also if less is left of a queue: it goes in turn
                flights[target] = flight._replace(begun=inf, deadline=inf, since=before.get(target, inf))
                self.queued.setdefault(target, {})[key] = sources
                self._queued_bytes[target] += nbytes
            else:
                at_once.append(target)
            self.incoming[target] = coming + nbytes
        self.outgoing[flight.source] += len(targets)
        return at_once

    def depart(self, target: Address) -> dict[Key, tuple[Sequence[Address], int]]:
        """Return what a worker is to be asked for next, with sources and bytes: it is on its way from now on."""
        queue, now = self.queued[target], monotonic()
        asked: dict[Key, tuple[Sequence[Address], int]] = {}
        while queue:
            key = next(iter(queue))
            flights = self.by_key[key]
            flight, on_way = flights[target], self.incoming[target] - self._queued_bytes[target]
            if on_way and on_way + flight.nbytes > ROOM:
                break
            del flights[target]  # to become the youngest
            flights[target] = flight._replace(
                begun=now, deadline=now + patience(flight.nbytes), since=min(flight.since, now)
            )
            asked[key] = queue.pop(key), flight.nbytes
            self._queued_bytes[target] -= flight.nbytes
        if not queue:
            del self.queued[target], self._queued_bytes[target]
        self.ready.discard(target)
        return asked

    def on_way(self, target: Address, keys: Iterable[Key]) -> list[Key]:
        """Return those of `keys` that are on their way to a worker, and do not queue."""
        by_key, none = self.by_key, dict[Address, _Flight]()
        return [key for key in keys if (flight := by_key.get(key, none).get(target)) and flight.begun < inf]

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
            source, nbytes, *_ = flight
            self.incoming[target] -= nbytes
            self.outgoing[source] -= 1
            self._ended[target] = monotonic()
            if target in self.queued:
                self._unqueue(key, target, flight)
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
        self._ended.pop(address, None)

    def oldest(self, keys: Iterable[Key]) -> Oldest | None:
        """Return the copy of `keys` that has been on its way for longest."""
        if not self.by_key:
            return None
        under_way = (
            Oldest(flight.source, target, flight.nbytes, flight.since)
            for key in keys
            for target, flight in self.by_key.get(key, {}).items()
            if flight.begun < inf
        )
        return min(under_way, key=lambda one: one.since, default=None)

    def overdue(self) -> list[tuple[Key, Address]]:
        """Return keys and targets of transfers that are taking long, while nothing arrives there."""
        begun = monotonic() - _OVERDUE
        return [
            (key, target)
            for key, flights in self.by_key.items()
            for target, flight in takewhile(lambda item: item[1].begun < begun or item[1].begun == inf, flights.items())
            if flight.begun < begun and self._ended.get(target, 0) < begun
        ]

    def expire(self) -> list[tuple[Key, Address]]:
        """Cancel overdue transfers to workers at which nothing arrives; return their keys and targets."""
        now = monotonic()
        found = [
            (key, target)
            for key, flights in self.by_key.items()
            for target, flight in takewhile(
                lambda item: item[1].deadline < now or item[1].begun == inf, flights.items()
            )
            if flight.deadline < now and self._ended.get(target, 0) + _PATIENCE < now
        ]
        self._given_up = {(key, target): self.by_key[key][target].since for key, target in found}
        for key, target in found:
            self.end(key, target)
        return found

    def _unqueue(self, key: Key, target: Address, flight: _Flight) -> None:
        """Take what has been called off out of the queue, or note that there is room for what is in it."""
        queue = self.queued[target]
        if queue.pop(key, None) is None:
            self.ready.add(target)
            return
        self._queued_bytes[target] -= flight.nbytes
        if not queue:
            del self.queued[target], self._queued_bytes[target]
            self.ready.discard(target)
