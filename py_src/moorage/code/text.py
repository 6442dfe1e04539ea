"""One module as the notebook runs it: its text, the files beside it, its digest, and what it imports."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

_NO_FILES: Mapping[str, bytes] = {}


@dataclass(frozen=True)
class Text:
    """A module of the user.

    Parameters
    ----------
    name : str
        As in ``sys.modules``.
    path : str
        Of its file, as tracebacks name it; empty of a namespace package.
    source : bytes
        Empty, of a module that is not sent.
    package : bool
        Whether it may have submodules.
    files : mapping of str to bytes
        Data beside the modules of a package, by path relative to it.
    not_sent : str
        Why it cannot follow; workers use what they have themselves, if that is the same.
    file_digest : str
        Of the file of a module that is not sent.
    """

    name: str
    path: str
    source: bytes = b""
    package: bool = False
    files: Mapping[str, bytes] = field(default_factory=lambda: _NO_FILES)
    not_sent: str = ""
    file_digest: str = ""

    @cached_property
    def digest(self) -> str:
        """Tells versions of the module apart."""
        return self.file_digest if self.not_sent else digest_of(self.source, self.files, self.package)

    @cached_property
    def imports(self) -> frozenset[str]:
        """Names of modules that it may import; see `imports_of`."""
        return imports_of(self.source, self.name, self.package) if not self.not_sent else frozenset()


def digest_of(source: bytes, files: Mapping[str, bytes], package: bool) -> str:
    """Return a digest of what a module says; also computed where it arrives."""
    digest = hashlib.blake2b(b"package" if package else b"module", digest_size=16)
    for name, content in [("", source), *sorted(files.items())]:
        digest.update(f"{len(name.encode())} {len(content)} {name}".encode())
        digest.update(content)
    return digest.hexdigest()


def imports_of(source: bytes, name: str, package: bool) -> frozenset[str]:
    """Return the names that may be those of modules in the import statements of a module, wherever in it they stand.

    ``from a import b`` gives both ``a`` and ``a.b``: only who has the modules knows. Nothing, if it is no Python.

    >>> sorted(imports_of(b"from . import helper", "pkg.main", False))
    ['pkg', 'pkg.helper']
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return frozenset()
    found: set[str] = set()
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            found.update(alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            base = absolute(statement.module or "", statement.level, name, package)
            found.update([base, *(f"{base}.{alias.name}" for alias in statement.names)] if base else [])
    return frozenset(found)


def absolute(base: str, level: int, name: str, package: bool) -> str:
    """Return the full name of what module `name` imports ``from`` so many dots and `base`; empty if there is none."""
    if not level:
        return base
    parents = name.split(".") if package else name.split(".")[:-1]
    if level > len(parents):
        return ""
    return ".".join([*parents[: len(parents) - level + 1], *([base] if base else [])])


def ancestors(names: Iterable[str]) -> set[str]:
    """Return `names` with the packages that each is in.

    >>> sorted(ancestors(["a.b.c"]))
    ['a', 'a.b', 'a.b.c']
    """
    return {".".join(parts[:n]) for name in names for parts in [name.split(".")] for n in range(1, len(parts) + 1)}
