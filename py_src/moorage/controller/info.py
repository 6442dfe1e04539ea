"""How a cluster is, in our word and in Dask's."""

from __future__ import annotations

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
