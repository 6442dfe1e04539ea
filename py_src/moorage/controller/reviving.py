"""A cluster that this process has started comes back when its host has died, and with it scheduler and workers.

Whoever seeks the lost connection starts the host again first, with the same name, address and credentials, and so many
workers of the same names. The variables are placed again by `kernel/placement/again.py`, on this and any other notebook
that was connected. What plain Dask had computed is gone. On the client's event loop.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractContextManager, ExitStack, suppress
from typing import Any, TypeVar

from moorage import config
from moorage.controller.sizing.size import Size
from moorage.deploy.fdstore.client import facts_at
from moorage.deploy.host_process import GaveUpError, HostHandle
from moorage.errors import MoorageError, UnreachableError
from moorage.kernel.connection.events import some
from moorage.kernel.connection.scheduler_link import SchedulerLink
from moorage.kernel.images.sharing import held
from moorage.wire.host import HostInfo

T = TypeVar("T")

_LOOK = 0.2  # seconds between looks at what nobody tells of
SETTLE = 60.0  # seconds for what was placed to be there again, before it is told what is not
GONE = "What plain Dask had computed there is gone: compute it again."
"""What to do, and about what."""


class Reviving:
    """Brings the cluster of one controller back. `handle`: the process of the cluster, if this one has started it."""

    def __init__(self, handle: HostHandle | None, link: SchedulerLink, size: Size) -> None:
        self._handle = handle
        self._link = link
        self._size = size
        self._died = ""
        self._since = 0.0
        self._before: HostInfo = size.info
        self._held = ExitStack()
        self._over = False

    @property
    def possible(self) -> bool:
        """Whether the cluster would come back."""
        ours = self._handle is not None and self._handle.spec.comes_back
        return ours and not self._over and bool(config.get("cluster.restart"))

    async def before_connecting(self) -> None:
        """Start the host again if it has died; called when a connection is sought. Raises OSError if it cannot."""
        if not self.possible:
            if self._handle is None:  # who has started it might
                await self._until_back()
            return
        assert self._handle is not None
        begun = time.monotonic()
        if not (died := await asyncio.to_thread(self._handle.died)):
            return
        if not self.possible:  # it was left meanwhile, and nobody would let go of what is kept for it
            raise ConnectionRefusedError("it was left")
        if not self._died:
            self._died, self._since, self._before = died, begun, self._size.info
            self._held.enter_context(held())
        self._size.say(f"its scheduler died ({died}) and is started again")
        try:
            await asyncio.to_thread(self._handle.revive, config.seconds("start-timeout"), **self._changes())
        except MoorageError as error:
            if isinstance(error, GaveUpError):
                self.close()
                self._size.say(f"its scheduler died ({died})")
                self._link.notice("error", error.message, error.remedy)
            raise ConnectionRefusedError(error.message) from error

    async def carry_out(self, work: Callable[[], Awaitable[T]], around: AbstractContextManager[None]) -> T:
        """Return what `work` gives once the scheduler knows all; another one is asked if it dies meanwhile."""
        with around:
            while self._link.connection is not None:
                await self._link.back()
                lives = self._link.lives
                try:
                    return await work()
                except UnreachableError:
                    if not await self.again(lives):
                        raise
            return await work()

    async def again(self, lives: int | None = None) -> bool:
        """Wait for the scheduler, which was not to be reached; return whether it is worth to ask once more.

        `lives`: how many it had had when it was asked.
        """
        lives = self._link.lives if lives is None else lives
        if self._handle is None or not self.possible:
            return False
        if await asyncio.to_thread(self._handle.died):  # which shows within a moment
            await self._link.back(lives)
        elif self._link.is_back:
            return self._link.lives > lives
        await self._link.back()
        return True

    async def finish(self) -> None:
        """Tell what has become of the variables, once they are there again; called when another scheduler is there."""
        if not self._died:
            return
        died, self._died = self._died, ""
        if (adapt := self._before["adapt"]) is not None:
            await self._size.command("adapt", minimum=adapt["minimum"], maximum=adapt["maximum"])
        own = [vid for vid, record in self._link.mirror.variables.items() if record["owner"] == self._link.events.owner]
        try:
            await self._link.settled(own, SETTLE)
        except UnreachableError:  # it has died once more, which is told then
            return
        finally:
            self._held.close()
        what, is_lost = became(self._link, own)
        self._link.notice(
            "error" if is_lost else "warning",
            f"The scheduler died ({died}) and is back after {time.monotonic() - self._since:.1f} s: {what}.",
            GONE,
        )
        self._link.changed("events")

    async def come_to_rest(self, store: str) -> str:
        """Wait until all is there again if the cluster, a kept one, is being brought back; return what has happened.

        `store`: path of the socket of its file descriptor store.
        """
        deadline = time.monotonic() + SETTLE
        while (facts := await asyncio.to_thread(facts_at, store)).get("returning") and time.monotonic() < deadline:
            await self._link.next_change(_LOOK)
        await self._link.refresh()
        return str(facts.get("story", ""))

    async def _until_back(self) -> None:
        """Wait until somebody else has started the host again, as long as there is something to start it for."""
        info = self._size.info
        host, _, port = info.get("address", "").rpartition("/")[2].rpartition(":")
        deadline = time.monotonic() + config.seconds("start-timeout")
        while await asyncio.to_thread(facts_at, info.get("store", "")) and time.monotonic() < deadline:
            with suppress(OSError):
                _, writer = await asyncio.open_connection(host, int(port))
                writer.close()
                return
            await asyncio.sleep(_LOOK)

    def close(self) -> None:
        """Bring nothing back any longer."""
        self._over = True
        self._held.close()

    def _changes(self) -> dict[str, Any]:
        """Return in what the host differs from what was started at first: as many workers as were asked for last."""
        assert self._handle is not None
        if not self._handle.spec.is_local:  # others name their workers themselves
            return {"n_workers": len(self._before["requested"])}
        changes: dict[str, Any] = {"workers": tuple(self._before["requested"])}
        for worker in self._link.mirror.snapshot()[1].values():
            changes |= {"threads_per_worker": worker["nthreads"], "memory_limit": worker["memory_limit"]}
        return changes


def became(link: SchedulerLink, vids: Iterable[str]) -> tuple[str, bool]:
    """Return in words what has become of variables, and whether one of them is lost."""
    states: dict[str, list[str]] = {}
    for vid in vids:
        if (record := link.mirror.variables.get(vid)) is not None:
            states.setdefault("lost" if record["state"] == "lost" else "restored", []).append(record["name"])
    told = [f"{some(sorted(names), len(names))} {what}" for what, names in sorted(states.items(), reverse=True)]
    return "; ".join(told) or "nothing was placed", "lost" in states
