"""What has changed in a value since it was placed: its content, or only what it caches.

Two images of one value are compared part by part, without making objects of them: what the pickle calls is noted
instead of called. These do not count as changes:

* other sharing of strings and numbers, which nobody can change;
* the value of a ``functools.cached_property`` (a networkx graph after ``.nodes``), as long as it is only added;
* ``_cache`` in objects of pandas, where it keeps what it derives (a frame with time zones after ``str``);
* how often a tree of scikit-learn was asked.

All else counts, attributes that code has added above all: a model that is fitted has not filled a cache. What cannot
be told counts as changed, too.
"""

from __future__ import annotations

import functools
import io
import pickle
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from moorage.images.format import Image

LONGEST = 1_000_000
"""Bytes of a stream that is kept and compared. A longer one that differs counts as changed."""

_TREES = ("sklearn.neighbors._kd_tree", "sklearn.neighbors._ball_tree")
_COUNTERS = range(7, 11)  # of their state: trims, leaves, splits, calls
_ATOMS = (str, bytes, bytearray, int, float, complex, bool, type(None))
_DEEPEST = 300


class Written(NamedTuple):
    """What is kept of an image to compare with."""

    stream: bytes
    digests: tuple[bytes, ...]  # of its buffers


def written(image: Image) -> Written | None:
    """Return what is kept of `image`; None if that would be much."""
    return Written(image.stream, image.digests) if len(image.stream) <= LONGEST else None


def change(before: Written | None, after: Image) -> str | None:
    """Return where a value differs from what it was, such as ``.columns[2]``; None if only caches differ.

    `after`: of the same object now.
    """
    now = written(after)
    if before is None or now is None:
        return ""
    try:
        return next(_Comparison().differences(_read(before), _read(now), "", 0), None)
    except Exception:  # a pickle that cannot be read without its libraries
        return ""


