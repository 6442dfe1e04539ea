"""How a value is taken apart into the elements that are scattered, and futures put together in the same shape.

The rules are those of ``Client.scatter``: exactly ``list``, ``tuple``, ``set``, ``frozenset``, ``dict``, ``range`` and
namedtuples are scattered by element; anything else, subclasses of these included, is one value.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from dask.base import is_dask_collection
from dask.delayed import Delayed
from distributed import Actor, Future

from moorage._dask.client import address_of
from moorage._dask.frames.persisted import futures_of_parts
from moorage.errors import InputError, NotPlaceableError
from moorage.wire.scheduler import StructureDict, travels

_LONGEST = 80  # characters of a key in an error
_BY_ELEMENT: dict[type, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset", range: "list"}


@dataclass(frozen=True, slots=True)
class Structure:
    """The shape of a scattered value."""

    # ``value`` (one key), ``list``, ``tuple``, ``set``, ``frozenset``, ``dict`` or ``namedtuple``; ``collection`` of
    # the parts of a Dask collection, whose futures are given as a list
    kind: str = "value"
    labels: tuple[Any, ...] = ()  # keys of a dict, field names of a namedtuple
    typename: str = ""  # name of the namedtuple's class
    cls: Any = field(default=None, compare=False)  # the namedtuple's class, where it is known; it does not travel

    def to_dict(self) -> StructureDict:
        """Return the form in which it travels."""
        return {"kind": self.kind, "labels": list(self.labels), "typename": self.typename}

    @classmethod
    def from_dict(cls, wire: StructureDict) -> Structure:
        """Return the structure that `wire` stands for."""
        return cls(wire.get("kind", "value"), tuple(wire.get("labels", ())), wire.get("typename", ""))

    def put_together(self, parts: Sequence[Any]) -> Any:
        """Return `parts`, one for each element, in this shape."""
        match self.kind:
            case "value":
                return parts[0]
            case "tuple":
                return tuple(parts)
            case "set":
                return set(parts)
            case "frozenset":
                return frozenset(parts)
            case "dict":
                return dict(zip(self.labels, parts, strict=True))
            case "namedtuple":
                cls: Any = self.cls or namedtuple(self.typename, self.labels)
                return cls._make(parts)
            case _:
                return list(parts)


def take_apart(data: Any, whole: bool = False) -> tuple[Structure, list[Any]]:
    """Return the shape of `data` and its elements.

    `whole`: take it as one value whatever its type. Raises NotPlaceableError for an iterator, which can be read once
    only, and for an Actor, which lives on its worker. Raises InputError for a dict with keys that Dask cannot use.
    """
    _check_placeable(data)
    if whole:
        return Structure(), [data]
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        structure = Structure("namedtuple", tuple(data._fields), type(data).__name__, type(data))
        elements: list[Any] = list(data)
    elif type(data) is dict:
        for label in data:
            if not isinstance(label, str | int | float | tuple) or not travels(label):
                kind = type(label).__name__
                raise InputError(
                    f"A dict with the key {shown(label)} of type {kind} cannot be scattered by element.",
                    "Dask takes str, int of 64 bits, float and tuple. Place it as one value: --whole, whole=True.",
                )
        structure, elements = Structure("dict", tuple(data)), list(data.values())
    elif type(data) in _BY_ELEMENT:
        structure, elements = Structure(_BY_ELEMENT[type(data)]), list(data)
    else:
        structure, elements = Structure(), [data]
    for element in {type(element): element for element in elements}.values():  # it is their type that counts
        _check_placeable(element)
    return structure, elements


def shown(value: Any) -> str:
    """Return how Python writes `value`, cut off where it is long."""
    try:
        text = repr(value)
    except Exception:  # of an int with very many digits, say
        return f"<{type(value).__name__}>"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _check_placeable(value: Any) -> None:
    if isinstance(value, Iterator):
        raise NotPlaceableError(
            f"A {type(value).__name__} cannot be placed: it is an iterator, which can be read only once.",
            "Make a list of it first: list(...).",
        )
    if isinstance(value, Actor):
        raise NotPlaceableError(
            f"The actor {value.key!r} cannot be placed: it lives on worker {address_of(value)} and cannot be copied.",
            "Place the data it works on instead.",
        )


def has_parts(value: Any) -> bool:
    """Whether a value is a Dask collection of parts, such as partitions or blocks, or a list of delayed objects."""
    return _is_of_delayed(value) or (is_dask_collection(value) and not isinstance(value, Delayed))


def _is_of_delayed(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(part, Delayed) for part in value)


def futures_in(value: Any) -> list[Future[Any]] | None:
    """Return the futures of a value that is on the cluster already, or None.

    That is a future, a list, tuple, set or dict of nothing but futures, or a persisted Dask collection, or a list of
    delayed objects that are. They are in the order of the parts. Raises NotPlaceableError for a Dask collection that
    is not persisted.
    """
    if isinstance(value, Future):
        return [value]
    if _is_of_delayed(value):
        found = [futures_of_parts(part) for part in value]
        if all(found):
            return [future for futures in found for future in futures or ()]
        raise NotPlaceableError(
            f"{sum(not futures for futures in found)} of these {len(value)} delayed objects have not been computed.",
            "Persist them first: x = cluster.persist(x). Magics that place do so with --persist.",
        )
    if isinstance(value, list | tuple | set | frozenset | dict):
        parts = list(value.values()) if isinstance(value, dict) else list(value)
        return parts if parts and all(isinstance(part, Future) for part in parts) else None
    if is_dask_collection(value):
        if futures := futures_of_parts(value):
            return futures
        raise NotPlaceableError(
            f"This {type(value).__name__} is a Dask collection that has not been computed: there is nothing to place.",
            "Persist it first: %persist x, or x = cluster.persist(x). Magics that place do so with --persist.",
        )
    return None


def whole_of(collection: Any, parts: Iterable[Any]) -> Any:
    """Return the value of a Dask collection whose parts have these values, in their order, as ``compute()`` does."""
    left = iter(parts)

    def filled(keys: Any) -> Any:
        return [filled(key) for key in keys] if isinstance(keys, list) else next(left)

    put_together, more = collection.__dask_postcompute__()
    return put_together(filled(collection.__dask_keys__()), *more)
