"""Results of a loop as the output of a cell: how far they are, alive until they have ended, and what went wrong."""

from __future__ import annotations

import contextvars
import threading
import time
from html import escape
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from dask.utils import format_time
from IPython.display import display

from moorage.jupyter.display import Bundle, printable
from moorage.tasks.computations import Pace

if TYPE_CHECKING:
    from moorage.tasks.map.results import Results

INTERVAL_SECONDS = 0.3
_EACH_SECONDS = 0.05  # in which one output changes, of all that do
_ERRORS = 5  # shown at most


def show(results: Results) -> None:
    """Show `results` below the cell, and keep that up to date until nothing happens any more."""
    _Live(results, errors=_ERRORS)


def show_line(results: Results) -> None:
    """Show how far `results` are as one line, below the cell that has begun them."""
    _Live(results, errors=0)


def bundle(results: Results, pace: float = 0.0, errors: int = _ERRORS) -> Bundle:
    """Return what is to be seen of `results` now, as text and as HTML.

    `pace`: items that end in a second. `errors`: so many are listed at most.
    """
    now = results.progress
    total = now.total or max(now.done + now.running, 1)
    share = 100 * now.done / max(total, 1)
    rows = [
        f"<tr><td>{error.index}</td><td>{escape(printable(error.worker))}</td>"
        f"<td style='text-align: left'>{escape(printable(error.in_words))}</td></tr>"
        for error in (results.first_errors(errors) if errors else ())
    ]
    table = ""
    if rows:
        more = f"<p>and {now.failed - len(rows)} more: <code>.errors</code></p>" if now.failed > len(rows) else ""
        table = f"<table><tr><th>item</th><th>worker</th><th>error</th></tr>{''.join(rows)}</table>{more}"
    words = escape(_words(results, pace))
    bar = f"<progress max='100' value='{share:.0f}' aria-label='{words}'></progress>"
    return {"text/plain": repr(results), "text/html": f"<div>{bar} {words}</div>{table}"}


def _words(results: Results, pace: float) -> str:
    now = results.progress
    parts = [f"{now.done:,} of {'?' if now.total is None else f'{now.total:,}'} items"]
    parts += [f"{count:,} {what}" for count, what in ((now.failed, "failed"), (now.cancelled, "cancelled")) if count]
    if results.failure is not None:
        parts.append(printable(f"ended by {type(results.failure).__name__}: {results.failure}".split("\n")[0]))
    if not now.finished and pace > 0:
        parts.append(f"{pace:.3g} per second")
        if now.total is not None:
            parts.append(f"about {format_time((now.total - now.done) / pace)} left")
    return ", ".join(parts)


class _Live:
    """One output. It lives as long as the results change."""

    def __init__(self, results: Results, errors: int) -> None:
        self._results = results
        self._errors = errors
        self._pace = Pace()
        self._pace.observe(results.begun, 0)
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        # Output belongs to the cell of the context that publishes it: other threads borrow ours.
        self._context = contextvars.copy_context()
        self._handle: Any = display(self._bundle(), raw=True, display_id=True)
        _alive.add(self)
        self._unsubscribe = results.subscribe(self._soon)
        self._soon()

    def _soon(self) -> None:
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(max(INTERVAL_SECONDS, len(_alive) * _EACH_SECONDS), self._update)
                self._timer.daemon = True
                self._timer.start()

    def _update(self) -> None:
        with self._lock:
            self._timer = None
        if self._results.done():
            self._unsubscribe()
            _alive.discard(self)
        self._context.copy().run(self._handle.update, self._bundle(), raw=True)

    def _bundle(self) -> Bundle:
        self._pace.observe(time.monotonic(), self._results.progress.done)
        return bundle(self._results, self._pace.per_second, self._errors)


_alive: WeakSet[_Live] = WeakSet()
"""Outputs that may change: the more there are, the less often each does."""
