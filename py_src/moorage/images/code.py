"""How code is written into images, and read: code objects as what they are, and the user's modules by their versions.

cloudpickle 3.1.3 writes ``<dynamic-code>`` for the name of every file, so that no traceback would find its lines; here
names of files are kept.

Two notebooks may have two modules of one name. So an image says to which it refers, each in which version. That stands
behind the pickle, where pickle does not look: lines of name and version, how many bytes they are (4 bytes,
little-endian), and `MARK`. An image that refers to no such module has nothing there. Who knows the modules by their
versions gives unpickling a `Find`; without it names are looked up as Python does.

cloudpickle knows a class that travels by value, as those of a notebook do, again by a number, and sets its attributes
to what they were where it was pickled. Who makes a value once more must not do that to a class that is in use.
"""

from __future__ import annotations

import contextlib
import functools
import io
import pickle
import pkgutil
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeAlias

from cloudpickle import cloudpickle as internals

MARK = b"modules of the user"
_CLASSES = b"_class_setstate"  # in a pickle if and only if there is a class in it that travels by value

Place: TypeAlias = Callable[[Any], tuple[str, str] | None]
"""Given a class, function or module: name and version of the user's module by which it can be found, if it can be."""
Find: TypeAlias = Callable[[str, str], Any]
"""Given names of a module and of what is in it: what pickle has written by these names; None: as Python finds it."""


class Modules:
    """Those that an image refers to, while it is written. `place`: where things are found."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._versions: dict[str, str] = {}

    def reduce(self, value: Any) -> Any:
        """Note the module of a class, function or module; return what pickle is to write of it, if it cannot tell.

        Raises PicklingError if there is another version of the same module in the image.
        """
        if (place := self._place(value)) is None:
            return None
        name, version = place
        if self._versions.setdefault(name, version) != version:
            raise pickle.PicklingError(f"there are things of two versions of {name} in it")
        if isinstance(value, types.ModuleType):
            return None if sys.modules.get(name) is value else (pkgutil.resolve_name, (name,))
        return None if named(value) is value else (pkgutil.resolve_name, (f"{name}:{value.__qualname__}",))

    def written(self) -> bytes:
        """Return what stands behind the pickle."""
        if not self._versions:
            return b""
        lines = "\n".join(f"{name} {version}" for name, version in sorted(self._versions.items())).encode()
        return lines + len(lines).to_bytes(4, "little") + MARK


def named(value: Any) -> Any:
    """Return what this process finds by the names of a class or function; None if there is nothing."""
    with contextlib.suppress(Exception):
        return attrgetter(value.__qualname__)(sys.modules[value.__module__])
    return None


def read(stream: memoryview) -> Mapping[str, str]:
    """Return the versions of modules, by name, that stand at the end of `stream`."""
    end = len(stream) - len(MARK)
    if stream[end:] != MARK:
        return {}
    start = end - 4
    nbytes = int.from_bytes(stream[start:end], "little")
    lines = bytes(stream[start - nbytes : start]).decode()
    return dict(line.split(" ") for line in lines.split("\n"))


def loads(data: bytes | memoryview, buffers: Sequence[Any], find: Find | None = None, *, keep: bool = False) -> Any:
    """Unpickle, with what `find` finds. With `keep`, classes that travel by value and are known here are left alone."""
    keep = keep and _CLASSES in bytes(data)
    if find is None and not keep:
        return pickle.loads(data, buffers=buffers)
    return _Unpickler(io.BytesIO(data), buffers, find, keep).load()


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, buffers: Sequence[Any], find: Find | None, keep: bool) -> None:
        super().__init__(file, buffers=buffers)
        self._find = find
        self._keeps = keep
        self._known: list[type] = []

    def find_class(self, module: str, name: str) -> Any:
        found = self._find(module, name) if self._find is not None else None
        if found is None:
            found = super().find_class(module, name)
        if self._keeps and module == internals.__name__:
            if name in ("_make_skeleton_class", "_make_skeleton_enum"):
                return functools.partial(self._known_or_made, found)
            if name == "_class_setstate":
                return functools.partial(self._set_if_made, found)
        return found

    def _known_or_made(self, make: Callable[..., type], *args: Any) -> type:
        known: type | None = internals._DYNAMIC_CLASS_TRACKER_BY_ID.get(args[-2])
        if known is None:
            return make(*args)
        self._known.append(known)
        return known

    def _set_if_made(self, set_state: Callable[[type, Any], type], kind: type, state: Any) -> type:
        return kind if any(kind is known for known in self._known) else set_state(kind, state)


def arguments_of(code: types.CodeType) -> tuple[Any, ...]:
    """Return the arguments of `types.CodeType` that make `code`; the same bytes in each process, once pickled."""
    return (
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_nlocals,
        code.co_stacksize,
        code.co_flags,
        code.co_code,
        code.co_consts,
        (*code.co_names,),
        (*code.co_varnames,),
        code.co_filename,
        code.co_name,
        code.co_qualname,
        code.co_firstlineno,
        code.co_linetable,
        code.co_exceptiontable,
        (*code.co_freevars,),
        (*code.co_cellvars,),
    )


def reduce_code(code: types.CodeType) -> tuple[type[types.CodeType], tuple[Any, ...]]:
    """Return what pickle writes of `code`; any Python of this version makes it again."""
    return types.CodeType, arguments_of(code)
