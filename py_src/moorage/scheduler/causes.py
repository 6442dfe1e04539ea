"""What holds up a task, and what became of a worker: facts for whoever asks. Nothing is recorded, nothing is changed.

A task that waits for others is held up by the worst of those that can be reached from it. Of workers that have gone
Dask's own events tell, of which it keeps the latest, and those of nannies (``worker/last_words.py``).
"""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING, Any

from distributed.core import Status

from moorage._dask.scheduler.events import departures, told_of
from moorage._dask.scheduler.task_states import has_killed
from moorage.plan import Key
from moorage.scheduler.placement.under_way import slowest_copy
from moorage.scheduler.recovery.restorer import is_value
from moorage.wire.why import ENDED_TOPIC, Cause, TaskFacts, TaskFate, WhyReply, WorkerEnd, WorkerFacts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from distributed import Scheduler
    from distributed.scheduler import TaskState

    from moorage.scheduler.placement.reconcile import Reconciler
    from moorage.scheduler.tasks.restrictions import Restrictions

_FATES: tuple[TaskFate, ...] = (
    "erred", "killed", "lost", "absent", "restoring", "no-worker", "released", "paused", "queued", "behind", "running",
    "memory",
)  # fmt: skip
_WORST = {fate: rank for rank, fate in enumerate(_FATES)}
_MOST = 10_000  # tasks that are looked at beyond those that were asked about
_SHOWN = 3  # functions


