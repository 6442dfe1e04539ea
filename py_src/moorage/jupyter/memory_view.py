"""How `Memory` is shown: a table by worker or by name, and above it what is about to happen. Pure but for settings."""

from __future__ import annotations

import dask.config
from dask.utils import format_bytes

from moorage.jupyter.display import Bundle, Grid, printable, table
from moorage.kernel.ledger.advice import warnings
from moorage.kernel.ledger.memory import UNMANAGED, Bytes, Memory, NamedMemory
from moorage.naming import short_name

_NAMES = 5  # shown of each worker
_ROWS = 20  # of all names
_WORKERS = 3  # named in a row

KINDS = {
    "placed": "placed",
    "variable": "variable",
    "dataset": "published dataset",
    "client": "client",
    "intermediate": "waits for tasks",
    "running": "runs",
    "rest": "",
}


def by_worker(memory: Memory, *, everything: bool = False) -> Bundle:
    """Return the table of workers and what is on each; `everything`: with small entries there, too."""
    rows = []
    for worker in memory.workers:
        there = list(memory.on(worker.name))
        shown = there if everything else there[:_NAMES]
        rest = [nbytes for _, nbytes in there[len(shown) :]]
        lines = [(named.name, KINDS[named.kind], nbytes) for named, nbytes in shown]
        if rest:
            lines.append((f"{len(rest)} more", "", total(rest)))
        lines.append((UNMANAGED, "", Bytes(worker.unmanaged)))
        taken = format_bytes(worker.process)
        rows += [
            [
                short_name(worker.name) if first else "",
                taken if first else "",
                _limit(worker.limit) if first else "",
                *_row(*line),
            ]
            for line, first in zip(lines, [True, *[False] * len(lines)], strict=False)
        ]
    header = ["worker", "process", "limit", "name", "is", "memory", "on disk", "shared"]
    return _bundle(memory, header, rows, {1, 2, 5, 6, 7})


def by_name(memory: Memory, *, everything: bool = False) -> Bundle:
    """Return the table of names and where each is; `everything`: also small ones."""
    names = list(memory.names) if everything else list(memory.names[:_ROWS])
    rest = memory.names[len(names) :]
    rows = [[*_row(named.name, KINDS[named.kind], named.total), str(named.keys), _where(named)] for named in names]
    if rest:
        keys = sum(named.keys for named in rest)
        rows.append([*_row(f"{len(rest)} more", "", total([named.total for named in rest])), str(keys), ""])
    unmanaged = Bytes(sum(worker.unmanaged for worker in memory.workers))
    rows.append([*_row(UNMANAGED, "", unmanaged), "", ""])
    return _bundle(memory, ["name", "is", "memory", "on disk", "shared", "keys", "on"], rows, {2, 3, 4, 5})


def total(sizes: list[Bytes]) -> Bytes:
    """Return the sum of sizes."""
    return Bytes(*(sum(column) for column in zip(*sizes, strict=True)))


def _bundle(memory: Memory, header: list[str], rows: list[list[str]], numeric: set[int]) -> Bundle:
    if not memory.workers:
        return table(Grid(header, []), ["The cluster has no workers."])
    said = warnings(memory, dask.config.get("distributed.worker.memory", {}))
    grid = Grid(header, [[printable(cell) for cell in row] for row in rows], frozenset(numeric))
    return table(grid, [printable(line) for line in said])


def _row(name: str, kind: str, nbytes: Bytes) -> list[str]:
    return [name, kind, *(format_bytes(size) if size else "-" for size in nbytes)]


def _limit(limit: int) -> str:
    return format_bytes(limit) if limit else "none"


def _where(named: NamedMemory) -> str:
    largest = sorted(named.on.items(), key=lambda one: -sum(one[1]))
    words = [f"{short_name(worker)} {format_bytes(sum(nbytes))}" for worker, nbytes in largest[:_WORKERS]]
    more = len(largest) - len(words)
    return ", ".join(words) + (f" and {more} more" if more else "")
