"""Every message on the wire, between scheduler and kernel and between kernel and panel.

Two conversations:

* **Scheduler and kernel** (Dask's own RPC and event stream). The kernel calls handlers named ``moorage_*``; the
  scheduler answers with a ``SchedulerSnapshot`` and afterwards sends each subscribed client a ``Changes`` event per
  50 ms in which something changed. ``seq`` grows by one with each event; a gap means: ask for a snapshot.
* **Kernel and panel** (two Jupyter comms). ``moorage.push`` carries ``PanelSnapshot`` and ``PanelUpdate`` from the
  kernel, ``moorage.rpc`` carries ``PanelRequest`` and its ``PanelReply``. ``version`` grows by one with each update.

Only shapes and their conversion from and to ``model`` stand here; only the standard library is used. The TypeScript
side is generated from the classes of the second half.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from moorage.model import Anywhere, Everywhere, OnePerHost, OnWorkers, Placement, State, WorkerStatus

PROTOCOL_VERSION = 1
"""Raised when a message changes its meaning. Both sides refuse another version, and say so."""

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


# -----------------------------------------------------------------------------
# Scheduler and kernel


class PlaceItem(TypedDict):
    """One variable to place: the argument of the handler ``moorage_place``."""

    vid: str  # "owner:name", unique on the scheduler
    name: str
    owner: str
    keys: list[Any]  # Dask keys: str or tuple
    placement: PlacementDict
    structure: dict[str, Any]  # how the futures are put together, see kernel/structure.py
    typename: str
    detail: str
    nbytes: list[int]  # bytes of each key as estimated by the notebook, for keys that have not arrived
    origin: bool  # the calling client can send the value again
    hold: bool  # keep the keys alive even when no client has a future of them


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
    state: State
    reason: str
    held: dict[str, int]  # worker -> number of keys it has
    pending: dict[str, int]  # worker -> number of keys it still lacks


class VariableDelta(TypedDict):
    """What changed of a variable. ``held`` and ``pending`` list changed workers only; 0 = none any more."""

    state: State
    reason: str
    nbytes: int
    held: dict[str, int]
    pending: dict[str, int]


class SchedulerSnapshot(TypedDict):
    """Everything, as of event number ``seq``."""

    protocol: int
    seq: int
    variables: dict[str, VariableRecord]
    workers: dict[str, WorkerDict]
    seen: list[str]  # names of the workers that were ever here
    hosted: bool  # the scheduler is in a host process of moorage's, which can change its size


class Changes(TypedDict):
    """What changed in the last 50 ms."""

    type: Literal["changes"]
    seq: int
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


# -----------------------------------------------------------------------------
# Kernel and panel


class PanelOpen(TypedDict):
    """Data of the ``comm_open`` of ``moorage.push`` and of ``moorage.rpc``, both opened by the panel."""

    protocol: int
    tab: str  # the browser tab; a comm of the same target and tab is replaced by this one
    read_only: bool  # refuse whatever changes something, however it is asked for on this comm


class PanelHello(TypedDict):
    """Data of the ``comm_open`` of ``moorage.hello``, by which the kernel says that moorage has been loaded."""

    protocol: int


class PanelClosed(TypedDict):
    """Data of a ``comm_close`` by the kernel."""

    reason: Literal["replaced", "protocol", "unloaded"]
    message: str


class PanelCluster(TypedDict):
    """The cluster strip."""

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
    idle_timeout: NotRequired[float]  # seconds without use after which a kept cluster ends


class PanelWorker(TypedDict):
    """A worker and its memory, in bytes."""

    name: str
    host: str
    nthreads: int
    status: WorkerStatus
    memory_limit: int  # 0: none
    managed: int
    process: int
    spilled: int


class PanelVariable(TypedDict):
    """A placed variable as the user sees it."""

    name: str  # the name in this notebook; "name@owner" for another notebook's when the plain name is taken
    owner: str  # empty for this notebook's own
    typename: str
    detail: str
    nbytes: int  # bytes of one copy of all keys
    nkeys: int
    placement: PlacementDict
    state: State
    reason: str
    stale: bool
    held: dict[str, int]  # worker -> number of keys it has, as confirmed by it
    pending: dict[str, int]  # worker -> number of keys it still lacks


class PanelCandidate(TypedDict):
    """A variable of the notebook that is not placed."""

    name: str
    typename: str
    detail: str
    nbytes: int


class PanelNotice(TypedDict):
    """Something that failed or that the user should know; stays until dismissed."""

    id: str
    level: Literal["info", "warning", "error"]
    message: str
    remedy: str
    variable: str  # the variable it is about, or empty


class PanelState(TypedDict):
    """All that the panel shows."""

    cluster: PanelCluster | None
    workers: dict[str, PanelWorker]
    variables: dict[str, PanelVariable]
    candidates: dict[str, PanelCandidate]
    notices: dict[str, PanelNotice]
    read_only: bool


class PanelSnapshot(TypedDict):
    """The whole state; the first message on ``moorage.push``, and the answer to the request ``snapshot``."""

    type: Literal["snapshot"]
    protocol: int
    version: int
    state: PanelState


class PanelWorkerChange(TypedDict, total=False):
    """The fields of a `PanelWorker` that changed; all of them for a worker that is new."""

    name: str
    host: str
    nthreads: int
    status: WorkerStatus
    memory_limit: int
    managed: int
    process: int
    spilled: int


class PanelVariableChange(TypedDict, total=False):
    """The fields of a `PanelVariable` that changed; all of them for a variable that is new.

    Of ``held`` and ``pending`` only the workers that changed are listed, with 0 for those that drop out, so that one
    more copy of a variable on 1,000 workers is one entry.
    """

    name: str
    owner: str
    typename: str
    detail: str
    nbytes: int
    nkeys: int
    placement: PlacementDict
    state: State
    reason: str
    stale: bool
    held: dict[str, int]
    pending: dict[str, int]


class PanelChanged(TypedDict):
    """Entries that are new or have changed, by name. Parts without a change are absent."""

    cluster: NotRequired[PanelCluster | None]
    workers: NotRequired[dict[str, PanelWorkerChange]]
    variables: NotRequired[dict[str, PanelVariableChange]]
    candidates: NotRequired[dict[str, PanelCandidate]]
    notices: NotRequired[dict[str, PanelNotice]]
    read_only: NotRequired[bool]


class PanelRemoved(TypedDict):
    """Names of entries that are gone; an entry of the same name in `PanelChanged` comes after."""

    workers: NotRequired[list[str]]
    variables: NotRequired[list[str]]
    candidates: NotRequired[list[str]]
    notices: NotRequired[list[str]]


class PanelUpdate(TypedDict):
    """What changed since the version before."""

    type: Literal["update"]
    version: int
    changed: PanelChanged
    removed: PanelRemoved


class PanelNoArgs(TypedDict):
    """Arguments of a request that takes none."""


class PanelWatchArgs(TypedDict):
    """List the notebook's variables of at least so many bytes that are not placed, or stop listing them."""

    candidates: bool
    threshold: int


