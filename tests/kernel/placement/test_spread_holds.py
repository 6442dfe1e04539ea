"""A collection of 1,000 parts spread over two of four workers: evenly, with little moved, through a kill and a join."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import dask.array as da
import numpy as np
import pytest
from dask.bag import Bag
from distributed import futures_of, wait

import moorage
from moorage.controller.cluster import ClusterController
from moorage.errors import LostError
from tests.helpers import eventually
from tests.workers import Workers

PARTS = 1000


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers("alice", "bob", "carol", "dave", config={"distributed.scheduler.validate": False}) as workers:
        yield workers


@pytest.fixture
def cluster(workers: Workers) -> Iterator[ClusterController]:
    cluster = moorage.attach(workers.address)
    yield cluster
    cluster.close()


def even_over(cluster: ClusterController, *workers: str) -> bool:
    """Whether x is on these workers and nowhere else, within a tenth of even by bytes."""
    shares = cluster["x"].parts.by_worker
    nbytes = [shares[worker].nbytes for worker in shares]
    return sorted(shares) == sorted(workers) and max(nbytes) <= 1.1 * sum(nbytes) / len(workers)


def test_parts_without_origin_are_said_to_be_lost_and_the_others_spread_evenly(
    workers: Workers, cluster: ClusterController
) -> None:
    parts = [[i] * int(n) for i, n in enumerate(np.random.default_rng(0).integers(50, 150, PARTS))]
    futures = cluster.client.scatter(parts, hash=False)
    x = Bag({("x", i): future for i, future in enumerate(futures)}, "x", PARTS)
    cluster.scatter(x, "x", workers=["alice", "bob"], keep_origin=False)
    eventually(lambda: cluster.placement()["x"].state == "held" and even_over(cluster, "alice", "bob"))
    gone = cluster["x"].parts.by_worker["bob"].parts
    workers.kill("bob")
    eventually(lambda: cluster.placement()["x"].state == "lost")
    state = cluster.placement()["x"]
    assert f"({gone} of {PARTS} keys)" in state.reason
    assert "worker bob" in state.reason
    assert cluster.why("x").state == "lost"
    eventually(lambda: even_over(cluster, "alice", "bob"))
    there = [part for part in cluster["x"].parts if part.workers]
    assert len(there) == PARTS - gone
    assert cluster.client.gather(futures[there[0].index]) == parts[there[0].index]
    lost = next(part.index for part in cluster["x"].parts if not part.workers)
    with pytest.raises(LostError, match="x"):
        cluster.gather("x")
    with pytest.raises(LostError):
        cluster["x"].futures[lost].result(60)


def test_parts_are_even_with_the_fewest_bytes_moved_and_stay_so_through_a_kill(
    workers: Workers, cluster: ClusterController
) -> None:
    sizes = tuple(int(n) for n in np.random.default_rng(0).integers(500, 1500, PARTS))
    x = cluster.persist(da.random.default_rng(0).random(sum(sizes), chunks=(sizes,)))
    wait(futures_of(x), 60)
    expected = x.sum().compute(scheduler=cluster.client)
    keys = [future.key for future in futures_of(x)]
    before = workers.look(lambda s: {key: {str(ws.name) for ws in s.tasks[key].who_has} for key in keys})

    since = cluster.transfers(settle=2)
    cluster.scatter(x, "x", workers=["alice", "bob"])

    def even() -> bool:
        shares = cluster["x"].parts.by_worker
        nbytes = [shares[worker].nbytes for worker in shares]
        return sorted(shares) == ["alice", "bob"] and max(nbytes) <= 1.1 * sum(nbytes) / 2

    eventually(lambda: cluster.placement()["x"].state == "held" and even())
    parts = cluster["x"].parts
    moved = sum(part.nbytes for part in parts if not before[part.key].intersection(part.workers))
    there = Counter[str]()
    for part in parts:
        there.update(dict.fromkeys(before[part.key], part.nbytes))
    share = parts.nbytes / 2
    least = parts.nbytes - min(there["alice"], share) - min(there["bob"], share)
    assert moved <= 1.05 * least
    assert cluster.transfers(since=since, settle=2).nbytes <= 1.05 * least  # as the workers' logs say

    workers.kill("alice")
    eventually(lambda: cluster.placement()["x"].state == "held" and even())
    assert len(cluster["x"].parts) == PARTS
    assert all(len(part.workers) == 1 for part in cluster["x"].parts)
    workers.add("erin")
    workers.retire("bob")
    eventually(lambda: {w: s.parts for w, s in cluster["x"].parts.by_worker.items()} == {"alice": PARTS})
    workers.add("bob")
    eventually(lambda: cluster.placement()["x"].state == "held" and even())
    assert x.sum().compute(scheduler=cluster.client) == pytest.approx(expected)
