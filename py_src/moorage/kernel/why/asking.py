"""What the scheduler is asked about tasks and workers that are not as they should be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moorage.kernel.waiting import answer, scheduler_of
from moorage.wire.why import WhyHandlers, WhyReply

if TYPE_CHECKING:
    from distributed import Client


async def facts_of(client: Client, keys: list[Any], worker: str = "") -> WhyReply:
    """Return what holds up the worst of `keys`, and what became of a worker; on the event loop of `client`.

    Raises
    ------
    UnreachableError
    """
    scheduler: WhyHandlers = scheduler_of(client)
    return await answer(client, scheduler.moorage_why(keys=keys, worker=worker))
