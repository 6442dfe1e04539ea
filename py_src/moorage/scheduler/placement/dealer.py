"""Collections whose parts are spread: dealt out over their workers, evenly or beside the parts of another collection.

The dealing itself is ``moorage.dealing``; here is when it is done: when a collection is placed, when the last of its
parts has been computed, when one of its workers comes or goes, and, of those that follow another collection, when that
has moved. The reconciler brings the parts there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from moorage.dealing import deal, with_others
from moorage.model import OnWorkers
from moorage.plan import Address, Key
from moorage.wire.scheduler import PartsTable

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState, WorkerState

    from moorage.scheduler.desired import Desired, Record
    from moorage.scheduler.placement.reconcile import Reconciler

_RARELY = 5  # sweeps, between looks at what follows another collection that has not moved
_SOON = 0.02
"""Seconds after a change, so that a burst of them is one."""


class Dealer:
    """Deals the parts of collections. `desired`: its records have ``spread`` or ``like`` if they are to be dealt."""

    def __init__(self, scheduler: Scheduler, desired: Desired, reconciler: Reconciler) -> None:
        self._scheduler = scheduler
        self._desired = desired
        self._reconciler = reconciler
        self._vids: set[str] = set()
        self._due: set[str] = set()
        self._missing: dict[str, set[Key]] = {}
        #: Key of a part that others follow -> vids of these.
        self.followed: dict[Key, set[str]] = {}
        self._restless: set[str] = set()  # those that follow what has moved since they were looked at
        self._sweeps = 0
        self._timer: asyncio.TimerHandle | None = None

    def put(self, record: Record) -> None:
        """Note a record that is in force from now on; deal its parts, if they are to be dealt."""
        self.forget(record.vid)
        if record.spread or record.like:
            self._vids.add(record.vid)
            for key in record.like:
                self.followed.setdefault(key, set()).add(record.vid)
            self._due.add(record.vid)
            self._look()

    def forget(self, vid: str) -> None:
        """Note that a record is no longer in force."""
        if vid not in self._vids:
            return
        self._vids.discard(vid)
        self._due.discard(vid)
        self._restless.discard(vid)
        self._missing.pop(vid, None)
        for key in [key for key, vids in self.followed.items() if vid in vids]:
            self.followed[key].discard(vid)
            if not self.followed[key]:
                del self.followed[key]

    def moved(self, ts: TaskState, _: WorkerState) -> None:
        """Note that a worker got or lost a part that others follow: the next sweep looks at these."""
        self._restless |= self.followed[ts.key]

    def arrived(self, key: Key) -> None:
        """Note that a part has been computed."""
        if not self._missing:
            return
        for vid in self._desired.vids(key):
            if missing := self._missing.get(vid):
                missing.discard(key)
                if not missing:
                    del self._missing[vid]
                    self._look_soon((vid,))

    def worker_changed(self, address: Address) -> None:
        """Note that a worker came, went or changed its status, and let the reconciler do so first."""
        self._reconciler.worker_changed(address)
        records = self._desired.records
        self._look_soon(
            [vid for vid in self._vids if records[vid].like or isinstance(records[vid].placement, OnWorkers)]
        )

    def sweep(self) -> None:
        """Look again at what follows another collection; rarely, if that has not moved."""
        self._sweeps += 1
        followers = {vid for vid in self._vids if self._desired.records[vid].like}
        self._look_soon(followers if self._sweeps % _RARELY == 0 else followers & self._restless)

    def astray(self) -> list[str]:
        """Return what follows another collection that is no longer on the cluster, nor about to come back."""
        followed = {vid: like for vid in self._vids if (like := self._desired.records[vid].like)}
        return [vid for vid, like in followed.items() if not any(map(self._is_wanted, like))]

    def _is_wanted(self, key: Key) -> bool:
        """Whether a key is there, will be, or is to come back; others may be known only for what is made of them."""
        ts = self._scheduler.tasks.get(key)
        return key in self._desired.by_key or (ts is not None and bool(ts.who_wants or ts.who_has))

    def close(self) -> None:
        """Deal no more."""
        if self._timer is not None:
            self._timer.cancel()

    async def parts(self, keys: list[Key]) -> PartsTable:
        """Return which workers have which of `keys`, and how large these are."""
        index: dict[str, int] = {}
        tasks = [self._scheduler.tasks.get(key) for key in keys]
        on = [[index.setdefault(name, len(index)) for name in self._holders(key)] for key in keys]
        return {
            "workers": list(index),
            "nbytes": [ts.nbytes if ts is not None else -1 for ts in tasks],
            "on": on,
            "states": [str(ts.state) if ts is not None else "absent" for ts in tasks],
            "errors": {
                at: str((ts.exception_blame or ts).exception_text)
                for at, ts in enumerate(tasks)
                if ts is not None and ts.state == "erred"
            },
        }

    def _look_soon(self, vids: Iterable[str]) -> None:
        self._due.update(vids)
        if self._due and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_SOON, self._look)

    def _look(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due, self._due = self._due, set()
        for vid in due:
            record = self._desired.records[vid]
            hands = self._beside(record) if record.like else self._evenly(record)
            (self._restless.add if record.like and hands else self._restless.discard)(vid)
            # what belongs to another variable too is left where it is
            self._reconciler.deal({key: at for key, at in hands.items() if len(self._desired.vids(key)) == 1})
            tasks = self._scheduler.tasks
            missing = {key for key in record.keys if (ts := tasks.get(key)) is None or not ts.who_has}
            if missing:
                self._missing[vid] = missing

    def _evenly(self, record: Record) -> dict[Key, str]:
        view = self._reconciler.view
        pool = view.running | view.paused
        if isinstance(record.placement, OnWorkers):
            pool = frozenset(a for spec in record.placement.workers for a in view.resolve(spec) & pool)
        if not pool:
            return {}  # until a worker comes
        # what is on its way counts as there: else it would be given away while it arrives
        hands = map(self._reconciler.assigned.get, record.keys)
        holders = [[hand] if hand else self._holders(key) for key, hand in zip(record.keys, hands, strict=True)]
        dealt = deal(self._sizes(record), holders, sorted(map(view.name, pool)))
        return dict(zip(record.keys, dealt, strict=True))

    def _beside(self, record: Record) -> dict[Key, str]:
        others = with_others(list(map(self._holders, record.like)), list(map(self._holders, record.keys)))
        moves = zip(record.keys, others, strict=True)
        return {key: at for key, at in moves if at is not None and self._holders(key) != [at]}

    def _sizes(self, record: Record) -> list[int]:
        """Return the bytes of each part: of what is not there yet what others have on average, of what is lost 0."""
        found = [self._scheduler.tasks.get(key) for key in record.keys]
        lost = [ts is not None and ts.state == "erred" for ts in found]
        if record.spread == "blocks":
            return [int(not gone) for gone in lost]
        sizes = [0 if gone else ts.nbytes if ts is not None else -1 for ts, gone in zip(found, lost, strict=True)]
        known = [size for size in sizes if size >= 0]
        usual = max(1, sum(known) // len(known)) if known else 1
        return [size if size >= 0 else usual for size in sizes]

    def _holders(self, key: Key) -> list[str]:
        ts = self._scheduler.tasks.get(key)
        return [str(ws.name) for ws in ts.who_has or ()] if ts is not None else []
