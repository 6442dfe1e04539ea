"""What the benchmarks of submitting share: methods side by side, in rotating order, medians and ratios."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable

import psutil

Method = Callable[[], float]
"""Does the job once and returns the seconds it took."""


def arguments(description: str | None, **defaults: int) -> argparse.Namespace:
    """Read ``--reps`` and the given integer options from the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=3)
    for name, value in defaults.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value)
    return parser.parse_args()


def timed(function: Callable[[], object]) -> float:
    """Return how long `function` takes, seconds."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def compare(methods: dict[str, Method], reps: int, baseline: str) -> dict[str, float]:
    """Run every method once per repetition, another one first each time; print and return medians, seconds."""
    names = list(methods)
    times: dict[str, list[float]] = {name: [] for name in names}
    for rep in range(reps):
        at = rep % len(names)
        for name in names[at:] + names[:at]:
            times[name].append(methods[name]())
            print(f"  {rep + 1}/{reps} {name}: {times[name][-1]:.4f} s", file=sys.stderr)
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    print(f"{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, Python {sys.version.split()[0]}, {reps} repetitions")
    print(f"{'':44} {'median':>10} {'best':>10} {'times ' + baseline:>16}")
    for name, median in sorted(medians.items(), key=lambda item: item[1]):
        print(f"{name:44} {median:9.4f}s {min(times[name]):9.4f}s {median / medians[baseline]:15.2f}x")
    return medians


def sent_bytes(client: object) -> list[int]:
    """Return a counter, of one element, of the bytes of task graphs that `client` sends from now on."""
    total = [0]
    original = client._send_to_scheduler  # type: ignore[attr-defined]

    def counting(message: dict[str, object]) -> None:
        if message.get("op") == "update-graph":
            expression = message["expr_ser"]
            total[0] += sum(len(frame) for frame in expression.frames)  # type: ignore[attr-defined]
        original(message)

    client._send_to_scheduler = counting  # type: ignore[attr-defined]
    return total


def have_ray() -> bool:
    """Whether ray can be compared with; it is no dependency."""
    try:
        import ray  # noqa: F401
    except ImportError:
        print("ray is not installed: left out", file=sys.stderr)
        return False
    return True


def resident(pid: int | None = None) -> int:
    """Return the resident memory of a process, bytes."""
    return int(psutil.Process(pid).memory_info().rss)
