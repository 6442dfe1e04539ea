"""Shared memory of one host in which the buffers of an image lie: who writes it, and who maps it.

::

    0       8       24       32               4096                     4096 + nbytes       4096 + capacity
    | magic | nonce | nbytes | zeros          | the image's block      | left from before  |

The writer creates it (`Segment`), writes the block, and the header last, so that what is half written is never taken
for whole. Whoever wants to read opens it by a path of its `Handle` and maps the block read-only (`attach`), or so that
it can write to it for itself alone (`attach_private`).

Usually the memory is a sealed memfd: it has no name, nobody else's processes can open it, nobody can shrink it or map
it writeable, and it is gone with the last process that has it open, however that process ends. Its paths are
``/proc/<pid>/fd/<number>`` of its holders. Where such a path cannot be opened (another pid namespace, another system)
the memory is a file of this user's only, reserved in full before it is written, so that a full disk is an error and
not a SIGBUS; the last holder removes it. What is left of holders that were killed all at once is removed by the next
process of this user's that begins or ends to share memory (`sweep`). Blocks of saved files are mapped as well, from
where they are (``filed.py``).

The nonce says whether what was opened is what the handle means, whatever has become of the pid and the number
meanwhile. It is another one whenever the memory is written again, and that is done only while nobody maps it: readers
hold a shared lock for as long as their mapping lives, forked children included.

Runs on workers, shipped by value: the standard library only. What is in the block is the business of others.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import secrets
import stat
import struct
import tempfile
import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

from moorage.images.filed import is_saved, path_of, why_not
from moorage.images.room import SegmentError, reserve, spare, write_all

HEADER = mmap.ALLOCATIONGRANULARITY if mmap.ALLOCATIONGRANULARITY > 4096 else 4096
"""Bytes before the block: whole pages, so that the block can be mapped without it."""
SMALLEST_SHARED = 100_000
"""Bytes of the buffers of an image for which a segment is worth it."""

_MAGIC = b"moorage1"
_FIELDS = "<8s16sQ"
_NAME = "moorage-"
_SLICE = 64 << 20  # bytes written by one call: other threads of a small machine get their turn

_F_SEAL_FUTURE_WRITE = 0x10  # Linux 5.1; not named by Python
_MADV_POPULATE_WRITE = 23  # Linux 5.14
_FIXED = getattr(fcntl, "F_SEAL_SHRINK", 0) | getattr(fcntl, "F_SEAL_GROW", 0)


class Handle(NamedTuple):
    """What it takes to find a segment on its host."""

    nonce: bytes  # 16 random bytes that are in the header
    nbytes: int  # of the block
    paths: tuple[str, ...]  # where it can be opened, as long as one of its holders lives


Part = tuple[int, memoryview]
"""Offset in the block, and contiguous bytes that go there."""


class Segment:
    """Memory that this process writes, and others map. To be written before its handle is given away.

    `capacity`: bytes of the largest block it takes. `reusable`: whether it can be written again once nobody maps it.
    `directory`: make a file there rather than a memfd. Raises OSError if there is no room, or no file descriptor left.
    """

    def __init__(self, capacity: int, *, reusable: bool = False, directory: str | None = None) -> None:
        self.capacity = max(1, capacity)
        self.reusable = reusable
        self.handle = Handle(b"", 0, ())
        self._writeable: mmap.mmap | None = None
        self._populated = 0  # bytes of the block that are in the page table of this process
        name = _NAME + secrets.token_hex(16)
        size = HEADER + self.capacity
        if directory is None:
            if not hasattr(os, "memfd_create"):
                raise SegmentError("this system has no memfds")
            self.file: str | None = None
            self.fd = spare(os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING))
        else:
            self.file = os.path.join(directory, f"{_NAME}{os.getuid()}-{name.removeprefix(_NAME)}")
            self.fd = spare(os.open(self.file, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
        self._close = weakref.finalize(self, _close_last, self.fd, self.file, os.getpid())
        try:
            fcntl.flock(self.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if self.file is None:
                os.ftruncate(self.fd, size)
            else:
                reserve(self.fd, size)
        except BaseException:
            self.close()
            raise

    def write(self, parts: Iterable[Part], nbytes: int) -> None:
        """Write a block, the first one or another. Nobody may have it mapped; see `is_free`.

        `nbytes`: of the block; not more than `capacity`. Raises OSError if the system has no memory for it.
        """
        if nbytes > self.capacity:
            raise ValueError(f"{nbytes} bytes do not fit into a segment of {self.capacity}")
        header = struct.pack(_FIELDS, _MAGIC, nonce := secrets.token_bytes(16), nbytes)
        if self._writeable is not None:
            self._invalidate(self._writeable, nbytes)
        for offset, content in parts:
            flat = content.cast("B") if content.nbytes else content
            for start in range(0, flat.nbytes, _SLICE):
                piece = flat[start : start + _SLICE]
                if self._writeable is not None:
                    self._put(self._writeable, HEADER + offset + start, piece)
                else:
                    write_all(self.fd, piece, HEADER + offset + start)
        if self._writeable is not None:
            self._put(self._writeable, 0, memoryview(header))
        else:
            write_all(self.fd, memoryview(header), 0)
        if not self.handle.paths:
            self._seal()
        path = f"/proc/{os.getpid()}/fd/{self.fd}" if self.file is None else self.file
        self.handle = Handle(nonce, nbytes, (path,))

    def rewrite(self, nbytes: int) -> memoryview | None:
        """Return memory for another block of about `nbytes`, for who writes parts of it before `write` does the others.

        As for `write`, nobody may have it mapped. It is to be released before. None before the first block.
        """
        if self._writeable is None:
            return None
        self._invalidate(self._writeable, nbytes)
        return memoryview(self._writeable)[HEADER:]

    def put(self, offset: int, content: memoryview) -> None:
        """Write a part of the first block before it is whole; then call `write` with what is left, or without parts.

        Raises OSError if the system has no memory for it.
        """
        write_all(self.fd, content, HEADER + offset)

    def get(self, start: int, stop: int) -> bytes:
        """Return a copy of what lies in the block from `start` to `stop`."""
        return os.pread(self.fd, stop - start, HEADER + start)

    def is_free(self) -> bool:
        """Whether nobody but this process has it open for reading; if so, nobody can begin to until `release_lock`."""
        with contextlib.suppress(OSError):
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        # a failed change of a lock may have given up the one there was
        with contextlib.suppress(OSError):
            fcntl.flock(self.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False

    def release_lock(self) -> None:
        """Let others map it again."""
        fcntl.flock(self.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)

    def close(self) -> None:
        """Let go of it: the memory is free as soon as nobody else has it."""
        if self._writeable is not None:
            self._writeable.close()
            self._writeable = None
        self._close()

    @property
    def closed(self) -> bool:
        """Whether `close` has been called."""
        return not self._close.alive

    def _seal(self) -> None:
        if self.reusable:
            # mapped, since from now on nobody can write or map it for writing: only through this
            self._writeable = mmap.mmap(self.fd, HEADER + self.capacity)
            with contextlib.suppress(AttributeError, OSError):
                self._writeable.madvise(mmap.MADV_DONTFORK)  # type: ignore[attr-defined,unused-ignore]
        if self.file is not None:
            return
        seals = _FIXED | (_F_SEAL_FUTURE_WRITE if self.reusable else fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL)
        try:
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, seals)
        except OSError:  # before Linux 5.1
            if self._writeable is not None:
                self._writeable.close()
            self._writeable, self.reusable = None, False
            fcntl.fcntl(self.fd, fcntl.F_ADD_SEALS, _FIXED | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL)

    def _invalidate(self, memory: mmap.mmap, nbytes: int) -> None:
        self._put(memory, 0, memoryview(bytes(struct.calcsize(_FIELDS))))
        if nbytes > self._populated:  # it takes nearly as long as writing, also where there is nothing to do
            self._populated = nbytes
            with contextlib.suppress(OSError):  # quicker than one fault for each page
                memory.madvise(_MADV_POPULATE_WRITE, 0, HEADER + nbytes)

    @staticmethod
    def _put(memory: mmap.mmap, start: int, content: memoryview) -> None:
        with memoryview(memory) as whole:
            whole[start : start + content.nbytes] = content


class Mapping(mmap.mmap):
    """The block of a segment, mapped read-only into this process as long as anything refers to it or a view into it."""

    handle: Handle  # by which others can map the segment as long as this lives

    @property
    def memory(self) -> memoryview:
        """The block."""
        return memoryview(self)


class Private(mmap.mmap):
    """The block of a segment, mapped so that this process can write to it, and nobody else sees what it has written.

    It takes memory for the pages that were written to, and for no others.
    """

    @property
    def memory(self) -> memoryview:
        """The block."""
        return memoryview(self)


T = TypeVar("T")
_Mapped = TypeVar("_Mapped", Mapping, Private)


def handle_of(buffer: memoryview) -> Handle | None:
    """Return the handle of the segment that `buffer` is a view into, or None."""
    return getattr(buffer.obj, "handle", None)


class Holding:
    """Keeps the memory of a segment, without mapping it, until it is closed.

    `handle`: by which others can map it meanwhile. Raises as `attach`.
    """

    def __init__(self, handle: Handle | Sequence[Any]) -> None:
        nonce, nbytes, _ = handle
        fd, file, saved_at = _first(handle, _open)
        self.handle = Handle(nonce, nbytes, (file or path_of(fd, saved_at),))
        self.close = weakref.finalize(self, _close_last, fd, file, os.getpid())
        """Let go of it."""


def attach(handle: Handle | Sequence[Any]) -> Mapping:
    """Map the segment that a handle means.

    Raises SegmentError if none of its paths leads to it, or this process has no file descriptor or no address space
    left.
    """
    return _first(handle, partial(_attach, kind=Mapping))


def attach_private(handle: Handle | Sequence[Any]) -> Private:
    """Map the segment that a handle means to write to it for oneself. Raises as `attach`."""
    return _first(handle, partial(_attach, kind=Private))


def _first(handle: Handle | Sequence[Any], take: Callable[[str, bytes, int], T]) -> T:
    nonce, nbytes, paths = handle
    failures = []
    for path in paths:
        try:
            return take(path, nonce, nbytes)
        except OSError as error:
            failures.append(f"{path}: {error.strerror or error}")
    raise SegmentError("; ".join(failures) or "it has no path")


def shared_directory() -> str:
    """Return where files can be shared with other processes of this user, in memory if possible."""
    memory = "/dev/shm"
    return memory if os.access(memory, os.W_OK) else tempfile.gettempdir()


def sweep(directory: str | None = None) -> int:
    """Remove files of this user's that no process holds, by default from `shared_directory`; return how many."""
    removed, names, directory = 0, list[str](), directory or shared_directory()
    with contextlib.suppress(OSError):
        names = os.listdir(directory)
    for name in names:
        if name.startswith(f"{_NAME}{os.getuid()}-"):
            path = os.path.join(directory, name)
            with contextlib.suppress(OSError):
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    os.unlink(path)
                    removed += 1
                finally:
                    os.close(fd)
    return removed


