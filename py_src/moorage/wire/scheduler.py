"""What notebooks and workers ask the scheduler, and what it tells notebooks, by Dask's RPC and event stream.

A notebook calls handlers named ``moorage_*``; the scheduler answers with a ``SchedulerSnapshot`` and afterwards sends
each subscribed client a ``Changes`` event per 50 ms in which something changed. ``seq`` grows by one with each event; a
gap means: ask for a snapshot.

Only shapes, and ``model`` to and from them; only the standard library is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NotRequired, Protocol, TypeAlias, TypedDict

from moorage.model import Anywhere, Durable, Everywhere, OnePerHost, OnWorkers, Placement, State, WorkerStatus

PROTOCOL_VERSION = 2
"""Raised when a message changes its meaning. Both sides refuse another version, and say so."""

TOPIC = "moorage"
"""Of the events to notebooks."""

SPAN = "moorage"
"""Name and id of the span in which Dask counts what moorage runs and places."""

PlacementKind = Literal["anywhere", "everywhere", "workers", "hosts"]


class PlacementDict(TypedDict):
    """A placement on the wire. Fields that do not belong to its kind are absent."""

    kind: PlacementKind
    copies: NotRequired[int]
    beside: NotRequired[str]  # what it is kept with, part by part, as the user calls it
    workers: NotRequired[list[str]]
    each: NotRequired[bool]
    allow_other_workers: NotRequired[bool]


def placement_to_dict(placement: Placement) -> PlacementDict:
    """Return the wire form of `placement`."""
    match placement:
        case Anywhere(copies=copies, beside=""):
            return {"kind": "anywhere", "copies": copies}
        case Anywhere(copies=copies, beside=beside):
            return {"kind": "anywhere", "copies": copies, "beside": beside}
        case Everywhere():
            return {"kind": "everywhere"}
        case OnePerHost():
            return {"kind": "hosts"}
        case OnWorkers(workers=workers, each=each, allow_other_workers=others):
            return {"kind": "workers", "workers": list(workers), "each": each, "allow_other_workers": others}


def placement_from_dict(wire: PlacementDict) -> Placement:
    """Return the placement that `wire` stands for. Raises ValueError if the kind is unknown."""
    match wire["kind"]:
        case "anywhere":
            return Anywhere(copies=wire.get("copies", 1), beside=wire.get("beside", ""))
        case "everywhere":
            return Everywhere()
        case "hosts":
            return OnePerHost()
        case "workers":
            return OnWorkers(
                tuple(wire.get("workers", ())),
                each=wire.get("each", True),
                allow_other_workers=wire.get("allow_other_workers", False),
            )
    raise ValueError(f"unknown kind of placement: {wire['kind']!r}")


class StructureDict(TypedDict):
    """How the futures of a variable are put together; see ``kernel/placement/structure.py``."""

    kind: str
    labels: NotRequired[list[Any]]
    typename: NotRequired[str]


class PlaceItem(TypedDict):
    """One variable to place."""

    vid: str  # "owner:name", unique on the scheduler
    name: str
    owner: str
    keys: list[Any]  # Dask keys: str or tuple
    placement: PlacementDict
    structure: StructureDict
    typename: str
    detail: str
    nbytes: list[int]  # bytes of each key as estimated by the notebook, for keys that have not arrived
    origin: bool  # the calling client can send the value again
    hold: bool  # keep the keys alive even when no client has a future of them
    dealt: NotRequired[list[str | None]]  # the worker that gets each key where the placement leaves that open
    spread: NotRequired[Literal["", "memory", "blocks"]]  # dealt evenly, by bytes or by number, and kept so
    like: NotRequired[list[Any]]  # keys beside which these are kept, one by one
    lasts: NotRequired[float]  # seconds after which it is let go
    durable: NotRequired[bool]  # its notebook writes it to files; if absent, as before
    until: NotRequired[float]  # when, of one that only goes on: as the scheduler has said
    beside: NotRequired[str]  # what these are called


class Load(TypedDict):
    """Values that come with the message that places them, for the same workers: small, or in memory that they map."""

    keys: list[Any]
    nbytes: int  # of what is sent
    to: str | None  # address of the worker that gets them; None: all that the placement wants
    values: Any  # a mapping of keys to serialized values, or of keys to values, serialized as one


class WorkerDict(TypedDict):
    """A worker on the wire; the fields of ``model.WorkerInfo``."""

    name: str
    address: str
    host: str
    nthreads: int
    memory_limit: int
    status: WorkerStatus
    managed: int
    process: int
    spilled: int
    host_shared: int
    host_free: int
    shares: bool | None
    running: dict[str, int]
    since: int
    waiting: int


class CountsDict(TypedDict):
    """Keys on each worker, or lacking there; see ``counts.py``."""

    rest: int  # of each worker that is not among the others
    others: dict[str, int]  # worker -> number of keys, where it is another


class CountsChange(TypedDict):
    """What has changed of counts: if the rest has, all; else those of the others, or of the rest's, that have."""

    rest: NotRequired[int]
    others: dict[str, int]


