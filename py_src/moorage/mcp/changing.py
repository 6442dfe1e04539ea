"""The tools that change something: the kernel asks the user in the panel, and does it when the user agrees."""

from __future__ import annotations

from typing import Any

from moorage import config
from moorage.errors import MoorageError
from moorage.mcp.kernels import ask
from moorage.mcp.tools import the_notebook
from moorage.model import Everywhere, OnePerHost, OnWorkers, Placement
from moorage.wire.scheduler import placement_to_dict

_GRACE = 30.0  # seconds beyond those that the user has, which the kernel's own settings may have made longer


async def moorage_pin(names: list[str], workers: list[str], notebook: str = "") -> str:
    """Keep variables of a notebook on named workers of its Dask cluster: a copy on each. The user is asked first.

    Args:
        names: Of variables of the notebook, or of what is placed.
        workers: Names, hosts or addresses.
        notebook: Its path. Not needed if only one notebook uses a cluster.
    """
    return await _place(names, OnWorkers(tuple(workers), each=True), notebook)


async def moorage_broadcast(names: list[str], per_host: bool = False, notebook: str = "") -> str:
    """Keep variables of a notebook on every worker of its Dask cluster. The user is asked first.

    Args:
        names: Of variables of the notebook, or of what is placed.
        per_host: One copy a host rather than one a worker.
        notebook: Its path. Not needed if only one notebook uses a cluster.
    """
    return await _place(names, OnePerHost() if per_host else Everywhere(), notebook)


async def moorage_release(names: list[str], notebook: str = "") -> str:
    """Let go of placed variables of a notebook, which frees memory of the workers. The user is asked first.

    Args:
        names: Of what is placed.
        notebook: Its path. Not needed if only one notebook uses a cluster.
    """
    return await _propose("release", {"names": names}, notebook)


async def moorage_scale(workers: int, notebook: str = "") -> str:
    """Set how many workers a notebook's Dask cluster has; placed data moves before workers go. The user is asked first.

    Args:
        workers: How many there shall be.
        notebook: Its path. Not needed if only one notebook uses a cluster.
    """
    return await _propose("scale", {"n": workers}, notebook)


async def _place(names: list[str], placement: Placement, notebook: str) -> str:
    args = {"names": names, "placement": placement_to_dict(placement), "force": False}
    return await _propose("place", args, notebook)


async def _propose(op: str, args: dict[str, Any], notebook: str) -> str:
    limit = config.seconds("confirm-timeout") + _GRACE
    try:
        told = await ask(await the_notebook(notebook), "propose", {"op": op, "args": args}, limit)
    except MoorageError as error:  # what an assistant can read and act upon, rather than a failure of the tool
        return str(error)
    return str(told["text"])
