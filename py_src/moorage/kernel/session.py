"""The clusters of this process, and what it calls itself on them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from moorage import config
from moorage.errors import NoClusterError

if TYPE_CHECKING:
    from moorage.kernel.cluster import ClusterController

_controllers: list[ClusterController] = []  # the current one last


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


def add(controller: ClusterController) -> None:
    """Make `controller` the current one."""
    remove(controller)
    _controllers.append(controller)


def remove(controller: ClusterController) -> None:
    """Forget `controller`."""
    if controller in _controllers:
        _controllers.remove(controller)


def current() -> ClusterController:
    """Return the cluster that was started or attached last.

    Raises
    ------
    NoClusterError
        If there is none.
    """
    if not _controllers:
        raise NoClusterError(
            "There is no cluster.",
            "Start one with %cluster start (moorage.start()), or attach to one with %cluster attach ADDRESS.",
        )
    return _controllers[-1]


def all_controllers() -> list[ClusterController]:
    """Return all clusters of this process, the current one last."""
    return list(_controllers)
