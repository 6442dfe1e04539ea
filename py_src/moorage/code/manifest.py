"""All modules of the user at one moment: a version of the user's code, known by a digest.

A worker replaces a module when it has changed, and also when one has changed that it imports, or a package that it is
in: it may hold what came from there. That is what `Manifest.deep` tells: a digest of a module together with all that
it can reach.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

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
    deep: dict[str, str] = {}
    for together in _components(needs):
        beyond = {deep[other] for name in together for other in needs[name] if other not in together}
        told = [*(f"{name} {texts[name].digest}" for name in sorted(together)), *sorted(beyond)]
        deep.update(dict.fromkeys(together, hashlib.blake2b("\n".join(told).encode(), digest_size=16).hexdigest()))
    return deep


def _components(needs: Mapping[str, set[str]]) -> Iterator[set[str]]:
    """Yield modules, those together that reach each other; what they need comes before them. Tarjan's algorithm.

    Each module is looked at once: where thousands import each other, to follow each would take seconds.
    """
    found: dict[str, int] = {}
    lowest: dict[str, int] = {}  # found of what is reached and not yielded yet
    waiting: dict[str, None] = {}  # to be yielded, in the order in which they were found
    for first in needs:
        path: list[tuple[str, Iterator[str]]] = []
        ahead: str | None = first if first not in found else None
        while path or ahead is not None:
            if ahead is not None:
                found[ahead] = lowest[ahead] = len(found)
                waiting[ahead] = None
                path.append((ahead, iter(needs[ahead])))
            name, others = path[-1]
            for ahead in others:
                if ahead not in found:
                    break
                if ahead in waiting:
                    lowest[name] = min(lowest[name], found[ahead])
            else:
                ahead = None
                path.pop()
                if path:
                    lowest[path[-1][0]] = min(lowest[path[-1][0]], lowest[name])
                if lowest[name] == found[name]:
                    together = set()
                    while name not in together:
                        together.add(waiting.popitem()[0])
                    yield together
