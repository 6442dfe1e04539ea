"""All that the scheduler plugin relies on; looked for before it touches anything."""

from __future__ import annotations

from moorage._dask import events, graphs, kept_keys, memory_manager, replicas, task_states, transfers

PARTS = (
    *events.PARTS,
    *replicas.PARTS,
    *task_states.PARTS,
    *kept_keys.PARTS,
    *transfers.PARTS,
    *memory_manager.PARTS,
    *graphs.PARTS,
)
