"""Why a value cannot leave the notebook: the path to the object that cannot be pickled.

Pickle's own error names a type (``cannot pickle '_thread.lock' object``) but not where it sits. This looks for it,
after the failure, and only then: ``model.callback.lock``.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from typing import Any

from distributed import Client, Future

from moorage.errors import UnpicklableError
from moorage.pickling.code_pickler import CodePickler, Notebook
from moorage.pickling.functions import captures, is_importable

_DEPTH = 20
_WIDTH = 1000


def unpicklable(named: Mapping[str, Any], error: BaseException) -> UnpicklableError:
    """Return the error that says which part of a value cannot be pickled.

    `named`: what was to be pickled, by what the notebook calls it; a name may be empty. `error`: what the pickler
    raised.
    """
    if isinstance(error, UnpicklableError):
        return UnpicklableError(error.message, error.remedy)
    first = next(iter(named.items()), ("", None))
    name, value = next(((n, v) for n, v in named.items() if not _picklable(v)), first)
    if any(isinstance(one, RecursionError) for one in (error, error.__cause__, error.__context__)):
        return UnpicklableError(
            f"{name or _own_name(value) or type(value).__name__} cannot leave the notebook: it is nested too deeply.",
            "Keep the linked objects in a list or an array, and refer to them by position.",
        )
    path, culprit, user = _find(value, name or _own_name(value))
    if _is_of_shell(culprit):
        name = path or _own_name(culprit)
        used = f", which {user!r} uses," if user else ""
        return UnpicklableError(
            f"{name}{used} belongs to the notebook's IPython, and there is none on workers.",
            "Run magics and shell commands in a cell of their own, and use what they return.",
        )
    what = type(culprit).__name__
    where = f" It is used by {user!r}." if user else ""
    return UnpicklableError(
        f"{path or what} (of type {what}) cannot leave the notebook: {error}",
        f"Create it where it is needed, inside the code that runs on the worker, or leave it out.{where}",
    )


def _find(value: Any, path: str) -> tuple[str, Any, str]:
    """Follow the parts that fail to pickle down to the innermost; return its path, itself, and who uses it."""
    user = ""
    seen: set[int] = set()
    for _ in range(_DEPTH):
        if _is_of_shell(value):
            break
        seen.add(id(value))
        for step, part in _parts(value):
            if id(part) in seen or _picklable(part):
                continue
            if isinstance(value, types.FunctionType):  # what a function captures has a name of its own
                user, path = value.__qualname__, step
            else:
                path += step
            value = part
            break
        else:
            break
    return path, value, user


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, types.FunctionType):
        yield from captures(value).items()
    elif isinstance(value, types.MethodType):
        yield "", value.__self__
        yield "", value.__func__
    elif isinstance(value, dict):
        for index, (key, item) in enumerate(value.items()):
            if index == _WIDTH:
                return
            yield f"[{key!r}]", item
    elif isinstance(value, list | tuple | set | frozenset):
        for index, item in enumerate(value):
            if index == _WIDTH:
                return
            yield f"[{index}]", item
    elif isinstance(value, property):
        yield from (("", part) for part in (value.fget, value.fset, value.fdel) if part is not None)
    elif isinstance(value, staticmethod | classmethod):
        yield "", value.__func__
    if isinstance(value, types.ModuleType):
        return
    if isinstance(value, type):
        if not is_importable(value):
            for name, part in vars(value).items():
                if isinstance(part, types.FunctionType) or not name.startswith("__"):
                    yield f".{name}", part
        return
    if not is_importable(type(value)):
        yield "", type(value)
    for attribute, item in getattr(value, "__dict__", {}).items():
        yield f".{attribute}", item
    for kind in type(value).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if hasattr(value, slot) and slot not in ("__dict__", "__weakref__"):
                yield f".{slot}", getattr(value, slot)
    if hasattr(value, "func") and hasattr(value, "args") and hasattr(value, "keywords"):  # functools.partial
        yield ".func", value.func
        yield ".args", value.args
        yield ".keywords", value.keywords


def _is_of_shell(value: Any) -> bool:
    """Whether a value is a part of IPython's shell, or a method of one, such as ``get_ipython``."""
    kind = type(getattr(value, "__self__", value))
    return kind.__module__.partition(".")[0] in ("IPython", "ipykernel")


class _Sink:
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        return len(data)


class _Trial(CodePickler):
    def persistent_id(self, obj: Any) -> Any:
        return "" if isinstance(obj, Client | Future) or hasattr(type(obj), "__moorage_value__") else None


def _picklable(value: Any) -> bool:
    try:
        _Trial(_Sink(), Notebook()).dump(value)
    except Exception:
        return False
    return True


def _own_name(value: Any) -> str:
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    return name if isinstance(name, str) else ""
