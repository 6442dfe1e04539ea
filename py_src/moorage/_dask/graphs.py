"""Tasks of a graph.

Relied on, as read in dask 2026.8.0: ``dask._task_spec`` has ``Task(key, func, *args)``, whose ``func`` can be read
again, ``TaskRef(key)``, which stands for the value of a key, ``List``, of what stands for values, and ``Alias``, a task
that does nothing but give the value of its ``target``. Without them the scheduler plugin does not start, and no client
is connected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from moorage._dask.parts import parts_of

if TYPE_CHECKING:
    from dask._task_spec import Task as Task
    from dask._task_spec import TaskRef as TaskRef

SUBJECT = "tasks"

PARTS = (
    *parts_of(SUBJECT, "dask._task_spec:Task", has=("func",), calls={"__init__": ("key", "func")}),
    *parts_of(SUBJECT, "dask._task_spec:TaskRef", calls={"__init__": ("key",)}),
    *parts_of(SUBJECT, "dask._task_spec:Alias", has=("target",)),
    *parts_of(SUBJECT, "dask._task_spec:", has=("List",)),
)


def task(key: Any, function: Callable[..., Any], *args: Any) -> Task:
    """Return a task of a graph; among `args` may be other tasks, and references."""
    from dask._task_spec import Task  # found missing by the check, rather than when moorage is imported

    return Task(key, function, *args)


def references(keys: Any) -> Any:
    """Return what stands for the values of keys in nested lists, in such lists."""
    from dask._task_spec import List

    return List(*map(references, keys)) if isinstance(keys, list) else reference(keys)


def reference(key: Any) -> TaskRef:
    """Return what stands for the value of `key` among the arguments of a task."""
    from dask._task_spec import TaskRef

    return TaskRef(key)


def stands_for(spec: Any) -> Any:
    """Return the key whose value a task just passes on; None for any other task."""
    from dask._task_spec import Alias

    return spec.target if isinstance(spec, Alias) else None
