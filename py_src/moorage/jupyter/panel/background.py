"""Work that takes longer than an answer may: one piece after another, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from threading import Thread
from typing import Any


class BackgroundThread:
    """Does one piece of work after another.

    The thread is a daemon: a kernel that ends does not wait for a cluster that starts. `name`: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._queue: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread: Thread | None = None

    def do(self, work: Callable[[], Any], seconds: float) -> Future[Any] | None:
        """Have `work` done, and wait a while for its end.

        `seconds`: of the wait. Returns what becomes of the work if it takes longer than that; None when it is done.
        Raises what `work` has raised in that time.
        """
        future = self.begin(work)
        if wait([future], seconds).done:
            future.result()
            return None
        return future

    def begin(self, work: Callable[[], Any]) -> Future[Any]:
        """Have `work` done, and return what becomes of it."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        future: Future[Any] = Future()
        self._queue.put((future, work))
        return future

    def close(self) -> None:
        """Accept no further work; finish what was asked for."""
        self._queue.put(None)

    def _run(self) -> None:
        while (order := self._queue.get()) is not None:
            future, work = order
            try:
                future.set_result(work())
            except BaseException as error:  # belongs to whoever asked for it
                future.set_exception(error)
