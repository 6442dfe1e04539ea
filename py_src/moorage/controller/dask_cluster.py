"""What code that was written for one of Dask's cluster objects finds on a `ClusterController`.

The scheduler of ours runs in another process, so what Dask's objects know by themselves is asked for here. Verbs that
both have (``scale``, ``adapt``, ``close``, ``wait_for_workers``) are ours, which lose no data. See
``distributed.deploy.cluster.Cluster`` for what is expected.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

from dask.widgets import get_template  # type: ignore[attr-defined]
from distributed import Client, Security
from distributed.objects import SchedulerInfo
from distributed.utils import Log, Logs

from moorage._dask.client import logs_of_scheduler, logs_of_workers, scheduler_of
from moorage.controller.connected import Connected
from moorage.kernel.waiting import answer
from moorage.model import WorkerInfo

C = TypeVar("C", bound="LikeDasksCluster")


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


class LikeDasksCluster(Connected):
    """The attributes and methods of `distributed.deploy.cluster.Cluster` that are not verbs of ours."""

    asynchronous = False
    _supports_scaling = True

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
        return scheduler_of(self.client)

    @property
    def scheduler_info(self) -> SchedulerInfo:
        """What the scheduler says of itself and of its workers, by address; as it last was once it cannot be asked."""
        if not self.on_loop and self.status == "connected" and self.client.status == "running":
            self._seen = SchedulerInfo(self._run(self._identity))
        return self._seen

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
        return self._run(lambda: self._get_logs(cluster, scheduler, workers))

    async def _get_logs(self, cluster: bool, scheduler: bool, workers: bool | Iterable[str]) -> Logs:
        logs = Logs()
        if cluster:
            logs["Cluster"] = Log(self._handle.log(200) if self._handle is not None else "")
        if scheduler:
            lines = await answer(self.client, logs_of_scheduler(self.client))
            logs["Scheduler"] = Log("\n".join(line for _, line in lines))
        if workers:
            asked = None if workers is True else list(workers)
            told = await answer(self.client, logs_of_workers(self.client, asked))
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
