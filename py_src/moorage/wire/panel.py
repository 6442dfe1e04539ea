"""What the kernel and the panel say to each other, by two Jupyter comms.

``moorage.push`` carries ``PanelSnapshot`` and ``PanelUpdate`` from the kernel, ``moorage.rpc`` the requests and
replies of ``panel_requests.py``. ``version`` grows by one with each update.

Only shapes stand here; only the standard library is used. The TypeScript side is generated from them.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, TypedDict

from moorage.model import ClusterInfo, State, WorkerStatus
from moorage.wire.scheduler import CountsChange, CountsDict, PlacementDict


class PanelOpen(TypedDict):
    """Data of the ``comm_open`` of ``moorage.push`` and of ``moorage.rpc``, both opened by the panel."""

    protocol: int
    tab: str  # the browser tab; a comm of the same target and tab is replaced by this one
    read_only: bool  # refuse whatever changes something, however it is asked for on this comm


class PanelHello(TypedDict):
    """Data of a ``comm_msg`` on the comm ``moorage.hello``, by which the kernel says that moorage has been loaded."""

    protocol: int


class PanelClosed(TypedDict):
    """Data of a ``comm_close`` by the kernel."""

    reason: Literal["replaced", "protocol", "unloaded"]
    message: str


class PanelCluster(ClusterInfo):
    """The cluster strip."""


class PanelWorker(TypedDict):
    """A worker and its memory, in bytes."""

    name: str
    host: str
    nthreads: int
    status: WorkerStatus
    memory_limit: int  # 0: none
    managed: int  # of keys in memory; this, as `process`, without what its host shares
    process: int
    spilled: int
    collections: int  # of ``managed``, those that are not placed
    results: int  # of it, futures and results
    host_shared: int  # what the workers of its host share, each value once
    host_free: int  # what its host has left; -1: it has not said
    shares: bool | None  # whether it shares memory with others of its host; null: it has not said


class PanelTasks(TypedDict):
    """What a worker that is busy runs, as it has said last."""

    running: dict[str, int]  # tasks, by the name of a function, a collection or a loop
    since: int  # when the first of these began, in seconds since 1970; 0: none runs
    waiting: int  # tasks that have been sent to it and do not run


class PanelVariable(TypedDict):
    """A placed variable as the user sees it."""

    name: str  # the name in this notebook; "name@owner" for another notebook's when the plain name is taken
    owner: str  # empty for this notebook's own
    typename: str
    detail: str
    nbytes: int  # bytes of one copy of all keys
    shared: int  # of these, bytes that lie in memory which a host shares
    nkeys: int
    collection: bool  # its keys are parts of a Dask collection
    writable: bool  # tasks may write to it: each worker needs room for all of it
    placement: PlacementDict
    state: State
    reason: str
    stale: bool
    only_on_cluster: bool  # this notebook has no value of that name: to let go of it is to lose it
    held: CountsDict  # keys that workers have, as confirmed by them
    pending: CountsDict  # keys that they still lack


class PanelCandidate(TypedDict):
    """A variable of the notebook that is not placed."""

    name: str
    typename: str
    detail: str
    nbytes: int


MemoryKind: TypeAlias = Literal["collection", "result", "dataset", "other", "task", "rest"]
"""What a name on the cluster is of that is not placed: a collection, or futures and results, of a variable of this
notebook; a published dataset; what others keep; what waiting and running tasks take; small names together."""


class PanelItems(TypedDict):
    """How far results are."""

    total: int  # items; of what has no length, those begun so far
    done: int  # that have ended
    failed: int  # of these
    cancelled: int
    computation: str  # id of the loop that makes them, or empty: it has ended


class PanelNamedMemory(TypedDict):
    """What fills the workers' memory without being placed, by name; and results that have not all come home."""

    name: str
    kind: MemoryKind
    owner: str  # empty for this notebook's own, and for what is nobody's
    nkeys: int  # or tasks that run
    nbytes: int  # in memory, of all workers
    spilled: int  # on disk
    nworkers: int  # that have something of it
    most_on: list[str]  # the two of them that have most
    items: NotRequired[PanelItems]  # of results
    elements: NotRequired[int]  # of a list, tuple, set or dict, how many it has, futures or not


class PanelComputation(TypedDict):
    """A loop of this notebook that runs."""

    id: str
    label: str  # the function, or the loop as the cell has it
    cell: str  # id of the cell that has begun it, or empty
    execution: int  # number of that cell's execution; 0: not known
    total: int  # items; -1: not known yet
    done: int  # of these, those that have ended
    failed: int  # of those, the ones with an error
    rate: float  # items per second; 0: not known yet
    cancelling: bool


class PanelNotice(TypedDict):
    """Something that failed or that the user should know; stays until dismissed."""

    id: str
    level: Literal["info", "warning", "error"]
    message: str
    remedy: str
    variable: str  # the variable it is about, or empty


