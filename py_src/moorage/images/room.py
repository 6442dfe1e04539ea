"""Room for what is written: file descriptors that this process may have, and bytes of a file.

Runs on workers, shipped by value: the standard library only.
"""

from __future__ import annotations

import contextlib
import os

_SPARE = 64  # file descriptors that are left for the process's own connections


class SegmentError(OSError):
    """A segment cannot be made or mapped here; the text says why."""


def spare(fd: int) -> int:
    """Return `fd`, unless it is one of the last that this process can have.

    New descriptors get the lowest number that is free, so a high one means that most are in use.
    """
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or fd < soft - _SPARE:
        return fd
    if hard == resource.RLIM_INFINITY or hard > soft:
        with contextlib.suppress(OSError, ValueError):
            more = max(soft * 4, 4096) if hard == resource.RLIM_INFINITY else min(max(soft * 4, 4096), hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (more, hard))
            return fd
    os.close(fd)
    raise SegmentError(f"the file descriptors of this process run out: it may have {soft}")


def reserve(fd: int, size: int) -> None:
    """Have `size` bytes of a file for sure. Raises OSError if there are not so many."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(fd, 0, size)
        return
    zeros = memoryview(bytes(min(size, 1 << 20)))  # macOS
    for start in range(0, size, zeros.nbytes):
        write_all(fd, zeros[: size - start], start)


def write_all(fd: int, content: memoryview, offset: int) -> None:
    """Write all of `content`, which a single call may not. Raises OSError if there is no room."""
    done = 0
    while done < content.nbytes:
        done += os.pwrite(fd, content[done:], offset + done)
