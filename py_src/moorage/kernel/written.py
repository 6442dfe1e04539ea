"""Which memory has been written to since it was last looked at, as told by the operating system.

To find out whether an array of half a gigabyte has changed takes 35 ms if it is read, and ten microseconds if Linux is
asked: `WrittenMemory` has the pages of a buffer protected and Linux note each first write to one (userfaultfd,
"asynchronous write protection", since Linux 6.7). Every way of writing is noticed, by Python, by compiled code or by
a system call. What a page is asked for is a whole page, so that a neighbour's write may count too: an answer can be
"written" though the buffer is as it was, never the other way round.

Not for memory that other processes share, which they can write to unseen, nor for what a device writes by itself.
Where Linux is older, does not allow it, or another system is used, there is no such knowledge, and one has to read.
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

SMALLEST = 1_000_000
"""Bytes. A smaller buffer is read as fast as it is asked about."""
_MOST = 1000
"""So many buffers are remembered; then the longest unused is forgotten."""

# Of linux/userfaultfd.h and linux/fs.h.
_SYSCALL = {"x86_64": 323, "aarch64": 282}
_USER_MODE_ONLY = 1
_API, _FEATURES = 0xAA, 1 << 13 | 1 << 15  # pages that are not there yet, and asynchronously
_UFFDIO_API, _UFFDIO_REGISTER, _UFFDIO_UNREGISTER = 0xC018AA3F, 0xC020AA00, 0x8010AA01
_WRITE_PROTECT = 2
_PAGEMAP_SCAN = 0xC0606610
_PROTECT, _ONLY_IF_REGISTERED = 1, 2
_WRITTEN, _FILE = 2, 4


class WrittenMemory:
    """Remembers something about the content of buffers, a digest, for as long as nobody writes to them. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._digests: OrderedDict[tuple[int, int], bytes] = OrderedDict()
        self._process = 0
        self._linux: _Linux | None = None

    def digest(self, address: int, nbytes: int, compute: Callable[[], bytes]) -> bytes:
        """Return what `compute` makes of the content of a buffer, or has made of it if nobody has written to it since.

        Parameters
        ----------
        address : int
            Of the first byte.
        nbytes : int
        compute : callable
            Reads the whole buffer.
        """
        with self._lock:
            linux = self._system()
            if linux is None or nbytes < SMALLEST:
                return compute()
            place = address, nbytes
            pages = address & -mmap.PAGESIZE, -(-(address + nbytes) // mmap.PAGESIZE) * mmap.PAGESIZE
            known = self._digests.get(place)
            if known is not None and linux.untouched(*pages):
                self._digests.move_to_end(place)
                return known
            self._digests.pop(place, None)
            # First protected, then read: what is written meanwhile is found out about the next time.
            protected = linux.protect(*pages)
            digest = compute()
            if protected and linux.private(*pages):
                self._digests[place] = digest
                if len(self._digests) > _MOST:
                    self._digests.popitem(last=False)
            return digest

    def _system(self) -> _Linux | None:
        """Return the way to ask, of this process: a child begins anew."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._digests.clear()
            try:
                self._linux = _Linux()
            except OSError:
                self._linux = None
        return self._linux


class _Linux:
    """The system calls. Raises `OSError` if they are not to be had."""

    _faults = _pagemap = -1  # file descriptors

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

    def __del__(self) -> None:
        for descriptor in (self._faults, self._pagemap):
            if descriptor >= 0:
                os.close(descriptor)

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
        return self._scan(start, stop, 0, _FILE) == 0

    def _scan(self, start: int, stop: int, flags: int, kind: int, *, report: bool = True) -> int:
        """Return 1 if there are pages of that kind, otherwise 0; without `report` always 0."""
        found = (ctypes.addressof(self._found), 1, 1) if report else (0, 0, 0)
        request = struct.pack("12Q", 96, flags, start, stop, 0, *found, 0, kind, 0, kind if report else 0)
        return fcntl.ioctl(self._pagemap, _PAGEMAP_SCAN, bytearray(request))
