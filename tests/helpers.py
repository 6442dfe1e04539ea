"""What tests of several parts share: waiting with a deadline, interrupts, workers, running our notebooks."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from distributed import Client

T = TypeVar("T")

ROOT = Path(__file__).parents[1]


def eventually(check: Callable[[], T], timeout: float = 60.0) -> T:
    """Return the first true value of `check`; fail with its last one after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not (value := check()):
        assert time.monotonic() < deadline, f"not within {timeout} s: {value!r}"
        time.sleep(0.02)
    return value


@contextlib.contextmanager
def interrupt_after(seconds: float) -> Iterator[None]:
    """Press ctrl-C, as it were, unless the block ends before.

    Whoever expects the interrupt has to enclose this: it may come before the block has begun, and when it has ended.
    """
    timer = threading.Timer(seconds, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def worker_infos(client: Client) -> dict[str, dict[str, Any]]:
    """Return what the scheduler knows of its workers, by address.

    `Client.scheduler_info` may return what the client asks for at the same moment for itself: no workers.
    """
    infos: dict[str, dict[str, Any]] = client.sync(client.scheduler.identity, n_workers=-1)["workers"]  # type: ignore[union-attr]
    return infos


def restart_worker(client: Client, worker: str) -> None:
    """Let the nanny restart a worker, by name, and wait until another runs in its place.

    Dask's own wait is for as many workers as it counted before: that may be one too many, or there before one is gone.
    """

    def now() -> dict[str, str]:
        workers = worker_infos(client).items()
        return {str(info["name"]): address for address, info in workers if info["status"] == "running"}

    before = now()[worker]
    load = {"workers": [before], "wait_for_workers": False, "stimulus_id": "test-restarts"}
    client.sync(client.scheduler.restart_workers, **load)  # type: ignore[union-attr]
    eventually(lambda: now().get(worker, before) != before)


def shown_by(notebook: str | Path, **environment: str) -> str:
    """Run one of our notebooks (or one in a file) to its end, as its readers do, and return what it shows."""
    path = notebook if isinstance(notebook, Path) else Path("notebooks", f"{notebook}.ipynb")
    command = [sys.executable, "notebooks/run.py", str(path)]
    variables = {**os.environ, **environment}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=variables)
    assert done.returncode == 0, done.stderr
    return done.stdout


def all_along(check: Callable[[], Any], until: Callable[[], Any], timeout: float = 60.0) -> None:
    """Fail if `check` is not true at any moment before `until` is; look often."""
    deadline = time.monotonic() + timeout
    while not until():
        assert check()
        assert time.monotonic() < deadline, f"not within {timeout} s"
        time.sleep(0.01)
    assert check()
