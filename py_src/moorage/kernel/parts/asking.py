"""What the scheduler is asked about the parts of collections."""

from __future__ import annotations

from typing import Any

from distributed import Client

from moorage.kernel.waiting import answer, scheduler_of
from moorage.wire.scheduler import PartsTable


async def where_are(client: Client, keys: list[Any]) -> PartsTable:
    """Return which workers have keys, and how large these are; on the event loop of `client`.

    Raises
    ------
    UnreachableError
    """
    scheduler = scheduler_of(client)
    return await answer(client, scheduler.moorage_parts(keys=keys))
