"""What runs inside the scheduler's process and keeps data where it was put.

* ``plugin``        the scheduler plugin: its handlers, and the events it listens to
* ``asked``         what is asked of it, looked at before anything changes
* ``desired``       which variables there are and where they should be
* ``keeping``       what keeps the keys of variables alive from being placed to being released
* ``placement``     carries out what is desired: copies where they are wanted, surplus ones dropped
* ``recovery``      values whose workers are gone, and what must not go wrong when they come back
* ``flights``, ``shared``  copies on their way; which keys workers have in memory of their host
* ``journal``, ``status``  tells subscribed clients what changed, and where a variable stands
* ``adopt``         plain ``client.scatter(broadcast=)`` and ``client.replicate`` become placements too
* ``causes``        what holds up a task, and what became of a worker, for who asks
* ``transfers``     what keys are called, and which tasks used together, for who asks what has moved
* ``tasks``         whose turn it is, where tasks may run, what is remembered of them
* ``validate``      all that is known of a key, side by side, and what must hold of it; checked while tests run

These modules reach schedulers that have no moorage installed: the plugin is pickled by value, module by module. So
they import only each other, ``model``, ``plan``, ``wire``, and what Dask itself needs, and they keep no state in
module globals.

``dask scheduler --preload moorage.scheduler`` puts the plugin on a scheduler from the start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Scheduler


async def dask_setup(scheduler: Scheduler) -> None:
    """Install the plugin; Dask calls this for ``--preload moorage.scheduler``."""
    from moorage.scheduler.plugin import NAME, PlacementSchedulerPlugin

    await scheduler.register_scheduler_plugin(PlacementSchedulerPlugin(), name=NAME, idempotent=True)
