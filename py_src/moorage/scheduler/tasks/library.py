"""The user's modules, kept for workers: those that join later find them here, before their first task.

A text is kept once, however many versions of the code have it, and compressed. Versions that nobody has asked for or
put here for longest are forgotten first; the latest of each notebook never is.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from moorage.wire.code import CodeAnswer, KeptCode, ModuleEntry, PackedText

MOST = 64 * 2**20
"""Bytes of compressed texts, beyond which versions are forgotten."""


class Library:
    """Versions of the code of all notebooks. On the scheduler's event loop.

    `most`: bytes.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._versions: OrderedDict[str, Mapping[str, ModuleEntry]] = OrderedDict()  # the latest used last
        self._texts: dict[str, PackedText] = {}  # by digest
        self._latest: dict[str, str] = {}  # by client
        self._serial = 0

    async def keep(
        self, client: str, version: str, entries: Mapping[str, ModuleEntry], texts: Mapping[str, PackedText]
    ) -> KeptCode:
        """Keep a version, unless texts of it are lacking: then say which."""
        known = self._texts.keys() | texts.keys()
        lacking = {entry["digest"] for entry in entries.values() if not entry["not_sent"]} - known
        if lacking:
            return {"serial": 0, "lacking": sorted(lacking)}
        self._texts.update(texts)
        self._versions[version] = entries
        self._versions.move_to_end(version)
        self._latest[client] = version
        self._forget()
        self._serial += 1
        return {"serial": self._serial, "lacking": []}

    async def code(self, version: str, have: list[str]) -> CodeAnswer:
        """Return a version, and the texts of it that a worker does not have."""
        entries = self._versions.get(version)
        if entries is None:
            return {"status": "unknown", "entries": {}, "texts": {}}
        self._versions.move_to_end(version)
        wanted = {entry["digest"] for entry in entries.values() if not entry["not_sent"]}.difference(have)
        return {"status": "OK", "entries": dict(entries), "texts": {digest: self._texts[digest] for digest in wanted}}

    def client_gone(self, client: str) -> None:
        """Take it that the code of a client may be forgotten, in its turn: tasks of it may still run."""
        self._latest.pop(client, None)

    def _forget(self) -> None:
        latest = set(self._latest.values())
        old = [version for version in self._versions if version not in latest]
        while old and sum(map(_nbytes, self._texts.values())) > self._most:
            del self._versions[old.pop(0)]
            used = {entry["digest"] for entries in self._versions.values() for entry in entries.values()}
            self._texts = {digest: text for digest, text in self._texts.items() if digest in used}


def _nbytes(text: PackedText) -> int:
    return len(text["source"]) + sum(map(len, text["files"].values()))
