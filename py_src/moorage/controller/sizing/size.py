"""The size of a cluster: how many workers are there and asked for, and changing that. On the client's event loop.

Who carries a change out is ``scaling.py``; the verbs are in ``resizing.py``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from distributed import Client
from distributed.deploy.cluster import Cluster

from moorage.controller.sizing.scaling import FixedScaling, InProcessScaling, RemoteScaling, Scaling, is_own
from moorage.errors import ClusterError, UnknownWorkerError, WaitTimeoutError
from moorage.kernel.connection.scheduler_link import Kind, SchedulerLink
from moorage.kernel.waiting import answer
from moorage.wire.host import TOPIC as HOST_TOPIC
from moorage.wire.host import Command, HostInfo

OnProgress = Callable[[int, int], None]
"""Called with the number of workers that have arrived and the number requested."""


class Size:
    """The size of one cluster.

    `cluster`: the object of this process that it belongs to. `on_change`: called when it has changed. `info`: what
    whoever decides on the size said last.
    """

    def __init__(
        self, client: Client, link: SchedulerLink, cluster: Cluster | None, on_change: Callable[[], None]
    ) -> None:
        self._client = client
        self._link = link
        self._cluster = cluster
        self._on_change = on_change
        self._scaling: Scaling = FixedScaling(link, cluster)
        self.info: HostInfo = {"requested": [], "arrived": [], "pending": [], "adapt": None, "trouble": ""}

    @property
    def n_workers(self) -> int:
        """Workers that are there."""
        return len(self._link.mirror.workers)

    @property
    def hosted(self) -> bool:
        """Whether a host process decides on it."""
        return isinstance(self._scaling, RemoteScaling)

    @property
    def scalable(self) -> bool:
        """Whether this notebook can change it."""
        return not isinstance(self._scaling, FixedScaling)

    async def begin(self) -> None:
        """Find out who decides on the size, and follow it. The link is connected."""
        self._link.subscribe(self._on_link)
        if is_own(self._cluster):
            self._scaling = InProcessScaling(self._cluster, self._look)  # type: ignore[arg-type]
        elif self._link.mirror.hosted:
            self._scaling = RemoteScaling(self._client)
            self.follow()
        await self.look()

    async def look(self) -> None:
        """Take the size as it is, once the scheduler knows to tell of changes: a question may overtake that."""
        await self._link.flush()
        await self.command("info")

    def follow(self) -> None:
        """Hear what the host process says of the size, if there is one. Once for each connection."""
        if self._link.mirror.hosted:
            self._client.subscribe_topic(HOST_TOPIC, lambda event: self._hear(event[1]))

    def _hear(self, info: HostInfo) -> None:
        told = self.info.get("ended")
        self._take(info)
        if not told and (why := info.get("ended")):
            message = f"The cluster {info['name']} has ended: {why}. What was placed there is gone from memory."
            self._link.notice("warning", message, "Start another: %cluster start.")

    async def command(self, command: Command, **arguments: Any) -> None:
        """Pass a command to whoever decides on the size."""
        more = 2 * arguments.get("timeout", 0.0)  # for data to move, and then for workers to come
        self._take(await answer(self._client, self._scaling.command(command, **arguments), more))
        if command != "stop":
            await self._link.refresh()

    async def scale(self, settle: float, on_progress: OnProgress | None, **arguments: Any) -> None:
        """Change the size; wait at most `settle` seconds for what is to be on newcomers."""

        async def scale() -> None:
            n = arguments.get("n")
            if not (isinstance(n, int) and n >= self.n_workers):
                await self._link.flush()  # what was let go of before is nothing to be kept
            await self.command("scale", **arguments)
            # Newcomers get what is everywhere: scaling is done when they have it.
            await self._link.settled(self._link.mirror.variables, settle)

        await self._telling(on_progress, scale())

    async def rehearse(self, **arguments: Any) -> None:
        """Find whether all workers could go, if files had what they have. Raises what `scale` would."""
        await self._link.flush()
        await self.command("scale", **arguments, rehearse=True)

    async def wait_for_workers(self, n: int, timeout: float, on_progress: OnProgress | None) -> None:
        """Wait until there are `n` workers. Raises WaitTimeoutError if they do not come within `timeout` seconds."""

        async def wait() -> None:
            deadline = time.monotonic() + timeout
            while self.n_workers < n:
                if (left := deadline - time.monotonic()) <= 0:
                    raise WaitTimeoutError(
                        f"{self.n_workers} of {n} workers arrived within {timeout:g} s.",
                        "Later ones are used as they come; allow more time with timeout=.",
                    )
                await self._link.next_change(left)

        await self._telling(on_progress, wait())

    async def restart(
        self, names: Sequence[str] | None, timeout: float, settle: float, on_progress: OnProgress | None
    ) -> None:
        """Restart workers, or all of them, one after another; wait `settle` seconds for what each is to have again.

        `timeout`: seconds for each to come back. Raises UnknownWorkerError, and nothing was restarted; ClusterError if
        one has no nanny; WaitTimeoutError.
        """
        there = {info.name: info.address for info in await self._link.workers()}
        chosen = list(there) if names is None else list(names)
        for name in chosen:
            if name not in there:
                raise UnknownWorkerError(name, there)
        for number, name in enumerate(chosen, 1):
            await self._restart(name, there[name], timeout)
            await self._link.refresh()
            await self._link.settled(self._link.mirror.variables, settle)
            if on_progress is not None:
                on_progress(number, len(chosen))

    async def _restart(self, name: str, address: str, timeout: float) -> None:
        try:
            restarting = self._client.restart_workers([address], timeout=timeout)
            await asyncio.wait_for(restarting, 2 * timeout)
        except ValueError:
            raise ClusterError(
                f"{name} cannot be restarted: no nanny watches over it.", "Restart it where it was started."
            ) from None
        except TimeoutError:
            raise WaitTimeoutError(
                f"{name} did not come back within {timeout:g} s.", f"%why {name} says what happened to it."
            ) from None

    def say(self, trouble: str) -> None:
        """Show what is the matter with the cluster, until the host says something else."""
        self._take({**self.info, "trouble": trouble})

    def close(self) -> None:
        """Stop deciding on the size."""
        self._scaling.close()

    async def _telling(self, on_progress: OnProgress | None, work: Coroutine[Any, Any, None]) -> None:
        """Await `work`; meanwhile call `on_progress`."""

        def tell(kind: Kind) -> None:
            if kind in ("workers", "cluster") and on_progress is not None:
                on_progress(self.n_workers, len(self.info["requested"]))

        end = self._link.subscribe(tell)
        try:
            await work
        finally:
            end()

    def _take(self, info: HostInfo) -> None:
        same = info.get("pid") == self.info.get("pid")
        if same and info.get("revision", 0) < self.info.get("revision", 0):
            return  # an event that an answer has overtaken
        self.info = info
        self._link.requested = info["requested"]
        self._on_change()
        self._link.changed("cluster")

    def _on_link(self, kind: Kind) -> None:
        if kind == "workers":
            self._on_change()
            self._look()

    def _look(self) -> None:
        if (info := self._scaling.now()) not in (None, self.info):
            assert info is not None
            self._take(info)
