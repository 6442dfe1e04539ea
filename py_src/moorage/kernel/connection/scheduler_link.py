"""The notebook's end of the conversation with the scheduler plugin.

Puts the plugin on the scheduler, keeps the `Mirror` up to date from its events, waits for placements to be met, and
answers when the scheduler asks for a value again. Runs on the client's event loop. The verbs are in
`kernel/placement/placer.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict
from uuid import uuid4

from distributed import Future

from moorage import config
from moorage._dask import client as boundary
from moorage.errors import MoorageError, NotPlaceableError, UnknownWorkerError, UnreachableError
from moorage.kernel.code import sending
from moorage.kernel.code.sending import CodeSender
from moorage.kernel.connection.events import Events
from moorage.kernel.connection.mirror import GapError, Mirror, by_name
from moorage.kernel.connection.restoring import Restoring
from moorage.kernel.images.sending import Images
from moorage.kernel.install import install_plugin
from moorage.kernel.values.value_registry import ValueRegistry
from moorage.kernel.waiting import (
    RECONNECT,
    SLOWEST_LINK,
    answer,
    dask_scheduler_of,
    running_loop,
    scheduler_of,
    unsubscribe,
)
from moorage.model import WorkerInfo
from moorage.wire.handlers import SchedulerHandlers
from moorage.wire.saves import Filed
from moorage.wire.scheduler import TOPIC, Event, Load, PartsTable, PlaceItem, SchedulerSnapshot, VariableRecord

if TYPE_CHECKING:
    from distributed import Client

logger = logging.getLogger(__name__)

_CUT_AGAIN = (0.0, 0.2, 2.0)  # seconds after a worker has left

Kind = str
"""What changed: ``variables``, ``workers``, ``cluster``, ``notices``, ``events``, ``arriving`` (bytes on their way)."""


Level: TypeAlias = Literal["info", "warning", "error"]


class Notice(TypedDict):
    """Something that failed or that the user should know; stays until dismissed."""

    id: str
    level: Level
    message: str
    remedy: str
    variable: str  # that it is about, or empty


Reclaim: TypeAlias = Callable[[Mapping[str, VariableRecord]], Awaitable[None]]


class SchedulerLink:
    """Talks with the plugin on one scheduler.

    `origins`: the notebook's values, for when the scheduler has lost one. `owner`: what it is called on the cluster.
    """

    def __init__(self, client: Client, origins: ValueRegistry, owner: str) -> None:
        self.client = client
        self.origins = origins
        self.images = Images(client, sending.MODULE)
        self.code = CodeSender(client, owner)
        self.mirror = Mirror()
        self.notices: dict[str, Notice] = {}
        self.events = Events(owner)
        #: Names of the workers that are asked for; some may not have come yet.
        self.requested: Collection[str] = ()
        #: Called with variables (``vid``) that were let go of, here or elsewhere, with the cluster going on.
        self.on_released: Callable[[Iterable[str]], None] = lambda vids: None
        #: Called with a variable (``vid``) and those of its keys that belong to it no longer.
        self.on_gone: Callable[[str, list[Any]], None] = lambda vid, keys: None
        self._ids = count(1)
        self._callbacks: list[Callable[[Kind], None]] = []
        self._restoring = Restoring(client, origins, self.images, self.mirror, self.workers, self.notice)
        #: The connection on which all is as it should be; None before the first.
        self.connection: object = None
        #: How many schedulers there have been at this address.
        self.lives = 0
        self._scheduler_id = ""
        self._unclaimed: dict[str, VariableRecord] | None = None  # what the last scheduler knew, and this one does not
        self._tick: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def connect(self, reclaim: Reclaim | None = None) -> bool:
        """Put the plugin on the scheduler unless it is there, and subscribe to its events.

        `reclaim`: awaited with what was known before, by ``vid``, if this is another scheduler, to place it again.
        Returns whether it is another one. Raises VersionError if another version of moorage is there.
        """
        self._tick = self._tick or asyncio.Event()
        before = self.mirror.snapshot()[0] if self._unclaimed is None else self._unclaimed
        connection = boundary.connection_of(self.client)
        waiting = [key for record in before.values() for key in record["keys"]]
        await install_plugin(self.client)
        self.client.subscribe_topic(TOPIC, self._on_event)
        scheduler = (await answer(self.client, dask_scheduler_of(self.client).identity(n_workers=0)))["id"]
        new = bool(scheduler != self._scheduler_id)
        snapshot = await self._subscribed()
        self._unclaimed = before if new else None  # it may fail from here on, and is tried again
        with self._noticing_what_goes():
            self.mirror.reset(snapshot, anew=True)
            if new and reclaim is not None:
                await reclaim(before)
        boundary.take_up_waiting(
            self.client, waiting, {k for v in self.mirror.snapshot()[0].values() for k in v["keys"]}
        )
        self._scheduler_id, self._unclaimed = scheduler, None
        self.lives += new
        self.connection = connection
        self.changed("variables", "workers")
        self._background(self._prepare_workers())
        return new

    def rely_on(self, store: str) -> None:
        """Send values again that the notebook does not have, or need not send, from a store; see ``deploy.fdstore``."""
        self._restoring.store = store

    @property
    def is_back(self) -> bool:
        """Whether there is a connection, and the scheduler knows all again that this notebook has told it."""
        connected = self.client.status == "running"
        return connected and boundary.connection_of(self.client) is self.connection

    async def back(self, lives: int = 0) -> None:
        """Wait until `is_back`, after so many `lives`, within bounds. Raises UnreachableError."""
        deadline = time.monotonic() + config.seconds("start-timeout") + config.seconds("answer-timeout")
        while not self.is_back or self.lives <= lives:
            if self.client.status in ("closing", "closed") or time.monotonic() > deadline:
                raise UnreachableError("The connection to the scheduler is lost.", RECONNECT)
            assert self._tick is not None
            with suppress(TimeoutError):
                await asyncio.wait_for(self._tick.wait(), 0.1)  # nobody tells when a client gives up

    async def _prepare_workers(self) -> None:
        """Have workers keep from now on what they log, for when they end; values would bring the same code later."""
        with suppress(MoorageError, OSError):  # what is placed says what is wrong
            await self.images.install()

    async def leave(self, *topics: str) -> None:
        """Listen no longer, and answer nothing: to the scheduler as if the client had left, though it may go on."""
        for topic in (TOPIC, *topics):
            unsubscribe(self.client, topic)
        for task in self._tasks:
            task.cancel()
        with suppress(Exception):  # the scheduler is gone, or does not know this request
            await answer(self.client, self._scheduler.moorage_leave(client=self.client.id))

    async def resync(self) -> None:
        """Take everything as it stands, after a gap."""
        snapshot = await self._subscribed()
        with self._noticing_what_goes():
            self.mirror.reset(snapshot)
        self.changed("variables", "workers")

    async def _subscribed(self) -> SchedulerSnapshot:
        return await answer(self.client, self._scheduler.moorage_subscribe(client=self.client.id))

    async def place(
        self, items: list[PlaceItem], loads: Sequence[Load] = (), call: str = "", ever: Iterable[str] = ()
    ) -> set[Any]:
        """Record placements on the scheduler, and have it deliver small values of theirs first.

        `ever`: names of workers that may be meant, although this scheduler has never seen them. Returns those of
        `loads` that are on no worker. Raises UnknownWorkerError if a placement names a worker that was never there and
        is not asked for. Nothing has changed. Raises NotPlaceableError if a key is that of an actor. Nothing has
        changed. Raises CancelledError if `withdraw` came first. Nothing has changed.
        """
        asking = self._scheduler.moorage_place(
            items=items, client=self.client.id, requested=[*self.requested, *ever], loads=loads, call=call
        )
        placed = await answer(self.client, asking, sum(load["nbytes"] for load in loads) / SLOWEST_LINK)
        if placed["status"] == "unknown-worker":
            raise UnknownWorkerError(placed["asked"], placed["known"])
        if placed["status"] == "actor":
            raise NotPlaceableError(
                f"The actor {placed['key']!r} cannot be placed: it lives on its worker and cannot be copied.",
                "Place the data it works on instead.",
            )
        if placed["status"] == "withdrawn":
            raise asyncio.CancelledError
        with self._noticing_what_goes():
            self.mirror.put(placed["variables"], placed["revision"])
        self.changed("variables")
        return set(placed["lacking"])

    def withdraw(self, call: str) -> None:
        """Let nothing come of a `place` that is not recorded yet; does not wait."""
        self._background(self._scheduler.moorage_withdraw(call=call))

    async def release(self, vids: list[str]) -> None:
        """Forget placements on the scheduler, after it has dealt with all that this client sent before."""
        await self.flush()
        revision = await answer(self.client, self._scheduler.moorage_release(vids=vids))
        with self._noticing_what_goes():
            self.mirror.put(dict.fromkeys(vids), revision)
        self.on_released(vids)
        self.changed("variables")

    async def filed(
        self,
        files: Mapping[Any, bytes],
        durable: Mapping[str, Filed],
        instead: Collection[Any] = (),
    ) -> None:
        """Tell the scheduler how keys are read from files, and how far durable variables are; see `FileHandlers`."""
        telling = self._scheduler.moorage_filed(files=files, durable=durable, instead=list(instead))
        await answer(self.client, telling, sum(map(len, files.values())) / SLOWEST_LINK)

    async def sending(self, keys: Mapping[str, Sequence[Any]], broken_off: Sequence[str] | None = None) -> None:
        """Tell the scheduler what is about to go straight to which workers, and to whom it did not go."""
        telling = self._scheduler.moorage_sending(client=self.client.id, keys=keys, broken_off=broken_off)
        await answer(self.client, telling)

    def broken_off(self, workers: Sequence[str]) -> None:
        """Tell the scheduler to whom it did not go; does not wait."""
        self._background(self.sending({}, workers))

    async def workers(self) -> list[WorkerInfo]:
        """Return the workers with their memory as it is now, by name."""
        workers = await answer(self.client, self._scheduler.moorage_workers())
        return by_name(WorkerInfo(**worker) for worker in workers)

    async def who_has(self, keys: list[Any]) -> dict[Any, set[str]]:
        """Return the addresses of the workers that have each key, as Dask knows."""
        known = await answer(self.client, dask_scheduler_of(self.client).who_has(keys=keys))
        return {key: set(addresses) for key, addresses in known.items()}

    async def parts(self, keys: list[Any]) -> PartsTable:
        """Return which workers have keys, and how large these are."""
        return await answer(self.client, self._scheduler.moorage_parts(keys=keys))

    async def shared(self, keys: list[Any]) -> dict[Any, dict[str, tuple[int, int]]]:
        """Return how many bytes of keys workers, by address, have in memory that their host shares, and besides."""
        return await answer(self.client, self._scheduler.moorage_sharing(keys=keys)) if keys else {}

    async def refresh(self) -> None:
        """Bring the mirror up to this moment, rather than to the last event."""
        snapshot = await answer(self.client, self._scheduler.moorage_state())
        with self._noticing_what_goes():
            self.mirror.reset(snapshot)
        self.changed("variables", "workers")

    async def flush(self) -> None:
        """Wait until the scheduler has dealt with all that this client has sent, and the client with all it said.

        Graphs, and futures that are made and let go, travel by Dask's stream of messages, requests by connections of
        their own: without this they overtake each other. Raises UnreachableError.
        """
        # Of a key that nobody knows Dask says that it is cancelled; question and answer keep to the stream.
        if self.client.status == "running":
            told = Future[Any](f"moorage-flush-{uuid4().hex}", self.client)
            boundary.ask_for_key(self.client, told.key)
            await answer(self.client, boundary.told(told))
        if self.client.status != "running":  # maybe only now: all futures are cancelled then
            raise UnreachableError("The connection to the scheduler is lost.", RECONNECT)

    async def uninstall(self) -> None:
        """Restore the stock scheduler."""
        await answer(self.client, self._scheduler.moorage_uninstall())

    async def settled(self, vids: Iterable[str], timeout: float) -> None:
        """Wait until nothing moves of these variables, at most `timeout` seconds.

        Raises UnreachableError if the connection is lost meanwhile.
        """
        deadline = time.monotonic() + timeout
        vids = list(vids)
        while any(self._moving(vid) for vid in vids) and (left := deadline - time.monotonic()) > 0:
            await self.next_change(left)

    async def next_change(self, timeout: float) -> None:
        """Wait for the next change of anything, at most `timeout` seconds.

        Raises UnreachableError if the connection is lost.
        """
        assert self._tick is not None
        if self.client.status != "running":
            raise UnreachableError("The connection to the scheduler is lost.", RECONNECT)
        tick = self._tick
        with suppress(TimeoutError):
            await asyncio.wait_for(tick.wait(), timeout)

    def subscribe(self, callback: Callable[[Kind], None]) -> Callable[[], None]:
        """Call `callback` with the kind of each change, on the event loop; return how to end that."""
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback) if callback in self._callbacks else None

    def changed(self, *kinds: Kind) -> None:
        """Tell those who wait and those who subscribed; from any thread."""
        loop: Any = self.client.loop
        if running_loop() is not loop.asyncio_loop:
            loop.add_callback(self.changed, *kinds)
            return
        if self._tick is not None:
            self._tick.set()
            self._tick = asyncio.Event()
        for kind in kinds:
            for callback in list(self._callbacks):
                try:
                    if callback in self._callbacks:  # which another thread may just have ended
                        callback(kind)
                except Exception:
                    logger.exception("A subscriber failed")

    def notice(self, level: Level, message: str, remedy: str = "", variable: str = "", *, told: bool = False) -> None:
        """Keep something that the user should know until it is dismissed; `told`: there is an event of it."""
        if not told:
            self.events.notice(level, message, remedy, variable)
        notice_id = str(next(self._ids))
        self.notices[notice_id] = Notice(id=notice_id, level=level, message=message, remedy=remedy, variable=variable)
        self.changed("notices")

    def _moving(self, vid: str) -> bool:
        record = self.mirror.variables.get(vid)
        return record is not None and record["state"] == "moving"

    @property
    def _scheduler(self) -> SchedulerHandlers:
        return scheduler_of(self.client)

    @contextmanager
    def _noticing_what_goes(self) -> Iterator[None]:
        """Report variables, and keys of variables, that the mirror has before and no longer after; cut off workers."""
        before, workers = dict(self.mirror.variables), self.mirror.addresses()
        yield
        for address in workers - self.mirror.addresses():
            self._cut_off(address)
        after = self.mirror.variables
        for vid, record in before.items():
            keys = after[vid]["keys"] if vid in after else []
            if keys is not record["keys"] and (gone := set(record["keys"]) - set(keys)):
                self.on_gone(vid, list(gone))

    def _cut_off(self, address: str) -> None:
        """Do not wait for connections to a worker that has left; see ``scheduler/recovery/departed.py``."""
        for seconds in _CUT_AGAIN:
            asyncio.get_running_loop().call_later(seconds, boundary.cut_off_from, self.client, address)

    def _on_event(self, event: Event) -> None:
        if event["type"] == "restore":
            self._background(self._restoring.restore(event["keys"], event["holders"]))
            return
        if event["type"] == "notice":
            self.notice(event["level"], event["message"], event["remedy"])
            return
        if event["type"] == "worker-left":
            self.events.worker_left(event, self.mirror.variables, self.mirror.snapshot()[1])
            self.changed("events")
            return
        if event["type"] == "let-go":
            words = self.events.let_go(event)
            self.changed("events")
            if event["owner"] == self.events.owner:
                self.notice("info", f"{words}.", f"Place it again: %broadcast {event['name']} --for 2h.", told=True)
            return
        self.on_released(event["released"])
        workers = list(filter(self.mirror.workers.__contains__, event["workers"]))
        try:
            with self._noticing_what_goes():
                kinds = self.mirror.apply(event)
        except GapError:
            self._background(self.resync())
            return
        if kinds:
            self.events.changed(event, self.mirror.variables, workers)
        self.changed(*sorted(kinds))

    def _background(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and self.client.status == "running":
            logger.error("Could not answer the scheduler: %s", error, exc_info=error)
