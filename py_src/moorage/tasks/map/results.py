"""The results of a map in the notebook: a sequence that fills as items finish."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from typing import Any, Literal, overload

from distributed import Future

from moorage import config
from moorage._dask.client import scatter
from moorage.errors import InputError, MoorageError, UnpicklableError
from moorage.kernel.waiting import LOOK, check, gather, wait_for
from moorage.tasks.collections.together import together
from moorage.tasks.map.item_errors import ItemError, exception_at
from moorage.tasks.map.ledger import Batch, Progress
from moorage.tasks.map.outcomes import check_room, late, unloadable
from moorage.tasks.map.run import LAST_WORD, Run
from moorage.tasks.map.surviving import note_gone
from moorage.worker.tasks.outcome import load

OnError = Literal["raise", "skip", "return"]

_WINDOW = 4  # batches that are gathered ahead of an iteration
_MOST_FUTURES = 100_000


class Results(Sequence[Any]):
    """The results of the items of a map, in the order of the items.

    Indexing, slicing and iterating wait until the items have finished. An item that raised raises here again.
    Thread-safe.

    Examples
    --------
    >>> results = cluster.map(evaluate, range(200))
    >>> results[:3]
    [0, 1, 4]
    """

    def __init__(
        self, mapping: Run, origins: Sequence[Any] = (), on_begin: Callable[[Results], None] = lambda _: None
    ) -> None:
        self._mapping = mapping
        self._origins = origins  # keys of the items, if these are parts on the cluster
        self._on_begin = on_begin  # called when it runs, and when it runs again
        self.begun = time.monotonic()
        self._ledger = mapping.ledger
        self._client = mapping.backend.client
        self._recent: OrderedDict[Batch, list[Any]] = OrderedDict()  # gathered, the latest last
        self._lock = threading.RLock()
        on_begin(self)

    # ---- how far it is

    @property
    def progress(self) -> Progress:
        """Numbers of items in all, done, failed and running."""
        return self._ledger.progress()

    @property
    def group(self) -> str:
        """What Dask calls the group of its tasks, as on the dashboard."""
        return self._mapping.group

    @property
    def failure(self) -> BaseException | None:
        """What ended the map early: an error of the iterable, the time limit, or the loss of the cluster."""
        return self._ledger.failure

    def done(self) -> bool:
        """Whether all items have finished."""
        return self._ledger.finished

    def wait(self, timeout: str | float | None = None) -> bool:
        """Wait until all items have finished; return whether they have.

        Parameters
        ----------
        timeout : str or float, optional
            Limit, in seconds or such as ``"30s"``. Default: none.

        Raises
        ------
        Exception
            Whatever ended the map early, such as an error of the iterable. Errors of items are not raised.
        """
        __tracebackhide__ = True  # IPython shows the user's frames only
        ended = self._until(lambda: self._ledger.finished, config.limit(timeout))
        if ended and self.failure is not None:
            raise self.failure
        return ended

    def subscribe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` after each change, on any thread; it must be quick. Return how to unsubscribe."""
        return self._ledger.subscribe(callback)

    # ---- a sequence

    def __len__(self) -> int:
        """Number of items; of those handed out so far, if the iterable has no length."""
        total = self._ledger.total
        return self._ledger.count if total is None else total

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        __tracebackhide__ = True  # IPython shows the user's frames only
        if isinstance(index, slice) or index < 0:
            self._until(lambda: self._ledger.total is not None)
        if isinstance(index, slice):
            return self._values(range(*index.indices(len(self))), "raise", force=False)
        index = index + len(self) if index < 0 else index
        self._until(lambda: self._has_ended(index))
        if not 0 <= index < len(self):
            raise IndexError(f"There are {len(self)} items.")
        return self._value(index)

    def __iter__(self) -> Iterator[Any]:
        """Iterate in the order of the items, each as soon as it and those before it have ended."""
        __tracebackhide__ = True  # IPython shows the user's frames only
        index = 0
        while self._until(lambda: self._has_ended(index)) or index < len(self):  # noqa: B023  # called at once
            yield self._value(index)
            index += 1
        if self.failure is not None:
            raise self.failure

    def as_completed(self, timeout: str | float | None = None) -> Iterator[tuple[int, Any]]:
        """Iterate over (index, value) in the order in which items end. One that raised raises here.

        The items of one task end together.

        Parameters
        ----------
        timeout : str or float, optional
            Limit for all of them together, in seconds or such as ``"30s"``. Default: none.

        Raises
        ------
        WaitTimeoutError
            If they have not ended by then. They go on.
        """
        limit, begun = config.limit(timeout), time.monotonic()
        seen, given = set[int](), set[int]()  # what is lost after it was given is computed again
        while (batch := self._next_ended(seen, limit, begun)) is not None:
            for position, index in enumerate(batch.indices):
                if position not in batch.superseded and index not in given:
                    given.add(index)
                    yield index, self._value(index)
        if self.failure is not None:
            raise self.failure
        if not self._ledger.finished:
            raise late(self.progress, limit)

    # ---- all of it

    def gather(
        self, errors: OnError = "raise", *, timeout: str | float | None = None, force: bool = False
    ) -> list[Any]:
        """Wait for all items and return their values.

        Parameters
        ----------
        errors : {"raise", "skip", "return"}
            What to do about items that raised: raise the first one's exception, leave them out, or put the exception
            in the place of the value.
        timeout : str or float, optional
            Limit of the wait for the items, in seconds or such as ``"30s"``. Default: none.
        force : bool
            Even if the values do not fit into memory.

        Raises
        ------
        WaitTimeoutError
            If they have not ended by then. They go on.
        DoesNotFitError
            With the numbers. Nothing was fetched.
        """
        __tracebackhide__ = True  # IPython shows the user's frames only
        if not self.wait(timeout):
            raise late(self.progress, config.limit(timeout))
        return self._values(range(len(self)), errors, force=force)

    @property
    def errors(self) -> list[ItemError]:
        """The items that have raised so far."""
        return self.first_errors(None)

    def first_errors(self, n: int | None) -> list[ItemError]:
        """Return the first `n` of the items that have raised so far; None: all."""
        found: list[ItemError] = []
        for index in self._ledger.failed():
            if n is not None and len(found) >= n:
                break
            located = self._ledger.locate(index)
            if located is not None and located[0].status != "cancelled":
                batch, position = located
                error = exception_at(batch, position, index)
                found.append(ItemError(index, batch.items[position], batch.worker, error))
        return found

    @property
    def nbytes(self) -> int:
        """Size of the values that are there so far, bytes, as estimated on the workers."""
        return sum(batch.nbytes for batch in self.batches())

    def batches_on_cluster(self) -> list[Future[Any]]:
        """Return the futures, of many items each, of what runs and of values that are on the cluster only."""
        return [future for batch in self.batches() if (future := batch.future) is not None]

    def batches(self) -> list[Batch]:
        """Return the tasks that its items are in so far."""
        return list(self._ledger.batches)

    def batch_of(self, index: int) -> tuple[Batch, int] | None:
        """Return the task that item `index` is in, and its place there, without waiting; None if it is in none yet.

        Raises IndexError.
        """
        at = index + len(self) if index < 0 else index
        if not 0 <= at < max(len(self), self._ledger.count):
            raise IndexError(f"There are {len(self)} items.")
        return self._ledger.locate(at)

    @property
    def futures(self) -> list[Future[Any]]:
        """A Dask future per item, to be used as input of other tasks. Waits for all items.

        Values that have left the cluster are scattered again.

        Raises
        ------
        InputError
            If there are too many items for that.
        """
        __tracebackhide__ = True  # IPython shows the user's frames only
        self.wait()
        if len(self) > _MOST_FUTURES:
            most = f"{len(self):,} futures would overload the scheduler: the limit is {_MOST_FUTURES:,}."
            raise InputError(most, "Use .gather(), a slice, or map over larger items.")
        return list(map(self._future, range(len(self))))

    def to_collection(self) -> Any:
        """Return a persisted Dask collection of the values, with a part for each item. Waits for all items.

        Frames make a data frame, series a series, arrays an array (in the grid of the array whose blocks the items
        were, else one below the other), lists a bag; anything else a list of delayed objects.

        Raises
        ------
        InputError
            If the values do not make a collection together.
        """
        __tracebackhide__ = True  # IPython shows the user's frames only
        return together(self._client, self.futures, self._origins)

    # ---- acts

    def retry(self) -> Results:
        """Run the items again that raised or were cancelled; return these same results."""
        self.wait_quietly()
        if self.progress.failed or self.progress.cancelled:
            self._mapping.retry(self._ledger.failed())
            self._on_begin(self)
        return self

    def cancel(self) -> None:
        """Cancel the items that have not finished. Finished ones stay available."""
        self.stop()
        self._until(lambda: self._ledger.finished, LAST_WORD + 1)  # unless the iterable or the scheduler is stuck

    def stop(self) -> None:
        """Cancel as `cancel` does, and do not wait for it."""
        self._mapping.cancel()

    def wait_quietly(self) -> None:
        """Wait until it has ended, however it did."""
        self._until(lambda: self._ledger.finished)

    def __repr__(self) -> str:
        ended = f", ended by {type(self.failure).__name__}" if self.failure is not None else ""
        return f"<Results: {self.progress.in_words()}{ended}>"

    def __reduce__(self) -> Any:
        raise UnpicklableError("Results cannot be copied or pickled.", "Use what .gather() returns.")

    def __moorage_value__(self) -> list[Any]:
        """What stands for the results in a task: the values, as far as they are on the cluster by reference."""
        return self.futures if self.batches_on_cluster() else self.gather()

    # ---- inside

    def _until(self, condition: Callable[[], bool], timeout: float | None = None) -> bool:
        """Wait until `condition` holds; return False if it no longer can, or not in time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._ledger.changed:
            while not condition():
                if self._ledger.finished:
                    return False
                left = LOOK if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    return False
                if not self._ledger.changed.wait(min(left, LOOK)) and self._client.status == "running":
                    check(self._client)
        return True

    def _has_ended(self, index: int) -> bool:
        located = self._ledger.locate(index)
        return located is not None and located[0].status != "running"

    def _next_ended(self, seen: set[int], limit: float | None, begun: float) -> Batch | None:
        def find() -> Batch | None:
            return next((b for b in self._ledger.batches if b.status != "running" and b.number not in seen), None)

        self._until(lambda: find() is not None, None if limit is None else limit + begun - time.monotonic())
        batch = find()
        if batch is not None:
            seen.add(batch.number)
        return batch

    def _value(self, index: int) -> Any:
        __tracebackhide__ = True  # IPython shows the user's frames only
        batch, position = self._located(index)
        if batch.status != "done" or position in batch.errors:
            raise exception_at(batch, position, index)
        if batch.values is not None:
            return batch.values[position]
        taken = self._taken_of(batch)[position]
        try:
            return load(taken)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # the code of any class
            errors = {**batch.errors, position: unloadable(error, batch.worker)}
            self._ledger.update(batch, errors=errors)
            raise exception_at(batch, position, index) from None

    def _located(self, index: int) -> tuple[Batch, int]:
        __tracebackhide__ = True  # IPython shows the user's frames only
        if (located := self._ledger.locate(index)) is None:
            raise self.failure or MoorageError(f"Item {index} was never started.", "Run it with .retry().")
        return located

    def _values(self, indices: range, errors: OnError, *, force: bool) -> list[Any]:
        __tracebackhide__ = True  # IPython shows the user's frames only
        self._until(lambda: all(self._has_ended(index) for index in indices))
        if not force:
            there = {located[0] for index in indices if (located := self._ledger.locate(index)) is not None}
            check_room(sum(batch.nbytes for batch in there if batch.values is None))
        values: list[Any] = []
        for index in indices:
            try:
                values.append(self._value(index))
            except Exception as error:
                if errors == "raise":
                    if (others := self.progress.failed - 1) > 0:
                        error.add_note(f"({others} more failed: see .errors)")
                    raise
                if errors == "return":
                    values.append(error)
        return values

    def _taken_of(self, batch: Batch) -> list[Any]:
        """Return the values of a batch that is on the cluster, as they were taken down."""
        with self._lock:
            if batch not in self._recent:
                near = self._ledger.batches[batch.number : batch.number + _WINDOW]
                new = [b for b in near if b not in self._recent]
                ahead = [b for b in new if b.status == "done" and b.values is None and b.future is not None]
                try:
                    gathered = self._gather([b.future for b in ahead])
                except CancelledError as error:
                    note_gone(self._ledger, ahead)
                    raise batch.error or error from None
                for got, value in zip(ahead, gathered, strict=True):
                    self._recent[got] = value["values"]
                while len(self._recent) > 2 * _WINDOW:
                    self._recent.popitem(last=False)
            return self._recent[batch]

    def _gather(self, futures: list[Future[Any] | None]) -> Any:
        self._mapping.backend.wait_back()
        return wait_for(self._client, gather, self._client, futures)

    def _future(self, index: int) -> Future[Any]:
        __tracebackhide__ = True  # IPython shows the user's frames only
        batch, position = self._located(index)
        if batch.status != "done" or position in batch.errors:
            raise exception_at(batch, position, index)
        if batch.future is None:
            future: Future[Any] = wait_for(self._client, scatter, self._client, [self._value(index)])[0]
            return future
        return self._mapping.item_future(batch, position)
