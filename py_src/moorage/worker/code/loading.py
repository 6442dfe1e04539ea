"""Makes a module of the user on a worker out of the text that the notebook has run.

Nothing is written but data files that lie beside a package, into a folder of the worker's own: for
`importlib.resources`, and for code that looks beside its ``__file__``. Runs on workers, shipped by value.
"""

from __future__ import annotations

import contextlib
import linecache
import os
import sys
import types
from collections.abc import Iterator, Mapping
from importlib._bootstrap import _DeadlockError, _ModuleLockManager  # type: ignore[attr-defined]  # the lock of an import
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import decode_source
from typing import Any

from moorage.wire.code import ModuleEntry


class TextLoader:
    """Loader of one module whose text is known.

    `path`: of its file as the notebook has it. `folder`: where data files of the package are; empty if it has none.
    """

    def __init__(self, name: str, entry: ModuleEntry, source: bytes, folder: str) -> None:
        self.name = name
        self.package = entry["package"]
        self.source = source
        file = os.path.basename(entry["path"])
        self.path = os.path.join(folder, file) if folder else entry["path"]  # what `importlib.readers` looks beside
        self._path = entry["path"]

    def spec(self) -> ModuleSpec:
        """Return what Python knows of the module."""
        spec = ModuleSpec(self.name, self, origin=self.path or None, is_package=self.package)  # type: ignore[arg-type]
        spec.has_location = bool(self.path)
        if self.package:
            assert spec.submodule_search_locations is not None
            # the notebook's own folder may be here too, with modules in it that are none of the version's
            folders = dict.fromkeys(map(os.path.dirname, (self.path, self._path)))
            spec.submodule_search_locations += folders if self.path else _portions(self.name)
        return spec

    def execute(self, module: types.ModuleType) -> None:
        """Run the text in a module. Raises what it raises."""
        if not self._path:
            return
        text = decode_source(self.source)
        # None as the time of its last change: that file may be on another machine, or newer by now.
        linecache.cache[self._path] = (len(text), None, text.splitlines(keepends=True), self._path)
        code = compile(self.source, self._path, "exec", dont_inherit=True)
        exec(code, vars(module))

    def create_module(self, spec: ModuleSpec) -> None:
        """Let Python make the module."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Run the text in a module that Python has made: on ``importlib.reload``."""
        self.execute(module)

    def is_package(self, name: str) -> bool:
        """Whether it may have submodules."""
        return self.package

    def get_source(self, name: str) -> str:
        """Return its text, for tracebacks and `inspect`."""
        return decode_source(self.source)

    def get_filename(self, name: str) -> str:
        """Return the path of its file."""
        return self.path

    def get_data(self, path: str) -> bytes:
        """Return the content of a file beside it, for `pkgutil.get_data`."""
        if path == self.path:
            return self.source
        with open(path, "rb") as file:
            return file.read()

    def get_resource_reader(self, name: str) -> Any:
        """Return what reads the files of a package."""
        from importlib.readers import FileReader

        return FileReader(self) if self.package and self.path else None  # type: ignore[arg-type]


def _portions(name: str) -> list[str]:
    """Return the folders of a namespace package on this machine, where others may have modules in it, too."""
    parent = sys.modules.get(name.rpartition(".")[0])
    try:
        found = PathFinder.find_spec(name, getattr(parent, "__path__", None))
    except (ImportError, ValueError):
        return []
    return list(found.submodule_search_locations or ()) if found is not None else []


def write_files(folder: str, files: Mapping[str, bytes]) -> None:
    """Write data files below `folder`, and never outside. Raises ValueError if one of them is to lie there."""
    root = os.path.realpath(folder)
    for name, content in files.items():
        path = os.path.realpath(os.path.join(root, name))
        if not path.startswith(root + os.sep):
            raise ValueError(f"{name!r} would be written outside of the worker's own folder")
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        temporary = f"{path}.{os.getpid()}"
        with open(temporary, "wb") as file:
            file.write(content)
        os.replace(temporary, path)


@contextlib.contextmanager
def alone(name: str) -> Iterator[None]:
    """Hold the lock under which Python itself imports a module: who does that meanwhile waits.

    Threads that wait for each other in a circle, because their modules import each other, do not: one of them sees a
    module half-way, as Python lets it.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(_DeadlockError):
            stack.enter_context(_ModuleLockManager(name))
        yield


@contextlib.contextmanager
def in_sys_modules(name: str, module: types.ModuleType) -> Iterator[None]:
    """Let `module` be found under its name meanwhile, as code expects that runs at import. To be called `alone`."""
    before, spec = sys.modules.get(name), module.__spec__
    spec._initializing = True  # type: ignore[union-attr]  # else it is taken as it stands, by those who should wait
    sys.modules[name] = module
    try:
        yield
    finally:
        spec._initializing = False  # type: ignore[union-attr]
        if before is None:
            sys.modules.pop(name, None)
        else:
            sys.modules[name] = before
