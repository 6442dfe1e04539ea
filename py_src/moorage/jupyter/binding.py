"""A controller under a name of the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from moorage.kernel.cluster import ClusterController

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def bind(shell: InteractiveShell, name: str, controller: ClusterController) -> None:
    """Make `controller` the value of `name`, and known to ``%config``."""
    shell.user_ns[name] = controller
    configurables: list[Any] = shell.configurables
    if controller not in configurables:
        configurables.append(controller)


def bind_if_free(shell: InteractiveShell, name: str, controller: ClusterController) -> None:
    """Do so unless the name means something else; a controller whose cluster has ended is nothing."""
    held = shell.user_ns.get(name)
    if held is None or (isinstance(held, ClusterController) and held.status == "stopped"):
        bind(shell, name, controller)
