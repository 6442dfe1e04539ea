"""What a task takes along, made ready to be sent: references fresh, large values placed rather than copied.

`prepare` is the one way in. It pickles and looks at what came out. Where a placed value has changed since, or a
captured one is large, it has that placed and pickles again; what is small takes the straight way, one pickle.
"""

from __future__ import annotations

import builtins
import functools
import types
from collections.abc import Callable
from typing import Any, Literal

from dask.utils import format_bytes, parse_bytes

from moorage import config
from moorage.errors import InputError, MoorageError, StaleError
from moorage.kernel.compute.backend import Backend
from moorage.kernel.compute.functions import argument_names, captures, global_names, globals_of, travels_by_value
from moorage.kernel.compute.refs import Payload, dumps, resolve
from moorage.worker.cell import Cell

Stale = Literal["refresh", "error"]

_ROUNDS = 5
_ABOUT = ("__package__", "__name__", "__path__", "__file__")  # what functions need of their module


def prepare(
    obj: Any,
    backend: Backend,
    *,
    globals_: dict[str, Any] | None = None,
    absent: dict[str, Any] | None = None,
    everywhere: bool = False,
    auto: bool = True,
    stale: Stale = "refresh",
    say: Callable[[str], None] = print,
) -> Payload:
    """Pickle a callable, or a call as a tuple (function, args, kwargs), for workers.

    Parameters
    ----------
    obj : callable or tuple
    backend : Backend
    globals_ : dict, optional
        The notebook's namespace, if `obj` is a cell.
    absent : dict, optional
        What the cell reads and the notebook does not have: placed variables, as futures.
    everywhere : bool
        Many tasks will need it.
    auto : bool
        Place captured values that are large, and say so; otherwise refuse them.
    stale : {"refresh", "error"}
        What to do about placed values that have changed since.
    say : callable
        Takes a line for the user.

    Raises
    ------
    UnpicklableError
        Names the path to what cannot be pickled.
    StaleError
        If ``stale="error"`` and a placed value has changed.
    InputError
        If ``auto=False`` and a large value would have to be copied.
    """
    threshold = parse_bytes(config.get("submit.auto-place"))
    found = Captures(obj, backend)
    if absent:
        found.absent.setdefault(id(globals_), {}).update(absent)
    for name in found.names:
        if backend.rebound(name, found.values[name]):
            if stale == "error":
                raise _stale(name)
            backend.place_capture(found.values[name], name, everywhere=everywhere)
    fresh: set[Any] = set()
    payload = None
    for _ in range(_ROUNDS):
        payload = dumps(
            obj, backend.origins, client=backend.client, globals_=globals_, absent=found.absent, name=found.name
        )
        changed = [key for key in payload.keys if key not in fresh and not unchanged(key, backend)]
        for key in changed:
            if stale == "error":
                raise _stale(found.name_of(key))
            fresh.add(backend.refresh(key))
        fresh.update(payload.keys)
        if changed:
            continue
        sizes = _large(found, backend, threshold) if payload.nbytes > threshold else {}
        if not sizes:
            return payload
        if not auto:
            raise InputError(
                f"{_listed(sizes)} would be copied into the task: the limit is {format_bytes(threshold)}.",
                f"Place it first, for instance: %broadcast {' '.join(sizes)}",
            )
        for name in sizes:
            own = name if name in found.names else None
            backend.place_capture(found.values[name], own, everywhere=everywhere)
        say(f"Placed {_listed(sizes)}: this uses it, and what uses it next needs no other copy.")
    raise MoorageError(
        "A value that the task uses keeps changing while it is being sent.",
        "Let the code that changes it finish first.",
    )


class Captures:
    """What a cell or a call captures, through functions as deep as they call.

    Attributes
    ----------
    name : str
        What `obj` itself is called.
    values : dict
        Captured values by what code calls them.
    names : set of str
        Those of them that are variables of the notebook, under that name.
    absent : dict
        Per namespace (its id) of functions: placed variables that they read as globals and that the notebook does
        not have, as futures by name.
    """

    def __init__(self, obj: Any, backend: Backend) -> None:
        self.values: dict[str, Any] = {}
        self.names: set[str] = set()
        self.absent: dict[int, dict[str, Any]] = {}
        self._backend = backend
        self._seen: set[int] = set()
        function, args, kwargs = obj if isinstance(obj, tuple) else (obj, (), {})
        self.name = getattr(function, "__qualname__", "")
        if isinstance(function, Cell):
            self._take(function.namespace, own=True)
        else:
            self._take({"function": function} | argument_names(function, args) | kwargs)

    def name_of(self, key: Any) -> str:
        """Return the name under which the value of `key` is captured, if it is."""
        origins = self._backend.origins
        return next((name for name, value in self.values.items() if origins.lookup(value) == key), str(key))

    def _take(self, named: dict[str, Any], *, own: bool = False) -> None:
        for name, value in named.items():
            if isinstance(value, types.FunctionType | types.MethodType | functools.partial):
                self._visit(value)
            elif not isinstance(value, types.ModuleType | type | types.BuiltinFunctionType):
                if own:
                    self.names.add(name)
                    self.values[name] = value
                elif name not in self.names:
                    self.values[name] = value

    def _visit(self, function: Any) -> None:
        if id(function) in self._seen:
            return
        self._seen.add(id(function))
        if isinstance(function, types.MethodType):
            self._visit(function.__func__)
            self.values.setdefault(f"the {type(function.__self__).__name__} of {function.__name__}", function.__self__)
        elif isinstance(function, functools.partial):
            self._visit(function.func)
            self._take(argument_names(function.func, function.args) | function.keywords)
        elif isinstance(function, types.FunctionType) and travels_by_value(function):
            self._take(captures(function))
            if function.__module__ == "__main__":
                self._take(globals_of(function), own=True)
            self._look_for_absent(function)

    def _look_for_absent(self, function: types.FunctionType) -> None:
        for name in global_names(function.__code__):
            if name not in function.__globals__ and not hasattr(builtins, name):
                try:
                    futures = self._backend.by_name(name)
                except KeyError:
                    continue
                own = function.__globals__
                about = {name: own[name] for name in _ABOUT if name in own}
                self.absent.setdefault(id(own), about)[name] = futures


def unchanged(key: Any, backend: Backend) -> bool:
    """Whether the notebook's value of `key`, if it has one, is still what was placed."""
    try:
        return backend.origins.unchanged(key)
    except KeyError:  # the notebook has no value of its own that could differ
        return True


def _large(found: Captures, backend: Backend, threshold: int) -> dict[str, int]:
    """Return the sizes of captured values that make the payload large, bytes."""
    sizes: dict[str, int] = {}
    for name, value in found.values.items():
        if resolve(value, backend.origins) is None:
            size = dumps(value, backend.origins, client=backend.client, name=name).nbytes
            if size > threshold:
                sizes[name] = size
    return sizes


def _listed(sizes: dict[str, int]) -> str:
    return ", ".join(f"{name} ({format_bytes(size)})" for name, size in sizes.items())


def _stale(name: str) -> StaleError:
    return StaleError(
        f"{name} has changed since it was placed.",
        f"Place it again, for instance: %scatter {name}; or let the task do so: --stale refresh",
    )
