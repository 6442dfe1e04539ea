"""What tasks print and display, sent to the notebook while they run.

While tasks run, ``sys.stdout`` and ``sys.stderr`` of the worker process are replaced by routers: what a thread writes
goes to the `Sink` of the task that runs on it, or else of the task that has started it, as long as that runs; what
other threads write goes where it went before. So does what child processes write. Text is collected for a moment, so
that a loop that prints does not flood the scheduler. Runs on workers, shipped by value.
"""

from __future__ import annotations

import base64
import builtins
import contextvars
import io
import json
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from moorage.worker.text import bundle, clean, plain_json

LIMIT = 1_000_000
"""Characters that one task may print; the rest is not sent."""
DISPLAY_LIMIT = 10_000_000
"""Characters of one displayed object."""
LONGEST_TEXT = 1000
"""Characters that stand for one that is larger."""
CHUNK = 16_000
"""Characters that are sent at once, without waiting for more."""

_INHERITED = "_moorage_sink"


class Sink:
    """Collects what one task prints. `send`: takes one message, a dict of plain values."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self.item: int | None = None
        self.ended = False
        self._send = send
        self._lock = threading.RLock()  # the collector may run a finalizer that prints, in the middle of a write
        self._parts: list[tuple[str, int | None, str]] = []
        self._waiting = 0
        self._sent = 0

    def write(self, stream: str, text: str, item: int | None) -> None:
        """Take `text`, written to `stream` by an item."""
        with self._lock:
            room = LIMIT - self._sent - self._waiting
            if room < 0 or not text:
                return
            text = text[: room + 1]
            self._parts.append((stream, item, text))
            self._waiting += len(text)
        if self._waiting > CHUNK:
            self.flush()

    def display(self, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Send a displayed object, after what was printed before it."""
        self.flush()
        data, metadata = bundle(data), plain_json(metadata)
        size = sum(len(part if isinstance(part, str) else json.dumps(part)) for part in data.values())
        if size > DISPLAY_LIMIT:
            text = str(data.get("text/plain", "an object"))[:LONGEST_TEXT]
            data = {"text/plain": f"{text} (too large to show: {size:,} characters)"}
        self._send({"kind": "display", "item": self.item, "data": data, "metadata": metadata})

    def flush(self) -> None:
        """Send what was printed since the last time."""
        with self._lock:
            parts, self._parts = self._parts, []
            self._sent += self._waiting
            self._waiting = 0
            if self._sent > LIMIT and parts:
                parts.append(("stderr", self.item, f"\n[more than {LIMIT:,} characters: the rest is not shown]\n"))
        merged: list[list[Any]] = []
        for stream, item, text in parts:
            if merged and merged[-1][:2] == [stream, item]:
                merged[-1][2] += text
            else:
                merged.append([stream, item, text])
        if merged:
            parts = [(stream, item, clean(text)) for stream, item, text in merged]
            self._send({"kind": "output", "parts": parts})


class Sinks:
    """Which sink takes what a thread writes."""

    def __init__(self) -> None:
        self._by_thread: dict[int, Sink] = {}
        self._of_context: contextvars.ContextVar[Sink] = contextvars.ContextVar("moorage_sink")  # of coroutines

    def __iter__(self) -> Iterator[Sink]:
        return iter(list(self._by_thread.values()))

    def threads(self) -> set[int]:
        """Return the threads that run a task."""
        return set(self._by_thread)

    def open(self, sink: Sink) -> None:
        """Let `sink` take what this thread writes, and threads that it starts."""
        self._by_thread[threading.get_ident()] = sink
        self._of_context.set(sink)

    def close(self) -> None:
        """Send the rest, and take nothing more for the sink of this thread."""
        sink = self._by_thread.pop(threading.get_ident())
        sink.ended = True
        sink.flush()

    def current(self) -> tuple[Sink, int | None] | None:
        """Return the sink of this thread, and the item that it works for; None if it has none."""
        own = self._by_thread.get(threading.get_ident())
        if own is not None:
            return own, own.item
        inherited: tuple[Sink, int | None] | None = getattr(threading.current_thread(), _INHERITED, None)
        if inherited is None and (sink := self._of_context.get(None)) is not None:
            inherited = sink, sink.item
        return inherited if inherited is not None and not inherited[0].ended else None


