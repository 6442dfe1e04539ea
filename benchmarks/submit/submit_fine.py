"""How much does a short item cost? N items of 0.1 ms each, on 2 workers of 1 thread.

Compares ``cluster.map`` with Dask's ``client.map``, joblib with processes, ray tasks and a plain loop. Every method
gathers all results. No method can be quicker than the pure work divided by the number of workers: that limit is given,
too, since ratios between methods tell little once it is near.
"""

import time

import joblib
from submit_common import arguments, compare, have_ray, timed

import moorage


def item(i: int) -> int:
    """Compute for 0.1 ms."""
    end = time.perf_counter() + 1e-4
    while time.perf_counter() < end:
        pass
    return i


def main() -> None:
    """Run the comparison."""
    options = arguments(__doc__, items=10_000)
    n = options.items
    with moorage.start(n_workers=2, threads_per_worker=1) as cluster, joblib.Parallel(n_jobs=2) as parallel:
        client = cluster.client
        methods = {
            "moorage map": lambda: timed(lambda: cluster.map(item, range(n)).gather()),
            "dask client.map": lambda: timed(lambda: client.gather(client.map(item, range(n), pure=False))),
            "joblib (loky, batch_size=auto)": lambda: timed(
                lambda: parallel(joblib.delayed(item)(i) for i in range(n))
            ),
            "plain loop": lambda: timed(lambda: [item(i) for i in range(n)]),
        }
        if have_ray():
            import ray

            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
            remote = ray.remote(item)
            methods["ray tasks"] = lambda: timed(lambda: ray.get([remote.remote(i) for i in range(n)]))
        for method in methods.values():  # imports, worker processes, connections
            method() if n <= 1000 else None
        cluster.map(item, range(50)).gather()
        parallel(joblib.delayed(item)(i) for i in range(50))
        medians = compare(methods, options.reps, "moorage map")
    limit = n * 1e-4 / 2
    for name, median in medians.items():
        print(f"{name}: {100 * limit / median:.1f} % of the limit, {limit:g} s")


if __name__ == "__main__":
    main()
