"""Values of the notebook's process that lie in memory which the host shares: mapped, never copied, read-only.

Nobody can write to such memory as long as it is mapped, so its digests are noted once and never computed again.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from moorage.images.format import Image, decode, is_still, layout
from moorage.images.mappings import Mappings
from moorage.images.segment import Mapping

_mappings = Mappings()
_loaded: weakref.WeakKeyDictionary[Mapping, tuple[bytes, tuple[int, ...]]] = weakref.WeakKeyDictionary()
"""Stream and sizes of the buffers of the image whose block is mapped."""
_digests: dict[tuple[int, int], bytes] = {}  # by address and size


def load(stream: bytes, sizes: Sequence[int], handle: Sequence[Any]) -> tuple[Any, Image]:
    """Return the value of an image whose buffers lie in a segment of this host, and the image, without its digests.

    Raises SegmentError if it cannot be mapped here.
    """
    mapping = _mappings.map(handle)
    image = _image(stream, sizes, mapping)
    _loaded[mapping] = stream, tuple(sizes)
    return decode(stream, image.buffers, keep=True), image


def image_of(value: Any, own: Image) -> Image | None:
    """Return the image that `value` was loaded from, without its digests, if it is that still; `own` is its image now.

    It is found by where the memory of the value lies: lists and dicts cannot be referred to weakly.
    """
    places = [place for buffer in own.buffers if (place := _place(buffer))]
    for mapping, (stream, sizes) in list(_loaded.items()):
        start, nbytes = _place(mapping.memory) or (0, 0)
        if any(start <= address < start + nbytes for address, _ in places):
            image = _image(stream, sizes, mapping)
            if is_still(value, image):
                return image
    return None


def with_digests(image: Image, digests: Iterable[bytes]) -> Image:
    """Return an image of `load` with the digests of its buffers, which are known from now on."""
    known = Image(image.stream, image.buffers, image.lent, tuple(digests))
    for buffer, digest in zip(known.buffers, known.digests, strict=True):
        if place := _place(buffer):
            _digests[place] = digest
            weakref.finalize(buffer.obj, _digests.pop, place, None)
    return known


def digest_of(buffer: memoryview) -> bytes | None:
    """Return the digest of a mapped buffer, if it is known."""
    return _digests.get(_place(buffer)) if _digests else None  # type: ignore[arg-type]


def is_mapped(buffer: memoryview) -> bool:
    """Whether a buffer lies in memory that was mapped by `load`."""
    address, _ = _place(buffer) or (0, 0)
    places = [_place(mapping.memory) or (0, 0) for mapping in list(_loaded)]
    return any(start <= address < start + nbytes for start, nbytes in places)


def _image(stream: bytes, sizes: Sequence[int], mapping: Mapping) -> Image:
    buffers = tuple(buffer.toreadonly() for buffer in layout(sizes).split(mapping.memory))
    return Image(stream, buffers, (True,) * len(buffers))


def _place(buffer: memoryview) -> tuple[int, int] | None:
    if not buffer.nbytes:
        return None
    return np.frombuffer(buffer, "u1").__array_interface__["data"][0], buffer.nbytes
