"""Scratch folders: one per host process, private, and swept when their owner is gone.

All folders of one user lie below one base folder of mode 0700. A folder belongs to a living process exactly as long
as that process holds the lock on the file ``lock`` in it; the kernel lets go of such a lock however a process ends.
A folder whose lock can be had is stale, and the next start removes it.

Only the standard library is used: this is the first thing a host process does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from moorage.errors import StartError

LOCK = "lock"
LOG = "host.log"


def default_base(root: str | None = None) -> Path:
    """Path of this user's base folder, below `root` or the system's folder for temporary files.

    Not ``$XDG_RUNTIME_DIR``: that one lives in memory and is small, while workers spill here to free memory.
    """
    return Path(root or tempfile.gettempdir()) / f"moorage-{os.getuid()}"


def ensure_base(base: Path) -> None:
    """Create `base` with mode 0700, or check that it is ours and closed to others.

    Raises StartError if it cannot be made, or somebody else owns it or can enter it.
    """
    remedy = "Set `temporary-directory` in the Dask configuration to a folder of your own."
    try:
        with contextlib.suppress(FileExistsError):
            base.mkdir(mode=0o700, parents=True)
        status = base.lstat()
    except OSError as error:
        raise StartError(f"The folder for scratch files {base} cannot be used: {error}.", remedy) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise StartError(f"The folder for scratch files {base} does not belong to you.", remedy)
    if stat.S_IMODE(status.st_mode) & 0o077:
        base.chmod(0o700)


class Scratch:
    """A folder of our own, locked until `remove` or the end of the process.

    `base`: the user's base folder; made if need be.
    """

    def __init__(self, base: Path) -> None:
        ensure_base(base)
        self.base = base
        with _locked(base / ".lock"):  # a sweep must not see the folder before it is locked
            self.path = Path(tempfile.mkdtemp(dir=base, prefix=""))
            self.lock = os.open(self.path / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self.lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        """Remove the folder and all in it. What cannot be removed is left to the next sweep."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)


def sweep(base: Path) -> list[Path]:
    """Remove the folders below `base` whose owner is gone, and return their paths."""
    with _locked(base / ".lock"):
        stale = [folder for folder in base.iterdir() if folder.is_dir() and not _owned(folder)]
    for folder in stale:
        shutil.rmtree(folder, ignore_errors=True)
    return stale


def remove_stale(folder: Path) -> bool:
    """Remove `folder` if its owner is gone; return whether it is gone now."""
    if folder.exists() and not _owned(folder):
        shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def _owned(folder: Path) -> bool:
    try:
        lock = os.open(folder / LOCK, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path`. It is only ever held for a few file operations, so it is simply awaited."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
