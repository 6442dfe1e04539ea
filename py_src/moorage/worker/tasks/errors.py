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

from moorage.images.carrier import Table
from moorage.wire.tasks import Described
from moorage.worker.text import clean

LONGEST = 2000
"""Characters of an error in words."""
LARGEST = 1_000_000
"""Bytes of a pickled error."""
DEEPEST = 100
"""Frames of a traceback; what lies between its beginning and its end is left out."""

READ_ONLY = (
    "If that is placed data: others use it too, so tasks cannot change it. Copy it first, x = x.copy(), "
    "or place it with --writable (writable=True)."
)


class Cancelled(Exception):
    """The notebook no longer needs this task."""


def users_frames(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """Cut the frames of this package off the top of `traceback`, and most of those of an endless recursion."""
    rest = traceback
    while rest is not None and rest.tb_frame.f_globals.get("__name__", "").startswith("moorage.worker"):
        rest = rest.tb_next
    frames = []
    link = rest or traceback
    while link is not None:
        frames.append(link)
        link = link.tb_next
    if len(frames) <= DEEPEST:
        return rest or traceback
    shorter = None
    for link in reversed(frames[: DEEPEST // 2] + frames[-DEEPEST // 2 :]):
        shorter = types.TracebackType(shorter, link.tb_frame, link.tb_lasti, link.tb_lineno)
    return shorter


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


def survivable(error: BaseException, above: tuple[BaseException, ...] = ()) -> Exception:
    """Return `error`, or what stands for it.

    That is the case if it would end the process that it is raised in, such as `SystemExit`, or if Dask cannot send it.
    `above`: what it is the cause of; causes that go in a circle are cut, since Dask would follow them for ever.
    """
    if isinstance(error, Exception) and _can_be_shown(error) and _pickled(error) is not None:
        survivor = error
    else:
        survivor = _rewritten(error) or _stand_in(error)
    cause = _attribute(error, "__cause__")
    above = (*above, error)
    follows = isinstance(cause, Exception) and not any(cause is one for one in above)
    _follow(survivor, survivable(cause, above) if follows else None, None)
    return survivor


def describe(raised: BaseException, worker: Any) -> Described:
    """Return an error in a form that can be sent: pickled, and in words."""
    traceback = users_frames(_attribute(raised, "__traceback__"))
    BaseException.with_traceback(raised, None)
    pickled = _pickled(raised) if isinstance(raised, Exception) else None
    if pickled is None:
        pickled = pickle.dumps(_stand_in(raised))
    with contextlib.suppress(Exception):
        frames = tblib.Traceback(traceback).to_dict() if traceback is not None else None
        return {"exception": pickled, "traceback": frames, "text": in_words(raised), "worker": str(worker.name)}
    return {"exception": pickled, "traceback": None, "text": in_words(raised), "worker": str(worker.name)}


def _stand_in(error: BaseException) -> RuntimeError:
    return RuntimeError(in_words(error)).with_traceback(_attribute(error, "__traceback__"))


def _attribute(error: BaseException, name: str) -> Any:
    """Return an attribute that every exception has, whatever its class makes of attributes."""
    return object.__getattribute__(error, name)


def _pickled(error: BaseException) -> bytes | None:
    """Return a pickled error, if that can be loaded again."""
    cause, context = _attribute(error, "__cause__"), _attribute(error, "__context__")
    _follow(error, None, None)  # tblib has them pickled, too
    try:
        _ = error.with_traceback, error.args  # which all who handle it rely on
        pickling_support.install(error)  # as Dask does: classes with a constructor of their own load, too
        pickled = cloudpickle.dumps(error)
        pickle.loads(pickled)
    except BaseException:
        return None
    finally:
        _follow(error, cause, context)
    return pickled if len(pickled) < LARGEST else None


def _follow(error: BaseException, cause: BaseException | None, context: BaseException | None) -> None:
    """Set what an error came from, also of one that is a frozen dataclass."""
    object.__setattr__(error, "__cause__", cause)
    object.__setattr__(error, "__context__", context)


def _can_be_shown(error: BaseException) -> bool:
    try:
        return all(text == clean(text) for text in (str(error), repr(error)))
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
