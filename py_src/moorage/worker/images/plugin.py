"""What a worker knows of images: values that come from a notebook are, on every worker, what the notebook wrote.

One `Table` per process, put there by `ImagesPlugin` as a module whose name contains a hash of this code: the pickle
of a carrier finds it by that name (``images/carrier.py``). Whatever a worker sends on, to another worker, to a client
or to its own disk, it sends as an image, too. Neither the scheduler nor the workers need moorage.
"""

from __future__ import annotations

import functools
import gc
import sys
import time
import traceback
import types
from collections.abc import Callable, Collection
from typing import Any

from distributed.core import Status
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.utils import offload

from moorage._dask.connecting import mend
from moorage._dask.errors import keep_errors_whole
from moorage._dask.parts import rely_on
from moorage._dask.server import answer_instead, every, handler_of, loop_of
from moorage._dask.spilling import in_memory
from moorage._dask.worker import PARTS, beat_soon, has_room, is_result, nbytes_of, objects_of, send, shadow_spilling
from moorage.images.bundle import writable_module
from moorage.images.carrier import Table
from moorage.worker.images.forwarding import Forwarding
from moorage.worker.images.lending import Lending
from moorage.worker.images.receiving import Receiving
from moorage.worker.images.sharing import Sharing
from moorage.worker.images.transfers import Transfers
from moorage.worker.last_words import Recorder

TICK = 1.0
"""Seconds between looks at what is no longer used."""

_REST = 20  # times as long as it took passes at least before garbage is collected again


class ImagesPlugin(WorkerPlugin):
    """Puts a `Table` into a worker process, as module `name`, and has the worker send what it knows as images.

    `name`: name of the module and of the plugin. `share`: whether images lie in memory that all workers of a host
    share. `code`: name of the module that knows the user's modules.
    """

    idempotent = True

    def __init__(self, name: str, share: bool = True, code: str = "") -> None:
        self.name = name
        self._code = code
        self._share = share
        self._failed = False  # a task has, since garbage was collected
        self._collect_after = 0.0
        self._undo: list[Callable[[], Any]] = []

    def setup(self, worker: Any) -> None:
        """Called by Dask on each worker, newcomers included. One that lacks what is relied on is not touched."""
        rely_on(PARTS, *objects_of(worker))
        module = sys.modules.get(self.name)
        if module is None:
            module = types.ModuleType(self.name, "The images that moorage has brought to this process.")
            table = Table(self.name, code=self._code)
            module.table, module.loads, module.map = table, table.loads, table.map  # type: ignore[attr-defined]
            module.workers = {}  # type: ignore[attr-defined]
            module.undo = keep_errors_whole()  # type: ignore[attr-defined]
            sys.modules[self.name] = module
            writable = types.ModuleType(writable_module(self.name), "The same, for values that tasks may write to.")
            writable.loads, writable.map = table.loads_writable, table.map_writable  # type: ignore[attr-defined]
            sys.modules[writable.__name__] = writable
        self._module = module
        module.workers[worker.address] = worker
        module.table.has_room = functools.partial(has_room, worker)
        self._sharing = Sharing(worker, module.table, self._share)
        self._forwarding = Forwarding(worker, module.table, self._sharing, self._share)
        transfers = Transfers(worker)
        self._undo = [
            _send_as_images(worker, module.table, self._sharing, self._forwarding, transfers),
            _spill_as_images(worker, module.table),
            self._sharing.close,
            self._forwarding.close,
            Lending(worker, module.table).close,
            Receiving(worker, module.table, self._share, transfers).close,
            transfers.close,
            Recorder(worker).close,
            mend(worker),
            every(worker, TICK, self.name, self._sweep),
        ]
        beat_soon(worker)  # the scheduler is to know soon what this worker can do

    def transition(self, key: Any, start: str, finish: str, **_: Any) -> None:
        """Called by Dask whenever a task of the worker changes its state."""
        if finish == "memory" and len(self._module.table):
            self._sharing.tell(key)
        elif start == "memory":
            self._forwarding.forget(key)
        if finish == "error":
            self._failed = True

    def teardown(self, worker: Any) -> None:
        """Called by Dask when the plugin is removed, and when the worker closes."""
        if not self._undo:
            return  # it was not set up: the worker lacks what is relied on
        for undo in self._undo:
            undo()
        self._undo = []
        self._module.workers.pop(worker.address, None)
        # Dask takes a plugin away before it puts it there once more: what is known of values is not to be lost by that
        loop_of(worker).call_later(TICK, self._clean_up)

    def _clean_up(self) -> None:
        if not self._module.workers and sys.modules.get(self.name) is self._module:
            self._module.undo()
            del sys.modules[self.name]
            sys.modules.pop(writable_module(self.name), None)

    def _sweep(self) -> None:
        self._module.table.mappings.expire()
        self._forwarding.expire()
        self._collect()
        self._module.table.sweep(self._in_memory)

    def _collect(self) -> None:
        """Let go of mapped memory that failed tasks were given.

        Dask leaves it in a cycle: the error, its traceback, and the frame that had the error at hand.
        """
        if self._failed and len(self._module.table.mappings) and (begun := time.monotonic()) > self._collect_after:
            self._failed = False
            gc.collect()
            self._collect_after = time.monotonic() + _REST * (time.monotonic() - begun)

    def _in_memory(self) -> Collection[int]:
        workers = list(self._module.workers.values())
        return {id(value) for worker in workers for part in in_memory(worker.data) for value in list(part.values())}


