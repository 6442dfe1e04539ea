"""How arrays of numpy, and memoryviews, are pickled as they lie in memory, also where it would go into the stream."""

from __future__ import annotations

import pickle
from typing import Any

_VIEWED = ("matrix", "memmap", "recarray")  # subclasses of ndarray that are a view of a plain one, and nothing else


def reduce(array: Any) -> tuple[Any, memoryview | None]:
    """Return how a plain array without objects is made of its memory, and that memory if it had to be made here."""
    import numpy as np

    array, memory = _dense(array)
    made = None if memory is None else memoryview(memory)
    if memory is None:
        memory = array.ravel(order="K").view("u1")
    offset = array.__array_interface__["data"][0] - memory.__array_interface__["data"][0]
    return (np.ndarray, (array.shape, array.dtype, pickle.PickleBuffer(memory), offset, array.strides)), made


def reduce_subclass(array: Any) -> Any:
    """Return how an array of one of numpy's own subclasses is made of plain ones."""
    import numpy as np

    if isinstance(array, np.generic):  # a long np.str_ or np.bytes_, which say that they are like one
        return NotImplemented
    kind = type(array)
    plain = np.ndarray.view(array, np.ndarray)
    if kind.__name__ in _VIEWED:
        return np.ndarray.view, (plain, kind)
    if kind is np.ma.MaskedArray and array.baseclass is np.ndarray:
        mask = np.ma.getmask(array)
        # data, mask, dtype, copy, subok, ndmin, fill_value, keep_mask, hard_mask, shrink
        about = (None, False, True, 0, array._fill_value, True, array._hardmask, False)
        return kind, (plain, mask, *about)
    return NotImplemented


def reduce_view(view: memoryview) -> Any:
    """Return how a memoryview is made of an array over its memory, rather than of bytes."""
    import numpy as np

    try:
        return getattr, (np.asarray(view), "data")
    except (TypeError, ValueError):  # released, or of a format that numpy does not know
        return NotImplemented


class Bytes:
    """Some bytes as numpy reads them by its array interface: ``np.asarray`` makes an array of them, without a copy.

    Not a class made where it is needed: such a class is freed by the garbage collector only, and what it refers to.
    `owner`: keeps the memory.
    """

    def __init__(self, address: int, nbytes: int, owner: Any, *, readonly: bool) -> None:
        self.__array_interface__ = {"data": (address, readonly), "shape": (nbytes,), "typestr": "|u1", "version": 3}
        self.owner = owner


def _dense(array: Any) -> tuple[Any, Any]:
    """Return an array without gaps that equals `array`, and its memory as bytes if it is new.

    Its axes lie in memory in the same order and direction, so that what is computed of it is the same to the last bit.
    Where elements share memory (windows, ``broadcast_to``) they do so in the copy.
    """
    import numpy as np

    if array.flags.forc:
        return array, None
    upward = tuple(slice(None, None, -1 if step < 0 else 1) for step in array.strides)
    turned = array[upward]
    span = sum((n - 1) * step for n, step in zip(turned.shape, turned.strides, strict=True)) + turned.itemsize
    if span < array.nbytes:
        memory = np.array(_raw(turned, span))
        memory.flags.writeable = array.flags.writeable
        return np.ndarray(turned.shape, turned.dtype, memory, 0, turned.strides)[upward], memory
    order = sorted(range(turned.ndim), key=lambda axis: -int(turned.strides[axis]))
    copy = np.array(turned.transpose(order), order="C")
    back = sorted(range(turned.ndim), key=order.__getitem__)
    copy.flags.writeable = array.flags.writeable
    return copy.transpose(back)[upward], copy.reshape(-1).view("u1")


def _raw(array: Any, nbytes: int) -> Any:
    """Return `nbytes` of memory from the first element of `array` on."""
    import numpy as np

    return np.asarray(Bytes(array.__array_interface__["data"][0], nbytes, array, readonly=True))


def out_of_band(buffer: bytes | memoryview) -> Any:
    """Return what pickle takes out of its stream: an array over `buffer`.

    Not `buffer` itself: Python crashes when its garbage collector finds a memoryview of a PickleBuffer of a memoryview,
    as it does after an error or a cancelled task while frames were being sent. And it says that it can be written to,
    which it cannot if it is mapped: who receives it has it for itself.
    """
    import pickle

    import numpy as np

    address = np.frombuffer(buffer, "u1").__array_interface__["data"][0]
    array: Any = np.asarray(Bytes(address, len(buffer), buffer, readonly=False))
    return pickle.PickleBuffer(array)
