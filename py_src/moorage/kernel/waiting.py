"""Waiting, in any thread, for what happens on the event loop of a Dask client.

Such a wait ends by an interrupt, when the client is closed, and when the scheduler has been silent for as long as the
setting ``moorage.answer-timeout`` says: a connection to a process that is stopped, or to a host that is gone, can stay
open for ever. Whoever waits asks the scheduler for a sign of life once a second; when nobody waits nothing runs.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from distributed import futures_of

from moorage import config
from moorage._dask import client as boundary
from moorage.errors import MoorageError, UnreachableError
from moorage.wire.handlers import SchedulerHandlers

if TYPE_CHECKING:
    from distributed import Client, Future

T = TypeVar("T")

LOOK = 1.0
"""Seconds between looks at the scheduler while somebody waits."""

SLOWEST_LINK = 10e6
"""Bytes per second: large values have so much more time to arrive."""

RECONNECT = "It is sought for a while; then attach again, or start another one."
"""What to do about a lost connection."""


def wait_for(
    client: Client, function: Callable[..., Awaitable[T]], *args: Any, within: float | None = None, **kwargs: Any
) -> T:
    """Return what ``await function(*args, **kwargs)`` gives on the loop of `client`.

    As ``client.sync``, which waits for ever if the client is closed just then, or the scheduler stopped. `function`:
    returns an awaitable when it is called on the loop; so do the methods of `client`. `args`, `kwargs`: of `function`.
    `within`: seconds. Raises UnreachableError if the client is closed meanwhile, or the scheduler stops answering.
    Raises TimeoutError if the time is up.
    """
    loop: asyncio.AbstractEventLoop = client.loop.asyncio_loop  # type: ignore[union-attr]
    if loop is running_loop():
        raise RuntimeError("A blocking call on the client's event loop would deadlock.")

    async def run() -> T:
        return await asyncio.wait_for(function(*args, **kwargs), within)

    if client.status in ("closing", "closed"):
        raise _closed()
    # Held until it has ended. concurrent.futures.wait leaves a cycle behind if it is interrupted; an Event lets go of
    # its own lock while the other thread has it.
    under_way = threading.Lock()
    under_way.acquire()
    answer = asyncio.run_coroutine_threadsafe(run(), loop)
    answer.add_done_callback(lambda _: under_way.release())
    try:
        while not under_way.acquire(timeout=LOOK):
            check(client)
    except BaseException:  # an interrupt, too
        answer.cancel()
        del answer  # perhaps it came just then: nobody has it, and the traceback must not keep it
        raise
    if answer.cancelled():
        raise _closed()
    try:
        return answer.result()
    except RuntimeError as error:  # of Dask's connections
        if client.status in ("closing", "closed"):
            raise _closed() from error
        raise


def result_of(future: Future[T], within: float | None = None) -> T:
    """Return the result of a Dask future or raise its error, as ``future.result(within)``; see `wait_for`."""

    async def result() -> T:
        with _told_apart(future.client, future):
            value: T = await future
        return value

    return wait_for(future.client, result, within=within)


async def gather(client: Client, futures: Any, direct: bool | None = None) -> Any:
    """Return the values of Dask futures, as ``Client.gather``; on the event loop of `client`.

    `direct`: fetch from the workers themselves, rather than through the scheduler. Raises UnreachableError if the
    connection is lost.
    """
    with _told_apart(client, futures):
        return await boundary.gather(client, futures, direct=direct)


def pending(client: Client) -> set[Any]:
    """Return the keys of the client's futures that have neither a value nor an error yet."""
    return set(boundary.pending(client))


async def until_ended(client: Client, but: Collection[Any]) -> None:
    """Wait until all futures of `client` have a value or an error, but for those of some keys; on its event loop."""
    while waited_for := {key: state for key, state in boundary.pending(client).items() if key not in but}:
        for key, state in waited_for.items():
            while boundary.has_future(client, key) and not await boundary.ended(state, LOOK):
                check(client)


