"""Which memory has been written to since it was last read, as told by the operating system.

To find out whether an array of half a gigabyte has changed takes 35 ms if it is read, and ten microseconds if Linux is
asked: `WrittenMemory` has the pages of a buffer protected, and Linux notes the first write to each (userfaultfd,
"asynchronous write protection", since Linux 6.7). Every way of writing is noticed, by Python, by compiled code or by
a system call; the first write to each page takes a microsecond longer. The pages at either end, which a buffer may
share with its neighbours, are read each time.

Not for memory that other processes share, which they can write to unseen, nor for what a device writes by itself.
Where Linux is older, does not allow it, or another system is used, there is no such knowledge, and all is read.
"""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import platform
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

SMALLEST = 1_000_000
"""Bytes. A smaller buffer is read as fast as it is asked about."""
_MOST = 1000
"""So many buffers are remembered; then the longest unused is forgotten."""

# Of linux/userfaultfd.h and linux/fs.h.
_SYSCALL = {"x86_64": 323, "aarch64": 282}
_USER_MODE_ONLY = 1
_API, _FEATURES = 0xAA, 1 << 13 | 1 << 15  # pages that are not there yet, and asynchronously
_UFFDIO_API, _UFFDIO_REGISTER = 0xC018AA3F, 0xC020AA00
_WRITE_PROTECT = 2
_PAGEMAP_SCAN = 0xC0606610
_PROTECT, _ONLY_IF_REGISTERED = 1, 2
_WRITTEN, _FILE, _ZERO = 2, 4, 32


class KnownContent(NamedTuple):
    """What a buffer has been, and is as long as nobody has written to it."""

    ends: tuple[bytes, bytes]  # what is on pages that it may share with its neighbours
    digest: bytes


class WrittenMemory:
    """Remembers digests of buffers for as long as nobody writes to them. One for a process: `MEMORY`. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # by first and last address of whole pages
        self._known: OrderedDict[tuple[int, int], KnownContent] = OrderedDict()
        self._process = 0
        self._linux: _Linux | None = None

    def digest(self, content: Any, read: Callable[[Any], bytes]) -> bytes:
        """Return what `read` makes of a buffer, or has made of it if nobody has written to it since.

        `content`: one-dimensional, of uint8, contiguous. `read`: takes it and returns its digest.
        """
        with self._lock:
            linux = self._system() if content.nbytes >= SMALLEST else None
            if linux is None:
                return read(content)
            start, stop, ends = _pages(content)
            known = self._known.get((start, stop))
            if known is not None and known.ends == ends and linux.untouched(start, stop):
                self._known.move_to_end((start, stop))
                return known.digest
            # To protect pages is to forget what was written to them before: nothing else may rely on knowing that.
            for place in [place for place in self._known if place[0] < stop and start < place[1]]:
                del self._known[place]
            # First protected, then read: what is written meanwhile is found out about the next time.
            protected = linux.protect(start, stop)
            digest = read(content)
            if protected and linux.private(start, stop):
                self._known[start, stop] = KnownContent(ends, digest)
                if len(self._known) > _MOST:
                    self._known.popitem(last=False)
            return digest

    def known(self, content: Any) -> KnownContent | None:
        """Return what is known of a buffer to which nobody has written since; the same object as long as that is so."""
        with self._lock:
            linux = self._system() if content.nbytes >= SMALLEST else None
            if linux is None:
                return None
            start, stop, ends = _pages(content)
            known = self._known.get((start, stop))
            return known if known is not None and known.ends == ends and linux.untouched(start, stop) else None

    def _system(self) -> _Linux | None:
        """Return the way to ask, of this process: a child starts over."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._known.clear()
            try:
                self._linux = _Linux()
            except OSError:
                self._linux = None
        return self._linux


def _pages(content: Any) -> tuple[int, int, tuple[bytes, bytes]]:
    """Return where the whole pages of a buffer begin and end, and what is in it before and behind them."""
    first = content.__array_interface__["data"][0]
    start, stop = -(-first // mmap.PAGESIZE) * mmap.PAGESIZE, (first + content.nbytes) & -mmap.PAGESIZE
    return start, stop, (bytes(content[: start - first]), bytes(content[stop - first :]))


MEMORY = WrittenMemory()
"""Process-wide: two trackers would clear each other's marks."""


class _Linux:
    """The system calls. Raises `OSError` if they are not to be had. Its files are open as long as the process lives."""

    def __init__(self) -> None:
        number = _SYSCALL.get(platform.machine()) if platform.system() == "Linux" else None
        if number is None:
            raise OSError("not known on this system")
        self._faults = ctypes.CDLL(None, use_errno=True).syscall(number, os.O_CLOEXEC | _USER_MODE_ONLY)
        if self._faults < 0:
            raise OSError(ctypes.get_errno(), "userfaultfd")
        fcntl.ioctl(self._faults, _UFFDIO_API, bytearray(struct.pack("3Q", _API, _FEATURES, 0)))
        self._pagemap = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        self._found = (ctypes.c_uint64 * 3)()
        self._scan(0, mmap.PAGESIZE, 0, _WRITTEN)  # is it there?

    def protect(self, start: int, stop: int) -> bool:
        """Begin to notice writes; return whether that can be done here."""
        try:
            request = struct.pack("4Q", start, stop - start, _WRITE_PROTECT, 0)
            fcntl.ioctl(self._faults, _UFFDIO_REGISTER, bytearray(request))
            self._scan(start, stop, _PROTECT | _ONLY_IF_REGISTERED, _WRITTEN, report=False)
        except OSError:
            return False
        return True

    def untouched(self, start: int, stop: int) -> bool:
        """Whether nobody has written here since `protect`. Not so either if the memory was returned meanwhile."""
        try:
            return self._scan(start, stop, _ONLY_IF_REGISTERED, _WRITTEN) == 0
        except OSError:
            return False

    def private(self, start: int, stop: int) -> bool:
        """Whether no other process can have this memory; once it has been read."""
        return self._scan(start, stop, 0, _FILE, but_not=_ZERO) == 0

    def _scan(self, start: int, stop: int, flags: int, kind: int, *, but_not: int = 0, report: bool = True) -> int:
        """Return 1 if there are pages of that kind, otherwise 0; without `report` always 0."""
        found = (ctypes.addressof(self._found), 1, 1) if report else (0, 0, 0)
        wanted = but_not, kind | but_not, 0, kind if report else 0
        request = struct.pack("12Q", 96, flags, start, stop, 0, *found, *wanted)
        return int(fcntl.ioctl(self._pagemap, _PAGEMAP_SCAN, bytearray(request)))
