"""What a panel can ask of the kernel, and the answers: what is asked is recorded, nothing long is waited for.

Each request is answered within about a second, or within five if a worker or the scheduler is asked. What is refused
by then is refused in the reply; what fails later becomes a notice. A request may come from anywhere that reaches the
kernel, so nothing in it is trusted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, get_type_hints

from moorage import counts
from moorage.controller import registry
from moorage.controller.cluster import ClusterController
from moorage.controller.start import attach, start
from moorage.deploy.kept import state_folder
from moorage.deploy.state_file import kept_clusters
from moorage.errors import (
    ClusterError,
    InputError,
    MoorageError,
    ReadOnlyError,
    UnknownVariableError,
    UnknownWorkerError,
    WaitTimeoutError,
)
from moorage.jupyter.binding import bind, check_free, end_lost
from moorage.jupyter.panel.background import BackgroundThread
from moorage.jupyter.panel.candidates import is_data
from moorage.jupyter.panel.parts import page_of
from moorage.jupyter.panel.shapes import check
from moorage.jupyter.panel.sizes import measure
from moorage.jupyter.panel.state import as_read_only
from moorage.jupyter.panel.telling import tell
from moorage.jupyter.panel.workers import address_of, log_of, restart
from moorage.kernel.parts.parts import Parts
from moorage.kernel.placement.structure import has_parts
from moorage.kernel.values.describe import describe_value
from moorage.kernel.why.answer import Why
from moorage.model import Anywhere, Everywhere, OnePerHost, OnWorkers, Placement
from moorage.plan import ClusterView
from moorage.wire.panel import PanelVariable
from moorage.wire.panel_requests import (
    PanelAdaptArgs,
    PanelAttachArgs,
    PanelCancelArgs,
    PanelDismissArgs,
    PanelError,
    PanelKept,
    PanelOps,
    PanelParts,
    PanelPartsArgs,
    PanelPlaceArgs,
    PanelReleaseArgs,
    PanelReply,
    PanelRequest,
    PanelRestartArgs,
    PanelScaleArgs,
    PanelStartArgs,
    PanelTellArgs,
    PanelTold,
    PanelWatchArgs,
    PanelWhy,
    PanelWhyArgs,
)
from moorage.wire.scheduler import placement_from_dict, placement_to_dict

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from moorage.jupyter.panel.publisher import Panel

logger = logging.getLogger(__name__)

_PLACING = 0.8  # seconds that a reply waits for what it is about, so that it can refuse
_SIZING = 0.3
CLUSTER = "cluster"
"""The variable that a cluster is bound to which a panel starts."""

_ASKING = 5.0  # seconds
_LOOKING = frozenset({"snapshot", "watch", "dismiss", "why", "parts", "kept", "tell"})


class Requests:
    """Answers the requests of all panels of one kernel."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._placing = BackgroundThread("moorage-panel-placing")
        self._sizing = BackgroundThread("moorage-panel-cluster")
        self._asking = BackgroundThread("moorage-panel-asking")
        self._restarting = BackgroundThread("moorage-panel-restarting")
        self._shapes = get_type_hints(PanelOps)
        self._looked: tuple[Any, Parts] | None = None  # of whom and what, and the parts

    def close(self) -> None:
        """Stop taking requests."""
        self._placing.close()
        self._sizing.close()
        self._asking.close()
        self._restarting.close()

    def answer(self, request: Any, who: Hashable, read_only: bool) -> PanelReply | None:
        """Return the reply to a request; None if it has no ``id`` to reply to.

        `who`: tells panels apart. `read_only`: whether this panel has said that it may only look.
        """
        try:
            check(request, PanelRequest, "The request")
        except InputError as error:
            request_id = request.get("id") if isinstance(request, dict) else None
            if not isinstance(request_id, int) or isinstance(request_id, bool):
                logger.warning("Ignored a request: %s", error.message)
                return None
            return _refusal(request_id, error)
        try:
            result = self._perform(request["op"], request["args"], who, read_only)
        except MoorageError as error:
            return _refusal(request["id"], error)
        except Exception as error:
            logger.exception("The request %s of a panel failed", request["op"])
            return _refusal(request["id"], error)
        return {"type": "reply", "id": request["id"], "ok": True, "result": result or {}}

    def _perform(self, op: str, args: Any, who: Hashable, read_only: bool) -> Any:
        if op not in self._shapes:
            raise InputError(f"There is no request {op!r}.", f"The kernel knows: {', '.join(sorted(self._shapes))}.")
        if op not in _LOOKING and (read_only or self._panel.read_only):
            raise ReadOnlyError(
                "This panel is read-only.",
                "Magics still work. Turn read-only off in the panel's settings, or with moorage.read-only in "
                "Dask's configuration.",
            )
        check(args, self._shapes[op], f"What {op} is asked with")
        act: Callable[[Any, Hashable], Any] = getattr(self, f"_{op}")
        result = act(args, who)
        if op == "snapshot":
            return as_read_only(result) if read_only else result
        self._panel.update()
        return result

    # -- looking

    def _snapshot(self, _: Any, who: Hashable) -> Any:
        return self._panel.snapshot()

    def _watch(self, args: PanelWatchArgs, who: Hashable) -> None:
        self._panel.watch(who, args["threshold"] if args["candidates"] else None)

    def _dismiss(self, args: PanelDismissArgs, who: Hashable) -> None:
        self._panel.dismiss(args["id"])

    def _why(self, args: PanelWhyArgs, who: Hashable) -> PanelWhy:
        controller, what = registry.current(), args["name"]
        if args["kind"] == "worker":  # by its address: a variable may have the same name
            with suppress(UnknownWorkerError):  # it has left
                what = address_of(controller, what)
        why: Why = self._ask(lambda: log_of(controller, what) if args["kind"] == "log" else controller.why(what))
        return {
            "subject": why.subject,
            "state": why.state,
            "cause": why.cause,
            "remedy": why.remedy,
            "line": why.line,
            "log": list(why.log),
        }

    def _tell(self, args: PanelTellArgs, who: Hashable) -> PanelTold:
        return {"text": self._ask(lambda: tell(args))}

    def _parts(self, args: PanelPartsArgs, who: Hashable) -> PanelParts:
        controller = registry.current()
        asked = (who, args["name"], controller.name)
        looked = self._looked
        if looked is None or looked[0] != asked or args["start"] == 0:
            looked = self._looked = (asked, self._ask(lambda: controller.parts(args["name"])))
        return page_of(looked[1], args["start"], args["count"])

    def _ask(self, question: Callable[[], Any]) -> Any:
        """Return what the cluster answers, or give up."""
        answers: list[Any] = []
        if self._asking.do(lambda: answers.append(question()), _ASKING):
            raise WaitTimeoutError(f"The cluster has not answered within {_ASKING:g} s.", "Try again.")
        return answers[0]

    # -- placing

    def _place(self, args: PanelPlaceArgs, who: Hashable) -> None:
        controller = registry.current()
        placement = _placement(args)
        names = _names(args["names"])
        namespace = self._panel.shell.user_ns
        values = {name: namespace[name] for name in names if name in namespace}
        placed = [name for name in names if name not in values]
        for name in placed:
            _check_known(name, controller, namespace)
        # As the magics do: what is spread is spread by its elements, what is copied is copied whole.
        whole = isinstance(placement, Everywhere | OnePerHost) or (isinstance(placement, OnWorkers) and placement.each)

        def work() -> None:
            controller.place(placed, placement, values=values, whole=whole, force=args["force"], timeout=0)

        unseen = {name: value for name, value in values.items() if name not in controller}
        if future := self._placing.do(work, _PLACING):
            end = self._panel.sending(_on_their_way(unseen, placement, controller))
            future.add_done_callback(lambda _: end())
            self._notify(future, f"{', '.join(names)} could not be placed", names[0] if len(names) == 1 else "")

    def _release(self, args: PanelReleaseArgs, who: Hashable) -> None:
        controller = registry.current()
        names = _names(args["names"])
        for name in names:
            _check_known(name, controller, {})
        future = self._placing.do(lambda: controller.release(*names), _PLACING)
        self._notify(future, f"{', '.join(names)} could not be released")

    def _undo(self, _: Any, who: Hashable) -> None:
        controller = registry.current()
        self._notify(self._placing.do(controller.undo, _PLACING), f"{controller.undoable} was not undone")

    # -- the cluster

    def _start(self, args: PanelStartArgs, who: Hashable) -> None:
        _check_alone()

        def work() -> None:
            end_lost(self._panel.shell.user_ns, CLUSTER)
            _bind(
                self._panel.shell,
                start(
                    n_workers=args["n_workers"],
                    threads_per_worker=args.get("threads"),
                    memory_limit=args.get("memory", "auto"),
                    keep=args.get("keep", False),
                ),
            )

        self._notify(self._sizing.do(work, _SIZING), "The cluster did not start", failed_start="local")

    def _kept(self, _: Any, who: Hashable) -> PanelKept:
        found = kept_clusters(state_folder())
        return {"clusters": [{"name": one.name, "kind": one.kind, "host": one.host} for one in found]}

    def _attach(self, args: PanelAttachArgs, who: Hashable) -> None:
        _check_alone()
        name = args["target"]
        target = self._panel.shell.user_ns.get(name) if name.isidentifier() else None

        def work() -> None:
            with registry.starting(name, "attached"):
                _bind(self._panel.shell, attach(target if target is not None else name or None))

        self._notify(self._sizing.do(work, _SIZING), "Could not attach", failed_start="attached")

    def _scale(self, args: PanelScaleArgs, who: Hashable) -> None:
        controller = registry.current()
        future = self._sizing.do(lambda: controller.scale(args["n"]), _SIZING)
        self._notify(future, f"The cluster could not be scaled to {args['n']} workers")

    def _adapt(self, args: PanelAdaptArgs, who: Hashable) -> None:
        controller = registry.current()
        future = self._sizing.do(lambda: controller.adapt(args.get("minimum"), args.get("maximum")), _SIZING)
        self._notify(future, "The cluster could not be made to adapt")

    def _restart(self, args: PanelRestartArgs, who: Hashable) -> None:
        controller, name = registry.current(), args["worker"]
        address_of(controller, name)
        future = self._restarting.do(lambda: restart(controller, name), _SIZING)
        self._notify(future, f"{name} was not restarted")

    def _cancel(self, args: PanelCancelArgs, who: Hashable) -> None:
        with suppress(KeyError):  # it has just ended
            registry.current().computations[args["id"]].cancel()

    def _leave(self, _: Any, who: Hashable) -> None:
        controller = registry.current()
        self._notify(self._sizing.do(controller.leave, _SIZING), "The cluster could not be left")

    def _stop(self, _: Any, who: Hashable) -> None:
        controller = registry.current()
        self._notify(self._sizing.do(controller.stop, _SIZING), "The cluster could not be stopped")

    def _notify(
        self, unfinished: Future[Any] | None, headline: str, variable: str = "", failed_start: str = ""
    ) -> None:
        """Show a notice if work fails whose outcome was not there in time for the reply."""

        def late(future: Future[Any]) -> None:
            error = future.exception()
            if error is None:
                self._panel.touch()
                return
            if not isinstance(error, MoorageError):
                logger.error("%s", headline, exc_info=error)
            refusal = _error(error)
            message = f"{headline}: {refusal['message']}"
            if failed_start:
                self._panel.start_failed(failed_start, "", message)
            self._panel.notice(message, refusal["remedy"], variable)

        if unfinished is not None:
            unfinished.add_done_callback(late)


