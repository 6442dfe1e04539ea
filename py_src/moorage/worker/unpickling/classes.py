"""Classes that travel by value, as those of a notebook do: what becomes of one that a worker knows already.

cloudpickle knows such a class again by a number and sets its attributes to what they were where it was pickled. On a
worker that is what an item needs, but for attributes that another item has added.
"""

from __future__ import annotations

import abc
import types
from typing import Any

from cloudpickle import cloudpickle as internals


def set_afresh(kind: type, state: tuple[dict[str, Any], Any]) -> type:
    """Set the attributes of a class, and take away those that it has got since it was made."""
    if type(kind) in (type, abc.ABCMeta):
        for name in set(vars(kind)) - set(state[0]):
            if not name.startswith("__") and not isinstance(vars(kind)[name], types.MemberDescriptorType):
                delattr(kind, name)
    return internals._class_setstate(kind, state)  # type: ignore[no-any-return]
