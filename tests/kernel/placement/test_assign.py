"""Dealing out elements: pure."""

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from moorage.capacity import free
from moorage.kernel.placement.assign import assign
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
