"""What a loop over the parts of a collection runs over: the futures of these parts, in their order."""

from __future__ import annotations

from typing import Any

from dask.bag import Bag
from distributed import Client, Future

from moorage._dask.frames.persisted import whole_of
from moorage.errors import NotPlaceableError
from moorage.kernel.placement.structure import futures_in, has_parts


def parts_of(items: Any, client: Client) -> list[Future[Any]] | None:
    """Return the parts of ``ddf.partitions``, ``x.blocks``, a bag, or a list of delayed objects; None of other things.

    What is not computed is persisted on the cluster of `client`; nobody waits for it here.
    """
    whole = whole_of(items)
    if whole is None and (isinstance(items, Bag) or (isinstance(items, list | tuple) and has_parts(items))):
        whole = items
    if whole is None:
        return None
    try:
        futures = futures_in(whole)
    except NotPlaceableError:
        futures = futures_in(client.persist(list(whole) if isinstance(whole, tuple) else whole))
    return futures
