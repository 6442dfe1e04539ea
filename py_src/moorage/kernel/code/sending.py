"""Puts each version of the user's code on the scheduler of a cluster, before the first task that needs it is sent.

Only texts that the scheduler has not got yet travel, compressed. Workers fetch them from there.
"""

from __future__ import annotations

import os
import threading
import zlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from moorage._dask.client import connection_of
from moorage.code.manifest import Manifest
from moorage.code.text import Text
from moorage.kernel.code import following, watching
from moorage.kernel.waiting import address_of, answer, scheduler_of, wait_for
from moorage.wire.code import CodeVersion, PackedText

if TYPE_CHECKING:
    from distributed import Client

_SPEED = 1  # of zlib


class CodeSender:
    """Sends the code of this process to one cluster.

    `owner`: label of this notebook, for messages.
    """

    def __init__(self, client: Client, owner: str) -> None:
        self._client = client
        self._owner = owner
        self._following = following.of_process()
        self._lock = threading.Lock()
        self._connection: object = None
        self._sent: set[str] = set()  # digests
        self._current = self._version("", 0)

    def version(self, imports: Iterable[str] = (), say: Callable[[str], None] = print) -> CodeVersion:
        """Return the version that a task needs which is sent now; the scheduler has it.

        `imports`: names of modules that its code imports. `say`: takes a line for the user. Raises UnreachableError.
        """
        if address_of(self._client).startswith("inproc"):  # the workers are this process
            return self._version("", 0)
        manifest = self._following.manifest(imports, say)
        if not manifest.id:
            return self._version("", 0)
        with self._lock:
            connection = connection_of(self._client)
            if connection is not self._connection:
                self._connection, self._sent = connection, set()
                self._current = self._version("", 0)
            if self._current["id"] != manifest.id:
                self._current = self._version(manifest.id, self._send(manifest))
            return self._current

    def _send(self, manifest: Manifest) -> int:
        texts = {text.digest: text for text in manifest.texts.values() if not text.not_sent}
        lacking = texts.keys() - self._sent
        while True:
            packed = {digest: _packed(texts[digest]) for digest in lacking}
            kept = wait_for(
                self._client,
                lambda packed=packed: answer(
                    self._client,
                    scheduler_of(self._client).moorage_keep(
                        client=self._client.id, version=manifest.id, entries=manifest.entries(), texts=packed
                    ),
                ),
            )
            if not kept["lacking"]:
                self._sent |= texts.keys()
                return kept["serial"]
            lacking = texts.keys() & kept["lacking"]  # it has forgotten some

    def _version(self, id_: str, serial: int) -> CodeVersion:
        process = f"{watching.PROCESS}-{os.getpid()}"
        return {"id": id_, "serial": serial, "owner": self._owner, "process": process}


def _packed(text: Text) -> PackedText:
    files = {name: zlib.compress(content, _SPEED) for name, content in text.files.items()}
    return {"source": zlib.compress(text.source, _SPEED), "files": files}
