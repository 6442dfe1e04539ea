"""A worker: its data, its memory manager, and its handlers.

Relied on, as read in distributed 2026.8.0: ``handlers`` and ``periodic_callbacks`` are dicts that plugins may write to;
``get_data`` is the handler by which workers fetch from each other; ``state.tasks`` has what it knows of keys;
``monitor.get_process_memory`` is what all of its memory management measures by. A worker without these parts does not
take the plugin, and what asked for it fails by a `VersionError`.
"""

from __future__ import annotations

from typing import Any

from moorage._dask.parts import parts_of

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
    *parts_of(SUBJECT, "distributed.worker_state_machine:WorkerState", live=("tasks",)),
    *parts_of(SUBJECT, "distributed.system_monitor:SystemMonitor", calls={"get_process_memory": ()}),
)


def spill_file(worker: Any) -> Any:
    """Return what writes a worker's values to its disk, by ``dump``, or None if nothing does."""
    return getattr(worker.data, "_slow_uncached", None)


def spilled_keys(most: int, dask_worker: Any) -> list[tuple[Any, int, int]]:
    """Return which keys a worker has on disk: their bytes as they were in memory, and on disk; the largest `most`."""
    weights = getattr(getattr(dask_worker.data, "_slow_uncached", None), "weight_by_key", {})
    spilled = [(key, size.memory, size.disk) for key, size in list(weights.items())]
    spilled.sort(key=lambda one: -one[2])
    return spilled[:most]
