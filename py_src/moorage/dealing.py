"""Which worker gets which part of a collection, so that all get as much and little has to be moved.

Pure. To keep as much as fits where it is, and to give the rest to whoever has least, moves close to the fewest bytes
that there can be: what is on workers that should have none, and what others have beyond their share. How parts get
there is ``plan.py``.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence

SLACK = 0.02
"""By how much of its share a worker may have more, if that saves a move."""
LEFT_ALONE = 0.05
"""Up to so much beyond the share of a worker nothing is moved at all."""
_STEPS = 1 << 14  # into which the share of a worker is divided, to choose what it keeps


def deal(nbytes: Sequence[int], holders: Sequence[Collection[str]], workers: Sequence[str]) -> list[str]:
    """Return the worker of each part.

    `nbytes`: bytes of each part; 1 for each, to deal evenly by number. `holders`: of each part, the workers that have
    it, others than `workers` included. `workers`: that share the parts; at least one. Returns one of `workers` for each
    part.
    """
    sizes = [max(0, size) for size in nbytes]
    chosen: list[str | None] = [None] * len(sizes)
    at: dict[str, list[int]] = {worker: [] for worker in workers}
    share = sum(sizes) / len(workers)
    loads = dict.fromkeys(workers, 0)
    # those of which there is no choice first
    for index in sorted(range(len(sizes)), key=lambda i: (len(holders[i]), -sizes[i])):
        here = [worker for worker in workers if worker in holders[index]]
        if here:
            best = min(here, key=lambda worker: loads[worker])
            at[best].append(index)
            loads[best] += sizes[index]
    if sum(map(len, at.values())) == len(sizes) and max(loads.values()) <= share * (1 + LEFT_ALONE):
        return _by_part(at, len(sizes))
    kept = {worker: keep([sizes[i] for i in mine], share * (1 + SLACK)) for worker, mine in at.items()}
    left: list[tuple[int, int, str]] = []  # -bytes, index, worker that has it or ""
    loads = dict.fromkeys(workers, 0)
    for worker, mine in at.items():
        for position, index in enumerate(mine):
            if position in kept[worker]:
                chosen[index] = worker
                loads[worker] += sizes[index]
            else:
                left.append((-sizes[index], index, worker))
    has = {index for mine in at.values() for index in mine}
    left += [(-size, index, "") for index, size in enumerate(sizes) if index not in has]
    heap = [(load, order, worker) for order, (worker, load) in enumerate(loads.items())]
    heapq.heapify(heap)
    for size, index, origin in sorted(left):
        load, order, worker = heap[0]
        if origin and loads[origin] <= load:  # no worse there, and nothing to move
            worker, load, order = origin, loads[origin], workers.index(origin)
            heap.remove((load, order, worker))
            heap.append((load - size, order, worker))
            heapq.heapify(heap)
        else:
            heapq.heapreplace(heap, (load - size, order, worker))
        loads[worker] = load - size
        chosen[index] = worker
    return [worker for worker in chosen if worker is not None]


def keep(sizes: Sequence[int], room: float) -> set[int]:
    """Return positions in `sizes` of a selection that fills `room` as far as that can be, within a small rounding.

    `room`: not exceeded.
    """
    if sum(sizes) <= room:
        return set(range(len(sizes)))
    if room <= 0:
        return {i for i, size in enumerate(sizes) if size == 0}
    step = max(1.0, room / _STEPS)
    most = int(room // step)
    units = [-int(-size // step) for size in sizes]  # rounded up: the selection fits for certain
    greedy = _greedy(units, most)
    if len(sizes) > 256 or sum(units[i] for i in greedy) > 0.99 * most:
        return greedy  # where there are so many, single ones matter little
    mask, reachable = (1 << (most + 1)) - 1, [1]  # after each size, the bits of the sums that can be
    for unit in units:
        reachable.append((reachable[-1] | (reachable[-1] << unit)) & mask)
    total, best = reachable[-1].bit_length() - 1, set[int]()
    for i in range(len(units) - 1, -1, -1):
        if not reachable[i] >> total & 1:
            best.add(i)
            total -= units[i]
    return max(best, greedy, key=lambda chosen: sum(sizes[i] for i in chosen))


def with_others(others: Sequence[Collection[str]], holders: Sequence[Collection[str]]) -> list[str | None]:
    """Return for each part a worker that has its counterpart, one that has the part itself if there is such; or None.

    `others`, `holders`: the workers that have the counterpart of each part, and that have the part.
    """
    pairs = zip(others, holders, strict=True)
    return [min(other, key=lambda worker: (worker not in mine, worker), default=None) for other, mine in pairs]


def _greedy(units: Sequence[int], room: int) -> set[int]:
    chosen = set[int]()
    for i in sorted(range(len(units)), key=lambda i: (-units[i], i)):
        if units[i] <= room:
            chosen.add(i)
            room -= units[i]
    return chosen


def _by_part(at: Mapping[str, Collection[int]], n: int) -> list[str]:
    found = {index: worker for worker, mine in at.items() for index in mine}
    return [found[index] for index in range(n)]
