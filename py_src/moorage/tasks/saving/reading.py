"""The tasks that read saved values from their files, each under the key that the value had."""

from __future__ import annotations

from collections.abc import Mapping
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

    def tasks(self, runtime: WorkerRuntime, numbers: Mapping[Any, int], *, trust: bool) -> dict[Any, Task]:
        """Return the task for each key. `numbers`: their images'. `trust`: take it whoever owns the file."""
        options: dict[Any, Restoring] = {
            key: {
                "place": self.store.place,
                "image": self.manifest.images[number],
                "writable": is_writable(key),
                "trust": trust,
            }
            for key, number in numbers.items()
        }
        return {key: runtime.task(key, "restore", each) for key, each in options.items()}

    def filed(self, runtime: WorkerRuntime, numbers: Mapping[Any, int] | None = None) -> dict[Any, bytes]:
        """Return what the scheduler is told of keys, of all variables by default; see `FileHandlers`.

        They have been written by this user.
        """
        if numbers is None:
            numbers = {key: number for one in self.manifest.variables.values() for key, number in one.numbers.items()}
        tasks = self.tasks(runtime, numbers, trust=not self.store.is_local)
        return {key: dumps(task) for key, task in tasks.items()}
