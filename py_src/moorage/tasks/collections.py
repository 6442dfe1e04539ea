"""``compute`` and ``persist`` of Dask collections, with ``workers=`` for each collection, as Dask documents it.

Dask's own client takes one list of workers for everything; a dict fails there. Here it becomes an annotation of the
tasks, looked up key by key on the scheduler. It consists of nothing but a dict, so that any scheduler can read it.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dask.base import annotate, is_dask_collection
from dask.core import flatten

from moorage.errors import InputError, UnknownWorkerError
from moorage.kernel.placement.targets import worker_list
from moorage.kernel.waiting import gather, wait_for
from moorage.model import WorkerInfo
from moorage.plan import ClusterView

if TYPE_CHECKING:
    from distributed import Client


def on_workers(
    client: Client,
    function: Callable[..., Any],
    collections: Any,
    workers: Any,
    others: Any,
    known: Callable[[], Sequence[WorkerInfo]],
    options: dict[str, Any],
) -> Any:
    """Call ``Client.compute`` or ``Client.persist`` with workers for each collection.

    Parameters
    ----------
    client : Client
    function : callable
        Which of the two.
    collections, workers, others, options
        As in `ClusterController.compute`, where `others` is ``allow_other_workers``.
    known : callable
        Returns the workers there are.
    """
    if options.pop("sync", False):
        futures = on_workers(client, function, collections, workers, others, known, options)
        return wait_for(client, gather, client, futures)
    if workers is None:
        return function(collections, **options)
    view = ClusterView(known())
    if not isinstance(workers, Mapping):
        return function(collections, workers=_addresses(workers, view), allow_other_workers=_flag(others), **options)
    restrictions: defaultdict[Any, list[str]] = defaultdict(list)
    for named, where in workers.items():
        addresses = _addresses(where, view)
        restrictions.update(dict.fromkeys(_keys(named, "workers"), addresses))
    if isinstance(others, bool):
        loose = defaultdict(bool, dict.fromkeys(restrictions, others))
    else:
        loose = defaultdict(bool, dict.fromkeys(_keys(others, "allow_other_workers"), True))
    with warnings.catch_warnings():
        # of Dask's frames: they lose annotations of their layers, and these are not
        warnings.filterwarnings("ignore", "Dask annotations .* detected", UserWarning)
        with annotate(workers=restrictions.__getitem__, allow_other_workers=loose.__getitem__):
            return function(collections, **{"optimize_graph": False, **options})


def _addresses(workers: Any, view: ClusterView) -> list[str]:
    found: set[str] = set()
    for spec in worker_list(workers) or ():
        if not (addresses := view.resolve(spec)):
            raise UnknownWorkerError(spec, view.by_name)
        found |= addresses
    return sorted(found)


def _keys(collections: Any, argument: str) -> Iterable[Any]:
    """Return the final keys of one or more collections."""
    several = collections if isinstance(collections, list | tuple | set | frozenset) else (collections,)
    for collection in several:
        if not is_dask_collection(collection):
            raise InputError(
                f"{argument}= names a {type(collection).__name__}, which is not a Dask collection.",
                f"Use {argument}={{z: 'alice', (x, y): ['bob', 'carol']}}."
                if argument == "workers"
                else f"Use True, or the collections whose tasks may run elsewhere: {argument}=[x, y].",
            )
        yield from flatten(collection.__dask_keys__())


def _flag(others: Any) -> bool:
    if not isinstance(others, bool):
        raise InputError(
            "allow_other_workers= names collections, but workers= does not.",
            "Give workers= as a dict too: workers={x: 'alice'}, allow_other_workers=[x].",
        )
    return others
