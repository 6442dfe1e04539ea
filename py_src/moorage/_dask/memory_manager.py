"""The Active Memory Manager: hiding placed keys from its policy, and dropping copies past its guards.

Relied on, as read in distributed 2026.8.0: the manager runs its ``policies`` by ``run()``; ``ReduceReplicas`` looks at
``manager.scheduler.replicated_tasks`` and ``manager.pending`` only; a manager can be made for a single ``run_once``
without being registered. Without these parts the scheduler plugin does not start.
"""

from __future__ import annotations

from moorage._dask.parts import parts_of

SUBJECT = "truce with the Active Memory Manager"
_AMM = "distributed.active_memory_manager:"

PARTS = (
    *parts_of(
        SUBJECT,
        f"{_AMM}ActiveMemoryManagerExtension",
        calls={"__init__": ("scheduler", "policies", "register", "start"), "run_once": ()},
    ),
    *parts_of(SUBJECT, f"{_AMM}ReduceReplicas", calls={"run": ()}),
    *parts_of(SUBJECT, f"{_AMM}RetireWorker", has=("run",)),
    *parts_of(SUBJECT, f"{_AMM}", has=("Suggestion", "ActiveMemoryManagerPolicy")),
    *parts_of(SUBJECT, "distributed.scheduler:Scheduler", live=("replicated_tasks",)),
)
