"""Knows which workers have a key in memory that their host shares, and lets tasks use it there.

The scheduler refuses a task whose inputs are more than a worker's memory limit. What lies in shared memory takes none
of it, on any worker of the host; so it is not counted, neither here nor in what workers and hosts have left
(``capacity.py``). Workers report what they have mapped (``worker/images/sharing.py``) as events, `SharedReport`, and
with each heartbeat what their host has left, `Room`.

Two notebooks that place the same at the same moment bring it to a host twice, and each worker has what came first. Then
those that have the rarer segment are asked to take the other one, and the host is left with one copy.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from moorage._dask.scheduler.replicas import shadow_processing
from moorage._dask.server import ask
from moorage.plan import Address, Key
from moorage.wire.images import ImageHandlers, SharedReport

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState, WorkerState


_SOON = 0.1  # seconds in which others of a host report what they have got at the same time
_ANSWER = 10.0  # seconds that a worker may take to change segments


class Shared:
    """What workers have mapped."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.mapped: dict[Key, dict[Address, int]] = {}
        self._own: dict[Key, int] = {}  # bytes that each worker has for itself besides
        self._segments: dict[tuple[Key, Address], str] = {}
        # copies of which only a worker knows, or no longer: news, and what was no news at the last look
        self._missing: set[tuple[Key, Address]] = set()
        self._still_missing: set[tuple[Key, Address]] = set()
        # what is counted: copies that have been reported, of which the scheduler knows too
        self.counted: dict[Address, int] = {}
        self.of_hosts: dict[str, int] = {}
        self.copies: dict[tuple[str, Key], dict[Address, tuple[str, int]]] = {}  # on a host: segment and bytes
        self._uniting: dict[tuple[str, Key], asyncio.Task[None]] = {}
        self._undo = shadow_processing(scheduler, self.add_to_processing)

    def close(self) -> None:
        """Leave no trace on the scheduler."""
        for task in self._uniting.values():
            task.cancel()
        self._undo()

    def note(self, report: SharedReport) -> Collection[Key]:
        """Note what a worker has got; return these keys."""
        ws = self._scheduler.workers.get(report["worker"])
        for key, (nbytes, segment, own) in report["shared"].items():
            self.mapped.setdefault(key, {})[report["worker"]] = nbytes
            self._own[key] = own
            self._segments[key, report["worker"]] = segment
            if ws is not None:
                self.count(key, ws)
                self._look(ws.host, key)
            else:
                self._missing.add((key, report["worker"]))
        return report["shared"].keys()

    def nbytes(self, key: Key, worker: WorkerState) -> int:
        """Return how many bytes of `key` lie in memory that `worker` shares, or would share if it had the key."""
        return self.size(key) if (worker.host, key) in self.copies else 0

    def share(self, key: Key, worker: Address) -> int:
        """Return how many bytes of `key` a worker, by address, has in memory that its host shares."""
        workers = self.mapped.get(key)
        return workers.get(worker, 0) if workers else 0

    def size(self, key: Key) -> int:
        """Return how many bytes of `key` lie in memory that a host shares."""
        return max(self.mapped.get(key, {}).values(), default=0)

    def held_by(self, worker: WorkerState) -> int:
        """Return the bytes of what `worker` has that its host shares."""
        return self.counted.get(worker.address, 0)

    def on_host(self, host: str) -> int:
        """Return the bytes that the workers of a host share, each segment once."""
        return self.of_hosts.get(host, 0)

    def __contains__(self, key: object) -> bool:
        return key in self.mapped

    def changed(self, ts: TaskState, worker: WorkerState) -> None:
        """Note that a worker has got or lost a key."""
        self.count(ts.key, worker)

    def count(self, key: Key, worker: WorkerState) -> None:
        """Count a copy, or count it no more: a worker has got it, or lost it, or has reported that it is shared."""
        ts, address, host = self._scheduler.tasks.get(key), worker.address, worker.host
        there = ts is not None and ts.who_has is not None and worker in ts.who_has
        if not there:
            self._missing.add((key, address))
        now = self.mapped.get(key, {}).get(address, 0) if there else 0
        copies = self.copies.setdefault((host, key), {})
        before = sum(dict(copies.values()).values())
        _add(self.counted, address, now - copies.pop(address, ("", 0))[1])
        if now:
            copies[address] = self._segments[key, address], now
        _add(self.of_hosts, host, sum(dict(copies.values()).values()) - before)
        if not copies:
            del self.copies[host, key]

    async def sharing(self, keys: Iterable[Key]) -> dict[Key, dict[Address, tuple[int, int]]]:
        """Return how many bytes of keys workers share, and have for themselves besides.

        Without those that have all of it beside others'.
        """
        report: dict[Key, dict[Address, tuple[int, int]]] = {}
        for key in keys:
            there = report[key] = {}
            for host in {
                ws.host for address in self.mapped.get(key, ()) if (ws := self._scheduler.workers.get(address))
            }:
                copies = self.copies.get((host, key), {})
                users = Counter(segment for segment, _ in copies.values())
                for address, (segment, nbytes) in copies.items():
                    if len(users) == 1 or users[segment] > 1:
                        there[address] = nbytes, self._own[key]
        return report

    def prune(self) -> None:
        """Forget what is gone: not at once, since a worker may report a copy before the scheduler knows of it."""
        for key, address in self._still_missing:
            if address in (workers := self.mapped.get(key, {})) and not self._has(key, address):
                del workers[address], self._segments[key, address]
                if not workers:
                    del self.mapped[key], self._own[key]
        self._missing, self._still_missing = set(), self._missing

    def _look(self, host: str, key: Key) -> None:
        """Have the workers of a host use one segment if they have a key in several."""
        used = {segment for segment, _ in self.copies.get((host, key), {}).values()}
        if len(used) > 1 and (host, key) not in self._uniting:
            task = self._uniting[host, key] = asyncio.ensure_future(self._unite(host, key))
            task.add_done_callback(lambda _: self._uniting.pop((host, key)))

    async def _unite(self, host: str, key: Key) -> None:
        await asyncio.sleep(_SOON)
        segments = {address: segment for address, (segment, _) in self.copies.get((host, key), {}).items()}
        users = Counter(segments.values())
        best = max(users, key=lambda segment: (users[segment], segment), default="")
        keeper = next((address for address, segment in segments.items() if segment == best), "")
        for address in [address for address, segment in segments.items() if segment != best]:
            with contextlib.suppress(OSError, TimeoutError):
                worker: ImageHandlers = ask(self._scheduler, address)
                # it reports that it has another segment now
                await asyncio.wait_for(worker.moorage_unite(key=key, source=keeper), _ANSWER)

    def _has(self, key: Key, address: Address) -> bool:
        ts, ws = self._scheduler.tasks.get(key), self._scheduler.workers.get(address)
        return ts is not None and ws is not None and ws in (ts.who_has or ())

    def add_to_processing(self, original: Callable[..., Any], ts: TaskState, ws: WorkerState, stimulus_id: str) -> Any:
        """Do as `original`, which refuses what is more than the limit."""
        limit = ws.memory_limit
        if limit and self.mapped and sum(dep.nbytes for dep in ts.dependencies) > limit:
            own = sum(max(0, dep.nbytes - self.nbytes(dep.key, ws)) for dep in ts.dependencies)
            if own <= limit:
                ws.memory_limit = 0  # read by nothing else meanwhile: this does not wait
                try:
                    return original(ts, ws, stimulus_id=stimulus_id)
                finally:
                    ws.memory_limit = limit
        return original(ts, ws, stimulus_id=stimulus_id)


def _add(counts: dict[str, int], what: str, nbytes: int) -> None:
    counts[what] = counts.get(what, 0) + nbytes
    if not counts[what]:
        del counts[what]
