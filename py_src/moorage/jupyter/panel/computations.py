"""What runs, as panels show it: rows for what has run for a moment, since what is over at once need not be shown."""

from __future__ import annotations

import time

from moorage.tasks.computations import Computation, Computations, PlainComputation
from moorage.wire.panel import PanelComputation

TICK = 0.5  # seconds after which is told how far is what runs
_PATIENCE = 0.4  # seconds
_DIGITS = 3  # of a pace: more would be another change each time


class Look:
    """Looks at what runs, anew after a tick or when something has begun, ended or been cancelled, else as before.

    Workers tell of what they run many times in a second, and each loop would be another change each time.
    """

    def __init__(self) -> None:
        self._seen: dict[str, PanelComputation] = {}
        self._of: list[tuple[Computation | PlainComputation, bool]] = []
        self._next = 0.0

    def __call__(self, computations: Computations) -> dict[str, PanelComputation]:
        """Return what is to be seen of them."""
        now = time.monotonic()
        running = [(one, one.cancelling) for one in computations.running()]
        if running != self._of or now >= self._next:
            self._of, self._next = running, now + TICK
            self._seen = {
                one.id: _row(one) for one, cancelling in running if cancelling or now - one.begun >= _PATIENCE
            }
        return self._seen


def _row(computation: Computation | PlainComputation) -> PanelComputation:
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
