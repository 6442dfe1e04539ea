"""Saves variables: each image is written by a worker that has it, and the manifest when all are."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from dask.utils import format_bytes
from distributed import Future

from moorage.errors import InputError, MoorageError, SaveError
from moorage.kernel.values.keys import content_of
from moorage.kernel.waiting import result_of
from moorage.tasks.placed_data import PlacedData
from moorage.tasks.runtime import WorkerRuntime
from moorage.tasks.saving.manifest import Manifest, SavedVariable
from moorage.tasks.saving.store import Store
from moorage.wire.saves import SavedImage, Saving
from moorage.wire.scheduler import VariableRecord
from moorage.worker.tasks.file import Entry

_PACK = 128 << 20  # bytes of smaller values that a worker writes into one file
_MOMENT = 2.0  # seconds
_ALONE = 16 << 20  # bytes of a value that has a file of its own

Progress = Callable[[int, int], None]
"""Told how many bytes are done, and of how many."""


class Written(NamedTuple):
    """What has been saved."""

    manifest: Manifest
    numbers: dict[Any, int]  # of each key, its place among the images


@dataclass(slots=True)
class Pack:
    """Keys whose values one worker writes into one file."""

    worker: str
    keys: list[Any]
    nbytes: int = 0


def save(
    backend: PlacedData,
    runtime: WorkerRuntime,
    variables: Mapping[str, VariableRecord],
    store: Store,
    recipes: Mapping[str, str],
    *,
    overwrite: bool,
    timeout: float,
    progress: Progress,
    others: Mapping[Any, int] = MappingProxyType({}),
    beside: bool = False,
    cluster: tuple[str, str] = ("", ""),
) -> Written:
    """Save variables, in place of what the folder had before; that stays whole until the end.

    `recipes`: of those that are Dask collections. `others`: further keys, of no variable, with their bytes; those that
    are there are written, too. `beside`: files of before stay, which keys are still to be read from. `cluster`: name
    and address of that whose durable variables they are. `timeout`: seconds until each variable is held somewhere.
    Raises InputError if that cannot be, SaveError if it could not be done, LostError or WaitTimeoutError if a value is
    not there. What was saved before is as it was then.
    """
    if not variables and not others:
        raise InputError("There is nothing to save.", "Place a variable first: %broadcast, %pin or %scatter.")
    before = store.manifest()
    if before is not None and not overwrite:
        raise InputError(
            f"{store} has {before.summary()}.", "Name another folder, or replace it: --overwrite, overwrite=True."
        )
    keys = [key for record in variables.values() for key in record["keys"]]
    backend.wait_held(keys, timeout)
    sizes = {key: backend.nbytes(key) for key in keys}
    holders = {key: there for key, there in backend.holders([*keys, *others]).items() if there}
    sizes |= {key: nbytes for key, nbytes in others.items() if key in holders}
    firsts: dict[str, Any] = {}  # of keys with one content the first, which is saved
    for key in sizes:
        firsts.setdefault(content_of(key) or repr(key), key)
    packs = packed({key: sizes[key] for key in firsts.values()}, holders)
    kept = before.files if before is not None else []
    written: list[SavedImage] = []
    try:
        _write(backend, runtime, store, packs, written, progress)
        places = {key: number for number, key in enumerate(key for pack in packs for key in pack.keys)}
        numbers = {key: places[firsts[content_of(key) or repr(key)]] for key in sizes}
        manifest = Manifest(
            datetime.now().astimezone().isoformat(timespec="seconds"),
            [*written, *(before.images if beside and before is not None else ())],
            {
                variable: saved(record, [numbers[key] for key in record["keys"]], recipes.get(variable, ""))
                for variable, record in variables.items()
            },
            *cluster,
        )
        _check_there(manifest, store)
        store.write(manifest)
    except BaseException as error:
        store.remove({image["file"] for image in written} - {*kept})
        if isinstance(error, MoorageError) or not isinstance(error, Exception):
            raise
        raise SaveError(
            f"The variables could not be saved to {store}: {str(error) or type(error).__name__}.",
            "What was saved there before is unchanged.",
        ) from error
    store.tidy(kept, manifest)
    return Written(manifest, numbers)


def packed(nbytes: Mapping[Any, int], holders: Mapping[Any, Collection[str]], most: int = _PACK) -> list[Pack]:
    """Deal out what is to be written to those that have it, evenly by bytes, in packs of at most about `most` bytes.

    Examples
    --------
    >>> [pack.keys for pack in packed({"a": 5, "b": 2, "c": 2}, {"a": ["x", "y"], "b": ["x", "y"], "c": ["y"]}, most=4)]
    [['a'], ['b', 'c']]
    """
    loads: dict[str, int] = {}
    latest: dict[str, Pack] = {}
    packs: list[Pack] = []
    for key in sorted(nbytes, key=lambda key: -nbytes[key]):
        worker = min(sorted(holders[key]), key=lambda name: loads.get(name, 0))
        loads[worker] = loads.get(worker, 0) + nbytes[key]
        alone = nbytes[key] >= _ALONE
        pack = None if alone else latest.get(worker)
        if pack is None or pack.nbytes + nbytes[key] > most:
            packs.append(pack := Pack(worker, []))
            if not alone:
                latest[worker] = pack
        pack.keys.append(key)
        pack.nbytes += nbytes[key]
    return packs


def _write(
    backend: PlacedData,
    runtime: WorkerRuntime,
    store: Store,
    packs: Sequence[Pack],
    written: list[SavedImage],
    progress: Progress,
) -> None:
    """Have workers write, and note in `written` where each key lies, in the order of the packs."""
    runtime.install()
    addresses = {worker.name: worker.address for worker in backend.workers(fresh=True)}
    total, done = sum(pack.nbytes for pack in packs), 0
    futures: list[Future[Any]] = []
    try:
        for pack in packs:
            key = f"moorage-save-{uuid.uuid4().hex}"
            options: Saving = {"place": store.place, "key": key}
            future = backend.client.get(
                {key: runtime.task(key, "save", options, depends=pack.keys)},
                key,
                sync=False,
                workers=[addresses[pack.worker]] if pack.worker in addresses else None,
                allow_other_workers=pack.worker in addresses or None,
            )
            futures.append(future)
        progress(0, total)
        for pack, future in zip(packs, futures, strict=True):
            written += result_of(future)
            done += pack.nbytes
            progress(done, total)
    except BaseException:
        for future in futures:
            if future.status == "finished":  # who saves removes what has been written
                with contextlib.suppress(Exception):
                    written += future.result(_MOMENT)
            future.release()  # a traceback may keep it
        raise


def saved(record: VariableRecord, images: Sequence[int], recipe: str) -> SavedVariable:
    """Return what a manifest says of a variable. `images`: of each key, its place among the images."""
    return SavedVariable(
        record["placement"],
        record["structure"],
        record["typename"],
        record["detail"],
        record["nbytes"],
        list(record["keys"]),
        list(images),
        recipe,
        record["until"],
    )


def _check_there(manifest: Manifest, store: Store) -> None:
    """Check that what workers have written is where the notebook reads it. Raises SaveError."""
    ends: dict[str, int] = {}
    for image in manifest.images:
        entry = Entry(image["offset"], image["stream"], tuple(image["sizes"]), image["digest"])
        ends[image["file"]] = max(entry.end, ends.get(image["file"], 0))
    for file, end in ends.items():
        if store.size(file) < end:
            raise SaveError(
                f"A worker has written {file}, of {format_bytes(end)}, but it is not in {store} here.",
                "Name a folder that the notebook and all workers share.",
            )
