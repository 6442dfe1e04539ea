"""A process that is forked from one with clusters: it gets an error where it would wait for ever, and ends nothing.

A fork has none of its parent's threads, so what it asks of a cluster nobody would answer; and were it to end a cluster,
that would be its parent's.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from weakref import WeakSet

from moorage._dask.client import cut_off
from moorage.errors import UnreachableError

if TYPE_CHECKING:
    from distributed import Client

_clients: WeakSet[Client] = WeakSet()


def cut_off_in_children(client: Client) -> None:
    """Let whatever a forked child asks of `client` be an error there."""
    _clients.add(client)


def _cut_off() -> None:
    for client in list(_clients):
        cut_off(client)
    _clients.clear()


os.register_at_fork(after_in_child=_cut_off)


def of_parent(name: str) -> UnreachableError:
    """Return the error of a child that uses its parent's cluster `name`."""
    return UnreachableError(
        f"The cluster {name} belongs to the parent of this forked process; a connection cannot be shared.",
        'Start children with multiprocessing.get_context("spawn"); these can attach to it.',
    )
