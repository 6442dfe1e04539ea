"""Tasks as the scheduler knows them: their fields, and moving them from one state to another.

Relied on, as read in distributed 2026.8.0: a released key that has a ``run_spec`` goes to ``waiting`` instead of being
forgotten, with resource restrictions that nobody meets to ``no-worker``, and a worker that is told to compute what it
has in memory answers that it is done. Without these parts the scheduler plugin does not start.
"""

from __future__ import annotations

from moorage._dask.parts import parts_of

SUBJECT = "way to bring back lost values"

PARTS = (
    *parts_of(
        SUBJECT,
        "distributed.scheduler:Scheduler",
        calls={
            "new_task": ("key", "spec", "state"),
            "transition": ("key", "finish", "stimulus_id"),
            "transitions": ("recommendations", "stimulus_id"),
        },
        live=(
            "allowed_failures", "host_info", "queued", "resources", "running", "task_groups", "tasks", "unrunnable",
            "workers",
        ),
    ),
    *parts_of(
        SUBJECT,
        "distributed.scheduler:TaskState",
        has=(
            "actor", "annotations", "dependencies", "dependents", "exception_blame", "exception_text",
            "host_restrictions", "loose_restrictions", "nbytes", "prefix", "priority", "processing_on",
            "resource_restrictions", "run_spec", "state", "suspicious", "type", "waiters", "waiting_on", "who_has",
            "who_wants", "worker_restrictions",
        ),
        calls={"get_nbytes": (), "set_nbytes": ("nbytes",)},
    ),
    *parts_of(
        SUBJECT,
        "distributed.scheduler:WorkerState",
        has=(
            "executing", "has_what", "host", "memory", "memory_limit", "metrics", "nanny", "nbytes", "processing",
            "status",
        ),
    ),
)  # fmt: skip
