"""Broadcasting on one host: seconds until all workers have the value, and the memory that it takes.

Beside moorage: what the machine needs at least, one ``pwrite`` of the bytes into fresh shared memory; plain Dask, with
and without ``direct=True``; and ray, joblib and ipyparallel where they are installed (``pip install -r
benchmarks/requirements.txt``). Connections are encrypted where there are any (moorage, Dask). Each figure comes from a
process and a cluster of its own, and the order of the methods rotates from one repetition to the next, because whoever
is first finds memory that the system has not zeroed yet. A method that would take more memory than there is is left
out.

Two rows for each method: seconds until all workers have the value, and until every page of it has been used in every
worker besides; as medians, as multiples of the limit (its second row: one process reads every page), and of what
moorage takes for the same. And the memory of all workers that came on top (proportional set size: shared pages count
once), as a multiple of the value.

Usage: ``python benchmarks/broadcast.py [--mib 256 ...] [--workers 4 ...] [--reps 5] [--only METHOD ...]``. 256 MiB to 4
workers take about a minute per repetition. All that the README tells:
``python benchmarks/broadcast.py --mib 256 1024 2048 --workers 2 4 8 --reps 3``, about an hour.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil

PAGE = 4096
SLICE = 64 << 20

Figures = dict[str, float]


def value(nbytes: int, seed: int = 0) -> Any:
    """Return an array that no two methods have in common."""
    return np.random.default_rng([os.getpid(), seed]).integers(0, 1 << 62, nbytes // 8)


def touch(array: Any) -> int:
    """Read a number from every page."""
    return int(array[:: PAGE // 8].sum())


def seconds(function: Callable[[], object]) -> float:
    """Return how long `function` takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def proportional(pids: list[int]) -> int:
    """Return the memory of some processes, shared pages counted once, bytes."""
    return sum(int(psutil.Process(pid).memory_full_info().pss) for pid in pids)


def figures(pids: list[int], nbytes: int, place: Callable[[], object], use: Callable[[], object]) -> Figures:
    """Place and use, and return what that took."""
    before = proportional(pids)
    placed = seconds(place)
    used = seconds(use)
    return {"placed": placed, "used": used, "memory": (proportional(pids) - before) / nbytes}


# ---- the methods; each runs in a process of its own


def limit(nbytes: int, n: int) -> Figures:
    """Write the bytes once into fresh shared memory; map it and read every page."""
    content = memoryview(value(nbytes)).cast("B")
    fd = os.memfd_create("limit")

    def write() -> None:
        done = 0
        while done < nbytes:
            done += os.pwrite(fd, content[done : done + SLICE], done)

    def use() -> None:
        with mmap.mmap(fd, nbytes, prot=mmap.PROT_READ) as memory:
            touch(array := np.frombuffer(memory, "i8"))
            del array

    return {"placed": seconds(write), "used": seconds(use), "memory": 1.0}


def moorage(nbytes: int, n: int, warm: bool = False) -> Figures:
    """Broadcast; `warm`: after values of the same size, which have been released."""
    import dask.config

    import moorage

    dask.config.set({"moorage.images.pool": 4 * nbytes})
    with moorage.start(n_workers=n, threads_per_worker=1, memory_limit="8GB") as cluster:
        cluster.broadcast(value(1 << 20), name="connected")
        for seed in range(1, 4 if warm else 1):
            cluster.broadcast(value(nbytes, seed), name="before", keep_origin=False)
            cluster.release("before")
            time.sleep(0.3)
        x, client = value(nbytes), cluster.client
        names = [info.name for info in cluster.workers()]

        def use() -> None:
            future = cluster["x"].future
            assert len(cluster.placement()["x"].holders) == n
            client.gather([client.submit(touch, future, workers=[name], pure=False) for name in names])

        pids = list(client.run(os.getpid).values())
        return figures(pids, nbytes, lambda: cluster.broadcast(x, name="x"), use)


def moorage_warm(nbytes: int, n: int) -> Figures:
    """As `moorage`, into memory that is warm."""
    return moorage(nbytes, n, warm=True)


