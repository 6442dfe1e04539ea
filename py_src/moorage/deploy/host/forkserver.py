"""The server that workers are forked from: itself a fork of the host process, which has imported Dask for both.

A worker that is forked from it is up in a fraction of the time that a fresh interpreter takes, and so is the server.
The operating system ties it to the host process and the workers to it: it kills them when their parent ends, however
that happens and whatever they are doing. Linux only; elsewhere workers notice by themselves that their nanny is gone,
unless they are stuck.

Relied on, as read in Python 3.11 to 3.14: ``multiprocessing.forkserver`` starts its server by
``multiprocessing.util.spawnv_passfds(path, args, fds)``, once, where the last of `args` is the code to execute. If it
starts it in another way, the server is a fresh interpreter, which is not tied and imports Dask once more.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from multiprocessing import forkserver, resource_tracker, util
from types import ModuleType
from typing import NoReturn

import dask.config

_PR_SET_PDEATHSIG = 1
_STARTS = "spawnv_passfds"


def start(preload: Sequence[str], private: Sequence[int]) -> None:
    """Start the server with the modules `preload` imported. Call it in the main thread, before there is another one.

    The signal comes when the *thread* that started the server ends, hence the main thread. A server that
    multiprocessing restarts by itself, from some other thread, is not tied.

    `private`: file descriptors that the server is not to have.
    """

    def fork(_path: str, args: Sequence[str], _fds: Sequence[int]) -> int:
        host = os.getpid()
        return os.fork() or _serve(args[-1], host, private)

    # What else each worker imports; not what a user has configured, which may not be made for forks.
    configured = dask.config.get("distributed.worker.http.routes")
    routes = [module for module in configured if module.startswith("distributed.")]
    forkserver.set_forkserver_preload(["distributed", "tornado.platform.asyncio", *routes, *preload])
    resource_tracker.ensure_running()  # it is started in the same way
    stock = vars(util).get(_STARTS)
    vars(util)[_STARTS] = fork
    try:
        forkserver.ensure_running()
    finally:
        vars(util)[_STARTS] = stock


def _serve(code: str, host: int, private: Sequence[int]) -> NoReturn:
    """Be the server, until the host process has ended."""
    status = 1
    try:
        if sys.platform.startswith("linux"):
            _tie(host)
        for descriptor in private:
            os.close(descriptor)
        sys.modules["__main__"] = ModuleType("__main__")
        del sys.modules[forkserver.__name__]  # it is locked, and takes itself for the parent
        exec(code, {})
    except SystemExit:
        status = 0
    except BaseException:
        traceback.print_exc()
    os._exit(status)


def _tie(host: int) -> None:
    server = os.getpid()
    _die_with(host)

    def in_child() -> None:
        # Also called in what a worker forks later on, which is none of our business.
        if os.getppid() == server:
            _die_with(server)
            gc.freeze()  # what was imported stays: looking through it takes time, and memory of the worker's own

    os.register_at_fork(after_in_child=in_child)


def _die_with(parent: int) -> None:
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the signal was asked for
        os._exit(1)
