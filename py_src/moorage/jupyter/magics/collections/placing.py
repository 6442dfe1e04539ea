"""What `%scatter`, `%broadcast` and `%pin` do besides for Dask collections: persist them first, find counterparts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

from dask.base import is_dask_collection

from moorage import config
from moorage.controller.cluster import ClusterController
from moorage.errors import NotPlaceableError
from moorage.kernel.placement.structure import futures_in, has_parts
from moorage.model import PlacementState
from moorage.plan import NO_COPY

_TO_COME = ("it is still being computed", NO_COPY)
"""What the scheduler says of parts that are not there yet, or have come just now."""
_LOOK = 0.5  # seconds


def persisted(controller: ClusterController, values: dict[str, Any], namespace: dict[str, Any]) -> dict[str, Any]:
    """Return `values` with collections that are not computed persisted, and bind their names to these.

    `namespace`: the notebook's variables.
    """
    lazy = {name: value for name, value in values.items() if _is_lazy(value)}
    kept = {name: controller.persist(value) for name, value in lazy.items()}
    namespace.update(kept)
    return values | kept


def wait_for_parts(controller: ClusterController, names: Iterable[str], timeout: float | None) -> None:
    """Wait until all parts of collections that are being computed are where they should be, within bounds.

    `timeout`: in seconds. By default as long as placing waits. After that they go on.
    """
    limit = config.seconds("wait-timeout", controller.wait_timeout if timeout is None else timeout)
    deadline = time.monotonic() + limit
    changed = threading.Event()
    unsubscribe = controller.subscribe(lambda kind: changed.set())
    try:
        while time.monotonic() < deadline:
            changed.clear()
            states = controller.placer.states()
            if all(_is_over(states[name]) for name in names if name in states):
                return
            changed.wait(_LOOK)
    finally:
        unsubscribe()


def counterpart(name: str | None, controller: Iterable[str], namespace: dict[str, Any]) -> Any:
    """Return what ``--like`` names: a placed variable, or a collection of the notebook."""
    return name if name is None or name in controller else namespace.get(name, name)


def stays(value: Any) -> bool:
    """Whether the notebook keeps the value of a cell that is placed: a collection only refers to what is placed."""
    return is_dask_collection(value)


def _is_over(state: PlacementState) -> bool:
    return state.state in ("held", "lost") or (
        state.state == "waiting" and not any(reason in state.reason for reason in _TO_COME)
    )


def _is_lazy(value: Any) -> bool:
    if not (is_dask_collection(value) or has_parts(value)):
        return False
    try:
        return not futures_in(value)
    except NotPlaceableError:
        return True
