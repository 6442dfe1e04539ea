"""Keys held alive on the scheduler, in the name of a client that is none, or of one that is told of them another way.

Relied on, as read in distributed 2026.8.0: ``client_desires_keys`` makes a client of any name that it does not know,
and that entry of ``clients`` can be taken away once it desires nothing; what a client desires stands in the
``wants_what`` of its state, and in the ``who_wants`` of the tasks. Dask's ways to add to these tell all clients of each
key once more, which of ten thousand keys costs more than all else. A client that cancels keys by force makes all others
let go of them, the pretended ones too; the method calls itself for what depends on a key. Without these parts the
scheduler plugin does not start.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from moorage._dask.parts import parts_of

if TYPE_CHECKING:
    from distributed import Scheduler

SUBJECT = "hold on placed keys"

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.scheduler:Scheduler",
        calls={
            "client_desires_keys": ("keys", "client"),
            "client_releases_keys": ("keys", "client"),
            "stimulus_cancel": ("keys", "client", "force", "reason", "msg"),
        },
        live=("clients",),
        entries={"stream_handlers": ("cancel-keys",)},
    ),
    *parts_of(
        SUBJECT,
        "distributed.scheduler:ClientState",
        has=("wants_what",),
        calls={"__init__": ("client",)},
    ),
)

_CANCEL = "cancel-keys"


def desire(scheduler: Scheduler, keys: Iterable[Any], client: str) -> None:
    """Keep `keys`, which the scheduler knows, alive in the name of a client, and tell nobody."""
    from distributed.scheduler import ClientState  # found missing by the check, rather than when moorage is imported

    if (desirer := scheduler.clients.get(client)) is None:
        desirer = scheduler.clients[client] = ClientState(client)
    for key in keys:
        ts = scheduler.tasks[key]
        if ts.who_wants is None:
            ts.who_wants = set()
        ts.who_wants.add(desirer)
        desirer.wants_what.add(ts)


def enter(scheduler: Scheduler, sizes: Mapping[Any, int], workers: Iterable[str], client: str) -> None:
    """Take it that workers have values of keys that the scheduler does not know, for a client, and tell nobody.

    `sizes`: bytes of each. `workers`: addresses of those that have all of them.
    """
    holders = [scheduler.workers[address] for address in workers]
    for key, nbytes in sizes.items():
        ts = scheduler.new_task(key, None, "memory")
        ts.set_nbytes(nbytes)
        for holder in holders:
            scheduler.add_replica(ts, holder)
    desire(scheduler, sizes, client)


def release(scheduler: Scheduler, keys: Iterable[Any], client: str) -> None:
    """Let go of keys in the name of a client."""
    scheduler.client_releases_keys(list(keys), client)


def desire_and_tell(scheduler: Scheduler, keys: Iterable[Any], client: str) -> None:
    """Keep `keys` alive in the name of a client, as if it had asked for them: it is told how they are."""
    scheduler.client_desires_keys(list(keys), client)


def shadow_cancel(scheduler: Scheduler, keeps: Callable[[Any], bool]) -> Callable[[], Any]:
    """Leave the keys that ``keeps(key)`` says to all but the client that cancels them; return what undoes it.

    What depends on them is cancelled as it would be.
    """
    original, handlers = scheduler.stimulus_cancel, scheduler.stream_handlers
    before = handlers[_CANCEL]

    def cancel(keys: Collection[Any], client: str, force: bool, reason: Any = None, msg: Any = None) -> None:
        kept = {key for key in keys if keeps(key)} if force and client in scheduler.clients else set()
        dependents = [dts.key for key in kept for dts in scheduler.tasks[key].dependents]
        original([*dependents, *(key for key in keys if key not in kept)], client, force, reason, msg)
        if kept:
            release(scheduler, kept, client)

    handlers[_CANCEL] = scheduler.__dict__["stimulus_cancel"] = cancel

    def undo() -> None:
        scheduler.__dict__.pop("stimulus_cancel", None)
        if handlers.get(_CANCEL) is cancel:
            handlers[_CANCEL] = before

    return undo


def desires_nothing(scheduler: Scheduler, client: str) -> bool:
    """Whether a client that the scheduler knows desires no key."""
    return not scheduler.clients[client].wants_what


def forget_client(scheduler: Scheduler, client: str) -> None:
    """Forget a client that is none."""
    scheduler.clients.pop(client, None)
