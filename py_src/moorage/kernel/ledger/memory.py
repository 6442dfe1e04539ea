"""The ledger as a user reads it: workers, names, and the bytes of each name on each worker. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from dask.utils import format_bytes

from moorage.model import natural
from moorage.naming import short_name
from moorage.wire.ledger import LedgerReply

if TYPE_CHECKING:
    import pandas as pd

UNMANAGED = "unmanaged"
_SHOWN_LABELS = 3


class Bytes(NamedTuple):
    """Bytes of a name on a worker.

    Attributes
    ----------
    memory : int
        In the worker's own memory.
    disk : int
        On its disk (spilled).
    shared : int
        In memory that the workers of its host share; counted with each worker that has mapped it.
    """

    memory: int = 0
    disk: int = 0
    shared: int = 0


@dataclass(frozen=True, slots=True)
class NamedMemory:
    """What one name has on the cluster.

    Attributes
    ----------
    name : str
        Several variables that keep the same keys are one, such as ``x, y``. Of another notebook's: ``x@owner``.
    kind : str
        ``placed`` (a variable that was placed), ``variable`` (a collection, futures or results that a variable of a
        notebook keeps), ``dataset`` (published), ``client`` (a client's keys of which it has told no name),
        ``intermediate`` (kept for tasks that wait, by function), ``running`` (what workers have taken lately beyond
        their keys, by the functions that they run), ``rest`` (small names together).
    owner : str
        The notebook or client; empty for what is nobody's.
    mine : bool
        Whether it is this notebook's.
    keys : int
        Number of keys, or of tasks that run.
    on : dict of str to Bytes
        By name of the worker, those that have something of it.
    """

    name: str
    kind: str
    owner: str = ""
    mine: bool = False
    keys: int = 0
    on: dict[str, Bytes] = field(default_factory=dict)

    @property
    def total(self) -> Bytes:
        """Bytes on all workers together; ``shared`` as often as it is mapped."""
        return Bytes(*map(sum, zip(*self.on.values(), strict=True)))


@dataclass(frozen=True, slots=True)
class WorkerMemory:
    """A worker.

    Attributes
    ----------
    name, host, status : str
    limit : int
        Bytes; 0 means no limit.
    process : int
        Bytes that its process takes, without what its host shares, as of its last heartbeat (half a second ago on
        small clusters).
    managed : int
        Bytes of keys in memory, as Dask estimates them.
    spilled : int
        Bytes on disk.
    host_shared : int
        Bytes that all workers of its host share, each value once.
    unmanaged : int
        What is left of ``process`` after all names: the interpreter, modules, leaks. Negative where Dask's estimates
        of sizes are above what the process takes.
    """

    name: str
    host: str
    status: str
    limit: int
    process: int
    managed: int
    spilled: int
    host_shared: int
    unmanaged: int


@dataclass(frozen=True, slots=True)
class Memory:
    """What fills the workers' memory, by name: what ``cluster.memory()`` returns.

    On each worker, ``memory`` of all names and ``unmanaged`` together are what its process takes.

    Attributes
    ----------
    workers : tuple of WorkerMemory
        By name.
    names : tuple of NamedMemory
        The largest first.
    seconds : float
        CPU time that the scheduler has taken for it.

    Examples
    --------
    >>> memory = cluster.memory()  # doctest: +SKIP
    >>> memory["ddf"].on["alice"].memory  # doctest: +SKIP
    52428800
    >>> memory.to_frame().pivot_table("memory", "name", "worker")  # doctest: +SKIP
    """

    workers: tuple[WorkerMemory, ...]
    names: tuple[NamedMemory, ...]
    seconds: float = 0.0

    def __getitem__(self, name: str) -> NamedMemory:
        """Return what is of that name; `KeyError` if nothing is."""
        for named in self.names:
            if named.name == name:
                return named
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        return any(named.name == name for named in self.names)

    def on(self, worker: str) -> Iterator[tuple[NamedMemory, Bytes]]:
        """Yield what is on a worker, the largest first."""
        there = [(named, named.on[worker]) for named in self.names if worker in named.on]
        yield from sorted(there, key=lambda one: -sum(one[1]))

    def to_frame(self) -> pd.DataFrame:
        """Return a pandas data frame with a row for each worker and name.

        Its columns are worker, name, kind, owner, keys, memory, disk and shared. ``memory`` of a worker sums up to what
        its process takes: its last row is of the kind ``unmanaged``.
        """
        import pandas as pd

        rows: list[tuple[Any, ...]] = []
        for worker in self.workers:
            there = self.on(worker.name)
            rows += [(worker.name, named.name, named.kind, named.owner, named.keys, *nbytes) for named, nbytes in there]
            rows.append((worker.name, UNMANAGED, UNMANAGED, "", 0, worker.unmanaged, 0, 0))
        columns = ["worker", "name", "kind", "owner", "keys", "memory", "disk", "shared"]
        return pd.DataFrame(rows, columns=columns)

    def __repr__(self) -> str:
        lines = []
        for worker in self.workers:
            there = [f"{named.name} {format_bytes(sum(nbytes))}" for named, nbytes in self.on(worker.name)][:5]
            there.append(f"{UNMANAGED} {format_bytes(worker.unmanaged)}")
            lines.append(f"{short_name(worker.name)}: {format_bytes(worker.process)}: {', '.join(there)}")
        return "\n".join(lines) or "no workers"


def memory_of(reply: LedgerReply, owner: str) -> Memory:
    """Return what the scheduler has answered to the notebook `owner`."""
    workers = reply["workers"]
    labels = [worker["name"] for worker in workers]
    left = [worker["process"] for worker in workers]
    names = []
    for name in reply["names"]:
        on = {}
        columns = zip(name["workers"], name["memory"], name["disk"], name["shared"], strict=True)
        for at, *nbytes in columns:
            left[at] -= nbytes[0]
            on[labels[at]] = Bytes(*nbytes)
        shown, whose = label(name["kind"], name["labels"], name["mine"], owner)
        names.append(NamedMemory(shown, name["kind"], whose, name["mine"], name["keys"], on))
    return Memory(
        tuple(
            WorkerMemory(
                name=worker["name"],
                host=worker["host"],
                status=worker["status"],
                limit=worker["memory_limit"],
                process=worker["process"],
                managed=worker["managed"],
                spilled=worker["spilled"],
                host_shared=worker["host_shared"],
                unmanaged=unmanaged,
            )
            for worker, unmanaged in sorted(zip(workers, left, strict=True), key=lambda one: natural(one[0]["name"]))
        ),
        tuple(names),
        reply["seconds"],
    )


def label(kind: str, names: Iterable[tuple[str, str]], mine: bool, owner: str) -> tuple[str, str]:
    """Return how what the scheduler has counted under `names` is shown to the notebook `owner`, and whose it is."""
    if kind == "rest":
        return "smaller names", ""
    labels = [(str(whose), str(what)) for whose, what in names]
    own = [one for one in labels if one[0] == owner] if mine else []
    shown = sorted(own or labels, key=lambda one: one[1].startswith("Out["))  # what lines can be written with first
    owners = ", ".join(dict.fromkeys(whose for whose, _ in shown if whose))
    if kind == "client":
        return "without a name" if own else f"keys of {owners}", owners
    words = [what if own or not whose else f"{what}@{whose}" for whose, what in shown]
    more = len(words) - _SHOWN_LABELS
    text = ", ".join(words[:_SHOWN_LABELS]) + (f" and {more} more" if more > 0 else "")
    return f"{text}()" if kind in ("running", "intermediate") else text, owners
