"""The folder in which variables are saved, as the notebook sees it: its manifest, and which files are there.

Any folder that fsspec knows. In a folder of this machine files are the user's own alone, and only such ones are taken:
what is restored is unpickled, which runs whatever code is in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
import time
from collections.abc import Iterable, Mapping
from typing import Any

import fsspec.core
from fsspec.implementations.local import LocalFileSystem

from moorage.errors import InputError, SaveError
from moorage.tasks.saving.manifest import NAME, Manifest
from moorage.wire.saves import Place
from moorage.worker.tasks.saving import UNFINISHED, reached

_BEFORE = f"{NAME}.before"
_MOST = 1 << 30  # bytes of a manifest
_LONG_AGO = 24 * 3600  # seconds in which a save that is under way has ended
_IMAGES = re.compile(r"[0-9a-f]{32}\.images")


class Store:
    """A folder.

    `url`: as fsspec takes it, such as ``~/saves/monday`` or ``s3://bucket/monday``. `options`: of the file system.
    Raises InputError if there is no such kind of place.
    """

    def __init__(self, url: str | os.PathLike[str], options: Mapping[str, Any] | None = None) -> None:
        given = os.fspath(url)
        try:
            self._files, self._folder = fsspec.core.url_to_fs(given, **(options or {}))
        except Exception as error:  # whatever a file system raises
            raise InputError(
                f"{given!r} cannot be reached from here: {error}.",
                "Name a folder, or a URL whose file system is installed for fsspec.",
            ) from None
        self.is_local = isinstance(self._files, LocalFileSystem)
        # Workers have another current folder, and another home perhaps.
        self.place: Place = {"url": self._folder if self.is_local else given, "options": dict(options or {})}

    def __str__(self) -> str:
        return self.place["url"]

    def manifest(self, *, trust: bool = True) -> Manifest | None:
        """Return what has been saved here; None if nothing has. `trust`: take it whoever has written it.

        Raises SaveError if it cannot be read, or is somebody else's and not to be trusted.
        """
        if not trust and not self.is_local:
            raise SaveError(
                f"There is no telling who wrote {self}, and restoring runs the code in it.",
                "If you trust everybody who can write there: --trust, trust=True.",
            )
        try:
            if not self.is_local:
                text = self._in_force()
            else:
                with open(os.open(self._path(NAME), os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                    status = os.fstat(file.fileno())
                    if not trust and (status.st_uid != os.geteuid() or status.st_mode & 0o022):
                        raise SaveError(
                            f"{self._path(NAME)} belongs to user {status.st_uid}, or others can write to it; restoring "
                            "runs the code that is in it.",
                            "If you trust them: --trust, trust=True.",
                        )
                    text = file.read(_MOST)
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever a file system raises: none of its servers answers, no credentials
            if isinstance(error, SaveError):
                raise
            raise SaveError(f"{self} cannot be read: {str(error) or type(error).__name__}.") from error
        return Manifest.from_json(text, f"{self}/{NAME}")

    def write(self, manifest: Manifest) -> None:
        """Put a manifest in force, in place of one that was there; at no moment there is none. Raises OSError."""
        content = manifest.to_json().encode()
        if not self.is_local:
            self._write_there(content)
            return
        descriptor, written = tempfile.mkstemp(prefix=UNFINISHED, dir=self._folder)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(written, self._path(NAME))
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(written)
            raise
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _write_there(self, content: bytes) -> None:
        """Write the manifest to a store where it may be there in part meanwhile: then the one of before is in force."""
        try:
            before = self._in_force()
        except FileNotFoundError:
            before = None
        if before is not None:
            self._files.pipe_file(self._path(_BEFORE), before)
        try:
            self._files.pipe_file(self._path(NAME), content)
        except BaseException:
            self.remove([NAME] if before is None else [])
            raise
        self.remove([_BEFORE])

    def _in_force(self) -> bytes:
        """Return the text of a manifest of another store that is whole, if one is. Raises OSError."""

        def read(files: Any, folder: str) -> bytes:
            self._files = files
            text: bytes = files.cat_file(f"{folder}/{NAME}", end=_MOST)
            with contextlib.suppress(ValueError):
                json.loads(text)
                return text
            with contextlib.suppress(FileNotFoundError):
                text = files.cat_file(f"{folder}/{_BEFORE}")
            return text

        text: bytes = reached(self.place, read)
        return text

    def size(self, name: str) -> int:
        """Return the bytes of a file; -1 if it is not there."""
        self._files.invalidate_cache()
        try:
            return int(self._files.size(f"{self._folder}/{name}"))
        except OSError:
            return -1

    def tidy(self, before: Iterable[str], manifest: Manifest) -> None:
        """Remove files that the manifest before the one in force has named, and what long ago was not finished."""
        self.remove({*before} - {*manifest.files})
        if not self.is_local:
            return
        for entry in os.scandir(self._folder):
            is_ours = entry.name.startswith(UNFINISHED) or _IMAGES.fullmatch(entry.name)
            with contextlib.suppress(OSError):
                if is_ours and entry.name not in manifest.files and time.time() - entry.stat().st_mtime > _LONG_AGO:
                    os.unlink(entry.path)

    def remove(self, names: Iterable[str]) -> None:
        """Remove those of these files that are there."""
        for name in names:
            with contextlib.suppress(Exception):  # whatever a file system raises
                self._files.rm_file(f"{self._folder}/{name}")

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)
