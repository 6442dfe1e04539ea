"""What moorage speaks about, as plain values: placements, workers, and where a variable stands.

Frozen dataclasses and their words, nothing else: no I/O, no clock, only the standard library. What follows from
these values (which worker lacks which copy) is ``plan.py``; how they travel is ``wire/scheduler.py``.

A worker is named by ``str`` of its Dask name throughout; addresses appear only where Dask asks for them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NotRequired, TypeAlias, TypedDict

from moorage.naming import short_name

State: TypeAlias = Literal["held", "moving", "waiting", "lost"]
"""Where a variable stands: ``held`` (as desired), ``moving`` (copies are on their way, or surplus ones are being let
go), ``waiting`` (cannot proceed yet; the reason says what for), ``lost`` (no copy and no origin)."""

Durable: TypeAlias = Literal["", "writing", "written", "failed"]
"""Whether files have a variable, too: not asked for, not yet, all of it, or it could not be written."""

ON_DISK: dict[str, str] = {"writing": "being written to disk", "written": "on disk", "failed": "could not be written"}
"""`Durable` in words."""

WorkerStatus: TypeAlias = Literal["init", "running", "paused", "closing"]


@dataclass(frozen=True, slots=True)
class Anywhere:
    """So many copies of each key, on whichever workers.

    Attributes
    ----------
    copies : int
        Copies of each key, at least 1. Copies avoid sharing a host as long as there are other hosts.
    beside : str
        The collection whose parts these are kept with, if there is such. Only told: it is asked for by its keys.
    """

    copies: int = 1
    beside: str = ""


@dataclass(frozen=True, slots=True)
class Everywhere:
    """A copy of each key on every worker, those that join later included (broadcast)."""


@dataclass(frozen=True, slots=True)
class OnWorkers:
    """On the named workers (pin).

    Attributes
    ----------
    workers : tuple of str
        Worker names, hosts, ``host:port`` or addresses. A host stands for all workers on it.
    each : bool
        True: a copy of each key on each of them. False: the keys are spread among them, one copy of each.
    allow_other_workers : bool
        As in Dask: whether *tasks* may run elsewhere. The data itself takes refuge on another worker
        whenever none of the named ones is there, whatever this flag says.
    """

    workers: tuple[str, ...]
    each: bool = True
    allow_other_workers: bool = False


@dataclass(frozen=True, slots=True)
class OnePerHost:
    """One copy of each key on every host, hosts that join later included."""


Placement: TypeAlias = Anywhere | Everywhere | OnWorkers | OnePerHost


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker as the scheduler sees it.

    Attributes
    ----------
    name, address, host : str
        Dask's name as text, ``tls://host:port``, and the host part of it.
    nthreads : int
    memory_limit : int
        Bytes; 0 means no limit.
    status : str
        One of `WorkerStatus`.
    managed, process, spilled : int
        Bytes of keys in memory, of the whole process, and of keys on disk; without what its host shares.
    host_shared : int
        Bytes that the workers of its host share, each value once.
    host_free : int
        Bytes that its host has left for it, as far as it has said; -1 means that it has not.
    shares : bool or None
        Whether it shares memory with others of its host; None if it has not said.
    running : dict of str to int
        Number of tasks that it runs, by Dask's name of their group.
    since : int
        When the first of these began, in whole seconds since 1970; 0 if it runs none.
    waiting : int
        Number of tasks that have been sent to it and do not run.
    """

    name: str
    address: str
    host: str
    nthreads: int = 1
    memory_limit: int = 0
    status: WorkerStatus = "running"
    managed: int = 0
    process: int = 0
    spilled: int = 0
    host_shared: int = 0
    host_free: int = -1
    shares: bool | None = None
    running: dict[str, int] = field(default_factory=dict, hash=False)
    since: int = 0
    waiting: int = 0


class ClusterInfo(TypedDict):
    """A cluster at a glance."""

    name: str
    kind: str  # "local", "SGECluster", "attached", ...
    status: Literal["starting", "connected", "lost", "stopped"]
    detail: str  # a line on what happens or went wrong; empty when all is well
    secure: bool  # TLS
    dashboard_link: str  # empty when there is none
    requested: int  # workers asked for
    arrived: int
    pending: int  # asked for and not here yet
    scalable: bool  # this notebook can scale it
    adapt: list[int]  # [minimum, maximum], or empty when adapting is off
    kept: bool  # outlives the kernel
    stoppable: bool  # this notebook can stop it
    leavable: bool  # it goes on when this notebook leaves it
    idle_timeout: NotRequired[float]  # seconds without use after which a kept cluster ends, or is parked
    park: NotRequired[str]  # where its data is saved to then; empty if it ends


@dataclass(frozen=True, slots=True)
class PlacementState:
    """Where one variable stands: desire, fact and, where they differ, the reason.

    Attributes
    ----------
    name, owner : str
        The variable's name, and the notebook or script that placed it.
    placement : Placement
        What is desired.
    state : str
        One of `State`.
    reason : str
        Why it is not ``held``; empty when it is.
    holders : list of str
        Names of the workers that have it now, as confirmed by them, sorted. For a variable of many keys:
        those that hold at least one.
    held : dict of str to int
        Number of keys that each holder has.
    pending : dict of str to int
        Number of keys that each wanted worker still lacks.
    nkeys, nbytes : int
        Number of keys; bytes of one copy of all of them.
    typename, detail : str
        Type of the value and its shape or length in words, such as ``DataFrame`` and ``336,776 x 19``.
    until : float
        When it is let go, in seconds since 1970; 0: when it is released.
    durable : str
        Whether files have it, too: ``writing``, ``written`` or ``failed``; empty if that was not asked for.
    stale : bool
        The notebook's value has changed since it was placed.
    """

    name: str
    placement: Placement
    state: State
    reason: str = ""
    holders: list[str] = field(default_factory=list)
    nbytes: int = 0
    nkeys: int = 1
    held: dict[str, int] = field(default_factory=dict)
    pending: dict[str, int] = field(default_factory=dict)
    owner: str = ""
    typename: str = ""
    detail: str = ""
    until: float = 0.0
    durable: Durable = ""
    stale: bool = False


def describe(placement: Placement) -> str:
    """Return a placement in words: ``everywhere``, ``on alice, bob``, ``2 copies anywhere``."""
    match placement:
        case Anywhere(copies=1, beside=beside):
            return f"with {beside}" if beside else "anywhere"
        case Anywhere(copies=n):
            return f"{n} copies anywhere"
        case Everywhere():
            return "everywhere"
        case OnePerHost():
            return "one per host"
        case OnWorkers(workers=workers, each=each):
            return ("on " if each else "spread over ") + ", ".join(map(short_name, workers))


def natural(name: str) -> tuple[bool, int, str]:
    """Return by what to sort the names of workers: numbers come first, in the order of numbers."""
    return (False, int(name), "") if name.isdecimal() else (True, 0, name)
