"""The pieces of memory inside a value, in an order that notebook and worker agree on.

An array of a container, the column of a frame, the data of a sparse matrix: whatever pickling would send out of
band is a piece. Both sides number the pieces by letting a pickler walk the value without writing anything, so that
"piece 3 of this value" names the same bytes on either side. That is how a slice of a placed array travels as a
reference. Runs on workers, shipped by value: nothing but the standard library, cloudpickle and numpy.
"""

from __future__ import annotations

import pickle
from typing import Any

import cloudpickle


def pieces_of(value: Any) -> list[Any]:
    """Return the pieces of memory inside `value`: its plain arrays, and other buffers as ``pickle.PickleBuffer``.

    The value is walked, not copied. Arrays of Python objects are no pieces: they have no bytes of their own.
    """
    walker = _Walker()
    walker.dump(value)
    return walker.pieces


def flat(piece: Any) -> Any:
    """Return the bytes of a contiguous piece as a one-dimensional array of uint8, in the order they lie in memory."""
    import numpy as np

    if isinstance(piece, pickle.PickleBuffer):
        return np.frombuffer(piece.raw(), dtype=np.uint8)
    return piece.ravel(order="K").view(np.uint8)


def is_plain_array(value: Any) -> bool:
    """Whether `value` is an array with bytes of its own: no subclass, no Python objects inside."""
    kind = type(value)
    return kind.__module__ == "numpy" and kind.__name__ == "ndarray" and not value.dtype.hasobject


class _Nowhere:
    def write(self, data: Any) -> None:
        pass


class _Walker(cloudpickle.Pickler):  # type: ignore[misc]  # untyped
    def __init__(self) -> None:
        super().__init__(_Nowhere(), protocol=5, buffer_callback=self._meet_buffer)
        self.pieces: list[Any] = []

    def _meet_buffer(self, buffer: pickle.PickleBuffer) -> None:
        self.pieces.append(buffer)

    def reducer_override(self, value: Any) -> Any:
        if is_plain_array(value):
            self.pieces.append(value)
            return int, ()
        return super().reducer_override(value)
