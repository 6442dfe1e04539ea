"""How many workers have come, told to a callback while somebody waits for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from moorage.kernel.link import Kind

if TYPE_CHECKING:
    from moorage.kernel.cluster import ClusterController


class Arrivals:
    """Reports arrivals to a callback while it is open."""

    def __init__(self, controller: ClusterController, callback: Callable[[int, int], None] | None) -> None:
        self._controller = controller
        self._callback = callback
        self._end: Callable[[], None] = lambda: None

    def __enter__(self) -> None:
        if self._callback is not None:
            self._end = self._controller.subscribe(self._report)

    def __exit__(self, *exc: object) -> None:
        self._end()

    def _report(self, kind: Kind) -> None:
        if kind in ("workers", "cluster") and self._callback is not None:
            self._callback(self._controller.n_workers, self._controller.requested)
