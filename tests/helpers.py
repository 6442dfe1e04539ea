"""What tests of several parts share: waiting with a deadline, a cluster of named workers, a notebook in little.

`Workers` are real processes under real nannies; they can be killed, restarted, paused and removed by name. `Notebook`
speaks with the scheduler plugin as a kernel does, without the kernel side of moorage, and looks at the workers
themselves to see what they hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import cloudpickle
import dask.config
import psutil
from distributed import Client, Future, Nanny, Scheduler, SpecCluster
from distributed.core import Status
from distributed.protocol import to_serialize
from distributed.protocol.pickle import dumps

from moorage.errors import LostError
from moorage.kernel.mirror import Mirror
from moorage.kernel.shipping import install_plugin
from moorage.model import Everywhere, OnWorkers, Placement
from moorage.protocol import Changes, PlaceItem, SchedulerSnapshot, VariableRecord, placement_to_dict

T = TypeVar("T")

# workers on schedulers of other processes do not have the tests
cloudpickle.register_pickle_by_value(sys.modules[__name__])

_CONFIG = {
    "distributed.worker.memory.pause": False,  # a paused worker is paused by a test and stays so
    "distributed.worker.memory.terminate": False,
    "distributed.worker.multiprocessing-method": "forkserver",
    "distributed.worker.preload": [],
    "distributed.scheduler.allowed-failures": 100,
    "distributed.scheduler.validate": True,
    "distributed.comm.timeouts.connect": "10s",
    "distributed.comm.retry.count": 0,
}


def eventually(check: Callable[[], T], timeout: float = 30.0) -> T:
    """Return the first true value of `check`; fail with its last one after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := check()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {value!r}"
        time.sleep(0.02)
    return value


def all_along(check: Callable[[], Any], until: Callable[[], Any], timeout: float = 30.0) -> None:
    """Fail if `check` is not true at any moment before `until` is; look often."""
    deadline = time.monotonic() + timeout
    while not until():
        assert check()
        assert time.monotonic() < deadline, f"not within {timeout} s"
        time.sleep(0.01)
    assert check()


class Workers:
    """A scheduler in this process and named workers in processes of their own.

    Parameters
    ----------
    names : str
    nthreads : int
    memory_limit : str
    **options
        Of each worker, such as ``resources``.
    """

    def __init__(self, *names: str, nthreads: int = 1, memory_limit: str = "1GB", **options: Any) -> None:
        self.names = names
        self._spec = {
            "cls": Nanny,
            "options": {"nthreads": nthreads, "memory_limit": memory_limit, "dashboard": False, **options},
        }
        self._config = dask.config.set(_CONFIG)
        self.cluster = SpecCluster(
            workers=dict.fromkeys(names, self._spec),
            worker=self._spec,
            scheduler={
                "cls": Scheduler,
                "options": {"dashboard": False, "dashboard_address": ":0", "host": "127.0.0.1", "port": 0},
            },
            silence_logs=False,
        )
        self.client = Client(self.cluster, set_as_default=False)
        self.wait_running(*names)

    @property
    def address(self) -> str:
        return str(self.cluster.scheduler_address)

    def close(self) -> None:
        self.client.close()
        self.cluster.close()
        self._config.__exit__(None, None, None)  # type: ignore[no-untyped-call]

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What there is

    def look(self, inspect: Callable[[Scheduler], T]) -> T:
        """Return what `inspect` finds on the scheduler, on its event loop."""

        async def run() -> T:
            return inspect(self.cluster.scheduler)

        return self.cluster.sync(run)  # type: ignore[no-any-return]

    def task_state(self, key: Any) -> str | None:
        """Return the scheduler's state of a task; None if there is no such task."""
        return self.look(lambda s: str(s.tasks[key].state) if key in s.tasks else None)

    def addresses(self) -> dict[str, str]:
        """Return the addresses of the workers by name, of those that run or are paused."""
        there = (Status.running, Status.paused)
        return self.look(lambda s: {str(ws.name): ws.address for ws in s.workers.values() if ws.status in there})

    def running(self) -> set[str]:
        return self.look(lambda s: {str(ws.name) for ws in s.running})

    def run(self, function: Callable[..., T], name: str, *args: Any) -> T:
        """Return what `function` gives in the process of a worker."""
        address = self.addresses()[name]
        return self.client.run(function, *args, workers=[address])[address]  # type: ignore[no-any-return]

    def pid(self, name: str) -> int:
        return self.run(os.getpid, name)

    def wait_running(self, *names: str) -> None:
        eventually(lambda: set(names) <= self.running())

    # What happens to workers

    def kill(self, name: str) -> None:
        """Kill with -9, and wait until the scheduler has noticed. The nanny starts another."""
        before = self.addresses()[name]
        os.kill(self.pid(name), signal.SIGKILL)
        eventually(lambda: self.addresses().get(name) != before)

    def restart(self, name: str) -> None:
        """Let the nanny restart its worker, which comes back under the same name at another port."""
        self.client.restart_workers([self.addresses()[name]])

    def pause(self, name: str) -> None:
        self.run(_set_status, name, Status.paused)
        eventually(lambda: name not in self.running())

    def resume(self, name: str) -> None:
        self.run(_set_status, name, Status.running)
        self.wait_running(name)

    def retire(self, name: str, timeout: float = 60) -> None:
        """Let a worker go after its data has moved elsewhere, as ``Client.retire_workers`` does."""
        address = self.addresses()[name]
        self.cluster.worker_spec.pop(name, None)  # the cluster would start it again
        retire = self.client.scheduler.retire_workers
        self.client.sync(retire, workers=[address], close_workers=True, callback_timeout=timeout)
        self._enact()

    def remove(self, *names: str) -> None:
        """Take workers out of the cluster; their data is not evacuated."""
        for name in names:
            self.cluster.worker_spec.pop(name, None)
        self._enact()

    def add(self, *names: str, wait: bool = True, **options: Any) -> None:
        for name in names:
            spec = {**self._spec, "options": {**self._spec["options"], **options}}
            self.cluster.worker_spec[name] = spec
        try:
            self.cluster.sync(self.cluster._correct_state)
        except RuntimeError:  # a worker of that name had not been given up by the scheduler yet
            self.heal()
        if wait:
            self.wait_running(*names)

    def heal(self) -> None:
        """Replace nannies that have ended: a worker cannot come back while its name is taken by its predecessor."""
        over = (Status.closing, Status.closed, Status.failed)
        ended = [name for name, nanny in self.cluster.workers.items() if nanny.status in over]
        if ended:
            specs = {name: self.cluster.worker_spec.pop(name) for name in ended if name in self.cluster.worker_spec}
            self._enact()
            self.cluster.worker_spec.update(specs)
            self.cluster.sync(self.cluster._correct_state)

    def restore(self) -> None:
        """Come back to the workers of the beginning, all running."""
        self.heal()
        if gone := [name for name in self.cluster.worker_spec if name not in self.names]:
            self.remove(*gone)
        self.add(*(name for name in self.names if name not in self.cluster.worker_spec), wait=False)
        for name in set(self.addresses()) - self.running():
            with contextlib.suppress(KeyError, OSError):
                self.resume(name)
        self.wait_running(*self.names)

    def _enact(self) -> None:
        self.cluster.sync(self.cluster._correct_state)
        eventually(lambda: set(self.addresses()) <= set(self.cluster.worker_spec))


