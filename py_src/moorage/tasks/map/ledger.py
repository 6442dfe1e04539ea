"""What is known of each item of a map: the book that the thread which runs it writes and `Results` reads.

Items are kept by batch, not one by one, so that a million of them cost little. Thread-safe; waits are on one condition.
"""

from __future__ import annotations

import bisect
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from distributed import Future

    from moorage.wire.tasks import Described, DoneReport

Status = Literal["running", "done", "failed", "cancelled"]


class Progress(NamedTuple):
    """How far a map is.

    Attributes
    ----------
    total : int or None
        Items in all; None as long as the iterable has not said.
    done : int
        Items that have ended, with a value or an error.
    failed : int
        Of those, the ones with an error.
    running : int
        Items that are on the cluster and have not ended.
    finished : bool
        Nothing more will happen by itself.
    """

    total: int | None
    done: int
    failed: int
    running: int
    cancelled: int
    finished: bool

    def in_words(self) -> str:
        """Return it in words."""
        others = (self.failed, "failed"), (self.running, "running"), (self.cancelled, "cancelled")
        done = f"{self.done} of {'?' if self.total is None else self.total} done"
        return ", ".join([done, *(f"{n} {word}" for n, word in others if n)])


@dataclass(eq=False, slots=True, weakref_slot=True)
class Batch:
    """Items that are one task."""

    number: int
    indices: range | list[int]  # of the items
    # kept until they have ended well and are here; of a batch with errors, those of the errors are kept
    items: Sequence[Any] | dict[int, Any] = ()
    status: Status = "running"  # ``failed``: as a whole, with `error`; single items fail with `errors`
    future: Future[Any] | None = None  # None once the values are here
    values: list[Any] | None = None  # None as long as they are on the cluster only
    # by position in the batch: see ``describe`` in ``worker/tasks/errors.py``
    errors: dict[int, Described] = field(default_factory=dict)
    error: BaseException | None = None  # also of what is cancelled because the whole map has failed
    nbytes: int = 0  # size of the values, bytes, as estimated on the worker
    # `progress`, `progress_failed`: items that have ended, as reported meanwhile
    progress: int = 0
    progress_failed: int = 0
    report: DoneReport | None = None  # what the worker said when it was through
    worker: str = ""  # name of the worker that runs or ran it
    attempt: int = 0  # how often it was sent again
    alone: bool = False  # nothing else of its map was on the cluster since it was sent
    # positions of items that were sent again in a batch of their own, which counts instead
    superseded: set[int] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def name(self) -> str:
        """What workers call it in their reports; another one each time it is sent."""
        return f"{self.number}.{self.attempt}"


