"""Maps that end before their end: cancelled, interrupted, out of time, without their cluster."""

import itertools
import os
import time

import pytest

import moorage
from moorage.errors import MoorageError, UnreachableError, WaitTimeoutError
from tests.helpers import eventually, interrupt_after


def test_items_are_taken_as_they_are_needed(cluster):
    taken = itertools.count()
    results = cluster.map(lambda i: time.sleep(0.05) or i, (next(taken) for _ in itertools.count()))
    eventually(lambda: results.progress.done >= 4)
    results.cancel()
    assert next(taken) < 500
    assert results.progress.finished


def test_cancelling_keeps_what_has_ended_and_the_rest_can_be_run_later(cluster):
    results = cluster.map(lambda i: time.sleep(0.01) or i, range(300))
    eventually(lambda: results.progress.done >= 10)
    results.cancel()
    p = results.progress
    assert p.finished
    assert 0 < p.done < 300
    assert p.done + p.cancelled == 300
    with pytest.raises(MoorageError, match=r"Item 299 was (cancelled|never begun)"):
        results[299]
    assert results.retry().gather() == list(range(300))


def test_an_interrupt_of_a_wait_leaves_the_results_usable(cluster, tmp_path):
    go = str(tmp_path / "go")

    def item(i):
        while not os.path.exists(go):
            time.sleep(0.02)
        return i

    results = cluster.map(item, range(100))
    with pytest.raises(KeyboardInterrupt), interrupt_after(0.3):
        results.wait(60)
    open(go, "w").close()
    assert results.gather() == list(range(100))


def test_what_has_not_ended_in_time_is_cancelled_and_told(cluster):
    results = cluster.map(lambda i: time.sleep(0.05) or i, range(1000), timeout=0.5)
    with pytest.raises(WaitTimeoutError, match=r"\d+ of 1000 items finished within 0\.5 s"):
        results.wait()
    assert 0 < results.progress.done < 100
    with pytest.raises(WaitTimeoutError, match=r"finished within 0\.5 s"):
        list(results)


def test_a_map_whose_cluster_is_stopped_ends_and_says_so():
    with moorage.start(n_workers=1, threads_per_worker=1) as cluster:
        results = cluster.map(lambda i: time.sleep(0.02) or i, range(10_000))
        eventually(lambda: results.progress.done >= 5)
        eventually(lambda: any(batch.values for batch in results._ledger.batches))
    with pytest.raises(UnreachableError, match="stopped"):
        results.wait(30)
    assert results.progress.finished
    assert results.progress.running == results.progress.failed == 0
    assert results[0] == 0
    with pytest.raises(UnreachableError, match="stopped"):
        list(results)
    with pytest.raises(UnreachableError, match="stopped"):
        results[9_999]


def test_cancelling_keeps_what_has_ended_of_a_task_that_has_not(cluster):
    results = cluster.map(lambda i: time.sleep(0.005) or i, range(400), batch_size=200)
    eventually(lambda: results.progress.done >= 30)
    before = results.progress.done
    results.cancel()
    done = results.progress.done
    assert before <= done < 400
    kept = [e for e in results.gather(errors="return") if isinstance(e, int)]
    assert len(kept) == done
    assert results.retry().gather() == list(range(400))
