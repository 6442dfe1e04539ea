"""``compute`` and ``persist`` of Dask collections, with ``workers=`` for each collection, as Dask documents it.

Dask's own client takes one list of workers for everything; a dict fails there. Here it becomes an annotation of the
tasks, looked up key by key on the scheduler. It consists of nothing but a dict, so that any scheduler can read it. That
the tasks of what is named stay apart from others is ``cut.py``.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from dask.base import annotate, is_dask_collection, tokenize
from dask.core import flatten
from distributed import futures_of

from moorage._dask.frames.cutting import can_cut
from moorage.errors import InputError
from moorage.kernel.placement.targets import worker_list
from moorage.kernel.waiting import gather, wait_for
from moorage.tasks.collections.cut import cut, put_together
from moorage.tasks.collections.staying import Sent

if TYPE_CHECKING:
    from distributed import Client

_SEVERAL = (list, tuple, set, frozenset)
_FORMS = "Use workers={z: 'alice', (x, y): ['bob', 'carol']}, or pairs: workers=[(z, 'alice'), ((x, y), ['bob'])]."


class _Asked(NamedTuple):
    """Where the final tasks of a collection should run."""

    collection: Any
    said: list[str]
    workers: list[str]
    loose: bool


def on_workers(
    client: Client,
    function: Callable[..., Any],
    collections: Any,
    workers: Any,
    others: Any,
    resolve: Callable[[list[str]], list[str]],
    sent: Callable[[list[Sent]], None],
    options: dict[str, Any],
) -> Any:
    """Call ``Client.compute`` or ``Client.persist`` with workers for each collection.

    `function`: which of the two. `collections`, `workers`, `others`, `options`: as in `ClusterController.compute`,
    where `others` is ``allow_other_workers``. `resolve`: returns addresses and hosts for what workers are called, or
    raises `UnknownWorkerError`. `sent`: called with what is computed on certain workers only.
    """
    if options.pop("sync", False):
        futures = on_workers(client, function, collections, workers, others, resolve, sent, options)
        return wait_for(client, gather, client, futures)
    if workers is None:
        return function(collections, **options)
    if (pairs := _pairs(workers)) is None:
        said = worker_list(workers) or []
        found = resolve(said)
        result = function(collections, workers=found, allow_other_workers=_flag(others), **options)
        if said and not others:
            several = isinstance(collections, _SEVERAL)
            each = zip(collections, result, strict=True) if several else [(collections, result)]
            sent([Sent(one, said, found, [future.key for future in futures_of(made)]) for one, made in each])
        return result
    asked = _asked(pairs, others, resolve)
    several = isinstance(collections, _SEVERAL)
    wanted = list(collections) if several else [collections]
    if options.get("optimize_graph", True) and can_cut() and all(map(is_dask_collection, wanted)):
        wanted, keys = cut(wanted, [one.collection for one in asked])
        options["optimize_graph"] = False
    else:
        keys = [set(flatten(one.collection.__dask_keys__())) for one in asked]
        options["optimize_graph"] = False
    restrictions: defaultdict[Any, list[str]] = defaultdict(list)
    loose: defaultdict[Any, bool] = defaultdict(bool)
    for one, own in zip(asked, keys, strict=True):
        if not own:
            raise InputError(
                f"workers= names a {type(one.collection).__name__} that is not part of what is computed.",
                "Name the collection itself, or those that it was made of.",
            )
        restrictions.update(dict.fromkeys(own, one.workers))
        loose.update(dict.fromkeys(own, one.loose))
    strict = [(one, own) for one, own in zip(asked, keys, strict=True) if not one.loose]
    sent([Sent(one.collection, one.said, one.workers, own) for one, own in strict])
    if function == client.compute:  # which puts the value of each together of its parts
        places = {_token(one.collection): one for one in asked}
        given = collections if several else [collections]
        own_places = [places.get(_token(collection)) for collection in given if is_dask_collection(collection)]
        if any(own_places):  # all of them, since Dask warns of graphs of several kinds
            wanted = [put_together(whole) if is_dask_collection(whole) else whole for whole in wanted]
            for place, whole in zip(own_places, filter(is_dask_collection, wanted), strict=True):
                if place is not None:
                    restrictions[whole.key], loose[whole.key] = place.workers, place.loose
    with warnings.catch_warnings():
        # of Dask's frames: they lose annotations of their layers, and these are not
        warnings.filterwarnings("ignore", "Dask annotations .* detected", UserWarning)
        with annotate(workers=restrictions.__getitem__, allow_other_workers=loose.__getitem__):
            return function(wanted if several else wanted[0], **options)


def _pairs(workers: Any) -> list[tuple[Any, Any]] | None:
    """Return collections with their workers, if `workers` says where each of some collections should run."""
    if isinstance(workers, Mapping):
        return list(workers.items())
    if isinstance(workers, list | tuple) and workers:
        if all(isinstance(pair, tuple) and len(pair) == 2 and _is_named(pair[0]) for pair in workers):
            return list(workers)
        if any(map(is_dask_collection, workers)) or any(isinstance(p, tuple) and _is_named(p[0]) for p in workers if p):
            raise InputError("workers= names collections, but not where each should run.", _FORMS)
    return None


def _is_named(named: Any) -> bool:
    if isinstance(named, _SEVERAL):
        return bool(named) and all(map(is_dask_collection, named))
    return is_dask_collection(named)


def _asked(pairs: Iterable[tuple[Any, Any]], others: Any, resolve: Callable[[list[str]], list[str]]) -> list[_Asked]:
    """Return each collection once, with the workers that were said last."""
    loose = set() if isinstance(others, bool) else {_token(c) for c in _each(others, "allow_other_workers")}
    asked: dict[Any, _Asked] = {}
    for named, where in pairs:
        said = worker_list(where) or []
        found = resolve(said)
        for collection in _each(named, "workers"):
            token = _token(collection)
            asked[token] = _Asked(collection, said, found, others if isinstance(others, bool) else token in loose)
    return list(asked.values())


def _token(collection: Any) -> Any:
    """Return what tells a collection from others: its keys, without making its graph."""
    return tokenize(collection)


def _each(collections: Any, argument: str) -> Iterable[Any]:
    """Yield one or more collections. Raises InputError if something else is among them."""
    for collection in collections if isinstance(collections, _SEVERAL) else (collections,):
        if not is_dask_collection(collection):
            raise InputError(
                f"{argument}= names a {type(collection).__name__}, which is not a Dask collection.",
                _FORMS
                if argument == "workers"
                else f"Use True, or the collections whose tasks may run elsewhere: {argument}=[x, y].",
            )
        yield collection


def _flag(others: Any) -> bool:
    if not isinstance(others, bool):
        raise InputError(
            "allow_other_workers= names collections, but workers= does not.",
            "Give workers= as a dict too: workers={x: 'alice'}, allow_other_workers=[x].",
        )
    return others