class _Made:
    """What a pickle makes by calling something; what that is, is in its class."""

    module = ""
    name = ""
    args: Any = ()
    state: Any = None

    def __new__(cls, *args: Any, **kwargs: Any) -> _Made:
        made = object.__new__(cls)
        made.args = (*args, kwargs) if kwargs else args
        made.items = []
        made.pairs = {}
        return made

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.items: list[Any]
        self.pairs: dict[Any, Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _Made(self, *args, **kwargs)

    def __setstate__(self, state: Any) -> None:
        self.state = state if self.state is None else (self.state, state)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.pairs[key] = value

    def append(self, item: Any) -> None:
        self.items.append(item)

    def extend(self, items: Any) -> None:
        self.items.extend(items)

    add = append


class _Text(_Made):
    """The class of what is made of a buffer, of which only the digest is known, and cannot be changed.

    It stands for itself, as other texts do: that it is there twice says nothing.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if args and isinstance(args[0], bytes):
            return args[0].hex() if cls.name == "str" else args[0]
        return _Made.__new__(cls, *args, **kwargs)


class _Reader(pickle.Unpickler):
    """Reads a pickle without importing or calling anything."""

    def __init__(self, written: Written) -> None:
        super().__init__(io.BytesIO(written.stream), buffers=map(bytes, written.digests))
        self._names: dict[tuple[str, str], type] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._names:
            base = _Text if module == "builtins" and name in ("str", "bytes") else _Made
            self._names[module, name] = type(name, (base,), {"module": module, "name": name})
        return self._names[module, name]


def _read(written: Written) -> Any:
    return _Reader(written).load()


class _Comparison:
    """Compares two values as they are written."""

    def __init__(self) -> None:
        self._partners: dict[int, Any] = {}  # of what was met before: objects that are shared must be so in both
        self._taken: dict[int, Any] = {}

    def differences(self, a: Any, b: Any, path: str, depth: int) -> Iterator[str]:
        """Yield where they differ."""
        if isinstance(a, type) and isinstance(b, type):
            if (a.module, a.name) != (b.module, b.name):  # type: ignore[attr-defined]
                yield path
            return
        if type(a) is not type(b) and not (isinstance(a, _Made) and isinstance(b, _Made)):
            yield path
            return
        if isinstance(a, _ATOMS):
            if a != b and not (a != a and b != b):
                yield path
            return
        if isinstance(a, memoryview):
            if bytes(a) != bytes(b):
                yield path
            return
        known = self._partners.get(id(a)), self._taken.get(id(b))
        if known != (None, None) and not isinstance(a, tuple):
            if known[0] is not b or known[1] is not a:
                yield path
            return
        if depth > _DEEPEST:
            yield path
            return
        self._partners[id(a)], self._taken[id(b)] = b, a
        yield from self._parts(a, b, path, depth + 1)

    def _parts(self, a: Any, b: Any, path: str, depth: int) -> Iterator[str]:
        match a:
            case _Made():
                yield from self._made(a, b, path, depth)
            case dict():
                yield from self._dicts(a, b, path, depth)
            case list() | tuple():
                yield from self._sequences(a, b, path, depth, numbered=True)
            case set() | frozenset():
                if a != b:
                    yield path
            case _:
                yield path

    def _made(self, a: _Made, b: _Made, path: str, depth: int) -> Iterator[str]:
        yield from self.differences(type(a), type(b), path, depth)
        yield from self._sequences(a.args, b.args, path, depth)
        yield from self._sequences(a.items, b.items, path, depth)
        yield from self._dicts(a.pairs, b.pairs, path, depth)
        before, after = a.state, b.state
        if a.module in _TREES and isinstance(before, tuple) and isinstance(after, tuple):
            before, after = ([x for i, x in enumerate(state) if i not in _COUNTERS] for state in (before, after))
        elif a.module.partition(".")[0] == "pandas":
            before, after = _without_cache(before), _without_cache(after)
        cached = _cached_properties(a)
        if isinstance(before, dict) and isinstance(after, dict):
            after = {key: value for key, value in after.items() if key in before or key not in cached}
        yield from self.differences(before, after, path, depth)

    def _dicts(self, a: dict[Any, Any], b: dict[Any, Any], path: str, depth: int) -> Iterator[str]:
        if len(a) != len(b):
            other = next((key for key in (*b, *a) if isinstance(key, _ATOMS) and (key in a) != (key in b)), None)
            yield path if other is None else f"{path}[{other!r}]"
            return
        for (one, first), (other, second) in zip(a.items(), b.items(), strict=True):
            yield from self.differences(one, other, path, depth)
            inside = f"{path}[{one!r}]" if isinstance(one, _ATOMS) else path
            yield from self.differences(first, second, inside, depth)

    def _sequences(
        self, a: Sequence[Any], b: Sequence[Any], path: str, depth: int, *, numbered: bool = False
    ) -> Iterator[str]:
        if len(a) != len(b):
            yield path
            return
        for index, (first, second) in enumerate(zip(a, b, strict=True)):
            yield from self.differences(first, second, f"{path}[{index}]" if numbered else path, depth)


def _without_cache(state: Any) -> Any:
    """Return the state of an object of pandas without what it caches."""
    if isinstance(state, dict):
        return {key: value for key, value in state.items() if key != "_cache"}
    if isinstance(state, tuple):
        kept = [_without_cache(part) if isinstance(part, dict) else part for part in state]
        return tuple(part for part in kept if part != {})
    return state


def _cached_properties(made: _Made) -> set[str]:
    """Return the names of the cached properties of the class of an object, as far as this process knows it."""
    constructor = next((arg for arg in made.args if isinstance(arg, type)), None)
    for kind in (type(made), constructor):
        module, name = getattr(kind, "module", ""), getattr(kind, "name", "")
        found: Any = sys.modules.get(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if isinstance(found, type) and found not in (object, dict, list, tuple, set):
            return {
                name
                for base in found.__mro__
                for name, attribute in vars(base).items()
                if isinstance(attribute, functools.cached_property)
            }
    return set()
