"""Tasks that should run on a worker follow it when it restarts, and their owners hear when it stays away.

Dask turns the names of ``workers=`` into addresses once, when a task comes. A worker that restarts has another address,
and the task would wait for the old one for ever (dask/distributed#8600). The name of a worker that is not there it
takes for a host: when that worker comes, the task would run on any worker of its host. And the address of a worker that
is away may be given to another one meanwhile.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from time import monotonic
from typing import TYPE_CHECKING

from moorage._dask.scheduler.task_states import move_all
from moorage.naming import short_name
from moorage.plan import Address, Key
from moorage.wire.scheduler import NoticeEvent

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState

PATIENCE_SECONDS = 5.0
"""How long a task may wait for a worker that is gone until that is said: a restart takes less."""
_REMEMBERED = 10_000  # addresses
_SHOWN = 3  # keys


def follow(scheduler: Scheduler, old: str, new: str) -> None:
    """Let the tasks that may run at address `old` run at `new` instead: it is the same worker.

    To be called before `new` takes its first task. Looks at all tasks once.
    """
    for ts in scheduler.tasks.values():
        if ts.worker_restrictions and old in ts.worker_restrictions:
            ts.worker_restrictions = (ts.worker_restrictions - {old}) | {new}


def _mean(ts: TaskState, name: str, address: Address) -> None:
    """Let a task run on the worker of that name, at that address or where it comes next, rather than on a host."""
    ts.host_restrictions = (ts.host_restrictions or set()) - {name} or None
    ts.worker_restrictions = {*(ts.worker_restrictions or ()), address}


class Restrictions:
    """Tasks that wait for workers which are not there.

    `tell`: called with the id of a client, and what it should know. `seen`: name -> last address of every worker that
    was ever here.
    """

    def __init__(self, scheduler: Scheduler, tell: Callable[[str, NoticeEvent], None]) -> None:
        self._scheduler = scheduler
        self._tell = tell
        self.seen: dict[str, Address] = {str(ws.name): ws.address for ws in scheduler.workers.values()}
        self._names: dict[Address, str] = {address: name for name, address in self.seen.items()}
        self._told: set[Key] = set()
        self._strange: set[str] = set()  # asked for, and neither workers that were ever here nor hosts

    def submitted(self, keys: Iterable[Key]) -> None:
        """Note tasks that are to run on certain workers or hosts, before any of them runs."""
        for key in keys:
            ts = self._scheduler.tasks[key]
            for name in list(ts.host_restrictions or ()):
                if name in self.seen and name not in self._scheduler.host_info:
                    _mean(ts, name, self.seen[name])
                else:
                    self._strange.add(name)

    def came(self, name: str, address: Address) -> None:
        """Note a worker that registers, before it is known under `name`."""
        if (other := self._names.get(address, name)) != name and self.seen.get(other) == address:
            self._forget_address(address, other)
        before, self.seen[name] = self.seen.get(name), address
        self._names[address] = name
        while len(self._names) > _REMEMBERED:
            del self._names[next(iter(self._names))]
        if before is not None and before not in self._scheduler.workers:
            follow(self._scheduler, before, address)
        if name in self._strange:
            self._strange.remove(name)
            for ts in self._scheduler.tasks.values():
                if ts.host_restrictions and name in ts.host_restrictions:
                    _mean(ts, name, address)

    def _forget_address(self, address: Address, name: str) -> None:
        """Let tasks for a worker that is away wait for an address that nobody gets: another worker has its own."""
        nowhere = f"{address} of {name}"
        self.seen[name] = nowhere
        self._names[nowhere] = name
        follow(self._scheduler, address, nowhere)

    def name_of(self, address: Address) -> str:
        """Return the name of a worker that is or was at `address`; the address if none is known."""
        return self._names.get(address, address)

    def was_here(self, name: str) -> bool:
        """Whether a worker of that name was ever here."""
        return name in self.seen

    def sweep(self) -> None:
        """Look at the tasks that no worker can take: some were for a worker that has restarted; tell of the others."""
        waiting = self._scheduler.unrunnable
        self._told = {key for key in self._told if self._scheduler.tasks.get(key) in waiting}
        if not waiting:
            return
        now, stuck, again = monotonic(), defaultdict[tuple[str, ...], list["TaskState"]](list), list["TaskState"]()
        for ts, since in waiting.items():
            if ts.loose_restrictions or not (ts.worker_restrictions or ts.host_restrictions):
                continue
            asked = ts.worker_restrictions or set()
            if moved := {a: new for a in asked if (new := self._now_at(a)) != a}:
                ts.worker_restrictions = {moved.get(a, a) for a in asked}
                again.append(ts)
            elif ts.key not in self._told and now - since > PATIENCE_SECONDS and self._is_away(ts):
                wanted = set(map(self.name_of, asked)) | {str(host) for host in ts.host_restrictions or ()}
                stuck[tuple(sorted(wanted))].append(ts)
        if again:
            move_all(self._scheduler, [ts.key for ts in again], "waiting")
        for workers, tasks in stuck.items():
            self._say(workers, tasks)

    def _now_at(self, address: Address) -> Address:
        """Return the address that the worker at `address` has now."""
        if address in self._scheduler.workers:
            return address
        now = self.seen.get(self.name_of(address), address)
        return now if now in self._scheduler.workers else address

    def _is_away(self, ts: TaskState) -> bool:
        workers = self._scheduler.workers
        if any(address in workers for address in ts.worker_restrictions or ()):
            return False  # paused, or without the resources: not gone
        return not any(host in self._scheduler.host_info for host in ts.host_restrictions or ())

    def _say(self, workers: tuple[str, ...], tasks: list[TaskState]) -> None:
        """Tell those who want what the tasks give, or anything that is made of it."""
        self._told.update(ts.key for ts in tasks)
        names = ", ".join(str(ts.key) for ts in tasks[:_SHOWN]) + (", ..." if len(tasks) > _SHOWN else "")
        what = "A task waits" if len(tasks) == 1 else f"{len(tasks)} tasks wait"
        event: NoticeEvent = {
            "type": "notice",
            "level": "warning",
            "message": f"{what} for {', '.join(map(short_name, workers))}, and no such worker is there: {names}.",
            "remedy": "They run when one of that name comes. To let others run them: allow_other_workers=True.",
        }
        for client in self._owners(tasks):
            self._tell(client, event)

    def _owners(self, tasks: list[TaskState]) -> set[str]:
        owners, work, known = set[str](), list(tasks), set(tasks)
        while work:
            ts = work.pop()
            owners.update(cs.client_key for cs in ts.who_wants or ())
            more = (ts.dependents or set()) - known
            known |= more
            work += more
        return owners
