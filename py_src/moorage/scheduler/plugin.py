"""The scheduler plugin: what of moorage runs on the scheduler, put together.

It listens to the scheduler's events and turns them into marks for the reconciler and the journal, answers what
notebooks and workers ask (``moorage.wire.scheduler``), and undoes all it did when it is taken away. How a placement is
carried out stands in the other modules of this package.

Workers register as ``init``: the event that matters is the change of their status to ``running``, which plugins see
through ``log_event`` only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from distributed.diagnostics.plugin import SchedulerPlugin

from moorage._dask.connecting import pool_of
from moorage._dask.parts import rely_on
from moorage._dask.scheduler import PARTS
from moorage._dask.scheduler.events import forget_events
from moorage._dask.scheduler.memory_manager import hide
from moorage._dask.scheduler.plugins import extend, take_code_off, take_out
from moorage._dask.scheduler.replicas import watch_replicas
from moorage._dask.server import answer, answers, every
from moorage.collector import collecting_rarely
from moorage.plan import Address, Key
from moorage.scheduler.adopt import Adopter
from moorage.scheduler.asked import is_there, named, refused
from moorage.scheduler.causes import Causes
from moorage.scheduler.desired import Desired, record_of
from moorage.scheduler.journal import Journal, worker_dict
from moorage.scheduler.keeping import Keeper
from moorage.scheduler.ledger import Ledger
from moorage.scheduler.placement.dealer import Dealer
from moorage.scheduler.placement.delivery import Delivery
from moorage.scheduler.placement.reconcile import Reconciler, in_slices
from moorage.scheduler.placement.tally import Counting
from moorage.scheduler.recovery.aftermath import Aftermath
from moorage.scheduler.recovery.casualties import Casualties
from moorage.scheduler.recovery.departed import Departed
from moorage.scheduler.recovery.files import Files
from moorage.scheduler.recovery.lives import Lives
from moorage.scheduler.recovery.restorer import Restorer, is_value
from moorage.scheduler.recovery.strays import Strays
from moorage.scheduler.shared import Shared
from moorage.scheduler.status import Workers, standing_of
from moorage.scheduler.tasks.code_store import CodeStore
from moorage.scheduler.tasks.history import History
from moorage.scheduler.tasks.restrictions import Restrictions
from moorage.scheduler.tasks.turns import Turns
from moorage.scheduler.tasks.work import PlainWork
from moorage.scheduler.tasks.worker_code import WorkerCode
from moorage.scheduler.transfers import Transfers
from moorage.scheduler.validate import check
from moorage.wire.images import FORWARDING_TOPIC, SHARED_TOPIC
from moorage.wire.scheduler import (
    PROTOCOL_VERSION,
    IsActor,
    Load,
    Placed,
    PlaceItem,
    SchedulerSnapshot,
    UnknownWorker,
    VariableRecord,
    Withdrawn,
    WorkerDict,
    WorkerLeft,
    placement_from_dict,
)
from moorage.wire.tasks import OUTPUT_TOPIC

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState, WorkerState

NAME = "moorage"
_SWEEP = 2.0  # seconds
_MEMORY = 1.0  # seconds, between looks at that of the workers
_ROUNDS = 100  # slices of time
# What the names of our plugins on workers begin with.
_ON_WORKERS = ("moorage_code_", "moorage_images_", "moorage_worker_", "moorage_nanny")
_ANSWER_SECONDS = 5.0  # of the workers, when code is taken off them


class PlacementSchedulerPlugin(SchedulerPlugin):
    """Keeps placed keys where they should be, and tells subscribers where they are.

    `adopt`: whether plain ``scatter(broadcast=)`` and ``replicate`` of any client become placements too.
    """

    name = NAME

    def __init__(self, adopt: bool = True) -> None:
        self._adopts = adopt

    async def start(self, scheduler: Scheduler) -> None:
        """Take up work on `scheduler`, unless it lacks something that is relied on: then nothing is touched."""
        rely_on(PARTS, scheduler, pool_of(scheduler))
        self.scheduler = scheduler
        self.desired = Desired()
        self.shared = Shared(scheduler)
        self.casualties = Casualties(scheduler, self.desired, self.shared)
        self.reconciler = Reconciler(scheduler, self.desired, self._key_changed, self.casualties, self.shared)
        self._topics = {SHARED_TOPIC: self.shared.note, FORWARDING_TOPIC: self.reconciler.spreads.note}
        self.lives = Lives(scheduler)
        self.history = History(scheduler)
        self.memory = Ledger(scheduler, self.desired, self.shared)
        self.transfers = Transfers(scheduler, self.memory)
        self.strays = Strays(
            scheduler, lambda ts, worker: self.origins.found(ts, worker), self.reconciler.replica_went, self.lives
        )
        self.files = Files(scheduler, self.desired, lambda vids: self.journal.mark(tuple(vids)))
        parts = self.strays, self.casualties, self.lives, self.history, self.files
        self.origins = Restorer(scheduler, self._ask_origin, *parts)
        self.delivery = Delivery(scheduler, self.reconciler, self.origins, self.strays)
        self._workers = Workers(scheduler, self.shared)
        self.journal = Journal(scheduler, self._variable, self._workers)
        self.dealer = Dealer(scheduler, self.desired, self.reconciler)
        self.keeper = Keeper(scheduler, self.desired, self.reconciler, self.origins, self.journal, self.dealer)
        self.departed = Departed(scheduler)
        self.counting = Counting(scheduler, self.desired, self.shared, self._variable)
        self.aftermath = Aftermath(scheduler, self.desired, self._variable, self._tell_left)
        self.turns = Turns()
        self.work = PlainWork(scheduler, self.journal.subscribers)
        self.worker_code = WorkerCode(scheduler)
        self.code_store = CodeStore(scheduler)
        self.restrictions = Restrictions(scheduler, self.journal.send)
        self._undo: list[Callable[[], Any]] = [
            self.journal.close, self.reconciler.close, self.departed.close, self.shared.close,
            self.strays.close, self.lives.close, self.dealer.close, self.aftermath.close, self.transfers.close,
            self.worker_code.close, self.keeper.close, self.code_store.begin(), self.work.end,
        ]  # fmt: skip
        self._undo += hide(scheduler, self.desired.by_key)
        changed, moved = self.shared.changed, self.dealer.moved
        placed = self.desired.by_key, self._replica_came, self._replica_went
        mapped, followed = (self.shared.mapped, changed, changed), (self.dealer.followed, moved, moved)
        self._undo.append(watch_replicas(scheduler, placed, mapped, followed))
        self._add_handlers()
        self._undo += [
            every(scheduler, _SWEEP, "moorage-sweep", self._sweep),
            every(scheduler, _MEMORY, "moorage-memory", self.journal.look_at_workers),
            extend(scheduler, NAME, self),
        ]

    # Handlers

    async def place(
        self,
        items: list[PlaceItem],
        client: str,
        requested: Iterable[str] = (),
        loads: Sequence[Load] = (),
        call: str = "",
    ) -> Placed | UnknownWorker | IsActor | Withdrawn:
        """Record placements, in the place of those of the same variables, and begin to carry them out.

        `client`: the Dask client that asks. `requested`: names of workers that may never have been here, but are asked
        for. `loads`: values of keys of `items`, which have the same placement; they are delivered first. `call`: by
        which it can be withdrawn.
        """
        view, seen = self.reconciler.view, {*self.restrictions.seen, *requested} if self.restrictions.seen else None
        placements = [named(placement_from_dict(item["placement"]), view) for item in items]
        if (refusal := refused(items, placements, self.scheduler, view, seen)) is not None:
            return refusal
        with collecting_rarely():
            if loads:
                await self.delivery.deliver(loads, placements[0], client)
            if self.delivery.is_withdrawn(call):
                return {"status": "withdrawn"}
            if client not in self.scheduler.clients:  # it has died meanwhile, and its futures with it
                items = [item for item in items if item["hold"] and not loads]
            view = self.reconciler.view
            placements = [named(placement_from_dict(item["placement"]), view) for item in items]
            records = [
                record_of(item, placement, client, self.desired.records.get(item["vid"]))
                for item, placement in zip(items, placements, strict=True)
            ]
            hands = dict[Key, str | None]()
            for item in (item for item in items if "spread" not in item):  # those that are dealt out already
                hands |= dict(zip(item["keys"], item.get("dealt") or [None] * len(item["keys"]), strict=True))
            async for record in in_slices(records):
                self.counting.came(record.keys)
                self.keeper.put(record, tell=not loads)
            # what belongs to another variable too is left where it is
            self.reconciler.deal({key: worker for key, worker in hands.items() if len(self.desired.vids(key)) == 1})
            self.reconciler.run()
            for _ in range(_ROUNDS if loads else 0):  # so that the answer is the last word
                if self.reconciler.marked.isdisjoint(hands):
                    break
                await asyncio.sleep(0)
                self.reconciler.run()
            self.journal.mark([record.vid for record in records], placed=True)
        variables = {record.vid: self.journal.answer(record.vid) for record in records}
        lacking = [key for load in loads for key in load["keys"] if not is_there(key, self.scheduler)]
        return {"status": "OK", "variables": variables, "revision": self.journal.revision, "lacking": lacking}

    async def release(self, vids: list[str]) -> int:
        """Forget placements; return the journal's revision. Dask forgets keys that nobody has futures of."""
        async for vid in in_slices(vids):
            self.keeper.release(vid)
        return self.journal.revision

    async def state(self) -> SchedulerSnapshot:
        """Return everything as it stands."""
        for key in self.reconciler.marked:
            self._key_changed(key)
        self.journal.flush()
        if self.scheduler.validate:
            check(self)
        variables = {vid: record for vid in self.desired.records if (record := self._variable(vid)) is not None}
        return {
            "protocol": PROTOCOL_VERSION,
            "seq": self.journal.seq,
            "revision": self.journal.revision,
            "variables": variables,
            "workers": {worker.name: worker_dict(worker) for worker in self._workers()},
            "seen": sorted(self.restrictions.seen),
            "hosted": answers(self.scheduler, "moorage_host"),
        }

    async def workers(self) -> list[WorkerDict]:
        """Return the workers with their memory as it is now."""
        return [worker_dict(worker) for worker in self._workers()]

    async def subscribe(self, client: str) -> SchedulerSnapshot:
        """Send events to `client` from now on, and return everything as it stands."""
        self.journal.subscribe(client)
        return await self.state()

    async def leave(self, client: str) -> None:
        """Forget `client`, as if it had left: it goes on for other purposes."""
        self.remove_client(self.scheduler, client)

    async def restore(
        self, values: Mapping[Key, Any], failed: Mapping[Key, tuple[str, bytes]], client: str
    ) -> list[Key]:
        """Take values that a client was asked for, or the reasons why it no longer has them.

        Return the keys of those values that have reached no worker and are still waited for.
        """
        for key, (why, exception) in failed.items():
            self.origins.read_or_give_up(key, why, exception)
            self._key_changed(key)
        return await self.origins.deliver(values, self.reconciler.first_holders)

    async def sending(
        self, client: str, keys: Mapping[Address, list[Key]], broken_off: Iterable[Address] | None = None
    ) -> None:
        """Note what a client is about to send to which worker; `broken_off`: to whom it could not.

        It may send once this answers: nothing of earlier lives of the keys is under way then.
        """
        self.strays.announce(client, keys)
        if client not in self.scheduler.clients:
            self.strays.broken_off(client)
        elif broken_off is not None:
            self.strays.broken_off(client, broken_off)
        await self.lives.settle(keys)

    async def uninstall(self) -> None:
        """Restore the stock scheduler, and forget all placements."""
        async for vid in in_slices(iter(lambda: next(iter(self.desired.records), None), None)):
            self.keeper.release(vid)
        self.journal.flush()
        self.origins.close()
        for undo in reversed(self._undo):
            undo()
        take_out(self.scheduler, NAME)
        await take_code_off(self.scheduler, _ON_WORKERS, _ANSWER_SECONDS)

    # Events of the scheduler

    def update_graph(self, scheduler: Scheduler, *, annotations: Mapping[str, Any], **kwargs: Any) -> None:
        """Note a graph, before any of it runs."""
        self.restrictions.submitted(annotations.get("workers", ()))

    def add_worker(self, scheduler: Scheduler, worker: Address) -> None:
        """Note a worker that registers; it is not running yet."""
        self.casualties.came(ws := scheduler.workers[worker])
        self.departed.came(worker)
        self.departed.came(ws.nanny or "")
        self.restrictions.came(str(ws.name), worker)
        self._worker_changed(worker)

    def remove_worker(self, scheduler: Scheduler, worker: Address, **kwargs: Any) -> None:
        """Note a worker that has left."""
        self.departed.left(worker)
        coming = [*self.reconciler.coming(worker), *self.origins.coming(worker), *self.strays.coming(worker)]
        self.reconciler.mark(key for key in self.casualties.left(worker, coming) if key in self.desired.by_key)
        self._worker_changed(worker)
        self.aftermath.left(worker, self.restrictions.name_of(worker))
        for part in (self.turns, self.origins, self.strays, self.lives):
            part.worker_gone(worker)

    def log_event(self, topic: str, msg: Any) -> None:
        """Note workers that begin or cease to run, and keep no record of what tasks print."""
        if (note := self._topics.get(topic)) is not None:
            for key in note(msg):
                self._key_changed(key)
        if note is not None or topic.startswith(OUTPUT_TOPIC):
            forget_events(self.scheduler, topic)
        if isinstance(msg, dict) and msg.get("action") == "worker-status-change":
            self._worker_changed(topic)
            # the event comes just before the worker is counted among the running ones
            self.scheduler.loop.add_callback(self.origins.seek)

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """Note a client that has left."""
        self.journal.unsubscribe(client)
        for part in (self.origins, self.turns, self.code_store, self.memory, self.work):
            part.client_gone(client)
        self.strays.broken_off(client)

    def transition(self, key: Key, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """Note what happens to placed keys; called for every transition of every key."""
        if finish in ("released", "forgotten") and is_value(self.scheduler.tasks[key]):
            self.lives.ended((key,))
        elif finish == "memory":
            self.strays.hold((key,))
        if key not in self.desired.by_key:
            self.files.transitioned(key, finish)
            return
        if key in self.origins:
            self.origins.transitioned(key, start, finish)
        if start == "released" and finish == "waiting":
            self.keeper.task_came(key)
        if finish == "memory":
            self.keeper.computed(key)
        if finish == "forgotten":
            self.keeper.forgotten(key)
        else:
            self.reconciler.mark((key,))
            self._key_changed(key)

    def restart(self, scheduler: Scheduler) -> None:
        """Place again what can be placed again: all keys are gone, the desire is not."""
        self.keeper.restart()

    # Internals

    def _ask_origin(self, client: str, keys: list[Key]) -> None:
        holders = [self.origins.last_holder.get(key, "") for key in keys]
        self.journal.send(client, {"type": "restore", "keys": keys, "holders": holders})

    def _replica_came(self, ts: TaskState, ws: WorkerState) -> None:
        # a million times, when a thousand variables go to a thousand workers
        self.casualties.took(ts, ws)
        self.reconciler.replica_came(ts, ws)
        self.counting.copied(ts)
        self.journal.mark(self.desired.by_key[ts.key])

    def _replica_went(self, ts: TaskState, ws: WorkerState) -> None:
        if not ts.who_has:
            self.origins.last_holder[ts.key] = str(ws.name)
        self.reconciler.replica_went(ts, ws)
        self.aftermath.lost(ts, ws.address)
        self._key_changed(ts.key)

    def _tell_left(self, event: WorkerLeft) -> None:
        self.counting.left(event)
        self.journal.send_all(event)

    def _key_changed(self, key: Key) -> None:
        self.journal.mark(self.desired.by_key.get(key, ()))

    def _worker_changed(self, address: Address) -> None:
        self.dealer.worker_changed(address)
        self.journal.mark_workers()

    def _variable(self, vid: str) -> VariableRecord | None:
        if (record := self.desired.records.get(vid)) is None:
            return None
        return standing_of(record, self.scheduler, self.reconciler, self.origins, self.shared, self.files)

    def _sweep(self) -> None:
        self.reconciler.sweep()
        self.origins.seek()
        for key, target in self.reconciler.ask_again():
            self.strays.suspect(target, (key,))
        self.strays.look()
        for part in (self.casualties, self.lives, self.restrictions, self.keeper, self.history):
            part.sweep()
        self.shared.prune()

    # Getting in and out

    def _add_handlers(self) -> None:
        adopt = self.keeper.adopt if self._adopts else lambda keys, placement: None
        self._undo.append(Adopter(self.scheduler, adopt, self.desired.by_key, self.strays, self.lives).uninstall)
        ours: tuple[Callable[..., Any], ...] = (
            self.place, self.delivery.withdraw, self.release, self.state, self.workers, self.subscribe, self.leave,
            self.restore, self.sending, self.shared.sharing, self.uninstall, self.dealer.parts, self.memory.names,
            self.memory.ledger, self.memory.effort, self.turns.acquire, self.turns.free, self.turns.claim,
            self.turns.unclaim, self.files.filed, self.files.in_files, self.keeper.records,
            self.transfers.watch, self.transfers.named, self.counting.tally, self.worker_code.install_on_workers,
            self.work.wanted, Causes(self.scheduler, self.reconciler, self.restrictions).why,
        )  # fmt: skip
        self._undo.append(answer(self.scheduler, **{f"moorage_{handler.__name__}": handler for handler in ours}))
