"""How many items go into one task: enough that a task is worth its overhead, few enough that all workers stay busy.

Pure arithmetic on what was measured; no clock, no Dask. A task also has a time budget: a worker that reaches it stops
after the item at hand and gives the rest back. So a wrong guess costs little, and items may differ in duration.
"""

from __future__ import annotations

import math

AIM = 0.3
"""Seconds that a task should take."""
LONGEST = 2.0
"""Seconds that a task should take on a cluster so large that shorter ones would keep the scheduler too busy."""
SHORTEST = 0.05
"""Seconds below which a task is not worth its overhead, even when few items are left."""
TASKS_PER_SECOND = 50
"""So many may end per second, on the whole cluster."""
FIRST = 10_000
"""Items of a task, at most, before anything was measured. Its time budget bounds it, too."""
FIRST_OF_UNKNOWN = 100
"""The same, when it is not known how many items there are."""
LARGEST_PAYLOAD = 4_000_000
"""Bytes of items in one task, unless a single item is larger."""

_FORGET = 0.7


class BatchSizer:
    """Chooses batch sizes from the measured durations of earlier batches.

    `fixed`: always this many, whatever they take.
    """

    def __init__(self, fixed: int | None = None) -> None:
        self.fixed = fixed
        self._items = 0.0  # measured, older ones counting less
        self._seconds = 0.0
        self._payload = 0.0  # bytes per item

    @property
    def seconds_per_item(self) -> float | None:
        """Mean duration of an item, seconds; None if nothing was measured yet."""
        return self._seconds / self._items if self._items else None

    def observe(self, items: int, seconds: float) -> None:
        """Note that `items` took `seconds` to compute."""
        if items:
            self._items = self._items * _FORGET + items
            self._seconds = self._seconds * _FORGET + max(seconds, 1e-7 * items)

    def observe_payload(self, items: int, nbytes: int) -> None:
        """Note that `items` were pickled into `nbytes` bytes."""
        if items:
            self._payload = max(nbytes / items, self._payload * 0.9)

    def size(self, remaining: int | None, threads: int, room: int | None = None) -> int:
        """Return the number of items of the next batch, at least 1.

        `remaining`: items that are not on the cluster yet; None if unknown. `threads`: threads that work on them.
        `room`: tasks that can be sent now, this one included.
        """
        if self.fixed is not None:
            return self.fixed
        mean = self.seconds_per_item
        portions = 2 * max(threads, 1)
        if mean is None:
            # All of it at once, if it is short: then there is no need to wait for what was measured.
            whole = FIRST_OF_UNKNOWN if remaining is None else math.ceil(remaining / (room or portions))
            size: float = min(FIRST, whole)
        else:
            # Each thread gets its share in shrinking portions, so that all end together.
            share = math.inf if remaining is None else math.ceil(remaining / portions)
            aim = min(LONGEST, max(AIM, threads / TASKS_PER_SECOND))
            size = min(aim / mean, max(share, SHORTEST / mean))
        if self._payload:
            size = min(size, LARGEST_PAYLOAD / self._payload)
        return max(1, int(size))

    def budget(self, size: int) -> float | None:
        """Return after how many seconds a worker should give back what is left of a batch of `size`; None: never."""
        if self.fixed is not None:
            return None
        mean = self.seconds_per_item
        return AIM if mean is None else max(SHORTEST, 2 * size * mean)