class PanelPlaceArgs(TypedDict):
    """Place these variables. Answered once that is recorded; the copies arrive later, by ``moorage.push``."""

    names: list[str]
    placement: PlacementDict
    force: bool  # also where it seems not to fit


class PanelReleaseArgs(TypedDict):
    """Let go of these variables."""

    names: list[str]


class PanelStartArgs(TypedDict):
    """Start a cluster on this machine. Answered at once; ``PanelCluster.status`` tells how it goes."""

    n_workers: int


class PanelAttachArgs(TypedDict):
    """Use a cluster that runs already; an empty target stands for the one kept cluster."""

    target: str


class PanelScaleArgs(TypedDict):
    """Ask for so many workers."""

    n: int


class PanelAdaptArgs(TypedDict):
    """Let the number of workers follow the load, between these; without them, stop doing so."""

    minimum: NotRequired[int]
    maximum: NotRequired[int]


class PanelDismissArgs(TypedDict):
    """Take a notice away."""

    id: str


class PanelOps(TypedDict):
    """What the panel can ask for, with the arguments of each."""

    snapshot: PanelNoArgs  # the reply's result is a PanelSnapshot
    watch: PanelWatchArgs
    place: PanelPlaceArgs
    release: PanelReleaseArgs
    start: PanelStartArgs
    attach: PanelAttachArgs
    scale: PanelScaleArgs
    adapt: PanelAdaptArgs
    stop: PanelNoArgs
    dismiss: PanelDismissArgs


class PanelRequest(TypedDict):
    """What the panel asks, upon an act of the user."""

    id: int
    op: str  # a key of PanelOps
    args: dict[str, Any]


class PanelError(TypedDict):
    """A refusal: the name of the error's class and the fields of ``MoorageError``."""

    kind: str
    message: str
    remedy: str


class PanelReply(TypedDict):
    """The answer to the request of the same ``id``."""

    type: Literal["reply"]
    id: int
    ok: bool
    result: NotRequired[dict[str, Any]]
    error: NotRequired[PanelError]
