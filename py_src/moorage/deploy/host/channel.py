"""What a host process and the one that starts it say to each other until the cluster is ready: JSON, one per line.

To the host: one line, the order. To the starter: any number of ``scratch`` and ``progress`` events, then one ``ready``
or ``error``. After that the pipe to the host only has to stay open: its end is the end of the host.
"""

from __future__ import annotations

import json
import os
from typing import Any, Literal, NotRequired, TypedDict

import moorage.errors
from moorage.deploy.reasons import failure
from moorage.errors import MoorageError, StartError


class Order(TypedDict):
    """What the host is to do."""

    spec: dict[str, Any]
    tls: dict[str, str]
    sys_path: list[str]
    dask_config: dict[str, Any]
    runtime_dir: str  # of the state files of kept clusters


class Event(TypedDict):
    """What the host reports."""

    event: Literal["scratch", "progress", "ready", "error"]
    path: NotRequired[str]
    stage: NotRequired[str]
    arrived: NotRequired[int]
    requested: NotRequired[int]
    info: NotRequired[dict[str, Any]]
    error: NotRequired[str]
    message: NotRequired[str]
    remedy: NotRequired[str]


class Channel:
    """The host's end.

    Parameters
    ----------
    reading, writing : int
        File descriptors of the two pipes.
    """

    def __init__(self, reading: int, writing: int) -> None:
        self.reading = reading
        self._writing = writing

    def receive(self) -> Order | None:
        """Wait for the order; None if the starter is gone. Its end ends the wait."""
        received = b""
        while not received.endswith(b"\n"):
            part = os.read(self.reading, 65536)
            if not part:
                return None
            received += part
        order: Order = json.loads(received)
        return order

    def send(self, event: Event) -> None:
        """Report an event, if anybody still listens."""
        line = json.dumps(event).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._writing, line) :]
        except OSError:
            pass

    def send_error(self, error: BaseException) -> None:
        """Report that the cluster could not be started."""
        if isinstance(error, MoorageError):
            kind, message, remedy = type(error).__name__, error.message, error.remedy
        else:
            kind, message, remedy = StartError.__name__, f"The cluster did not start: {failure(error)}.", ""
        self.send({"event": "error", "error": kind, "message": message, "remedy": remedy})


def to_error(event: Event) -> MoorageError:
    """Return the error that an ``error`` event stands for."""
    kind = getattr(moorage.errors, event["error"], StartError)
    error: MoorageError = kind.__new__(kind)
    MoorageError.__init__(error, event["message"], event["remedy"])
    return error
