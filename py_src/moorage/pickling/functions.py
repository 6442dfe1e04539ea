"""What a function refers to: the globals it reads, its closure, its defaults, parts of packages."""

from __future__ import annotations

import dis
import inspect
import itertools
import operator
import sys
import types
import weakref
from collections.abc import Iterable
from typing import Any

import cloudpickle

from moorage.pickling.texts import names_in_texts

_READS = frozenset(("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"))
_STORES = frozenset(("STORE_GLOBAL", "STORE_NAME"))
_IMPORT = dis.opmap["IMPORT_NAME"]
_imported: weakref.WeakKeyDictionary[types.CodeType, frozenset[str]] = weakref.WeakKeyDictionary()
_cache: weakref.WeakKeyDictionary[types.CodeType, tuple[str, ...]] = weakref.WeakKeyDictionary()
_all: weakref.WeakKeyDictionary[types.CodeType, tuple[str, ...]] = weakref.WeakKeyDictionary()


def global_names(code: types.CodeType) -> tuple[str, ...]:
    """Return the names that `code`, and functions and classes defined in it, read as globals; each once, in order.

    Those in texts that they have evaluated, too.
    """
    names = _cache.get(code)
    if names is None:
        found = [step.argval for step in dis.get_instructions(code) if step.opname in _READS]
        found += names_in_texts(code, found)
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                found += global_names(constant)
        names = _cache[code] = tuple(dict.fromkeys(found))
    return names


def imported_names(code: types.CodeType) -> frozenset[str]:
    """Return the names that may be those of modules in the import statements of `code`, and of code in it.

    ``from a import b`` gives both ``a`` and ``a.b``. Relative imports, of code that is in no package, give nothing.
    """
    names = _imported.get(code)
    if names is None:
        found: set[str] = set()
        if _IMPORT in code.co_code[::2]:
            module = ""
            for step in dis.get_instructions(code):
                if step.opname == "IMPORT_NAME":
                    module = step.argval
                    found.add(module)
                elif step.opname == "IMPORT_FROM":
                    found.add(f"{module}.{step.argval}")
        for constant in code.co_consts:
            if isinstance(constant, types.CodeType):
                found |= imported_names(constant)
        names = _imported[code] = frozenset(found)
    return names


def submodules(code: types.CodeType, values: Iterable[Any]) -> list[types.ModuleType]:
    """Return parts of packages among `values` that are imported here and that `code` may name, as ``xml.dom`` does.

    Elsewhere the package does not have them by itself. cloudpickle looks for them neither in code within `code` nor for
    cells.
    """
    ahead = [value.__name__ for value in values if isinstance(value, types.ModuleType) and hasattr(value, "__path__")]
    found: dict[str, types.ModuleType] = {}
    for package in ahead:
        for name in _all_names(code):
            full = f"{package}.{name}"
            module = sys.modules.get(full)
            if full not in found and isinstance(module, types.ModuleType):
                found[full] = module
                ahead.append(full)
    return list(found.values())


def _all_names(code: types.CodeType) -> tuple[str, ...]:
    names = _all.get(code)
    if names is None:
        within = [_all_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType)]
        names = _all[code] = tuple(dict.fromkeys(itertools.chain(code.co_names, *within)))
    return names


def bound_names(code: types.CodeType) -> set[str]:
    """Return the names that `code` of a module assigns to, in comprehensions too."""
    found = {step.argval for step in dis.get_instructions(code) if step.opname in _STORES}
    return found.union(*(bound_names(inner) for inner in code.co_consts if isinstance(inner, types.CodeType)))


def captures(function: types.FunctionType) -> dict[str, Any]:
    """Return what a function takes along when it is sent by value: globals it reads, closure, defaults, by name."""
    code = function.__code__
    known = function.__globals__
    found = {name: known[name] for name in global_names(code) if name in known}
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not bound yet
            continue
    defaults = function.__defaults__ or ()
    arguments = code.co_varnames[: code.co_argcount]
    found.update(zip(arguments[len(arguments) - len(defaults) :], defaults, strict=True))
    found.update(function.__kwdefaults__ or {})
    return found


def is_importable(obj: Any) -> bool:
    """Whether `obj`, which has a ``__module__`` and a ``__qualname__``, goes to other processes by name."""
    module = sys.modules.get(obj.__module__)
    if module is None or module.__name__ == "__main__" or _goes_by_value(module.__name__):
        return False
    try:
        return operator.attrgetter(obj.__qualname__)(module) is obj
    except AttributeError:
        return False


def _goes_by_value(module: str) -> bool:
    registered = cloudpickle.list_registry_pickle_by_value()
    parts = module.split(".")
    return any(".".join(parts[:n]) in registered for n in range(1, len(parts) + 1))


def argument_names(function: Any, args: tuple[Any, ...]) -> dict[str, Any]:
    """Return positional arguments by the names that `function` has for them."""
    try:
        return dict(inspect.signature(function).bind_partial(*args).arguments)
    except (TypeError, ValueError):  # no signature, or a wrong call, which will say so itself when it runs
        return {f"argument {number}": value for number, value in enumerate(args, 1)}
