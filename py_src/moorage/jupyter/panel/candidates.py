"""The notebook's variables that could be placed: those above a size, by name, looked up after each cell.

A look takes microseconds for what has not changed and a few milliseconds at most, and goes on later where it has
stopped; no value is printed, copied or kept alive. Whether a name is placed already is not known here.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from threading import Lock
from types import FunctionType, ModuleType
from typing import Any

from moorage.jupyter.panel.sizes import is_of_the_notebook, measure
from moorage.kernel.values.describe import describe_value
from moorage.wire.panel import PanelCandidate

_NOT_DATA = (FunctionType, ModuleType, type)
_TOOLS = frozenset({"moorage", "dask", "distributed", "IPython", "ipywidgets", "anywidget"})


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found out of a value, and by what to see that it still holds."""

    mark: tuple[Any, ...]
    shown: PanelCandidate | None = None


_CODE = _Known(())


class Candidates:
    """Finds the variables of a namespace that are of at least so many bytes.

    `found`: as of the last look; replaced as a whole, and only when it has changed.
    """

    def __init__(self) -> None:
        self.found: dict[str, PanelCandidate] = {}
        self._namespace: Mapping[str, Any] = {}
        self._known: dict[str, _Known] = {}
        self._left: deque[str] = deque()  # names still to be looked at
        self._threshold = 0
        self._lock = Lock()

    def look(
        self, namespace: Mapping[str, Any], threshold: int, seconds: float, hidden: Collection[str] = frozenset()
    ) -> bool:
        """Bring `found` up to date: names not seen before come first, then those that the last look has not reached.

        `threshold`: bytes. `seconds`: after these no further value is looked at. `hidden`: names that are not the
        user's. Returns whether all was reached; if not, `go_on`.
        """
        with self._lock:
            until = time.perf_counter() + seconds
            if threshold != self._threshold:
                self._known, self._threshold = {}, threshold
            self._namespace = namespace
            names = dict.fromkeys(name for name in list(namespace) if name[:1] != "_" and name not in hidden)
            for name in self._known.keys() - names.keys():
                del self._known[name]
            new = (name for name in names if name not in self._known)
            late = (name for name in self._left if name in names)
            self._left = deque(dict.fromkeys((*new, *late, *names)))
            return self._go_on(until)

    def go_on(self, seconds: float) -> bool:
        """Look at what the last look has not reached; return whether all was reached now."""
        with self._lock:
            return self._go_on(time.perf_counter() + seconds)

    def forget(self) -> None:
        """Drop everything."""
        with self._lock:
            self.found, self._namespace, self._known = {}, {}, {}
            self._left.clear()

    def _go_on(self, until: float) -> bool:
        while self._left and time.perf_counter() < until:
            name = self._left.popleft()
            value = self._namespace.get(name, self)
            if value is self:  # the name went away in the meantime
                self._known.pop(name, None)
            elif not is_data(value):
                self._known[name] = _CODE
            else:
                mark = _mark(value)
                known = self._known.get(name)
                if known is None or known.mark != mark:
                    self._known[name] = _Known(mark, _find_out(name, value, self._threshold))
        found = {name: known.shown for name, known in self._known.items() if known.shown is not None}
        if found != self.found:
            self.found = found
        return not self._left


def is_data(value: Any) -> bool:
    """Whether `value` is something that one may want to place: no code, no tool, nothing that is on a cluster."""
    kind = type(value)
    return not isinstance(value, _NOT_DATA) and kind.__module__.partition(".")[0] not in _TOOLS


def _mark(value: Any) -> tuple[Any, ...]:
    """Return what differs, as far as one can see at once, when a value is another one or has grown.

    Identity alone is not enough: the value is not kept alive, so that another may come to lie at its address.
    """
    for kind in (list, tuple, set, frozenset, dict, str, bytes, bytearray):
        if isinstance(value, kind):
            return id(value), type(value), kind.__len__(value)  # type: ignore[arg-type]
    shape = None if is_of_the_notebook(value) else _shape(value)
    return id(value), type(value), shape


def _shape(value: Any) -> Any:
    try:
        shape = getattr(value, "shape", None)
    except Exception:  # a property that has its own opinion
        return None
    return shape if isinstance(shape, tuple) and all(isinstance(n, int) for n in shape) else None


def _find_out(name: str, value: Any, threshold: int) -> PanelCandidate | None:
    try:
        nbytes = measure(value)
        if nbytes < threshold:
            return None
        typename, detail = (type(value).__name__, "") if is_of_the_notebook(value) else describe_value(value)
    except Exception:  # of a library, or because a cell changes the value at this moment
        return None
    return {"name": name, "typename": typename, "detail": detail, "nbytes": nbytes}
