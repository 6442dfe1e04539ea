"""What this process runs on a cluster, as long as it runs: which cell has begun it, how far it is, and how fast.

Kept here are loops, which tell of themselves, so that to know how they are costs the scheduler nothing. Whoever shows
them looks again from time to time: nothing is told of each item.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from moorage.tasks.map.ledger import Progress
    from moorage.tasks.map.results import Results

_WINDOW = 10.0  # seconds over which the pace is taken
_SAMPLES = 20


class Cell(NamedTuple):
    """A cell of the notebook: its id, and the number of its execution."""

    id: str = ""
    execution: int = 0


class Pace:
    """How many items end in a second, over the last ten. Pure."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def observe(self, now: float, done: int) -> None:
        """Note how many have ended by `now`, in seconds."""
        samples = self._samples
        if samples and done < samples[-1][1]:  # some are run again
            samples.clear()
        if len(samples) > 1 and now - samples[-2][0] < _WINDOW / _SAMPLES:
            samples.pop()
        samples.append((now, done))
        while len(samples) > 2 and now - samples[1][0] >= _WINDOW:
            samples.popleft()

    @property
    def per_second(self) -> float:
        """Items per second; 0 as long as none has ended or nothing has been seen twice."""
        if len(self._samples) < 2:
            return 0.0
        (then, before), (now, done) = self._samples[0], self._samples[-1]
        return (done - before) / (now - then) if now > then else 0.0


class Computation:
    """A loop that runs. `label`: the function, or the loop as the cell has it."""

    def __init__(self, number: int, label: str, results: Results) -> None:
        self.id = str(number)
        self.label = label
        self.results = results
        self.cell = asked_in()
        self.begun = results.begun
        self.cancelling = False
        self._pace = Pace()
        self._pace.observe(results.begun, 0)

    def look(self) -> tuple[Progress, float]:
        """Return how far it is now, and how many items end in a second."""
        progress = self.results.progress
        self._pace.observe(time.monotonic(), progress.done)
        return progress, self._pace.per_second

    def cancel(self) -> None:
        """Cancel what has not ended, without waiting for that."""
        self.cancelling = True
        self.results.stop()


class Computations:
    """Those of one cluster, the oldest first. `changed`: called, on any thread, when one has begun or ended."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._running: dict[str, Computation] = {}

    def begin(self, label: str, results: Results) -> None:
        """Keep a loop, which has just begun or begins again, until it has ended."""
        computation = Computation(next(self._numbers), label, results)

        def look() -> None:
            if results.done():
                with self._lock:
                    known = self._running.pop(computation.id, None)
                if known is not None:
                    unsubscribe()
                    self._changed()

        with self._lock:
            self._running[computation.id] = computation
            unsubscribe = results.subscribe(look)
        self._changed()
        look()  # it may have ended before

    def running(self) -> list[Computation]:
        """Return those that have not ended."""
        with self._lock:
            return list(self._running.values())

    def labels(self) -> dict[str, str]:
        """Return how what runs is called, by Dask's name of the group of its tasks."""
        return {one.results.group: one.label for one in self.running()}

    def __getitem__(self, computation_id: str) -> Computation:
        """Return one that runs; KeyError if it has ended."""
        with self._lock:
            return self._running[computation_id]


def _nowhere() -> Cell:
    return Cell()


asked_in: Callable[[], Cell] = _nowhere
"""Says in which cell we are; set by what knows notebooks."""


def ask_for_cells(ask: Callable[[], Cell] | None) -> None:
    """Let `ask` say from now on in which cell the thread is that calls it; None: nobody knows."""
    global asked_in
    asked_in = ask or _nowhere
