"""Unpickles on a worker what ``tasks/references.py`` pickled: references become the worker's own copies.

A reference is a pickle "persistent id": a tuple whose first element says how to resolve it.

``("whole", i)`` or ``("whole", i, class)``
    Value `i` of those that were handed over, or one of this payload's own, as it was placed, that it may change. If its
    class is the notebook's own, it comes along as it is by now: with the globals that its methods read.
``("array", i, digest, number, content, offset, dtype, shape, strides)``
    An array in a buffer of the image that value `i` was placed as: a view, never a copy, and read-only. If tasks may
    write to the value, it is this payload's own: with what was placed, and nobody else sees what is written to it.
``("bytes", i, digest, number, content, offset, length)``
    Some of the bytes of such a buffer.
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
from typing import TYPE_CHECKING, Any

from moorage.images.carrier import Table
from moorage.images.format import Image
from moorage.worker.unpickling.classes import set_afresh

if TYPE_CHECKING:
    from moorage.worker.code.version import Version


def loads(
    payload: bytes,
    values: Sequence[Any],
    ours: Mapping[str, Any],
    images: Table | None = None,
    met: list[Any] | None = None,
    code: Version | None = None,
    own: list[tuple[Any, Image]] | None = None,
) -> Any:
    """Return the object that `payload` stands for.

    `values`: the placed values it refers to, by number. `ours`: what there is of this package, by name. `images`: which
    of the values have come out of which images. `met`: gets what the references stand for, that is, what others use
    too. `code`: the modules of the user that names are looked up in first. `own`: gets the values that are this
    payload's own, each with its image.
    """
    unpickler = _Unpickler(payload, values, ours, images or Table(""), code)
    obj = unpickler.load()
    if code is not None and met is not None:
        met += code.namespaces()
    if met is not None:
        met += unpickler.met
    if own is not None:
        own += [(value, image) for value, image in unpickler.whole.values() if image is not None]
    return obj


class _Unpickler(pickle.Unpickler):
    def __init__(
        self, payload: bytes, values: Sequence[Any], ours: Mapping[str, Any], images: Table, code: Version | None
    ) -> None:
        super().__init__(io.BytesIO(payload))
        self.code = code
        self.values = values
        self.ours = ours
        self.images = images
        self.buffers: dict[tuple[int, int], Any] = {}
        self.whole: dict[int, tuple[Any, Image | None]] = {}
        self.met: list[Any] = []

    def find_class(self, module: str, name: str) -> Any:
        if self.code is not None and (known := self.code.named(module, name)) is not None:
            return known
        found = super().find_class(module, name)
        return set_afresh if name == "_class_setstate" and module.startswith("cloudpickle.") else found

    def persistent_load(self, pid: Any) -> Any:
        if pid[0] == "same":
            return pid[1]
        resolved = self._resolve(pid)
        if pid[0] == "whole":
            own = self.whole[pid[1]][1] is not None
        else:
            own = pid[0] in ("array", "bytes") and self.images.is_writable(self.values[pid[1]])
        if not own:
            self.met.append(resolved)
        return resolved

    def _resolve(self, pid: Any) -> Any:
        match pid:
            case ("whole", index, *_):
                if self.code is not None:
                    self.code.look_at(self.values[index])
                if index not in self.whole:
                    self.whole[index] = self.images.afresh(self.values[index])
                return self.whole[index][0]
            case ("array", index, digest, number, content, offset, dtype, shape, strides):
                import numpy as np

                return np.ndarray(shape, dtype, self._buffer(index, digest, number, content), offset, strides)
            case ("bytes", index, digest, number, content, offset, length):
                return self._buffer(index, digest, number, content)[offset : offset + length]
            case ("client",):
                import distributed

                return distributed.get_client()
            case ("ours", "builtins") if self.code is not None:
                return self.code.builtins
            case ("ours", name):
                return self.ours[name]
        raise pickle.UnpicklingError(f"unknown reference {pid!r}")

    def _buffer(self, index: int, digest: str, number: int, content: bytes) -> Any:
        """Return a buffer of a value, provided that the value is what the notebook has placed: nothing is guessed."""
        place = index, number
        if place not in self.buffers:
            found = self.images.buffer(self.values[index], digest, number, content)
            if found is None:
                raise pickle.UnpicklingError(
                    f"a part of a placed {type(self.values[index]).__name__} cannot be found in this worker's copy: "
                    "it did not come here as it was placed, or code that ran here has changed it; place it again"
                )
            self.buffers[place] = found
        return self.buffers[place]
