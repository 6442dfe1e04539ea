"""Remembers which text an import or a reload has run: its file may say something else by now.

Python's loader of source files is asked for the code of each module. For the user's modules it is given code compiled
from the text that is remembered here, not what an earlier import has left in ``__pycache__``: Python takes that for up
to date if the file has the same size, and the same time in seconds, which an edit and a reload easily fall into.
"""

from __future__ import annotations

import inspect
import os
import threading
import types
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader

from moorage.code.places import Places

PROCESS = uuid.uuid4().hex
"""Name of this process for its workers: one that has the same is this process itself, or was forked from it."""

Look = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Ran:
    """What a module has run."""

    module: types.ModuleType
    source: bytes
    look: Look  # at the file, from before it was read


class Watch:
    """What imports and reloads have run since `begin`, of the user's modules. All threads.

    `places`: which files are the user's.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._lock = threading.Lock()
        self._ran: dict[str, Ran] = {}
        self._new: set[str] = set()

    def begin(self) -> Callable[[], None]:
        """Begin to watch; return what ends it."""
        original = SourceFileLoader.get_code

        def get_code(loader: SourceFileLoader, fullname: str) -> types.CodeType | None:
            here = inspect.currentframe()
            caller = here.f_back if here is not None else None
            importing = caller is not None and caller.f_code.co_name == "exec_module"
            module = caller.f_locals.get("module") if caller is not None and importing else None
            if (
                type(loader) is SourceFileLoader
                and isinstance(module, types.ModuleType)
                and self._places.is_users(fullname, os.path.abspath(loader.path))
            ):
                return self._compiled(loader, fullname, module)
            return original(loader, fullname)

        SourceFileLoader.get_code = get_code  # type: ignore[method-assign,assignment]

        def end() -> None:
            if SourceFileLoader.get_code is get_code:
                SourceFileLoader.get_code = original  # type: ignore[method-assign]

        return end

    def ran(self, name: str) -> Ran | None:
        """Return what the module of that name has run last, if it was seen."""
        return self._ran.get(name)

    def note(self, name: str, ran: Ran) -> None:
        """Take it that a module has come to run a text otherwise: some tools write into modules."""
        with self._lock:
            self._ran[name] = ran
            self._new.add(name)

    @property
    def has_new(self) -> bool:
        """Whether modules have run since `take_new` was called."""
        return bool(self._new)

    def take_new(self) -> set[str]:
        """Return the names of the modules that have run since this was asked last."""
        if not self._new:
            return set()
        with self._lock:
            new, self._new = self._new, set()
            return new

    def _compiled(self, loader: SourceFileLoader, name: str, module: types.ModuleType) -> types.CodeType:
        look = look_at(loader.path)
        source = loader.get_data(loader.path)
        code: types.CodeType = loader.source_to_code(source, loader.path)
        self.note(name, Ran(module, source, look))
        return code


def look_at(path: str) -> Look:
    """Return what tells whether a file has changed: time and size; zeros if there is none."""
    try:
        there = os.stat(path)
    except OSError:
        return 0, 0
    return there.st_mtime_ns, there.st_size
