"""The clusters of this process, those that are starting, and what it calls itself on them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from moorage import config
from moorage.errors import NoClusterError

if TYPE_CHECKING:
    from moorage.controller.cluster import ClusterController

_controllers: list[ClusterController] = []  # the current one last
_starts: list[Start] = []
_callbacks: list[Callable[[], None]] = []

os.register_at_fork(after_in_child=_controllers.clear)  # they are the parent's


@dataclass(slots=True)
class Start:
    """A cluster that is starting, or is being attached to."""

    # `name`, `kind`: as far as they are known
    name: str
    kind: str
    # `arrived`, `requested`: workers
    arrived: int = 0
    requested: int = 0

    def progress(self, arrived: int, requested: int) -> None:
        """Note how far it is."""
        self.arrived, self.requested = arrived, requested
        _tell()


def owner() -> str:
    """Return the label under which this process places variables.

    The setting ``moorage.owner``; else the notebook's path, which stays the same when its kernel restarts; else the
    script's name and process number.
    """
    if given := config.get("owner"):
        return str(given)
    if notebook := os.environ.get("JPY_SESSION_NAME"):
        return Path(notebook).name
    return f"{Path(sys.argv[0]).name or 'python'}-{os.getpid()}"


def home() -> str:
    """Return what tells this notebook from others, also those of its name, and is the same when it runs again."""
    return str(config.get("owner") or os.environ.get("JPY_SESSION_NAME") or Path(sys.argv[0]).absolute())


def add(controller: ClusterController) -> None:
    """Make `controller` the current one, until it is stopped."""
    if controller in _controllers:
        _controllers.remove(controller)
    else:
        controller.observe(_on_status, "status")
    _controllers.append(controller)
    _tell()


def _on_status(change: Any) -> None:
    if change["new"] == "stopped":
        if change["owner"] in _controllers:
            _controllers.remove(change["owner"])
        _tell()


@contextmanager
def starting(name: str, kind: str, requested: int = 0) -> Iterator[Start]:
    """Let everybody know of a `Start` while the context is open."""
    start = Start(name, kind, requested=requested)
    _starts.append(start)
    _tell()
    try:
        yield start
    finally:
        _starts.remove(start)
        _tell()


def starts() -> list[Start]:
    """Return the clusters that are starting, the latest last."""
    return list(_starts)


def subscribe(callback: Callable[[], None]) -> Callable[[], None]:
    """Call `callback`, in any thread, when a cluster comes or goes or a start gets on. Return how to end that."""
    _callbacks.append(callback)
    return lambda: _callbacks.remove(callback) if callback in _callbacks else None


def _tell() -> None:
    for callback in tuple(_callbacks):
        callback()


def current() -> ClusterController:
    """Return the cluster that was started or attached last. Raises NoClusterError if there is none."""
    if not (controllers := all_controllers()):
        raise NoClusterError(
            "There is no cluster.",
            "Start one with %cluster start (moorage.start()), or attach to one with %cluster attach ADDRESS.",
        )
    return controllers[-1]


def adrift() -> ClusterController | None:
    """Return the cluster that was lost last and whose process, started by this one, still runs."""
    lost = [one for one in _controllers if one.lost and one.handle is not None and one.handle.alive]
    return lost[-1] if lost else None


def connected() -> ClusterController | None:
    """Return the last of the clusters of this process to which there is a connection."""
    return next((one for one in reversed(_controllers) if one.status == "connected"), None)


def all_controllers() -> list[ClusterController]:
    """Return all clusters of this process, the current one last."""
    # An interrupt of `ClusterController.stop` may have kept one from being taken off the list.
    return [controller for controller in _controllers if controller.status != "stopped"]
