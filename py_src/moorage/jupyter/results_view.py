"""Results of a loop as the output of a cell: how far they are, alive until they have ended, and what went wrong."""

from __future__ import annotations

import contextvars
import threading
import time
from html import escape
from typing import TYPE_CHECKING, Any

from IPython.display import display

from moorage.jupyter.display import Bundle, printable

if TYPE_CHECKING:
    from moorage.tasks.map.results import Results

INTERVAL_SECONDS = 0.3
_ERRORS = 5  # shown at most


def show(results: Results) -> None:
    """Show `results` below the cell, and keep that up to date until nothing happens any more."""
    _Live(results)


def bundle(results: Results) -> Bundle:
    """Return what is to be seen of `results` now, as text and as HTML."""
    now = results.progress
    total = now.total or max(now.done + now.running, 1)
    share = 100 * now.done / max(total, 1)
    rows = [
        f"<tr><td>{error.index}</td><td>{escape(printable(error.worker))}</td>"
        f"<td style='text-align: left'>{escape(printable(error.in_words))}</td></tr>"
        for error in results.first_errors(_ERRORS)
    ]
    table = ""
    if rows:
        more = f"<p>and {now.failed - len(rows)} more: <code>.errors</code></p>" if now.failed > len(rows) else ""
        table = f"<table><tr><th>item</th><th>worker</th><th>error</th></tr>{''.join(rows)}</table>{more}"
    words = escape(_words(results))
    bar = f"<progress max='100' value='{share:.0f}' aria-label='{words}'></progress>"
    return {"text/plain": repr(results), "text/html": f"<div>{bar} {words}</div>{table}"}


def _words(results: Results) -> str:
    now = results.progress
    parts = [f"{now.done:,} of {'?' if now.total is None else f'{now.total:,}'} items"]
    parts += [f"{count:,} {what}" for count, what in ((now.failed, "failed"), (now.cancelled, "cancelled")) if count]
    if results.failure is not None:
        parts.append(printable(f"ended by {type(results.failure).__name__}: {results.failure}".split("\n")[0]))
    if not now.finished and now.total is not None and now.done:
        left = (time.monotonic() - results.begun) / now.done * (now.total - now.done)
        parts.append(f"about {left:.0f} s left")
    return ", ".join(parts)


class _Live:
    """One output. It lives as long as the results change."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        # Output belongs to the cell of the context that publishes it: other threads borrow ours.
        self._context = contextvars.copy_context()
        self._handle: Any = display(bundle(results), raw=True, display_id=True)
        self._unsubscribe = results.subscribe(self._soon)
        self._soon()

    def _soon(self) -> None:
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(INTERVAL_SECONDS, self._update)
                self._timer.daemon = True
                self._timer.start()

    def _update(self) -> None:
        with self._lock:
            self._timer = None
        if self._results.done():
            self._unsubscribe()
        self._context.copy().run(self._handle.update, bundle(self._results), raw=True)
