"""What notebooks have asked Dask itself to compute, as long as it runs: how much there is, has ended, has failed.

What a client sends while what it sent before under the same names of groups still runs is one with that: each graph of
a collection is work of its own, a thousand calls of ``submit`` are one. A task is looked at when it comes and when it
ends. Clients are told of what takes longer than a moment, twice a second; of others' work nobody is told.

It is a plugin of its own: Dask goes on after errors of a plugin, and so do placements.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from itertools import count, islice
from time import monotonic
from typing import TYPE_CHECKING, Any

from distributed.diagnostics.plugin import SchedulerPlugin

from moorage._dask.server import every
from moorage.plan import Key
from moorage.wire.tally import WORK_TOPIC, WorkRow

if TYPE_CHECKING:
    from distributed import Scheduler

_INTERVAL = 0.5  # seconds
_MOMENT = 0.4
_LOOKED_AT = 100  # keys that are wanted, for their names
_NAMED = 3
_TOLD = 50  # works of a client
_OURS = "moorage-"  # what groups of tasks for purposes of our own begin with
_ENDS = ("memory", "erred", "forgotten")


class _Work:
    def __init__(self, number: int, client: str, groups: tuple[str, ...], label: str) -> None:
        self.id = f"dask-{number}"
        self.client = client
        self.groups = groups
        self.label = label
        self.began = monotonic()
        self.total = self.failed = 0
        self.left: set[Key] = set()  # tasks that have not ended
        self.wanted: set[Key] = set()  # of these, what the client waits for

    def row(self) -> WorkRow:
        return {
            "id": self.id, "label": self.label, "group": self.groups[0], "seconds": monotonic() - self.began,
            "total": self.total, "done": self.total - len(self.left), "failed": self.failed,
        }  # fmt: skip


class PlainWork(SchedulerPlugin):
    """Follows the graphs of `listeners`."""

    name = "moorage-work"

    def __init__(self, scheduler: Scheduler, listeners: AbstractSet[str]) -> None:
        self._scheduler = scheduler
        self._listeners = listeners
        self._numbers = count(1)
        self._running: dict[tuple[str, tuple[str, ...]], _Work] = {}  # client, names of groups; the oldest first
        self._of: dict[Key, _Work] = {}  # tasks that have not ended
        self._told: set[str] = set()  # clients that know of something
        scheduler.add_plugin(self, name=self.name)
        self._end_looking = every(scheduler, _INTERVAL, self.name, self._look)

    def end(self) -> None:
        """Follow nothing any more."""
        self._end_looking()
        self._scheduler.remove_plugin(self.name)

    async def wanted(self, client: str, work: str) -> list[Key]:
        """Return the keys of some work that its client still waits for; none if it has ended."""
        return [key for one in self._running.values() if (one.client, one.id) == (client, work) for key in one.wanted]

    # Events of the scheduler

    def update_graph(
        self, scheduler: Scheduler, *, client: str, keys: Collection[Key], tasks: Sequence[Key], **kwargs: Any
    ) -> None:
        """Note a graph, before any of it runs."""
        if client not in self._listeners:
            return
        known = scheduler.tasks
        new = {key for key in tasks if key not in self._of and known[key].state not in ("memory", "erred")}
        wanted = new.intersection(keys)
        groups = dict(sorted((known[key].group.name, known[key].prefix.name) for key in islice(wanted, _LOOKED_AT)))
        if not wanted or all(name.startswith(_OURS) for name in groups):
            return
        names = tuple(groups)
        if (work := self._running.get((client, names))) is None:
            prefixes = list(dict.fromkeys(groups.values()))
            label = ", ".join(prefixes[:_NAMED]) + (", …" if len(prefixes) > _NAMED else "")
            work = self._running[client, names] = _Work(next(self._numbers), client, names, label)
        self._of.update(dict.fromkeys(new, work))
        work.total += len(new)
        work.left |= new
        work.wanted |= wanted

    def transition(self, key: Key, start: str, finish: str, *args: Any, **kwargs: Any) -> None:
        """Note that a task ends; called for every transition of every key."""
        if finish not in _ENDS or (work := self._of.pop(key, None)) is None:
            return
        work.left.discard(key)
        work.wanted.discard(key)
        if finish == "forgotten":
            work.total -= 1
        elif finish == "erred" and (ts := self._scheduler.tasks[key]).exception_blame is ts:
            work.failed += 1  # what needs it has not failed by itself
        if not work.wanted:
            self._over(work)

    def client_gone(self, client: str) -> None:
        """Forget what a client has sent; it may only have left moorage."""
        self._told.discard(client)
        for work in [work for work in self._running.values() if work.client == client]:
            self._over(work)

    def restart(self, scheduler: Scheduler) -> None:
        """Forget everything: no task is left."""
        self._running.clear()
        self._of.clear()

    def _over(self, work: _Work) -> None:
        del self._running[work.client, work.groups]
        for key in work.left:  # nobody needs them
            del self._of[key]

    def _look(self) -> None:
        """Tell clients how far is what runs."""
        now, rows = monotonic(), dict[str, list[WorkRow]]()
        for work in self._running.values():
            if now - work.began >= _MOMENT:
                rows.setdefault(work.client, []).append(work.row())
        for client in self._told | rows.keys():  # also those of whom nothing runs any more
            event = {"op": "event", "topic": WORK_TOPIC, "event": rows.get(client, [])[:_TOLD]}
            self._scheduler.client_send(client, event)
        self._told = set(rows)
