"""Do a million items start at once and stay within bounds? Items of a generator, 2 workers of 1 thread.

Prints when the first result was there, how even the progress was, and how much memory notebook and scheduler took
more than before, at most.
"""

import itertools
import os
import time

from submit_common import arguments, resident

import moorage


def item(i: int) -> int:
    """Compute a little."""
    return i * i % 7


def main() -> None:
    """Run a million items and look at them meanwhile."""
    options = arguments(__doc__, items=1_000_000)
    with moorage.start(n_workers=2, threads_per_worker=1) as cluster:
        cluster.map(item, range(100)).gather()
        scheduler = cluster.client.run_on_scheduler(os.getpid)
        before = resident(), resident(scheduler)
        start = time.perf_counter()
        results = cluster.map(item, (i for i in range(options.items)))
        first = results[0]
        first_at = time.perf_counter() - start
        peaks = [0, 0]
        seen = [(0.0, 0)]
        while not results.done():
            seen.append((time.perf_counter() - start, results.progress.done))
            peaks = [max(peaks[0], resident() - before[0]), max(peaks[1], resident(scheduler) - before[1])]
            time.sleep(0.05)
        total = time.perf_counter() - start
        assert results.gather() == [i * i % 7 for i in range(options.items)]
        assert first == 0
    changes = [seen[0][0]]
    for (_, done), (at, now) in itertools.pairwise(seen):
        if now != done:
            changes.append(at)
    longest = max((b - a for a, b in itertools.pairwise(changes)), default=0.0)
    print(f"{options.items:,} items in {total:.2f} s, the first after {first_at:.3f} s")
    print(f"longest time without progress: {longest:.2f} s")
    print(f"memory: notebook +{peaks[0] / 1e6:.0f} MB, scheduler +{peaks[1] / 1e6:.0f} MB, at most")


if __name__ == "__main__":
    main()
