"""What to say of a worker that is about to spill, pause or be killed: what fills it, and what frees that. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dask.utils import format_bytes

from moorage.kernel.ledger.memory import Bytes, Memory, NamedMemory, WorkerMemory

NEAR = 0.9
"""Of the memory at which something happens: from there on it is about to."""

_MOST = 2  # names in a warning
_AT_REST = 150_000_000  # bytes that a worker takes with the usual libraries and no data


class Shortage(NamedTuple):
    """That a worker is short of memory."""

    # `worker`, `what`: its name, and what it is about to do or does
    worker: str
    what: str
    filled: str  # what fills it, as a sentence
    remedy: str  # what would free that; empty if it goes by itself
    line: str = ""  # the same as lines for a cell; empty if none do


def warnings(memory: Memory, fractions: Mapping[str, float | bool | None]) -> list[str]:
    """Return a sentence or two for each worker that is short of memory; parameters as of `shortages`."""
    found = shortages(memory, fractions)
    return [f"{short.worker} {short.what}: {short.filled} {short.remedy}".strip() for short in found]


def shortages(memory: Memory, fractions: Mapping[str, float | bool | None]) -> list[Shortage]:
    """Return which workers are short of memory, and why.

    `fractions`: ``target``, ``spill``, ``pause`` and ``terminate``: at which part of its limit a worker does that;
    Dask's settings ``distributed.worker.memory``.
    """
    found = []
    for worker in memory.workers:
        what = shortage(worker.status, worker.process, worker.managed, worker.spilled, worker.limit, fractions)
        if what:
            taken = f"at {format_bytes(worker.process)} of {format_bytes(worker.limit)}"
            found.append(Shortage(worker.name, f"{what}, {taken}", *filled_by(memory, worker)))
    return found


def shortage(
    status: str, process: int, managed: int, spilled: int, limit: int, fractions: Mapping[str, float | bool | None]
) -> str:
    """Return what a worker does or is about to do for want of memory, such as ``is about to pause``; else nothing.

    A worker writes data to its disk because of what its process takes, and because of the data alone (``target``).
    """
    if not limit:
        return ""
    if status == "paused":
        return "is paused"

    def is_near(verb: str, taken: int) -> bool:
        at = fractions.get(verb)
        return bool(at) and taken >= NEAR * float(at or 0) * limit

    if is_near("terminate", process):
        return "is about to be killed"
    if is_near("pause", process):
        return "is about to pause"
    if spilled:
        return "has written data to its disk"
    return "is about to write data to its disk" if is_near("spill", process) or is_near("target", managed) else ""


def filled_by(memory: Memory, worker: WorkerMemory) -> tuple[str, str, str]:
    """Return what fills a worker and what would free it, each in a sentence or two, and lines that do."""
    there = [(named, nbytes) for named, nbytes in memory.on(worker.name) if _own(nbytes)]
    largest = [one for one in there if _own(one[1]) >= worker.unmanaged - _AT_REST][:_MOST]
    if not largest:
        line = f"cluster.client.restart_workers([{worker.name!r}])"
        filled = f"{format_bytes(worker.unmanaged)} are not data that Dask manages."
        return filled, f"{line} restarts it; what is placed comes back.", line
    words = [f"{named.name} takes {format_bytes(_own(nbytes))}" for named, nbytes in largest]
    remedies = dict.fromkeys(filter(None, (remedy(named) for named, _ in largest)))
    lines = dict.fromkeys(filter(None, (line_that_frees(named) for named, _ in largest)))
    return f"{', '.join(words)}.", " ".join(remedies), "\n".join(lines)


def _own(nbytes: Bytes) -> int:
    return nbytes.memory + nbytes.disk


def remedy(named: NamedMemory) -> str:
    """Return what would free the memory of a name, in a sentence; nothing if it goes by itself."""
    match named.kind:
        case "placed" if named.mine:
            return f"{line_that_frees(named)} frees that."
        case "variable" if named.mine:
            *deletes, last = line_that_frees(named).splitlines()
            if not last.startswith("%"):
                return f"`{last}` frees that."
            both = f"`{deletes[0]}` and {last} free" if deletes else f"{last} frees"
            return f"{both} that: IPython keeps what a cell has shown."
        case "client" if named.mine:
            return "An object of the notebook that is not a variable keeps that: an attribute, a closure, a traceback."
        case "dataset":
            return f"{line_that_frees(named)} frees that."
        case "placed" | "variable" | "client":
            return f"It is of {named.owner or 'another client'}, who can free it."
    return ""


def line_that_frees(named: NamedMemory) -> str:
    """Return lines for a cell that free the memory of a name; nothing if none does."""
    match named.kind:
        case "placed" if named.mine:
            return f"%release {named.name}"
        case "variable" if named.mine:
            names, out, _ = f"{named.name}, ".partition("Out[")
            own = names.partition(" and ")[0].strip(", ")
            return "\n".join(filter(None, [f"del {own}" if own else "", "%reset -f out" if out else ""]))
        case "dataset":
            return f"cluster.client.unpublish_dataset({named.name!r})"
    return ""
