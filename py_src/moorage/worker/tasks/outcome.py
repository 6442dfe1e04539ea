"""Takes down what an item returns, when the item ends: pickled, so that nothing that happens later can change it.

Each result stands by itself: one that cannot be pickled is the error of its own item, and one that cannot be loaded is
the error of whoever loads it. Values that nobody can change stay as they are. Used by workers, shipped by value, and by
the notebook.
"""

from __future__ import annotations

import contextlib
import pickle
import sys
import types
from collections.abc import Iterable
from typing import Any

import cloudpickle

from moorage.images.code import loads
from moorage.worker.holdings import ATOMS

OUT_OF_BAND = 10_000
"""Bytes of a buffer that is kept beside the pickle rather than in it."""

_HOOKS = ("__reduce__", "__reduce_ex__", "__getstate__")

Taken = Any
"""A result as it was taken down: an atom as it is; of anything else a tuple of pickle and buffers."""


class Untakeable(Exception):
    """A result that cannot be sent. Says of what type, and why."""


def take_down(value: Any) -> Taken:
    """Return `value` in a form that stays as it is. Raises Untakeable if it cannot be pickled."""
    if type(value) in ATOMS:
        return value
    buffers: list[Any] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        with contextlib.suppress(BufferError):  # not contiguous: pickle copies it
            raw = buffer.raw()
            if raw.nbytes >= OUT_OF_BAND:
                buffers.append(_copy(raw))
                return False
        return True

    try:
        data = _dumps(value, keep, buffers)
    except BaseException as error:
        raise Untakeable(type(value).__name__, _reason(value, error)) from None
    return data, *buffers


def try_to_pickle(value: Any) -> None:
    """Pickle `value`, and forget it, if it is pickled by code of the notebook.

    If that code ends the process, or raises what would, it should do so where the value is made: Dask would make it
    again each time that somebody asks for it.
    """
    kind = type(value)
    own = any(name in vars(base) for base in kind.__mro__[:-1] for name in _HOOKS)
    if own and kind.__module__ == "__main__":
        with contextlib.suppress(Exception):  # a value that stays where it is may be one that cannot be pickled
            cloudpickle.dumps(value)


def load(taken: Taken) -> Any:
    """Return the result that was taken down; raise what its class raises.

    Classes of the notebook are left alone there: they would get the attributes that they had on some worker, and
    methods that no longer read the notebook's globals.
    """
    if type(taken) is not tuple:
        return taken
    data, *buffers = taken
    return loads(data, buffers, keep=True)


def size(taken: Iterable[Taken]) -> int:
    """Return the size of results, bytes."""
    total = 0
    for value in taken:
        total += value_size(value)
    return total


def value_size(taken: Taken) -> int:
    """Return the size of one result, bytes."""
    if type(taken) is not tuple:
        return sys.getsizeof(taken)
    return sum(part.nbytes if hasattr(part, "nbytes") else len(part) for part in taken)


def _dumps(value: Any, keep: Any, buffers: list[Any]) -> bytes:
    """Pickle by name what the notebook can import, and by value what the cell has defined."""
    with contextlib.suppress(Exception):
        data = pickle.dumps(value, protocol=5, buffer_callback=keep)
        if b"__main__" not in data:
            return data
    buffers.clear()
    return cloudpickle.dumps(value, protocol=5, buffer_callback=keep)  # type: ignore[no-any-return]


def _copy(raw: memoryview) -> Any:
    """Return a copy of `raw` that Dask sends without copying it again, if there is one."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None:
        return bytearray(raw)
    copy = numpy.empty(raw.nbytes, numpy.uint8)
    copy[:] = numpy.frombuffer(raw, numpy.uint8)
    return copy


def _reason(value: Any, error: BaseException) -> str:
    if isinstance(value, types.GeneratorType | types.AsyncGeneratorType):
        return "it is made step by step, and can only be used where it was made"
    try:
        return f"{type(error).__name__}: {error}"[:1000]
    except Exception:
        return type(error).__name__
