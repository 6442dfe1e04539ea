"""From being placed to being released: what keeps the keys of variables alive meanwhile, and what happens when it ends.

A record that holds its keys desires them in the name of a pretended client; one that does not lasts as long as they do.
Where the copies are is not looked at here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from time import time
from typing import TYPE_CHECKING

from dask.utils import key_split

from moorage._dask.scheduler.kept_keys import desire, forget_client, release, shadow_cancel
from moorage.model import Anywhere, Placement
from moorage.plan import Key
from moorage.scheduler.desired import Desired, Record

if TYPE_CHECKING:
    from distributed import Scheduler

    from moorage.scheduler.journal import Journal
    from moorage.scheduler.placement.dealer import Dealer
    from moorage.scheduler.placement.reconcile import Reconciler
    from moorage.scheduler.recovery.restorer import Restorer
    from moorage.wire.scheduler import VariableRecord


class Keeper:
    """Puts records in force, and ends them. `desired`: its records are changed by nobody else."""

    def __init__(
        self,
        scheduler: Scheduler,
        desired: Desired,
        reconciler: Reconciler,
        origins: Restorer,
        journal: Journal,
        dealer: Dealer,
    ) -> None:
        self._scheduler = scheduler
        self._desired = desired
        self._reconciler = reconciler
        self._origins = origins
        self._journal = journal
        self._dealer = dealer
        self._gone: set[Key] = set()
        self._ends: dict[str, float] = {}  # vid -> when it is let go
        self.close = shadow_cancel(scheduler, self._keeps)
        """Let clients cancel what is placed, too."""

    def put(self, record: Record, *, tell: bool = True) -> None:
        """Put `record` in force, in the place of one of the same ``vid``; unless `tell`, the caller tells of it."""
        self._journal.count()
        before = self._desired.records.get(record.vid)
        for key in record.keys:
            if key in self._desired.by_key:
                self._origins.try_again(key)
        self._orphaned(self._desired.put(record))
        self._ends.pop(record.vid, None)
        if record.until:
            self._ends[record.vid] = record.until
        if before is not None and (dropped := set(before.keys) - set(record.keys)):
            self._let_go(record.vid, dropped)
        if record.hold or record.client is not None:
            self._origins.expect(record.keys, record.client)
        self._desire(record, record.keys)
        for key in record.keys:
            self.size(key)
            if key in self._origins and key in self._scheduler.tasks:
                self._origins.wait_for(key)
        self._reconciler.mark(record.keys)
        self._dealer.put(record)
        if tell:
            self._journal.mark([record.vid], placed=True)

    def release(self, vid: str) -> None:
        """End a record, if there is one. Keys that nobody else wants are forgotten by Dask."""
        record = self._desired.records.get(vid)
        if record is None:
            return
        self._journal.count()
        self._ends.pop(vid, None)
        self._dealer.forget(vid)
        self._orphaned(self._desired.remove(vid))
        self._let_go(vid, record.keys)
        forget_client(self._scheduler, pseudo_client(vid))
        self._reconciler.mark(key for key in record.keys if key in self._desired.by_key)
        self._journal.mark([vid])

    async def records(self, since: int) -> tuple[int, dict[str, VariableRecord] | None]:
        """Return the revision, and the variables that last until they are released, if it is another than `since`."""
        if since == self._journal.revision:
            return since, None
        held = [vid for vid, record in self._desired.records.items() if record.hold]
        return self._journal.revision, {vid: told for vid in held if (told := self._journal.record(vid)) is not None}

    def adopt(self, keys: Iterable[Key], placement: Placement) -> None:
        """Place keys that somebody else has put on the cluster, for as long as they are there."""
        for key in keys:
            if (ts := self._scheduler.tasks.get(key)) is not None:
                name, typename = str(key), key_split(key)
                if ts.run_spec is not None or typename == name:  # only keys of scattered values begin with their type
                    typename = ""
                self.put(Record(f"dask:{name}", name, "", (key,), placement, {"kind": "value"}, typename, hold=False))

    def sweep(self) -> None:
        """Let go of what is over, and deal again what has to be.

        What has followed a collection that is gone stays where it is.
        """
        for vid in [vid for vid, until in self._ends.items() if until <= time()]:
            record = self._desired.records[vid]
            self.release(vid)
            self._journal.send_all({"type": "let-go", "name": record.name, "owner": record.owner})
        self._dealer.sweep()
        for vid in self._dealer.astray():
            self._dealer.forget(vid)
            self._desired.put(replace(self._desired.records[vid], placement=Anywhere(), like=(), spread=""))
            self._journal.mark([vid], placed=True)

    def size(self, key: Key) -> None:
        """Let the scheduler count the bytes of a placed key as the notebook has: those that are sent.

        What a worker measures leaves out what lies inside objects.
        """
        ts = self._scheduler.tasks.get(key)
        nbytes = self._desired.nbytes(key)
        if ts is not None and 0 <= nbytes != ts.nbytes:
            ts.set_nbytes(nbytes)

    def computed(self, key: Key) -> None:
        """Note that a placed key has come into memory where no worker had it."""
        self.size(key)
        self._dealer.arrived(key)

    def task_came(self, key: Key) -> None:
        """Note that the scheduler has got a task for a placed key just now."""
        for record in self._desired.by_key[key].values():
            if record.hold:
                self._desire(record, (key,))

    def forgotten(self, key: Key) -> None:
        """Note that Dask forgets a placed key; unless it comes back at once, so do records that do not hold it."""
        if not self._gone:
            self._scheduler.loop.add_callback(self._forget)
        self._gone.add(key)

    def restart(self) -> None:
        """Place again what can be placed again: all keys are gone, the desire is not."""
        records = list(self._desired.records.values())
        self._origins.clear()
        self._reconciler.forget(list(self._desired.by_key))
        for record in records:
            if record.client is None:
                self.release(record.vid)
            else:
                self.put(record)

    def _keeps(self, key: Key) -> bool:
        """Whether a record holds a key that is there or can be sent again; what is computed may be cancelled."""
        ts = self._scheduler.tasks.get(key)
        held = any(record.hold for record in self._desired.by_key.get(key, {}).values())
        return ts is not None and held and bool(ts.who_has or key in self._origins)

    def _desire(self, record: Record, keys: Iterable[Key]) -> None:
        """Keep keys alive as long as the record, or as the futures of the client that placed it."""
        desirer = pseudo_client(record.vid) if record.hold else record.client or ""
        known = [key for key in keys if key in self._scheduler.tasks]
        if known and (record.hold or desirer in self._scheduler.clients):
            desire(self._scheduler, known, desirer)

    def _let_go(self, vid: str, keys: Iterable[Key]) -> None:
        if pseudo_client(vid) in self._scheduler.clients:
            release(self._scheduler, keys, pseudo_client(vid))

    def _orphaned(self, keys: Iterable[Key]) -> None:
        keys = list(keys)
        self._origins.forget(keys)
        self._reconciler.forget(keys)

    def _forget(self) -> None:
        gone = {key for key in self._gone if key not in self._scheduler.tasks}
        self._gone.clear()
        for vid in {vid for key in gone for vid in self._desired.vids(key)}:
            record = self._desired.records[vid]
            if record.hold:
                self._origins.lost.update(dict.fromkeys(gone.intersection(record.keys), "Dask has forgotten it"))
                self._journal.mark([vid])
            elif left := tuple(key for key in record.keys if key not in gone):
                self._orphaned(self._desired.put(replace(record, keys=left, structure={"kind": "list"})))
                self._journal.mark([vid], placed=True)
            else:
                self.release(vid)


def pseudo_client(vid: str) -> str:
    """Return the name of the pretended client that keeps a variable's keys alive."""
    return f"moorage-{vid}"
