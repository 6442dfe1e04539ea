"""What runs, as panels show it: rows for what has run for a moment, since what is over at once need not be shown."""

from __future__ import annotations

import time

from moorage.tasks.computations import Computation, Computations
from moorage.wire.panel import PanelComputation

_PATIENCE = 0.4  # seconds
_DIGITS = 3  # of a pace: more would be another change each time


def look(computations: Computations) -> dict[str, PanelComputation]:
    """Return what is to be seen of them now."""
    now = time.monotonic()
    return {one.id: _row(one) for one in computations.running() if now - one.begun >= _PATIENCE or one.cancelling}


def _row(computation: Computation) -> PanelComputation:
    progress, pace = computation.look()
    return {
        "id": computation.id,
        "label": computation.label,
        "cell": computation.cell.id,
        "execution": computation.cell.execution,
        "total": -1 if progress.total is None else progress.total,
        "done": progress.done,
        "failed": progress.failed,
        "rate": float(f"{pace:.{_DIGITS}g}"),
        "cancelling": computation.cancelling,
    }
