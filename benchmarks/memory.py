"""What does the ledger cost? A notebook with 1,000 names, and a scheduler with 1,000,000 keys on 1,000 workers.

The notebook: a real client in this process; names of futures, lists of futures, persisted arrays, and other values. The
first look at them, and a later one after one name has changed.

The scheduler: a real ``Scheduler`` with stand-ins for workers. CPU time of its thread for an answer for which all must
be counted anew, for one when nothing has changed since, and how long they keep the event loop at most. When nobody
asks, nothing is counted: there is nothing to measure.

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
from distributed import Client, Scheduler
from distributed.core import Status
from distributed.scheduler import ClientState, WorkerState

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
    asyncio.run(scheduler(chosen.keys, chosen.workers, chosen.reps))
