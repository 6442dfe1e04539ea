"""Counts what has been placed, copied and restored, for whoever watches the cluster. Nothing is decided by it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from moorage.model import State
from moorage.plan import Key
from moorage.scheduler.desired import Desired
from moorage.scheduler.shared import Shared
from moorage.wire.scheduler import CountsDict, VariableRecord, WorkerLeft
from moorage.wire.tally import Tally

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState

STATES: tuple[State, ...] = ("held", "moving", "waiting", "lost")


class Counting:
    """What has happened so far.

    `standing`: returns a variable as it stands, by ``vid``, or None.
    """

    def __init__(
        self, scheduler: Scheduler, desired: Desired, shared: Shared, standing: Callable[[str], VariableRecord | None]
    ) -> None:
        self._scheduler = scheduler
        self._desired = desired
        self._shared = shared
        self._standing = standing
        self._copies = self._copied = self._restored = self._lost = 0
        self._seconds = 0.0

    def came(self, keys: Iterable[Key]) -> None:
        """Note that keys are about to be placed: the copies that there are already have been sent for that."""
        for key in keys:
            ts = self._scheduler.tasks.get(key)
            if ts is not None and ts.who_has and key not in self._desired.by_key:
                self._copies += len(ts.who_has)
                self._copied += len(ts.who_has) * max(0, ts.nbytes)

    def copied(self, ts: TaskState) -> None:
        """Note that a worker has got a placed key."""
        self._copies += 1
        if ts.nbytes > 0:
            self._copied += ts.nbytes

    def left(self, event: WorkerLeft) -> None:
        """Note what became of the variables that a worker had."""
        self._restored += len(event["restored"])
        self._lost += len(event["lost"])
        self._seconds += event["seconds"] if event["restored"] else 0

    def tally(self) -> Tally:
        """Return how things stand."""
        there = [record for vid in self._desired.records if (record := self._standing(vid)) is not None]
        states = Counter(record["state"] for record in there)
        return {
            "variables": {state: states[state] for state in STATES},
            "nbytes": sum(record["nbytes"] for record in there),
            "held": sum(self._total(record["held"]) for record in there),
            "pending": sum(self._total(record["pending"]) for record in there),
            "shared": sum(self._shared.of_hosts.values()),
            "copies": self._copies,
            "copied": self._copied,
            "restored": self._restored,
            "lost": self._lost,
            "seconds": self._seconds,
        }

    def _total(self, counts: CountsDict) -> int:
        others = counts["others"]
        return sum(others.values()) + counts["rest"] * (len(self._scheduler.workers) - len(others))
