"""What the scheduler said last, kept up to date from its events. No I/O; any thread may read."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping
from threading import RLock
from typing import Any

from moorage.counts import changed, expand, with_workers
from moorage.model import PlacementState, WorkerInfo, natural
from moorage.wire.scheduler import (
    Changes,
    SchedulerSnapshot,
    VariableDelta,
    VariableRecord,
    WorkerDict,
    placement_from_dict,
)

_GONE = 1000  # variables that are gone, of which it is remembered when that was told


class GapError(Exception):
    """An event is missing: only a snapshot helps. Never leaves the kernel side."""


class Mirror:
    """Variables and workers as of event number ``seq``, and what answers have said since.

    Answers, snapshots and events travel by different connections and arrive in any order. The scheduler counts every
    place and every release (``revision``): what it said before the one that an answer is about undoes no answer, and an
    answer undoes nothing that was said of the variable after that. What is left out then comes by the next event.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._answered: dict[str, int] = {}  # vid -> revision of an answer that has been quicker than all else
        self._told: dict[str, int] = {}  # vid -> revision of the last event or answer that told of it
        self._told_of_all = -1  # revision of the last snapshot
        self.seq = -1
        self.variables: dict[str, VariableRecord] = {}
        self.workers: dict[str, WorkerDict] = {}
        self.seen: set[str] = set()
        self.hosted = False

    def reset(self, snapshot: SchedulerSnapshot, *, anew: bool = False) -> None:
        """Take over a snapshot, as far as events and answers have not been quicker; `anew`: all of it, in any case."""
        with self._lock:
            if anew:
                self._answered.clear()
            elif snapshot["seq"] < self.seq:
                return
            self._keep_answers_after(snapshot["revision"])
            self._told_of_all = snapshot["revision"]
            self._told = dict(self._answered)
            answered = {vid: record for vid, record in self.variables.items() if vid in self._answered}
            others = {vid: record for vid, record in snapshot["variables"].items() if vid not in self._answered}
            self.variables = others | answered
            self.seq = snapshot["seq"]
            self.workers = dict(snapshot["workers"])
            self.seen = set(snapshot["seen"])
            self.hosted = snapshot["hosted"]

    def apply(self, event: Changes) -> set[str]:
        """Apply an event and return which kinds of things it changed: ``variables``, ``workers``.

        What an answer has said of a variable later than this event is not undone. Raises GapError if the event is not
        the next one. Nothing has changed.
        """
        with self._lock:
            if event["seq"] <= self.seq:
                return set()  # a snapshot was quicker
            if event["seq"] != self.seq + 1:
                raise GapError
            self.seq = event["seq"]
            self._keep_answers_after(event["revision"])
            come = event["workers"].keys() - self.workers.keys()
            if come or event["workers_gone"]:
                gone = event["workers_gone"]
                self.variables = {
                    vid: record if vid in self._answered else with_workers(record, come, gone)
                    for vid, record in self.variables.items()
                }
            for vid, record in event["placed"].items():
                if vid not in self._answered:
                    self.variables[vid] = record
            for vid, delta in event["changed"].items():
                if vid in self.variables and vid not in self._answered:
                    self.variables[vid] = _merged(self.variables[vid], delta)
            for vid in event["released"]:
                if vid not in self._answered:
                    self.variables.pop(vid, None)
            self._note((*event["placed"], *event["changed"], *event["released"]), event["revision"])
            self.workers.update(event["workers"])
            self.seen.update(event["workers"])
            for name in event["workers_gone"]:
                self.workers.pop(name, None)
        kinds = {"variables"} if event["placed"] or event["changed"] or event["released"] else set()
        return kinds | ({"workers"} if event["workers"] or event["workers_gone"] else set())

    def put(self, records: Mapping[str, VariableRecord | None], revision: int) -> None:
        """Take over what an answer said of some variables that it has placed or, None, released."""
        with self._lock:
            new = {vid: record for vid, record in records.items() if self._told_at(vid) < revision}
            for vid, record in new.items():
                if record is None:
                    self.variables.pop(vid, None)
                else:
                    self.variables[vid] = record
                self._answered[vid] = revision
            self._note(new, revision)

    def _told_at(self, vid: str) -> int:
        return max(self._told.get(vid, -1), self._told_of_all)

    def _note(self, vids: Iterable[str], revision: int) -> None:
        self._told.update((vid, max(revision, self._told_at(vid))) for vid in vids)
        if len(self._told) > 2 * len(self.variables) + _GONE:
            self._told = {vid: told for vid, told in self._told.items() if vid in self.variables}

    def _keep_answers_after(self, revision: int) -> None:
        self._answered = {vid: answered for vid, answered in self._answered.items() if answered > revision}

    def snapshot(self) -> tuple[dict[str, VariableRecord], dict[str, WorkerDict]]:
        """Return copies of both tables that belong together."""
        with self._lock:
            return dict(self.variables), dict(self.workers)

    def variable_of(self, key: Any) -> VariableRecord | None:
        """Return a variable that a key is of."""
        return next((record for record in list(self.variables.values()) if key in record["keys"]), None)

    def addresses(self) -> set[str]:
        """Return the addresses of the workers."""
        with self._lock:
            return {worker["address"] for worker in self.workers.values()}

    def infos(self) -> list[WorkerInfo]:
        """Return the workers, by name."""
        with self._lock:
            return by_name(WorkerInfo(**worker) for worker in self.workers.values())


def state_of(record: VariableRecord, workers: Collection[str], stale: bool = False) -> PlacementState:
    """Return a variable's record as users see it; `workers` are the names of all."""
    held = expand(record["held"], workers)
    return PlacementState(
        name=record["name"],
        placement=placement_from_dict(record["placement"]),
        state=record["state"],
        reason=record["reason"],
        holders=sorted(held),
        nbytes=record["nbytes"],
        nkeys=len(record["keys"]),
        held=held,
        pending=expand(record["pending"], workers),
        owner=record["owner"],
        typename=record["typename"],
        detail=record["detail"],
        until=record["until"],
        durable=record["durable"],
        stale=stale,
    )


def shown_names(
    variables: Mapping[str, VariableRecord], owner: str, taken: Container[str] = frozenset()
) -> dict[str, str]:
    """Return the name that a notebook uses for each variable: shown name -> ``vid``.

    Its own come first, under their plain names. Others' have theirs too where that is free, else ``name@owner``.
    `variables`: by ``vid``. `taken`: names that mean something else in the notebook.
    """
    names: dict[str, str] = {}
    for vid, record in sorted(variables.items(), key=lambda item: (item[1]["owner"] != owner, item[0])):
        name = record["name"]
        free = name not in names and (record["owner"] == owner or name not in taken)
        names[name if free else f"{name}@{record['owner']}"] = vid
    return names


def _merged(record: VariableRecord, delta: VariableDelta) -> VariableRecord:
    return {
        **record,
        "state": delta["state"],
        "reason": delta["reason"],
        "nbytes": delta["nbytes"],
        "shared": delta["shared"],
        "durable": delta["durable"],
        "held": changed(record["held"], delta["held"]) if "held" in delta else record["held"],
        "pending": changed(record["pending"], delta["pending"]) if "pending" in delta else record["pending"],
    }


def by_name(workers: Iterable[WorkerInfo]) -> list[WorkerInfo]:
    """Return workers by name, numbers in the order of numbers."""
    return sorted(workers, key=lambda worker: natural(worker.name))
