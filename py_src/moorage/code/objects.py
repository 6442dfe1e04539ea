"""Objects in a value whose class is not the one that code knows by that name: it was made before that was redefined.

For them `isinstance` with the current class is False. A few of many are looked at.
"""

from __future__ import annotations

import contextlib
import itertools
import types
from collections.abc import Iterator, Mapping
from typing import Any

MOST = 64
"""Objects of a value that are looked at."""
EARLIER = (
    "{what} is or holds an object of an earlier definition of class {kind}: isinstance with the current one is False."
)


def some_in(value: Any) -> Iterator[Any]:
    """Give a value and what it holds, as elements or attributes: a few of many."""
    met = [value]
    for one in met:
        yield one
        with contextlib.suppress(Exception):  # of the code of any class
            met.extend(itertools.islice(_inside(one), MOST - len(met)))


def earlier_classes(value: Any, now: Mapping[str, type]) -> Iterator[type]:
    """Give classes of objects in a value that have the name of one in `now`, and are another."""
    for one in some_in(value):
        kind = type(one)
        known = now.get(kind.__qualname__)
        if known is not None and known is not kind and known.__module__ == kind.__module__:
            yield kind


def _inside(value: Any) -> Any:
    match value:
        case dict():
            return value.values()
        case list() | tuple() | set() | frozenset():
            return value
        case type() | types.ModuleType() | types.FunctionType():
            return ()
    return getattr(value, "__dict__", {}).values()
