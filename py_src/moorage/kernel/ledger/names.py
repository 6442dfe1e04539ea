"""Which keys the variables of a notebook keep on the cluster: futures, containers of futures, Dask collections.

A collection is looked into again only when it is another one; nothing is kept alive by that. Beyond `MANY_KEYS` keys a
variable stands for the task groups they are of, since a list of a million keys would take seconds to send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from distributed import Future, futures_of
from distributed.utils import key_split_group

from moorage.wire.ledger import HeldName

MANY_KEYS = 10_000
_LONG = 1_000  # a longer container is looked into only if some of its elements are of interest
_SAMPLES = 50
_DEEPEST = 3
_NOTHING = (
    *(int, float, complex, str, bytes, bytearray, type(None), type, range, slice),
    *(FunctionType, BuiltinFunctionType, MethodType, ModuleType),
)
_PLAIN = frozenset(_NOTHING)
_CONTAINERS = (list, tuple, set, frozenset, dict)
_KEEPERS = (Future, *_CONTAINERS)

Opener = Callable[[Any], Iterable[Future[Any]] | None]
"""Returns the futures in an object that it knows, or None."""


def opens_nothing(_: Any) -> None:
    """Know of no further objects that have futures."""


class Names:
    """Finds the names of a namespace that keep keys on the cluster.

    `opener`: knows of further objects that have futures.
    """

    def __init__(self, opener: Opener = opens_nothing) -> None:
        self._opener = opener
        self._seen: dict[str, tuple[Any, HeldName | None]] = {}

    def look(self, namespace: Mapping[str, Any]) -> dict[str, HeldName]:
        """Return them, and what they keep; from any thread."""
        seen: dict[str, tuple[Any, HeldName | None]] = {}
        dull = set(_NOTHING)  # types of what keeps nothing, as far as that is seen by the type
        for name, value in _named(namespace):
            if type(value) in dull:
                continue
            if self._is_dull(value):
                dull.add(type(value))
                continue
            mark = _mark(value)
            known = self._seen.get(name)
            if known is None or mark is None or known[0] != mark:
                known = mark, self._held(value)
            seen[name] = known
        self._seen = seen
        return {name: held for name, (_, held) in seen.items() if held is not None}

    def _is_dull(self, value: Any) -> bool:
        """Whether nothing of that type keeps keys."""
        return not (
            isinstance(value, _KEEPERS) or hasattr(type(value), "__dask_graph__") or self._opener(value) is not None
        )

    def keys(self, value: Any) -> list[Any]:
        """Return the keys that one value keeps."""
        return list(dict.fromkeys([future.key for future in self._futures(value, _DEEPEST)]))

    def _held(self, value: Any) -> HeldName | None:
        keys = self.keys(value)
        if not keys:
            return None
        if len(keys) > MANY_KEYS:
            return {"keys": [], "groups": sorted(set(map(key_split_group, keys)))}
        return {"keys": keys, "groups": []}

    def _futures(self, value: Any, depth: int) -> Iterable[Future[Any]]:
        if isinstance(value, Future):
            return (value,)
        if isinstance(value, _CONTAINERS):
            elements = _elements(value) if depth else []
            kinds = set(map(type, elements))
            if kinds == {Future}:
                return elements
            if kinds <= _PLAIN:
                return ()
            others = [element for element in elements if type(element) not in _PLAIN]
            return [future for element in others for future in self._futures(element, depth - 1)]
        if (futures := self._opener(value)) is not None:
            return futures
        return _of_collection(value) if _may_be_collection(value) else ()


def _named(namespace: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the user's variables, and as ``Out[n]`` what IPython has shown, which it keeps alive."""
    for name, value in list(namespace.items()):
        if name == "Out" and isinstance(value, dict):
            yield from ((f"Out[{n}]", shown) for n, shown in list(value.items()))
        elif not name.startswith("_"):
            yield name, value


def _mark(value: Any) -> Any:
    """Return what is another one when `value` keeps other keys; None if that cannot be told at a glance."""
    if isinstance(value, Future):
        return id(value), value.key
    if isinstance(value, _CONTAINERS) or not _may_be_collection(value):
        return None
    inner = getattr(value, "expr", None)  # of a data frame, whose graph is only made when it is asked for
    return id(value), id(inner if inner is not None else getattr(value, "dask", None))


def _elements(value: Any) -> list[Any]:
    """Return the elements of a container; none of a long one of which a sample has nothing of interest."""
    for _ in range(3):
        try:
            elements = list(dict.values(value)) if isinstance(value, dict) else list(value)
            break
        except RuntimeError:  # a cell changes it at this moment
            continue
    else:
        return []
    if len(elements) > _LONG and _PLAIN.issuperset(map(type, elements[:: len(elements) // _SAMPLES])):
        return []
    return elements


def _may_be_collection(value: Any) -> bool:
    """Whether it is of a collection's type; no code of the notebook's own classes is run for that, nor for more."""
    kind = type(value)
    return hasattr(kind, "__dask_graph__") and kind.__module__ != "__main__"


def _of_collection(value: Any) -> list[Future[Any]]:
    try:
        parts = list(value.__dask_graph__().values())
        return parts if set(map(type, parts)) == {Future} else list(futures_of(parts))
    except Exception:  # it has no graph now, or cannot say
        return []
