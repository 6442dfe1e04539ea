"""State files of kept clusters: where a later process of the same user finds address and credentials.

A host process that is kept has one file in the user's folder for such files, and removes it when it ends or is no
longer kept. As long as the file is valid the host holds a lock on it; the kernel lets go of such a lock however a
process ends. A file whose lock can be had is stale, and whoever lists the files removes it.

A file holds the keys of its cluster: folder and files are closed to everybody else, and files that are not are not
read. Only the standard library is used.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from urllib.parse import quote

from moorage.errors import StartError

SUFFIX = ".json"


@dataclass(frozen=True)
class KeptCluster:
    """What there is to know of a kept cluster."""

    # `name`, `kind`, `address`, `dashboard_link`: as in `Control.info`
    name: str
    kind: str
    address: str
    dashboard_link: str
    pid: int  # of its host process, or of what has it brought back
    host: str  # name of the machine of its host process
    tls: dict[str, str]  # credentials, as `to_texts` makes them
    returning: bool = False  # whether its host process has died, and it is being brought back
    parked: bool = False  # whether it has no workers until somebody uses it
    store: str = ""  # path of the socket of what has it brought back

    @property
    def state(self) -> str:
        """In words."""
        return "coming back" if self.returning else "parked" if self.parked else "running"


class StateFile:
    """The file of one host process. `folder`: the user's folder of state files; made if need be."""

    def __init__(self, folder: Path, cluster: KeptCluster) -> None:
        self.path = folder / (quote(cluster.name, safe="") + SUFFIX)
        self._cluster = cluster
        self._lock: int | None = None

    def write(self) -> None:
        """Make the file, whole and locked from the first moment that it can be seen.

        Raises StartError if that is not possible.
        """
        if self._lock is not None:
            return
        try:
            self._lock = self._written()
        except OSError as error:
            raise StartError(
                f"The cluster cannot be kept: {self.path} cannot be written: {error}.",
                "Set JUPYTER_RUNTIME_DIR to a folder of your own.",
            ) from error

    def note(self, *, parked: bool) -> None:
        """Say whether the cluster is parked."""
        self._cluster = replace(self._cluster, parked=parked)
        if self._lock is not None:
            # Who reads the file of before must not find it without its lock, and take it for stale: it stays open.
            self._before, self._lock = self._lock, self._written()

    def remove(self) -> None:
        """Remove the file, if it is there."""
        if self._lock is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def leave(self) -> None:
        """Leave the file to whoever writes it now."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _written(self) -> int:
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(folder.lstat(), stat.S_IFDIR):
            folder.chmod(0o700)  # fails if it is somebody else's
        file, name = tempfile.mkstemp(dir=folder)  # of mode 0600
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            os.write(file, json.dumps(asdict(self._cluster)).encode())
            os.replace(name, self.path)
        except BaseException:
            os.close(file)
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise
        return file


def read(path: Path, is_returning: Callable[[KeptCluster], bool]) -> KeptCluster | None:
    """Return what a file says; None, and remove it, if it is stale; None if it is not to be trusted.

    `is_returning`: whether a cluster whose host process has died is brought back.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    with open(file, "rb") as opened:
        if not _is_private(os.fstat(file), stat.S_IFREG):
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _cluster_in(opened.read())  # its host process lives
        if (cluster := _cluster_in(opened.read())) is not None and is_returning(cluster):
            return replace(cluster, returning=True)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.lstat(path), os.fstat(file)):  # not one that has taken its place just now
                path.unlink()
        return None


def _cluster_in(content: bytes) -> KeptCluster | None:
    try:
        values = json.loads(content)
        return KeptCluster(**{field.name: values[field.name] for field in fields(KeptCluster) if field.name in values})
    except (ValueError, KeyError, TypeError):
        return None


def _is_private(status: os.stat_result, kind: int) -> bool:
    mine = status.st_uid == os.getuid() and stat.S_IFMT(status.st_mode) == kind
    return mine and not stat.S_IMODE(status.st_mode) & 0o077
