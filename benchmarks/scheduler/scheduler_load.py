"""What does placement cost the scheduler? 1,000 variables on 200 workers, in one process, without a network.

A real ``Scheduler`` with stand-ins for workers that confirm each copy at once; all time measured is the scheduler's
own (CPU time of its thread). Two figures are promised: a settled cycle (one run of the memory manager, less what it
takes without moorage, one sweep, one look at the workers' memory) takes at most 1 ms, also with 1,000 workers, and no
callback of moorage's keeps the event loop longer than 20 ms.
Two placements are taken, everywhere and pins to two workers, of small keys and of large ones, which travel as a tree.
Each row is the median over the repetitions, of which each is a scheduler of its own; the order of the rows is rotated.
Python's garbage collector is held back meanwhile: with 200,000 copies on record its full collections take some 80 ms,
whoever made them.

Usage: ``python benchmarks/scheduler/scheduler_load.py [--variables 1000] [--workers 200] [--reps 5]``.
Takes about a minute.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import Any

import dask.config
from distributed import Scheduler
from distributed.core import Status
from distributed.scheduler import ClientState, WorkerState

from moorage.model import Everywhere, OnWorkers, Placement
from moorage.scheduler.plugin import PlacementSchedulerPlugin
from moorage.wire.scheduler import PlaceItem, placement_to_dict

CYCLES = 50  # settled cycles of which the median is taken


class Stream:
    """Stands for the connection to a worker: what is asked for is confirmed in the next turn of the event loop."""

    def __init__(self, scheduler: Scheduler, address: str) -> None:
        self.scheduler = scheduler
        self.address = address

    def send(self, *messages: dict[str, Any]) -> None:
        """Take messages of the scheduler to the worker."""
        loop = asyncio.get_running_loop()
        for message in messages:
            if message["op"] == "acquire-replicas":
                loop.call_soon(self._add, list(message["who_has"]))
            elif message["op"] == "remove-replicas":
                loop.call_soon(self._remove, list(message["keys"]))

    def closed(self) -> bool:
        """Never."""
        return False

    def abort(self) -> None:
        """Nothing to end."""

    def _add(self, keys: list[Any]) -> None:
        self.scheduler.add_keys(worker=self.address, keys=keys, stimulus_id="bench")

    def _remove(self, keys: list[Any]) -> None:
        for key in keys:
            self.scheduler.release_worker_data(key=key, worker=self.address, stimulus_id="bench")


class Blocking:
    """How long single callbacks of moorage's keep the event loop, by wrapping what the event loop calls."""

    def __init__(self) -> None:
        self.worst = 0.0
        self.total = 0.0

    def watch(self, owner: Any, name: str) -> None:
        """Time each call of a method."""
        method = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.thread_time()
            try:
                return method(*args, **kwargs)
            finally:
                taken = time.thread_time() - start
                self.worst = max(self.worst, taken)
                self.total += taken

        setattr(owner, name, timed)

    @contextmanager
    def timing(self) -> Any:
        """Start over."""
        self.worst = self.total = 0.0
        yield self


def add_worker(scheduler: Scheduler, index: int, per_host: int = 8) -> WorkerState:
    """Add a stand-in for a worker."""
    address = f"tcp://10.0.0.{index // per_host}:{10000 + index}"
    ws = WorkerState(
        address=address, status=Status.running, pid=0, name=f"worker-{index}", nthreads=2, memory_limit=1 << 34,
        local_directory="", nanny="", server_id=address, scheduler=scheduler,
    )  # fmt: skip
    ws.metrics = {"memory": 1 << 30, "spilled_bytes": {"memory": 0, "disk": 0}, "managed_bytes": 0, "transfer": {}}
    scheduler.workers[address] = ws
    scheduler.running.add(ws)
    scheduler.aliases[ws.name] = address
    scheduler.stream_comms[address] = Stream(scheduler, address)
    return ws


def items(variables: int, nbytes: int, placement: Callable[[int], Placement]) -> list[PlaceItem]:
    """Return as many variables of one key each."""
    return [
        {
            "vid": f"bench:v{i}", "name": f"v{i}", "owner": "bench", "keys": [f"key-{i}"],
            "placement": placement_to_dict(placement(i)), "structure": {"kind": "value"}, "typename": "ndarray",
            "detail": "", "nbytes": [nbytes], "origin": True, "hold": True,
        }
        for i in range(variables)
    ]  # fmt: skip


async def settled(plugin: PlacementSchedulerPlugin) -> None:
    """Wait until nothing is left to do."""
    while plugin.reconciler.unsettled or plugin.reconciler._dirty:  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0.002)


