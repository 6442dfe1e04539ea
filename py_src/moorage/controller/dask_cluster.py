"""What code that was written for one of Dask's cluster objects finds on a `ClusterController`.

The scheduler of ours runs in another process, so what Dask's objects know by themselves is asked for here. Verbs that
both have (``scale``, ``adapt``, ``close``, ``wait_for_workers``) are ours, which lose no data. See
``distributed.deploy.cluster.Cluster`` for what is expected.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator, Iterable
from typing import Any, TypeVar

from dask.widgets import get_template  # type: ignore[attr-defined]
from distributed import Client, Security
from distributed.core import Status
from distributed.objects import SchedulerInfo
from distributed.utils import Log, Logs
from traitlets import Enum

from moorage.deploy.host_process import HostHandle
from moorage.kernel.connection.scheduler_link import SchedulerLink
from moorage.kernel.waiting import answer
from moorage.model import WorkerInfo

C = TypeVar("C", bound="LikeDasksCluster")

_AS_DASK = {
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
        return _AS_DASK[str(self)]

    @property
    def name(self) -> str:
        """Name of Dask's word for it."""
        return self.as_dask.name


class StatusTrait(Enum):  # type: ignore[type-arg]
    """A trait whose values are each a `ClusterStatus`."""

    def __init__(self) -> None:
        super().__init__(list(_AS_DASK), ClusterStatus("starting"))

    def validate(self, obj: Any, value: Any) -> ClusterStatus:
        """Return a value as it is kept; called by traitlets."""
        return ClusterStatus(super().validate(obj, value))


class Workers(dict[str, WorkerInfo]):
    """The workers by name, as far as is known here; called, it returns them as they are now."""

    def __init__(self, known: Iterable[WorkerInfo], ask: Callable[[], list[WorkerInfo]]) -> None:
        super().__init__({info.name: info for info in known})
        self._ask = ask

    def __call__(self) -> list[WorkerInfo]:
        """Ask the scheduler."""
        return self._ask()


class Adapting:
    """Adaptive scaling that was switched on.

    Attributes
    ----------
    minimum, maximum : int
        Workers.
    """

    def __init__(self, stop: Callable[[], object], minimum: int, maximum: int) -> None:
        self._stop = stop
        self.minimum = minimum
        self.maximum = maximum

    def stop(self) -> None:
        """Keep the size as it is now."""
        self._stop()

    def __repr__(self) -> str:
        return f"<Adapting from {self.minimum} to {self.maximum} workers>"


class SchedulerView:
    """The scheduler of a cluster, which runs in another process, as code sees it that has it in its own.

    What is not here is a handler of the scheduler, to be awaited on the client's event loop.

    Attributes
    ----------
    address, id : str
    workers : dict of str to WorkerInfo
        By address, as far as is known here.
    """

    def __init__(self, cluster: LikeDasksCluster) -> None:
        self._cluster = cluster
        self.address = cluster.address
        self.workers = {info.address: info for info in cluster.workers.values()}

    @property
    def id(self) -> str:
        """What the scheduler calls itself."""
        return str(self.identity()["id"])

    def identity(self) -> SchedulerInfo:
        """Return what the scheduler says of itself; see `LikeDasksCluster.scheduler_info`."""
        return self._cluster.scheduler_info

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or self._cluster.scheduler_comm is None:
            raise AttributeError(name)
        return getattr(self._cluster.scheduler_comm, name)

    def __repr__(self) -> str:
        threads = sum(info.nthreads for info in self.workers.values())
        return f"<Scheduler {self.address!r}, workers: {len(self.workers)}, cores: {threads}>"

    def _repr_html_(self) -> str:
        return str(self.identity()._repr_html_())