def _attach(path: str, nonce: bytes, nbytes: int, kind: type[_Mapped]) -> _Mapped:
    fd, file, saved_at = _open(path, nonce, nbytes)
    flags, prot = mmap.MAP_SHARED, mmap.PROT_READ
    if kind is Private:
        flags, prot = mmap.MAP_PRIVATE, prot | mmap.PROT_WRITE
    try:
        mapping = kind(fd, nbytes, flags=flags, prot=prot, offset=saved_at or HEADER)
    except (OSError, ValueError) as error:
        os.close(fd)
        if isinstance(error, OSError):
            raise
        raise SegmentError(str(error)) from error
    if isinstance(mapping, Mapping):
        mapping.handle = Handle(nonce, nbytes, (file or path_of(fd, saved_at),))
    # the descriptor, with its lock, lives as long as the mapping
    weakref.finalize(mapping, _close_last, fd, file, os.getpid())
    return mapping


def _open(path: str, nonce: bytes, nbytes: int) -> tuple[int, str | None, int]:
    """Return a descriptor, the path if that is a segment's, and where the block is if that is in a saved file, or 0."""
    anonymous, saved_at = path.startswith("/proc/"), 0
    if anonymous:
        path, _, at = path.partition("+")
        saved_at = int(at or 0)
        is_ours = is_saved(path) if saved_at else os.readlink(path).startswith(f"/memfd:{_NAME}")
        if not is_ours:
            # opening whatever has that number now could have effects: a pipe, a terminal, a device
            raise SegmentError("it is gone")
    fd = spare(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if anonymous else os.O_NOFOLLOW)))
    try:
        if saved_at:
            if why := why_not(fd, nonce, saved_at, nbytes):
                raise SegmentError(why)
            return fd, None, saved_at
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid():
            raise SegmentError("it is not this user's")
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SegmentError("it is being written again") from None
        if anonymous and fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _FIXED != _FIXED:
            raise SegmentError("it is not sealed")
        if os.pread(fd, struct.calcsize(_FIELDS), 0) != struct.pack(_FIELDS, _MAGIC, nonce, nbytes):
            raise SegmentError("it holds something else by now")
        if found.st_size < HEADER + nbytes or not nbytes:
            raise SegmentError(f"it has {found.st_size - HEADER} bytes, not {nbytes}")
    except OSError:
        os.close(fd)
        raise
    return fd, None if anonymous else path, 0


def _close_last(fd: int, file: str | None, owner: int) -> None:
    """Close a descriptor; remove the file if nobody else has it open.

    A forked child shares the parent's lock, and leaves the file to it.
    """
    if file is not None and os.getpid() == owner:
        with contextlib.suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(file)
    with contextlib.suppress(OSError):
        os.close(fd)
