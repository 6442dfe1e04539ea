"""The notebook's variable for a cluster: when it may be bound to another one, and what becomes of the one before."""

from __future__ import annotations

from typing import Any

from moorage.controller.cluster import ClusterController
from moorage.errors import ClusterError


def check_free(namespace: dict[str, Any], name: str) -> None:
    """Refuse to bind a cluster to a name that means something else, or a cluster that can be used.

    Raises
    ------
    ClusterError
    """
    held = namespace.get(name)
    if isinstance(held, ClusterController):
        if held.status != "stopped" and not held.lost:
            raise ClusterError(
                f"The notebook's variable {name!r} is already the cluster {held.name!r}.",
                "Stop that one with %cluster stop, or give the new one another name with --as NAME.",
            )
    elif held is not None:
        raise ClusterError(
            f"The notebook's variable {name!r} is already a {type(held).__name__}.",
            "Give the cluster another name with --as NAME.",
        )


def end_lost(namespace: dict[str, Any], name: str) -> None:
    """End what is left of a cluster whose connection is lost, before another one takes its name."""
    held = namespace.get(name)
    if isinstance(held, ClusterController) and held.lost:
        held.close()


def bind(namespace: dict[str, Any], name: str, controller: ClusterController) -> None:
    """Bind `name` to a cluster; one that was lost and has it is ended."""
    if namespace.get(name) is not controller:
        end_lost(namespace, name)
    namespace[name] = controller
