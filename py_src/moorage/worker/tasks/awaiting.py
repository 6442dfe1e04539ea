"""Awaits what coroutine functions return, as Dask does: on the event loop of the worker. Shipped by value."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from moorage._dask.server import loop_of
from moorage.worker.tasks.errors import Cancelled

_LOOK = 0.5  # seconds between looks at whether the value is still wanted


def awaited(coroutine: Coroutine[Any, Any, Any], worker: Any, wanted: Callable[[], bool]) -> Any:
    """Return what `coroutine` returns, or raise what it raises. Called in the thread of a task.

    Raises Cancelled if it is no longer wanted.
    """
    running = asyncio.run_coroutine_threadsafe(_guarded(coroutine), loop_of(worker))
    done, error = threading.Event(), None
    running.add_done_callback(lambda _: done.set())
    try:
        while not done.wait(_LOOK):
            if not wanted():
                running.cancel()
                raise Cancelled
        value, error = running.result()
        if error is not None:
            raise error
        return value
    finally:
        del running, error  # the error keeps this frame


async def _guarded(coroutine: Coroutine[Any, Any, Any]) -> tuple[Any, BaseException | None]:
    """Await `coroutine` and return its value, or what it raised: `SystemExit` would end the event loop."""
    try:
        return await coroutine, None
    except BaseException as error:
        return None, error
