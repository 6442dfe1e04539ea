"""How much memory the host has left for this process: of the machine, or of the control groups that the process is in.

Memory that is shared is nobody's own, so that no limit of a worker says how much of it there may be. Containers, job
queues and systemd bound it by control groups, of version 1 or 2, whose limits hold for all within; a group within a
group has both limits. Shipped by value: the standard library and psutil only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil

_V1 = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
_V2 = "memory.max", "memory.current", "inactive_file"


def host_free() -> int:
    """Return the bytes that the host has left for this process."""
    return max(0, min([int(psutil.virtual_memory().available), *groups_left()]))


def groups_left(groups: str = "/proc/self/cgroup", root: str = "/sys/fs/cgroup") -> Iterator[int]:
    """Yield what each control group of this process that has a limit has left, bytes.

    `groups`: file that lists the groups of the process. `root`: where the groups' files are.
    """
    try:
        lines = Path(groups).read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            base, names = Path(root), _V2
        elif "memory" in controllers.split(","):
            base, names = Path(root, "memory"), _V1
        else:
            continue
        inner = PurePosixPath(path.lstrip("/"))
        for group in (inner, *inner.parents):  # the last one is the root: in a container, the container's own
            if (left := _left(base / group, *names)) is not None:
                yield left


def _left(group: Path, limit: str, usage: str, reclaimable: str) -> int | None:
    """Return what a group has left, with what the system would give back at once; None if it has no limit."""
    try:
        bound = int((group / limit).read_text())
        used = int((group / usage).read_text())
        cached = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such group here, or its limit is "max"
        return None
    return bound - used + int(cached.get(reclaimable, 0))
