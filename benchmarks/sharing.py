"""What it costs to have on one more worker of a host what the host has already: a joined, a restarted, another worker.

For each: seconds from when the scheduler counts the worker among the running ones (or from the call of ``pin``) until
the worker has the value, and the bytes that the worker received meanwhile by all its connections. A copy would be
received in full. Connections are encrypted.

Usage: ``python benchmarks/sharing.py [--mib 256] [--reps 5]``. Takes about ten seconds per repetition.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from distributed.diagnostics.plugin import SchedulerPlugin, WorkerPlugin

import moorage


class Received(WorkerPlugin):
    """Counts the bytes that a worker receives."""

    name = "received"

    def setup(self, worker: Any) -> None:
        """Called by Dask on each worker, newcomers included, before they run."""
        from distributed.comm import tcp

        original, worker.received = tcp.from_frames, 0

        async def from_frames(frames: Any, *args: Any, **kwargs: Any) -> Any:
            worker.received += sum(len(frame) if isinstance(frame, bytes) else frame.nbytes for frame in frames)
            return await original(frames, *args, **kwargs)

        tcp.from_frames = from_frames  # type: ignore[assignment]


class Clock(SchedulerPlugin):
    """Takes down when workers begin to run, and when they get a key."""

    name = "clock"

    def __init__(self, key: Any) -> None:
        self.key = key
        self.running: dict[str, float] = {}
        self.holding: dict[str, float] = {}

    async def start(self, scheduler: Any) -> None:
        """Called by Dask."""
        self.scheduler, self._add = scheduler, scheduler.add_replica

        def add_replica(ts: Any, ws: Any) -> None:
            self._add(ts, ws)
            if ts.key == self.key:
                self.holding[ws.address] = time.monotonic()

        scheduler.add_replica = add_replica

    def log_event(self, topic: str, msg: Any) -> None:
        """Called by Dask."""
        if isinstance(msg, dict) and msg.get("action") == "worker-status-change" and msg.get("status") == "running":
            self.running[topic] = time.monotonic()


def figures(dask_scheduler: Any) -> tuple[dict[str, float], dict[str, float]]:
    """Return what the clock has taken down."""
    clock = dask_scheduler.plugins["clock"]
    return clock.running, clock.holding


def until(check: Callable[[], bool]) -> None:
    """Wait, for half a minute at most."""
    deadline = time.monotonic() + 30
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.005)


def received(cluster: moorage.ClusterController, address: str) -> int:
    """Return the bytes that a worker has received."""
    counted: int = cluster.client.run(lambda dask_worker: dask_worker.received, workers=[address])[address]
    return counted


def measured(nbytes: int) -> dict[str, tuple[float, int]]:
    """Return seconds and bytes of each case, on a cluster of its own."""
    taken: dict[str, tuple[float, int]] = {}
    with moorage.start(names=["alice", "bob"], threads_per_worker=1, memory_limit="8GB") as cluster:
        client = cluster.client
        client.register_plugin(Received())
        cluster.broadcast(np.random.default_rng().random(nbytes // 8), name="x")
        client.register_plugin(Clock(cluster["x"].keys[0]))

        def newcomer(come: Callable[[], object], n: int) -> tuple[float, int]:
            before = {info.address for info in cluster.workers()}
            come()
            new: set[str] = set()
            while not new:
                new = {info.address for info in cluster.workers() if info.status == "running"} - before
                time.sleep(0.005)
            (address,) = new
            until(lambda: len(cluster.placement()["x"].holders) == n)
            running, holding = client.run_on_scheduler(figures)
            return holding[address] - running[address], received(cluster, address)

        taken["joined"] = newcomer(lambda: cluster.scale(3), 3)
        address = next(info.address for info in cluster.workers() if info.name == "alice")
        (pid,) = client.run(os.getpid, workers=[address]).values()
        taken["restarted"] = newcomer(lambda: os.kill(pid, signal.SIGKILL), 3)
        cluster.pin("x", workers=["alice"])
        until(lambda: cluster.placement()["x"].holders == ["alice"])
        bob = next(info.address for info in cluster.workers() if info.name == "bob")
        time.sleep(1)  # a single act, rather than one of many that are told of together
        before, begun = received(cluster, bob), time.perf_counter()
        cluster.pin("x", workers=["bob"])
        taken["pinned elsewhere"] = time.perf_counter() - begun, received(cluster, bob) - before
    return taken


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=256)
    parser.add_argument("--reps", type=int, default=5)
    args = parser.parse_args()
    rows = [measured(args.mib << 20) for _ in range(args.reps)]
    print(f"{args.mib} MiB; {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; {args.reps} repetitions")
    print(f"{'a worker that has':20} {'median':>9} {'worst':>9} {'received, at most':>20}")
    for case in rows[0]:
        seconds, counts = zip(*(row[case] for row in rows), strict=True)
        print(f"{case:20} {statistics.median(seconds):8.3f}s {max(seconds):8.3f}s {max(counts):18,} B")


if __name__ == "__main__":
    main()
