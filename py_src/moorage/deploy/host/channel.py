"""The pipes between a host process and the one that starts it: see ``wire/host.py`` for what they say."""

from __future__ import annotations

import json
import os

import moorage.errors
from moorage.deploy.reasons import failure
from moorage.errors import MoorageError, StartError
from moorage.wire.host import Event, Order


class Channel:
    """The host's end. `reading`, `writing`: file descriptors of the two pipes."""

    def __init__(self, reading: int, writing: int) -> None:
        self.reading = reading
        self.writing = writing

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
                line = line[os.write(self.writing, line) :]
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
