"""A notebook that is no IPython shell, as marimo's: its names, which are looked at once a second.

Nothing tells when a cell of it has run. It has what panels need of a shell, and no magics.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

from moorage.controller import registry

_INTERVAL = 1.0  # seconds


class PlainNotebook:
    """`user_ns`: what its cells have bound."""

    user_ns_hidden: frozenset[str] = frozenset()

    def __init__(self, user_ns: dict[str, Any]) -> None:
        self.user_ns = user_ns
        self.events = self
        self._after_cell: list[Callable[[Any], None]] = []
        self._ended = Event()

    def register(self, event: str, callback: Callable[[Any], None]) -> None:
        """See ``IPython.core.events``."""
        self._after_cell.append(callback)
        Thread(target=self._run, name="moorage-names", daemon=True).start()

    def unregister(self, event: str, callback: Callable[[Any], None]) -> None:
        """See ``IPython.core.events``."""
        self._after_cell.remove(callback)
        self._ended.set()

    def _run(self) -> None:
        while not self._ended.wait(_INTERVAL):
            for controller in registry.all_controllers():
                controller.placer.note_rebound(self.user_ns)
            for callback in list(self._after_cell):
                callback(None)


def in_marimo() -> bool:
    """Whether this is the kernel of a marimo notebook."""
    marimo = sys.modules.get("marimo")
    return marimo is not None and bool(marimo.running_in_notebook())
