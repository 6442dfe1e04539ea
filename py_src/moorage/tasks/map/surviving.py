"""What becomes of a map's batches when data, the connection, or the scheduler with all workers has been lost."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable
from typing import TYPE_CHECKING, Any

from moorage import config
from moorage.errors import LostError, MoorageError, UnreachableError
from moorage.tasks.map.ledger import Batch, Ledger
from moorage.tasks.placed_data import PlacedData

if TYPE_CHECKING:
    from distributed import Client

ATTEMPTS = 3
"""How often a batch is sent again after data that it needs was lost and restored."""

_TWICE = (
    "The scheduler died while this item was on the cluster; it may have run, and is not to run twice.",
    "See whether it did; .retry() runs it all the same.",
)
_GONE = (
    "The value was on the cluster, and is lost with the connection to its scheduler.",
    ".retry() runs the item again.",
)


def to_run_again(ledger: Ledger, waiting: Container[Batch], *, rerun: bool) -> list[Batch]:
    """Return the batches that are to be sent once more, those included that had ended with values on the cluster only.

    `waiting`: batches that are to be sent in any case. If items must not run twice (`rerun`), none is; they fail.
    """
    again: list[Batch] = []
    for batch in list(ledger.batches):
        stayed = batch.status == "done" and batch.values is None
        if batch in waiting or not (batch.status == "running" or stayed):
            continue
        if not rerun:
            fail(ledger, batch, *(_GONE if stayed else _TWICE))
        elif stayed:
            left = [position for position in range(len(batch)) if position not in batch.superseded]
            if left:
                indices, items = zip(*((batch.indices[p], batch.items[p]) for p in left), strict=True)
                again.append(ledger.open_at(indices, items))
            ledger.update(batch, status="cancelled", future=None, report=None)  # of no item any longer
        else:
            batch.attempt += 1
            ledger.update(batch, progress=0, progress_failed=0, future=None, report=None)
            again.append(batch)
    return again


def fail(ledger: Ledger, batch: Batch, *why: str) -> None:
    """Enter that a batch is lost, and cannot be had again without running it."""
    ledger.update(batch, status="failed", error=LostError(*why), errors={}, future=None, report=None)


def note_gone(ledger: Ledger, batches: Iterable[Batch]) -> None:
    """Enter which of the batches that had ended with values on the cluster are gone with it."""
    for batch in batches:
        if batch.future is not None and batch.future.status == "cancelled":
            fail(ledger, batch, *_GONE)


def lost_for_good(backend: PlacedData, keys: Collection[Any], attempt: int) -> MoorageError | None:
    """Wait for data that a batch needs, and that was lost, to be back; return why it cannot be sent again, if so.

    Raises UnreachableError.
    """
    if attempt > ATTEMPTS:
        return LostError("Data that this item needs was lost repeatedly.", "See cluster.placement().")
    try:
        backend.wait_held(keys, config.seconds("wait-timeout"))
    except UnreachableError:
        raise
    except MoorageError as reason:
        return reason
    return None


def check_connected(client: Client) -> None:
    """Raise UnreachableError if the cluster of a map is gone."""
    if (error := disconnected(client)) is not None:
        raise error


def disconnected(client: Client) -> UnreachableError | None:
    """Return the error of a map whose cluster is gone, if it is."""
    if client.status not in ("closing", "closed"):
        return None
    return UnreachableError(
        "The cluster was stopped, or the connection to it lost, before all items had finished.",
        "Results that had already arrived are available.",
    )
