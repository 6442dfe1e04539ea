"""What the scheduler is asked about tasks and workers that are not as they should be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from moorage._dask.client import is_pending
from moorage.kernel.waiting import answer, scheduler_of
from moorage.wire.why import WhyReply

if TYPE_CHECKING:
    from distributed import Client

_TRIES = 20
_PAUSE = 0.1  # seconds


async def facts_of(client: Client, keys: list[Any], worker: str = "", each: bool = False) -> WhyReply:
    """Return what holds up the worst of `keys`, or each, and what became of a worker; on the event loop of `client`.

    A question may overtake the tasks that it is about, which are sent by another connection: it is asked again, and so
    it is if they have ended before its answer came. Raises UnreachableError.
    """
    scheduler, told = scheduler_of(client), False  # whether the scheduler had told of the task when it was asked
    for _ in range(_TRIES):
        reply = await answer(client, scheduler.moorage_why(keys=keys, worker=worker, each=each))
        task = reply["task"]
        if task is None or task["fate"] != "absent" or told:
            break
        told = not is_pending(client, task["key"])
        if not told:
            await asyncio.sleep(_PAUSE)
    return reply
