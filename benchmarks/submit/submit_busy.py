"""Are all workers busy to the end? 100 items of 100 ms on 2 workers of 1 thread; ideal is 5 s."""

import time

import joblib
from submit_common import arguments, compare, have_ray, timed

import moorage


def item(i: int) -> int:
    """Wait 100 ms."""
    time.sleep(0.1)
    return i


def main() -> None:
    """Run the comparison."""
    options = arguments(__doc__, items=100)
    n = options.items
    ideal = n * 0.1 / 2
    with moorage.start(n_workers=2, threads_per_worker=1) as cluster, joblib.Parallel(n_jobs=2) as parallel:
        client = cluster.client
        methods = {
            "moorage map": lambda: timed(lambda: cluster.map(item, range(n)).gather()),
            "dask client.map": lambda: timed(lambda: client.gather(client.map(item, range(n), pure=False))),
            "joblib (loky)": lambda: timed(lambda: parallel(joblib.delayed(item)(i) for i in range(n))),
        }
        if have_ray():
            import ray

            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
            remote = ray.remote(item)
            methods["ray tasks"] = lambda: timed(lambda: ray.get([remote.remote(i) for i in range(n)]))
            ray.get([remote.remote(i) for i in range(2)])
        cluster.map(item, range(2)).gather()
        parallel(joblib.delayed(item)(i) for i in range(2))
        medians = compare(methods, options.reps, "moorage map")
    for name, median in medians.items():
        print(f"{name}: {100 * ideal / median:.1f} % of the ideal {ideal:g} s")


if __name__ == "__main__":
    main()
