"""Restores variables: each value is read by a worker, under the key that it had, and placed as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from distributed import Future

from moorage._dask.client import settled
from moorage.errors import InputError, MoorageError, SaveError, UnknownVariableError, WaitTimeoutError
from moorage.kernel.placement.placer import Placer
from moorage.kernel.placement.request import How
from moorage.kernel.placement.structure import Structure, take_apart
from moorage.kernel.values.fingerprint import fingerprint
from moorage.kernel.values.keys import content_of, is_writable
from moorage.kernel.waiting import result_of, wait_for
from moorage.model import OnWorkers, Placement
from moorage.tasks.backend import Backend
from moorage.tasks.runtime import WorkerRuntime
from moorage.tasks.saving.manifest import Manifest, SavedVariable
from moorage.tasks.saving.saver import Progress
from moorage.tasks.saving.store import Store
from moorage.wire.saves import Restoring
from moorage.wire.scheduler import placement_from_dict


def restore(
    placer: Placer,
    backend: Backend,
    runtime: WorkerRuntime,
    names: Sequence[str],
    store: Store,
    *,
    trust: bool,
    overwrite: bool,
    timeout: float,
    progress: Progress,
) -> list[str]:
    """Place variables that were saved, all by default; return their names. They take the places that they had.

    `timeout`: of the wait for placements. Raises UnknownVariableError or InputError; nothing has changed then. Raises
    SaveError if a value cannot be read; none has been placed then.
    """
    manifest = store.manifest(trust=trust)
    if manifest is None:
        raise InputError(f"Nothing has been saved in {store}.", "Save variables there first: %save NAME... --to PATH.")
    chosen = list(dict.fromkeys(names)) or list(manifest.variables)
    for name in chosen:
        if name not in manifest.variables:
            raise UnknownVariableError(name, manifest.variables)
    others = [name for name in chosen if _is_another(manifest.variables[name], placer, name)]
    if others and not overwrite:
        raise InputError(
            f"{', '.join(others)} is placed already, and is something else than what was saved.",
            "Release it first, or replace it: --overwrite, overwrite=True.",
        )
    keys = [key for name in chosen for key in manifest.variables[name].keys]
    held = {key for key, holders in backend.holders(keys).items() if holders}
    if changed := [
        name for name in chosen if any(k in held and content_of(k) is None for k in manifest.variables[name].keys)
    ]:
        raise InputError(
            f"{', '.join(changed)} is on the cluster already, and may have been written to since it was saved.",
            "Release it first: %release.",
        )
    runtime.install()
    # What is held and not placed may be on its way out.
    there = held & {key for record in placer.link.mirror.variables.values() for key in record["keys"]}
    futures = _read(backend, runtime, manifest, chosen, there, store, trust=trust)
    total, done = sum(manifest.variables[name].nbytes for name in chosen), 0
    try:
        progress(0, total)
        for name in chosen:
            wait_for(backend.client, _settled, futures[name])
            for future in futures[name]:
                if future.status != "finished":
                    result_of(future)  # raises
            done += manifest.variables[name].nbytes
            progress(done, total)
    except BaseException as error:
        for future in (future for each in futures.values() for future in each if future.key not in there):
            future.release()  # what it has failed with is not to be met again under this key
        if isinstance(error, OSError | ValueError):
            raise SaveError(
                f"{name} cannot be restored from {store}: {error}.", "Restore others by their names, or save it anew."
            ) from error
        raise
    _place(placer, {name: manifest.variables[name] for name in chosen}, futures, timeout)
    return chosen


def _place(
    placer: Placer,
    variables: Mapping[str, SavedVariable],
    futures: Mapping[str, Sequence[Future[Any]]],
    timeout: float,
) -> None:
    """Place what has been read, all or none; one that takes longer than `timeout` stays placed."""
    late: WaitTimeoutError | None = None
    placed: list[str] = []
    try:
        for name, saved in variables.items():
            value = Structure.from_dict(saved.structure).put_together(futures[name])
            how = How(described=(saved.typename, saved.detail))
            new = not _is_placed(placer, name)
            try:
                wait_for(placer.client, placer.place, value, name, placement_from_dict(saved.placement), how, timeout)
            except WaitTimeoutError as error:
                late = error
            placed += [name] if new else []
            _recognise(placer, name, saved)
    except BaseException:
        with contextlib.suppress(MoorageError):
            wait_for(placer.client, placer.release, placed)
        raise
    if late is not None:
        raise late


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
    backend: Backend,
    runtime: WorkerRuntime,
    manifest: Manifest,
    names: Sequence[str],
    there: Collection[Any],
    store: Store,
    *,
    trust: bool,
) -> Mapping[str, list[Future[Any]]]:
    """Have workers read values that are not `there`, where they shall be; return the futures of all."""
    futures: dict[str, list[Future[Any]]] = {}
    for name in names:
        saved = manifest.variables[name]
        graph = {}
        for key, number in zip(saved.keys, saved.images, strict=True):
            options: Restoring = {
                "place": store.place,
                "image": manifest.images[number],
                "writable": is_writable(key),
                "trust": trust,
            }
            if key not in there:
                graph[key] = runtime.task(key, "restore", options)
        workers = _addresses(backend, placement_from_dict(saved.placement))
        coming = backend.client.get(
            graph, list(graph), sync=False, workers=workers or None, allow_other_workers=bool(workers) or None
        )
        read = dict(zip(graph, coming, strict=True))
        futures[name] = [read[key] if key in read else backend.future(key) for key in saved.keys]
    return futures


def _addresses(backend: Backend, placement: Placement) -> list[str]:
    wanted = placement.workers if isinstance(placement, OnWorkers) else ()
    return [worker.address for worker in backend.workers() if worker.name in wanted]


async def _settled(futures: Sequence[Future[Any]]) -> None:
    for future in futures:
        await settled(future)
