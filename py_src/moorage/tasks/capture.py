"""What a task takes along, made ready to be sent: references fresh, large values placed rather than copied.

`prepare` is the one way in. It pickles and looks at what came out. Where a placed value has changed since, or a
captured one is large, it has that placed and pickles again; what is small takes the straight way, one pickle.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, Literal

from dask.utils import format_bytes, parse_bytes

from moorage import config
from moorage.errors import InputError, MoorageError, StaleError
from moorage.pickling.code_pickler import Capture, Notebook, is_code
from moorage.pickling.earlier import tell_of_earlier_classes
from moorage.pickling.functions import argument_names
from moorage.tasks.placed_data import PlacedData
from moorage.tasks.references import Payload, dumps, resolve
from moorage.worker.unpickling.cell import Cell

Stale = Literal["refresh", "error"]

_ROUNDS = 5


def prepare(
    obj: Any,
    backend: PlacedData,
    notebook: Notebook,
    *,
    everywhere: bool = False,
    auto: bool = True,
    stale: Stale = "refresh",
    say: Callable[[str], None] = print,
) -> Payload:
    """Pickle a callable, or a call as a tuple (function, args, kwargs), for workers.

    Raises UnpicklableError with the path to what cannot be pickled. Raises StaleError if ``stale="error"`` and a
    placed value has changed. Raises InputError if ``auto=False`` and a large value would have to be copied.

    Parameters
    ----------
    notebook : Notebook
        Where functions look for globals.
    everywhere : bool
        Many tasks will need it.
    auto : bool
        Place captured values that are large, and say so; otherwise refuse them.
    stale : {"refresh", "error"}
        What to do about placed values that have changed since.
    say : callable
        Takes a line for the user.
    """
    threshold = parse_bytes(config.get("submit.auto-place"))
    given = _given(obj, notebook)
    pickled = functools.partial(dumps, origins=backend.origins, client=backend.client, notebook=notebook)
    fresh: set[Any] = set()
    for _ in range(_ROUNDS):
        captured = list(given)
        payload = pickled(obj, captured=captured, longest=threshold)
        captured = list({(one.name, id(one.value)): one for one in captured}.values())
        rebound = [one for one in captured if one.own and backend.rebound(one.name, one.value)]
        changed = [key for key in payload.keys if key not in fresh and not unchanged(key, backend)]
        if stale == "error" and (rebound or changed):
            if rebound:
                raise _stale(rebound[0].name)
            raise _stale(_name_of(changed[0], captured, backend), backend.origins.change(changed[0]))
        for one in rebound:
            backend.place_capture(one.value, one.name, everywhere=everywhere)
        fresh.update(payload.keys, [backend.refresh(key) for key in changed])
        if rebound or changed:
            continue
        tell_of_earlier_classes(payload.classes, ((one.name, one.value) for one in captured), notebook, say)
        if payload.nbytes <= threshold:
            return payload
        sizes = _place_large(captured, backend, notebook, threshold, auto=auto, everywhere=everywhere)
        if not sizes:
            return pickled(obj) if payload.left_out else payload
        say(f"Placed {_listed(sizes)}: this uses it, and what uses it next needs no other copy.")
    raise MoorageError(
        "A value that the task uses keeps changing while it is being sent.",
        "Let the code that changes it finish first.",
    )


def _given(obj: Any, notebook: Notebook) -> list[Capture]:
    """Return what a cell reads of the notebook, or the arguments of a call."""
    function, args, kwargs = obj if isinstance(obj, tuple) else (obj, (), {})
    if isinstance(function, Cell):
        given = [Capture(name, value, notebook.owns(name, value)) for name, value in function.namespace.items()]
    else:
        arguments = {"function": function} | argument_names(function, args) | kwargs
        given = [Capture(name, value) for name, value in arguments.items()]
    return [one for one in given if not is_code(one.value)]


def _name_of(key: Any, captured: Iterable[Capture], backend: PlacedData) -> str:
    """Return the name under which the value of `key` is captured, if it is."""
    return next((one.name for one in captured if backend.origins.lookup(one.value) == key), str(key))


def _innermost_first(captured: list[Capture]) -> list[Capture]:
    """Return each value once, by its name in the notebook if it has one, so that what holds another comes after it."""
    found: dict[int, Capture] = {}
    for one in captured:
        if one.own or id(one.value) not in found:
            found[id(one.value)] = one
    return list(reversed(found.values()))


def _place_large(
    captured: list[Capture], backend: PlacedData, notebook: Notebook, threshold: int, *, auto: bool, everywhere: bool
) -> dict[str, int]:
    """Place the captured values that make a payload large, or refuse them; return their sizes, bytes."""
    sizes: dict[str, int] = {}
    for one in _innermost_first(captured):
        if resolve(one.value, backend.origins) is not None:
            continue
        payload = dumps(
            one.value, backend.origins, client=backend.client, notebook=notebook, name=one.name, longest=threshold
        )
        if payload.nbytes > threshold:
            sizes[one.name] = payload.nbytes
            if auto:
                backend.place_capture(one.value, one.name if one.own else None, everywhere=everywhere)
    if sizes and not auto:
        raise InputError(
            f"{_listed(sizes)} would be copied into the task: the limit is {format_bytes(threshold)}.",
            f"Place it first, for instance: %broadcast {' '.join(sizes)}",
        )
    return sizes


def unchanged(key: Any, backend: PlacedData) -> bool:
    """Whether the notebook's value of `key`, if it has one, is still what was placed."""
    try:
        return backend.origins.unchanged(key)
    except KeyError:  # the notebook has no value of its own that could differ
        return True


def _listed(sizes: dict[str, int]) -> str:
    return ", ".join(f"{name} ({format_bytes(size)})" for name, size in sizes.items())


def _stale(name: str, where: str | None = "") -> StaleError:
    told = f": {name}{where} is not what it was" if where else ""
    return StaleError(
        f"{name} has changed since it was placed{told}.",
        f"Place it again, for instance: %scatter {name}; or let the task do so: --stale refresh",
    )
