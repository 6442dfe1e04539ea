"""What an update of the panel costs the kernel on a large cluster, and how large it is: 1,000 workers, 200 variables.

The state is simulated: each variable is on every worker, 200,000 copies in all. For each kind of change: the time to
make the new state and find the difference, and the bytes of the message. And what listing the notebook's variables
takes after a cell, with 300 of them.

Usage: ``python benchmarks/panel_update.py [--workers 1000] [--variables 200]``. Takes some seconds.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from moorage.jupyter.panel_state import Facts, StateMaker, difference
from moorage.kernel.namespace import Candidates
from moorage.protocol import VariableRecord, WorkerDict

OWNER = "notebook.ipynb"
REPEATS = 50

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


def candidates() -> tuple[float, list[float]]:
    """Return the seconds of the first look at 300 variables, in slices, and of each further one, after a cell."""
    namespace: dict[str, Any] = {f"a{i}": np.zeros((100, i + 1)) for i in range(100)}
    namespace |= {f"l{i}": [list(range(10))] * 10_000 for i in range(100)}
    namespace |= {f"f{i}": pd.DataFrame(np.zeros((10_000, 20))) for i in range(100)}
    found = Candidates()
    begin = time.perf_counter()
    while not found.look(namespace, 10**6, 0.003):
        pass
    first = time.perf_counter() - begin
    later = []
    for i in range(REPEATS):
        namespace["new"] = pd.DataFrame(np.zeros((10_000 + i, 20)))
        begin = time.perf_counter()
        found.look(namespace, 10**6, 0.003)
        later.append(time.perf_counter() - begin)
    return first, later


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
    first, later = candidates()
    worst = 1e3 * max(later)
    print(f"listing 300 variables: {1e3 * first:.0f} ms at first, in slices of 3 ms; then after each cell")
    print(f"  {1e3 * statistics.median(later):.2f} ms median {worst:.2f} ms worst")


if __name__ == "__main__":
    main()
