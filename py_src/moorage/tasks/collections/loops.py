"""What a loop over the parts of a collection runs over: the futures of these parts, in their order."""

from __future__ import annotations

from typing import Any

from dask.bag import Bag
from dask.base import is_dask_collection
from distributed import Client, Future

from moorage._dask.frames.persisted import whole_of
from moorage.errors import InputError, NotPlaceableError
from moorage.kernel.placement.structure import futures_in, has_parts


def parts_of(items: Any, client: Client) -> list[Future[Any]] | None:
    """Return the parts of ``ddf.partitions``, ``x.blocks``, a bag, or a list of delayed objects; None of other things.

    Of a list of other collections it is the whole value of each. What is not computed is computed on the cluster of
    `client`; nobody waits for it here. Raises InputError for an array: its rows would come one by one, uncomputed.
    """
    if is_dask_collection(items) and hasattr(items, "chunks") and hasattr(items, "dtype"):
        kind = type(items).__name__
        blocks = "x.blocks" if hasattr(items, "blocks") else "x.data.blocks"
        raise InputError(
            f"A loop over this {kind} would get its rows one by one, none of them computed.",
            f"Loop over its computed blocks, for block in {blocks}; or compute it first.",
        )
    if isinstance(items, list | tuple) and items and not has_parts(items) and all(map(is_dask_collection, items)):
        return list(client.compute(list(items)))
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
