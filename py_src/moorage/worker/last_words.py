"""The last words of a worker: what it logged before it ended, and how it ended.

What a worker logs lies in its memory, and is gone with it. So it is written to a small file in the worker's own folder
as well, and so is where in the code it was when compiled code crashes. If the process ends without having been told to,
its nanny reads the file before Dask removes the folder, and tells the scheduler. Workers without a nanny leave none.
Shipped by value.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
from typing import Any

from moorage._dask.nanny import watch_ends
from moorage.wire.why import ENDED_TOPIC, WorkerEnded

FILE = "moorage-last-words.log"
LINES = 12
"""That are told of what it logged."""
LONGEST = 300
"""Characters of a line."""
_CRASH = "Fatal Python error"  # begins what `faulthandler` writes
_INNERMOST = 8
"""Lines that are told of where it crashed."""
LIMIT = 64 << 10
"""Bytes of the file, after which it starts over with its latest half."""


class Recorder(logging.Handler):
    """Writes to a file what a worker logs, until it is closed. `worker`: without a nanny nothing is written."""

    def __init__(self, worker: Any) -> None:
        super().__init__()
        self._fd = -1
        self._ours = False  # what is written when the process crashes
        if getattr(worker, "nanny", None) is None:
            return
        path = os.path.join(worker.local_directory, FILE)
        with contextlib.suppress(OSError):
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        if self._fd < 0:
            return
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
        logging.getLogger("distributed").addHandler(self)
        if not faulthandler.is_enabled():
            faulthandler.enable(self._fd, all_threads=False)
            self._ours = True

    def emit(self, record: logging.LogRecord) -> None:
        """Called by `logging`, one record at a time."""
        with contextlib.suppress(OSError, ValueError, TypeError):  # nobody is to fail for what is logged
            os.write(self._fd, (self.format(record) + "\n").encode(errors="replace"))
            if (size := os.fstat(self._fd).st_size) > LIMIT:
                latest = os.pread(self._fd, LIMIT // 2, size - LIMIT // 2)
                os.ftruncate(self._fd, 0)
                os.write(self._fd, latest)

    def close(self) -> None:
        """Leave loggers and signals as they were."""
        logging.getLogger("distributed").removeHandler(self)
        if self._ours:
            faulthandler.disable()
        self._ours = False
        if self._fd >= 0:
            os.close(self._fd)
        self._fd = -1
        super().close()


class Witness:
    """Tells the scheduler how the worker of a nanny ended, and what it logged before.

    `nanny`: one that lacks what is relied on is not touched.
    """

    def __init__(self, nanny: Any) -> None:
        self._nanny = nanny
        self.close = watch_ends(nanny, self._ended)

    def _ended(self, process: Any, address: str) -> None:
        ended: WorkerEnded = {
            "worker": address,
            "name": str(self._nanny.name),
            "pid": process.process.pid,
            "code": process.process.exitcode,
            "lines": last_lines(process.worker_dir) if process.worker_dir else [],
        }
        self._nanny.log_event(ENDED_TOPIC, ended)


def last_lines(folder: str) -> list[str]:
    """Return what a worker with that folder logged last; nothing if it has left no file."""
    try:
        with open(os.path.join(folder, FILE), errors="replace") as file:
            lines = [line.rstrip()[:LONGEST] for line in file if not line.isspace()]
    except OSError:
        return []
    crashed = next((i for i, line in enumerate(lines) if line.startswith(_CRASH)), len(lines))
    return lines[:crashed][-LINES:] + lines[crashed:][:_INNERMOST]
