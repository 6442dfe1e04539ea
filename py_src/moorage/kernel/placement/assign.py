"""Which worker gets which element of what is scattered. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import cycle, islice
from typing import Literal

from moorage.capacity import free
from moorage.model import WorkerInfo

By = Literal["cores", "workers", "memory", "blocks"]


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
        today; ``blocks`` is the same. ``memory``: each to the worker with the most free memory.
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
