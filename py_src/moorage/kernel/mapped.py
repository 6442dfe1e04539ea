"""Values of the notebook's process that lie in memory which the host shares: mapped, never copied, read-only.

Nobody can write to such memory as long as it is mapped, so its digests are noted once and never computed again.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from moorage.images.format import Image, decode, layout
from moorage.images.mappings import Mappings

_mappings = Mappings()
_loaded: dict[int, tuple[weakref.ref[Any], Image]] = {}  # by id
_digests: dict[tuple[int, int], bytes] = {}  # by address and size


def load(stream: bytes, sizes: Sequence[int], handle: Sequence[Any]) -> tuple[Any, Image]:
    """Return the value of an image whose buffers lie in a segment of this host, and the image, without its digests.

    Raises
    ------
    SegmentError
        If it cannot be mapped here.
    """
    mapping = _mappings.map(handle)
    buffers = tuple(buffer.toreadonly() for buffer in layout(sizes).split(mapping.memory))
    value, image = decode(stream, buffers), Image(stream, buffers, (True,) * len(buffers))
    with contextlib.suppress(TypeError):  # a list or dict, which cannot be referred to weakly
        _loaded[id(value)] = weakref.ref(value, functools.partial(_gone, id(value))), image
    return value, image


def image_of(value: Any) -> Image | None:
    """Return the image that `value` was loaded from, without its digests, if that is known."""
    reference, image = _loaded.get(id(value), (None, None))
    return image if reference is not None and reference() is value else None


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


def _gone(identity: int, reference: Any) -> None:
    known = _loaded.get(identity)
    if known is not None and known[0] is reference:
        _loaded.pop(identity, None)


def _place(buffer: memoryview) -> tuple[int, int] | None:
    if not buffer.nbytes:
        return None
    return np.frombuffer(buffer, "u1").__array_interface__["data"][0], buffer.nbytes
