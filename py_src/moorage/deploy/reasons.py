"""Why a worker or a job could not be started, in words. Only the standard library is used."""

from __future__ import annotations

import errno
import re
from pathlib import Path

_COMMAND_FAILED = re.compile(
    r"Command exited with non-zero exit code.\nExit code: (.*)\nCommand:\n(\S+).*?\nstdout:\n(.*)\nstderr:\n(.*)", re.S
)


def failure(error: BaseException) -> str:
    """Return in words why a worker or a job could not be started: of a queue, its own message."""
    error = _first(error)
    if isinstance(error, FileNotFoundError) and error.filename and "/" not in str(error.filename):
        return f"there is no command {error.filename!r} on this machine"
    if match := _COMMAND_FAILED.search(str(error)):
        code, command, out, err = match.groups()
        said = " ".join((err.strip() or out.strip() or "it gives no reason").split())
        return f"{Path(command).name} refused the job (exit code {code}): {said}"
    return f"{type(error).__name__}: {error}"


def cannot_listen(error: BaseException) -> str:
    """Return in words why nothing can listen on a port; empty if that is not what happened."""
    match _first(error):
        case OSError(errno=errno.EADDRINUSE):
            return "another process has it"
        case PermissionError(filename=None):
            return "the system reserves it"
    return ""


def _first(error: BaseException) -> BaseException:
    while error.__cause__ is not None:  # Dask wraps it several times over
        error = error.__cause__
    return error
