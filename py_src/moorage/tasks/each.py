"""Code that runs once on every worker, those that join later included: set-up, imports, models."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from typing import Any

from distributed import Future

from moorage import config
from moorage.errors import UnknownWorkerError, WaitTimeoutError
from moorage.kernel.waiting import LOOK, check, result_of
from moorage.tasks.options import Options
from moorage.tasks.placed_data import PlacedData
from moorage.tasks.references import Payload
from moorage.tasks.runtime import WorkerRuntime
from moorage.tasks.span import in_span
from moorage.wire.code import CodeVersion
from moorage.wire.tasks import CallOptions, Report

PRIORITY = 1000
"""Goes before other tasks of the worker."""
_LOOK = 0.5  # seconds


class OnEach(Mapping[str, Any]):
    """A value per worker, by name; a worker that restarts, and one that joins, gets its own.

    Parameters
    ----------
    backend, runtime
        The cluster, and the worker side on it.
    call : Payload
        The pickled call.
    code : CodeVersion
        The user's modules that it was made with; also workers that join later run it with these.
    options : Options
    name : str
        For the dashboard.
    """

    def __init__(
        self,
        backend: PlacedData,
        runtime: WorkerRuntime,
        call: Payload,
        code: CodeVersion,
        options: Options,
        name: str,
    ) -> None:
        self._backend = backend
        self._runtime = runtime
        self._call = call
        self._code = code
        self._options = options
        self._run = uuid.uuid4().hex
        self._prefix = f"{name}-on-each-{self._run[:12]}"
        self._kept = [backend.future(key) for key in call.keys if key in backend.origins]
        self._lock = threading.RLock()
        self._futures: dict[str, tuple[str, Future[Any]]] = {}  # worker -> address, future
        on_report = options.on_report
        self._listener = runtime.listen(self._run, lambda r: on_report(_labelled(r))) if on_report is not None else None
        self._stop_watching = backend.on_workers(self._look)
        self._look()

    def __getitem__(self, worker: str) -> Any:
        """Wait for the value on `worker` and return it, or raise what the code raised there."""
        while True:
            future = self._future(worker)
            try:
                return result_of(future, within=_LOOK)
            except (TimeoutError, CancelledError) as error:
                final = future.status == "error" or isinstance(error, CancelledError)
                if final and self._future(worker) is future:
                    raise
                # Not there yet, or the worker has restarted and has another future.

    def _future(self, worker: str) -> Future[Any]:
        with self._lock:
            if worker not in self._futures:
                raise UnknownWorkerError(worker, self._futures)
            return self._futures[worker][1]

    def __contains__(self, worker: object) -> bool:
        return worker in self._futures

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter(sorted(self._futures))

    def __len__(self) -> int:
        return len(self._futures)

    @property
    def errors(self) -> dict[str, BaseException]:
        """What the code raised, by worker, as far as it has ended."""
        with self._lock:
            ended = {worker: future for worker, (_, future) in self._futures.items() if future.status == "error"}
        return {worker: error for worker, future in ended.items() if (error := future.exception()) is not None}

    def done(self) -> bool:
        """Whether it has run on all workers that there are."""
        with self._lock:
            return all(future.done() for _, future in self._futures.values())

    def wait(self, timeout: str | float | None = None) -> bool:
        """Wait until it has run on all workers that there are, at most `timeout` seconds; return whether it has."""
        begun, limit = time.monotonic(), config.limit(timeout)
        while not self.done():
            if limit is not None and time.monotonic() - begun > limit:
                return False
            if time.monotonic() - begun > LOOK:
                check(self._backend.client)
            time.sleep(0.02)
        return True

    def gather(self, timeout: str | float | None = None) -> dict[str, Any]:
        """Wait, and return the values by worker; raise what the code raised, if it did anywhere.

        Raises
        ------
        WaitTimeoutError
            If it has not run everywhere within `timeout` seconds; it goes on.
        """
        if not self.wait(timeout):
            raise WaitTimeoutError(
                f"{self!r} within {config.limit(timeout):g} s.",
                "It goes on: gather again, or allow more time with timeout=.",
            )
        return {worker: self[worker] for worker in self}

    def come_back(self) -> None:
        """Put what it needs on another scheduler; then it runs there as on workers that join."""
        self._code = self._backend.code_again(self._code)

    def cancel(self) -> None:
        """Stop running it on workers that join."""
        self._stop_watching()
        with self._lock:
            for _, future in self._futures.values():
                if not future.done():
                    future.release()
            self._futures = {worker: there for worker, there in self._futures.items() if there[1].done()}

    def __repr__(self) -> str:
        with self._lock:
            done = sum(future.done() for _, future in self._futures.values())
        return f"<OnEach: ran on {done} of {len(self)} workers>"

    def _look(self) -> None:
        """Run it where it has not run yet. Called on the event loop when workers come and go; does not block."""
        if not self._backend.is_back:  # called again when it is
            return
        workers = {worker.name: worker for worker in self._backend.workers()}
        with self._lock:
            for gone in self._futures.keys() - workers.keys():
                del self._futures[gone]
            for name, worker in workers.items():
                if self._futures.get(name, ("",))[0] != worker.address:
                    self._futures[name] = worker.address, self._send(worker.address)

    def _send(self, address: str) -> Future[Any]:
        key = (self._prefix, address)
        wire: CallOptions = {
            "run": self._run,
            "topic": self._runtime.topic,
            "key": key,
            "limits": dict(self._options.limits),
            "once": False,
            "code": self._code,
        }
        with in_span():
            future: Future[Any] = self._backend.client.get(
                {key: self._runtime.task(key, "call", self._call.data, wire, depends=self._call.keys)},
                key,
                sync=False,
                workers=[address],
                retries=self._options.retries or None,
                resources=dict(self._options.resources) or None,
                priority=PRIORITY + self._options.priority,
                fifo_timeout=0,
            )
        return future


def _labelled(report: Report) -> Report:
    """Return a report in which what is printed bears the name of the worker, as that of a map bears the item."""
    if report["kind"] != "output":
        return report
    return {**report, "parts": [(stream, report["on"], text) for stream, _, text in report["parts"]]}