def scatter(nbytes: int, n: int, direct: bool | None = None) -> Figures:
    """``client.scatter(broadcast=True)`` of plain Dask."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=n, threads_per_worker=1, memory_limit=0, security=True, dashboard_address=":0"
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        client.scatter(value(1 << 20), broadcast=True, direct=direct)
        x, futures = value(nbytes), []
        addresses = list(client.scheduler_info(-1)["workers"])

        def place() -> None:
            futures.append(client.scatter(x, broadcast=True, direct=direct))

        def use() -> None:
            tasks = [client.submit(touch, futures[0], workers=[address], pure=False) for address in addresses]
            client.gather(tasks)

        return figures(list(client.run(os.getpid).values()), nbytes, place, use)


def scatter_direct(nbytes: int, n: int) -> Figures:
    """``client.scatter(broadcast=True, direct=True)`` of plain Dask."""
    return scatter(nbytes, n, direct=True)


def ray(nbytes: int, n: int, warm: bool = False) -> Figures:
    """``ray.put``, and the first ``ray.get`` of each of n actors."""
    import ray as peer

    peer.init(num_cpus=n, object_store_memory=max(4 * nbytes, 1 << 28), include_dashboard=False, log_to_driver=False)

    class Holder:
        def pid(self) -> int:
            return os.getpid()

        def hold(self, references: list[Any]) -> int:
            self.array = peer.get(references[0])
            return int(self.array[0])

        def touch(self) -> int:
            return int(self.array[:: PAGE // 8].sum())

    actors = [peer.remote(Holder).remote() for _ in range(n)]
    pids = peer.get([actor.pid.remote() for actor in actors])
    for seed in range(1, 4 if warm else 1):
        before = peer.put(value(nbytes, seed))
        peer.get([actor.hold.remote([before]) for actor in actors])
    x = value(nbytes)

    def place() -> None:
        reference = peer.put(x)
        peer.get([actor.hold.remote([reference]) for actor in actors])

    try:
        return figures(pids, nbytes, place, lambda: peer.get([actor.touch.remote() for actor in actors]))
    finally:
        peer.shutdown()


def ray_warm(nbytes: int, n: int) -> Figures:
    """As `ray`, after values of the same size."""
    return ray(nbytes, n, warm=True)


def joblib(nbytes: int, n: int) -> Figures:
    """A parallel call with the value as an argument, which joblib maps from a file; placing and first use in one."""
    import joblib as peer

    with peer.Parallel(n_jobs=n) as parallel:
        pids = list(set(parallel(peer.delayed(_pid)(0.2) for _ in range(2 * n))))
        x = value(nbytes)
        return figures(pids, nbytes, lambda: parallel(peer.delayed(touch)(x) for _ in range(n)), lambda: None)


def _pid(pause: float) -> int:
    time.sleep(pause)
    return os.getpid()


def ipyparallel(nbytes: int, n: int) -> Figures:
    """``push`` to all engines."""
    import ipyparallel as peer

    with peer.Cluster(n=n, log_level=40) as cluster:
        view = cluster[:]
        view.block = True
        pids = view.apply(os.getpid)
        x = value(nbytes)
        return figures(pids, nbytes, lambda: view.push({"x": x}), lambda: view.execute("int(x[::512].sum())"))


METHODS: dict[str, Callable[[int, int], Figures]] = {
    "limit": limit,
    "moorage": moorage,
    "moorage, warm": moorage_warm,
    "scatter(broadcast=True)": scatter,
    "scatter(..., direct=True)": scatter_direct,
    "ray": ray,
    "ray, warm": ray_warm,
    "joblib": joblib,
    "ipyparallel": ipyparallel,
}


def copies(method: str, n: int) -> int:
    """Return how many times the value is in memory at the most, in all processes together."""
    everywhere = method.startswith(("scatter", "ipyparallel"))
    return n + 2 if everywhere else 5 if method.endswith("warm") else 3


def measured(method: str, nbytes: int, n: int) -> Figures | None:
    """Run a method in a process of its own; None if it cannot be run here."""
    if copies(method, n) * nbytes > 0.9 * psutil.virtual_memory().available:
        print(f"  {method}: left out (it takes {copies(method, n)} times the value)", file=sys.stderr)
        return None
    command = [sys.executable, __file__, "--method", method, "--mib", str(nbytes >> 20), "--workers", str(n)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        why = (done.stderr.strip().splitlines() or ["no output"])[-1]
        print(f"  {method}: left out ({why})", file=sys.stderr)
        return None
    found: Figures = json.loads(lines[-1])
    return found


def compared(names: list[str], nbytes: int, n: int, reps: int) -> dict[str, list[Figures]]:
    """Run methods in turn, and return what each has taken."""
    taken: dict[str, list[Figures]] = {name: [] for name in names}
    for rep in range(reps):
        at = rep % len(names)
        for name in names[at:] + names[:at]:
            if rep and not taken[name]:
                continue
            found = measured(name, nbytes, n)
            if found is not None:
                taken[name].append(found)
                print(f"  {rep + 1}/{reps} {name}: {found['placed']:.3f} s", file=sys.stderr)
    return {name: rows for name, rows in taken.items() if rows}


def table(taken: dict[str, list[Figures]]) -> list[str]:
    """Return a table of what methods have taken, in Markdown."""

    def middle(name: str, *what: str) -> float:
        return statistics.median(sum(row[each] for each in what) for row in taken[name])

    lines = ["| what | | seconds | of the limit | of moorage | memory |", "|---|---|---|---|---|---|"]
    for name in taken:
        for words, *what in (("all have it", "placed"), ("and have used it", "placed", "used")):
            took = middle(name, *what)
            of_limit = f"{took / middle('limit', *what):.2f}" if "limit" in taken else "-"
            of_ours = f"{took / middle('moorage', *what):.2f}" if "moorage" in taken else "-"
            first = (name, f"{middle(name, 'memory'):.2f}") if what == ["placed"] else ("", "")
            lines.append(f"| {first[0]} | {words} | {took:.3f} | {of_limit} | {of_ours} | {first[1]} |")
    return lines


def main() -> None:
    """Run the methods in turn for each size and number of workers, and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, nargs="+", default=[256])
    parser.add_argument("--workers", type=int, nargs="+", default=[4])
    parser.add_argument("--reps", type=int, default=5)
    parser.add_argument(
        "--only", nargs="*", default=list(METHODS), help="some of the methods; the limit is always there"
    )
    parser.add_argument("--method", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.method:
        print(json.dumps(METHODS[args.method](args.mib[0] << 20, args.workers[0])))
        return
    if unknown := set(args.only) - METHODS.keys():
        parser.error(f"no such method: {', '.join(sorted(unknown))}; there are: {', '.join(METHODS)}")
    names = [name for name in METHODS if name in args.only or name == "limit"]
    for mib in args.mib:
        for n in args.workers:
            taken = compared(names, mib << 20, n, args.reps)
            machine = f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
            print(f"\n{mib} MiB to {n} workers; {machine}; medians of {args.reps}\n")
            print("\n".join(table(taken)), flush=True)


if __name__ == "__main__":
    main()
