"""Values that end the workers which take them, or that workers cannot make, and are given up after some tries.

A value may be larger than it says, or larger than what a worker has left. Then the worker's nanny ends it, and sending
the value again and again would end one worker after the other. Only what could have been too much counts: workers die
of other things too. Or it needs what workers do not have, a module or a file, and making it of what was sent fails.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING

from dask.utils import format_bytes

from moorage.naming import short_name
from moorage.plan import Address, Key
from moorage.scheduler.recovery.strays import Broken

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState, WorkerState

    from moorage.scheduler.desired import Desired
    from moorage.scheduler.shared import Shared

_TRIES = 2
_REFUSALS = 3
_DIGEST = 10.0  # seconds in which a worker may die of what it has taken
_REMEMBER = 600.0  # seconds
_TOO_MUCH = 0.8  # of a worker's memory
_LAST = 100  # values that a worker has taken: one of the last it is that has ended it
_LONGEST = 300  # characters of an error
_WHILE_TAKING = 2  # a value takes up so many times its size while it is read


class Casualties:
    """Which workers have died of which values, as far as can be told.

    `desired`: says how large values are that no worker has. `shared`: says what of them a worker does not take for
    itself.
    """

    def __init__(self, scheduler: Scheduler, desired: Desired, shared: Shared) -> None:
        self._scheduler = scheduler
        self._desired = desired
        self._shared = shared
        self._workers = dict(scheduler.workers)  # also those that the scheduler has just forgotten
        self._taken: dict[Address, deque[tuple[Key, float]]] = {}
        self._died: dict[Key, dict[Address, tuple[str, float]]] = {}
        self._refused: dict[Key, list[tuple[str, str]]] = {}  # workers, and what went wrong there

    def came(self, ws: WorkerState) -> None:
        """Note a worker."""
        self._workers[ws.address] = ws

    def took(self, ts: TaskState, ws: WorkerState) -> None:
        """Note that a worker takes a key, or has just taken it."""
        if (taken := self._taken.get(ws.address)) is None:
            taken = self._taken[ws.address] = deque(maxlen=_LAST)
        taken.append((ts.key, monotonic()))

    def left(self, address: Address, coming: Iterable[Key]) -> list[Key]:
        """Note that a worker has left, and return the keys that are now given up.

        `coming`: that were on their way to it.
        """
        if (ws := self._workers.pop(address, None)) is None:
            return []
        now = monotonic()
        taken = {key for key, when in self._taken.pop(ws.address, ()) if now - when < _DIGEST}
        given_up = []
        for key in taken.union(coming):
            size = self._nbytes(key)
            if size >= 0 and ws.memory_limit:
                size = max(0, size - self._shared.nbytes(key, ws))
                if ws.memory.process + _WHILE_TAKING * size < _TOO_MUCH * ws.memory_limit:
                    continue
                died = self._died.setdefault(key, {})
                died[ws.address] = f"{short_name(str(ws.name))} ({format_bytes(ws.memory_limit)})", now
                if len(died) == _TRIES:
                    given_up.append(key)
        return given_up

    def _nbytes(self, key: Key) -> int:
        """Return the bytes of a key; negative if they are unknown."""
        ts = self._scheduler.tasks.get(key)
        said = [record.nbytes.get(key, -1) for record in self._desired.by_key.get(key, {}).values()]
        return max(-1 if ts is None else ts.nbytes, *said, -1)

    def refused(self, keys: Iterable[Key], address: Address, error: BaseException) -> None:
        """Note that a worker cannot make the values of keys."""
        ws = self._workers.get(address)
        why = "the connection broke each time" if isinstance(error, Broken) else str(error)[:_LONGEST]
        for key in keys:
            self._refused.setdefault(key, []).append((str(ws.name) if ws is not None else address, why))

    def made(self, key: Key) -> None:
        """Note that a worker could make the value of `key`."""
        self._refused.pop(key, None)

    def verdict(self, key: Key) -> str:
        """Return why `key` is not sent to any further workers, or nothing."""
        refused = self._refused.get(key, [])
        if len(refused) >= _REFUSALS:
            workers = " and ".join(dict.fromkeys(short_name(name) for name, _ in refused))
            return f"{workers} cannot make it of what is sent: {refused[-1][1]}"
        died = [name for name, _ in self._died.get(key, {}).values()]
        if len(died) < _TRIES:
            return ""
        return f"{' and '.join(died)} died when they took it: it needs workers with more memory"

    def forget(self, key: Key) -> None:
        """Give `key` another chance: it has been placed again, or released."""
        self._died.pop(key, None)
        self._refused.pop(key, None)

    def sweep(self) -> None:
        """Forget what is long ago."""
        now = monotonic()
        for address, taken in list(self._taken.items()):
            if now - taken[-1][1] > _DIGEST:
                del self._taken[address]
        for key, died in list(self._died.items()):
            if all(now - when > _REMEMBER for _, when in died.values()):
                del self._died[key]
