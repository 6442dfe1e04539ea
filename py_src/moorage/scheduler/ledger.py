"""Bytes by name and worker: what fills the memory of the cluster.

Nothing is counted as long as nobody asks. Then the keys of each worker on which something has changed since the last
time are gone through in slices of time, and each is given to one name: to the variable that is placed; else to the
published dataset; else to the variables of clients that keep it, as far as they have told (`Ledger.names`); else to the
clients that want it; else to the function that made it, for a task that waits. What is in memory of a host is `Shared`;
which keys are on disk only workers know, who are asked by the notebook.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from time import thread_time
from typing import TYPE_CHECKING, Any, TypeAlias

from moorage.plan import Address, Key
from moorage.scheduler.desired import Desired
from moorage.scheduler.placement.observed import worker_info
from moorage.scheduler.placement.reconcile import in_slices
from moorage.scheduler.shared import Shared
from moorage.wire.ledger import HeldName, LedgerName, LedgerReply, LedgerWorker, NameKind, Spilled

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState, WorkerState

Label: TypeAlias = tuple[str, str]
Entry: TypeAlias = tuple[NameKind, tuple[Label, ...]]
"""What a key is given to: a kind, and whose it is under which names."""

_PUBLISHED = "published-"
_A_COPY = 1e-6  # seconds of CPU that it takes to count one
_A_WORKER = 1e-5
_PORTION = 500  # copies that are counted without a look at the time
_OURS = "moorage-"  # clients in whose name placed keys are held


class Ledger:
    """Knows what clients call their keys, and counts when it is asked. `desired`: what is placed."""

    def __init__(self, scheduler: Scheduler, desired: Desired, shared: Shared) -> None:
        self._scheduler = scheduler
        self._desired = desired
        self._shared = shared
        self._held: dict[str, dict[str, HeldName]] = {}  # client -> name
        self._owners: dict[str, str] = {}
        self._told = 0  # times that a client has told names
        self._signs: Any = None
        self._counts: dict[WorkerState, OfWorker] = {}
        self._by_key: dict[Any, tuple[Label, ...]] = {}  # a key, or the name of a group -> clients and names

    async def names(self, client: str, owner: str, held: Mapping[str, HeldName], gone: Sequence[str]) -> int:
        """Note what a client's variables keep; return of how many names it is known.

        `client`, `owner`: the Dask client, and how its notebook is called. `held`: new names, and those that keep
        something else than before. `gone`: names that no longer keep anything.
        """
        if client not in self._scheduler.clients:
            return 0
        self._owners[client] = owner
        known = self._held.setdefault(client, {})
        self._told += bool(held or gone)
        self._forget(client, [*gone, *held])
        for name, what in held.items():
            known[name] = what
            alone = ((client, name),)  # one object for what may be a million keys
            for key in _keys(what):
                before = self._by_key.get(key)
                self._by_key[key] = (*before, *alone) if before else alone
        return len(known)

    def client_gone(self, client: str) -> None:
        """Forget a client."""
        self._forget(client, list(self._held.get(client, ())))
        self._held.pop(client, None)
        self._owners.pop(client, None)

    def _forget(self, client: str, names: Iterable[str]) -> None:
        known = self._held.get(client, {})
        for name in names:
            for key in _keys(known.pop(name, None)):
                left = tuple(label for label in self._by_key.get(key, ()) if label != (client, name))
                if left:
                    self._by_key[key] = left
                else:
                    self._by_key.pop(key, None)

    async def ledger(self, client: str, spilled: Mapping[Address, Sequence[Spilled]], most: int = 1000) -> LedgerReply:
        """Return bytes by name and worker.

        `client`: who asks. `spilled`: what workers, by address, have on disk. `most`: so many names at most; the
        others, which are smaller, are one.
        """
        begun = thread_time()
        signs = self._signs_of_names()
        on_disk = {address: {plain_key(key): sizes for key, *sizes in keys} for address, keys in spilled.items()}
        counts = self._still_good(signs, on_disk)
        self._counts, self._signs = counts, signs
        async for ws, tasks in in_slices(self._uncounted(counts)):
            self._count(counts[ws].entries, ws, tasks, on_disk.get(ws.address, {}))
        counted: dict[Entry, Counted] = {}
        workers: list[LedgerWorker] = []
        for ws in self._scheduler.workers.values():
            if ws not in counts:  # it has come meanwhile
                continue
            for entry, (keys, *nbytes) in counts[ws].entries.items():
                counted.setdefault(entry, Counted()).add(len(workers), nbytes, keys)
            _count_running(counted, len(workers), ws, sum(at[1] for at in counts[ws].entries.values()))
            workers.append(self._worker(ws))
        names = [self._name(entry, what, client) for entry, what in counted.items()]
        names.sort(key=_size, reverse=True)
        return {
            "known": len(self._held.get(client, ())),
            "seconds": thread_time() - begun,
            "workers": workers,
            "names": [*names[:most], *_together(names[most:])],
        }

    async def effort(self) -> float:
        """Return the seconds of CPU that an answer would take, about."""
        known = self._still_good(self._signs_of_names(), {})
        copies = sum(len(ws.has_what) for ws in self._scheduler.workers.values() if ws not in known)
        return copies * _A_COPY + len(self._scheduler.workers) * _A_WORKER

    def _still_good(self, signs: Any, on_disk: Mapping[Address, Any]) -> dict[WorkerState, OfWorker]:
        """Return what was counted before of workers on which nothing has changed since.

        That is seen by a few numbers: a worker that has got and lost keys of the same number and bytes in all, of which
        no client and no name knows, would be taken for one that has not.
        """
        if signs != self._signs:
            return {}
        return {
            ws: counts
            for ws, counts in self._counts.items()
            if ws.address not in on_disk
            and self._scheduler.workers.get(ws.address) is ws
            and counts.signs == self._signs_of(ws)
        }

    def _signs_of_names(self) -> tuple[Any, ...]:
        wanted = tuple((client, len(cs.wants_what)) for client, cs in self._scheduler.clients.items())
        return self._told, frozenset(self._desired.records), len(self._desired.by_key), wanted

    def _signs_of(self, ws: WorkerState) -> tuple[int, ...]:
        return ws.nbytes, len(ws.has_what), ws.metrics["spilled_bytes"]["disk"], self._shared.held_by(ws)

    def _uncounted(self, counts: dict[WorkerState, OfWorker]) -> Iterator[tuple[WorkerState, list[TaskState]]]:
        """Yield the copies on workers that have no place in `counts`, some at a time, and make that."""
        for ws in [ws for ws in self._scheduler.workers.values() if ws not in counts]:
            counts[ws] = OfWorker(self._signs_of(ws))
            tasks = list(ws.has_what)
            for begin in range(0, len(tasks), _PORTION):
                yield ws, tasks[begin : begin + _PORTION]

    def _count(
        self,
        entries: dict[Entry, list[int]],
        ws: WorkerState,
        tasks: Iterable[TaskState],
        disk: Mapping[Key, Sequence[int]],
    ) -> None:
        """Count copies on a worker.

        Those of one group that one client wants have one entry, unless they are placed or have names one by one.
        """
        placed, named, shared = self._desired.by_key, self._by_key, self._shared
        alike: dict[tuple[int, int], list[int]] = {}
        for ts in tasks:
            key, wants, holders = ts.key, ts.who_wants or (), ts.who_has or ()
            if len(wants) == 1 and key not in placed and key not in named:
                (client,) = wants
                same = id(ts.group), id(client)
                at = alike.get(same)
                if at is None:
                    at = alike[same] = entries.setdefault(self._entry(ts), [0, 0, 0, 0])
            else:
                at = entries.setdefault(self._entry(ts), [0, 0, 0, 0])
            at[0] += len(holders) < 2 or next(iter(holders)) is ws  # a key counts once
            nbytes = max(0, ts.nbytes)
            if key in shared:
                mapped = min(nbytes, shared.share(key, ws.address))
                nbytes -= mapped
                at[3] += mapped
            if key in disk:
                was, written = disk[key]
                nbytes = max(0, nbytes - was)
                at[2] += written
            at[1] += nbytes

    def _entry(self, ts: TaskState) -> Entry:
        """Return to what a key is given."""
        if placed := self._desired.by_key.get(ts.key):
            return "placed", tuple((record.owner, record.name) for record in placed.values())
        clients = [str(cs.client_key) for cs in ts.who_wants or ()]
        if datasets := [("", name.removeprefix(_PUBLISHED)) for name in clients if name.startswith(_PUBLISHED)]:
            return "dataset", tuple(sorted(datasets))
        if self._by_key and clients:
            named = self._by_key.get(ts.key, ())
            if (in_group := self._by_key.get(ts.group.name)) and in_group is not named:
                named = tuple(dict.fromkeys((*named, *in_group)))
            if named := tuple(label for label in named if label[0] in clients):
                return "variable", named
        if others := sorted(name for name in clients if not name.startswith(_OURS)):
            return "client", tuple((name, "") for name in others)
        return "intermediate", (("", str(ts.prefix.name)),)

    def placed(self) -> Iterable[Key]:
        """Return the keys that are placed."""
        return self._desired.by_key.keys()

    def entry_of(self, key: Key) -> Entry | None:
        """Return to what a key is given, or a group of tasks by its name; None if there is no such thing."""
        if (ts := self._scheduler.tasks.get(key)) is not None:
            return self._entry(ts)
        labels = self._by_key.get(key)
        return ("variable", labels) if labels else None

    def labels(self, entry: Entry, client: str) -> tuple[tuple[Label, ...], bool]:
        """Return whose an entry is, under which names, and whether it is of `client`, which asks."""
        kind, labels = entry
        mine = any(label[0] == client for label in labels)
        if mine and kind == "variable":
            labels = tuple(label for label in labels if label[0] == client)
        if kind in ("variable", "client"):
            labels = tuple((self._owners.get(whose, "") or whose, name) for whose, name in labels)
        ours = kind == "placed" and self._owners.get(client, "") in {owner for owner, _ in labels}
        return labels, mine or ours

    def _worker(self, ws: WorkerState) -> LedgerWorker:
        info = worker_info(ws, memory=True, shared=self._shared)
        return {
            "name": info.name, "address": info.address, "host": info.host, "status": info.status,
            "memory_limit": info.memory_limit, "process": info.process, "managed": info.managed,
            "spilled": info.spilled, "host_shared": info.host_shared,
        }  # fmt: skip

    def _name(self, entry: Entry, what: Counted, client: str) -> LedgerName:
        labels, mine = self.labels(entry, client)
        return {
            "kind": entry[0],
            "labels": list(labels),
            "mine": mine,
            "keys": what.keys,
            "workers": list(what.on),
            "memory": [at[0] for at in what.on.values()],
            "disk": [at[1] for at in what.on.values()],
            "shared": [at[2] for at in what.on.values()],
        }


class OfWorker:
    """What has been counted on a worker: of each entry keys, and bytes in memory, on disk, shared."""

    __slots__ = ("entries", "signs")

    def __init__(self, signs: tuple[int, ...]) -> None:
        self.signs = signs
        self.entries: dict[Entry, list[int]] = {}


class Counted:
    """What has been counted of one entry: keys, and by position of the worker bytes in memory, on disk, shared."""

    __slots__ = ("keys", "on")

    def __init__(self) -> None:
        self.keys = 0
        self.on: dict[int, list[int]] = {}

    def add(self, worker: int, nbytes: Sequence[int], keys: int = 0) -> None:
        """Add what is on a worker."""
        self.keys += keys
        before = self.on.get(worker, (0, 0, 0))
        self.on[worker] = [one + more for one, more in zip(before, nbytes, strict=True)]


def _count_running(counted: dict[Entry, Counted], worker: int, ws: WorkerState, named: int) -> None:
    """Give what a process has taken of late, beyond its keys, to the tasks that it runs, in equal parts."""
    running = [ts for ts in list(ws.executing) if ts.processing_on is ws]  # of the last heartbeat, those that still do
    if not running:
        return
    lately = max(0, ws.memory.process - named - ws.memory.unmanaged_old)
    for ts in running:
        entry: Entry = "running", (("", str(ts.prefix.name)),)
        counted.setdefault(entry, Counted()).add(worker, (lately // len(running), 0, 0), 1)


def _together(names: Iterable[LedgerName]) -> Iterator[LedgerName]:
    """Put names together into one, if there are any."""
    rest = Counted()
    for name in names:
        rest.keys += name["keys"]
        for worker, *nbytes in zip(name["workers"], name["memory"], name["disk"], name["shared"], strict=True):
            rest.add(worker, nbytes)
    if rest.on:
        on = rest.on.values()
        yield {
            "kind": "rest", "labels": [], "mine": False, "keys": rest.keys, "workers": list(rest.on),
            "memory": [at[0] for at in on], "disk": [at[1] for at in on], "shared": [at[2] for at in on],
        }  # fmt: skip


def _size(name: LedgerName) -> int:
    return sum(name["memory"]) + sum(name["disk"]) + sum(name["shared"])


def _keys(held: HeldName | None) -> list[Any]:
    return [] if held is None else [*map(plain_key, held["keys"]), *held["groups"]]


def plain_key(key: Any) -> Key:
    """Return a key as it was before Dask's messages made lists of tuples."""
    return tuple(map(plain_key, key)) if isinstance(key, list) else key
