"""Which values Dask's own serialisation would change on the way. Shipped by value."""

from __future__ import annotations

import array
import itertools
import sys
from typing import Any

ATOMS = (int, float, complex, str, bytes, type(None))
"""Types that Dask sends as they are; equal ones may be one object."""

_SENT_AS_THEMSELVES = (bytes, bytearray, array.array)
_CONTAINERS = (list, tuple, set, dict)
_LOOKED_AT = 1000  # parts of a container


def would_be_another(value: Any) -> bool:
    """Whether it has an array, or bytes, of a subclass in it, or something twice, such as itself.

    Dask sends containers by element: arrays and bytes as plain ones, what is there twice as two, and a cycle without
    end.
    """
    if type(value) not in _CONTAINERS:
        return _is_of_subclass(value)
    seen: set[int] = set()
    ahead, looked = [value], 0
    while ahead and looked < _LOOKED_AT:
        part = ahead.pop()
        looked += 1
        if _is_of_subclass(part):
            return True
        if isinstance(part, ATOMS):
            continue
        if id(part) in seen:
            return True
        seen.add(id(part))
        if type(part) in _CONTAINERS:
            parts = part.values() if type(part) is dict else part
            ahead += itertools.islice(parts, _LOOKED_AT - looked)
    return False


def _is_of_subclass(value: Any) -> bool:
    """Whether Dask would send it as what it is a subclass of."""
    numpy = sys.modules.get("numpy")
    bases = _SENT_AS_THEMSELVES if numpy is None else (*_SENT_AS_THEMSELVES, numpy.ndarray)
    return isinstance(value, bases) and type(value) not in bases