class VariableRecord(TypedDict):
    """A variable in full."""

    vid: str
    name: str
    owner: str
    keys: list[Any]
    placement: PlacementDict
    structure: StructureDict
    typename: str
    detail: str
    nbytes: int  # bytes of one copy of all keys
    shared: int  # of these, bytes that lie in memory which a host shares
    state: State
    reason: str
    until: float  # when it is let go, in seconds since 1970; 0: when it is released
    durable: Durable
    held: CountsDict  # keys that workers have
    pending: CountsDict  # keys that they still lack


class VariableDelta(TypedDict):
    """What changed of a variable; no ``held`` or ``pending``: nothing of that."""

    state: State
    reason: str
    nbytes: int
    shared: int
    durable: Durable
    held: NotRequired[CountsChange]
    pending: NotRequired[CountsChange]


class SchedulerSnapshot(TypedDict):
    """Everything, as of event number ``seq``."""

    protocol: int
    seq: int
    revision: int
    variables: dict[str, VariableRecord]
    workers: dict[str, WorkerDict]
    seen: list[str]  # names of the workers that were ever here
    hosted: bool  # the scheduler is in a host process of moorage's, which can change its size


class Changes(TypedDict):
    """What changed in the last 50 ms. What it says of workers comes first."""

    type: Literal["changes"]
    seq: int
    revision: int  # the number of times that something was placed or released before
    placed: dict[str, VariableRecord]  # new, or placed again
    changed: dict[str, VariableDelta]
    released: list[str]
    workers: dict[str, WorkerDict]
    workers_gone: list[str]


class RestoreRequest(TypedDict):
    """The scheduler asks the client that placed these keys to send their values again."""

    type: Literal["restore"]
    keys: list[Any]
    holders: list[str]  # the worker that had the last copy of each key; empty: none ever had


class PartsTable(TypedDict):
    """Where the parts of a collection are: of each of the keys that were asked about, in their order."""

    workers: list[str]
    nbytes: list[int]  # -1: not known yet
    on: list[list[int]]  # numbers of workers in the list of them
    states: list[str]  # Dask's; "absent" if the scheduler does not know it
    errors: dict[int, str]  # by position, of those whose computation failed, what it raised


class NoticeEvent(TypedDict):
    """The scheduler tells a client something that its user should know."""

    type: Literal["notice"]
    level: Literal["info", "warning", "error"]
    message: str
    remedy: str


class WorkerLeft(TypedDict):
    """A worker has left, and nothing moves of the variables (``vid``) that it had and that had too few copies then."""

    type: Literal["worker-left"]
    worker: str
    expected: bool  # it was told to
    code: int | None  # of its process, if its nanny has told: of a signal, that below zero
    memory: bool  # its nanny has ended it for its memory
    restored: list[str]  # are there again, be it not on the worker that they should be on
    waiting: list[str]  # are not
    lost: list[str]
    seconds: float  # since it left


class LetGo(TypedDict):
    """A variable has been let go, since it was placed for a time that is over."""

    type: Literal["let-go"]
    name: str
    owner: str


Event: TypeAlias = Changes | RestoreRequest | NoticeEvent | WorkerLeft | LetGo
"""What the scheduler tells notebooks."""


class Placed(TypedDict):
    """The answer to ``moorage_place``: it is recorded."""

    status: Literal["OK"]
    variables: dict[str, VariableRecord | None]
    revision: int
    lacking: list[Any]  # keys of the loads that are on no worker


class UnknownWorker(TypedDict):
    """The answer to ``moorage_place`` if a placement names a worker that never was; nothing has changed."""

    status: Literal["unknown-worker"]
    asked: str
    known: list[str]


