"""What this kernel shows to its panels: one state, numbered updates, and who listens.

A `Panel` follows the current cluster and the notebook's variables. As long as somebody listens, a thread of its own
compares what is with what was told, at most every 50 ms, and only when something may have changed. What panels ask for
is ``requests.py``; how it travels is ``comm.py`` and ``jupyter/board.py``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable
from contextlib import suppress
from itertools import count
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Any, Protocol

from moorage import config
from moorage._dask.client import awaits_any
from moorage.controller import registry
from moorage.jupyter.display import part_of
from moorage.jupyter.panel.assistants.proposals import Proposals
from moorage.jupyter.panel.candidates import Candidates
from moorage.jupyter.panel.computations import TICK, Look
from moorage.jupyter.panel.ledger import PanelLedger, with_results
from moorage.jupyter.panel.state import EMPTY, Facts, StateMaker, difference, snapshot_of
from moorage.kernel.parts.named import collection_of
from moorage.kernel.placement.variable import Variable
from moorage.wire.panel import PanelCluster, PanelNotice, PanelSnapshot, PanelState, PanelUpdate, PanelVariable

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from moorage.controller.cluster import ClusterController
    from moorage.jupyter.plain import PlainNotebook
    from moorage.kernel.ledger.memory import Memory

logger = logging.getLogger(__name__)

_ABSENT: Any = object()
_NO_VALUE = (Variable, object)  # types of what a name means in the notebook of which only the cluster has the value
_INTERVAL = 0.05  # seconds between updates
_LOOK = 0.002  # seconds in which a look at the notebook's variables begins with no further one
_PAUSE = 0.05  # seconds until it goes on


class Listener(Protocol):
    """One panel or board."""

    @property
    def read_only(self) -> bool:
        """Whether it may only look."""

    def send(self, message: Any) -> None:
        """Send a message; any thread."""


class Panel:
    """The state of one kernel as its panels show it. `shell`: whose variables can be placed."""

    def __init__(self, shell: InteractiveShell | PlainNotebook) -> None:
        self.shell = shell
        self.candidates = Candidates()
        self.proposals = Proposals(self.touch)
        self._ledger = PanelLedger(
            self._memory, self._memory_effort, self._computing, lambda: shell.user_ns, self.touch
        )
        self._lock = RLock()
        self._listeners: list[Listener] = []
        self._watchers: dict[Hashable, int] = {}  # who wants to see candidates -> from how many bytes on
        self._maker = StateMaker()
        self._look_at_computations = Look()
        self._state: PanelState = EMPTY
        self._version = 0
        self._notices: dict[str, PanelNotice] = {}
        self._ids = count(1)
        self._sending: dict[str, PanelVariable] = {}
        self._ended: PanelCluster | None = None
        self._controller: ClusterController | None = None
        self._unsubscribe: list[Callable[[], None]] = []
        self._changed = Event()
        self._closed = Event()
        self._thread: Thread | None = None
        self._stop_following = registry.subscribe(self._follow)
        shell.events.register("post_run_cell", self._after_cell)
        self._follow()

    def close(self) -> None:
        """Follow nothing any more, and send nothing."""
        self.shell.events.unregister("post_run_cell", self._after_cell)
        self._stop_following()
        with self._lock:
            self._listeners.clear()
            self._watchers.clear()
            self._let_go()
        self.proposals.close()
        self._ledger.close()
        self._closed.set()
        self._changed.set()

    # Listeners

    def join(self, listener: Listener) -> None:
        """Send `listener` a snapshot and from then on each update."""
        with self._lock:
            snapshot = self.snapshot()
            listener.send(snapshot)
            self._listeners.append(listener)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="moorage-panel", daemon=True)
                self._thread.start()
            self._changed.set()

    def leave(self, listener: Listener) -> None:
        """Send `listener` nothing any more."""
        with self._lock:
            if listener in self._listeners:
                self._listeners.remove(listener)

    def snapshot(self) -> PanelSnapshot:
        """Return all there is, as of now."""
        with self._lock:
            self.update()
            return snapshot_of(self._state, self._version)

    def touch(self) -> None:
        """Something may have changed. Cheap, for any thread."""
        if self._listeners:
            self._changed.set()

    def update(self) -> None:
        """Tell the listeners at once what has changed since they were told."""
        with self._lock:
            state = self._maker(self._facts())
            changes = difference(self._state, state)
            if changes is None:
                return
            self._version += 1
            self._state = state
            update: PanelUpdate = {
                "type": "update",
                "version": self._version,
                "changed": changes[0],
                "removed": changes[1],
            }
            for listener in self._listeners:
                listener.send(update)

    # What is shown beside the cluster's own state

    @property
    def read_only(self) -> bool:
        """Whether the settings forbid panels to change anything."""
        controller = self._controller
        return bool(config.get("read-only")) or (controller is not None and controller.read_only)

    @property
    def can_decide(self) -> bool:
        """Whether somebody looks who may change something."""
        return any(not listener.read_only for listener in self._listeners)

    def watch(self, who: Hashable, threshold: int | None) -> None:
        """List variables of at least `threshold` bytes that are not placed; None: `who` needs them no longer."""
        with self._lock:
            if threshold is None:
                self._watchers.pop(who, None)
            else:
                self._watchers[who] = max(0, threshold)
        self._look()

    def notice(self, message: str, remedy: str = "", variable: str = "") -> None:
        """Show something that has failed until it is dismissed."""
        with self._lock:
            notice_id = f"panel-{next(self._ids)}"
            self._notices[notice_id] = {
                "id": notice_id,
                "level": "error",
                "message": message,
                "remedy": remedy,
                "variable": variable,
            }
        self.touch()

    def dismiss(self, notice_id: str) -> None:
        """Show a notice no longer."""
        with self._lock:
            known = self._notices.pop(notice_id, None)
        if known is None and self._controller is not None:
            self._controller.dismiss(notice_id)
        self.touch()

    def sending(self, variables: dict[str, PanelVariable]) -> Callable[[], None]:
        """Show variables that are on their way to the scheduler; return how to end that."""
        with self._lock:
            self._sending.update(variables)
        self.touch()

        def end() -> None:
            with self._lock:
                for name, variable in variables.items():
                    if self._sending.get(name) is variable:
                        del self._sending[name]
            self.touch()

        return end

    def start_failed(self, kind: str, name: str, message: str) -> None:
        """Show that there is no cluster because it did not start."""
        with self._lock:
            self._ended = _cluster(name, kind, "stopped", message)
        self.touch()

    # Internals

    def _run(self) -> None:
        while not self._closed.is_set():
            self._changed.wait(TICK if self._listeners and self._is_running() else None)
            self._changed.clear()
            try:
                if self._listeners:
                    self.update()
            except Exception:
                logger.exception("Could not tell the panel what has changed")
            self._closed.wait(_INTERVAL)

    def _is_running(self) -> bool:
        controller = self._controller
        return controller is not None and bool(controller.computations.running())

    def _follow(self) -> None:
        """Follow the current cluster, after another has become that."""
        with self._lock:
            controllers = registry.all_controllers()
            controller = controllers[-1] if controllers else None
            if controller is not self._controller:
                if self._controller is not None:
                    info = self._controller.status_info()
                    self._ended = _cluster(info["name"], info["kind"], "stopped", info["detail"])
                self._let_go()
                self._controller = controller
                if controller is not None:
                    self._ended = None
                    self._unsubscribe.append(controller.subscribe(lambda _: self._cluster_changed()))
        self.touch()

    def _let_go(self) -> None:
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe.clear()
        self._controller = None
        self._ledger.forget()

    def _cluster_changed(self) -> None:
        self.touch()
        if self._watchers:
            self._ledger.ask()

    def _memory(self) -> Memory | None:
        controller = self._controller
        if controller is None or controller.lost or controller.status != "connected":
            return None
        memory: Memory = controller.memory()
        return memory

    def _memory_effort(self) -> float:
        controller = self._controller
        return 0.0 if controller is None or controller.lost else controller.memory_effort()

    def _computing(self) -> bool:
        controller = self._controller
        return bool(self._watchers) and controller is not None and awaits_any(controller.client)

    def _facts(self) -> Facts:
        controller = self._controller
        if controller is None:
            starts = registry.starts()
            cluster = self._ended
            if starts:
                cluster = _cluster(starts[-1].name, starts[-1].kind, "starting", "")
                cluster["requested"], cluster["arrived"] = starts[-1].requested, starts[-1].arrived
                cluster["pending"] = max(0, starts[-1].requested - starts[-1].arrived)
            return Facts(
                cluster=cluster,
                candidates=self.candidates.found,
                notices=dict(self._notices),
                read_only=self.read_only,
            )
        namespace = self.shell.user_ns
        variables, workers = controller.link.mirror.snapshot()
        placed, arriving = list(controller.placer.placed.items()), dict(controller.placer.arriving)
        named = [(name, collection_of(name) or name) for name, _ in placed]  # parts are of a collection
        return Facts(
            cluster=controller.status_info(),
            workers=workers,
            variables=variables,
            owner=controller.placer.owner,
            stale={name for name, known in placed if known.rebound or known.changed},
            only_on_cluster={name for name, whole in named if type(namespace.get(whole, _ABSENT)) in _NO_VALUE},
            sending={
                name: {**variable, "reason": part_of(*arriving[name])} if name in arriving else variable
                for name, variable in self._sending.items()
            },
            namespace=namespace,
            candidates=self.candidates.found,
            ledger=with_results(self._ledger.rows, namespace, controller.computations.loops()),
            named=self._ledger.named,
            computations=self._look_at_computations(controller.computations),
            labels=controller.computations.labels(),
            notices=dict(controller.notices) | self._notices,
            proposals=self.proposals.shown,
            undoable=controller.undoable,
            events={event["id"]: event for event in controller.link.events},
            read_only=self.read_only,
        )

    def _after_cell(self, _: object) -> None:
        self._look()

    def _look(self) -> None:
        """Look at the notebook's variables if a panel shows them."""
        with self._lock:
            threshold = min(self._watchers.values(), default=None)
        if threshold is None:
            self.candidates.forget()
        elif not self.candidates.look(self.shell.user_ns, threshold, _LOOK, self.shell.user_ns_hidden):
            self._go_on_later()
        self._cluster_changed()

    def _go_on_later(self) -> None:
        """Look at the rest of the variables when the kernel has nothing else to do."""

        def go_on() -> None:
            if not self.candidates.go_on(_LOOK):
                self._go_on_later()
            self.touch()

        with suppress(RuntimeError):  # no event loop: the next cell takes it further
            asyncio.get_running_loop().call_later(_PAUSE, go_on)


def _cluster(name: str, kind: str, status: Any, detail: str) -> PanelCluster:
    return {
        "name": name,
        "kind": kind,
        "status": status,
        "detail": detail,
        "secure": False,
        "dashboard_link": "",
        "requested": 0,
        "arrived": 0,
        "pending": 0,
        "scalable": False,
        "adapt": [],
        "kept": False,
        "stoppable": False,
        "leavable": False,
    }
