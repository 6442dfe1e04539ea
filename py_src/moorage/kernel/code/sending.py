"""Puts each version of the user's code on the scheduler of a cluster, before the first task or value that needs it.

Only texts that the scheduler has not got yet travel, compressed. Workers fetch them from there. What does that on
workers goes there as a Dask worker plugin, by value, if the notebook has modules of its own.
"""

from __future__ import annotations

import asyncio
import os
import sys
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from distributed.utils import offload

from moorage._dask.client import connection_of
from moorage.code.manifest import Manifest
from moorage.code.text import Text
from moorage.errors import CodeError, InputError, MoorageError
from moorage.kernel.code import following, watching
from moorage.kernel.code.packages import Packages, used_here
from moorage.kernel.code.state import CodeState, state_of
from moorage.kernel.install import (
    DASK_ON_WORKERS,
    WorkerSide,
    hash_of_sources,
    install_on_workers,
    pickled_by_value,
    run_on_workers,
)
from moorage.kernel.values.fingerprint import note_versions
from moorage.kernel.waiting import address_of, answer, ask_workers, dask_scheduler_of, scheduler_of, wait_for
from moorage.wire.code import CodeVersion, PackedText
from moorage.wire.scheduler import WorkerDict
from moorage.worker.code import packages as there
from moorage.worker.code.environment import EnvironmentPlugin
from moorage.worker.code.plugin import CodePlugin

if TYPE_CHECKING:
    from distributed import Client

MODULES = (
    *DASK_ON_WORKERS,
    "moorage.code.objects",
    "moorage.code.text",
    "moorage.images.code",
    *(f"moorage.worker.code.{name}" for name in ("loading", "plugin", "version", "versions")),
    "moorage.worker.shared_module",
)
MODULE = f"moorage_code_{hash_of_sources(MODULES)}"
"""Name of the module that workers have; differs between versions of this code."""
SIDE = WorkerSide(MODULE, CodePlugin, (MODULE, watching.__name__), MODULES)

_LATEST = 20  # versions that can be sent again, should the scheduler die
_SPEED = 1  # of zlib
_PATIENCE = 5.0  # seconds that a value waits for workers to have the code; what they unpickle later has it anyway