class Notebook:
    """Places values and keeps them, follows the scheduler's events, and answers when asked for a value again.

    Parameters
    ----------
    address : str
        Of a scheduler.
    owner : str
    """

    def __init__(self, address: str, owner: str = "nb") -> None:
        self.owner = owner
        self.values: dict[Any, Any] = {}
        self.placed: dict[str, PlaceItem] = {}
        self.restored: list[Any] = []
        self._installed = True
        self.events: list[Changes] = []
        self.mirror = Mirror()
        self.client = Client(address, set_as_default=False)
        self.client.sync(install_plugin, self.client)
        self.client.subscribe_topic("moorage", self._on_event)
        self.client.sync(self._subscribe)
        self._futures: dict[Any, Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        if self._installed and self.client.status == "running":
            self.call("release", vids=[f"{self.owner}:{name}" for name in self.placed])
        self._futures.clear()
        self.client.close()

    def call(self, handler: str, **arguments: Any) -> Any:
        return self.client.sync(getattr(self.client.scheduler, f"moorage_{handler}"), **arguments)

    def uninstall(self) -> None:
        """Take moorage away from the scheduler."""
        self.call("uninstall")
        self._installed = False

    # Placing

    def place(
        self,
        name: str,
        placement: Placement,
        value: Any = None,
        *,
        values: dict[Any, Any] | None = None,
        futures: Iterable[Future[Any]] = (),
        origin: bool = True,
        hold: bool = True,
        scatter: bool = True,
    ) -> dict[str, Any]:
        """Place a value, several by key, or what futures stand for; return the scheduler's answer."""
        keys = [future.key for future in futures]
        if not keys:
            values = values if values is not None else {f"{name}-{os.urandom(4).hex()}": value}
            keys = list(values)
            if origin:
                self.values.update(values)
            if scatter:
                sent = self.client.scatter(values)
                self._futures.update(sent)
        item: PlaceItem = {
            "vid": f"{self.owner}:{name}",
            "name": name,
            "owner": self.owner,
            "keys": keys,
            "placement": placement_to_dict(placement),
            "structure": {"kind": "value"},
            "typename": "object",
            "detail": "",
            "nbytes": [-1] * len(keys),
            "origin": origin and not futures,
            "hold": hold,
        }
        answer: dict[str, Any] = self.call("place", items=[item], client=self.client.id)
        if answer["status"] == "OK":
            self.placed[name] = item
            if hold:
                for key in keys:  # the placement alone keeps them
                    self._futures.pop(key, None)
        return answer

    def everywhere(self, name: str, value: Any, **options: Any) -> None:
        """Broadcast, and wait until it is so."""
        self.place(name, Everywhere(), value, **options)
        self.until(name)

    def pin(self, name: str, value: Any, *workers: str, **options: Any) -> None:
        """Pin, and wait until it is so."""
        self.place(name, OnWorkers(workers), value, **options)
        self.until(name)

    def move(self, name: str, placement: Placement) -> dict[str, Any]:
        """Give a variable another placement."""
        item: PlaceItem = {**self.placed[name], "placement": placement_to_dict(placement)}
        answer: dict[str, Any] = self.call("place", items=[item], client=self.client.id)
        if answer["status"] == "OK":
            self.placed[name] = item
        return answer

    def release(self, name: str) -> None:
        del self.placed[name]
        self.call("release", vids=[f"{self.owner}:{name}"])

    # Looking

    def key(self, name: str) -> Any:
        (key,) = self.placed[name]["keys"]
        return key

    def variable(self, name: str) -> VariableRecord:
        """Return where a variable stands, as the scheduler says now."""
        state: SchedulerSnapshot = self.call("state")
        return state["variables"][f"{self.owner}:{name}"]

    def state(self, name: str) -> str:
        return self.variable(name)["state"]

    def until(self, name: str, state: str = "held", on: Iterable[str] | None = None, timeout: float = 30.0) -> None:
        """Wait until a variable is in `state` and, if given, exactly the workers `on` have it."""
        wanted = None if on is None else sorted(on)

        def so() -> bool:
            record = self.variable(name)
            return record["state"] == state and (wanted is None or sorted(record["held"]) == wanted)

        try:
            eventually(so, timeout)
        except AssertionError:
            raise AssertionError(f"not {state} on {wanted} within {timeout} s: {self.variable(name)}") from None

    def holders(self, name: str) -> list[str]:
        """Return who has a variable of one key, as the workers themselves say."""
        found = self.client.run(_has, self.key(name), on_error="ignore")
        return sorted(str(worker) for worker, has in found.values() if has)

    def value(self, name: str, timeout: float = 30) -> Any:
        """Return the value of a variable of one key, from the cluster."""
        return self.future(self.key(name)).result(timeout)

    def future(self, key: Any) -> Future[Any]:
        """Return a future of a key that is there already."""
        future: Future[Any] = Future(key, self.client)
        self.client._send_to_scheduler({"op": "client-desires-keys", "keys": [key], "client": self.client.id})
        return future

    # The scheduler's events

    def agrees(self) -> None:
        """Wait until the events tell of the same variables and workers as the scheduler itself."""

        if not self._installed or self.client.status != "running":
            return

        def difference() -> Any:
            state: SchedulerSnapshot = self.call("state")
            workers = {name: _without_memory(worker) for name, worker in state["workers"].items()}
            mirrored = {name: _without_memory(worker) for name, worker in self.mirror.workers.items()}
            ours, theirs = (self.mirror.variables, mirrored), (state["variables"], workers)
            return None if ours == theirs else (ours, theirs)

        try:
            eventually(lambda: difference() is None)
        except AssertionError:
            raise AssertionError(f"events and state differ: {difference()}") from None

    async def _subscribe(self) -> None:
        assert self.client.scheduler is not None
        self.mirror.reset(await self.client.scheduler.moorage_subscribe(client=self.client.id))
        for event in self.events:
            self.mirror.apply(event)

    def _on_event(self, event: Any) -> None:
        if event["type"] == "restore":
            task = asyncio.ensure_future(self._restore(list(event["keys"])))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self.events.append(event)
            if self.mirror.seq >= 0:
                self.mirror.apply(event)

    async def _restore(self, keys: list[Any]) -> None:
        self.restored += keys
        values = {key: to_serialize(self.values[key]) for key in keys if key in self.values}
        why = "the notebook's value has changed"
        failed = {key: (why, dumps(LostError(why))) for key in keys if key not in self.values}
        assert self.client.scheduler is not None
        await self.client.scheduler.moorage_restore(values=values, failed=failed, client=self.client.id)


@contextlib.contextmanager
def notebook_on(workers: Workers, owner: str = "nb") -> Iterator[Notebook]:
    """A notebook whose variables are released at the end."""
    notebook = Notebook(workers.address, owner)
    try:
        yield notebook
        notebook.agrees()
    finally:
        notebook.close()


def children() -> list[psutil.Process]:
    """Return the processes below this one."""
    return psutil.Process().children(recursive=True)


def _without_memory(worker: Any) -> dict[str, Any]:
    return {field: value for field, value in worker.items() if field not in ("managed", "process", "spilled")}


def _has(key: Any, dask_worker: Any) -> tuple[Any, bool]:
    return dask_worker.name, key in dask_worker.data


def _set_status(status: Status, dask_worker: Any) -> None:
    dask_worker.status = status
