"""Keys that have no copy at the moment, and whose value the notebook can send again.

Stock Dask forgets scattered data with its last holder: futures are cancelled and so is all that depends on them. Here
a placed key is given a run_spec, so that it becomes a task like any other: when its last copy is gone it goes back to
``waiting``, and what depends on it waits too. The task asks for a resource that no worker has, so it rests in
``no-worker`` until

* its value comes back from the notebook that placed it (`Origins.deliver`): the value is put into a worker's memory
  and the task is then sent to that very worker, which answers at once that it has the key already; or
* there is nobody who has the value (`Origins.give_up`): the task fails with an error that says so.

The same serves keys that are placed before there is any worker to hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import uuid4

from dask._task_spec import Task
from distributed.core import Status
from distributed.protocol.pickle import dumps
from distributed.utils_comm import scatter_to_workers

from moorage.plan import Address, Key

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.scheduler import TaskState

_NOWHERE = {"moorage: the notebook": 1.0}  # a resource that no worker has

_REMEDY = "Place it again: %scatter, %broadcast or %pin with its value."

ANSWER_SECONDS = 30.0
"""How long a client may take to answer before it is asked again."""


def _reschedule() -> NoReturn:
    """Run only if the value has left the worker between its arrival and the task's: ask once more."""
    from distributed import Reschedule

    raise Reschedule


# Workers need not have moorage: what claims to live in __main__ is pickled by value.
_reschedule.__module__ = "__main__"


