"""Waiting, in any thread, for what happens on the event loop of a Dask client."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from moorage.errors import UnreachableError

if TYPE_CHECKING:
    from distributed import Client

_LOOK = 1.0  # seconds


def wait_for(client: Client, function: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
    """Return what ``await function(*args, **kwargs)`` gives on the loop of `client`.

    As ``client.sync``, which never returns if the client is closed just then.

    Raises
    ------
    UnreachableError
        If the client is closed meanwhile.
    """
    answer: concurrent.futures.Future[Any] = concurrent.futures.Future()
    tasks: list[asyncio.Future[Any]] = []
    loop: Any = client.loop

    def begin() -> None:
        task = asyncio.ensure_future(function(*args, **kwargs))
        task.add_done_callback(end)
        tasks.append(task)

    def end(task: asyncio.Future[Any]) -> None:
        if task.cancelled():
            answer.cancel()
        elif (error := task.exception()) is not None:
            answer.set_exception(error)
        else:
            answer.set_result(task.result())

    def stop() -> None:
        for task in tasks:
            task.cancel()

    loop.add_callback(begin)
    while True:
        try:
            return answer.result(_LOOK)
        except TimeoutError:
            if answer.done():
                raise
            if client.status == "closed":
                raise UnreachableError("The connection to the cluster was closed meanwhile.", "See %cluster.") from None
        except KeyboardInterrupt:
            loop.add_callback(stop)
            raise
