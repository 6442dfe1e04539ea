"""Starting a cluster in a host process, and ending it, from a notebook's process or a script.

What the host then does is asked for over the scheduler's own connections (``moorage.deploy.host.control``). This module
holds the other end of the pipe whose end ends the host.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dask.config
from distributed import Security

from moorage import config
from moorage.deploy.fdstore.client import end_at, note_at
from moorage.deploy.host.channel import to_error
from moorage.deploy.kept import state_folder
from moorage.deploy.logs import tail, tail_of
from moorage.deploy.processes import kill_group
from moorage.deploy.scratch import LOG, default_base, ensure_base, remove_stale, sweep
from moorage.deploy.security import MemorySecurity, to_texts
from moorage.deploy.spec import HostSpec
from moorage.errors import StartError
from moorage.wire.host import Event, Order

_DEATHS = 3
_WITHIN = 60.0  # seconds, in which so many deaths are too many
_MOMENT = 2.0  # seconds, after the connection to a scheduler has broken, for its process to be seen to end

PRELOADABLE = ("numpy", "numpy.random", "pandas")
"""Imported once for all workers, if this process has imported these packages too."""


@dataclass(frozen=True)
class StartProgress:
    """How far a start has come."""

    # `arrived`, `requested`: workers
    arrived: int
    requested: int


@dataclass(frozen=True)
class HostInfo:
    """A running host process."""

    address: str  # of the scheduler, ``tls://host:port``
    security: Security  # credentials of a client
    dashboard_link: str  # empty if there is no dashboard
    pid: int
    name: str  # name of the cluster
    scratch: str  # folder of its files, the log ``host.log`` among them
    store: str = ""  # socket of its file descriptor store


class HostHandle:
    """Holds a host process. When this process ends, however that happens, the host ends, unless it is kept.

    `kept`: whether `close` leaves the cluster running. Whoever changes that at the host changes it here.
    """

    def __init__(self, process: subprocess.Popen[bytes], info: HostInfo, spec: HostSpec) -> None:
        self._process = process
        self.info = info
        self.spec = spec
        self.kept = spec.keep
        self._deaths: deque[float] = deque(maxlen=_DEATHS)
        self._closed = False
        self._lock = threading.Lock()

    @property
    def alive(self) -> bool:
        """Whether the host process runs."""
        return self._process.poll() is None

    def log(self, lines: int = 20) -> str:
        """Return the last lines of the log of host and workers; empty if it is gone."""
        return tail(Path(self.info.scratch) / LOG, lines)

    def close(self, timeout: float | None = None) -> None:
        """Stop the cluster, or only disconnect if it is kept. Does nothing the second time.

        `timeout`: seconds for it to end by itself; after that it is killed with all its workers. By default the setting
        ``moorage.stop-timeout``.
        """
        with self._lock:
            self._closed = True
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        if self.kept:
            note_at(self.info.store, alone=True)
            if self.alive:
                return
        if self.alive:
            self._process.terminate()  # the host may have been told to keep the cluster
        _end(self._process, Path(self.info.scratch), config.seconds("stop-timeout", timeout))
        if not self.kept:  # otherwise it is brought back
            end_at(self.info.store)

    def died(self) -> str:
        """Return how the host has died, such as "killed by SIGKILL"; empty if it runs, or was told to end.

        Waits for a moment whether it does.
        """
        if self._closed:
            return ""
        try:
            code = self._process.wait(_MOMENT)
        except subprocess.TimeoutExpired:
            return ""
        return "" if code == 0 or self._closed else _ended(code)

    def revive(self, timeout: float, **changes: Any) -> None:
        """Start a host that has died once more: with the same name, address, credentials, and whether it is kept.

        Waits until it is ready. `changes`: of its spec. Raises GaveUpError if it has died too often, or was closed
        meanwhile, and StartError if it does not start; each attempt counts.
        """
        log, died = self.log(), self.died()
        _end(self._process, Path(self.info.scratch), 0.0)  # what it has left
        self._deaths.append(time.monotonic())
        if len(self._deaths) == _DEATHS and self._deaths[-1] - self._deaths[0] < _WITHIN:
            end_at(self.info.store)
            raise GaveUpError(
                f"The scheduler of {self.info.name} has died {_DEATHS} times within {_WITHIN:.0f} s ({died}), so it is"
                " not started again.",
                f"Start another cluster: %cluster start.\nThe last lines of its log:\n{log}".strip(),
            )
        port = int(self.info.address.rpartition(":")[2])
        spec = replace(self.spec, name=self.info.name, port=port, keep=self.kept, store=self.info.store, **changes)
        new = launch(spec, timeout, security=self.info.security)
        with self._lock:
            self._process, self.info = new._process, new.info
        if self._closed:
            self.close()
            raise GaveUpError(f"The cluster {self.info.name} is stopped.")


class GaveUpError(StartError):
    """A host that has died is not started again."""


def launch(
    spec: HostSpec,
    timeout: float = 60.0,
    on_progress: Callable[[StartProgress], None] | None = None,
    security: Security | None = None,
) -> HostHandle:
    """Start a cluster in a process of its own and wait until it is ready.

    An interrupt (``KeyboardInterrupt``) ends the wait and the half-started cluster. `timeout`: seconds. `on_progress`:
    called in this thread with each change of `StartProgress`. `security`: new by default. Raises StartError if it does
    not start, or not in time. Nothing of it is left. Raises InputError if the cluster class cannot be had, or refuses
    its arguments.
    """
    if sys.platform == "win32":
        raise StartError(
            "Clusters cannot be started from here on Windows.", "Start one with Dask and attach to its address."
        )
    base = default_base(dask.config.get("temporary-directory"))
    ensure_base(base)
    _started[:] = [process for process in _started if process.poll() is None]
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                _command(spec, base),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
                start_new_session=True,
                env={**os.environ, **_early_environment()},
            )
        except OSError as error:
            raise StartError(
                f"No process can be started here: {error}.", "Attach to a cluster that runs elsewhere: %cluster attach."
            ) from error
        _started.append(process)
        dialogue = _Dialogue(process, on_progress)
        try:
            if security is None:
                security = Security() if spec.insecure else MemorySecurity.temporary()  # type: ignore[no-untyped-call]
            ready = dialogue.run(_order(spec, security), timeout)
        except BaseException as error:
            log = dialogue.log() or tail_of(errors)
            _abort(process, dialogue.scratch)
            if dialogue.scratch is None:  # it may have made its folder, and not have come to say so
                sweep(base)
            if isinstance(error, _SilenceError) and log:
                raise StartError(error.message, f"{error.remedy}\nThe last lines of its log:\n{log}".strip()) from None
            raise
    info = ready["info"]
    return HostHandle(
        process,
        HostInfo(
            address=info["address"],
            security=security,
            dashboard_link=info["dashboard_link"],
            pid=info["pid"],
            name=info["name"],
            scratch=str(dialogue.scratch),
            store=info["store"],
        ),
        spec,
    )


_started: list[subprocess.Popen[bytes]] = []
"""Hosts that may run. Also those that were let go of are still children of this process."""


@atexit.register
def _let_go() -> None:
    """Let go of the hosts that run when Python ends: they end by themselves, or go on on purpose."""
    for process in _started:
        assert process.stdin is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        process.returncode = process.poll() or 0  # so that Python does not warn of it


class _SilenceError(StartError):
    """The host does not say why it did not start; its log does."""


class _Dialogue:
    """Gives a starting host its order and listens until it is ready."""

    def __init__(self, process: subprocess.Popen[bytes], on_progress: Callable[[StartProgress], None] | None) -> None:
        self._process = process
        self._on_progress = on_progress
        self.scratch: Path | None = None

    def run(self, order: Order, timeout: float) -> Event:
        """Return the ``ready`` event."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        deadline = time.monotonic() + timeout
        unsent = json.dumps(order).encode() + b"\n"
        received = b""
        with selectors.DefaultSelector() as selector, self._process.stdout as output:
            os.set_blocking(self._process.stdin.fileno(), False)
            selector.register(self._process.stdin, selectors.EVENT_WRITE)
            selector.register(output, selectors.EVENT_READ)
            while (left := deadline - time.monotonic()) > 0:
                for key, _ in selector.select(left):
                    if key.fileobj is output:
                        part = output.read(65536)
                        if not part:
                            raise _SilenceError(f"The cluster's process ended while it started ({self._exit()}).")
                        *lines, received = (received + part).split(b"\n")
                        for line in lines:
                            if ready := self._take(json.loads(line)):
                                return ready
                    else:
                        try:
                            unsent = unsent[os.write(key.fd, unsent) :]
                        except BrokenPipeError:
                            unsent = b""  # its output tells why
                        if not unsent:
                            selector.unregister(self._process.stdin)
        raise _SilenceError(
            f"The cluster did not start within {timeout:g} s.", "Allow more time, or ask for fewer workers."
        )

    def log(self) -> str:
        """Return the last lines that the host has logged."""
        return tail(self.scratch / LOG, 20) if self.scratch else ""

    def _take(self, event: Event) -> Event | None:
        match event["event"]:
            case "scratch":
                self.scratch = Path(event["path"])
            case "progress":
                if self._on_progress:
                    self._on_progress(StartProgress(event["arrived"], event["requested"]))
            case "error":
                raise to_error(event)
            case "ready":
                return event
        return None

    def _exit(self) -> str:
        try:
            code = self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            return "it closed its output"
        return _ended(code)


