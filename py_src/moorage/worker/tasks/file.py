"""How images lie in a file, one behind the other, and can be mapped where they are.

::

    +----------+---+---------+---+----------+---+---------+
    | stream 0 |   | block 0 |   | stream 1 |   | block 1 |
    +----------+---+---------+---+----------+---+---------+
                   ^ a block begins at a multiple of 4096 bytes, a stream at one of 64

The file has nothing else: what lies where is an `Entry` for each image, which is kept elsewhere. Stream and block are
those of ``images/format.py``, in its version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from moorage.images.format import ALIGNMENT, Image, Layout, digest_of, is_whole, layout

PAGE = 4096
_PIECE = 64 << 20  # bytes that are written at a time


class Entry(NamedTuple):
    """Where an image lies in a file, and what it is."""

    offset: int  # of its stream
    stream: int  # bytes of it
    sizes: tuple[int, ...]  # of the buffers
    digest: str

    @property
    def block(self) -> int:
        """Where its block begins."""
        end = self.offset + self.stream
        return -(-end // PAGE) * PAGE if self.sizes else end

    @property
    def layout(self) -> Layout:
        """How its buffers lie in the block."""
        return layout(self.sizes)

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.block + self.layout.nbytes


def entries_of(images: Iterable[Image]) -> list[Entry]:
    """Return where images lie in a file that has just these."""
    entries, at = [], 0
    for image in images:
        offset = -(-at // ALIGNMENT) * ALIGNMENT
        entry = Entry(offset, len(image.stream), tuple(buffer.nbytes for buffer in image.buffers), image.digest)
        entries.append(entry)
        at = entry.end
    return entries


def write(
    put: Callable[[memoryview | bytes], object],
    images: Sequence[Image],
    entries: Sequence[Entry],
    go_on: Callable[[], object],
) -> None:
    """Write images to a new file, where `entries` say. `go_on` is called before each piece, and may raise."""
    at = 0

    def write_at(offset: int, content: memoryview | bytes) -> None:
        nonlocal at
        put(bytes(offset - at))
        whole = memoryview(content)
        for start in range(0, len(whole), _PIECE):
            go_on()
            put(whole[start : start + _PIECE])
        at = offset + len(whole)

    for image, entry in zip(images, entries, strict=True):
        write_at(entry.offset, image.stream)
        for start, buffer in zip(entry.layout.offsets, image.buffers, strict=True):
            write_at(entry.block + start, buffer)


def read(entry: Entry, stream: memoryview, block: memoryview) -> tuple[memoryview, list[memoryview]]:
    """Return the stream and the buffers of an image, if they are what was written.

    Raises ValueError if not, or if they are of another version of the format.
    """
    buffers = entry.layout.split(block)
    if digest_of(stream) != entry.digest or not is_whole(stream, buffers):
        raise ValueError("its content has changed since it was written")
    return stream, buffers
