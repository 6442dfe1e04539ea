"""What a notebook tells a scheduler that does not know, or no longer knows, what it has placed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from moorage._dask.client import has_future
from moorage.kernel.placement import request
from moorage.kernel.placement.targets import ResolvedPlacement
from moorage.wire.scheduler import PlaceItem, VariableRecord, placement_from_dict

if TYPE_CHECKING:
    from moorage.kernel.placement.placer import Placer


async def resume(placer: Placer) -> None:
    """Tell the scheduler, after a lost connection, what this notebook can still send again."""
    variables = placer.link.mirror.snapshot()[0]
    own = (variables.get(f"{placer.owner}:{name}") for name in placer.placed)
    known = [record for record in own if record and all(key in placer.origins for key in record["keys"])]
    if items := await _items(placer, known):
        await placer.link.place(items)


async def reclaim(placer: Placer, before: Mapping[str, VariableRecord]) -> None:
    """Place all again that was this notebook's: the scheduler has died, and another one has taken its place.

    It asks for the values of keys that nobody has; of those that the notebook does not have either it is told so.
    """
    items = await _items(placer, [record for record in before.values() if record["owner"] == placer.owner])
    for item in items:
        item["hold"] = item["name"] in placer.placed
    await _place(placer, [item for item in items if item["hold"] or _is_used(placer, item)])


async def place_all(placer: Placer, records: Collection[VariableRecord]) -> None:
    """Place variables again, whoever's they were, on a scheduler that took the place of one that has died."""
    await _place(placer, await _items(placer, records))


async def _place(placer: Placer, items: list[PlaceItem]) -> None:
    """Place on workers that this scheduler may not have seen yet, or ever."""
    if items:
        wanted = {worker for item in items for worker in item["placement"].get("workers", ())}
        await placer.link.place(items, ever=wanted)


def _is_used(placer: Placer, item: PlaceItem) -> bool:
    temporary = item["name"].startswith("~")  # copies for a map, which makes others
    return not temporary and any(has_future(placer.client, key) for key in item["keys"])


async def _items(placer: Placer, records: Iterable[VariableRecord]) -> list[PlaceItem]:
    infos = await placer.link.workers()
    again: list[Any] = []
    for record in records:
        to = ResolvedPlacement(placement_from_dict(record["placement"]), infos)
        item = request.again(record, record["name"], {}, to, origin=True).item
        item["nbytes"] = [record["nbytes"] // max(1, len(record["keys"]))] * len(record["keys"])
        again.append(item)
    return again
