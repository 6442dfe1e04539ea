"""A Dask collection of values that are on the cluster one by one, such as the results of a loop over parts.

Data frames and series become a data frame or series, arrays an array, lists a bag; anything else a list of delayed
objects. Nothing is computed but what the collection has to say of itself: columns, types, shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import numpy as np
from dask.bag import Bag
from dask.delayed import Delayed
from distributed import Client, Future

from moorage.errors import InputError
from moorage.kernel.waiting import gather, wait_for


def together(client: Client, futures: Sequence[Future[Any]], origins: Sequence[Any] = ()) -> Any:
    """Return a persisted collection whose parts are `futures`, in this order.

    `futures`: at least one. `origins`: of the parts of which these were made: arrays made of the blocks of an array lie
    as these do. Raises InputError if the values do not make a collection together.
    """
    if not futures:
        raise InputError("The loop had no items, so there is nothing to collect.", "Leave out --collection.")
    about = client.map(_about, futures, pure=False)
    said: list[tuple[str, Any]] = wait_for(client, gather, client, about)
    kinds = {kind for kind, _ in said}
    if len(kinds) > 1:
        raise InputError(
            f"The items' values are of several kinds: {', '.join(sorted(kinds))}.",
            "Return the same kind from each, or leave out --collection.",
        )
    name = f"collected-{uuid4().hex}"
    match kinds.pop():
        case "frame":
            return _frame(futures, said[0][1], name)
        case "array":
            return _array(futures, [shape for _, (shape, _) in said], said[0][1][1], name, origins)
        case "list":
            return Bag({(name, i): future for i, future in enumerate(futures)}, name, len(futures))
        case _:
            return [Delayed(future.key, {future.key: future}) for future in futures]


def _about(value: Any) -> tuple[str, Any]:
    """Return the kind of a value, and what has to be known of it; runs next to it."""
    if hasattr(value, "iloc") and hasattr(value, "index"):
        return "frame", value.iloc[:0]
    if isinstance(value, np.ndarray):
        return "array", (value.shape, value[tuple(slice(0, 0) for _ in value.shape)] if value.shape else value)
    return ("list" if isinstance(value, list) else "other"), None


def _frame(futures: Sequence[Future[Any]], meta: Any, name: str) -> Any:
    from dask.dataframe import from_graph

    keys = [(name, i) for i in range(len(futures))]
    return from_graph(dict(zip(keys, futures, strict=True)), meta, (None,) * (len(futures) + 1), keys, "collected")


def _array(
    futures: Sequence[Future[Any]], shapes: Sequence[tuple[int, ...]], meta: Any, name: str, origins: Sequence[Any]
) -> Any:
    import dask.array as da  # imports pandas, SciPy and xarray where they are installed

    ndim = len(shapes[0])
    if ndim == 0 or any(len(shape) != ndim for shape in shapes):
        raise InputError(
            "The arrays have different numbers of axes, or none.",
            "Return arrays that agree, or leave out --collection.",
        )
    grid = [key[1:] if isinstance(key, tuple) else () for key in origins]
    if len(grid) != len(futures) or any(len(at) != ndim for at in grid) or len(set(grid)) != len(grid):
        grid = [(i, *[0] * (ndim - 1)) for i in range(len(futures))]  # one below the other
    sizes: list[dict[int, int]] = [{} for _ in range(ndim)]
    for at, shape in zip(grid, shapes, strict=True):
        for axis, (i, size) in enumerate(zip(at, shape, strict=True)):
            if sizes[axis].setdefault(i, size) != size:
                raise InputError(
                    f"Neighboring blocks of {sizes[axis][i]} and {size} rows or columns do not form an array.",
                    "Return blocks that fit together, or leave out --collection.",
                )
    chunks = tuple(tuple(axis[i] for i in sorted(axis)) for axis in sizes)
    graph = {(name, *at): future for at, future in zip(grid, futures, strict=True)}
    return da.Array(graph, name, chunks, dtype=meta.dtype, meta=meta)
