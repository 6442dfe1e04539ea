"""The graphs of Dask collections, optimized as Dask does, but for what lies across the ends of some that are named.

Optimization merges tasks of several collections into one, and then there is no task left that is the end of one of
them. Here these ends are kept. Where they run is ``compute.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

from dask import config
from dask.core import flatten
from dask.delayed import Delayed
from dask.highlevelgraph import HighLevelGraph
from dask.utils import ensure_dict

from moorage._dask import graphs
from moorage._dask.frames import cutting


def cut(collections: Sequence[Any], named: Sequence[Any]) -> tuple[list[Any], list[set[Any]]]:
    """Return collections equal to `collections`, optimized, and the final keys that each of `named` has in them.

    `named`: whose final tasks are kept.

    Returns
    -------
    list of Dask collections
        To be computed or persisted without optimization.
    list of sets of keys
        Empty for what is not part of `collections`.
    """
    result: list[Any] = list(collections)
    graph: dict[Any, Any] = {}
    keys: list[set[Any]] = [set() for _ in named]
    frames = [i for i, collection in enumerate(collections) if cutting.is_frame(collection)]
    if frames:
        own = [i for i, collection in enumerate(named) if cutting.is_frame(collection)]
        cut_frames, found = cutting.cut([collections[i] for i in frames], [named[i] for i in own])
        for i, frame in zip(frames, cut_frames, strict=True):
            result[i] = frame
            graph |= frame.__dask_graph__()
        for i, of_one in zip(own, found, strict=True):
            keys[i].update(of_one)
    for members in _by_optimizer(collections, frames):
        merged = HighLevelGraph.merge(*(_layers(collections[i]) for i in members))
        ends = [_present(flatten(collection.__dask_keys__()), merged) for collection in named]
        wanted = [key for i in members for key in flatten(collections[i].__dask_keys__())]
        optimizer = getattr(collections[members[0]], "__dask_optimize__", None)
        kept = list(dict.fromkeys([*wanted, *(key for end in ends for key in end)]))
        optimized = ensure_dict(optimizer(merged, kept) if optimizer is not None else merged)
        fuses = config.get("optimization.fuse.active") is not False and not isinstance(collections[members[0]], Delayed)
        if any(ends) and fuses:
            optimized = cutting.fused(optimized, kept)
        graph |= optimized
        for i in members:
            rebuild, state = collections[i].__dask_postpersist__()
            result[i] = rebuild(optimized, *state)
        for i, end in enumerate(ends):
            keys[i].update(end)
    return result, [cutting.with_aliases(graph, of_one) if of_one else set() for of_one in keys]


def put_together(collection: Any) -> Delayed:
    """Return an object whose computed value is that of a collection, by a last task that has a key of its own."""
    if isinstance(collection, Delayed):
        return collection
    function, more = collection.__dask_postcompute__()
    key = f"finalize-{uuid4().hex}"
    last = graphs.task(key, function, graphs.references(collection.__dask_keys__()), *more)
    return Delayed(key, {**ensure_dict(collection.__dask_graph__()), key: last})


def _by_optimizer(collections: Sequence[Any], frames: Iterable[int]) -> list[list[int]]:
    """Return the numbers of the collections that are optimized together, as Dask would."""
    groups: dict[Any, list[int]] = {}
    for i in set(range(len(collections))) - set(frames):
        groups.setdefault(getattr(collections[i], "__dask_optimize__", None), []).append(i)
    return [sorted(members) for members in groups.values()]


def _layers(collection: Any) -> HighLevelGraph:
    graph = collection.__dask_graph__()
    if isinstance(graph, HighLevelGraph):
        return graph
    return HighLevelGraph.from_collections(str(id(collection)), graph, dependencies=())


def _present(keys: Iterable[Any], graph: HighLevelGraph) -> list[Any]:
    """Return those of `keys` that `graph` has; most layers are called as their keys are, and need not be unfolded."""
    found: list[Any] = []
    unsure: list[Any] = []
    for key in keys:
        name = key[0] if isinstance(key, tuple) else key
        (found if name in graph.layers else unsure).append(key)
    if unsure:
        every: Mapping[Any, Any] = ensure_dict(graph)
        found += [key for key in unsure if key in every]
    return found