def _send_as_images(
    worker: Any, table: Table, sharing: Sharing, forwarding: Forwarding, transfers: Transfers
) -> Callable[[], None]:
    """Have `worker` answer requests for data with images; return how to end that."""

    @functools.wraps(handler_of(worker, "get_data"))
    async def get_data(comm: Any, keys: Any, who: Any = None, serializers: Any = None) -> Any:
        outgoing: dict[Any, Any] = {}
        mapped: dict[Any, int] = {}
        if not comm.peer_address.startswith("inproc") and (serializers is None or "pickle" in serializers):
            outgoing, mapped = await as_images(keys, who)
        try:
            answer = await send(worker, comm, outgoing, keys=keys, who=who, serializers=serializers)
            if answer is Status.dont_reply:  # it was sent, and logged just now
                transfers.mapped(who or "", mapped)
            return answer
        except OSError as error:
            _forget_frames(error)  # Dask's log keeps it
            raise
        finally:
            outgoing.clear()  # the connection, which stays, remembers the context in which it was written to

    async def as_images(keys: Any, who: Any) -> tuple[dict[Any, Any], dict[Any, int]]:
        """Return what is sent in the place of values, and how many bytes of each the other side maps."""
        outgoing: dict[Any, Any] = await forwarding.carriers(who, keys)
        mapped = {key: shareable(key) for key in outgoing}
        keys = [key for key in keys if key not in outgoing]
        changed = set()  # of these the other worker must not map what lies in memory: that is what was placed
        for key in [key for key in keys if is_result(worker, key)]:
            value = worker.data.get(key)
            if value in table and await offload(table.has_changed, value):
                changed.add(key)
        known = await sharing.offer(who, [key for key in keys if key not in changed])
        for key in keys:
            value = worker.data.get(key)
            if table.image_of(value) is not None and key not in changed:
                outgoing[key] = table.outgoing(value, known)
                if (segment := table.segment_of(value)) is not None and segment.nonce in known:
                    mapped[key] = shareable(key)
            elif table.as_image(value):  # to be written first
                outgoing[key] = await offload(functools.partial(table.outgoing, value, changed=key in changed))
        return outgoing, mapped

    def shareable(key: Any) -> int:
        image = table.image_of(sharing.in_memory(key))
        return min(image.shareable, nbytes_of(worker, key)) if image is not None else 0

    return answer_instead(worker, get_data=get_data)


def _forget_frames(error: BaseException) -> None:
    """Let go of what was in the hands of code when a transfer was broken off."""
    traceback.clear_frames(error.__traceback__)
    if error.__cause__ is not None:  # the socket's, which its stream keeps, which its frames keep
        error.__cause__.__traceback__ = None


def _spill_as_images(worker: Any, table: Table) -> Callable[[], None]:
    """Have `worker` write images to its disk, so that they are images when they come back; return how to end that."""

    def dump(original: Callable[[Any], Any], value: Any) -> Any:
        if value not in table:
            return original(value)
        written = original(table.as_it_is(value))
        keys = sum(value is other for part in in_memory(worker.data) for other in list(part.values()))
        if keys < 2:  # a task may return what it was given: then one object has several keys
            table.forget(value)
        return written

    return shadow_spilling(worker, dump)
