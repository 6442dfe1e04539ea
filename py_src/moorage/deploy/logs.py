"""The last lines of what a host process and its workers have logged."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import IO

import psutil

from moorage.deploy.scratch import LOG
from moorage.deploy.state_file import KeptCluster
from moorage.errors import ClusterError


def log_of(cluster: KeptCluster, lines: int) -> str:
    """Return the last lines of the log of a kept cluster. Raises ClusterError if it is not to be had here."""
    if cluster.host != socket.gethostname():
        raise ClusterError(f"{cluster.name} runs on {cluster.host}, where its log is.", "Ask there.")
    try:
        files = [Path(file.path) for file in psutil.Process(cluster.pid).open_files()]
    except psutil.Error as error:
        raise ClusterError(f"The process of {cluster.name} cannot be found: {error}.", "It may have ended.") from error
    return tail(next((path for path in files if path.name == LOG), Path(os.devnull)), lines)


def tail(path: Path, lines: int) -> str:
    """Return the last lines of a file; empty if it is gone."""
    try:
        with path.open("rb") as file:
            return tail_of(file, lines)
    except OSError:
        return ""


def tail_of(file: IO[bytes], lines: int = 20) -> str:
    """Return the last lines of an open file."""
    file.seek(0, os.SEEK_END)
    file.seek(max(0, file.tell() - 20_000))
    return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
