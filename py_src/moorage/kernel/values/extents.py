"""Where in the memory of a value the buffers of its image lie."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from moorage.images.format import Extent, Image, is_kept

_LARGEST_CODE = 64_000  # bytes


def byte_bounds(array: Any) -> tuple[int, int]:
    """Return the addresses of the first byte of an array, and of the one behind its last."""
    low = high = array.__array_interface__["data"][0]
    if array.size:
        for n, step in zip(array.shape, array.strides, strict=True):
            low, high = low + min(0, (n - 1) * step), high + max(0, (n - 1) * step)
        high += array.itemsize
    return low, high


def extents_of(value: Any, image: Image) -> list[Extent]:
    """Return where the buffers of the image of `value` lie, as far as they are the memory of the value."""
    if not image.buffers or not is_kept(image.stream, image.nbytes - len(image.stream)):
        return []
    extents = image.extents()
    if type(value) is np.ndarray:  # needs no keeping: its address is its own as long as it is an origin
        extents = [e._replace(memory=memoryview(b"")) for e in extents]
    return extents


def has_code(image: Image, extents: Iterable[Extent]) -> bool:
    """Whether the stream, besides the memory of the value, has code in it."""
    rest = image.nbytes - sum(extent.stop - extent.start for extent in extents)
    return rest <= _LARGEST_CODE and b"CodeType" in image.stream
