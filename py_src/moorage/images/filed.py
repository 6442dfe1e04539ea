"""Blocks of saved files that processes of this host map where they are, as they do segments: nothing is copied.

A path of their handles is ``/proc/<pid>/fd/<number>+<offset>``, of a process that has the file open. A file that is
removed, or replaced by another under its name, lives on for who has it mapped. One that is cut off would kill them:
taken are files that nobody but this user can write to, on disks of this machine. The nonce of such a handle says which
file it is, in which state.

Shipped by value: the standard library only.
"""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
import stat

ENDING = ".images"
"""What names of saved files end with."""

_OTHERS = 0o022  # may write
_GONE = " (deleted)"
_LOCAL = {
    0xEF53,  # ext2, ext3, ext4
    0x58465342,  # XFS
    0x9123683E,  # Btrfs
    0xF2F52010,  # F2FS
    0x2FC12FC1,  # ZFS
    0x01021994,  # tmpfs
    0x794C7630,  # overlay
}
"""Kinds of file systems, as ``statfs`` of Linux tells them."""


def is_mappable(fd: int, offset: int) -> bool:
    """Whether a block at `offset` of an open file can be mapped for good."""
    status = os.fstat(fd)
    is_own = status.st_uid == os.geteuid() and not status.st_mode & _OTHERS
    return is_own and offset % mmap.ALLOCATIONGRANULARITY == 0 and _kind(fd) in _LOCAL


def handle_at(fd: int, offset: int, nbytes: int) -> tuple[bytes, int, tuple[str, ...]]:
    """Return a handle of `nbytes` at `offset` of an open file; it is good as long as that is open."""
    return _nonce(os.fstat(fd), offset), nbytes, (path_of(fd, offset),)


def path_of(fd: int, offset: int) -> str:
    """Return the path by which other processes find what is at `offset` of an open file; a segment has no offset."""
    return f"/proc/{os.getpid()}/fd/{fd}" + (f"+{offset}" if offset else "")


def is_saved_at(path: str) -> bool:
    """Whether that is the path of a block of a file."""
    return path.startswith("/proc/") and "+" in path


def is_saved(path: str) -> bool:
    """Whether a process has a saved file open at a path below ``/proc``."""
    return os.readlink(path).removesuffix(_GONE).endswith(ENDING)


def why_not(fd: int, nonce: bytes, offset: int, nbytes: int) -> str:
    """Return why an open file is not the one that a handle means, or nothing."""
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode) or _nonce(status, offset) != nonce:
        return "it is another file by now"
    if status.st_size < offset + nbytes or not is_mappable(fd, offset):
        return "it cannot be mapped for good"
    return ""


def _nonce(status: os.stat_result, offset: int) -> bytes:
    facts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, offset)
    return hashlib.blake2b(repr(facts).encode(), digest_size=16).digest()


def _kind(fd: int) -> int:
    """Return of which kind the file system of an open file is; 0 where that is not known."""
    try:
        answer = ctypes.create_string_buffer(256)
        if ctypes.CDLL(None).fstatfs(fd, answer) != 0:
            return 0
    except (OSError, AttributeError):
        return 0
    return ctypes.c_long.from_buffer(answer).value & 0xFFFFFFFF  # its first field, on Linux
