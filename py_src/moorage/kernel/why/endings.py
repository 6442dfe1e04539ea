"""How a worker has ended, and what helps, in words. Pure."""

from __future__ import annotations

import signal

from dask.utils import format_bytes

from moorage.wire.why import WorkerEnd

_LESS = "Give tasks less data at a time, or the workers more memory: %cluster start --memory 8GB."
_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}


def how_it_ended(end: WorkerEnd) -> tuple[str, str]:
    """Return a clause that says how a worker's process has ended, and what helps; of one that has not, nothing."""
    ago, code = f"{end['seconds']:.0f} s ago", end["code"]
    match end["how"]:
        case "memory":
            taken = f" {format_bytes(end['taken'])}," if end["taken"] else ""
            return f"its process was ended {ago} because it took{taken} more memory than its limit", _LESS
        case "asked":
            return f"it was told to leave {ago}", "To start another one: %cluster scale N."
        case "restarted":
            return f"it was told to restart {ago}", "It comes back by itself."
        case "died":
            return _died(ago, code)
    return "", ""


def _died(ago: str, code: int | None) -> tuple[str, str]:
    if code is None:
        remedy = "Its log says more: cluster.client.get_worker_logs(nanny=True). What is placed is brought back."
        return f"its process ended {ago} without being asked to", remedy
    if code >= 0:
        cause = f"its process ended {ago} with exit code {code}, without being asked to"
        return cause, "Look in the code that it ran for what ends a process, such as os._exit."
    if code == -signal.SIGKILL:
        return f"its process was killed {ago} by {_name(code)}: by somebody, or by the system for lack of memory", _LESS
    if -code in _CRASHES:
        cause = f"its process crashed {ago} with {_name(code)}: a fault in compiled code"
        return cause, "Look at the library that it called last."
    return f"its process was killed {ago} by {_name(code)}, sent by somebody", "Find out who sent it."


def _name(code: int) -> str:
    try:
        return f"signal {-code} ({signal.Signals(-code).name})"
    except ValueError:
        return f"signal {-code}"
