"""What tasks raise, in a form in which it reaches the notebook: pickled, in words, and with the user's own frames."""

from __future__ import annotations

import pickle
import types
from typing import Any

import cloudpickle
import tblib  # type: ignore[import-untyped]


class Cancelled(Exception):
    """The notebook has no more use for this task."""


def users_frames(traceback: types.TracebackType | None) -> types.TracebackType | None:
    """Cut the frames of this package off the top of `traceback`."""
    rest = traceback
    while rest is not None and rest.tb_frame.f_globals.get("__name__", "").startswith("moorage.worker"):
        rest = rest.tb_next
    return rest or traceback


def survivable(error: BaseException) -> Exception:
    """Return `error`, or what stands for it if it would end the process that it is raised in, such as `SystemExit`."""
    if isinstance(error, Exception):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}").with_traceback(error.__traceback__)


def describe(raised: BaseException, worker: Any) -> dict[str, Any]:
    """Return an error in a form that can be sent: pickled, and in words."""
    error = survivable(raised)
    traceback = users_frames(error.__traceback__)
    error.__traceback__ = None
    try:
        exception = cloudpickle.dumps(error)
        pickle.loads(exception)
    except Exception:  # errors with a constructor of their own often do not come back
        exception = pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
    return {
        "exception": exception,
        "traceback": tblib.Traceback(traceback).to_dict() if traceback is not None else None,
        "text": f"{type(error).__name__}: {error}"[:2000],
        "worker": str(worker.name),
    }
