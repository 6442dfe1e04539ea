"""What fills the workers' memory without being placed, as the panel shows it: a row a name, and two sums a worker.

`PanelLedger` asks the cluster when something has changed there and somebody looks, and as long as something is being
computed: at most once a second, and less often where that is work for the scheduler, until there is less of it.
Nothing of the size of names times workers goes to a panel.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Event, Thread
from typing import Any

from dask.base import is_dask_collection

from moorage.errors import MoorageError
from moorage.kernel.ledger.memory import Memory, NamedMemory
from moorage.tasks.map.results import Results
from moorage.wire.panel import MemoryKind, PanelItems, PanelNamedMemory

logger = logging.getLogger(__name__)

_INTERVAL = 1.0  # seconds between two questions
_SHARE = 200  # times what the scheduler takes for an answer
_LONGEST = 600.0  # seconds
_MOST_ON = 2


class PanelLedger:
    """The ledger of the current cluster, as of the last answer.

    `memory`: asks the cluster; returns None if there is none to ask. Called in a thread of its own. `effort`: returns
    the seconds of CPU that `memory` would take the scheduler now, about. `computing`: whether more is to come of which
    nobody is told. `namespace`: returns the notebook's variables. `on_change`: called after each answer. `named`:
    worker -> bytes of its collections, and of its futures and results, none of them placed.
    """

    def __init__(
        self,
        memory: Callable[[], Memory | None],
        effort: Callable[[], float],
        computing: Callable[[], bool],
        namespace: Callable[[], Mapping[str, Any]],
        on_change: Callable[[], None],
    ) -> None:
        self._memory = memory
        self._effort = effort
        self._computing = computing
        self._namespace = namespace
        self._on_change = on_change
        self._asked = Event()
        self._closed = Event()
        self._at_once = Event()
        self._thread: Thread | None = None
        self.forget()

    def ask(self) -> None:
        """Ask the cluster, soon. Cheap, for any thread."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="moorage-panel-ledger", daemon=True)
            self._thread.start()
        self._asked.set()

    def forget(self) -> None:
        """Drop everything, also what is being asked: it is of another cluster."""
        self._of = object()
        self._at_once.set()
        self.rows: dict[str, PanelNamedMemory] = {}
        self.named: dict[str, tuple[int, int]] = {}

    def close(self) -> None:
        """Ask nothing any more."""
        self._closed.set()
        self._at_once.set()
        self._asked.set()

    def _run(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            self._at_once.clear()
            if self._closed.is_set():
                return
            of = self._of
            pause = _INTERVAL
            try:
                if self._computing():  # once more, for what comes after this answer
                    self._asked.set()
                memory = self._memory()
                pause = pause_after(memory)
                rows, named = ({}, {}) if memory is None else rows_of(memory, self._namespace())
            except MoorageError:  # it does not answer, and the cluster's own state says so
                rows, named = {}, {}
            except Exception:
                logger.exception("Could not ask what fills the workers' memory")
                rows, named = {}, {}
            if of is self._of:
                self.rows, self.named = rows, named
                self._on_change()
            self._rest(pause)

    def _rest(self, pause: float) -> None:
        """Wait, but not until the end if much has been deleted, so that the next answer takes the scheduler less."""
        begun = time.monotonic()
        while not self._at_once.wait(min(_INTERVAL, max(0.0, begun + pause - time.monotonic()))):
            rested = time.monotonic() - begun
            if rested >= pause:
                return
            if self._asked.is_set():
                with suppress(MoorageError):
                    if _SHARE * self._effort() <= rested:
                        return


def pause_after(memory: Memory | None) -> float:
    """Return the seconds until the next question: answers are to take the scheduler half a percent of a core."""
    return max(_INTERVAL, min(_LONGEST, _SHARE * memory.seconds)) if memory is not None else _INTERVAL


def rows_of(
    memory: Memory, namespace: Mapping[str, Any]
) -> tuple[dict[str, PanelNamedMemory], dict[str, tuple[int, int]]]:
    """Return the rows of what is not placed, the largest first, and for each worker the bytes of two kinds."""
    rows: dict[str, PanelNamedMemory] = {}
    collections, results = Counter[str](), Counter[str]()
    for named in memory.names:
        if named.kind == "placed" or not named.on:
            continue
        value = namespace.get(named.name.partition(", ")[0]) if named.mine else None
        kind = _kind(named, value)
        sums = collections if kind in ("collection", "dataset") else results if kind == "result" else None
        total = named.total
        if sums is not None:
            sums.update({worker: nbytes.memory for worker, nbytes in named.on.items()})
        rows[key := f"{kind} {named.owner} {named.name}"] = {
            "name": named.name,
            "kind": kind,
            "owner": "" if named.mine else named.owner,
            "nkeys": named.keys,
            "nbytes": total.memory,
            "spilled": total.disk,
            "nworkers": len(named.on),
            "most_on": sorted(named.on, key=lambda worker: -sum(named.on[worker]))[:_MOST_ON],
        }
        if isinstance(value, list | tuple | set | frozenset | dict):
            rows[key]["elements"] = len(value)
    both = collections.keys() | results.keys()
    return rows, {worker: (collections[worker], results[worker]) for worker in both}


def with_results(
    rows: Mapping[str, PanelNamedMemory], namespace: Mapping[str, Any], loops: Mapping[Results, str]
) -> dict[str, PanelNamedMemory]:
    """Return the rows with how far results are, and a row for each of which not all is well and in the notebook.

    `loops`: ids of what runs, by its results.
    """
    found = dict(rows)
    shown = {row["name"].partition(", ")[0]: key for key, row in rows.items() if not row["owner"]}
    seen: dict[int, str] = {}  # results, and the first name of them
    for name, value in list(namespace.items()):
        if not isinstance(value, Results) or name.startswith("_") or seen.setdefault(id(value), name) != name:
            continue
        progress = value.progress
        row: PanelNamedMemory = {
            "name": name, "kind": "result", "owner": "", "nkeys": 0, "nbytes": 0, "spilled": 0, "nworkers": 0,
            "most_on": [],
        }  # fmt: skip
        if name in shown:
            row = rows[shown[name]]
        elif progress.finished and not progress.failed and not progress.cancelled:
            continue
        items: PanelItems = {
            "total": len(value),
            "done": progress.done,
            "failed": progress.failed,
            "cancelled": progress.cancelled,
            "computation": loops.get(value, ""),
        }
        found[shown.get(name, f"result  {name}")] = {**row, "items": items}
    return found


def _kind(named: NamedMemory, value: Any) -> MemoryKind:
    if named.kind in ("dataset", "rest"):
        return "dataset" if named.kind == "dataset" else "rest"
    if named.kind in ("intermediate", "running"):
        return "task"
    if not named.mine:
        return "other"
    return "collection" if type(value).__module__ != "__main__" and is_dask_collection(value) else "result"
