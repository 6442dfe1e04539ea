"""Data files that lie beside the modules of a package, for `importlib.resources` on workers.

Subfolders that are packages themselves have their own. Links that lead out of the folder are left out, and so is all
of it if it is more than the limit: on hosts that share the disk it is found where it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from moorage.kernel.code.watching import Look, look_at

MOST_FILES = 300
_CODE = (".py", ".pyc", ".pyo", ".so", ".pyd", ".dll", ".dylib")


class Beside:
    """The data files of one package.

    `folder`: of the package. `most`: bytes.
    """

    def __init__(self, folder: str, most: int) -> None:
        self.files: Mapping[str, bytes] = {}
        self._folder = folder
        self._most = most
        self._looks: dict[str, Look] = {}
        self._read()

    def look_again(self) -> bool:
        """Whether something has changed since; then `files` is as it is now."""
        if all(look_at(path) == look for path, look in self._looks.items()):
            return False
        before = self.files
        self._read()
        return self.files != before

    def _read(self) -> None:
        root = os.path.realpath(self._folder)
        looks: dict[str, Look] = {}
        paths: dict[str, str] = {}
        nbytes = 0
        for folder, folders, names in os.walk(root):
            if folder != root and any(name.endswith(".py") for name in names):
                folders[:] = []  # a package, with or without __init__.py
                continue
            looks[folder] = look_at(folder)
            folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
            for name in names:
                path = os.path.join(folder, name)
                if name.endswith(_CODE) or name.startswith(".") or not os.path.realpath(path).startswith(root + os.sep):
                    continue
                looks[path] = look_at(path)
                nbytes += looks[path][1]
                paths[os.path.relpath(path, root)] = path
                if len(paths) > MOST_FILES or len(looks) > 2 * MOST_FILES or nbytes > self._most:
                    self.files, self._looks = {}, {}
                    return
        files = {}
        for name, path in paths.items():
            try:
                with open(path, "rb") as file:
                    files[name] = file.read()
            except OSError:  # gone just now, or not ours to read
                continue
        self.files, self._looks = files, looks