class Origins:
    """Who can send which key again.

    Parameters
    ----------
    scheduler : Scheduler
    ask : callable
        ``ask(client, keys)``: request these values of a client.
    """

    def __init__(self, scheduler: Scheduler, ask: Callable[[str, list[Key]], None]) -> None:
        self._scheduler = scheduler
        self._ask = ask
        self._clients: dict[Key, list[str]] = {}
        self._asked: dict[Key, float] = {}
        self._delivering: dict[Key, Address] = {}
        #: Why a key is lost.
        self.lost: dict[Key, str] = {}
        #: The worker that had the last copy of a key.
        self.last_holder: dict[Key, str] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._clients

    def expect(self, key: Key, client: str | None) -> None:
        """Look after `key`, whose value `client` has, and wait for it if no worker has it.

        A key that Dask can compute again is left alone.
        """
        ts = self._scheduler.tasks.get(key)
        if ts is None:
            ts = self._scheduler.new_task(key, None, "released")
        if key not in self._clients:
            if ts.run_spec is not None or ts.actor:
                return
            ts.run_spec = Task(key, _reschedule)
            ts.priority = ts.priority or (0, 0, 0)
            self._rest(ts)
            self._clients[key] = []
        if client is not None and client not in self._clients[key]:
            self._clients[key].append(client)
        if self.lost.pop(key, None) is not None:
            self._transition(key, "released")

    def wait_for(self, key: Key) -> None:
        """Let an expected key that nobody has wait for its value. Somebody must desire it already."""
        ts = self._scheduler.tasks[key]
        if ts.state == "released":
            self._transition(key, "waiting")

    def forget(self, keys: Iterable[Key]) -> None:
        """Make `keys` plain scattered data again."""
        for key in keys:
            if self._clients.pop(key, None) is None:
                continue
            self._asked.pop(key, None)
            self.lost.pop(key, None)
            self.last_holder.pop(key, None)
            if (ts := self._scheduler.tasks.get(key)) is not None:
                ts.resource_restrictions = None
                if ts.state == "memory":
                    ts.run_spec = None

    def transitioned(self, key: Key, start: str, finish: str) -> None:
        """Take note of a transition of an expected key."""
        ts = self._scheduler.tasks.get(key)
        if start == "processing" and ts is not None:
            self._rest(ts)
        if finish == "memory":
            self._asked.pop(key, None)
        elif finish == "no-worker":
            self.seek()

    def client_gone(self, client: str) -> None:
        """Count on `client` no more."""
        for clients in self._clients.values():
            if client in clients:
                clients.remove(client)
        self._asked.clear()
        self.seek()

    def worker_gone(self, address: Address) -> None:
        """Ask again for what was being sent to a worker that has left; the connection may take long to notice."""
        for key in [key for key, target in self._delivering.items() if target == address]:
            del self._delivering[key]
        self.seek()

    def seek(self) -> None:
        """Ask for every expected key that nobody has, or give it up if there is nobody to ask."""
        scheduler = self._scheduler
        if not scheduler.running:
            return  # nowhere to put it; asked again when a worker runs
        now = monotonic()
        requests: dict[str, list[Key]] = {}
        for key, clients in self._clients.items():
            ts = scheduler.tasks.get(key)
            if ts is None or ts.state != "no-worker" or key in self._delivering or self._asked.get(key, 0.0) > now:
                continue
            if clients:
                self._asked[key] = now + ANSWER_SECONDS
                requests.setdefault(clients[-1], []).append(key)
            else:
                self._scheduler.loop.add_callback(self.give_up, key, "no notebook has its value any more")
        for client, keys in requests.items():
            self._ask(client, keys)

    async def deliver(self, values: Mapping[Key, Any], target: Callable[[Key], Address]) -> None:
        """Put values that a client has sent into workers' memory and finish their tasks.

        Parameters
        ----------
        values : mapping of key to serialized value
        target : callable
            Key -> address of the worker that shall have it first.
        """
        scheduler = self._scheduler
        for key, value in values.items():
            self._asked.pop(key, None)
            ts = scheduler.tasks.get(key)
            if ts is None or ts.state != "no-worker" or not scheduler.running:
                continue
            address = self._delivering[key] = target(key)
            try:
                _, _, nbytes = await scatter_to_workers(  # type: ignore[no-untyped-call]
                    [address], {key: value}, rpc=scheduler.rpc
                )
            except OSError:
                continue  # the worker has left meanwhile; `seek` below asks again
            finally:
                if self._delivering.get(key) == address:
                    del self._delivering[key]
            ws = scheduler.workers.get(address)
            if scheduler.tasks.get(key) is not ts or ts.state != "no-worker":
                continue
            if ws is None or ws.status != Status.running:
                continue
            ts.set_nbytes(nbytes[key])
            ts.resource_restrictions = None
            ts.worker_restrictions = {address}
            self._transition(key, "processing")
        self.seek()

    def give_up(self, key: Key, why: str, exception: Any = None) -> None:
        """Fail `key` and all that waits for it.

        Parameters
        ----------
        key : Dask key
        why : str
        exception : serialized exception, optional
            What futures of it shall raise.
        """
        ts = self._scheduler.tasks.get(key)
        if ts is None or ts.state != "no-worker":
            return
        self.lost[key] = why
        self._asked.pop(key, None)
        if exception is None:
            exception = dumps(  # type: ignore[no-untyped-call]
                _lost_error(f"{key!r} is lost: {why}.", _REMEDY)
            )
        self._transition(key, "erred", cause=key, exception=exception, exception_text=why)

    def clear(self) -> None:
        """Forget all keys, as the scheduler has."""
        self._clients.clear()
        self._asked.clear()
        self._delivering.clear()
        self.lost.clear()
        self.last_holder.clear()

    def close(self) -> None:
        """Leave no trace on the scheduler."""
        self.forget(list(self._clients))
        for resource in _NOWHERE:
            self._scheduler.resources.pop(resource, None)

    def _rest(self, ts: TaskState) -> None:
        ts.worker_restrictions = None
        ts.resource_restrictions = dict(_NOWHERE)

    def _transition(self, key: Key, finish: Any, **kwargs: Any) -> None:
        stimulus_id = f"moorage-{uuid4().hex}"
        recommendations = self._scheduler.transition(key, finish, stimulus_id=stimulus_id, **kwargs)
        self._scheduler.transitions(recommendations, stimulus_id)


def _lost_error(message: str, remedy: str) -> Exception:
    try:
        from moorage.errors import LostError
    except ImportError:  # a scheduler without moorage
        return RuntimeError(f"{message}\n{remedy}")
    return LostError(message, remedy)