class Causes:
    """Answers what holds up tasks. `reconciler`: knows what is on its way. `restrictions`: the names of workers."""

    def __init__(self, scheduler: Scheduler, reconciler: Reconciler, restrictions: Restrictions) -> None:
        self._scheduler = scheduler
        self._reconciler = reconciler
        self._restrictions = restrictions

    async def why(self, keys: list[Key], worker: str = "", each: bool = False) -> WhyReply:
        """Return what holds up the worst of `keys`, or each, and what became of the worker of that name."""
        tasks = self._scheduler.tasks
        unknown = [key for key in keys if key not in tasks]
        known = [tasks[key] for key in keys if key in tasks]
        roots = self._roots(known)
        task, away = (None, 0) if not keys else self._facts(known, roots, unknown)
        running = self._scheduler.running
        return {
            "copy": slowest_copy(keys, self._scheduler, self._reconciler),
            "task": task,
            "away": away,
            "workers": len(running),
            "threads": sum(ws.nthreads for ws in running),
            "worker": self._worker(worker) if worker else None,
            "causes": self._causes(keys) if each else [],
        }

    def _causes(self, keys: list[Key]) -> list[Cause]:
        """Return what holds up each of `keys`; those that the same holds up are together."""
        causes: dict[tuple[Any, ...], Cause] = {}
        for position, key in enumerate(keys):
            ts = self._scheduler.tasks.get(key)
            if ts is None:
                facts = _absent(key)
            elif ts.state == "memory":
                facts = self._of(ts, "memory")
            else:
                roots = self._roots([ts])
                worst = min(roots, key=lambda root: _WORST[roots[root]])
                facts = self._of(worst, roots[worst])
            kind = facts["fate"], *(() if facts["fate"] in ("memory", "absent") else _alike(facts, key))
            cause = causes.setdefault(kind, {"of": [], "task": facts})
            cause["of"].append(position)
            if facts["fate"] == "memory" and not set(facts["on"]) <= set(cause["task"]["on"]):
                cause["task"]["on"] = sorted({*cause["task"]["on"], *facts["on"]})
        return list(causes.values())

    def _facts(
        self, asked: list[TaskState], roots: dict[TaskState, TaskFate], unknown: list[Key]
    ) -> tuple[TaskFacts, int]:
        away = len(unknown) + sum(ts.state != "memory" for ts in asked)
        worst = min(roots, key=lambda ts: _WORST[roots[ts]], default=None)
        if worst is None or (unknown and _WORST[roots[worst]] > _WORST["absent"]):
            return _absent(unknown[0]), away
        facts = self._of(worst, roots[worst])
        if facts["fate"] == "memory":  # so all are
            facts["on"] = sorted({str(holder.name) for ts in asked for holder in ts.who_has or ()})
        return facts, away

    def _roots(self, asked: Iterable[TaskState]) -> dict[TaskState, TaskFate]:
        """Return the tasks that can go on without others, or not at all, among `asked` and what these wait for."""
        roots: dict[TaskState, TaskFate] = {}
        work = list(asked)
        seen, left = set(work), _MOST
        while work:
            ts = work.pop()
            waits = [other for other in ts.waiting_on or () if other not in seen] if ts.state == "waiting" else []
            if ts.state != "waiting" or not ts.waiting_on or left <= 0:
                roots[ts] = self._fate(ts)
            left -= len(waits)
            seen.update(waits)
            work += waits
        return roots

    def _fate(self, ts: TaskState) -> TaskFate:
        match ts.state:
            case "memory" | "queued":
                return ts.state
            case "erred":
                blamed = ts.exception_blame or ts
                if is_value(blamed):
                    return "lost"
                return "killed" if has_killed(self._scheduler, blamed) else "erred"
            case "no-worker":
                return "restoring" if is_value(ts) else "no-worker"
            case "processing" if ts.processing_on is not None:
                if ts in ts.processing_on.executing:
                    return "running"
                return "paused" if ts.processing_on.status == Status.paused else "behind"
            case "waiting":
                return "behind"
        return "released"

    def _of(self, ts: TaskState, fate: TaskFate) -> TaskFacts:
        ts = ts.exception_blame or ts
        ws = ts.processing_on
        asked = ts.worker_restrictions or set()
        workers = self._scheduler.workers
        others = self._scheduler.queued if fate == "queued" else ws.processing if ws is not None else (ts,)
        return {
            "key": ts.key,
            "function": str(ts.prefix.name),
            "fate": fate,
            "error": ts.exception_text or "",
            "deaths": ts.suspicious,
            "on": sorted(str(holder.name) for holder in ts.who_has or ()),
            "worker": str(ws.name) if ws is not None else "",
            "seconds": float(ws.executing.get(ts, 0.0)) if ws is not None else 0.0,
            "ahead": len(others) - 1,
            "wanted": sorted({*map(self._restrictions.name_of, asked), *map(str, ts.host_restrictions or ())}),
            "present": sorted(str(workers[address].name) for address in asked if address in workers),
            "resources": dict(ts.resource_restrictions or {}) if fate != "restoring" else {},
            "end": self._end(next(iter(ts.erred_on), "")) if fate == "killed" and ts.erred_on else None,
        }

    def _worker(self, name: str) -> WorkerFacts:
        name = self._restrictions.name_of(name)
        here = next((ws for ws in self._scheduler.workers.values() if str(ws.name) == name), None)
        running = list(dict.fromkeys(str(ts.prefix.name) for ts in here.executing)) if here is not None else []
        return {
            "known": here is not None or self._restrictions.was_here(name),
            "here": here is not None,
            "end": self._end(name),
            "tasks": len(here.processing) if here is not None else 0,
            "running": running[:_SHOWN],
        }

    def _end(self, name: str) -> WorkerEnd:
        """Return how the latest process of a worker has gone, by its name, or how the one at an address has."""
        for left in departures(self._scheduler):
            known = self._restrictions.name_of(left.worker)
            if name in (left.worker, known):
                told, too_much = told_of(self._scheduler, ENDED_TOPIC, left, known)
                return {
                    "worker": known,
                    "how": "memory"
                    if too_much
                    else "restarted"
                    if left.restarted
                    else "asked"
                    if left.expected
                    else "died",
                    "seconds": time() - left.when,
                    "lost": left.lost,
                    "code": told.get("code"),
                    "taken": too_much.get("rss", 0),
                    "lines": told.get("lines", []),
                }
        return {"worker": name, "how": "", "seconds": 0.0, "lost": 0, "code": None, "taken": 0, "lines": []}


def _alike(facts: TaskFacts, key: Key) -> tuple[Any, ...]:
    """Return what two keys have in common that the same holds up. `key`: the one that was asked about."""
    where = facts["worker"], *facts["wanted"], *facts["resources"]
    return facts["key"] == key, facts["function"], facts["error"], facts["deaths"], where


def _absent(key: Any) -> TaskFacts:
    return {
        "key": key, "function": "", "fate": "absent", "error": "", "deaths": 0, "on": [], "worker": "",
        "seconds": 0.0, "ahead": 0, "wanted": [], "present": [], "resources": {}, "end": None,
    }  # fmt: skip
