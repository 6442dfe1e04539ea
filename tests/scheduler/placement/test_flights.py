"""Copies on their way."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moorage.scheduler import flights as module
from moorage.scheduler.flights import ROOM, Flights, patience


@pytest.fixture
def clock(monkeypatch):
    """What `monotonic` says."""
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def test_the_oldest_copy_is_the_one_that_was_asked_for_first_also_after_it_was_given_up(clock):
    flights = Flights()
    assert flights.oldest(["x", "y"]) is None
    flights.begin("x", ["a"], ["b"], 10)
    clock[0] += 1
    flights.begin("y", ["a"], ["c", "d"], 20)
    assert flights.oldest(["x", "y"]) == ("a", "b", 10, 100.0)
    assert flights.oldest(["y"])[3] == 101.0
    clock[0] += patience(10)
    assert ("x", "b") in flights.expire()
    flights.begin("x", ["c"], ["b"], 10)  # from another worker
    assert flights.oldest(["x"]) == ("c", "b", 10, 100.0)
    flights.begin("x", ["a"], ["b"], 10)
    assert flights.oldest(["x"]) == ("a", "b", 10, 100.0)
    flights.end("x", "b")
    flights.begin("x", ["a"], ["b"], 10)  # anew: it had arrived
    assert flights.oldest(["x"])[3] == clock[0]


def on_way(flights, target):
    """Bytes of what a worker has been asked for, and how many copies these are."""
    found = [at[target] for at in flights.by_key.values() if target in at]
    asked = [flight.nbytes for flight in found if flight.begun < inf]
    return sum(asked), len(asked)


@given(st.lists(st.integers(0, ROOM * 3 // 2), max_size=30), st.randoms(use_true_random=False))
def test_a_worker_is_asked_for_so_much_at_a_time_and_in_the_end_for_all(sizes, random):
    flights, under_way = Flights(), {}
    for key, nbytes in enumerate(sizes):
        for target in flights.begin(key, ["a", "b"], ["c"], nbytes):
            under_way[key] = target
    arrived = []
    while under_way:
        nbytes, n = on_way(flights, "c")
        assert n == len(under_way)
        assert nbytes <= ROOM or n == 1 or sum(sizes[key] > 0 for key in under_way) == 1
        key = random.choice(list(under_way))
        flights.end(key, under_way.pop(key))
        arrived.append(key)
        for target in list(flights.ready):
            for more, (sources, size) in flights.depart(target).items():
                assert (sources, size) == (["a", "b"], sizes[more])
                under_way[more] = target
    assert sorted(arrived) == list(range(len(sizes)))
    assert not flights.by_key
    assert not flights.queued
    assert not +flights.incoming
    assert not +flights.outgoing


def test_what_queues_can_be_called_off_and_what_goes_with_a_worker_is_forgotten():
    flights = Flights()
    assert flights.begin("x", ["a"], ["c", "d"], ROOM) == ["c", "d"]
    assert flights.begin("y", ["a"], ["c"], 1) == []
    assert flights.begin("z", ["b"], ["c"], 2) == []
    assert flights.on_way("c", ["y"]) == []
    flights.end("y", "c")
    assert not flights.ready
    flights.end("x", "c")
    assert flights.depart("c") == {"z": (["b"], 2)}
    assert flights.begin("y", ["a"], ["d"], 1) == []
    flights.worker_gone("d")
    assert not flights.ready
    assert not flights.queued


def test_a_copy_takes_long_only_where_nothing_arrives(clock):
    flights = Flights()
    flights.begin("x", ["a"], ["c"], ROOM)
    flights.begin("y", ["a"], ["c"], 10)
    flights.begin("x", ["a"], ["d"], ROOM)
    clock[0] += patience(ROOM)
    assert flights.overdue() == [("x", "c"), ("x", "d")]
    flights.end("x", "c")
    flights.depart("c")
    assert flights.overdue() == [("x", "d")]
    flights.begin("z", ["a"], ["c"], 10)
    clock[0] += patience(10)
    flights.end("z", "c")
    assert flights.expire() == [("x", "d")]
    clock[0] += patience(10)
    assert flights.expire() == [("y", "c")]
