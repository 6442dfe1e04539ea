"""The segments that a process has mapped: each once, and some before they are needed.

Whoever sends an image to a process of the same host first asks it to map the segment (`Mappings.prepare`): so what
cannot be mapped is known before it is sent, and goes another way. Shipped by value: the standard library only.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from moorage.images.filed import handle_at, is_saved_at
from moorage.images.segment import Handle, Mapping, Private, attach, attach_private

PATIENCE = 60.0
"""Seconds that a segment is kept for a message which has been announced."""


class Mappings:
    """What this process has mapped. Thread-safe. `clock`: seconds, monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._alive: weakref.WeakValueDictionary[bytes, Mapping] = weakref.WeakValueDictionary()
        self._private: weakref.WeakSet[Private] = weakref.WeakSet()
        self._prepared: dict[bytes, tuple[float, Mapping]] = {}

    def map(self, handle: Handle | Sequence[Any]) -> Mapping:
        """Return the segment that `handle` means. Raises SegmentError if it cannot be mapped here."""
        nonce = handle[0]
        with self._lock:
            _, prepared = self._prepared.pop(nonce, (0.0, None))
            mapping = prepared or self._alive.get(nonce)
            if mapping is None:
                mapping = self._alive[nonce] = attach(handle)
            return mapping

    def map_file(self, fd: int, offset: int, nbytes: int) -> Mapping:
        """Return what lies in an open saved file, for which `is_mappable` holds. Raises SegmentError as `map`."""
        return self.map(handle_at(fd, offset, nbytes))

    def private(self, mapping: Mapping) -> Private:
        """Return the segment of `mapping` once more, so that this process can write to it for itself.

        Raises SegmentError if it cannot be mapped that way.
        """
        private = attach_private(mapping.handle)
        with self._lock:
            self._private.add(private)
        return private

    def prepare(self, handle: Handle | Sequence[Any], *, keep: bool = True) -> str:
        """Map a segment; return why that cannot be, or an empty text.

        `keep`: it is about to be sent. Otherwise this only tries.
        """
        try:
            mapping = self.map(handle)
        except OSError as error:
            return str(error)
        with self._lock:
            if keep:
                self._prepared[mapping.handle.nonce] = self._clock(), mapping
        return ""

    def expire(self) -> None:
        """Let go of segments whose message never came."""
        old = self._clock() - PATIENCE
        with self._lock:
            for nonce in [nonce for nonce, (since, _) in self._prepared.items() if since < old]:
                del self._prepared[nonce]

    @property
    def nbytes(self) -> tuple[int, int]:
        """Bytes that are mapped, of segments and of files.

        Twice where some of a segment can be written to: each page counts in each mapping.
        """
        alive = list(self._alive.values())
        files = sum(len(mapping) for mapping in alive if is_saved_at(mapping.handle[2][0]))
        return sum(map(len, alive)) - files + sum(map(len, self._private)), files

    def __len__(self) -> int:
        return len(self._alive)
