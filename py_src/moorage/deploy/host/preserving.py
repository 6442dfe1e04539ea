"""Gives the file descriptor store what is to survive this process: values as they come, and what is known of them.

What workers of this host share costs nothing to keep. Of a kept cluster, small values that are not shared are kept as
well, within a limit, and a record of each variable: there may be no notebook that has them when it comes back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from distributed import Scheduler, SchedulerPlugin

from moorage._dask.server import answers, ask, handler_of
from moorage.deploy.fdstore.client import StoreClient, end_at
from moorage.deploy.host.control import Control
from moorage.plan import Address, Key
from moorage.wire.images import SHARED_TOPIC, ImageHandlers, Loan
from moorage.wire.scheduler import VariableRecord

logger = logging.getLogger(__name__)

SMALL = 1_000_000
"""Bytes of a value that is kept though it is not shared."""
ALL_SMALL = 64_000_000
"""Bytes of all of those."""

_TICK = 0.5  # seconds between looks at what is placed
_ANSWER = 10.0  # seconds that a worker may take to say where values lie
_AT_ONCE = 100  # values that it is asked for, and the store is given: each may bring a megabyte
_UNCLAIMED = 300.0  # seconds after which what nobody has asked for is not kept any longer


class Preserving(SchedulerPlugin):
    """What it does for one scheduler. `alone`: returns whether who started this process is gone."""

    name = "moorage-preserving"

    def __init__(self, scheduler: Scheduler, store: StoreClient, control: Control, alone: Callable[[], bool]) -> None:
        self._scheduler = scheduler
        self._store = store
        self._control = control
        self._alone = alone
        self._kept: dict[Key, int] = dict.fromkeys(store.ask("take_over"), 0)  # bytes that are kept only there
        self._coming: dict[Key, Address] = {}
        self._gone: set[Key] = set()
        self._too_large: set[Key] = set()
        self._revision = 0
        self._files_revision = 0
        self._files: dict[Key, bytes] = {}
        self._noted: dict[str, Any] = {}
        self._wake = asyncio.Event()
        scheduler.add_plugin(self)
        inherited = list(self._kept)
        scheduler.loop.call_later(_UNCLAIMED, self._let_go, inherited)

    async def run(self) -> None:
        """Keep the store up to date, as long as there is one."""
        told = ""
        while True:
            try:
                await self._bring()
            except OSError as error:
                logger.warning("What is shared does not survive this process any longer: %s", error)
                await asyncio.to_thread(end_at, self._store.path)  # else it would keep what is let go of
                return
            except Exception as error:
                if repr(error) != told:  # it may be the same at each look
                    logger.exception("What is shared could not be looked at")
                told = repr(error)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), _TICK)
            self._wake.clear()

    def log_event(self, topic: str, msg: Any) -> None:
        """Note what workers have mapped; called by Dask."""
        if topic == SHARED_TOPIC and (new := {key: msg["worker"] for key in msg["shared"] if key not in self._kept}):
            self._coming |= new
            self._wake.set()

    def transition(self, key: Key, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """Note what is let go of; called by Dask for every transition of every key."""
        if finish == "forgotten":
            self._coming.pop(key, None)
            self._too_large.discard(key)
            if self._kept.pop(key, None) is not None:
                self._gone.add(key)
                self._wake.set()

    async def _bring(self) -> None:
        facts: dict[str, Any] = {"info": self._control.info()}
        if self._alone():  # otherwise it may have been told so already
            facts["alone"] = True
        if facts != self._noted:
            await self._ask("note", **facts)
            self._noted = facts
        await self.note_files()
        if self._gone:
            gone, self._gone = self._gone, set()
            await self._ask("drop", keys=gone)
        if self._control.info()["keep"]:
            await self._look_at_records()
        coming, self._coming = self._coming, {}
        by_worker: dict[Address, list[Key]] = {}
        for key, address in coming.items():
            by_worker.setdefault(address, []).append(key)
        await asyncio.gather(*(self._fetch(address, keys) for address, keys in by_worker.items()))

    async def note_files(self) -> None:
        """Tell the store what is in files; it need not keep that while the cluster is to have no workers."""
        if not answers(self._scheduler, "moorage_in_files"):
            return
        self._files_revision, files = await handler_of(self._scheduler, "moorage_in_files")(since=self._files_revision)
        if files is not None:
            self._files = files
            await self._ask("note", files=files)
        if self._files and not self._control.info()["requested"]:
            there = self._scheduler.tasks
            saved = {key for key in self._kept if key in self._files and not (key in there and there[key].who_has)}
            self._gone |= saved
            for key in saved:
                del self._kept[key]

    async def _look_at_records(self) -> None:
        if not answers(self._scheduler, "moorage_records"):
            return
        records: dict[str, VariableRecord] | None
        self._revision, records = await handler_of(self._scheduler, "moorage_records")(since=self._revision)
        if records is not None:
            await self._ask("note", records=records)
            self._noted_keys = [key for record in records.values() for key in record["keys"]]
        left = ALL_SMALL - sum(self._kept.values())
        for key in self._noted_keys:
            ts = self._scheduler.tasks.get(key)
            if ts is not None and ts.who_has and key not in self._kept and key not in self._too_large:
                if max(0, ts.nbytes) > min(SMALL, left):
                    continue
                left -= max(0, ts.nbytes)
                self._coming.setdefault(key, next(iter(ts.who_has)).address)

    _noted_keys: Iterable[Key] = ()

    async def _fetch(self, address: Address, keys: list[Key]) -> None:
        for start in range(0, len(keys), _AT_ONCE):
            await self._fetch_some(address, keys[start : start + _AT_ONCE])

    async def _fetch_some(self, address: Address, keys: list[Key]) -> None:
        worker: ImageHandlers = ask(self._scheduler, address)
        try:
            most = SMALL if self._control.info()["keep"] else 0
            loans = await asyncio.wait_for(worker.moorage_lend(keys=keys, most=most), _ANSWER)
        except TimeoutError:
            self._coming = dict.fromkeys(keys, address) | self._coming
            return
        except Exception as error:  # it has left, most likely; others tell when they have it
            logger.info("%s does not say where values lie: %r", address, error)
            return
        found: dict[Key, Loan] = {}
        for key, loan in zip(keys, loans, strict=True):
            if loan is None:
                continue
            if key not in self._scheduler.tasks:  # yet: whoever has sent it tells the scheduler afterwards
                self._coming.setdefault(key, address)
            elif "stream" in loan:
                found[key] = loan
            else:
                self._too_large.add(key)
        if found:
            for key in await self._ask("put", values=found):
                loan = found[key]
                self._kept[key] = 0 if "handle" in loan else len(loan["stream"]) + sum(loan["sizes"])
                if key not in self._scheduler.tasks:  # let go of meanwhile
                    del self._kept[key]
                    self._gone.add(key)

    async def _ask(self, method: str, **arguments: Any) -> Any:
        return await asyncio.to_thread(self._store.ask, method, **arguments)

    def _let_go(self, keys: Iterable[Key]) -> None:
        gone = {key for key in keys if key in self._kept and key not in self._scheduler.tasks}
        self._gone |= gone
        for key in gone:
            del self._kept[key]
