"""What fits on workers and on hosts: pure."""

import dask.config
import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.capacity import Needs, check, fits_as_shared, free, host_free, together, usable
from moorage.errors import DoesNotFitError
from moorage.kernel.placement.elements import needs, pack
from moorage.kernel.placement.targets import ResolvedPlacement
from moorage.model import Everywhere, OnWorkers, WorkerInfo

MB = 1_000_000


def worker(name, host="h1", memory_limit=1000 * MB, process=0, managed=0, **more):
    return WorkerInfo(name, f"tcp://{name}", host, memory_limit=memory_limit, process=process, managed=managed, **more)


clusters = st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 4000)), min_size=1, max_size=6).map(
    lambda them: [worker(f"w{i}", memory_limit=limit * MB, process=used * MB) for i, (limit, used) in enumerate(them)]
)


@given(clusters, st.lists(st.integers(0, 5000 * MB), min_size=6, max_size=6))
def test_it_fits_exactly_if_it_fits_on_each(workers, amounts):
    needs = {w.name: amount for w, amount in zip(workers, amounts, strict=False)}
    short = [w for w in workers if needs[w.name] > max(0, free(w))]
    if not short:
        check("x", Needs(needs), workers)
        return
    with pytest.raises(DoesNotFitError) as caught:
        check("x", Needs(needs), workers)
    assert sum(f"{w.name} has" in caught.value.message for w in short) == min(5, len(short))
    assert "force=True" in caught.value.remedy


def test_a_worker_without_a_limit_takes_anything():
    check("x", Needs({"w": 10**15}), [worker("w", memory_limit=0)])


def test_room_ends_where_a_worker_pauses():
    used = worker("w", memory_limit=1000 * MB, process=300 * MB, managed=100 * MB)
    assert free(used) == usable() * 1000 * MB - 300 * MB
    full = worker("full", process=990 * MB)
    check("x", Needs({"full": 0}), [full])
    with pytest.raises(DoesNotFitError, match="full has 0 B free"):
        check("x", Needs({"full": 1}), [full])


def test_a_refusal_says_who_could_and_does_not_list_hundreds():
    workers = [worker(f"w{i:03}", process=800 * MB) for i in range(100)] + [worker("roomy")]
    with pytest.raises(DoesNotFitError) as caught:
        check("x", Needs({w.name: MB for w in workers[:100]}), workers)
    assert "and 95 more" in caught.value.message
    assert "It would fit on roomy." in caught.value.remedy
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(("pause", "terminate", "share"), [(0.5, 0.9, 0.5), (False, 0.9, 0.9), (False, False, 1.0)])
def test_as_much_of_a_worker_is_used_as_it_takes_before_it_pauses(pause, terminate, share):
    settings = {"distributed.worker.memory.pause": pause, "distributed.worker.memory.terminate": terminate}
    with dask.config.set(settings):
        assert usable() == share
        assert free(WorkerInfo("alice", "", "", memory_limit=1000)) == share * 1000


# What a host shares

VALUE = bytes(range(256)) * 4


def needed(placement, workers, shared_nbytes, held=()):
    """Return what placing a value of 1,024 bytes takes, of which so many can be shared."""
    elements = pack(VALUE, "v", True, True)
    (key,) = elements.keys
    elements.nbytes[:] = [1024]
    to = ResolvedPlacement(placement, workers)
    firsts = to.firsts(elements.nbytes, "cores", whole=True)
    return needs(elements, to, firsts, {key: set(held)}, shared={key: shared_nbytes})


def test_what_is_shared_counts_once_for_each_host_and_the_rest_for_each_worker():
    workers = [worker("a", shares=True), worker("b", shares=True), worker("c", "h2", shares=True), worker("d", "h2")]
    everywhere = needed(Everywhere(), workers, 1000)
    assert everywhere == Needs({"a": 24, "b": 24, "c": 24, "d": 1024}, {"h1": 1000, "h2": 1000})
    assert needed(OnWorkers(("b",)), workers, 1000) == Needs({"b": 24}, {"h1": 1000})


def test_what_a_host_shares_already_costs_it_nothing_more():
    workers = [worker("a", shares=True), worker("b", shares=True), worker("c", "h2", shares=True)]
    assert needed(Everywhere(), workers, 1000, held=["tcp://a"]) == Needs({"b": 24, "c": 24}, {"h2": 1000})


def test_what_no_worker_could_hold_may_be_shared_as_long_as_they_have_that_much_together():
    small = [worker(name, memory_limit=1000, process=100, shares=True) for name in "abc"]  # they spill from 700 on
    rooms = together(small)
    assert rooms == {"h1": 1800}
    assert [fits_as_shared(nbytes, small[0], rooms) for nbytes in (800, 1800, 1801)] == [True, True, False]
    full = [worker(name, memory_limit=1000, process=100, host_shared=1200, shares=True) for name in "abc"]
    assert [fits_as_shared(nbytes, full[0], together(full)) for nbytes in (800, 801)] == [True, False]
    assert needed(Everywhere(), small, 1000).shared == {"h1": 1000}
    assert needed(Everywhere(), full, 1000) == Needs({"a": 1024, "b": 1024, "c": 1024})
    # it is there: to map it once more takes nothing
    assert needed(Everywhere(), full, 1000, held=["tcp://a"]) == Needs({"b": 24, "c": 24})


def test_a_host_has_room_for_what_is_shared_and_what_is_not_together():
    workers = [worker("a", host_free=500 * MB), worker("b", host_free=450 * MB), worker("c", "h2")]
    assert host_free(workers) == {"h1": 450 * MB, "h2": float("inf")}
    check("x", Needs({"a": 100 * MB, "b": 100 * MB}, {"h1": 250 * MB}), workers)
    check("x", Needs({"c": 800 * MB}, {"h2": 10**15}), workers)
    with pytest.raises(DoesNotFitError, match=r"x needs .* of the memory of host h1, which has 429"):
        check("x", Needs({"a": 100 * MB, "b": 100 * MB}, {"h1": 250 * MB + 1}), workers)
    full = [worker("a", process=900 * MB, host_free=0)]
    check("x", Needs({"a": 0}), full)
