"""What does the scheduler plugin cost tasks that have nothing to do with placement? 10,000 no-ops, with and without.

One cluster, the scheduler in a process of its own. The plugin is put on it and taken away again between rounds; in a
third case 20 variables are broadcast besides. The order of the cases is rotated. Shown are the CPU seconds of the
scheduler's process per round, which other load on the machine does not change much, and the wall clock; medians, and
the median of each round's ratio to the round of stock next to it. Promised is at most 3 % more.

Usage: ``python benchmarks/scheduler/task_overhead.py [--tasks 10000] [--reps 9]``. Takes some minutes.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from distributed import Client, wait

import moorage
from moorage.kernel.install import install_plugin
from moorage.wire.scheduler import PlaceItem


def noop(i: int) -> None:
    """Do nothing."""


def cpu_seconds(client: Client) -> float:
    """Return the CPU time of the scheduler's process."""
    return client.run_on_scheduler(time.process_time)  # type: ignore[no-any-return]


def one_round(client: Client, tasks: int) -> tuple[float, float]:
    """Return CPU and wall clock seconds of so many no-ops."""
    cpu, wall = cpu_seconds(client), time.perf_counter()
    futures = client.map(noop, range(tasks), pure=False)
    wait(futures, timeout=600)
    result = cpu_seconds(client) - cpu, time.perf_counter() - wall
    client.cancel(futures)
    del futures
    while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)) > 100:
        time.sleep(0.05)
    return result


def place_twenty(client: Client) -> None:
    """Broadcast 20 variables."""
    futures = client.scatter({f"placed-{i}": bytes(1000) for i in range(20)})
    items: list[PlaceItem] = [
        {
            "vid": f"bench:{key}", "name": key, "owner": "bench", "keys": [key], "placement": {"kind": "everywhere"},
            "structure": {"kind": "value"}, "typename": "bytes", "detail": "", "nbytes": [1000], "origin": False,
            "hold": True,
        }
        for key in futures
    ]  # fmt: skip
    client.sync(client.scheduler.moorage_place, items=items, client=client.id)  # type: ignore[union-attr]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--reps", type=int, default=9)
    options = parser.parse_args()

    def with_moorage(client: Client) -> None:
        client.sync(install_plugin, client)

    def with_variables(client: Client) -> None:
        with_moorage(client)
        place_twenty(client)

    cases: dict[str, Callable[[Client], None]] = {
        "stock": lambda client: None,
        "moorage": with_moorage,
        "moorage, 20 variables": with_variables,
    }
    rounds: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    with moorage.start(n_workers=2, threads_per_worker=1) as cluster:
        client = cluster.client
        client.sync(client.scheduler.moorage_uninstall)  # type: ignore[union-attr]
        one_round(client, options.tasks)  # warm up
        for rep in range(options.reps):
            names = list(cases)
            for name in names[rep % len(names) :] + names[: rep % len(names)]:
                cases[name](client)
                rounds[name].append(one_round(client, options.tasks))
                if name != "stock":
                    client.sync(client.scheduler.moorage_uninstall)  # type: ignore[union-attr]
        with_moorage(client)  # as it was
    print(f"{options.tasks} no-ops, {options.reps} rounds of each case")
    print(f"{'':24}{'CPU s':>8}{'ratio':>8}{'wall s':>8}{'ratio':>8}")
    for name, taken in rounds.items():
        line = f"{name:24}"
        for which in (0, 1):
            ratios = [ours[which] / stock[which] for ours, stock in zip(taken, rounds["stock"], strict=True)]
            line += f"{statistics.median(t[which] for t in taken):8.2f}{statistics.median(ratios):8.3f}"
        print(line)


if __name__ == "__main__":
    main()
