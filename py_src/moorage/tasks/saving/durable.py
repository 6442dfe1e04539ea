"""Writes the durable variables of one notebook to files, behind what it does, and removes these when they are released.

Each variable has a folder of its own, as `saver.save` makes them, below that of the notebook. Which variables are
durable, and how far that is, the scheduler knows; what it says is all that is acted on. So a notebook that attaches
goes on with what another process of it has left undone.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import logging
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from jupyter_core.paths import jupyter_data_dir

from moorage import config
from moorage.deploy.kept import kept_clusters, state_folder
from moorage.errors import InputError, MoorageError, SaveError, UnreachableError
from moorage.kernel.connection.client import is_gone
from moorage.kernel.placement.placer import Placer
from moorage.kernel.waiting import address_of, wait_for
from moorage.model import Durable as State
from moorage.tasks.runner import Submitter
from moorage.tasks.saving import saver
from moorage.tasks.saving.manifest import NAME, Manifest
from moorage.tasks.saving.reading import Saved
from moorage.tasks.saving.recipes import recipes_of
from moorage.tasks.saving.store import Store
from moorage.wire.saves import Filed
from moorage.wire.scheduler import VariableRecord

logger = logging.getLogger(__name__)

_PATIENCE = 5.0  # seconds until a value is on some worker; others wait
_LISTENS = 2.0  # seconds for another cluster to be reached
_PREVIOUS = ".previous"  # below it is what ended clusters had under the same names
_READABLE = 40  # characters of a folder's name that say whose it is


def everybodys() -> dict[Path, list[str]]:
    """Return the folders of all this user's notebooks that have durable variables, with the names of these."""
    manifests = sorted(_base().glob(f"*/*/{NAME}"))
    folders = dict.fromkeys(manifest.parent.parent for manifest in manifests)
    return {one: [unquote(m.parent.name) for m in manifests if m.parent.parent == one] for one in folders}


