"""Keeps nannies from ending workers for memory that is not the worker's own, and has them tell how one ended.

A nanny ends a worker that takes more than its limit, and counts pages that all workers of a host share as if each had
them for itself. A filter before Dask's own check leaves them out. It reads what each piece of memory is only when the
worker seems to be over the limit. Shipped by value.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil
from distributed.diagnostics.plugin import NannyPlugin

from moorage._dask.nanny import PARTS, most_memory, pid_of_worker, shadow_memory_check
from moorage._dask.parts import rely_on
from moorage.worker.images.memory_manager import shared_pages
from moorage.worker.last_words import Witness

NAME = "moorage_nanny"
UNMAPPING = 2.0
"""Seconds that it may take to unmap a segment."""

_OURS = re.compile(r"/memfd:moorage-|/moorage-\d+-[0-9a-f]{32}|/[0-9a-f]{32}\.images")  # as the kernel shows them


class SharedMemoryNannyPlugin(NannyPlugin):
    """Puts the filter and a `Witness` on a nanny, and takes them off again."""

    name = NAME
    idempotent = True
    _undo: Sequence[Callable[[], None]] = ()

    def setup(self, nanny: Any) -> None:
        """Called by Dask on each nanny, newcomers included."""
        rely_on(PARTS, nanny, getattr(nanny, "memory_manager", None))
        self._undo = [shadow_memory_check(nanny, _Filter(nanny)), Witness(nanny).close]

    def teardown(self, nanny: Any) -> None:
        """Called by Dask when the plugin is removed, and when the nanny closes."""
        for undo in self._undo:
            undo()


class _Filter:
    """Calls Dask's check unless the worker is within its limit without what it shares."""

    def __init__(self, nanny: Any) -> None:
        self._nanny = nanny
        self._suspect, self._since = 0, 0.0
        self._process: psutil.Process | None = None  # kept: to make one costs more than to ask it, ten times a second

    def __call__(self, original: Callable[[], Any]) -> Any:
        if (pid := pid_of_worker(self._nanny)) is None:
            return original()
        most = most_memory(self._nanny)
        try:
            if self._process is None or self._process.pid != pid:
                self._process = psutil.Process(pid)
            taken = self._process.memory_info().rss
        except psutil.Error:
            return None
        if taken <= most or taken - shared_by_us(pid) <= most:
            self._suspect = 0
            return None
        if taken - sum(shared_pages(pid)) <= most:
            # A segment that is being unmapped has gone from the list some time before its pages are counted no more.
            if self._suspect != pid:
                self._suspect, self._since = pid, time.monotonic()
            if time.monotonic() - self._since < UNMAPPING:
                return None
        return original()


def shared_by_us(pid: int) -> int:
    """Return the bytes of segments that a process has touched; 0 where the system cannot tell."""
    total, ours = 0, False
    try:
        with open(f"/proc/{pid}/smaps") as lines:
            for line in lines:
                if line[0] in "0123456789abcdef":  # the range, and what is mapped there; names of fields begin with A-Z
                    ours = _OURS.search(line) is not None
                elif ours and line.startswith("Rss:"):
                    total += int(line.split()[1]) * 1024
                elif ours and line.startswith("Anonymous:"):  # has been written to: the process's own
                    total -= int(line.split()[1]) * 1024
    except OSError:
        return 0
    return total
