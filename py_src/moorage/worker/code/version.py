"""One version of the user's code in a worker process: its modules, as code of that version sees them.

Code that began with a version keeps it to its end, whatever has come since: its import statements are answered here
(``__import__`` among its built-in functions), and so are names by which pickles refer to functions and classes. Modules
that did not change, nor anything that they can reach, are shared between versions, with all their state. Runs on
workers, shipped by value.
"""

from __future__ import annotations

import builtins
import contextlib
import hashlib
import importlib
import os
import sys
import types
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.util import module_from_spec, resolve_name
from operator import attrgetter, is_
from typing import Any, Protocol, TypeAlias

from moorage.code.objects import some_in
from moorage.code.text import digest_of
from moorage.wire.code import ModuleEntry
from moorage.worker.code.loading import TextLoader, alone, in_sys_modules, write_files

Contents: TypeAlias = tuple[bytes, Mapping[str, bytes]]
"""Source of a module, and data files beside it."""

_OTHER_CLASS = (
    "A placed value is or holds an object of class {kind} from before its module changed, or from another notebook: "
    "isinstance with the current class is False. Release the value and place it again, or restart the workers: "
    "%cluster restart-workers"
)
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


class Shelf(Protocol):
    """What versions share; `Library` is one."""

    current: Version | None
    modules: Any  # by name and deep digest
    worker_name: str
    several: bool  # there has been more than one version

    def folder(self, digest: str) -> str:
        """Return a folder of this process for data files."""
        ...

    def loading(self, name: str) -> AbstractContextManager[None]:
        """Keep what imports see, while a module is loaded."""
        ...


class CodeMismatch(RuntimeError):
    """A module of the user cannot be had on this worker as the notebook has it."""


