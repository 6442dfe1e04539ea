"""Copies buffers into shared memory while they are read for their digests: both together take little longer than one.

A piece that was just copied is in the processor's cache, where it is read in no time. Two threads copy, and one of them
reads what is copied in its order. Whether a block is to be written at all is known only after that: see `Pool.warm_up`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import xxhash

from moorage.images.format import ALIGNMENT
from moorage.images.segment import Part

_PIECE = 1 << 19  # bytes: both copies of it are in the cache of one processor
_SMALLEST = 1 << 20  # bytes for which a thread is worth it


class Ahead:
    """The buffers of one block, in their order, as far as they have been read.

    `begin`: called before the first of them is copied; returns the memory for the block, that nobody else writes to or
    reads until `close`, or None if it is needed for something else by now.
    """

    def __init__(self, begin: Callable[[], memoryview | None]) -> None:
        self._begin = begin
        self._memory: memoryview | None = None
        self._end = 0
        self._copied: dict[int, tuple[int, bytes]] = {}
        self._closed = False
        self._copying = threading.Lock()

    def digest(self, content: Any) -> bytes:
        """Return the xxh3-128 of a buffer, of what was copied of it if there is still room."""
        source = np.frombuffer(content, "u1")
        with self._copying:
            if not self._end and not self._closed:
                self._memory = self._begin()
            start = -(-self._end // ALIGNMENT) * ALIGNMENT
            self._end = start + source.nbytes
            if self._memory is not None and self._end <= self._memory.nbytes:
                digest = self._copy(source, np.frombuffer(self._memory[start : self._end], "u1"))
                if digest is not None:
                    self._copied[start] = source.nbytes, digest
                    return digest
        return xxhash.xxh3_128_digest(content)

    def _copy(self, source: Any, copy: Any) -> bytes | None:
        """Copy `source` and return the xxh3-128 of the copy; None if it was broken off."""
        pieces, done, read = iter(range(0, source.nbytes, _PIECE)), set[int](), xxhash.xxh3_128()

        def put(start: int) -> None:
            np.copyto(copy[start : start + _PIECE], source[start : start + _PIECE])
            done.add(start)

        def put_all() -> None:
            for start in pieces:
                if self._closed:
                    return
                put(start)

        with ThreadPoolExecutor(1, "moorage-copying") as other:
            copying = other.submit(put_all)
            for start in range(0, source.nbytes, _PIECE):
                while start not in done:
                    if self._closed:
                        return None
                    if (piece := next(pieces, None)) is not None:
                        put(piece)
                    else:
                        copying.result()
                read.update(copy[start : start + _PIECE])
        return read.digest()

    def lacking(self, parts: Sequence[Part], digests: Sequence[bytes]) -> list[Part]:
        """Return which parts of the block are not there yet. `digests`: of the parts."""
        here = self._copied
        return [
            (start, content)
            for (start, content), digest in zip(parts, digests, strict=True)
            if here.get(start) != (content.nbytes, digest)
        ]

    @property
    def has_begun(self) -> bool:
        """Whether something has been copied."""
        return bool(self._copied)

    def close(self) -> None:
        """Let go of the memory; what is being copied is broken off."""
        self._closed = True
        with self._copying:
            if self._memory is not None:
                self._memory.release()
                self._memory = None


_reading: ContextVar[Ahead | None] = ContextVar("_reading", default=None)


def current() -> Ahead | None:
    """Return into what `digest` copies in this context."""
    return _reading.get()


@contextmanager
def reading(ahead: Ahead) -> Iterator[None]:
    """Have `digest` copy what it reads, in this context."""
    token = _reading.set(ahead)
    try:
        yield
    finally:
        _reading.reset(token)


def digest(content: Any) -> bytes:
    """Return the xxh3-128 of a buffer, and copy it on the way where `reading` says so."""
    ahead = _reading.get() if content.nbytes >= _SMALLEST else None
    return xxhash.xxh3_128_digest(content) if ahead is None else ahead.digest(content)
