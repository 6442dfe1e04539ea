"""The server that workers are forked from: it has imported ``distributed`` once, for all of them.

A worker that is forked from it is up in a fraction of the time that a fresh interpreter takes. Imported in the server
itself (as a preloaded module), this module ties it to the host process and the workers to it: the operating system
kills them when their parent ends, however that happens and whatever they are doing. Linux only; elsewhere workers
notice by themselves that their nanny is gone, unless they are stuck.

Only the standard library is used: the server is started before the host process imports anything that takes time, so
that both import at once.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing import forkserver

_TIE = "MOORAGE_TIE_FORKSERVER_TO"
_PR_SET_PDEATHSIG = 1


def start(preload: Sequence[str]) -> None:
    """Start the server with the modules `preload` imported. Call it in the main thread.

    The signal comes when the *thread* that started the server ends, hence the main thread, and hence the variable in
    the environment: a server that multiprocessing restarts by itself, from some other thread, is not tied.
    """
    forkserver.set_forkserver_preload([__name__, "distributed", *preload])
    os.environ[_TIE] = str(os.getpid())
    try:
        forkserver.ensure_running()
    finally:
        del os.environ[_TIE]


def _die_with(parent: int) -> None:
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the signal was asked for
        os._exit(1)


def _tie() -> None:
    host = int(os.environ.pop(_TIE, 0))
    server = os.getpid()
    if os.getppid() != host or not sys.platform.startswith("linux"):
        return
    _die_with(host)

    def in_child() -> None:
        # Also called in what a worker forks later on, which is none of our business.
        if os.getppid() == server:
            _die_with(server)
            gc.freeze()  # what was imported stays: looking through it takes time, and memory of the worker's own

    os.register_at_fork(after_in_child=in_child)


if _TIE in os.environ:
    _tie()
