"""Copies on their way."""

from __future__ import annotations

import pytest

from moorage.scheduler import flights as module
from moorage.scheduler.flights import Flights, patience


@pytest.fixture
def clock(monkeypatch):
    """What `monotonic` says."""
    now = [100.0]
    monkeypatch.setattr(module, "monotonic", lambda: now[0])
    return now


def test_the_oldest_copy_is_the_one_that_was_asked_for_first_also_after_it_was_given_up(clock):
    flights = Flights()
    assert flights.oldest(["x", "y"]) is None
    flights.begin("x", "a", ["b"], 10)
    clock[0] += 1
    flights.begin("y", "a", ["c", "d"], 20)
    assert flights.oldest(["x", "y"]) == ("a", "b", 10, 100.0)
    assert flights.oldest(["y"])[3] == 101.0
    clock[0] += patience(10)
    assert ("x", "b") in flights.expire()
    flights.begin("x", "c", ["b"], 10)  # from another worker
    assert flights.oldest(["x"]) == ("c", "b", 10, 100.0)
    flights.begin("x", "a", ["b"], 10)
    assert flights.oldest(["x"]) == ("a", "b", 10, 100.0)
    flights.end("x", "b")
    flights.begin("x", "a", ["b"], 10)  # anew: it had arrived
    assert flights.oldest(["x"])[3] == clock[0]
