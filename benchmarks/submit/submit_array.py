"""What does a call cost that uses a large array which is on the cluster already? 200 calls on 500 MB, 2 workers.

The array is placed before the clock starts for those methods that can place it: ``cluster.broadcast``,
``client.scatter(broadcast=True)``, ``ray.put``. The others hand it over as they do: joblib maps it from a file,
``client.submit(function, data)`` sends it with every call, of which only a few are made and the time is scaled up.
Bytes are those of the task graphs that leave the notebook. The limit is the time of the calls alone, in the notebook,
divided by the number of cores.
"""

import joblib
import numpy as np
from submit_common import arguments, compare, have_ray, sent_bytes, timed

import moorage


def part(data: np.ndarray, i: int) -> int:
    """Sum a two-hundredth of the array. Of integers: equal on every machine, to the last bit."""
    return int(data[i::200].sum())


def main() -> None:
    """Run the comparison."""
    options = arguments(__doc__, megabytes=500, calls=200, plain_calls=2)
    n = options.calls
    data = np.random.default_rng(0).integers(0, 1000, options.megabytes * 1_000_000 // 8)
    expected = [part(data, i) for i in range(n)]

    def check(values: list[int]) -> None:
        assert values == expected

    with moorage.start(n_workers=2, threads_per_worker=1) as cluster, joblib.Parallel(n_jobs=2) as parallel:
        client = cluster.client
        total = sent_bytes(client)
        cluster.broadcast(data, "data")
        scattered = client.scatter(data.copy(), broadcast=True, hash=False)
        total[0] = 0

        def with_map() -> float:
            return timed(lambda: check(cluster.map(lambda i: part(data, i), range(n)).gather()))

        def with_loop() -> float:
            def run() -> None:
                futures = [cluster.submit(part, data, i, pure=False) for i in range(n)]
                check(client.gather(futures))

            return timed(run)

        def with_submit() -> float:
            return timed(
                lambda: check(client.gather([client.submit(part, scattered, i, pure=False) for i in range(n)]))
            )

        def with_plain() -> float:
            k = options.plain_calls
            futures = [lambda i=i: client.submit(part, data, i, pure=False) for i in range(k)]
            return timed(lambda: client.gather([submit() for submit in futures])) * n / k

        methods = {
            "moorage map": with_map,
            "moorage submit in a loop": with_loop,
            "dask scatter(broadcast) before, submit": with_submit,
            f"dask submit(f, data), {options.plain_calls} calls scaled": with_plain,
            "joblib (loky, memory map)": lambda: timed(
                lambda: check(parallel(joblib.delayed(part)(data, i) for i in range(n)))
            ),
        }
        if have_ray():
            import ray

            ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
            remote = ray.remote(part)
            reference = ray.put(data)
            methods["ray.put before, tasks"] = lambda: timed(
                lambda: check(ray.get([remote.remote(reference, i) for i in range(n)]))
            )
            ray.get(remote.remote(reference, 0))
        total[0] = 0
        cluster.map(lambda i: part(data, i), range(n)).gather()
        print(f"moorage map sends {total[0]:,} bytes for {n} calls on {data.nbytes:,} bytes")
        medians = compare(methods, options.reps, "moorage map")
    limit = timed(lambda: check([part(data, i) for i in range(n)])) / 2
    print(f"limit: {limit:.3f} s; moorage map reaches {100 * limit / medians['moorage map']:.0f} % of it")


if __name__ == "__main__":
    main()
