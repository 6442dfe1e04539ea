"""One line that says what is going on, and changes in place; nothing for what takes less than half a second.

In a notebook the line is an output that is updated, in a terminal it is rich's status line, and where output goes to
a file there is none. What is said is up to the caller.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from IPython.display import display
from rich.console import Console
from rich.text import Text

from moorage.jupyter.display import Bundle

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell
    from rich.status import Status

    from moorage.tasks.map.results import Results

PATIENCE_SECONDS = 0.5
INTERVAL_SECONDS = 0.1


class ProgressLine:
    """A line of progress; use as a context manager, call `update` from any thread.

    `shell`: whose output it appears in. `patience_seconds`: time until the line appears.
    """

    def __init__(self, shell: InteractiveShell, patience_seconds: float) -> None:
        self._line = _NotebookLine() if hasattr(shell, "kernel") else _TerminalLine()
        self._lock = threading.Lock()
        # Output belongs to the cell of the context that publishes it: other threads borrow ours.
        self._context = contextvars.copy_context()
        self._patience_seconds = patience_seconds
        self._timer: threading.Timer | None = None  # of the next write
        self._text = ""
        self._written = ""
        self._ended = False

    def __enter__(self) -> ProgressLine:
        self._write_in(self._patience_seconds)
        return self

    def update(self, text: str) -> None:
        """Let the line say `text`."""
        with self._lock:
            self._text = text
            if self._timer is None and not self._ended and text != self._written:
                self._write_in(INTERVAL_SECONDS)

    @contextmanager
    def following(self, results: Results) -> Iterator[None]:
        """Let the line say how far `results` are while the context is open."""

        def tell() -> None:
            now = results.progress
            failed = f", {now.failed} failed" if now.failed else ""
            self.update(f"{now.done} of {'?' if now.total is None else now.total} items done{failed}")

        tell()
        unsubscribe = results.subscribe(tell)
        try:
            yield
        finally:
            unsubscribe()

    def done(self, bundle: Bundle) -> None:
        """Show what came of it, in place of the line."""
        self._end(bundle)

    def _write_in(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._write)
        self._timer.daemon = True
        self._timer.start()

    def _write(self) -> None:
        with self._lock:
            self._timer = None
            if not self._ended:
                self._written = self._text
                self._context.run(self._line.write, self._text)

    def _end(self, bundle: Bundle | None) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = True
            if self._timer is not None:
                self._timer.cancel()
            if bundle is None and self._written and self._written != self._text:
                bundle = {"text/plain": self._text}
            self._line.end(bundle)

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._end(None)


class _NotebookLine:
    def __init__(self) -> None:
        self._handle: Any = None

    def write(self, text: str) -> None:
        self._show({"text/plain": text})

    def end(self, bundle: Bundle | None) -> None:
        if bundle is not None:
            self._show(bundle)

    def _show(self, bundle: Bundle) -> None:
        if self._handle is None:
            self._handle = display(bundle, raw=True, display_id=True)
        else:
            self._handle.update(bundle, raw=True)


class _TerminalLine:
    def __init__(self) -> None:
        self._status: Status | None = None

    def write(self, text: str) -> None:
        if self._status is None:
            self._status = Console(stderr=True).status(Text(text))
            self._status.start()
        else:
            self._status.update(Text(text))

    def end(self, bundle: Bundle | None) -> None:
        if self._status is not None:
            self._status.stop()
        if bundle is not None:
            print(bundle["text/plain"])
