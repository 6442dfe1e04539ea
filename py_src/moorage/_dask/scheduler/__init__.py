"""What the scheduler plugin relies on, by subject; `PARTS` is all of it, looked for before the plugin touches anything.

* ``plugins``         moorage's own and others, and what is handed to workers and nannies
* ``replicas``        hearing of copies, asking workers for them
* ``task_states``     tasks, and moving them from one state to another
* ``kept_keys``       keys that are held alive in the name of a client
* ``transfers``       data on its way
* ``connections``     those of the scheduler to workers that have left
* ``questions``       what workers are asked by their stream
* ``memory_manager``  hiding placed keys from its policy
* ``events``, ``spans``  what the scheduler remembers

Of the scheduler's state what Dask's reference describes is read in ``moorage.scheduler``, too; it is among the parts.
"""

from __future__ import annotations

from moorage._dask import graphs
from moorage._dask.scheduler import (
    connections,
    events,
    kept_keys,
    memory_manager,
    plugins,
    questions,
    replicas,
    spans,
    task_states,
    transfers,
)

PARTS = tuple(
    dict.fromkeys(
        (
            *plugins.PARTS,
            *replicas.PARTS,
            *task_states.PARTS,
            *kept_keys.PARTS,
            *transfers.PARTS,
            *connections.PARTS,
            *questions.PARTS,
            *memory_manager.PARTS,
            *events.PARTS,
            *spans.PARTS,
            *graphs.PARTS,
        )
    )
)
