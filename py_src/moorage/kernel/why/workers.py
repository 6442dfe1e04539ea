"""Workers: why one is not there, does not work, or writes to its disk, in words. Pure."""

from __future__ import annotations

from moorage.kernel.ledger.advice import Shortage
from moorage.kernel.why.answer import Why
from moorage.model import WorkerInfo
from moorage.wire.why import WorkerFacts

LATELY = 600.0
"""Seconds: a worker that has restarted within these is said to have."""


def why_worker(name: str, facts: WorkerFacts, info: WorkerInfo | None, short: Shortage | None) -> Why:
    """Return why a worker is not as it should be.

    Parameters
    ----------
    name : str
        Of a worker that is or was here.
    facts : WorkerFacts
    info : WorkerInfo or None
        None if it is gone.
    short : Shortage or None
        If it is short of memory.
    """
    if info is None:
        cause, remedy = _gone(facts)
        return Why(name, "gone", cause, remedy)
    match info.status:
        case "init":
            return Why(name, "waiting", "it has only just come.", "It runs in a moment.")
        case "closing":
            return Why(name, "closing", "it is about to leave; its data moves first.", "To keep it: %cluster scale N.")
        case "paused" if short is None:
            remedy = f"%memory says what fills the workers; cluster.client.restart_workers([{name!r}]) begins anew."
            return Why(name, "paused", "it takes no tasks: its memory is full, or somebody has paused it.", remedy)
    if short is not None:
        state = "paused" if info.status == "paused" else "spilled" if info.spilled else "short of memory"
        remedy = short.remedy or "It frees that by itself when what runs ends."
        return Why(name, state, f"it {short.what}: {short.filled}", remedy)
    if facts["ending"] in ("died", "memory") and facts["seconds"] < LATELY:
        cause, remedy = _gone(facts)
        return Why(name, "restarted", cause, remedy)
    busy = f"it runs {', '.join(facts['running'])}" if facts["running"] else "it has nothing to run"
    return Why(name, "running", f"{busy}; {facts['tasks']:,} tasks in all." if facts["tasks"] else f"{busy}.")


def _gone(facts: WorkerFacts) -> tuple[str, str]:
    """Return why the latest process of a worker has gone, and what helps."""
    ago = f"{facts['seconds']:.0f} s ago"
    lost = f" {facts['lost']:,} tasks or values went with it." if facts["lost"] else ""
    match facts["ending"]:
        case "memory":
            return (
                f"its process was ended {ago} since it took more memory than its limit.{lost}",
                "Give tasks less data at a time, or workers more memory: %cluster start --memory 8GB.",
            )
        case "died":
            return (
                f"its process ended {ago}, and nobody had told it to.{lost}",
                "Its log says more: cluster.client.get_worker_logs(nanny=True). What is placed is brought back.",
            )
        case "asked":
            return f"it was told to leave {ago}.", "To have another one: %cluster scale N."
    return "it has left.", "To have another one: %cluster scale N."
