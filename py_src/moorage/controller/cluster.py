"""A cluster as a notebook or a script holds it: what it can do, in one object.

`start` and `attach` (``start.py``) make a `ClusterController`. It wires together the Dask client, the link to the
scheduler plugin (``kernel/connection/scheduler_link.py``), the verbs (``verbs.py``, ``resizing.py``,
``kernel/placement/placer.py``) and whoever decides on the size (``scaling.py``).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from distributed import Client
from distributed.deploy.cluster import Cluster
from distributed.objects import SchedulerInfo
from tornado.ioloop import PeriodicCallback
from traitlets import Bool, Int, Set, Unicode
from traitlets.config import Configurable

from moorage import config
from moorage.controller import forks
from moorage.controller.dask_cluster import LikeDasksCluster, StatusTrait
from moorage.controller.ending import stop_host
from moorage.controller.info import ClusterInfo
from moorage.controller.resizing import Resizing
from moorage.controller.scaling import FixedScaling, Info, InProcessScaling, RemoteScaling, Scaling, is_own
from moorage.controller.submitting import Submitting
from moorage.controller.verbs import Verbs
from moorage.deploy.host.control import TOPIC as HOST_TOPIC
from moorage.deploy.host_process import HostHandle
from moorage.errors import ClusterError, MoorageError, UnreachableError
from moorage.kernel.connection.scheduler_link import Kind, Notice, SchedulerLink
from moorage.kernel.placement.placer import Placer
from moorage.kernel.values.value_registry import ValueRegistry
from moorage.kernel.waiting import RECONNECT, answer, wait_for
from moorage.tasks.collections import Computing

_STATUS_MS = 500


class ClusterController(Verbs, Resizing, Submitting, Computing, LikeDasksCluster, Configurable):
    """A cluster and what this notebook keeps on it.

    Made by `start` and `attach`. ``cluster["name"]`` is a variable on it.

    Attributes
    ----------
    status : str
        ``starting``, ``connected``, ``lost`` (the connection; it is sought again) or ``stopped``, each of which equals
        Dask's word for it, too (``distributed.Status``). A trait: observe it.
    n_workers : int
        Workers that are there. A trait.
    requested : set of str
        Names of the workers that are asked for. A trait.
    name, kind, address, dashboard_link : str
    client : distributed.Client
    placer : Placer
    """

    status = StatusTrait()
    n_workers = Int(0)
    requested = Set(Unicode())
    wait_timeout = Unicode(help="How long %scatter, %broadcast and %pin wait for copies to arrive.").tag(config=True)
    read_only = Bool(help="Whether the panel may only look.").tag(config=True)

    def __init__(
        self,
        client: Client,
        *,
        name: str,
        kind: str,
        owner: str,
        handle: HostHandle | None = None,
        cluster: Cluster | None = None,
        owns_client: bool = True,
    ) -> None:
        super().__init__(wait_timeout=str(config.get("wait-timeout")), read_only=bool(config.get("read-only")))
        self.client = client
        self._process = os.getpid()
        self._loop: Any = client.loop
        self.name = name
        self.kind = kind
        self.address = str(client.scheduler.address) if client.scheduler is not None else ""
        self.dashboard_link = handle.info.dashboard_link if handle is not None else ""
        self._handle = handle
        self._cluster = cluster
        self._owns_client = owns_client
        self._info: Info = {"requested": [], "arrived": [], "pending": [], "adapt": None, "trouble": ""}
        self._link = SchedulerLink(client, ValueRegistry())
        self.placer = Placer(client, owner, self._link, direct=handle is not None)
        self._sizing: Scaling = FixedScaling(self._link, cluster)
        self._watch: PeriodicCallback | None = None
        self._comm: Any = None  # the connection on which all is subscribed to
        try:
            self._run(self._connect)
        except BaseException:
            self._leave()
            raise
        if owns_client:
            forks.cut_off_in_children(client)
            if client.cluster is None:
                client.cluster = self

    def worker_names(self) -> list[str]:
        """Return the names of the workers, as far as is known here."""
        return [info.name for info in self._link.mirror.infos()]

    # State

    @property
    def link(self) -> SchedulerLink:
        """The conversation with the scheduler plugin."""
        return self._link

    @property
    def secure(self) -> bool:
        """Whether connections are encrypted and authenticated."""
        return self.address.startswith("tls://")

    @property
    def dask_cluster(self) -> Cluster | None:
        """The cluster object of this process that it was attached by, if any."""
        return self._cluster

    @property
    def lost(self) -> bool:
        """Whether there is no connection: it is being sought, or the client was closed."""
        return self.status == "lost" or (self.status == "connected" and self.client.status in ("closing", "closed"))

    @property
    def handle(self) -> HostHandle | None:
        """The process of the cluster, if this notebook has started it."""
        return self._handle

    @property
    def kept(self) -> bool:
        """Whether the cluster outlives this notebook."""
        return bool(self._info.get("keep"))

    @property
    def scalable(self) -> bool:
        """Whether this notebook can change the size."""
        return not isinstance(self._sizing, FixedScaling)

    @property
    def notices(self) -> dict[str, Notice]:
        """What went wrong and was not dismissed yet."""
        return self._link.notices

    def dismiss(self, notice_id: str) -> None:
        """Forget a notice."""
        if self._link.notices.pop(notice_id, None) is not None:
            self._link.changed("notices")

    def subscribe(self, callback: Callable[[Kind], None]) -> Callable[[], None]:
        """Call `callback` with ``variables``, ``workers``, ``cluster`` or another `Kind` of thing when it has changed.

        It is called on the client's event loop and must be quick. Returns a function that ends it.
        """
        return self._link.subscribe(callback)

    def status_info(self) -> ClusterInfo:
        """Return what there is to say of the cluster at a glance, as ``%cluster`` shows it."""
        adapt = self._info["adapt"]
        status: Any = "lost" if self.lost else str(self.status)
        return {
            "name": self.name,
            "kind": self.kind,
            "status": status,
            "detail": self._info["trouble"],
            "secure": self.secure,
            "dashboard_link": self.dashboard_link,
            "requested": len(self.requested),
            "arrived": self.n_workers,
            "pending": len(self._info["pending"]),
            "scalable": self.scalable,
            "adapt": [adapt["minimum"], adapt["maximum"]] if adapt else [],
            "kept": self.kept,
            "idle_timeout": self._info.get("idle_timeout", 0.0),
        }

    def __repr__(self) -> str:
        return f"<ClusterController {self.name}: {self.n_workers} workers, {self.status}, {self.address}>"

    # Ending

    def close(self, timeout: str | float | None = None, asynchronous: bool | None = None) -> Any:
        """Leave. A cluster that this notebook started ends with it, unless it is kept.

        Parameters
        ----------
        timeout : str or float, optional
            Seconds for the cluster to end by itself; after that it is killed. Default: the setting
            ``moorage.stop-timeout``.
        asynchronous : bool, optional
            Return an awaitable.
        """
        if self.on_loop:  # Client.shutdown() asks for this, whose client ends as well
            return self._shut_down()
        if asynchronous:
            return asyncio.to_thread(self.close, timeout)
        if self._forget_if_forked():
            return None
        if self.status != "stopped":
            self._leave()
            if self._handle is not None:
                self._handle.close(config.seconds("stop-timeout", timeout))
        return None

    def stop(self, asynchronous: bool | None = None) -> Any:
        """End the cluster, kept or not, and whatever has become of the connection.

        Parameters
        ----------
        asynchronous : bool, optional
            Return an awaitable.

        Raises
        ------
        ClusterError
            If it was attached by its address: it is somebody else's.
        UnreachableError
            If another notebook has started it, and it is there but does not answer.
        """
        if asynchronous:
            return asyncio.to_thread(self.stop)
        if self.status == "stopped" or self._forget_if_forked():
            return None
        if self._handle is not None:
            self._leave()
            self._handle.kept = False
            self._handle.close()
        elif self._hosted:
            stop_host(self.address, self.client.security, config.seconds("stop-timeout"))
            self._leave()
        elif self._cluster is not None:
            self._leave()
            self._cluster.close()
        elif self.lost:
            self._leave()
        else:
            raise ClusterError(
                f"The cluster at {self.address} was attached by its address: this notebook cannot stop it.",
                "Leave it with close(), or stop it where it was started.",
            )
        return None

    def let_go(self) -> HostHandle | None:
        """Leave without ending anything, and return the process of the cluster if this notebook has started it."""
        handle, self._handle = self._handle, None
        if self.status != "stopped":
            self._leave()
        return handle

    async def _shut_down(self) -> None:
        """End the cluster, whoever has started it, and leave the client to whoever closes that."""
        if self.status == "stopped":
            return
        scheduler = self.client.scheduler
        self._owns_client = False
        self._leave()
        if self._handle is not None:
            self._handle.kept = False
            await asyncio.to_thread(self._handle.close)
        elif scheduler is not None:
            with suppress(OSError, TimeoutError):
                command = scheduler.moorage_host(command="stop") if self._hosted else scheduler.terminate()
                await asyncio.wait_for(command, config.seconds("stop-timeout"))

    def __enter__(self) -> ClusterController:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aexit__(self, *exc: object) -> None:
        await self.close(asynchronous=True)

    # Internals

    @property
    def _hosted(self) -> bool:
        return isinstance(self._sizing, RemoteScaling)

    def _run(self, function: Callable[..., Coroutine[Any, Any, Any]], *args: Any, **kwargs: Any) -> Any:
        """Run a coroutine function on the client's event loop; with ``asynchronous=True`` return an awaitable."""
        self._check_connected()
        if not kwargs.pop("asynchronous", None):
            try:
                return wait_for(self.client, function, *args, **kwargs)
            except MoorageError as error:  # a refusal: who gets it need not see how it came about
                raise error.with_traceback(None) from error.__cause__
        coroutine = function(*args, **kwargs)
        if self.on_loop:
            return coroutine
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop.asyncio_loop))

    def _forget_if_forked(self) -> bool:
        """In a process that was forked from ours: end nothing, since it is the parent's. Return whether it is one."""
        if os.getpid() == self._process:
            return False
        self.status = "stopped"
        return True

    def _check_connected(self) -> None:
        if os.getpid() != self._process:
            raise forks.of_parent(self.name)
        if self.status == "stopped":
            raise UnreachableError(f"The cluster {self.name} is stopped.", "Start another one: %cluster start.")
        if self.client.status != "running":
            raise UnreachableError(f"The connection to the cluster {self.name} is lost.", RECONNECT)

    async def _connect(self) -> None:
        await self._link.connect()
        self.dashboard_link = self.dashboard_link or self.client.dashboard_link or ""  # elsewhere it asks, and waits
        self._link.subscribe(self._on_change)
        if is_own(self._cluster):
            self._sizing = InProcessScaling(self._cluster, self._look_at_size)  # type: ignore[arg-type]
        elif self._link.mirror.hosted:
            self._sizing = RemoteScaling(self.client)
            self.client.subscribe_topic(HOST_TOPIC, self._on_host_event)
        await self._command("info")
        if self._hosted:
            self.name, self.kind, self.dashboard_link = (self._info[k] for k in ("name", "kind", "dashboard_link"))
        self._seen = SchedulerInfo(await answer(self.client, self._identity()))
        self._comm = self.client.scheduler_comm
        self._watch = PeriodicCallback(self._look_at_connection, _STATUS_MS)
        self._watch.start()
        self._set_status("connected")

    async def _command(self, command: str, **arguments: Any) -> None:
        more = 2 * arguments.get("timeout", 0.0)  # for data to move, and then for workers to come
        self._take_info(await answer(self.client, self._sizing.command(command, **arguments), more))
        if command != "stop":
            await self._link.refresh()

    def _on_host_event(self, event: tuple[float, Info]) -> None:
        self._take_info(event[1])

    def _take_info(self, info: Info) -> None:
        self._info = info
        if self._handle is not None and "keep" in info:
            self._handle.kept = info["keep"]  # another notebook may have changed that
        self.requested = set(info["requested"])
        self._link.requested = info["requested"]
        self.n_workers = len(self._link.mirror.workers)
        self._link.changed("cluster")

    def _on_change(self, kind: Kind) -> None:
        if kind == "workers":
            self.n_workers = len(self._link.mirror.workers)
            self._look_at_size()

    def _look_at_size(self) -> None:
        if (info := self._sizing.now()) not in (None, self._info):
            self._take_info(info)

    async def _look_at_connection(self) -> None:
        comm = self.client.scheduler_comm if self.client.status == "running" else None
        if self.status == "stopped" or (comm is self._comm and self.status == "connected"):
            return
        self._set_status("lost")
        if comm is not None:
            await self._reconnect()
            self._comm = comm
            self._set_status("connected")

    def _set_status(self, status: str) -> None:
        if self.status not in (status, "stopped"):
            self.status = status
            self._link.changed("cluster")

    async def _reconnect(self) -> None:
        """Take up the conversation again: to the scheduler this is a new client."""
        if self._link.mirror.hosted:
            self.client.subscribe_topic(HOST_TOPIC, self._on_host_event)
        await self._link.connect()
        await self.placer.resume()
        await self._command("info")

    def _leave(self) -> None:
        self.status = "stopped"
        self._loop.add_callback(self._let_go)
        self._link.changed("cluster")
        if self._owns_client:
            with suppress(TimeoutError):  # nobody listens
                self.client.close(timeout=config.seconds("stop-timeout"))

    async def _let_go(self) -> None:
        """Follow the cluster no longer. On the event loop, after what an interrupt has cancelled there."""
        if self._watch is not None:
            self._watch.stop()
        self._sizing.close()
        self._link.images.sharing.close()
        if "_submitter" in vars(self):
            self._submitter.leave()
        if not self._owns_client:  # else it leaves for good
            await self._link.leave(HOST_TOPIC)
