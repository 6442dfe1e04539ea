"""Warns of results on the cluster that are of a class of the notebook as it was before a cell redefined it.

Of what is placed the notebook tells itself. Runs on workers, shipped by value.
"""

from __future__ import annotations

import types
import warnings
import weakref
from collections.abc import Container, Iterable
from typing import Any

from moorage.code.objects import EARLIER, earlier_classes
from moorage.worker.unpickling.cell import Cell

_warned: weakref.WeakSet[type] = weakref.WeakSet()


def warn_of_earlier_classes(function: Any, values: Iterable[Any], images: Container[Any] | None) -> None:
    """Warn, once for each class, of `values` whose class `function` knows as another. `images`: has what was placed."""
    match function:
        case Cell():
            known = function.namespace
        case types.FunctionType(__module__="__main__"):
            known = function.__globals__
        case _:
            return
    kinds = [value for value in known.values() if isinstance(value, type)]
    now = {kind.__qualname__: kind for kind in kinds if kind.__module__ == "__main__"}
    for value in values if now else ():
        if images is None or value not in images:
            for kind in earlier_classes(value, now):
                if kind not in _warned:
                    _warned.add(kind)
                    text = EARLIER.format(what="A result on the cluster", kind=kind.__qualname__)
                    warnings.warn_explicit(f"{text} Compute it again.", UserWarning, "moorage", 0)
