"""The two policies of the Active Memory Manager (AMM) that know of placement.

``KeepPlaced`` stands in for ``ReduceReplicas`` for as long as moorage is on the scheduler. ``LetGo`` lives for a
single run of a throw-away manager, so that surplus copies go at once rather than at the next cycle, yet only past the
manager's own guards: never the last copy, never one that a running task depends on, never an actor's.
``RetireWorker`` is left alone.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from distributed.active_memory_manager import (
    ActiveMemoryManagerExtension,
    ActiveMemoryManagerPolicy,
    ReduceReplicas,
    Suggestion,
)

from moorage.plan import Drop, Key

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.active_memory_manager import SuggestionGenerator


class KeepPlaced(ReduceReplicas):
    """``ReduceReplicas`` for every key that is not placed.

    Parameters
    ----------
    placed : container of keys
        Looked at in each run; not copied.
    """

    def __init__(self, placed: Container[Key]) -> None:
        self.placed = placed

    def run(self) -> SuggestionGenerator:
        """Yield what upstream's policy would, were there no placed keys."""
        placed = self.placed
        others = [ts for ts in self.manager.scheduler.replicated_tasks if ts.key not in placed]
        upstream = ReduceReplicas()
        # It looks at two things of its manager. Running the original on a narrowed view keeps us equal to whatever
        # the installed version of distributed does.
        view: Any = SimpleNamespace(scheduler=SimpleNamespace(replicated_tasks=others), pending=self.manager.pending)
        upstream.manager = view
        yield from upstream.run()


class LetGo(ActiveMemoryManagerPolicy):
    """Suggest exactly the given drops."""

    def __init__(self, drops: Iterable[Drop]) -> None:
        self.drops = drops

    def run(self) -> SuggestionGenerator:
        """Yield one suggestion for each drop whose key and worker are still there."""
        scheduler = self.manager.scheduler
        for drop in self.drops:
            ts, ws = scheduler.tasks.get(drop.key), scheduler.workers.get(drop.worker)
            if ts is not None and ws is not None:
                yield Suggestion("drop", ts, {ws})


def let_go(scheduler: Scheduler, drops: Iterable[Drop]) -> None:
    """Let go of surplus copies now, as far as the memory manager's guards allow."""
    ActiveMemoryManagerExtension(scheduler, policies={LetGo(drops)}, register=False, start=False).run_once()