class Ledger:
    """The batches of one map."""

    def __init__(self, total: int | None = None) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.total = total
        self.finished = False
        self.failure: BaseException | None = None
        """What ended the whole map, such as an error of the iterable."""
        self.batches: list[Batch] = []
        self._ordered: list[Batch] = []  # those of consecutive items
        self._elsewhere: dict[int, tuple[Batch, int]] = {}  # items that are not where their order says
        self._count = 0
        self._sums = Counter[str]()  # of `_standing` of all batches: to look at each costs, of a million items
        self._callbacks: list[Callable[[], None]] = []

    @property
    def count(self) -> int:
        """Number of items that are in a batch so far."""
        return self._count

    def open(self, items: Sequence[Any]) -> Batch:
        """Begin a batch of the next items."""
        with self.changed:
            batch = Batch(len(self.batches), range(self._count, self._count + len(items)), items)
            self.batches.append(batch)
            self._ordered.append(batch)
            self._count += len(items)
            self._sums.update(_standing(batch))
            return batch

    def open_at(self, indices: Sequence[int], items: Sequence[Any]) -> Batch:
        """Begin a batch of any items. If they have ended before, this takes the place of their outcomes."""
        with self.changed:
            batch = Batch(len(self.batches), list(indices), items)
            self.batches.append(batch)
            self._count = max(self._count, max(indices) + 1)
            for position, index in enumerate(indices):
                before = self.locate(index)
                if before is not None:
                    with self._counted(before[0]):
                        before[0].superseded.add(before[1])
                self._elsewhere[index] = batch, position
            self._sums.update(_standing(batch))
            return batch

    def split(self, batch: Batch, n: int) -> Batch:
        """Keep the first `n` items in `batch`, and begin another one of the others."""
        with self.changed:
            rest = Batch(len(self.batches), batch.indices[n:], batch.items[n:])  # type: ignore[index]
            with self._counted(batch):
                batch.indices, batch.items = batch.indices[:n], batch.items[:n]  # type: ignore[index]
            self.batches.append(rest)
            self._sums.update(_standing(rest))
            if isinstance(rest.indices, range):
                bisect.insort(self._ordered, rest, key=_first)
            else:
                self._elsewhere.update((index, (rest, position)) for position, index in enumerate(rest.indices))
            return rest

    def locate(self, index: int) -> tuple[Batch, int] | None:
        """Return the batch that item `index` is in, and its position there; None if it is in none yet."""
        found = self._elsewhere.get(index)
        if found is not None:
            return found
        at = bisect.bisect_right(self._ordered, index, key=_first) - 1
        if at < 0:
            return None
        batch = self._ordered[at]
        position = index - batch.indices[0]
        return (batch, position) if position < len(batch) else None

    def item(self, index: int) -> Any:
        """Return item `index` itself, of a batch that has not ended well."""
        found = self.locate(index)
        if found is None:
            raise IndexError(index)
        return found[0].items[found[1]]

    def update(self, batch: Batch, **changes: Any) -> None:
        """Change what is known of `batch`, and tell who waits."""
        with self.changed, self._counted(batch):
            for name, value in changes.items():
                setattr(batch, name, value)
        self.notify()

    def progress(self) -> Progress:
        """Return how far everything is. As quick for a million items as for one."""
        with self.changed:
            sums = self._sums
            cancelled = sums["cancelled"]
            if self.finished and self.total is not None:
                cancelled += self.total - self._count  # never begun
            return Progress(self.total, sums["done"], sums["failed"], sums["running"], cancelled, self.finished)

    @contextmanager
    def _counted(self, batch: Batch) -> Iterator[None]:
        """Keep the sums right while a batch changes."""
        self._sums.subtract(_standing(batch))
        try:
            yield
        finally:
            self._sums.update(_standing(batch))

    def failed(self) -> list[int]:
        """Return the items that ended with an error or were cancelled, in order."""
        found: list[int] = []
        with self.changed:
            for batch in self.batches:
                positions = batch.errors if batch.status == "done" else range(len(batch))
                if batch.status != "running":
                    found += [batch.indices[p] for p in positions if p not in batch.superseded]
        return sorted(found)

    def begin(self) -> None:
        """Note that something happens again."""
        with self.changed:
            self.finished = False
            self.failure = None

    def finish(self, failure: BaseException | None = None) -> None:
        """Note that nothing more will happen."""
        with self.changed:
            self.finished = True
            self.failure = self.failure or failure
            if self.total is None:
                self.total = self._count
        self.notify()

    def notify(self) -> None:
        """Wake who waits, and call who has subscribed."""
        with self.changed:
            self.changed.notify_all()
            callbacks = list(self._callbacks)
        for callback in callbacks:
            callback()

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after each change, from whichever thread makes it; return the function that ends it."""
        with self.changed:
            self._callbacks.append(callback)

        def unsubscribe() -> None:
            with self.changed:
                if callback in self._callbacks:
                    self._callbacks.remove(callback)

        return unsubscribe


def _standing(batch: Batch) -> dict[str, int]:
    """Return how many items of a batch have ended, and how; those that are in another batch by now count there."""
    counting = len(batch) - len(batch.superseded)
    if batch.status == "running":
        return {"done": batch.progress, "failed": batch.progress_failed, "running": counting - batch.progress}
    if batch.status == "cancelled":
        return {"cancelled": counting}
    errors = len(batch) if batch.status == "failed" else len(batch.errors)
    return {"done": counting, "failed": errors - len(batch.superseded)}


def _first(batch: Batch) -> int:
    return batch.indices[0]
