"""What the panel asks of the kernel, on the comm ``moorage.rpc``: a ``PanelRequest``, and its ``PanelReply``.

Only shapes stand here; only the standard library is used. The TypeScript side is generated from them.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from moorage.wire.scheduler import PlacementDict


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
    """Start a cluster. Answered at once; ``PanelCluster.status`` tells how it goes."""

    n_workers: int
    threads: NotRequired[int]  # of each worker; by default Dask's choice
    memory: NotRequired[str]  # of each worker, such as "2GB"; by default an even share
    keep: NotRequired[bool]  # let it outlive the kernel
    using: NotRequired[str]  # the kind, or the path of a class; by default what is configured, or local
    options: NotRequired[dict[str, str]]  # arguments of the class, each as written in a line


class PanelKindArgs(TypedDict):
    """Say what a kind of cluster can be started with."""

    kind: str  # or the path of a class; empty: what is configured


class PanelParameter(TypedDict):
    """A parameter of a cluster's class."""

    name: str
    typename: str
    default: str  # as written in a line; empty: none
    description: str


class PanelKind(TypedDict):
    """A kind of cluster."""

    kinds: list[str]  # that have a name
    path: str  # of its class
    is_local: bool  # it has threads and memory of each worker instead
    parameters: list[PanelParameter]


class PanelKeptCluster(TypedDict):
    """A cluster of this user that outlives its kernels."""

    name: str
    kind: str
    host: str  # where it was started
    parked: bool  # it has no workers until it is used


class PanelKept(TypedDict):
    """The clusters that can be attached to by name."""

    clusters: list[PanelKeptCluster]


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


class PanelKeepArgs(TypedDict):
    """Let the cluster outlive the kernel, or no longer."""

    on: bool


class PanelWhyArgs(TypedDict):
    """Say why something is as it is; answered with a `PanelWhy`."""

    kind: Literal["name", "worker", "log"]  # a variable, placed or of the notebook; a worker; what a worker has logged
    name: str


class PanelWhy(TypedDict):
    """One cause and one remedy, as ``%why`` says them."""

    subject: str
    state: str
    cause: str
    remedy: str  # empty when all is well
    line: str  # for a cell, that does it; empty when none does
    log: list[str]  # of a worker that has ended: the last lines of its log
    others: list[str]  # of several parts or items that are not all alike: the other causes, a line each


class PanelTellArgs(TypedDict):
    """Say in words, as the magics do; answered with a `PanelTold`. For assistants."""

    what: Literal["clusters", "placement", "memory"]
    names: list[str]  # whose placement; empty for all


class PanelTold(TypedDict):
    """What there is to say; empty if there is no cluster to tell of."""

    text: str


class PanelProposeArgs(TypedDict):
    """Ask the user whether this shall be done; answered with a `PanelTold` when it is. For assistants."""

    op: Literal["place", "release", "scale"]
    args: dict[str, Any]  # of that request


class PanelDecideArgs(TypedDict):
    """Agree to a `PanelProposal`, or refuse it. Answered as the request is that was proposed."""

    id: str
    agreed: bool


class PanelPartsArgs(TypedDict):
    """Say where the parts of a variable of many keys are; answered with a `PanelParts`.

    What begins at 0 is looked at anew, the next pages are of the same moment.
    """

    name: str
    start: int
    count: int


class PanelParts(TypedDict):
    """Some of a variable's parts, items of results or elements of a list, and what each worker has of all, or ran."""

    name: str
    shape: list[int]  # number of blocks by axis; of what is no array, of parts
    columns: int  # of the picture that ``cluster[name].plot()`` draws
    total: int  # parts
    nowhere: int  # parts that no worker has
    workers: list[str]  # those that have some, in the order of their names
    colors: list[str]  # theirs, in that picture
    counts: list[int]  # parts that they have
    sizes: list[int]  # bytes of these
    start: int  # the first of the parts that follow, column by column
    cells: list[int]  # its square in the picture, line by line
    nbytes: list[int]  # of one copy; -1: not known yet
    on: list[list[int]]  # numbers of workers in the list of them
    # as Dask's scheduler has it; of items and elements: done, failed, cancelled, running, waiting, forgotten, or local
    # for what is in the notebook
    states: list[str]
    errors: NotRequired[list[str]]  # of items and elements, for each what went wrong with it, in a line, or nothing
    labels: NotRequired[list[str]]  # of elements, what a line has in brackets for each, such as 'a' of a dict


class PanelRestartArgs(TypedDict):
    """Restart the process of a worker. Answered at once."""

    worker: str


class PanelCancelArgs(TypedDict):
    """Cancel what has not ended of something that runs. Answered at once."""

    id: str  # of a `PanelComputation`


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
    kind: PanelKindArgs  # the reply's result is a PanelKind
    kept: PanelNoArgs  # the reply's result is a PanelKept
    attach: PanelAttachArgs
    scale: PanelScaleArgs
    adapt: PanelAdaptArgs
    keep: PanelKeepArgs
    leave: PanelNoArgs
    stop: PanelNoArgs
    restart: PanelRestartArgs
    cancel: PanelCancelArgs
    undo: PanelNoArgs
    dismiss: PanelDismissArgs
    parts: PanelPartsArgs  # the reply's result is a PanelParts
    tell: PanelTellArgs  # the reply's result is a PanelTold
    propose: PanelProposeArgs  # the reply's result is a PanelTold
    decide: PanelDecideArgs
    why: PanelWhyArgs  # the reply's result is a PanelWhy


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
