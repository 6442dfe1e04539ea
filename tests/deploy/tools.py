"""What the tests of the host process share: waiting with a deadline, seeing what is left, a client with credentials."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.config
import psutil
from distributed import Client

from moorage.deploy.host_process import HostHandle, HostSpec, launch
from moorage.deploy.security import from_texts
from tests.helpers import eventually, worker_infos


def living(group: int) -> list[str]:
    """Return what runs in a process group, whoever started it."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {' '.join(process.cmdline())[:60]}")
    return found


def gone(group: int, scratch: str) -> bool:
    return not living(group) and not Path(scratch).exists()


def workers_of(handle: HostHandle) -> dict[str, int]:
    """Return process ids of the workers by name."""
    with client_of(handle) as client:
        return {str(info["name"]): client.run(os.getpid, workers=[address])[address] for address, info in infos(client)}


def infos(client: Client) -> list[tuple[str, dict[str, Any]]]:
    return list(worker_infos(client).items())


def addresses(client: Client) -> dict[str, str]:
    """Return the addresses of the workers by name."""
    return {str(info["name"]): address for address, info in infos(client)}


@contextlib.contextmanager
def scratch_root() -> Iterator[Path]:
    """A short path for scratch folders of a test, empty before and after."""
    with tempfile.TemporaryDirectory(prefix="m") as root, dask.config.set({"temporary-directory": root}):
        yield Path(root)
        eventually(lambda: not [path for path in Path(root).glob("moorage-*/*") if path.is_dir()])


@contextlib.contextmanager
def started(**options: Any) -> Iterator[HostHandle]:
    handle = launch(HostSpec(**options))
    try:
        yield handle
    finally:
        handle.kept = False
        handle.close()


@contextlib.contextmanager
def client_of(handle: HostHandle) -> Iterator[Client]:
    with Client(handle.info.address, security=handle.info.security, set_as_default=False) as client:
        yield client


def command(client: Client, name: str = "info", **arguments: Any) -> dict[str, Any]:
    result: dict[str, Any] = client.sync(client.scheduler.moorage_host, command=name, **arguments)
    return result


STARTER = """
import json, sys
from moorage.deploy.security import to_texts
from moorage.deploy.host_process import HostSpec, launch

def report(**facts):
    print(json.dumps(facts), flush=True)

def start(**options):
    handle = launch(HostSpec(**options), on_progress=lambda p: report(arrived=p.arrived))
    report(
        ready=True, pid=handle.info.pid, scratch=handle.info.scratch,
        address=handle.info.address, tls=to_texts(handle.info.security),
    )
    return handle
"""


class Starter:
    """A process of its own that starts a cluster, to be killed or interrupted: a stand-in for a kernel."""

    def __init__(self, code: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", STARTER + code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "DASK_TEMPORARY_DIRECTORY": dask.config.get("temporary-directory")},
        )

    def __enter__(self) -> Starter:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def until(self, fact: str) -> dict[str, Any]:
        """Return the next report that has `fact`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            report: dict[str, Any] = json.loads(line)
            if fact in report:
                return report
        assert self.process.stderr is not None
        raise AssertionError(self.process.stderr.read())

    def host(self) -> psutil.Process:
        """Return the host process, as soon as there is one."""
        return eventually(lambda: psutil.Process(self.process.pid).children())[0]


def client_to(ready: dict[str, Any]) -> Client:
    return Client(ready["address"], security=from_texts(ready["tls"]), set_as_default=False)
