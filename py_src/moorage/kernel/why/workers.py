"""Workers: why one is not there, does not work, or writes to its disk, in words. Pure."""

from __future__ import annotations

from moorage.kernel.ledger.advice import Shortage
from moorage.kernel.why.answer import Why
from moorage.kernel.why.endings import how_it_ended
from moorage.model import WorkerInfo
from moorage.wire.why import WorkerEnd, WorkerFacts

LATELY = 600.0
"""Seconds: a worker that has restarted within these is said to have."""


def why_worker(name: str, facts: WorkerFacts, info: WorkerInfo | None, short: Shortage | None) -> Why:
    """Return why a worker is not as it should be.

    `name`: of a worker that is or was here. `info`: None if it is gone. `short`: if it is short of memory.
    """
    if info is None:
        return Why(name, "gone", *_gone(facts["end"]))
    match info.status:
        case "init":
            return Why(name, "waiting", "it has just joined.", "It will be running in a moment.")
        case "closing":
            return Why(name, "closing", "it is about to leave; its data moves first.", "To keep it: %cluster scale N.")
        case "paused" if short is None:
            remedy = f"%memory says what fills the workers; cluster.client.restart_workers([{name!r}]) restarts it."
            return Why(
                name,
                "paused",
                "it takes no tasks: its memory is full, or somebody has paused it.",
                remedy,
                line="%memory",
            )
    if short is not None:
        state = "paused" if info.status == "paused" else "spilled" if info.spilled else "short of memory"
        remedy = short.remedy or "It frees memory by itself when its tasks end."
        return Why(name, state, f"it {short.what}: {short.filled}", remedy, line=short.line)
    if facts["end"]["how"] in ("died", "memory") and facts["end"]["seconds"] < LATELY:
        return Why(name, "restarted", *_gone(facts["end"]))
    if facts["end"]["how"] == "restarted" and facts["end"]["seconds"] < LATELY:
        return Why(name, "running", _gone(facts["end"])[0])
    busy = f"it runs {', '.join(facts['running'])}" if facts["running"] else "it has nothing to run"
    return Why(name, "running", f"{busy}; {facts['tasks']:,} tasks in all." if facts["tasks"] else f"{busy}.")


def _gone(end: WorkerEnd) -> tuple[str, str, tuple[str, ...]]:
    """Return why the latest process of a worker has gone, what helps, and what it logged last."""
    how, remedy = how_it_ended(end)
    if not how:
        return "it has left.", "To start another one: %cluster scale N.", ()
    lost = f" {end['lost']:,} tasks or values went with it." if end["lost"] and end["how"] != "asked" else ""
    return f"{how}.{lost}", remedy, tuple(end["lines"])
