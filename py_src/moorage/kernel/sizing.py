"""How the size of a cluster is changed, for each way in which this notebook may have got hold of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from distributed.deploy.spec import SpecCluster

from moorage.errors import InputError, ScaleError
from moorage.host.scaling import Scaler

if TYPE_CHECKING:
    from distributed import Client

Info = dict[str, Any]
"""``requested``, ``arrived``, ``pending`` (worker names), ``adapt`` (``{minimum, maximum}`` or None), ``trouble``."""


class Sizing(Protocol):
    """Changes the size of one cluster without losing data. Runs on the client's event loop."""

    async def command(self, command: str, **arguments: Any) -> Info:
        """Carry out one of the commands of ``moorage.host.control`` and return the state after it."""


class HostSizing:
    """A cluster in a host process of moorage's, of this notebook's or another's."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def command(self, command: str, **arguments: Any) -> Info:
        """See `Sizing`."""
        assert self._client.scheduler is not None
        info: Info = await self._client.scheduler.moorage_host(command=command, **arguments)
        return info


class OwnSizing:
    """A cluster object of this process, such as a ``LocalCluster`` or an ``SGECluster`` made in the notebook."""

    def __init__(self, cluster: SpecCluster) -> None:
        scheduler: Any = cluster.scheduler
        self._scaler = Scaler(cluster, scheduler)

    async def command(self, command: str, **arguments: Any) -> Info:
        """See `Sizing`."""
        match command:
            case "scale":
                await self._scaler.scale(**arguments)
            case "adapt":
                await self._scaler.adapt(**arguments)
            case "fix":
                self._scaler.stop_adapting()
            case "info":
                pass
            case _:
                raise InputError(f"A cluster object made in the notebook cannot {command}.", "Use its own methods.")
        return self._scaler.info()


class NoSizing:
    """A cluster that was attached by its address: somebody else decides on its size."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def command(self, command: str, **arguments: Any) -> Info:
        """See `Sizing`."""
        if command != "info":
            raise ScaleError(
                f"This notebook cannot {command} the cluster: it was attached by its address.",
                "Do it where the cluster was started, or attach to the cluster object itself.",
            )
        assert self._client.scheduler is not None
        names = [worker["name"] for worker in await self._client.scheduler.moorage_workers()]
        return {"requested": names, "arrived": names, "pending": [], "adapt": None, "trouble": ""}
