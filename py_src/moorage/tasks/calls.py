"""What can be called on a worker, and under which key: checked before anything is sent, and kept until it is."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from dask.core import validate_key

from moorage.errors import InputError, UnreachableError
from moorage.kernel.placement.structure import shown
from moorage.wire.scheduler import travels
from moorage.worker.text import clean

P = ParamSpec("P")
T = TypeVar("T")

_TRIES = 2  # that fail


def check_key(key: Any) -> None:
    """Raise InputError if a task cannot have this key. None: it gets one."""
    try:
        validate_key("" if key is None else key)
        fine = travels(key)
    except TypeError:
        fine = False
    if not fine:
        pass_on = " To pass it to the function, put that into a lambda." if callable(key) else ""
        raise InputError(
            f"{shown(key)} cannot be the key of a task.",
            f"Dask takes str, int of 64 bits, float, and tuples of these.{pass_on}",
        )


def check_callable(function: Any) -> None:
    """Raise InputError if `function` cannot be run on a worker, whatever it is given."""
    if not callable(function):
        raise InputError(f"A {type(function).__name__} is not callable.", "Give a function and its arguments.")
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isasyncgenfunction(function):
        raise InputError(
            f"{name_of(function)} is an async generator function: its items cannot leave the worker one by one.",
            "Return a list from a coroutine function: [item async for item in ...]",
        )


def name_of(function: Any) -> str:
    """Return what tasks that call `function` are called."""
    return clean(str(getattr(function, "__name__", None) or type(function).__name__))


def begun_again(method: Callable[P, T]) -> Callable[P, T]:
    """Call `method`, of a submitter, again when the scheduler has died before it had begun anything, and is back.

    No value that it captures is let go of before what it sends refers to it.
    """

    @functools.wraps(method)
    def begun(*args: P.args, **kwargs: P.kwargs) -> T:
        submitter: Any = args[0]
        left = _TRIES
        while True:
            try:
                with submitter.backend.keeping():
                    return method(*args, **kwargs)
            except UnreachableError:
                left -= 1
                if left < 0 or not submitter.comes_back():
                    raise

    return begun
