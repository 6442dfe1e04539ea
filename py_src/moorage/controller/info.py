"""What there is to say of a cluster at a glance."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from distributed.core import Status

AS_DASK = {
    "starting": Status.starting,
    "connected": Status.running,
    "lost": Status.failed,
    "stopped": Status.closed,
}


class ClusterStatus(str):
    """How a cluster is: a str that also equals the `distributed.Status` which Dask would give it.

    Examples
    --------
    >>> ClusterStatus("connected") == "connected" == ClusterStatus("connected")
    True
    >>> ClusterStatus("connected") == Status.running
    True
    """

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return self.as_dask is other if isinstance(other, Status) else str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    @property
    def as_dask(self) -> Status:
        """Dask's word for it."""
        return AS_DASK[str(self)]

    @property
    def name(self) -> str:
        """Name of Dask's word for it."""
        return self.as_dask.name


class ClusterInfo(TypedDict):
    """A cluster at a glance. The panel shows all of it: ``PanelCluster`` has the same fields, which mypy compares."""

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