@contextmanager
def _told_apart(client: Client, futures: Any) -> Iterator[None]:
    """Turn failures to get at futures into an error that says so, but not what their own code has raised."""
    with _closed_meanwhile(client):
        try:
            yield
        except (OSError, TimeoutError, concurrent.futures.CancelledError) as error:
            cancelled = isinstance(error, concurrent.futures.CancelledError)
            if any(future.status == "error" for future in futures_of(futures)) or (
                cancelled and client.status == "running"
            ):
                raise
            raise UnreachableError("The connection to the scheduler is lost.", RECONNECT) from error


async def answer(client: Client, question: Awaitable[T], more: float = 0.0) -> T:
    """Return the scheduler's answer to a question; on the event loop of `client`.

    `more`: seconds that this may take more than an answer takes at most. Raises UnreachableError if there is none in
    time, or no connection.
    """
    with reaching(client), _closed_meanwhile(client):
        return await asyncio.wait_for(question, config.seconds("answer-timeout") + more)


@contextmanager
def _closed_meanwhile(client: Client) -> Iterator[None]:
    """Say that a client was closed where Dask's own code, which asks for more than one thing, finds no scheduler."""
    try:
        yield
    except AttributeError:
        if boundary.scheduler_of(client) is None:
            raise _closed() from None
        raise


def unsubscribe(client: Client, topic: str) -> None:
    """Stop calling back upon events of a topic; the client may go on for other purposes."""
    if client.status == "running" and boundary.hears_of(client, topic):
        client.subscribe_topic(topic, _ignore)  # Dask keeps the handler for events that are on their way
        client.unsubscribe_topic(topic)


def _ignore(event: Any) -> None:
    """Do nothing."""


def scheduler_of(client: Client) -> SchedulerHandlers:
    """Return what asks the scheduler for what moorage answers there. Raises UnreachableError if `client` is closed."""
    handlers: SchedulerHandlers = dask_scheduler_of(client)
    return handlers


def dask_scheduler_of(client: Client) -> Any:
    """Return what asks the scheduler for what Dask answers. Raises UnreachableError if `client` is closed."""
    if (scheduler := boundary.scheduler_of(client)) is None:
        raise _closed()
    return scheduler


async def ask_workers(client: Client, message: Mapping[str, Any], addresses: Collection[str]) -> dict[str, Any]:
    """Return the answers of workers, by address, to a message; without those of workers that break off.

    Raises UnreachableError if the client is closed, and KeyError if one of the workers has left.
    """
    asking = dask_scheduler_of(client).broadcast(msg=message, workers=list(addresses), on_error="ignore")
    answers: dict[str, Any] = await asking
    return answers


@contextmanager
def reaching(client: Client) -> Iterator[None]:
    """Turn a failure to reach the scheduler, or to hear from it in time, into an error that says so.

    Raises UnreachableError.
    """
    try:
        yield
    except (OSError, TimeoutError) as error:
        if isinstance(error, MoorageError):
            raise
        why = str(error) or type(error).__name__
        where = address_of(client, "its address")
        raise UnreachableError(f"The scheduler at {where} does not answer: {why}.", RECONNECT) from error


def check(client: Client) -> None:
    """See whether it makes sense to wait on; does not block. To be called about once a second while waiting.

    Raises UnreachableError if the client is closed, or the scheduler does not answer.
    """
    if client.status in ("closing", "closed"):
        raise _closed()
    with _lock:
        pulse = _pulses.setdefault(client, _Pulse())
    silence, limit = pulse.silence(client), config.seconds("answer-timeout")
    if silence > limit:
        raise UnreachableError(
            f"The scheduler at {address_of(client, 'its address')} has not answered for {silence:.0f} s.",
            "It may be stopped, very busy or out of reach. Work there continues if it can: ask again, or allow more "
            "time with the setting moorage.answer-timeout.",
        )


class _Pulse:
    """For how long a scheduler has been silent, as far as anybody was waiting meanwhile."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._question: concurrent.futures.Future[Any] | None = None
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
    await dask_scheduler_of(client).echo(data=0)


def address_of(client: Client, otherwise: str = "") -> str:
    """Return the address of the scheduler of `client`, or `otherwise` if that is closed."""
    scheduler = boundary.scheduler_of(client)
    return str(scheduler.address) if scheduler is not None else otherwise


def _closed() -> UnreachableError:
    return UnreachableError("The connection to the cluster was closed in the meantime.", "See %cluster.")


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop of this thread, if one runs."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
