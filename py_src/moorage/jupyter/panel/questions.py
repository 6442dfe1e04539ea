"""What a panel asks about one thing: why it is as it is, its parts, a worker's log; and to restart a worker."""

from __future__ import annotations

from contextlib import suppress

from moorage.controller.cluster import ClusterController
from moorage.errors import InputError, UnknownWorkerError, WaitTimeoutError
from moorage.kernel.parts.parts import Parts
from moorage.kernel.waiting import wait_for
from moorage.kernel.why.answer import Why
from moorage.wire.panel_requests import PanelParts, PanelWhy, PanelWhyArgs

_RESTARTING = 60.0  # seconds
_ANSWERING = 4.0
_LINES = 200  # of a log
MOST = 100_000
"""Parts that are shown of a variable: of more, a picture tells nobody anything."""


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
        raise WaitTimeoutError(f"{worker} has not answered within {_ANSWERING:g} s.", "Try again.") from None
    lines = tuple(text for _, text in reversed(logs.get(address, ())))
    return Why(worker, "", "" if lines else "It has logged nothing.", log=lines)


def restart(controller: ClusterController, worker: str) -> None:
    """Have a worker's nanny begin its process anew, and wait until it is there again."""
    controller.restart_workers([worker], timeout=_RESTARTING)


def page_of(parts: Parts, start: int, count: int) -> PanelParts:
    """Return `count` parts from `start` on, and what each worker has of all.

    Raises
    ------
    InputError
        If there are more than can be shown.
    """
    if len(parts) > MOST:
        raise InputError(
            f"{parts.name} has {len(parts):,} parts; the panel shows up to {MOST:,}.",
            f'cluster["{parts.name}"].parts says in words what each worker has.',
        )
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
