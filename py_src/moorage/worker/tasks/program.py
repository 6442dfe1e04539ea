"""The function or cell of a map on a worker: each item finds it, and all it has captured, as it was sent.

As with ``Client.map``, where each task unpickles its function. To do that for each item would be slow, and most items
change nothing: so what the function holds is compared between items (`Holdings`), and only if something has changed,
or if that cannot be told, it is unpickled again. Placed values that it may change are its own, and compared, too. Runs
on workers, shipped by value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import is_
from typing import Any

from moorage.images.format import Image, state_of
from moorage.worker.holdings import Holdings
from moorage.worker.unpickling.cell import Cell

Load = Callable[[list[Any], list[tuple[Any, Image]]], Callable[..., Any]]


class Program:
    """A callable that is as it was sent each time it is asked for.

    `load`: unpickles it. Takes two lists: to one it adds the placed values and parts of them that the callable refers
    to, to the other those of which it has its own, with their images. `values`: the placed values.
    """

    def __init__(self, load: Load, values: Sequence[Any]) -> None:
        self.used = 0.0
        """When a batch used it last, seconds of a monotonic clock."""
        self._load = load
        self._values = values
        self._function: Callable[..., Any] | None = None
        self._holdings: Holdings | None = None
        self._shared: list[Any] = []
        self._own: list[tuple[Any, Image, Any]] = []  # value, image, state

    def refers_to(self, values: Sequence[Any]) -> bool:
        """Whether it refers to these copies of the placed values."""
        return all(map(is_, self._values, values))

    def fresh(self) -> Callable[..., Any]:
        """Return the callable, as it was sent."""
        function = self._function
        if function is None or not self._unchanged():
            own: list[tuple[Any, Image]] = []
            self._shared = []  # kept, so that no other object gets the place in memory of one of them
            function = self._function = self._load(self._shared, own)
            held: Any = function
            if isinstance(function, Cell):  # which begins with what it has captured by itself
                held = tuple(function.namespace.values())
                self._shared.append(function.namespace)
            self._holdings, self._own = Holdings(held, self._shared), []
            if own and not self._holdings.complete:  # such as frames, of which their image tells
                self._holdings = Holdings(held, [*self._shared, *(value for value, _ in own)])
                self._own = [(value, image, _state(value, image)) for value, image in own]
        return function

    def _unchanged(self) -> bool:
        if self._holdings is None or not self._holdings.unchanged():
            return False
        return all(state is not None and _state(value, image) == state for value, image, state in self._own)


def _state(value: Any, image: Image) -> Any:
    """Return what is another once a value has changed; None if it cannot be told, as of classes of the notebook."""
    try:
        return state_of(value, image)
    except Exception:  # of the code of any class
        return None
