"""A notebook and workers that cannot see each other's processes, as in containers, with a small ``/dev/shm``.

Each of them is a process in a process namespace of its own; all are in one mount namespace. Memory without a name
cannot be shared there, only files. Needs root.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.helpers import eventually

_NOTEBOOK = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
import moorage
cluster = moorage.attach(sys.argv[1])
def random(n, seed=0):
    return np.random.default_rng(seed).random(n)
def sums(name):
    workers = [info.name for info in cluster.workers()]
    tasks = [cluster.client.submit(np.sum, cluster[name].future, workers=[w], pure=False) for w in workers]
    return [float(total) for total in cluster.client.gather(tasks)]
print("ready", flush=True)
for line in sys.stdin:
    try:
        answer = {"value": eval(json.loads(line))}
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer, default=str), flush=True)
"""


def possible() -> bool:
    """Whether namespaces can be made here."""
    command = ["unshare", "-m", "-p", "-f", "--mount-proc", "true"]
    try:
        return sys.platform == "linux" and subprocess.run(command, check=False, capture_output=True).returncode == 0
    except OSError:
        return False


class Elsewhere:
    """Processes in namespaces, with a scheduler.

    Parameters
    ----------
    folder : Path
    mib : int
        Of the memory that files can be in.
    """

    def __init__(self, folder: Path, mib: int) -> None:
        self._folder = folder
        self._processes: list[subprocess.Popen[str]] = []
        self._folders: list[Path] = []
        mount = f"mount -t tmpfs -o size={mib}m tmpfs /dev/shm && echo ready && exec sleep 3600"
        self._holder = self._start(["unshare", "-m", "--propagation", "private", "sh", "-c", mount], inside=False)
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"
        file = folder / "scheduler.json"
        words = ["-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
        self._start([sys.executable, *words, "--scheduler-file", str(file)])
        text = eventually(lambda: file.exists() and file.read_text().endswith("}") and file.read_text())
        self.address: str = json.loads(text)["address"]

    def worker(self, name: str, *, of_nobody: bool = False) -> subprocess.Popen[str]:
        """Start a worker; `of_nobody`: as another user, who may read Python's files, but not look into processes."""
        words = ["--host", "127.0.0.1", "--name", name, "--nthreads", "1", "--memory-limit", "500MB", "--no-dashboard"]
        command = [sys.executable, "-m", "distributed.cli.dask_worker", self.address, *words]
        if of_nobody:
            scratch = Path(tempfile.mkdtemp(prefix="m"))
            scratch.chmod(0o777)
            self._folders.append(scratch)
            read = [f"--{caps}=+dac_read_search" for caps in ("inh-caps", "ambient-caps")]
            nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *read]
            command = [*nobody, *command, "--local-directory", str(scratch)]
        return self._start(command, alone=True)

    def notebook(self) -> NotebookElsewhere:
        """Start a notebook that is attached."""
        return NotebookElsewhere(self._start([sys.executable, "-c", _NOTEBOOK, self.address], alone=True))

    def files(self) -> list[Path]:
        """Return the segments among the files in the memory."""
        return sorted(Path(f"/proc/{self._holder.pid}/root/dev/shm").glob("moorage-*"))

    def close(self) -> None:
        for process in reversed(self._processes):
            kill(process)
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

    def _start(self, command: list[str], *, inside: bool = True, alone: bool = False) -> subprocess.Popen[str]:
        if alone:
            command = ["unshare", "-p", "-f", "--mount-proc", "--kill-child=KILL", *command]
        if inside:
            command = ["nsenter", "-t", str(self._holder.pid), "-m", f"--wd={os.getcwd()}", *command]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(self._folder / "log").open("a"),
            text=True,
            start_new_session=True,
        )
        self._processes.append(process)
        return process


class NotebookElsewhere:
    """A notebook there: what is called is a line of code that it runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    def __call__(self, code: str) -> Any:
        """Return the value of an expression."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(code) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "it has died"}')
        assert "error" not in answer, answer
        return answer["value"]


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a process with -9, with all that it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
