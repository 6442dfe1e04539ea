"""What Dask itself computes for this notebook: the scheduler tells of it, and it can be cancelled."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from moorage._dask.client import known_future
from moorage.errors import UnreachableError
from moorage.kernel.waiting import answer, scheduler_of
from moorage.wire.tally import WORK_TOPIC, WorkRow

if TYPE_CHECKING:
    from distributed import Client


def follow(client: Client, tell: Callable[[list[WorkRow]], None]) -> None:
    """Call `tell`, on the event loop, with all of it, twice a second while there is any."""
    client.subscribe_topic(WORK_TOPIC, tell)


def cancel(client: Client, work: str) -> None:
    """Cancel what has not ended of some work; from any thread, and does not wait."""

    async def ask_and_cancel() -> None:
        with suppress(UnreachableError):  # Dask cancels what was asked for by a connection that is lost
            keys = await answer(client, scheduler_of(client).moorage_wanted(client=client.id, work=work))
            futures = [future for key in keys if (future := known_future(client, key)) is not None]
            await client.cancel(futures, asynchronous=True)

    loop: Any = client.loop
    loop.add_callback(ask_and_cancel)
