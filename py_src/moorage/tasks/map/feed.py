"""Which items go into the next batch for which workers: in order, or each where it is placed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from moorage.tasks.locality import Lane, Locality, Located
from moorage.tasks.map.ledger import Batch, Ledger
from moorage.tasks.map.source import Source


class Feed(Protocol):
    """What a map takes its items from."""

    @property
    def total(self) -> int | None:
        """Number of items; None as long as it is unknown."""
        ...

    @property
    def remaining(self) -> int | None:
        """Number of items that are in no batch yet; None if unknown."""
        ...

    @property
    def exhausted(self) -> bool:
        """Whether all items are in batches."""
        ...

    @property
    def error(self) -> BaseException | None:
        """What ended the items before their end."""
        ...

    def lanes(self) -> list[Lane]:
        """Return the workers to send batches to."""
        ...

    def sample(self) -> Sequence[Any]:
        """Return one of the items, if there is one, in a sequence, and leave it there."""
        ...

    def open(self, lane: Lane, n: int, ledger: Ledger) -> Batch | None:
        """Begin a batch of up to `n` items for the workers of `lane`; None if there are none."""
        ...

    def measured(self, seconds_per_item: float, waiting: int | None) -> None:
        """Note how long an item takes, and how many have not ended, if that is known."""
        ...

    def forget_workers(self) -> None:
        """Workers have come or gone."""
        ...

    def stop(self) -> None:
        """Hand out nothing until `resume`."""
        ...

    def resume(self) -> None:
        """Go on handing out items."""
        ...

    def close(self) -> None:
        """Let go of what is on the cluster."""
        ...


class InOrder:
    """Items in the order of their iterable, to the workers that suit all of them."""

    def __init__(self, source: Source, locality: Locality) -> None:
        self._source = source
        self._locality = locality
        self.lanes = locality.lanes
        self.forget_workers = locality.forget
        self.stop = source.stop
        self.resume = source.resume
        self.sample = source.peek
        self.close = locality.close

    @property
    def total(self) -> int | None:
        """See `Feed`."""
        return self._source.total

    @property
    def remaining(self) -> int | None:
        """See `Feed`."""
        return self._source.remaining

    @property
    def exhausted(self) -> bool:
        """See `Feed`."""
        return self._source.exhausted

    @property
    def error(self) -> BaseException | None:
        """See `Feed`."""
        return self._source.error

    def open(self, lane: Lane, n: int, ledger: Ledger) -> Batch | None:
        """See `Feed`."""
        items = self._source.take(n)
        return ledger.open(items) if len(items) else None

    def measured(self, seconds_per_item: float, waiting: int | None) -> None:
        """See `Feed`."""
        self._locality.decide(waiting, seconds_per_item)


class WhereTheyAre:
    """Items that are placed one by one, each to a worker that holds it."""

    error = None

    def __init__(self, items: Sequence[Any], located: Located) -> None:
        self._items = items
        self._located = located
        self.lanes = located.lanes
        self.forget_workers = located.forget
        self._stopped = False

    @property
    def total(self) -> int:
        """See `Feed`."""
        return len(self._items)

    @property
    def remaining(self) -> int:
        """See `Feed`."""
        return len(self._located)

    @property
    def exhausted(self) -> bool:
        """See `Feed`."""
        return self._stopped or not len(self._located)

    def stop(self) -> None:
        """See `Feed`."""
        self._stopped = True

    def resume(self) -> None:
        """See `Feed`."""
        self._stopped = False

    def sample(self) -> Sequence[Any]:
        """See `Feed`."""
        return self._items[:1]

    def open(self, lane: Lane, n: int, ledger: Ledger) -> Batch | None:
        """See `Feed`."""
        indices = self._located.take(lane, n)
        return ledger.open_at(indices, [self._items[index] for index in indices]) if indices else None

    def measured(self, seconds_per_item: float, waiting: int | None) -> None:
        """See `Feed`."""

    def close(self) -> None:
        """See `Feed`."""