class LikeDasksCluster:
    """The attributes and methods of `distributed.deploy.cluster.Cluster` that are not verbs of ours."""

    client: Client
    name: str
    address: str
    dashboard_link: str
    status: Any
    _loop: Any
    requested: Any
    _link: SchedulerLink
    _handle: HostHandle | None
    _seen: SchedulerInfo

    asynchronous = False
    _supports_scaling = True

    def _run(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any) -> Any:
        """Run a coroutine function on the client's event loop."""
        raise AssertionError("the cluster does this")

    @property
    def on_loop(self) -> bool:
        """Whether this is called on the client's event loop, where nothing can be waited for."""
        try:
            return asyncio.get_running_loop() is self._loop.asyncio_loop
        except RuntimeError:
            return False

    # Workers

    @property
    def workers(self) -> Workers:
        """The workers by name, as far as is known here. Called, it asks: ``cluster.workers()`` is a list."""
        return Workers(self._link.mirror.infos(), lambda: self._run(self._link.workers))

    @property
    def plan(self) -> set[str]:
        """Names of the workers that are asked for."""
        return set(self.requested)

    @property
    def observed(self) -> set[str]:
        """Names of the workers that are there."""
        return {info.name for info in self._link.mirror.infos()}

    # The scheduler

    @property
    def scheduler_address(self) -> str:
        """Where the scheduler listens."""
        return self.address

    @property
    def scheduler(self) -> SchedulerView:
        """The scheduler."""
        return SchedulerView(self)

    @property
    def scheduler_comm(self) -> Any:
        """What asks the scheduler, on the client's event loop; None once the client is closed."""
        return self.client.scheduler

    @property
    def scheduler_info(self) -> SchedulerInfo:
        """What the scheduler says of itself and of its workers, by address; as it last was once it cannot be asked."""
        if not self.on_loop and self.status == "connected" and self.client.status == "running":
            self._seen = SchedulerInfo(self._run(self._identity))
        return self._seen

    async def _identity(self) -> Any:
        return await answer(self.client, self.scheduler_comm.identity(n_workers=-1))

    def get_logs(self, cluster: bool = True, scheduler: bool = True, workers: bool | Iterable[str] = True) -> Logs:
        """Return the logs of the cluster's process, of the scheduler, and of workers.

        Parameters
        ----------
        cluster, scheduler : bool
            Whether to return those.
        workers : bool, or iterable of str
            Whether to return those of all workers, or of which (their addresses).

        Returns
        -------
        dict of str to str
            With the keys ``Cluster`` and ``Scheduler``, and the addresses of workers.
        """
        return self._run(self._get_logs, cluster, scheduler, workers)  # type: ignore[no-any-return]

    async def _get_logs(self, cluster: bool, scheduler: bool, workers: bool | Iterable[str]) -> Logs:
        logs = Logs()
        if cluster:
            logs["Cluster"] = Log(self._handle.log(200) if self._handle is not None else "")
        if scheduler:
            lines = await answer(self.client, self.scheduler_comm.get_logs())
            logs["Scheduler"] = Log("\n".join(line for _, line in lines))
        if workers:
            asked = None if workers is True else list(workers)
            told = await answer(self.client, self.scheduler_comm.worker_logs(workers=asked))
            for address, lines in told.items():
                logs[address] = Log("\n".join(line for _, line in lines))
        return logs

    # Clients

    @property
    def loop(self) -> Any:
        """The event loop that clients of this cluster share."""
        return self._loop

    @property
    def security(self) -> Security:
        """Credentials of a client."""
        return self.client.security  # type: ignore[no-any-return]

    def get_client(self) -> Client:
        """Return the client of this cluster."""
        return self.client

    # Display

    def _repr_html_(self, cluster_status: str | None = None) -> str:
        info = self.scheduler_info
        return str(
            get_template("cluster.html.j2").render(
                type=type(self).__name__,
                name=self.name,
                workers=info["workers"],
                # Without the token: what is shown is saved with the notebook, which others may read.
                dashboard_link=self.dashboard_link.partition("?")[0],
                scheduler_info_repr=info._repr_html_(),
                cluster_status=cluster_status,
            )
        )

    # Asynchronous code

    def __await__(self: C) -> Generator[Any, None, C]:
        yield from ()  # it has been started; Dask's clients await it
        return self

    async def __aenter__(self: C) -> C:
        return self
