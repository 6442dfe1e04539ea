"""Knows which workers have a key in memory that their host shares, and lets tasks use it there.

The scheduler refuses a task whose inputs are more than a worker's memory limit. What lies in shared memory takes none
of it, on any worker of the host; so it is not counted. Workers report what they have mapped (``worker/sharing.py``) as
events: ``{"worker": address, "shared": {key: bytes}, "private": {key: why}}``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from moorage.plan import Address, Key

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState, WorkerState


class Shared:
    """What workers have mapped.

    Parameters
    ----------
    scheduler : Scheduler
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._nbytes: dict[Key, dict[Address, int]] = {}
        self._why: dict[Key, dict[Address, str]] = {}
        self._missing: set[tuple[Key, Address]] = set()
        self._add_to_processing: Callable[..., Any] = scheduler._add_to_processing
        scheduler.__dict__["_add_to_processing"] = self.add_to_processing

    def note(self, report: Mapping[str, Any]) -> None:
        """Take note of what a worker has got."""
        for key, nbytes in report["shared"].items():
            self._nbytes.setdefault(key, {})[report["worker"]] = nbytes
        for key, why in report["private"].items():
            self._why.setdefault(key, {})[report["worker"]] = why

    def nbytes(self, key: Key, worker: WorkerState) -> int:
        """Return how many bytes of `key` lie in memory that `worker` shares, or would share if it had the key."""
        there = (self._scheduler.workers.get(address) for address in self._nbytes.get(key, ()))
        if any(ws is not None and ws.host == worker.host for ws in there):
            return max(self._nbytes[key].values())
        return 0

    def report(self, keys: Iterable[Key]) -> dict[str, Any]:
        """Return what workers have said of `keys`; see `PlacementSchedulerPlugin.sharing`."""
        asked = list(keys)
        return {
            "shared": {key: dict(self._nbytes[key]) for key in asked if key in self._nbytes},
            "private": {key: dict(self._why[key]) for key in asked if key in self._why},
        }

    def prune(self) -> None:
        """Forget what is gone: not at once, since a worker may report a copy before the scheduler knows of it."""
        missing = set()
        tables: tuple[dict[Key, dict[Address, Any]], ...] = self._nbytes, self._why
        for known in tables:
            for key, workers in list(known.items()):
                ts = self._scheduler.tasks.get(key)
                holders = {ws.address for ws in ts.who_has or ()} if ts is not None else set()
                for address in workers.keys() - holders:
                    if (key, address) in self._missing:
                        del workers[address]
                    else:
                        missing.add((key, address))
                if not workers:
                    del known[key]
        self._missing = missing

    def add_to_processing(self, ts: TaskState, ws: WorkerState, stimulus_id: str) -> Any:
        """As ``Scheduler._add_to_processing``, which refuses what is more than the limit."""
        limit = ws.memory_limit
        if limit and self._nbytes and sum(dep.nbytes for dep in ts.dependencies) > limit:
            own = sum(max(0, dep.nbytes - self.nbytes(dep.key, ws)) for dep in ts.dependencies)
            if own <= limit:
                ws.memory_limit = 0  # read by nothing else meanwhile: this does not wait
                try:
                    return self._add_to_processing(ts, ws, stimulus_id=stimulus_id)
                finally:
                    ws.memory_limit = limit
        return self._add_to_processing(ts, ws, stimulus_id=stimulus_id)

    def close(self) -> None:
        """Leave no trace on the scheduler."""
        self._scheduler.__dict__.pop("_add_to_processing", None)
