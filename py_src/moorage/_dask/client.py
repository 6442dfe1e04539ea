"""The notebook's client and its futures.

Relied on, as read in distributed 2026.8.0: ``_gather`` and ``_scatter`` are what ``gather`` and ``scatter`` run on the
client's event loop; ``_send_to_scheduler`` puts a message into the client's stream, in order with all that the client
says itself; a future has a state that is shared by all futures of its key. Without these parts no client is connected.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from moorage._dask import graphs
from moorage._dask.parts import parts_of

if TYPE_CHECKING:
    from distributed import Actor, Client, Future

SUBJECT = "connection of the notebook"

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.client:Client",
        calls={
            "_gather": ("futures", "direct"),
            "_scatter": ("data", "hash"),
            "_send_to_scheduler": ("msg",),
            "unregister_worker_plugin": ("name",),
        },
        has=("loop",),
        live=(
            "_asynchronous", "_event_handlers", "futures", "generation", "id", "rpc", "scheduler",
            "scheduler_comm", "status",
        ),
    ),
    *parts_of(SUBJECT, "distributed.client:Future", calls={"_result": ("raiseit",)}),
    *parts_of(SUBJECT, "distributed.client:FutureState", calls={"reset": (), "wait": ("timeout",)}),
    *parts_of(SUBJECT, "distributed.core:", calls={"send_recv": ("comm",)}),
    *graphs.PARTS,
)  # fmt: skip


async def gather(client: Client, futures: Any, *, direct: bool | None = None) -> Any:
    """Return the values of futures; on the client's event loop."""
    return await client._gather(futures, direct=direct)


async def scatter(client: Client, data: Any) -> Any:
    """Return futures of `data`, each value under a key of its own; on the client's event loop."""
    return await client._scatter(data, hash=False)


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
