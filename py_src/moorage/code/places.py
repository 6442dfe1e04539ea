"""Which files are the user's own: neither Python's nor what an installer has put beside it; and which names they have.

An editable install is the user's: its files lie where they are edited.
"""

from __future__ import annotations

import os
import site
import sys
import sysconfig
from collections.abc import Iterable

_INSTALLED = frozenset(("site-packages", "dist-packages"))
_NEVER = frozenset(("__main__", "__mp_main__", "moorage", "sitecustomize", "usercustomize"))
_COMPILED = (".so", ".pyd", ".dll", ".dylib")


class Places:
    """Tells the user's files from others.

    `pythons`: folders of Python itself. By default those of this interpreter.
    """

    named: set[str]
    """Top-level packages that follow although they are installed."""

    def __init__(self, pythons: Iterable[str] | None = None) -> None:
        folders = _folders_of_python() if pythons is None else pythons
        both = {folder for given in folders for folder in (os.path.abspath(given), os.path.realpath(given))}
        self.named = set()
        self._pythons = tuple(folder.rstrip(os.sep) + os.sep for folder in both)

    def is_users(self, name: str, path: str) -> bool:
        """Whether a module, by its name and its file's full path, is the user's, or was named by the user."""
        return may_be_users(name) and (name.partition(".")[0] in self.named or self.are_users(path))

    def are_users(self, path: str) -> bool:
        """Whether a file, by its full path, is the user's."""
        if not os.path.isabs(path) or path.startswith(self._pythons):
            return False
        return _INSTALLED.isdisjoint(path.split(os.sep))


def _folders_of_python() -> list[str]:
    paths = sysconfig.get_paths()
    folders = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib") if name in paths]
    return [*folders, *site.getsitepackages(), site.getusersitepackages()]


def may_be_users(name: str) -> bool:
    """Whether a module of that name can be the user's: not this package, nor ``__main__``, which has its own rules."""
    return name.partition(".")[0] not in _NEVER


def why_not_by_name(name: str) -> str:
    """Return why a module of this name is not sent; or an empty text.

    >>> why_not_by_name("os")
    'it has the name of a module of Python itself'
    >>> why_not_by_name("../mine")
    'its name is none that can be imported'
    """
    if not all(part.isidentifier() for part in name.split(".")):
        return "its name is none that can be imported"
    if name.partition(".")[0] in sys.stdlib_module_names:
        return "it has the name of a module of Python itself"
    return ""


def why_not_by_file(path: str, nbytes: int, most: int) -> str:
    """Return why a module in such a file is not sent; or an empty text. `most`: bytes."""
    if path.endswith(_COMPILED):
        return "it is compiled"
    if not path.endswith(".py"):
        return "it is not a file of Python source"
    if nbytes > most:
        return f"it has {nbytes:,} bytes, more than the setting moorage.code.limit allows"
    return ""
