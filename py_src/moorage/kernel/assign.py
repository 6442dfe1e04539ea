"""Which worker gets which element of what is scattered, and whether it fits. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import cycle, islice
from typing import Literal

import dask.config
from dask.utils import format_bytes

from moorage.errors import DoesNotFitError
from moorage.model import WorkerInfo

By = Literal["cores", "workers", "memory"]


def assign(nbytes: Sequence[int], workers: Sequence[WorkerInfo], by: By = "cores") -> list[str]:
    """Return the name of the worker for each element.

    Parameters
    ----------
    nbytes : sequence of int
        Bytes of each element.
    workers : sequence of WorkerInfo
        At least one.
    by : str
        ``cores``: round robin grouped by cores, as Dask's data-locality page documents it. Workers alice and bob of
        two threads each share ten elements as 0, 1, 4, 5, 8, 9 and 2, 3, 6, 7. ``workers``: round robin, as Dask does
        today. ``memory``: each to the worker with the most free memory.
    """
    if by == "memory":
        heap = [(-free(worker), worker.name) for worker in workers]
        heapq.heapify(heap)
        names = []
        for size in nbytes:
            room, name = heap[0]
            heapq.heapreplace(heap, (room + size, name))
            names.append(name)
        return names
    turns = [worker.name for worker in workers for _ in range(max(1, worker.nthreads) if by == "cores" else 1)]
    return list(islice(cycle(turns), len(nbytes)))


def free(worker: WorkerInfo) -> float:
    """Return the bytes that a worker can take before it would pause; infinite without a limit."""
    return most(worker) - max(worker.process, worker.managed)


def most(worker: WorkerInfo) -> float:
    """Return the bytes that a worker can hold before it would pause; infinite without a limit."""
    return usable() * worker.memory_limit if worker.memory_limit else float("inf")


def usable() -> float:
    """Return what a placement may fill of a worker's memory limit: up to where it pauses, or else is ended.

    These are the settings ``distributed.worker.memory.pause`` and ``terminate``, as this process has them.
    """
    settings = (dask.config.get(f"distributed.worker.memory.{name}", None) for name in ("pause", "terminate"))
    return next((float(share) for share in settings if share), 1.0)


def check_fit(name: str, needs: dict[str, int], workers: Sequence[WorkerInfo]) -> None:
    """Check that each worker can take what it would get.

    Parameters
    ----------
    name : str
        The variable, for the error.
    needs : dict of str to int
        Worker name -> bytes that it does not have yet.
    workers : sequence of WorkerInfo

    Raises
    ------
    DoesNotFitError
        Names each worker that cannot take its part, with what it has, and who could.
    """
    rooms = {worker.name: max(0.0, free(worker)) for worker in workers}
    short = [name for name, need in needs.items() if need > rooms.get(name, float("inf"))]
    if not short:
        return
    numbers = ", ".join(f"{worker} has {format_bytes(int(rooms[worker]))} free" for worker in sorted(short)[:5])
    more = f" and {len(short) - 5} more" if len(short) > 5 else ""
    need = max(needs[worker] for worker in short)
    able = sorted(worker for worker, room in rooms.items() if room >= need)
    if able:
        where = f"It would fit on {', '.join(able[:10])}. "
    else:
        most = max(rooms, key=lambda worker: rooms[worker])
        where = f"The most that a worker has free is {format_bytes(int(rooms[most]))} ({most}). "
    raise DoesNotFitError(
        f"{name} needs {format_bytes(need)} on each worker that takes it, but {numbers}{more}.",
        f"{where}Use more or larger workers, release something, or force it: --force, force=True "
        "(the workers then spill other data to disk, or pause).",
    )
