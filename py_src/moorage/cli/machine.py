"""Whether this machine lets a cluster have what it needs: folders, open files, a loopback interface."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dask.config
from dask.utils import format_bytes

from moorage.cli.finding import Finding
from moorage.deploy.kept import kept_clusters, state_folder
from moorage.deploy.processes import FILES_AT_REST, FILES_PER_WORKER
from moorage.deploy.scratch import default_base, ensure_base
from moorage.deploy.state_file import SUFFIX
from moorage.errors import StartError

_LITTLE_ROOM = 1 << 30


def folders() -> Iterator[Finding]:
    """Yield what is wrong with the folders that a cluster writes to."""
    base = default_base(dask.config.get("temporary-directory"))
    try:
        ensure_base(base)
    except StartError as error:
        yield Finding("fault", error.message, error.remedy)
    else:
        yield from _scratch(base)
    remedy = "Set JUPYTER_RUNTIME_DIR to a folder of your own: without it, no cluster can be kept."
    yield from _writable(state_folder().parent, "the state of kept clusters", remedy)
    remedy = "Let HOME be a folder of yours. Clusters on job queues and over SSH have their keys in ~/.moorage."
    yield from _writable(Path.home(), "your home", remedy)


def _scratch(base: Path) -> Iterator[Finding]:
    yield from _writable(base, "scratch files", "Set `temporary-directory` in Dask's configuration to another folder.")
    if (free := shutil.disk_usage(base).free) < _LITTLE_ROOM:
        yield Finding(
            "warning",
            f"The folder for scratch files {base}, to which workers spill, has {format_bytes(free)} left.",
            "Make room, or set `temporary-directory` in Dask's configuration to a folder on a larger disk.",
        )


def _writable(folder: Path, purpose: str, remedy: str) -> Iterator[Finding]:
    there = folder
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=there):
            pass
    except OSError as error:
        yield Finding("fault", f"{folder} ({purpose}) cannot be written to: {error.strerror or error}.", remedy)
    else:
        yield Finding("ok", f"{folder} for {purpose}")


def state_files() -> Iterator[Finding]:
    """Yield what is wrong with the files of kept clusters, and which there are. Stale files are removed."""
    folder = state_folder()
    if not folder.is_dir():
        return
    about = folder.lstat()
    if about.st_uid != os.getuid():
        yield Finding(
            "fault",
            f"{folder}, for the files of kept clusters, belongs to another user (uid {about.st_uid}).",
            f"Let its owner remove it, or set JUPYTER_RUNTIME_DIR. As root: chown {os.getuid()} {folder}.",
        )
        return
    for path in sorted(folder.glob("*" + SUFFIX)):
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & 0o077:
            why = f"it belongs to uid {about.st_uid}" if about.st_uid != os.getuid() else "others can read or write it"
            yield Finding("fault", f"{path} is not accepted as a kept cluster's file: {why}.", f"Remove it: rm {path}")
    for cluster in kept_clusters(folder):
        yield Finding("ok", f"the kept cluster {cluster.name} is {cluster.state}")


def open_files() -> Iterator[Finding]:
    """Yield whether the limit of open files allows for a few workers, and memory for all that is mapped."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = hard == resource.RLIM_INFINITY
    workers = (hard - FILES_AT_REST) // FILES_PER_WORKER
    if not unlimited and workers < 32:
        yield Finding(
            "fault" if workers < 4 else "warning",
            f"A process may have {hard} open files, which is enough for {max(0, workers)} workers.",
            "Raise the limit before Jupyter starts: ulimit -Hn 65536 (as root), LimitNOFILE= of systemd's unit, or"
            " --ulimit nofile=65536 of the container.",
        )
    else:
        yield Finding("ok", f"open files: {'unlimited' if unlimited else hard}")
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    if space != resource.RLIM_INFINITY:
        yield Finding(
            "warning",
            f"A process may have an address space of {format_bytes(space)}; what it maps of shared memory counts, too.",
            "ulimit -v unlimited",
        )


def loopback() -> Iterator[Finding]:
    """Yield whether processes of this machine can talk to each other over 127.0.0.1."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=5).close()
    except OSError as error:
        yield Finding(
            "fault",
            f"Nothing can be reached at 127.0.0.1: {error.strerror or error}.",
            "Bring the loopback interface up (ip link set lo up), or allow it in the firewall or sandbox.",
        )
    else:
        yield Finding("ok", "connections over 127.0.0.1")
