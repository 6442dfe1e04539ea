"""Whether workers of this machine can share memory, in each of the two ways, and how much there is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator

from dask.utils import format_bytes, parse_bytes

from moorage import config
from moorage.cli.finding import Finding
from moorage.images.free_memory import host_free
from moorage.images.segment import Segment, shared_directory

_TRIED = 1 << 20  # bytes
_SECONDS = 20.0
_LITTLE = 1 << 30
_OTHER = """
import json, sys
from moorage.images.segment import Handle, attach
nonce, nbytes, paths = json.load(sys.stdin)
attach(Handle(bytes.fromhex(nonce), nbytes, tuple(paths)))
"""


def free() -> Iterator[Finding]:
    """Yield how much memory there is."""
    if (left := host_free()) < _LITTLE:
        yield Finding(
            "warning",
            f"There are {format_bytes(left)} of memory left, of this machine or of its control group.",
            "End the processes that use it, or give the container or job more.",
        )
    else:
        yield Finding("ok", f"free memory: {format_bytes(left)}")


def shared() -> Iterator[Finding]:
    """Yield whether a process can map what another one has written."""
    if not config.get("images.share"):
        yield Finding("note", "moorage.images.share is false: each worker has copies of its own.")
        return
    anonymous = _why_not(None)
    if not anonymous:
        yield Finding("ok", "memory that workers share, without a name (memfd)")
    folder = shared_directory()
    by_file = _why_not(folder)
    if by_file and anonymous:
        yield Finding(
            "fault",
            f"Workers cannot share memory, so each gets copies: not without a name ({anonymous}), nor in {folder}"
            f" ({by_file}).",
            "Mount /proc of this container's own processes, or make /dev/shm writable and large.",
        )
        return
    if anonymous:
        yield Finding(
            "warning",
            f"A process cannot open the memory of another one of yours: {anonymous}. Files in"
            f" {folder} are used instead.",
            "Mount /proc of this container's own processes (hidepid=0).",
        )
    if folder != "/dev/shm":
        yield Finding(
            "warning",
            f"/dev/shm is missing or not writable; where workers cannot use memfds, they share files in {folder}, on a"
            " disk.",
            "Mount it: mount -t tmpfs -o mode=1777 tmpfs /dev/shm, or --shm-size of the container.",
        )
    elif by_file:
        yield Finding("warning", f"Workers cannot share memory in {folder}: {by_file}.", _larger(folder))
    elif (room := shutil.disk_usage(folder).total) < parse_bytes(config.get("images.pool")):
        yield Finding(
            "warning", f"{folder} holds only {format_bytes(room)}: what does not fit, workers copy.", _larger(folder)
        )
    else:
        yield Finding("ok", f"{folder}: {format_bytes(room)}")


def _why_not(directory: str | None) -> str:
    """Return why another process cannot map what this one has written; an empty text if it can."""
    try:
        segment = Segment(_TRIED, directory=directory)
    except OSError as error:
        return error.strerror or str(error)
    try:
        segment.write([(0, memoryview(bytes(_TRIED)))], _TRIED)
        nonce, nbytes, paths = segment.handle
        order = json.dumps([nonce.hex(), nbytes, paths])
        done = subprocess.run(
            [sys.executable, "-c", _OTHER], input=order, capture_output=True, text=True, timeout=_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        segment.close()
    return done.stderr.strip().splitlines()[-1] if done.returncode else ""


def _larger(folder: str) -> str:
    return f"Make it larger: mount -o remount,size=8G {folder}, or --shm-size=8g of the container."
