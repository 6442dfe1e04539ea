"""The tasks that read saved values from their files, each under the key that the value had."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from distributed.protocol.pickle import dumps

from moorage.kernel.values.keys import is_writable
from moorage.tasks.runtime import WorkerRuntime
from moorage.tasks.saving.manifest import Manifest
from moorage.tasks.saving.store import Store
from moorage.wire.saves import Restoring

if TYPE_CHECKING:
    from moorage._dask.graphs import Task


class Saved(NamedTuple):
    """What has been saved, and where."""

    store: Store
    manifest: Manifest

    def tasks(self, runtime: WorkerRuntime, names: Iterable[str], *, trust: bool) -> dict[Any, Task]:
        """Return the task for each key of these variables. `trust`: take it whoever owns the file."""
        tasks = {}
        for variable in map(self.manifest.variables.__getitem__, names):
            for key, number in zip(variable.keys, variable.images, strict=True):
                options: Restoring = {
                    "place": self.store.place,
                    "image": self.manifest.images[number],
                    "writable": is_writable(key),
                    "trust": trust,
                }
                tasks[key] = runtime.task(key, "restore", options)
        return tasks

    def filed(self, runtime: WorkerRuntime) -> dict[Any, bytes]:
        """Return what the scheduler is told of the keys of all variables; see `FileHandlers`. They are this user's."""
        tasks = self.tasks(runtime, self.manifest.variables, trust=not self.store.is_local)
        return {key: dumps(task) for key, task in tasks.items()}
