"""What is asked of the plugin, looked at before anything changes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from moorage.model import OnWorkers, Placement
from moorage.plan import ClusterView, Key
from moorage.wire.scheduler import IsActor, PlaceItem, UnknownWorker

if TYPE_CHECKING:
    from distributed import Scheduler


def named(placement: Placement, view: ClusterView) -> Placement:
    """Return `placement` with workers by name: a name survives the worker's restart, an address does not."""
    if not isinstance(placement, OnWorkers):
        return placement
    names = []
    for spec in placement.workers:
        found = view.resolve(spec)
        by_name = len(found) == 1 and spec not in view.by_host
        names.append(view.name(next(iter(found))) if by_name else spec)
    return OnWorkers(tuple(dict.fromkeys(names)), placement.each, placement.allow_other_workers)


def refused(
    items: Iterable[PlaceItem],
    placements: Iterable[Placement],
    scheduler: Scheduler,
    view: ClusterView,
    known: Collection[str] | None,
) -> UnknownWorker | IsActor | None:
    """Return what is answered if there is something that cannot be placed.

    `known`: workers that were here or are asked for; None before there was any, when each name will do.
    """
    for placement in placements:
        if isinstance(placement, OnWorkers) and known is not None:
            for spec in placement.workers:
                if spec not in known and not view.resolve(spec):
                    return {"status": "unknown-worker", "asked": spec, "known": sorted(known)}
    for item in items:
        for key in item["keys"]:
            if key in scheduler.tasks and scheduler.tasks[key].actor:
                return {"status": "actor", "key": key}
    return None


def is_there(key: Key, scheduler: Scheduler) -> bool:
    """Whether a worker has `key`."""
    ts = scheduler.tasks.get(key)
    return ts is not None and bool(ts.who_has)
