"""That what is sent of an image is what its digest says, although the notebook's other threads may write to the value.

An image that was just made is the memory of the value, so what is copied of it may be something else than what was read
for the digest: a mixture of before and after. A `Witness` tells afterwards. Where Linux knows that nobody has written
to a buffer in the meantime (``kernel/values/written.py``) that costs nothing; otherwise what was copied is read.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import xxhash

from moorage.images.format import Image
from moorage.kernel.values.written import MEMORY, KnownContent

AT_ONCE = 1_000_000
"""Bytes of an image that is copied before it is sent: so much is copied as fast as it is asked about."""
_SLICE = 8 << 20  # bytes that are read at once of what was copied

Get = Callable[[int, int], bytes]


class TornError(Exception):
    """A value was changed while it was being copied."""


class Witness:
    """Knows of an image what was known before it was copied."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._before = [_known(buffer, digest) for buffer, digest in zip(image.buffers, image.digests, strict=True)]

    def check(self, get: Get | None = None) -> None:
        """Check what was copied since.

        `get`: returns a copy of what lies in the copied block between two offsets. Without it the value itself is read
        once more: a change that was taken back meanwhile is not seen then, where Linux does not know of it. Raises
        TornError if something else may have been copied than what the digest of the image says.
        """
        image = self._image
        parts = zip(image.buffers, image.layout.offsets, image.digests, self._before, strict=True)
        for buffer, start, digest, before in parts:
            if before is not None and _known(buffer, digest) is before and _ends_are(before, buffer, start, get):
                continue
            if (xxhash.xxh3_128_digest(buffer) if get is None else _digest(get, start, buffer.nbytes)) != digest:
                raise TornError


def snapshot(image: Image) -> Image:
    """Return `image` with copies of its buffers, which nobody else writes to.

    Raises TornError if they are not what the digest of the image says.
    """
    copies = tuple(memoryview(bytes(buffer)) for buffer in image.buffers)
    if any(xxhash.xxh3_128_digest(c) != digest for c, digest in zip(copies, image.digests, strict=True)):
        raise TornError
    return Image(image.stream, copies, (False,) * len(copies), image.digests)


def _known(buffer: memoryview, digest: bytes) -> KnownContent | None:
    known = MEMORY.known(np.frombuffer(buffer, "u1"))
    return known if known is not None and known.digest == digest else None


def _ends_are(known: KnownContent, buffer: memoryview, start: int, get: Get | None) -> bool:
    """Whether the ends were copied as they are known: of them, which it may share with others, Linux cannot tell."""
    first, last = known.ends
    stop = start + buffer.nbytes
    return get is None or (get(start, start + len(first)) == first and get(stop - len(last), stop) == last)


def _digest(get: Get, start: int, nbytes: int) -> bytes:
    digest = xxhash.xxh3_128()
    for offset in range(0, nbytes, _SLICE):
        digest.update(get(start + offset, start + min(offset + _SLICE, nbytes)))
    return digest.digest()
