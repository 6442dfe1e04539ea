"""The user's modules, kept for workers: those that join later find them here, before their first task.

A text is kept once, however many versions of the code have it, and compressed. Versions that nobody has asked for or
put here for longest are forgotten first; the latest of each notebook never is.

Workers are told of each version that comes, so that values and plain Dask tasks meet it there; tasks of moorage's name
the version that they need, and so do not depend on whether a worker has heard.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal

from moorage._dask.server import answer, ask
from moorage.plan import Address
from moorage.wire.code import CodeAnswer, CodeVersion, FoundCode, KeptCode, ModuleEntry, PackedText

if TYPE_CHECKING:
    from distributed import Scheduler

MOST = 64 * 2**20
"""Bytes of compressed texts, beyond which versions are forgotten."""
LATEST = 8
"""Versions that a worker is given which joins: values that come to it may be of classes of earlier ones."""
_UNKNOWN: CodeAnswer = {"status": "unknown", "entries": {}, "texts": {}}


class CodeStore:
    """Versions of the code of all notebooks. On the scheduler's event loop.

    `most`: bytes.
    """

    def __init__(self, scheduler: Scheduler, most: int = MOST) -> None:
        self._scheduler = scheduler
        self._most = most
        self._versions: OrderedDict[str, Mapping[str, ModuleEntry]] = OrderedDict()  # the latest used last
        self._codes: dict[str, CodeVersion] = {}  # by version, as they came last
        self._texts: dict[str, PackedText] = {}  # by digest
        self._latest: dict[str, str] = {}  # by client
        self._last: CodeVersion | None = None
        self._telling: set[asyncio.Task[None]] = set()

    async def keep(
        self,
        client: str,
        code: CodeVersion,
        entries: Mapping[str, ModuleEntry],
        texts: Mapping[str, PackedText],
        wait: float = 0.0,
    ) -> KeptCode:
        """Keep a version, unless texts of it are lacking: then say which."""
        version = code["id"]
        known = self._texts.keys() | texts.keys()
        lacking = {entry["digest"] for entry in entries.values() if not entry["not_sent"]} - known
        if lacking:
            return {"serial": 0, "lacking": sorted(lacking)}
        self._texts.update(texts)
        self._versions[version] = entries
        self._versions.move_to_end(version)
        self._latest[client] = version
        self._forget()
        # By the clock: workers may remember what an earlier plugin has counted.
        serial = max(int(time.time() * 1000), self._last["serial"] + 1 if self._last is not None else 0)
        self._last = self._codes[version] = {**code, "serial": serial}
        telling = [asyncio.create_task(self._tell(address, self._last)) for address in self._scheduler.workers]
        self._telling.update(telling)
        for task in telling:
            task.add_done_callback(self._telling.discard)
        if wait and telling:
            await asyncio.wait(telling, timeout=wait)
        return {"serial": serial, "lacking": []}

    async def latest(self) -> list[CodeVersion]:
        """Return the versions that came last, the very last one at the end."""
        return sorted(self._codes.values(), key=lambda code: code["serial"])[-LATEST:]

    async def code(self, version: str, have: list[str]) -> CodeAnswer:
        """Return a version, and the texts of it that a worker does not have."""
        entries = self._versions.get(version)
        if entries is None:
            return _UNKNOWN
        self._versions.move_to_end(version)
        wanted = {entry["digest"] for entry in entries.values() if not entry["not_sent"]}.difference(have)
        return {"status": "OK", "entries": dict(entries), "texts": {digest: self._texts[digest] for digest in wanted}}

    async def whose(self, modules: Mapping[str, str], have: list[str]) -> FoundCode:
        """Return a version that has these modules, or what else may stand for it."""
        status, code = self._with(modules)
        return {"status": status, "code": code, "answer": await self.code(code["id"], have) if code else _UNKNOWN}

    def _with(self, modules: Mapping[str, str]) -> tuple[Literal["OK", "unknown", "several"], CodeVersion | None]:
        others = list[CodeVersion]()
        for version, entries in reversed(self._versions.items()):
            if modules.keys() <= entries.keys():
                if all(entries[name]["deep"] == deep for name, deep in modules.items()):
                    return "OK", self._codes[version]
                others.append(self._codes[version])
        if len({code["owner"] for code in others}) > 1:
            return "several", None
        return ("OK", max(others, key=lambda code: code["serial"])) if others else ("unknown", None)

    def begin(self) -> Callable[[], None]:
        """Begin to answer; return what ends that."""
        forget = answer(
            self._scheduler,
            moorage_keep=self.keep,
            moorage_code=self.code,
            moorage_whose=self.whose,
            moorage_latest=self.latest,
        )

        def end() -> None:
            forget()
            for task in self._telling:
                task.cancel()

        return end

    def client_gone(self, client: str) -> None:
        """Take it that the code of a client may be forgotten, in its turn: tasks of it may still run."""
        self._latest.pop(client, None)

    async def _tell(self, address: Address, code: CodeVersion) -> None:
        with contextlib.suppress(Exception, asyncio.CancelledError):  # gone; stuck; without our code, it asks later
            await ask(self._scheduler, address).moorage_see(code=code)

    def _forget(self) -> None:
        latest = set(self._latest.values())
        old = [version for version in self._versions if version not in latest]
        while old and sum(map(_nbytes, self._texts.values())) > self._most:
            version = old.pop(0)
            del self._versions[version], self._codes[version]
            used = {entry["digest"] for entries in self._versions.values() for entry in entries.values()}
            self._texts = {digest: text for digest, text in self._texts.items() if digest in used}


def _nbytes(text: PackedText) -> int:
    return len(text["source"]) + sum(map(len, text["files"].values()))
