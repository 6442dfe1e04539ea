"""Carries out the plan: asks workers to acquire copies, lets surplus ones go, and remembers what is not settled.

Not what to do (``plan.py``), nor when something changed (``scheduler/plugin.py`` calls `Reconciler.mark`). Work is done
in slices of time, so that ten thousand keys do not stop the scheduler's event loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, KeysView, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

from moorage._dask.scheduler.memory_manager import let_go
from moorage._dask.scheduler.replicas import acquire, drop
from moorage.model import Everywhere, OnWorkers, Placement, WorkerInfo
from moorage.plan import SMALL, Address, ClusterView, Drop, Key, KeyPlan, KeyView, Replicate, Wait, plan_key
from moorage.scheduler.desired import Desired
from moorage.scheduler.flights import Flights
from moorage.scheduler.placement.observed import Holders, spreaders, worker_info
from moorage.scheduler.placement.spreads import Spreads

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState, WorkerState

    from moorage.scheduler.recovery.casualties import Casualties
    from moorage.scheduler.shared import Shared

Item = TypeVar("Item")

SLICE = 0.015
"""Seconds of work after which the event loop gets its turn."""

COALESCE = 0.002
"""Seconds between the first mark and the work, so that a burst of events is one round."""

_PLANNING = 0.6  # of a slice; the rest is for sending
_AGAIN = 1000  # copies that are asked for once more at a time
_SOURCES = 8  # that are named then
_DROPS = 400  # of a slice: carrying them out takes time too


_AT_REST = KeyPlan()


async def in_slices(items: Iterable[Item]) -> AsyncIterator[Item]:
    """Yield `items`; after each slice of time the event loop gets its turn."""
    until = perf_counter() + SLICE
    for item in items:
        yield item
        if perf_counter() > until:
            await asyncio.sleep(0)
            until = perf_counter() + SLICE


class Reconciler:
    """Brings placed keys to where they should be, a slice of time after the other.

    `changed`: called with a key whenever its plan has changed. `casualties`: keys that are not copied to any further
    workers. `shared`: what workers have that is not theirs alone.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        desired: Desired,
        changed: Callable[[Key], None],
        casualties: Casualties,
        shared: Shared,
    ) -> None:
        self._scheduler = scheduler
        self._desired = desired
        self._changed = changed
        self._casualties = casualties
        self._shared = shared
        #: Keys that are not where they should be, with what is still to do.
        self.unsettled: dict[Key, KeyPlan] = {}
        self.in_use: set[Key] = set()
        self._at_rest: set[tuple[tuple[Placement, ...], AbstractSet[Address]]] = set()  # of one key, as the workers are
        self.assigned: dict[Key, str] = {}
        self._dirty: dict[Key, None] = {}
        self.flights = Flights()
        #: What workers send to several hosts at once.
        self.spreads = Spreads(scheduler, self._spread_ended)
        #: Of each key that should be everywhere, the present workers that lack it. Kept up to date by each event, so
        #: that such keys cost what changes, and not all workers again and again.
        self.lacking: dict[Key, set[Address]] = {}
        #: What is still to be asked for: target -> keys, with sources and bytes.
        self._to_ask: dict[Address, dict[Key, tuple[Sequence[Address], int]]] = {}
        self._infos: dict[Address, WorkerInfo] = {}
        self._states: frozenset[WorkerState] = frozenset()
        self._view: ClusterView | None = None
        self._handle: asyncio.TimerHandle | None = None

    @property
    def view(self) -> ClusterView:
        """The workers; looked up again after `worker_changed`."""
        if self._view is None:
            workers = self._scheduler.workers
            known = self._infos
            self._infos = {address: known.get(address) or worker_info(ws) for address, ws in workers.items()}
            self._view = ClusterView(self._infos.values(), self._load)
            self._states = frozenset(workers.values())
        return self._view

    @property
    def states(self) -> frozenset[WorkerState]:
        """The workers as the scheduler knows them."""
        if self._view is None:
            self._states = frozenset(self._scheduler.workers.values())
        return self._states

    def pending(self, key: Key) -> AbstractSet[Address]:
        """Return the workers that should have a key and lack it, as of now."""
        if key not in self.unsettled:
            return frozenset()
        return self.lacking.get(key, self.unsettled[key].pending)

    @property
    def marked(self) -> KeysView[Key]:
        """Keys that are still to be looked at."""
        return self._dirty.keys()

    def first_holders(self, avoid: Mapping[Key, Address]) -> dict[Key, Address]:
        """Return the workers to which keys that nobody has should be sent first, but not to those to be avoided."""
        now, sent = self.view, Counter[Address]()
        view = ClusterView(now.by_address.values(), lambda a: now.load(a) + sent[a])
        chosen = {}
        for key, shunned in avoid.items():
            step = plan_key(self._desired.placements(key), KeyView(key, 0, frozenset()), view)
            pool = (step.pending & view.running) - {shunned} or view.running - {shunned} or view.running
            chosen[key] = min(pool, key=lambda a: (view.load(a), a))
            sent[chosen[key]] += self._scheduler.tasks[key].get_nbytes()
        return chosen

    def mark(self, keys: Iterable[Key]) -> None:
        """Look at `keys` again, soon."""
        for key in keys:
            self._dirty[key] = None
        if self._handle is None and (self._dirty or self._to_ask or self.flights.ready):
            self._handle = asyncio.get_running_loop().call_later(COALESCE, self._run)

    def deal(self, hands: Mapping[Key, str | None]) -> None:
        """Assign each key an initial worker, by name, where its placements leave a choice; None leaves it open."""
        for key, worker in hands.items():
            self.assigned.pop(key, None)
            ts = self._scheduler.tasks.get(key)
            if worker is not None and not (ts and ts.who_has and {str(ws.name) for ws in ts.who_has} == {worker}):
                self.assigned[key] = worker
        self.mark(hands)

    def worker_changed(self, address: Address) -> None:
        """Note that a worker came, went or changed its status: every key may be concerned."""
        self._view = None
        self._at_rest.clear()
        self._infos.pop(address, None)
        tasks, ws = self._scheduler.tasks, self._scheduler.workers.get(address)
        if ws is None:
            self.flights.worker_gone(address)
            self.spreads.worker_gone(address)
            self._to_ask.pop(address, None)
        present = ws is not None and address in self.view.present
        for key, lacking in self.lacking.items():
            if present and not ((ts := tasks.get(key)) is not None and ws in (ts.who_has or ())):
                lacking.add(address)
            else:
                lacking.discard(address)
        self.mark(self._desired.by_key)

    def replica_came(self, ts: TaskState, ws: WorkerState) -> None:
        """Note that a worker has got a key."""
        key, address = ts.key, ws.address
        others = self.flights.end(key, address)
        if (lacking := self.lacking.get(key)) is not None:
            lacking.discard(address)
            if others and (ts.nbytes < SMALL or others == len(lacking)):
                if self._handle is None:
                    self.mark(())
                return  # all that can be asked for is on its way
        self.mark((key,))

    def replica_went(self, ts: TaskState, ws: WorkerState) -> None:
        """Note that a worker has lost a key, or never had it."""
        key, address = ts.key, ws.address
        self.flights.end(key, address)
        self.flights.end_from(key, address)
        lacking = self.lacking.get(key)
        if lacking is not None and self._scheduler.workers.get(address) is ws and address in self.view.present:
            lacking.add(address)
        self.mark((key,))

    def forget(self, keys: Iterable[Key]) -> None:
        """Stop looking after `keys`."""
        for key in keys:
            self._dirty.pop(key, None)
            self.unsettled.pop(key, None)
            self.in_use.discard(key)
            self.assigned.pop(key, None)
            self.lacking.pop(key, None)
            self.flights.end_all(key)
            self.spreads.forget(key)

    def coming(self, address: Address) -> list[Key]:
        """Return keys of which a copy is on its way to a worker."""
        return [*self.flights.to(address), *self.spreads.to(address)]

    def ask_again(self) -> list[tuple[Key, Address]]:
        """Ask again for copies that do not arrive; return those keys and their targets.

        A worker that was fetching a key already ignores being asked for it, and when that fails it says nothing. One
        that is still fetching it ignores this question too.
        """
        overdue = self.flights.overdue()[:_AGAIN]
        for key, target in overdue:
            if (ts := self._scheduler.tasks.get(key)) is not None and ts.who_has:
                sources = tuple(ws.address for ws in islice(ts.who_has, _SOURCES))
                self._to_ask.setdefault(target, {})[key] = sources, ts.get_nbytes()
        self.mark(())
        return overdue

    def sweep(self) -> None:
        """Give up on copies that never arrived, and look again at all that is not settled or was in use."""
        for key, target in self.flights.expire():
            ts, ws = self._scheduler.tasks.get(key), self._scheduler.workers.get(target)
            if ts is not None and ts.who_has and ws is not None and ws not in ts.who_has:
                # It may have the key and never have said so, for instance after a transfer that was given up here. It
                # would ignore being asked again; told to let go, it either does or answers that it has the key.
                drop(self._scheduler, target, [key])
        self.mark(self.unsettled)
        self.mark(self.in_use)
        self.in_use.clear()

    def run(self) -> None:
        """Look at what is marked, for one slice of time."""
        if self._handle is not None:
            self._handle.cancel()
        self._run()

    def close(self) -> None:
        """Stop working."""
        self.spreads.close()
        if self._handle is not None:
            self._handle.cancel()

    def _run(self) -> None:
        self._handle = None
        begun = perf_counter()
        surplus: list[Drop] = []
        while self._dirty and perf_counter() < begun + _PLANNING * SLICE and len(surplus) < _DROPS:
            key = next(iter(self._dirty))
            del self._dirty[key]
            if (step := self._plan(key)) is not None:
                for action in step.replicate:
                    self._want(action)
                surplus += step.drop
        if surplus:
            let_go(self._scheduler, surplus)
        self._ask(begun + SLICE)
        self.mark(())

    def _plan(self, key: Key) -> KeyPlan | None:
        ts = self._scheduler.tasks.get(key)
        placements = self._desired.placements(key)
        if ts is None or ts.actor or not placements:
            self.unsettled.pop(key, None)
            self.lacking.pop(key, None)
            return None
        if (hand := self.assigned.get(key)) is not None:
            placements = (OnWorkers((hand,)), *placements)
        elif self._rests(ts, placements):
            return _AT_REST
        step = self._step(placements, self._observe(ts, placements))
        if step.pending and (verdict := self._casualties.verdict(key)):
            step = replace(step, replicate=(), moving=False, wait=(*step.wait, Wait(key, "", verdict)))
        there = step.settled and not step.in_use
        if hand is not None and (there or not self.view.resolve(hand) & self.view.running):
            del self.assigned[key]  # from now on it may be anywhere
            return self._plan(key)
        if step.in_use:
            self.in_use.add(key)
        if step.settled:
            self.flights.end_all(key)
            before = self.unsettled.pop(key, None)
        else:
            before = self.unsettled.get(key)
            self.unsettled[key] = step
        if _outlook(before) != _outlook(step):
            self._changed(key)
        return step

    def _rests(self, ts: TaskState, placements: tuple[Placement, ...]) -> bool:
        """Whether nothing is to do about a key of which nothing was to do before: as of most, when many come."""
        key, who_has = ts.key, ts.who_has
        if not who_has or ts.waiters or key in self.unsettled or key in self.lacking or key in self.flights.by_key:
            return False
        return not self.spreads.of(key) and (placements, frozenset(ws.address for ws in who_has)) in self._at_rest

    def _step(self, placements: tuple[Placement, ...], observed: KeyView) -> KeyPlan:
        """Return what to do; of keys that are at rest there are many, and few kinds."""
        still = observed.lacking is None and not observed.in_flight and not observed.in_use
        if still and (placements, observed.holders) in self._at_rest:
            return _AT_REST
        step = plan_key(placements, observed, self.view)
        if still and step == _AT_REST:
            self._at_rest.add((placements, observed.holders))
        return step

    def _load(self, address: Address) -> int:
        """Return the bytes that a worker has for itself, and that are on their way there."""
        ws = self._scheduler.workers[address]
        return ws.nbytes - self._shared.held_by(ws) + self.flights.incoming[address]

    def _observe(self, ts: TaskState, placements: Iterable[Placement]) -> KeyView:
        key, who_has = ts.key, ts.who_has or set()
        if all(isinstance(placement, Everywhere) for placement in placements):
            if key not in self.lacking:
                self.lacking[key] = set(self.view.present).difference(ws.address for ws in who_has)
            lacking = self.lacking[key]
            holders: AbstractSet[Address] = Holders(who_has, self._scheduler.workers)
        else:
            self.lacking.pop(key, None)
            lacking, holders = None, frozenset(ws.address for ws in who_has)
        spreading = self.spreads.of(key)
        in_flight = self.flights.of(key) | spreading
        return KeyView(
            key, ts.get_nbytes(), holders, in_flight, bool(ts.waiters), lacking,
            spreaders(ts), spreading.keys(), self.spreads.in_vain(key),
        )  # fmt: skip

    def _want(self, action: Replicate) -> None:
        """Have copies asked for, each target once for all its keys."""
        key, sources = action.key, action.sources
        if action.spread:
            self.spreads.begin(key, sources[0], action.targets)
            return
        nbytes = self._scheduler.tasks[key].get_nbytes()
        how = sources, nbytes
        for target in self.flights.begin(key, sources, action.targets, nbytes):
            if (asked := self._to_ask.get(target)) is None:
                asked = self._to_ask[target] = {}
            asked[key] = how

    def _spread_ended(self, key: Key, source: Address, there: AbstractSet[Address]) -> None:
        """Have those to whose hosts a value has been brought take it from there, as far as it is still wanted."""
        ts, ws = self._scheduler.tasks.get(key), self._scheduler.workers.get(source)
        targets = tuple(sorted(there & self.pending(key)))
        if targets and ts is not None and ws in (ts.who_has or ()):
            self._want(Replicate(key, targets, (source,)))
        self.mark((key,))

    def _ask(self, until: float) -> None:
        """Ask targets for what is still wanted of them, as far as they have room."""
        for target in list(self.flights.ready):
            self._to_ask.setdefault(target, {}).update(self.flights.depart(target))
        while self._to_ask:
            target, asked = self._to_ask.popitem()
            if keys := self.flights.on_way(target, asked):
                who_has, nbytes = {key: asked[key][0] for key in keys}, {key: asked[key][1] for key in keys}
                acquire(self._scheduler, target, who_has, nbytes)
            if perf_counter() > until:
                return


def _outlook(step: KeyPlan | None) -> tuple[object, ...]:
    """Return what of a plan subscribers can see."""
    return (step.pending, step.wait, step.surplus) if step is not None and not step.settled else ()
