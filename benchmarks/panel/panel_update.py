"""What an update of the panel costs the kernel on a large cluster, and how large it is: 1,000 workers, 200 variables.

The state is simulated: each variable is on every worker, 200,000 copies in all. For each kind of change: the time to
make the new state and find the difference, and the bytes of the message. And the CPU time that listing the notebook's
variables takes after a cell, with 300 and with 10,000 of them;
of the first look, which goes on between cells, that of the longest slice, without garbage collection.

Usage: ``python benchmarks/panel/panel_update.py [--workers 1000] [--variables 200]``. Takes some seconds.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from moorage.jupyter.panel.candidates import Candidates
from moorage.jupyter.panel.state import Facts, StateMaker, difference
from moorage.wire.scheduler import VariableRecord, WorkerDict

OWNER = "notebook.ipynb"
REPEATS = 50
SLICE = 0.002  # seconds, as in moorage/jupyter/panel/publisher.py

Change = Callable[[dict[str, VariableRecord], dict[str, WorkerDict], int], None]


def worker(name: str, process: int = 0) -> WorkerDict:
    """Return a worker with 8 GB."""
    address = f"tls://10.0.{int(name) // 250}.{int(name) % 250}:1000"
    host = address[6:].split(":")[0]
    return {
        "name": name,
        "address": address,
        "host": host,
        "nthreads": 2,
        "memory_limit": 8 * 10**9,
        "status": "running",
        "managed": 0,
        "process": process,
        "spilled": 0,
    }


def variable(name: str, held: dict[str, int]) -> VariableRecord:
    """Return a variable that is everywhere."""
    return {
        "vid": f"{OWNER}:{name}",
        "name": name,
        "owner": OWNER,
        "keys": [f"{name}-{i}" for i in range(4)],
        "placement": {"kind": "everywhere"},
        "structure": {},
        "typename": "DataFrame",
        "detail": "336,776 × 19",
        "nbytes": 10**7,
        "state": "held",
        "reason": "",
        "held": held,
        "pending": {},
    }


def one_copy(variables: dict[str, VariableRecord], workers: dict[str, WorkerDict], i: int) -> None:
    """One more copy arrives."""
    vid, record = next(iter(variables.items()))
    variables[vid] = {**record, "held": {**record["held"], "7": 1 + i % 4}}


def one_variable(variables: dict[str, VariableRecord], workers: dict[str, WorkerDict], i: int) -> None:
    """A variable arrives on all workers at once."""
    vid, record = next(iter(variables.items()))
    variables[vid] = {**record, "held": dict.fromkeys(workers, 1 + i % 4)}


def memory(variables: dict[str, VariableRecord], workers: dict[str, WorkerDict], i: int) -> None:
    """The memory of a twentieth of the workers changes."""
    for name in list(workers)[i % 20 :: 20]:
        workers[name] = {**workers[name], "process": i * 10**8}


def resync(variables: dict[str, VariableRecord], workers: dict[str, WorkerDict], i: int) -> None:
    """Everything is told again, and nothing has changed."""
    for vid, record in variables.items():
        variables[vid] = {**record, "held": dict(record["held"])}


def nothing(variables: dict[str, VariableRecord], workers: dict[str, WorkerDict], i: int) -> None:
    """Somebody thought that something had changed."""


def measure(change: Change, n_workers: int, n_variables: int) -> tuple[list[float], int]:
    """Return the seconds of each update, and the bytes of the last."""
    workers = {str(i): worker(str(i)) for i in range(n_workers)}
    records = [variable(f"x{i}", dict.fromkeys(workers, 4)) for i in range(n_variables)]
    variables = {record["vid"]: record for record in records}
    make = StateMaker()
    before = make(Facts(workers=workers, variables=variables, owner=OWNER))
    seconds, message = [], b""
    for i in range(1, REPEATS + 1):
        workers, variables = dict(workers), dict(variables)
        change(variables, workers, i)
        begin = time.perf_counter()
        after = make(Facts(workers=workers, variables=variables, owner=OWNER))
        changes = difference(before, after)
        message = b"" if changes is None else json.dumps(changes).encode()
        seconds.append(time.perf_counter() - begin)
        before = after
    return seconds, len(message)


def candidates(n: int) -> tuple[float, list[float]]:
    """Return the CPU seconds of the longest slice of a first look at `n` variables, and of each look after a cell."""
    kinds: list[Callable[[int], Any]] = [
        lambda i: np.zeros((100, i + 1)),
        lambda i: {str(j): j for j in range(1000)},
        lambda i: pd.DataFrame(np.zeros((1_000, 20))),
    ]
    namespace: dict[str, Any] = {f"x{i}": kinds[i % 3](i % 100) for i in range(n)}
    found = Candidates()

    def timed(look: Callable[[], bool]) -> tuple[float, bool]:
        begin = time.thread_time()
        is_all = look()
        return time.thread_time() - begin, is_all

    gc.disable()  # a walk through the user's 10,000 values may happen at any moment
    longest, is_all = timed(lambda: found.look(namespace, 10**4, SLICE))
    while not is_all:
        seconds, is_all = timed(lambda: found.go_on(SLICE))
        longest = max(longest, seconds)
    gc.enable()
    later = []
    for i in range(REPEATS):
        namespace["new"] = pd.DataFrame(np.zeros((10_000 + i, 20)))
        later.append(timed(lambda: found.look(namespace, 10**4, SLICE))[0])
    return longest, later


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--variables", type=int, default=200)
    args = parser.parse_args()
    print(f"{args.workers} workers, {args.variables} variables on all of them")
    for change in (nothing, one_copy, one_variable, memory, resync):
        seconds, nbytes = measure(change, args.workers, args.variables)
        times = f"{1e3 * statistics.median(seconds):6.2f} ms median {1e3 * max(seconds):6.2f} ms worst"
        print(f"  {(change.__doc__ or '').rstrip('.'):58} {times} {nbytes:8,} bytes")
    for n in (300, 10_000):
        first, later = candidates(n)
        times = f"{1e3 * statistics.median(later):6.2f} ms median {1e3 * max(later):6.2f} ms worst"
        print(
            f"listing {n:,} variables after a cell: {times}, {1e3 * first:.1f} ms the longest slice of the first look"
        )


if __name__ == "__main__":
    main()
