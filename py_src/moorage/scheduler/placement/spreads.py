"""Placed values on their way to several hosts at once, block-wise: which worker was asked to send which, and to whom.

The worker that has a value brings it into memory of the other hosts (``worker/images/forwarding.py``); then one worker
of each takes it from there. Who was not reached gets it whole, as Dask sends it. What is on its way as a whole is the
business of ``scheduler/flights.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from moorage._dask.server import ask
from moorage.plan import Address, Key
from moorage.scheduler.flights import patience
from moorage.wire.images import ForwardingReport, ImageHandlers

if TYPE_CHECKING:
    from distributed import Scheduler

logger = logging.getLogger(__name__)

_NONE: frozenset[Address] = frozenset()


class Spreads:
    """What is being spread.

    `ended`: ``ended(key, source, there)``: the value of a key is on the hosts of `there`, and nothing more will come.
    """

    def __init__(self, scheduler: Scheduler, ended: Callable[[Key, Address, AbstractSet[Address]], None]) -> None:
        self._scheduler = scheduler
        self._ended = ended
        self._on_their_way: dict[Key, dict[Address, Address]] = {}
        self._in_vain: dict[Key, set[Address]] = {}
        self._progress: dict[Key, tuple[int, int]] = {}
        self._tasks: dict[asyncio.Task[None], Key] = {}

    def begin(self, key: Key, source: Address, targets: Iterable[Address]) -> None:
        """Have `source` bring the value of a key to the hosts of `targets`."""
        targets = tuple(targets)
        self._on_their_way.setdefault(key, {}).update(dict.fromkeys(targets, source))
        task = asyncio.ensure_future(self._spread(key, source, targets))
        self._tasks[task] = key
        task.add_done_callback(self._tasks.pop)

    def of(self, key: Key) -> dict[Address, Address]:
        """Return target and source of each copy of `key` on its way."""
        return self._on_their_way.get(key, {})

    def to(self, target: Address) -> list[Key]:
        """Return what is on its way to a worker."""
        return [key for key, targets in self._on_their_way.items() if target in targets]

    def in_vain(self, key: Key) -> AbstractSet[Address]:
        """Return the workers that `key` did not reach."""
        return self._in_vain.get(key, _NONE)

    def note(self, report: ForwardingReport) -> list[Key]:
        """Note how far something is; return its key."""
        key = report["key"]
        if key in self._on_their_way:
            self._progress[key] = report["done"], report["total"]
        return [key]

    def progress(self, keys: Iterable[Key]) -> tuple[int, int]:
        """Return the bytes of keys on their way that each host has by now, on average, and will have."""
        known = [self._progress[key] for key in keys if key in self._progress] if self._progress else []
        return sum(done for done, _ in known), sum(total for _, total in known)

    def forget(self, key: Key) -> None:
        """Stop waiting for `key`."""
        self._in_vain.pop(key, None)
        self._progress.pop(key, None)
        if self._on_their_way.pop(key, None):
            for task in [task for task, of in self._tasks.items() if of == key]:
                task.cancel()

    def worker_gone(self, address: Address) -> None:
        """Note that a worker has left. Whoever sends to it notices."""
        for key in self.to(address):
            del self._on_their_way[key][address]
        for failed in self._in_vain.values():
            failed.discard(address)

    def close(self) -> None:
        """Stop waiting."""
        for task in self._tasks:
            task.cancel()

    async def _spread(self, key: Key, source: Address, targets: tuple[Address, ...]) -> None:
        ts = self._scheduler.tasks.get(key)
        seconds = patience(ts.get_nbytes() if ts is not None else 0) * (1 + len(targets))
        there: set[Address] = set()
        try:
            async with asyncio.timeout(seconds):
                worker: ImageHandlers = ask(self._scheduler, source)
                answer = await worker.moorage_forward(key=key, agents=list(targets), seconds=seconds)
                there = set(answer["there"])
                if answer["why"]:
                    logger.info("%r did not go to hosts block-wise: %s", key, answer["why"])
        except (OSError, TimeoutError) as error:
            logger.info("%r was not spread from %s: %s", key, source, str(error) or type(error).__name__)
        except Exception:
            logger.exception("%r was not spread from %s", key, source)
        waiting = self._on_their_way.get(key, {})
        waited_for = {target for target in targets if waiting.pop(target, None)}
        if not waiting:
            self._on_their_way.pop(key, None)
            self._progress.pop(key, None)
        if source in self._scheduler.workers and (failed := waited_for - there):
            self._in_vain.setdefault(key, set()).update(failed)
        self._ended(key, source, there & waited_for)
