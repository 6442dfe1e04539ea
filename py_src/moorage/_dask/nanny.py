"""Nannies: how they start their worker, what they check of its memory, and how they see it end.

Relied on, as read in distributed 2026.8.0: a nanny checks the memory of its worker in its periodic callback
``memory_monitor``, if it ends workers at all; its ``memory_manager`` says where the limit is, and ``process.process``
is the process of the worker. A nanny without these parts does not take the plugin, and what asked for it fails by a
`VersionError`. ``Nanny.instantiate`` starts a process and makes the ``WorkerProcess`` that all later ones have in
common; that one's ``mark_stopped`` is called once when a process has ended, and then removes ``worker_dir``. Until it
has heard that the worker is up, which may do tasks by then, its status is ``starting``, and it has no ``worker_dir``
but the address of the process before. Without these a worker's last words are lost with it. Before the first process
is started, ``distributed.utils.get_mp_context`` imports NumPy and pandas, for a fork server that multiprocessing would
start; once, as ``_forkserver_preload_set`` says. If that is not so, clusters start some 0.2 s later.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import dask.config
import distributed.utils
from distributed.core import Status

from moorage._dask import server
from moorage._dask.parts import changed, parts_of

SUBJECT = "care for nannies"

PARTS = (
    *server.parts(SUBJECT, "distributed.nanny:Nanny"),
    *parts_of(SUBJECT, "distributed.nanny:Nanny", live=("memory_manager", "plugins", "process")),
    *parts_of(
        SUBJECT, "distributed.worker_memory:NannyMemoryManager", live=("memory_limit", "memory_terminate_fraction")
    ),
)

ENDS_PARTS = (
    *parts_of(
        "last words of workers",
        "distributed.nanny:Nanny",
        calls={"instantiate": (), "log_event": ("topic", "msg")},
        live=("process",),
    ),
    *parts_of(
        "last words of workers",
        "distributed.nanny:WorkerProcess",
        calls={"mark_stopped": ()},
        live=("process", "status", "worker_address", "worker_dir"),
    ),
)


def fork_workers() -> None:
    """Have workers forked from the server that runs already, and import nothing here for another."""
    dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})
    distributed.utils._forkserver_preload_set = True


def shadow_memory_check(nanny: Any, instead: Callable[[Callable[[], Any]], Any]) -> Callable[[], None]:
    """Call ``instead(original)`` where the nanny checks the memory of its worker, if it does; return what undoes it."""
    monitor = nanny.periodic_callbacks.get("memory_monitor")
    if monitor is None:
        return lambda: None
    original = monitor.callback

    def check() -> Any:
        return instead(original)

    monitor.callback = check

    def undo() -> None:
        if monitor.callback is check:
            monitor.callback = original

    return undo


def pid_of_worker(nanny: Any) -> int | None:
    """Return the pid of a nanny's worker, if it has one now."""
    process = nanny.process
    pid: int | None = process.process.pid if process is not None and process.process is not None else None
    return pid


def most_memory(nanny: Any) -> float:
    """Return the bytes beyond which a nanny ends its worker."""
    return float(nanny.memory_manager.memory_terminate_fraction * nanny.memory_manager.memory_limit)


def watch_ends(nanny: Any, ended: Callable[[Any, str], None]) -> Callable[[], None]:
    """Call `ended` when a process has ended that nobody had told to; return the undoing.

    It is given the `WorkerProcess` and the worker's address, empty if the nanny had not heard of it yet.

    A nanny that lacks what is relied on is not touched.
    """
    if changed(ENDS_PARTS, nanny, nanny.process):
        return lambda: None

    def watch() -> None:
        process = nanny.process
        if process is None or "mark_stopped" in vars(process):
            return
        stock = process.mark_stopped

        def mark_stopped() -> None:
            if nanny.status == Status.running and process.status in (Status.starting, Status.running):
                with contextlib.suppress(Exception):  # Dask has to go on
                    ended(process, process.worker_address if process.worker_dir else "")
            stock()

        process.mark_stopped = mark_stopped

    stock = nanny.instantiate

    async def instantiate() -> Any:
        status = await stock()
        watch()
        return status

    def undo() -> None:
        vars(nanny).pop("instantiate", None)
        if nanny.process is not None:
            vars(nanny.process).pop("mark_stopped", None)

    nanny.instantiate = instantiate
    watch()
    return undo