class IsActor(TypedDict):
    """The answer to ``moorage_place`` if a key is an actor's; nothing has changed."""

    status: Literal["actor"]
    key: Any


class Withdrawn(TypedDict):
    """The answer to ``moorage_place`` if it was withdrawn before it was recorded; nothing has changed."""

    status: Literal["withdrawn"]


class Turn(TypedDict):
    """The answer to ``moorage_acquire``."""

    status: Literal["OK", "busy", "differs"]
    name: NotRequired[str]  # of the limit that differs
    most: NotRequired[int]  # what it is for what runs now


class NotebookHandlers(Protocol):
    """What notebooks ask of the scheduler; each is the method of that name, without prefix, of its plugin."""

    async def moorage_place(
        self,
        items: list[PlaceItem],
        client: str,
        requested: Iterable[str] = (),
        loads: Sequence[Load] = (),
        call: str = "",
    ) -> Placed | UnknownWorker | IsActor | Withdrawn:
        """Record placements, in the place of those of the same variables, and deliver `loads` first."""
        ...

    async def moorage_withdraw(self, call: str) -> None:
        """Do not record what that call of ``moorage_place`` places, unless it is recorded already."""
        ...

    async def moorage_release(self, vids: list[str]) -> int:
        """Forget placements, by ``vid``; return the revision after that."""
        ...

    async def moorage_state(self) -> SchedulerSnapshot:
        """Return everything as it stands."""
        ...

    async def moorage_workers(self) -> list[WorkerDict]:
        """Return the workers with their memory as it is now."""
        ...

    async def moorage_subscribe(self, client: str) -> SchedulerSnapshot:
        """Send events to a client from now on; return everything as it stands."""
        ...

    async def moorage_leave(self, client: str) -> None:
        """Take it that a client has left, though it may go on for other purposes."""
        ...

    async def moorage_restore(
        self, values: Mapping[Any, Any], failed: Mapping[Any, tuple[str, bytes]], client: str
    ) -> list[Any]:
        """Take values that were asked for, or why there are none; return the keys that have reached no worker."""
        ...

    async def moorage_sending(
        self, client: str, keys: Mapping[str, Sequence[Any]], broken_off: Iterable[str] | None = None
    ) -> None:
        """Note what goes straight to which workers, by address, and to whom it did not go after all."""
        ...

    async def moorage_sharing(self, keys: list[Any]) -> dict[Any, dict[str, tuple[int, int]]]:
        """Return the bytes of keys that workers, by address, have in shared memory, and besides."""
        ...

    async def moorage_parts(self, keys: list[Any]) -> PartsTable:
        """Return which workers have keys, and how large these are."""
        ...

    async def moorage_unclaim(self, client: str, run: str) -> None:
        """Forget what has begun of a run that has ended."""
        ...

    async def moorage_install_on_workers(
        self, name: str, plugin: bytes, take: bytes, nannies: bool = False
    ) -> dict[str, Any]:
        """Put a plugin on workers or nannies, unless it is there; return what they say, by address."""
        ...

    async def moorage_uninstall(self) -> None:
        """Restore the stock scheduler, and forget all placements."""
        ...


class WorkerHandlers(Protocol):
    """What workers ask of the scheduler; see ``scheduler/tasks/turns.py``."""

    async def moorage_acquire(self, limits: Mapping[str, int], lease: str, worker: str, timeout: float) -> Turn:
        """Take a lease of each limit, within `timeout` seconds."""
        ...

    async def moorage_free(self, lease: str) -> None:
        """End a lease of all its limits."""
        ...

    async def moorage_claim(self, client: str, run: str, part: str) -> bool:
        """Return whether that part of a run begins for the first time."""
        ...


def travels(value: Any) -> bool:
    """Whether Dask's messages can carry `value`, a key or a part of one.

    They are msgpack, and break the connection over an int of more than 64 bits or text that is not Unicode. Other types
    are pickled, and arrive as what they were if they compare by content.
    """
    match value:
        case int():
            return -(2**63) <= value < 2**64
        case str():
            return not any("\ud800" <= character <= "\udfff" for character in value)
        case tuple():
            return all(map(travels, value))
        case _:
            by_identity: Any = object.__eq__
            return value is None or type(value).__eq__ is not by_identity
