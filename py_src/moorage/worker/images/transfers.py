"""What has moved to and from a worker since a moment: Dask's own logs, and what they do not tell.

Dask logs what workers fetch from each other, and of an image all of its bytes, also when the other worker maps the
buffers and only a pickle is sent: that is noted here, as are pieces of images that come from other hosts, and what
shuffles send. The logs go round: once somebody asks they are made longer, and what they no longer tell of is at least
counted.

Shipped by value.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from distributed.metrics import time
from distributed.utils import key_split_group

from moorage._dask.moved.logs import (
    Entry,
    Position,
    delay_of,
    incoming,
    lengthen,
    outgoing,
    position,
    process_of,
    under_way,
)
from moorage._dask.moved.shuffles import count
from moorage._dask.server import answer
from moorage.wire.transfers import Rows, Way, WorkerLogs, union

LONGEST = 20_000
"""Entries that each log keeps at least from the first moment on that somebody marks."""

_SHORT = 1_000
"""Entries that our log keeps before, as Dask's own do."""

_MOST = 20_000  # rows of an answer; of what is smaller the groups of tasks are told rather than the keys
_MOMENTS = 1_000  # that are remembered
_LOOK = 0.02


class Note(NamedTuple):
    """What Dask does not log."""

    way: Way
    entry: Entry


class _Moment(NamedTuple):
    position: Position
    notes: int  # number of them ever


class Transfers:
    """What one worker knows of transfers, until it is closed. On the worker's event loop."""

    def __init__(self, worker: Any) -> None:
        self._worker = worker
        self._notes: deque[Note] = deque(maxlen=_SHORT)
        self._noted = 0
        self._moments: dict[str, _Moment] = {}
        self._undo = [count(worker, self._shuffled), answer(worker, moorage_transfers=self.transfers)]

    def close(self) -> None:
        """Note nothing more."""
        for undo in self._undo:
            undo()

    def note(self, way: Way, other: str, keys: Mapping[Any, int], start: float, stop: float) -> None:
        """Note what Dask does not log."""
        delay = delay_of(self._worker)  # of the scheduler's clock, by which Dask logs
        self._notes.append(Note(way, Entry(start + delay, stop + delay, other, dict(keys))))
        self._noted += 1

    def mapped(self, other: str, keys: Mapping[Any, int]) -> None:
        """Note that of what Dask has just logged as sent so many bytes were not: the other worker maps them."""
        if keys:
            self.note("mapped", other, keys, time(), time())

    async def transfers(self, mark: str = "", since: str = "", at: float = 0.0, settle: float = 0.0) -> WorkerLogs:
        """Return what has moved since a moment, and mark this one.

        `mark`: remember this moment by that name. `since`: the moment; by default all that is known. `at`: when that
        was, on the scheduler's clock; counts if the moment is not known here. `settle`: seconds that what is on its way
        is waited for at most.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(settle):
                while under_way(self._worker):  # noqa: ASYNC110  # nothing tells of it
                    await asyncio.sleep(_LOOK)
        known = since in self._moments
        unmarked = Position(begun=None if at else 0, time=at)
        moment = self._moments.get(since, _Moment(unmarked, 0))
        told = self._since(moment, known)
        if mark:
            if not self._moments:
                self._undo.append(lengthen(self._worker, LONGEST))
                self._notes = deque(self._notes, LONGEST)
            self._moments[mark] = _Moment(position(self._worker), self._noted)
            if len(self._moments) > _MOMENTS:
                del self._moments[next(iter(self._moments))]
        return told

    def _since(self, moment: _Moment, known: bool) -> WorkerLogs:
        sent, lacking, all_sent = outgoing(self._worker, moment.position)
        received, all_received = incoming(self._worker, moment.position)
        new = self._noted - moment.notes
        notes = list(islice(self._notes, max(0, len(self._notes) - new), None))
        all_noted = len(notes) == new
        notes = [note for note in notes if note.entry.stop >= moment.position.time]
        found = [*(Note("sent", entry) for entry in sent), *(Note("received", entry) for entry in received), *notes]
        return {
            "name": str(self._worker.name),
            "process": process_of(self._worker),
            "known": known,
            "now": time() + delay_of(self._worker),
            "overflown": not (all_sent and all_received and all_noted),
            "lacking": lacking,
            "rows": _rows(found),
            "busy": union((entry.start, entry.stop) for way, entry in found if way != "mapped"),
        }

    def _shuffled(self, other: str, shuffle: str, nbytes: int, start: float, stop: float) -> None:
        self.note("shuffled", other, {f"shuffle-{shuffle}": nbytes}, start, stop)


def _rows(notes: Iterable[Note]) -> Rows:
    """Return the sums for each way, other side and key; the time of a transfer is split among its keys by bytes."""
    sums: dict[tuple[Way, str, Any], list[float]] = {}
    for way, entry in notes:
        total = sum(entry.keys.values())
        for key, nbytes in entry.keys.items():
            part = nbytes / total if total else 1 / len(entry.keys)
            _add(sums, (way, entry.other, key), nbytes, entry.seconds * part, 1)
    if len(sums) > _MOST:
        sums = _with_groups(sums)
    at = list(sums.items())
    return {
        "way": [way for (way, _, _), _ in at],
        "other": [other for (_, other, _), _ in at],
        "key": [key for (_, _, key), _ in at],
        "nbytes": [int(nbytes) for _, (nbytes, _, _) in at],
        "seconds": [seconds for _, (_, seconds, _) in at],
        "count": [int(number) for _, (_, _, number) in at],
    }


def _with_groups(sums: dict[tuple[Way, str, Any], list[float]]) -> dict[tuple[Way, str, Any], list[float]]:
    """Put all but the largest together by groups of tasks."""
    largest = sorted(sums.items(), key=lambda one: -one[1][0])
    fewer = dict(largest[: _MOST // 2])
    for (way, other, key), counted in largest[_MOST // 2 :]:
        _add(fewer, (way, other, key if way == "shuffled" else key_split_group(key)), *counted)
    return fewer


def _add(sums: dict[tuple[Way, str, Any], list[float]], row: tuple[Way, str, Any], *counted: float) -> None:
    before = sums.get(row)
    sums[row] = list(counted) if before is None else [one + more for one, more in zip(before, counted, strict=True)]
