"""What the store keeps and answers, and when it ends.

It ends when it is told to, and when its host has died and nobody brings that back: see `Store.tick`. Of a kept cluster
whose starter is gone it has the host brought back itself, by a process of its own
(``moorage.controller.unattended.returning``), and meanwhile holds the file by which notebooks find the cluster. Only
the standard library is used.
"""

from __future__ import annotations

import os
import pickle
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from moorage.deploy.state_file import KeptCluster, StateFile
from moorage.images.segment import Holding

PATIENCE = 120.0
"""Seconds in which a host that has died is brought back by who started it."""
MOST = 1 << 28
"""Bytes of a message."""
DEATHS, WITHIN = 3, 60.0
"""So many deaths within so many seconds, and a cluster is not brought back any more."""

_TICK = 0.5


class _Kept(NamedTuple):
    stream: bytes
    sizes: list[int]  # of the buffers
    buffers: list[bytes]  # of what lies in no segment
    holding: Holding | None


class Store:
    """Values by key, and what else a host that comes back is to know.

    `parent`: process id of the host that has started it. `bring_back`: starts what brings a host back.
    """

    def __init__(self, parent: int, bring_back: Callable[[Path], subprocess.Popen[bytes]] | None = None) -> None:
        self._parent = parent
        self.ended = False
        self.path = Path()
        self._bring_back = bring_back or _returning
        self._values: dict[Any, _Kept] = {}
        self._facts: dict[str, Any] = {}
        self._host: Connection | None = None
        self._orphaned: float | None = None  # since when there is no host
        self._returning: subprocess.Popen[bytes] | None = None
        self._deaths: deque[float] = deque(maxlen=DEATHS)
        self._file: StateFile | None = None

    # Messages

    def take_over(self, connection: Connection) -> list[Any]:
        """Be the store of the host at the other end from now on; return what is here."""
        self._host, self._orphaned = connection, None
        return list(self._values)

    def note(self, **facts: Any) -> None:
        """Remember facts of the cluster.

        Those that are used here: ``order``, ``info`` (`HostInfo`), ``restart`` (whether it is to be brought back),
        ``starter`` (its pid) and ``alone`` (that the starter is gone).
        """
        self._facts.update(facts)
        if "info" in facts and self._file is not None:  # the host has one of its own by now
            self._file.leave()
            self._file = None

    def facts(self) -> dict[str, Any]:
        """Return what was noted, and whether the host is being brought back."""
        return self._facts | {"returning": self._returning is not None and self._returning.poll() is None}

    def put(self, values: Mapping[Any, Mapping[str, Any]]) -> list[Any]:
        """Keep values, each a `Loan` with a ``handle`` or with its ``buffers``; return the keys of those it can."""
        taken = []
        for key, loan in values.items():
            with suppress(OSError):  # it is gone already, or there is no descriptor left
                holding = Holding(loan["handle"]) if "handle" in loan else None
                self.drop([key])
                self._values[key] = _Kept(loan["stream"], loan["sizes"], loan.get("buffers", []), holding)
                taken.append(key)
        return taken

    def get(self, keys: Iterable[Any]) -> dict[Any, dict[str, Any]]:
        """Return those of `keys` that are here, each a `Loan`."""
        return {
            key: {"stream": kept.stream, "sizes": kept.sizes}
            | ({"handle": tuple(kept.holding.handle)} if kept.holding else {"buffers": kept.buffers})
            for key in keys
            if (kept := self._values.get(key)) is not None
        }

    def drop(self, keys: Iterable[Any]) -> None:
        """Let go of values."""
        for key in keys:
            if (kept := self._values.pop(key, None)) is not None and kept.holding is not None:
                kept.holding.close()

    def end(self) -> None:
        """End: the cluster does."""
        self.ended = True

    # The host's life

    def closed(self, connection: Connection) -> None:
        """Note that a connection is closed: that of a host which lives is not."""
        if connection is self._host:
            self._host, self._orphaned = None, time.monotonic()
            self._deaths.append(self._orphaned)
            self.ended = self.ended or not self._info  # it has not come to start its cluster
            if self._info.get("keep") and self._facts.get("restart") and not (self.ended or self._file):
                self._hold_file()

    def tick(self) -> None:
        """End, or have the host brought back, if it has died and whoever started it does not."""
        if self._returning is not None and self._returning.poll() is None:
            return
        if self._orphaned is None:
            self._returning = None
            self.ended = self.ended or (self._host is None and os.getppid() != self._parent)
            return
        if not self._facts.get("restart"):
            self.ended = True
            return
        waited = time.monotonic() - self._orphaned
        if self._returning is None and waited < PATIENCE and not self._facts.get("alone") and self._starter_lives():
            return
        many = len(self._deaths) == DEATHS and self._deaths[-1] - self._deaths[0] < WITHIN
        if not self._info.get("keep") or many or self._returning is not None:  # it did not come back, and said why
            self.ended = True
        else:
            self._returning = self._bring_back(self.path)

    def close(self) -> None:
        """Let go of all."""
        self.drop(list(self._values))
        if self._file is not None:
            self._file.remove()

    @property
    def _info(self) -> dict[str, Any]:
        info: dict[str, Any] = self._facts.get("info", {})
        return info

    def _starter_lives(self) -> bool:
        try:
            os.kill(self._facts.get("starter", 0) or os.getpid(), 0)
        except ProcessLookupError:
            return False
        return True

    def _hold_file(self) -> None:
        """Let notebooks that look for the cluster find it: they wait for it."""
        facts = {field: self._info[field] for field in ("name", "kind", "address", "dashboard_link")}
        order = self._facts["order"]
        self._file = StateFile(
            Path(order["runtime_dir"]),
            KeptCluster(
                **facts,
                pid=os.getpid(),
                host=socket.gethostname(),
                tls=order["tls"],
                returning=True,
                store=str(self.path),
            ),
        )
        with suppress(Exception):
            self._file.write()


def serve(store: Store, path: Path, told: int) -> None:
    """Answer whoever connects to the socket at `path` until the store ends; `told`: where the path is written then."""
    for number in (signal.SIGINT, signal.SIGHUP):  # meant for a notebook
        signal.signal(number, signal.SIG_IGN)
    store.path = path
    with socket.socket(socket.AF_UNIX) as listening, selectors.DefaultSelector() as selector:
        listening.bind(str(path))
        listening.listen()
        selector.register(listening, selectors.EVENT_READ)
        os.write(told, f"{path}\n".encode())
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 1)
        os.close(told)
        while not store.ended:
            for key, _ in selector.select(_TICK):
                if key.fileobj is listening:
                    connection = Connection(listening.accept()[0].detach())
                    selector.register(connection, selectors.EVENT_READ)
                elif not _answer(store, connection := _connection(key.fileobj)):
                    selector.unregister(connection)
                    connection.close()
                    store.closed(connection)
            store.tick()
    store.close()


def _connection(fileobj: Any) -> Connection:
    assert isinstance(fileobj, Connection)
    return fileobj


def _answer(store: Store, connection: Connection) -> bool:
    """Answer a message; return whether the other end is still there."""
    try:
        method, arguments = pickle.loads(connection.recv_bytes(MOST))
        if method == "take_over":
            arguments["connection"] = connection
        connection.send(getattr(store, method)(**arguments))
    except (OSError, EOFError):
        return False
    return True


def _returning(path: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "moorage.controller.unattended.returning", str(path)],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
