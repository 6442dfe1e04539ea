"""What is asked of workers and the scheduler about transfers: what has moved since a moment, and what it is called.

Numbers are in columns. A worker keeps a few numbers for each moment that it was told of, so that a question is small
whatever the number of workers. Only shapes, and how the spans of several logs are put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NotRequired, Protocol, TypeAlias, TypedDict

from moorage.wire.ledger import NameKind

Way: TypeAlias = Literal["sent", "received", "mapped", "pieces", "shuffled"]
"""What a worker knows of: what others fetched from it; what it fetched; what of the former was not sent, since the
other one maps it; pieces of images that came from another host; what its shuffles sent."""


class Rows(TypedDict):
    """What has moved: an entry in each column for every way, other side, and key."""

    way: list[Way]
    other: list[str]  # address; empty for a client or the scheduler
    key: list[Any]  # or the name of a group of tasks, where there are very many; or the id of a shuffle
    nbytes: list[int]
    seconds: list[float]
    count: list[int]  # of transfers


class WorkerLogs(TypedDict):
    """What a worker knows of transfers since a moment."""

    name: str
    process: str  # another one if the worker was restarted
    known: bool  # whether it knows the moment; if not, this is what is after it by the clock
    now: float  # on the scheduler's clock
    overflown: bool  # whether its logs no longer reach back to it
    lacking: int  # bytes that it has sent, of which the logs no longer tell
    rows: Rows
    busy: list[tuple[float, float]]  # when something was on its way, in seconds of the scheduler's clock


class AskTransfers(TypedDict):
    """A message to all workers by way of the scheduler."""

    op: Literal["moorage_transfers"]
    mark: NotRequired[str]
    since: NotRequired[str]
    at: NotRequired[float]
    settle: NotRequired[float]


class LogHandlers(Protocol):
    """What notebooks ask of workers; see ``worker/images/transfers.py``."""

    async def moorage_transfers(
        self, mark: str = "", since: str = "", at: float = 0.0, settle: float = 0.0
    ) -> WorkerLogs:
        """Return what has moved since the moment that was marked `since`, and `mark` this one.

        If that is not known here, what has moved since the time `at`, of the scheduler's clock.

        What is on its way is waited for, so many seconds at most.
        """
        ...


class Name(TypedDict):
    """What keys are called."""

    kind: NameKind
    labels: list[tuple[str, str]]  # owner or client, and name
    mine: bool  # of the client that asks
    parts: bool  # it is a collection, whose keys are its parts


class Named(TypedDict):
    """What keys are called, and with which others tasks have used them."""

    names: list[Name]
    of: list[int]  # for each key, the position of its name
    met: list[tuple[str, int, int, int]]
    """Where a task has used a key: address of the worker, position of the key; and once more for each other key that
    has a name: position of that name, and of the other key; -1 for what there is not, or nobody has asked about."""


class NamingHandlers(Protocol):
    """What notebooks ask of the scheduler; see ``scheduler/transfers.py``."""

    async def moorage_watch(self, client: str, watch: bool) -> None:
        """Note which keys tasks use together, for as long as a client wants it."""
        ...

    async def moorage_named(self, client: str, keys: Sequence[Any]) -> Named:
        """Return what keys are called."""
        ...


def union(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return spans of time put together where they overlap, in order."""
    merged: list[tuple[float, float]] = []
    for start, stop in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(stop, merged[-1][1])
        else:
            merged.append((start, stop))
    return merged
