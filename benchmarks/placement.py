"""Does placement hold, and how soon is it met? What is promised, in figures; beside plain Dask where it has an answer.

Times are taken on the scheduler, by a plugin that notes when workers register and run and when they confirm or drop a
copy; so neither the notebook's connection nor the 50 ms between two events is in them. Worker processes are killed
with SIGKILL. Each row is repeated and shows the worst case, and the median in brackets.

Usage: ``python benchmarks/placement.py [--seconds 60] [--reps 5]``. Takes about two minutes.
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from distributed import Client, LocalCluster
from distributed.diagnostics.plugin import SchedulerPlugin

import moorage

SIZE = 40_000_000  # bytes
LIMIT = 60.0  # seconds for anything to happen


class Probe(SchedulerPlugin):  # type: ignore[misc]  # untyped
    """Notes on the scheduler what happens when: ``(time, what, worker name, key)``."""

    name = "probe"

    def start(self, scheduler: Any) -> None:
        """Put itself before the scheduler's accounting of replicas."""
        self.scheduler = scheduler
        self.log: list[tuple[float, str, str, Any]] = []
        scheduler.extensions["probe"] = self
        add, remove = scheduler.add_replica, scheduler.remove_replica

        def add_replica(ts: Any, ws: Any) -> None:
            self.log.append((time.time(), "copy", str(ws.name), ts.key))
            add(ts, ws)

        def remove_replica(ts: Any, ws: Any) -> None:
            self.log.append((time.time(), "drop", str(ws.name), ts.key))
            remove(ts, ws)

        scheduler.add_replica, scheduler.remove_replica = add_replica, remove_replica

    def add_worker(self, scheduler: Any, worker: str) -> None:
        """Note that a worker has registered."""
        self.log.append((time.time(), "registered", str(scheduler.workers[worker].name), None))

    def log_event(self, topic: str, msg: Any) -> None:
        """Note that a worker runs."""
        if isinstance(msg, dict) and msg.get("action") == "worker-status-change" and msg.get("status") == "running":
            worker = self.scheduler.workers.get(msg.get("worker", topic))
            if worker is not None:
                self.log.append((time.time(), "running", str(worker.name), None))


def noted(client: Client) -> list[tuple[float, str, str, Any]]:
    """Return the probe's log so far."""
    return client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.extensions["probe"].log))  # type: ignore[no-any-return]


def when(log: list[tuple[float, str, str, Any]], since: float, what: str, worker: str | None = None) -> float:
    """Return when something happened first after `since`, or infinity."""
    return next((t for t, w, name, _ in log if t >= since and w == what and worker in (None, name)), float("inf"))


@contextmanager
def cluster(n_workers: int) -> Iterator[Any]:
    """Start a cluster of single-threaded workers with the probe on it."""
    with moorage.start(n_workers=n_workers, threads_per_worker=1, memory_limit="1GB") as controller:
        controller.client.register_plugin(Probe())
        yield controller


def until(check: Callable[[], Any]) -> None:
    """Wait until `check` is true."""
    deadline = time.monotonic() + LIMIT
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen")
        time.sleep(0.01)


def kill(controller: Any, name: str) -> float:
    """Kill a worker and return when."""
    address = next(info.address for info in controller.workers() if info.name == name)
    pid = controller.client.run(os.getpid, workers=[address])[address]
    now = time.time()
    os.kill(pid, signal.SIGKILL)
    until(lambda: address not in {info.address for info in controller.workers()})
    return now


def value(seed: int = 0) -> Any:
    """Return 40 MB."""
    return np.random.default_rng(seed).random(SIZE // 8)


def in_words(seconds: list[float]) -> str:
    """Return the worst of some times and their median."""
    return f"{max(seconds):.3f} s ({statistics.median(seconds):.3f} s)"


def broadcast_holds(seconds: float) -> tuple[str, str]:
    """Sample who has a broadcast value, asking the workers themselves, here and on plain Dask at the same time."""

    def holders(client: Client, key: Any) -> int:
        return sum(client.run(lambda key, dask_worker: key in dask_worker.data, key).values())

    with (
        cluster(4) as controller,
        LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=":0") as plain,
        Client(plain, set_as_default=False) as client,
    ):
        ours = controller.broadcast(value(), "x")
        theirs = client.scatter(value(), broadcast=True)
        counts: list[tuple[int, int]] = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            counts.append((holders(controller.client, ours.key), holders(client, theirs.key)))
            time.sleep(0.25)
    mine, other = zip(*counts, strict=True)
    met = sum(count == 4 for count in mine)
    return f"4 of 4 in {met} of {len(mine)} samples", f"4 of 4 in {sum(c == 4 for c in other)}, {other[-1]} at the end"


def holder_killed(reps: int) -> str:
    """Kill a holder of a broadcast; from the registration of its replacement to its copy."""
    times = []
    with cluster(2) as controller:
        controller.broadcast(value(), "x")
        for rep in range(reps):
            name = str(rep % 2)
            killed = kill(controller, name)
            until(lambda: controller.placement()["x"].holders == ["0", "1"])
            log = noted(controller.client)
            registered = when(log, killed, "registered", name)
            times.append(when(log, registered, "copy", name) - registered)
    return in_words(times)


