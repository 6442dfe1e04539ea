"""The items of a map, taken as they are needed."""

from __future__ import annotations

import contextlib
import itertools
import operator
import pickle
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from moorage.errors import InputError
from moorage.worker.holdings import ATOMS

LARGEST_COPY = 100_000
"""Bytes of an item that is copied if the iterator goes on to change it."""
PATIENCE = 0.1
"""Seconds to wait for more items before those at hand are sent."""


class Source:
    """Hands out the items of one or several iterables, in order.

    What can be changed while it is used (lists, arrays) is copied first; iterators are consumed lazily, from the thread
    that calls `take`. `iterables`: with several, an item is a tuple with an element of each, as in `zip`. Raises
    InputError if one cannot be iterated over, or if there is none.
    """

    def __init__(self, iterables: Sequence[Iterable[Any]]) -> None:
        if not iterables:
            raise InputError("No iterable was given.", "Give at least one iterable.")
        self.error: BaseException | None = None
        """What the iterable raised half-way, if it did."""
        self.taken = 0
        """Number of items handed out."""
        self._exhausted = False
        self._stopped = False
        self._sequence: Sequence[Any] | None = None
        self._iterator: Iterator[Any] = iter(())
        self._length: int | None = None
        self._reuse = _Reuse()
        if len(iterables) == 1 and isinstance(iterables[0], range | tuple | list | str | set | frozenset | dict):
            only = iterables[0]
            self._sequence = only if isinstance(only, range | tuple) else list(only)
            self._length = len(self._sequence)
            return
        lengths = [_length(iterable) for iterable in iterables]
        known = [length for length in lengths if length is not None]
        self._length = min(known) if len(known) == len(lengths) else None
        fixed = [iterable.copy() if isinstance(iterable, np.ndarray) else iterable for iterable in iterables]
        iterators = [_iter(iterable) for iterable in fixed]
        self._iterator = iterators[0] if len(iterators) == 1 else zip(*iterators, strict=False)

    @property
    def total(self) -> int | None:
        """Number of items in all; None as long as it is unknown."""
        return self.taken if self._exhausted else self._length

    @property
    def remaining(self) -> int | None:
        """Number of items not handed out yet; None if unknown."""
        total = self.total
        return None if total is None else max(total - self.taken, 0)

    @property
    def exhausted(self) -> bool:
        """Whether there are no more items."""
        if self._stopped or self._exhausted:
            return True
        return self._sequence is not None and self.taken >= len(self._sequence)

    def peek(self) -> Sequence[Any]:
        """Return the next item, if there is one, in a sequence, and leave it there."""
        if self._sequence is not None:
            return self._sequence[self.taken : self.taken + 1]
        item = self._take(1)
        self._iterator = itertools.chain(item, self._iterator)
        self._reuse = _Reuse()
        return item

    def take(self, n: int) -> Sequence[Any]:
        """Return the next `n` items, or fewer: if there are no more, or if making them takes its time.

        After an error of the iterable there are no more.
        """
        items = self._sequence[self.taken : self.taken + n] if self._sequence is not None else self._take(n)
        self.taken += len(items)
        return items

    def _take(self, n: int) -> list[Any]:
        __tracebackhide__ = True  # IPython shows the user's frames only
        items: list[Any] = []
        end = time.monotonic() + PATIENCE
        try:
            for item in self._iterator:
                self._reuse.take(item, items)
                if len(items) >= n or time.monotonic() > end:
                    return items
        except BaseException as error:  # also KeyboardInterrupt and SystemExit: it is the user's code
            error.add_note(f"(raised by the iterable, after {self.taken + len(items)} items)")
            self.error = error
        self._exhausted = True
        return items

    def stop(self) -> None:
        """Hand out nothing until `resume`."""
        self._stopped = True

    def resume(self) -> None:
        """Go on handing out items."""
        self._stopped = False


class _Reuse:
    """Copies what an iterator gives again and again, with another content each time.

    The first one is kept pickled in advance: it has another content as soon as the next is asked for. Large objects
    are left alone: they are given again because they are the same.
    """

    def __init__(self) -> None:
        self._before: Any = None
        self._pickled: bytes | None = None

    def take(self, item: Any, items: list[Any]) -> None:
        """Add `item`, or a copy, to `items`, and put a copy of the one before into its place, if it is the same."""
        if type(item) in ATOMS:
            items.append(item)
            return
        if item is self._before and self._pickled is not None:
            if items and items[-1] is item:
                items[-1] = pickle.loads(self._pickled)
            item = pickle.loads(pickle.dumps(item, protocol=5))
        elif self._before is None:
            with contextlib.suppress(Exception):
                pickled = pickle.dumps(item, protocol=5)
                self._pickled = pickled if len(pickled) <= LARGEST_COPY else None
            self._before = item
        items.append(item)


def _length(iterable: Any) -> int | None:
    hint = operator.length_hint(iterable, -1) if not isinstance(iterable, Iterator) else -1
    return hint if hint >= 0 else None


def _iter(iterable: Any) -> Iterator[Any]:
    try:
        return iter(iterable)
    except TypeError:
        raise InputError(
            f"A {type(iterable).__name__} cannot be looped over.", "Give a list, a range, a generator or the like."
        ) from None
