"""How a part of Dask is named, and whether the installed Dask has it. Knows no part itself.

A look is at attributes and at the names of parameters: microseconds, and nothing is called.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from inspect import CO_VARKEYWORDS
from typing import Any


@dataclass(frozen=True)
class Part:
    """Something of Dask that is relied on.

    Parameters
    ----------
    subject : str
        What of moorage rests on it, in a few words.
    owner : str
        ``module:Class``, or ``module:`` for what the module itself has.
    name : str
        Its attribute.
    takes : tuple of str, optional
        Parameters that it is called with, in their order.
    entry : str
        A key that the attribute, a dict, must have.
    live : bool
        Whether instances have it and the class does not, since ``__init__`` makes it.
    """

    subject: str
    owner: str
    name: str
    takes: tuple[str, ...] | None = None
    entry: str = ""
    live: bool = False

    def __str__(self) -> str:
        module, _, kind = self.owner.partition(":")
        name = f"{kind or module}.{self.name}"
        return f"{name}[{self.entry!r}]" if self.entry else name


def parts_of(
    subject: str,
    owner: str,
    *,
    has: Iterable[str] = (),
    calls: Mapping[str, tuple[str, ...]] | None = None,
    live: Iterable[str] = (),
    entries: Mapping[str, Iterable[str]] | None = None,
) -> tuple[Part, ...]:
    """Return the parts of one owner: attributes, functions with what they take, and what its instances have."""
    return (
        *(Part(subject, owner, name) for name in has),
        *(Part(subject, owner, name, takes) for name, takes in (calls or {}).items()),
        *(Part(subject, owner, name, live=True) for name in live),
        *(
            Part(subject, owner, name, entry=entry, live=True)
            for name, all_ in (entries or {}).items()
            for entry in all_
        ),
    )


def changed(parts: Iterable[Part], *objects: Any) -> str:
    """Return what the first part is that is missing or another, in one sentence; nothing if all is as it was read.

    `objects`: instances, for the parts that only instances have. Without one of its owner such a part is not looked
    for.
    """
    for part in parts:
        if fault := _fault(part, objects):
            package = part.owner.partition(":")[0].partition(".")[0]
            return f"{package} {_version(package)} {fault}, on which moorage's {part.subject} rests"
    return ""


def rely_on(parts: Iterable[Part], *objects: Any) -> None:
    """Raise unless all `parts` are there; where it runs there may be no moorage, hence no error of its own.

    Raises RuntimeError if a part is missing or has changed; the text names it.
    """
    if fault := changed(parts, *objects):
        raise RuntimeError(fault)


def _fault(part: Part, objects: tuple[Any, ...]) -> str:
    module, _, kind = part.owner.partition(":")
    try:
        owner: Any = sys.modules.get(module) or importlib.import_module(module)
    except ImportError:
        return f"has no {module}"
    if kind and (owner := getattr(owner, kind, None)) is None:
        return f"has no {module}.{kind}"
    if part.live:
        mine = [each for each in objects if isinstance(each, owner)]
        there = all(
            part.entry in getattr(each, part.name, ()) if part.entry else hasattr(each, part.name) for each in mine
        )
        return "" if there else f"has no {part}"
    if (found := getattr(owner, part.name, None)) is None and not hasattr(owner, part.name):
        return f"has no {part}"
    if part.takes is not None and (takes := _other_parameters(found, part.takes)) is not None:
        return f"has a {part} that takes ({', '.join(takes)}) and not ({', '.join(part.takes)})"
    return ""


def _other_parameters(function: Any, expected: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the parameters of a function that cannot be called with those `expected`; of others None."""
    function = getattr(function, "__func__", function)
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    if (code := getattr(function, "__code__", None)) is None:
        return None if callable(function) else ()
    positional = code.co_varnames[: code.co_argcount]
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    optional = {*positional[len(positional) - len(function.__defaults__ or ()) :], *(function.__kwdefaults__ or ())}
    own: tuple[str, ...] = names[1:] if names[:1] == ("self",) else names
    taken = code.co_flags & CO_VARKEYWORDS or set(expected).issubset(own)
    needed = set(own) - optional
    order = [name for name in positional if name in expected]
    if taken and needed.issubset(expected) and order == [name for name in expected if name in positional]:
        return None
    return own


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(of unknown version)"
