"""Futures and collections: what holds up the task that is worst off, in words. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from moorage.kernel.why.answer import Why
from moorage.kernel.why.answer import line as written
from moorage.kernel.why.endings import how_it_ended
from moorage.magic import quote
from moorage.naming import short_name
from moorage.wire.why import TaskFacts, WhyReply, WorkerEnd

_SHOWN = 5  # workers
_LONGEST = 300  # characters of an error
_OVER = ("erred", "killed", "lost", "absent")
_UNDER_WAY = ("no-worker", "paused", "queued", "behind", "running")
_MORE = "It starts by itself, and sooner with more workers: %cluster scale N."
_RETRIED = "It finishes by itself; if it keeps killing workers, give it less data at a time or them more memory."


def why_tasks(subject: str, keys: Collection[Any], reply: WhyReply, again: int = 0, whole: str = "") -> Why:
    """Return why a future, or a collection of such keys, is not done.

    `keys`: at least one. `reply`: what the scheduler said of them. `again`: how often it was sent again since its
    worker was lost, beyond what the scheduler knows. `whole`: of whose parts `subject` is.
    """
    task = reply["task"]
    assert task is not None  # it was asked about keys
    state, cause, remedy, line = _words(whole or subject, task, reply)
    if task["key"] not in keys:
        verb = "needs" if task["fate"] in _OVER else "waits for"
        cause = f"it {verb} {task['function'] or task['key']}: {cause}"
    if (deaths := task["deaths"] + again) and task["fate"] in _UNDER_WAY:
        state, remedy = "retried", remedy or _RETRIED
        cause = f"{'a worker' if deaths == 1 else f'{deaths} workers'} died with it, so it starts again; {cause}"
    if len(keys) > 1 and task["fate"] != "memory":
        cause = f"{reply['away']} of {len(keys)} parts are not there; {cause}"
    log = tuple(task["end"]["lines"]) if task["end"] is not None else ()
    return Why(subject, state, f"{cause}.", remedy, log, line)


def killed(function: str, end: WorkerEnd | None) -> tuple[str, str]:
    """Return what became of the workers that ran a task, in a clause, and what helps."""
    how, remedy = how_it_ended(end) if end is not None else ("", "")
    if end is None or not how:
        last, remedy = ", usually because memory ran out", "Give it less data at a time, or the workers more memory."
    else:
        last = f"; the last was {short_name(end['worker'])}: {how}"
    return f"the workers that ran {function} died one after another{last}", remedy


def _words(subject: str, task: TaskFacts, reply: WhyReply) -> tuple[str, str, str, str]:
    """Return state, cause, remedy and its line."""
    function, worker = task["function"], short_name(task["worker"])
    retry = f"cluster.client.retry({subject})"
    again = f"{retry} runs it again"
    match task["fate"]:
        case "memory":
            return "in memory", f"on {_listed(task['on'])}", "", ""
        case "running":
            return "running", f"{function} runs on {worker}" + _since(task["seconds"]), "", ""
        case "erred":
            return (
                "failed",
                f"{function} raised {_error(task)}",
                f"Fix that and run the cell again; {again} as it is.",
                retry,
            )
        case "killed":
            cause, remedy = killed(function, task["end"])
            return "killed", cause, f"{remedy} To run it again: {retry}.", retry
        case "lost":
            return "lost", _error(task), "Place it again with its value: %scatter, %broadcast or %pin.", ""
        case "absent":
            cause = "the scheduler does not know it: it was cancelled, or the cluster is another one or was restarted"
            return "forgotten", cause, "Run the cell that makes it again.", ""
        case "restoring":
            cause = "its value is to come from the notebook that placed it"
            return "waiting", cause, "It comes when that notebook answers; if that is gone, place it again.", ""
        case "no-worker":
            return "waiting", *_no_worker(task, reply)
        case "released":
            cause = "the scheduler let go of its value when nobody held a future of it, and nobody asked for it again"
            return "waiting", cause, "Run the cell that makes it again.", ""
        case "paused":
            cause, remedy = f"it is to run on {worker}, which is paused", f"%why {worker} says what fills its memory."
            return "waiting", cause, remedy, written(lambda: f"%why {quote(task['worker'])}")
        case "queued" if not reply["workers"]:
            return "waiting", *_no_worker(task, reply)
        case "queued":
            busy = f"all {reply['threads']} threads of {reply['workers']} workers are busy"
            return "queued", f"{busy}, and {_others(task['ahead'])} in the queue", _MORE, ""
        case "behind" if worker:
            if task["ahead"]:
                return "queued", f"{worker} has {_others(task['ahead'])} to do and has not begun it", _MORE, ""
            cause = f"{worker} has not begun it: it fetches what the task needs first"
            return "waiting", cause, "It starts by itself.", ""
        case "behind":
            return "waiting", "the scheduler is about to give it to a worker", "It starts by itself.", ""


def _no_worker(task: TaskFacts, reply: WhyReply) -> tuple[str, str, str]:
    """Return why there is no worker for a task, what helps, and its line."""
    if task["present"]:
        names, first = _listed(task["present"]), task["present"][0]
        cause = f"it may run only on {names}, which takes no tasks now"
        return cause, f"%why {short_name(first)} says why.", written(lambda: f"%why {quote(first)}")
    if task["wanted"]:
        names = _listed(task["wanted"])
        return (
            f"it may run only on {names}, and no such worker is here",
            "It runs when one of that name comes; allow_other_workers=True lets others run it.",
            "",
        )
    if task["resources"]:
        needed = ", ".join(f"{name}={number:g}" for name, number in task["resources"].items())
        remedy = "Start workers with these resources, or run it without them."
        return f"no worker offers the resources {needed}", remedy, ""
    if not reply["workers"]:
        return "the cluster has no running workers", "Add some: %cluster scale 2.", "%cluster scale 2"
    return "no worker can take it", "%cluster shows the workers; %cluster scale N adds some.", "%cluster"


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(map(short_name, names[:_SHOWN])) + (f" and {more} more" if more > 0 else "")


def _others(n: int) -> str:
    return f"{n:,} other task{'s' if n != 1 else ''}"


def _since(seconds: float) -> str:
    return f" for {seconds:.1f} s" if seconds else ""


def _error(task: TaskFacts) -> str:
    error = " ".join((task["error"] or "an error").split())
    return error if len(error) <= _LONGEST else error[: _LONGEST - 3] + "..."
