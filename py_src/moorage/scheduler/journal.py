"""Tells subscribed clients what changed: one event per 50 ms in which something did, none otherwise.

What has just been asked for, which somebody waits for, is told at once until it is held; after a rest, so are the first
few changes of anything. What takes long to compare, such as a variable of ten thousand keys, is told less often: the
scheduler has other work. An event holds differences only, numbered without gaps. Whoever misses a number asks for a
snapshot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import fields
from operator import attrgetter
from time import perf_counter
from typing import TYPE_CHECKING

from moorage.counts import difference, with_workers
from moorage.model import WorkerInfo
from moorage.scheduler.status import LOOKED_AT
from moorage.wire.scheduler import TOPIC, Changes, Event, VariableDelta, VariableRecord, WorkerDict

if TYPE_CHECKING:
    from distributed import Scheduler

INTERVAL = 0.05
_SOON = 0.005  # seconds after which events are sent that are waited for or come after a rest
_FIRST = 10  # of these; each interval of rest allows one more
_SLICE = 0.015
_REST = 4  # so many times what an event took passes at least until the next
_MEMORY_STEP = 0.01  # of a worker's limit: smaller changes of its memory are not worth an event
_SINCE_STEP = 1  # second: it is rounded, and messages take a while
_WAITING_STEP = 0.1  # of the tasks that wait on a worker
_HOST_STEP = 0.05  # of what a host has left, which changes all the time


_FIELDS = [field.name for field in fields(WorkerInfo)]
_values_of = attrgetter(*_FIELDS)


def worker_dict(worker: WorkerInfo) -> WorkerDict:
    """Return the wire form of a worker, which has the same fields."""
    return dict(zip(_FIELDS, _values_of(worker), strict=True))  # type: ignore[return-value]


class Journal:
    """What changed since the last event.

    `record`: ``vid`` -> its `VariableRecord` as it stands, or None if there is none. `workers`: -> all workers with
    their memory.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        record: Callable[[str], VariableRecord | None],
        workers: Callable[[], Iterable[WorkerInfo]],
    ) -> None:
        self._scheduler = scheduler
        self.record = record
        self._workers = workers
        self.subscribers: set[str] = set()
        self.seq = 0
        #: How often something was placed or released.
        self.revision = 0
        self._dirty: dict[str, None] = {}
        self._workers_marked = True
        self._placed: set[str] = set()
        self._awaited: set[str] = set()
        self._answered: dict[str, VariableRecord] = {}  # what was said of variables that have not changed since
        self._told: dict[str, VariableRecord] = {}
        self._told_workers: dict[str, WorkerInfo] = {}
        self._seen_workers: tuple[WorkerInfo, ...] = ()
        self._handle: asyncio.TimerHandle | None = None
        self._took = 0.0  # seconds, the last event
        self._soon = float(_FIRST)  # events that may be sent soon
        self._sent = perf_counter()

    def mark(self, vids: Collection[str] = (), *, placed: bool = False) -> None:
        """Look at these variables for the next event; `placed`: they are new or placed again."""
        if self._answered:
            for vid in vids:
                self._answered.pop(vid, None)
        if self._handle is not None and not placed:
            for vid in vids:  # a loop, since this is asked for each copy that arrives
                if vid not in self._dirty:
                    break
            else:
                return
        self._dirty.update(dict.fromkeys(vids))
        if placed:
            self._placed.update(vids)
            self._awaited.update(vids)
        if not self.subscribers:
            return
        loop = asyncio.get_running_loop()
        pause = max(INTERVAL, _REST * self._took)
        rest = perf_counter() - self._sent
        self._soon = min(_FIRST, self._soon + rest / pause)
        self._sent += rest
        if self._awaited.intersection(vids):
            pause = max(_SOON, _REST * self._took)
        elif self._soon >= 1:
            pause = _SOON
        due = loop.time() + pause
        if self._handle is None or due < self._handle.when():
            if self._handle is not None:
                self._handle.cancel()
            self._handle = loop.call_at(due, self._send_changes)

    def answer(self, vid: str) -> VariableRecord | None:
        """Return a variable for an answer; what the next event says of it need not be looked up once more."""
        if (record := self.record(vid)) is not None:
            self._answered[vid] = record
        return record

    def count(self) -> None:
        """Note that something is placed or released."""
        self.revision += 1

    def look_at_workers(self) -> None:
        """Look at the workers' memory for the next event, if anybody listens."""
        if self.subscribers:
            self.mark_workers()

    def mark_workers(self) -> None:
        """Look at the workers for the next event."""
        self._workers_marked = True
        self._answered.clear()
        self.mark()

    def subscribe(self, client: str) -> None:
        """Send events to `client` from now on."""
        self.subscribers.add(client)

    def unsubscribe(self, client: str) -> None:
        """Stop sending events to `client`."""
        self.subscribers.discard(client)

    def send(self, client: str, event: Event) -> None:
        """Send one event to one client, unnumbered."""
        self._scheduler.client_send(client, {"op": "event", "topic": TOPIC, "event": event})

    def send_all(self, event: Event) -> None:
        """Send one event to all subscribers, unnumbered, after the changes that it follows from."""
        self._send_changes(float("inf"))
        for client in self.subscribers:
            self.send(client, event)

    def flush(self) -> None:
        """Send at once all there is to tell, so that what subscribers know agrees with what is looked at next."""
        self._workers_marked = True
        self._send_changes(float("inf"))

    def close(self) -> None:
        """Stop sending."""
        self.subscribers.clear()
        if self._handle is not None:
            self._handle.cancel()

    def _send_changes(self, seconds: float = _SLICE) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
        event: Changes = {
            "type": "changes",
            "seq": self.seq + 1,
            "revision": self.revision,
            "placed": {},
            "changed": {},
            "released": [],
            "workers": {},
            "workers_gone": [],
        }
        begun = perf_counter()
        if self._workers_marked:
            self._workers_marked = False
            self._compare_workers(event)
        again = []
        while self._dirty and perf_counter() < begun + seconds:
            vid = next(iter(self._dirty))
            del self._dirty[vid]
            self._compare(vid, event)
            if vid in self._told and self._told[vid]["reason"] == LOOKED_AT:
                again.append(vid)  # nobody marks it when it turns out that all is as it was
        self._dirty.update(dict.fromkeys(again))
        if any((event["placed"], event["changed"], event["released"], event["workers"], event["workers_gone"])):
            self.seq += 1
            self._soon = max(0.0, self._soon - 1)
            for client in self.subscribers:
                self.send(client, event)
        self._took = perf_counter() - begun
        if self._dirty:
            self.mark(tuple(self._dirty))

    def _compare(self, vid: str, event: Changes) -> None:
        now, before = self._answered.pop(vid, None) or self.record(vid), self._told.get(vid)
        if now is None or now["state"] == "held":
            self._awaited.discard(vid)
        if now is None:
            if before is not None or vid in self._placed:  # the latter: placed and released since the last event
                event["released"].append(vid)
            self._told.pop(vid, None)
            self._placed.discard(vid)
            return
        self._told[vid] = now
        if before is None or vid in self._placed:
            self._placed.discard(vid)
            event["placed"][vid] = now
            return
        delta: VariableDelta = {
            "state": now["state"], "reason": now["reason"], "nbytes": now["nbytes"], "shared": now["shared"],
            "durable": now["durable"],
        }  # fmt: skip
        same = delta.items() <= before.items()
        if held := difference(before["held"], now["held"]):
            delta["held"] = held
        if pending := difference(before["pending"], now["pending"]):
            delta["pending"] = pending
        if not same or held or pending:
            event["changed"][vid] = delta

    def _compare_workers(self, event: Changes) -> None:
        if (workers := tuple(self._workers())) == self._seen_workers:
            return
        self._seen_workers = workers
        told, there, come = self._told_workers, set(), []
        for worker in workers:
            there.add(worker.name)
            if _differs(before := told.get(worker.name), worker):
                if before is None:
                    come.append(worker.name)
                told[worker.name] = worker
                event["workers"][worker.name] = worker_dict(worker)
        gone = told.keys() - there
        for name in gone:
            event["workers_gone"].append(name)
            del told[name]
        if come or gone:
            self._told = {vid: with_workers(record, come, gone) for vid, record in self._told.items()}


def _differs(before: WorkerInfo | None, now: WorkerInfo) -> bool:
    if before is now:
        return False
    if before is None or any(getattr(before, what) != getattr(now, what) for what in ("address", "status", "shares")):
        return True
    if before.running != now.running or abs(before.since - now.since) > _SINCE_STEP:
        return True
    if abs(before.waiting - now.waiting) > _WAITING_STEP * min(before.waiting, now.waiting):
        return True
    step = _MEMORY_STEP * (now.memory_limit or 1 << 30)
    memory = ("managed", "process", "spilled", "host_shared")
    return (
        any(abs(getattr(before, what) - getattr(now, what)) > step for what in memory)
        or abs(before.host_free - now.host_free) > _HOST_STEP * now.host_free
    )
