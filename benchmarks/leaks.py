"""Placing and releasing again and again: what is left in the notebook, the host process and the workers.

For each process: its open files, connections, segments of shared memory (open or mapped), mappings, threads and private
memory, after the first rounds and after the last. Exits with 1 if any of it has grown: files, mappings and threads by
more than a few, connections by more than a few for each worker, memory by more than `--growth` MiB.

Usage: ``python benchmarks/leaks.py [--rounds 1000] [--mb 10] [--workers 2] [--growth 16]``. Small values go
another way: ``--rounds 10000 --mb 0.01``.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import dask.config
import numpy as np

import moorage
from moorage.kernel.images import sharing

FEW = 4
"""Files, mappings and threads that may come and go (arenas of the allocator, threads of a pool), and connections that a
process may have with each of the others."""
FIRST = 20
"""Rounds before the first look, in which pools fill."""


class Left(NamedTuple):
    """What a process has."""

    files: int
    connections: int
    segments: int
    mappings: int
    threads: int
    mib: float


def look(pid: int) -> Left:
    """Return what a process has now."""
    process = Path("/proc", str(pid))
    links = []
    for fd in (process / "fd").iterdir():
        try:
            links.append(os.readlink(fd))
        except OSError:
            continue
    maps = (process / "maps").read_text().splitlines()
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    ours = sum("memfd:moorage-" in text for text in (*links, *maps))
    sockets = sum(text.startswith("socket:") for text in links)
    return Left(
        len(links) - sockets, sockets, ours, len(maps), int(status["Threads"]), int(status["RssAnon"].split()[0]) / 1024
    )


def rounds(cluster: moorage.ClusterController, first: int, n: int, nbytes: int) -> None:
    """Place and release `n` values, each of another content."""
    for number in range(first, first + n):
        cluster.broadcast(np.full(nbytes // 8, number), name="x")
        cluster.release("x")


def at_rest(pids: dict[str, int], within: float = 45.0) -> dict[str, Left]:
    """Return what each process has as soon as no segment but those for tries is left, or after some time anyway."""
    deadline = time.monotonic() + within
    while True:
        gc.collect()
        with dask.config.set({"moorage.images.pool": 0}):
            sharing.pool().trim()  # what it keeps warm would go in half a minute
        found = {who: look(pid) for who, pid in pids.items()}
        if all(left.segments <= 2 for left in found.values()) or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


def main() -> int:
    """Run, print a table, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--mb", type=float, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--growth", type=float, default=16)
    args = parser.parse_args()
    nbytes = int(args.mb * 1e6)
    with moorage.start(n_workers=args.workers, threads_per_worker=1, memory_limit="1GB") as cluster:
        rounds(cluster, 0, FIRST, nbytes)
        pids = {"notebook": os.getpid()}
        pids["host"] = cluster.client.sync(cluster.client.scheduler.moorage_host)["pid"]
        pids |= {f"worker {n}": pid for n, pid in enumerate(cluster.client.run(os.getpid).values())}
        before = at_rest(pids)
        begun = time.perf_counter()
        rounds(cluster, FIRST, args.rounds, nbytes)
        seconds = time.perf_counter() - begun
        after = at_rest(pids)
    print(f"{args.rounds} rounds of {args.mb:g} MB in {seconds:.1f} s ({1000 * seconds / args.rounds:.1f} ms each)")
    heads = ("files", "connections", "segments", "mappings", "threads")
    print(f"{'':10} {' '.join(f'{head:>12}' for head in heads)} {'private MiB':>16}")
    limits = (FEW, FEW * (args.workers + 1), 1, FEW, FEW)
    grown = False
    for who in pids:
        one, other = before[who], after[who]
        grown |= any(now > then + limit for then, now, limit in zip(one[:5], other[:5], limits, strict=True))
        grown |= other.segments > 2 or other.mib > one.mib + args.growth
        pairs = " ".join(f"{f'{then} -> {now}':>12}" for then, now in zip(one[:5], other[:5], strict=True))
        print(f"{who:10} {pairs} {f'{one.mib:.1f} -> {other.mib:.1f}':>16}")
    print("it has grown" if grown else "nothing has grown")
    return int(grown)


if __name__ == "__main__":
    sys.exit(main())
