"""Dask's memory rules on a worker, for values that lie in memory which all workers of the host share.

Dask knows two kinds of memory: what a value takes, and what the process takes. For a value in a shared segment (see
``images/segment.py``) neither is the worker's own. Writing it to disk would free nothing, and reading it back would
make a private copy; and pages that several processes have mapped count in each of them. So, for these values only:

* `SharedBuffer` keeps them beside those that Dask spills (``_dask/spilling.py``).
* The worker's memory is reported, and judged by, without the pages that it shares.

Shipped by value: the standard library and distributed only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from moorage._dask.spilling import IsShared, SharedBuffer
from moorage._dask.worker import shadow_memory


class MemoryRules:
    """Makes a worker follow them.

    `is_shared`: whether a value of the worker lies in shared memory, for the most part. `mapped`: how many bytes of
    shared memory, and of saved files, the process has mapped. `gone`: called with a shared value that the worker has
    let go of.
    """

    def __init__(
        self,
        worker: Any,
        is_shared: IsShared,
        mapped: Callable[[], tuple[int, int]],
        gone: Callable[[Any], None] = lambda value: None,
    ) -> None:
        self._worker = worker
        self._mapped = mapped
        SharedBuffer.share(worker.data, is_shared, gone)
        self._measure, self._unshadow = shadow_memory(worker, self.process_memory)

    def undo(self) -> None:
        """Let Dask's own rules hold again."""
        if isinstance(self._worker.data, SharedBuffer):
            self._worker.data.unshare()
        self._unshadow()

    def process_memory(self) -> int:
        """Return the bytes that the process takes, without those that it shares."""
        memory: int = self._measure()
        most = self._mapped()
        return max(0, memory - sum(map(min, most, shared_pages()))) if any(most) else memory


def shared_pages(pid: int | str = "self") -> tuple[int, int]:
    """Return the bytes of shared memory that a process has touched, and of files, whosever they are.

    0 where the system cannot tell. Of files, a process has its libraries, too.
    """
    found = {"RssShmem:": 0, "RssFile:": 0}
    try:
        with open(f"/proc/{pid}/status") as lines:
            found |= {words[0]: int(words[1]) * 1024 for line in lines if (words := line.split())[0] in found}
    except OSError:
        pass
    return found["RssShmem:"], found["RssFile:"]
