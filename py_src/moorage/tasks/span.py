"""The span in which Dask counts what moorage runs.

Without it Dask opens a span of its own whenever a graph is submitted while nothing runs, and keeps it for ever, on the
scheduler and in the metrics of each worker: some 10 kB a call. Of this one the scheduler plugin forgets what is long
over (``scheduler/tasks/history.py``).
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from dask.base import annotate, get_annotations

from moorage.wire.scheduler import SPAN


def in_span() -> AbstractContextManager[None]:
    """Count what is submitted meanwhile in moorage's span, unless the user has opened one."""
    if "span" in get_annotations():
        return nullcontext()
    return annotate(span={"name": (SPAN,), "ids": (SPAN,)})
