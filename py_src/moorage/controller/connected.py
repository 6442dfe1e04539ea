"""The connection of a `ClusterController` to its cluster: kept up, sought again when it is lost, and given up.

Whatever a cluster can do runs on the event loop of its Dask client; `Connected._run` takes it there, from any thread.
What it can do is in ``placing.py``, ``running.py``, ``resizing.py`` and ``dask_cluster.py``.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property, partial
from typing import Any, Literal, TypeVar, overload

from distributed import Client
from distributed.deploy.cluster import Cluster
from distributed.objects import SchedulerInfo
from tornado.ioloop import PeriodicCallback
from traitlets import Bool, Enum, Int, Set, Unicode
from traitlets.config import Configurable

from moorage import config
from moorage._dask import client as boundary
from moorage.controller.info import AS_DASK, ClusterStatus
from moorage.controller.reviving import GONE, Reviving
from moorage.controller.sizing.size import Size
from moorage.deploy.fdstore.client import facts_at
from moorage.deploy.host_process import HostHandle
from moorage.errors import MoorageError, UnreachableError
from moorage.kernel.connection import forks, plain_work
from moorage.kernel.connection.scheduler_link import Kind, Notice, SchedulerLink
from moorage.kernel.placement.again import reclaim, resume
from moorage.kernel.placement.placer import Placer
from moorage.kernel.values.value_registry import ValueRegistry
from moorage.kernel.waiting import RECONNECT, address_of, answer, dask_scheduler_of, running_loop, wait_for
from moorage.model import ClusterInfo
from moorage.tasks.computations import Computation, Computations
from moorage.tasks.placed_data import PlacedData
from moorage.tasks.runner import Submitter
from moorage.tasks.saving.durable import Durable
from moorage.tasks.saving.parking import refile
from moorage.tasks.why import Explainer
from moorage.wire.host import TOPIC as HOST_TOPIC
from moorage.wire.host import Parked
from moorage.wire.scheduler import VariableRecord
from moorage.wire.tally import WORK_TOPIC

T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, T]]
Around = AbstractContextManager[None] | None

_STATUS_MS = 500


class StatusTrait(Enum):  # type: ignore[type-arg]
    """A trait whose values are each a `ClusterStatus`."""

    def __init__(self) -> None:
        super().__init__(list(AS_DASK), ClusterStatus("starting"))

    def validate(self, obj: Any, value: Any) -> ClusterStatus:
        """Return a value as it is kept; called by traitlets."""
        return ClusterStatus(super().validate(obj, value))


class Connected(Configurable):
    """A cluster with a connection to it. See `ClusterController` for its attributes."""

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
        home: str,
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
        self.address = address_of(client)
        self.dashboard_link = handle.info.dashboard_link if handle is not None else ""
        self._handle = handle
        self._cluster = cluster
        self._owns_client = owns_client
        self._link = SchedulerLink(client, ValueRegistry(), owner)
        self.placer = Placer(client, owner, self._link, direct=handle is not None)
        self._size = Size(client, self._link, cluster, self._on_size)
        self._reviving = Reviving(handle, self._link, self._size)
        self._durable = Durable(self.placer, lambda: self._submitter, home, lambda: self.name)
        self._explainer = Explainer(self.placer)
        self.computations = Computations(
            lambda: self._link.changed("computations"), partial(plain_work.cancel, client), self._loop_ended
        )
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
        """Whether the connection is lost: it is being restored, or the client was closed."""
        return self.status == "lost" or (self.status == "connected" and self.client.status in ("closing", "closed"))

    @property
    def handle(self) -> HostHandle | None:
        """The process of the cluster, if this notebook has started it."""
        return self._handle

    @property
    def kept(self) -> bool:
        """Whether the cluster outlives this notebook."""
        return bool(self._size.info.get("keep"))

    @property
    def stoppable(self) -> bool:
        """Whether `stop` can end the cluster: what was attached by its address is somebody else's."""
        return self._handle is not None or self._size.hosted or self._cluster is not None or self.lost

    @property
    def leavable(self) -> bool:
        """Whether the cluster goes on when this notebook leaves it."""
        return self._handle is None or self.kept

    @property
    def scalable(self) -> bool:
        """Whether this notebook can change the size."""
        return self._size.scalable

    @property
    def notices(self) -> dict[str, Notice]:
        """What went wrong and was not dismissed yet."""
        return self._link.notices

    def dismiss(self, notice_id: str) -> None:
        """Forget a notice."""
        if self._link.notices.pop(notice_id, None) is not None:
            self._link.changed("notices")

    def subscribe(self, callback: Callable[[Kind], None]) -> Callable[[], None]:
        """Call `callback` with ``variables``, ``workers``, ``cluster``, ``notices``, ... when such a thing has changed.

        It is called on the client's event loop and must be quick. Returns a function that ends it.
        """
        return self._link.subscribe(callback)

    def status_info(self) -> ClusterInfo:
        """Return what there is to say of the cluster at a glance, as ``%cluster`` shows it."""
        info = self._size.info
        adapt = info["adapt"]
        status: Any = "lost" if self.lost else str(self.status)
        return {
            "name": self.name,
            "kind": self.kind,
            "status": status,
            "detail": info["trouble"] or ("its workers are coming back" if info.get("parked") else ""),
            "secure": self.secure,
            "dashboard_link": self.dashboard_link,
            "requested": len(self.requested),
            "arrived": self.n_workers,
            "pending": len(info["pending"]),
            "scalable": self.scalable,
            "adapt": [adapt["minimum"], adapt["maximum"]] if adapt else [],
            "kept": self.kept,
            "stoppable": self.stoppable,
            "leavable": self.leavable,
            "idle_timeout": info.get("idle_timeout", 0.0),
            "park": info.get("park", ""),
        }

    @property
    def submitter(self) -> Submitter:
        """What runs code on this cluster.

        Raises
        ------
        UnreachableError
            If the cluster is stopped, or the connection lost.
        """
        self._check_connected()
        return self._submitter

    @cached_property
    def _submitter(self) -> Submitter:
        return Submitter(PlacedData(self.placer), self.computations, self._link.code, self._comes_back)

    def _comes_back(self) -> bool:
        """Wait until the scheduler, which was not to be reached, is back; return whether it comes back."""
        if self._handle is None or not self._reviving.possible:
            return False
        wait_for(self.client, self._reviving.again)
        return True

    # On the event loop of the client

    @property
    def on_loop(self) -> bool:
        """Whether this is called on the client's event loop, where nothing can be waited for."""
        return running_loop() is self._loop.asyncio_loop

    @overload
    def _run(self, work: Work[T], asynchronous: Literal[False] | None = None, around: Around = None) -> T: ...
    @overload
    def _run(self, work: Work[Any], asynchronous: bool | None, around: Around = None) -> Any: ...
    def _run(self, work: Work[Any], asynchronous: bool | None = None, around: Around = None) -> Any:
        """Run a coroutine on the client's event loop and return what it gives, or an awaitable of that.

        Parameters
        ----------
        work : callable
            Returns the coroutine; called again if the scheduler dies and comes back.
        asynchronous : bool, optional
            Return an awaitable.
        around : context manager, optional
            Entered on the loop.
        """
        self._check_connected()
        carry_out = partial(self._reviving.carry_out, work, around or nullcontext())
        if not asynchronous:
            try:
                return wait_for(self.client, carry_out)
            except MoorageError as error:  # a refusal: who gets it need not see how it came about
                raise error.with_traceback(None) from error.__cause__
        if self.on_loop:
            return carry_out()
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(carry_out(), self._loop.asyncio_loop))

    def _check_connected(self) -> None:
        if os.getpid() != self._process:
            raise forks.of_parent(self.name)
        if self.status == "stopped":
            raise UnreachableError(f"The cluster {self.name} is stopped.", "Start a new one: %cluster start.")
        coming_back = self.client.status == "connecting" and self._reviving.possible
        if self.client.status != "running" and not coming_back:
            raise UnreachableError(f"The connection to the cluster {self.name} is lost.", RECONNECT)

    def _before_graph(self, keys: Sequence[Any]) -> None:
        self.computations.note(keys)
        self._link.code.before_graph()

    async def _connect(self) -> None:
        boundary.keep_trying(self.client, self._reviving.before_connecting, self._placed_keys)
        await self._link.connect()
        plain_work.follow(self.client, self.computations.tell)
        boundary.on_graphs(self.client, self._before_graph)
        self.dashboard_link = self.dashboard_link or self.client.dashboard_link or ""  # elsewhere it asks, and waits
        await self._size.begin()
        if self._size.hosted:
            self.name, self.kind, self.dashboard_link = (
                self._size.info[key] for key in ("name", "kind", "dashboard_link")
            )
            store = self._size.info.get("store", "")
            self._link.rely_on(store)
            if self._handle is None and (story := await self._reviving.come_to_rest(store)):
                self._link.notice("warning", story, GONE)
            woken = self._size.info.get("woken")
            ours = woken["parked"] if woken is not None and woken["client"] == self.client.id else None
            if (parked := self._size.info.get("parked") or ours) is not None:
                self._link.notice("info", _story(parked, self._size.info.get("park", "")))
        self._seen = SchedulerInfo(await self._identity())
        self._comm = boundary.connection_of(self.client)
        self._watch = PeriodicCallback(self._look_at_connection, _STATUS_MS)
        self._watch.start()
        self._set_status("connected")
        self._explainer.watch()

    async def _identity(self) -> Any:
        return await answer(self.client, dask_scheduler_of(self.client).identity(n_workers=-1))

    async def _look_at_connection(self) -> None:
        comm = boundary.connection_of(self.client) if self.client.status == "running" else None
        if self.status == "stopped" or (comm is self._comm and self.status == "connected"):
            return
        self._set_status("lost")
        if comm is not None:
            await self._reconnect()
            self._comm = comm
            self._set_status("connected")

    async def _reconnect(self) -> None:
        """Take up the conversation again: to the scheduler, which may be another one, this is a new client."""
        self._size.follow()
        self.computations.tell([])  # Dask has cancelled all of it
        is_another = await self._link.connect(self._reclaim)
        if not is_another:
            await resume(self.placer)
        await self._size.look()
        if is_another:
            self.dashboard_link = self._size.info.get("dashboard_link", self.dashboard_link)
            self._loop.add_callback(self._reviving.finish)

    async def _reclaim(self, before: Mapping[str, VariableRecord]) -> None:
        facts = await asyncio.to_thread(facts_at, self._size.info.get("store", ""))
        await asyncio.to_thread(refile, self.placer, self._submitter, facts.get("files", {}))
        await asyncio.to_thread(self._durable.tell, before.values())
        await reclaim(self.placer, before)
        if "_submitter" in vars(self):
            await asyncio.to_thread(self._submitter.come_back)

    def _placed_keys(self) -> list[Any]:
        return [key for record in self._link.mirror.snapshot()[0].values() for key in record["keys"]]

    def _set_status(self, status: str) -> None:
        if self.status not in (status, "stopped"):
            self.status = status
            self._link.changed("cluster")

    def _loop_ended(self, loop: Computation) -> None:
        """Keep that a loop has not ended well."""
        progress = loop.results.progress
        if progress.failed or progress.cancelled:
            first = loop.results.first_errors(1)
            reason = type(first[0].exception).__name__ if first else ""
            self._link.events.loop_ended(
                loop.label, loop.cell.id, progress.failed, progress.cancelled, progress.total, reason
            )
            self._link.changed("events")

    def _on_size(self) -> None:
        """Show the size as it is now."""
        if self._handle is not None and "keep" in self._size.info:
            self._handle.kept = self._size.info["keep"]  # another notebook may have changed that
        self.requested = set(self._size.info["requested"])
        self.n_workers = self._size.n_workers

    # Ending

    def _forget_if_forked(self) -> bool:
        """In a process that was forked from ours: end nothing, since it is the parent's. Return whether it is one."""
        if os.getpid() == self._process:
            return False
        self.status = "stopped"
        return True

    def _leave(self) -> None:
        self.status = "stopped"
        self._loop.add_callback(self._let_go)
        self._link.changed("cluster")
        if self._owns_client:
            boundary.close(self.client, config.seconds("stop-timeout"))

    async def _let_go(self) -> None:
        """Follow the cluster no longer. On the event loop, after what an interrupt has cancelled there."""
        if self._watch is not None:
            self._watch.stop()
        self._size.close()
        self._reviving.close()
        self._explainer.close()
        self._link.images.sharing.close()
        if "_submitter" in vars(self):
            self._submitter.leave()
        if not self._owns_client:  # else it leaves for good
            boundary.on_graphs(self.client, None)
            await self._link.leave(HOST_TOPIC, WORK_TOPIC)


def _story(parked: Parked, place: str) -> str:
    when, n = time.strftime("%d %b %H:%M", time.localtime(parked["since"])), len(parked["workers"])
    workers = "1 worker starts again" if n == 1 else f"{n} workers start again"
    return f"Nobody used the cluster, so it was parked in {place} on {when}: its {workers} and read what they had."
