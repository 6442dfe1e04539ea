"""A worker's logs of what it has fetched from others, and what these have fetched from it.

Relied on, as read in distributed 2026.8.0: ``get_data`` adds an entry to ``transfer_outgoing_log`` when it has sent all
and the other side has said so, ``gather_dep`` one to ``transfer_incoming_log``; both are deques that go round, and are
looked up again for each entry. An entry has ``start``, ``stop``, ``who`` (the other's address, or None for a client),
and ``keys`` with their bytes. ``transfer_outgoing_bytes_total`` counts all that was ever begun. Without these parts a
worker does not take the plugin.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from moorage._dask.parts import parts_of

SUBJECT = "report of transfers"

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.worker:Worker",
        live=(
            "transfer_incoming_log", "transfer_outgoing_log", "transfer_outgoing_bytes_total",
            "transfer_outgoing_count", "scheduler_delay", "id",
        ),
    ),
    *parts_of(SUBJECT, "distributed.worker_state_machine:WorkerState", has=("transfer_incoming_count",)),
)  # fmt: skip


class Entry(NamedTuple):
    """A transfer of a few keys. The times are of the scheduler's clock."""

    start: float
    stop: float
    other: str
    keys: Mapping[Any, int]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.stop - self.start


class Position(NamedTuple):
    """How far the logs went: their last entries, or None while there is none, and the bytes that were ever begun.

    Of a time that nobody has marked there is only the time.
    """

    outgoing: tuple[float, float] | None = None
    incoming: tuple[float, float] | None = None
    begun: int | None = 0
    time: float = 0.0


def lengthen(worker: Any, most: int) -> Callable[[], None]:
    """Have the logs keep so many entries at least; return what makes them as short as before."""
    before: dict[str, int | None] = {}
    for name in ("transfer_outgoing_log", "transfer_incoming_log"):
        log = getattr(worker, name)
        if log.maxlen is not None and log.maxlen < most:
            before[name] = log.maxlen
            setattr(worker, name, deque(log, most))

    def undo() -> None:
        for name, length in before.items():
            setattr(worker, name, deque(getattr(worker, name), length))

    return undo


def position(worker: Any) -> Position:
    """Return how far the logs go now."""
    logs = worker.transfer_outgoing_log, worker.transfer_incoming_log
    outgoing, incoming = (_mark(log[-1]) if log else None for log in logs)
    return Position(outgoing, incoming, int(worker.transfer_outgoing_bytes_total))


def outgoing(worker: Any, since: Position) -> tuple[list[Entry], int, bool]:
    """Return what has been sent since, bytes beyond that, as far as they are known, and whether the log has it all."""
    found, whole = _since(worker.transfer_outgoing_log, since.outgoing, since.time)
    if whole or since.begun is None:
        return found, 0, whole
    logged = sum(sum(entry.keys.values()) for entry in found)
    return found, max(0, int(worker.transfer_outgoing_bytes_total) - since.begun - logged), whole


def incoming(worker: Any, since: Position) -> tuple[list[Entry], bool]:
    """Return what has been fetched since, and whether the log tells of all of that."""
    return _since(worker.transfer_incoming_log, since.incoming, since.time)


def delay_of(worker: Any) -> float:
    """Return the seconds by which the scheduler's clock is ahead of the worker's."""
    return float(worker.scheduler_delay)


def process_of(worker: Any) -> str:
    """Return what tells the processes of a worker apart that restarts."""
    return str(worker.id)


def under_way(worker: Any) -> bool:
    """Whether something is on its way to the worker or from it."""
    return bool(worker.transfer_outgoing_count or worker.state.transfer_incoming_count)


def _since(log: deque[dict[str, Any]], mark: tuple[float, float] | None, time: float) -> tuple[list[Entry], bool]:
    found: list[Entry] = []
    for entry in reversed(log):
        if (mark is not None and _mark(entry) == mark) or entry["stop"] < time:
            return found, True
        sizes = {key: int(nbytes or 0) for key, nbytes in entry["keys"].items()}
        found.append(Entry(entry["start"], entry["stop"], entry["who"] or "", sizes))
    return found, mark is None and (log.maxlen is None or len(log) < log.maxlen)


def _mark(entry: dict[str, Any]) -> tuple[float, float]:
    """Return what tells an entry from all others: no two end within the same tenth of a microsecond."""
    return entry["start"], entry["stop"]
