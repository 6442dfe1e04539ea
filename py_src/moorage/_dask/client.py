"""The notebook's client and its futures.

Relied on, as read in distributed 2026.8.0: ``_gather`` and ``_scatter`` are what ``gather`` and ``scatter`` run on the
client's event loop; ``_send_to_scheduler`` puts a message into the client's stream, in order with all that the client
says itself; ``scheduler`` asks the scheduler, whose handlers are its methods, and is None when the client is closed;
``scheduler_comm`` is another one after each reconnection; a future has a state, in ``futures``, that is shared by all
futures of its key. Whatever a client computes goes through ``_graph_to_futures``. ``_reconnect`` is called when a
connection is lost, and at once cancels and forgets all ``futures``; then it calls ``_ensure_connected``, which seeks
the connection, again if it raises an OSError; ``_handle_report_task`` listens to the scheduler, ``_loop_runner`` has
the thread of the event loop. Without these parts no client is connected.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Collection, Container, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from moorage._dask import connecting, graphs
from moorage._dask.parts import parts_of

if TYPE_CHECKING:
    from distributed import Actor, Client, Future

logger = logging.getLogger(__name__)

SUBJECT = "connection of the notebook"

_LAST = 2.0  # seconds for what cannot be closed to be dropped

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.client:Client",
        calls={
            "_ensure_connected": ("timeout",),
            "_gather": ("futures", "direct"),
            "_graph_to_futures": ("expr", "keys", "span_metadata"),
            "_reconnect": (),
            "_release_key": ("key",),
            "_scatter": ("data", "workers", "direct", "timeout", "hash"),
            "_send_to_scheduler": ("msg",),
            "unregister_worker_plugin": ("name",),
        },
        has=("loop",),
        live=(
            "_asynchronous", "_event_handlers", "_handle_report_task", "_loop_runner", "_refcount_lock",
            "connection_args", "futures", "generation", "id", "rpc", "scheduler", "scheduler_comm", "status",
        ),
    ),
    *parts_of(SUBJECT, "distributed.client:Future", calls={"_result": ("raiseit",)}),
    *parts_of(
        SUBJECT, "distributed.client:FutureState", calls={"finish": ("type",), "reset": (), "wait": ("timeout",)}
    ),
    *parts_of(SUBJECT, "distributed.core:", calls={"send_recv": ("comm",)}),
    *parts_of(
        SUBJECT, "distributed.scheduler:Scheduler", calls={"get_worker_logs": ("workers",)}, has=("get_logs",),
        entries={"handlers": ("get_logs", "worker_logs")},
    ),
    *connecting.PARTS,
    *graphs.PARTS,
)  # fmt: skip


_outages: WeakKeyDictionary[Client, tuple[Callable[[], Awaitable[None]], Callable[[], Collection[Any]]]] = (
    WeakKeyDictionary()
)


def keep_trying(client: Client, before: Callable[[], Awaitable[None]], kept: Callable[[], Collection[Any]]) -> None:
    """Have a client seek a lost connection again, too, when an attempt ends before TLS begins; see ``connecting``.

    `before`: awaited before each attempt. `kept`: returns keys whose futures are not cancelled when a connection is
    lost, but wait: see `take_up_waiting`.
    """
    known = client in _outages
    _outages[client] = before, kept
    if known:
        return
    ensure, reconnect = client._ensure_connected, client._reconnect
    waiting: dict[Any, Any] = {}

    async def reconnect_and_keep() -> None:
        waiting.update((key, client.futures.pop(key)) for key in _outages[client][1]() if key in client.futures)
        await reconnect()

    async def ensure_connected(timeout: float | None = None) -> None:
        for key, state in waiting.items():
            state.reset()
            client.futures[key] = state
        waiting.clear()
        await _outages[client][0]()
        with connecting.connecting():
            await ensure(timeout=timeout)  # type: ignore[no-untyped-call]

    vars(client).update(_ensure_connected=ensure_connected, _reconnect=reconnect_and_keep)
    connecting.mend(client)


def take_up_waiting(client: Client, keys: Collection[Any], known: Container[Any]) -> None:
    """Have futures that wait since a connection was lost hear of their keys again; cancel those that are not `known`.

    On the client's event loop, with a new connection.
    """
    there = [key for key in keys if key in client.futures]
    desire(client, [key for key in there if key in known])
    for key in there:
        if key not in known and client.futures[key].status == "pending":
            client.futures.pop(key).cancel(reason="scheduler-connection-lost", msg="It was lost with its scheduler.")


def close(client: Client, within: float) -> None:
    """Close a client, whatever has become of its connection, and end its thread; not on its event loop.

    ``Client.close`` raises if nobody answers, and what has ended the client's listening. It is open then, and tries
    again when it is collected. `within`: seconds.
    """
    try:
        client.close(timeout=within)
    except Exception as error:
        logger.info("A client could not say farewell: %s", str(error) or type(error).__name__)
        _drop(client)
    if not sys.is_finalizing():
        client._loop_runner.stop()  # which Dask does not if it gave up by itself


def _drop(client: Client) -> None:
    """Let a client be closed, and tell nobody."""
    client.status = "closed"

    async def drop() -> None:
        if (listening := client._handle_report_task) is not None:
            listening.cancel()
            await asyncio.wait([listening])
            listening.cancelled() or listening.exception()  # seen, or asyncio would report it
        if client.scheduler_comm is not None:
            client.scheduler_comm.abort()
        client.scheduler = None
        for key in list(client.futures):
            client._release_key(key)
        await client.rpc.close()

    with suppress(Exception):  # the loop may be over
        asyncio.run_coroutine_threadsafe(drop(), client.loop.asyncio_loop).result(_LAST)  # type: ignore[union-attr]


def on_graphs(client: Client, note: Callable[[Sequence[Any]], None] | None) -> None:
    """Call `note` with the keys of each graph before it is sent, on the thread that asks for it; None: no more."""
    if note is None:
        vars(client).pop("_graph_to_futures", None)
        return
    to_futures: Any = type(client)._graph_to_futures

    def noted(expr: Any, keys: Any, *args: Any, **kwargs: Any) -> Any:
        note(list(keys))
        return to_futures(client, expr, keys, *args, **kwargs)

    vars(client)["_graph_to_futures"] = noted


async def gather(client: Client, futures: Any, *, direct: bool | None = None) -> Any:
    """Return the values of futures; on the client's event loop."""
    return await client._gather(futures, direct=direct)


