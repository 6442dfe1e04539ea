"""How an error is taken apart when it is pickled: with all that it says, and a traceback that is not too deep.

Dask has tblib pickle whatever a task raises. That makes an error again without its constructor, of ``args`` and
``__dict__``, and so drops what classes written in C and those with slots keep elsewhere: the text of a
`UnicodeDecodeError` or a `SyntaxError`, the axis of numpy's `AxisError`. A class with a ``__new__`` of its own is not
made at all. The traceback of an endless recursion is too deep to be pickled; Dask sends its text in its place, which
breaks off how clients take in the error, so that its future never ends.

Relied on, as read in tblib 3.2: `pickling_support` registers its functions ``pickle_exception`` and
``pickle_traceback``, by these names, for whatever it is given.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from tblib import pickling_support  # type: ignore[import-untyped]

from moorage._dask.parts import parts_of

SUBJECT = "way to bring errors back"

PARTS = parts_of(
    SUBJECT, "tblib.pickling_support:", calls={"pickle_exception": ("obj",), "pickle_traceback": ("tb", "get_locals")}
)

DEEPEST = 100
"""Frames of a traceback; what lies between its beginning and its end is left out."""

_MADE_AT_RUNTIME = 1 << 9  # a flag of classes: not built into Python
_HOOKS = ("__reduce__", "__reduce_ex__", "__getnewargs__", "__getnewargs_ex__", "__getstate__", "__setstate__")
_LEFT_OUT = ("args", "exceptions", "message", "obj")  # given otherwise, or nothing that should travel with an error


def keep_errors_whole() -> Callable[[], None]:
    """Have errors pickled whole in this process; return what undoes it."""
    stock_exception = getattr(pickling_support.pickle_exception, "__wrapped__", pickling_support.pickle_exception)
    stock_traceback = getattr(pickling_support.pickle_traceback, "__wrapped__", pickling_support.pickle_traceback)

    @wraps(stock_exception)
    def pickle_exception(obj: BaseException) -> Any:
        return stock_exception(obj) if _pickles_itself(type(obj)) else reduced(obj)

    @wraps(stock_traceback)
    def pickle_traceback(tb: types.TracebackType, **options: Any) -> Any:
        return stock_traceback(shortened(tb), **options)

    pickling_support.pickle_exception, pickling_support.pickle_traceback = pickle_exception, pickle_traceback

    def undo() -> None:
        if pickling_support.pickle_exception is pickle_exception:
            pickling_support.pickle_exception, pickling_support.pickle_traceback = stock_exception, stock_traceback

    return undo


def reduced(error: BaseException) -> tuple[Any, ...]:
    """Return what pickle needs to make `error` again by what is built into Python alone."""
    kind = type(error)
    base = next(each for each in kind.__mro__ if not each.__flags__ & _MADE_AT_RUNTIME)
    args = error.args
    if isinstance(error, OSError):
        args = OSError.__reduce__(error)[1]  # type: ignore[assignment]
    elif isinstance(error, BaseExceptionGroup):
        args = error.message, list(error.exceptions)
    chain = {name: getattr(error, name) for name in ("__cause__", "__context__", "__traceback__")}
    state = {"args": error.args, **dict(_members(error)), **vars(error), **chain}
    return base.__new__, (kind, *args), {**state, "__suppress_context__": error.__suppress_context__}


def shortened(traceback: types.TracebackType) -> types.TracebackType:
    """Return a traceback without most frames of an endless recursion."""
    links = links_of(traceback)
    shorter = linked(links[: DEEPEST // 2] + links[-DEEPEST // 2 :]) if len(links) > DEEPEST else traceback
    assert shorter is not None
    return shorter


def links_of(traceback: types.TracebackType | None) -> list[types.TracebackType]:
    """Return the links of a traceback, the outermost first."""
    links = []
    while traceback is not None:
        links.append(traceback)
        traceback = traceback.tb_next
    return links


def linked(links: list[types.TracebackType]) -> types.TracebackType | None:
    """Return a traceback of the frames of `links`."""
    traceback = None
    for link in reversed(links):
        traceback = types.TracebackType(traceback, link.tb_frame, link.tb_lasti, link.tb_lineno)
    return traceback


def _pickles_itself(kind: type) -> bool:
    return any(hook in vars(base) for base in kind.__mro__ if base.__flags__ & _MADE_AT_RUNTIME for hook in _HOOKS)


def _members(error: BaseException) -> Iterator[tuple[str, Any]]:
    """Yield what an error has beside its ``__dict__``: in slots, and in fields of C."""
    for base in type(error).__mro__:
        for name, member in vars(base).items():
            ours = isinstance(member, types.MemberDescriptorType | types.GetSetDescriptorType)
            if not ours or name.startswith("__") or name in _LEFT_OUT or not hasattr(error, name):
                continue
            value = getattr(error, name)
            if value is not None or base.__flags__ & _MADE_AT_RUNTIME:  # a field set to None counts as given
                yield name, value
