"""Dealing out elements, and whether they fit: pure."""

import math
from collections import Counter

import dask.config
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.errors import DoesNotFitError
from moorage.kernel.assign import assign, check_fit, free, usable
from moorage.model import WorkerInfo

MB = 1_000_000


def worker(name, nthreads=1, memory_limit=1000 * MB, process=0, managed=0):
    return WorkerInfo(
        name, f"tcp://{name}", name, nthreads=nthreads, memory_limit=memory_limit, process=process, managed=managed
    )


clusters = st.lists(
    st.tuples(st.integers(1, 16), st.integers(0, 4000), st.integers(0, 4000)), min_size=1, max_size=6
).map(lambda them: [worker(f"w{i}", nthreads, limit * MB, used * MB) for i, (nthreads, limit, used) in enumerate(them)])
sizes = st.lists(st.integers(0, 500 * MB), max_size=40)


def test_the_example_of_the_documentation():
    names = assign([8] * 10, [worker("alice", 2), worker("bob", 2)])
    assert [i for i, name in enumerate(names) if name == "alice"] == [0, 1, 4, 5, 8, 9]
    assert [i for i, name in enumerate(names) if name == "bob"] == [2, 3, 6, 7]


@given(sizes, clusters, st.sampled_from(["cores", "workers", "memory"]))
def test_every_element_goes_to_one_worker_that_is_there(nbytes, workers, by):
    names = assign(nbytes, workers, by)
    assert len(names) == len(nbytes)
    assert set(names) <= {w.name for w in workers}
    assert assign(nbytes, workers, by) == names


@given(st.integers(0, 200), clusters)
def test_by_cores_shares_are_as_the_cores(count, workers):
    shares = Counter(assign([1] * count, workers, "cores"))
    rounds = count / sum(w.nthreads for w in workers)
    for w in workers:
        assert math.floor(rounds) * w.nthreads <= shares[w.name] <= math.ceil(rounds) * w.nthreads


@given(st.integers(0, 200), clusters)
def test_by_workers_shares_are_even(count, workers):
    shares = Counter(assign([1] * count, workers, "workers"))
    numbers = [shares[w.name] for w in workers]
    assert max(numbers) - min(numbers) <= 1


@given(sizes, clusters)
def test_by_memory_each_goes_where_most_is_free(nbytes, workers):
    left = {w.name: free(w) for w in workers}
    for size, name in zip(nbytes, assign(nbytes, workers, "memory"), strict=True):
        assert left[name] == max(left.values())
        left[name] -= size


@given(clusters, st.lists(st.integers(0, 5000 * MB), min_size=6, max_size=6))
def test_it_fits_exactly_if_it_fits_on_each(workers, amounts):
    needs = {w.name: amount for w, amount in zip(workers, amounts, strict=False)}
    short = [w for w in workers if needs[w.name] > max(0, free(w))]
    if not short:
        check_fit("x", needs, workers)
        return
    with pytest.raises(DoesNotFitError) as caught:
        check_fit("x", needs, workers)
    assert sum(f"{w.name} has" in caught.value.message for w in short) == min(5, len(short))
    assert "force=True" in caught.value.remedy


def test_a_worker_without_a_limit_takes_anything():
    check_fit("x", {"w": 10**15}, [worker("w", memory_limit=0)])


def test_room_ends_where_a_worker_pauses():
    used = worker("w", memory_limit=1000 * MB, process=300 * MB, managed=100 * MB)
    assert free(used) == usable() * 1000 * MB - 300 * MB
    full = worker("full", process=990 * MB)
    check_fit("x", {"full": 0}, [full])
    with pytest.raises(DoesNotFitError, match="full has 0 B free"):
        check_fit("x", {"full": 1}, [full])


def test_a_refusal_says_who_could_and_does_not_list_hundreds():
    workers = [worker(f"w{i:03}", process=800 * MB) for i in range(100)] + [worker("roomy")]
    with pytest.raises(DoesNotFitError) as caught:
        check_fit("x", {w.name: MB for w in workers[:100]}, workers)
    assert "and 95 more" in caught.value.message
    assert "It would fit on roomy." in caught.value.remedy
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(("pause", "terminate", "share"), [(0.5, 0.9, 0.5), (False, 0.9, 0.9), (False, False, 1.0)])
def test_as_much_of_a_worker_is_used_as_it_takes_before_it_pauses(pause, terminate, share):
    settings = {"distributed.worker.memory.pause": pause, "distributed.worker.memory.terminate": terminate}
    with dask.config.set(settings):
        assert usable() == share
        assert free(WorkerInfo("alice", "", "", memory_limit=1000)) == share * 1000
