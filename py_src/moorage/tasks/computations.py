"""What this process runs on a cluster, as long as it runs: which cell has begun it, how far it is, and how fast.

Loops tell of themselves, so that to know how they are costs the scheduler nothing. Of what Dask itself was asked to
compute the scheduler tells (``scheduler/tasks/work.py``). Whoever shows them looks again from time to time: nothing is
told of each item.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from distributed.utils import key_split_group

from moorage.tasks.map.ledger import Progress

if TYPE_CHECKING:
    from moorage.tasks.map.results import Results
    from moorage.wire.tally import WorkRow

_WINDOW = 10.0  # seconds over which the pace is taken
_SAMPLES = 20
_LOOKED_AT = 100  # keys of a graph, for the groups of its tasks
_REMEMBERED = 1000  # groups


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
        self.unsubscribe: Callable[[], None] = lambda: None
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


class PlainComputation:
    """What Dask itself was asked to compute. `cells`: which cell asked for a group of tasks. `cancel`: given the id."""

    def __init__(self, row: WorkRow, cells: Mapping[str, Cell], cancel: Callable[[str], None]) -> None:
        self.id = row["id"]
        self.label = row["label"]
        self.cell = cells.get(row["group"], Cell())
        self.begun = time.monotonic() - row["seconds"]
        self.cancelling = False
        self._cancel = cancel
        self._pace = Pace()
        self._pace.observe(self.begun, 0)
        self.tell(row)

    def tell(self, row: WorkRow) -> None:
        """Take how far it is."""
        self._row = row
        self._pace.observe(time.monotonic(), row["done"])

    def look(self) -> tuple[Progress, float]:
        """Return how far it is, and how many tasks end in a second."""
        total, done, failed = self._row["total"], self._row["done"], self._row["failed"]
        progress = Progress(total, done, failed, running=total - done, cancelled=0, finished=False)
        return progress, self._pace.per_second

    def cancel(self) -> None:
        """Cancel what has not ended, without waiting for that."""
        self.cancelling = True
        self._cancel(self.id)


class Computations:
    """Those of one cluster, the oldest first.

    `changed`: called, on any thread, when one has begun or ended. `cancel`: cancels what Dask computes, given its id.
    `ended`: called with each loop that has ended.
    """

    def __init__(
        self,
        changed: Callable[[], None] = lambda: None,
        cancel: Callable[[str], None] = lambda work: None,
        ended: Callable[[Computation], None] = lambda loop: None,
    ) -> None:
        self._changed = changed
        self._cancel = cancel
        self._ended = ended
        self._plain: dict[str, PlainComputation] = {}
        self._cells: dict[str, Cell] = {}  # which have asked for groups of tasks, the latest last
        self._of_loops: set[str] = set()  # ids of what loops have sent, also of those that have just ended
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._running: dict[str, Computation] = {}

    def begin(self, label: str, results: Results) -> None:
        """Keep a loop, which has just begun or begins again, until it has ended."""
        computation = Computation(next(self._numbers), label, results)
        with self._lock:
            self._running[computation.id] = computation
            computation.unsubscribe = results.subscribe(partial(self._look, computation.id))
        self._changed()
        self._look(computation.id)  # it may have ended before

    def _look(self, computation_id: str) -> None:
        """Let go of a loop that has ended: what it has on the cluster is for whoever else knows its results."""
        with self._lock:
            computation = self._running.get(computation_id)
            if computation is None or not computation.results.done():
                return
            del self._running[computation_id]
        computation.unsubscribe()
        self._ended(computation)
        self._changed()

    def note(self, keys: Sequence[Any]) -> None:
        """Remember in which cell the calling thread asks for tasks, while it does."""
        cell = asked_in()
        groups = {key_split_group(key) for key in keys[:: 1 + len(keys) // _LOOKED_AT]}
        with self._lock:
            for group in groups:
                self._cells.pop(group, None)
                if cell != Cell():
                    self._cells[group] = cell
            while len(self._cells) > _REMEMBERED:
                del self._cells[next(iter(self._cells))]

    def tell(self, rows: Sequence[WorkRow]) -> None:
        """Take what the scheduler says that Dask computes for this notebook: all of it; loops are among that."""
        loops = self.labels()
        with self._lock:
            self._of_loops = {row["id"] for row in rows if row["group"] in loops or row["id"] in self._of_loops}
            before, self._plain = self._plain, {}
            for row in rows:
                if row["id"] in self._of_loops:
                    continue
                if (known := before.get(row["id"])) is not None:
                    known.tell(row)
                self._plain[row["id"]] = known or PlainComputation(row, self._cells, self._cancel)
            different = before.keys() != self._plain.keys()
        if different:
            self._changed()

    def running(self) -> list[Computation | PlainComputation]:
        """Return those that have not ended."""
        with self._lock:
            return [*self._running.values(), *self._plain.values()]

    def labels(self) -> dict[str, str]:
        """Return how what runs is called, by Dask's name of the group of its tasks."""
        with self._lock:
            return {one.results.group: one.label for one in self._running.values()}

    def loops(self) -> dict[Results, str]:
        """Return the ids of the loops that have not ended, by their results."""
        with self._lock:
            return {one.results: one.id for one in self._running.values()}

    def __getitem__(self, computation_id: str) -> Computation | PlainComputation:
        """Return one that runs; KeyError if it has ended."""
        with self._lock:
            return self._running.get(computation_id) or self._plain[computation_id]


def _nowhere() -> Cell:
    return Cell()


asked_in: Callable[[], Cell] = _nowhere
"""Says in which cell we are; set by what knows notebooks."""


def ask_for_cells(ask: Callable[[], Cell] | None) -> None:
    """Let `ask` say from now on in which cell the thread is that calls it; None: nobody knows."""
    global asked_in
    asked_in = ask or _nowhere
