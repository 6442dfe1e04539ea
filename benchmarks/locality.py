"""What does a join move, and how long does it take? Its frames together, and where Dask has put them.

Two data frames of `--size` bytes together, with the same divisions, on four workers of a thread each. *apart*: each
was persisted by Dask. *together*: the parts of the second were then put with those of the first,
``cluster.scatter(right, like=left)``, which is not in the time. The join is persisted, and waited for; what has moved
meanwhile is what ``cluster.transfers`` reports, as ``%%locality`` does. The two take turns, in an order that rotates.

Beside it: by how much the report differs from the raw logs of the workers, read by another way, and what it takes.

Usage: ``python benchmarks/locality.py [--size 5e8] [--parts 32] [--reps 5]``.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from typing import Any

import dask.dataframe as dd
import numpy as np
import pandas as pd
from distributed import Client, wait

import moorage

ARMS = ("apart", "together")
COLUMNS = 4


def frame(client: Client, name: str, size: float, parts: int) -> Any:
    """Return a persisted data frame of so many bytes."""
    rows = int(size / (COLUMNS + 1) / 8 / parts)

    def part(number: int) -> pd.DataFrame:
        index = pd.Index(np.arange(number * rows, (number + 1) * rows), name="at")
        values = np.random.default_rng(number).random((rows, COLUMNS))
        return pd.DataFrame(values, index, [f"{name}{column}" for column in range(COLUMNS)])

    divisions = [*range(0, parts * rows, rows), parts * rows - 1]
    made = client.persist(dd.from_map(part, range(parts), divisions=divisions, meta=part(0).iloc[:0]))
    wait(made)
    return made


def logged(client: Client) -> int:
    """Return the bytes of all entries in the logs of what workers have sent."""

    def look(dask_worker: Any) -> int:
        return sum(entry["total"] for entry in dask_worker.transfer_outgoing_log)

    return sum(client.run(look).values())


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, default=5e8)
    parser.add_argument("--parts", type=int, default=32)
    parser.add_argument("--reps", type=int, default=5)
    args = parser.parse_args()
    seconds: dict[str, list[float]] = {arm: [] for arm in ARMS}
    moved: dict[str, list[int]] = {arm: [] for arm in ARMS}
    off, asking, advice = [], [], ""
    with moorage.start(n_workers=4, threads_per_worker=1, memory_limit="2GB") as cluster:
        client = cluster.client
        globals()["left"] = left = frame(client, "l", args.size / 2, args.parts)
        for rep in range(args.reps + 1):  # the first is a warm-up
            for arm in ARMS if rep % 2 else ARMS[::-1]:
                globals()["right"] = right = frame(client, "r", args.size / 2, args.parts)
                if arm == "together":
                    cluster.scatter(right, "right", like=left)
                before, in_logs, begun = cluster.transfers(settle=5), logged(client), time.perf_counter()
                joined = client.persist(left.merge(right, left_index=True, right_index=True))
                wait(joined)
                took, begun = time.perf_counter() - begun, time.perf_counter()
                report = cluster.transfers(since=before, settle=2)
                asked = time.perf_counter() - begun
                of_logs = logged(client) - in_logs
                del joined, right
                globals().pop("right")
                cluster.release(*cluster)
                gc.collect()
                if not rep:
                    continue
                seconds[arm].append(took)
                moved[arm].append(report.nbytes)
                off.append(abs(report.nbytes + report.mapped - of_logs) / max(1, of_logs))
                asking.append(asked)
                advice = next(map(str, report.savings), advice)
    for arm in ARMS:
        print(
            f"{arm:9} {statistics.median(moved[arm]) / 1e6:8.2f} MB moved, {statistics.median(seconds[arm]):.2f} s "
            f"({min(seconds[arm]):.2f} to {max(seconds[arm]):.2f})"
        )
    share = statistics.median(moved["together"]) / statistics.median(moved["apart"])
    print(f"together moves {share:.3%} of what moves apart")
    print(f"the report differs from the logs by {max(off):.3%} at most, and takes {statistics.median(asking):.3f} s")
    print(advice)


if __name__ == "__main__":
    main()
