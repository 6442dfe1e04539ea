"""Ending what a host process has started, and limits of the operating system that a cluster runs into.

A host process leads a session of its own, and everything it starts stays in its process group.
"""

from __future__ import annotations

import contextlib
import os
import resource

import psutil

from moorage.errors import ScaleError

FILES_AT_REST = 256
FILES_PER_WORKER = 20
"""Open files of a host process per worker: pipes and sockets of its nanny, streams and connections of the scheduler
(9 seen at rest, 13 while data moves)."""


def members(group: int) -> list[psutil.Process]:
    """Return the living processes of a process group, apart from the caller.

    multiprocessing's resource tracker is left out: it ends by itself when the others are gone, and only then removes
    the semaphores they have left.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if (
                process.pid != os.getpid()
                and os.getpgid(process.pid) == group
                and process.status() != psutil.STATUS_ZOMBIE
                and not any("multiprocessing.resource_tracker" in word for word in process.cmdline())
            ):
                found.append(process)
    return found


def kill_group(group: int) -> bool:
    """Kill all members of a process group, also those that they start meanwhile.

    Returns whether all are gone within some seconds.
    """
    for _ in range(5):
        processes = members(group)
        if not processes:
            return True
        for process in processes:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(processes, 0.4)
    return not members(group)


def allow_open_files(n_workers: int) -> None:
    """Raise the soft limit of open files to what `n_workers` need.

    Raises ScaleError if the hard limit is below that.
    """
    needed = FILES_AT_REST + FILES_PER_WORKER * n_workers
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard not in (resource.RLIM_INFINITY, -1) and hard < needed:
        possible = max(0, (hard - FILES_AT_REST) // FILES_PER_WORKER)
        raise ScaleError(
            f"{n_workers} workers need about {needed} open files, and this process may not open more than {hard}.",
            f"Ask for at most {possible} workers, or raise the limit (`ulimit -Hn`).",
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
