"""How soon is a cluster there, gone, and found again? Beside Dask's own ``LocalCluster`` where that has an answer.

* start: four workers have registered; stop: the call has returned and no process is left;
* killed: from SIGKILL of the kernel until no process of the cluster is left;
* kept: a process that has placed `--size` bytes on two workers of a kept cluster is killed; another one attaches, and
  has all names with their holders. Python's own start and the imports are not in it. Moved: what the workers have
  received meanwhile, by their own counters;
* sizes: from the call of ``scale`` until it returns, from one worker to four and back, with `--size` / 10 on each.

Moorage and Dask take turns. Each row shows the worst case, and the median in brackets.

Usage: ``python benchmarks/clusters.py [--size 1e9] [--reps 3]``. Takes about a minute and a half.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
from distributed import LocalCluster

import moorage

LIMIT = 60.0  # seconds for anything to happen
WORKERS: dict[str, Any] = {"n_workers": 4, "threads_per_worker": 1, "memory_limit": "1GB"}


def until(check: Callable[[], Any]) -> None:
    """Wait for a true value."""
    deadline = time.perf_counter() + LIMIT
    while not check():
        if time.perf_counter() > deadline:
            raise TimeoutError(check)
        time.sleep(0.005)


def seconds(call: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long a call takes, and what it returns."""
    begun = time.perf_counter()
    result = call()
    return time.perf_counter() - begun, result


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return the processes below one."""
    return list(process.children(recursive=True))


def end_of(processes: list[psutil.Process]) -> Callable[[], bool]:
    """Return a check that none of these processes runs."""
    return lambda: not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def ours() -> tuple[float, float]:
    """Start and stop a cluster of moorage's."""
    before = set(family(psutil.Process()))
    started, cluster = seconds(lambda: moorage.start(**WORKERS))
    assert cluster.n_workers == 4
    there = [process for process in family(psutil.Process()) if process not in before]

    def stop() -> None:
        cluster.stop()
        until(end_of(there))

    return started, seconds(stop)[0]


def theirs() -> tuple[float, float]:
    """Start and stop a cluster of Dask's."""

    def start() -> Any:
        cluster = LocalCluster(dashboard_address=":0", **WORKERS)
        until(lambda: len(cluster.scheduler.workers) == 4)
        return cluster

    started, cluster = seconds(start)
    nannies = [psutil.Process(nanny.pid) for nanny in cluster.workers.values()]

    def stop() -> None:
        cluster.close()
        until(end_of(nannies))

    return started, seconds(stop)[0]


KERNEL = """
import sys, numpy, psutil, moorage
cluster = moorage.start(n_workers={workers}, threads_per_worker=1, memory_limit="4GB", keep={keep})
cluster.broadcast(numpy.random.default_rng(1).random({elements}), name="big")
for n in range(20):
    cluster.pin("v" + str(n), ["0"], value=[n])
print(cluster.placement()["big"].state, flush=True)
sys.stdin.read()
"""

AGAIN = """
import json, time, moorage
from moorage.controller.start import attach
begun = time.perf_counter()
cluster = attach()
states = {name: state.holders for name, state in cluster.placement().items()}
back = time.perf_counter() - begun
got = cluster.client.run(lambda dask_worker: dask_worker.state.transfer_incoming_count_total)
print(json.dumps([back, len(states), states["big"], sum(got.values())]))
cluster.END()
"""


def kernel(**facts: Any) -> subprocess.Popen[str]:
    """Return a process that has placed something on a cluster of its own."""
    process = subprocess.Popen(
        [sys.executable, "-c", KERNEL.format(**facts)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "held"
    return process


def kernel_killed() -> float:
    """Kill the process that has started a cluster."""
    process = kernel(workers=4, keep=False, elements=1000)
    below = family(psutil.Process(process.pid))
    process.send_signal(signal.SIGKILL)
    took, _ = seconds(lambda: until(end_of(below)))
    process.wait()
    return took


def again(end: str) -> tuple[float, int, list[str], int]:
    """Attach in a new process, and leave or end the cluster."""
    found = subprocess.check_output([sys.executable, "-c", AGAIN.replace("END", end)], text=True, timeout=LIMIT)
    back, names, holders, received = json.loads(found)
    return back, names, holders, received


def kept(size: float) -> tuple[float, int]:
    """Kill the process that has placed something on a kept cluster, and attach from another."""
    process = kernel(workers=2, keep=True, elements=int(size / 8))
    before = again("close")[3]
    process.send_signal(signal.SIGKILL)
    process.wait()
    back, names, holders, received = again("stop")
    assert (names, holders) == (21, ["0", "1"])
    return back, received - before


def sizes(size: float) -> tuple[float, float]:
    """Scale from one worker to four and back."""
    with moorage.start(n_workers=1, threads_per_worker=1, memory_limit="2GB") as cluster:
        cluster.broadcast(np.random.default_rng(1).random(int(size / 80)), name="big")
        up, _ = seconds(lambda: cluster.scale(4))
        assert len(cluster.placement()["big"].holders) == 4
        down, _ = seconds(lambda: cluster.scale(1))
        return up, down


def shown(times: list[float]) -> str:
    """Return the worst of some times, and their median."""
    return f"{max(times):.2f} s ({statistics.median(times):.2f} s)"


def main() -> None:
    """Run all rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, default=1e9, help="bytes")
    parser.add_argument("--reps", type=int, default=3)
    options = parser.parse_args()
    load_before = os.getloadavg()[0]
    runs: dict[Callable[[], tuple[float, float]], list[tuple[float, float]]] = {ours: [], theirs: []}
    killed, backs, moved, ups, downs = [], [], [], [], []
    with tempfile.TemporaryDirectory() as runtime:
        os.environ["JUPYTER_RUNTIME_DIR"] = runtime  # of these kept clusters alone
        for rep in range(options.reps):
            for run in (ours, theirs) if rep % 2 else (theirs, ours):
                runs[run].append(run())
            killed.append(kernel_killed())
            back, received = kept(options.size)
            backs.append(back)
            moved.append(received)
            up, down = sizes(options.size)
            ups.append(up)
            downs.append(down)
    mine, dasks = ([shown([pair[i] for pair in runs[run]]) for i in (0, 1)] for run in (ours, theirs))
    print(f"{os.cpu_count()} CPUs, load {load_before:.1f} at the beginning and {os.getloadavg()[0]:.1f} at the end.")
    print("Worst case (median in brackets).\n")
    print("| what | promised | measured | plain Dask |\n|---|---|---|---|")
    print(f"| start of 4 workers on this machine | 5 s | {mine[0]} | {dasks[0]} |")
    print(f"| stop | 2 s | {mine[1]} | {dasks[1]} |")
    print(f"| kernel killed with -9: nothing left | - | {shown(killed)} | - |")
    print(f"| {options.size / 1e9:g} GB on a kept cluster, kernel killed: names back | 2 s | {shown(backs)} | - |")
    print(f"| the same: transfers that workers received | 0 | {max(moved)} | - |")
    print(f"| scale 1 to 4, {options.size / 1e7:g} MB on each newcomer | - | {shown(ups)} | - |")
    print(f"| scale 4 to 1 | - | {shown(downs)} | - |")


if __name__ == "__main__":
    main()
