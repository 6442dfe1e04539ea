"""Placed variables: why one is not as it was asked for, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from moorage.kernel.why.answer import Why, line
from moorage.kernel.why.copies import slow_copy
from moorage.kernel.why.tasks import why_tasks
from moorage.magic import magic_for, quote
from moorage.model import Anywhere, OnWorkers, PlacementState, describe
from moorage.naming import short_name
from moorage.plan import ClusterView
from moorage.wire.why import WhyReply

_COMPUTED = ("erred", "killed", "absent", "no-worker", "released", "paused", "queued", "behind", "running")
_SHOWN = 5


def why_placed(subject: str, state: PlacementState, keys: list[object], reply: WhyReply, view: ClusterView) -> Why:
    """Return why a placed variable is not as it was asked for.

    `reply`: what the scheduler said of its keys. `view`: the workers.
    """
    task = reply["task"]
    away = task is not None and task["fate"] in _COMPUTED
    match state.state:
        case "lost" if not away:
            remedy = f"Place it again with its value: %scatter, %broadcast or %pin {state.name}."
            return Why(subject, "lost", f"{state.reason}.", remedy, line=_again(state))
        case "lost" | "waiting" | "moving" if away and reply["workers"]:
            return why_tasks(subject, keys, reply)
        case "moving" if (slow := slow_copy(reply["copy"])) is not None:
            return Why(subject, "moving", *slow)
        case "moving" if task is not None and task["fate"] == "restoring":
            return Why(subject, "moving", f"{state.reason}.", why_tasks(subject, keys, reply).remedy)
        case "waiting" | "moving":
            remedy, line_of_it = _remedy(state, view)
            return Why(subject, state.state, f"{state.reason}.", remedy, line=line_of_it)
    if state.stale:
        remedy = f"Place it again (%scatter, %broadcast or %pin), or take what is there: %gather {state.name}."
        return Why(subject, "stale", "the notebook's value is not the one that was placed.", remedy, line=_again(state))
    if surplus := _surplus(state, view):
        cause = f"{_listed(surplus)} {_has(surplus)} a copy that was not asked for: a task there uses it."
        return Why(subject, "surplus", cause, "It goes when that task ends; %cluster shows what runs.", line="%cluster")
    where = "" if isinstance(state.placement, OnWorkers) else f"; {_listed(state.holders)} {_has(state.holders)} it"
    return Why(subject, "held", f"{describe(state.placement)}, as asked{where}.")


def _again(state: PlacementState) -> str:
    return line(lambda: magic_for([state.name], state.placement))


def _remedy(state: PlacementState, view: ClusterView) -> tuple[str, str]:
    """Return what helps a variable that waits or moves, and its line: the first obstacle counts."""
    placement = state.placement
    if not view.running:
        return "Add workers: %cluster scale 2.", "%cluster scale 2"
    if isinstance(placement, OnWorkers):
        gone = [spec for spec in placement.workers if not view.resolve(spec) & view.present]
        if gone and (placement.each or len(gone) == len(placement.workers)):
            here = sorted(map(view.name, view.running))
            elsewhere = f"place it elsewhere: %pin {state.name} --workers W... ({_listed(here)})"
            remedy = f"Start a worker of that name, or {elsewhere}."
            return remedy, line(lambda: magic_for([state.name], OnWorkers((here[0],))))
    if isinstance(placement, Anywhere) and placement.copies > len(view.present):
        scale = f"%cluster scale {placement.copies}"
        return f"Add workers: {scale}.", scale
    paused = sorted(view.name(a) for a in view.paused if view.name(a) in state.pending)
    if paused:
        return f"%why {short_name(paused[0])} says what fills its memory.", line(lambda: f"%why {quote(paused[0])}")
    if state.state == "moving":
        remedy = f"It arrives by itself; %placement {state.name} shows how far it is."
        return remedy, line(lambda: f"%placement {quote(state.name)}")
    return "It continues by itself when that changes; %memory says what fills the workers.", "%memory"


def _surplus(state: PlacementState, view: ClusterView) -> list[str]:
    """Return the workers that have a copy which was not asked for."""
    if not isinstance(state.placement, OnWorkers):
        return []
    specs = (view.resolve(spec) for spec in state.placement.workers)
    wanted = {view.name(address) for addresses in specs for address in addresses}
    return [name for name in state.holders if name not in wanted]


def _listed(names: Iterable[str]) -> str:
    named = list(names)
    more = len(named) - _SHOWN
    return ", ".join(map(short_name, named[:_SHOWN])) + (f" and {more} more" if more > 0 else "")


def _has(names: list[str]) -> str:
    return "has" if len(names) == 1 else "have"
