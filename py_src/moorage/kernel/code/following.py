"""Which modules of the process are the user's, and what they say: what has run, and what imports in it may reach.

`Following.manifest` is asked before each task; if nothing has changed it takes some hundred microseconds: it compares
names in ``sys.modules`` and times of files. A module that has run is taken as it ran, whatever its file says since. A
module that has not run in the notebook, but that an import statement names, is taken as its file is.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import threading
import types
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from importlib.machinery import ExtensionFileLoader, SourceFileLoader, SourcelessFileLoader
from importlib.util import decode_source
from typing import Any, TypeAlias

from dask.utils import parse_bytes

from moorage import config
from moorage.code.manifest import Manifest
from moorage.code.places import Places, may_be_users, why_not_by_file, why_not_by_name
from moorage.code.text import Text, ancestors
from moorage.errors import InputError
from moorage.images.code import named
from moorage.kernel.code.beside import Beside
from moorage.kernel.code.watching import Look, Watch, look_at

_LOADERS = (SourceFileLoader, ExtensionFileLoader, SourcelessFileLoader)

_SAVED = (
    "{file} was saved since the notebook imported it: workers run what the notebook has. To use what was saved: "
    "importlib.reload({name}), or %autoreload 2."
)
_OTHERS = frozenset(("cloudpickle", "click", "dask", "distributed", "tblib", "tornado", "zict"))

Reloader: TypeAlias = Callable[[str, str], str | None]
"""Given name and file of a module: the text that it has come to run otherwise than by a reload, if it has."""


@dataclass
class _Known:
    """A module of the user, as of when it was looked at last."""

    text: Text
    look: Look  # at its file
    module: types.ModuleType | None = None  # None: it has not run here
    beside: Beside | None = None  # of a package
    saved: bool = False  # since it has run
    told: bool = False  # the user, of that


class Following:
    """The user's modules in this process.

    `watch`: what imports have run. `places`: which files are the user's.
    """

    def __init__(self, watch: Watch, places: Places) -> None:
        self.reloaders: list[Reloader] = []
        self._watch = watch
        self._places = places
        self._lock = threading.RLock()
        self._looked: set[str] = set()  # names in sys.modules
        self._newest: tuple[int, str | None] = (0, None)  # how many there were, and the last: what is new comes last
        self._ran: dict[str, _Known] = {}
        self._reached: dict[str, _Known] = {}
        self._asked: set[str] = set()
        self._manifest = Manifest()

    def manifest(self, imports: Iterable[str] = (), say: Callable[[str], None] | None = None) -> Manifest:
        """Return the user's code as it is now.

        `imports`: names of modules that the code of a task imports. `say`: takes a line for the user, if there is
        somebody to read it now.
        """
        with self._lock:
            changed = self._look_at_modules()
            if say is not None:
                for name in self.not_reloaded():
                    if not (known := self._ran[name]).told:
                        known.told = True
                        say(_SAVED.format(file=os.path.basename(known.text.path), name=name))
            if not self._asked.issuperset(imports := set(imports)):
                self._asked |= imports
            changed |= self._look_at_reached()
            if changed:
                self._manifest = Manifest(known.text for known in [*self._reached.values(), *self._ran.values()])
            return self._manifest

    def has_changed_since(self, id_: str) -> bool:
        """Whether the code may be another than the version of that name; tells at once, without a look at files."""
        return self._watch.has_new or self._manifest.id != id_

    def not_reloaded(self) -> list[str]:
        """Return the names of modules whose files were saved since they have run, as of the last look."""
        with self._lock:
            return sorted(name for name, known in self._ran.items() if known.saved)

    def place_of(self, value: Any) -> tuple[str, str] | None:
        """Return by which module of the user a class, function or module is found, and its version.

        As of when the code was looked at last, if nothing has run since: that is what workers have been sent. None if
        it is no module of the user, or now has something else by that name, as after a reload.
        """
        is_module = isinstance(value, types.ModuleType)
        name = value.__name__ if is_module else value.__module__
        if not isinstance(name, str) or (name in self._looked and name not in self._ran and not self._watch.has_new):
            return None
        if (sys.modules.get(name) if is_module else named(value)) is not value:
            return None
        with self._lock:
            if name not in self._looked or self._watch.has_new:
                self.manifest()
            return (name, deep) if (deep := self._manifest.deep.get(name)) is not None else None

    def follow(self, names: Iterable[str]) -> None:
        """Follow packages from now on that are installed. Raises InputError if one is not imported here."""
        roots = {name.partition(".")[0] for name in names}
        for root in sorted(roots):
            if (why := why_not_by_name(root)) or not may_be_users(root):
                raise InputError(f"{root} cannot follow to workers: {why or 'moorage sends itself'}.", "")
            if root not in sys.modules:
                raise InputError(f"{root} is not imported here.", f"Import it first: import {root}")
            if root in _OTHERS or any(map(_is_compiled, _modules_of(root))):
                raise InputError(
                    f"{root} cannot follow to workers: it has compiled modules, or Dask itself uses it there.",
                    "Install it where the workers run.",
                )
        with self._lock:
            self._places.named |= roots
            self._looked = {name for name in self._looked if name.partition(".")[0] not in roots}
            self._newest = (0, None)

    # what has run

    def _look_at_modules(self) -> bool:
        fresh, newest = self._watch.take_new(), (len(sys.modules), next(reversed(sys.modules), None))
        if newest != self._newest:  # there are thousands, and this is done at every call
            self._newest, fresh = newest, fresh | (sys.modules.keys() - self._looked)
        changed = False
        for name in fresh:
            self._looked.add(name)
            changed |= self._take(name)
        for name, known in list(self._ran.items()):
            module = sys.modules.get(name)
            if module is not known.module:
                self._looked.discard(name)
                self._newest = (0, None)
                changed |= self._take(name) or module is None
            elif name not in fresh:
                changed |= self._look_again(name, known)
        return changed

    def _take(self, name: str) -> bool:
        """Take a module as it is now; return whether that changes anything."""
        module = sys.modules.get(name)
        before = self._ran.pop(name, None)
        known = self._known(name, module) if isinstance(module, types.ModuleType) else None
        if known is None:
            return before is not None
        self._ran[name] = known
        self._reached.pop(name, None)
        return True

    def _known(self, name: str, module: types.ModuleType) -> _Known | None:
        """Return a module with its text, if it is the user's."""
        spec = getattr(module, "__spec__", None)
        if spec is None:
            return None
        file = getattr(module, "__file__", None)
        if not isinstance(file, str):
            return self._namespace(name, module)
        path = os.path.abspath(file)
        if type(spec.loader) not in _LOADERS or not self._places.is_users(name, path):
            return None
        ran = self._watch.ran(name)
        if ran is not None and ran.module is module:
            known = self._read(name, path, hasattr(module, "__path__"), ran.source, ran.look)
        else:
            known = self._read(name, path, hasattr(module, "__path__"))
            if not known.text.not_sent and _was_saved_since(spec.cached, known.look):
                why = "its file was saved after the notebook had imported it, and nobody has seen what it said before"
                known.text = replace(known.text, not_sent=f"{why} (reload it)")
        known.module = module
        return known

    def _namespace(self, name: str, module: types.ModuleType) -> _Known | None:
        folders = [os.path.abspath(folder) for folder in getattr(module, "__path__", ()) if isinstance(folder, str)]
        if not any(self._places.is_users(name, os.path.join(folder, "_")) for folder in folders):
            return None
        return _Known(Text(name, "", package=True, not_sent=why_not_by_name(name)), (0, 0), module)

    def _read(self, name: str, path: str, package: bool, source: bytes | None = None, look: Look = (0, 0)) -> _Known:
        """Return a module with its text, by default that of its file."""
        most = parse_bytes(config.get("code.limit"))
        if source is None:
            look = look_at(path)
        why = why_not_by_name(name) or why_not_by_file(path, look[1], most)
        if why:
            return _Known(Text(name, path, package=package, not_sent=why, file_digest=_digest_of_file(path)), look)
        if source is None:
            with open(path, "rb") as file:
                source = file.read()
        beside = Beside(os.path.dirname(path), most - len(source)) if package else None
        files = beside.files if beside is not None else {}
        return _Known(Text(name, path, source, package, files), look, beside=beside)

    def _look_again(self, name: str, known: _Known) -> bool:
        """Look at the file of a module that has run; return whether it is to be taken otherwise."""
        text = known.text
        changed = known.beside is not None and known.beside.look_again()
        if changed and known.beside is not None:
            known.text = text = replace(text, files=known.beside.files)
        if not text.path or (look := look_at(text.path)) == known.look:
            return changed
        known.look, known.told = look, False
        if text.not_sent:
            known.text = replace(text, file_digest=_digest_of_file(text.path))
            return True
        try:
            with open(text.path, "rb") as file:
                source = file.read()
        except OSError:  # it is gone, but it has run
            return changed
        known.saved = source != text.source
        if not known.saved:
            return changed
        if any(told(name, text.path) == decode_source(source) for told in self.reloaders):
            known.text, known.saved = replace(text, source=source), False
            return True
        return changed

    # what imports may reach

    def _look_at_reached(self) -> bool:
        changed = False
        for name, known in list(self._reached.items()):
            if look_at(known.text.path) != known.look or (known.beside is not None and known.beside.look_again()):
                del self._reached[name]
                changed = True
        while True:
            texts = {name: known.text for name, known in [*self._reached.items(), *self._ran.items()]}
            named = self._asked.union(*(text.imports for text in texts.values()))
            found = dict[str, _Known]()
            for name in sorted(ancestors(named) - texts.keys() - self._looked):
                if (reached := self._find(name, texts)) is not None:
                    found[name] = reached
                    texts[name] = reached.text
            if not found:
                return changed
            self._reached |= found
            changed = True

    def _find(self, name: str, texts: dict[str, Text]) -> _Known | None:
        """Return a module of the user that has not run here, if there is a file of it."""
        parent, _, last = name.rpartition(".")
        folders: Collection[str]
        if not parent:
            if last in sys.stdlib_module_names or not may_be_users(name):
                return None
            folders = [
                folder
                for entry in sys.path
                if self._places.are_users(os.path.join(folder := os.path.abspath(entry), "_"))
            ]
        elif parent in texts and texts[parent].package and not texts[parent].not_sent:
            path = texts[parent].path
            folders = [os.path.dirname(path)] if path else list(getattr(sys.modules.get(parent), "__path__", ()))
        else:
            return None
        for folder in folders:
            for path, package in (
                (os.path.join(folder, last, "__init__.py"), True),
                (os.path.join(folder, f"{last}.py"), False),
            ):
                if look_at(path) != (0, 0):
                    return self._read(name, path, package)
        return None


def _modules_of(root: str) -> list[types.ModuleType]:
    return [module for name, module in list(sys.modules.items()) if name == root or name.startswith(f"{root}.")]


def _is_compiled(module: types.ModuleType) -> bool:
    return isinstance(getattr(getattr(module, "__spec__", None), "loader", None), ExtensionFileLoader)


def _digest_of_file(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError:
        return ""


def _was_saved_since(cached: str | None, look: Look) -> bool:
    """Whether a source file has changed since Python compiled it on import, as far as that has left a trace."""
    if cached is None or sys.dont_write_bytecode:
        return False
    try:
        with open(cached, "rb") as file:
            header = file.read(16)
    except OSError:
        return False
    if len(header) < 16 or int.from_bytes(header[4:8], "little"):
        return False
    seconds, nbytes = int.from_bytes(header[8:12], "little"), int.from_bytes(header[12:16], "little")
    return (seconds, nbytes) != (int(look[0] / 1e9) & 0xFFFFFFFF, look[1] & 0xFFFFFFFF)


@functools.cache
def of_process() -> Following:
    """Return the modules of this process, watched from now on."""
    places = Places()
    watch = Watch(places)
    watch.begin()
    return Following(watch, places)
