"""What the panel shows, as a value, and what changes from one such value to the next. Pure.

`StateMaker` turns the facts of this kernel (what the scheduler said last, the cluster, the notebook) into a
`PanelState`; `difference` says what has changed, in the words of `PanelUpdate`. How that travels is ``publisher.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Container, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from dask.utils import key_split

from moorage.capacity import unspilled, usable
from moorage.counts import difference as counts_difference
from moorage.counts import with_workers
from moorage.images.segment import SMALLEST_SHARED
from moorage.kernel.connection.mirror import shown_names
from moorage.kernel.values.keys import is_writable
from moorage.model import ON_DISK
from moorage.wire.panel import (
    PanelCandidate,
    PanelChanged,
    PanelCluster,
    PanelComputation,
    PanelEvent,
    PanelNamedMemory,
    PanelNotice,
    PanelProposal,
    PanelRemoved,
    PanelSnapshot,
    PanelState,
    PanelTasks,
    PanelUpdate,
    PanelVariable,
    PanelVariableChange,
    PanelWorker,
    PanelWorkerColumns,
)
from moorage.wire.scheduler import PROTOCOL_VERSION, PlacementDict, VariableRecord, WorkerDict


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a `PanelState` is made of."""

    cluster: PanelCluster | None = None
    workers: Mapping[str, WorkerDict] = field(default_factory=dict)
    variables: Mapping[str, VariableRecord] = field(default_factory=dict)  # by ``vid``
    owner: str = ""  # what this notebook is called on the cluster
    stale: Collection[str] = frozenset()  # names of this notebook's variables whose value has changed since
    only_on_cluster: Collection[str] = frozenset()  # names of this notebook's variables of which it has no value
    # those that are being sent, and that the scheduler does not know yet
    sending: Mapping[str, PanelVariable] = field(default_factory=dict)
    # names that mean something in the notebook: others' variables of these are shown as ``name@owner``
    namespace: Container[str] = frozenset()
    candidates: Mapping[str, PanelCandidate] = field(default_factory=dict)
    ledger: Mapping[str, PanelNamedMemory] = field(default_factory=dict)
    # worker -> bytes of its collections, and of its futures and results
    named: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    computations: Mapping[str, PanelComputation] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)  # what the notebook calls groups of tasks of its own
    notices: Mapping[str, PanelNotice] = field(default_factory=dict)
    proposals: Mapping[str, PanelProposal] = field(default_factory=dict)
    events: Mapping[str, PanelEvent] = field(default_factory=dict)
    undoable: str = ""
    read_only: bool = False


def as_read_only(message: PanelSnapshot | PanelUpdate) -> PanelSnapshot | PanelUpdate:
    """Return `message` as a panel is told that may only look, whatever others may do."""
    if message["type"] == "snapshot":
        return {**message, "state": {**message["state"], "read_only": True}}
    if "read_only" in message["changed"]:
        return {**message, "changed": {**message["changed"], "read_only": True}}
    return message


def snapshot_of(state: PanelState, version: int) -> PanelSnapshot:
    """Return the message that tells all of a state."""
    workers: list[Any] = list(state["workers"].values())
    columns: Any = {field: [worker[field] for worker in workers] for field in PanelWorkerColumns.__annotations__}
    message: PanelState = {**state, "workers": {}}
    return {"type": "snapshot", "protocol": PROTOCOL_VERSION, "version": version, "state": message, "workers": columns}


_NOTHING = (0, 0)

EMPTY: PanelState = {
    "cluster": None,
    "workers": {},
    "tasks": {},
    "variables": {},
    "candidates": {},
    "ledger": {},
    "computations": {},
    "notices": {},
    "proposals": {},
    "events": {},
    "undoable": "",
    "limits": {"pause": usable(), "spill": unspilled(), "smallest_shared": SMALLEST_SHARED},
    "read_only": False,
}
"""The state of a kernel in which nothing has happened."""


