"""What do collections cost? To be spread, to be computed where one says, and to be watched.

*Spread*: a data frame of `--parts` partitions of unequal size on four workers is put on two of them. By how much the
two differ from even by bytes, what has moved against the least that must, and the seconds until all is held. The same
once one of the two was killed and has come back, and once a fifth worker has joined.

*Restricted*: an array is summed while an array that it is made of is named for a worker. Tasks that ran: optimized by
Dask without a word about workers, with ``cluster.compute(..., workers=...)``, and with ``optimize_graph=False``.

*Watched*: CPU of the scheduler's event loop while nothing happens for `--idle` seconds: a ``LocalCluster`` without
moorage, which has its nannies on the same loop; with moorage attached and nothing placed; with a collection of 10,000
keys; and with 200 collections besides. And what ``cluster.memory()`` then takes, at first and again, and how much of
what Dask manages has a name in it.

Usage: ``python benchmarks/dask_collections.py [--parts 1000] [--keys 10000] [--collections 200] [--idle 20]``.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections import Counter
from typing import Any

import dask.array as da
import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster, get_task_stream, wait

import moorage
from moorage import ClusterController


def spread(cluster: ClusterController, parts: int) -> None:
    """Put a frame on two of four workers, and print how well."""
    rows = np.random.default_rng(0).integers(5_000, 15_000, parts)
    ends = np.concatenate([[0], rows.cumsum()])

    def part(number: int) -> pd.DataFrame:
        index = np.arange(ends[number], ends[number + 1])
        return pd.DataFrame({"a": index, "b": index / 2}, index)

    divisions = [*map(int, ends[:-1]), int(ends[-1]) - 1]
    frame = cluster.client.persist(dd.from_map(part, range(parts), divisions=divisions, meta=part(0).iloc[:0]))
    wait(frame)
    cluster.scatter(frame, "frame", workers=["alice", "bob", "carol", "dave"])  # where they are: so that it has a name
    settle(cluster, 1)
    before = {part.index: part for part in cluster.parts("frame")}
    since, begun = cluster.transfers(settle=2), time.perf_counter()
    cluster.scatter(frame, "frame", workers=["alice", "bob"])
    while cluster.placement()["frame"].state != "held":
        time.sleep(0.02)
    took = time.perf_counter() - begun
    after = cluster.parts("frame")
    there = Counter[str]()
    for one in before.values():
        there.update(dict.fromkeys(one.workers, one.nbytes))
    half = after.nbytes / 2
    least = after.nbytes - min(there["alice"], half) - min(there["bob"], half)
    dealt = sum(one.nbytes for one in after if not set(before[one.index].workers) & set(one.workers))
    uneven = max(share.nbytes for share in after.by_worker.values()) / half - 1
    moved = cluster.transfers(since=since, settle=2).nbytes
    print(f"spread: {parts:,} parts, {after.nbytes / 1e6:.0f} MB over {', '.join(after.by_worker)} in {took:.2f} s")
    print(f"  {uneven:.2%} off even; moved {dealt / 1e6:.1f} MB, {dealt / least - 1:+.2%} of the least")
    print(f"  the workers' logs say {moved / 1e6:.1f} MB, {moved / least - 1:+.2%}")
    alice = next(worker.address for worker in cluster.workers() if worker.name == "alice")
    os.kill(cluster.client.run(os.getpid, workers=[alice])[alice], signal.SIGKILL)
    print(f"  alice killed: {evenly(cluster)}")
    cluster.scale(5)
    print(f"  a fifth joined: {evenly(cluster)}")
    cluster.release("frame")
    cluster.scale(4)


def evenly(cluster: ClusterController) -> str:
    """Wait until the frame has been held by its two workers for a while, and return how it lies."""
    begun = at_rest = time.perf_counter()
    while time.perf_counter() - at_rest < 3:
        state = cluster.placement()["frame"]
        if state.state != "held" or set(state.holders) != {"alice", "bob"}:
            at_rest = time.perf_counter()
        time.sleep(0.05)
    parts = cluster.parts("frame")
    shares, missing = parts.by_worker, sum(not part.workers for part in parts)
    uneven = max(share.nbytes for share in shares.values()) / (parts.nbytes / 2) - 1
    on = ", ".join(f"{worker} {share.parts}" for worker, share in shares.items())
    return f"{uneven:.2%} off even after {at_rest - begun:.1f} s ({on}; {missing} missing)"


def restricted(cluster: ClusterController) -> None:
    """Count the tasks of one computation in three ways."""
    x = da.random.default_rng(0).random((40, 40), chunks=(4, 4)) + 1
    y = (x * 2) - 1
    total = ((y + y.T) / 2).sum()
    named = len(y.dask.layers[y.name]) if y.name in y.dask.layers else 0

    def count(compute: Any) -> tuple[int, float]:
        with get_task_stream(cluster.client) as stream:
            value = float(compute())
        return len({record["key"] for record in stream.data}), value

    ways = {
        "optimized, anywhere": lambda: cluster.client.compute(total).result(),
        "optimized, restricted": lambda: cluster.compute(total, workers=[(y, "alice")]).result(),
        "not optimized, restricted": lambda: cluster.client.compute(total, workers={}, optimize_graph=False).result(),
    }
    found = {way: count(compute) for way, compute in ways.items()}
    print(f"restricted: {named} blocks are named; tasks that ran:")
    for way, (tasks, value) in found.items():
        print(f"  {way:26} {tasks:5,}   = {value:.6f}")
    plain, ours = found["optimized, anywhere"][0], found["optimized, restricted"][0]
    print(f"  without the named ones {(ours - named) / (plain - named) - 1:+.1%} against optimized anywhere")


def watched(cluster: ClusterController, keys: int, collections: int, idle: float) -> None:
    """Print what the scheduler does while nothing happens."""
    with LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=":0") as plain, Client(plain) as client:
        time.sleep(5)
        shares = {"Dask alone": busy(client, idle)}
    shares["nothing placed"] = busy(cluster.client, idle)
    globals()["large"] = large = cluster.client.persist(da.ones(keys, chunks=1))
    wait(large)
    cluster.scatter(large, "large", workers=["alice", "bob"])
    settle(cluster)
    shares[f"one of {keys:,} keys"] = busy(cluster.client, idle)
    for n in range(collections):
        globals()[f"c{n}"] = one = cluster.client.persist(da.full(100, n, chunks=10))
        cluster.scatter(one, f"c{n}", workers=["carol", "dave"])
    settle(cluster)
    shares[f"and {collections} of 10"] = busy(cluster.client, idle)
    print(f"watched: share of a core that the scheduler's event loop takes, over {idle:.0f} s:")
    for what, share in shares.items():
        print(f"  {what:20} {share:.2%}")
    looks = []
    for _ in range(2):
        begun = time.perf_counter()
        memory = cluster.memory()
        looks.append(time.perf_counter() - begun)
    managed = sum(worker.managed + worker.spilled for worker in memory.workers)
    named = sum(name.total.memory + name.total.disk for name in memory.names if name.name)
    print(f"ledger: {looks[0]:.2f} s, then {looks[1]:.2f} s")
    print(f"  {named / managed:.1%} of {managed / 1e6:.1f} MB that Dask manages has a name")


def settle(cluster: ClusterController, seconds: float = 10) -> None:
    """Wait until all is held, and what follows is over."""
    while any(state.state != "held" for state in cluster.placement().values()):
        time.sleep(0.1)
    time.sleep(seconds)


def busy(client: Client, seconds: float) -> float:
    """Return the share of a core that the thread of the scheduler's event loop takes."""
    before = client.run_on_scheduler(time.thread_time)
    begun = time.perf_counter()
    time.sleep(seconds)
    return float(client.run_on_scheduler(time.thread_time) - before) / (time.perf_counter() - begun)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", type=int, default=1000)
    parser.add_argument("--keys", type=int, default=10_000)
    parser.add_argument("--collections", type=int, default=200)
    parser.add_argument("--idle", type=float, default=20.0)
    args = parser.parse_args()
    names = ["alice", "bob", "carol", "dave"]
    with moorage.start(names=names, threads_per_worker=1, memory_limit="1GB") as cluster:
        spread(cluster, args.parts)
        restricted(cluster)
        watched(cluster, args.keys, args.collections, args.idle)


if __name__ == "__main__":
    main()
