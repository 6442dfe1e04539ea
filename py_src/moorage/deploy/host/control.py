"""What a client can ask of the host process: the handler ``moorage_host`` on its scheduler.

Called as ``client.scheduler.moorage_host(command="scale", n=4)``; whoever may connect to the scheduler, which TLS
decides, may call it. Every reply is the state after the command, in plain values; the same goes to the event topic
``moorage-host`` whenever it changes. Errors of moorage arrive at the caller as they are.

=========  ==========================================================  ==============================================
command    arguments                                                   what it does
=========  ==========================================================  ==============================================
``info``                                                               nothing
``scale``  one of ``n, workers, cores, memory``; ``force, timeout``    see `Scaler.scale`
``adapt``  ``minimum, maximum``                                        see `Scaler.adapt`
``fix``                                                                ends adaptive scaling, the size stays
``keep``   ``keep``                                                    outlive what started it, or no longer
``park``                                                               ends all workers: files have what they had
``stop``                                                               ends the cluster, after the reply
=========  ==========================================================  ==============================================
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from distributed import Scheduler, SchedulerPlugin
from distributed.core import error_message

from moorage._dask.server import answer
from moorage.deploy.host.lifetime import Lifetime
from moorage.deploy.host.parking import Parking
from moorage.deploy.scaling.scaler import Scaler
from moorage.errors import InputError, MoorageError
from moorage.wire.host import TOPIC, Facts, HostInfo

HANDLER = "moorage_host"

_WHY = {
    "idle": "nobody has used it for a while",
    "starter gone": "the notebook that started it has ended",
    "stopped": "it was stopped",
    "terminated": "it was stopped",
}
"""For each reason of the host's life to end."""


class Control(SchedulerPlugin):
    """The handler, and the events."""

    name = TOPIC

    def __init__(self, scaler: Scaler, lifetime: Lifetime, facts: Facts, store: str, parking: Parking) -> None:
        self._scaler = scaler
        self._lifetime = lifetime
        self._facts = facts
        self._store = store
        self._parking = parking
        self._ended = ""
        self._published: HostInfo | None = None
        self._revision = 0
        scaler.on_change = self.publish

    def install(self, scheduler: Scheduler) -> None:
        """Register handler and events on `scheduler`."""
        self._scheduler = scheduler
        answer(scheduler, **{HANDLER: self.handle})
        scheduler.add_plugin(self)
        self.publish()

    def end(self, reason: str) -> None:
        """Tell whoever is connected that the cluster ends."""
        self._ended = _WHY.get(reason, reason)
        self.publish()

    def info(self) -> HostInfo:
        """Return the state of the host."""
        size = self._scaler.info()
        return {
            **self._facts,
            **size,
            "trouble": self._ended or size["trouble"],
            "ended": self._ended,
            "revision": self._revision,
            "keep": self._lifetime.keep and not self._ended,
            "idle_timeout": self._lifetime.idle_timeout,
            "park": self._parking.place,
            "parked": self._parking.parked,
            "woken": self._parking.woken,
            "store": self._store,
        }

    async def handle(self, command: str = "info", **arguments: Any) -> Mapping[str, Any]:
        """Carry out a command and return `info`, or the error in Dask's own form."""
        try:
            await self._carry_out(command, arguments)
        except MoorageError as error:
            # As Dask answers an exception, but without logging it: nothing is wrong here.
            return dict(error_message(error, status="uncaught-error"))
        finally:
            self.publish()
        return self.info()

    def publish(self) -> None:
        """Tell the subscribed clients the state, if it changed."""
        if self.info() != self._published:
            self._revision += 1
            self._published = self.info()
            self._scheduler.log_event(TOPIC, self._published)

    async def _carry_out(self, command: str, arguments: dict[str, Any]) -> None:
        try:
            match command:
                case "info" | "scale" | "adapt" | "fix":
                    if command != "info":
                        await self._parking.wake()
                    await self._scaler.command(command, **arguments)
                case "keep":
                    self._lifetime.set_keep(**arguments)
                case "park":
                    await self._parking.park()
                case "stop":
                    self._lifetime.on_keep(False)  # from now on nobody should find it any more
                    asyncio.get_running_loop().call_later(0.05, self._lifetime.end, "stopped")
                case _:
                    raise InputError(
                        f"There is no command {command!r}.", "Use info, scale, adapt, fix, keep, park or stop."
                    )
        except TypeError as error:
            raise InputError(f"The arguments of {command!r} are wrong: {error}.") from error

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Publish that a worker has come; called by Dask."""
        self.publish()

    def remove_worker(self, scheduler: Scheduler, worker: str, **kwargs: Any) -> None:
        """Publish that a worker has gone; called by Dask."""
        self.publish()