class Version:
    """The modules of one version.

    `entries`: all of them, by name. `texts`: source and files of each, by digest. `owner`: whose code it is. `shelf`:
    what it shares with others.
    """

    def __init__(
        self, id_: str, entries: Mapping[str, ModuleEntry], texts: Mapping[str, Contents], owner: str, shelf: Shelf
    ) -> None:
        self.id = id_
        self.entries = entries
        self.texts = texts
        self.owner = owner
        self.modules: dict[str, types.ModuleType] = {}
        self.builtins: dict[str, Any] = vars(builtins) | {"__import__": self.import_}
        """The built-in functions that code of this version sees."""
        self._roots = frozenset(name.partition(".")[0] for name in entries)
        self._seen: Mapping[str, Any] = dict(vars(builtins))
        self._warned: set[type] = set()
        self._ready: set[str] = set()  # those that have run to their end
        self._shelf = shelf

    def see_builtins(self) -> None:
        """See what was put among the built-in functions of the process, as `display` is while tasks run."""
        now, seen = vars(builtins), self._seen
        if len(now) != len(seen) or not all(map(is_, now.values(), seen.values())):
            self._seen = dict(now)
            self.builtins.update(self._seen | {"__import__": self.import_})

    def find(self, module: str, name: str) -> Any:
        """Return what a pickle refers to by these names; `module` is one of `entries`."""
        return attrgetter(name)(self.load(module))

    def named(self, module: str, name: str) -> Any:
        """Return what a pickle refers to by these names, if that is anything of the user's modules, or imports them."""
        if module in self.entries:
            return self.find(module, name)
        if module.startswith("cloudpickle."):
            if name == "subimport":
                return self.subimport
            if name == "_make_function":
                return self.make_function
        return self._resolve if (module, name) == ("pkgutil", "resolve_name") else None

    def _resolve(self, name: str) -> Any:
        module, _, within = name.partition(":")
        return attrgetter(within)(self.subimport(module)) if within else self.subimport(module)

    def make_function(self, code: types.CodeType, namespace: dict[str, Any], *more: Any) -> Any:
        """Make a function that sees the built-in functions of the version, as cloudpickle makes one."""
        namespace["__builtins__"] = self.builtins
        return types.FunctionType(code, namespace, *more)

    def holds(self, value: Any) -> str:
        """Return the version of the module whose class, function or module a value is; empty if it is none of them."""
        if isinstance(value, types.ModuleType):
            return self.entries[value.__name__]["deep"] if self.modules.get(value.__name__) is value else ""
        with contextlib.suppress(Exception):
            if attrgetter(value.__qualname__)(self.modules[value.__module__]) is value:
                return self.entries[value.__module__]["deep"]
        return ""

    def subimport(self, name: str) -> Any:
        """Return a module that a pickle refers to."""
        if name in self.entries:
            return self.load(name)
        return importlib.import_module(name)

    def load(self, name: str) -> types.ModuleType:
        """Return one of `entries`, executed before if need be.

        Raises what its code raises. Raises CodeMismatch if the worker cannot have it as the notebook has it.
        """
        if name in self._ready:
            return self.modules[name]
        with self._shelf.loading(name), alone(name):
            if name in self.modules:  # half-way, if modules import each other
                return self.modules[name]
            parent = name.rpartition(".")[0]
            if parent in self.entries:
                self.load(parent)
                if name in self.modules:
                    return self.modules[name]
            entry = self.entries[name]
            place = name, entry["deep"]
            module: types.ModuleType | None = self._shelf.modules.get(place)
            if module is None:
                module = self._own(name, entry) if entry["not_sent"] else self._execute(name, entry)
            self._shelf.modules[place] = self.modules[name] = module
            if self._shelf.current is self:
                sys.modules[name] = module
            if parent in self.modules:
                setattr(self.modules[parent], name.rpartition(".")[2], module)
            self._ready.add(name)
            return module

    def import_(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> types.ModuleType:
        """Do what an import statement asks for, as `__import__`."""
        full = name
        if level:
            known = globals or {}
            with contextlib.suppress(ImportError, AttributeError, TypeError):  # Python says so itself
                full = resolve_name("." * level + name, known.get("__package__") or known["__spec__"].parent)
        if full not in self.entries:
            return __import__(name, globals, locals, fromlist or (), level)
        module = self.load(full)
        if not fromlist:
            return self.load(full.partition(".")[0])
        for each in getattr(module, "__all__", ()) if "*" in fromlist else fromlist:
            if not hasattr(module, each) and f"{full}.{each}" in self.entries:
                self.load(f"{full}.{each}")
        return module

    def look_at(self, value: Any) -> None:
        """Warn, once for each class, where a placed value is not of the class that code of this version sees.

        Looks at what is in it, too: elements and attributes, a few of many.
        """
        if not self._shelf.several:
            return
        for one in some_in(value):
            kind = type(one)
            if kind.__module__ in self.entries and kind not in self._warned and not self._sees(kind):
                self._warned.add(kind)
                text = _OTHER_CLASS.format(kind=f"{kind.__module__}.{kind.__qualname__}")
                warnings.warn_explicit(text, UserWarning, "moorage", 0)  # also after it was said of another edit

    def _sees(self, kind: type) -> bool:
        with contextlib.suppress(Exception):  # there is no such class any more
            return self.find(kind.__module__, kind.__qualname__) is kind
        return False

    def namespaces(self) -> list[Any]:
        """Return what belongs to the version, and to nobody who looks for changes."""
        return [self.builtins, *map(vars, list(self.modules.values()))]

    def _execute(self, name: str, entry: ModuleEntry) -> types.ModuleType:
        there = sys.modules.get(name)
        file = str(getattr(there, "__file__", None) or "")
        installed = any(part in file for part in _INSTALLED)
        if name in sys.stdlib_module_names or (installed and not any(part in entry["path"] for part in _INSTALLED)):
            raise self.mismatch(
                name,
                f"the worker has another module of that name, {file or 'of Python itself'}, and other code uses it",
                "Give yours another name.",
            )
        source, files = self.texts[entry["digest"]]
        if digest_of(source, files, entry["package"]) != entry["digest"]:
            raise self.mismatch(name, "its text has arrived damaged", "Run it again.")
        loader = TextLoader(name, entry, source, self._folder(name, entry))
        module = module_from_spec(loader.spec())
        vars(module)["__builtins__"] = self.builtins
        self.modules[name] = module
        try:
            with in_sys_modules(name, module):
                loader.execute(module)
                replaced: types.ModuleType = sys.modules.get(name, module)  # code may put another object there
        except BaseException:
            self.modules.pop(name, None)
            raise
        return replaced

    def _folder(self, name: str, entry: ModuleEntry) -> str:
        """Return the folder with the data files of the package that a module is, or is in; empty if there are none."""
        package = entry if entry["package"] else self.entries.get(name.rpartition(".")[0])
        if package is None or package["not_sent"] or not package["path"]:
            return ""
        _, files = self.texts[package["digest"]]
        if not files:
            return ""
        folder = self._shelf.folder(package["digest"])
        if not os.path.isdir(folder):
            write_files(folder, files)
        return folder

    def _own(self, name: str, entry: ModuleEntry) -> types.ModuleType:
        """Return what the worker has itself of a module that is not sent, if it is the same."""
        why = f"{entry['not_sent']}, so it is not sent"
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            remedy = "Install it where the workers run, or give them the folder that it is in (PYTHONPATH)."
            raise self.mismatch(name, f"{why}, and the worker does not have it", remedy) from error
        file = getattr(module, "__file__", None) or ""
        try:
            with open(file, "rb") as opened:
                theirs = hashlib.blake2b(opened.read(), digest_size=16).hexdigest()
        except OSError:
            theirs = ""
        if theirs != entry["digest"]:
            remedy = "Put the same file there, and restart the workers: %cluster restart-workers"
            if name.partition(".")[0] in sys.stdlib_module_names:
                remedy = "Give yours another name."
            raise self.mismatch(
                name, f"{why}, and what the worker has is version {theirs[:8] or '(unknown)'} in {file}", remedy
            )
        return module

    def mismatch(self, name: str, why: str, remedy: str) -> Exception:
        """Return the error that says that a module cannot be had here; in the notebook it is a `CodeError`."""
        wanted = self.entries[name]["digest"][:8] if name in self.entries else "(unknown)"
        message = (
            f"Worker {self._shelf.worker_name} cannot run {name} in version {wanted}, which {self.owner} has: {why}."
        )
        return code_error(message, remedy)


def code_error(message: str, remedy: str) -> Exception:
    """Return a `CodeError`, or what stands for it where moorage is not installed."""
    try:
        from moorage.errors import CodeError
    except ImportError:
        return CodeMismatch(f"{message}\n{remedy}")
    return CodeError(message, remedy)
