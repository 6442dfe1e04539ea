"""Tells whether anything has changed that an object holds.

Covers what code of a notebook is made of: functions (globals, closure, defaults, attributes), classes, bound methods,
partials, lists, dicts, sets, small arrays, objects that have nothing but attributes. Things are compared by identity,
arrays by their bytes. Not covered: objects with state of their own behind them, such as frames, random generators and
iterators; of those it says so, and they have to be made again. Functions and classes that can be imported are passed
over: they belong to the process. Runs on workers, shipped by value.
"""

from __future__ import annotations

import builtins
import datetime
import decimal
import functools
import re
import sys
import types
import uuid
from collections.abc import Callable, Iterable
from operator import is_
from typing import Any

ATOMS = frozenset((int, float, complex, bool, str, bytes, type(None)))
"""Types of values that nobody can change, and that hold nothing else."""
MOST = 300
"""Things to compare; with more of them, it is as quick to make the object again."""
LARGEST = 100_000
"""Bytes of an array that is compared."""

_FIXED = ATOMS | {
    *(range, slice, type(...), type(NotImplemented), types.CodeType, types.BuiltinFunctionType, types.ModuleType),
    *(types.MethodDescriptorType, types.WrapperDescriptorType, types.GetSetDescriptorType, types.MemberDescriptorType),
    *(datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone),
    *(decimal.Decimal, re.Pattern, uuid.UUID),
}
_CACHED = type(functools.cache(lambda: None))
_WARNED = ("__warningregistry__",)  # what has been warned of is not said again for each item
_FIXED_MODULES = frozenset(("dataclasses", "operator", "pathlib", "typing", "zoneinfo"))  # whose types are as good as


class _Plain:
    """A class whose objects have attributes and nothing else."""


class Holdings:
    """What `obj` holds, as it is now.

    `shared`: what belongs to others and is passed over. `complete`: whether every change can be seen.
    """

    def __init__(self, obj: Any, shared: Iterable[Any] = ()) -> None:
        self._checks: list[Callable[[], bool]] = []
        self._seen = {id(builtins.__dict__), *map(id, shared)}
        self._ahead = [obj]
        try:
            self.complete = self._walk()
        except Exception:  # of the code of any class
            self.complete = False

    def unchanged(self) -> bool:
        """Whether nothing has changed; False if that cannot be told."""
        if not self.complete:
            return False
        try:
            for check in self._checks:  # quicker than all()
                if not check():
                    return False
        except Exception:  # of the code of any class
            return False
        return True

    def _walk(self) -> bool:
        while self._ahead:
            held = self._ahead.pop()
            kind = type(held)
            if kind in _FIXED or kind.__module__ in _FIXED_MODULES or id(held) in self._seen:
                continue
            self._seen.add(id(held))
            if not (_is_importable(held, kind) or self._take(held, kind)) or len(self._checks) > MOST:
                return False
        return True

    def _take(self, held: Any, kind: type) -> bool:
        """Note what `held` holds; return False if it may hold more than can be seen."""
        if kind in _PARTS:
            self._note(held, _PARTS[kind])
        elif kind is dict:
            self._dict(held)
        elif kind is types.FunctionType:
            self._function(held)
        elif isinstance(held, type):
            if type(held) is not type:  # a metaclass may keep anything anywhere
                return False
            self._note(held, lambda held: (*held.__bases__, *vars(held), *vars(held).values()))
        elif _is_of_numpy(held):
            return self._array(held)
        elif _has_attributes_only(kind):
            self._note(held, lambda held: (held.__class__, held.__dict__))
        else:
            return False
        return True

    def _note(self, held: Any, parts_of: Callable[[Any], Iterable[Any]]) -> None:
        """Note the parts of `held`, and go on with them."""
        parts = tuple(parts_of(held))
        n = len(parts)

        def check() -> bool:
            now = tuple(parts_of(held))
            return len(now) == n and all(map(is_, now, parts))

        if type(held) not in (tuple, frozenset):
            self._checks.append(check)
        self._follow(parts)

    def _dict(self, held: dict[Any, Any]) -> None:
        n, keys, values = len(held), tuple(held), tuple(held.values())

        def check_names() -> bool:
            now = tuple(held)  # of str, one is as good as an equal one
            same = now == keys or (now[-1:] == _WARNED and now[:-1] == keys)
            return same and all(map(is_, held.values(), values))

        def check() -> bool:
            return len(held) == n and all(map(is_, held, keys)) and all(map(is_, held.values(), values))

        self._checks.append((check_names if set(map(type, keys)) == {str} else check) if n else lambda: not held)
        self._follow(keys)
        self._follow(values)

    def _function(self, held: types.FunctionType) -> None:
        code, defaults, keywords, attributes = held.__code__, held.__defaults__, held.__kwdefaults__, held.__dict__

        def check() -> bool:
            return (
                held.__code__ is code
                and held.__defaults__ is defaults
                and held.__kwdefaults__ is keywords
                and held.__dict__ is attributes
            )

        self._checks.append(check)
        self._follow((defaults, keywords, attributes, held.__globals__, *(held.__closure__ or ())))

    def _array(self, held: Any) -> bool:
        numpy: Any = sys.modules["numpy"]
        if not isinstance(held, numpy.ndarray):  # a scalar, dtype or ufunc: of these, only records can be changed
            return not isinstance(held, numpy.void | numpy.object_)
        if type(held) is not numpy.ndarray or held.dtype.hasobject or held.nbytes > LARGEST:
            return False
        was = _looks(held)
        self._checks.append(lambda: _looks(held) == was)
        return True

    def _follow(self, parts: Iterable[Any]) -> None:
        self._ahead += [part for part in parts if type(part) not in _FIXED]


def _content(cell: types.CellType) -> tuple[Any, ...]:
    try:
        return (cell.cell_contents,)
    except ValueError:  # not bound yet
        return ()


_PARTS: dict[type, Callable[[Any], Iterable[Any]]] = {
    **dict.fromkeys((list, set, tuple, frozenset), iter),
    types.CellType: _content,
    types.MethodType: lambda held: (held.__self__, held.__func__),
    types.MappingProxyType: lambda held: (*held, *held.values()),
    functools.partial: lambda held: (held.func, held.args, held.keywords, held.__dict__),
    **dict.fromkeys((staticmethod, classmethod), lambda held: (held.__func__, held.__dict__)),
    property: lambda held: (held.fget, held.fset, held.fdel, held.__doc__),
}


def _looks(array: Any) -> tuple[Any, ...]:
    return array.shape, array.strides, array.dtype, array.flags.writeable, array.tobytes()


def _is_of_numpy(held: Any) -> bool:
    numpy: Any = sys.modules.get("numpy")
    return numpy is not None and isinstance(held, numpy.ndarray | numpy.generic | numpy.dtype | numpy.ufunc)


def _has_attributes_only(kind: type) -> bool:
    """Whether objects of a class have a ``__dict__`` and nothing behind it: written in Python, no slots."""
    small = bool(kind.__dictoffset__) and kind.__basicsize__ <= _Plain.__basicsize__ and not kind.__itemsize__
    return small and not any("__slots__" in vars(base) for base in kind.__mro__)


def _is_importable(held: Any, kind: type) -> bool:
    """Whether `held` is a function or class of which pickling keeps only the name: it is found in its module."""
    if kind not in (types.FunctionType, _CACHED) and not issubclass(kind, type):
        return False
    module, name = getattr(held, "__module__", None), getattr(held, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__":
        return False
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is held
