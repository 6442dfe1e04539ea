"""Which versions of the user's code a worker process knows, and which of them its imports see.

A task names the version that it needs. What is not here yet comes from the scheduler, before the task runs; so it does
not matter when the worker joined, or whether it restarted. Imports of code that is of no version, and Dask's own
unpickling, see the latest version that a task has named. Runs on workers, shipped by value.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sys
import threading
import time
import types
import weakref
import zlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from typing import Any

from moorage._dask.worker import ask_apart, on_loop, scheduler_of
from moorage.images.code import Find
from moorage.wire.code import CodeAnswer, CodeVersion, FoundCode, PackedText, WorkerCodeHandlers
from moorage.worker.code.version import Contents, Version, code_error

MOST = 8
"""Versions that are kept. One that is needed again is fetched again."""
ATTEMPTS = 3
"""How often the scheduler is asked."""
PATIENCE = 30.0
"""Seconds that the scheduler has to answer."""
PATIENCE_OF_THE_LOOP = 3.0
"""Seconds that it has to answer while the worker's event loop waits, and with it heartbeats, and others for values."""
LONGEST_IMPORT = 300.0
"""Seconds that a version waits to be seen until modules of another have been imported."""


class Versions:
    """The versions of one process. Also a finder of modules, as in ``sys.meta_path``.

    `notebook`: name of the module by which the notebook's own process is known.
    """

    def __init__(self, notebook: str) -> None:
        self.current: Version | None = None
        self.worker: Any = None
        self.modules: Any = weakref.WeakValueDictionary()
        self.worker_name = ""
        self.several = False
        self._notebook = notebook
        self._serial = 0
        self._versions: dict[str, Version] = {}
        self._used: dict[str, float] = {}
        self._texts: dict[str, Contents] = {}
        self._found: dict[frozenset[tuple[str, str]], Version | None] = {}  # for what images refer to
        self._folder = ""
        self._lock = threading.Condition()
        self._loading: list[str] = []  # modules, within each other or by several threads

    def version(self, worker: Any, wanted: CodeVersion) -> Version | None:
        """Return the version that a task needs; None if there is none, or the process has the code of itself.

        In the thread of the task. Raises CodeError if it cannot be had.
        """
        id_ = wanted["id"]
        if not id_ or self._is_notebook(wanted["process"]):
            return None
        version = self._versions.get(id_)
        if version is None:
            version = self._learn(worker, wanted, *self._ask(worker, id_))
        if wanted["serial"] > self._serial:
            self._let_see(version, wanted["serial"])
        return version

    async def catch_up(self, worker: Any, code: CodeVersion) -> None:
        """Fetch a version, and let imports see it unless a later one is there. On the event loop."""
        if code["serial"] <= self._serial or not code["id"] or self._is_notebook(code["process"]):
            return
        have = self._texts
        scheduler: WorkerCodeHandlers = scheduler_of(worker)
        answer = await scheduler.moorage_code(version=code["id"], have=list(have))
        if answer["status"] == "OK":  # else another has come meanwhile
            await asyncio.to_thread(self._take, worker, code, have, answer)

    def _take(self, worker: Any, code: CodeVersion, have: Mapping[str, Contents], answer: CodeAnswer) -> None:
        """Learn a version and let imports see it; in a thread, since code may be running that is being imported."""
        self._let_see(self._learn(worker, code, have, answer), code["serial"])

    # what images refer to

    def find_of(self, modules: Mapping[str, str]) -> Find | None:
        """Return what finds modules in the versions by which an image refers to them; None: they are found as ever.

        In any thread: if no version here has them, the scheduler is asked, and meanwhile nothing else goes on here.
        What comes from a time before that of the cluster is made with the modules of now, as any pickle. Raises
        CodeError if several notebooks have such modules, and nobody has that version.
        """
        wanted = frozenset(modules.items())
        if wanted not in self._found:
            self._found[wanted] = self._with(modules) or self._asked_for(modules)
        version = self._found[wanted]
        return version.named if version is not None else None

    def place_of(self, value: Any) -> tuple[str, str] | None:
        """Return by which module of the user a class, function or module is found, and its version."""
        name = value.__name__ if isinstance(value, types.ModuleType) else value.__module__
        for version in self._latest_first():
            if name in version.entries and (deep := version.holds(value)):
                return name, deep
        return None

    def _with(self, modules: Mapping[str, str]) -> Version | None:
        for version in self._latest_first():
            known = version.entries
            if all(name in known and known[name]["deep"] == deep for name, deep in modules.items()):
                return version
        return None

    def _latest_first(self) -> list[Version]:
        current = self.current
        others = [version for version in list(self._versions.values()) if version is not current]
        return [current, *others] if current is not None else others

    def _asked_for(self, modules: Mapping[str, str]) -> Version | None:
        if self.worker is None:
            return None
        have = self._texts
        patience = PATIENCE
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop()
            patience = PATIENCE_OF_THE_LOOP
        found: FoundCode = ask_apart(self.worker, patience, "moorage_whose", modules=dict(modules), have=list(have))
        if (code := found["code"]) is None:
            if found["status"] == "unknown":
                return None
            raise code_error(
                f"Worker {self.worker.name} cannot make an object of a class in {', '.join(sorted(modules))}: several "
                "notebooks have modules of that name, and nobody has the version of this object any more.",
                "Place it again from its notebook.",
            )
        return self._learn(self.worker, code, have, found["answer"])

    # what versions share

    def folder(self, digest: str) -> str:
        """Return a folder of this process for the data files of a package."""
        return os.path.join(self._folder, digest)

    @contextlib.contextmanager
    def loading(self, name: str) -> Iterator[None]:
        """Keep what imports see, while a module is loaded."""
        with self._lock:
            self._loading.append(name)
        try:
            yield
        finally:
            with self._lock:
                self._loading.remove(name)
                self._lock.notify_all()

    # Python's own imports

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """Find a module of the current version. Called by Python's import."""
        current = self.current
        entry = current.entries.get(name) if current is not None else None
        if current is None or entry is None or entry["not_sent"]:
            return None
        if target is not None:  # a reload
            return current.load(name).__spec__
        # Not loaded here yet: Python would take it for loaded by somebody else, and load it again.
        return ModuleSpec(name, _Loaded(current), is_package=entry["package"])  # type: ignore[arg-type]

    def open(self) -> None:
        """Begin to answer imports."""
        sys.meta_path.insert(0, self)

    def close(self) -> None:
        """Cease to answer imports, and delete what was written."""
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(self)
        with self._lock:
            self._take_out()
            self.current = None
            if self._folder:
                shutil.rmtree(self._folder, ignore_errors=True)

    # within

    def _is_notebook(self, process: str) -> bool:
        ours = getattr(sys.modules.get(self._notebook), "PROCESS", None)
        return ours is not None and f"{ours}-{os.getpid()}" == process

    def _learn(self, worker: Any, wanted: CodeVersion, have: Mapping[str, Contents], answer: CodeAnswer) -> Version:
        """Take a version from the scheduler's answer. `have`: texts that the scheduler was told are here."""
        self.worker_name = str(worker.name)
        if answer["status"] != "OK":
            raise code_error(
                f"Worker {worker.name} cannot run version {wanted['id'][:8]} of the modules of {wanted['owner']}: "
                f"it has version {self.current.id[:8] if self.current else '(none)'}, and the scheduler has forgotten "
                "that one.",
                "Run it again from the notebook, which sends its modules again.",
            )
        with self._lock:
            if not self._folder:
                self._folder = os.path.join(worker.local_directory, f"moorage-code-{os.getpid()}")
            texts = {**have} | {digest: _unpacked(packed) for digest, packed in answer["texts"].items()}
            version = self._versions.get(wanted["id"])
            if version is None:
                digests = {entry["digest"] for entry in answer["entries"].values() if not entry["not_sent"]}
                of_it = {digest: texts[digest] for digest in digests}
                version = Version(wanted["id"], answer["entries"], of_it, wanted["owner"], self)
                self._versions[version.id] = version
                self._found.clear()
                self.several |= len(self._versions) > 1
            self._used[version.id] = time.monotonic()
            self._forget()
            return version

    def _ask(self, worker: Any, id_: str) -> tuple[Mapping[str, Contents], CodeAnswer]:
        """Ask the scheduler for a version; in the thread of a task."""
        have = self._texts
        scheduler: WorkerCodeHandlers = scheduler_of(worker)
        attempt = 0
        while True:
            try:
                return have, on_loop(worker, scheduler.moorage_code, version=id_, have=list(have))
            except OSError:  # the connection broke just then
                attempt += 1
                if attempt == ATTEMPTS:
                    raise

    def _let_see(self, version: Version, serial: int) -> None:
        """Let imports see `version`, once no module of another is being loaded. Raises CodeError if that lasts."""
        with self._lock:
            if not self._lock.wait_for(lambda: not self._loading, LONGEST_IMPORT):
                raise code_error(
                    f"Worker {self.worker_name} cannot run version {version.id[:8]} of the modules of {version.owner} "
                    f"yet: it has been importing {', '.join(sorted(set(self._loading)))} for more than "
                    f"{LONGEST_IMPORT:.0f} s.",
                    "Wait until that import has ended, or restart the worker: %cluster restart-workers",
                )
            if serial <= self._serial:
                return
            self._serial = serial
            if self.current is not version:
                self._take_out()
                self.current = version
                for name, entry in version.entries.items():
                    if name in version.modules:
                        sys.modules[name] = version.modules[name]
                    elif not entry["not_sent"] and not _is_others(sys.modules.get(name), entry["path"]):
                        sys.modules.pop(name, None)  # the worker had found it by itself
            self._used[version.id] = time.monotonic()

    def _take_out(self) -> None:
        for name, module in self.current.modules.items() if self.current is not None else ():
            if sys.modules.get(name) is module and not self.current.entries[name]["not_sent"]:  # type: ignore[union-attr]
                del sys.modules[name]

    def _forget(self) -> None:
        old = sorted(
            (id_ for id_ in self._versions if self._versions[id_] is not self.current), key=self._used.__getitem__
        )
        for id_ in old[: max(len(self._versions) - MOST, 0)]:
            del self._versions[id_], self._used[id_]
        self._texts = {digest: text for version in self._versions.values() for digest, text in version.texts.items()}


class _Loaded:
    """Loader of a module that is there: Python puts it into ``sys.modules``."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        module = self._version.load(spec.name)
        self._spec = getattr(module, "__spec__", None)
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Leave the module as it is, with what it was loaded by."""
        with contextlib.suppress(AttributeError):  # code may put any object in the place of its module
            module.__spec__ = self._spec


def _unpacked(packed: PackedText) -> Contents:
    return zlib.decompress(packed["source"]), {name: zlib.decompress(file) for name, file in packed["files"].items()}


def _is_others(module: types.ModuleType | None, path: str) -> bool:
    """Whether a module that the worker has is none of the user's, and its place is not to be taken."""
    if module is None:
        return False
    file = getattr(module, "__file__", None) or ""
    return module.__name__ in sys.stdlib_module_names or ("site-packages" in file and "site-packages" not in path)
