"""Verbs of a `ClusterController` that save variables to files, and restore them from there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from moorage import config
from moorage.controller.connected import Connected
from moorage.errors import InputError, StaleError, UnknownVariableError
from moorage.kernel.waiting import wait_for
from moorage.tasks.saving import restorer, saver
from moorage.tasks.saving.reading import Saved
from moorage.tasks.saving.recipes import put_together, recipes_of
from moorage.tasks.saving.store import Store


class Saving(Connected):
    """What a `ClusterController` can save."""

    def save(
        self,
        *names: str,
        to: str | os.PathLike[str],
        overwrite: bool = False,
        stale: bool = False,
        storage_options: Mapping[str, Any] | None = None,
        progress: Callable[[int, int], None] | None = None,
        timeout: str | float | None = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Save placed variables to a folder, from which any cluster can restore them.

        Workers write what they have, side by side, each content once; nothing of it passes the notebook. Until all is
        written, what was saved there before stays whole.

        Parameters
        ----------
        *names : str
            All that this notebook has placed, by default.
        to : str or path
            A folder that the notebook and all workers share, or a URL that fsspec knows, such as ``s3://bucket/folder``.
        overwrite : bool
            Replace what has been saved there.
        stale : bool
            Also save variables whose value has changed in the notebook since: as they are on the cluster.
        storage_options : mapping, optional
            For the file system, as Dask takes them. Workers get them with the task.
        progress : callable, optional
            Told how many bytes are written, and of how many.
        timeout : str or float, optional
            Limit of the wait for variables that are not held yet. Default: the setting ``moorage.wait-timeout``.
        asynchronous : bool, optional
            Return an awaitable.

        Returns
        -------
        list of str
            The names of what was saved.

        Raises
        ------
        UnknownVariableError, InputError, StaleError, LostError, WaitTimeoutError
            Nothing was written.
        SaveError
            It could not be written. What was saved before is as it was.

        Examples
        --------
        >>> future = cluster.broadcast(flights, name="flights")
        >>> cluster.save("flights", to="~/saves/flights")
        ['flights']
        """

        def save() -> list[str]:
            submitter, store = self.submitter, Store(to, storage_options)
            states = wait_for(self.client, self.placer.look, names or None)
            records = {name: self.placer.record(name) for name in states}
            if not names:
                records = {name: record for name, record in records.items() if record["owner"] == self.placer.owner}
            changed = [name for name in records if states[name].stale]
            if changed and not stale:
                raise StaleError(
                    f"{', '.join(changed)} has changed in the notebook since it was placed.",
                    "Place it again first, or save it as it is on the cluster: --stale, stale=True.",
                )
            written = saver.save(
                submitter.backend,
                submitter.runtime,
                records,
                store,
                recipes_of(records, self.placer),
                overwrite=overwrite,
                timeout=config.seconds("wait-timeout", timeout),
                progress=progress or _silent,
            )
            return list(written.manifest.variables)

        return asyncio.to_thread(save) if asynchronous else save()

    def restore(
        self,
        *names: str,
        from_: str | os.PathLike[str] | None = None,
        trust: bool = False,
        overwrite: bool = False,
        storage_options: Mapping[str, Any] | None = None,
        progress: Callable[[int, int], None] | None = None,
        timeout: str | float | None = None,
        asynchronous: bool | None = None,
    ) -> Any:
        """Place variables that were saved, where they were, on this cluster; the notebook gets none of their values.

        Workers read them, side by side. Restoring unpickles, which runs whatever code is in the files: so only files
        that belong to you are taken.

        Parameters
        ----------
        *names : str
            All that was saved there, by default.
        from_ : str or path, optional
            Where `save` has put them. Default: where this notebook's durable variables are.
        trust : bool
            Take files of others, and of places where an owner cannot be told.
        overwrite : bool
            Replace variables that are placed under these names with something else.
        storage_options, progress, asynchronous
            As in `save`.
        timeout : str or float, optional
            Limit of the wait until all is where it should be.

        Returns
        -------
        list of str
            The names of what was restored.

        Raises
        ------
        UnknownVariableError, InputError
            Nothing has changed.
        SaveError
            Something cannot be read: it is damaged, of another version, or not yours. Nothing has changed.

        Examples
        --------
        >>> cluster.restore(from_="~/saves/flights")
        ['flights']
        >>> len(cluster.gather("flights"))
        1000
        """

        def restore() -> list[str]:
            submitter = self.submitter
            saved = self._saved(from_, storage_options, trust=trust)
            for name in names:
                if name not in saved:
                    raise UnknownVariableError(name, saved)
            restorer.restore(
                self.placer,
                submitter.backend,
                submitter.runtime,
                {name: saved[name] for name in names or saved},
                durable=from_ is None,
                trust=trust,
                overwrite=overwrite,
                timeout=config.seconds("wait-timeout", timeout),
                progress=progress or _silent,
            )
            chosen = list(dict.fromkeys(names or saved))
            recipes = {name: saved[name].manifest.variables[name].recipe for name in chosen}
            self._recipes.update({name: recipe for name, recipe in recipes.items() if recipe})
            return chosen

        return asyncio.to_thread(restore) if asynchronous else restore()

    def collection(self, name: str) -> Any:
        """Return the Dask collection that was restored as `name`, of the parts that are on the cluster.

        In a notebook that name means it, unless it means something else.

        Raises
        ------
        UnknownVariableError
        """
        if name not in self._recipes:
            raise UnknownVariableError(name, self._recipes, "among what was restored")
        return put_together(self._recipes[name], self.placer.futures(name))

    @cached_property
    def _recipes(self) -> dict[str, str]:
        return {}

    def _saved(
        self, from_: str | os.PathLike[str] | None, options: Mapping[str, Any] | None, *, trust: bool
    ) -> dict[str, Saved]:
        """Return what can be restored, by name. Raises InputError if nothing can."""
        if from_ is None:
            if not (saved := self._durable.saved()):
                raise InputError(
                    "This notebook has no durable variables.",
                    "Name a folder with what was saved: --from PATH, from_=. %pin NAME --durable makes one durable.",
                )
            return saved
        store = Store(from_, options)
        if (manifest := store.manifest(trust=trust)) is None:
            raise InputError(
                f"Nothing has been saved in {store}.", "Save variables there first: %save NAME... --to PATH."
            )
        return dict.fromkeys(manifest.variables, Saved(store, manifest))


def _silent(done: int, total: int) -> None:
    """Tell nobody."""
