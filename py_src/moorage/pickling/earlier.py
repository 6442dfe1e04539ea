"""Tells of values that are of a class of the notebook as it was before a cell redefined it, once for each name."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from moorage.code.objects import EARLIER, earlier_classes
from moorage.pickling.code_pickler import Notebook

_told: weakref.WeakKeyDictionary[type, set[str]] = weakref.WeakKeyDictionary()


def tell_of_earlier_classes(
    classes: Iterable[type], values: Iterable[tuple[str, Any]], notebook: Notebook, say: Callable[[str], None]
) -> None:
    """Say which of `values`, by their names, do not go with the classes that code takes along."""
    now = {kind.__qualname__: kind for kind in classes if notebook.owns(kind.__qualname__, kind)}
    for name, value in values if now else ():
        for kind in earlier_classes(value, now):
            names = _told.setdefault(kind, set())
            if name not in names:
                names.add(name)
                say(EARLIER.format(what=name, kind=kind.__qualname__) + " Create it again to use the current one.")
