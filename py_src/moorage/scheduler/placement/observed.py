"""What the scheduler knows of workers and keys, as the plan sees it (``plan.py``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import islice
from time import time
from typing import TYPE_CHECKING, Any

from moorage.model import WorkerInfo, WorkerStatus
from moorage.plan import Address
from moorage.scheduler.recovery.restorer import is_value
from moorage.wire.images import METRIC

if TYPE_CHECKING:
    from distributed.scheduler import TaskState, WorkerState

    from moorage.scheduler.shared import Shared

SMALLEST_SPREAD = 4 << 20
"""Bytes of a value below which connections among all hosts would take longer than what they save."""

_SPREADERS = 8  # that are looked at
_GROUPS = 4  # of tasks that are named of a worker

_STATUSES: dict[str, WorkerStatus] = {"init": "init", "running": "running", "paused": "paused"}


def worker_info(ws: WorkerState, *, memory: bool = False, shared: Shared | None = None) -> WorkerInfo:
    """Return what the scheduler knows of a worker; `memory` adds what it holds at the moment, `shared` its host."""
    holds = ws.memory if memory else None
    said = ws.metrics.get(METRIC, {})
    return WorkerInfo(
        name=str(ws.name),
        address=ws.address,
        host=ws.host,
        nthreads=ws.nthreads,
        memory_limit=ws.memory_limit or 0,
        status=_STATUSES.get(ws.status.name, "closing"),
        managed=min(holds.managed, own_nbytes(ws, shared)) if holds else 0,
        process=holds.process if holds else 0,
        spilled=holds.spilled if holds else 0,
        host_shared=shared.on_host(ws.host) if shared else 0,
        host_free=said.get("host_free", -1),
        shares=said.get("shares"),
        **(running_tasks(ws) if memory else {}),
    )


def running_tasks(ws: WorkerState) -> dict[str, Any]:
    """Return what a worker has said that it runs, and how much else it has been sent."""
    if not ws.processing:
        return {}
    running = Counter(str(ts.group.name) for ts in ws.executing)
    return {
        "running": dict(running.most_common(_GROUPS)),
        "since": round(time() - max(ws.executing.values())) if running else 0,
        "waiting": max(0, len(ws.processing) - len(ws.executing)),
    }


def own_nbytes(ws: WorkerState, shared: Shared | None) -> int:
    """Return the bytes of keys that a worker has in memory for itself."""
    in_memory: int = ws.nbytes - ws.metrics["spilled_bytes"]["memory"]
    return max(0, in_memory - (shared.held_by(ws) if shared is not None else 0))


class Holders(AbstractSet[Address]):
    """The addresses of a key's holders, without a copy of what may be thousands."""

    def __init__(self, who_has: AbstractSet[WorkerState], workers: Mapping[Address, WorkerState]) -> None:
        self._who_has = who_has
        self._workers = workers

    @classmethod
    def _from_iterable(cls, addresses: Iterable[Any]) -> AbstractSet[Any]:
        return frozenset(addresses)

    def __contains__(self, address: object) -> bool:
        return self._workers.get(address) in self._who_has  # type: ignore[call-overload]

    def __iter__(self) -> Iterator[Address]:
        return (ws.address for ws in self._who_has)

    def __len__(self) -> int:
        return len(self._who_has)


def spreaders(ts: TaskState) -> list[Address]:
    """Return holders of a key that can send it to several hosts at once; none unless it is a placed value of size."""
    if ts.nbytes < SMALLEST_SPREAD or not is_value(ts):
        return []
    some = islice(ts.who_has or (), _SPREADERS)
    return [ws.address for ws in some if ws.metrics.get(METRIC, {}).get("shares")]
