"""How a notebook asks what has moved: workers for their logs, the scheduler for names. On the client's event loop."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from distributed.utils import offload

from moorage import config
from moorage.errors import MoorageError, UnreachableError
from moorage.kernel.connection.scheduler_link import SchedulerLink
from moorage.kernel.ledger.asking import Asking as Ledger
from moorage.kernel.placement.placements import Placements
from moorage.kernel.transfers.moved import Moment, Transfers
from moorage.kernel.transfers.sums import rows_of, transfers_of
from moorage.kernel.waiting import answer, dask_scheduler_of, scheduler_of
from moorage.model import Everywhere, OnePerHost, OnWorkers
from moorage.wire.handlers import SchedulerHandlers
from moorage.wire.transfers import AskTransfers, WorkerLogs

if TYPE_CHECKING:
    from distributed import Client

_ANSWER_SECONDS = 5.0  # for all workers together, then for each
_LOOK = 0.1


class Asking:
    """Asks what has moved on one cluster.

    `ledger`: tells the scheduler the notebook's names. `owner`: label of this notebook.
    """

    def __init__(self, client: Client, link: SchedulerLink, ledger: Ledger, owner: str) -> None:
        self._client = client
        self._link = link
        self._ledger = ledger
        self._owner = owner
        self._moments = 0  # for which the scheduler notes what tasks use

    async def moment(self) -> Moment:
        """Return this moment; tasks are watched as long as it is kept."""
        await self._ledger.tell()
        now, _, _ = await self._ask(None, 0.0)
        await self._watched(now)
        return now

    async def transfers(self, since: Moment | None, placements: Placements, settle: float = 0.0) -> Transfers:
        """Return what has moved since a moment, by default all that is known.

        `placements`: where the notebook's variables should be. `settle`: seconds that what is on its way is waited for
        at most. Raises UnreachableError if the workers are threads of this process.
        """
        now, logs, silent = await self._ask(since, settle)
        rows = await offload(rows_of, logs)
        keys = {key: at for at, key in enumerate(dict.fromkeys(row.key for row in rows))}
        await self._ledger.tell()
        named = await answer(self._client, self._scheduler.moorage_named(client=self._client.id, keys=list(keys)))
        await self._watched(now)
        settled = _settled(placements)
        return await offload(
            transfers_of, rows, logs, named, keys, self._owner, now, since, silent=silent, settled=settled
        )

    async def _ask(self, since: Moment | None, settle: float) -> tuple[Moment, dict[str, WorkerLogs], Collection[str]]:
        """Return this moment, what workers know of transfers, and which workers have not answered."""
        images = self._link.images
        if images.in_process:
            raise UnreachableError(
                "The workers are threads of one process: nothing moves between them.",
                "Measure on a cluster whose workers are processes: %cluster start.",
            )
        await images.install()
        mark = uuid4().hex
        message: AskTransfers = {"op": "moorage_transfers", "mark": mark, "settle": settle}
        if since is not None:
            message |= {"since": since.name, "at": since.at}
        here = time.time()
        told = await self._told(message, min(_ANSWER_SECONDS, config.seconds("answer-timeout")) + settle)
        logs: dict[str, Any] = {
            address: log for address, log in told.items() if isinstance(log, dict) and "rows" in log
        }
        workers = {address: (log["name"], log["process"]) for address, log in logs.items()}
        at = max((log["now"] for log in logs.values()), default=here)
        return Moment(mark, time.time(), workers, at), logs, told.keys() - logs.keys()

    async def _told(self, message: AskTransfers, seconds: float) -> dict[str, Any]:
        """Return what workers answer in time, by address."""

        async def ask(workers: list[str] | None = None) -> dict[str, Any]:
            asking = dask_scheduler_of(self._client).broadcast(msg=message, workers=workers, on_error="return")
            answers: dict[str, Any] = await asyncio.wait_for(asking, seconds)
            return answers

        async def ask_one(worker: str) -> Any:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(seconds):
                    while (told := (await ask([worker])).get(worker, {})) is None:  # noqa: ASYNC110
                        await asyncio.sleep(_LOOK)  # it was stuck until now, and is about to take the code
                    return told

        try:
            told = await ask()
            again = [worker for worker, log in told.items() if log is None]
        except (OSError, TimeoutError):  # somebody does not answer: who?
            told, again = {}, [info.address for info in await self._link.workers()]
        return told | dict(zip(again, await asyncio.gather(*map(ask_one, again)), strict=True))

    async def _watched(self, moment: Moment) -> None:
        """Have the scheduler note what tasks use, as long as a moment is kept."""
        self._moments += 1
        weakref.finalize(moment, partial(_call_soon, self._client, self._let_go)).atexit = False
        if self._moments == 1:
            await answer(self._client, self._scheduler.moorage_watch(client=self._client.id, watch=True))

    async def _let_go(self) -> None:
        self._moments -= 1
        if not self._moments and self._client.status == "running":
            with suppress(MoorageError, OSError):
                await answer(self._client, self._scheduler.moorage_watch(client=self._client.id, watch=False))

    @property
    def _scheduler(self) -> SchedulerHandlers:
        return scheduler_of(self._client)


def _call_soon(client: Client, function: Any) -> None:
    """Call a coroutine function on the client's event loop, from the garbage collector of any thread."""
    with suppress(RuntimeError, AttributeError):  # the loop has ended
        client.loop.add_callback(function)  # type: ignore[union-attr]


def _settled(placements: Placements) -> Mapping[str, Collection[str]]:
    """Return which workers have been given a copy on purpose, by name."""
    found = {}
    for name, state in placements.items():
        match state.placement:
            case Everywhere() | OnePerHost() | OnWorkers(each=True):
                found[name] = state.holders
    return found
