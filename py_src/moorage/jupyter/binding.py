"""The notebook's variables: that of a cluster, when it may be bound to another one; and those that hold data."""

from __future__ import annotations

from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from moorage.controller.cluster import ClusterController
from moorage.errors import ClusterError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def check_free(namespace: dict[str, Any], name: str) -> None:
    """Refuse to bind a cluster to a name that means something else, or a cluster that can be used.

    Raises ClusterError.
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


def notebook_names(shell: InteractiveShell) -> list[str]:
    """Return the names of the user's own variables that hold data."""
    hidden = shell.user_ns_hidden
    return [
        name
        for name, value in shell.user_ns.items()
        if not name.startswith("_") and name not in hidden and not isinstance(value, FunctionType | ModuleType | type)
    ]
