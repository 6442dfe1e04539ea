"""What has moved, as a user reads it: transfers by name, sender and receiver. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from dask.utils import format_bytes, format_time

if TYPE_CHECKING:
    import pandas as pd

CLIENT = "client"
"""Who sends or receives if it is no worker: a notebook, or the scheduler on behalf of one."""

How: TypeAlias = Literal["fetched", "gathered", "pieces", "shuffled"]


class Transfer(NamedTuple):
    """What has moved of one name from one place to another, in one way.

    Attributes
    ----------
    name, kind, owner : str
        As of `NamedMemory`: a placed variable, a variable that holds a collection or futures, ``function()`` for what
        was on its way between tasks.
    mine : bool
        Whether it is this notebook's.
    how : str
        ``fetched`` (by a worker from another one), ``gathered`` (by a client), ``pieces`` (an image that was placed,
        to another host), ``shuffled`` (P2P).
    sender, receiver : str
        Names of workers, or ``client``.
    nbytes : int
        What has moved.
    mapped : int
        What did not have to, although Dask's logs count it: the receiver maps the sender's memory.
    seconds : float
        How long the transfers took, one after the other.
    number : int
        Number of transfers; of keys, if several went in one.
    """

    name: str
    kind: str
    owner: str
    mine: bool
    how: How
    sender: str
    receiver: str
    nbytes: int
    mapped: int
    seconds: float
    number: int


@dataclass(frozen=True, slots=True)
class Moved:
    """What has moved of a name, or from or to a worker: the sums of `Transfer`."""

    nbytes: int = 0
    mapped: int = 0
    seconds: float = 0.0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Saving:
    """What a placement would have saved.

    Attributes
    ----------
    name : str
        Of the variable.
    magic : str
        The line that places it.
    nbytes : int
        What would not have moved, had it been placed before: the sum of transfers that there were.
    why : str
        A clause.
    """

    name: str
    magic: str
    nbytes: int
    why: str

    def __str__(self) -> str:
        return f"{self.magic} before this would have saved {format_bytes(self.nbytes)}: {self.why}."


class Moment:
    """A moment from which on transfers are counted; as long as it is kept, the scheduler notes what tasks use.

    Attributes
    ----------
    time : float
        Seconds since the epoch, on the notebook's clock.
    """

    def __init__(self, name: str, time: float, workers: Mapping[str, tuple[str, str]], at: float = 0.0) -> None:
        self.name = name
        self.time = time
        self.at = at
        """Seconds since the epoch, on the scheduler's clock."""
        self.workers = dict(workers)
        """Name and process of each worker, by address."""

    def __repr__(self) -> str:
        return f"Moment(time={self.time:.3f})"


@dataclass(frozen=True, slots=True)
class Transfers:
    """What has moved since a moment, by name and worker: what ``cluster.transfers()`` returns.

    Attributes
    ----------
    rows : tuple of Transfer
        The largest first.
    workers : tuple of str
        Names of all workers that there are.
    savings : tuple of Saving
        What would have saved most first. Empty if what tasks have used was not noted: without `since`.
    warnings : tuple of str
        What these numbers do not tell, in sentences: a worker that died, a log that no longer reaches back.
    lacking : int
        Bytes that workers have sent, of which their logs no longer tell; in no row.
    wall_seconds : float
        For so long something was on its way; what went at the same time counts once.
    elapsed : float
        Seconds since the moment; 0 without one.
    moment : Moment
        When this was asked: for ``cluster.transfers(since=...)`` later on.

    Examples
    --------
    >>> before = cluster.transfers()  # doctest: +SKIP
    >>> left.merge(right, left_index=True, right_index=True).compute()  # doctest: +SKIP
    >>> moved = cluster.transfers(since=before)  # doctest: +SKIP
    >>> moved.nbytes, moved["right"].nbytes, moved.received["alice"].nbytes  # doctest: +SKIP
    (80000000, 80000000, 40000000)
    >>> moved.to_frame().pivot_table("nbytes", "sender", "receiver", aggfunc="sum")  # doctest: +SKIP
    """

    rows: tuple[Transfer, ...]
    workers: tuple[str, ...]
    moment: Moment
    savings: tuple[Saving, ...] = ()
    warnings: tuple[str, ...] = ()
    lacking: int = 0
    wall_seconds: float = 0.0
    elapsed: float = 0.0
    names: dict[str, Moved] = field(init=False)
    sent: dict[str, Moved] = field(init=False)
    received: dict[str, Moved] = field(init=False)

    def __post_init__(self) -> None:
        for attribute, column in (("names", "name"), ("sent", "sender"), ("received", "receiver")):
            object.__setattr__(self, attribute, _sums((getattr(row, column), row) for row in self.rows))

    @property
    def nbytes(self) -> int:
        """Bytes that have moved, as far as logs tell of them; what else there was is ``lacking``."""
        return sum(row.nbytes for row in self.rows)

    @property
    def mapped(self) -> int:
        """Bytes that Dask's logs count and that did not have to move."""
        return sum(row.mapped for row in self.rows)

    @property
    def seconds(self) -> float:
        """How long all transfers took, one after the other."""
        return sum(row.seconds for row in self.rows)

    @property
    def number(self) -> int:
        """How many transfers there were."""
        return sum(row.number for row in self.rows)

    def __getitem__(self, name: str) -> Moved:
        """Return what has moved of a name; `KeyError` if nothing has."""
        return self.names[name]

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas data frame with a row for each `Transfer` and a column for each of its attributes."""
        import pandas as pd

        return pd.DataFrame(self.rows, columns=list(Transfer._fields))

    def __repr__(self) -> str:
        return "\n".join(self.summary())

    def summary(self) -> list[str]:
        """Return what there is to say without a table: how much, what would have saved that, what is not known."""
        if not self.rows:
            first = "Nothing has moved between workers."
        else:
            times = f"{format_time(self.seconds)} of transfers in {format_time(self.wall_seconds)}"
            first = f"{format_bytes(self.nbytes)} moved in {self.number} transfers, {times}."
        mapped = f"{format_bytes(self.mapped)} were mapped instead of sent." if self.mapped else ""
        return [first, *([mapped] if mapped else []), *map(str, self.savings), *self.warnings]


def _sums(rows: Iterable[tuple[str, Transfer]]) -> dict[str, Moved]:
    """Return the sums by name or worker, the largest first."""
    sums: dict[str, Moved] = {}
    for name, row in rows:
        now = sums.get(name, Moved())
        sums[name] = Moved(
            now.nbytes + row.nbytes, now.mapped + row.mapped, now.seconds + row.seconds, now.number + row.number
        )
    return dict(sorted(sums.items(), key=lambda one: -one[1].nbytes))
