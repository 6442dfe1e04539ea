"""The parts of a variable as the panel shows them: pages of one look at the cluster."""

from __future__ import annotations

from moorage.errors import InputError
from moorage.kernel.parts.parts import Parts
from moorage.wire.panel_requests import PanelParts

MOST = 100_000
"""Parts that are shown of a variable: of more, a picture tells nobody anything."""


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
