"""The notebook's variables that could be placed: those above a size, by name, looked up after each cell.

A look takes microseconds for what has not changed and never more than a few milliseconds at a time; no value is
printed, copied or kept alive. Whether a name is placed already is not known here.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from threading import Lock
from types import FunctionType, ModuleType
from typing import Any

from moorage.kernel.describe import describe_value
from moorage.kernel.measure import is_of_the_notebook, measure
from moorage.panel_protocol import PanelCandidate

_NOT_DATA = (FunctionType, ModuleType, type)
_TOOLS = frozenset({"moorage", "dask", "distributed", "IPython", "ipywidgets", "anywidget"})


@dataclass(frozen=True, slots=True)
class _Known:
    """What was found out of a value, and by what to see that it still holds."""

    mark: tuple[Any, ...]
    nbytes: int
    typename: str
    detail: str


class Candidates:
    """Finds the variables of a namespace that are of at least so many bytes.

    Attributes
    ----------
    found : dict of str to PanelCandidate
        As of the last look; replaced as a whole.
    """

    def __init__(self) -> None:
        self.found: dict[str, PanelCandidate] = {}
        self._known: dict[str, _Known] = {}
        self._threshold = 0
        self._lock = Lock()

    def look(
        self, namespace: Mapping[str, Any], threshold: int, seconds: float, hidden: Collection[str] = frozenset()
    ) -> bool:
        """Bring `found` up to date.

        Parameters
        ----------
        namespace : mapping of str to object
        threshold : int
            Bytes.
        seconds : float
            For values not seen before. What is not reached is left to the next look.
        hidden : collection of str
            Names that are not the user's.

        Returns
        -------
        bool
            Whether all was reached.
        """
        with self._lock:
            until = time.perf_counter() + seconds
            if threshold != self._threshold:
                self._known, self._threshold = {}, threshold
            known: dict[str, _Known] = {}
            missed = False
            for name, value in list(namespace.items()):
                if name[:1] == "_" or name in hidden or not is_data(value):
                    continue
                mark = _mark(value)
                entry = self._known.get(name)
                if entry is None or entry.mark != mark:
                    if time.perf_counter() > until:
                        missed = True
                        continue
                    entry = _find_out(value, mark, threshold)
                known[name] = entry
            self._known = known
            self.found = {
                name: {"name": name, "typename": entry.typename, "detail": entry.detail, "nbytes": entry.nbytes}
                for name, entry in known.items()
                if entry.nbytes >= threshold
            }
            return not missed

    def forget(self) -> None:
        """Drop everything."""
        with self._lock:
            self.found = {}
            self._known = {}


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


def _find_out(value: Any, mark: tuple[Any, ...], threshold: int) -> _Known:
    try:
        nbytes = measure(value)
        if nbytes < threshold or is_of_the_notebook(value):
            return _Known(mark, nbytes, type(value).__name__, "")
        return _Known(mark, nbytes, *describe_value(value))
    except Exception:  # of a library, or because a cell changes the value at this moment
        return _Known(mark, 0, type(value).__name__, "")
