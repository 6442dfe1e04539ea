"""Broadcasting to several hosts whose links are slow: seconds until all workers have the value, and who carries what.

Hosts are network namespaces of this machine, so this needs root and iproute2; links are limited to a rate, each way.
The notebook and the scheduler are on a host of their own. Two workers on each of the others; all connections are
encrypted. The methods run on one cluster, each with a value of its own, and their order rotates.

For each method: the median of the seconds until all workers have the value, also as a multiple of size / rate, which it
takes at least; and of the bytes that the notebook's host sends and that the busiest host receives, as multiples of the
size. With ``--kill`` moorage broadcasts once more, and all that runs on one host is killed halfway: seconds until all
workers that are left have the value.

Usage: ``python benchmarks/hosts.py [--hosts 4] [--mib 64] [--mbit 200] [--reps 3] [--only-moorage] [--kill]``.
Takes some minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dask.config
import numpy as np
from distributed import Client, Security

import moorage
from tests.hpc.hosts import Hosts

WORKERS = 2  # on each host
PORT = 8786
_KEEPING = {"DASK_DISTRIBUTED__SCHEDULER__ACTIVE_MEMORY_MANAGER__START": "false"}
"""Otherwise Dask thins out copies of plain scatter as quickly as slow links bring them, and that never ends."""

Figures = tuple[float, float, float]


def value(nbytes: int) -> Any:
    """Return an array that no two methods have in common."""
    return np.random.default_rng().integers(0, 1 << 62, nbytes // 8)


@contextlib.contextmanager
def cluster(hosts: Hosts) -> Iterator[Client]:
    """Start a scheduler on this host, the first one, and workers on the others."""
    security = Security.temporary()
    address = f"tls://{hosts.address(1)}:{PORT}"
    processes: list[subprocess.Popen[bytes]] = []

    def start(n: int, program: str, *options: object) -> None:
        command = [sys.executable, "-m", f"distributed.cli.{program}", *options, *credentials]
        command = hosts.command(n, *command)
        processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, env=os.environ | _KEEPING))

    with tempfile.TemporaryDirectory() as folder, open(Path(folder, "log"), "wb") as log:
        credentials = []
        for option, content in {
            "ca-file": security.tls_ca_file, "cert": security.tls_worker_cert, "key": security.tls_worker_key
        }.items():  # fmt: skip
            Path(folder, option).write_text(str(content))
            credentials += [f"--tls-{option}", Path(folder, option)]
        try:
            start(1, "dask_scheduler", "--host", address, "--no-dashboard")
            for n in hosts.numbers[1:]:
                limits = ("--nthreads", 1, "--memory-limit", "2GB", "--nworkers", WORKERS, "--no-dashboard")
                start(n, "dask_worker", address, "--host", hosts.address(n), "--local-directory", folder, *limits)
            with Client(address, security=security, timeout=60) as client:
                client.wait_for_workers(WORKERS * (len(hosts.numbers) - 1), timeout=120)
                yield client
        except BaseException:
            print(Path(folder, "log").read_text()[-3000:], file=sys.stderr)
            raise
        finally:
            for n in hosts.numbers[1:]:
                hosts.kill(n)
            for process in processes:
                process.kill()
                process.wait()


def measured(hosts: Hosts, nbytes: int, place: Callable[[Any], object]) -> Figures:
    """Return the seconds that placing takes, and multiples of the value that are sent from here, and received."""
    x = value(nbytes)
    sent, received = hosts.sent(1), [hosts.received(n) for n in hosts.numbers]
    begun = time.perf_counter()
    place(x)
    seconds = time.perf_counter() - begun
    busiest = max(hosts.received(n) - before for n, before in zip(hosts.numbers[1:], received[1:], strict=True))
    return seconds, (hosts.sent(1) - sent) / nbytes, busiest / nbytes


def inside(hosts: Hosts, nbytes: int, rate: float, reps: int, kill: bool, alone: bool) -> None:
    """Measure, on the first host."""
    n_workers = WORKERS * (len(hosts.numbers) - 1)
    dask.config.set({"moorage.adopt": False})  # plain scatter is to be Dask's own
    with cluster(hosts) as client, moorage.attach(client) as controller:

        def broadcast(x: Any) -> None:
            controller.broadcast(x, name="x", timeout=300)
            assert len(controller.placement()["x"].holders) == n_workers

        def scatter(x: Any, direct: bool = False) -> None:
            client.scatter(x, broadcast=True, direct=direct, hash=False, timeout=300)  # waits for all copies

        methods: dict[str, Callable[[Any], object]] = {
            "moorage": broadcast,
            "scatter(broadcast=True)": scatter,
            "scatter(…, direct=True)": lambda x: scatter(x, direct=True),
        }
        if alone:
            methods = {"moorage": broadcast}
        broadcast(value(8 << 20))  # what is connected once
        taken: dict[str, list[Figures]] = {name: [] for name in methods}
        for rep in range(reps):
            names = [*methods][rep % len(methods) :] + [*methods][: rep % len(methods)]
            for name in names:
                taken[name].append(measured(hosts, nbytes, methods[name]))
                controller.release(*controller)
                print(f"  {rep + 1}/{reps} {name}: {taken[name][-1][0]:.2f} s", file=sys.stderr)
        print(
            f"{nbytes >> 20} MiB to {len(hosts.numbers) - 1} hosts of {WORKERS} workers, {rate * 8 / 1e6:.0f} Mbit/s; "
            f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; medians of {reps} repetitions"
        )
        print(f"{'':28} {'placed':>9} {'of limit':>9} {'sent':>7} {'received':>9}")
        for name, rows in taken.items():
            seconds, sent, received = (statistics.median(row[at] for row in rows) for at in range(3))
            print(f"{name:28} {seconds:8.2f}s {seconds * rate / nbytes:8.2f}x {sent:6.2f}x {received:8.2f}x")
        if kill:
            killed(hosts, controller, nbytes, rate)


def killed(hosts: Hosts, controller: Any, nbytes: int, rate: float) -> None:
    """Broadcast, kill a host halfway, and print how long it takes until the others have the value."""
    gone = []

    def halfway(kind: str) -> None:
        done, total = controller.placer.arriving.get("x", (0, 1)) if kind == "arriving" else (0, 1)
        if not gone and done > total / 2:
            gone.append(hosts.numbers[-1])
            threading.Thread(target=hosts.kill, args=(gone[0],)).start()  # it waits: not on the client's event loop

    controller.subscribe(halfway)
    begun = time.perf_counter()
    controller.broadcast(value(nbytes), name="x", timeout=300)
    seconds = time.perf_counter() - begun
    assert gone
    assert len(controller.placement()["x"].holders) == WORKERS * (len(hosts.numbers) - 2)
    print(f"{'one host killed halfway':28} {seconds:8.2f}s {seconds * rate / nbytes:8.2f}x")


def main() -> None:
    """Make the hosts, and measure on the first of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=4, help="besides the notebook's")
    parser.add_argument("--mib", type=int, default=64)
    parser.add_argument("--mbit", type=int, default=200)
    parser.add_argument("--reps", type=int, default=3)
    parser.add_argument("--only-moorage", action="store_true")
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    hosts = Hosts(args.hosts + 1, "mbench", "10.213.78")
    if args.inside:
        inside(hosts, args.mib << 20, args.mbit * 1e6 / 8, args.reps, args.kill, args.only_moorage)
        return
    try:
        hosts.start()
        hosts.shape(f"{args.mbit}mbit")
        command = hosts.command(1, sys.executable, __file__, *sys.argv[1:], "--inside")
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    finally:
        hosts.stop()


if __name__ == "__main__":
    main()