def median_ms(work: Callable[[], Any], times: int = CYCLES) -> float:
    """Return the median of the milliseconds that `work` takes."""
    taken = []
    for _ in range(times):
        start = time.thread_time()
        work()
        taken.append(1000 * (time.thread_time() - start))
    return statistics.median(taken)


async def measure(variables: int, workers: int, nbytes: int, placement: Callable[[int], Placement]) -> list[float]:
    """Return the figures of one scheduler: see the table's head."""
    async with Scheduler(dashboard=False, dashboard_address=":0", port=0, validate=False) as scheduler:
        scheduler.periodic_callbacks["worker-ttl"].stop()  # the stand-ins have no pulse
        states = [add_worker(scheduler, i) for i in range(workers)]
        scheduler.clients["bench"] = ClientState("bench")
        scheduler.client_comms["bench"] = Stream(scheduler, "bench")  # type: ignore[assignment]
        amm = scheduler.extensions["amm"]
        amm.stop()
        keys = [f"key-{i}" for i in range(variables)]
        scheduler.update_data(
            who_has={key: [states[i % workers].address] for i, key in enumerate(keys)},
            nbytes=dict.fromkeys(keys, nbytes), client="bench",
        )  # fmt: skip
        stock = median_ms(amm.run_once)
        plugin = PlacementSchedulerPlugin()
        await scheduler.register_scheduler_plugin(plugin, name="moorage", idempotent=True)
        for name in ("moorage-sweep", "moorage-memory"):
            scheduler.periodic_callbacks[name].stop()
        await plugin.subscribe("bench")
        blocking = Blocking()
        for owner, name in ((plugin.reconciler, "_run"), (plugin.journal, "_send_changes"), (plugin.keeper, "put")):
            blocking.watch(owner, name)

        start = time.thread_time()
        asked = items(variables, nbytes, placement)
        handler = time.thread_time()
        await plugin.place(asked, "bench")
        handler = time.thread_time() - handler
        await settled(plugin)
        placed, place_worst = time.thread_time() - start, blocking.worst

        with blocking.timing():
            plugin.add_worker(scheduler, add_worker(scheduler, workers).address)
            await settled(plugin)
            join, join_worst = blocking.total, blocking.worst

        def sweep() -> None:
            plugin._sweep()
            plugin.reconciler.run()

        def look() -> None:
            plugin.journal.look_at_workers()
            plugin.journal.flush()

        cycle = [median_ms(amm.run_once), median_ms(sweep), median_ms(look)]
        worst = max(place_worst, join_worst)
        figures = [1000 * placed, 1000 * handler, 1000 * join, 1000 * worst, stock, *cycle, sum(cycle) - stock]
        await plugin.uninstall()
        return figures


def main(arguments: Iterable[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variables", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=200)
    parser.add_argument("--reps", type=int, default=5)
    options = parser.parse_args(None if arguments is None else list(arguments))

    def pins(i: int) -> Placement:
        return OnWorkers((f"worker-{(7 * i) % options.workers}", f"worker-{(7 * i + 3) % options.workers}"))

    cases: dict[str, tuple[int, Callable[[int], Placement]]] = {
        "everywhere, 10 kB": (10_000, lambda i: Everywhere()),
        "everywhere, 40 MB": (40_000_000, lambda i: Everywhere()),
        "pins, 10 kB": (10_000, pins),
        "pins, 40 MB": (40_000_000, pins),
    }
    results: dict[str, list[list[float]]] = {name: [] for name in cases}
    dask.config.set({"distributed.scheduler.active-memory-manager.start": False})
    for rep in range(options.reps):
        names = list(cases)
        for name in names[rep % len(names) :] + names[: rep % len(names)]:
            size, placement = cases[name]
            gc.collect()
            gc.disable()
            results[name].append(asyncio.run(measure(options.variables, options.workers, size, placement)))
            gc.enable()
    print(
        f"{options.variables} variables, {options.workers} workers, {options.reps} repetitions; milliseconds, medians"
    )
    head = [
        "place all",
        "(handler)",
        "one joins",
        "worst block",
        "stock AMM",
        "AMM",
        "sweep",
        "memory",
        "settled cycle",
    ]
    print(f"{'':20}" + "".join(f"{title:>14}" for title in head))
    for name, rows in results.items():
        medians = [statistics.median(column) for column in zip(*rows, strict=True)]
        medians[3] = max(row[3] for row in rows)
        print(f"{name:20}" + "".join(f"{figure:14.2f}" for figure in medians))
    print("worst block: the longest single callback of moorage's, over all repetitions")


if __name__ == "__main__":
    main()
