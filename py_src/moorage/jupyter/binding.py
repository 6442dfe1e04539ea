"""The notebook's variables: that of a cluster, when it may be bound to another one; and those that hold data."""

from __future__ import annotations

from contextlib import suppress
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from moorage.controller import registry
from moorage.controller.cluster import ClusterController
from moorage.errors import ClusterError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from moorage.jupyter.plain import PlainNotebook


CLUSTER = "cluster"
"""The variable that a cluster is bound to which a panel starts."""


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


def bind_if_free(shell: InteractiveShell | PlainNotebook, controller: ClusterController) -> None:
    """Make `controller` the notebook's ``cluster``, as the magics do, unless that name means something else."""
    with suppress(ClusterError):
        check_free(shell.user_ns, CLUSTER)
        bind(shell.user_ns, CLUSTER, controller)


def check_alone() -> None:
    """Refuse to start a second cluster, as a double click would."""
    if registry.starts():
        raise ClusterError("A cluster is already starting.", "Wait until it has started.")
    running = [controller for controller in registry.all_controllers() if not controller.lost]
    if running:
        raise ClusterError(
            f"The cluster {running[-1].name!r} is already running.",
            "Stop it first, or start another one with %cluster start --as NAME.",
        )


def notebook_names(shell: InteractiveShell) -> list[str]:
    """Return the names of the user's own variables that hold data."""
    hidden = shell.user_ns_hidden
    return [
        name
        for name, value in shell.user_ns.items()
        if not name.startswith("_") and name not in hidden and not isinstance(value, FunctionType | ModuleType | type)
    ]