class Interception:
    """Catches what is printed and displayed in this process as long as tasks run in it, and no longer.

    `display`: what code finds as the builtin ``display`` meanwhile.
    """

    def __init__(self, sinks: Sinks, display: Display) -> None:
        self._sinks = sinks
        self._display = display
        self._lock = threading.Lock()
        self._tasks = 0
        self._routers = {stream: Router(stream, sinks) for stream in ("stdout", "stderr")}
        self._start: Callable[[threading.Thread], None] = threading.Thread.start
        self._ours: Callable[[threading.Thread], None] | None = None

    def begin(self) -> None:
        """Note that a task begins."""
        with self._lock:
            self._tasks += 1
            for stream, router in self._routers.items():
                found = getattr(sys, stream)
                if _is_closed(found):  # by a task that has put it there
                    setattr(sys, stream, router)
                elif self._tasks == 1 and found is not router:
                    router.original = found
                    setattr(sys, stream, router)
            if self._tasks == 1:
                self._follow_threads()
                if not hasattr(builtins, "display"):
                    builtins.display = self._display  # type: ignore[attr-defined]

    def end(self) -> None:
        """Note that a task has ended."""
        with self._lock:
            self._tasks -= 1
            if self._tasks:
                return
            for stream, router in self._routers.items():
                found = getattr(sys, stream)
                if found is router or _is_closed(found):
                    setattr(sys, stream, router.original)
            if threading.Thread.start is self._ours:
                threading.Thread.start = self._start  # type: ignore[method-assign, assignment]
            if getattr(builtins, "display", None) is self._display:
                del builtins.display  # type: ignore[attr-defined]

    def _follow_threads(self) -> None:
        """Let threads that are started have the sink of the thread that starts them; as ipykernel does."""
        start = self._start = threading.Thread.start

        def start_with_sink(thread: threading.Thread) -> None:
            if not thread.name.startswith("Dask-"):  # those are for other tasks, whoever starts them
                setattr(thread, _INHERITED, self._sinks.current())
            start(thread)

        self._ours = start_with_sink
        threading.Thread.start = start_with_sink  # type: ignore[assignment, method-assign]


def _is_closed(stream: Any) -> bool:
    return bool(getattr(stream, "closed", True))


class Router(io.TextIOBase):
    """Stands in for ``sys.stdout`` or ``sys.stderr``."""

    def __init__(self, stream: str, sinks: Sinks) -> None:
        self.stream = stream
        self.sinks = sinks
        self.original = getattr(sys, stream)

    def write(self, text: str) -> int:
        """Send to the task of this thread, or on as before."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        current = self.sinks.current()
        if current is None:
            self.original.write(text)
        else:
            sink, item = current
            sink.write(self.stream, str.__str__(text), item)
        return len(text)

    def flush(self) -> None:
        """Flush what is not a task's; tasks are flushed all the time."""
        if self.sinks.current() is None:
            self.original.flush()

    def close(self) -> None:
        """Do nothing: it is there for all tasks, and one of them has tried to close it."""

    def writable(self) -> bool:
        """True."""
        return True

    def isatty(self) -> bool:
        """False, so that nobody sends colours."""
        return False

    def fileno(self) -> int:
        """The file that child processes write to."""
        return int(self.original.fileno())

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Text is sent as text."""
        return "utf-8"


class Display:
    """``display`` as notebooks have it, for code that runs in a task."""

    def __init__(self, sinks: Sinks) -> None:
        self.sinks = sinks

    def __call__(self, *objects: Any, **options: Any) -> None:
        """Show `objects` below the notebook's cell."""
        current = self.sinks.current()
        for obj in objects:
            if current is None:
                print(repr(obj))
            else:
                current[0].display(*mimebundle(obj))

    def figures(self, before: set[int]) -> None:
        """Show and close the matplotlib figures that are open now and were not `before`."""
        pyplot = sys.modules.get("matplotlib.pyplot")
        for number in figure_numbers() - before:
            figure = pyplot.figure(number)  # type: ignore[union-attr]
            self(figure)
            pyplot.close(figure)  # type: ignore[union-attr]


def figure_numbers() -> set[int]:
    """Return the numbers of the open matplotlib figures, without importing matplotlib."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot is not None else set()


def _png(figure: Any) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="png", bbox_inches="tight")
    return base64.b64encode(file.getvalue()).decode()


def mimebundle(obj: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a notebook needs to show `obj`: data by MIME type, and metadata.

    Follows IPython's protocol of ``_repr_*_`` methods, without IPython, which workers need not have. As there, one
    that raises is reported on ``sys.stderr`` and the others are shown.
    """
    data: dict[str, Any] = {"text/plain": _asked(obj, "__repr__", repr) or f"<{type(obj).__name__}>"}
    metadata: dict[str, Any] = {}
    if type(obj).__name__ == "Figure" and type(obj).__module__.startswith("matplotlib"):
        return {**data, "image/png": _asked(obj, "savefig", _png)}, metadata
    if isinstance(obj, type):
        return data, metadata
    for method, kind in _METHODS.items():
        part, about = _pair(_asked(obj, method))
        if part is not None:
            data[kind] = part
            if about:
                metadata[kind] = about
    parts, about = _pair(_asked(obj, "_repr_mimebundle_", _whole))
    data.update(parts if isinstance(parts, Mapping) else {})
    metadata.update(about if isinstance(about, Mapping) else {})
    return data, metadata


def _asked(obj: Any, method: str, ask: Callable[[Any], Any] | None = None) -> Any:
    """Return what a method of `obj` returns, or None if there is none or it raises, which is reported."""
    try:
        if not hasattr(obj, method):
            return None
        return ask(obj) if ask is not None else getattr(obj, method)()
    except Exception:
        traceback.print_exc(limit=-1)
        return None


def _whole(obj: Any) -> Any:
    return obj._repr_mimebundle_(include=None, exclude=None)


def _pair(made: Any) -> tuple[Any, Any]:
    return made if isinstance(made, tuple) and len(made) == 2 else (made, None)


_METHODS = {
    "_repr_html_": "text/html",
    "_repr_markdown_": "text/markdown",
    "_repr_latex_": "text/latex",
    "_repr_svg_": "image/svg+xml",
    "_repr_png_": "image/png",
    "_repr_jpeg_": "image/jpeg",
    "_repr_json_": "application/json",
}
