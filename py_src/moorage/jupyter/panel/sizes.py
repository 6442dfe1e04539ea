"""How large a value is, roughly and at once: for a list of what could be placed, not for deciding whether it fits.

Unlike ``dask.sizeof`` this looks at no more than a few hundred objects, however deep a value is, leaves the random
generators of ``random`` and ``numpy`` alone (the user may have seeded them), and runs no code of classes that were
defined in the notebook.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import islice
from typing import Any

_MOST = 200  # objects looked at in one value
_SAMPLES = (10, 4, 2, 1)  # of the elements of a container, of those of a container in it, and so on
_DEEPEST = 30


def measure(value: Any) -> int:
    """Return the bytes that `value` takes, estimated from samples of its elements."""
    return _Scale().weigh(value)


def is_of_the_notebook(value: Any) -> bool:
    """Whether the class of `value` was defined in the notebook, so that any access to it may run the user's code."""
    return type(value).__module__ == "__main__"


class _Scale:
    """Weighs one value."""

    def __init__(self) -> None:
        self._left = _MOST
        self._depth = 0

    def weigh(self, value: Any) -> int:
        if self._left <= 0 or self._depth > _DEEPEST:
            return 0
        self._left -= 1
        self._depth += 1
        size = self._weigh(value)
        self._depth -= 1
        return size

    def _weigh(self, value: Any) -> int:
        for kind in (list, tuple, set, frozenset, dict):
            if isinstance(value, kind):
                return kind.__sizeof__(value) + self._elements(value, kind)
        if is_of_the_notebook(value):
            return self._instance(value)
        if type(value).__module__.startswith("distributed."):  # a future: what it stands for is elsewhere
            return object.__sizeof__(value)
        if isinstance(value, str | bytes | bytearray | int | float | complex):
            return sys.getsizeof(value)
        if (nbytes := _number(_attribute(value, "nbytes"))) is not None:
            return nbytes + self._objects_of(value)
        if _attribute(type(value), "estimated_size") is not None:  # polars
            return _number(value.estimated_size()) or 0
        if _attribute(type(value), "memory_usage") is not None:  # pandas
            return self._frame(value)
        return self._instance(value)

    def _elements(self, value: Any, kind: Any) -> int:
        n: int = kind.__len__(value)
        if kind is dict:
            sample = [part for item in islice(dict.items(value), self._samples) for part in item]
            return self._estimate(sample, 2 * n)
        if kind in (set, frozenset):
            return self._estimate(list(islice(kind.__iter__(value), self._samples)), n)
        return self._spread(lambda i: kind.__getitem__(value, i), n)

    def _objects_of(self, array: Any) -> int:
        """What an array of Python objects refers to."""
        dtype = _attribute(array, "dtype")
        if getattr(dtype, "hasobject", False) is not True and getattr(dtype, "storage", "") != "python":
            return 0
        values: Any = getattr(array, "array", array)  # of a series
        flat = getattr(values, "flat", values)  # does not copy
        return self._spread(lambda i: flat[i], len(flat))

    def _frame(self, frame: Any) -> int:
        """A data frame, from some of its columns, without copying any."""
        n = frame.shape[1]
        if n == 0:
            return 0
        chosen = range(0, n, max(1, -(-n // (2 * self._samples))))
        sizes: list[int] = [self.weigh(frame.iloc[:, i]) for i in chosen]
        return sum(sizes) * int(n) // len(chosen) + (_number(_attribute(frame.index, "nbytes")) or 0)

    def _instance(self, value: Any) -> int:
        size: int = object.__sizeof__(value)
        try:
            attributes = object.__getattribute__(value, "__dict__")
        except AttributeError:
            return size
        if not isinstance(attributes, dict):
            return size
        return size + sum(self.weigh(part) for part in list(dict.values(attributes)))

    @property
    def _samples(self) -> int:
        return _SAMPLES[min(self._depth, len(_SAMPLES)) - 1]

    def _spread(self, element: Callable[[int], Any], n: int) -> int:
        """Estimate from elements that are spread evenly."""
        step = max(1, -(-n // self._samples))
        return self._estimate([element(i) for i in range(0, n, step)], n)

    def _estimate(self, sample: list[Any], n: int) -> int:
        sizes = [self.weigh(element) for element in sample]
        return sum(sizes) * n // len(sizes) if sizes else 0


def _number(found: Any) -> int | None:
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _attribute(value: Any, name: str) -> Any:
    try:
        return getattr(value, name, None)
    except Exception:  # a property that has its own opinion
        return None
