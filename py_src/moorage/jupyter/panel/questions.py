"""What a panel asks about one thing: why it is as it is, its parts or items, a worker's log; to restart a worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from moorage.controller.cluster import ClusterController
from moorage.errors import InputError, UnknownWorkerError, WaitTimeoutError
from moorage.kernel.ledger.names import Names
from moorage.kernel.parts.elements import elements_of
from moorage.kernel.parts.parts import Part, Parts
from moorage.kernel.parts.picture import Picture
from moorage.kernel.placement.structure import has_parts
from moorage.kernel.waiting import wait_for
from moorage.kernel.why.answer import Why
from moorage.naming import short_name
from moorage.tasks.map.item_errors import ItemError, exception_at
from moorage.tasks.map.ledger import Batch
from moorage.tasks.map.results import Results
from moorage.wire.panel_requests import PanelParts, PanelWhy, PanelWhyArgs

_RESTARTING = 60.0  # seconds
_ANSWERING = 4.0
_LINES = 200  # of a log
_LONGEST = 300  # characters of an item's error
MOST = 100_000
"""Parts or items that are shown of a variable: of more, a picture tells nobody anything."""


def why(controller: ClusterController, asked: PanelWhyArgs) -> PanelWhy:
    """Return why something is as it is, or the log of a worker, in the panel's form. Raises as ``cluster.why`` does."""
    what = asked["name"]
    if asked["kind"] == "worker":  # by its address: a variable may have the same name
        with suppress(UnknownWorkerError):  # it has left
            what = address_of(controller, what)
    found: Why = log_of(controller, what) if asked["kind"] == "log" else controller.why(what)
    return {
        "subject": found.subject,
        "state": found.state,
        "cause": found.cause,
        "remedy": found.remedy,
        "line": found.line,
        "log": list(found.log),
        "others": [line for other in found.others for line in str(other).splitlines()],
    }


def address_of(controller: ClusterController, worker: str) -> str:
    """Return the address of a worker. Raises UnknownWorkerError."""
    _, workers = controller.link.mirror.snapshot()
    if worker not in workers:
        raise UnknownWorkerError(worker, list(workers))
    return workers[worker]["address"]


def log_of(controller: ClusterController, worker: str) -> Why:
    """Return what a worker has logged last, the newest below."""
    client, address = controller.client, address_of(controller, worker)
    try:
        logs = wait_for(client, client.get_worker_logs, n=_LINES, workers=[address], within=_ANSWERING)
    except TimeoutError:
        raise WaitTimeoutError(
            f"{short_name(worker)} has not answered within {_ANSWERING:g} s.", "Try again."
        ) from None
    lines = tuple(text for _, text in reversed(logs.get(address, ())))
    return Why(worker, "", "" if lines else "It has logged nothing.", log=lines)


def restart(controller: ClusterController, worker: str) -> None:
    """Have a worker's nanny restart its process, and wait until it is there again."""
    controller.restart_workers([worker], timeout=_RESTARTING)


def pages_of(controller: ClusterController, name: str, value: Any) -> Callable[[int, int], PanelParts]:
    """Return what gives pages, from one number on so many, of a variable's parts or of a container's elements.

    `value`: what the notebook's `name` means. Raises as ``cluster.parts`` does.
    """
    elements = elements_of(value) if name not in controller and not has_parts(value) else None
    if elements is None:
        return partial(page_of, controller.parts(name))
    _check(f"{name} has {len(elements):,} elements", len(elements), f"%why {name}[0:100] says how they are.")
    names = Names()
    keys = {label: names.keys(element) for label, element in elements.items()}
    every = list(dict.fromkeys(key for own in keys.values() for key in own))
    parts = Parts(name, every, wait_for(controller.client, controller.link.parts, every))
    return partial(page_of_elements, name, keys, parts)


def page_of(parts: Parts, start: int, count: int) -> PanelParts:
    """Return `count` parts from `start` on, and what each worker has of all.

    Raises
    ------
    InputError
        If there are more than can be shown.
    """
    in_words = f'cluster["{parts.name}"].parts says in words what each worker has.'
    _check(f"{parts.name} has {len(parts):,} parts", len(parts), in_words)
    picture, shares = parts.plot(), parts.by_worker
    numbers = {worker: number for number, worker in enumerate(shares)}
    page = parts[max(0, start) : max(0, start) + max(0, count)]
    return {
        "name": parts.name,
        "shape": list(parts.shape),
        "columns": picture.columns,
        "total": len(parts),
        "nowhere": sum(not part.workers for part in parts),
        "workers": list(shares),
        "colors": [picture.colours[worker] for worker in shares],
        "counts": [share.parts for share in shares.values()],
        "sizes": [share.nbytes for share in shares.values()],
        "start": max(0, start),
        "cells": [picture.cell(part.block) for part in page],
        "nbytes": [part.nbytes for part in page],
        "on": [[numbers[worker] for worker in part.workers] for part in page],
        "states": [part.state for part in page],
    }


