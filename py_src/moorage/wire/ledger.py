"""What a notebook asks the scheduler of memory: how many bytes lie where, and by what name. Only shapes.

Numbers are in columns and only for workers where something is, so that nothing has the size of names times workers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, TypedDict

NameKind: TypeAlias = Literal["placed", "variable", "dataset", "client", "intermediate", "running", "rest"]
"""What a name is of: a placed variable; a variable of a client; a published dataset; a client's keys of which it has
said no name; keys that only waiting tasks need, and tasks that run, by function; all that is beyond the largest."""

Spilled: TypeAlias = Sequence[Any]
"""A key on disk: the key, its bytes as they were in memory, its bytes on disk."""


class HeldName(TypedDict):
    """The keys that a variable of a notebook keeps on the cluster."""

    keys: list[Any]
    groups: list[str]  # names of task groups, in the place of very many keys


class LedgerWorker(TypedDict):
    """A worker. Bytes; those of what its host shares are in none but ``host_shared``."""

    name: str
    address: str
    host: str
    status: str
    memory_limit: int  # 0: none
    process: int  # as of the last heartbeat
    managed: int  # of keys in memory
    spilled: int  # on disk
    host_shared: int  # of all workers of the host together, each value once


class LedgerName(TypedDict):
    """One name. Its numbers are in columns, an entry for each worker where there is something of it."""

    kind: NameKind
    labels: list[tuple[str, str]]  # owner or client, and name; several if several names keep the same keys
    mine: bool  # of the client that asks
    keys: int  # or the tasks that run
    workers: list[int]  # positions in the list of workers
    memory: list[int]
    disk: list[int]
    shared: list[int]


class LedgerReply(TypedDict):
    """The ledger as of now."""

    known: int  # number of names that the client has told, so that it can tell whether some are missing here
    seconds: float  # of CPU that the answer has taken
    workers: list[LedgerWorker]
    names: list[LedgerName]  # the largest first


class LedgerHandlers(Protocol):
    """What notebooks ask of the scheduler's ledger; see ``scheduler/ledger.py``."""

    async def moorage_names(self, client: str, owner: str, held: Mapping[str, HeldName], gone: Sequence[str]) -> int:
        """Note what a client's variables keep; return of how many names it is known."""
        ...

    async def moorage_ledger(
        self, client: str, spilled: Mapping[str, Sequence[Spilled]], most: int = 1000
    ) -> LedgerReply:
        """Return bytes by name and worker; `spilled` by address of the worker."""
        ...

    async def moorage_effort(self) -> float:
        """Return the seconds of CPU that the answer to ``moorage_ledger`` would take, about."""
        ...
