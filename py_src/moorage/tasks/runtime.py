"""Puts the worker side of submitting (``worker/tasks/``) on a cluster, and brings back what it reports.

The code goes to the workers as a Dask worker plugin, by value, once per cluster; newcomers get it from the scheduler.
Reports (printed text, progress, what went wrong) come back as Dask events on one topic per client.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import operator
import pickle
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

import dask

from moorage._dask import graphs
from moorage._dask.client import connection_of
from moorage.kernel.code import sending as code
from moorage.kernel.images import sending
from moorage.kernel.install import (
    DASK_ON_WORKERS,
    WorkerSide,
    all_in,
    hash_of_sources,
    install_on_workers,
    pickled_by_value,
)
from moorage.kernel.waiting import scheduler_of, unsubscribe, wait_for
from moorage.wire.tasks import OUTPUT_TOPIC, Report
from moorage.worker.taking import Taken
from moorage.worker.tasks.runtime import RuntimePlugin

if TYPE_CHECKING:
    from distributed import Client

    from moorage._dask.graphs import Task

MODULES = (
    *DASK_ON_WORKERS,
    *all_in("moorage.images", "moorage.worker.tasks", "moorage.worker.unpickling"),
    "moorage.code.objects",
    "moorage.naming",
    *(f"moorage.worker.{name}" for name in ("holdings", "shared_module", "taking", "text")),
)
MODULE = f"moorage_worker_{hash_of_sources(MODULES)}"
"""Name of the module that workers have, and of the plugin; differs between versions of this code."""
SIDE = WorkerSide(MODULE, RuntimePlugin, (MODULE, sending.MODULE, code.MODULE), MODULES)

logger = logging.getLogger(__name__)


class WorkerRuntime:
    """The worker side, on one cluster, as seen by one client.

    `topic`: of the reports to this client.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.topic = OUTPUT_TOPIC + client.id
        self._lock = threading.Lock()
        self._installed_on: object = None  # connection
        self._listeners: weakref.WeakValueDictionary[str, ReportListener] = weakref.WeakValueDictionary()

    def install(self) -> None:
        """Put the code on all workers, unless it is there; begin to listen. Quick when called again.

        After a new connection, maybe to another scheduler, all of that once more.
        """
        with self._lock:
            connection = connection_of(self.client)
            if self._installed_on is not None and self._installed_on is connection:
                return
            wait_for(self.client, install_on_workers, self.client, SIDE)
            wait_for(self.client, sending.Images(self.client, code.MODULE).install)
            self.client.subscribe_topic(self.topic, self._deliver)
            shorten = dask.config.get("admin.traceback.shorten")
            ours = [r"moorage[\\\/](worker|kernel|tasks|pickling)[\\\/]"]
            dask.config.set({"admin.traceback.shorten": shorten + [own for own in ours if own not in shorten]})
            self._installed_on = connection

    def leave(self) -> None:
        """Stop listening; any thread."""
        unsubscribe(self.client, self.topic)

    def uninstall(self) -> None:
        """Take the code off the workers. Tasks that need it fail from now on."""
        with self._lock:
            if self._installed_on is not None and self.client.status == "running":
                self._installed_on = None
                wait_for(self.client, self.client.unregister_worker_plugin, MODULE)

    def task(self, key: Any, function: str, *args: Any, depends: Iterable[Any] = ()) -> Task:
        """Return the task that calls `function` of the worker's runtime with `args` and the values of keys."""
        found = graphs.task(None, pickle.loads, _taken(function))
        return graphs.task(key, operator.call, found, *args, *map(graphs.reference, depends))

    def listen(self, run: str, callback: Callable[[Report], None]) -> ReportListener:
        """Give the reports about `run` to `callback`, on the client's event loop, while the listener is kept.

        A method is no reason for its object to live: it may keep the listener.
        """
        listener = self._listeners[run] = ReportListener(run, callback)
        return listener

    def unclaim(self, run: str) -> None:
        """Let the scheduler forget what has begun of a run that has ended. Does not wait."""
        client: Any = self.client
        if client.status == "running":
            unclaim = scheduler_of(client).moorage_unclaim
            client.loop.add_callback(_quietly, unclaim, client=client.id, run=run)

    def _deliver(self, event: tuple[float, Report]) -> None:
        report = event[1]
        listener = self._listeners.get(report["run"])
        if listener is None:
            return
        try:
            if (callback := listener.callback()) is not None:
                callback(report)
        except Exception:
            logger.exception("A report of a task could not be handled")


class ReportListener:
    """Keeps a callback registered for the reports of one run."""

    def __init__(self, run: str, callback: Callable[[Report], None]) -> None:
        self.run = run
        self.callback = weakref.WeakMethod(callback) if inspect.ismethod(callback) else lambda: callback


async def _quietly(ask: Callable[..., Awaitable[Any]], **kwargs: Any) -> None:
    with contextlib.suppress(Exception):  # a scheduler that is gone has forgotten
        await ask(**kwargs)


@functools.cache
def _taken(function: str) -> bytes:
    return pickled_by_value(Taken(MODULE, function), (Taken.__module__,))
