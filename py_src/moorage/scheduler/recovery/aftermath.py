"""What became of the variables that a worker had when it left, told once: when nothing of them moves any longer.

A variable of which enough copies are left is not among them: nothing happened to it. Of one that needs others it is
told whether it is there again, waits, or is lost. Who carries that out is ``restorer`` and ``placement``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

from moorage._dask.scheduler.events import departures, told_of
from moorage.plan import Address
from moorage.wire.scheduler import VariableRecord, WorkerLeft
from moorage.wire.why import ENDED_TOPIC

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState

    from moorage.scheduler.desired import Desired

_FIRST = 0.05  # seconds until what is left is known to be enough, or not
_LOOK = 0.1
_REST = 10  # so many times what a look took passes at least until the next
_LONGEST = 60.0  # seconds; what moves longer is told of as waiting
_WORD = 1.0  # seconds in which a nanny tells how a worker has ended that nobody has told to


@dataclass
class _Departure:
    address: Address
    worker: str
    touched: dict[str, bool]  # variables of which it had a copy, and whether it had the last one of a key
    since: float = field(default_factory=perf_counter)
    looked: bool = False
    settled: float = 0.0  # seconds after which nothing moved any longer


class Aftermath:
    """Follows what workers leave behind.

    `standing`: returns a variable as it stands, by ``vid``, or None. `tell`: called once for each worker that has left.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        desired: Desired,
        standing: Callable[[str], VariableRecord | None],
        tell: Callable[[WorkerLeft], None],
    ) -> None:
        self._scheduler = scheduler
        self._desired = desired
        self._standing = standing
        self._tell = tell
        self._lost: dict[Address, dict[str, bool]] = {}  # of workers that are leaving
        self._departures: list[_Departure] = []
        self._timer: asyncio.TimerHandle | None = None

    def lost(self, ts: TaskState, address: Address) -> None:
        """Note that a worker no longer has a placed key; ignored unless that is since it leaves."""
        if address not in self._scheduler.workers:
            touched = self._lost.setdefault(address, {})
            for vid in self._desired.vids(ts.key):
                touched[vid] = touched.get(vid, False) or not ts.who_has

    def left(self, address: Address, name: str) -> None:
        """Note that a worker has left."""
        self._departures.append(_Departure(address, name, self._lost.pop(address, {})))
        self._look_again(_FIRST)

    def close(self) -> None:
        """Follow nothing any longer."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_again(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        begun = perf_counter()
        self._departures = [one for one in self._departures if not self._is_over(one)]
        if self._departures:
            self._look_again(max(_LOOK, _REST * (perf_counter() - begun)))

    def _is_over(self, one: _Departure) -> bool:
        """Tell of a worker if nothing of what it had moves any longer; return whether it was told."""
        seconds = perf_counter() - one.since
        states = {vid: record["state"] for vid in one.touched if (record := self._standing(vid)) is not None}
        if not one.looked and seconds >= _FIRST:
            one.looked = True
            one.touched = {vid: gone for vid, gone in one.touched.items() if gone or states.get(vid) != "held"}
        affected = one.touched.keys() & states.keys()
        if not one.looked or (seconds < _LONGEST and any(states[vid] == "moving" for vid in affected)):
            return False
        one.settled = one.settled or seconds
        how = next((left for left in departures(self._scheduler) if left.worker == one.address), None)
        expected = how is not None and (how.expected or how.restarted)
        ended, too_much = told_of(self._scheduler, ENDED_TOPIC, how, one.worker) if how is not None else ({}, {})
        if not expected and not ended and seconds < one.settled + _WORD:
            return False
        told: dict[str, list[str]] = {"held": [], "moving": [], "waiting": [], "lost": []}
        for vid in sorted(affected):
            told["held" if states[vid] == "waiting" and self._is_there(vid) else states[vid]].append(vid)
        self._tell(
            {
                "type": "worker-left",
                "worker": one.worker,
                "expected": expected,
                "code": ended.get("code"),
                "memory": bool(too_much),
                "restored": told["held"],
                "waiting": told["waiting"] + told["moving"],
                "lost": told["lost"],
                "seconds": one.settled,
            }
        )
        return True

    def _is_there(self, vid: str) -> bool:
        """Whether each key of a variable is on some worker, be it not the one that it should be on."""
        tasks = self._scheduler.tasks
        return all((ts := tasks.get(key)) is not None and ts.who_has for key in self._desired.records[vid].keys)