def _bind(shell: InteractiveShell, controller: ClusterController) -> None:
    """Make `controller` the notebook's ``cluster``, as the magics do, unless that name means something else."""
    with suppress(ClusterError):
        check_free(shell.user_ns, CLUSTER)
        bind(shell.user_ns, CLUSTER, controller)


def _refusal(request_id: int, error: BaseException) -> PanelReply:
    return {"type": "reply", "id": request_id, "ok": False, "error": _error(error)}


def _error(error: BaseException) -> PanelError:
    if isinstance(error, MoorageError):
        return {"kind": type(error).__name__, "message": error.message, "remedy": error.remedy}
    line = " ".join(f"{type(error).__name__}: {error}".split())
    return {"kind": "InternalError", "message": line[:500], "remedy": "The kernel's log has the whole error."}


def _names(names: list[str]) -> list[str]:
    if not names:
        raise InputError("No variable is named.", "Name at least one.")
    return list(dict.fromkeys(names))


def _placement(args: PanelPlaceArgs) -> Placement:
    placement = placement_from_dict(args["placement"])
    if isinstance(placement, OnWorkers) and not placement.workers:
        raise InputError("No worker is named.", "Name at least one.")
    if isinstance(placement, Anywhere) and placement.copies < 1:
        raise InputError(f"copies={placement.copies} is not valid.", "Ask for 1 or more.")
    return placement


