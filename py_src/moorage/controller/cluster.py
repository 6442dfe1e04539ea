"""A cluster as a notebook or a script holds it: what it can do, in one object, and how it ends.

`start` and `attach` (``start.py``) make a `ClusterController`. It is a facade: what a method does belongs to a part it
has, a placer, a submitter, an explainer, a size or a link, and the method hands on to that. Signatures and their
documentation are most of it, more than one file should hold, so it is written in pages: ``placing.py``, ``running.py``,
``saving.py``, ``resizing.py`` and ``dask_cluster.py``, on top of ``connected.py``, which makes the parts. A page has no
state of its own and overrides nothing.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from moorage import config
from moorage._dask import client as boundary
from moorage.controller.dask_cluster import LikeDasksCluster
from moorage.controller.ending import stop_host
from moorage.controller.placing import Placing
from moorage.controller.resizing import Resizing
from moorage.controller.running import Running
from moorage.controller.saving import Saving
from moorage.deploy.host_process import HostHandle
from moorage.errors import ClusterError, UnpicklableError


class ClusterController(Placing, Running, Saving, Resizing, LikeDasksCluster):
    """A cluster, and the variables that this notebook keeps on it.

    Made by `start` and `attach`. ``cluster["name"]`` is a variable on it. Its methods may be called from any thread:
    they do their work on the event loop of the client.

    Attributes
    ----------
    status : str
        ``starting``, ``connected``, ``lost`` (reconnecting) or ``stopped``; each also equals its
        ``distributed.Status``. A trait: observe it.
    n_workers : int
        Number of workers that are running. A trait.
    requested : set of str
        Names of the requested workers. A trait.
    name, kind, address, dashboard_link : str
    client : distributed.Client
    placer : Placer

    Examples
    --------
    >>> with moorage.start(names=["alice", "bob"]) as cluster:
    ...     future = cluster.broadcast(flights, name="flights")
    ...     cluster["flights"].placement.holders
    ['alice', 'bob']
    """

    def worker_names(self) -> list[str]:
        """Return the names of the workers that this notebook knows of."""
        return [info.name for info in self._link.mirror.infos()]

    def close(self, timeout: str | float | None = None, asynchronous: bool | None = None) -> Any:
        """Disconnect. A cluster that this notebook started stops too, unless it is kept.

        Parameters
        ----------
        timeout : str or float, optional
            Seconds for the cluster to stop by itself before it is killed. Default: the setting
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
            self._finish_writing()
            self._leave()
            if self._handle is not None:
                self._handle.close(config.seconds("stop-timeout", timeout))
        return None

    def leave(self) -> None:
        """Disconnect from a cluster that goes on without this notebook, with all that is placed on it.

        Raises
        ------
        ClusterError
            If it would end: this notebook has started it and does not keep it.
        """
        if not self.leavable:
            raise ClusterError(
                f"The cluster {self.name!r} ends with this notebook, so it cannot be left.",
                "Keep it first, %cluster keep, or stop it, %cluster stop.",
            )
        self.close()

    def stop(self, asynchronous: bool | None = None) -> Any:
        """Stop the cluster, kept or not, even if the connection is lost.

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
        self._finish_writing()
        if self._handle is not None:
            self._leave()
            self._handle.kept = False
            self._handle.close()
        elif self._size.hosted:
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

    def _finish_writing(self) -> None:
        if self.status == "connected" and not self.lost:
            self._durable.finish()

    async def _shut_down(self) -> None:
        """End the cluster, whoever started it; the client is closed by its owner."""
        if self.status == "stopped":
            return
        scheduler = boundary.scheduler_of(self.client)
        self._owns_client = False
        self._leave()
        if self._handle is not None:
            self._handle.kept = False
            await asyncio.to_thread(self._handle.close)
        elif scheduler is not None:
            with suppress(OSError, TimeoutError):
                command = scheduler.moorage_host(command="stop") if self._size.hosted else scheduler.terminate()
                await asyncio.wait_for(command, config.seconds("stop-timeout"))

    def __enter__(self) -> ClusterController:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aexit__(self, *exc: object) -> None:
        await self.close(asynchronous=True)

    def __reduce__(self) -> Any:
        raise UnpicklableError(
            "A cluster object cannot be sent to workers.",
            "Inside a task, `distributed.get_client()` returns a client of the cluster.",
        )

    def __repr__(self) -> str:
        return f"<ClusterController {self.name}: {self.n_workers} workers, {self.status}, {self.address}>"
