"""How long a host process lives: as long as the process that started it, or, when kept, as long as it is used."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from distributed import Scheduler

from moorage._dask.scaling import is_used
from moorage.errors import InputError

TICK = 0.5


class Lifetime:
    """Watches for the reasons to end. Create it in the event loop.

    The starter is gone when the pipe that it holds the other end of reaches its end, or when this process has got
    another parent: what the starter has forked may hold the pipe open. The latter is watched in a thread, which also
    sees to the end when the event loop is too busy for it. `pipe`: file descriptor of the reading end. `idle_timeout`:
    seconds without a client and without tasks after which a kept host ends. `grace`: seconds that the event loop has to
    end this process once the starter is gone. `overdue`: ends this process after that; called in the thread.
    """

    def __init__(self, pipe: int, idle_timeout: float, grace: float, overdue: Callable[[], object]) -> None:
        self.idle_timeout = idle_timeout
        self.keep = False
        """Keep running after the parent exits; set only once the parent has the address."""
        self.on_keep: Callable[[bool], object] = lambda keep: None
        """Called before `keep` changes; may refuse by an error."""
        self.on_idle: Callable[[], object] = lambda: self.end("idle")
        """Called when a kept host has been idle for so long."""
        self.reason = ""
        self._pipe = pipe
        self._orphaned = False
        self._idle_since = time.monotonic()
        self._ended = asyncio.Event()
        loop = self._loop = asyncio.get_running_loop()
        os.set_blocking(pipe, False)
        loop.add_reader(pipe, self._read)
        loop.add_signal_handler(signal.SIGTERM, self.end, "terminated")
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is meant for the notebook
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        threading.Thread(target=self._watch_parent, args=(os.getppid(), grace, overdue), daemon=True).start()

    def end(self, reason: str) -> None:
        """Let the host process end; the first reason counts."""
        self.reason = self.reason or reason
        self._ended.set()

    def set_keep(self, keep: bool) -> None:
        """Outlive the starter from now on, or no longer.

        Raises InputError if nothing would hold the cluster any more. Raises StartError if it cannot be kept.
        """
        if self._orphaned and not keep:
            raise InputError(
                "The process that started this cluster is gone, so it can only be kept or stopped.", "Stop it."
            )
        self.on_keep(keep)
        self.keep = keep

    def idle_seconds(self) -> float:
        """Seconds since there last was a client or a task."""
        return time.monotonic() - self._idle_since

    @property
    def alone(self) -> bool:
        """Whether the starter is gone."""
        return self._orphaned

    async def wait(self) -> str:
        """Wait for a reason to end, and return it."""
        await self._ended.wait()
        return self.reason

    async def watch(self, scheduler: Scheduler) -> None:
        """Keep track of whether the cluster is used, until there is a reason to end."""
        while not self._ended.is_set():
            if is_used(scheduler):
                self._idle_since = time.monotonic()
            elif self.keep and self.idle_seconds() > self.idle_timeout:
                self._idle_since = time.monotonic()
                self.on_idle()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), TICK)

    def _read(self) -> None:
        try:
            if os.read(self._pipe, 4096):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._loop.remove_reader(self._pipe)
        self._starter_gone()

    def _watch_parent(self, parent: int, grace: float, overdue: Callable[[], object]) -> None:
        while os.getppid() == parent:
            time.sleep(TICK)
        self._loop.call_soon_threadsafe(self._starter_gone)
        while self.keep:
            time.sleep(TICK)
        time.sleep(grace)
        overdue()

    def _starter_gone(self) -> None:
        self._orphaned = True
        if not self.keep:
            self.end("starter gone")
