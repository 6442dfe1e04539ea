"""A notebook in little, for tests of the scheduler plugin.

It speaks with the plugin as a kernel does, without the kernel side of moorage, and looks at the workers themselves to
see what they hold.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import cloudpickle
from distributed import Client, Future
from distributed.protocol import to_serialize
from distributed.protocol.pickle import dumps

from moorage.counts import expand
from moorage.errors import LostError
from moorage.kernel.connection.mirror import Mirror
from moorage.kernel.install import install_plugin
from moorage.model import Everywhere, OnWorkers, Placement
from moorage.wire.scheduler import (
    Changes,
    NoticeEvent,
    PlaceItem,
    SchedulerSnapshot,
    VariableRecord,
    WorkerLeft,
    placement_to_dict,
)
from moorage.wire.tally import WorkRow
from tests.helpers import eventually
from tests.workers import Workers

# workers on schedulers of other processes do not have the tests
cloudpickle.register_pickle_by_value(sys.modules[__name__])


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
        self.notices: list[NoticeEvent] = []
        self.departures: list[WorkerLeft] = []
        self.work: list[WorkRow] = []
        self.mirror = Mirror()
        self.client = Client(address, set_as_default=False)
        self.client.sync(install_plugin, self.client)
        self.client.subscribe_topic("moorage", self._on_event)
        self.client.subscribe_topic("moorage-work", lambda rows: setattr(self, "work", rows))
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
        nbytes: int = -1,
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
            "nbytes": [nbytes] * len(keys),
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

    def variable(self, name: str) -> dict[str, Any]:
        """Return where a variable stands, as the scheduler says now, with the keys of each worker by its name."""
        state: SchedulerSnapshot = self.call("state")
        return _expanded(state["variables"][f"{self.owner}:{name}"], state["workers"])

    def state(self, name: str) -> str:
        return str(self.variable(name)["state"])

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
            ours = {vid: _expanded(record, mirrored) for vid, record in self.mirror.variables.items()}, mirrored
            theirs = {vid: _expanded(record, workers) for vid, record in state["variables"].items()}, workers
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
        elif event["type"] == "notice":
            self.notices.append(event)
        elif event["type"] == "worker-left":
            self.departures.append(event)
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


def _expanded(record: VariableRecord, workers: Iterable[str]) -> dict[str, Any]:
    held, pending = (expand(counts, workers) for counts in (record["held"], record["pending"]))
    return {**record, "held": held, "pending": pending}


def _without_memory(worker: Any) -> dict[str, Any]:
    return {
        field: value for field, value in worker.items() if field not in ("managed", "process", "spilled", "host_free")
    }


def _has(key: Any, dask_worker: Any) -> tuple[Any, bool]:
    return dask_worker.name, key in dask_worker.data
