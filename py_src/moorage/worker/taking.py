"""Has tasks find the code that a worker has taken, and wait for code that is on its way. Shipped by value, alone."""

from __future__ import annotations

import sys
import time
from typing import Any

_LONGEST = 30.0  # seconds that a task waits for code
_LOOK = 0.02


def taken(module: str, name: str) -> Any:
    """Return what `module` has, which a plugin puts into worker processes; in the thread of a task.

    A worker that was stuck when the code came may have a task before it has the code. Raises ModuleNotFoundError if
    it does not come.
    """
    until = time.monotonic() + _LONGEST
    while (found := sys.modules.get(module)) is None:
        if time.monotonic() > until:
            raise ModuleNotFoundError(f"No module named {module!r}: moorage's code has not reached this worker.")
        time.sleep(_LOOK)
    return getattr(found, name)


class Taken:
    """Is what `taken` returns, where it is unpickled."""

    def __init__(self, module: str, name: str) -> None:
        self._what = module, name

    def __reduce__(self) -> tuple[Any, ...]:
        return taken, self._what
