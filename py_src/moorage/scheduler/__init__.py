"""What runs inside the scheduler's process and keeps data where it was put.

* ``plugin``     the scheduler plugin: its handlers, and the events it listens to
* ``keeping``    what keeps the keys of variables alive from being placed to being released
* ``desired``    which variables there are and where they shall be
* ``reconcile``  carries out the plan, in slices of time
* ``flights``    copies on their way
* ``replicas``   tells when workers get and lose copies
* ``policy``     the memory manager's policies: leave placed keys alone, let surplus copies go
* ``origin``     keys without a copy: tasks wait for them while the notebook is asked to send the value again
* ``departed``   nobody waits for a connection to a worker that has left
* ``lives``      an earlier life of a key ends before a value is sent that comes back under it
* ``strays``     looks for what reached a worker without the scheduler knowing
* ``casualties`` gives up values that end the workers which take them
* ``adopt``      plain ``client.scatter(broadcast=)`` and ``client.replicate`` become placements too
* ``history``    keeps Dask's records of moorage's tasks from growing
* ``journal``    tells subscribed clients what changed

These modules reach schedulers that have no moorage installed: the plugin is pickled by value, module by module. So
they import only each other, ``model``, ``plan``, ``protocol``, and what Dask itself needs, and they keep no state in
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
