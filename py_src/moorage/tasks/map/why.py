"""Why items of a map have no values yet: what the notebook knows of them, and the scheduler of their tasks."""

from __future__ import annotations

from collections.abc import Sequence

from distributed import Client, KilledWorker
from distributed.utils import offload

from moorage.errors import InputError
from moorage.kernel.why.answer import Why
from moorage.kernel.why.asking import facts_of
from moorage.kernel.why.items import why_cancelled, why_item, why_killed
from moorage.tasks.map.item_errors import ItemError, exception_at
from moorage.tasks.map.killed import end_of
from moorage.tasks.map.ledger import Batch
from moorage.tasks.map.results import Results
from moorage.wire.why import WhyReply, WorkerEnd

_MOST = 10_000
"""Items that are asked about at once: the errors of each are put into words."""


async def why_items(client: Client, name: str, results: Results, indices: Sequence[int]) -> list[Why]:
    """Return why each of some items is not done, or that it is. `name`: of the results. Raises InputError."""
    if len(indices) > _MOST:
        asked = f"That would be {len(indices):,} items of {name}; at most {_MOST:,} are looked at."
        raise InputError(asked, f"%why {name} says what is wrong with the worst of them.")
    located = {index: results.batch_of(index) for index in indices}
    errors = await offload(_errors, located)
    sent = {
        batch.future.key: batch
        for index, (batch, _) in _begun(located)
        if batch.future is not None and index not in errors
    }
    keys = list(sent)
    reply = await facts_of(client, keys, each=True)
    causes = {keys[number]: cause for cause in reply["causes"] for number in cause["of"]}
    ends: dict[Batch, WorkerEnd] = {}
    for _, (batch, _) in _begun(located):
        if isinstance(batch.error, KilledWorker) and batch not in ends:
            ends[batch] = await end_of(client, batch.error)

    def answer(index: int) -> Why:
        subject, at = f"{name}[{index}]", located[index]
        if at is None:
            return _never_sent(subject, name, results)
        batch = at[0]
        if batch in ends:
            return why_killed(subject, name, ends[batch])
        if batch.status == "cancelled":
            return why_cancelled(subject, name, batch.worker)
        future = batch.future
        if index not in errors and future is None and batch.status == "running":
            return Why(subject, "waiting", "it is about to be sent.", "It starts by itself.")
        error = errors.get(index, "")
        cause = causes.get(future.key) if future is not None and not error else None
        if cause is None:
            return why_item(subject, name, error, batch.worker, batch.attempt, [], reply)
        told: WhyReply = {**reply, "task": cause["task"]}
        return why_item(subject, name, "", batch.worker, batch.attempt, [keys[cause["of"][0]]], told)

    return [answer(index) for index in indices]


def _begun(located: dict[int, tuple[Batch, int] | None]) -> list[tuple[int, tuple[Batch, int]]]:
    return [(index, at) for index, at in located.items() if at is not None]


def _errors(located: dict[int, tuple[Batch, int] | None]) -> dict[int, str]:
    """Return what those raised that have no value, in words."""
    found: dict[int, str] = {}
    for index, (batch, position) in _begun(located):
        if batch.status == "failed" or position in batch.errors:
            found[index] = ItemError(index, None, batch.worker, exception_at(batch, position, index)).in_words
    return found


def _never_sent(subject: str, name: str, results: Results) -> Why:
    if results.done():
        return why_cancelled(subject, name, "")
    return Why(subject, "queued", "other items are before it.", "More workers would start it sooner: %cluster scale N.")