def _ended(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


def _command(spec: HostSpec, base: Path) -> list[str]:
    # -P: a file of the user next to the notebook must not take the place of a module that the host imports.
    command = [sys.executable, "-P", "-m", "moorage.deploy.host", "--scratch", str(base)]
    if spec.start_method == "spawn":
        return [*command, "--spawn"]
    if not spec.options.get("env") and not dask.config.get("distributed.nanny.environ"):
        # Otherwise variables such as OMP_NUM_THREADS must be there before the import.
        command += ["--preload", ",".join(module for module in PRELOADABLE if module.partition(".")[0] in sys.modules)]
    return command


def _early_environment() -> dict[str, str]:
    """Variables that a nanny sets before it starts a worker: the server that workers are forked from needs them."""
    configured = dask.config.get("distributed.nanny.pre-spawn-environ")
    values = {key: os.environ.get(key, str(value)) for key, value in configured.items() if value is not None}
    if values.get("PYTHONHASHSEED", os.environ.get("PYTHONHASHSEED", "0")) in ("0", "random"):
        values["PYTHONHASHSEED"] = "6640"  # as the nanny does: workers must agree on the hashes of strings
    return values


def _order(spec: HostSpec, security: Security) -> Order:
    return {
        "spec": spec.to_wire(),
        "tls": {} if spec.insecure else to_texts(security),
        "sys_path": sys.path,
        "runtime_dir": str(state_folder()),
        "dask_config": _plain(
            # `scheduler` and `shuffle` are set by a client of this process; a worker must not take them over.
            {k: v for k, v in dask.config.config.items() if k not in ("scheduler", "scheduler-address", "shuffle")}
        ),
    }


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """Return what of a configuration can be written as JSON."""
    plain: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict):
            plain[key] = _plain(value)
        else:
            with contextlib.suppress(TypeError, ValueError):
                json.dumps(value)
                plain[key] = value
    return plain


def _abort(process: subprocess.Popen[bytes], scratch: Path | None) -> None:
    """End a host that has not started; a second interrupt only makes it quicker."""
    assert process.stdin is not None
    with contextlib.suppress(OSError):
        process.stdin.close()
    _end(process, scratch, timeout=3.0)


def _end(process: subprocess.Popen[bytes], scratch: Path | None, timeout: float) -> None:
    """Wait for a host that has been told to end; kill it and all it started if it does not, or if it was killed."""
    try:
        clean = process.wait(timeout) >= 0
    except subprocess.TimeoutExpired:
        clean = False
    except BaseException:
        _kill(process, scratch)
        raise
    if not clean:
        _kill(process, scratch)


def _kill(process: subprocess.Popen[bytes], scratch: Path | None) -> None:
    kill_group(process.pid)
    process.wait(2.0)
    if scratch:
        remove_stale(scratch)
