"""On which workers tasks may run, and when it pays to bring the data to more of them.

Few items go to the workers that hold what they need. Many would leave the others idle (Dask, past twice the number of
threads, forgets where data is and copies it ad hoc), so the data is copied to all of them first, once, if that is
cheaper than what it saves. Workers are remembered by name and looked up again each time: one that restarts has another
address.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dask.utils import format_bytes
from distributed import Future

from moorage import config
from moorage.errors import MoorageError, UnknownVariableError, UnknownWorkerError
from moorage.model import Everywhere, OnWorkers, WorkerInfo
from moorage.naming import short_name
from moorage.tasks.placed_data import PlacedData

if TYPE_CHECKING:
    from moorage.tasks.options import Options

BANDWIDTH = 100e6
"""Bytes per second between workers, as Dask assumes before it has measured."""
_LOOK = 0.1  # seconds between looks at parts that are being computed
WORTH_IT = 0.5
"""Seconds that copying data to more workers has to save at least."""


class Lane(NamedTuple):
    """Workers that tasks are sent to."""

    name: str
    addresses: tuple[str, ...]  # empty: whichever Dask chooses
    threads: int
    fixed: bool = False  # the user has named them: what waits for them does not go elsewhere


def where(backend: PlacedData, options: Options, keys: Iterable[Any]) -> list[WorkerInfo]:
    """Return the workers that a task which uses `keys` has to run on; none: wherever it is best.

    Raises UnknownWorkerError or UnknownVariableError.
    """
    workers = backend.workers()
    if options.workers:
        if not all(any(_is(worker, (asked,)) for worker in workers) for asked in options.workers):
            workers = backend.workers(fresh=True)  # one that is new may not have been heard of
        for asked in options.workers:
            if not any(_is(worker, (asked,)) for worker in workers):
                raise UnknownWorkerError(asked, [worker.name for worker in workers])
        return [worker for worker in workers if _is(worker, options.workers)]
    if options.near:
        return _holders(backend, _keys_of(backend, options.near))
    pins = [p.workers for p in map(backend.placement, keys) if isinstance(p, OnWorkers) and not p.allow_other_workers]
    # Workers of a pin that are gone hold nothing: the data has taken refuge elsewhere, and Dask sends tasks after it.
    return [worker for worker in workers if all(_is(worker, pin) for pin in pins)] if pins else []


class Locality:
    """Where the items of one map run.

    `keys`: what every item uses. Raises UnknownWorkerError or UnknownVariableError, as of now. Workers that are named
    and go later are waited for; those of a pin are not.
    """

    def __init__(self, backend: PlacedData, options: Options, keys: Collection[Any]) -> None:
        self._backend = backend
        self._options = options
        self._keys = [key for key in keys if backend.placement(key) is not None]
        where(backend, options, keys)  # may refuse
        self._asked = bool(options.workers or options.near)
        # What is broadcast is on all workers, or will be in a moment: there is no need to ask who has it.
        self._everywhere = all(isinstance(backend.placement(key), Everywhere) for key in self._keys)
        self._spread: Callable[[], None] | None = None
        self._lanes: list[Lane] | None = None
        self._looked = 0.0
        self._gone_since: float | None = None

    def forget(self) -> None:
        """Look at the workers again."""
        self._lanes = None

    def lanes(self) -> list[Lane]:
        """Return the workers to send items to, the preferred ones first."""
        now = time.monotonic()
        if self._lanes is None or now - self._looked > 1:
            self._lanes = self._look()
            self._looked = now
        return self._lanes

    def decide(self, remaining: int | None, seconds_per_item: float) -> None:
        """Copy what the items use to all workers, if only some have it and it pays; say so."""
        if self._asked or self._spread is not None or not self._keys or len(self.lanes()) != 1:
            return
        lane = self.lanes()[0]
        if lane.name == "pinned":
            return
        workers = self._backend.workers()
        threads = sum(worker.nthreads for worker in workers)
        if not lane.addresses or threads <= lane.threads:
            return
        left = 1000 if remaining is None else remaining
        nbytes = sum(map(self._backend.nbytes, self._keys))
        here = left * seconds_per_item / max(lane.threads, 1)
        there = left * seconds_per_item / threads + nbytes * (len(workers) - len(lane.addresses)) / BANDWIDTH
        if here - there > max(WORTH_IT, 0.1 * here):
            self._options.say(
                f"Copying {format_bytes(nbytes)} that the items use to all {len(workers)} workers: "
                f"about {there:.0f} s instead of {here:.0f} s."
            )
            self._spread = self._backend.spread(self._keys)
            self.forget()

    def close(self) -> None:
        """Let go of the extra copies."""
        if self._spread is not None:
            self._spread()
            self._spread = None

    def _look(self) -> list[Lane]:
        workers = [worker for worker in self._backend.workers() if worker.status == "running"]
        if self._asked:
            return self._lanes_asked_for(workers)
        if pinned := [worker for worker in where(self._backend, self._options, self._keys) if worker in workers]:
            return [_lane("pinned", pinned)]
        if not self._everywhere and self._spread is None:
            held = _holders(self._backend, self._keys)
            if 0 < len(held) < len(workers):
                return [_lane("holders", held)]
        return [Lane("all", (), sum(worker.nthreads for worker in workers))]

    def _lanes_asked_for(self, workers: list[WorkerInfo]) -> list[Lane]:
        try:
            first = [w for w in where(self._backend, self._options, self._keys) if w in workers]
        except UnknownWorkerError:
            first = [w for w in workers if _is(w, self._options.workers)]
        if self._options.allow_other_workers:
            return [_lane("preferred", first), _lane("others", [w for w in workers if w not in first])]
        self._complain_if_gone_for_long(bool(first))
        return [_lane("asked", first)._replace(fixed=bool(self._options.workers))]

    def _complain_if_gone_for_long(self, there: bool) -> None:
        now = time.monotonic()
        if there:
            self._gone_since = None
        elif self._gone_since is None:
            self._gone_since = now
        elif now - self._gone_since > config.seconds("wait-timeout"):
            asked = ", ".join(self._options.workers) or f"those that hold {self._options.near}"
            seconds = now - self._gone_since
            raise MoorageError(
                f"The workers that the items have to run on ({asked}) have been gone for {seconds:.0f} s.",
                "Allow other workers: --allow-other-workers",
            )


class Located:
    """Items that are placed one by one: each runs where it is, and not before it is somewhere.

    `items`: while one is being computed, it is held back.
    """

    def __init__(self, backend: PlacedData, items: Sequence[Future[Any]]) -> None:
        self._backend = backend
        self._items = items
        self._keys = [item.key for item in items]
        self._held_back = False
        self._looked = 0.0
        self._left: set[int] = set(range(len(items)))
        self._queues: dict[str, deque[int]] = {}
        self._lanes: list[Lane] | None = None

    def __len__(self) -> int:
        return len(self._left)

    def forget(self) -> None:
        """Look at the workers again."""
        self._lanes = None

    def lanes(self) -> list[Lane]:
        """Return one lane per worker that has items waiting."""
        if self._lanes is None or (self._held_back and time.monotonic() - self._looked > _LOOK):
            self._assign()
        return [lane for lane in self._lanes or () if self._queues[lane.name]]

    def take(self, lane: Lane, n: int) -> list[int]:
        """Return up to `n` items that are to run there."""
        queue = self._queues[lane.name]
        taken = [queue.popleft() for _ in range(min(n, len(queue)))]
        self._left.difference_update(taken)
        return taken

    def _assign(self) -> None:
        self._looked, self._held_back = time.monotonic(), False
        workers = {worker.name: worker for worker in self._backend.workers()}
        pending = {index for index in self._left if self._items[index].status == "pending"}
        holders = self._backend.holders(self._keys)
        self._queues = {name: deque() for name in ("", *workers)}
        for index in sorted(self._left):
            at = [name for name in holders.get(self._keys[index], ()) if name in workers]
            if not at and index in pending:
                self._held_back = True
                continue
            best = min(at, key=lambda name: len(self._queues[name]) / workers[name].nthreads, default="")
            self._queues[best].append(index)
        everywhere = Lane("", (), sum(worker.nthreads for worker in workers.values()))
        self._lanes = [_lane(name, [worker]) for name, worker in workers.items()] + [everywhere]


def _lane(name: str, workers: Sequence[WorkerInfo]) -> Lane:
    return Lane(name, tuple(w.address for w in workers), sum(w.nthreads for w in workers))


def _is(worker: WorkerInfo, asked: Collection[str]) -> bool:
    names = (worker.name, worker.host, worker.address, worker.address.split("://")[-1], short_name(worker.name))
    return any(name in asked for name in names)


def _holders(backend: PlacedData, keys: Collection[Any]) -> list[WorkerInfo]:
    """Return the workers that hold all of `keys`."""
    held = list(backend.holders(keys).values())
    names = set.intersection(*held) if held else set()
    return [worker for worker in backend.workers() if worker.name in names]


def _keys_of(backend: PlacedData, name: str) -> list[Any]:
    try:
        futures = backend.by_name(name)
    except KeyError:
        raise UnknownVariableError(name, ()) from None
    return _keys_in(futures)


def _keys_in(futures: Any) -> list[Any]:
    if isinstance(futures, Future):
        return [futures.key]
    if isinstance(futures, Mapping):
        return _keys_in(list(futures.values()))
    return [key for part in futures for key in _keys_in(part)]
