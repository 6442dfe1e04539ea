"""Keys that have no copy at the moment, and whose value the notebook can send again.

Stock Dask forgets scattered data with its last holder: futures are cancelled and so is all that depends on them. Here
a placed key is given a run_spec, so that it becomes a task like any other: when its last copy is gone it goes back to
``waiting``, and what depends on it waits too. The task asks for a resource that no worker has, so it rests in
``no-worker`` until

* its value comes back from the notebook that placed it (`Restorer.deliver`): the value is put into a worker's memory
  and the task is then sent to that very worker, which answers at once that it has the key already; or
* no notebook has it, and a file has (``files.py``): the task that reads it takes its place, like any other's; or
* there is nobody who has the value (`Restorer.give_up`): the task fails with an error that says so.

The same serves keys that are placed before there is any worker to hold them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn

from distributed.core import Status
from distributed.protocol.pickle import dumps

from moorage._dask.scheduler.kept_keys import desire_and_tell
from moorage._dask.scheduler.replicas import drop
from moorage._dask.scheduler.task_states import (
    forget_resources,
    function_of,
    make_task,
    make_value,
    move,
    move_all,
    new_value,
    restrict,
)
from moorage._dask.scheduler.transfers import shadow_update_data
from moorage.plan import Address, Key
from moorage.scheduler.flights import patience
from moorage.scheduler.recovery.lives import ANSWER
from moorage.scheduler.recovery.lost import REMEDY, Lost
from moorage.scheduler.recovery.strays import Broken

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState

    from moorage.scheduler.recovery.casualties import Casualties
    from moorage.scheduler.recovery.files import Files
    from moorage.scheduler.recovery.lives import Lives
    from moorage.scheduler.recovery.strays import Strays
    from moorage.scheduler.tasks.history import History

_NOWHERE = {"moorage: the notebook": 1.0}  # a resource that no worker has

ANSWER_SECONDS = 30.0
"""How long a client may take before it is asked again, besides the time that the values take on their way."""
_DEATH_SHOWS = 1.0
"""Seconds after which a worker that broke off is taken to live: one that dies of a value counts before the next try."""


def _absent(lost: str = "") -> NoReturn:
    """Run only if the value has left its worker just before the task arrived there: ask for it again."""
    from distributed import Reschedule

    raise RuntimeError(lost) if lost else Reschedule


_MARK = "moorage_stands_for_a_value"
setattr(_absent, _MARK, True)  # another plugin, before this one, has another function of the kind

# Workers need not have moorage: what claims to live in __main__ is pickled by value.
_absent.__module__ = "__main__"


class Restorer:
    """Who can send which key again. `ask`: ``ask(client, keys)``: request these values of a client."""

    def __init__(
        self,
        scheduler: Scheduler,
        ask: Callable[[str, list[Key]], None],
        strays: Strays,
        casualties: Casualties,
        lives: Lives,
        history: History,
        files: Files,
    ) -> None:
        self._scheduler = scheduler
        self._ask = ask
        self._strays = strays
        self._casualties = casualties
        self._lives = lives
        self._history = history
        self._files = files
        files.on_filed = self._filed
        self.senders: dict[Key, list[str]] = {}
        self.asked: dict[Key, float] = {}
        self.delivering: dict[Key, Address] = {}
        self.avoid: dict[Key, Address] = {}
        #: Why a key is lost.
        self.lost: dict[Key, str] = {}
        #: The worker that had the last copy of a key.
        self.last_holder: dict[Key, str] = {}
        self._seeking = False
        self._update_data, self._unshadow = shadow_update_data(scheduler, self.update_data)

    def __contains__(self, key: object) -> bool:
        return key in self.senders

    def expect(self, keys: Iterable[Key], client: str | None) -> None:
        """Take charge of `keys`, whose values `client` has, and wait for those that no worker has.

        A key that Dask can compute again is left alone, and so is one that the scheduler does not know yet and that
        nobody can send: its task may be on its way.
        """
        new = []
        for key in keys:
            ts = self._scheduler.tasks.get(key)
            known = self.senders.get(key, [])
            if ts is None:
                if client is None and not known:
                    continue
                ts = new_value(self._scheduler, key)
            if key not in self.senders or not _is_ours(ts):  # Dask may have forgotten it meanwhile, and its run_spec
                self.senders.pop(key, None)
                computed = ts.run_spec is not None and not _is_ours(ts)
                if computed or ts.actor or (client is None and not known and not ts.who_has):
                    continue
                make_task(ts, _absent)
                restrict(ts, _NOWHERE)
                self.senders[key] = known
                new.append(ts)
            if client is not None and client not in self.senders[key]:
                self.senders[key].append(client)
            if self.lost.pop(key, None) is not None:
                move(self._scheduler, key, "released")
        if new:
            self._history.count(new)

    def wait_for(self, key: Key) -> None:
        """Let an expected key that nobody has wait for its value. Somebody must desire it already."""
        ts = self._scheduler.tasks[key]
        if ts.state == "released":
            move(self._scheduler, key, "waiting")

    def forget(self, keys: Iterable[Key]) -> None:
        """Make `keys` plain scattered data again; futures of those that nobody has are cancelled."""
        for key in keys:
            self.lost.pop(key, None)
            self.try_again(key)
            self.last_holder.pop(key, None)
            self.asked.pop(key, None)
            self.avoid.pop(key, None)
            self._files.forget(key)
            if self.senders.pop(key, None) is None or (ts := self._scheduler.tasks.get(key)) is None:
                continue
            restrict(ts)
            if ts.state == "erred":
                make_task(ts, _absent, f"{key!r} is lost.")  # should somebody retry it
                continue
            make_value(ts)
            if ts.state != "memory":
                move(self._scheduler, key, "released", then="forgotten")

    def try_again(self, key: Key) -> None:
        """Send `key` to workers although others have died when they took it."""
        self._casualties.forget(key)

    def coming(self, address: Address) -> list[Key]:
        """Return what is on its way to a worker."""
        return [key for key, target in self.delivering.items() if target == address]

    def transitioned(self, key: Key, start: str, finish: str) -> None:
        """Note a transition of an expected key."""
        ts = self._scheduler.tasks.get(key)
        if start == "processing" and ts is not None:
            restrict(ts, _NOWHERE)
        if finish == "memory":
            self.asked.pop(key, None)
            self.avoid.pop(key, None)
            self._casualties.made(key)
        elif finish == "erred":
            self.lost.setdefault(key, "its task failed")
        elif finish == "no-worker":
            self._seek_soon()

    def client_gone(self, client: str) -> None:
        """Stop relying on `client`."""
        for clients in self.senders.values():
            if client in clients:
                clients.remove(client)
        self.asked.clear()
        self.seek()

    def worker_gone(self, address: Address) -> None:
        """Ask again for what was being sent to a worker that has left; the connection may take long to notice."""
        for key in [key for key, target in self.delivering.items() if target == address]:
            del self.delivering[key]
        self.seek()

    def seek(self) -> None:
        """Ask for every expected key that nobody has, or give it up if there is nobody to ask."""
        self._seeking = False
        scheduler = self._scheduler
        if not scheduler.running:
            return  # nowhere to put it; asked again when a worker runs
        now = monotonic()
        requests: dict[str, list[Key]] = {}
        for key, clients in self.senders.items():
            ts = scheduler.tasks.get(key)
            if ts is None or ts.state != "no-worker" or key in self.delivering:
                continue
            if verdict := self._casualties.verdict(key):
                self._scheduler.loop.add_callback(self.give_up, key, verdict)
            elif self.asked.get(key, 0.0) > now:
                continue
            elif clients:
                requests.setdefault(clients[-1], []).append(key)
            else:
                self._scheduler.loop.add_callback(self.read_or_give_up, key, "no notebook has its value any more")
        for client, keys in requests.items():
            nbytes = sum(max(0, scheduler.tasks[key].nbytes) for key in keys)  # they come together
            self.asked.update(dict.fromkeys(keys, now + ANSWER_SECONDS + patience(nbytes)))
            self._ask(client, keys)

    def _seek_soon(self) -> None:
        if not self._seeking:  # once for all that is lost at the same time
            self._seeking = True
            asyncio.get_running_loop().call_soon(self.seek)

    async def deliver(
        self, values: Mapping[Key, Any], targets: Callable[[Mapping[Key, str]], dict[Key, Address]]
    ) -> list[Key]:
        """Put values that a client has sent into workers' memory and finish their tasks.

        Return the keys of those that have reached no worker and are still waited for. `targets`: key -> worker that
        should be avoided, or ""; it returns key -> address of who should have it first.
        """
        scheduler = self._scheduler
        tasks = {key: ts for key in values if (ts := scheduler.tasks.get(key)) is not None and ts.state == "no-worker"}
        chosen: dict[Key, Address] = {}
        if tasks and scheduler.running:
            chosen = targets({key: self.avoid.get(key, "") for key in tasks})
        for key in values.keys() - chosen.keys():
            self.asked.pop(key, None)
        loads: dict[Address, list[TaskState]] = {}
        for key, address in chosen.items():
            loads.setdefault(address, []).append(tasks[key])
        await asyncio.gather(*(self._send(address, load, values) for address, load in loads.items()))
        self.seek()
        return [key for key, ts in tasks.items() if scheduler.tasks.get(key) is ts and ts.state == "no-worker"]

    async def _send(self, address: Address, tasks: list[TaskState], values: Mapping[Key, Any]) -> None:
        load = {ts.key: values[ts.key] for ts in tasks}
        self.delivering.update(dict.fromkeys(load, address))
        for key in load:  # not before: who looks for what is missing would ask for it once more
            self.asked.pop(key, None)
        try:
            with self._strays.sending(load):
                seconds = ANSWER + patience(sum(max(0, ts.nbytes) for ts in tasks))
                nbytes = await self._strays.put(address, list(load), load, seconds)
            if nbytes is None:
                self.avoid.update({key: address for key in load if key in self})  # not what has been released
                return
        except Exception as error:  # it cannot make one of them, or has died of it
            self.avoid.update({key: address for key in load if key in self})
            await asyncio.sleep(_DEATH_SHOWS if isinstance(error, Broken) else 0)
            if address in self._scheduler.workers and len(tasks) == 1:
                self._casualties.refused(load.keys() & self.senders.keys(), address, error)
            elif address in self._scheduler.workers:
                await asyncio.gather(*(self._send(address, [ts], values) for ts in tasks))
            return
        finally:
            for key in load:
                if self.delivering.get(key) == address:
                    del self.delivering[key]
        for ts in tasks:
            if self._scheduler.tasks.get(ts.key) is ts:
                self._arrived(ts, address, nbytes[ts.key])
        if address in self._scheduler.workers:
            # released meanwhile, or back from somewhere else: the worker has what nobody knows of
            strays = [ts.key for ts in tasks if ts.processing_on is None]
            self._lives.ended(strays)
            drop(self._scheduler, address, strays)

    def update_data(
        self, *, who_has: dict[Key, list[Address]], nbytes: dict[Key, int], client: str | None = None
    ) -> None:
        """As ``Scheduler.update_data``; values that were expected end the waiting, whoever has sent them.

        Of a client that has died meanwhile nobody keeps what it has sent. Raises KeyError if a worker has left. Nothing
        has changed.
        """
        scheduler = self._scheduler
        known = {a: scheduler.coerce_address(a) for a in {a for addresses in who_has.values() for a in addresses}}
        who_has = {key: [known[a] for a in addresses] for key, addresses in who_has.items()}
        try:
            if gone := [a for a in known.values() if a not in scheduler.workers]:
                raise KeyError(gone[0])
            self._take(who_has, nbytes, client)
            self._strays.hold(who_has, senders=2)  # this one has arrived
        finally:
            self._strays.arrived(client, who_has)

    def _take(self, who_has: dict[Key, list[Address]], nbytes: dict[Key, int], client: str | None) -> None:
        scheduler = self._scheduler
        alive = client is None or client in scheduler.clients
        if not alive:
            client = None
        expected = [
            key for key in who_has if key in self and key in scheduler.tasks and not scheduler.tasks[key].who_has
        ]
        others = {key: addresses for key, addresses in who_has.items() if key not in expected}
        self._update_data(who_has=others, nbytes=nbytes, client=client)
        self._history.count_ours(scheduler.tasks[key] for key in others)
        for key in expected:
            if self.lost.pop(key, None) is not None:
                move(self._scheduler, key, "released")
            if client is not None:
                desire_and_tell(scheduler, [key], client)
            self.wait_for(key)
            self._arrived(scheduler.tasks[key], who_has[key][0], nbytes.get(key, -1))
        if not alive:
            unwanted = [key for key in others if not (ts := scheduler.tasks[key]).who_wants and not ts.dependents]
            move_all(scheduler, unwanted, "forgotten")

    def found(self, ts: TaskState, address: Address) -> bool:
        """Take a worker's word that it has a value which is waited for; return whether it is."""
        if ts.state != "no-worker" or ts.key not in self:
            return False
        self._arrived(ts, address, ts.nbytes)
        return ts.state != "no-worker"

    def _filed(self, key: Key, instead: bool) -> bool:
        """Note that a file has a key, which is `instead` expected no longer; return whether it is."""
        if instead and self.senders.pop(key, None) is not None:
            restrict(self._scheduler.tasks[key])
        if self.lost.pop(key, None) is not None and key in self:
            move(self._scheduler, key, "released")
            self.wait_for(key)
        return key in self

    def read_or_give_up(self, key: Key, why: str, exception: Any = None) -> None:
        """Have a key read that nobody can send, or, if no file has it, `give_up`."""
        ts = self._scheduler.tasks.get(key)
        if ts is None or ts.state != "no-worker" or key not in self._files:
            self.give_up(key, why, exception)
            return
        del self.senders[key]
        self.asked.pop(key, None)
        restrict(ts)
        self._files.read(ts)
        move(self._scheduler, key, "processing")

    def give_up(self, key: Key, why: str, exception: Any = None) -> None:
        """Fail `key` and all that waits for it. `exception`: what futures of it should raise."""
        ts = self._scheduler.tasks.get(key)
        if ts is None or ts.state != "no-worker":
            return
        self.lost[key] = why
        self.asked.pop(key, None)
        if exception is None:
            exception = dumps(Lost(f"{key!r} is lost: {why}.", REMEDY))
        move(self._scheduler, key, "erred", cause=key, exception=exception, exception_text=why)

    def clear(self) -> None:
        """Forget all keys, as the scheduler has."""
        for known in (self.senders, self.asked, self.delivering, self.avoid, self.lost, self.last_holder):
            known.clear()

    def close(self) -> None:
        """Leave no trace on the scheduler."""
        self.forget(list(self.senders))
        self._unshadow()
        forget_resources(self._scheduler, _NOWHERE)

    def _arrived(self, ts: TaskState, address: Address, nbytes: int) -> None:
        """Let a task that waits for its value end on the worker which has just got it."""
        ws = self._scheduler.workers.get(address)
        if ts.state != "no-worker" or ws is None or ws.status != Status.running:
            return
        ts.set_nbytes(nbytes)
        ts.suspicious = 0
        restrict(ts, workers=[address])
        move(self._scheduler, ts.key, "processing")


def _is_ours(ts: TaskState) -> bool:
    function = function_of(ts)
    return function is _absent or hasattr(function, _MARK)


def is_value(ts: TaskState) -> bool:
    """Whether a key stands for a value that somebody has sent, rather than for what a task returns."""
    return ts.run_spec is None or _is_ours(ts)
