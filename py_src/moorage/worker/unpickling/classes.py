"""Classes that travel by value, as those of a notebook do: what becomes of one that is known already where it arrives.

cloudpickle knows such a class again by a number and sets its attributes to what they were where it was pickled. On a
worker that is what an item needs, but for attributes that another item has added. In the notebook it would be wrong:
its own class would get the attributes that it had on some worker, and methods that no longer read the notebook's
globals. Used by workers, shipped by value, and by the notebook.
"""

from __future__ import annotations

import abc
import functools
import io
import pickle
import types
from collections.abc import Callable, Sequence
from typing import Any

from cloudpickle import cloudpickle as internals

MARK = b"_class_setstate"
"""In a pickle if and only if there is such a class in it."""


def set_afresh(kind: type, state: tuple[dict[str, Any], Any]) -> type:
    """Set the attributes of a class, and take away those that it has got since it was made."""
    if type(kind) in (type, abc.ABCMeta):
        for name in set(vars(kind)) - set(state[0]):
            if not name.startswith("__") and not isinstance(vars(kind)[name], types.MemberDescriptorType):
                delattr(kind, name)
    return internals._class_setstate(kind, state)  # type: ignore[no-any-return]


def loads_keeping(data: bytes, buffers: Sequence[Any]) -> Any:
    """Unpickle, and leave classes alone that are known here."""
    return _Keeping(io.BytesIO(data), buffers=buffers).load()


class _Keeping(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, buffers: Sequence[Any]) -> None:
        super().__init__(file, buffers=buffers)
        self._known: list[type] = []

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name)
        if module == internals.__name__:
            if name in ("_make_skeleton_class", "_make_skeleton_enum"):
                return functools.partial(self._known_or_made, found)
            if name == "_class_setstate":
                return self._set_if_made
        return found

    def _known_or_made(self, make: Callable[..., type], *args: Any) -> type:
        known = internals._DYNAMIC_CLASS_TRACKER_BY_ID.get(args[-2])
        if known is None:
            return make(*args)
        self._known.append(known)
        return known  # type: ignore[no-any-return]

    def _set_if_made(self, kind: type, state: Any) -> type:
        if any(kind is known for known in self._known):
            return kind
        return internals._class_setstate(kind, state)  # type: ignore[no-any-return]
