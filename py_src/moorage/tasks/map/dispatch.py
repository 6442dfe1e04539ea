"""Makes tasks of batches and sends them, with items that are pickled with references."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from dask.utils import parse_bytes
from distributed import Future

from moorage import config
from moorage._dask.client import scatter
from moorage._dask.graphs import reference
from moorage.errors import StaleError
from moorage.kernel.waiting import reaching, wait_for
from moorage.pickling.code_pickler import Notebook
from moorage.pickling.earlier import tell_of_earlier_classes
from moorage.tasks.capture import unchanged
from moorage.tasks.locality import Lane
from moorage.tasks.map.ledger import Batch
from moorage.tasks.options import Options
from moorage.tasks.placed_data import PlacedData
from moorage.tasks.references import Payload, dumps_items
from moorage.tasks.runtime import WorkerRuntime
from moorage.tasks.span import in_span
from moorage.wire.code import CodeVersion
from moorage.wire.scheduler import SPAN
from moorage.wire.tasks import BatchOptions, MapOptions

if TYPE_CHECKING:
    from moorage._dask.graphs import Task

LARGE_CODE = 64_000
"""Bytes. Code with captures that is larger is sent once, not with each batch."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a map does with each item."""

    program: Payload  # the pickled function or cell
    hash: str  # of the program
    name: str  # for the dashboard
    notebook: Notebook  # where functions among the items look for globals
    code: CodeVersion  # the user's modules that it began with, and ends with
    spread: bool = False  # an item is a tuple of arguments


class Sender:
    """Sends the batches of one map.

    `backend`, `runtime`: the cluster, and the worker side on it. `run`: of the map, for reports.
    """

    def __init__(self, backend: PlacedData, runtime: WorkerRuntime, work: Work, options: Options, run: str) -> None:
        self._backend = backend
        self._client = backend.client
        self._runtime = runtime
        self._program = program = work.program
        self._notebook = work.notebook
        self._options = options
        self.group = f"{work.name}-{run[:12]}"
        """What Dask calls the group of its tasks."""
        self._threshold = parse_bytes(config.get("submit.auto-place"))
        self._fresh: set[Any] = set(program.keys)
        self._kept = self._placed(program.keys)  # also if the variable is released meanwhile
        self._code: Future[Any] | None = None
        self._let_go: Callable[[], None] = lambda: None
        self._wire: MapOptions = {
            "run": run,
            "hash": work.hash,
            "topic": runtime.topic,
            "shared": len(program.keys),
            "retries": options.retries,
            "limits": dict(options.limits),
            "spread": work.spread,
            "once": not options.rerun,
            "code": work.code,
        }
        self.held: dict[Batch, list[Future[Any]]] = {}
        """What has to stay on the cluster for a batch that is under way."""
        self.nbytes: weakref.WeakKeyDictionary[Batch, int] = weakref.WeakKeyDictionary()
        """Size of the items of a batch, pickled."""

    def open(self) -> None:
        """Put large code on every worker."""
        if len(self._program.data) > LARGE_CODE:
            self._code = self._scatter(self._program.data)
            self._let_go = self._backend.spread([self._code.key])

    def reopen(self) -> None:
        """Put all on a scheduler that knows nothing of it."""
        self._let_go()
        self.held.clear()
        self._wire["code"] = self._backend.code_again(self._wire["code"])
        self.open()

    def close(self) -> None:
        """Let go of what was put on the cluster."""
        self._let_go()
        self._code = None
        self._kept.clear()
        self.held.clear()

    def keys_of(self, batch: Batch) -> list[Any]:
        """Return the keys that a batch needs."""
        return [*self._program.keys, *(future.key for future in self.held.get(batch, ()))]

    def weigh(self, items: Sequence[Any]) -> int:
        """Return the size of `items`, pickled, bytes; 0 if they cannot be."""
        try:
            return self._dumps(items)[0].nbytes
        except Exception:  # said when they are sent
            return 0

    def send(self, lane: Lane, batch: Batch, budget: float | None) -> Future[Any]:
        """Send a batch to the workers of `lane`, with its time budget, and return its future.

        Each goes in a graph of its own: Dask runs graphs in the order in which they come, but the tasks of one graph in
        an order of its own. Raises UnpicklableError, StaleError or InputError.
        """
        key = (self.group, batch.number, batch.attempt)
        with in_span():
            future: Future[Any] = self._client.get(
                {key: self._task(key, batch, budget)},
                key,
                sync=False,
                workers=list(lane.addresses) or None,
                resources=dict(self._options.resources) or None,
                priority=self._options.priority,
                fifo_timeout=0,
            )
        return future

    def _task(self, key: Any, batch: Batch, budget: float | None) -> Task:
        payload, packed = self._pickled(batch.items)
        named = (("an item", item) for item in batch.items) if payload.classes else ()
        tell_of_earlier_classes(self._program.classes, named, self._notebook, self._options.say)
        futures = [*payload.futures.values(), *self._placed(payload.keys)]
        items: Any = payload.data
        if payload.nbytes > self._threshold:  # too large for a graph
            blob = self._scatter(payload.data)
            futures.append(blob)
            items = reference(blob.key)
        self.held[batch] = futures
        self.nbytes[batch] = payload.nbytes
        code = reference(self._code.key) if self._code is not None else self._program.data
        wire: BatchOptions = {
            **self._wire,
            "batch": batch.name,
            "key": key,
            "n": len(batch),
            "indices": batch.indices,
            "budget": budget,
            "packed": packed,
        }
        depends = [*self._program.keys, *payload.keys]
        return self._runtime.task(key, "batch", code, items, wire, depends=depends)

    def _scatter(self, data: bytes) -> Future[Any]:
        key = f"{SPAN}-sent-{uuid4().hex}"
        with reaching(self._client):
            return wait_for(self._client, scatter, self._client, {key: data})[key]  # type: ignore[no-any-return]

    def _pickled(self, items: Any) -> tuple[Payload, bool]:
        payload, packed = self._dumps(items)
        changed = [key for key in payload.keys if key not in self._fresh and not unchanged(key, self._backend)]
        if changed and self._options.stale == "error":
            raise StaleError("An item has changed since it was placed.", "Place it again, or use --stale refresh.")
        self._fresh.update(payload.keys)
        if not changed:
            return payload, packed
        self._fresh.update([self._backend.refresh(key) for key in changed])
        return self._dumps(items)

    def _dumps(self, items: Any) -> tuple[Payload, bool]:
        return dumps_items(items, self._backend.origins, client=self._client, notebook=self._notebook)

    def _placed(self, keys: Iterable[Any]) -> list[Future[Any]]:
        return [self._backend.future(key) for key in keys if key in self._backend.origins]
