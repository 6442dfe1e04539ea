"""Has a worker or nanny take a plugin that it lacks. Shipped by value, alone.

Relied on, as read in distributed 2026.8.0: both have their ``plugins`` by name, answer ``run``, which gives itself to
what it calls as ``dask_worker``, and ``plugin_add`` takes a pickled plugin, also in the place of one that is there.
Without these parts the scheduler plugin does not start.
"""

from __future__ import annotations

from typing import Any

from moorage._dask.parts import parts_of

PARTS = tuple(
    part
    for owner in ("distributed.worker:Worker", "distributed.nanny:Nanny")
    for part in parts_of("code on workers", owner, calls={"plugin_add": ("plugin", "name")})
)


async def take(dask_worker: Any, name: str, plugin: bytes) -> None:
    """Add a plugin, unless it is there: Dask would set it up a second time, and what it knows would be lost.

    `dask_worker`: the worker or nanny. What goes wrong is in its log.
    """
    if name not in dask_worker.plugins:
        await dask_worker.plugin_add(plugin=plugin, name=name)
