"""Another process that holds segments: written, mapped or forked as a test tells it over a pipe."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import Any

from moorage.images.segment import Segment, attach

_CONTEXT = multiprocessing.get_context("spawn")


class Other:
    """A process that answers one question after another."""

    def __init__(self, uid: int | None = None) -> None:
        self._pipe, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(theirs, uid), daemon=True)
        self._process.start()
        theirs.close()
        self.pid = self._process.pid

    def __call__(self, what: str, *args: Any) -> Any:
        """Return the answer, or raise what it raised."""
        self._pipe.send((what, args))
        assert self._pipe.poll(30), f"no answer to {what}"
        answer = self._pipe.recv()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def kill(self) -> None:
        self._process.kill()
        self._process.join(30)

    def __enter__(self) -> Other:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


class _Server:
    def __init__(self) -> None:
        self.held: list[Any] = []

    def write(self, content: bytes, directory: str | None = None) -> Any:
        segment = Segment(len(content), directory=directory)
        segment.write([(0, memoryview(content))], len(content))
        self.held.append(segment)
        return segment.handle

    def attach(self, handle: Any) -> Any:
        mapping = attach(handle)
        self.held.append(mapping)
        return mapping.handle

    def attach_often(self, handle: Any, times: int) -> None:
        for _ in range(times):
            self.attach(handle)

    def read(self) -> bytes:
        return bytes(self.held[-1].memory)

    def drop(self) -> None:
        self.held.clear()

    def fork(self) -> int:
        child = os.fork()
        if not child:
            signal.pause()
        return child

    def fds(self) -> int:
        return len(os.listdir("/proc/self/fd"))

    def limit_fds(self, n: int) -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))


def _serve(pipe: Any, uid: int | None) -> None:
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    server = _Server()
    while True:
        what, args = pipe.recv()
        try:
            pipe.send(getattr(server, what)(*args))
        except BaseException as error:
            pipe.send(error)
