"""What the scheduler and the kernel say to each other, by Dask's own RPC and event stream.

The kernel calls handlers named ``moorage_*``; the scheduler answers with a ``SchedulerSnapshot`` and afterwards sends
each subscribed client a ``Changes`` event per 50 ms in which something changed. ``seq`` grows by one with each event; a
gap means: ask for a snapshot. What kernel and panel say to each other stands in ``panel_protocol.py``.

Only shapes and their conversion from and to ``model``; only the standard library is used.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from moorage.model import Anywhere, Everywhere, OnePerHost, OnWorkers, Placement, State, WorkerStatus

PROTOCOL_VERSION = 2
"""Raised when a message changes its meaning. Both sides refuse another version, and say so."""

SPAN = "moorage"
"""Name and id of the span in which Dask counts what moorage runs and places."""

PlacementKind = Literal["anywhere", "everywhere", "workers", "hosts"]


class PlacementDict(TypedDict):
    """A placement on the wire. Fields that do not belong to its kind are absent."""

    kind: PlacementKind
    copies: NotRequired[int]
    workers: NotRequired[list[str]]
    each: NotRequired[bool]
    allow_other_workers: NotRequired[bool]


def placement_to_dict(placement: Placement) -> PlacementDict:
    """Return the wire form of `placement`."""
    match placement:
        case Anywhere(copies=copies):
            return {"kind": "anywhere", "copies": copies}
        case Everywhere():
            return {"kind": "everywhere"}
        case OnePerHost():
            return {"kind": "hosts"}
        case OnWorkers(workers=workers, each=each, allow_other_workers=others):
            return {"kind": "workers", "workers": list(workers), "each": each, "allow_other_workers": others}


def placement_from_dict(wire: PlacementDict) -> Placement:
    """Return the placement that `wire` stands for.

    Raises
    ------
    ValueError
        If the kind is unknown.
    """
    match wire["kind"]:
        case "anywhere":
            return Anywhere(copies=wire.get("copies", 1))
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


class PlaceItem(TypedDict):
    """One variable to place: the argument of the handler ``moorage_place``."""

    vid: str  # "owner:name", unique on the scheduler
    name: str
    owner: str
    keys: list[Any]  # Dask keys: str or tuple
    placement: PlacementDict
    structure: dict[str, Any]  # how the futures are put together, see kernel/placement/structure.py
    typename: str
    detail: str
    nbytes: list[int]  # bytes of each key as estimated by the notebook, for keys that have not arrived
    origin: bool  # the calling client can send the value again
    hold: bool  # keep the keys alive even when no client has a future of them
    dealt: NotRequired[list[str | None]]  # the worker that gets each key where the placement leaves that open


class Load(TypedDict):
    """Small values that come with the message that places them, for the same workers."""

    keys: list[Any]
    nbytes: int  # of what is sent
    to: str | None  # address of the worker that gets them; None: all that the placement wants
    values: Any  # a mapping of keys to values, serialized as one


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
    structure: dict[str, Any]
    typename: str
    detail: str
    nbytes: int  # bytes of one copy of all keys
    shared: int  # of these, bytes that lie in memory which a host shares
    state: State
    reason: str
    held: CountsDict  # keys that workers have
    pending: CountsDict  # keys that they still lack


class VariableDelta(TypedDict):
    """What changed of a variable; no ``held`` or ``pending``: nothing of that."""

    state: State
    reason: str
    nbytes: int
    shared: int
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
    placed: dict[str, VariableRecord]  # new, or placed anew
    changed: dict[str, VariableDelta]
    released: list[str]
    workers: dict[str, WorkerDict]
    workers_gone: list[str]


class RestoreRequest(TypedDict):
    """The scheduler asks the client that placed these keys to send their values again."""

    type: Literal["restore"]
    keys: list[Any]
    holders: list[str]  # the worker that had the last copy of each key; empty: none ever had


class NoticeEvent(TypedDict):
    """The scheduler tells a client something that its user should know."""

    type: Literal["notice"]
    level: Literal["info", "warning", "error"]
    message: str
    remedy: str


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
