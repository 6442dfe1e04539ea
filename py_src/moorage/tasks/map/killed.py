"""Items whose workers died: the error that Dask gives for them, with what became of the last worker."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from distributed import KilledWorker

from moorage.errors import MoorageError
from moorage.kernel.waiting import wait_for
from moorage.kernel.why.asking import facts_of
from moorage.kernel.why.endings import how_it_ended

if TYPE_CHECKING:
    from distributed import Client

    from moorage.wire.why import WorkerEnd

_TRIES = 5
_PAUSE = 0.1  # seconds: the nanny's word may come after Dask's


async def end_of(client: Client, error: KilledWorker) -> WorkerEnd:
    """Return how the last worker of a task has ended; on the event loop of `client`. Raises UnreachableError."""
    tries = _TRIES if error.last_worker.nanny is not None else 1
    while True:
        facts = (await facts_of(client, [], error.last_worker.address))["worker"]
        assert facts is not None  # it was asked about a worker
        tries -= 1
        if facts["end"]["code"] is not None or not tries:
            return facts["end"]
        await asyncio.sleep(_PAUSE)


def with_reason(client: Client, error: BaseException | None) -> BaseException | None:
    """Add to the error of a task whose workers died how the last one did, and what it logged last; not on the loop."""
    if isinstance(error, KilledWorker):
        with contextlib.suppress(MoorageError):
            end = wait_for(client, end_of, client, error)
            if how := how_it_ended(end)[0]:
                error.add_note("\n".join([f"The last was {end['worker']}: {how}.", *end["lines"]]))
    return error
