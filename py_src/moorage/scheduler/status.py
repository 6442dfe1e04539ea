"""Where a variable stands, and what the workers hold, derived afresh from the scheduler's own state."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from dask.utils import format_bytes

from moorage.counts import counts_of
from moorage.model import State, WorkerInfo
from moorage.naming import short_name
from moorage.plan import Address, standing
from moorage.scheduler.placement.observed import worker_info
from moorage.wire.scheduler import VariableRecord, placement_to_dict

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState, WorkerState

    from moorage.scheduler.desired import Record
    from moorage.scheduler.placement.reconcile import Reconciler
    from moorage.scheduler.recovery.files import Files
    from moorage.scheduler.recovery.restorer import Restorer
    from moorage.scheduler.shared import Shared

_NOBODY: frozenset[WorkerState] = frozenset()
LOOKED_AT = "being looked at"
"""Provisional reason until the key is planned."""


def standing_of(
    record: Record, scheduler: Scheduler, reconciler: Reconciler, origins: Restorer, shared: Shared, files: Files
) -> VariableRecord:
    """Return a variable in full."""
    tasks, view = scheduler.tasks, reconciler.view
    known = [tasks.get(key) for key in record.keys]
    nbytes = sum(
        ts.nbytes if ts is not None and ts.nbytes >= 0 else max(0, record.nbytes.get(key, 0))
        for key, ts in zip(record.keys, known, strict=True)
    )
    holders: list[AbstractSet[WorkerState]] = [(ts and ts.who_has) or _NOBODY for ts in known]
    unsettled = reconciler.unsettled
    lacking = [reconciler.pending(key) for key in record.keys if key in unsettled] if unsettled else []
    held = counts_of(holders, reconciler.states, lambda ws: str(ws.name))
    pending = counts_of(lacking, view.by_address.keys(), view.name)
    state, reason = _state(record, known, scheduler, reconciler, origins, files)
    return {
        "vid": record.vid,
        "name": record.name,
        "owner": record.owner,
        "keys": list(record.keys),
        "placement": placement_to_dict(record.placement),
        "structure": record.structure,
        "typename": record.typename or _typename(record, scheduler),
        "detail": record.detail,
        "nbytes": nbytes,
        "shared": sum(map(shared.size, record.keys)) if shared.mapped else 0,
        "state": state,
        "reason": reason,
        "until": record.until,
        "durable": record.durable,
        "held": held,
        "pending": pending,
    }


def _typename(record: Record, scheduler: Scheduler) -> str:
    """Return the type of what a task has computed, or ``Future`` as long as that is not known."""
    types = {ts.type for key in record.keys if (ts := scheduler.tasks.get(key)) is not None and ts.type}
    return types.pop().rpartition(".")[2] if len(types) == 1 else "Future"


def _state(
    record: Record,
    known: Sequence[TaskState | None],
    scheduler: Scheduler,
    reconciler: Reconciler,
    origins: Restorer,
    files: Files,
) -> tuple[State, str]:
    of_how_many = f" ({{}} of {len(record.keys)} keys)" if len(record.keys) > 1 else ""
    if origins.lost and (lost := [key for key in record.keys if key in origins.lost]):
        where = origins.last_holder.get(lost[0])
        why = origins.lost[lost[0]]
        last = f"its last copy was on worker {short_name(where)}; " if where else ""
        return "lost", f"{last}{why}{of_how_many.format(len(lost))}"
    if failed := [ts for ts in known if ts is not None and ts.state == "erred"]:
        return "lost", f"its computation failed: {failed[0].exception_text}{of_how_many.format(len(failed))}"
    if unknown := sum(ts is None for ts in known):
        return "waiting", f"the scheduler does not know it yet{of_how_many.format(unknown)}"
    if away := [ts for ts in known if ts is not None and not ts.who_has]:
        if not scheduler.running:
            return "waiting", "the cluster has no running workers"
        if any(ts.key in origins for ts in away):
            return "moving", f"its value is on its way from the notebook{of_how_many.format(len(away))}"
        if any(ts.key in files for ts in away):
            return "moving", f"it is being read from its file{of_how_many.format(len(away))}"
        return "waiting", f"it is still being computed{of_how_many.format(len(away))}"
    unsettled = reconciler.unsettled
    plans = [unsettled[key] for key in record.keys if key in unsettled] if unsettled else []
    state, reason = standing(plans, _progress(record, known, reconciler) if plans else "")
    if state == "moving" and (way := reconciler.spreads.progress(record.keys))[1]:
        reason += f"; the other hosts have {format_bytes(way[0])} of {format_bytes(way[1])}"
    if state == "held" and not reconciler.marked.isdisjoint(record.keys):
        return "moving", LOOKED_AT
    return state, reason


def _progress(record: Record, known: Sequence[TaskState | None], reconciler: Reconciler) -> str:
    """Return how many of the wanted copies are there; of a value in parts also how many bytes."""
    unsettled, there, coming = reconciler.unsettled, [0, 0], [0, 0]
    for key, ts in zip(record.keys, known, strict=True):
        if ts is not None:
            step = unsettled.get(key)
            lacking = len(reconciler.pending(key)) if step is not None else 0
            held = len(ts.who_has or ()) - (len(step.surplus) if step is not None else 0)
            for sums, n in (there, held), (coming, lacking):
                sums[0] += n
                sums[1] += n * ts.get_nbytes()
    all_copies, nbytes = there[0] + coming[0], there[1] + coming[1]
    if len(record.keys) == 1:
        return f"{there[0]} of {all_copies} copies are there"
    parts = "parts" if all_copies == len(record.keys) else "copies of parts"
    return f"{there[0]:,} of {all_copies:,} {parts} are there, {format_bytes(there[1])} of {format_bytes(nbytes)}"


class Workers:
    """The workers with their memory. Most of a thousand have said nothing since they were looked at."""

    def __init__(self, scheduler: Scheduler, shared: Shared) -> None:
        self._scheduler = scheduler
        self._shared = shared
        self._infos: dict[Address, tuple[Any, tuple[Any, ...], WorkerInfo]] = {}

    def __call__(self) -> list[WorkerInfo]:
        """Return them as they are now; those that are as they were are the same objects."""
        before, self._infos, shared = self._infos, {}, self._shared
        held, on_hosts = shared.counted.get, shared.of_hosts.get
        for address, ws in self._scheduler.workers.items():
            signs = (ws.nbytes, ws.status, held(address), on_hosts(ws.host))
            known = before.get(address)
            if known is None or known[0] is not ws.metrics or known[1] != signs:
                known = ws.metrics, signs, worker_info(ws, memory=True, shared=shared)
            self._infos[address] = known
        return [info for _, _, info in self._infos.values()]
