"""Twenty changes of size while items run: every value stays what it was, every item has one result."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

import moorage


def _work(n, big):
    time.sleep(0.02)
    return n, float(big[n])


@pytest.mark.timeout(600)
def test_every_value_stays_and_every_item_has_one_result():
    seed = random.randrange(10_000)
    print("seed", seed)
    sizes = random.Random(seed)
    values = np.random.default_rng(seed).random(5_000)
    with moorage.start(n_workers=2, threads_per_worker=1, memory_limit="500MB") as cluster:
        cluster.broadcast(values, name="big")
        cluster.scatter([values[n::50] for n in range(50)], name="parts")
        cluster.pin("one", ["0"], value={"seed": seed})
        big = cluster["big"].future
        futures = []
        before = 2
        for step in range(20):
            futures += cluster.client.map(_work, range(step * 100, step * 100 + 100), big=big, pure=False)
            before = sizes.choice([n for n in range(1, 7) if n != before])
            cluster.scale(before)
            assert len(cluster.workers()) == before
        results = cluster.client.gather(futures)
        assert results == [(n, float(values[n])) for n in range(2000)]
        assert np.array_equal(cluster.gather("big"), values)
        assert cluster.gather("one") == {"seed": seed}
        parts = cluster.gather("parts")
        assert all(np.array_equal(part, values[n::50]) for n, part in enumerate(parts))
        assert len(cluster.placement()["big"].holders) == before
