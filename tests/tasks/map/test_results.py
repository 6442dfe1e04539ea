"""The results of a map: a sequence that fills up."""

import copy
import itertools
import pickle
import time

import numpy as np
import pytest
from distributed import Event

from moorage.errors import DoesNotFitError, InputError, UnpicklableError, WaitTimeoutError
from moorage.tasks.map.ledger import Progress
from tests.tasks.tools import double


@pytest.mark.parametrize("n", [0, 1, 2, 7, 1000, 50_000])
def test_values_are_those_of_the_items_in_their_order(cluster, n):
    results = cluster.map(double, range(n))
    assert results.gather() == [2 * i for i in range(n)]
    assert len(results) == n
    assert results.progress == Progress(n, n, 0, 0, 0, True)
    assert results.done()


@pytest.mark.parametrize(
    "items",
    [
        [3, 1, 2],
        (5, 6),
        {"a": 1, "b": 2},
        "text",
        np.arange(6).reshape(3, 2).sum(axis=1),
        (i for i in range(30)),
        itertools.islice(itertools.count(), 25),
        map(str, range(4)),
        {7},
    ],
    ids=lambda items: type(items).__name__,
)
def test_any_iterable_gives_its_items(cluster, items):
    items, expected = (items, items) if not hasattr(items, "__next__") else itertools.tee(items)
    assert cluster.map(lambda x: [x], items).gather() == [[x] for x in expected]


def test_several_iterables_go_together_and_further_arguments_to_each(cluster):
    assert cluster.map(lambda a, b, c=0: a + b + c, [1, 2, 3], itertools.count(10), c=100).gather() == [111, 113, 115]


def test_elements_slices_and_iteration_wait_for_what_they_need(cluster):
    results = cluster.map(double, range(100))
    assert results[3] == 6
    assert results[-1] == 198
    assert results[90:] == [2 * i for i in range(90, 100)]
    assert results[5:0:-2] == [10, 6, 2]
    assert list(results) == [2 * i for i in range(100)]
    assert sorted(results.as_completed()) == [(i, 2 * i) for i in range(100)]
    with pytest.raises(IndexError, match="There are 100 items"):
        results[100]
    with pytest.raises(IndexError):
        results[-101]


def test_results_come_while_others_still_run(cluster):
    gate = Event(client=cluster.client)

    def wait(i, name):
        if i:
            assert Event(name).wait(30)
        return i

    results = cluster.map(wait, range(4), name=gate.name, batch_size=1)
    assert results[0] == 0
    assert next(iter(results.as_completed())) == (0, 0)
    assert not results.done()
    assert results.wait(timeout=0.01) is False
    with pytest.raises(WaitTimeoutError, match=r"1 of 4 items finished within 0\.01 s"):
        results.gather(timeout="10ms")
    with pytest.raises(WaitTimeoutError, match="1 of 4"):
        list(results.as_completed(timeout=0.01))
    with pytest.raises(InputError, match="'soon' is not a duration"):
        results.gather(timeout="soon")
    assert results.progress.running + results.progress.done == 4 or results.progress.total == 4
    gate.set()
    assert results.gather() == [0, 1, 2, 3]


def test_a_change_of_progress_is_told(cluster):
    seen = []
    results = cluster.map(lambda i: time.sleep(0.01) or i, range(100))
    results.subscribe(lambda: seen.append(results.progress.done))
    results.wait()
    assert seen == sorted(seen)
    assert seen[-1] == 100


def test_large_results_stay_on_the_cluster_and_small_ones_come_home(cluster):
    large = cluster.map(lambda i: np.full(300_000, i), range(4), batch_size=1)
    large.wait()
    assert all(batch.values is None for batch in large._ledger.batches)
    assert large.nbytes > 4 * 300_000 * 8 * 0.9
    assert [int(value[0]) for value in large.gather()] == [0, 1, 2, 3]
    small = cluster.map(double, range(100))
    small.wait()
    assert all(batch.future is None for batch in small._ledger.batches)


@pytest.mark.parametrize("size", [3, 300_000], ids=["small", "large"])
def test_futures_of_items_can_be_used_by_other_tasks(cluster, size):
    futures = cluster.map(lambda i: np.full(size, i), range(5)).futures
    assert cluster.client.submit(lambda x: int(x[0]), futures[3]).result(30) == 3
    assert cluster.map(lambda x: int(x[0]) * 10, futures).gather() == [0, 10, 20, 30, 40]


def test_results_are_values_in_another_task(cluster):
    results = cluster.map(double, range(10))
    assert cluster.submit(lambda: sum(results)).result(30) == 90
    large = cluster.map(lambda i: np.full(300_000, i), range(4))
    assert cluster.submit(lambda: sum(int(x[0]) for x in large)).result(30) == 6


@pytest.mark.parametrize("take", [copy.deepcopy, pickle.dumps])
def test_what_is_copied_or_pickled_are_values(cluster, take):
    results = cluster.map(double, range(3))
    with pytest.raises(UnpicklableError, match=r"Use what \.gather\(\) returns"):
        take(results)
    assert take(results.gather()) == take([0, 2, 4])


def test_more_than_fits_is_refused_with_numbers(cluster, monkeypatch):
    import psutil

    results = cluster.map(lambda i: np.full(300_000, i), range(4))
    results.wait()

    class Memory:
        available = 1_000_000

    monkeypatch.setattr(psutil, "virtual_memory", Memory)
    with pytest.raises(DoesNotFitError, match=r"9\.16 MiB, and the notebook's machine has 0\.95 MiB|976\.56 kiB"):
        results.gather()
    assert len(results.gather(force=True)) == 4
