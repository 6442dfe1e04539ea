"""How long do small values take? Many of 8 kB to all workers, one by one and in one call, and the elements of a list.

Plain Dask does the same in the same run, on the same scheduler and workers, in an order that is rotated; what counts is
the ratio. moorage's calls end when every worker has said that it has the value. Each begins when the scheduler has
forgotten what was there before.

Usage: ``python benchmarks/small.py [--workers 4] [--calls 50] [--elements 10000] [--reps 5]``. Takes about a minute.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import moorage
from moorage.model import Everywhere

SIZE = 8192  # bytes

_seeds = itertools.count()


def value() -> Any:
    """Return 8 kB that were never there before."""
    return np.random.default_rng(next(_seeds)).integers(0, 256, SIZE, dtype="u1")


def elements(n: int) -> list[float]:
    """Return so many numbers that were never there before."""
    start = float(next(_seeds))
    return [start + i / n for i in range(n)]


def timed(each: int, action: Callable[[], Any]) -> float:
    """Return the seconds for each of so many things that `action` does."""
    begun = time.perf_counter()
    kept = action()
    took = (time.perf_counter() - begun) / each
    del kept
    return took


def rest(client: Any) -> None:
    """Wait until the scheduler has forgotten all tasks: letting go of 10,000 futures keeps it busy for 0.2 s."""
    while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
        time.sleep(0.05)


def rows(cluster: Any, calls: int, n: int) -> dict[str, tuple[int, Callable[[], Any], Callable[[], Any]]]:
    """Return of each row how many things it does, and how they are done by moorage and by plain Dask."""
    client = cluster.client

    def one_by_one() -> None:
        for i in range(calls):
            cluster.broadcast(value(), f"x{i}")

    def one_by_one_plain() -> Any:
        return [client.scatter(value(), broadcast=True, hash=False) for _ in range(calls)]

    def together() -> None:
        cluster.place([], Everywhere(), values={f"x{i}": value() for i in range(calls)}, whole=True)

    def together_plain() -> Any:
        return client.scatter([value() for _ in range(calls)], broadcast=True, hash=False)

    def scattered() -> Any:
        return cluster.scatter(elements(n), "many")

    def scattered_plain() -> Any:
        return client.scatter(elements(n))

    return {
        f"broadcast of 8 kB, {calls} one by one": (calls, one_by_one, one_by_one_plain),
        f"{calls} broadcasts of 8 kB in one call": (calls, together, together_plain),
        f"each of {n:,} elements of a list": (n, scattered, scattered_plain),
    }


def main() -> None:
    """Run all rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--elements", type=int, default=10_000)
    parser.add_argument("--reps", type=int, default=5)
    options = parser.parse_args()

    table = []
    with moorage.start(n_workers=options.workers, threads_per_worker=1, memory_limit="1GB") as cluster:
        for what, (each, ours, plain) in rows(cluster, options.calls, options.elements).items():
            times: dict[Any, list[float]] = {ours: [], plain: []}
            for rep in range(options.reps + 1):
                for action in (ours, plain) if rep % 2 else (plain, ours):
                    rest(cluster.client)
                    took = timed(each, action)
                    if rep:  # the first brings code to the workers, and opens connections
                        times[action].append(took)
                    cluster.release(*cluster)
            mine, theirs = (statistics.median(times[action]) for action in (ours, plain))
            ratio = statistics.median(a / b for a, b in zip(times[ours], times[plain], strict=True))
            table.append((what, mine, theirs, ratio))
            print(f"  {what}: {1e3 * mine:.3f} ms, plain {1e3 * theirs:.3f} ms", file=sys.stderr)

    load = os.getloadavg()[0]
    print(f"{options.workers} workers, {os.cpu_count()} CPUs, load {load:.1f} at the end, medians of {options.reps}\n")
    print("| what | moorage | plain Dask | ratio |\n|---|---|---|---|")
    for what, mine, theirs, ratio in table:
        print(f"| {what} | {1e3 * mine:.3f} ms | {1e3 * theirs:.3f} ms | {ratio:.2f} |")


if __name__ == "__main__":
    main()