class PanelProposal(TypedDict):
    """Something that an assistant wants done: the user agrees or refuses."""

    id: str
    line: str  # the magic that does it
    note: str  # what the user should know before, or empty


class PanelEvent(TypedDict):
    """Something that has happened."""

    id: str
    time: float  # seconds since 1970
    kind: Literal["joined", "left", "placed", "released", "waiting", "refused", "notice", "loop"]
    level: Literal["info", "warning", "error"]
    message: str
    variables: list[str]  # names of those that it is about, the first of many
    remedy: str  # what helps, or empty
    line: str  # the magic that does this once more, or empty
    cell: str  # id of the cell that it comes from, or empty


class PanelLimits(TypedDict):
    """What decides whether something fits, see ``capacity.py``."""

    pause: float  # what a placement may fill of a worker's memory limit
    spill: float  # what of it a worker fills before it begins to write data to disk
    smallest_shared: int  # bytes of a value from which on it lies in memory that a host shares


class PanelState(TypedDict):
    """All that the panel shows."""

    cluster: PanelCluster | None
    workers: dict[str, PanelWorker]
    tasks: dict[str, PanelTasks]  # of workers that are busy
    variables: dict[str, PanelVariable]
    candidates: dict[str, PanelCandidate]
    ledger: dict[str, PanelNamedMemory]
    computations: dict[str, PanelComputation]  # the oldest first
    notices: dict[str, PanelNotice]
    proposals: dict[str, PanelProposal]  # the oldest first
    events: dict[str, PanelEvent]  # the latest, oldest first
    undoable: str  # what would be taken back, in words; empty if nothing can be
    limits: PanelLimits
    read_only: bool


class PanelWorkerColumns(TypedDict):
    """Workers as a table, column by column: of ten thousand, names of fields would be most of a message."""

    name: list[str]
    host: list[str]
    nthreads: list[int]
    status: list[WorkerStatus]
    memory_limit: list[int]
    managed: list[int]
    process: list[int]
    spilled: list[int]
    collections: list[int]
    results: list[int]
    host_shared: list[int]
    host_free: list[int]
    shares: list[bool | None]


class PanelSnapshot(TypedDict):
    """The whole state; the first message on ``moorage.push``, and the answer to the request ``snapshot``."""

    type: Literal["snapshot"]
    protocol: int
    version: int
    state: PanelState  # without its workers
    workers: PanelWorkerColumns


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
    collections: int
    results: int
    host_shared: int
    host_free: int
    shares: bool | None


class PanelComputationChange(TypedDict, total=False):
    """The fields of a `PanelComputation` that changed; all of them for one that is new."""

    id: str
    label: str
    cell: str
    execution: int
    total: int
    done: int
    failed: int
    rate: float
    cancelling: bool


class PanelVariableChange(TypedDict, total=False):
    """The fields of a `PanelVariable` that changed; all of them for a variable that is new.

    Of ``held`` and ``pending`` only the workers that changed are listed, so that one more copy of a variable on 1,000
    workers is one entry.
    """

    name: str
    owner: str
    typename: str
    detail: str
    nbytes: int
    shared: int
    nkeys: int
    collection: bool
    writable: bool
    placement: PlacementDict
    state: State
    reason: str
    stale: bool
    only_on_cluster: bool
    held: CountsChange
    pending: CountsChange


class PanelChanged(TypedDict):
    """Entries that are new or have changed, by name. Parts without a change are absent."""

    cluster: NotRequired[PanelCluster | None]
    workers: NotRequired[dict[str, PanelWorkerChange]]
    tasks: NotRequired[dict[str, PanelTasks]]
    variables: NotRequired[dict[str, PanelVariableChange]]
    candidates: NotRequired[dict[str, PanelCandidate]]
    ledger: NotRequired[dict[str, PanelNamedMemory]]
    computations: NotRequired[dict[str, PanelComputationChange]]
    notices: NotRequired[dict[str, PanelNotice]]
    proposals: NotRequired[dict[str, PanelProposal]]
    events: NotRequired[dict[str, PanelEvent]]
    undoable: NotRequired[str]
    limits: NotRequired[PanelLimits]
    read_only: NotRequired[bool]


class PanelRemoved(TypedDict):
    """Names of entries that are gone; an entry of the same name in `PanelChanged` comes after."""

    workers: NotRequired[list[str]]
    tasks: NotRequired[list[str]]
    variables: NotRequired[list[str]]
    candidates: NotRequired[list[str]]
    ledger: NotRequired[list[str]]
    computations: NotRequired[list[str]]
    notices: NotRequired[list[str]]
    proposals: NotRequired[list[str]]
    events: NotRequired[list[str]]


class PanelUpdate(TypedDict):
    """What changed since the version before.

    What it says of workers comes first: for ``rest`` of variables see ``counts.py``.
    """

    type: Literal["update"]
    version: int
    changed: PanelChanged
    removed: PanelRemoved
