"""Which variables there are and where they should be. No knowledge of where they are."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from time import time

from moorage.model import Anywhere, Durable, Placement
from moorage.plan import Key
from moorage.wire.scheduler import PlaceItem, StructureDict


def _one_value() -> StructureDict:
    return {"kind": "value"}


@dataclass(slots=True)
class Record:
    """A variable and its placement."""

    vid: str  # unique on the scheduler
    name: str
    owner: str
    keys: tuple[Key, ...]
    placement: Placement
    # `structure`, `typename`, `detail`: what the notebook wants to remember of the value; not looked at here
    structure: StructureDict = field(default_factory=_one_value)
    typename: str = ""
    detail: str = ""
    # bytes of each key as the notebook has sent it; -1 where only the workers know
    nbytes: dict[Key, int] = field(default_factory=dict)
    client: str | None = None  # the Dask client that can send the values again
    hold: bool = True  # the keys live as long as this record, and not only as long as somebody has futures of them
    spread: str = ""  # ``memory`` or ``blocks``: the keys are dealt evenly, by bytes or by number. Empty: they are not.
    durable: Durable = ""
    until: float = 0.0  # when it is let go, in seconds since 1970; 0: when it is released
    like: tuple[Key, ...] = ()  # if there are any: each key is kept beside its counterpart


def record_of(item: PlaceItem, placement: Placement, client: str, before: Record | None) -> Record:
    """Return the record of what a client places, in the place of one there was `before`."""
    sender = client if item["origin"] else None
    if sender is None and before is not None and before.keys == tuple(item["keys"]):
        sender = before.client  # another notebook only moves what this one has placed
    if isinstance(placement, Anywhere):  # also one that was taken from what is told of another variable
        placement = replace(placement, beside=item.get("beside", "") if item.get("like") else "")
    sizes = before.nbytes if before is not None else {}
    return Record(
        vid=item["vid"],
        name=item["name"],
        owner=item["owner"],
        keys=tuple(item["keys"]),
        placement=placement,
        structure=item["structure"],
        typename=item["typename"],
        detail=item["detail"],
        nbytes={
            key: nbytes if nbytes >= 0 else sizes.get(key, -1)
            for key, nbytes in zip(item["keys"], item["nbytes"], strict=True)
        },
        client=sender,
        hold=item["hold"],
        spread=item.get("spread", ""),
        like=tuple(item.get("like", ())),
        durable=_durable(item, placement, before),
        until=time() + item["lasts"] if "lasts" in item else item.get("until", 0.0),
    )


def _durable(item: PlaceItem, placement: Placement, before: Record | None) -> Durable:
    """Return whether files have what is placed: those of `before` do, if they say of it what there is to say."""
    if not item.get("durable", before is not None and before.durable != ""):
        return ""
    same = before is not None and before.keys == tuple(item["keys"]) and before.placement == placement
    return "written" if same and before is not None and before.durable == "written" else "writing"


class Desired:
    """All records, and which of them want which key."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.by_key: dict[Key, dict[str, Record]] = {}

    def put(self, record: Record) -> set[Key]:
        """Add `record`, or replace the one of that ``vid``; return the keys that nobody wants any longer."""
        orphans = self.remove(record.vid)
        self.records[record.vid] = record
        for key in record.keys:
            self.by_key.setdefault(key, {})[record.vid] = record
        return orphans - set(record.keys)

    def remove(self, vid: str) -> set[Key]:
        """Forget a record; return the keys that nobody wants any longer."""
        record = self.records.pop(vid, None)
        orphans: set[Key] = set()
        for key in record.keys if record else ():
            others = self.by_key[key]
            others.pop(vid, None)
            if not others:
                del self.by_key[key]
                orphans.add(key)
        return orphans

    def placements(self, key: Key) -> tuple[Placement, ...]:
        """Return what all variables that own `key` ask for."""
        return tuple(record.placement for record in self.by_key.get(key, {}).values())

    def nbytes(self, key: Key) -> int:
        """Return the bytes of `key` as a notebook has sent it; -1 if none has."""
        return max((record.nbytes.get(key, -1) for record in self.by_key.get(key, {}).values()), default=-1)

    def vids(self, key: Key) -> tuple[str, ...]:
        """Return the variables that own `key`."""
        return tuple(self.by_key.get(key, ()))

    def clear(self) -> None:
        """Forget everything."""
        self.records.clear()
        self.by_key.clear()
