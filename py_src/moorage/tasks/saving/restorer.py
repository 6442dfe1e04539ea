"""Restores variables: each value is read by a worker, under the key that it had, and placed as it was."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from distributed import Future

from moorage._dask.client import settled
from moorage.errors import InputError, MoorageError, SaveError, UnknownVariableError, WaitTimeoutError
from moorage.kernel.placement.placer import Placer
from moorage.kernel.placement.request import How
from moorage.kernel.placement.structure import Structure, take_apart
from moorage.kernel.values.fingerprint import fingerprint
from moorage.kernel.values.keys import content_of
from moorage.kernel.waiting import result_of, wait_for
from moorage.model import OnWorkers, Placement
from moorage.tasks.placed_data import PlacedData
from moorage.tasks.runtime import WorkerRuntime
from moorage.tasks.saving.manifest import SavedVariable
from moorage.tasks.saving.reading import Saved
from moorage.tasks.saving.recipes import put_together
from moorage.tasks.saving.saver import Progress
from moorage.wire.scheduler import placement_from_dict

_SOON = 1.0  # seconds


def restore(
    placer: Placer,
    backend: PlacedData,
    runtime: WorkerRuntime,
    chosen: Mapping[str, Saved],
    *,
    durable: bool = False,
    trust: bool,
    overwrite: bool,
    timeout: float,
    progress: Progress,
) -> None:
    """Place variables that were saved, by name, in the places that they had.

    In a notebook, names that are free mean the Dask collections among them.

    `durable`: their files are those of durable variables. `timeout`: of the wait for placements. Raises InputError;
    nothing has changed then. Raises SaveError if a value cannot be read; none has been placed then.
    """
    variables = {name: saved.manifest.variables[name] for name, saved in chosen.items()}
    others = [name for name, variable in variables.items() if _is_another(variable, placer, name)]
    if others and not overwrite:
        raise InputError(
            f"{', '.join(others)} is placed already, and is not what was saved.",
            "Release it first, or replace it: --overwrite, overwrite=True.",
        )
    held = {key for key, holders in backend.holders(k for v in variables.values() for k in v.keys).items() if holders}
    if changed := [n for n, v in variables.items() if any(key in held and content_of(key) is None for key in v.keys)]:
        raise InputError(
            f"{', '.join(changed)} is on the cluster already, and may have been written to since it was saved.",
            "Release it first: %release.",
        )
    runtime.install()
    # What is held and not placed may be on its way out.
    there = held & {key for record in placer.link.mirror.variables.values() for key in record["keys"]}
    futures = _read(backend, runtime, chosen, there, trust=trust)
    total, done = sum(variable.nbytes for variable in variables.values()), 0
    try:
        progress(0, total)
        for name, variable in variables.items():
            wait_for(backend.client, _settled, futures[name])
            for future in futures[name]:
                if future.status != "finished":
                    result_of(future)  # raises
            done += variable.nbytes
            progress(done, total)
    except BaseException as error:
        for future in (future for each in futures.values() for future in each if future.key not in there):
            future.release()  # what it has failed with is not to be met again under this key
        if isinstance(error, OSError | ValueError):
            raise SaveError(
                f"{name} cannot be restored from {chosen[name].store}: {error}.",
                "Restore others by their names, or save it again.",
            ) from error
        raise
    collections = {n: put_together(v.recipe, futures[n]) for n, v in variables.items() if v.recipe}
    _place(placer, variables, futures, collections, timeout, durable=durable)
    if placer.namespace is not None:
        for name, collection in collections.items():
            placer.namespace.setdefault(name, collection)


def _place(
    placer: Placer,
    variables: Mapping[str, SavedVariable],
    futures: Mapping[str, Sequence[Future[Any]]],
    collections: Mapping[str, Any],
    timeout: float,
    *,
    durable: bool,
) -> None:
    """Place what has been read, all or none; one that takes longer than `timeout` stays placed."""
    new = [name for name in variables if not _is_placed(placer, name)]

    async def place(name: str, saved: SavedVariable) -> None:
        value = collections.get(name)  # whose truth may be a computation
        if value is None:
            value = Structure.from_dict(saved.structure).put_together(futures[name])
        placement = placement_from_dict(saved.placement)
        ever = placement.workers if isinstance(placement, OnWorkers) else ()
        how = How(described=(saved.typename, saved.detail), durable=durable or None, ever=ever)
        if durable and saved.until:
            how = replace(how, lasts=max(_SOON, saved.until - time.time()))
        await placer.place(value, name, placement, how, timeout)

    async def place_each() -> list[BaseException]:
        placing = (place(name, saved) for name, saved in variables.items())
        return [one for one in await asyncio.gather(*placing, return_exceptions=True) if one is not None]

    try:
        failed = wait_for(placer.client, place_each)
        for error in failed:
            if not isinstance(error, WaitTimeoutError):
                raise error
    except BaseException:
        with contextlib.suppress(MoorageError):
            wait_for(placer.client, placer.release, [name for name in new if _is_placed(placer, name)])
        raise
    for name, saved in variables.items():
        _recognise(placer, name, saved)
    for error in failed:
        raise error


def _recognise(placer: Placer, name: str, saved: SavedVariable) -> None:
    """Take the notebook's value of that name for what was restored, if it is the same: it is not stale then."""
    value = (placer.namespace or {}).get(name)
    with contextlib.suppress(InputError):  # it cannot be taken apart, or pickled
        items = [value] if saved.structure["kind"] == "value" else take_apart(value)[1]
        if value is not None and [fingerprint(item) for item in items] == list(map(content_of, saved.keys)):
            placer.note_gathered(name, value)


def _is_another(saved: SavedVariable, placer: Placer, name: str) -> bool:
    """Whether this notebook has placed something else under the name of what was saved."""
    return _is_placed(placer, name) and list(placer.record(name)["keys"]) != saved.keys


def _is_placed(placer: Placer, name: str) -> bool:
    try:
        return placer.record(name)["owner"] == placer.owner
    except UnknownVariableError:
        return False


def _read(
    backend: PlacedData, runtime: WorkerRuntime, chosen: Mapping[str, Saved], there: Collection[Any], *, trust: bool
) -> Mapping[str, list[Future[Any]]]:
    """Have workers read values that are not `there`, where they shall be; return the futures of all."""
    futures: dict[str, list[Future[Any]]] = {}
    for name, saved in chosen.items():
        variable = saved.manifest.variables[name]
        graph = {
            key: task for key, task in saved.tasks(runtime, variable.numbers, trust=trust).items() if key not in there
        }
        workers = _addresses(backend, placement_from_dict(variable.placement))
        coming = backend.client.get(
            graph, list(graph), sync=False, workers=workers or None, allow_other_workers=bool(workers) or None
        )
        read = dict(zip(graph, coming, strict=True))
        futures[name] = [read[key] if key in read else backend.future(key) for key in variable.keys]
    return futures


def _addresses(backend: PlacedData, placement: Placement) -> list[str]:
    wanted = placement.workers if isinstance(placement, OnWorkers) else ()
    return [worker.address for worker in backend.workers() if worker.name in wanted]


async def _settled(futures: Sequence[Future[Any]]) -> None:
    for future in futures:
        await settled(future)
