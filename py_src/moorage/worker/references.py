"""Unpickles on a worker what ``kernel/compute/refs.py`` pickled: references become the worker's own copies.

A reference is a pickle "persistent id": a tuple whose first element says how to resolve it.

``("whole", i)``
    Value `i` of those that were handed over.
``("array", i, piece, nbytes, offset, dtype, shape, strides)``
    An array inside value `i`: a view, never a copy.
``("bytes", i, piece, nbytes, offset, length)``
    Some of the bytes of value `i`.
``("same", value)``
    `value`, itself unpickled with its references resolved.
``("client",)``
    The worker's own Dask client.
``("ours", name)``
    A class or function of this package, which the worker may not have.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping, Sequence
from typing import Any

from moorage.worker.classes import set_afresh
from moorage.worker.memory import flat, pieces_of


def loads(payload: bytes, values: Sequence[Any], ours: Mapping[str, Any], met: list[Any] | None = None) -> Any:
    """Return the object that `payload` stands for.

    Parameters
    ----------
    payload : bytes
    values : sequence
        The placed values it refers to, by number.
    ours : mapping
        What there is of this package, by name.
    met : list, optional
        Gets what the references stand for, that is, what others use too.
    """
    unpickler = _Unpickler(payload, values, ours)
    obj = unpickler.load()
    if met is not None:
        met += unpickler.met
    return obj


class _Unpickler(pickle.Unpickler):
    def __init__(self, payload: bytes, values: Sequence[Any], ours: Mapping[str, Any]) -> None:
        super().__init__(io.BytesIO(payload))
        self.values = values
        self.ours = ours
        self.memories: dict[tuple[int, int], Any] = {}
        self.pieces: dict[int, list[Any]] = {}
        self.met: list[Any] = []

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        return set_afresh if name == "_class_setstate" and module.startswith("cloudpickle.") else found

    def persistent_load(self, pid: Any) -> Any:
        if pid[0] == "same":
            return pid[1]
        self.met.append(self._resolve(pid))
        return self.met[-1]

    def _resolve(self, pid: Any) -> Any:
        match pid:
            case ("whole", index):
                return self.values[index]
            case ("array", index, piece, nbytes, offset, dtype, shape, strides):
                import numpy as np

                return np.ndarray(shape, dtype, self._memory(index, piece, nbytes), offset, strides)
            case ("bytes", index, piece, nbytes, offset, length):
                return self._memory(index, piece, nbytes)[offset : offset + length]
            case ("client",):
                import distributed

                return distributed.get_client()
            case ("ours", name):
                return self.ours[name]
        raise pickle.UnpicklingError(f"unknown reference {pid!r}")

    def _memory(self, index: int, piece: int, nbytes: int) -> Any:
        if (index, piece) not in self.memories:
            if index not in self.pieces:
                self.pieces[index] = pieces_of(self.values[index])
            found = self.pieces[index]
            memory = flat(found[piece]) if piece < len(found) else None
            if memory is None or memory.nbytes != nbytes:
                kind = type(self.values[index]).__name__
                raise pickle.UnpicklingError(
                    f"a part of a placed {kind} is not in this worker's copy: code that ran here changed it in place"
                )
            self.memories[index, piece] = memory
        return self.memories[index, piece]
