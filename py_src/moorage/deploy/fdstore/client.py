"""How the file descriptor store is started, and asked; see ``process``."""

from __future__ import annotations

import errno
import os
import pickle
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Collection
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from moorage.deploy.fdstore.process import MOST
from moorage.wire.images import Loan

LIMIT = 30.0
"""Seconds that a store may take to answer who asks it once."""


class StoreClient:
    """A connection to the store whose socket is at `path`. Thread-safe. Raises OSError if there is none.

    So do the methods, when it is gone, is told too much at once, or does not answer within `limit` seconds.
    """

    def __init__(self, path: str, limit: float = 0.0) -> None:
        self.path = path
        self._lock = threading.Lock()
        with socket.socket(socket.AF_UNIX) as connecting:
            connecting.connect(path)
            connecting.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _timeval(limit))  # 0: none
            self._connection = Connection(connecting.detach())

    def ask(self, method: str, **arguments: Any) -> Any:
        """Return what a method of `Store` answers."""
        message = pickle.dumps((method, arguments))
        if len(message) > MOST:
            raise OSError(errno.EMSGSIZE, os.strerror(errno.EMSGSIZE))
        try:
            with self._lock:
                self._connection.send_bytes(message)
                return self._connection.recv()
        except EOFError as error:
            raise ConnectionResetError(str(error)) from error

    def close(self) -> None:
        """Ask no more."""
        self._connection.close()


def _timeval(seconds: float) -> bytes:
    return struct.pack("ll", int(seconds), int(seconds % 1 * 1e6))


def start(base: Path) -> StoreClient:
    """Start a store, with its folder below `base`. Raises OSError if it does not start."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "moorage.deploy.fdstore", "--scratch", str(base), "--parent", str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    with process.stdout as told:
        path = told.readline().decode().strip()
    process.returncode = 0  # it is not waited for: it outlives this process
    return StoreClient(path)


def kept_at(path: str, keys: Collection[Any]) -> dict[Any, Loan]:
    """Return those of `keys` that the store at `path` has; none if there is none on this host."""
    kept: dict[Any, Loan] = _ask(path, "get", keys=list(keys)) if keys else {}
    return kept


def facts_at(path: str) -> dict[str, Any]:
    """Return what the store at `path` was told; nothing if there is none on this host."""
    facts: dict[str, Any] = _ask(path, "facts")
    return facts


def note_at(path: str, **facts: Any) -> None:
    """Tell the store at `path`, if there is one; see `Store.note`."""
    _ask(path, "note", **facts)


def end_at(path: str) -> None:
    """Let the store at `path` end, if there is one."""
    _ask(path, "end")


def _ask(path: str, method: str, **arguments: Any) -> Any:
    if path:
        with suppress(OSError):
            client = StoreClient(path, LIMIT)
            try:
                return client.ask(method, **arguments)
            finally:
                client.close()
    return {}
