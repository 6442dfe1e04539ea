"""The segments that this process has written, to be found by content, and written again once nobody needs them.

Fresh memory is what costs most: the system zeroes each page before it can be written. So segments that nobody maps
any more are kept for a while, within a limit, and take the next block of about their size, four to nine times
quicker. The same content is written once, as long as its segment is there. And where a large block is expected, memory
for it is got while it is still being read, or that which is there is written (`Pool.warm_up`).
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from types import TracebackType

from moorage.images.segment import HEADER, Handle, Part, Segment
from moorage.kernel.values.ahead import Ahead, current, reading

IDLE = 30.0
"""Seconds after which memory that nobody maps goes back to the system."""
_STEP = 4 << 20  # bytes that are got at once: whoever writes waits for no more
_WASTE = 2  # a segment takes blocks down to this fraction of its capacity


class _Warming:
    """Gets memory for a file until that is done, or ended.

    Parameters
    ----------
    fd : int
        Of a file in memory; is not to be closed meanwhile.
    size : int
        Of the file, bytes.

    Attributes
    ----------
    nbytes : int
        That it has got.
    """

    def __init__(self, fd: int, size: int) -> None:
        self.nbytes = 0
        self._ended = False
        self._thread = threading.Thread(target=self._run, args=(fd, size), name="moorage-warming", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Get no more, and wait until nothing is done any longer."""
        self._ended = True
        self._thread.join()

    def _run(self, fd: int, size: int) -> None:
        while not self._ended and self.nbytes < size:
            step = min(_STEP, size - self.nbytes)
            try:
                os.posix_fallocate(fd, self.nbytes, step)
            except OSError:  # there is no room: whoever writes will see
                return
            self.nbytes += step


@dataclass(eq=False)
class _Entry:
    segment: Segment
    digest: str
    leases: int = 0
    warming: _Warming | None = None  # as long as the block that it is got for has not come
    ahead: Ahead | None = None  # the same, for what it may be written with again; that counts as a lease
    free_since: float | None = None
    written: threading.Event = field(default_factory=threading.Event)

    def close(self) -> None:
        self.end_preparing()
        self.segment.close()

    def end_preparing(self) -> None:
        if self.warming is not None:
            self.warming.end()
            self.warming = None
        if self.ahead is not None:
            self.ahead = None
            self.leases -= 1


class Lease:
    """Keeps a segment as it is until others have mapped it. A context manager.

    Attributes
    ----------
    handle : Handle
    """

    def __init__(self, pool: Pool, entry: _Entry) -> None:
        self.handle: Handle = entry.segment.handle
        self._release: Callable[[], None] | None = lambda: pool._release(entry)
        self._forget: Callable[[], None] = lambda: pool.forget(entry.digest)

    def release(self) -> None:
        """Let the pool do with the segment what it likes."""
        if self._release is not None:
            self._release()
            self._release = None

    def __enter__(self) -> Lease:
        return self

    def __del__(self) -> None:
        if self._release is not None:  # who asked for it was interrupted, and may have gone on to change the value
            self._forget()
            self.release()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


