"""A worker: its data, its memory manager, and its handlers; and its nanny, which sees it end.

Relied on, as read in distributed 2026.8.0: ``handlers`` and ``periodic_callbacks`` are dicts that plugins may write to;
``get_data`` is the handler by which workers fetch from each other; ``state.tasks`` has what it knows of keys;
``monitor.get_process_memory`` is what all of its memory management measures by. A worker without these parts does not
take the plugin, and what asked for it fails by a `VersionError`. ``Nanny.instantiate`` starts a process and makes
the ``WorkerProcess`` that all later ones have in common; that one's ``mark_stopped`` is called once when a process has
ended, and then removes ``worker_dir``. Without these a worker's last words are lost with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from distributed.core import Status

from moorage._dask.moved import logs, shuffles
from moorage._dask.parts import parts_of
from moorage._dask.transfers import CONNECTIONS

SUBJECT = "code on workers"

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.worker:Worker",
        has=("data",),
        calls={"get_data": ("comm", "keys"), "log_event": ("topic", "msg")},
        live=("handlers", "loop", "memory_manager", "monitor", "periodic_callbacks", "rpc", "state"),
        entries={"handlers": ("get_data",)},
    ),
    *CONNECTIONS,
    *parts_of(SUBJECT, "distributed.worker_state_machine:WorkerState", live=("tasks",)),
    *parts_of(SUBJECT, "distributed.system_monitor:SystemMonitor", calls={"get_process_memory": ()}),
    *logs.PARTS,
    *shuffles.PARTS,
)

NANNY_PARTS = (
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


def watch_ends(nanny: Any, ended: Callable[[Any], None]) -> Callable[[], None]:
    """Call `ended` with the `WorkerProcess` when a process has ended that nobody had told to; return the undoing."""

    def watch() -> None:
        process = nanny.process
        if process is None or "mark_stopped" in vars(process):
            return
        stock = process.mark_stopped

        def mark_stopped() -> None:
            if process.status == nanny.status == Status.running:
                with contextlib.suppress(Exception):  # Dask has to go on
                    ended(process)
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


def spill_file(worker: Any) -> Any:
    """Return what writes a worker's values to its disk, by ``dump``, or None if nothing does."""
    return getattr(worker.data, "_slow_uncached", None)


def spilled_keys(most: int, dask_worker: Any) -> list[tuple[Any, int, int]]:
    """Return which keys a worker has on disk: their bytes as they were in memory, and on disk; the largest `most`."""
    weights = getattr(getattr(dask_worker.data, "_slow_uncached", None), "weight_by_key", {})
    spilled = [(key, size.memory, size.disk) for key, size in list(weights.items())]
    spilled.sort(key=lambda one: -one[2])
    return spilled[:most]
