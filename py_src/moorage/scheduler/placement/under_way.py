"""Copies that have been on their way for long: which, since when, and what may slow them. Facts for ``causes.py``.

What workers send to several hosts at once (``spreads.py``) is not covered: it tells its own progress.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic, time
from typing import TYPE_CHECKING

from moorage._dask.scheduler.transfers import usual_seconds
from moorage.plan import Key
from moorage.wire.why import CopyFacts

if TYPE_CHECKING:
    from distributed import Scheduler

    from moorage.scheduler.placement.reconcile import Reconciler

_SILENT = 5.0  # seconds in which a worker says something
_EACH = 0.01  # seconds more for each worker: the more there are, the less often


def slowest_copy(keys: Sequence[Key], scheduler: Scheduler, reconciler: Reconciler) -> CopyFacts | None:
    """Return the copy of one of `keys` that has been on its way for longest; None if none is."""
    flights, workers = reconciler.flights, scheduler.workers
    found = flights.oldest(keys)
    if found is None or found.source not in workers or found.target not in workers:
        return None
    source, target = workers[found.source], workers[found.target]
    silent = min((source, target), key=lambda ws: ws.last_seen)
    silence = max(0.0, time() - silent.last_seen)
    there = coming = 0
    for key in keys:
        if (ts := scheduler.tasks.get(key)) is not None:
            there += len(ts.who_has or ()) * ts.get_nbytes()
            coming += len(reconciler.pending(key)) * ts.get_nbytes()
    return {
        "source": str(source.name),
        "target": str(target.name),
        "nbytes": found.nbytes,
        "seconds": monotonic() - found.since,
        "usual": usual_seconds(scheduler, found.nbytes),
        "there": there,
        "total": there + coming,
        "silent": str(silent.name) if silence > _SILENT + len(workers) * _EACH else "",
        "silence": silence,
        "sending": max(0, flights.outgoing[found.source] - 1),
        "receiving": max(0, flights.incoming[found.target] - found.nbytes),
    }
