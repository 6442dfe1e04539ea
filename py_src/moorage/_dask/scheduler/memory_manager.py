"""The Active Memory Manager (AMM): hiding placed keys from its policy, and dropping copies past its guards.

``hide`` hides placed keys from ``ReduceReplicas`` for as long as moorage is on the scheduler. ``let_go`` is a single
run of a throw-away manager, so that surplus copies go at once rather than at the next cycle, yet only past the
manager's own guards: never the last copy, never one that a running task depends on, never an actor's. ``RetireWorker``
is left alone.

Relied on, as read in distributed 2026.8.0: the manager runs its ``policies`` by ``run()``; ``ReduceReplicas`` looks at
``manager.scheduler.replicated_tasks`` and ``manager.pending`` only; a manager can be made for a single ``run_once``
without being registered. Without these parts the scheduler plugin does not start.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from distributed.active_memory_manager import (
    ActiveMemoryManagerExtension,
    ActiveMemoryManagerPolicy,
    ReduceReplicas,
    Suggestion,
)

from moorage._dask.parts import parts_of
from moorage.plan import Drop, Key

if TYPE_CHECKING:
    from distributed import Scheduler
    from distributed.active_memory_manager import SuggestionGenerator

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
    *parts_of(SUBJECT, "distributed.scheduler:Scheduler", live=("extensions", "replicated_tasks")),
)


def hide(scheduler: Scheduler, placed: Container[Key]) -> list[Callable[[], Any]]:
    """Make the memory manager's ``ReduceReplicas`` leave the placed keys alone, and return what undoes it.

    `placed`: looked at in each run; not copied.
    """
    amm: ActiveMemoryManagerExtension | None = scheduler.extensions.get("amm")
    policies = amm.policies if amm is not None else ()
    return [_keep_placed(policy, placed) for policy in policies if type(policy) is ReduceReplicas]


def _keep_placed(policy: ReduceReplicas, placed: Container[Key]) -> Callable[[], Any]:
    """Make `policy` leave the placed keys alone; it stays where it is, and only its ``run`` is shadowed."""

    def run() -> SuggestionGenerator:
        """Yield what upstream's policy would, were there no placed keys."""
        others = [ts for ts in policy.manager.scheduler.replicated_tasks if ts.key not in placed]
        upstream = ReduceReplicas()
        # It looks at two things of its manager. Running the original on a narrowed view keeps us equal to whatever
        # the installed version of distributed does.
        view: Any = SimpleNamespace(scheduler=SimpleNamespace(replicated_tasks=others), pending=policy.manager.pending)
        upstream.manager = view
        yield from upstream.run()

    policy.__dict__["run"] = run
    return partial(policy.__dict__.pop, "run", None)


class _LetGo(ActiveMemoryManagerPolicy):
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
    ActiveMemoryManagerExtension(scheduler, policies={_LetGo(drops)}, register=False, start=False).run_once()