def scale_up(reps: int) -> str:
    """Scale from 2 to 8 with a value everywhere; from the moment each newcomer runs to its copy."""
    times = []
    for _ in range(reps):
        with cluster(2) as controller:
            controller.broadcast(value(), "x")
            asked = time.time()
            controller.scale(8)
            until(lambda: len(controller.placement()["x"].holders) == 8)
            log = noted(controller.client)
            for name in sorted({name for t, what, name, _ in log if t > asked and what == "registered"}):
                running = when(log, asked, "running", name)
                times.append(when(log, asked, "copy", name) - running)
    return in_words(times)


def pin_moves(reps: int) -> tuple[str, int]:
    """Pin a value to the other worker: copy, confirm, drop. And the fewest copies there were at any time."""
    times = []
    with cluster(2) as controller:
        controller.pin("x", ["0"], value=value())
        (key,) = controller["x"].keys
        for rep in range(reps):
            begun = time.perf_counter()
            controller.pin("x", [str((rep + 1) % 2)])
            times.append(time.perf_counter() - begun)
            assert controller.placement()["x"].holders == [str((rep + 1) % 2)]
        steps = [1 if what == "copy" else -1 for _, what, _, of in noted(controller.client) if of == key]
        return in_words(times), min(itertools.accumulate(steps))


def only_holder_killed(reps: int) -> str:
    """Kill the only holder, which is the only worker; from the moment its replacement runs to the value's return."""
    times = []
    with cluster(1) as controller:
        data = value()
        future = controller.scatter(data, "x")
        for _ in range(reps):
            killed = kill(controller, "0")
            until(lambda: controller.placement()["x"].state == "held")
            log = noted(controller.client)
            running = when(log, killed, "running")
            times.append(when(log, running, "copy") - running)
            assert controller["x"].keys == [future.key]
            assert np.array_equal(controller.gather("x"), data)
    return in_words(times)


def scale_down(reps: int) -> tuple[str, str]:
    """Scale from 4 to 2 with placed and other data on all four; count what is still there, and equal."""
    ours, theirs, asked = 0, 0, 0
    for rep in range(reps):
        values = {f"key-{rep}-{i}": np.full(100_000, i) for i in range(16)}
        asked += len(values)
        with cluster(4) as controller:
            plain = controller.client.scatter(values)
            controller.scatter(values, "placed")
            controller.scale(2)
            there = controller.client.gather(plain, errors="skip")
            placed = controller.gather("placed")
            ours += sum(key in there and np.array_equal(there[key], placed[key]) for key in values)
        with (
            LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=":0") as cluster_of_dask,
            Client(cluster_of_dask, set_as_default=False) as client,
        ):
            plain = client.scatter(values)
            cluster_of_dask.scale(2)
            until(lambda c=client: len(c.scheduler_info(n_workers=-1)["workers"]) == 2)
            theirs += sum(future.status == "finished" for future in plain.values())
    return f"{ours} of {asked} values, equal", f"{theirs} of {asked}"


def import_time(reps: int) -> str:
    """Import the package in a fresh interpreter."""
    code = "import time; t = time.perf_counter(); import moorage; print(time.perf_counter() - t)"
    times = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(4 * reps)]
    return f"{1000 * statistics.median(times):.1f} ms (worst {1000 * max(times):.1f} ms)"


def main() -> None:
    """Run all rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the broadcast is sampled")
    parser.add_argument("--reps", type=int, default=5)
    options = parser.parse_args()

    rows: list[tuple[str, str, str, str]] = []

    def row(what: str, promised: str, measured: str, plain: str = "-") -> None:
        rows.append((what, promised, measured, plain))
        print(f"  {what}: {measured}", file=sys.stderr)

    row("`import moorage`", "30 ms", import_time(options.reps))
    row("a holder killed -9: its replacement holds 40 MB after registering", "1 s", holder_killed(options.reps))
    row("scale 2 -> 8: each newcomer holds 40 MB after it runs", "1 s", scale_up(min(3, options.reps)))
    moved, fewest = pin_moves(2 * options.reps)
    row("pin that moves 40 MB: copy, confirm, drop", "0.5 s", f"{moved}, never below {fewest} copy")
    row("the only holder killed -9: 40 MB back after a worker runs", "3 s", only_holder_killed(options.reps))
    down, down_plain = scale_down(min(3, options.reps))
    row("scale 4 -> 2 with data on all four", "all", down, down_plain)
    held, held_plain = broadcast_holds(options.seconds)
    row(f"40 MB broadcast to 4 workers, sampled for {options.seconds:g} s", "4 of 4 always", held, held_plain)

    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} CPUs, load {load:.1f} at the end, Python {sys.version.split()[0]}, {options.reps} reps")
    print("Worst case (median in brackets).\n")
    print("| what | promised | measured | plain Dask |\n|---|---|---|---|")
    for cells in rows:
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
