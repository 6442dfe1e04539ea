"""Data frames, whose graphs Dask makes of expressions: optimized, with some frames kept whole.

Relied on, as read in dask 2026.8.0: ``collections_to_expr`` makes one expression of several frames, whose operands stay
those of the frames when it is optimized; ``Expr.substitute`` replaces a part by another; frames have ``_meta`` and
``_name``; ``Alias(key, target)`` is a task that stands for another; ``fuse_linear_task_spec(dsk, keys)`` makes one task
of each chain of tasks, as far as it meets them before what they lead to. Without them nothing is kept whole, and the
caller computes without optimization.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any

from moorage._dask.parts import changed, parts_of

SUBJECT = "cut of graphs"

PARTS = (
    *parts_of(SUBJECT, "dask.base:", calls={"collections_to_expr": ("collections",)}),
    *parts_of(SUBJECT, "dask._expr:Expr", has=("walk", "optimize"), calls={"substitute": ("old", "new")}),
    *parts_of(SUBJECT, "dask.dataframe.dask_expr._expr:", calls={"optimize_blockwise_fusion": ("expr",)}),
    *parts_of(SUBJECT, "dask._task_spec:Alias", has=("target",), calls={"__init__": ("key", "target")}),
    *parts_of(SUBJECT, "dask._task_spec:", calls={"fuse_linear_task_spec": ("dsk", "keys")}),
)


def is_frame(collection: Any) -> bool:
    """Whether a collection is a data frame, or a part of one, that is an expression."""
    return hasattr(collection, "expr") and type(collection).__module__.startswith("dask.dataframe")


def can_cut() -> bool:
    """Whether the installed Dask has what is relied on."""
    return not changed(PARTS)


def cut(frames: Sequence[Any], named: Sequence[Any]) -> tuple[list[Any], list[list[Any]]]:
    """Return frames equal to `frames`, optimized but for what lies across the end of a named one.

    `frames`, `named`: for which `is_frame` holds. A named one need not be part of the others.

    Returns
    -------
    list of collections
        With graphs that are to be taken as they are.
    list of lists of keys
        Of each of `named`, the keys of its partitions in those graphs; none if it is not part of them.
    """
    from dask.base import collections_to_expr
    from dask.dataframe import from_graph
    from dask.dataframe.dask_expr._expr import optimize_blockwise_fusion
    from dask.utils import key_split

    from moorage._dask.frames.kept import Kept

    whole = collections_to_expr(list(frames))
    # What is made of another comes first: to replace that one changes what it is called.
    for index in sorted(range(len(named)), key=lambda i: -sum(1 for _ in named[i].expr.walk())):
        keep: Any = Kept
        whole = whole.substitute(named[index].expr, keep(named[index].expr, index))
    whole = optimize_blockwise_fusion(whole.optimize())  # which a sequence does not do by itself
    graph = dict(whole.__dask_graph__())
    keys: list[list[Any]] = [[] for _ in named]
    for part in whole.walk():
        if isinstance(part, Kept):
            kept: Any = part
            keys[kept.operand("index")] += kept.__dask_keys__()
    cut_frames = [
        from_graph(graph, frame._meta, part.divisions, part.__dask_keys__(), key_split(frame._name))
        for frame, part in zip(frames, whole.operands, strict=True)
    ]
    return cut_frames, keys


def fused(graph: Mapping[Any, Any], keys: Iterable[Any]) -> dict[Any, Any]:
    """Return a graph in which chains of tasks are one task each, those that end in one of `keys` included.

    Dask's own optimization goes over a graph in any order, and leaves a chain alone when it has met its end before.
    """
    from dask._task_spec import fuse_linear_task_spec

    order = TopologicalSorter({key: task.dependencies & graph.keys() for key, task in graph.items()}).static_order()
    return dict(fuse_linear_task_spec({key: graph[key] for key in order}, keys))


def with_aliases(graph: Mapping[Any, Any], keys: Iterable[Any]) -> set[Any]:
    """Return `keys` with all that stand for them, and that they stand for: Dask makes one task of these."""
    from dask._task_spec import Alias

    found, alike = set(keys), dict[Any, set[Any]]()
    for key, task in graph.items():
        if isinstance(task, Alias) and task.target != key:
            alike.setdefault(key, set()).add(task.target)
            alike.setdefault(task.target, set()).add(key)
    work = list(found)
    while work:
        more = alike.get(work.pop(), set()) - found
        found |= more
        work += more
    return found
