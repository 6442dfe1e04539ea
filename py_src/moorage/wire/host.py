"""What a host process and the notebook say to each other: by pipes until the cluster is ready, by a handler afterwards.

On the pipes it is JSON, one message per line. To the host: one line, the order. To the starter: any number of
``scratch`` and ``progress`` events, then one ``ready`` or ``error``. After that the pipe to the host only has to stay
open: its end is the end of the host.

Only shapes.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, Protocol, TypeAlias, TypedDict

from moorage.wire.scheduler import VariableRecord

TOPIC = "moorage-host"
"""Of the events by which the host tells of changes; each is a `HostInfo`."""

Command: TypeAlias = Literal["info", "scale", "adapt", "fix", "keep", "park", "stop"]


class Order(TypedDict):
    """What the host is to do."""

    spec: dict[str, Any]  # see ``HostSpec`` in ``deploy/spec.py``
    tls: dict[str, str]
    sys_path: list[str]
    dask_config: dict[str, Any]
    runtime_dir: str  # of the state files of kept clusters


class AdaptRange(TypedDict):
    """Between how many workers a cluster adapts."""

    minimum: int
    maximum: int


class SizeInfo(TypedDict):
    """The size of a cluster."""

    requested: list[str]  # names of workers
    arrived: list[str]
    pending: list[str]
    adapt: AdaptRange | None
    trouble: str  # why it is not the size asked for, or empty


class Facts(TypedDict, total=False):
    """What stays the same for the life of a host."""

    name: str
    kind: str
    address: str
    dashboard_link: str
    pid: int


class Parked(TypedDict):
    """A cluster without workers whose data is in files, as long as nobody uses it."""

    since: float  # seconds since the epoch
    workers: list[str]  # that start again when somebody does
    adapt: AdaptRange | None


class Woken(TypedDict):
    """How a cluster was parked before somebody came."""

    client: str  # id of whoever came first
    parked: Parked


class ParkingOrder(TypedDict):
    """What the process is told that parks a cluster; see ``controller/unattended/parking.py``."""

    name: str
    kind: str
    address: str
    place: str  # a folder, or URL
    order: Order


class HostInfo(SizeInfo, Facts):
    """The state of a host: the answer to each command, and the event when it changes.

    Of a cluster without a host process there is its size only.
    """

    revision: NotRequired[int]  # counts changes: what is older is not news, however late it comes
    ended: NotRequired[str]  # why it ends now, or empty
    keep: NotRequired[bool]
    idle_timeout: NotRequired[float]
    park: NotRequired[str]  # where it is parked when idle; empty: it ends then
    parked: NotRequired[Parked | None]  # until all its workers are back
    woken: NotRequired[Woken | None]  # the last time
    store: NotRequired[str]  # socket, on its host, of its file descriptor store; empty if there is none


class Event(TypedDict):
    """What the host reports while it starts."""

    event: Literal["scratch", "progress", "ready", "error"]
    path: NotRequired[str]
    stage: NotRequired[str]
    arrived: NotRequired[int]
    requested: NotRequired[int]
    info: NotRequired[HostInfo]
    error: NotRequired[str]
    message: NotRequired[str]
    remedy: NotRequired[str]


class HostHandlers(Protocol):
    """What anybody on the cluster may ask of the host; see ``deploy/host/control.py``."""

    async def moorage_host(self, command: Command = "info", **arguments: Any) -> HostInfo:
        """Carry out a command; return the state after it."""
        ...


class RecordHandlers(Protocol):
    """What the host process asks of its scheduler."""

    async def moorage_records(self, since: int) -> tuple[int, dict[str, VariableRecord] | None]:
        """Return the revision, and the variables that last until they are released, if it is another than `since`."""
        ...

    async def moorage_in_files(self, since: int) -> tuple[int, dict[Any, bytes] | None]:
        """Return the revision, and which keys are in files, as pickled tasks, if it is another than `since`."""
        ...
