"""What has moved by name: what keys are called, also those that are forgotten by now, and which tasks used together.

Nothing is noted as long as nobody wants it. While somebody does, a plugin of its own notes of each task that has run
where that was, what it used, and what these keys were called; of the latest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dask.utils import key_split
from distributed.diagnostics.plugin import SchedulerPlugin

from moorage._dask.graphs import stands_for
from moorage.plan import Address, Key
from moorage.scheduler.ledger import Entry, Ledger, plain_key
from moorage.scheduler.placement.reconcile import in_slices
from moorage.wire.transfers import Name, Named

if TYPE_CHECKING:
    from distributed import Scheduler

_NAME = "moorage-transfers"
_MOST = 100_000  # tasks and keys that are remembered
_FEW = 16  # keys that a task uses, at most, to tell which of them it uses together
_SHUFFLE, _IMAGE = "shuffle-", "image-"  # as ``worker/images/`` calls them
_NAMED = ("placed", "variable", "dataset")


class Transfers:
    """Answers what keys are called. `ledger`: knows what keys are given to."""

    def __init__(self, scheduler: Scheduler, ledger: Ledger) -> None:
        self._scheduler = scheduler
        self._ledger = ledger
        self._record = _Record(scheduler, ledger)

    async def watch(self, client: str, watch: bool) -> None:
        """Note which keys tasks use together, for as long as a client wants it."""
        self._record.watch(client, watch)

    async def named(self, client: str, keys: Sequence[Any]) -> Named:
        """Return what keys are called; of an image, by its digest, and of a shuffle, by its id, what these are of."""
        asked = [plain_key(key) for key in keys]
        entries = list(map(self._entries(asked).__getitem__, asked))
        positions: dict[Entry, int] = {}
        of = [positions.setdefault(entry, len(positions)) for entry in entries]
        met, partners = await self._met({key: at for at, key in enumerate(asked)}, positions)
        parts = {entry for key, entry in zip(asked, entries, strict=True) if isinstance(key, tuple)}
        names = [self._name(entry, client, entry in parts or entry in partners) for entry in positions]
        return {"names": names, "of": of, "met": met}

    def close(self) -> None:
        """Note nothing more."""
        self._record.stop()

    def _entries(self, keys: Sequence[Key]) -> dict[Key, Entry]:
        entries = {key: self._entry(key) for key in keys}
        shuffles, images = (
            {key.removeprefix(what): key for key in keys if isinstance(key, str) and key.startswith(what)}
            for what in (_SHUFFLE, _IMAGE)
        )
        if shuffles:
            for shuffle, key, function in self._record.shuffled(shuffles):
                entry = self._entry(key)
                named = entry is not None and entry[0] in _NAMED
                entries[shuffles[shuffle]] = entry if named else ("intermediate", (("", function),))
        if images:
            placed = ((str(key).rpartition("-")[2], key) for key in self._ledger.placed())
            entries |= {images[digest]: self._entry(key) for digest, key in placed if digest in images}
        return {key: entry or ("intermediate", (("", key_split(key)),)) for key, entry in entries.items()}

    def _entry(self, key: Key) -> Entry | None:
        """Return what a key is given to; None if it is forgotten, and nobody has noted that."""
        key = self._record.stand_in.get(key, key)
        now = self._ledger.entry_of(key)
        if now is None or now[0] not in _NAMED:
            return self._record.entries.get(key) or now
        return now

    async def _met(
        self, asked: dict[Key, int], positions: dict[Entry, int]
    ) -> tuple[list[tuple[Address, int, int, int]], set[Entry]]:
        """Return where tasks have used keys together with others, see `Named`; and which have parts."""
        parts = set[Entry]()
        found: dict[tuple[Address, int, int, int], None] = {}
        async for worker, used in in_slices(list(self._record.tasks)):
            for key in used:
                if (at := asked.get(key)) is None:
                    continue
                found[worker, at, -1, -1] = None
                for other in used:
                    entry = self._entry(other) if other != key else None
                    if entry is not None and entry[0] in _NAMED:
                        if isinstance(other, tuple):
                            parts.add(entry)
                        position = positions.setdefault(entry, len(positions))
                        found[worker, at, position, asked.get(other, -1)] = None
        return list(found), parts

    def _name(self, entry: Entry, client: str, parts: bool) -> Name:
        labels, mine = self._ledger.labels(entry, client)
        return {"kind": entry[0], "labels": list(labels), "mine": mine, "parts": parts}


class _Record(SchedulerPlugin):
    """What is noted while somebody wants it."""

    def __init__(self, scheduler: Scheduler, ledger: Ledger) -> None:
        self._scheduler = scheduler
        self._ledger = ledger
        self._clients: set[str] = set()
        self._clear()

    def _clear(self) -> None:
        self.tasks: deque[tuple[Address, tuple[Key, ...]]] = deque(maxlen=_MOST)  # workers, and what tasks there used
        self.stand_in: dict[Key, Key] = {}  # keys whose value is just that of another one
        self.entries: dict[Key, Entry] = {}
        self._groups: dict[str, tuple[Key, str]] = {}  # of tasks -> a key that they are made of; function

    def watch(self, client: str, watch: bool) -> None:
        """Note what happens for a client, or no longer."""
        if watch and client in self._scheduler.clients:
            if not self._clients:
                self._scheduler.add_plugin(self, name=_NAME, idempotent=True)
            self._clients.add(client)
        elif not watch:
            self._clients.discard(client)
            if not self._clients:
                self.stop()

    def stop(self) -> None:
        """Note nothing more, and forget all."""
        self._clients.clear()
        self._clear()
        self._scheduler.plugins.pop(_NAME, None)

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """Called by Dask when a client has left."""
        self.watch(client, False)

    def transition(self, key: Key, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """Called by Dask for every transition of every key."""
        if start != "processing" or finish != "memory" or (ts := self._scheduler.tasks.get(key)) is None:
            return
        if (target := stands_for(ts.run_spec)) is not None and len(self.stand_in) < _MOST:
            self.stand_in[key] = self.stand_in.get(target, target)
        for dep in ts.dependencies:
            if dep.key not in self.entries and len(self.entries) < _MOST:
                entry = self._ledger.entry_of(self.stand_in.get(dep.key, dep.key))
                if entry is not None and entry[0] in _NAMED:
                    self.entries[dep.key] = entry
        if ts.group.name not in self._groups and len(self._groups) < _MOST:
            dep = next(iter(ts.dependencies), ts)
            made_of = self._groups[dep.group.name][0] if dep.group.name in self._groups else dep.key
            self._groups[ts.group.name] = made_of, str(ts.prefix.name)
        if 0 < len(ts.dependencies) <= _FEW and (worker := kwargs.get("worker")):
            self.tasks.append((worker, tuple(dep.key for dep in ts.dependencies)))

    def shuffled(self, shuffles: Collection[str]) -> Iterator[tuple[str, Key, str]]:
        """Yield of shuffles, by id, a key of what is taken apart and the function that does it.

        The id ends the names of their groups of tasks.
        """
        for group, made_of in reversed(self._groups.items()):  # those that take apart have run first, and count
            for shuffle in shuffles:
                if group.endswith(shuffle):
                    yield shuffle, *made_of
