"""How the size of a cluster is changed, for each way in which this notebook may have got hold of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from distributed import Scheduler
from distributed.deploy.cluster import Cluster
from distributed.deploy.spec import SpecCluster

from moorage.deploy.scaling.scaler import Scaler
from moorage.deploy.scaling.supervisor import Supervisor
from moorage.errors import InputError, ScaleError
from moorage.kernel.waiting import scheduler_of
from moorage.wire.host import Command, HostInfo

if TYPE_CHECKING:
    from distributed import Client

    from moorage.kernel.connection.scheduler_link import SchedulerLink


class Scaling(Protocol):
    """Changes the size of one cluster without losing data. Runs on the client's event loop."""

    async def command(self, command: Command, **arguments: Any) -> HostInfo:
        """Carry out one of the commands of ``moorage.deploy.host.control`` and return the state after it."""

    def now(self) -> HostInfo | None:
        """Return the state after workers have come or gone; None if whoever decides on the size reports it anyway."""

    def close(self) -> None:
        """Stop deciding on the size."""


class RemoteScaling:
    """A cluster in a host process of moorage's, of this notebook's or another's."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def command(self, command: Command, **arguments: Any) -> HostInfo:
        """See `Scaling`."""
        return await scheduler_of(self._client).moorage_host(command=command, **arguments)

    def now(self) -> None:
        """See `Scaling`: the host tells."""

    def close(self) -> None:
        """See `Scaling`: the host goes on."""


class InProcessScaling:
    """A cluster object of this process, such as a ``LocalCluster`` or an ``SGECluster`` made in the notebook.

    As long as this is open, lost jobs are submitted again, as in a host process. `cluster`: `is_own` must hold for it.
    To be called on its event loop. `on_change`: called when the size was changed otherwise than by a command.
    """

    def __init__(self, cluster: SpecCluster, on_change: Callable[[], None]) -> None:
        scheduler: Any = cluster.scheduler
        self._scaler = Scaler(cluster, scheduler)
        self._scaler.on_change = on_change
        self._supervisor = Supervisor(self._scaler)
        self._supervisor.install()
        self._watch = asyncio.ensure_future(self._supervisor.run())

    async def command(self, command: Command, **arguments: Any) -> HostInfo:
        """See `Scaling`."""
        match command:
            case "info" | "scale" | "adapt" | "fix":
                await self._scaler.command(command, **arguments)
            case "keep":
                raise InputError(
                    "A cluster object created in this process ends with it and cannot be kept.",
                    "Start one that can: %cluster start --keep, on a job queue with --using.",
                )
            case _:
                raise InputError(f"A cluster object created in this process cannot {command}.", "Use its own methods.")
        return self._scaler.info()

    def now(self) -> HostInfo:
        """See `Scaling`."""
        return self._scaler.info()

    def close(self) -> None:
        """See `Scaling`."""
        self._watch.cancel()
        self._supervisor.uninstall()


class FixedScaling:
    """A cluster on whose size somebody else decides. `cluster`: the object of this process that it belongs to."""

    def __init__(self, link: SchedulerLink, cluster: Cluster | None = None) -> None:
        self._link = link
        self._cluster = cluster

    async def command(self, command: Command, **arguments: Any) -> HostInfo:
        """See `Scaling`."""
        if command == "info":
            return self.now()
        if self._cluster is not None:
            raise ScaleError(
                f"This notebook cannot {command} a {type(self._cluster).__name__} without losing data: its scheduler"
                " runs in another process.",
                "Move the data first, Client.retire_workers([address, ...]), and then use the object's own methods.",
            )
        raise ScaleError(
            f"This notebook cannot {command} the cluster: it was attached by its address.",
            "Do it where the cluster was started, or attach to the cluster object itself.",
        )

    def now(self) -> HostInfo:
        """See `Scaling`."""
        names = list(self._link.mirror.snapshot()[1])
        return {"requested": names, "arrived": names, "pending": [], "adapt": None, "trouble": ""}

    def close(self) -> None:
        """See `Scaling`."""


def is_own(cluster: Cluster | None) -> bool:
    """Whether scheduler and cluster object run in this process, so that data can be moved before workers go."""
    return isinstance(cluster, SpecCluster) and isinstance(cluster.scheduler, Scheduler)