async def scatter(client: Client, data: Any) -> Any:
    """Return futures of `data`, each value under a key of its own; on the client's event loop."""
    return await client._scatter(data, hash=False)


async def scatter_to(
    client: Client, data: Mapping[Any, Any], worker: str, *, direct: bool | None, timeout: float
) -> dict[Any, Future[Any]]:
    """Send values to one worker, and return their futures by key; on the client's event loop."""
    sent = await client._scatter(data, workers=[worker], direct=direct, timeout=timeout, hash=False)
    futures: dict[Any, Future[Any]] = sent
    return futures


def has_future(client: Client, key: Any) -> bool:
    """Whether there is a future of a key."""
    return key in client.futures


def is_pending(client: Client, key: Any) -> bool:
    """Whether there is a future of a key of which nothing has been said yet."""
    return (state := client.futures.get(key)) is not None and state.status == "pending"


def finish(client: Client, key: Any, kind: type) -> None:
    """Let the futures of a key be finished, with a value of that type."""
    client.futures[key].finish(type=kind)


def scheduler_of(client: Client) -> Any:
    """Return what asks the scheduler; None if the client is closed."""
    return client.scheduler


async def logs_of_scheduler(client: Client) -> Sequence[tuple[str, str]]:
    """Return the level and the line of what the scheduler has logged of late; on the client's event loop."""
    lines: Sequence[tuple[str, str]] = await scheduler_of(client).get_logs()
    return lines


async def logs_of_workers(client: Client, workers: Sequence[str] | None) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Return the same of `workers`, given by address, or of all; on the client's event loop."""
    lines: Mapping[str, Sequence[tuple[str, str]]] = await scheduler_of(client).worker_logs(workers=workers)
    return lines


def connection_of(client: Client) -> object:
    """Return what is another object after the client has been reconnected; None without a connection."""
    return client.scheduler_comm


def connection_args(client: Client) -> Mapping[str, Any]:
    """Return what a connection to a worker needs, for ``distributed.comm.connect``."""
    arguments: Mapping[str, Any] = client.connection_args
    return arguments


def cut_off_from(client: Client, address: str) -> None:
    """End the client's connections to a worker, and attempts to connect."""
    client.rpc.remove(address)


def desire(client: Client, keys: Collection[Any]) -> None:
    """Say in the client's stream that it wants `keys`."""
    client._send_to_scheduler({"op": "client-desires-keys", "keys": list(keys), "client": client.id})


def ask_for_key(client: Client, key: Any) -> None:
    """Have the scheduler say in the client's stream how it is about a key."""
    client._send_to_scheduler({"op": "report-key", "key": key})


async def told(future: Future[Any]) -> None:
    """Wait until something has been said of a future, be it that it is cancelled."""
    await future._result(raiseit=False)


async def settled(future: Future[Any]) -> None:
    """Wait until a future has a value, or an error."""
    assert future._state is not None
    await future._state.wait()


def known_future(client: Client, key: Any) -> Future[Any] | None:
    """Return a future of a key of which the client has one, unless that is being let go of."""
    from distributed import Future

    with client._refcount_lock:  # else the last one might go between question and answer
        return Future(key, client) if key in client.futures else None


def pending(client: Client) -> dict[Any, Any]:
    """Return the states of futures that have neither a value nor an error yet, by key."""
    return {key: state for key, state in list(client.futures.items()) if state.status == "pending"}


def awaits_any(client: Client) -> bool:
    """Whether one of the client's futures has neither a value nor an error yet."""
    return any(state.status == "pending" for state in reversed(list(client.futures.values())))


async def ended(state: Any, seconds: float) -> bool:
    """Wait until one of these is no longer pending; return whether it is so after so many seconds."""
    try:
        await state.wait(timeout=seconds)
    except TimeoutError:
        return bool(state.status != "pending")
    return True


def is_of(client: Client, future: Future[Any]) -> bool:
    """Whether a future was made since the client was last restarted."""
    return bool(future._generation == client.generation)


def revive(future: Future[Any]) -> None:
    """Let a future that is cancelled wait for its key once more."""
    assert future._state is not None
    future._state.reset()


def is_asynchronous(client: Client) -> bool:
    """Whether a client was made for code that runs on its event loop."""
    return bool(client._asynchronous)


def hears_of(client: Client, topic: str) -> bool:
    """Whether the client has a handler of a topic's events."""
    return topic in client._event_handlers


def address_of(actor: Actor) -> str:
    """Return the address of the worker on which an actor lives."""
    return str(actor._address)


def cut_off(client: Client) -> None:
    """Have all that is asked of a client fail, in a forked child: its event loop is the parent's."""
    client.status = "closed"
    # It does not run in this process. Closing it would reach into the parent's, with which it shares its selector.
    client.loop.asyncio_loop._closed = True  # type: ignore[union-attr]