class CodeSender:
    """Sends the code of this process to one cluster.

    `owner`: label of this notebook, for messages.
    """

    def __init__(self, client: Client, owner: str) -> None:
        self._client = client
        self._owner = owner
        self._following = following.of_process()
        note_versions(self._following.place_of)
        self._sending: asyncio.Lock | None = None
        self._connection: object = None
        self._sent: set[str] = set()  # digests
        self._latest: dict[str, Manifest] = {}  # by id
        self._current = self._version("", 0)
        self._env: dict[str, str] = {}  # what workers were given of it
        self._folder = ""  # the one that workers were given
        self._seen = ""  # the version that workers were waited for to have

    def version(self, imports: Iterable[str] = (), say: Callable[[str], None] = print) -> CodeVersion:
        """Return the version that a task needs which is sent now; the scheduler has it.

        `imports`: names of modules that its code imports. `say`: takes a line for the user. Raises UnreachableError.
        Raises VersionError if a worker cannot run what serves modules there.
        """
        manifest = self._manifest(imports, say)
        if self._is_sent(manifest):
            return self._current
        return wait_for(self._client, self._send, manifest)

    def again(self, code: CodeVersion) -> CodeVersion:
        """Return a version that was sent before as the scheduler knows it that there is now. Raises CodeError."""
        if not code["id"]:
            return code
        if code["id"] not in self._latest:
            raise CodeError("The code that this began with is gone with the scheduler.", "Run it again.")
        return wait_for(self._client, self._send, self._latest[code["id"]])

    def before_graph(self) -> None:
        """Have workers know the code if it has changed, before plain Dask sends tasks that may refer to it.

        On the thread that sends them; on an event loop nothing can wait for that. If it fails, so may those tasks.
        """
        behind = self._following.has_changed_since(self._seen) and not self._in_process
        if behind and not self._client.asynchronous:
            with suppress(MoorageError):
                wait_for(self._client, self.before_values)

    async def before_values(self) -> None:
        """Have workers know the code as it is now, before values come that may be of classes in it.

        On the event loop of the client. Raises as `version`.
        """
        manifest = self._manifest()
        if manifest.id and not (self._seen == manifest.id and self._is_sent(manifest)):
            await self._send(manifest, _PATIENCE)
        self._seen = manifest.id

    async def sync(
        self,
        modules: Iterable[str],
        env: Sequence[str],
        workers: Mapping[str, WorkerDict],
        folder: str = "",
        install: Collection[str] | None = None,
    ) -> CodeState:
        """Have workers know the code as it is now; return which version each of `workers` has.

        `modules`: installed packages that follow from now on. `env`: environment variables that workers get. `folder`:
        in which they work from now on. `install`: what pip installs where they run; empty for all that differs. Raises
        InputError; nothing was sent. Raises CodeError if pip fails.
        """
        if missing := [name for name in env if name not in os.environ]:
            raise InputError(f"{missing[0]} is not set in this process.", "Set it first: %env NAME=value")
        names = {worker["address"]: name for name, worker in workers.items()}
        if folder:
            await self._check_folder(folder, names)
        self._following.follow(modules)
        if env or folder:
            self._env |= {name: os.environ[name] for name in env}
            self._folder = folder or self._folder
            plugin = pickled_by_value(EnvironmentPlugin(self._env, self._folder), (EnvironmentPlugin.__module__,))
            name = f"moorage_code_environment_{self._client.id}"
            register = dask_scheduler_of(self._client).register_worker_plugin
            await answer(self._client, register(plugin=plugin, name=name, idempotent=False))
        manifest = self._manifest()
        told = {}
        if manifest.id:
            await self._send(manifest, _PATIENCE)
            told = await answer(self._client, ask_workers(self._client, {"op": "moorage_modules"}, names))
        there_now = {names[at]: has for at, has in told.items() if isinstance(has, dict)}
        state = state_of(manifest, there_now, self._following.not_reloaded())
        imports = {name for text in manifest.texts.values() for name in text.imports}
        used = await offload(used_here, vars(sys.modules["__main__"]), imports)
        packages = Packages(self._client, names)
        output = await packages.install(install, used) if install is not None else ""
        return replace(state, packages=await packages.compare(used), output=output)

    async def _check_folder(self, folder: str, names: Mapping[str, str]) -> None:
        """Raise InputError if workers cannot work in a folder."""
        if self._in_process:
            raise InputError("The workers are threads of this process.", "Use %cd: they work in its folder.")
        if not os.path.isabs(folder):
            raise InputError(f"{folder!r} is no absolute path.", "Write it from the root of the workers' disk.")
        found = await run_on_workers(self._client, there.is_folder, (folder,), names, (there.__name__,))
        if missing := sorted(name for at, name in names.items() if found.get(at) is False):
            raise InputError(f"There is no folder {folder} where {', '.join(missing)} run.", "Make it there first.")

    @property
    def _in_process(self) -> bool:
        """Whether the workers are this process."""
        return address_of(self._client).startswith("inproc")

    def _manifest(self, imports: Iterable[str] = (), say: Callable[[str], None] | None = None) -> Manifest:
        if self._in_process:
            return Manifest()
        return self._following.manifest(imports, say)

    def _is_sent(self, manifest: Manifest) -> bool:
        same = self._current["id"] == manifest.id
        return same and (not manifest.id or self._connection is connection_of(self._client))

    async def _send(self, manifest: Manifest, wait: float = 0.0) -> CodeVersion:
        self._sending = self._sending or asyncio.Lock()
        async with self._sending:
            if not manifest.id:
                self._current = self._version("", 0)
                return self._current
            if not wait and self._is_sent(manifest):
                return self._current
            connection = connection_of(self._client)
            if connection is not self._connection:
                self._sent = set()
                await install_on_workers(self._client, SIDE)
            serial = await self._keep(manifest, wait)
            self._connection = connection
            self._latest[manifest.id] = manifest
            while len(self._latest) > _LATEST:
                del self._latest[next(iter(self._latest))]
            self._current = self._version(manifest.id, serial)
            return self._current

    async def _keep(self, manifest: Manifest, wait: float) -> int:
        texts = {text.digest: text for text in manifest.texts.values() if not text.not_sent}
        lacking = texts.keys() - self._sent
        while True:
            keep = scheduler_of(self._client).moorage_keep(
                client=self._client.id,
                code=self._version(manifest.id, 0),
                entries=manifest.entries(),
                texts={digest: _packed(texts[digest]) for digest in lacking},
                wait=wait,
            )
            kept = await answer(self._client, keep, wait)
            if not kept["lacking"]:
                self._sent |= texts.keys()
                return kept["serial"]
            lacking = texts.keys() & kept["lacking"]  # it has forgotten some

    def _version(self, id_: str, serial: int) -> CodeVersion:
        process = f"{watching.PROCESS}-{os.getpid()}"
        return {"id": id_, "serial": serial, "owner": self._owner, "process": process}


def _packed(text: Text) -> PackedText:
    files = {name: zlib.compress(content, _SPEED) for name, content in text.files.items()}
    return {"source": zlib.compress(text.source, _SPEED), "files": files}
