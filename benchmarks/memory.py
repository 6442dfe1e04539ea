"""What does the ledger cost? A notebook with 1,000 names, and a scheduler with 1,000,000 keys on 1,000 workers.

The notebook: a real client in this process; names of futures, lists of futures, persisted arrays, and other values. The
first look at them, and a later one after one name has changed.

The scheduler: a real ``Scheduler`` with stand-ins for workers. CPU time of its thread for an answer for which all must
be counted anew, for one when nothing has changed since, and how long they keep the event loop at most. When nobody
asks, nothing is counted: there is nothing to measure.

What it says: a cluster with something of each kind. After how long 95 % of what Dask manages have a name, by how much
the sums differ from what the processes take, and after how long what is deleted is gone.

Usage: ``python benchmarks/memory.py [--names 1000] [--keys 1000000] [--workers 1000] [--reps 5]``.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import time
from typing import Any

import dask.array as da
import dask.config
import numpy as np
import psutil
from distributed import Client, Scheduler, futures_of, wait
from distributed.core import Status
from distributed.scheduler import ClientState, WorkerState

import moorage
from moorage.kernel.ledger.memory import Memory
from moorage.kernel.ledger.names import Names
from moorage.scheduler.desired import Desired
from moorage.scheduler.ledger import Ledger
from moorage.scheduler.shared import Shared


def namespace(client: Client, names: int) -> dict[str, Any]:
    """Return variables as a notebook may have them."""
    fifth = names // 5
    found: dict[str, Any] = {f"future_{n}": client.submit(int, n) for n in range(fifth)}
    found |= {f"list_{n}": client.map(float, range(10 * n, 10 * n + 10)) for n in range(fifth)}
    found |= {f"array_{n}": client.persist(da.full(20, n, chunks=2)) for n in range(fifth)}
    found |= {f"value_{n}": np.zeros(100) for n in range(fifth)}
    return found | {f"text_{n}": {"a": n, "b": [str(n)] * 20} for n in range(names - 4 * fifth)}


def notebook(names: int, reps: int) -> None:
    """Time looks at a namespace."""
    with Client(processes=False, n_workers=1, dashboard_address=":0") as client:
        variables = namespace(client, names)
        wait(futures_of(list(variables.values())))
        first, later = [], []
        for rep in range(reps):
            found = Names()
            first.append(cpu_ms(lambda: found.look(variables)))  # noqa: B023  # called at once
            variables["future_0"] = client.submit(int, -rep - 1)
            later.append(cpu_ms(lambda: found.look(variables)))  # noqa: B023
        print(f"{names:,} names: first look {statistics.median(first):.1f} ms, later {statistics.median(later):.1f} ms")


def cpu_ms(work: Any) -> float:
    """Return the milliseconds of this thread that `work` takes."""
    begun = time.thread_time()
    work()
    return 1000 * (time.thread_time() - begun)


def truth() -> None:
    """Fill a cluster with something of each kind, and hold what the ledger says against the processes."""
    names: dict[str, Any] = {}
    with (
        moorage.start(n_workers=4, threads_per_worker=1, memory_limit="600MB") as cluster,
        Client(cluster.address, security=cluster.client.security, set_as_default=False) as other,
    ):
        cluster.placer.namespace = names
        client = cluster.client
        cluster.broadcast(block(80_000_000), name="shared")
        cluster.scatter([block(5_000_000, n) for n in range(12)], "spread")
        names["array"] = client.persist(da.random.default_rng(0).random((1000, 20_000), chunks=(50, -1)))
        names["futures"] = client.map(block, [4_000_000] * 20, range(20), pure=False)
        names["results"] = cluster.map(block, [5_000_000] * 8)
        names["spilled"] = client.map(
            block, [30_000_000] * 16, range(16), pure=False, workers=cluster.worker_names()[:1]
        )
        client.publish_dataset(published=client.submit(block, 20_000_000, 5, pure=False))
        theirs = other.map(block, [6_000_000] * 4, range(4), pure=False)
        wait([names["array"], *names["futures"], *names["spilled"], *theirs])
        names["results"].wait()
        begun = time.perf_counter()
        while (share := share_named(cluster.memory())) < 0.95:
            time.sleep(0.01)
        print(f"{share:.1%} of what Dask manages has a name after {time.perf_counter() - begun:.2f} s")
        time.sleep(2)  # workers tell of their memory twice in a second
        resident = client.run(lambda: psutil.Process().memory_info().rss)
        sums = cluster.memory().to_frame().groupby("worker").memory.sum()
        off = max(abs(sums[one.name] / resident[one.address] - 1) for one in cluster.workers())
        print(f"the sums are {off:.2%} off what the processes take at most")
        begun = time.perf_counter()
        names.clear()
        while {"array", "futures", "results", "spilled"} & {one.name for one in cluster.memory().names}:
            time.sleep(0.01)
        print(f"what was deleted is gone after {time.perf_counter() - begun:.2f} s")
        client.unpublish_dataset("published")


def block(nbytes: int, seed: int = 1) -> Any:
    """Return so many bytes."""
    return np.full(nbytes // 8, seed, "f8")


def share_named(memory: Memory) -> float:
    """Return the share of what Dask manages that has a name."""
    named = sum(one.total.memory + one.total.disk for one in memory.names if one.kind not in ("rest", "intermediate"))
    return named / sum(worker.managed + worker.spilled for worker in memory.workers)


async def scheduler(keys: int, workers: int, reps: int) -> None:
    """Time answers of a scheduler."""
    with dask.config.set({"distributed.admin.log-length": 0}):
        the = await Scheduler(dashboard=False, host="127.0.0.1", port=0)
    gc.disable()
    try:
        fill(the, keys, workers)
        ledger = Ledger(the, Desired(), Shared(the))
        held = {f"x{n}": {"keys": [], "groups": [f"group{n}-{n:032x}"]} for n in range(100)}
        await ledger.names("client", "me", held, [])
        first, later, worst = [], [], 0.0
        for _ in range(reps):
            block = asyncio.ensure_future(longest_block())
            await asyncio.sleep(0)
            await ledger.names("client", "me", {"one": {"keys": ["absent"], "groups": []}}, [])  # all is counted anew
            first.append((await ledger.ledger("client", {}))["seconds"])
            reply = await ledger.ledger("client", {})
            later.append(reply["seconds"])
            block.cancel()
            worst = max(worst, await block)
        named = sum(name["keys"] for name in reply["names"] if name["kind"] == "variable")
        numbers = sum(len(name["workers"]) for name in reply["names"])
        print(f"{keys:,} keys on {workers:,} workers, {named:,} with a name of {len(held)}, {numbers:,} numbers told:")
        anew, again = statistics.median(first), statistics.median(later)
        print(f"counted anew {anew:.2f} s of CPU, the event loop waits {1000 * worst:.0f} ms at most")
        print(f"an answer when nothing has changed {1000 * again:.1f} ms of CPU")
    finally:
        gc.enable()
        await the.close()


def fill(the: Scheduler, keys: int, workers: int) -> None:
    """Put keys on stand-ins for workers, wanted by a client."""
    client = the.clients["client"] = ClientState("client")
    there = []
    for n in range(workers):
        address = f"tcp://10.0.{n // 250}.{n % 250}:1000"
        ws = WorkerState(
            address=address, status=Status.running, pid=0, name=n, nthreads=2, memory_limit=1 << 34,
            local_directory="", nanny="", server_id=address, scheduler=the,
        )  # fmt: skip
        ws.metrics = {"memory": 1 << 30, "spilled_bytes": {"memory": 0, "disk": 0}}
        the.workers[address] = ws
        there.append(ws)
    for n in range(keys):
        ts = the.new_task((f"group{n % 100}-{n % 100:032x}", n), None, "memory")
        ts.set_nbytes(1000)
        ts.who_wants = {client}
        the.add_replica(ts, there[n % workers])


async def longest_block() -> float:
    """Return for how long others kept the event loop at most, until it is cancelled."""
    worst, last = 0.0, time.perf_counter()
    try:
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            worst, last = max(worst, now - last), now
    except asyncio.CancelledError:
        return worst


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option, value in (("names", 1000), ("keys", 1_000_000), ("workers", 1000), ("reps", 5)):
        parser.add_argument(f"--{option}", type=int, default=value)
    chosen = parser.parse_args()
    notebook(chosen.names, chosen.reps)
    truth()
    asyncio.run(scheduler(chosen.keys, chosen.workers, chosen.reps))
