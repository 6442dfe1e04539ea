"""What tasks raise, in a form in which it reaches the notebook: pickled, in words, and with the user's own frames.

Nothing is taken for granted of an exception: it may not pickle, not load, have no text, or one that no message can
carry. Then a `RuntimeError` stands for it that says as much as can be said.
"""

from __future__ import annotations

import contextlib
import pickle
import types
from collections.abc import Iterable
from typing import Any

import cloudpickle
import tblib  # type: ignore[import-untyped]
from tblib import pickling_support

from moorage._dask.errors import linked, links_of, shortened
from moorage.images.carrier import Table
from moorage.wire.tasks import Described
from moorage.worker.text import clean

LONGEST = 2000
"""Characters of an error in words."""
LARGEST = 1_000_000
"""Bytes of a pickled error."""
_ORIGINS = 20  # errors that an error came from; what is further back is left out

READ_ONLY = (
    "If that is placed data: others use it too, so tasks cannot change it. Copy it first, x = x.copy(), "
    "or place it with --writable (writable=True)."
)


class Cancelled(Exception):
    """The notebook no longer needs this task."""


def users_frames(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """Leave the frames of this package out of `traceback`, and most of those of an endless recursion."""
    users = linked([link for link in links_of(traceback) if not _is_ours(link.tb_frame)]) or traceback
    return shortened(users) if users is not None else None


def _is_ours(frame: types.FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).startswith("moorage.worker")


def in_words(error: BaseException) -> str:
    """Return type and message of an error, as text that can be sent."""
    name = type(error).__name__
    try:
        message = str(error)
    except BaseException as another:
        message = f"(its message raised {type(another).__name__})"
    return clean(f"{name}: {message}"[:LONGEST])


def explain(raised: BaseException, values: Iterable[Any], images: Table | None) -> None:
    """Add what to do to the error of who writes to placed data.

    `raised`: it, or what it was the cause of. `values`: what the task was given of placed data. `images`: by which it
    is known which of them lie in memory that others use, too.
    """
    error: BaseException | None = raised
    with contextlib.suppress(Exception):
        seen: set[int] = set()
        while error is not None and not (isinstance(error, ValueError) and "read-only" in str(error)):
            seen.add(id(error))
            error = error.__cause__ if id(error.__cause__) not in seen else None
        if error is None or images is None or all(images.image_of(value) is None for value in values):
            return
        if READ_ONLY not in getattr(error, "__notes__", ()):
            error.add_note(READ_ONLY)


def survivable(raised: BaseException, in_text: bool = True) -> Exception:
    """Return an error, or what stands for it, and likewise for what it came from.

    Something stands for it if it would end the process that it is raised in, such as `SystemExit`, or if it cannot be
    sent. What goes in a circle is cut, since Dask would follow it for ever. `in_text`: whether Dask is to send it, with
    a text of it that not all messages can carry.
    """
    met: dict[int, Exception | None] = {}

    def one(error: BaseException | None) -> Exception | None:
        if error is None or not (isinstance(error, Exception) or error is raised) or len(met) == _ORIGINS:
            return None
        if id(error) not in met:
            met[id(error)] = None
            cause, context, suppress = _origins(error)
            fine = isinstance(error, Exception) and not (in_text and not _can_be_shown(error)) and _pickled(error)
            survivor: Any = error if fine else _rewritten(error) or _stand_in(error)
            _follow(survivor, one(cause), one(context), suppress)
            met[id(error)] = survivor
        return met[id(error)]

    survivor = one(raised)
    assert survivor is not None
    return survivor


def describe(raised: BaseException, worker: Any) -> Described:
    """Return an error in a form that can be sent: pickled, and in words."""
    traceback = users_frames(_attribute(raised, "__traceback__"))
    BaseException.with_traceback(raised, None)
    error = survivable(raised, in_text=False)
    pickled = _pickled(error, alone=False) or _pickled(error) or pickle.dumps(_stand_in(raised))
    with contextlib.suppress(Exception):
        frames = tblib.Traceback(traceback).to_dict() if traceback is not None else None
        return {"exception": pickled, "traceback": frames, "text": in_words(raised), "worker": str(worker.name)}
    return {"exception": pickled, "traceback": None, "text": in_words(raised), "worker": str(worker.name)}


def _stand_in(error: BaseException) -> RuntimeError:
    return RuntimeError(in_words(error)).with_traceback(_attribute(error, "__traceback__"))


def _attribute(error: BaseException, name: str) -> Any:
    """Return an attribute that every exception has, whatever its class makes of attributes."""
    return object.__getattribute__(error, name)


def _pickled(error: BaseException, alone: bool = True) -> bytes | None:
    """Return a pickled error, if that can be loaded again. `alone`: without what it came from."""
    origins = _origins(error)
    if alone:
        _follow(error, None, None, origins[2])
    try:
        _ = error.with_traceback, error.args  # which all who handle it rely on
        pickling_support.install(error)  # as Dask does
        pickled = cloudpickle.dumps(error)
        pickle.loads(pickled)
    except BaseException:
        return None
    finally:
        _follow(error, *origins)
    return pickled if len(pickled) < LARGEST else None


def _origins(error: BaseException) -> tuple[BaseException | None, BaseException | None, bool]:
    """Return what an error came from: its cause, its context, and whether only the cause is shown."""
    cause, context = _attribute(error, "__cause__"), _attribute(error, "__context__")
    return cause, context, _attribute(error, "__suppress_context__")


def _follow(error: BaseException, cause: BaseException | None, context: BaseException | None, suppress: bool) -> None:
    """Set what an error came from, also of one that is a frozen dataclass."""
    object.__setattr__(error, "__cause__", cause)
    object.__setattr__(error, "__context__", context)
    object.__setattr__(error, "__suppress_context__", suppress)


def _can_be_shown(error: BaseException) -> bool:
    try:
        return str(error) is not None and repr(error) == clean(repr(error))
    except BaseException:
        return False


def _rewritten(error: BaseException) -> Exception | None:
    """Return the same error with strings that can be sent, if there is one."""
    if not isinstance(error, Exception):
        return None
    try:
        args = [clean(arg) if isinstance(arg, str) else arg for arg in error.args]
        if isinstance(error, OSError) and error.filename is not None:
            args = [error.errno, clean(error.strerror or ""), clean(str(error.filename))]
        rewritten = type(error)(*args).with_traceback(error.__traceback__)
    except BaseException:
        return None
    return rewritten if _can_be_shown(rewritten) and _pickled(rewritten) is not None else None
