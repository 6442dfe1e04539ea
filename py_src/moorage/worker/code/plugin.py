"""Puts the versions of the user's modules into a worker process, before the worker takes its first task or value."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from distributed.diagnostics.plugin import WorkerPlugin

from moorage._dask.parts import rely_on
from moorage._dask.server import answer
from moorage._dask.worker import PARTS, objects_of, scheduler_of
from moorage.wire.code import CodeVersion, WorkerCodeHandlers
from moorage.worker.code.versions import Versions
from moorage.worker.shared_module import join, leave

PATIENCE = 5.0
"""Seconds that a worker which joins waits for the latest versions; tasks of moorage's ask for theirs again."""


class CodePlugin(WorkerPlugin):
    """Puts `Versions` into a worker process, as module `name`.

    `name`: name of the module and of the plugin. `notebook`: name of the module by which the notebook's own process is
    known.
    """

    idempotent = True

    def __init__(self, name: str, notebook: str = "") -> None:
        self.name = name
        self._notebook = notebook
        self._undo: list[Callable[[], Any]] = []

    async def setup(self, worker: Any) -> None:
        """Called by Dask on each worker, newcomers included. One that lacks what is relied on is not touched."""
        rely_on(PARTS, *objects_of(worker))
        versions: Versions = join(worker, self.name, self._fill).versions
        self._worker, self._versions = worker, versions
        versions.worker = worker
        self._undo = [answer(worker, moorage_see=self.see, moorage_modules=self.modules)]
        scheduler: WorkerCodeHandlers = scheduler_of(worker)
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                for code in await scheduler.moorage_latest():
                    await versions.catch_up(worker, code)

    async def see(self, code: CodeVersion) -> None:
        """Let imports see a version; asked by the scheduler."""
        await self._versions.catch_up(self._worker, code)

    async def modules(self) -> dict[str, str]:
        """Return the deep digests of the modules that imports see here, by name."""
        current = self._versions.current
        return {name: entry["deep"] for name, entry in current.entries.items()} if current is not None else {}

    def teardown(self, worker: Any) -> None:
        """Called by Dask when the plugin is removed, and when the worker closes."""
        if not self._undo:
            return  # it was not set up: the worker lacks what is relied on
        for undo in self._undo:
            undo()
        self._undo = []
        if module := leave(worker, self.name):
            module.versions.close()

    def _fill(self, module: Any) -> None:
        module.versions = Versions(self._notebook)
        module.versions.open()
