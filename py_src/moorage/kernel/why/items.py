"""Items of a map: why one has no value yet, in words. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from moorage.kernel.why.answer import Why
from moorage.kernel.why.tasks import killed, why_tasks
from moorage.naming import short_name
from moorage.wire.why import WhyReply, WorkerEnd


def why_item(
    subject: str, results: str, error: str, worker: str, attempt: int, keys: Collection[Any], reply: WhyReply
) -> Why:
    """Return why an item is not done, or that it is.

    Parameters
    ----------
    subject, results : str
        ``results[7]`` and ``results``.
    error : str
        What it raised, in a line.
    worker : str
        That runs or ran it, if that is known.
    attempt : int
        How often it was sent again since its worker was lost.
    keys : collection of Dask keys
        Of the task it is in; none if its value is in the notebook, or it has not begun.
    reply : WhyReply
        What the scheduler said of them.
    """
    if error:
        where = f" on {short_name(worker)}" if worker else ""
        return Why(
            subject,
            "failed",
            f"{error}{where}.",
            f"{results}.retry() runs what has failed again.",
            line=f"{results}.retry()",
        )
    if not keys:
        return Why(subject, "in memory", "in the notebook.")
    return why_tasks(subject, keys, reply, attempt)


def why_cancelled(subject: str, results: str, worker: str) -> Why:
    """Return that an item was cancelled. `worker`: that had it, if it had begun; else it never has."""
    cause = f"it was cancelled on {short_name(worker)}." if worker else "it was never started."
    return Why(subject, "cancelled", cause, f"{results}.retry() runs it.", line=f"{results}.retry()")


def why_killed(subject: str, results: str, end: WorkerEnd) -> Why:
    """Return that the workers which ran an item ended, and how the last of them did."""
    cause, remedy = killed("it", end)
    retry = f"{results}.retry()"
    return Why(subject, "killed", f"{cause}.", f"{remedy} {retry} runs it again.", tuple(end["lines"]), retry)