class StateMaker:
    """Makes states. What is made of the same record as the time before is the same object as the time before.

    So with 200 variables on 1,000 workers each state costs what has changed, not the 200,000 copies there are.
    """

    def __init__(self) -> None:
        self._variables: dict[str, tuple[VariableRecord, tuple[bool, bool], PanelVariable]] = {}
        self._workers: dict[str, tuple[WorkerDict, tuple[int, int], PanelWorker]] = {}

    def __call__(self, facts: Facts) -> PanelState:
        """Return the state that follows from `facts`."""
        own = {record["name"] for record in facts.variables.values() if record["owner"] == facts.owner}
        candidates = {n: c for n, c in facts.candidates.items() if n not in own and n not in facts.sending}
        names = shown_names(facts.variables, facts.owner, facts.namespace)
        # In the order in which they were placed, so that a panel that has seen them come and one that is opened later
        # list them alike.
        order = {vid: (record["owner"] != facts.owner, i) for i, (vid, record) in enumerate(facts.variables.items())}
        addresses = {worker["address"]: name for name, worker in facts.workers.items()}
        made = {
            name: self._variable(name, facts.variables[vid], facts, addresses)
            for name, vid in sorted(names.items(), key=lambda item: order[item[1]])
        }
        self._variables = {name: self._variables[name] for name in made}
        workers = {
            name: self._worker(name, worker, facts.named.get(name, _NOTHING)) for name, worker in facts.workers.items()
        }
        self._workers = {name: self._workers[name] for name in workers}
        return {
            "cluster": facts.cluster,
            "workers": workers,
            "tasks": {name: tasks for name, one in facts.workers.items() if (tasks := _tasks(one, facts.labels))},
            "variables": {name: variable for name, variable in facts.sending.items() if name not in own} | made,
            "candidates": candidates,
            "ledger": dict(facts.ledger),
            "computations": dict(facts.computations),
            "notices": dict(facts.notices),
            "proposals": dict(facts.proposals),
            "events": dict(facts.events),
            "undoable": facts.undoable,
            "limits": {"pause": usable(), "spill": unspilled(), "smallest_shared": SMALLEST_SHARED},
            "read_only": facts.read_only,
        }

    def _variable(self, name: str, record: VariableRecord, facts: Facts, addresses: Mapping[str, str]) -> PanelVariable:
        mine = record["owner"] == facts.owner
        stale = mine and record["name"] in facts.stale
        known = self._variables.get(name)
        placement = _named(record["placement"], addresses)
        only_on_cluster = mine and record["name"] in facts.only_on_cluster
        same = known is not None and known[0] is record and known[1] == (stale, only_on_cluster)
        if known is not None and same and known[2]["placement"] == placement:
            return known[2]
        variable: PanelVariable = {
            "name": name,
            "owner": "" if mine else record["owner"],
            "typename": record["typename"],
            "detail": ", ".join(filter(None, (record["detail"], ON_DISK.get(record["durable"])))),
            "nbytes": record["nbytes"],
            "shared": record["shared"],
            "nkeys": len(record["keys"]),
            "collection": record["structure"]["kind"] == "collection",
            "writable": bool(record["keys"]) and all(map(is_writable, record["keys"])),
            "placement": placement,
            "state": record["state"],
            "reason": record["reason"],
            "stale": stale,
            "only_on_cluster": only_on_cluster,
            "held": record["held"],
            "pending": record["pending"],
        }
        self._variables[name] = (record, (stale, only_on_cluster), variable)
        return variable

    def _worker(self, name: str, worker: WorkerDict, named: tuple[int, int]) -> PanelWorker:
        known = self._workers.get(name)
        if known is not None and known[0] is worker and known[1] == named:
            return known[2]
        made: Any = {**worker, "collections": named[0], "results": named[1]}
        for part in ("address", "running", "since", "waiting"):
            del made[part]
        self._workers[name] = (worker, named, made)
        return made  # type: ignore[no-any-return]


def _tasks(worker: WorkerDict, labels: Mapping[str, str]) -> PanelTasks | None:
    """Return what a worker runs; None if it is idle."""
    if not worker["running"] and not worker["waiting"]:
        return None
    running = Counter[str]()
    for group, count in worker["running"].items():
        running[labels.get(group) or key_split(group)] += count
    return {"running": dict(running), "since": worker["since"], "waiting": worker["waiting"]}


def _named(placement: PlacementDict, addresses: Mapping[str, str]) -> PlacementDict:
    """Return `placement` with names for the addresses, with or without protocol, of workers that are here."""
    if not any(":" in worker for worker in placement.get("workers", ())):
        return placement
    names = {**addresses, **{address.rpartition("//")[2]: name for address, name in addresses.items()}}
    return {**placement, "workers": [names.get(worker, worker) for worker in placement["workers"]]}


def difference(before: PanelState, after: PanelState) -> tuple[PanelChanged, PanelRemoved] | None:
    """Return what an update has to say to lead from one state to another; None when they are the same."""
    changed: Any = {part: after[part] for part in _PARTS if before[part] != after[part]}
    removed: PanelRemoved = {}
    come, gone = after["workers"].keys() - before["workers"].keys(), before["workers"].keys() - after["workers"].keys()
    if come or gone:
        adjusted = {name: with_workers(variable, come, gone) for name, variable in before["variables"].items()}
        before = {**before, "variables": adjusted}
    for table, change in _TABLES.items():
        if changes := _changes(before[table], after[table], change):
            changed[table] = changes
        if missing := [name for name in before[table] if name not in after[table]]:
            removed[table] = missing
    return (changed, removed) if changed or removed else None


def _changes(before: Mapping[str, Any], after: Mapping[str, Any], change: Callable[[Any, Any], Any]) -> dict[str, Any]:
    return {
        name: change(before.get(name), entry)
        for name, entry in after.items()
        if (known := before.get(name)) is not entry and known != entry
    }


def _whole(_: Any, after: Any) -> Any:
    return after


def _variable_change(before: PanelVariable | None, after: PanelVariable) -> PanelVariableChange:
    change = _fields(before, after)
    if before is not None and "held" in change:
        change["held"] = counts_difference(before["held"], after["held"])
    if before is not None and "pending" in change:
        change["pending"] = counts_difference(before["pending"], after["pending"])
    return change  # type: ignore[return-value]


def _fields(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in after.items() if before is None or before[name] != value}


_Part: TypeAlias = Literal["cluster", "undoable", "limits", "read_only"]
_PARTS: tuple[_Part, ...] = ("cluster", "undoable", "limits", "read_only")
_Table: TypeAlias = Literal[
    "workers", "tasks", "variables", "candidates", "ledger", "computations", "notices", "proposals", "events"
]
_TABLES: dict[_Table, Callable[[Any, Any], Any]] = {
    "workers": _fields, "tasks": _whole, "variables": _variable_change, "candidates": _whole, "ledger": _whole,
    "computations": _fields, "notices": _whole, "proposals": _whole, "events": _whole,
}  # fmt: skip
"""What is told of by entry, and what is told of one that has changed."""
