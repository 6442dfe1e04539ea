"""All modules of the user at one moment: a version of the user's code, known by a digest.

A worker replaces a module when it has changed, and also when one has changed that it imports, or a package that it is
in: it may hold what came from there. That is what `Manifest.deep` tells: a digest of a module together with all that
it can reach.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from moorage.code.text import Text, ancestors
from moorage.wire.code import ModuleEntry


class Manifest:
    """A version of the user's code.

    `texts`: by name. `id`: the same for the same texts; empty if there are none.
    """

    def __init__(self, texts: Iterable[Text] = ()) -> None:
        self.texts: Mapping[str, Text] = {text.name: text for text in texts}
        self.deep = _deep_digests(self.texts)
        entries = [f"{name} {deep} {self.texts[name].not_sent}" for name, deep in sorted(self.deep.items())]
        self.id = hashlib.blake2b("\n".join(entries).encode(), digest_size=16).hexdigest() if entries else ""

    def entries(self) -> dict[str, ModuleEntry]:
        """Return what workers are told."""
        return {
            name: {
                "digest": text.digest,
                "deep": self.deep[name],
                "path": text.path,
                "package": text.package,
                "not_sent": text.not_sent,
            }
            for name, text in self.texts.items()
        }


def _deep_digests(texts: Mapping[str, Text]) -> dict[str, str]:
    needs = {
        name: {other for other in ancestors([name, *text.imports]) if other in texts} for name, text in texts.items()
    }
    return {name: _digest(texts, _reached(name, needs)) for name in texts}


def _reached(name: str, needs: Mapping[str, set[str]]) -> set[str]:
    reached, ahead = {name}, [name]
    while ahead:
        more = needs[ahead.pop()] - reached
        reached |= more
        ahead += more
    return reached


def _digest(texts: Mapping[str, Text], names: set[str]) -> str:
    told = "\n".join(f"{name} {texts[name].digest}" for name in sorted(names))
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()
