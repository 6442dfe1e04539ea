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

from moorage import config
from moorage.controller import registry
from moorage.controller.cluster import ClusterController
from moorage.controller.start import attach
from moorage.deploy.kept import kept_clusters, state_folder
from moorage.errors import (
    InputError,
    MoorageError,
    ReadOnlyError,
    UnknownVariableError,
    UnreachableError,
    WaitTimeoutError,
)
from moorage.jupyter.binding import bind_if_free, check_alone
from moorage.jupyter.panel.assistants.proposals import cost_of_copies, cost_of_release
from moorage.jupyter.panel.assistants.telling import tell
from moorage.jupyter.panel.background import BackgroundThread
from moorage.jupyter.panel.candidates import is_data
from moorage.jupyter.panel.questions import address_of, page_of_items, pages_of, restart, why
from moorage.jupyter.panel.sending import on_their_way
from moorage.jupyter.panel.shapes import check
from moorage.jupyter.panel.sizes import measure
from moorage.jupyter.panel.starting import kind_of, start_as
from moorage.jupyter.panel.state import as_read_only
from moorage.kernel.parts.named import collection_of
from moorage.kernel.placement.structure import has_parts
from moorage.magic import magic_for
from moorage.model import Anywhere, Everywhere, OnePerHost, OnWorkers, Placement
from moorage.tasks.map.results import Results
from moorage.wire.panel_requests import (
    PanelAdaptArgs,
    PanelAttachArgs,
    PanelCancelArgs,
    PanelDecideArgs,
    PanelDismissArgs,
    PanelError,
    PanelKeepArgs,
    PanelKept,
    PanelKind,
    PanelKindArgs,
    PanelOps,
    PanelParts,
    PanelPartsArgs,
    PanelPlaceArgs,
    PanelProposeArgs,
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
from moorage.wire.scheduler import placement_from_dict

if TYPE_CHECKING:
    from moorage.jupyter.panel.publisher import Panel

logger = logging.getLogger(__name__)

_PLACING = 0.8  # seconds that a reply waits for what it is about, so that it can refuse
_SIZING = 0.3
_ASKING = 5.0  # seconds
_LOOKING = frozenset({"snapshot", "watch", "dismiss", "why", "parts", "kept", "kind", "tell"})


class Requests:
    """Answers the requests of all panels of one kernel."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel
        self._placing = BackgroundThread("moorage-panel-placing")
        self._sizing = BackgroundThread("moorage-panel-cluster")
        self._asking = BackgroundThread("moorage-panel-asking")
        self._restarting = BackgroundThread("moorage-panel-restarting")
        self._shapes = get_type_hints(PanelOps)
        self._looked: tuple[Any, Callable[[int, int], PanelParts]] | None = None  # for whom at what, and its pages

    def close(self) -> None:
        """Stop taking requests."""
        self._placing.close()
        self._sizing.close()
        self._asking.close()
        self._restarting.close()

    def answer(self, request: Any, who: Hashable, read_only: bool, send: Callable[[PanelReply], None]) -> None:
        """Have the reply to a request sent, at once or when the user has decided; none if it has no ``id``.

        `who`: tells panels apart. `read_only`: whether this panel has said that it may only look.
        """
        try:
            check(request, PanelRequest, "The request")
        except InputError as error:
            request_id = request.get("id") if isinstance(request, dict) else None
            if not isinstance(request_id, int) or isinstance(request_id, bool):
                logger.warning("Ignored a request: %s", error.message)
                return
            send({"type": "reply", "id": request_id, "ok": False, "error": _error(error)})
            return
        try:
            result = self._perform(request["op"], request["args"], who, read_only)
        except Exception as error:
            send(_refusal(request, error))
            return
        if isinstance(result, Future):
            result.add_done_callback(lambda decided: send(_decided(request, decided)))
        else:
            send(_reply(request, result))

    def _perform(self, op: str, args: Any, who: Hashable, read_only: bool) -> Any:
        if op not in self._shapes:
            raise InputError(f"There is no request {op!r}.", f"The kernel knows: {', '.join(sorted(self._shapes))}.")
        if op not in _LOOKING and ((read_only and op != "propose") or self._panel.read_only):
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
        controller = registry.current()
        found: PanelWhy = self._ask(lambda: why(controller, args))
        return found

    def _tell(self, args: PanelTellArgs, who: Hashable) -> PanelTold:
        return {"text": self._ask(lambda: tell(args))}

    def _parts(self, args: PanelPartsArgs, who: Hashable) -> PanelParts:
        controller = registry.current()
        value = self._panel.shell.user_ns.get(args["name"])
        if isinstance(value, Results):
            return page_of_items(args["name"], value, args["start"], args["count"])
        asked = (who, args["name"], controller.name)
        looked = self._looked
        if looked is None or looked[0] != asked or args["start"] == 0:
            looked = self._looked = (asked, self._ask(lambda: pages_of(controller, args["name"], value)))
        return looked[1](args["start"], args["count"])

    def _ask(self, question: Callable[[], Any]) -> Any:
        """Return what the cluster answers, or give up."""
        answers: list[Any] = []
        if self._asking.do(lambda: answers.append(question()), _ASKING):
            raise WaitTimeoutError(f"The cluster has not answered within {_ASKING:g} s.", "Try again.")
        return answers[0]

    # -- what assistants want changed

    def _propose(self, args: PanelProposeArgs, who: Hashable) -> Future[PanelTold]:
        op, asked = args["op"], args["args"]
        check(asked, self._shapes[op], f"What {op} is asked with")
        line, note = self._in_words(op, asked)
        if not self._panel.can_decide:
            raise UnreachableError(
                f"No panel of this notebook is open, so nobody can agree to {line}.",
                f"Ask the user to open moorage's panel in JupyterLab, or to run {line} in a cell.",
            )

        def act(by: Hashable) -> PanelTold:
            getattr(self, f"_{op}")(asked, by)
            if op == "release":
                return {"text": f"Done: {line}"}
            told: PanelTellArgs = {
                "what": "placement" if op == "place" else "clusters",
                "names": asked.get("names", []),
            }
            return {"text": f"Done: {line}\n{self._tell(told, by)['text']}"}

        return self._panel.proposals.put(who, line, note, act, config.seconds("confirm-timeout"))

    def _in_words(self, op: str, asked: Any) -> tuple[str, str]:
        """Return the magic that does what an assistant wants, and what the user should know before."""
        controller = registry.current()
        if op == "scale":
            return f"%cluster scale {asked['n']}", ""
        names, shown = _names(asked["names"]), self._panel.snapshot()["state"]["variables"]
        namespace = self._panel.shell.user_ns if op == "place" else {}
        for name in names:
            if name not in namespace:
                _check_known(name, controller, namespace)
        known = {name: shown[name] for name in names if name in shown}
        if op == "release":
            return magic_for(names, None), cost_of_release(list(known.values()))
        sizes = [known[name]["nbytes"] if name in known else measure(namespace[name]) for name in names]
        return magic_for(names, _placement(asked), force=asked["force"]), cost_of_copies(sum(sizes))

    def _decide(self, args: PanelDecideArgs, who: Hashable) -> None:
        self._panel.proposals.decide(args["id"], args["agreed"], who)

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
            end = self._panel.sending(on_their_way(unseen, placement, controller))
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
        check_alone()
        future = self._sizing.do(lambda: start_as(args, self._panel.shell), _SIZING)
        self._notify(future, "The cluster did not start", failed_start=args.get("using", "local"))

    def _kind(self, args: PanelKindArgs, who: Hashable) -> Future[PanelKind]:
        return self._asking.begin(lambda: kind_of(args["kind"]))

    def _kept(self, _: Any, who: Hashable) -> PanelKept:
        found = kept_clusters(state_folder())
        told = ("name", "kind", "host", "parked")
        return {"clusters": [{field: getattr(one, field) for field in told} for one in found]}  # type: ignore[misc]

    def _attach(self, args: PanelAttachArgs, who: Hashable) -> None:
        check_alone()
        name = args["target"]
        target = self._panel.shell.user_ns.get(name) if name.isidentifier() else None

        def work() -> None:
            with registry.starting(name, "attached"):
                bind_if_free(self._panel.shell, attach(target if target is not None else name or None))

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

    def _keep(self, args: PanelKeepArgs, who: Hashable) -> None:
        controller = registry.current()
        future = self._sizing.do(lambda: controller.keep(args["on"]), _SIZING)
        self._notify(future, f"The cluster could not be {'kept' if args['on'] else 'let go'}")

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


def _reply(request: PanelRequest, result: Any) -> PanelReply:
    return {"type": "reply", "id": request["id"], "ok": True, "result": result or {}}


def _refusal(request: PanelRequest, error: BaseException) -> PanelReply:
    if not isinstance(error, MoorageError):
        logger.error("The request %s of a panel failed", request["op"], exc_info=error)
    return {"type": "reply", "id": request["id"], "ok": False, "error": _error(error)}


def _decided(request: PanelRequest, outcome: Future[Any]) -> PanelReply:
    error = outcome.exception()
    return _refusal(request, error) if error is not None else _reply(request, outcome.result())


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
    """Check that there is something to place or to release. Parts are found when their collection is asked."""
    whole = collection_of(name)
    if whole is not None and (whole in controller or has_parts(namespace.get(whole))):
        return
    try:
        controller.placer.record(name)
    except UnknownVariableError:
        data = [one for one, value in namespace.items() if not one.startswith("_") and is_data(value)]
        where = "in the notebook or on the cluster" if namespace else "on the cluster"
        raise UnknownVariableError(name, {*controller, *data}, where) from None