def page_of_items(name: str, results: Results, start: int, count: int) -> PanelParts:
    """Return `count` items from `start` on as they are now, and how many of all each worker runs or ran.

    Raises
    ------
    InputError
        If there are more than can be shown.
    """
    total = len(results)
    _check(f"{name} has {total:,} items", total, f"%why {name}[0:100] and {name}.errors say how they are.")
    ran, sizes = Counter[str](), Counter[str]()
    for batch in results.batches():
        if batch.worker:
            ran[batch.worker] += len(batch) - len(batch.superseded)
            sizes[batch.worker] += batch.nbytes
    workers = sorted(worker for worker in ran if ran[worker])
    picture = Picture(name, (total,), [((at,), (worker,)) for at, worker in enumerate(workers)])
    page = range(max(0, start), min(total, max(0, start) + max(0, count)))
    items = [_item(index, results.batch_of(index)) for index in page]
    return {
        "name": name,
        "shape": [total],
        "columns": picture.columns,
        "total": total,
        "nowhere": total - sum(ran.values()),
        "workers": workers,
        "colors": [picture.colours[worker] for worker in workers],
        "counts": [ran[worker] for worker in workers],
        "sizes": [sizes[worker] for worker in workers],
        "start": page.start,
        "cells": list(page),
        "nbytes": [nbytes for _, nbytes, _, _ in items],
        "on": [[workers.index(worker)] if worker in workers else [] for _, _, worker, _ in items],
        "states": [state for state, _, _, _ in items],
        "errors": [error for _, _, _, error in items],
    }


def page_of_elements(
    name: str, elements: Mapping[str, Sequence[Any]], parts: Parts, start: int, count: int
) -> PanelParts:
    """Return `count` elements of a list or dict from `start` on, and how many of all each worker has something of.

    `elements`: by what a line has in brackets, the keys that each keeps on the cluster. `parts`: of all of these keys.
    """
    total = len(elements)
    of_key = {part.key: part for part in parts}
    of_element = [[of_key[key] for key in keys] for keys in elements.values()]
    has = [dict.fromkeys(worker for part in own for worker in part.workers) for own in of_element]
    counts, sizes = Counter(worker for workers in has for worker in workers), parts.by_worker
    workers = sorted(counts)
    picture = Picture(name, (total,), [((at,), (worker,)) for at, worker in enumerate(workers)])
    page = range(max(0, start), min(total, max(0, start) + max(0, count)))
    found = list(map(_element, of_element))
    shown = found[page.start : page.stop]
    return {
        "name": name,
        "shape": [total],
        "columns": picture.columns,
        "total": total,
        "nowhere": sum(state == "waiting" for state, _, _ in found),
        "workers": workers,
        "colors": [picture.colours[worker] for worker in workers],
        "counts": [counts[worker] for worker in workers],
        "sizes": [sizes[worker].nbytes for worker in workers],
        "start": page.start,
        "cells": list(page),
        "nbytes": [nbytes for _, nbytes, _ in shown],
        "on": [[workers.index(worker) for worker in has[at]] for at in page],
        "states": [state for state, _, _ in shown],
        "errors": [error for _, _, error in shown],
        "labels": list(elements)[page.start : page.stop],
    }


_STATES = {"erred": "failed", "absent": "forgotten", "processing": "running", "memory": "done"}


def _element(parts: Sequence[Part]) -> tuple[str, int, str]:
    """Return an element's state, which is that of its worst part, its bytes, and what went wrong with it."""
    if not parts:
        return "local", -1, ""
    states = [_STATES.get(part.state, "waiting") for part in parts]
    state = next(state for state in ("failed", "forgotten", "waiting", "running", "done") if state in states)
    nbytes = sum(part.nbytes for part in parts) if state == "done" else -1
    return state, nbytes, next((part.error[:_LONGEST] for part in parts if part.error), "")


def _item(index: int, located: tuple[Batch, int] | None) -> tuple[str, int, str, str]:
    """Return an item's state, bytes, worker, and what went wrong with it."""
    if located is None:
        return "waiting", -1, "", ""
    batch, position = located
    if batch.status == "cancelled":
        return "cancelled", -1, batch.worker, ""
    if batch.status == "failed" or position in batch.errors:
        error = ItemError(index, None, batch.worker, exception_at(batch, position, index)).in_words
        return "failed", -1, batch.worker, error[:_LONGEST]
    if batch.status == "running":
        return "running" if batch.worker else "waiting", -1, batch.worker, ""
    return "done", batch.nbytes // max(1, len(batch)), batch.worker, ""


def _check(fact: str, number: int, remedy: str) -> None:
    if number > MOST:
        raise InputError(f"{fact}; the panel shows up to {MOST:,}.", remedy)
