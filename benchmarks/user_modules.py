"""Code that follows, to two hosts that do not share a disk: rounds of edit, scale, kill and submit, and what it costs.

Hosts are network namespaces of this machine, so this needs root and iproute2; the notebook and the scheduler are on one
of their own. The folder with the notebook's modules is hidden from workers. Two workers on each host.

In each round the module is edited and reloaded, workers come, go, or are killed with -9, in turn, and then every task
of a loop, and four more, have to run the new code. After that: milliseconds from an edit of one of 50 modules, of
200 kB in all, until it has run on all workers, and bytes that went to the busiest host meanwhile; and what a submit
takes to look at the modules when nothing has changed.

Usage: ``python benchmarks/user_modules.py [--rounds 100]``. Takes some minutes.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from distributed import Client, Security

import moorage
from moorage.kernel.code.following import of_process
from tests.hpc.hosts import Hosts

PORT = 8786
MODULES = 50
LINES = "# a comment of some length\n" * 148  # 4 kB


class Cluster:
    """A scheduler on this host, and workers on others, which do not see `hidden`."""

    def __init__(self, hosts: Hosts, folder: str, hidden: str) -> None:
        self._hosts, self._folder, self._hidden = hosts, folder, hidden
        self.security = Security.temporary()
        self.address = f"tls://{hosts.address(1)}:{PORT}"
        self._credentials: list[object] = []
        self._started: list[subprocess.Popen[bytes]] = []
        for option, content in {
            "ca-file": self.security.tls_ca_file,
            "cert": self.security.tls_worker_cert,
            "key": self.security.tls_worker_key,
        }.items():
            Path(folder, option).write_text(str(content))
            self._credentials += [f"--tls-{option}", Path(folder, option)]
        self.start(1, "dask_scheduler", "--host", hosts.address(1), "--port", PORT)

    def start(self, n: int, program: str, *options: object) -> subprocess.Popen[bytes]:
        """Start one of Dask's programs on host `n`."""
        command = map(str, [sys.executable, "-m", f"distributed.cli.{program}", "--no-dashboard", *options])
        hide = f'mount -t tmpfs none {self._hidden} && exec "$@"' if n > 1 else 'exec "$@"'
        words = self._hosts.command(n, "sh", "-c", hide, "sh", *command, *self._credentials)
        with open(Path(self._folder, "log"), "ab") as log:
            self._started.append(subprocess.Popen(words, stdout=log, stderr=log, cwd="/"))
        return self._started[-1]

    def workers(self, n: int, how_many: int) -> subprocess.Popen[bytes]:
        """Start workers on host `n`, under one process."""
        options = ("--host", self._hosts.address(n), "--local-directory", self._folder, "--nworkers", how_many)
        return self.start(n, "dask_worker", self.address, "--nthreads", 1, "--memory-limit", "1GB", *options)

    def close(self) -> None:
        """End all of them."""
        for process in self._started:
            process.terminate()
        for n in self._hosts.numbers[1:]:
            self._hosts.kill(n)
        for process in self._started:
            process.kill()
            process.wait()


def load(folder: str, name: str, source: str) -> ModuleType:
    """Save a module, and import or reload it."""
    Path(folder, f"{name}.py").write_text(source)
    importlib.invalidate_caches()
    return importlib.reload(sys.modules[name]) if name in sys.modules else importlib.import_module(name)


def everywhere(controller: Any, function: Any) -> set[Any]:
    """Return what a function returns on the workers that there are."""
    names = [info.name for info in controller.workers()]
    return {task.result(60) for task in [controller.submit(function, workers=[name]) for name in names]}


def rounds(cluster: Cluster, client: Client, controller: Any, folder: str, n_rounds: int) -> None:
    """Edit, scale, kill and submit, and count the answers of old code."""
    more, old, tasks = None, 0, 0
    for number in range(n_rounds):
        mine: Any = load(folder, "mine_here", f"def f(): return {number}")
        if number % 4 == 1:
            more = cluster.workers(2 + number % 2, 1)
        elif number % 4 == 2:
            os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        elif number % 4 == 3 and more is not None:
            more.terminate()
        loop = controller.map(lambda i, mine=mine: mine.f(), range(24), batch_size=1).gather()
        single = [controller.submit(mine.f).result(60) for _ in range(4)]
        tasks += len(loop) + len(single)
        old += sum(answer != number for answer in (*loop, *single))
    print(f"{n_rounds} rounds of edit, scale, kill and submit: {tasks} tasks, {old} of them ran old code")


def costs(hosts: Hosts, controller: Any, folder: str) -> None:
    """Measure an edit, and no edit."""
    for number in reversed(range(MODULES)):
        Path(folder, f"m{number}.py").write_text(f"import m{(number + 1) % MODULES}\n{LINES}")
    mine: Any = load(folder, "m0", "import m1\ndef f(): return -1")
    assert everywhere(controller, mine.f) == {-1}
    taken, sent = [], []
    for number in range(10):
        before = [hosts.received(n) for n in hosts.numbers[1:]]
        begun = time.perf_counter()
        mine = load(folder, "m0", f"import m1\ndef f(): return {number}\n{LINES}")
        assert everywhere(controller, mine.f) == {number}
        taken.append(time.perf_counter() - begun)
        sent.append(max(hosts.received(n) - b for n, b in zip(hosts.numbers[1:], before, strict=True)))
    n_workers = len(controller.workers())
    print(f"an edit of one of {MODULES} modules has run on {n_workers} workers after: {_worst(taken)}")
    print(f"a host receives meanwhile: {statistics.median(sent) / 1000:.0f} kB")
    idle = []
    for _ in range(200):
        begun = time.perf_counter()
        of_process().manifest()
        idle.append(time.perf_counter() - begun)
    print(f"a look at {MODULES} modules of which none has changed: {_worst(idle)}")
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")


def _worst(seconds: list[float]) -> str:
    return f"worst {max(seconds) * 1000:.2f} ms, median {statistics.median(seconds) * 1000:.2f} ms"


def inside(hosts: Hosts, n_rounds: int) -> None:
    """Measure, on the first host."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as modules:
        sys.path.insert(0, modules)
        cluster = Cluster(hosts, folder, modules)
        try:
            for n in hosts.numbers[1:]:
                cluster.workers(n, 2)
            with Client(cluster.address, security=cluster.security, timeout=60) as client:
                client.wait_for_workers(2 * (len(hosts.numbers) - 1), timeout=120)
                with moorage.attach(client) as controller:
                    rounds(cluster, client, controller, modules, n_rounds)
                    costs(hosts, controller, modules)
        except BaseException:
            print(Path(folder, "log").read_text()[-3000:], file=sys.stderr)
            raise
        finally:
            cluster.close()


def main() -> None:
    """Make the hosts, and measure on the first of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    hosts = Hosts(3, "mcode", "10.213.79")
    if args.inside:
        inside(hosts, args.rounds)
        return
    try:
        hosts.start()
        command = hosts.command(1, sys.executable, *sys.argv, "--inside")
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    finally:
        hosts.stop()


if __name__ == "__main__":
    main()
