"""The futures that the parts of a persisted collection are, in their order.

Relied on, as read in dask 2026.8.0: the graph of a persisted collection has a `Future` at each of its keys; a data
frame is then a ``FromGraph``, whose operands ``layer`` and ``keys`` are the futures and the order of the partitions.
``ddf.partitions`` is an `IndexCallable` of a method of ``ddf``, and ``x.blocks`` has ``_array``. Without that a
collection is taken not to be persisted, and refused with what to do, and parts are looped over as anything else is.
"""

from __future__ import annotations

import sys
from typing import Any

from dask.core import flatten
from dask.utils import IndexCallable
from distributed import Future

from moorage._dask.frames.cutting import is_frame


def futures_of_parts(collection: Any) -> list[Future[Any]] | None:
    """Return the future of each part; None if there are parts that are not, or not only, a future.

    Quick for what is not persisted: no graph is made.
    """
    if is_frame(collection):
        expression = collection.expr
        if type(expression).__name__ != "FromGraph":
            return None
        graph, keys = expression.operand("layer"), expression.operand("keys")
    else:
        graph, keys = collection.__dask_graph__(), flatten(collection.__dask_keys__())
    futures = []
    for key in keys:
        try:
            part = graph[key]
        except KeyError:
            return None
        if not isinstance(part, Future):
            return None
        futures.append(part)
    return futures or None


def whole_of(parts: Any) -> Any:
    """Return the collection of which `parts` are the ``partitions`` or ``blocks``; None if they are something else.

    It is known by what they refer to: the method that gives a partition, or the array.
    """
    arrays = sys.modules.get("dask.array.core")  # imported by who has one
    if isinstance(parts, IndexCallable):
        frame = getattr(parts.fn, "__self__", None)
        return frame if is_frame(frame) else None
    return getattr(parts, "_array", None) if arrays and isinstance(parts, arrays.BlockView) else None