def _check_known(name: str, controller: ClusterController, namespace: dict[str, Any]) -> None:
    try:
        controller.placer.record(name)
    except UnknownVariableError:
        data = [one for one, value in namespace.items() if not one.startswith("_") and is_data(value)]
        where = "in the notebook or on the cluster" if namespace else "on the cluster"
        raise UnknownVariableError(name, {*controller, *data}, where) from None


def _check_alone() -> None:
    """Refuse to start a second cluster, as a double click would."""
    if registry.starts():
        raise ClusterError("A cluster is already starting.", "Wait until it has started.")
    running = [controller for controller in registry.all_controllers() if not controller.lost]
    if running:
        raise ClusterError(
            f"The cluster {running[-1].name!r} is already running.",
            "Stop it first, or start another one with %cluster start --as NAME.",
        )


def _on_their_way(
    values: dict[str, Any], placement: Placement, controller: ClusterController
) -> dict[str, PanelVariable]:
    """Return how variables look that are being sent to the cluster."""
    view = ClusterView(controller.link.mirror.infos())
    pending = counts.none()
    if isinstance(placement, Everywhere):
        pending["rest"] = 1
    elif isinstance(placement, OnWorkers) and placement.each:
        pending["others"] = {view.name(a): 1 for spec in placement.workers for a in view.resolve(spec)}
    shown: dict[str, PanelVariable] = {}
    for name, value in values.items():
        typename, detail = describe_value(value)
        shown[name] = {
            "name": name,
            "owner": "",
            "typename": typename,
            "detail": detail,
            "nbytes": measure(value),
            "shared": 0,
            "nkeys": 1,
            "collection": has_parts(value),
            "writable": False,
            "placement": placement_to_dict(placement),
            "state": "moving",
            "reason": "being sent from the notebook",
            "stale": False,
            "only_on_cluster": False,
            "held": counts.none(),
            "pending": pending,
        }
    return shown
