"""The function or cell of a map on a worker: each item finds it, and all it has captured, as it was sent.

As with ``Client.map``, where each task unpickles its function. To do that for each item would be slow, and most items
change nothing: so what the function holds is compared between items (`Holdings`), and only if something has changed,
or if that cannot be told, it is unpickled again. Placed values are shared. Runs on workers, shipped by value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import is_
from typing import Any

from moorage.worker.holdings import Holdings
from moorage.worker.unpickling.cell import Cell


class Program:
    """A callable that is as it was sent each time it is asked for.

    `load`: unpickles it. Takes a list, to which it adds the placed values and parts of them that the callable refers
    to. `values`: the placed values.
    """

    def __init__(self, load: Callable[[list[Any]], Callable[..., Any]], values: Sequence[Any]) -> None:
        self.used = 0.0
        """When a batch used it last, seconds of a monotonic clock."""
        self._load = load
        self._values = values
        self._function: Callable[..., Any] | None = None
        self._holdings: Holdings | None = None
        self._shared: list[Any] = []

    def refers_to(self, values: Sequence[Any]) -> bool:
        """Whether it refers to these copies of the placed values."""
        return all(map(is_, self._values, values))

    def fresh(self) -> Callable[..., Any]:
        """Return the callable, as it was sent."""
        function = self._function
        if function is None or self._holdings is None or not self._holdings.unchanged():
            self._shared = []  # kept, so that no other object gets the place in memory of one of them
            function = self._function = self._load(self._shared)
            if isinstance(function, Cell):  # which begins with what it has captured by itself
                self._holdings = Holdings(tuple(function.namespace.values()), [*self._shared, function.namespace])
            else:
                self._holdings = Holdings(function, self._shared)
        return function
