"""Modules of a user, in a folder of their own on ``sys.path``."""

import importlib
import itertools
import os
import sys

import pytest

from moorage.code.places import Places
from moorage.kernel.code.following import Following
from moorage.kernel.code.watching import Watch

_NUMBERS = itertools.count()


class Modules:
    """The user's modules; names are prefixed so that tests cannot meet each other's."""

    def __init__(self, folder):
        self.folder = folder
        self.prefix = f"users_{next(_NUMBERS)}_"
        self.notices = []
        places = Places()
        self.watch = Watch(places)
        self.end = self.watch.begin()
        self.following = Following(self.watch, places)
        self.following.manifest()  # what other tests have imported

    def name(self, name):
        return self.prefix + name

    def write(self, name, source):
        path = self.folder / f"{self.prefix}{name.replace('.', '/')}.py"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(source.replace("@", self.prefix))
        return path

    def load(self, name):
        importlib.invalidate_caches()
        return importlib.import_module(self.prefix + name)

    def texts(self, *imports):
        """Return the user's texts by name without prefix."""
        manifest = self.following.manifest([self.prefix + name for name in imports], self.notices.append)
        ours = {name: text for name, text in manifest.texts.items() if name.startswith(self.prefix)}
        return {name.removeprefix(self.prefix): text for name, text in ours.items()}

    def says(self, name, *imports):
        return self.texts(*imports)[name].source.decode()


@pytest.fixture
def modules(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    found = Modules(tmp_path)
    yield found
    found.end()
    for name in [name for name in sys.modules if name.startswith(found.prefix)]:
        del sys.modules[name]
    assert os.path.isdir(tmp_path)
