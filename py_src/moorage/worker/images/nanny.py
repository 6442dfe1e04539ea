"""Keeps nannies from ending workers for memory that is not the worker's own, and has them tell how one ended.

A nanny ends a worker that takes more than its limit, and counts pages that all workers of a host share as if each had
them for itself. A filter before Dask's own check leaves them out. It reads what each piece of memory is only when the
worker seems to be over the limit. Shipped by value.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import psutil
from distributed.diagnostics.plugin import NannyPlugin

from moorage.worker.images.memory_manager import shared_pages
from moorage.worker.last_words import Witness

NAME = "moorage_nanny"
UNMAPPING = 2.0
"""Seconds that it may take to unmap a segment."""

_OURS = re.compile(r"/memfd:moorage-|/moorage-\d+-[0-9a-f]{32}")  # how the kernel shows segments


class SharedMemoryNannyPlugin(NannyPlugin):
    """Puts the filter and a `Witness` on a nanny, and takes them off again."""

    name = NAME
    idempotent = True

    def setup(self, nanny: Any) -> None:
        """Called by Dask on each nanny, newcomers included."""
        monitor = nanny.periodic_callbacks.get("memory_monitor")
        if monitor is not None:
            monitor.callback = _Filter(monitor.callback, nanny)
        self._witness = Witness(nanny)

    def teardown(self, nanny: Any) -> None:
        """Called by Dask when the plugin is removed, and when the nanny closes."""
        monitor = nanny.periodic_callbacks.get("memory_monitor")
        if monitor is not None and type(monitor.callback).__name__ == _Filter.__name__:
            monitor.callback = monitor.callback.original
        self._witness.close()


class _Filter:
    """Calls Dask's check unless the worker is within its limit without what it shares."""

    def __init__(self, original: Callable[[], Any], nanny: Any) -> None:
        self.original = original
        self._nanny = nanny
        self._suspect, self._since = 0, 0.0

    def __call__(self) -> Any:
        manager, process = self._nanny.memory_manager, self._nanny.process
        pid = process.process.pid if process is not None and process.process is not None else None
        if pid is None:
            return self.original()
        most = manager.memory_terminate_fraction * manager.memory_limit
        try:
            taken = psutil.Process(pid).memory_info().rss
        except psutil.Error:
            return None
        if taken <= most or taken - shared_by_us(pid) <= most:
            self._suspect = 0
            return None
        if taken - shared_pages(pid) <= most:
            # A segment that is being unmapped has gone from the list some time before its pages are counted no more.
            if self._suspect != pid:
                self._suspect, self._since = pid, time.monotonic()
            if time.monotonic() - self._since < UNMAPPING:
                return None
        return self.original()


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