class Pool:
    """Segments of this process. Thread-safe.

    `limit`: bytes that may be kept while nobody maps them. 0: nothing is kept, and segments cannot be written again.
    `directory`: make files there rather than memfds. `clock`: seconds, monotonic.
    """

    def __init__(self, limit: int, directory: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.directory = directory
        self._clock = clock
        self._entries: list[_Entry] = []
        self._lock = threading.RLock()
        self._held = 0

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Give nothing back meanwhile, though nobody maps it: those who did are coming back."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1

    def lease(
        self,
        digest: str,
        parts: Iterable[Part],
        nbytes: int,
        check: Callable[[Callable[[int, int], bytes]], None] = lambda get: None,
        digests: Sequence[bytes] = (),
    ) -> Lease:
        """Return a lease of a segment that holds a block; it is written unless it is there.

        `digest`: of the block: the same for the same content. `parts`: see `Segment.write`. `nbytes`: of the block.
        `check`: called with `Segment.get` when it is written, before anybody has it; raises what is wrong with it.
        `digests`: of the parts, for those that have been copied while they were read.
        Raises OSError if there is no room, or no file descriptor left. Raises what `check` raises.
        """
        while True:
            with self._lock:
                entry = next((e for e in self._entries if e.digest == digest), None)
                mine = entry is None
                if entry is not None and entry.ahead is not None:
                    entry.end_preparing()
                    entry.segment.release_lock()
                if entry is None:
                    entry, parts = self._begun(parts, nbytes, digests)
                    entry = entry or self._warm(nbytes)
                    if entry is None:
                        entry = _Entry(self._fresh(nbytes), "")
                        self._entries.append(entry)
                    entry.digest = digest
                    entry.written.clear()
                entry.leases += 1
                entry.free_since = None
            if mine:
                self._write(entry, parts, nbytes, check)
            else:
                entry.written.wait()
            if not entry.segment.closed:
                return Lease(self, entry)
            # whoever was to write it could not; perhaps this one can

    def warm_up(self, nbytes: int) -> Callable[[], None]:
        """Begin to get memory for a block of so many bytes; return what gives it back if it has not been used by then.

        Raises
        ------
        OSError
            As `lease`.
        """
        with self._lock:
            if not self.limit or self.directory is not None:
                return lambda: None
            if (entry := self._warm(nbytes)) is not None:
                return self._read_into(entry, nbytes)
            self._entries.append(entry := _Entry(Segment(nbytes, reusable=True), ""))
            entry.written.set()
            entry.warming = _Warming(entry.segment.fd, HEADER + nbytes)
            return lambda: self._give_back(entry)

    def trim(self) -> int:
        """Give back memory that is not mapped and has not been for long, or is too much; return how many bytes stay.

        To be called now and then as long as there are segments.
        """
        with self._lock:
            now, kept = self._clock(), 0
            got = sum(entry.warming.nbytes for entry in self._entries if entry.warming is not None)
            got += sum(entry.segment.capacity for entry in self._entries if entry.ahead is not None)
            free = []
            for entry in self._entries:
                if entry.warming is not None:
                    continue
                if entry.leases or not entry.segment.is_free():
                    entry.free_since = None
                    continue
                if entry.free_since is None:
                    entry.free_since = now
                free.append(entry)
            for entry in sorted(free, key=lambda entry: -(entry.free_since or 0)):  # the latest first
                kept += entry.segment.capacity
                if self._held:
                    entry.segment.release_lock()
                elif kept > self.limit or now - (entry.free_since or 0) >= IDLE:
                    kept -= entry.segment.capacity
                    self._entries.remove(entry)
                    entry.close()
                else:
                    entry.segment.release_lock()
            return kept + got

    def forget(self, digest: str) -> None:
        """Give what was written as `digest` to nobody else: the value may have been changed meanwhile."""
        with self._lock:
            for entry in self._entries:
                if entry.digest == digest:
                    entry.digest = ""

    def close(self) -> None:
        """Let go of all. What others have mapped stays theirs."""
        with self._lock:
            for entry in [entry for entry in self._entries if entry.written.is_set()]:
                self._entries.remove(entry)
                entry.close()

    def __len__(self) -> int:
        return len(self._entries)

    def _read_into(self, entry: _Entry, nbytes: int) -> Callable[[], None]:
        """Have a block of about so many bytes copied into a segment, locked against others, while it is read."""
        if current() is not None:  # another one that is expected as well
            entry.segment.release_lock()
            return lambda: None

        def begin() -> memoryview | None:
            with self._lock:
                if entry.ahead is not ahead:
                    return None
                entry.digest = ""
                entry.written.clear()
            return entry.segment.rewrite(nbytes)

        def give_back() -> None:
            ahead.close()
            with self._lock:
                if entry.ahead is ahead:
                    entry.end_preparing()
                    entry.segment.release_lock()
                    entry.written.set()

        entry.ahead = ahead = Ahead(begin)
        entry.leases += 1
        given = ExitStack()
        given.callback(give_back)
        given.enter_context(reading(ahead))
        return given.close

    def _begun(
        self, parts: Iterable[Part], nbytes: int, digests: Sequence[bytes]
    ) -> tuple[_Entry | None, Iterable[Part]]:
        """Return the segment for what was read in this context, and which parts it has not got already."""
        ahead = current()
        entry = next((e for e in self._entries if e.ahead is not None and e.ahead is ahead), None)
        if entry is None or ahead is None or nbytes > entry.segment.capacity:
            return None, parts
        parts = list(parts)
        lacking = ahead.lacking(parts, digests)
        if ahead.has_begun and len(lacking) == len(parts):  # it is for another one
            return None, parts
        ahead.close()
        entry.end_preparing()
        return entry, lacking

    def _warm(self, nbytes: int) -> _Entry | None:
        """Return a segment that nobody needs and that is of about that size, locked against others."""
        fitting = [e for e in self._entries if not (e.leases or self._held) and e.segment.reusable]
        fitting = [e for e in fitting if nbytes <= e.segment.capacity <= max(_WASTE * nbytes, nbytes + (1 << 20))]
        for entry in sorted(fitting, key=lambda entry: entry.segment.capacity):
            if entry.segment.is_free():
                return entry
        return None

    def _write(
        self,
        entry: _Entry,
        parts: Iterable[Part],
        nbytes: int,
        check: Callable[[Callable[[int, int], bytes]], None],
    ) -> None:
        """Write a segment that is this thread's alone; not under the lock, since it may take seconds."""
        try:
            entry.end_preparing()
            entry.segment.write(parts, nbytes)
            check(entry.segment.get)
            entry.segment.release_lock()
        except BaseException:
            with self._lock:
                self._entries.remove(entry)
                entry.close()
            raise
        finally:
            entry.written.set()

    def _fresh(self, nbytes: int) -> Segment:
        try:
            return Segment(nbytes, reusable=self.limit > 0, directory=self.directory)
        except OSError:
            # those that are mapped live on without this process; the others are memory and descriptors to gain
            for entry in [e for e in self._entries if not e.leases]:
                self._entries.remove(entry)
                entry.close()
            return Segment(nbytes, reusable=self.limit > 0, directory=self.directory)

    def _release(self, entry: _Entry) -> None:
        with self._lock:
            entry.leases -= 1

    def _give_back(self, entry: _Entry) -> None:
        with self._lock:
            if entry.warming is not None and not entry.leases and entry in self._entries:
                self._entries.remove(entry)
                entry.close()
