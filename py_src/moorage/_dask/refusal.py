"""The error of a part of Dask that is missing, where moorage is installed. Not shipped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from moorage._dask.parts import Part, changed
from moorage.errors import VersionError

REMEDY = "Use a moorage that knows that version, or the version of Dask that this one was made for: 2026.8."


def check(parts: Iterable[Part], *objects: Any, remedy: str = REMEDY) -> None:
    """Refuse to go on, before anything is touched, if a part is missing or has changed.

    Raises VersionError, which names the part.
    """
    if fault := changed(parts, *objects):
        raise VersionError(f"{fault[:1].upper()}{fault[1:]}.", remedy)
