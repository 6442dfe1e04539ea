"""Waiting, in any thread, for what happens on the event loop of a Dask client.

Such a wait ends by an interrupt, when the client is closed, and when the scheduler has been silent for as long as the
setting ``moorage.answer-timeout`` says: a connection to a process that is stopped, or to a host that is gone, can stay
open for ever. Whoever waits asks the scheduler for a sign of life once a second; when nobody waits nothing runs.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, wait
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from moorage import config
from moorage.errors import UnreachableError

if TYPE_CHECKING:
    from distributed import Client

LOOK = 1.0
"""Seconds between looks at the scheduler while somebody waits."""

RECONNECT = "It is sought for a while; then attach again, or start another one."
"""What to do about a lost connection."""


def wait_for(client: Client, function: Callable[..., Awaitable[Any]], *args: Any, **kwargs: Any) -> Any:
    """Return what ``await function(*args, **kwargs)`` gives on the loop of `client`.

    As ``client.sync``, which waits for ever if the client is closed just then, or the scheduler stopped.

    Raises
    ------
    UnreachableError
        If the client is closed meanwhile, or the scheduler does not answer any more.
    """
    loop: asyncio.AbstractEventLoop = client.loop.asyncio_loop  # type: ignore[union-attr]
    if loop is _running_loop():
        raise RuntimeError("This would wait, on the event loop of the client, for what happens there.")

    async def run() -> Any:
        return await function(*args, **kwargs)

    if client.status in ("closing", "closed"):
        raise _closed()
    answer = asyncio.run_coroutine_threadsafe(run(), loop)
    try:
        while not wait([answer], LOOK).done:
            check(client)
    except BaseException:  # an interrupt, too
        answer.cancel()
        raise
    if answer.cancelled():
        raise _closed()
    return answer.result()


def check(client: Client) -> None:
    """See whether it makes sense to wait on; does not block. To be called about once a second while waiting.

    Raises
    ------
    UnreachableError
        If the client is closed, or the scheduler does not answer.
    """
    if client.status in ("closing", "closed"):
        raise _closed()
    with _lock:
        pulse = _pulses.setdefault(client, _Pulse())
    silence, limit = pulse.silence(client), config.seconds("answer-timeout")
    if silence > limit:
        address = client.scheduler.address if client.scheduler is not None else "its address"
        raise UnreachableError(
            f"The scheduler at {address} has not answered for {silence:.0f} s.",
            "It may be stopped, very busy or out of reach. What runs there goes on if it can: ask again, or allow more "
            "time with the setting moorage.answer-timeout.",
        )


class _Pulse:
    """For how long a scheduler has been silent, as far as anybody was waiting meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._question: Future[Any] | None = None
        self._silence = 0.0
        self._looked = 0.0

    def silence(self, client: Client) -> float:
        """Return the seconds without an answer, and ask again if nothing is being asked."""
        with self._lock:
            now = time.monotonic()
            # Time in which nobody looked says nothing of the scheduler: this process may have been stopped itself.
            self._silence += min(now - self._looked, 2 * LOOK)
            self._looked = now
            if self._question is None or self._question.done():
                if self._question is None or not (self._question.cancelled() or self._question.exception()):
                    self._silence = 0.0
                self._question = asyncio.run_coroutine_threadsafe(
                    _sign_of_life(client),
                    client.loop.asyncio_loop,  # type: ignore[union-attr]
                )
            return self._silence


_pulses: WeakKeyDictionary[Client, _Pulse] = WeakKeyDictionary()
_lock = threading.Lock()


async def _sign_of_life(client: Client) -> None:
    assert client.scheduler is not None
    await client.scheduler.echo(data=0)


def _closed() -> UnreachableError:
    return UnreachableError("The connection to the cluster was closed meanwhile.", "See %cluster.")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