class Durable:
    """The durable variables of one notebook on one cluster.

    `submitter`: returns what runs tasks there. `home`: what tells this notebook from others, such as its path.
    `cluster`: returns the name of the cluster, which outlives its scheduler.
    """

    def __init__(
        self, placer: Placer, submitter: Callable[[], Submitter], home: str, cluster: Callable[[], str]
    ) -> None:
        self._placer = placer
        self._link = placer.link
        self._submitter = submitter
        self._home = home
        self._cluster = cluster
        self._keys: dict[str, list[Any]] = {}  # ``vid`` of each that is durable -> its keys
        self._gone: deque[tuple[str, list[Any]]] = deque()  # ``vid`` and keys of those that are so no longer
        self._tried: dict[str, Any] = {}  # ``vid`` -> how it stood when it was written, or could not be
        self._work: asyncio.Future[None] | None = None
        self._writing = threading.Lock()
        self._link.on_released = self._released
        self._link.subscribe(self._changed)

    @property
    def folder(self) -> Path:
        """Where this notebook's are."""
        digest = hashlib.blake2b(self._home.encode(), digest_size=4).hexdigest()
        name = quote(Path(self._home).name, safe="")[-_READABLE:]
        return _base() / f"{name}-{digest}"

    def saved(self) -> dict[str, Saved]:
        """Return what files have, by name; what is to be let go by now is removed.

        Raises SaveError if something cannot be read, or is somebody else's.
        """
        found = {}
        with contextlib.suppress(FileNotFoundError):
            for folder in sorted(self.folder.iterdir()):
                store = Store(folder)
                if (manifest := store.manifest(trust=False)) is None:
                    continue
                if any(0 < variable.until < time.time() for variable in manifest.variables.values()):
                    shutil.rmtree(folder, ignore_errors=True)
                else:
                    found.update(dict.fromkeys(manifest.variables, Saved(store, manifest)))
        if not found:
            self._remove_empty()
        return found

    def tell(self, records: Iterable[VariableRecord]) -> None:
        """Tell a scheduler that does not know it what files have of these variables."""
        known = [record for record in records if record["durable"] and record["owner"] == self._placer.owner]
        files = self.saved() if known else {}
        for record in known:
            saved = files.get(record["name"])
            if saved is not None and saved.manifest.variables[record["name"]].keys == list(record["keys"]):
                self._submitter().runtime.install()
                self._tell(saved.filed(self._submitter().runtime))

    def finish(self) -> None:
        """Write what is not written yet, as far as it is there."""
        self._do()

    # On the event loop of the client

    def _changed(self, kind: str) -> None:
        if kind != "variables":
            return
        for record in self._own():
            if record["durable"]:
                self._keys[record["vid"]] = list(record["keys"])
                if record["durable"] != "writing":
                    self._tried.pop(record["vid"], None)
            elif record["vid"] in self._keys:
                self._released([record["vid"]])
        self._go_on()

    def _released(self, vids: Iterable[str]) -> None:
        for vid in vids:
            if (keys := self._keys.pop(vid, None)) is not None:
                self._tried.pop(vid, None)
                self._gone.append((vid, keys))
        self._go_on()

    def _go_on(self) -> None:
        if self._work is None and (self._gone or self._next() is not None):
            self._work = asyncio.get_running_loop().run_in_executor(None, self._do)
            self._work.add_done_callback(self._done)

    def _done(self, work: asyncio.Future[None]) -> None:
        self._work = None
        if not work.cancelled() and work.exception() is not None:
            logger.error("What is durable could not be written", exc_info=work.exception())
        else:
            self._go_on()

    # In a thread

    def _do(self) -> None:
        with self._writing:
            while True:
                if self._gone:
                    self._remove(*self._gone.popleft())
                elif (record := self._next()) is not None:
                    self._tried[record["vid"]] = _standing(record)
                    self._write(record)
                else:
                    return

    def _own(self) -> list[VariableRecord]:
        records = list(self._link.mirror.snapshot()[0].values())
        return [record for record in records if record["owner"] == self._placer.owner]

    def _next(self) -> VariableRecord | None:
        due = (record for record in self._own() if record["durable"] == "writing")
        return next((record for record in due if self._tried.get(record["vid"]) != _standing(record)), None)

    def _write(self, record: VariableRecord) -> None:
        name, vid, keys = record["name"], record["vid"], list(record["keys"])
        state: State = "written"
        files: dict[Any, bytes] = {}
        try:
            files = self._written(name, record).filed(self._submitter().runtime)
            self._link.events.written(name)
        except (SaveError, InputError) as error:
            state = "failed"
            self._link.notice("error", f"{name} is not durable: {error.message}", error.remedy, name)
        except MoorageError as error:  # it is not there, or not yet
            logger.info("%s is not written yet: %s", name, error)
            return
        with contextlib.suppress(UnreachableError):  # another scheduler is told so when it is there
            self._tell(files, {vid: {"keys": keys, "placement": record["placement"], "state": state}})

    def _written(self, name: str, record: VariableRecord) -> Saved:
        """Write a variable to its folder, or only what has changed of where it is placed."""
        store = Store(self._folder_of(name))
        with contextlib.suppress(SaveError):  # damaged: it is written again
            before = store.manifest(trust=False)
            is_same = before is not None and before.variables[name].keys == list(record["keys"])
            if before is not None and before.cluster not in ("", self._cluster()):
                self._take_from(before, name, is_same=is_same)
            if before is not None and is_same:
                variable = saver.saved(record, before.variables[name].images, before.variables[name].recipe)
                manifest = dataclasses.replace(
                    before, variables={name: variable}, cluster=self._cluster(), address=address_of(self._placer.client)
                )
                store.write(manifest)
                return Saved(store, manifest)
        submitter = self._submitter()
        manifest = saver.save(
            submitter.backend,
            submitter.runtime,
            {name: record},
            store,
            recipes_of({name: record}, self._placer),
            overwrite=True,
            timeout=_PATIENCE,
            progress=lambda done, total: None,
            cluster=(self._cluster(), address_of(self._placer.client)),
        ).manifest
        return Saved(store, manifest)

    def _remove(self, vid: str, keys: list[Any]) -> None:
        name = vid.rpartition(":")[2]
        store = Store(self._folder_of(name))
        with contextlib.suppress(SaveError):
            manifest = store.manifest(trust=False)
            if manifest is not None:
                is_same = manifest.variables[name].keys == keys
                is_ours = manifest.cluster == self._cluster() or (is_same and not manifest.cluster)
                if not is_ours or (not is_same and vid in self._keys):  # else an earlier value of it, or a later one
                    return
        for folder in (self._folder_of(name), self._previous(name)):
            shutil.rmtree(folder, ignore_errors=True)
        self._remove_empty()

    def _remove_empty(self) -> None:
        for folder in (self.folder / _PREVIOUS, self.folder):
            with contextlib.suppress(OSError):  # it has others
                folder.rmdir()

    def _take_from(self, before: Manifest, name: str, *, is_same: bool) -> None:
        """Have the folder that a variable of another cluster had; what is not the `same` is put aside.

        Raises InputError if that cluster is still there.
        """
        here = any(one.name == before.cluster for one in kept_clusters(state_folder()))
        if here or not is_gone(before.address, _LISTENS):
            raise InputError(
                f"the cluster {before.cluster} is there, too, and has a durable {name} of {before.when} in"
                f" {self._folder_of(name)}.",
                "Release it there, or place this under another name. If that cluster has ended, remove the folder.",
            )
        if is_same:
            return
        previous = self._previous(name)
        shutil.rmtree(previous, ignore_errors=True)
        previous.parent.mkdir(mode=0o700, exist_ok=True)
        self._folder_of(name).rename(previous)
        self._link.notice(
            "info",
            f"{name} takes the place of the durable {name} of {before.when}, of the cluster {before.cluster}, which has"
            f" ended. That is in {previous} until {name} is released, or replaced like this.",
            f"%restore {name} --from {previous} --overwrite",
            name,
        )

    def _folder_of(self, name: str) -> Path:
        return self.folder / quote(name, safe="")

    def _previous(self, name: str) -> Path:
        return self.folder / _PREVIOUS / quote(name, safe="")

    def _tell(self, files: dict[Any, bytes], durable: dict[str, Filed] | None = None) -> None:
        wait_for(self._placer.client, self._link.filed, files, durable or {})


def _base() -> Path:
    given = config.get("durable-directory") or os.path.join(jupyter_data_dir(), "moorage", "durable")
    return Path(os.path.expanduser(given))


def _standing(record: VariableRecord) -> Any:
    """Return what has to change before it is worth another try."""
    return record["keys"], record["placement"], record["state"], record["held"]
